"""An analysis for the terminal: lines of markup that fit a width."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..console import escape, visible
from .plain import Column, cell_width, cut, table_lines, wrap
from .sparkline import sparkline, squeeze
from .times import called, counted, short

_SHOWN = 10  # clusters in detail
_ISSUES = 8  # of a cluster
_LEAST_WIDTH = 40

_COLUMNS = (
    Column("id"),
    Column("impact", justify="right"),
    Column("events", justify="right"),
    Column("users", justify="right"),
    Column("level"),
    Column("title", min_width=12, ratio=1),
    Column("over time", min_width=8, max_width=24, ratio=1),
)


def analysis_lines(report: Mapping[str, Any], width: int) -> list[str]:
    """Lines of markup, none wider than `width` cells (or 40, where that is less)."""
    return list(_lines(report, max(width, _LEAST_WIDTH)))


def _lines(report: Mapping[str, Any], width: int) -> Iterator[str]:
    events, totals = report["events"], report["totals"]
    yield from _head(report, width)
    if not report["clusters"]:
        yield "[muted]No events fit; there is nothing to analyze.[/muted]"
        return
    if report["narrative"]:
        yield from narrative_lines(report["narrative"], width)
    yield ""
    yield "[bold]Do first[/bold]"
    for item in report["advice"]:
        yield from _advice(item, report, width)
    yield ""
    yield f"[bold]Clusters[/bold] [muted]{len(report['clusters']) + report['clusters_left_out']} of {totals['issues']} issues[/muted]"
    yield from _table(report["clusters"][: 2 * _SHOWN], width)
    for cluster in report["clusters"][:_SHOWN]:
        yield ""
        yield from _cluster(cluster, width)
    hidden = len(report["clusters"]) + report["clusters_left_out"] - _SHOWN
    if hidden > 0:
        yield ""
        yield f"[muted]{counted(hidden, 'more cluster')}; the json format has {'up to 50' if events else 'all'}[/muted]"
    if report["together"]:
        yield ""
        yield "[bold]Happen together[/bold]"
        for fact in report["facts"]:
            if fact["kind"] == "together":
                yield from _item(f"{fact['text']} ", fact["id"], width)
    for warning in report["warnings"]:
        yield ""
        yield from wrapped(f"Note: {warning}", width, tag="warning")


def _head(report: Mapping[str, Any], width: int) -> Iterator[str]:
    events, totals = report["events"], report["totals"]
    about = f" for {report['query']}" if report["query"] else ""
    yield from wrapped(
        f"Analysis of {counted(events['matched'], 'event')} of {counted(totals['issues'], 'issue')}{about}",
        width,
        tag="bold",
    )
    if not report["clusters"]:
        return
    line = report["timeline"]
    series = squeeze(line["counts"], max(8, width - 2))
    yield f"[muted]{short(report['from'])[:16]} to {short(report['to'])[:16]} UTC[/muted]"
    yield f"[info]{sparkline(series)}[/info]"


def _advice(item: Mapping[str, Any], report: Mapping[str, Any], width: int) -> Iterator[str]:
    score = next(cluster["impact"]["score"] for cluster in report["clusters"] if cluster["id"] == item["cluster"])
    start = f"{item['rank']}. {item['cluster']} "
    title = cut(visible(item["title"]), width - cell_width(start) - 12)
    yield f"[bold]{start}[/bold][highlight]{escape(title)}[/highlight] [muted]impact {score:.0f}[/muted]"
    yield from _item(f"{item['because']} ", " ".join(item["facts"]), width, indent=3, mark="")
    for step in item["steps"]:
        yield from _item(f"{step['text']} ", " ".join(step["facts"]), width, indent=3)


def _item(text: str, facts: str, width: int, indent: int = 1, mark: str = "• ") -> Iterator[str]:
    """A point of a list, with the facts that speak for it behind."""
    lines = wrap(f"{visible(text).strip()} [{facts}]" if facts else visible(text).strip(), width - indent - len(mark))
    for number, line in enumerate(lines):
        yield f"{' ' * indent}{mark if not number else ' ' * len(mark)}{escape(line)}"


def _table(clusters: Sequence[Mapping[str, Any]], width: int) -> Iterator[str]:
    rows = [
        [cluster["id"], f"{cluster['impact']['score']:.0f}", str(cluster["events"]), str(cluster["users"] or ""),
         visible(cluster["level"]), visible(cluster["title"]), sparkline(squeeze(cluster["timeline"], 24))]
        for cluster in clusters
    ]  # fmt: skip
    head, *lines = table_lines(_COLUMNS, rows, None, width)
    yield f"[muted]{escape(head)}[/muted]"
    yield from (escape(line) for line in lines)


def _cluster(cluster: Mapping[str, Any], width: int) -> Iterator[str]:
    title = cut(visible(cluster["title"]), width - len(cluster["id"]) - 1)
    yield f"[bold]{cluster['id']}[/bold] [highlight]{escape(title)}[/highlight]"
    for name, texts in _sections(cluster):
        for number, text in enumerate(texts):
            label = f"{name:<12}" if not number else " " * 12
            for position, line in enumerate(wrap(visible(text), width - 14)):
                yield f"  [muted]{label if not position else ' ' * 12}[/muted]{escape(line)}"


def _sections(cluster: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    yield "issues", [_issues(cluster)]
    yield (
        "events",
        [
            f"{counted(cluster['events'], 'event')}, first {short(cluster['first_seen'])}, last {short(cluster['last_seen'])}"
        ],
    )
    place = crash_place(cluster)
    if place:
        yield "crashes at", [place]
    if cluster["functions"]:
        shown = ", ".join(called(item["function"]) for item in cluster["functions"][:5])
        yield "through", [shown]
    if cluster["files"]:
        yield "in", [", ".join(item["file"] for item in cluster["files"][:4])]
    texts = finding_texts(cluster)
    for name in ("stands out", "bursts", "suspects"):
        if texts[name]:
            yield name, texts[name]
    yield "impact", [impact_text(cluster["impact"])]


def _issues(cluster: Mapping[str, Any]) -> str:
    issues = cluster["issues"]
    shown = ", ".join(f"#{issue['id']} ({issue['events']})" for issue in issues[:_ISSUES])
    more = f" and {len(issues) - _ISSUES} more" if len(issues) > _ISSUES else ""
    alike = f", {100 * cluster['similarity']:.0f} % alike" if len(issues) > 1 else ""
    return f"{shown}{more}{alike}"


def crash_place(cluster: Mapping[str, Any]) -> str:
    """Where the representative crashed: its innermost own frame, else its innermost one."""
    frames = (cluster["representative"] or {}).get("frames", [])
    own = [frame for frame in frames if frame["in_app"]] or frames
    if not own:
        return ""
    frame = own[-1]
    line = f":{frame['line']}" if frame["line"] else ""
    function = f" in {called(frame['function'])}" if frame["function"] else ""
    return f"{frame['file'] or '?'}{line}{function}"


def finding_texts(cluster: Mapping[str, Any]) -> dict[str, list[str]]:
    """What was found about a cluster, by the name of its section."""
    return {
        "stands out": [item["text"] for item in cluster["standouts"]],
        "bursts": [item["text"] for item in cluster["bursts"]],
        "suspects": [item["text"] for item in cluster["suspects"]["commits"]],
    }


def impact_text(impact: Mapping[str, Any]) -> str:
    """The score with its parts."""
    return (
        f"{impact['score']:.0f} of 100 = frequency {impact['frequency']:.2f} × level {impact['level']:.2f} × "
        f"users {impact['users']:.2f} × recency {impact['recency']:.2f}"
    )


def narrative_lines(narrative: Mapping[str, Any], width: int) -> Iterator[str]:
    """What a model said, marked as such."""
    yield ""
    yield narrative_head(narrative)
    for paragraph in visible(narrative["text"], multiline=True).split("\n"):
        for line in wrap(paragraph.expandtabs(4), width - 2):
            yield f"[warning]│[/warning] {escape(line)}"
    for note in narrative["notes"]:
        yield from wrapped(note, width, tag="muted")


def narrative_head(narrative: Mapping[str, Any]) -> str:
    """The line above what a model wrote."""
    model, provider = escape(narrative["model"]), escape(narrative["provider"])
    return f"[warning]Written by the model {model}[/warning] [muted]({provider}), not checked[/muted]"


def wrapped(text: str, width: int, tag: str) -> Iterator[str]:
    for line in wrap(visible(text), width):
        yield f"[{tag}]{escape(line)}[/{tag}]"
