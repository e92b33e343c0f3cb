"""The rules about crashes, each on one file: pure, with what git and the vault know as arguments."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ...clock import DAY, SECOND, to_iso
from ...git import Blame
from ...output.times import called, counted, duration
from .findings import Finding
from .functions import Span, innermost, statements
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
    statements: Sequence[ast.AST] = ()  # of a file of Python, afterwards


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
        name = short_name(site.function)
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
        return span.name == short_name(site.function)
    return site.line is not None and abs(site.line - line) <= _NEAR


def _is_fix(wrote: Blame, site: Site) -> bool:
    at = wrote.at * SECOND
    return site.first <= at <= (site.resolved_at or 0) + _AFTER_FIX


def swallowed(case: Case) -> Iterator[Finding]:
    """New exception handlers of Python that would hide a crash known in the same function."""
    for handler, body, span in _handlers(case):
        names = _caught(handler)
        if not _hides(handler) or not any(
            line in case.change.added for line in range(handler.lineno, (handler.end_lineno or handler.lineno) + 1)
        ):
            continue
        for site in case.sites:
            known = short_name(site.exception)
            inside = site.line is not None and (moved := _moved(case, site.line)) and body[0] <= moved <= body[1]
            same = span is not None and short_name(site.function) == span.name
            if (
                known
                and (inside or (same and site.line is None))
                and (not names or known in names or names & _EVERYTHING)
            ):
                message = f"Catches {', '.join(sorted(names)) or 'everything'} and goes on in silence, where {known} {_history(site, case.now)}."
                yield _finding(
                    "swallowed-crash",
                    "medium",
                    case,
                    handler.lineno,
                    site,
                    message,
                    "the crash would go on unseen",
                    span,
                )


_EVERYTHING = {"Exception", "BaseException"}


def _moved(case: Case, line: int) -> int | None:
    """Where a line of before is afterwards; of one that was only indented anew, the line that now says the same."""
    there = case.change.after(line)
    if there is not None:
        return there
    text = case.before[line - 1].strip() if line <= len(case.before) else ""
    return next((number for number, new in case.change.added.items() if text and new.strip() == text), None)


def _handlers(case: Case) -> Iterator[tuple[ast.ExceptHandler, tuple[int, int], Span | None]]:
    """Each handler with the lines that it guards, and its function."""
    for node in case.statements:
        if isinstance(node, ast.Try) and node.body:
            body = node.body[0].lineno, node.body[-1].end_lineno or node.body[-1].lineno
            for handler in node.handlers:
                yield handler, body, innermost(case.functions, handler.lineno)


def parsed(path: str, lines: Sequence[str]) -> list[ast.AST]:
    """The statements of a file of Python; none of another one, or of one that cannot be read."""
    if not path.endswith((".py", ".pyi")):
        return []
    try:
        return list(statements(ast.parse("\n".join(lines))))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []


def _caught(handler: ast.ExceptHandler) -> set[str]:
    given = handler.type
    parts = given.elts if isinstance(given, ast.Tuple) else [given] if given is not None else []
    return {short_name(ast.unparse(part)) for part in parts}


def _hides(handler: ast.ExceptHandler) -> bool:
    """Whether a handler does nothing but go on: no call (such as logging), no raise, no assignment."""
    quiet = (ast.Pass, ast.Continue, ast.Break)
    return all(
        isinstance(node, quiet)
        or (isinstance(node, ast.Return) and (node.value is None or isinstance(node.value, ast.Constant)))
        or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        for node in handler.body
    )


# What on a line raises which exception.
_RAISERS: Mapping[str, tuple[type[ast.AST], ...]] = {
    "KeyError": (ast.Subscript,),
    "IndexError": (ast.Subscript,),
    "AttributeError": (ast.Attribute,),
    "TypeError": (ast.Subscript, ast.Attribute, ast.BinOp, ast.Call),
    "ZeroDivisionError": (ast.BinOp,),
}
_GUARDS: Mapping[str, str] = {
    "KeyError": "use .get() or check that the key is there",
    "IndexError": "check the length",
    "AttributeError": "check for None",
    "TypeError": "check the type, or for None",
    "ZeroDivisionError": "check that it is not zero",
}


def missing_guards(case: Case) -> Iterator[Finding]:
    """Lines of Python that crashed, are still there in a changed function, and nothing catches or checks."""
    touched = changed_functions(case)
    for site in case.sites:
        known = short_name(site.exception)
        line = _moved(case, site.line) if site.line is not None else None
        if known not in _RAISERS or line is None or site.status != "open":
            continue
        span = innermost(case.functions, line)
        if span is None or not (span.name in touched or _is_whole(case)) or _is_guarded(case.statements, line, known):
            continue
        if not any(isinstance(node, _RAISERS[known]) for node in _at_line(case.statements, line)):
            continue
        severity = "medium" if case.now - site.last <= RECENT and site.level >= _ERROR else "low"
        message = (
            f"Nothing on the way to this line prevents the {known} that {_history(site, case.now)}: {_GUARDS[known]}."
        )
        yield _finding(
            "missing-guard", severity, case, line, site, message, "the issue is open and its line unguarded", span
        )


def _is_guarded(nodes: Sequence[ast.AST], line: int, known: str) -> bool:
    """Whether a line stands in a `try` that catches the exception, or under an `if` or a conditional of its own."""
    for node in nodes:
        if isinstance(node, ast.Try) and node.body and node.body[0].lineno <= line <= (node.body[-1].end_lineno or 0):
            names = {name for handler in node.handlers for name in (_caught(handler) or _EVERYTHING)}
            if names & (_EVERYTHING | {known, "LookupError", "ArithmeticError"}):
                return True
        if isinstance(node, ast.If | ast.While) and node.body and node.body[0].lineno <= line <= (node.end_lineno or 0):
            return True
    chosen = (node for node in _at_line(nodes, line) if isinstance(node, ast.IfExp | ast.BoolOp))
    return next(chosen, None) is not None or _returns_before(nodes, line)


def _at_line(nodes: Sequence[ast.AST], line: int) -> Iterator[ast.AST]:
    """What stands in the innermost statement on a line."""
    around = [node for node in nodes if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or 0)]
    yield from ast.walk(max(around, key=lambda node: (node.lineno, -(node.end_lineno or 0)))) if around else ()


def _returns_before(nodes: Sequence[ast.AST], line: int) -> bool:
    """Whether the function leaves under some condition directly before a line: `if not x: return`."""
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.lineno <= line <= (node.end_lineno or 0):
            for statement in node.body:
                leaves = isinstance(statement, ast.If) and isinstance(
                    statement.body[-1], ast.Return | ast.Raise | ast.Continue
                )
                if leaves and (statement.end_lineno or 0) < line:
                    return True
    return False


def untested(case: Case, has_test: Callable[[str, str], bool]) -> Iterator[Finding]:
    """Changed functions that crashed and that no test names. `has_test` is asked with path and function."""
    touched = changed_functions(case)
    for name, (span, line) in touched.items():
        crashed = [site for site in case.sites if short_name(site.function) == name]
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
        rule, severity, case.change.path, line, line, found.name if found else short_name(site.function), message, reason,
        site.issue, site.title, site.events, site.last,
    )  # fmt: skip
