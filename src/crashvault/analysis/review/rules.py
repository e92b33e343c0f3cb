"""The rules about crashes, each on one file: pure, with what git and the vault know as arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from ...clock import DAY, SECOND, to_iso
from ...git import Blame
from ...output.times import called, counted, duration
from .code import Code
from .findings import Finding
from .functions import Span, innermost
from .hunks import FileChange
from .sites import Site, short_name

RECENT = 30 * DAY
_ERROR = 40  # rank of the level `error`
_AFTER_FIX = DAY  # how long after an issue was resolved a commit may still belong to the fix
_NEAR = 15  # lines between a fix and the crash where no function is known


class Case(NamedTuple):
    """A changed file with what is known of it."""

    change: FileChange
    before: Sequence[str]
    after: Sequence[str]
    functions_before: Sequence[Span]
    functions: Sequence[Span]  # afterwards
    sites: Sequence[Site]
    now: int
    code: Code | None = None  # afterwards


def changed_functions(case: Case) -> dict[str, tuple[Span, int]]:
    """Functions that a change touches, by name: the function, and the first line afterwards that changed there."""
    found: dict[str, tuple[Span, int]] = {}
    for line in sorted(case.change.added):
        span = innermost(case.functions, line)
        if span:
            found.setdefault(span.name, (span, line))
    for line in sorted(case.change.removed):
        span = innermost(case.functions_before, line)
        same = next((item for item in case.functions if span and item.name == span.name), None)
        if same:
            at = case.change.after(line - 1) or same.first
            found.setdefault(same.name, (same, min(max(at, same.first), same.last)))
    return found


def crashed_lines(case: Case) -> Iterator[Finding]:
    """Changed lines that crashed. In a whole file every line is taken for changed."""
    for site in case.sites:
        if site.line is not None and (site.line in case.change.removed or _is_whole(case)):
            severity, reason = _severity(site, case.now, line=True)
            line = site.line if _is_whole(case) else min(_nearest(case, site.line), max(1, len(case.after)))
            yield _finding("crashed-line", severity, case, line, site, f"This line {_history(site, case.now)}.", reason)


def crashed_functions(case: Case) -> Iterator[Finding]:
    """Changed functions that crashed at a line which stays."""
    touched = changed_functions(case)
    for site in case.sites:
        name = site.function
        if name in touched and not (site.line is not None and (site.line in case.change.removed or _is_whole(case))):
            span, line = touched[name]
            severity, reason = _severity(site, case.now, line=False)
            message = f"{called(name)} {_history(site, case.now)}."
            yield _finding("crashed-function", severity, case, line, site, message, reason, span)


def fixes_undone(case: Case, blame: Callable[[int], Blame | None]) -> Iterator[Finding]:
    """Removed lines that came between a crash and its being resolved. `blame` asks who wrote a line before the change."""
    resolved = [site for site in case.sites if site.status == "resolved" and site.resolved_at]
    said: set[tuple[int, str]] = set()
    for line in sorted(case.change.removed) if resolved else ():
        if not case.change.removed[line].strip():
            continue
        for site in resolved:
            wrote = blame(line) if _belongs(case, site, line) else None
            if wrote is None or not wrote.commit or not _is_fix(wrote, site) or (site.issue, wrote.commit) in said:
                continue
            said.add((site.issue, wrote.commit))
            at = min(case.change.after(line - 1) or _nearest(case, line), max(1, len(case.after)))
            yield _finding(
                "fix-undone", "high", case, at, site,
                f"Removes what commit {wrote.commit[:10]} “{wrote.summary}” brought, after which #{site.issue} was resolved: "
                f"it {_history(site, case.now)}.",
                "the crash was dealt with, and may come back",
            )  # fmt: skip


def _belongs(case: Case, site: Site, line: int) -> bool:
    """Whether a line is in the function that crashed, or near the crash where no function is known."""
    span = innermost(case.functions_before, line)
    if span is not None and site.function:
        return span.name == site.function
    return site.line is not None and abs(site.line - line) <= _NEAR


def _is_fix(wrote: Blame, site: Site) -> bool:
    at = wrote.at * SECOND
    return site.first <= at <= (site.resolved_at or 0) + _AFTER_FIX


def swallowed(case: Case) -> Iterator[Finding]:
    """New exception handlers that would hide a crash known in the same function."""
    for handler in case.code.handlers() if case.code else ():
        if not handler.hides or not any(line in case.change.added for line in range(handler.first, handler.last + 1)):
            continue
        span = innermost(case.functions, handler.first)
        for site in case.sites:
            known = short_name(site.exception)
            moved = _moved(case, site.line) if site.line is not None else None
            inside = moved is not None and handler.body_first <= moved <= handler.body_last
            same = site.line is None and span is not None and site.function == span.name
            if known and (inside or same) and case.code and case.code.catches(handler, known):
                what = ", ".join(sorted(handler.caught)) or "everything"
                message = f"Catches {what} and goes on in silence, where {known} {_history(site, case.now)}."
                reason = "the crash would go on unseen"
                yield _finding("swallowed-crash", "medium", case, handler.first, site, message, reason, span)


def _moved(case: Case, line: int) -> int | None:
    """Where a line of before is afterwards; of one that is written anew, the new line that says the same, or holds it."""
    there = case.change.after(line)
    if there is not None:
        return there
    text = case.before[line - 1].strip().rstrip(";") if line <= len(case.before) else ""
    same = [number for number, new in sorted(case.change.added.items()) if text and text in new]
    same.sort(key=lambda number: case.change.added[number].strip().rstrip(";") != text)
    return same[0] if same else None


def missing_guards(case: Case) -> Iterator[Finding]:
    """Lines that crashed, are still there in a changed function, and nothing catches or checks."""
    touched = changed_functions(case)
    for site in case.sites:
        line = _moved(case, site.line) if site.line is not None else None
        if case.code is None or line is None or site.status != "open":
            continue
        span = innermost(case.functions, line)
        if span is None or not (span.name in touched or _is_whole(case)):
            continue
        advice = case.code.advice(line, site)
        if advice:
            severity = "medium" if case.now - site.last <= RECENT and site.level >= _ERROR else "low"
            known = short_name(site.exception)
            message = f"Nothing on the way to this line prevents the {known} that {_history(site, case.now)}: {advice}."
            reason = "the issue is open and its line unguarded"
            yield _finding("missing-guard", severity, case, line, site, message, reason, span)


def untested(case: Case, has_test: Callable[[str, str], bool]) -> Iterator[Finding]:
    """Changed functions that crashed and that no test names. `has_test` is asked with path and function."""
    touched = changed_functions(case)
    for name, (span, line) in touched.items():
        crashed = [site for site in case.sites if site.function == name]
        if crashed and not has_test(case.change.path, name):
            site = crashed[0]
            severity = "medium" if site.status == "open" and case.now - site.last <= RECENT else "low"
            message = f"No test names {called(name)}, which {_history(site, case.now)}."
            yield _finding(
                "untested-crash",
                severity,
                case,
                line,
                site,
                message,
                "a crash without a test can come back unseen",
                span,
            )


# Words


def _is_whole(case: Case) -> bool:
    return not case.change.hunks and bool(case.change.added)


def _nearest(case: Case, line: int) -> int:
    """Where a removed line was, in the file afterwards."""
    for old, old_count, new, _ in case.change.hunks:
        if old <= line < old + max(1, old_count):
            return max(1, new)
    return max(1, case.change.after(line) or 1)


def _severity(site: Site, now: int, *, line: bool) -> tuple[str, str]:
    """How bad it is, and why: the issue's state, when it was last seen, its level, and whether it is the very line."""
    recent, grave = now - site.last <= RECENT, site.level >= _ERROR
    if site.status == "open" and recent and grave:
        return ("high" if line else "medium"), f"#{site.issue} is open and was seen in the last 30 days"
    if site.status == "open" or (line and recent):
        return (
            "medium" if line else "low"
        ), f"#{site.issue} is {site.status}{'' if recent else ', and was not seen for 30 days'}"
    return "low", f"#{site.issue} is {site.status}"


def _history(site: Site, now: int) -> str:
    """What happened there, for after a subject."""
    what = f"{site.title} (#{site.issue}, {site.status})"
    return f"crashed {counted(site.events, 'time')}, last {duration(max(0, now - site.last))} ago on {to_iso(site.last)[:10]}: {what}"


def _finding(
    rule: str, severity: str, case: Case, line: int, site: Site, message: str, reason: str, span: Span | None = None
) -> Finding:
    found = span or innermost(case.functions, line)
    return Finding(
        rule, severity, case.change.path, line, line, found.name if found else site.function, message, reason,
        site.issue, site.title, site.events, site.last,
    )  # fmt: skip
