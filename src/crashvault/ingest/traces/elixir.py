"""Elixir and Erlang: uncaught exceptions, crash reports of processes, the shell's exceptions, raw Erlang
terms."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ...models import Frame
from .shapes import CRASH, WEAK, Found, indent, last_of, make_exception, make_frame

MAX_MESSAGE_LINES = 60
MAX_TERM_LINES = 200

_HEADLINE = re.compile(r"\s*\*\* \(([A-Za-z][\w.]{0,200})\) (.*)$")
_FRAME = re.compile(
    r"\s+(?:\(([\w.-]{1,100})(?: [\w.+-]{1,50})?\) )?(\S.*?\."
    r"(?:exs?|erl|eex|heex|leex|xrl|yrl|hrl)):(\d{1,9}): (.+)$"
)
_NATIVE_FRAME = re.compile(
    r"\s+(?:\(([\w.-]{1,100})(?: [\w.+-]{1,50})?\) )?(:?[\w.]{1,200}\.[^\s(]{1,200}(?:/\d{1,3}|\(.*\)))$"
)
_ANONYMOUS = re.compile(r"(anonymous fn/\d{1,3}) in (.+)$")
_PROCESS = re.compile(
    r".*?\b((?:GenServer|Task|Process|Agent|:gen_\w+|Ranch protocol) .{1,200}?) "
    r"(?:terminating|raised an exception|started from .*? terminating)$"
)
_SHELL = re.compile(r"\*\* exception (error|exit|throw): (.*)$")
_SHELL_FRAME = re.compile(r"\s+(?:in function|in call from)\s+(\S+)(?: \((\S+), line (\d{1,9})\))?$")
_TERM_FRAME = re.compile(
    r"\{([a-z][\w@]*|'[^']{1,200}'),\s*([a-z][\w@]*|'[^']{1,200}'),\s*(\d{1,3}|\[[^\]]{0,1000}\]),\s*"
    r"\[(?:\{file,\s*\"([^\"]{1,500})\"\},\s*\{line,\s*(\d{1,9})\})?"
)
_TERM_START = re.compile(r'Error in process .{1,200} with exit value:|.{0,100}"init terminating in ')


def find(lines: Sequence[str]) -> Found | None:
    traces = []
    at = 0
    while at < len(lines):
        found = _at(lines, at)
        if found is not None:
            traces.append(found)
            at = max(at, found.last)
        at += 1
    return last_of(traces)


def _at(lines: Sequence[str], at: int) -> Found | None:
    line = lines[at]
    if "** (" in line and (headline := _HEADLINE.match(line)):
        return _exception(lines, at, headline)
    if line.startswith("** exception ") and (headline := _SHELL.match(line)):
        return _shell(lines, at, headline)
    if _TERM_START.match(line):
        return _term(lines, at)
    return None


def _exception(lines: Sequence[str], first: int, headline: re.Match[str]) -> Found:
    """Headline, message, then frames that are deeper than the headline."""
    base = indent(lines[first])
    message = [headline[2].rstrip()]
    frames: list[Frame] = []
    last = first
    for at in range(first + 1, len(lines)):
        line = lines[at]
        frame = _frame(line) if indent(line) > base else None
        if frame is not None:
            frames.append(frame)
        elif frames or at - first > MAX_MESSAGE_LINES or _ends_message(line, base):
            break
        else:
            message.append(line.strip())
            continue
        last = at
    if not frames:
        while len(message) > 1 and not message[-1]:
            message.pop()
        last = first + len(message) - 1
    exception = make_exception(headline[1], "\n".join(message).strip(), frames[::-1])
    process = _PROCESS.match(lines[first - 1]) if first else None
    if process:
        exception["thread"] = process[1]
    return Found(first - 1 if process else first, last, [exception], None, (), CRASH if frames else WEAK)


def _ends_message(line: str, base: int) -> bool:
    return bool(_HEADLINE.match(line)) or (line.strip() != "" and indent(line) <= base)


def _frame(line: str) -> Frame | None:
    found = _FRAME.match(line)
    if found:
        return _made(found[1], found[2], found[3], found[4])
    found = _NATIVE_FRAME.match(line) if "." in line else None
    return _made(found[1], None, None, found[2]) if found else None


def _made(package: str | None, file: str | None, line: str | None, call: str) -> Frame:
    module, function = _split_call(call)
    frame = make_frame("elixir", file, line, None, function, module)
    if package:
        frame["package"] = package
        frame["in_app"] = frame["in_app"] and make_frame("elixir", None, None, None, None, f"({package})")["in_app"]
    return frame


def _split_call(call: str) -> tuple[str | None, str]:
    """Module and function with arity: `Shop.Cart.price/1`, `:erlang.div(5, 0)`, `anonymous fn/1 in
    Shop.total/1`."""
    if anonymous := _ANONYMOUS.match(call):
        module, function = _split_call(anonymous[2])
        return module, f"{anonymous[1]} in {function}"
    if call.startswith("("):
        return None, call
    end = call.find("(") if call.endswith(")") else len(call)
    quoted = call.find('."', 0, end)
    dot = quoted if quoted > 0 else call.rfind(".", 0, end)
    module, function = call[: max(dot, 0)], call[dot + 1 :] if dot > 0 else call
    if call.endswith(")"):
        name, _, arguments = function.partition("(")
        function = f"{name}/{_arity(arguments[:-1])}"
    return module.removeprefix(":") or None, function


def _arity(arguments: str) -> int:
    """The number of arguments shown: commas that are not within brackets or quotes."""
    depth, count, quoted = 0, 0, False
    for character in arguments:
        if character == '"':
            quoted = not quoted
        elif quoted:
            continue
        elif character in "([{<":
            depth += 1
        elif character in ")]}>":
            depth -= 1
        elif character == "," and depth == 0:
            count += 1
    return count + 1 if arguments.strip() else 0


def _shell(lines: Sequence[str], first: int, headline: re.Match[str]) -> Found:
    frames: list[Frame] = []
    message = [headline[2]]
    last = first
    for at in range(first + 1, len(lines)):
        found = _SHELL_FRAME.match(lines[at])
        if found:
            module, _, function = found[1].partition(":")
            frames.append(make_frame("elixir", found[2], found[3], None, function or module, function and module))
        elif frames and lines[at].startswith("        "):  # the arguments of the call above
            continue
        elif frames or not lines[at].startswith("   "):
            break
        else:
            message.append(lines[at].strip())
        last = at
    exception = make_exception(headline[1], " ".join(message), frames[::-1])
    return Found(first, last, [exception])


def _term(lines: Sequence[str], first: int) -> Found | None:
    """A stack that Erlang printed as a term: `{Reason,[{Module,Function,Arity,[{file,…},{line,…}]},…]}`."""
    last = first
    while last + 1 < min(len(lines), first + MAX_TERM_LINES) and lines[last + 1].startswith((" ", "{", "[")):
        last += 1
    text = "\n".join(lines[first : last + 1])
    calls = list(_TERM_FRAME.finditer(text))
    if not calls:
        return None
    start = text.find("{{" if "{{" in text else "{", text.find("\n") if last > first else text.find(",") + 1)
    reason = text[start + 1 : calls[0].start()].strip().rstrip("[").strip().rstrip(",") if start >= 0 else ""
    frames = [_term_frame(call) for call in calls]
    process = (
        "init" if "init terminating" in lines[first] else lines[first].partition(" with exit")[0].rpartition(" ")[2]
    )
    exception = make_exception("error", " ".join(reason.split()), frames[::-1])
    exception["thread"] = process
    if first and lines[first - 1].startswith("=ERROR REPORT"):
        first -= 1
    return Found(first, last, [exception])


def _term_frame(call: re.Match[str]) -> Frame:
    arity = call[3] if call[3].isdecimal() else _arity(call[3][1:-1])
    return make_frame("elixir", call[4], call[5], None, f"{call[2]}/{arity}", call[1])
