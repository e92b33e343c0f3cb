"""Cutting never exceeds a limit, never halves a character or an escape, and prefers the ends of lines and words."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crashvault.webhooks import discord, slack, teams
from crashvault.webhooks.cutting import MORE, clean, fit, fit_end, octets, one_line, units

TEXTS = st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from("<&>*_`~\\ \n\u0301\u200d👩💥")), max_size=300)
ESCAPES = {
    "none": (str, r"."),
    "slack": (slack.escape, r"&amp;|&lt;|&gt;|[^<>&]"),
    "discord": (discord.escape, r"\\.|[^\\*_~`|<\[\]()@]"),
    "connector": (teams.escape, r"\\.|&lt;|[^\\`*_{}\[\]()#+\-!|~><]"),
}
WAYS = [fit, fit_end]


@pytest.mark.parametrize("measure", [units, octets])
@pytest.mark.parametrize("cut", WAYS)
@pytest.mark.parametrize("name", ESCAPES)
@given(text=TEXTS, limit=st.integers(0, 120))
def test_limits_hold_and_escapes_stay_whole(name: str, cut, measure, text: str, limit: int) -> None:
    escape, whole = ESCAPES[name]
    text = clean(text)
    shown = cut(text, limit, escape, measure)
    assert measure(shown) <= limit
    assert re.fullmatch(f"(?:{whole})*", shown, re.S)
    shown.encode("utf-8")  # fails on half of a surrogate pair
    if measure(escape(text)) <= limit:
        assert shown == escape(text)
    elif shown:
        assert MORE in shown


@given(TEXTS, st.integers(1, 120))
def test_what_is_kept_is_the_beginning_or_the_end(text: str, limit: int) -> None:
    start, end = fit(text, limit), fit_end(text, limit)
    assert text.startswith(start.removesuffix(MORE).rstrip()) or start == text
    assert end == text or not end or text.rstrip().endswith(end.removeprefix(f"{MORE}\n").removeprefix(MORE).rstrip())


@given(st.lists(st.sampled_from(["word", "größer", "a", "💥"]), min_size=1, max_size=80), st.integers(40, 100))
def test_words_stay_whole(words: list[str], limit: int) -> None:
    shown = fit(" ".join(words), limit)
    assert set(shown.removesuffix(MORE).split()) <= set(words)


@given(st.lists(st.sampled_from(["  File a.py", "    x()", "E: no"]), min_size=1, max_size=80), st.integers(60, 300))
def test_lines_at_the_end_stay_whole(lines: list[str], limit: int) -> None:
    shown = fit_end("\n".join(lines), limit).split("\n")
    assert set(shown) <= {*lines, MORE}
    assert shown[-1] == lines[-1]


def test_what_is_seen_as_one_character_stays_whole() -> None:
    family = "👩\u200d👩\u200d👧"
    assert fit(f"{family}{family}", units(family) + 4) == family + MORE
    assert fit("ae\u0301e\u0301e\u0301", 4) == f"ae\u0301{MORE}"
    assert fit("ab" + "\u0301" * 500, 50).startswith("ab\u0301")  # a pile of accents is cut all the same


@given(st.text(max_size=400))
def test_clean_text_steers_nothing(text: str) -> None:
    shown = clean(text)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\u200e\u200f\ud800-\udfff]", shown)
    assert clean(shown) == shown
    assert "\n" not in one_line(text) and one_line(text) == one_line(text).strip()


@pytest.mark.parametrize(
    "text, shown",
    [
        ("\x1b[1;31mred\x1b[0m", "red"), ("\x1b]0;title\x07x", "x"), ("\x1b]8;;http://evil\x1b\\x", "x"), ("a\r\nb\rc", "a\nb\nc"),
        ("gpj\u202eexe.", "gpjexe."), ("a\0b", "a\ufffdb"), ("\ud800x", "\ufffdx"), ("\x9b31mred", "red"),
    ],
)  # fmt: skip
def test_terminal_sequences_leave_nothing_behind(text: str, shown: str) -> None:
    assert clean(text) == shown


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "text",
    [
        "\x1b]" * 50_000,
        " " * 100_000,
        "\x1b[" * 50_000,
        "> " * 50_000,
        "9" * 100_000,
        "\n - " * 30_000,
        "\u200d" * 100_000,
    ],
)
def test_nothing_takes_long(text: str) -> None:
    """What is not linear would take minutes."""
    for escape, _ in ESCAPES.values():
        for cut in WAYS:
            cut(clean(text), 4_000, escape)
