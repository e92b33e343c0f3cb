"""What the last term of a query may become, for shells and for the query box: fields, and values that the vault has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .storage.suggestions import Suggestions

Pairs = Iterable[tuple[str, str]]  # what may be typed, and what it means


def plain(values: Iterable[str]) -> Iterator[tuple[str, str]]:
    return ((value, "") for value in values)


def issues(known: Suggestions, typed: str) -> Pairs:
    return known.issues(typed.removeprefix("#"))


def events(known: Suggestions, typed: str) -> Pairs:
    from .storage.suggestions import short_id

    found = known.events(typed)
    return found if len(typed) >= 8 else [(short_id(event), message) for event, message in found]


def tags(known: Suggestions, typed: str) -> Pairs:
    return plain(dict.fromkeys([*known.values("tag", typed), *known.issue_tags(typed)]))


def projects(known: Suggestions, typed: str) -> Pairs:
    return plain(known.projects(typed))


def people(known: Suggestions, typed: str) -> Pairs:
    return plain(known.people(typed))


def values(field: str) -> Callable[[Suggestions, str], Pairs]:
    return lambda known, typed: plain(known.values(field, typed))


def query(known: Suggestions, typed: str) -> Pairs:
    """The last term of a query; what stands before it stays."""
    start = 1 + max(typed.rfind(" "), typed.rfind("("))
    kept, term = typed[:start], typed[start:]
    return [(f"{kept}{value}", help_) for value, help_ in _term(known, term)]


def _term(known: Suggestions, term: str) -> Pairs:
    from .query.fields import FIELDS, complete, field_name

    name, colon, value = term.lstrip("-!").partition(":")
    source = _QUERY_VALUES.get(field_name(name))
    if colon and source:
        last = value.rpartition(",")[2]
        kept = term[: len(term) - len(last)]
        return [(f"{kept}{found}", help_) for found, help_ in source(known, last) if " " not in found]
    found = complete(term, known.levels())
    return [(item, "" if colon else FIELDS[item.lstrip("-!").rstrip(":")].description) for item in found]


# Values of query fields that only the vault knows.
_QUERY_VALUES: dict[str, Callable[[Suggestions, str], Pairs]] = {
    "tag": tags, "project": projects, "assigned": people, "issue": issues, "event": events,
    **{name: values(name) for name in ("release", "environment", "user", "host", "source", "platform", "exception",
                                       "file", "function", "module")},
}  # fmt: skip
