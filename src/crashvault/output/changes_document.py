"""`CHANGES_SUMMARY.md`: a summary of changes as Markdown that can be read back (docs/CHANGES_SUMMARY.md).

One line an issue, in the order of ids, so that two summaries can be compared with `diff`. What came from outside is
escaped as Markdown, and a line's parts are divided by ` | `, which cannot stand in escaped text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ..errors import InvalidError
from .escaping import markdown_text
from .times import counted

FORMAT = "changes/1"
SECTIONS = ("new", "regressed", "resolved", "worsened", "improved", "quiet")
_MEANING = {
    "new": "Seen for the first time.",
    "regressed": "Resolved before, and came back.",
    "resolved": "Resolved, and did not come back.",
    "worsened": "Clearly more often than in the time before.",
    "improved": "Clearly less often than in the time before.",
    "quiet": "Open, seen in the time before, and not since.",
}
_LONG = 200  # characters of a text
_ESCAPED = re.compile(r"\\(.)")
_PART = re.compile(r"(?:\\.|[^\\|])+")


class Suspected(NamedTuple):
    commit: str  # 40 hexadecimal digits
    summary: str
    author: str


class Entry(NamedTuple):
    """One issue. Texts are as `clean` leaves them."""

    issue: int
    title: str
    culprit: str
    project: str
    level: str
    events: int  # in the time that the summary is about
    before: int  # in the time before
    users: int  # in all
    first_seen: str  # ISO 8601
    last_seen: str
    release: str  # of the latest event; "" where there is none
    suspect: Suspected | None = None


class Summary(NamedTuple):
    """The changes of a vault from one moment on until before another one."""

    since: str  # ISO 8601
    until: str
    project: str  # "" for all of them
    sections: Mapping[str, tuple[Entry, ...]]  # by name, all of SECTIONS

    def shape(self) -> dict[str, Any]:
        """As the JSON format shows it."""
        return {
            "crashvault": FORMAT,
            "from": self.since,
            "to": self.until,
            "project": self.project or None,
            "counts": {name: len(self.sections[name]) for name in SECTIONS},
            **{name: [_entry_shape(entry) for entry in self.sections[name]] for name in SECTIONS},
        }


def _entry_shape(entry: Entry) -> dict[str, Any]:
    return {**entry._asdict(), "suspect": entry.suspect._asdict() if entry.suspect else None}


def clean(text: str) -> str:
    """A text as a summary can hold it: one line of at most 200 characters, without what acts or hides."""
    return _ESCAPED.sub(r"\1", markdown_text(text, _LONG))


# Writing


def write_summary(summary: Summary) -> str:
    """The document of a summary."""
    return "\n".join(_lines(summary)) + "\n"


def _lines(summary: Summary) -> Iterator[str]:
    yield "---"
    yield f"crashvault: {FORMAT}"
    yield f"from: {summary.since}"
    yield f"to: {summary.until}"
    yield f"project: {markdown_text(summary.project) or '*'}"
    yield from (f"{name}: {len(summary.sections[name])}" for name in SECTIONS)
    yield "---\n"
    yield "# Changes\n"
    yield f"From {summary.since[:16].replace('T', ' ')} to {summary.until[:16].replace('T', ' ')} UTC."
    yield from _releases(summary)
    for name in SECTIONS:
        yield f"\n## {name.capitalize()}\n"
        yield f"{_MEANING[name]}\n"
        yield from (_line(entry) for entry in summary.sections[name])
        if not summary.sections[name]:
            yield "None."


def _releases(summary: Summary) -> Iterator[str]:
    """A table of how many issues of each section were last seen in which release; it only repeats, and is not read."""
    names = sorted({entry.release for name in SECTIONS for entry in summary.sections[name]} - {""})
    if not names:
        return
    yield f"\n| release | {' | '.join(SECTIONS)} |"
    yield f"| --- |{' ---: |' * len(SECTIONS)}"
    for release in names:
        counts = [sum(entry.release == release for entry in summary.sections[name]) for name in SECTIONS]
        yield f"| {markdown_text(release)} | {' | '.join(map(str, counts))} |"


def _line(entry: Entry) -> str:
    parts = [
        f"- #{entry.issue} {markdown_text(entry.title, _LONG)}",
        markdown_text(entry.level),
        counted(entry.events, "event"),
        f"{entry.before} before",
        counted(entry.users, "user"),
        f"first {entry.first_seen}",
        f"last {entry.last_seen}",
        f"project {markdown_text(entry.project)}",
    ]
    parts += [f"in {markdown_text(entry.culprit)}"] if entry.culprit else []
    parts += [f"release {markdown_text(entry.release)}"] if entry.release else []
    if entry.suspect:
        suspect = entry.suspect
        parts.append(f"suspect {suspect.commit} {markdown_text(suspect.summary)}")
        parts.append(f"by {markdown_text(suspect.author)}")
    return " | ".join(parts)


# Reading


def read_summary(text: str) -> Summary:
    """A summary from its document. Raises InvalidError that says what is wrong where."""
    lines = text.replace("\r\n", "\n").split("\n")
    head, end = _front_matter(lines)
    if head.get("crashvault") != FORMAT:
        raise InvalidError(f"this is no summary of the form {FORMAT}", "Write one with: crashvault changes --since 7d")
    sections: dict[str, list[Entry]] = {name: [] for name in SECTIONS}
    section = ""
    for number, line in enumerate(lines[end:], end + 1):
        if line.startswith("## "):
            section = line[3:].strip().casefold()
        elif line.startswith("- #") and section in sections:
            sections[section].append(_read_line(line, number))
    for name in SECTIONS:
        if str(len(sections[name])) != head.get(name):
            raise InvalidError(
                f"the section {name} has {len(sections[name])} lines, not {head.get(name)}",
                "The file was cut or changed",
            )
    project = _plain(head.get("project", ""))
    return Summary(head.get("from", ""), head.get("to", ""), "" if project == "*" else project,
                   {name: tuple(entries) for name, entries in sections.items()})  # fmt: skip


def _front_matter(lines: list[str]) -> tuple[dict[str, str], int]:
    if not lines or lines[0] != "---" or "---" not in lines[1:]:
        return {}, 0
    end = lines.index("---", 1)
    pairs = (line.partition(": ") for line in lines[1:end])
    return {key: value for key, _, value in pairs}, end + 1


def _read_line(line: str, number: int) -> Entry:
    head, *parts = (part.strip() for part in _PART.findall(line))
    found = re.fullmatch(r"- #(\d+) ?(.*)", head)
    try:
        if not found:
            raise ValueError
        level, events, before, users, first, last, project = parts[:7]
        more = {key: value for key, _, value in (part.partition(" ") for part in parts[7:])}
        suspect = more.get("suspect")
        commit, _, summary = (suspect or "").partition(" ")
        return Entry(
            int(found[1]), _plain(found[2]), _plain(more.get("in", "")), _plain(_after("project ", project)), _plain(level),
            _number(events), _number(before), _number(users), _after("first ", first), _after("last ", last),
            _plain(more.get("release", "")),
            Suspected(commit, _plain(summary), _plain(more.get("by", ""))) if suspect else None,
        )  # fmt: skip
    except ValueError:
        raise InvalidError(f"line {number} is no line of a summary: {line[:80]}", "Write the file anew") from None


def _plain(text: str) -> str:
    return _ESCAPED.sub(r"\1", text)


def _number(text: str) -> int:
    return int(text.partition(" ")[0])


def _after(word: str, text: str) -> str:
    if not f"{text} ".startswith(word):
        raise ValueError
    return text[len(word) :]
