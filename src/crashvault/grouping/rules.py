"""Grouping rules that users write: plain data in, compiled rules out.

A rule is a dictionary with `match` and what to do: `fingerprint`, `title`, `in_app` or `ignore_frame`. The
first fingerprint rule that matches wins; rules about frames all apply, in order.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ..errors import InvalidError
from ..models import Event, ExceptionInfo, Frame
from . import names

Test = Callable[[list[str]], bool]  # of all texts that a key has in an event, or of a frame's one text

EVENT_KEYS = (
    "type",
    "message",
    "level",
    "logger",
    "platform",
    "release",
    "environment",
    "transaction",
    "host",
    "source",
    "tag",
)
FRAME_KEYS = ("file", "function", "module", "package")
ACTIONS = ("fingerprint", "title", "in_app", "ignore_frame")
_CASELESS = frozenset({"message", "level", "file", "package"})


class Rule(NamedTuple):
    """One compiled rule: what must hold of the event, of one of its frames, and what follows."""

    position: int
    event_tests: tuple[tuple[str, Test], ...]
    frame_tests: tuple[tuple[str, Test], ...]
    fingerprint: tuple[str, ...]
    title: str
    in_app: bool | None
    ignore_frame: bool


class Rules(NamedTuple):
    """Compiled rules; an empty one costs nothing to apply."""

    grouping: tuple[Rule, ...] = ()
    frames: tuple[Rule, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.grouping or self.frames)


NO_RULES = Rules()


def compile_rules(data: Any) -> Rules:
    """Compile the `grouping.rules` setting: a list of rules as documented in docs/grouping.md.

    Raises InvalidError, which names the position of the wrong rule (from 1) and what is allowed there.
    """
    if not isinstance(data, list):
        raise InvalidError("Grouping rules must be a list", 'Write [{"match": {…}, "fingerprint": […]}, …].')
    rules = [_compile_rule(position, item) for position, item in enumerate(data, 1)]
    return Rules(
        tuple(rule for rule in rules if rule.fingerprint or rule.title),
        tuple(rule for rule in rules if rule.in_app is not None or rule.ignore_frame),
    )


def _compile_rule(position: int, item: Any) -> Rule:
    where = f"Grouping rule {position}"
    if not isinstance(item, Mapping):
        raise InvalidError(f"{where} must be an object", "It needs `match` and an action.")
    _refuse_unknown(where, item, ("match", *ACTIONS, "name"))
    match = item.get("match")
    if not isinstance(match, Mapping) or not match:
        raise InvalidError(
            f"{where} needs a non-empty `match`", f"Keys: {_listed((*EVENT_KEYS, 'tag.KEY', *FRAME_KEYS))}."
        )
    if not any(key in item for key in ACTIONS):
        raise InvalidError(f"{where} does nothing", f"Add one of {_listed(ACTIONS)}.")
    event_tests, frame_tests = _compile_match(where, match)
    rule = Rule(
        position,
        event_tests,
        frame_tests,
        _fingerprint(where, item.get("fingerprint")),
        _text(where, "title", item.get("title", "")),
        _flag(where, "in_app", item.get("in_app")),
        _flag(where, "ignore_frame", item.get("ignore_frame")) or False,
    )
    if (rule.in_app is not None or rule.ignore_frame) and not frame_tests:
        raise InvalidError(f"{where} changes frames but matches none", f"Add one of {_listed(FRAME_KEYS)} to `match`.")
    return rule


def _refuse_unknown(where: str, item: Mapping[Any, Any], allowed: Sequence[str]) -> None:
    for key in item:
        if key not in allowed:
            raise InvalidError(f"{where} has an unknown key {str(key)[:60]!r}", f"Allowed: {_listed(allowed)}.")


def _listed(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _compile_match(
    where: str, match: Mapping[Any, Any]
) -> tuple[tuple[tuple[str, Test], ...], tuple[tuple[str, Test], ...]]:
    event_tests, frame_tests = [], []
    for key, value in match.items():
        if key in FRAME_KEYS:
            frame_tests.append((key, _predicate(where, key, value)))
        elif key in EVENT_KEYS or (isinstance(key, str) and key.startswith("tag.") and len(key) > 4):
            event_tests.append((key, _predicate(where, key, value)))
        else:
            allowed = _listed((*EVENT_KEYS, "tag.KEY", *FRAME_KEYS))
            raise InvalidError(f"{where} matches on an unknown key {str(key)[:60]!r}", f"Allowed: {allowed}.")
    return tuple(event_tests), tuple(frame_tests)


def _predicate(where: str, key: str, value: Any) -> Test:
    """A glob, or a list of globs any of which may match; none of those that begin with `!` may."""
    globs = value if isinstance(value, list) else [value]
    if not globs or not all(isinstance(glob, str) and glob.strip("!") for glob in globs):
        raise InvalidError(
            f"{where}: `{key}` must be a pattern or a list of patterns",
            "Patterns are text; `*` and `?` are wild.",
        )
    wanted = _patterns([glob for glob in globs if not glob.startswith("!")], key)
    refused = _patterns([glob[1:] for glob in globs if glob.startswith("!")], key)

    def test(texts: list[str]) -> bool:
        return (not wanted or _any_match(wanted, texts)) and not _any_match(refused, texts)

    return test


def _any_match(patterns: list[re.Pattern[str]], texts: list[str]) -> bool:
    return any(pattern.match(text) for pattern in patterns for text in texts)


def _patterns(globs: list[str], key: str) -> list[re.Pattern[str]]:
    flags = re.DOTALL | (re.IGNORECASE if key in _CASELESS else 0)
    return [re.compile(source, flags) for glob in globs for source in _sources(glob, key)]


def _sources(glob: str, key: str) -> list[str]:
    """A relative file pattern also matches the tail of a longer path, from a folder on."""
    if key != "file" or glob.startswith(("/", "*")):
        return [translate_glob(glob)]
    return [translate_glob(glob), translate_glob(f"*/{glob}")]


def translate_glob(glob: str) -> str:
    """A glob as a regular expression that needs linear time in the text for each star at most once.

    `*` is any run of characters (also `/`), `?` one character, `[abc]` and `[!abc]` a set. Between two stars
    the first place that fits is as good as any, hence the atomic groups: nothing is ever tried twice.
    """
    parts = [_literal(part) for part in re.split(r"\*+", glob)]
    if len(parts) == 1:
        return rf"{parts[0]}\Z"
    middle = "".join(f"(?>.*?{part})" for part in parts[1:-1] if part)
    return rf"{parts[0]}{middle}.*{parts[-1]}\Z" if parts[-1] else rf"{parts[0]}{middle}"


def _literal(part: str) -> str:
    pieces = re.split(r"(\[!?\]?[^\]\[]*\]|\?)", part)
    return "".join(_class_or_text(piece) for piece in pieces)


def _class_or_text(piece: str) -> str:
    if piece == "?":
        return "."
    if len(piece) > 2 and piece[0] == "[" and piece[-1] == "]" and piece != "[!]":
        inside = (
            piece[1:-1]
            .replace("\\", "\\\\")
            .replace("^", "\\^")
            .replace("&&", "&\\&")
            .replace("||", "|\\|")
            .replace("~~", "~\\~")
            .replace("--", "-\\-")
        )
        try:
            source = f"[^{inside[1:]}]" if inside.startswith("!") else f"[{inside}]"
            re.compile(source)
        except re.error:
            return re.escape(piece)
        return source
    return re.escape(piece)


def _fingerprint(where: str, value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not values or not all(isinstance(part, str) and part for part in values):
        raise InvalidError(
            f"{where}: `fingerprint` must be a list of texts", 'For example ["database-down", "{{ type }}"].'
        )
    return tuple(values)


def _text(where: str, key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidError(f"{where}: `{key}` must be text", "It may hold variables such as {{ type }}.")
    return value


def _flag(where: str, key: str, value: Any) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    raise InvalidError(f"{where}: `{key}` must be true or false", "Without quotes, as in JSON.")


# ------------------------------------------------------------------ applying


def grouping_rules(rules: Rules, event: Event) -> Iterable[Rule]:
    """The fingerprint and title rules that match the event, in order."""
    return (rule for rule in rules.grouping if _event_holds(rule, event) and _some_frame_holds(rule, event))


def apply_frame_rules(rules: Rules, event: Event) -> Event:
    """The event with frames marked and removed as the rules say; the given event is not changed."""
    active = [rule for rule in rules.frames if _event_holds(rule, event)]
    if not active:
        return event
    changed = event.copy()
    if event.get("frames"):
        changed["frames"] = _rewritten(active, event["frames"])
    if event.get("exceptions"):
        changed["exceptions"] = [_with_frames(active, info) for info in event["exceptions"]]
    return changed


def _with_frames(active: list[Rule], info: ExceptionInfo) -> ExceptionInfo:
    copy = info.copy()
    copy["frames"] = _rewritten(active, info.get("frames") or [])
    return copy


def _rewritten(active: list[Rule], frames: list[Frame]) -> list[Frame]:
    kept = []
    for frame in frames:
        matching = [rule for rule in active if _frame_holds(rule, frame)]
        if any(rule.ignore_frame for rule in matching):
            continue
        marks = [rule.in_app for rule in matching if rule.in_app is not None]
        if marks:
            frame = frame.copy()
            frame["in_app"] = marks[-1]
        kept.append(frame)
    return kept


def _event_holds(rule: Rule, event: Event) -> bool:
    return all(test(_event_texts(event, key)) for key, test in rule.event_tests)


def _event_texts(event: Event, key: str) -> list[str]:
    if key == "type":
        types = [info.get("type") or "" for info in event.get("exceptions") or ()]
        return [*types, *(names.type_name(type_) for type_ in types)] or [""]
    if key == "message":
        return [
            event.get("message") or "",
            *(info.get("value") or "" for info in event.get("exceptions") or ()),
        ]
    if key == "tag":
        return list(event.get("tags") or ()) or [""]
    if key.startswith("tag."):
        return [tag_value(event, key[4:])]
    return [str(event.get(key) or "")]


def tag_value(event: Event, name: str) -> str:
    """The value of the tag `name=value`, or ""."""
    prefix = f"{name}="
    return next((tag[len(prefix) :] for tag in event.get("tags") or () if tag.startswith(prefix)), "")


def _some_frame_holds(rule: Rule, event: Event) -> bool:
    return not rule.frame_tests or any(_frame_holds(rule, frame) for frame in all_frames(event))


def all_frames(event: Event) -> Iterable[Frame]:
    yield from event.get("frames") or ()
    for info in event.get("exceptions") or ():
        yield from info.get("frames") or ()


def _frame_holds(rule: Rule, frame: Frame) -> bool:
    return all(test([_frame_text(frame, key)]) for key, test in rule.frame_tests)


def _frame_text(frame: Frame, key: str) -> str:
    text: str = frame.get(key) or ""  # type: ignore[assignment]
    return text.replace("\\", "/") if key == "file" else text
