"""What the index holds of an event: its normalized text, and a token for each of its words.

A *word* is a (field, value) pair such as ("release", "shop@1.4"), casefolded. In the index it stands
as a token made of a digest, behind a sign that normalized text cannot contain; so one full-text
index answers free words and fields alike, and a wildcard is first expanded over the table of words.

Deleting an event gives the index the same document again (contentless FTS5 asks for that), so what
this module makes of an event must not change without a migration that rebuilds the index;
`INDEX_VERSION` and its test stand guard.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ..digests import blake2b
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
_LISTED = frozenset(LISTED)
_PLAIN = ("release", "environment", "host", "platform", "source", "logger", "transaction")
_PRESENCE = (*_PLAIN, "user", "exceptions", "frames", "stacktrace", "context", "breadcrumbs", "attachments",
             "trace_id", "span_id", "errors", "fingerprint", "request", "pid", "tags")  # fmt: skip
# Characters of a value that a word holds: more than any limit of `ingest.limits`, so that none is cut.
MAX_VALUE = 32_768

_DIGITS_OF_AN_IDENTIFIER = 5

_CACHE_LIMIT = 50_000  # words; about 20 MB

Word = int  # 56 bits of a digest of field and casefolded value

_ids: dict[str, dict[str, Word]] = {}  # by field and value as it comes
_tokens: dict[Word, str] = {}
_names: dict[Word, tuple[str, str]] = {}  # of words in LISTED fields
_scattered: set[Word] = set()  # words that few events share: see `is_counted`
_presence: dict[tuple[str, ...], list[Word]] = {}


def word_of(field: str, value: str) -> Word:
    """The number that stands for a value of a field."""
    known = _ids.get(field)
    if known is None:
        known = _ids[field] = {}
    number = known.get(value)
    return _remember(field, value) if number is None else number


def listed_word(field: str, value: str) -> Word:
    """The word of a row of `words`, without remembering it."""
    return _digest(field, value)


def word_token(word: Word) -> str:
    """The index token of a word that `word_of` gave."""
    return _tokens.get(word) or f"{SIGN}{word:014x}"


def word_name(word: Word) -> tuple[str, str] | None:
    """Field and value of a word that `word_of` gave, where each value of the field is listed."""
    return _names.get(word)


def trim_caches() -> None:
    """Forget words when they have become many. Not between preparing a batch and storing it, which needs the names."""
    if len(_tokens) > _CACHE_LIMIT:
        for cache in (_ids, _tokens, _names, _presence):
            cache.clear()
        _scattered.clear()


@contextmanager
def names_of_words(names: Mapping[Word, tuple[str, str]]) -> Iterator[None]:
    """Know words that another process made, while their events are stored."""
    unknown = names.keys() - _names.keys()
    _names.update((word, names[word]) for word in unknown)
    try:
        yield
    finally:
        for word in unknown:
            _names.pop(word, None)


def _digest(field: str, folded: str) -> Word:
    return int.from_bytes(blake2b(f"{field}\0{folded}".encode(errors="replace"), digest_size=7).digest(), "big")


def _remember(field: str, value: str) -> Word:
    folded = fold(value)
    word = _digest(field, folded)
    _ids.setdefault(field, {})[value] = word
    _tokens[word] = f"{SIGN}{word:014x}"
    if field in _LISTED:
        _names[word] = (field, folded)
        if field == "user" or (field == "tag" and _is_identifier(folded)):
            _scattered.add(word)
    return word


def is_counted(word: Word) -> bool:
    """Whether the store keeps which hashes have a word. False also for a word that is not remembered.

    A word that names one person, request or order is shared by few events: the index finds those quickly, and
    rows for such words would be most of what an event costs.
    """
    return word not in _scattered and word in _tokens  # in the order in which they are forgotten, backwards


def divided(words: list[Word]) -> tuple[list[Word], list[Word]]:
    """Words just made: those that are counted, and those that are not."""
    scattered = [word for word in words if word in _scattered]
    return ([word for word in words if word not in _scattered] if scattered else words), scattered


def counted_words(event: Event, rank: int) -> list[Word]:
    """The distinct words of an event that the store keeps for its hash."""
    return divided(issue_words(event, rank))[0]


def _is_identifier(tag: str) -> bool:
    return sum(map(tag.partition("=")[2].count, "0123456789")) >= _DIGITS_OF_AN_IDENTIFIER


def hash_token(hash_id: int) -> str:
    """The index token of the grouping hash that an event has."""
    return f"{SIGN}h{hash_id}"


def fold(value: Any) -> str:
    """A value as words hold it."""
    text = value if type(value) is str else str(value)
    return text.casefold()[:MAX_VALUE]


def event_words(event: Event, rank: int) -> list[Word]:
    """All distinct words of an event."""
    return [*own_words(event), *issue_words(event, rank)]


def own_words(event: Event) -> list[Word]:
    """The words of an event that say nothing about its issue as a whole: what is known of it, and its trace."""
    words = _presence_words(event)
    return [*words, trace_word(event["trace_id"])] if "trace_id" in event else words


def trace_word(trace_id: str) -> Word:
    """The word of a trace; there are too many to remember them."""
    return _digest("trace_id", trace_id)


def issue_words(event: Event, rank: int) -> list[Word]:
    """The distinct words of an event that are counted for its issue too."""
    get: Callable[..., Any] = event.get
    words = [word_of("level", str(rank))]
    for field in _PLAIN:
        value = get(field)
        if value:
            words.append(word_of(field, value))
    for tag in get("tags", ()):
        words.append(word_of("tag", tag))
        if "=" in tag:
            words.append(word_of("tagkey", tag.partition("=")[0]))
    if "user" in event:
        people = [word_of("user", identity) for identity in user_identities(event["user"])]
        # A user without any name is nobody that could be asked for.
        words += [word_of("has", "user"), *people] if people else []
    for link in get("exceptions", ()):
        words += [word_of("exception", name) for name in exception_names(link)]
    return list(dict.fromkeys(words))


def _presence_words(event: Event) -> list[Word]:
    present = tuple([field for field in _PRESENCE if field in event])
    if "user" in present and not user_identities(event["user"]):
        present = tuple(field for field in present if field != "user")  # nobody that could be asked for
    known = _presence.get(present)
    if known is None:
        known = _presence[present] = [word_of("has", field) for field in present]
    return known


def exception_names(link: ExceptionInfo) -> Iterator[str]:
    """An exception's type, and with its module where that is known."""
    kind = link.get("type")
    if kind:
        yield kind
        module = link.get("module")
        if module:
            yield f"{module}.{kind}"


def user_identities(user: Any) -> list[str]:
    """All names of the person an event happened to; the first is who is counted."""
    if not user:
        return []
    if type(user) is not dict:
        return [str(user)]
    found = [str(user[key]) for key in ("id", "email", "username", "ip_address") if _names_somebody(user.get(key))]
    return list(dict.fromkeys(found))


def _names_somebody(value: Any) -> bool:
    """The same values as `query.match` takes for a name."""
    return bool(value) if type(value) is str else type(value) is int and abs(value) < 10**18


def stack_words(event: Event) -> list[Word]:
    """The distinct words of an event's stack."""
    words: dict[Word, None] = {}
    for frame in all_frames(event):
        for field in ("function", "module"):
            value = frame.get(field)
            if value:
                words[word_of(field, value)] = None  # type: ignore[arg-type]
        path = frame.get("file")
        if path:
            words[word_of("file", fold_path(path))] = None
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
