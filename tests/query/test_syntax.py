from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crashvault.clock import from_iso
from crashvault.errors import QueryError
from crashvault.models import LEVEL_RANKS
from crashvault.query.syntax import (
    MAX_CHARS,
    MAX_DEPTH,
    MAX_TERMS,
    And,
    Everything,
    Level,
    Not,
    Or,
    Pattern,
    Phrase,
    Term,
    Word,
    Words,
    parse,
)
from crashvault.query.tree import all_of, any_of, fields_used, leaves, negate, path_patterns

NOW = from_iso("2026-11-23T18:47:03.120Z")
LEVELS = {**LEVEL_RANKS, "Notice": 25}
DAY = 86_400_000_000


def read(text):
    return parse(text, NOW, LEVELS)


def pattern(*pieces):
    return Pattern(pieces)


def term(field, *values, op="any", key=None):
    wrapped = tuple(Pattern((value,)) if isinstance(value, str) else value for value in values)
    return Term(field, key, op, wrapped)


def choice(field, *values):
    return Term(field, None, "any", values)


def word(*pieces):
    return Word(Pattern(pieces))


def phrase(*tokens):
    return Phrase(tuple(Pattern((token,)) if isinstance(token, str) else token for token in tokens))


A, B, C = word("a"), word("b"), word("c")

TREES = {
    # words and phrases
    "": Everything(),
    " \t\n\u3000": Everything(),
    "a": A,
    "Straße": word("strasse"),
    "conn*": word("conn", ""),
    "*ection": word("", "ection"),
    "c*n**t": word("c", "n", "t"),
    "*": Everything(),
    "foo.bar": phrase("foo", "bar"),
    "foo.b*r": phrase("foo", pattern("b", "r")),
    "foo.*": word("foo"),
    '"Connection  reset!"': phrase("connection", "reset"),
    '"foo*"': word("foo"),
    r"foo\*": word("foo"),
    '"or"': word("or"),
    '"OR"': word("or"),
    "or": word("or"),
    'foo"bar baz"*': phrase("foobar", pattern("baz", "")),
    r'"say \"hi\" \\ C:\new"': phrase("say", "hi", "c", "new"),
    "a,b": phrase("a", "b"),
    "order_id=4711": phrase("order", "id", "4711"),
    # words that look like fields
    "http://x.org/y": phrase("http", "x", "org", "y"),
    "file:///srv/x": phrase("file", "srv", "x"),
    r"C:\foo": phrase("c", "foo"),
    "C:/foo": phrase("c", "foo"),
    "Foo::Bar": phrase("foo", "bar"),
    "File::open": phrase("file", "open"),
    "12:30": phrase("12", "30"),
    "api.py:12": phrase("api", "py", "12"),
    "TypeError: a": And((word("typeerror"), A)),
    # operators
    "a b": And((A, B)),
    "a AND b": And((A, B)),
    "a OR b": Or((A, B)),
    "a b OR c": Or((And((A, B)), C)),
    "a OR b c": Or((A, And((B, C)))),
    "(a OR b) c": And((Or((A, B)), C)),
    "(a b) c": And((A, B, C)),
    "a OR (b OR c)": Or((A, B, C)),
    "((a))": A,
    "-a": Not(A),
    "!a": Not(A),
    "NOT a": Not(A),
    "NOT NOT a": A,
    "--a": A,
    "NOT a b": And((Not(A), B)),
    "-(a b)": Not(And((A, B))),
    '-"a b"': Not(phrase("a", "b")),
    "a-b": phrase("a", "b"),
    "* a": A,
    "a OR *": Everything(),
    "-*": Not(Everything()),
    "(a)(b)": And((A, B)),
    # text fields
    "release:2.4.*": term("release", pattern("2.4.", "")),
    "RELEASE:Beta": term("release", "beta"),
    "host:a,b,a": term("host", "a", "b"),
    'host:"a,b"': term("host", "a,b"),
    r"host:a\,b": term("host", "a,b"),
    r"host:a\*b*": term("host", pattern("a*b", "")),
    r"function:main\(\)": term("function", "main()"),
    'function:"a*b"': term("function", "a*b"),
    'source:"my dir"/*.py': term("source", pattern("my dir/", ".py")),
    'release:">2"': term("release", ">2"),
    r"source:C:\orders\new": term("source", r"c:\orders\new"),
    "user:*@example.com": term("user", pattern("", "@example.com")),
    "-user:ana": Not(term("user", "ana")),
    # paths
    r"file:Orders\api.py": term("file", "orders/api.py"),
    r"file:C:\orders\*": term("file", pattern("c:/orders/", "")),
    r"file:\\srv\x": term("file", "//srv/x"),
    r'file:\\"a*b"*': term("file", pattern("//a*b", "")),
    r"file:a\,b\(\)": term("file", "a,b()"),
    "file:orders/*.py": term("file", pattern("orders/", ".py")),
    # messages
    'message:"Timed out!"': term("message", Words(("timed", "out"))),
    "message:time*": term("message", pattern("time", "")),
    'message:"a*b",*->*': term("message", Words(("a", "b")), pattern("", "->", "")),
    # tags
    "tag:db": term("tag", "db"),
    "tag:DB*": term("tag", pattern("db", "")),
    "tag:region=eu": term("tag", "eu", key="region"),
    "tag.region:eu": term("tag", "eu", key="region"),
    "TAG.Region:EU": term("tag", "eu", key="region"),
    "tag.region:e*,us": term("tag", pattern("e", ""), "us", key="region"),
    "tag:region=*": term("tag", pattern("", ""), key="region"),
    'tag.region:""': term("tag", "", key="region"),
    "tag:db,region=eu,web": Or((term("tag", "db", "web"), term("tag", "eu", key="region"))),
    'tag:"my key=a b"': term("tag", "a b", key="my key"),
    "tag:*=eu": term("tag", pattern("", "=eu")),
    "tag:=eu": term("tag", "=eu"),
    "tag.url:http://x": term("tag", "http://x", key="url"),
    # states, levels, severities
    "is:open": choice("status", "open"),
    "is:open,ignored": choice("status", "open", "ignored"),
    "is:new": choice("is", "new"),
    "is:assigned": Term("assigned", None, "has", ()),
    "is:unassigned": Not(Term("assigned", None, "has", ())),
    "is:resolved,regressed": Or((choice("status", "resolved"), choice("is", "regressed"))),
    "status:*ed": choice("status", "resolved", "ignored"),
    "level:error": choice("level", "error"),
    "level:FATAL": choice("level", "critical"),
    "level:notice": choice("level", "Notice"),
    "level:*r*": choice("level", "warning", "error", "critical"),
    "level:>=error": term("level", Level("error", 40), op=">="),
    "level:<NOTICE": term("level", Level("Notice", 25), op="<"),
    "level:>fatal": term("level", Level("critical", 50), op=">"),
    "severity:high": choice("severity", "high"),
    "severity:>=high": choice("severity", "high", "critical"),
    "severity:<medium": choice("severity", "low"),
    # has
    "has:user": Term("user", None, "has", ()),
    "has:first_seen": Term("first-seen", None, "has", ()),
    "has:tag.Region": Term("tag", "region", "has", ()),
    "has:user,release": Or((Term("user", None, "has", ()), Term("release", None, "has", ()))),
    # numbers and ids
    "count:>5": term("count", 5, op=">"),
    "users:<=007": term("users", 7, op="<="),
    "issue:#12,15": term("issue", 12, 15),
    "line:42": term("line", 42),
    "event:4F2A-91": term("event", pattern("4f2a91", "")),
    "event:4f2a91c0-1234-4123-8123-0123456789ab": term("event", "4f2a91c0123441238123" + "0123456789ab"),
    "trace:*ab": term("trace", pattern("", "ab", "")),
    "fingerprint:ab*-*cd": term("fingerprint", pattern("ab", "cd", "")),
    # times
    "since:24h": term("since", NOW - DAY, op=">="),
    "until:30s": term("until", NOW - 30_000_000, op="<"),
    "since:1d12h": term("since", NOW - DAY * 3 // 2, op=">="),
    "since:2W": term("since", NOW - 14 * DAY, op=">="),
    "since:1mo": term("since", NOW - 30 * DAY, op=">="),
    "since:1y": term("since", NOW - 365 * DAY, op=">="),
    "since:999999999y": term("since", 0, op=">="),
    "since:now": term("since", NOW, op=">="),
    "since:today": term("since", from_iso("2026-11-23"), op=">="),
    "since:yesterday": term("since", from_iso("2026-11-22"), op=">="),
    "since:2026-11-20": term("since", from_iso("2026-11-20"), op=">="),
    "until:2026-11-20T10:00:00.5Z": term("until", from_iso("2026-11-20T10:00:00.5"), op="<"),
    "since:2026-11-20T10:00+02:00": term("since", from_iso("2026-11-20T08:00"), op=">="),
    'since:"2026-11-20 10:00"': term("since", from_iso("2026-11-20T10:00"), op=">="),
    "since:0001-01-01": term("since", 0, op=">="),
    "last-seen:2h": term("last-seen", NOW - 7_200_000_000, op=">="),
    "first-seen:>24h": term("first-seen", NOW - DAY, op=">"),
    "first_seen:<24h": term("first-seen", NOW - DAY, op="<"),
    "first-seen:>2026-11-20": term("first-seen", from_iso("2026-11-21"), op=">="),
    "first-seen:>=2026-11-20": term("first-seen", from_iso("2026-11-20"), op=">="),
    "first-seen:<=2026-11-20": term("first-seen", from_iso("2026-11-21"), op="<"),
    "first-seen:<2026-11-20": term("first-seen", from_iso("2026-11-20"), op="<"),
}


@pytest.mark.parametrize("text", TREES, ids=repr)
def test_tree(text):
    assert read(text) == TREES[text]


def test_the_example_of_the_interface():
    tree = read('is:open level:>=error tag:db file:orders/*.py since:24h -"connection reset"')
    assert tree == And(
        (
            choice("status", "open"),
            term("level", Level("error", 40), op=">="),
            term("tag", "db"),
            term("file", pattern("orders/", ".py")),
            term("since", NOW - DAY, op=">="),
            Not(phrase("connection", "reset")),
        )
    )
    assert [leaf.position for leaf in leaves(tree)] == [0, 8, 22, 29, 46, 57]


ERRORS = {
    'a "b': (2, "quote is never closed", "add a"),
    'a foo"b': (5, "quote is never closed", ""),
    "(a": (0, "parenthesis is never closed", "add a )"),
    "a (b OR (c)": (2, "parenthesis is never closed", ""),
    "a (": (2, "parenthesis is never closed", ""),
    "a)": (1, "there is no ( for this )", ""),
    ")": (0, "there is no ( for this )", ""),
    "a ()": (2, "parentheses are empty", ""),
    "OR": (0, "OR needs a term on both sides", 'write "or"'),
    "a OR": (2, "OR needs a term on both sides", ""),
    "a OR OR b": (2, "OR needs a term on both sides", ""),
    "a OR )": (2, "OR needs a term on both sides", ""),
    "(OR a)": (1, "OR needs a term on both sides", ""),
    "AND a": (0, "AND needs a term on both sides", ""),
    "a AND": (2, "AND needs a term on both sides", ""),
    "a NOT": (2, "NOT needs a term after it", ""),
    "-OR": (0, "- needs a term after it", ""),
    "a | b": (2, "| is no operator", "write OR"),
    "a && b": (2, "&& is no operator", "write AND"),
    "a - b": (2, '"-" has no letters or digits', ""),
    'a "->"': (2, '"->" has no letters or digits', ""),
    "\0": (0, "has no letters or digits", ""),
    "a.*.b": (0, "between two words", ""),
    "a lvl:error": (2, 'unknown field "lvl"', "did you mean level? fields: is, level, severity"),
    "env:prod": (0, 'unknown field "env"', "did you mean environment?"),
    "zzzz:1": (0, 'unknown field "zzzz"', "fields: is,"),
    "a tag:": (6, '"tag" needs a value', "right after"),
    "tag.region:": (11, '"tag.region" needs a value', ""),
    "tag:(a OR b)": (4, '"tag" needs a value', "tag:a,b"),
    "count:>": (7, '"count" needs a value', ""),
    "host:a,,b": (7, "a value is missing", ""),
    "host:a,": (7, "a value is missing", ""),
    'release:""': (8, '"release" has an empty value', "-has:release"),
    "a release:>2": (10, '"release" cannot be compared with >', "quotes"),
    "since:>2h": (6, '"since" cannot be compared with >', "write since:2h"),
    "count:>1,2": (9, "> takes one value", "OR"),
    "count:1,x": (8, '"count" needs a number, not "x"', "count:>100"),
    "count:1234567890123456789": (6, "needs a number", ""),
    "count:-1": (6, "needs a number", ""),
    "issue:1*": (6, "needs a number", ""),
    "level:erorr": (6, 'unknown level "erorr"', "did you mean error? level: debug, info"),
    "level:>*": (7, "> takes one level", ""),
    "status:done": (7, 'unknown status "done"', "status: open, resolved, ignored"),
    "severity:>critical": (10, "no severity is > critical", ""),
    "is:opne": (3, 'unknown state "opne"', "did you mean open?"),
    "has:usr": (4, '"has" knows no field "usr"', "did you mean user?"),
    "has:since": (4, '"has" knows no field "since"', ""),
    "event:xyz": (6, '"xyz" is no id of an event', ""),
    "event:-": (6, "is no id", ""),
    f"trace:{'a' * 33}": (6, "is no id of a trace", ""),
    "since:soon": (6, '"soon" is no time', "ISO 8601"),
    "since:5": (6, '"5" is no time', ""),
    "since:20261123": (6, "is no time", ""),
    "since:2026-13-01": (6, "is no time", ""),
    "since:1h,2h": (9, '"since" takes one time', ""),
    'message:"->"': (8, '"->" has no letters or digits', "message:*->*"),
}


@pytest.mark.parametrize("text", ERRORS, ids=repr)
def test_error(text):
    position, message, hint = ERRORS[text]
    with pytest.raises(QueryError) as caught:
        read(text)
    assert caught.value.position == position
    assert message in caught.value.message
    assert hint in caught.value.hint


HOSTILE = '"\n\x1b[31m\u202e"'


@pytest.mark.parametrize(
    "text",
    [f"{field}:{HOSTILE}" for field in ("since", "level", "count", "event", "has", "is", "status")]
    + [f"{field}:{'z' * 3_000}" for field in ("since", "level", "count", "event", "has", "is", "status")]
    + ["q" * 3_000 + ":x", "." * 3_000, '"\n\x1b\u202e"', 'message:"\n\x1b\u202e"', f"tag.{'z' * 3_000}:"],
    ids=lambda text: repr(text[:12]),
)
def test_an_error_is_short_and_prints(text):
    with pytest.raises(QueryError) as caught:
        read(text)
    assert len(str(caught.value)) < 700
    assert str(caught.value).isprintable()


def test_unknown_field_names_every_field():
    with pytest.raises(QueryError) as caught:
        read("lvl:error")
    for name in ("tag", "first-seen", "until", "has", "fingerprint"):
        assert name in caught.value.hint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a " * MAX_CHARS, "longer than 4,096 characters"),
        ("(" * 1_000_000, "longer than"),
        ("(" * 4_000 + "a", "nested deeper than 50"),
        ("-" * 4_000 + "a", "nested deeper than 50"),
        ("NOT " * 1_000 + "a", "nested deeper than 50"),
        ("-(" * 30 + "a" + ")" * 30, "nested deeper than 50"),
        ("a " * (MAX_TERMS + 1), "more than 200 terms"),
        ("host:" + "a," * 300 + "a", "more than 200 values"),
        ('"' + "\\" * 4_000, "never closed"),
        ('a"' * 1_999, "never closed"),
    ],
    ids=lambda value: value[:12],
)
def test_limit(text, message):
    with pytest.raises(QueryError) as caught:
        read(text)
    assert message in caught.value.message


def test_up_to_the_limits():
    assert read("(" * MAX_DEPTH + "a" + ")" * MAX_DEPTH) == A
    assert read("(a) " * MAX_TERMS) == And((A,) * MAX_TERMS)
    assert read("x" * MAX_CHARS) == word("x" * MAX_CHARS)
    assert len(list(leaves(read("a OR " * 199 + "b")))) == 200


ALPHABET = st.sampled_from(
    [*'ab:",*()-!<>=\\ .|&#\0\ud800é北', "OR ", "AND ", "NOT ", "tag.", "level:", "since:", "is:"]
)


@given(st.text(st.characters(), max_size=60) | st.lists(ALPHABET, max_size=40).map("".join))
@example("tag.\ud800:x")
@example("since:9999-12-31T23:59:59-23:59")
@example("first-seen:>9999-12-31")
@example("since:²h")
@example("count:٣")
@example("\x1c-\x1c")
def test_any_text_is_a_tree_or_a_query_error(text):
    try:
        tree = read(text)
    except QueryError as error:
        assert 0 <= error.position <= len(text)
        assert error.message
        assert len(str(error)) < 700
        assert len(str(error).splitlines()) == 1
    else:
        repr(tree).encode()  # what is in a tree can be given to a database


def test_lone_surrogates_and_nul_never_reach_a_tree():
    [only] = leaves(read("host:a\0\ud800"))
    assert only == term("host", "a\ufffd\ufffd")


def test_nodes_of_different_kinds_differ():
    assert And((A, B)) != Or((A, B))
    assert len({And((A, B)), Or((A, B)), And((A, B))}) == 2
    assert Word(Pattern(("a",)), 3) == Word(Pattern(("a",)), 7)
    assert hash(Word(Pattern(("a",)), 3)) == hash(Word(Pattern(("a",)), 7))
    assert (Word(Pattern(("a",)), 3) != Word(Pattern(("a",)), 7)) is False


def test_trees_are_put_together():
    assert all_of([]) == Everything()
    assert all_of([Everything(), A, And((B, C))]) == And((A, B, C))
    assert all_of([Everything(), A]) == A
    assert any_of([A, Or((B, C))]) == Or((A, B, C))
    assert any_of([A, Everything()]) == Everything()
    assert negate(negate(A)) == A


def test_fields_used():
    assert fields_used(read("is:open (tag.region:eu OR -is:unassigned) foo")) == {"status", "tag", "assigned"}
    assert fields_used(read("is:new foo")) == {"is"}


@pytest.mark.parametrize(
    ("pieces", "text", "expected"),
    [
        (("ab",), "ab", True),
        (("ab",), "abc", False),
        (("a", ""), "a", True),
        (("a", "a"), "a", False),
        (("a", "b", "a"), "axbxa", True),
        (("a", "b", "a"), "aba", True),
        (("a", "b", "b", "a"), "abxa", False),
        (("", ""), "", True),
    ],
)
def test_pattern(pieces, text, expected):
    assert Pattern(pieces).matches(text) is expected


def test_path_patterns():
    assert path_patterns(pattern("a.py")) == (pattern("a.py"), pattern("", "/a.py"))
    assert path_patterns(pattern("", "a.py")) == (pattern("", "a.py"),)
