"""How much of each part of an event is kept, and the reasons that an event gives for what was changed.

Texts are measured in characters, because cutting is done in characters; only the whole event is
measured in bytes. A cut text ends in "…" and is exactly as long as its limit.
"""

from __future__ import annotations

from typing import NamedTuple


class Limits(NamedTuple):
    """Limits for one event. Texts in characters, collections in entries, `event` in bytes of JSON."""

    event: int = 1_048_576
    message: int = 8_192
    value: int = 8_192  # of an exception
    stacktrace: int = 131_072
    text: int = 8_192  # one string inside context, request, user, breadcrumbs …, and its keys
    line: int = 1_024  # one text in a frame: file, function, module, source lines, variables and their names
    name: int = 250  # host, release, environment, logger, dist, type of an exception …
    source: int = 2_048
    tag: int = 200  # key, and value, of one tag
    tags: int = 100
    depth: int = 8  # of mappings and lists inside each other
    keys: int = 256  # of one mapping or list
    values: int = 50_000  # entries looked at where containers have to be rebuilt
    modules: int = 2_000
    images: int = 2_000  # in debug_meta
    exceptions: int = 50
    first_frames: int = 50
    last_frames: int = 200
    source_lines: int = 20  # before, and after, the line of a frame
    threads: int = 256
    breadcrumbs: int = 100
    attachments: int = 20
    fingerprint: int = 32
    errors: int = 100
    future: int = 60_000_000  # microseconds that a client's clock may be ahead


DEFAULT_LIMITS = Limits()

REASONS: dict[str, str] = {
    "bad_characters": "NUL characters or lone surrogates were replaced by U+FFFD.",
    "future_time": "The time lies in the future; the time of arrival was taken.",
    "invalid": "The value has the wrong form and was left out.",
    "invalid_time": "The time cannot be read; the time of arrival was taken.",
    "missing": "A required part was not given.",
    "not_a_number": "A number that JSON cannot hold was turned into text.",
    "reported": "The client that sent the event reported this.",
    "scrubbed": "A secret or personal data was replaced by [Filtered].",
    "too_deep": "The value was nested too deeply; what lay deeper was left out.",
    "too_large": "The whole event was over its size limit; this part was cut.",
    "too_long": "The text was longer than its limit and was cut.",
    "too_many": "There were more entries than the limit; the others were left out.",
    "unknown_field": "An event has no such field; it was left out.",
    "unknown_level": "There is no such level; error was taken.",
    "unknown_platform": "There is no such platform; other was taken.",
    "unreadable": "The part could not be read and was left out.",
    "wrong_type": "The value has the wrong type and was left out.",
}
