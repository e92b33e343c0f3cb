r"""Secrets inside texts: assignments, command lines, headers, URLs, card numbers, private keys, known tokens.

Each rule has a cheap `suspects` that looks at many texts at once, joined by newlines, and must say yes
whenever `redact` would change one of them; only then `redact` sees the texts one by one. The usual
pattern searches for one rare character or literal, which Python does at memory speed, and then looks
at what stands around it. Repetitions are bounded or possessive, so that no text costs more than linear
time; patterns are compiled when they are first needed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache
from typing import NamedTuple

FILTERED = "[Filtered]"

# one of these stands in every name whose value is redacted inside a text
STEMS = ("pass", "pwd", "secret", "token", "key", "auth", "cookie", "sess", "srf", "cred", "card", "cvv")

_NAME = r"(?<![\w.-])(-{0,2}[A-Za-z_][\w.-]{0,99}+)"
_SEPARATOR = r"(\\?[\"']?\]?[ \t]{0,3}(?:=>|:=|=(?!=)|:(?!//))[ \t]{0,3}(?:[bru](?=[\"']))?)"
_SEPARATOR_IN_CODE = r"([\"']?\]?[ \t]{0,3}(?:=>|:=|=(?!=)|: ?[\w.\[\], |]{1,40}=(?!=)|:)[ \t]{0,3}[bfruBFRU]{0,2})"
_LITERAL = r"\"(?:[^\"\\\n]|\\.)+\"|'(?:[^'\\\n]|\\.)+'"
_QUOTED = r"\\\"[^\"\n]*|\"(?:[^\"\\\n]|\\.)*\"?|'(?:[^'\\\n]|\\.)*'?"
_BARE = r"[^\s\"'&,;<>()\[\]{}\\]+"
_VALUE = rf"{_QUOTED}|(?:(?i:bearer|basic|digest|token|negotiate)[ \t]{{1,3}})?{_BARE}"
_VALUE_TO_THE_END = rf"{_QUOTED}|[^\n\"']+"
_VALUE_WITH_SCHEME = rf"{_QUOTED}|(?i:digest|aws4-\S{{1,50}}|signature)\s[^\n\"']+|(?:[\w-]+[ \t])?[^\s\"',;]+"
_OPTION = rf"(?<![\w-])--([A-Za-z][\w-]{{0,60}}+)[ \t]{{1,3}}({_QUOTED}|[^\s\"'-][^\s\"']*)"
# begins with its literal, which is found at memory speed; what may not stand before it comes after
_OPTION_NAME = r"--(?<![\w-]--)([A-Za-z][\w-]{0,60}+)\s"
_SCHEME = r"\b(?i:bearer|basic)[ \t]{1,3}(?=[\w.~+/-]{0,300}[\d=+/_.]|[a-z]{1,60}[A-Z])([\w.~+/-]{8,}=*)"
_PLACEHOLDER = r"(?!\[Filtered|[{$<]|%[s(])"
_URL = rf"://([^\s/:@\"'<>?#]{{0,100}})(?::{_PLACEHOLDER}([^\s/?#\"'<>]{{1,300}}))?@"
# an option of a program that takes a password, and the text up to it
_PROGRAM_OPTION = (
    r"-(?<=\s-)(?:([pa]) ?|(?:[uU]|-user|-proxy-user)[ =]?[\"']?[^\s:\"']{0,100}:)"
    rf"[\"']?{_PLACEHOLDER}([^\s\"']+)"
)
_PROGRAMS: dict[str, tuple[str, ...]] = {
    "p": ("mysql", "mariadb", "sshpass", "docker login", "mongo"),
    "a": ("redis-cli",),
    "": ("curl", "wget", "http"),
}
_LONGEST_COMMAND = 300
_CARD = r"(?<![\w.-])[0-9](?:[ -]?[0-9]){12,}+(?![\w-]|\.[0-9])"
_MOST_CARD_GROUPS = 100
_CARD_GROUPS = frozenset(
    [(size,) for size in range(13, 20)] + [(4, 4, 4, 4), (4, 4, 4, 4, 3), (4, 6, 5), (4, 6, 4), (4, 4, 4, 1)]
)
_CARD_KINDS: tuple[tuple[int, int, frozenset[int]], ...] = (  # from and to prefix, lengths
    (4000, 4999, frozenset((13, 16, 19))),
    (5100, 5599, frozenset((16,))),
    (2221, 2720, frozenset((16,))),
    (3400, 3499, frozenset((15,))),
    (3700, 3799, frozenset((15,))),
    (3000, 3059, frozenset((14,))),
    (3600, 3699, frozenset((14,))),
    (3800, 3999, frozenset((14,))),
    (3528, 3589, frozenset(range(16, 20))),
    (6011, 6011, frozenset(range(16, 20))),
    (6200, 6299, frozenset(range(16, 20))),
    (6440, 6599, frozenset(range(16, 20))),
)
_PEM = r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----([\s\S]*?)(?:-----END |\Z)"
_SHAPES = (
    r"(?<![A-Za-z0-9])(?:(?:AKIA|ASIA)[0-9A-Z]{16}(?![0-9A-Za-z])|gh[pousr]_[A-Za-z0-9]{30,}"
    r"|github_pat_\w{22,}|glpat-[\w-]{20,}|xox[a-z]-[A-Za-z0-9-]{10,}|AIza[\w-]{35}"
    r"|[srp]k_(?:live|test)_[A-Za-z0-9]{16,}|npm_[A-Za-z0-9]{36}|hf_[A-Za-z0-9]{30,}|pypi-[\w-]{40,}"
    r"|eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?|sk-(?=[\w-]{0,100}[0-9])[\w-]{20,})"
)
_SHAPE_SIGNS = (
    r"_(?<=(?:gh[pousr]|pat|ive|est|npm|[^A-Za-z0-9]hf)_)\w{16}",
    r"-(?<=(?:xox[a-z]|lpat|pypi|[\s\S][^A-Za-z0-9]sk)-)[\w-]{10}",
    r"J(?<=eyJ)[\w-]{8}",
    r"I(?:(?<=A[KS]I)A|(?<=AI)za)",
)
_SLACK_HOOK = r"hooks\.slack\.com/(?:services|workflows|triggers)/([\w/-]{8,})"
_ADDRESS = r"(?<![\w.:-])(?:(?:[0-9]{1,3}\.){3}[0-9]{1,3}|[0-9A-Fa-f:]{2,39}(?:\.[0-9.]{1,11})?)(?![\w.:-])"

# `auth: failed` and the like are prose; `auth=…` and `"auth": …` are not
_PROSE_NAMES = frozenset(("auth", "session", "pass", "authentication", "card", "key"))
_PROSE_BEFORE_TOKEN = ("unexpected", "invalid", "illegal", "missing", "unknown", "expected", "bad")
_EMPTY_VALUES = frozenset(("", "None", "null", "nil", "undefined", "true", "false", "True", "False", "%s", "?"))

_DIGITS_TO_ZERO = bytes.maketrans(b"0123456789", b"0" * 10)

_pattern = cache(re.compile)


class Names(NamedTuple):
    """Which names promise a secret, and small texts of which one stands in each such name."""

    are_secret: Callable[[str], bool]
    stems: tuple[str, ...] = STEMS


class Haystack(NamedTuple):
    """Two newlines and texts joined by newlines: as they are, and in lower case."""

    text: str
    low: str


def haystack(texts: Iterable[str]) -> Haystack:
    text = "\n\n" + "\n".join(texts)
    return Haystack(text, text.lower())


class Rule(NamedTuple):
    """One kind of secret. `redact` gives the new text and how many secrets it has replaced in it."""

    name: str
    scope: str  # "text", "code" for lines of source code, or "both"
    suspects: Callable[[Haystack, Names], bool]
    redact: Callable[[str, Names], tuple[str, int]]


def _replaced(text: str, spans: list[tuple[int, int]]) -> tuple[str, int]:
    if not spans:
        return text, 0
    pieces: list[str] = []
    end = 0
    for start, stop in spans:
        pieces += (text[end:start], FILTERED)
        end = stop
    return "".join((*pieces, text[end:])), len(spans)


def _groups_replaced(pattern: str, text: str) -> tuple[str, int]:
    """Replace what the first group of each match has caught."""
    return _replaced(text, [match.span(1) for match in _pattern(pattern).finditer(text)])


def redacted(text: str, rules: Iterable[Rule], names: Names) -> tuple[str, int]:
    """The text without the secrets that `rules` know, and how many there were."""
    count = 0
    for rule in rules:
        text, found = rule.redact(text, names)
        count += found
    return text, count


def _suspects_assignments(hay: Haystack, names: Names) -> bool:
    text, low = hay
    if len(text) != len(low):  # a few letters grow in lower case, and places don't agree any more
        return True
    return any(stem in low and _is_assigned(stem, text, low, names) for stem in names.stems)


def _is_assigned(stem: str, text: str, low: str, names: Names) -> bool:
    """Whether a secret name with this stem in it stands before a separator."""
    for match in _assigned_stem(stem).finditer(low):
        before = text[max(0, match.start() - 100) : match.start()]
        head = _pattern(r"[\w.-]*\Z").search(before)
        name = f"{head[0] if head else ''}{text[match.start() : match.end(1)]}"
        if names.are_secret(name):
            return True
    return False


@cache
def _assigned_stem(stem: str) -> re.Pattern[str]:
    return re.compile(re.escape(stem) + r"([\w.-]{0,99}+)\\?[\"']?\]?\s{0,3}[:=]")


def _redact_assignments(text: str, names: Names) -> tuple[str, int]:
    spans: list[tuple[int, int]] = []
    end = 0
    for match in _pattern(_NAME + _SEPARATOR).finditer(text):
        name = match[1].lstrip("-")
        if match.start() < end or not _is_secret_in_text(name, names) or _is_prose(name, match):
            continue
        value = _pattern(_value_pattern(name.lower())).match(text, match.end())
        if value and (span := _secret_span(value)):
            spans.append(span)
            end = value.end()
    return _replaced(text, spans)


def _redact_literals(text: str, names: Names) -> tuple[str, int]:
    """In source code only `password = "…"` tells a secret; `password=password` is no more than a name."""
    spans: list[tuple[int, int]] = []
    for match in _pattern(_NAME + _SEPARATOR_IN_CODE).finditer(text):
        value = _pattern(_LITERAL).match(text, match.end())
        if value and _is_secret_in_text(match[1], names) and (span := _secret_span(value)):
            spans.append(span)
    return _replaced(text, spans)


def _is_secret_in_text(name: str, names: Names) -> bool:
    if not names.are_secret(name):
        return False
    low = name.lower()
    return any(stem in low for stem in names.stems)


def _is_prose(name: str, match: re.Match[str]) -> bool:
    separator, low = match[2], name.lower()
    if ":" not in separator or '"' in separator or "'" in separator:
        return False
    if match.string[: match.start(1)].endswith("/") and separator.endswith((" ", "\t")):
        return True  # `/etc/passwd: Permission denied` speaks of a file
    if low == "token":
        before = match.string[max(0, match.start() - 12) : match.start()]
        return before.rstrip().lower().endswith(_PROSE_BEFORE_TOKEN)
    return low in _PROSE_NAMES


def _value_pattern(low: str) -> str:
    if low.endswith("cookie"):
        return _VALUE_TO_THE_END
    return _VALUE_WITH_SCHEME if low.endswith("authorization") else _VALUE


def _secret_span(value: re.Match[str], group: int = 0) -> tuple[int, int] | None:
    """Where inside its quotes the secret of a matched value stands; None when there is none."""
    start, stop = value.span(group)
    text = value[group]
    if text.startswith('\\"'):
        start += 2
        stop -= text.endswith("\\")
    elif text[0] in "\"'":
        start += 1
        stop -= len(text) > 1 and text[-1] == text[0]
    secret = value.string[start:stop].strip()
    return None if secret in _EMPTY_VALUES or secret.startswith(FILTERED[:-1]) else (start, stop)


def _suspects_options(hay: Haystack, names: Names) -> bool:
    if "--" not in hay.text:
        return False
    return any(names.are_secret(match[1]) for match in _pattern(_OPTION_NAME).finditer(hay.text))


def _redact_options(text: str, names: Names) -> tuple[str, int]:
    spans: list[tuple[int, int]] = []
    for match in _pattern(_OPTION).finditer(text):
        if names.are_secret(match[1]) and (span := _secret_span(match, 2)):
            spans.append(span)
    return _replaced(text, spans)


def _suspects_schemes(hay: Haystack, names: Names) -> bool:
    return ("bearer" in hay.low or "basic" in hay.low) and bool(_pattern(_SCHEME).search(hay.text))


def _suspects_urls(hay: Haystack, names: Names) -> bool:
    return "@" in hay.text and "://" in hay.text and bool(_url_spans(hay.text))


def _url_spans(text: str) -> list[tuple[int, int]]:
    """Passwords of URLs, and tokens long enough that they stand where a user's name would."""
    spans: list[tuple[int, int]] = []
    for match in _pattern(_URL).finditer(text):
        if match[2]:
            spans.append(match.span(2))
        elif len(match[1]) >= 20 and match[0].endswith(f"{match[1]}@"):
            spans.append(match.span(1))
    return spans


def _suspects_programs(hay: Haystack, names: Names) -> bool:
    return bool(_program_spans(hay.text))


def _program_spans(text: str) -> list[tuple[int, int]]:
    """Passwords given to well-known programs by options that mean something else elsewhere."""
    spans: list[tuple[int, int]] = []
    for match in _pattern(_PROGRAM_OPTION).finditer(text):
        before = text[max(0, match.start() - _LONGEST_COMMAND) : match.start()]
        command = before[max(before.rfind("\n"), before.rfind("|"), before.rfind(";")) + 1 :].lower()
        if any(program in command for program in _PROGRAMS[match[1] or ""]):
            spans.append(match.span(2))
    return spans


def _suspects_cards(hay: Haystack, names: Names) -> bool:
    digits = hay.text.encode("utf-8", "replace").translate(_DIGITS_TO_ZERO, b" -")
    return b"0" * 13 in digits and bool(_card_spans(hay.text))


def _card_spans(text: str) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    for run in _pattern(_CARD).finditer(text):
        groups = list(_pattern(r"[0-9]+").finditer(text, run.start(), run.end()))
        first = 0 if len(groups) <= _MOST_CARD_GROUPS else len(groups)  # no list of cards is written so
        while first < len(groups):
            count = _groups_of_a_card(groups, first)
            if count:
                spans.append((groups[first].start(), groups[first + count - 1].end()))
            first += count or 1
    return spans


def _groups_of_a_card(groups: list[re.Match[str]], first: int) -> int:
    """How many groups of digits from `first` on are a card number; 0 when they are none."""
    for count in (5, 4, 3, 1):
        found = [group[0] for group in groups[first : first + count]]
        if len(found) == count and tuple(map(len, found)) in _CARD_GROUPS and _is_card("".join(found)):
            return count
    return 0


def _is_card(digits: str) -> bool:
    prefix = int(digits[:4])
    if not any(low <= prefix <= high and len(digits) in lengths for low, high, lengths in _CARD_KINDS):
        return False
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(doubled) + sum(map(int, digits[-1::-2]))) % 10 == 0


def _suspects_keys(hay: Haystack, names: Names) -> bool:
    return "-----BEGIN" in hay.text


def _redact_keys(text: str, names: Names) -> tuple[str, int]:
    """Private keys in PEM, line by line, so that a list of source lines stays as long as it is."""
    spans: list[tuple[int, int]] = []
    for match in _pattern(_PEM).finditer(text):
        start, stop = match.span(1)
        for line in _pattern(r"[^\n]+").finditer(text, start, stop):
            if FILTERED not in line[0]:
                spans.append(line.span())
    return _replaced(text, spans)


def _suspects_shapes(hay: Haystack, names: Names) -> bool:
    if not any(_pattern(sign).search(hay.text) for sign in _SHAPE_SIGNS):
        return False
    return bool(_pattern(_SHAPES).search(hay.text))


def _suspects_hooks(hay: Haystack, names: Names) -> bool:
    return "hooks.slack" in hay.text


def _suspects_addresses(hay: Haystack, names: Names) -> bool:
    return bool(_address_spans(hay.text))


def _address_spans(text: str) -> list[tuple[int, int]]:
    from ipaddress import ip_address

    spans: list[tuple[int, int]] = []
    for match in _pattern(_ADDRESS).finditer(text):
        try:
            ip_address(match[0])
        except ValueError:
            continue
        spans.append(match.span())
    return spans


RULES: tuple[Rule, ...] = (
    Rule("private key", "both", _suspects_keys, _redact_keys),
    Rule("assignment", "text", _suspects_assignments, _redact_assignments),
    Rule("literal", "code", _suspects_assignments, _redact_literals),
    Rule("option", "text", _suspects_options, _redact_options),
    Rule("scheme", "both", _suspects_schemes, lambda text, names: _groups_replaced(_SCHEME, text)),
    Rule("url", "both", _suspects_urls, lambda text, names: _replaced(text, _url_spans(text))),
    Rule("program", "text", _suspects_programs, lambda text, names: _replaced(text, _program_spans(text))),
    Rule("card number", "both", _suspects_cards, lambda text, names: _replaced(text, _card_spans(text))),
    Rule("known token", "both", _suspects_shapes, lambda text, names: _pattern(_SHAPES).subn(FILTERED, text)),
    Rule("webhook", "both", _suspects_hooks, lambda text, names: _groups_replaced(_SLACK_HOOK, text)),
)
ADDRESS_RULE = Rule("address", "both", _suspects_addresses, lambda text, names: _replaced(text, _address_spans(text)))
