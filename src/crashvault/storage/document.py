"""What the index holds of an event: its normalized text, and a token for each of its words.

A *word* is a (field, value) pair such as ("release", "shop@1.4"), casefolded. In the index it stands
as a token made of a digest, behind a sign that normalized text cannot contain; so one full-text
index answers free words and fields alike, and a wildcard is first expanded over the table of words.

Deleting an event gives the index the same document again (contentless FTS5 asks for that), so what
this module makes of an event must not change without a migration that rebuilds the index;
`INDEX_VERSION` and its test stand guard.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from typing import Any

from ..models import Event, ExceptionInfo, Frame
from ..query.text import document, event_texts, stack_texts
from ..query.tree import fold_path

INDEX_VERSION = 1
SIGN = "¤"

# Fields with a row in `words` for each distinct value, so that wildcards and completion work on them.
LISTED = (
    "tag", "tagkey", "release", "environment", "host", "user", "platform", "source", "exception", "logger",
    "transaction", "file", "function", "module",
)  # fmt: skip
# Words that say nothing about an issue as a whole.
UNCOUNTED = frozenset({"has", "trace_id"})
_PLAIN = ("release", "environment", "host", "platform", "source", "logger", "transaction")
_PRESENCE = (*_PLAIN, "user", "exceptions", "frames", "stacktrace", "context", "breadcrumbs", "attachments",
             "trace_id", "span_id", "errors", "fingerprint", "request", "pid", "tags")  # fmt: skip
MAX_VALUE = 200  # characters of a value that a word holds

_words: dict[tuple[str, str], tuple[int, str]] = {}
_CACHE_LIMIT = 200_000

Word = tuple[str, str]


def word_id(word: Word) -> int:
    """A 56-bit number that stands for a (field, casefolded value) pair."""
    return (_words.get(word) or _remember(word))[0]


def word_token(word: Word) -> str:
    """The index token of a word."""
    return (_words.get(word) or _remember(word))[1]


def _remember(word: Word) -> tuple[int, str]:
    if len(_words) > _CACHE_LIMIT:
        _words.clear()
    digest = blake2b(f"{word[0]}\0{word[1]}".encode(errors="replace"), digest_size=7)
    number = int.from_bytes(digest.digest(), "big")
    found = _words[word] = (number, f"{SIGN}{number:014x}")
    return found


def hash_token(hash_id: int) -> str:
    """The index token of the grouping hash that an event has."""
    return f"{SIGN}h{hash_id}"


def fold(value: Any) -> str:
    """A value as words hold it."""
    text = value if type(value) is str else str(value)
    return text.casefold()[:MAX_VALUE]


def event_words(event: Event, rank: int) -> list[Word]:
    """The distinct words of an event."""
    words: dict[Word, None] = {("level", str(rank)): None}
    get: Callable[..., Any] = event.get
    for field in _PLAIN:
        value = get(field)
        if value:
            words[field, fold(value)] = None
    for tag in get("tags", ()):
        folded = fold(tag)
        words["tag", folded] = None
        key, separator, _ = folded.partition("=")
        if separator:
            words["tagkey", key] = None
    for identity in user_identities(get("user")):
        words["user", identity] = None
    for link in get("exceptions", ()):
        for name in exception_names(link):
            words["exception", name] = None
    trace = get("trace_id")
    if trace:
        words["trace_id", trace] = None
    for field in _PRESENCE:
        if field in event:
            words["has", field] = None
    return list(words)


def exception_names(link: ExceptionInfo) -> Iterator[str]:
    """An exception's type, and with its module where that is known."""
    kind = link.get("type")
    if kind:
        yield fold(kind)
        module = link.get("module")
        if module:
            yield fold(f"{module}.{kind}")


def user_identities(user: Any) -> list[str]:
    """All names of the person an event happened to; the first is who is counted."""
    if not user:
        return []
    if type(user) is not dict:
        return [fold(user)]
    found = [fold(user[key]) for key in ("id", "email", "username", "ip_address") if user.get(key)]
    return list(dict.fromkeys(found))


def stack_words(event: Event) -> list[Word]:
    """The distinct words of an event's stack."""
    words: dict[Word, None] = {}
    for frame in all_frames(event):
        for field in ("function", "module"):
            value = frame.get(field)
            if value:
                words[field, fold(value)] = None
        path = frame.get("file")
        if path:
            words["file", fold_path(path)[:MAX_VALUE]] = None
    return list(words)


def all_frames(event: Event) -> Iterator[Frame]:
    """Every frame of every exception of an event."""
    for link in event.get("exceptions", ()):
        yield from link.get("frames", ())
    yield from event.get("frames", ())


def event_document(event: Event, words: Iterable[Word]) -> str:
    """The index document of an event, still without its hash token."""
    return f"{document(event_texts(event))} {' '.join(map(word_token, words))}"


def stack_document(event: Event) -> str:
    """The index document of an event's stack."""
    return document(stack_texts(event))
