"""Stack traces from text: whatever a runtime, a logger or a debugger printed, as exceptions and frames.

A language costs one entry in `LANGUAGES` and one module with `find(lines)`. Modules are imported only
when one of their markers occurs in the text, because this lies on the way of every event with a stack.
All of it runs in time linear in the length of the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ...models import ExceptionInfo
from .shapes import PARTIAL, Found
from .views import View, read_lines, strip_ansi, views

MAX_TEXT = 262_144  # characters; of a longer text only the end is read, where the crash is

# Which platform a module's traces are of, the module, and texts of which at least one occurs in each of its
# traces. A marker may cost a false alarm but never a trace.
LANGUAGES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("python", "python", ("Traceback (most recent", '  File "', "Stack (most recent call last)")),
    ("python", "faulthandler", ("(most recent call first)", "Fatal Python error")),
    (
        "java",
        "java",
        (".java:", ".kt:", ".scala:", ".groovy:", ".clj:", "(Unknown Source)", "(Native Method)"),
    ),
    ("javascript", "javascript", ("    at ", "\tat ", "Node.js v", "(Use `node ", "node:internal")),
    ("javascript", "javascript", ("@http", "@file:", "native code]", "@webpack", "@app:", "JavaScript heap")),
    ("javascript", "javascript", ("-extension://", "@resource:")),
    ("go", "go", ("goroutine ", "panic: ", "WARNING: DATA RACE")),
    ("rust", "rust", ("panicked at ", "has overflowed its stack", "fatal runtime error: ")),
    ("rust", "rust", ("Caused by:\n", "Caused by:\r")),
    ("ruby", "ruby", (":in `", ":in '", "syntax error", "unhandled exception", "[BUG] ")),
    ("php", "php", ("PHP ", "Fatal error: ", "Parse error: ", "Warning: ", "#0 ", "[stacktrace]")),
    ("csharp", "dotnet", ("   at ", "  at ", "Unhandled exception. ")),
    ("native", "native", ("#0 ", "#1 ", "frame #", "Sanitizer", "runtime error: ", "==    at 0x", " 0# ")),
    ("native", "native", ("***", "free()", "malloc", "alloc()", "corrupt", "ssertion", "terminat")),
    (
        "native",
        "native",
        (")[0x", ") [0x", " Crashed:", "Exception Type: ", "stop reason = ", "A fatal error has "),
    ),
    ("native", "native", ("(core dumped)", "Segmentation fault", "Aborted")),
    ("elixir", "elixir", ("** (", "** exception ", "Error in process <", "init terminating")),
    ("other", "scripting", (".pl line ", ".pm line ", "-e line ", ".t line ", ".cgi line ", ".psgi line ")),
    ("other", "scripting", ("stack traceback:", "Execution halted", "#0      ", "Fatal error: ")),
)

ALIASES = {
    "node": "javascript", "js": "javascript", "typescript": "javascript", "nodejs": "javascript",
    "webjs": "javascript", "kotlin": "java", "scala": "java", "groovy": "java", "clojure": "java",
    "jvm": "java", "dotnet": "csharp", "c#": "csharp", ".net": "csharp", "fsharp": "csharp", "c": "native",
    "c++": "native", "cpp": "native", "erlang": "elixir", "golang": "go", "py": "python", "python3": "python",
}  # fmt: skip


class ParsedTrace(NamedTuple):
    """A stack trace found in a text.

    `exceptions` run from the root cause to the one raised last, and their frames from the oldest call to
    the crash. A trace that shows no exception has one entry without type and value that holds its frames,
    and `message` is its headline. `text[start:end]` is the trace. `threads` are the other threads or
    goroutines it shows, each `{"name": …, "frames": […]}`.
    """

    platform: str
    exceptions: list[ExceptionInfo]
    message: str | None
    start: int
    end: int
    threads: list[dict[str, Any]]


def parse_stacktrace(text: str, language: str | None = None) -> ParsedTrace | None:
    """The last complete stack trace in `text`, or the last one at all, or None.

    `text` may be a whole terminal output; only its last `MAX_TEXT` characters are read. `language` is a
    platform or language name: what is found in that language is preferred to all else, an unknown name is
    no hint. Never raises on any text.
    """
    skipped = max(0, len(text) - MAX_TEXT)
    tail = text[skipped:] if skipped else text
    plain = strip_ansi(tail)
    names = _candidates(plain)
    if not names:
        return None
    hint = ALIASES.get(language.lower(), language.lower()) if language else None
    readings = list(views(read_lines(tail, plain)))
    hinted = {name: platform for name, platform in names.items() if platform == hint}
    best = _best(readings, hinted) if hinted else None
    return _parsed(best or _best(readings, names), skipped)


def _candidates(plain: str) -> dict[str, str]:
    """Module name → platform of the languages that `plain` may hold a trace of."""
    names: dict[str, str] = {}
    for platform, name, markers in LANGUAGES:
        if name not in names and any(marker in plain for marker in markers):
            names[name] = platform
    return names


class _Candidate(NamedTuple):
    start: int
    end: int
    platform: str
    found: Found


def _best(readings: Sequence[View], names: dict[str, str]) -> _Candidate | None:
    from importlib import import_module

    best: _Candidate | None = None
    for name, platform in names.items():
        find = import_module(f".{name}", __name__).find
        for view in readings:
            found: Found | None = find(view.bodies)
            if found is not None:
                span = view.spans[found.first][0], view.spans[found.last][1]
                candidate = _Candidate(*span, platform, found)
                if best is None or _beats(candidate, best):
                    best = candidate
    return best


def _beats(new: _Candidate, old: _Candidate) -> bool:
    """Of two traces that overlap the enclosing one is the trace, the other is in its message; else the
    later."""
    for outer, inner, verdict in ((new, old, True), (old, new, False)):
        if outer.start < inner.start and outer.end >= inner.end and outer.found.strength > PARTIAL:
            return verdict
    if new.found.strength != old.found.strength:
        return new.found.strength > old.found.strength
    if new.start > old.end or old.start > new.end:
        return new.start > old.end
    if new.start != old.start:
        return new.start < old.start
    return new.end > old.end


def _parsed(best: _Candidate | None, offset: int) -> ParsedTrace | None:
    if best is None:
        return None
    found = best.found
    start, end = best.start + offset, best.end + offset
    return ParsedTrace(best.platform, found.exceptions, found.message, start, end, list(found.threads))
