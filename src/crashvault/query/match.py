"""A query against one event and its issue in memory, with the meaning the store gives it in SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

from ..models import DEFAULT_LEVEL, Event
from .fields import FIELDS
from .text import document, event_texts, exceptions_of, frames_of, stack_texts, words
from .tree import (
    And,
    Everything,
    Level,
    Node,
    Not,
    Or,
    Pattern,
    Phrase,
    Term,
    Value,
    Word,
    Words,
    fold_path,
    path_patterns,
)
from .values import COMPARE

_USER_KEYS = ("id", "email", "username", "ip_address")
_ISSUE_KEYS = {"issue": "id", "first-seen": "first_seen", "last-seen": "last_seen"}


def matches(node: Node, event: Event, issue: Mapping[str, Any] | None, level_ranks: Mapping[str, int]) -> bool:
    """Whether the whole tree holds for one event together with its issue.

    Arguments: the tree; a normalized event; its issue with the keys of the listings and times in
    microseconds, and with `own_tags`, those that people put on it, or None when there is none yet: then no
    term about the issue holds; level name → rank.
    Parts of a wrong type match nothing. For several queries make one `Candidate` and ask it.
    """
    return Candidate(event, issue, level_ranks).fits(node)


class Candidate:
    """An event with its issue, prepared once for any number of queries."""

    def __init__(
        self,
        event: Event,
        issue: Mapping[str, Any] | None,
        level_ranks: Mapping[str, int],
        documents: tuple[str, str] | None = None,
    ) -> None:
        """`documents` are what full-text search sees of the event itself and of its stack, where that is known already."""
        self.event: Mapping[str, Any] = event
        self.issue: Mapping[str, Any] = issue or {}
        self.level_ranks = level_ranks
        self._documents = documents

    def fits(self, node: Node) -> bool:
        match node:
            case And():
                return all(self.fits(child) for child in node.children)
            case Or():
                return any(self.fits(child) for child in node.children)
            case Not():
                return not self.fits(node.child)
            case Term():
                return _term_fits(self, node)
            case Word():
                return any(node.pattern.matches(token) for token in self._candidate_tokens(node.pattern))
            case Phrase():
                return _phrase_fits(node.tokens, self.own_tokens) or _phrase_fits(node.tokens, self.stack_tokens)
        return isinstance(node, Everything)

    @cached_property
    def frames(self) -> list[Mapping[str, Any]]:
        return frames_of(self.event)

    @cached_property
    def exceptions(self) -> list[Mapping[str, Any]]:
        return exceptions_of(self.event)

    @cached_property
    def own_tokens(self) -> list[str]:
        """The tokens that full-text search sees of the event itself, in order."""
        return (self._documents[0] if self._documents else document(event_texts(self.event))).split()

    @cached_property
    def stack_tokens(self) -> list[str]:
        """The same of its stack."""
        return (self._documents[1] if self._documents else document(stack_texts(self.event))).split()

    @cached_property
    def vocabulary(self) -> frozenset[str]:
        return frozenset(self.own_tokens + self.stack_tokens)

    @cached_property
    def tags(self) -> list[str]:
        """Those of the event, and those that people put on its issue."""
        return [tag.casefold() for tag in _strings([self.event.get("tags"), self.issue.get("own_tags")])]

    def _candidate_tokens(self, pattern: Pattern) -> Iterable[str]:
        if not pattern.exact:
            return self.vocabulary
        return (pattern.literal,) if self.has_word(pattern.literal) else ()

    def has_word(self, word: str) -> bool:
        if self._documents:  # words stand between blanks: quicker than to make a set of them for one word
            return any(word in text and f" {word} " in f" {text} " for text in self._documents)
        return word in self.vocabulary


def _phrase_fits(patterns: tuple[Pattern, ...], tokens: list[str]) -> bool:
    first, rest = patterns[0], patterns[1:]
    return any(
        all(
            pattern.matches(token)
            for pattern, token in zip(rest, tokens[start + 1 : start + len(patterns)], strict=True)
        )
        for start in _places(first, tokens, len(tokens) - len(rest))
    )


def _places(pattern: Pattern, tokens: list[str], end: int) -> Iterator[int]:
    """Where tokens before `end` fit a pattern; a plain word is looked for by the list itself."""
    if not pattern.exact:
        yield from (at for at in range(end) if pattern.matches(tokens[at]))
        return
    at = -1
    try:
        while True:
            at = tokens.index(pattern.literal, at + 1, max(end, 0))
            yield at
    except ValueError:
        return


def _term_fits(candidate: Candidate, term: Term) -> bool:
    if term.op == "has":
        return _has(candidate, term)
    if term.op == "is":
        return any(text in term.values for text in _texts(candidate, term.field))
    return _KINDS[FIELDS[term.field].kind](candidate, term)


def _has(candidate: Candidate, term: Term) -> bool:
    if term.key is not None:
        return any(tag.startswith(f"{term.key}=") for tag in candidate.tags)
    kind = FIELDS[term.field].kind
    if kind in ("number", "time"):
        return bool(_numbers(candidate, term.field))
    return any(_texts(candidate, term.field))


def _text_fits(candidate: Candidate, term: Term) -> bool:
    return _any_fits(_patterns(term.values), _folded(candidate, term.field))


def _any_fits(patterns: Iterable[Pattern], texts: list[str]) -> bool:
    return any(pattern.matches(text) for pattern in patterns for text in texts)


def _patterns(values: tuple[Value, ...]) -> list[Pattern]:
    return [value for value in values if isinstance(value, Pattern)]


def _path_fits(candidate: Candidate, term: Term) -> bool:
    paths = [fold_path(path) for path in _texts(candidate, term.field)]
    return any(_any_fits(path_patterns(pattern), paths) for pattern in _patterns(term.values))


def _tag_fits(candidate: Candidate, term: Term) -> bool:
    tags = candidate.tags
    if term.key is not None:
        start = f"{term.key}="
        tags = [tag[len(start) :] for tag in tags if tag.startswith(start)]
    return _any_fits(_patterns(term.values), tags)


def _id_fits(candidate: Candidate, term: Term) -> bool:
    ids = [text.replace("-", "") for text in _folded(candidate, term.field)]
    return _any_fits(_patterns(term.values), ids)


def _message_fits(candidate: Candidate, term: Term) -> bool:
    texts = _texts(candidate, "message")
    return any(_message_value_fits(value, text) for value in term.values for text in texts)


def _message_value_fits(value: Value, text: str) -> bool:
    if isinstance(value, Words):
        return f" {' '.join(value.words)} " in f" {' '.join(words(text))} "
    return isinstance(value, Pattern) and value.matches(text.casefold())


def _choice_fits(candidate: Candidate, term: Term) -> bool:
    return candidate.issue.get(term.field) in term.values


def _flag_fits(candidate: Candidate, term: Term) -> bool:
    return any(candidate.issue.get(f"is_{flag}") for flag in term.values)


def _level_fits(candidate: Candidate, term: Term) -> bool:
    name = candidate.event.get("level")
    if term.op == "any":
        return name in term.values
    ranks = candidate.level_ranks
    rank = ranks.get(name if isinstance(name, str) else DEFAULT_LEVEL, ranks.get(DEFAULT_LEVEL, 0))
    return any(isinstance(level, Level) and COMPARE[term.op](rank, level.rank) for level in term.values)


def _number_fits(candidate: Candidate, term: Term) -> bool:
    numbers = _numbers(candidate, term.field)
    if term.op == "any":
        return any(number in term.values for number in numbers)
    limit = term.values[0]
    return isinstance(limit, int) and any(COMPARE[term.op](number, limit) for number in numbers)


def _numbers(candidate: Candidate, field: str) -> list[int]:
    if field == "line":
        values = [frame.get("line") for frame in candidate.frames]
    elif field in ("since", "until"):
        values = [candidate.event.get("timestamp")]
    else:
        values = [candidate.issue.get(_ISSUE_KEYS.get(field, field))]
    return [value for value in values if isinstance(value, int)]


def _folded(candidate: Candidate, field: str) -> list[str]:
    return [text.casefold() for text in _texts(candidate, field)]


def _texts(candidate: Candidate, field: str) -> list[str]:
    """The values of a field that are text and not empty."""
    return [text for text in _strings(_SOURCES[field](candidate)) if text]


def _strings(values: Iterable[Any]) -> list[str]:
    """The strings among the values, and among the members of values that are lists."""
    found: list[str] = []
    for value in values:
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, list):
            found += [member for member in value if isinstance(member, str)]
    return found


def _user_names(candidate: Candidate) -> list[Any]:
    user = candidate.event.get("user")
    if not isinstance(user, dict):
        return [user]
    values = [user.get(key) for key in _USER_KEYS]
    return [str(value) if type(value) is int and abs(value) < 10**18 else value for value in values]


def _exception_names(candidate: Candidate) -> list[Any]:
    names: list[Any] = []
    for exception in candidate.exceptions:
        kind, module = exception.get("type"), exception.get("module")
        names += [kind, f"{module}.{kind}"] if isinstance(kind, str) and isinstance(module, str) else [kind]
    return names


def _message_texts(candidate: Candidate) -> list[Any]:
    return [candidate.event.get("message"), *(exception.get("value") for exception in candidate.exceptions)]


def _from_event(key: str) -> Callable[[Candidate], list[Any]]:
    return lambda candidate: [candidate.event.get(key)]


def _from_issue(key: str) -> Callable[[Candidate], list[Any]]:
    return lambda candidate: [candidate.issue.get(key)]


def _from_frames(key: str) -> Callable[[Candidate], list[Any]]:
    return lambda candidate: [frame.get(key) for frame in candidate.frames]


_SOURCES: dict[str, Callable[[Candidate], list[Any]]] = {
    "project": lambda candidate: [candidate.event.get("project") or candidate.issue.get("project")],
    "user": _user_names,
    "exception": _exception_names,
    "message": _message_texts,
    "event": _from_event("event_id"),
    "trace": _from_event("trace_id"),
    "tag": lambda candidate: [candidate.tags],
    **{key: _from_event(key) for key in ("level", "release", "environment", "host", "platform", "source")},
    **{key: _from_frames(key) for key in ("file", "function", "module")},
    **{key: _from_issue(key) for key in ("severity", "status", "category", "fingerprint", "assigned")},
}

_KINDS: dict[str, Callable[[Candidate, Term], bool]] = {
    "text": _text_fits,
    "path": _path_fits,
    "message": _message_fits,
    "tag": _tag_fits,
    "choice": _choice_fits,
    "flag": _flag_fits,
    "level": _level_fits,
    "number": _number_fits,
    "time": _number_fits,
    "id": _id_fits,
}
