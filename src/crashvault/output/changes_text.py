"""A summary of changes for the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from ..console import escape, visible
from .analysis_text import wrapped
from .changes_document import SECTIONS, Entry, Summary
from .plain import wrap
from .times import counted, short

_TAGS = {
    "new": "info",
    "regressed": "warning",
    "resolved": "success",
    "worsened": "error",
    "improved": "success",
    "quiet": "muted",
}


def changes_lines(summary: Summary, width: int) -> list[str]:
    """Lines of markup, none wider than `width` cells (or 40, where that is less)."""
    return list(_lines(summary, max(width, 40)))


def _lines(summary: Summary, width: int) -> Iterator[str]:
    about = f" in project {summary.project}" if summary.project else ""
    yield from wrapped(
        f"Changes from {short(summary.since)[:16]} to {short(summary.until)[:16]} UTC{about}", width, tag="bold"
    )
    for name in SECTIONS:
        entries = summary.sections[name]
        if entries:
            yield ""
            yield f"[{_TAGS[name]}]{name.capitalize()}[/{_TAGS[name]}] [muted]{len(entries)}[/muted]"
            for entry in entries:
                yield from _entry(entry, width)
    if not any(summary.sections.values()):
        yield "[muted]Nothing changed.[/muted]"


def _entry(entry: Entry, width: int) -> Iterator[str]:
    number = f"#{entry.issue}"
    for position, line in enumerate(wrap(visible(entry.title), width - len(number) - 3)):
        yield (
            f"  [highlight]{number}[/highlight] {escape(line)}"
            if not position
            else f"  {' ' * len(number)} {escape(line)}"
        )
    release = f", release {entry.release}" if entry.release else ""
    facts = [
        f"{counted(entry.events, 'event')} ({entry.before} before), {counted(entry.users, 'user')}, {entry.level}, last {short(entry.last_seen)[:16]}{release}"
    ]
    if entry.suspect:
        facts.append(f"suspect {entry.suspect.commit[:10]} “{entry.suspect.summary}” by {entry.suspect.author}")
    for fact in facts:
        yield from (f"     [muted]{escape(line)}[/muted]" for line in wrap(visible(fact), width - 5))
