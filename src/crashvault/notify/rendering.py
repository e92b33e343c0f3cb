"""The process in which templates are rendered: requests as lines of JSON on standard input, answers on standard output.

A request is `{"source", "variables", "fields"}`, an answer `{"rendered"}` or `{"error", "line", "hint"}`. It limits itself before
it reads anything: memory, files, processor time for each request. It ends when its input does, or after a minute
without work.
"""

from __future__ import annotations

import contextlib
import difflib
import functools
import html
import json
import resource
import select
import signal
import sys
import traceback
from collections.abc import Iterable
from typing import Any

import jinja2
import jinja2.meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ..webhooks import discord, slack, teams
from ..webhooks.cutting import clean, fit, fit_end, one_line
from ..webhooks.message import stack_excerpt
from .templates import CPU, MEMORY, OUTPUT, VARIABLES

_IDLE = 60  # seconds
_NAME = "<template>"


def _json(value: Any) -> str:
    """JSON that may stand in JSON; half a surrogate pair is written as an escape."""
    text = json.dumps(_plain(value), ensure_ascii=False)
    return text if text.isascii() else "".join(_escaped(character) for character in text)


def _escaped(character: str) -> str:
    return f"\\u{ord(character):04x}" if "\ud800" <= character <= "\udfff" else character


def _plain(value: Any) -> Any:
    return None if isinstance(value, jinja2.Undefined) else value


def _text(value: Any) -> str:
    """What a filter is given, as clean text; nothing of what is none."""
    return "" if value is None or isinstance(value, jinja2.Undefined) else clean(str(value))


FILTERS: dict[str, tuple[Any, str]] = {
    "slack": (lambda value: slack.escape(_text(value)), "escapes `&`, `<` and `>` as Slack wants it"),
    "discord": (lambda value: discord.escape(_text(value)), "escapes Discord's Markdown"),
    "markdown": (lambda value: teams.escape(_text(value)), "escapes Markdown as most services read it, Teams among them"),
    "html": (lambda value: html.escape(_text(value)), "escapes HTML"),
    "json": (_json, "a value as JSON, a text with its quotes: `{\"text\": {{ event.message|json }}}`"),
    "one_line": (lambda value: one_line(_text(value)), "a text in one line"),
    "cut": (lambda value, limit=200: fit(_text(value), int(limit)), "the beginning of a text, up to so many characters: `cut(300)`"),
    "cut_start": (lambda value, limit=200: fit_end(_text(value), int(limit)), "the end of a text: `cut_start(2000)`"),
    "stack": (lambda value: stack_excerpt(value if isinstance(value, dict) else {}), "the stack trace of an event, the crash last: `event|stack`"),
    "time": (lambda value: _text(value)[:19].replace("T", " "), "a time to the second: `2026-01-02 03:04:05`"),
}  # fmt: skip


class _Environment(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset({"**", "<<"})

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Powers are refused before they are computed: one of them can't be interrupted, only killed."""
        raise jinja2.TemplateRuntimeError(f"{operator} is not for templates")


@functools.cache
def _environment() -> _Environment:
    made = _Environment(undefined=jinja2.ChainableUndefined, autoescape=False, keep_trailing_newline=False)
    made.filters.update({name: function for name, (function, _) in FILTERS.items()})
    made.globals.pop("lipsum", None)
    return made


@functools.lru_cache(maxsize=64)
def _compiled(source: str) -> jinja2.Template:
    environment = _environment()
    tree = environment.parse(source, _NAME)
    known = {*VARIABLES, *environment.globals}
    for name in sorted(jinja2.meta.find_undeclared_variables(tree) - known):
        line = next((node.lineno for node in tree.find_all(jinja2.nodes.Name) if node.name == name), None)
        near = difflib.get_close_matches(name, known, 1)
        hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(VARIABLES)}"
        raise _Unknown(f"there is no variable {name!r}", line, hint)
    code = environment.compile(source, _NAME, _NAME)
    return environment.template_class.from_code(environment, code, environment.globals)


@functools.lru_cache(maxsize=64)
def _members(source: str) -> list[tuple[str, str, int]]:
    """What a template names as a member of a variable that it does not set itself: (variable, member, line)."""
    tree = _environment().parse(source, _NAME)
    own = {node.name for node in tree.find_all(jinja2.nodes.Name) if node.ctx != "load"}
    found = []
    nodes: list[Any] = list(tree.find_all((jinja2.nodes.Getattr, jinja2.nodes.Getitem)))
    for node in nodes:
        member = node.attr if isinstance(node, jinja2.nodes.Getattr) else getattr(node.arg, "value", None)
        if isinstance(node.node, jinja2.nodes.Name) and node.node.name not in own and isinstance(member, str):
            found.append((node.node.name, member, node.lineno))
    return found


def _check_members(source: str, fields: dict[str, list[str]]) -> None:
    for name, member, line in _members(source):
        known = fields.get(name)
        if known is not None and member not in known and not hasattr(dict, member):
            near = difflib.get_close_matches(member, known, 1)
            hint = f"Did you mean {name}.{near[0]}?" if near else f"There are: {', '.join(known)}"
            raise _Unknown(f"{name!r} has no member {member!r}", line, hint)


class _Unknown(Exception):
    pass


def answer(request: dict[str, Any]) -> dict[str, Any]:
    try:
        if request.get("fields"):
            _check_members(request["source"], request["fields"])
        return {"rendered": _joined(_compiled(request["source"]).generate(request["variables"]))}
    except _Unknown as error:
        return dict(zip(("error", "line", "hint"), error.args, strict=True))
    except jinja2.TemplateSyntaxError as error:
        return {"error": str(error.message), "line": error.lineno}
    except MemoryError:
        return {"error": "it takes more memory than it may", "hint": "Make it smaller"}
    except RecursionError:
        return {"error": "it is nested too deeply", "hint": "Make it flatter"}
    except Exception as error:  # whatever a template does, its author is told
        return {"error": f"{error or type(error).__name__}"[:500], "line": _line(error)}


def _joined(parts: Iterable[str]) -> str:
    made, size = [], 0
    for part in parts:
        made.append(part)
        size += len(part.encode("utf-8", "replace"))
        if size > OUTPUT:
            raise jinja2.TemplateRuntimeError(f"it makes more than {OUTPUT >> 10} KiB")
    return "".join(made)


def _line(error: BaseException) -> int | None:
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == _NAME]
    return lines[-1] if lines else None


def _limit() -> None:
    for what, most in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0)):
        with contextlib.suppress(ValueError, OSError):  # there is a narrower limit already, or the system has none
            resource.setrlimit(what, (most, most))
    sys.setrecursionlimit(500)


def main() -> None:
    _environment()
    _limit()
    while select.select([sys.stdin], [], [], _IDLE)[0]:
        line = sys.stdin.buffer.readline()
        if not line:
            return
        signal.setitimer(signal.ITIMER_PROF, CPU)  # its signal ends the process
        found = json.dumps(answer(json.loads(line))).encode()
        signal.setitimer(signal.ITIMER_PROF, 0)
        sys.stdout.buffer.write(found + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
