"""An analysis as one self-contained page with charts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .analysis_text import crash_place, finding_texts, impact_text
from .charts import columns, rows
from .escaping import html_text
from .page import bullets, definitions, foreign, page
from .times import counted, short

_SHOWN = 20  # clusters


def analysis_html(report: Mapping[str, Any]) -> str:
    """The page of an analysis in its documented shape."""
    return page("Crashvault analysis", "\n".join(_parts(report)))


def _parts(report: Mapping[str, Any]) -> Iterator[str]:
    events, totals = report["events"], report["totals"]
    yield "<h1>What the crashes say</h1>"
    about = f" for <code>{html_text(report['query'])}</code>" if report["query"] else ""
    yield (
        f'<p class="soft">{counted(events["matched"], "event")} of {counted(totals["issues"], "issue")}{about}, '
        f"{short(report['from'])[:16]} to {short(report['to'])[:16]} UTC. Written {short(report['generated_at'])} "
        f"by Crashvault {html_text(report['version'])}.</p>"
    )
    yield from (f'<p class="warn">{foreign(warning)}</p>' for warning in report["warnings"])
    if not report["clusters"]:
        yield "<p>No events fit; there is nothing to analyze.</p>"
        return
    line = report["timeline"]
    yield columns(line["counts"], "Events over time", (short(line["from"])[:16], short(report["to"])[:16]))
    if report["narrative"]:
        yield from narrative(report["narrative"])
    yield "<h2>Do first</h2><ol>"
    yield from (_advice(item) for item in report["advice"])
    yield "</ol><h2>Clusters by impact</h2>"
    yield rows(
        [(f"{item['id']} {item['title']}", item["events"]) for item in report["clusters"][:_SHOWN]],
        "Events of each cluster",
    )
    yield from (_cluster(item) for item in report["clusters"][:_SHOWN])
    hidden = len(report["clusters"]) + report["clusters_left_out"] - _SHOWN
    if hidden > 0:
        yield f'<p class="soft">{counted(hidden, "more cluster")} of less impact left out.</p>'
    yield from _facts(report)


def _advice(item: Mapping[str, Any]) -> str:
    steps = [f"{foreign(step['text'])} {_marks(step['facts'])}" for step in item["steps"]]
    return (
        f'<li><a href="#{item["cluster"]}">{item["cluster"]}</a> <b>{foreign(item["title"])}</b><br>'
        f'<span class="soft">{foreign(item["because"])}</span> {_marks(item["facts"])}{bullets(steps)}</li>'
    )


def _marks(facts: list[str]) -> str:
    return " ".join(f'<a class="soft" href="#{fact}">[{fact}]</a>' for fact in facts)


def _cluster(cluster: Mapping[str, Any]) -> str:
    issues = ", ".join(f"#{issue['id']} ({issue['events']})" for issue in cluster["issues"][:12])
    alike = f", {100 * cluster['similarity']:.0f} % alike" if len(cluster["issues"]) > 1 else ""
    pairs = [
        ("Impact", html_text(impact_text(cluster["impact"]))),
        ("Why", foreign(cluster["impact"]["reason"])),
        ("Issues", f"{issues}{alike}"),
        ("First, last", f"{short(cluster['first_seen'])} – {short(cluster['last_seen'])}"),
    ]
    place = crash_place(cluster)
    pairs += [("Crashes at", f"<code>{foreign(place)}</code>")] if place else []
    shared = [
        f"<code>{foreign(item['function'])}</code> in {foreign(item['file'] or '?')}"
        for item in cluster["functions"][:6]
    ]
    pairs += [("Shared code", "<br>".join(shared))] if shared else []
    found = {name.capitalize(): items for name, items in finding_texts(cluster).items() if items}
    pairs += [(name, "<br>".join(map(foreign, items))) for name, items in found.items()]
    chart = columns(cluster["timeline"], f"Events of {cluster['id']} over time", height=40)
    return (
        f'<section class="box" id="{cluster["id"]}"><h3>{cluster["id"]} {foreign(cluster["title"])}</h3>{chart}'
        f"{definitions(pairs)}{_frames(cluster)}</section>"
    )


def _frames(cluster: Mapping[str, Any]) -> str:
    frames = (cluster["representative"] or {}).get("frames", [])
    if not frames:
        return ""
    lines = [
        f"{frame['file'] or '?'}:{frame['line'] or '?'} {frame['function'] or ''}"
        + (f"\n    {frame['context_line'].strip()}" if frame["context_line"] else "")
        for frame in frames
    ]
    return f"<details><summary>Stack, the crash last</summary><pre>{html_text(chr(10).join(lines))}</pre></details>"


def narrative(found: Mapping[str, Any]) -> Iterator[str]:
    """What a model said, marked as such."""
    yield f'<section class="box model"><h2>Written by the model {foreign(found["model"])}</h2>'
    yield f'<p class="warn">By {foreign(found["provider"])}, from the facts below; not checked by anybody.</p>'
    yield from (f"<p>{foreign(part)}</p>" for part in found["text"].split("\n") if part.strip())
    yield f"{bullets([foreign(note) for note in found['notes']])}</section>"


def _facts(report: Mapping[str, Any]) -> Iterator[str]:
    yield "<h2>Facts</h2><table><thead><tr><th>Id</th><th>What</th></tr></thead><tbody>"
    yield from (
        f'<tr id="{fact["id"]}"><td>{fact["id"]}</td><td>{foreign(fact["text"])}</td></tr>' for fact in report["facts"]
    )
    yield "</tbody></table>"
