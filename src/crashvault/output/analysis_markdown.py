"""An analysis as Markdown, for a ticket or a wiki."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .analysis_text import crash_place, finding_texts, impact_text
from .escaping import code_span, fenced, markdown_text
from .times import counted, short

_SHOWN = 20  # clusters
_LONG = 600  # characters of a finding


def analysis_markdown(report: Mapping[str, Any]) -> str:
    """The Markdown of an analysis in its documented shape."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Mapping[str, Any]) -> Iterator[str]:
    events, totals = report["events"], report["totals"]
    about = f" for `{code_span(report['query'])}`" if report["query"] else ""
    yield "# What the crashes say\n"
    yield (
        f"{counted(events['matched'], 'event')} of {counted(totals['issues'], 'issue')}{about}, "
        f"{short(report['from'])[:16]} to {short(report['to'])[:16]} UTC. Written {short(report['generated_at'])}."
    )
    yield from (f"\n> {_text(warning)}" for warning in report["warnings"])
    if not report["clusters"]:
        yield "\nNo events fit; there is nothing to analyze."
        return
    if report["narrative"]:
        yield from narrative(report["narrative"])
    yield "\n## Do first\n"
    for item in report["advice"]:
        yield f"{item['rank']}. **{item['cluster']} {_text(item['title'])}** — {_text(item['because'])}{_marks(item['facts'])}"
        yield from (f"   - {_text(step['text'])}{_marks(step['facts'])}" for step in item["steps"])
    yield "\n## Clusters by impact\n"
    yield "| id | impact | events | users | level | title |\n| --- | ---: | ---: | ---: | --- | --- |"
    for cluster in report["clusters"][:_SHOWN]:
        yield (
            f"| {cluster['id']} | {cluster['impact']['score']:.0f} | {cluster['events']} | {cluster['users']} | "
            f"{markdown_text(cluster['level'])} | {markdown_text(cluster['title'])} |"
        )
    for cluster in report["clusters"][:_SHOWN]:
        yield from _cluster(cluster)
    yield "\n## Facts\n"
    yield from (f"- {fact['id']}: {_text(fact['text'])}" for fact in report["facts"])


def _cluster(cluster: Mapping[str, Any]) -> Iterator[str]:
    yield f"\n### {cluster['id']} {_text(cluster['title'])}\n"
    issues = ", ".join(f"{issue['id']} ({issue['events']})" for issue in cluster["issues"][:12])
    yield f"- **Issues:** {issues}"
    yield f"- **First, last:** {short(cluster['first_seen'])}, {short(cluster['last_seen'])}"
    place = crash_place(cluster)
    if place:
        yield f"- **Crashes at:** {_text(place)}"
    for name, items in finding_texts(cluster).items():
        yield from (f"- **{name.capitalize()}:** {_text(item)}" for item in items)
    yield f"- **Impact:** {markdown_text(impact_text(cluster['impact']))}"
    frames = (cluster["representative"] or {}).get("frames", [])
    if frames:
        stack = "\n".join(
            f"{frame['file'] or '?'}:{frame['line'] or '?'} {frame['function'] or ''}" for frame in frames
        )
        yield f"\n{fenced(stack)}"


def narrative(found: Mapping[str, Any]) -> Iterator[str]:
    """What a model said, marked as such."""
    yield f"\n## Written by the model {_text(found['model'])} ({_text(found['provider'])}), not checked\n"
    yield from (f"> {_text(line, 2000)}" for line in found["text"].split("\n"))
    yield from (f">\n> {_text(note)}" for note in found["notes"])


def _marks(facts: list[str]) -> str:
    return f" ({', '.join(facts)})" if facts else ""


def _text(value: object, longest: int = _LONG) -> str:
    return markdown_text(value, longest)
