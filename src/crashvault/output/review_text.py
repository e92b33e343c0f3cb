"""A review for the terminal, and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

from ..console import escape, visible
from .analysis_markdown import narrative
from .analysis_text import narrative_lines, wrapped
from .escaping import markdown_text
from .plain import wrap
from .times import counted

_MARKS = {"high": "severity.critical", "medium": "severity.high", "low": "severity.low"}
_LONG = 600  # characters


def review_lines(report: Mapping[str, Any], width: int) -> list[str]:
    """Lines of markup, none wider than `width` cells (or 40, where that is less)."""
    return list(_lines(report, max(width, 40)))


def _lines(report: Mapping[str, Any], width: int) -> Iterator[str]:
    yield from wrapped(f"Review of {report['what']}: {_summary(report)}", width, tag="bold")
    for path, items in groupby(report["findings"], key=lambda item: item["path"]):
        yield ""
        yield f"[highlight]{escape(path)}[/highlight]"
        for item in items:
            place = f"{item['line']}"
            function = f" {visible(item['function'])}" if item["function"] else ""
            yield f" [{_MARKS[item['severity']]}]{item['severity']:<6}[/{_MARKS[item['severity']]}] line {place}{escape(function)[: width - 24]} [muted]{item['rule']}[/muted]"
            for line in wrap(visible(item["message"]), width - 8):
                yield f"        {escape(line)}"
            for line in wrap(visible(f"{item['severity']}, because {item['reason']}"), width - 8):
                yield f"        [muted]{escape(line)}[/muted]"
    if report["narrative"]:
        yield from narrative_lines(report["narrative"], width)
    for warning in report["warnings"]:
        yield from wrapped(f"Note: {warning}", width, tag="warning")


def _summary(report: Mapping[str, Any]) -> str:
    counts = report["counts"]
    files = counted(len(report["files"]), "file")
    if not report["findings"]:
        return f"{files}, nothing found"
    return f"{files}, {counts['high']} high, {counts['medium']} medium, {counts['low']} low"


def review_markdown(report: Mapping[str, Any]) -> str:
    """The Markdown of a review in its documented shape."""
    return "\n".join(_markdown(report)) + "\n"


def _markdown(report: Mapping[str, Any]) -> Iterator[str]:
    yield f"# Review of {markdown_text(report['what'])}\n"
    yield f"{_summary(report)}."
    if report["findings"]:
        yield "\n| severity | where | rule | what |\n| --- | --- | --- | --- |"
    for item in report["findings"]:
        function = f" in {markdown_text(item['function'])}" if item["function"] else ""
        yield (
            f"| {item['severity']} | {markdown_text(item['path'])}:{item['line']}{function} | {item['rule']} "
            f"| {markdown_text(item['message'], _LONG)} ({markdown_text(item['reason'])}) |"
        )
    if report["narrative"]:
        yield from narrative(report["narrative"])
    yield from (f"\n> {markdown_text(warning, _LONG)}" for warning in report["warnings"])
