"""Message → template: the parts of a message that vary between occurrences become placeholders.

`user 4711 not found` becomes `user <int> not found`. The text is cut into tokens from left to right by one
regular expression whose alternatives never overlap and never backtrack over each other, so the time is
linear in the length of the text. Plain words are one token as a run. A token that may vary (a "chunk":
whatever stands between spaces, quotes and brackets) is classified as a whole, which is what keeps `utf-8`,
`x86_64` and `HTTP/1.1` from being taken for identifiers.

Placeholders are themselves tokens, and whatever touches one is left alone but for its digits; that makes
the result stable: parameterizing a template changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from .bounded import Memo
from .patterns import compiled
from .refine import foresee, refine
from .tables import NAMING_TYPES, SILENT_TYPES, TECHNICAL_WORDS, VALUE_TYPES

VERSION = 2  # of the algorithm; see `strategies.ALGORITHMS`
_REFINED = 2  # the first version with the rules of `refine`
HEADLINE = 1000  # characters of the line that a key is made of
MAX_WHOLE = 1500  # characters of a message that may be its own key

PLACEHOLDERS = [
    "int",
    "float",
    "hex",
    "uuid",
    "path",
    "url",
    "email",
    "ip",
    "mac",
    "host",
    "date",
    "time",
    "duration",
    "size",
    "percent",
    "version",
    "str",
    "value",
    "key",
    "id",
    "blob",
    "dict",
    "list",
]

_UNITS_OF_TIME = (
    "ns|us|µs|μs|ms|msecs?|s|secs?|seconds?|millis|milliseconds?|microseconds?|nanoseconds?|mins?|minutes?|h|hrs?"
    "|hours?|days?|weeks?|months?|years?"
)
_UNITS_OF_SIZE = "[kKMGTP]i?[bB]|[bB]ytes?|B|[kKMG]bps|[kKmMgG]egabytes|octets?"
_EDGE = r"(?![\w<])"
_CLOSED = r"(?=[\s(),;|{}\]>]|[.:!?]*+(?:[\s,;)]|\Z))"  # after a closing quote: no part of a value
_OPEN = r"(?<![\w>\\])"
_BARE = r"[^\s\"'`<>{}\[\](),;|]"  # what a chunk is made of
_ENDS = r"(?![.:]?[^\s.:,;!?|(){}\[\]\"'])(?!<)"  # after a bare number: nothing that makes it a part of more
_LIST = r"\[[A-Za-z_][\w.\-]*+(?:, ?[\w.\-]++)++\]"
_QUOTED = r"(?:'\[[^\[\]\n]*+\]'|'[^'\n]*+'|\"[^\"\n]*+\")"

# Alternatives with a common beginning stand together behind one look at it, so that most positions cost
# little.
_TOKEN_SOURCE = (
    # A run of plain words with their punctuation: the bulk of most messages, swallowed in one step.
    r"(?P<plain>(?:[\s(),;!?|]++|[A-Za-z_]++(?:['-][A-Za-z_]++){0,3}+[.:]{0,3}+(?=[\s(),;!?|]|\Z))++)"
    rf"|(?=[-+]?\d){_OPEN}(?:"
    rf"(?P<date>\d{{4}}[-/]\d\d?[-/]\d\d?"
    r"(?:[T ]\d\d?:\d\d(?::\d\d(?:[.,]\d++)?)?(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?)?"
    rf"{_EDGE}|\d\d?/[A-Z][a-z][a-z]/\d{{4}}(?:[: ]\d\d:\d\d:\d\d)?(?: [+-]\d{{4}})?{_EDGE})"
    rf"|(?P<time>\d\d?:\d\d:\d\d(?:[.,]\d++)?(?: ?[APap]\.?[Mm]\b\.?)?{_EDGE})"
    rf"|(?P<duration>[-+]?\d++(?:\.\d++)? ?(?:{_UNITS_OF_TIME}){_EDGE}(?![/.=@:-]\w))"
    rf"|(?P<size>[-+]?\d++(?:[.,]\d++)? ?(?:{_UNITS_OF_SIZE}){_EDGE}(?![/.=@:-]\w))"
    rf"|(?P<percent>[-+]?\d++(?:\.\d++)? ?%{_EDGE})"
    rf"|(?P<int>[-+]?\d++{_ENDS}))"
    rf"|(?P<placeholder><(?:{'|'.join(PLACEHOLDERS)})>)"
    r"|(?P<repr><(?:[\w.]*+(?<=[A-Z_a-z])(?=[ \t:]))[ \t:][^<>\n]*+>)"
    rf"|(?P<quoted>(?=[\"'bBuUrRfF]){_OPEN}[bBuUrRfF]{{0,2}}{_QUOTED}{_CLOSED})"
    rf"|(?P<ticked>`(?<![\w>\\]`)[^`'\n]*+[`']{_CLOSED})"
    rf"|(?P<list>{_LIST})"
    r"|(?=[A-Za-z_])(?:"
    r"(?P<url>(?<![\w<>])[A-Za-z][A-Za-z0-9+.\-]{1,15}+://[^\s\"'<>`]++(?!<))"
    r"|(?P<pair>(?<![\w>.\-])[A-Za-z_][\w.\-]{0,63}+=(?!=)"
    rf"(?:'[^'\n]*+'{_CLOSED}|\"[^\"\n]*+\"{_CLOSED}|<(?:value|dict)>{_CLOSED}|{_LIST}"
    r"|[^\s\"'`<>{}\[\](),;|&]++(?!<))))"
    rf"|(?P<chunk>(?<![<>]){_BARE}++(?!<))"
    rf"|(?P<fragment>{_BARE}++)"
)

_HEX = "[0-9a-fA-F]"
_CHUNK_SOURCE = (
    r"(?P<int>[-+]?\d++)"
    r"|(?P<float>[-+]?(?:\d++\.\d*+|\.\d++)(?:[eE][-+]?\d++)?|[-+]?\d++[eE][-+]?\d++)"
    r"|(?P<hex>[-+#]?0[xX][0-9a-fA-F]++[uUlL]*+"
    rf"|#?(?=[a-fA-F]*\d)(?=\d*[a-fA-F]){_HEX}{{7,}})"
    rf"|(?P<uuid>{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}})"
    rf"|(?P<mac>{_HEX}{{2}}(?:[:-]{_HEX}{{2}}){{5,}})"
    r"|(?P<ip>/?\d{1,3}+(?:\.\d{1,3}+){3}(?:[:/]\d++)?"
    r"|(?=[^:]*+:[^:]*+:)(?=\D*\d)[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){2,7}(?:\.\d{1,3}){0,3}(?:%\w++)?(?:/\d++)?)"
    rf"|(?P<duration>(?:\d++(?:\.\d++)?(?:{_UNITS_OF_TIME}|[mdw]))++)"
    r"|(?P<date>\d\d?[./-]\d\d?[./-]\d{4})"
    r"|(?P<time>\d\d?:\d\d(?:[APap][Mm])?)"
    r"|(?P<version>[vV]\d++(?:\.\d++)++(?:[-+._]?[A-Za-z][\w.+-]*+)?|\d++(?:\.\d++){2,}+(?:[-+._]?[A-Za-z][\w.+-]*+)?)"
    r"|(?P<email>[\w.+%\-]++@[\w\-]++(?:\.[\w\-]++)++)"
    r"|(?P<path>(?:[A-Za-z]:|~\w*+|\.\.?)?(?:[/\\]++[^/\\\s]++)++[/\\]*+"
    r"|[A-Za-z_@.][\w.@+\-]*+(?:[/\\]++[\w.@+$#~\-]++){2,}+(?::\d++){0,2}"
    r"|[A-Za-z_@.][\w.@+\-]*+[/\\][\w@+\-]++\.[A-Za-z]\w{0,5}+(?::\d++){0,2})"
    r"|(?P<host>(?:[A-Za-z0-9\-]++\.)++(?:com|net|org|edu|gov|local|internal|lan|localdomain|svc)(?::\d++)?|localhost:\d++)"
    r"|(?P<blob>eyJ[\w\-]{8,}+(?:\.[\w\-]*+){1,4}|[A-Za-z0-9+/]{20,}+={1,2})"
)

_SUSPECT = re.compile(r"[0-9\"'`@/\\<{\[=.]")
_memo: Memo[tuple[str, bool], str] = Memo(2048)


def parameterize(text: str, keep_names: bool = False) -> str:
    """The template of a message.

    `text` is any text. With `keep_names` a quoted word that looks like an
    identifier stays (see `keeps_names`). Applying it to its own result changes nothing. Never raises.
    """
    if _SUSPECT.search(text) is None and (text.isascii() or not _has_curly_quotes(text)):
        return text
    key = (text, keep_names)
    found = _memo.get(key)
    if found is None:
        found = _template(text, keep_names)
        if len(text) <= HEADLINE:
            _memo.put(key, found)
    return found


def _template(text: str, keep_names: bool) -> str:
    out = _pass(text, keep_names)
    for _ in range(_MORE_PASSES):
        # A quote that found no partner may find one after its neighbours became placeholders.
        if out == text or compiled("[\"'`]").search(out) is None:
            break
        text, out = out, _pass(out, keep_names)
    return out


_MORE_PASSES = 4
_CURLY = str.maketrans("‘’“”", "''\"\"")


def _has_curly_quotes(text: str) -> bool:
    return "‘" in text or "“" in text


def _pass(text: str, keep_names: bool) -> str:
    if not text.isascii() and _has_curly_quotes(text):
        straight = text.translate(_CURLY)
        out = _pass(straight, keep_names)
        return text if out == straight else out
    out = _collapse_payloads(text) if "{" in text else text
    out = compiled(_TOKEN_SOURCE).sub(_replace_but_names if keep_names else _replace, out)
    if out == text:
        return text
    if "  " in out or "\t" in out:
        out = compiled(r"[ \t]++").sub(" ", out)
    if "<time>" in out:
        out = compiled(_VERBAL_DATE_SOURCE).sub("<date>", out)
    if ">, <" in out or "> <" in out or ">,<" in out:
        out = compiled(_ENUMERATION_SOURCE).sub(r"\1", out)
    return out


_ENUMERATION_SOURCE = r"(<[a-z]++>)(?:(?:, ?| )\1)++"
_MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}"
_VERBAL_DATE_SOURCE = (
    rf"(?:\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{{0,6}},? )?(?:<int> {_MONTH}|\b{_MONTH} <int>)"
    r"(?:,? <int>)?,? <time>(?: (?:[+-]?<int>|UTC|GMT|[A-Z]{2,4}T))?(?: <int>)?"
)


def _replace(match: re.Match[str]) -> str:
    kind = match.lastgroup or ""
    constant = _CONSTANTS.get(kind)
    if constant is not None:
        return constant
    token = match[0]
    rewrite = _REWRITES.get(kind)
    return token if rewrite is None else rewrite(token)


def _replace_but_names(match: re.Match[str]) -> str:
    if match.lastgroup == "quoted" and _is_name(match[0]):
        return match[0]
    return _replace(match)


def _is_name(quoted: str) -> bool:
    """Whether what is quoted reads like code: `foo`, `foo.bar`, `Foo::bar()`, `String.length()`."""
    return compiled(r"\W?[A-Za-z_$][\w.:$\-/]*+(?:\([^()]*+\))?\W").fullmatch(quoted) is not None


def _rewrite_quoted(token: str) -> str:
    """A quoted value is data; of a quoted HTTP request the method is not."""
    request = compiled(r"[\"'](GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) \S.*+").fullmatch(token)
    return f'"{request[1]} <path>"' if request else "<str>"


def _rewrite_ticked(token: str) -> str:
    return token if _is_name(token) else "<str>"


def _rewrite_repr(token: str) -> str:
    """`<Foo object at 0x7f…>` and `<User: bob>` keep their class; `<class 'int'>` keeps what it names."""
    name = token[1:-1].split(None, 1)[0].partition(":")[0]
    if name in ("class", "module", "function"):
        named = compiled(r"<\w++ ['\"]?+[\w.]*+['\"]?+").match(token)
        return f"{_rewrite_fragment(named[0])}>" if named else token
    return f"<{_rewrite_fragment(name)}>"


def _rewrite_url(token: str) -> str:
    return f"<url>{token[len(token.rstrip('.,;:!?)]}')) :]}"


def _rewrite_pair(token: str) -> str:
    key, _, value = token.partition("=")
    return f"{_rewrite_fragment(key)}=<value>{value[len(value.rstrip('.:!?')) :]}"


def _rewrite_chunk(token: str) -> str:
    if compiled(r"[\d@/\\.]").search(token) is None:
        return token
    core = token.rstrip(".:!?")
    match = None if core.lower() in TECHNICAL_WORDS else compiled(_CHUNK_SOURCE).fullmatch(core)
    if match is not None:
        return f"<{match.lastgroup}>{token[len(core) :]}"
    label, colon, rest = core.partition(":")
    match = compiled(_CHUNK_SOURCE).fullmatch(rest) if colon and rest else None
    if match is None:
        return _rewrite_fragment(token)
    return f"{_rewrite_fragment(label)}:<{match.lastgroup}>{token[len(core) :]}"


def _rewrite_fragment(token: str) -> str:
    """Digits inside of a longer name: `Thread-12`, `blk_-16089`, `node17.example`, `a1b2c3d4e5`."""
    if compiled(r"\d").search(token) is None or token.rstrip(".:!?=").lower() in TECHNICAL_WORDS:
        return token
    return compiled(r"(?:(?<=[_:=#])-)?[^\W_]*+").sub(_rewrite_word, token)


def _rewrite_word(match: re.Match[str]) -> str:
    word = match[0]
    if word.isalpha() or not word or word.lower() in TECHNICAL_WORDS:
        return word
    if len(word) >= 7 and compiled(r"(?=[a-fA-F]*\d)(?=\d*[a-fA-F])[0-9a-fA-F]+").fullmatch(word):
        return "<hex>"
    runs = compiled(r"-?\d++")
    if (len(word) >= 8 and len(runs.findall(word)) >= 3) or compiled(r"[^\W\d]{1,2}\d++").fullmatch(word):
        return "<id>"
    return runs.sub("<int>", word)


# What a token becomes, by the group that matched it; a group in neither table stays as it is.
_CONSTANTS = {kind: f"<{kind}>" for kind in ("date", "time", "duration", "size", "percent", "int", "list")}
_REWRITES: dict[str, Callable[[str], str]] = {
    "quoted": _rewrite_quoted,
    "repr": _rewrite_repr,
    "ticked": _rewrite_ticked,
    "url": _rewrite_url,
    "pair": _rewrite_pair,
    "chunk": _rewrite_chunk,
    "fragment": _rewrite_fragment,
}


def _collapse_payloads(text: str) -> str:
    """Braces around data become `<dict>`, nested ones with their outermost; `{name}` stays.

    A payload that was cut off by a length limit is a payload too: an unclosed brace before a quote
    swallows the rest.
    """
    spans, unclosed = _brace_spans(text)
    for start in unclosed:
        if text[start + 1 : start + 3].lstrip()[:1] in ('"', "'"):
            spans = [span for span in spans if span[0] < start] + [(start, len(text))]
            break
    out: list[str] = []
    position = 0
    for start, end in spans:
        if compiled(r"[:=,\"']").search(text, start, end):
            out += (text[position:start], "<dict>")
            position = end
    return "".join(out) + text[position:]


def _brace_spans(text: str) -> tuple[list[tuple[int, int]], list[int]]:
    """Outermost balanced spans (start, end), in order, and the braces that are never closed."""
    opened: list[int] = []
    spans: list[tuple[int, int]] = []
    for match in compiled(r"[{}]").finditer(text):
        if match[0] == "{":
            opened.append(match.start())
        elif opened:
            start = opened.pop()
            while spans and spans[-1][0] > start:
                spans.pop()
            spans.append((start, match.end()))
    return spans, opened


def keeps_names(type_: str) -> bool:
    """Whether quoted words in the messages of this exception type (short name) are names in the code."""
    return type_ in NAMING_TYPES


def headline(text: str) -> str:
    """The first line that says something: of several lines the first weighs, the rest is detail.

    A line that ends in a colon announces the next one, so that belongs to it. At most 1,000 characters.
    """
    if "\n" not in text and "\r" not in text:
        return text[:HEADLINE].strip()
    lines = (line.strip() for line in text[:MAX_WHOLE].splitlines())
    first = second = ""
    for line in lines:
        if not line:
            continue
        if first:
            second = line
            break
        first = line
        if not first.endswith(":"):
            break
    return f"{first} {second}"[:HEADLINE].rstrip()


class Template(NamedTuple):
    """A message for people and for keys: in keys all placeholders are equal, since one slot may hold 5, 5.0
    and 5a."""

    text: str
    key: str


_values: Memo[tuple[str, str, bool, int], Template] = Memo(2048)


def value_template(type_: str, value: str, located: bool, version: int = VERSION) -> Template:
    """The template of an exception's value, by what values mean for that type (short name).

    `located` says that a frame is known, so that the message need not carry the whole identity. `version` is
    that of the algorithm.
    """
    key = (type_, value, located, version)
    found = _values.get(key)
    if found is None:
        found = _value_template(type_, value, located, version)
        if len(value) <= HEADLINE:
            _values.put(key, found)
    return found


def _value_template(type_: str, value: str, located: bool, version: int) -> Template:
    value = value.strip()
    if not value or (located and (type_ in SILENT_TYPES or _is_about_json(type_, value))):
        return Template("", "")
    if type_ in VALUE_TYPES:
        return Template("<value>", "<*>")
    text = _parameterized(headline(value), type_ in NAMING_TYPES, version)
    return Template(text, template_key(text))


def _parameterized(text: str, keep_names: bool, version: int) -> str:
    """The template that a version of the algorithm makes."""
    if version < _REFINED:
        return parameterize(text, keep_names)
    return refine(parameterize(foresee(text), keep_names))


def _is_about_json(type_: str, value: str) -> bool:
    return type_ == "SyntaxError" and "JSON" in value[:HEADLINE]


_ANY_PLACEHOLDER = f"<(?:{'|'.join(PLACEHOLDERS)})>"


def template_key(template: str) -> str:
    """A template with all placeholders alike, and a run of them as one: an enumeration may be of any
    length."""
    if "<" not in template:
        return template
    key = compiled(_ANY_PLACEHOLDER).sub("<*>", template)
    return compiled(r"((?<![\w\-])[\w\-]{0,40}<\*>)(?:(?:, ?| )\1)++").sub(r"\1", key)


def message_template(message: str, version: int = VERSION) -> Template:
    """The template of a plain message. One without variable parts is its own template and key, to the letter.

    A message that starts like a printed exception (`TypeError: …`) is read as that exception's.
    """
    type_, colon, _ = message.partition(": ")
    keep = bool(colon) and type_.rpartition(".")[2] in NAMING_TYPES
    if len(message) <= MAX_WHOLE and _parameterized(message, keep, version) == message:
        return Template(message, message)
    text = _parameterized(headline(message), keep, version)
    return Template(text, template_key(text))
