"""Secrets and personal data taken out of an event, before anyone else sees it.

Names decide over whole values (`secret_keys`), patterns over parts of texts (`secret_text`). The event
is walked once: values under secret names are replaced on the way, and all texts are gathered. Only when
a rule suspects something in them they are looked at one by one. Source lines are the same in many
events, so those that were found clean are remembered.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from crashvault.errors import InvalidError
from crashvault.ingest.secret_keys import is_address_name, is_secret_name, words
from crashvault.ingest.secret_text import (
    ADDRESS_RULE,
    FILTERED,
    RULES,
    STEMS,
    Names,
    Rule,
    haystack,
    redacted,
)
from crashvault.models import Event, EventError

MOST_NOTES = 20
MOST_PATTERNS = 50
LONGEST_PATTERN = 500
_MOST_REMEMBERED = 10_000
_MOST_CODE_REMEMBERED = 4_000  # of a frame each: about 1 KB
_LONGEST_REMEMBERED = 200  # characters of a name
_LONGEST_CODE = 4_000  # characters of a frame's source lines
_LONGEST_TEXT = 200

_TEXT_FIELDS = (
    "message",
    "stacktrace",
    "host",
    "release",
    "environment",
    "source",
    "logger",
    "transaction",
    "dist",
)
_BOX_FIELDS = (
    "context",
    "request",
    "breadcrumbs",
    "attachments",
    "errors",
    "fingerprint",
)
_BACKGROUND_BOXES = ("sdk", "debug_meta")
_STACK_TEXTS = ("type", "value", "module", "thread", "name", "id", "state")  # of exceptions and threads
_FRAME_TEXTS = ("file", "abs_path", "function", "module", "package")
_ADDRESSES = ("file", "abs_path")
_NOTHING_TO_HIDE = ("", "None", "null", "''", '""', FILTERED, f"'{FILTERED}'")
_PYTHON_SOURCE = r'(?m)^ *File "[^\n]*\n( +[^\n]*)'  # a line of source in a printed Python traceback


class ScrubPolicy(NamedTuple):
    """What is taken out of events; the default for all projects is to scrub by the built-in rules.

    `keys` are further names whose values are secret, `safe_keys` names whose values are not, whatever
    the rules say; `patterns` are further regular expressions, whose matches are replaced in all texts.
    """

    enabled: bool = True
    keys: tuple[str, ...] = ()
    safe_keys: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    ip: bool = False


DEFAULT_POLICY = ScrubPolicy()

# a container and the way to it: (container, its key or index, the place of what it lies in or None)
Place = tuple[Any, Any, Any]


def policy_from(config: Mapping[str, Any]) -> ScrubPolicy:
    """A policy from settings named as its fields. Raises InvalidError that says what is wrong."""
    if not isinstance(config, Mapping):
        raise InvalidError("scrubbing must be a mapping", f"Known settings: {', '.join(ScrubPolicy._fields)}")
    for key in config:
        if key not in ScrubPolicy._fields:
            raise InvalidError(f"scrubbing has no setting {key!r}", f"Known settings: {', '.join(ScrubPolicy._fields)}")
    given: dict[str, Any] = {}
    for key in ("enabled", "ip"):
        if key in config:
            given[key] = _truth(config[key], key)
    for key in ("keys", "safe_keys", "patterns"):
        if key in config:
            given[key] = _texts(config[key], key)
    for pattern in given.get("patterns", ()):
        _check_pattern(pattern)
    return ScrubPolicy(**given)


def _truth(value: Any, key: str) -> bool:
    if isinstance(value, bool):
        return value
    raise InvalidError(f"scrubbing.{key} must be true or false")


def _texts(value: Any, key: str) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) and item.strip() for item in value):
        raise InvalidError(f"scrubbing.{key} must be a list of texts")
    if key == "patterns" and len(value) > MOST_PATTERNS:
        raise InvalidError(f"scrubbing.patterns has more than {MOST_PATTERNS} patterns", "Join some with |")
    return tuple(value)


def _check_pattern(pattern: str) -> None:
    if len(pattern) > LONGEST_PATTERN:
        raise InvalidError(f"scrubbing.patterns has one of more than {LONGEST_PATTERN} characters")
    try:
        matches_nothing = re.compile(pattern).match("") is not None
    except (re.error, RecursionError, OverflowError) as error:
        raise InvalidError(f"scrubbing.patterns: {pattern!r} is no regular expression: {error}") from error
    if matches_nothing:
        raise InvalidError(f"scrubbing.patterns: {pattern!r} matches the empty text", "It would match everywhere")


class _Scrubber:
    """A policy ready for use, and what it has learnt: names that are safe or secret, clean source lines."""

    __slots__ = (
        "_address",
        "_extra",
        "_safe_names",
        "clean_code",
        "clean_parts",
        "clean_texts",
        "code_rules",
        "names",
        "safe",
        "secret",
        "text_rules",
    )

    def __init__(self, policy: ScrubPolicy) -> None:
        self._address = policy.ip
        self._extra = tuple(_canonical(key) for key in policy.keys)
        self._safe_names = frozenset(_canonical(key) for key in policy.safe_keys)
        self.safe: set[str] = set()
        self.secret: set[str] = set()
        self.clean_code: set[str] = set()
        self.clean_parts: set[bytes | None] = set()
        self.clean_texts: set[str] = set()
        stems = tuple(max(extra.split("_"), key=len) for extra in self._extra)
        self.names = Names(self.is_secret, tuple(dict.fromkeys((*STEMS, *stems))))
        custom = tuple(_custom_rule(pattern) for pattern in policy.patterns)
        rules = (*RULES, *((ADDRESS_RULE,) if policy.ip else ()), *custom)
        self.text_rules = tuple(rule for rule in rules if rule.scope != "code")
        self.code_rules = tuple(rule for rule in rules if rule.scope != "text")

    def is_secret(self, name: str) -> bool:
        if name in self.safe:
            return False
        if name in self.secret:
            return True
        secret = self._decide(name)
        known = self.secret if secret else self.safe
        if len(name) <= _LONGEST_REMEMBERED:
            if len(known) >= _MOST_REMEMBERED:
                known.clear()
            known.add(name)
        return secret

    def _decide(self, name: str) -> bool:
        canonical = _canonical(name)
        if canonical in self._safe_names:
            return False
        if any(f"_{extra}_" in f"_{canonical}_" for extra in self._extra):
            return True
        return is_secret_name(name) or (self._address and is_address_name(name))


def _canonical(name: str) -> str:
    return "_".join(words(name)) or name[:_LONGEST_REMEMBERED].strip().lower()


def _custom_rule(pattern: str) -> Rule:
    # as the pattern may be anchored to the ends of a text, joined texts tell nothing: always look
    return Rule(pattern, "both", lambda hay, names: True, lambda text, names: _substituted(pattern, text))


def _substituted(pattern: str, text: str) -> tuple[str, int]:
    parts = [re.subn(pattern, FILTERED, part) for part in text.split(FILTERED)]
    return FILTERED.join(part for part, _ in parts), sum(count for _, count in parts)


_scrubbers: dict[ScrubPolicy, _Scrubber] = {}


def _scrubber_for(policy: ScrubPolicy) -> _Scrubber:
    scrubber = _scrubbers.get(policy)
    if scrubber is None:
        if len(_scrubbers) >= 16:
            _scrubbers.clear()
        scrubber = _scrubbers[policy] = _Scrubber(policy)
    return scrubber


class _Found:
    """How many secrets were replaced, and where the first of them were."""

    __slots__ = ("count", "paths")

    def __init__(self) -> None:
        self.count = 0
        self.paths: dict[str, None] = {}

    def add(self, place: Place | None, key: Any, count: int) -> None:
        if not count:
            return
        self.count += count
        if len(self.paths) <= MOST_NOTES:
            self.paths[_path(place, key)] = None

    def errors(self) -> list[EventError]:
        paths = list(self.paths)[:MOST_NOTES]
        noted: list[EventError] = [EventError(field=path, reason="scrubbed") for path in paths]
        if len(self.paths) > MOST_NOTES:
            noted.append({"field": "event", "reason": "scrubbed", "detail": f"{self.count} replacements in all"})
        return noted


def _path(place: Place | None, key: Any) -> str:
    parts = [str(key)[:100]]
    while place is not None:
        parts.append(str(place[1])[:100])
        place = place[2]
    return ".".join(reversed(parts))


def scrub(
    event: Event, policy: ScrubPolicy = DEFAULT_POLICY, stack: bytes | None = None, background: bytes | None = None
) -> int:
    """Replace secrets in a normalized event, in place, by `[Filtered]`; the number of replacements.

    The paths of the first replacements, and how many there were, go to `event["errors"]`. `stack` and
    `background` are digests of what the event shares with others, as `storage.codec` divides it: what
    `remember_clean` was told of is not looked at again.
    """
    if not policy.enabled:
        return 0
    scrubber = _scrubber_for(policy)
    found = _Found()
    places, texts, code = _gathered(event, stack in scrubber.clean_parts, background in scrubber.clean_parts)
    _scrub_tags(event.get("tags", []), scrubber, found)
    _scrub_names(places, texts, scrubber, found)
    _scrub_texts(event, texts, code, scrubber, found)
    if found.count:
        event["errors"] = [*event.get("errors", ()), *found.errors()]
    return found.count


def remember_clean(policy: ScrubPolicy, *digests: bytes | None) -> None:
    """Parts of an event that has been scrubbed need no second look in other events."""
    if policy.enabled:
        known = _scrubber_for(policy).clean_parts
        if len(known) >= _MOST_REMEMBERED:
            known.clear()
        known.update([digest for digest in digests if digest is not None])


def _gathered(
    event: Event, clean_stack: bool = False, clean_background: bool = False
) -> tuple[list[Place], list[str], list[str]]:
    """The containers of the event, its texts outside of them, and for each frame its texts in one."""
    part: Any = event
    get = part.get
    places: list[Place] = [(part[key], key, None) for key in _BOX_FIELDS if key in part]
    texts: list[str] = [part[key] for key in _TEXT_FIELDS if key in part]
    texts += get("tags", ())
    if not clean_background:
        places += [(part[key], key, None) for key in _BACKGROUND_BOXES if key in part]
        texts += get("modules", {}).values()
    if "user" in part:
        texts.append(part["user"]) if type(part["user"]) is str else places.append((part["user"], "user", None))
    code: list[str] = []
    for parent, item in _stacks(event):
        if "mechanism" in item:
            places.append((item["mechanism"], "mechanism", parent))
        texts += [item[key] for key in _STACK_TEXTS if key in item]
        if "frames" in item:
            place = (item["frames"], "frames", parent)
            _gather_variables(item["frames"], place, places)
            if not clean_stack or "threads" in part:
                _gather_code(item["frames"], texts, code)
    return places, texts, code


def _stacks(event: Event) -> Iterator[tuple[Place | None, Any]]:
    """Whatever has frames: exceptions, threads, and the event itself, which is taken as one without texts."""
    for key in ("exceptions", "threads"):
        items: Any = event.get(key, ())
        for index, item in enumerate(items):
            yield (item, index, (items, key, None)), item
    if "frames" in event:
        yield None, {"frames": event["frames"]}


def _gather_variables(frames: list[Any], parent: Place, places: list[Place]) -> None:
    for index, frame in enumerate(frames):
        if "vars" in frame:
            places.append((frame["vars"], "vars", (frame, index, parent)))


def _gather_code(frames: list[Any], texts: list[str], code: list[str]) -> None:
    for frame in frames:
        file, path = frame.get("file", ""), frame.get("abs_path", "")
        if "=" in file or "=" in path:  # the address of a script, which may have a query
            texts += (file, path)
        code.append(_block(frame))


def _block(frame: Any) -> str:
    """Names and source lines of a frame in one text."""
    get = frame.get
    names = [get("file", ""), get("abs_path", ""), get("function", ""), get("module", ""), get("package", "")]
    return "\n".join([*names, *get("pre_context", ()), get("context_line", ""), *get("post_context", ())])


def _scrub_tags(tags: list[str], scrubber: _Scrubber, found: _Found) -> None:
    for index, tag in enumerate(tags):
        name, equals, value = tag.partition("=")
        if equals and name not in scrubber.safe and scrubber.is_secret(name) and not value.startswith(FILTERED):
            tags[index] = f"{name}={FILTERED}"
            found.add((tags, "tags", None), index, 1)


def _scrub_names(places: list[Place], texts: list[str], scrubber: _Scrubber, found: _Found) -> None:
    """Replace values under secret names, level by level, and gather the other texts."""
    safe = scrubber.safe
    add = texts.append
    while places:
        deeper: list[Place] = []
        for place in places:
            box = place[0]
            if type(box) is dict:
                if not box.keys() <= safe:
                    _scrub_mapping(box, place, scrubber, found)
                items: Any = box.items()
            else:
                items = enumerate(box)
                _scrub_list(box, place, scrubber, found)
            for key, value in items:
                kind = type(value)
                if kind is str:
                    add(value)
                elif kind is dict or kind is list:
                    deeper.append((value, key, place))
        places = deeper


def _scrub_mapping(box: dict[str, Any], place: Place, scrubber: _Scrubber, found: _Found) -> None:
    for key in box:
        if scrubber.is_secret(key) and (count := _filter(box, key)):
            found.add(place, key, count)


def _scrub_list(box: list[Any], place: Place, scrubber: _Scrubber, found: _Found) -> None:
    """Pairs as in lists of headers, and a command's arguments, where a value follows its option."""
    before: Any = None
    for index, item in enumerate(box):
        if type(item) is list:
            if len(item) == 2 and type(item[0]) is str and scrubber.is_secret(item[0]) and (n := _filter(item, 1)):
                found.add((item, index, place), 1, n)
        elif type(item) is str and _is_secret_option(before, scrubber) and item[:1] != "-":
            found.add(place, index, _filter(box, index))
        before = item


def _is_secret_option(text: Any, scrubber: _Scrubber) -> bool:
    return type(text) is str and text[:2] == "--" and "=" not in text and scrubber.is_secret(text)


def _filter(box: Any, key: Any) -> int:
    """Replace every text and number in `box[key]`; how many there were."""
    count = 0
    pending = [(box, key)]
    while pending:
        box, key = pending.pop()
        value = box[key]
        if isinstance(value, dict):
            pending += [(value, inner) for inner in value]
        elif isinstance(value, list):
            pending += [(value, inner) for inner in range(len(value))]
        elif not (value is None or isinstance(value, bool) or value in _NOTHING_TO_HIDE):
            box[key] = FILTERED
            count += 1
    return count


def _scrub_texts(event: Event, texts: list[str], code: list[str], scrubber: _Scrubber, found: _Found) -> None:
    """Look at all texts at once, and one by one only for the rules that suspect something."""
    names = scrubber.names
    new = [text for text in texts if text not in scrubber.clean_texts]
    hay = haystack(new)
    for_text = [rule for rule in scrubber.text_rules if rule.suspects(hay, names)]
    for_code: list[Rule] = []
    unknown = [block for block in code if block not in scrubber.clean_code]
    if unknown:
        hay = haystack(unknown)
        for_code = [rule for rule in scrubber.code_rules if rule.suspects(hay, names)]
    redaction = _Redaction(for_text, for_code, scrubber, found)
    redaction.look_at(new, unknown)
    _remember(scrubber.clean_texts, new, redaction.dirty, _LONGEST_TEXT, _MOST_REMEMBERED)
    _remember(scrubber.clean_code, unknown, redaction.dirty_code, _LONGEST_CODE, _MOST_CODE_REMEMBERED)
    if redaction.dirty or redaction.dirty_code:
        redaction.redact_event(event)


def _remember(known: set[str], texts: list[str], dirty: Collection[str], longest: int, most: int) -> None:
    if len(known) >= most:
        known.clear()
    known.update([text for text in texts if len(text) < longest and text not in dirty])


class _Redaction:
    """What the rules that suspect something find in an event's texts, and one way through those that they change."""

    __slots__ = ("_code_rules", "_for_code", "_for_text", "_found", "_names", "dirty", "dirty_code")

    def __init__(self, for_text: list[Rule], for_code: list[Rule], scrubber: _Scrubber, found: _Found) -> None:
        self._for_text = for_text
        self._for_code = for_code
        self._code_rules = scrubber.code_rules
        self._names = scrubber.names
        self._found = found
        self.dirty: set[str] = set()
        self.dirty_code: set[str] = set()

    def look_at(self, texts: list[str], code: list[str]) -> None:
        """Which of the texts, and of the frames' blocks, hold something: suspicion alone is mostly wrong."""
        if self._for_text:
            self.dirty.update([text for text in texts if self._redacted(text)[1]])
        if self._for_code:
            self.dirty_code.update([block for block in code if redacted(block, self._for_code, self._names)[1]])

    def redact_event(self, event: Event) -> None:
        part: Any = event
        for key in (*_TEXT_FIELDS, "user"):
            self._redact_at(part, key, None)
        for key in ("tags", "modules"):
            if key in part:
                self._redact_boxes([(part[key], key, None)])
        places, _, _ = _gathered(event)
        self._redact_boxes(places)
        for parent, item in _stacks(event):
            for key in _STACK_TEXTS:
                self._redact_at(item, key, parent)
            for index, frame in enumerate(item.get("frames", ())):
                self._redact_frame(frame, (frame, index, (item, "frames", parent)))

    def _redact_boxes(self, places: list[Place]) -> None:
        pending = list(places)
        while pending:
            place = pending.pop()
            box = place[0]
            for key in list(box) if isinstance(box, dict) else range(len(box)):
                if type(box[key]) is str:
                    self._redact_at(box, key, place)
                elif isinstance(box[key], dict | list):
                    pending.append((box[key], key, place))

    def _redact_at(self, box: Any, key: Any, place: Place | None) -> None:
        value = box.get(key) if isinstance(box, dict) else box[key]
        if type(value) is str and value in self.dirty:
            text, count = self._redacted(value)
            if count:
                box[key] = text
                self._found.add(place, key, count)

    def _redacted(self, text: str) -> tuple[str, int]:
        """A text redacted; source lines in a printed traceback are read as source lines."""
        if '  File "' not in text:
            return redacted(text, self._for_text, self._names)
        pieces: list[str] = []
        end = count = 0
        for match in re.finditer(_PYTHON_SOURCE, text):
            for piece, rules in ((text[end : match.start(1)], self._for_text), (match[1], self._code_rules)):
                piece, found = redacted(piece, rules, self._names)
                pieces.append(piece)
                count += found
            end = match.end()
        piece, found = redacted(text[end:], self._for_text, self._names)
        return "".join((*pieces, piece)), count + found

    def _redact_frame(self, frame: Any, place: Place) -> None:
        dirty = _block(frame) in self.dirty_code
        for key in _FRAME_TEXTS:
            value = frame.get(key)
            if value and "=" in value and key in _ADDRESSES:
                self._redact_at(frame, key, place)
            elif value and dirty:
                self._redact_code(frame, key, place)
        if dirty:
            self._redact_source(frame, place)

    def _redact_source(self, frame: Any, place: Place) -> None:
        lines = [*frame.get("pre_context", ()), frame.get("context_line", ""), *frame.get("post_context", ())]
        text, count = redacted("\n".join(lines), self._for_code, self._names)
        kept = text.split("\n")
        if count and len(kept) == len(lines):
            self._set_lines(frame, kept)
            self._found.add(place, "context_line", count)
        elif count:  # lines with line breaks inside
            self._redact_lines(frame, place)

    def _set_lines(self, frame: Any, lines: list[str]) -> None:
        before = len(frame.get("pre_context", ()))
        for key, kept in (
            ("pre_context", lines[:before]),
            ("context_line", lines[before]),
            ("post_context", lines[before + 1 :]),
        ):
            if key in frame:
                frame[key] = kept

    def _redact_lines(self, frame: Any, place: Place) -> None:
        if "context_line" in frame:
            self._redact_code(frame, "context_line", place)
        for key in ("pre_context", "post_context"):
            for index in range(len(frame.get(key, ()))):
                self._redact_code(frame[key], index, (frame[key], key, place))

    def _redact_code(self, box: Any, key: Any, place: Place) -> None:
        text, count = redacted(box[key], self._for_code, self._names)
        if count:
            box[key] = text
            self._found.add(place, key, count)
