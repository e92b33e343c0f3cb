"""What a review says: rules with their meaning, and findings with severity and reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ...clock import to_iso

SEVERITIES = ("low", "medium", "high")


class Rule(NamedTuple):
    name: str
    about: str  # one sentence
    help: str  # what to do


RULES = {
    rule.name: rule
    for rule in (
        Rule("crashed-line", "A changed line has crashed before.", "Read the crash before you change the line; keep what it taught as a test."),
        Rule("crashed-function", "A changed function has crashed before.", "Check that the change covers the case that crashed."),
        Rule("fix-undone", "A line that came with the fix of a resolved crash is removed or rewritten.", "Keep the fix, or show with a test that it is not needed any more."),
        Rule("swallowed-crash", "An exception handler would hide a crash that is known here.", "Handle the case itself, or log the exception where it is caught."),
        Rule("missing-guard", "The line that crashed is still there, without anything that would prevent it.", "Check the value before it is used, or catch this exception."),
        Rule("untested-crash", "A changed function has crashed before, and no test names it.", "Add a test that fails as the crash did."),
        Rule("ruff", "Ruff reports a changed line.", "See https://docs.astral.sh/ruff/rules/"),
        Rule("bandit", "Bandit reports a changed line.", "See https://bandit.readthedocs.io/"),
    )
}  # fmt: skip


class Finding(NamedTuple):
    rule: str
    severity: str
    path: str
    line: int  # 1-based, in the file after the change
    end_line: int
    function: str
    message: str  # what, in one or two sentences
    reason: str  # why it has this severity
    issue: int | None = None
    title: str = ""
    events: int = 0
    last_seen: int | None = None  # microseconds
    code: str = ""  # of the tool that found it

    def shape(self) -> dict[str, Any]:
        """As the JSON format shows it."""
        seen = to_iso(self.last_seen) if self.last_seen else None
        return {**self._asdict(), "last_seen": seen, "code": self.code or None, "title": self.title or None}


def ordered(findings: Sequence[Finding]) -> list[Finding]:
    """The most severe first, then by place."""
    return sorted(
        findings, key=lambda item: (-SEVERITIES.index(item.severity), item.path, item.line, item.rule, item.issue or 0)
    )
