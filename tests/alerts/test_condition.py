"""The condition language: what each sentence means, and where an error is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crashvault.alerts.condition import (
    SIGNS,
    Both,
    Compare,
    Condition,
    Either,
    Fact,
    Ratio,
    Silence,
    Spike,
    fact_window,
    parse,
)
from crashvault.clock import DAY, HOUR, MINUTE, SECOND
from crashvault.errors import QueryError

_SPANS = {"10s": 10 * SECOND, "1m": MINUTE, "90m": 90 * MINUTE, "1h": HOUR, "7d": 7 * DAY}


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("count > 10 in 1m", Compare("count", ">", 10, MINUTE)),
        ("users >= 5 in 1h", Compare("users", ">=", 5, HOUR)),
        ("HOSTS<2 in 10s", Compare("hosts", "<", 2, 10 * SECOND)),
        ("count == 0 in 1h", Compare("count", "=", 0, HOUR)),
        ("count > 3x previous in 1h", Ratio(">", 3, HOUR)),
        ("count > 1.5 x previous in 1h", Ratio(">", 1.5, HOUR)),
        ("spike in 1h", Spike(HOUR)),
        ("new issue", Fact("new issue")),
        ("regression or reappears in release", Either((Fact("regression"), Fact("reappears in release")))),
        ("silence > 1h", Silence(HOUR)),
        (
            "new issue and count > 1 in 1m or regression",
            Either((Both((Fact("new issue"), Compare("count", ">", 1, MINUTE))), Fact("regression"))),
        ),
        (
            "new issue and (count > 1 in 1m or regression)",
            Both((Fact("new issue"), Either((Compare("count", ">", 1, MINUTE), Fact("regression"))))),
        ),
    ],
)
def test_sentences(text: str, tree: Condition) -> None:
    assert parse(text) == tree


@pytest.mark.parametrize(
    ("text", "position", "part"),
    [
        ("", 0, "a condition is expected"),
        ("count 10 in 1m", 6, "one of > >="),
        ("count > in 1m", 8, "a number"),
        ("count > 10 in", 13, "a span of time"),
        ("count > 10 in 5y", 14, "out of range"),
        ("count > 10 in 1s", 14, "out of range"),
        ("spike in 3d", 9, "out of range"),
        ("users > 3x previous in 1h", 8, "only count"),
        ("count > 10 in 1m and", 20, "a condition is expected"),
        ("(new issue", 10, "')' is expected"),
        ("new issue regression", 10, "'and', 'or' or the end"),
        ("count > 1.2.3 in 1m", 8, "has no meaning"),
        ("silence 1h", 8, "'>' is expected"),
        ("(" * 30 + "new issue", 20, "nested too deeply"),
        (" or ".join(["new issue"] * 21), 0, "at most 20 terms"),
        ("x" * 501, 500, "at most 500"),
    ],
)
def test_errors_know_the_place(text: str, position: int, part: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse(text)
    assert caught.value.position == position
    assert part in caught.value.message


def _text(tree: Condition) -> str:
    spans = {value: name for name, value in _SPANS.items()}
    match tree:
        case Compare(metric, sign, limit, window):
            return f"{metric} {sign} {limit:g} in {spans[window]}"
        case Ratio(sign, factor, window):
            return f"count {sign} {factor:g}x previous in {spans[window]}"
        case Spike(window):
            return f"spike in {spans[window]}"
        case Fact(what):
            return what
        case Silence(window):
            return f"silence > {spans[window]}"
    word = " and " if isinstance(tree, Both) else " or "
    return word.join(f"({_text(part)})" if isinstance(part, Both | Either) else _text(part) for part in tree.parts)


_windows = st.sampled_from(list(_SPANS.values()))
_signs = st.sampled_from(list(SIGNS))
_atoms = st.one_of(
    st.builds(Compare, st.sampled_from(["count", "users", "hosts"]), _signs, st.integers(0, 999).map(float), _windows),
    st.builds(Ratio, _signs, st.integers(1, 99).map(float), _windows),
    st.sampled_from([Spike(HOUR), Fact("new issue"), Fact("regression"), Silence(DAY * 7)]),
)
_trees = st.recursive(
    _atoms,
    lambda inner: st.builds(
        lambda kind, parts: kind(tuple(parts)), st.sampled_from([Both, Either]), st.lists(inner, min_size=2, max_size=3)
    ),
    max_leaves=12,
)


@given(_trees)
def test_what_is_written_is_read(tree: Condition) -> None:
    assert parse(_text(tree)) == tree


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse(text)
    except QueryError as error:
        assert 0 <= error.position <= len(text)


def test_moments_last_as_long_as_the_windows_beside_them() -> None:
    assert fact_window(parse("new issue")) == MINUTE
    assert fact_window(parse("new issue and count > 5 in 1h")) == HOUR
