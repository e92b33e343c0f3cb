"""The values of `field:value` terms: one reader for each kind of field, each returning a node."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from ..errors import QueryError
from ..models import LEVEL_ALIASES, SEVERITIES, STATUSES
from .fields import HAS_FIELDS, Field, compares, did_you_mean, excerpt, field_name
from .text import words
from .tree import Level, Node, Pattern, Term, Value, Words, any_of, fold_path, negate, without_empty_middles

SECOND = 1_000_000
DAY = 86_400 * SECOND
UNITS = {
    "s": SECOND,
    "m": 60 * SECOND,
    "h": 3_600 * SECOND,
    "d": DAY,
    "w": 7 * DAY,
    "mo": 30 * DAY,
    "y": 365 * DAY,
}

MAX_TIME = 253_402_300_799_999_999  # the end of the year 9999, the last moment that ISO 8601 can write

_TIME_HINT = "use a time ago (30s, 5m, 2h, 7d, 2w, 3mo, 1y), today, yesterday, or ISO 8601 (2026-11-23T18:47)"


class RawValue(NamedTuple):
    """A value as it was read: the literal pieces between its wildcards."""

    pieces: tuple[str, ...]
    position: int

    @property
    def text(self) -> str:
        return "*".join(self.pieces)

    @property
    def shown(self) -> str:
        """The text for an error."""
        return excerpt(self.text)


class RawTerm(NamedTuple):
    """A `field:value` term before its values are understood."""

    text: str  # the whole query
    now: int  # microseconds
    levels: Mapping[str, int]  # name → rank
    field: Field
    key: str | None
    op: str
    values: list[RawValue]
    position: int


def read_term(raw: RawTerm) -> Node:
    """The node of a term. Raises QueryError at the value that is wrong."""
    if raw.op != "any" and not compares(raw.field):
        sign = raw.values[0].position - len(raw.op)
        message = f'"{raw.field.name}" cannot be compared with {raw.op}'
        raise QueryError(message, raw.text, sign, _op_hint(raw.field))
    if raw.op != "any" and len(raw.values) > 1:
        raise _error(raw, raw.values[1], f"{raw.op} takes one value", "split it into two terms joined by OR")
    return _READERS[raw.field.kind](raw)


def _op_hint(field: Field) -> str:
    if field.kind == "time":
        return f"write {field.name}:2h, without {'<' if field.name == 'until' else '>'}"
    return "put the value into quotes if it begins with that sign"


def _error(raw: RawTerm, value: RawValue, message: str, hint: str = "") -> QueryError:
    return QueryError(message, raw.text, value.position, hint)


def _term(raw: RawTerm, values: Iterable[Value], op: str = "any", key: str | None = None) -> Term:
    return Term(raw.field.name, key, op, tuple(dict.fromkeys(values)), raw.position)


def _pattern(value: RawValue) -> Pattern:
    return Pattern(tuple(piece.casefold() for piece in value.pieces))


def _not_empty(raw: RawTerm, value: RawValue) -> RawValue:
    if value.pieces == ("",):
        name = raw.field.name
        raise _error(raw, value, f'"{name}" has an empty value', f"-has:{name} finds what has no {name}")
    return value


def _read_text(raw: RawTerm) -> Node:
    return _term(raw, (_pattern(_not_empty(raw, value)) for value in raw.values))


def _read_path(raw: RawTerm) -> Node:
    patterns = []
    for value in raw.values:
        pieces = _not_empty(raw, value).pieces
        patterns.append(Pattern(tuple(fold_path(piece) for piece in pieces)))
    return _term(raw, patterns)


def _read_message(raw: RawTerm) -> Node:
    return _term(raw, (_message_value(raw, _not_empty(raw, value)) for value in raw.values))


def _message_value(raw: RawTerm, value: RawValue) -> Value:
    if len(value.pieces) > 1:
        return _pattern(value)
    tokens = tuple(words(value.pieces[0]))
    if not tokens:
        hint = f"message:*{value.shown}* looks for the signs themselves"
        raise _error(raw, value, f'"{value.shown}" has no letters or digits to search for', hint)
    return Words(tokens)


def _read_tag(raw: RawTerm) -> Node:
    """`tag:region=eu` is `tag.region:eu`; values with different keys become an Or of terms."""
    by_key: dict[str | None, list[Value]] = {}
    for value in raw.values:
        key, pattern = _tag_value(raw, value)
        by_key.setdefault(key, []).append(pattern)
    return any_of(_term(raw, patterns, key=key) for key, patterns in by_key.items())


def _tag_value(raw: RawTerm, value: RawValue) -> tuple[str | None, Pattern]:
    pattern = _pattern(value)
    if raw.key is not None:
        return raw.key, pattern
    key, equals, rest = _pattern(_not_empty(raw, value)).pieces[0].partition("=")
    if key and equals:
        return key, Pattern((rest, *pattern.pieces[1:]))
    return None, pattern


def _choose(raw: RawTerm, value: RawValue, choices: Iterable[str]) -> list[str]:
    """The choices a value means: one, or several with wildcards."""
    pattern, known = _pattern(value), list(choices)
    chosen = [choice for choice in known if pattern.matches(choice.casefold())]
    if not chosen:
        hint = f"{did_you_mean(pattern.literal, known)}{raw.field.name}: {', '.join(known)}"
        noun = "state" if raw.field.kind == "flag" else raw.field.name
        raise _error(raw, value, f'unknown {noun} "{value.shown}"', hint)
    return chosen


def _read_choice(raw: RawTerm) -> Node:
    if raw.op == "any":
        return _term(raw, (name for value in raw.values for name in _choose(raw, value, raw.field.choices)))
    rank = SEVERITIES.index(_choose(raw, raw.values[0], SEVERITIES)[0])
    chosen = [name for place, name in enumerate(SEVERITIES) if COMPARE[raw.op](place, rank)]
    if not chosen:
        raise _error(
            raw,
            raw.values[0],
            f"no severity is {raw.op} {SEVERITIES[rank]}",
            f"severity: {', '.join(SEVERITIES)}",
        )
    return _term(raw, chosen)


COMPARE: dict[str, Callable[[int, int], bool]] = {
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
}


def _read_level(raw: RawTerm) -> Node:
    names = [name for value in raw.values for name in _level_names(raw, value)]
    if raw.op == "any":
        return _term(raw, names)
    if len(names) > 1:
        raise _error(raw, raw.values[0], f"{raw.op} takes one level", f"levels: {', '.join(raw.levels)}")
    return _term(raw, [Level(names[0], raw.levels[names[0]])], raw.op)


def _level_names(raw: RawTerm, value: RawValue) -> list[str]:
    word = value.text.casefold()
    if word not in raw.levels and LEVEL_ALIASES.get(word) in raw.levels:
        return [LEVEL_ALIASES[word]]
    return _choose(raw, value, raw.levels)


_FLAG_FIELDS = {
    "assigned": Term("assigned", None, "has", ()),
    "new": Term("is", None, "any", ("new",)),
    "regressed": Term("is", None, "any", ("regressed",)),
}


def _read_flag(raw: RawTerm) -> Node:
    """`is:open` means `status:open`, `is:unassigned` means `-has:assigned`; only new and regressed stay."""
    flags = list(dict.fromkeys(flag for value in raw.values for flag in _choose(raw, value, raw.field.choices)))
    statuses = tuple(flag for flag in flags if flag in STATUSES)
    nodes: list[Node] = [Term("status", None, "any", statuses, raw.position)] if statuses else []
    for flag in flags:
        if flag == "unassigned":
            nodes.append(negate(_FLAG_FIELDS["assigned"]._replace(position=raw.position)))
        elif flag in _FLAG_FIELDS:
            nodes.append(_FLAG_FIELDS[flag]._replace(position=raw.position))
    return any_of(nodes)


def _read_has(raw: RawTerm) -> Node:
    return any_of(_has(raw, value) for value in raw.values)


def _has(raw: RawTerm, value: RawValue) -> Node:
    folded = value.text.casefold()
    if folded.startswith("tag.") and len(folded) > 4 and len(value.pieces) == 1:
        return Term("tag", folded[4:], "has", (), raw.position)
    name = field_name(folded)
    if name not in HAS_FIELDS:
        hint = f"{did_you_mean(name, HAS_FIELDS)}fields: {', '.join(HAS_FIELDS)}, tag.KEY"
        raise _error(raw, value, f'"has" knows no field "{value.shown}"', hint)
    return Term(name, None, "has", (), raw.position)


def _read_number(raw: RawTerm) -> Node:
    return _term(raw, (_number(raw, value) for value in raw.values), raw.op)


def _number(raw: RawTerm, value: RawValue) -> int:
    text = value.text.removeprefix("#") if raw.field.name == "issue" else value.text
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise _error(
            raw,
            value,
            f'"{raw.field.name}" needs a number, not "{value.shown}"',
            f"for example {raw.field.example}",
        )
    return int(text)


def _read_id(raw: RawTerm) -> Node:
    return _term(raw, (_id_pattern(raw, _not_empty(raw, value)) for value in raw.values))


def _id_pattern(raw: RawTerm, value: RawValue) -> Pattern:
    """Ids are compared without dashes; one that is not whole is the beginning of an id."""
    pieces = tuple(piece.casefold().replace("-", "") for piece in value.pieces)
    length = raw.field.id_length
    digits = "".join(pieces)
    if not re.fullmatch(r"[0-9a-f]*", digits) or len(digits) > length or not (digits or pieces[1:]):
        hint = f"ids have up to {length} characters from 0-9 and a-f"
        raise _error(raw, value, f'"{value.shown}" is no id of {_article(raw.field.name)}', hint)
    if len(digits) < length and pieces[-1] != "":
        pieces = (*pieces, "")
    return Pattern(without_empty_middles(pieces))


def _article(name: str) -> str:
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"


def _read_time(raw: RawTerm) -> Node:
    if len(raw.values) > 1:
        raise _error(raw, raw.values[1], f'"{raw.field.name}" takes one time', "split it into two terms joined by OR")
    moment, whole_day = _time(raw, raw.values[0])
    op = {"until": "<"}.get(raw.field.name, ">=") if raw.op == "any" else raw.op
    if whole_day and op in (">", "<="):  # the day is over at the next one's beginning
        moment, op = moment + DAY, ">=" if op == ">" else "<"
    return _term(raw, [min(moment, MAX_TIME)], op)


def _time(raw: RawTerm, value: RawValue) -> tuple[int, bool]:
    try:
        return parse_time(value.text, raw.now)
    except ValueError:
        raise _error(raw, value, f'"{value.shown}" is no time', _TIME_HINT) from None


def parse_time(text: str, now: int) -> tuple[int, bool]:
    """Read a relative or ISO time.

    Arguments: the text, and the present in microseconds. Returns microseconds since the epoch (never
    negative), and whether the text named a day and no time of it. Raises ValueError.
    """
    word = text.strip().casefold()
    if word == "now":
        return now, False
    if word in ("today", "yesterday"):
        return now - now % DAY - (DAY if word == "yesterday" else 0), True
    if re.fullmatch(r"(?:[0-9]{1,9}(?:mo|[smhdwy]))+", word):
        parts = re.findall(r"([0-9]+)(mo|[smhdwy])", word)
        return max(0, now - sum(int(number) * UNITS[unit] for number, unit in parts)), False
    return _iso_time(word.upper())


def _iso_time(text: str) -> tuple[int, bool]:
    # Only the usual form: fromisoformat also reads week dates and bare digits, likelier a slip.
    if not re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise ValueError(text)
    from ..clock import from_iso

    try:
        return max(0, from_iso(text)), len(text) == 10
    except OverflowError:
        raise ValueError(text) from None


_READERS: dict[str, Callable[[RawTerm], Node]] = {
    "text": _read_text,
    "path": _read_path,
    "message": _read_message,
    "tag": _read_tag,
    "choice": _read_choice,
    "level": _read_level,
    "flag": _read_flag,
    "has": _read_has,
    "number": _read_number,
    "id": _read_id,
    "time": _read_time,
}
