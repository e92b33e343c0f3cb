"""Event → Grouping: which issue an event belongs to, and why.

The order of strategies: the client's fingerprint, the user's rules, then what the algorithm computes:
root-cause exception with the frame that raised it and the template of its message; a stack without exception
likewise; else the message alone. Algorithms are versioned and live beside each other in `ALGORITHMS`, since
hashes that are stored must stay computable.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from ..digests import sha1
from ..models import Event, ExceptionInfo, Frame, Grouping
from . import frames as stack
from . import message, names
from . import rules as user_rules
from .bounded import Memo
from .patterns import compiled
from .rules import NO_RULES, Rules
from .tables import INITIALIZERS
from .title import culprit_of, title_of

try:
    from _sha1 import sha1  # type: ignore[import-not-found]  # hashlib loads OpenSSL: 2 ms of every short command
except ImportError:
    from hashlib import sha1

ALGORITHM = "v2"
MAX_CHAIN = 50  # exceptions of a chain or group that are looked at


class Key(NamedTuple):
    """What an algorithm makes of an event."""

    text: str
    reason: str
    parts: tuple[tuple[str, str], ...]
    frame: Frame | None  # where it happened, for the culprit


def group(event: Event, rules: Rules = NO_RULES, algorithm: str = ALGORITHM) -> Grouping:
    """Which issue `event` (normalized) belongs to.

    `rules` come from `compile_rules`; `algorithm` names an entry of `ALGORITHMS` (KeyError if there is
    none). Never raises on what an event holds. The hash is the SHA-1 of the key in UTF-8.
    """
    if rules.frames:
        event = user_rules.apply_frame_rules(rules, event)
    key = ALGORITHMS[algorithm](event)
    title = ""
    given = event.get("fingerprint")
    custom = bool(given) and not _only_default(given or [])
    if custom:
        key = _custom_key(given or [], event, key, "client fingerprint", "The client sent a fingerprint.")
    if rules.grouping:
        key, title = _by_rules(rules, event, key, custom)
    digest = sha1(key.text.encode("utf-8", "replace"), usedforsecurity=False).hexdigest()
    return Grouping(
        digest,
        algorithm,
        key.text,
        key.reason,
        key.parts,
        title or title_of(event),
        culprit_of(event, key.frame),
    )


def explain(grouping: Grouping) -> list[tuple[str, str]]:
    """(what, value) pairs for people: the reason, what the key was made of, the key, its hash, the
    algorithm."""
    return [
        ("reason", grouping.reason),
        *grouping.parts,
        ("key", grouping.key),
        ("hash", grouping.hash),
        ("algorithm", grouping.algorithm),
    ]


# ------------------------------------------------------------------ the algorithms


def computed_key(event: Event, version: int) -> Key:
    """The grouping key of an event by a version of the algorithm, without the client's or the user's wishes.

    v1 and v2 differ in the templates of messages: see `refine`.
    """
    exceptions = event.get("exceptions")
    if exceptions:
        key = _exceptions_key(exceptions[-MAX_CHAIN:], event.get("platform"), version)
        if key is not None:
            return key
    return _message_key(event, version)


def _exceptions_key(exceptions: list[ExceptionInfo], platform: str | None, version: int) -> Key | None:
    if len(exceptions) > 1:
        leaves = _group_leaves(exceptions)
        if leaves:
            return _group_key(exceptions, leaves, platform, version)
    index = root_index(exceptions)
    return _exception_key(exceptions, index, platform, version)


def root_index(exceptions: list[ExceptionInfo]) -> int:
    """Position of the exception that is the cause: the first, but for those that say less than what they led
    to.

    An exception that was merely being handled when another one was raised (Python's `__context__`) did not
    cause it, and an empty one (no type and no value) explains nothing.
    """
    last = len(exceptions) - 1
    start = 0
    for index in range(last):
        mechanism = exceptions[index].get("mechanism")
        if mechanism and mechanism.get("source") == "__context__":
            start = index + 1
    for index in range(start, last):
        if exceptions[index].get("type") or exceptions[index].get("value"):
            return index
    return last


def _exception_key(exceptions: list[ExceptionInfo], index: int, platform: str | None, version: int) -> Key | None:
    cause = exceptions[index]
    type_ = _type(cause.get("type"))
    value = cause.get("value") or ""
    if not type_ and not value.strip():
        return None
    owner, location, frame = _location(exceptions, index, platform, type_)
    if version > 1 and frame is not None:
        location = [*location, *_line_of_initializer(frame)]
    if location and _is_crash_report(type_, value, platform):
        value = ""
    template = message.value_template(type_, value, bool(location), version)
    parts = [("exception", type_)] if type_ else []
    parts += [("frame", place) for place in location]
    if template.text:
        parts.append(("message", template.text))
    if not location:
        text = f"{type_}: {template.key}" if type_ and template.key else type_ or template.key
        return Key(text, "Same exception type and message; there is no stack trace.", tuple(parts), None)
    text = "\n".join((type_, *location, template.key) if template.key else (type_, *location))
    return Key(text, _reason(owner != index, len(exceptions) > 1, bool(template.text)), tuple(parts), frame)


_types: Memo[str, str] = Memo(512)


def _type(raw: str | None) -> str:
    if not raw:
        return ""
    found = _types.get(raw)
    if found is None:
        found = message.parameterize(names.type_name(raw))
        _types.put(raw, found)
    return found


def _reason(outer: bool, chained: bool, has_message: bool) -> str:
    what = "root-cause exception type" if chained else "exception type"
    where = "frame of the nearest exception in own code" if outer else "crashing frame"
    return f"Same {what}, {where} and message." if has_message else f"Same {what} and {where}."


def _line_of_initializer(frame: Frame) -> list[str]:
    """The line, where the function is all that a class does when it is loaded: many statements, and no name for any."""
    known = frame.get("function") in INITIALIZERS and frame.get("line")
    return [f"line {frame['line']}"] if known else []


# What a signal or a sanitizer reports as its value is addresses and sizes, unless an assertion speaks.
_CRASH = (
    r"SIG[A-Z]{2,6}|EXC_[A-Z_]+|EXCEPTION_[A-Z_]+|[a-z]+(?:-[a-z]+)+|0x[0-9a-f]+|SEGV|ABRT"
    r"|Fatal Error|Segmentation fault|.*Sanitizer.*"
)
_SPOKEN = r"(?i)assert|check failed|terminate|what\(\)|panic|exception|runtime error"


def _is_crash_report(type_: str, value: str, platform: str | None) -> bool:
    return (
        names.language(platform) is names.LANGUAGES["native"]
        and compiled(_CRASH).fullmatch(type_) is not None
        and compiled(_SPOKEN).search(value[:300]) is None
    )


def _location(
    exceptions: list[ExceptionInfo], index: int, platform: str | None, type_: str
) -> tuple[int, list[str], Frame | None]:
    """(whose frames, their texts, the frame itself): the cause's own code, else that of the exceptions it
    led to.

    A cause that was raised wholly inside of a library is told apart by the user's code that got to see it.
    """
    fallback = None
    for owner in range(index, len(exceptions)):
        frames = exceptions[owner].get("frames")
        if not frames:
            continue
        found, is_app = stack.locate(frames, platform, type_)
        if is_app:
            return owner, *found
        if fallback is None and found[0]:
            fallback = owner, *found
    return fallback or (index, [], None)


# ------------------------------------------------------------------ exception groups


def _group_leaves(exceptions: list[ExceptionInfo]) -> list[int]:
    """Positions of the exceptions inside of a group that contain no others; empty when it is a plain
    chain."""
    if not any(_is_group(info) for info in exceptions):
        return []
    parents = {(info.get("mechanism") or {}).get("parent_id") for info in exceptions}
    leaves = [
        index
        for index, info in enumerate(exceptions)
        if not _is_group(info) and (_mechanism_id(info) is None or _mechanism_id(info) not in parents)
    ]
    return leaves


def _mechanism_id(info: ExceptionInfo) -> object:
    found = (info.get("mechanism") or {}).get("exception_id")
    return found if isinstance(found, (int, str)) else None


def _is_group(info: ExceptionInfo) -> bool:
    mechanism = info.get("mechanism")
    if mechanism and mechanism.get("is_exception_group"):
        return True
    return (info.get("type") or "").endswith("ExceptionGroup")


def _group_key(exceptions: list[ExceptionInfo], leaves: list[int], platform: str | None, version: int) -> Key | None:
    """The set of what a group holds: order and number of equal leaves vary with timing, so they don't
    count."""
    keys: dict[str, Key] = {}
    for index in leaves:
        key = _exception_key([exceptions[index]], 0, platform, version)
        if key is not None:
            keys.setdefault(key.text, key)
    if not keys:
        return None
    outer = next((info for info in reversed(exceptions) if _is_group(info)), exceptions[-1])
    type_ = names.type_name(outer.get("type")) or "ExceptionGroup"
    _, location, frame = _location([outer], 0, platform, type_)
    members = [keys[text] for text in sorted(keys)]
    if len(members) == 1 and members[0].frame is not None:
        frame = members[0].frame
    parts = [("exception", type_), *(("frame", place) for place in location)]
    parts += [("member", key.text.replace("\n", " | ")) for key in members]
    text = "\n".join([type_, *location, *(f"- {key.text}" for key in members)])
    return Key(text, "Same kinds of exceptions in an exception group.", tuple(parts), frame)


# ------------------------------------------------------------------ messages


def _message_key(event: Event, version: int) -> Key:
    text = event.get("message") or ""
    frames = event.get("frames")
    if frames:
        (location, frame), _ = stack.locate(frames, event.get("platform"), None)
        if location:
            template = message.message_template(text, version)
            parts = (*(("frame", place) for place in location), ("message", template.text))
            return Key("\n".join((*location, template.key)), "Same frame and message.", parts, frame)
    if not text.strip():
        return Key(text, "There is neither message nor exception.", (("message", text),), None)
    template = message.message_template(text, version)
    reason = "Same message." if template.key == text else "Same message but for the parts that vary."
    return Key(template.key, reason, (("message", template.text),), None)


# ------------------------------------------------------------------ fingerprints

_VARIABLE = r"\{\{\s*([\w.\-]+)\s*\}\}"
_VARIABLES = frozenset(
    (
        "type",
        "value",
        "message",
        "function",
        "module",
        "transaction",
        "level",
        "logger",
        "package",
        "abs_path",
        "file",
    )
)
_SYNONYMS = {
    "error.type": "type",
    "error.value": "value",
    "stack.function": "function",
    "stack.module": "module",
    "stack.package": "package",
    "stack.abs_path": "abs_path",
}


def _only_default(fingerprint: list[str]) -> bool:
    return len(fingerprint) == 1 and _is_default(fingerprint[0])


def _is_default(part: str) -> bool:
    match = compiled(_VARIABLE).fullmatch(part.strip())
    return match is not None and match[1] == "default"


def _custom_key(fingerprint: list[str], event: Event, computed: Key, what: str, reason: str) -> Key:
    values = [_expand(part, event, computed) for part in fingerprint]
    text = "\n".join(["fingerprint", *(value.replace("\\", "\\\\").replace("\n", "\\n") for value in values)])
    parts = (
        (what, " · ".join(fingerprint)),
        *((f"part {number}", value) for number, value in enumerate(values, 1)),
    )
    return Key(text, reason, parts, computed.frame)


def _expand(part: str, event: Event, computed: Key) -> str:
    if "{{" not in part:
        return part
    return compiled(_VARIABLE).sub(lambda match: _variable(match[1], match[0], event, computed), part)


def _variable(name: str, raw: str, event: Event, computed: Key) -> str:
    """A variable's value, `<no-…>` when the event has none; what is not a variable stays as it is written."""
    name = _SYNONYMS.get(name, name)
    if name == "default":
        return computed.text
    if name.startswith("tags."):
        return user_rules.tag_value(event, name[5:]) or f"<no-value-for-tag-{name[5:]}>"
    if name not in _VARIABLES:
        return raw
    frame: Frame = computed.frame or {}
    last: ExceptionInfo = (event.get("exceptions") or [{}])[-1]
    value: object = {
        "type": last.get("type"),
        "value": last.get("value"),
        "message": event.get("message") or last.get("value"),
        "file": frame.get("file"),
        "abs_path": frame.get("abs_path") or frame.get("file"),
    }.get(name)
    if value is None:
        value = frame.get(name) if name in ("function", "module", "package") else event.get(name)
    return str(value) if value else f"<no-{name.replace('_', '-')}>"


def _by_rules(rules: Rules, event: Event, computed: Key, custom: bool) -> tuple[Key, str]:
    """Key and title after the rules: the first fingerprint wins (unless the client's is there), and the
    first title."""
    title = ""
    key = computed
    decided = custom
    for rule in user_rules.grouping_rules(rules, event):
        if rule.title and not title:
            title = _expand(rule.title, event, computed)[:200]
        if rule.fingerprint and not decided:
            decided = True
            if not _only_default(list(rule.fingerprint)):
                reason = f"Grouping rule {rule.position} matches."
                key = _custom_key(list(rule.fingerprint), event, computed, f"rule {rule.position}", reason)
    return key, title


ALGORITHMS: dict[str, Callable[[Event], Key]] = {
    "v1": partial(computed_key, version=1),
    "v2": partial(computed_key, version=2),
}
