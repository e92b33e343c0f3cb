"""A report of figures and charts: one self-contained page, or Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .charts import columns, heat_map, rows
from .escaping import code_span, html_text, markdown_text
from .page import foreign, page, wide
from .sparkline import sparkline, squeeze
from .times import counted, short

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_SPARKS = 60


def report_html(report: Mapping[str, Any]) -> str:
    """The page of a report in its documented shape."""
    return page("Crashvault report", "\n".join(_parts(report)))


def _parts(report: Mapping[str, Any]) -> Iterator[str]:
    totals, line = report["totals"], report["timeline"]
    about = f" for <code>{html_text(report['query'])}</code>" if report["query"] else ""
    yield "<h1>Crash report</h1>"
    yield (
        f'<p class="soft">{counted(totals["events"], "event")} of {counted(totals["issues"], "issue")}{about}, '
        f"{short(report['from'])[:16]} to {short(report['to'])[:16]} UTC. Written {short(report['generated_at'])} "
        f"by Crashvault {html_text(report['version'])}.</p>"
    )
    if not totals["events"]:
        yield "<p>No events fit.</p>"
        return
    yield "<h2>Events over time</h2>"
    yield columns(line["counts"], "Events over time", (short(line["from"])[:16], short(report["to"])[:16]))
    yield "<h2>Events by level</h2>"
    yield rows(list(totals["by_level"].items()), "Events by level")
    yield "<h2>Events by weekday and hour (UTC)</h2>"
    yield heat_map(report["by_weekday_and_hour"], [name[:3] for name in WEEKDAYS], _heat_words(report))
    yield "<h2>Issues with the most events</h2>"
    yield rows(
        [(f"#{item['id']} {item['title']}", item["events_in_report"]) for item in report["top_issues"][:10]],
        "Issues with the most events",
    )
    yield wide("Table of the issues with the most events", _table(report["top_issues"]))
    yield f'<p class="soft">Issues by status: {html_text(_pairs(totals["by_status"]))}. By project: {html_text(_pairs(totals["by_project"]))}.</p>'


def _table(issues: Iterable[Mapping[str, Any]]) -> str:
    head = (
        "<table><thead><tr><th class=n>Id</th><th>Title</th><th>Level</th><th>Status</th><th class=n>Events</th>"
        "<th class=n>Users</th><th>Last seen (UTC)</th><th>Release</th></tr></thead><tbody>"
    )
    return f"{head}{''.join(map(_row, issues))}</tbody></table>"


def _row(item: Mapping[str, Any]) -> str:
    return (
        f"<tr><td class=n>{item['id']}</td><td>{foreign(item['title'])}</td><td>{foreign(item['level'])}</td><td>{item['status']}</td>"
        f"<td class=n>{item['events_in_report']}</td><td class=n>{item['users']}</td><td>{short(item['last_seen'])}</td>"
        f"<td>{foreign(item['release'] or '')}</td></tr>"
    )


def _heat_words(report: Mapping[str, Any]) -> str:
    """What the heat map shows, for those who don't see it."""
    count, weekday, hour = max(
        (count, -day, -hour) for day, row in enumerate(report["by_weekday_and_hour"]) for hour, count in enumerate(row)
    )
    return f"Events by weekday and hour; most on {WEEKDAYS[-weekday]} at {-hour:02}:00: {count}"


def _pairs(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def report_markdown(report: Mapping[str, Any]) -> str:
    """The Markdown of a report in its documented shape."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Mapping[str, Any]) -> Iterator[str]:
    totals, line = report["totals"], report["timeline"]
    about = f" for `{code_span(report['query'])}`" if report["query"] else ""
    yield "# Crash report\n"
    yield (
        f"{counted(totals['events'], 'event')} of {counted(totals['issues'], 'issue')}{about}, {short(report['from'])[:16]} to "
        f"{short(report['to'])[:16]} UTC. Written {short(report['generated_at'])}."
    )
    if not totals["events"]:
        yield "\nNo events fit."
        return
    yield f"\n## Events over time\n\n`{sparkline(squeeze(line['counts'], _SPARKS))}`"
    yield "\n## Events by level\n\n| level | events |\n| --- | ---: |"
    yield from (f"| {markdown_text(name)} | {count} |" for name, count in totals["by_level"].items())
    yield "\n## Events by weekday and hour (UTC)\n\n| | 00 to 23 | events |\n| --- | --- | ---: |"
    top = max(max(row) for row in report["by_weekday_and_hour"])
    for name, row in zip(WEEKDAYS, report["by_weekday_and_hour"], strict=True):
        yield f"| {name} | `{sparkline([*row, top])[:-1] or ' '}` | {sum(row)} |"
    yield "\n## Issues with the most events\n\n| id | title | level | status | events | users | last seen (UTC) | release |"
    yield "| ---: | --- | --- | --- | ---: | ---: | --- | --- |"
    for item in report["top_issues"]:
        yield (
            f"| {item['id']} | {markdown_text(item['title'])} | {markdown_text(item['level'])} | {item['status']} | {item['events_in_report']} "
            f"| {item['users']} | {short(item['last_seen'])} | {markdown_text(item['release'] or '')} |"
        )
    yield f"\nIssues by status: {markdown_text(_pairs(totals['by_status']))}. By project: {markdown_text(_pairs(totals['by_project']))}."
