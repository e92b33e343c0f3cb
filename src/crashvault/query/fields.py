"""The fields of the query language: one table, from which parsing, completion, errors and docs derive."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ..models import LEVEL_RANKS, SEVERITIES, STATUSES


class Field(NamedTuple):
    name: str
    kind: str  # text, path, message, tag, level, choice, number, time, id, flag or has
    scope: str  # event or issue: whose value it is
    description: str  # one line, for people
    example: str  # a query
    choices: tuple[str, ...] = ()
    id_length: int = 0  # hexadecimal digits of a whole id


FLAGS = ("open", "resolved", "ignored", "new", "regressed", "assigned", "unassigned")

_ALL = (
    Field("is", "flag", "issue", "state of the issue", "is:open", FLAGS),
    Field("level", "level", "event", "level of the event, by name or compared by rank", "level:>=error"),
    Field("severity", "choice", "issue", "triage severity of the issue", "severity:high,critical", SEVERITIES),
    Field("status", "choice", "issue", "status of the issue", "status:resolved", STATUSES),
    Field("tag", "tag", "event", "a tag, `db` or `region=eu`; `tag.KEY` for the value of a pair", "tag:db"),
    Field("project", "text", "event", "project the event belongs to", "project:shop"),
    Field("release", "text", "event", "release that was running", "release:2.4.*"),
    Field("environment", "text", "event", "environment, such as production", "environment:production"),
    Field("host", "text", "event", "host name", "host:web-*"),
    Field("user", "text", "event", "user's id, e-mail, name or IP address", "user:*@example.com"),
    Field("platform", "text", "event", "language or platform", "platform:python,javascript"),
    Field("source", "text", "event", "source the event names", "source:billing-cron"),
    Field("exception", "text", "event", "type of any exception in the chain", "exception:*TimeoutError"),
    Field("message", "message", "event", "words of the message or of an exception", 'message:"timed out"'),
    Field("file", "path", "event", "file of any frame, whole or its last parts", "file:orders/*.py"),
    Field("function", "text", "event", "function of any frame", "function:handle_*"),
    Field("module", "text", "event", "module of any frame", "module:orders.*"),
    Field("line", "number", "event", "line of any frame", "file:orders/api.py line:42"),
    Field("category", "text", "issue", "category given by classifier or hand", "category:network"),
    Field("issue", "number", "issue", "id of the issue", "issue:12,15"),
    Field("event", "id", "event", "id of the event; its first characters do", "event:4f2a91", id_length=32),
    Field("trace", "id", "event", "id of the distributed trace", "trace:0af76519*", id_length=32),
    Field("fingerprint", "id", "issue", "fingerprint of the issue", "fingerprint:9b1c77d2", id_length=40),
    Field("assigned", "text", "issue", "who the issue is assigned to", "assigned:ana"),
    Field("count", "number", "issue", "events of the issue", "count:>100"),
    Field("users", "number", "issue", "users the issue has hit", "users:>=5"),
    Field("first-seen", "time", "issue", "when the issue was seen first", "first-seen:>24h"),
    Field("last-seen", "time", "issue", "when the issue was seen last", "last-seen:<30d"),
    Field("since", "time", "event", "events at that time or later", "since:24h"),
    Field("until", "time", "event", "events before that time", "until:2026-11-23"),
    Field("has", "has", "event", "the field is known; also `has:tag.KEY`", "has:user"),
)

FIELDS: dict[str, Field] = {field.name: field for field in _ALL}
HAS_FIELDS = tuple(name for name in FIELDS if name not in ("is", "has", "since", "until"))
COMPARED_KINDS = ("number", "time", "level")


def field_name(typed: str) -> str:
    """The name as the table has it: case and underscores don't matter."""
    return typed.casefold().replace("_", "-")


def compares(field: Field) -> bool:
    """Whether the field takes `>`, `>=`, `<` and `<=`."""
    return field.name == "severity" or (field.kind in COMPARED_KINDS and field.name not in ("since", "until"))


def excerpt(text: str) -> str:
    """A part of a query as an error shows it: on one line, and not long."""
    line = "".join(char if char.isprintable() else " " for char in text[:60])
    return f"{line}…" if len(text) > 60 else line


def did_you_mean(typed: str, known: Iterable[str]) -> str:
    """`did you mean X? `, or nothing when no known word is near."""
    from difflib import get_close_matches

    names = list(known)
    near = [name for name in names if typed and name.startswith(typed)]
    near = near or get_close_matches(typed, names, n=1)
    return f"did you mean {near[0]}? " if near else ""


def complete(typed: str, levels: Iterable[str] = tuple(LEVEL_RANKS)) -> list[str]:
    """What the word being typed may become: `le` → `level:`, `-is:o` → `-is:open`, `has:rel` → `has:release`.

    Arguments: the word, from the last space or parenthesis on; the names of the levels there are.
    """
    sign = typed[: len(typed) - len(typed.lstrip("-!"))]
    word = typed[len(sign) :]
    name, colon, value = word.partition(":")
    if not colon:
        return [f"{sign}{field}:" for field in FIELDS if field.startswith(field_name(word))]
    return [f"{sign}{name}:{whole}" for whole in _complete_value(FIELDS.get(field_name(name)), value, levels)]


def _complete_value(field: Field | None, value: str, levels: Iterable[str]) -> list[str]:
    """Complete the last of the comma-separated values, keeping a comparison in front."""
    if field is None:
        return []
    known = {"level": tuple(levels), "has": (*HAS_FIELDS, "tag.")}.get(field.name, field.choices)
    last = value.rpartition(",")[2]
    last = last.lstrip("<>=") if compares(field) else last
    kept = value[: len(value) - len(last)]
    return [f"{kept}{choice}" for choice in known if choice.startswith(last.casefold())]


def markdown_table() -> str:
    """The table of fields for the documentation."""
    rows = [f"| `{f.name}` | {f.scope} | {f.description} | `{f.example}` |" for f in FIELDS.values()]
    return "\n".join(["| field | of the | what it compares | example |", "| --- | --- | --- | --- |", *rows])
