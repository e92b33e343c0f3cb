from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from crashvault.errors import QueryError
from crashvault.models import LEVEL_RANKS
from crashvault.query.fields import FIELDS
from crashvault.query.render import point_at, to_text
from crashvault.query.syntax import parse
from crashvault.query.tree import Everything, Not, Pattern, Phrase, Term, Word, Words, all_of, any_of, negate

NOW = 1_790_000_000_123_456
LEVELS = {**LEVEL_RANKS, "Odd (level)*": 25}


def read(text):
    return parse(text, NOW, LEVELS)


TOKEN = st.text(st.sampled_from("abé7北"), min_size=1, max_size=3)
PIECE = st.text(st.sampled_from('aé ,*"\\()<>=:-!./\n'), min_size=1, max_size=5).map(str.casefold)


def patterns(piece, joined=False):
    """Exact patterns and patterns with wildcards at any place."""
    middle = st.lists(piece, max_size=2).map(tuple)
    end = piece | st.just("")
    wild = st.tuples(end, middle, end).map(lambda parts: Pattern((parts[0], *parts[1], parts[2])))
    return st.builds(Pattern, st.tuples(piece)) | wild


TOKENS = patterns(TOKEN).filter(lambda token: token != Pattern(("", "")))
TEXT_FIELDS = [field.name for field in FIELDS.values() if field.kind == "text"]


def some(values):
    return st.lists(values, min_size=1, max_size=3, unique=True).map(tuple)


def terms(field, values, key=None, op=st.just("any")):
    keys = st.none() if key is None else key
    return st.builds(Term, field, keys, op, values)


COMPARISONS = st.sampled_from([">", ">=", "<", "<="])
MOMENTS = st.integers(0, 253_402_300_799_999_999).map(lambda moment: (moment,))
LEAVES = st.one_of(
    st.builds(Word, TOKENS),
    st.lists(TOKENS, min_size=2, max_size=4).map(lambda tokens: Phrase(tuple(tokens))),
    terms(st.sampled_from(TEXT_FIELDS), some(patterns(PIECE))),
    terms(st.just("file"), some(patterns(PIECE.map(lambda piece: piece.replace("\\", "/"))))),
    terms(st.just("message"), some(st.lists(TOKEN, min_size=1).map(lambda tokens: Words(tuple(tokens))))),
    terms(st.just("message"), some(patterns(PIECE).filter(lambda pattern: not pattern.exact))),
    terms(st.just("tag"), some(patterns(PIECE.filter(lambda piece: "=" not in piece)))),
    terms(st.just("tag"), some(patterns(PIECE)), key=PIECE.filter(lambda piece: "=" not in piece)),
    terms(st.sampled_from(["status"]), some(st.sampled_from(["open", "resolved", "ignored"]))),
    terms(st.just("level"), some(st.sampled_from(list(LEVELS)))),
    terms(st.sampled_from(["count", "users", "issue", "line"]), some(st.integers(0, 10**18 - 1))),
    terms(st.sampled_from(["count", "line"]), st.tuples(st.integers(0, 10**6)), op=COMPARISONS),
    terms(st.sampled_from(["first-seen", "last-seen"]), MOMENTS, op=COMPARISONS),
    terms(st.just("since"), MOMENTS, op=st.just(">=")),
    terms(st.just("until"), MOMENTS, op=st.just("<")),
    terms(
        st.just("event"),
        some(st.text("0123456789abcdef", min_size=1, max_size=31).map(lambda id: Pattern((id, "")))),
    ),
    terms(st.sampled_from(["user", "level", "tag"]), st.just(()), op=st.just("has")),
    terms(st.just("tag"), st.just(()), key=PIECE, op=st.just("has")),
    st.sampled_from(["level:>=error", 'level:<"Odd (level)*"', "is:new,regressed", "is:unassigned"]).map(read),
)
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3).map(all_of)
        | st.lists(inner, min_size=1, max_size=3).map(any_of)
        | inner.map(negate)
    ),
    max_leaves=12,
)


@given(TREES)
def test_a_tree_comes_back_from_its_text(tree):
    assert read(to_text(tree)) == tree


FRAGMENTS = st.sampled_from(
    [
        "a",
        "foo.b*r",
        '"a b"',
        "*",
        "tag:db,k=v",
        "tag.k:*",
        "-",
        "(",
        ")",
        " ",
        " OR ",
        "is:open,new ",
        "since:2h ",
    ]
    + [f"{field.example} " for field in FIELDS.values()]
)


@given(st.lists(FRAGMENTS, max_size=12).map("".join))
def test_what_parses_comes_back_from_its_text(text):
    try:
        tree = read(text)
    except QueryError:
        assume(False)
    assert read(to_text(tree)) == tree
    assert to_text(read(to_text(tree))) == to_text(tree)


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ("", ""),
        ("( a  AND (b c) )", "a b c"),
        ("(a OR b) NOT (c d)", "(a OR b) -(c d)"),
        ("a b OR c", "a b OR c"),
        ("Foo::Bar", '"foo bar"'),
        ("tag:Region=EU", "tag.region:eu"),
        ("is:open,ignored", "status:open,ignored"),
        ("level:>=fatal", "level:>=critical"),
        ('file:"my dir"/*.py', 'file:"my dir/"*.py'),
        ("since:2026-11-23", "since:2026-11-23T00:00:00.000000Z"),
        ('has:"tag.my key"', 'has:"tag.my key"'),
        ("-is:unassigned", "has:assigned"),
    ],
)
def test_text(text, rendered):
    assert to_text(read(text)) == rendered


def test_everything_inside():
    assert to_text(Not(Everything())) == "-*"
    assert read("-*") == Not(Everything())


def test_point_at():
    assert point_at("a lvl:error", 2) == "a lvl:error\n  ^"
    assert point_at("北京 lvl:x", 3) == "北京 lvl:x\n     ^"
    assert point_at("a\x1b[31m\nlvl:x", 7) == "a [31m lvl:x\n       ^"
    assert point_at("", 0) == "\n^"
    shown, caret = point_at("x" * 300 + "!" + "y" * 300, 300, width=40).split("\n")
    assert len(shown) == 40 and shown[caret.index("^")] == "!"


@given(st.text(), st.integers(0, 50))
def test_point_at_is_two_lines_whatever_the_text(text, position):
    assert len(point_at(text, min(position, len(text))).splitlines()) == 2 or not text.strip()
