from __future__ import annotations

import copy
import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crashvault.clock import from_iso
from crashvault.models import LEVEL_RANKS
from crashvault.query.match import Candidate, matches
from crashvault.query.syntax import parse
from crashvault.query.text import document, event_texts, stack_texts
from crashvault.query.tree import (
    And,
    Everything,
    Not,
    Or,
    Pattern,
    Phrase,
    Word,
    all_of,
    any_of,
    leaves,
    negate,
)

NOW = from_iso("2026-11-23T18:00:00Z")
LEVELS = {**LEVEL_RANKS, "notice": 25}

EVENT = {
    "event_id": "4f2a91c0-1234-4123-8123-0123456789ab",
    "project": "Shop",
    "timestamp": from_iso("2026-11-23T12:00:00Z"),
    "level": "error",
    "message": "Connection reset by peer (errno=104)\nwhile charging",
    "exceptions": [
        {
            "type": "TimeoutError",
            "module": "socket",
            "value": "gave up after 30 s",
            "frames": [{"file": "C:\\libs\\net\\Pool.py", "line": 7, "function": "acquire", "module": "net.pool"}],
        },
        {
            "type": "ChargeFailed",
            "module": None,
            "value": "order 4711 -> declined",
            "frames": [
                {"file": "/srv/app/main.py", "line": 3, "function": "<module>"},
                {
                    "file": "/srv/app/orders/api.py",
                    "line": 42,
                    "function": "Orders.handle",
                    "module": "orders.api",
                    "context_line": "    raise ChargeFailed(order)",
                    "vars": {"order_id": "4711", "currency": "EUR", "retries": 3},
                },
            ],
        },
    ],
    "tags": ["db", "region=EU-west", "Empty="],
    "release": "2.4.1-RC1",
    "environment": "production",
    "host": "web-3",
    "user": {
        "id": 17,
        "email": "Ana@example.com",
        "username": "ana",
        "ip_address": "10.0.0.7",
        "name": "hidden",
    },
    "platform": "python",
    "source": "billing-cron",
    "trace_id": "0af7651916cd43dd8448eb211c80319c",
}
ISSUE = {
    "id": 12,
    "fingerprint": "9b1c77d2aa" + "0" * 30,
    "status": "open",
    "severity": "high",
    "project": "Shop",
    "count": 150,
    "users": 4,
    "first_seen": from_iso("2026-11-01T00:00:00Z"),
    "last_seen": from_iso("2026-11-23T12:00:00Z"),
    "assigned": "Ana",
    "category": None,
    "is_new": False,
    "is_regressed": True,
}

HOLDS = """
*
is:open
is:open,resolved
is:regressed
is:new,regressed
is:assigned
status:open
severity:high
severity:>=medium
level:error
level:warning,error
level:>=error
level:>notice
level:<critical
tag:db
tag:DB
tag:region=eu-west
tag.region:EU-*
tag.Region:*
tag:reg*
tag:*west
tag.empty:""
project:shop
release:2.4.1-rc1
release:2.4.*
release:"2.4.1-RC1"
environment:prod*,staging
host:web-*
user:17
user:ana
user:ANA@EXAMPLE.com
user:10.0.0.*
platform:python
source:billing-*
exception:TimeoutError
exception:timeouterror
exception:socket.TimeoutError
exception:ChargeFailed
exception:socket.*
message:connection
message:"reset by PEER"
message:reset-by-peer
message:errno=104
message:104
message:"peer errno"
message:"peer (errno"
message:connection*charging
message:connection*
message:*->*
message:"gave up"
message:nothing,declined
file:orders/api.py
file:api.py
file:API.PY
file:/srv/app/orders/api.py
file:orders/*.py
file:/srv/*.py
file:*api*
file:net/pool.py
file:net\\pool.py
file:C:\\libs\\*
function:orders.handle
function:*handle
function:"<module>"
module:orders.*
module:net.pool
line:42
line:1,7
line:>40
issue:12
issue:#12
issue:>10
event:4f2a91
event:4F2A91C0-1234
event:4f2a91c0-1234-4123-8123-0123456789ab
event:4f2a91c01234412381230123456789ab
event:*89ab
trace:0af7
fingerprint:9b1c77d2
assigned:ana
count:>100
count:150
count:>=150
users:<5
first-seen:2026-11-01
first-seen:<2026-11-02
last-seen:6h
last-seen:>24h
since:6h
since:2026-11-23
since:2026-11-23T12:00:00Z
until:2026-11-24
until:5h
has:user
has:tag
has:tag.region
has:tag.empty
has:count
has:line
has:assigned
has:first-seen
has:level
connection
CONNECTION
"reset by peer"
reset.by.peer
conn*
*ection
c*n
timeouterror
"TimeoutError: gave up"
charge*
"order id 4711"
order_id
currency
EUR
"retries 3"
"region=eu-west"
orders/api.py
"raise ChargeFailed(order)"
orders.handle
pool.p*
libs\\net
is:open db -tag:web (conn* OR nothing)
NOT (tag:web OR tag:mail)
-user:bob
"""

FAILS = """
-*
is:new
is:ignored
is:unassigned
status:resolved
severity:<high
level:info
level:>error
level:<=notice
tag:region
tag:d
tag:web*
tag.region:eu
tag.db:*
project:shopping
release:2.4
environment:prod
host:web
user:hidden
user:1
exception:Timeout
exception:socket
exception:builtins.ChargeFailed
message:connect
message:"peer reset"
message:"charging gave"
message:*charging*declined
message:reset*
message:4711*
file:pi.py
file:orders
file:orders/
file:/orders/api.py
file:app/*.js
function:handle
module:orders
line:41
line:>42
issue:1
event:2a91
trace:0af8
fingerprint:7d2
category:network
assigned:bob
count:>150
count:1,2
users:>4
first-seen:>2026-11-01T00:00:00Z
first-seen:>2026-11-01
last-seen:5h
since:5h
until:2026-11-23
until:2026-11-23T12:00:00Z
has:category
has:tag.db
has:tag.nothing
connect
"connection peer"
"raise chargef*"
"while gave"
"web-3"
hidden
"4711 raise"
conn*reset
nothing
connection nothing
nothing OR none
-db
"""


def read(text):
    return parse(text, NOW, LEVELS)


def holds(text, event=EVENT, issue=ISSUE):
    return matches(read(text), event, issue, LEVELS)


@pytest.mark.parametrize("text", HOLDS.split("\n")[1:-1])
def test_holds(text):
    assert holds(text)


@pytest.mark.parametrize("text", FAILS.split("\n")[1:-1])
def test_fails(text):
    assert not holds(text)


@pytest.mark.parametrize("text", ["is:open", "count:>0", "issue:12", "assigned:ana", "has:count", "first-seen:9y"])
def test_without_an_issue_no_term_about_it_holds(text):
    assert holds(text)
    assert not holds(text, issue=None)
    assert holds(f"-{text}", issue=None)


def test_an_event_with_a_stack_but_no_exception():
    event = {"message": "m", "frames": [{"file": "a/b.py", "line": 1}], "user": "bob", "level": "notice"}
    assert holds("file:b.py line:1 user:bob level:<warning level:>info b.py", event)
    assert not holds("has:exception", event)


def test_the_level_of_an_event_may_be_unknown():
    assert holds("level:>=error", {"message": "m"})
    assert holds("level:>=error", {"message": "m", "level": "gone"})
    assert not holds("level:>error", {"message": "m", "level": "gone"})


def test_phrases_stay_within_one_text():
    event = {"message": "ends here", "tags": ["starts", "now"]}
    assert holds('"ends here" "starts"', event)
    assert not holds('"here starts"', event)
    assert not holds("*re.st*", event)
    assert not holds('"starts now"', event)


def test_a_candidate_answers_many_queries():
    candidate = Candidate(EVENT, ISSUE, LEVELS)
    assert [candidate.fits(read(text)) for text in ("conn*", "nothing", "tag:db")] == [True, False, True]


QUERIES = [line for line in (HOLDS + FAILS).split("\n") if line]
TREES = st.recursive(
    st.sampled_from(QUERIES).map(read),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3).map(all_of)
        | st.lists(inner, min_size=1, max_size=3).map(any_of)
        | inner.map(negate)
    ),
    max_leaves=6,
)
CANDIDATE = Candidate(EVENT, ISSUE, LEVELS)


@given(TREES, TREES)
def test_the_laws_of_logic(a, b):
    fits = CANDIDATE.fits
    assert fits(Not(Not(a))) == fits(a)
    assert fits(Not(a)) != fits(a)
    assert fits(And((a, b))) == fits(And((b, a))) == (fits(a) and fits(b))
    assert fits(Or((a, b))) == fits(Or((b, a))) == (fits(a) or fits(b))
    assert fits(Not(And((a, b)))) == fits(Or((Not(a), Not(b))))
    assert fits(Not(Or((a, b)))) == fits(And((Not(a), Not(b))))
    assert fits(all_of([a, Everything(), b])) == fits(And((a, b)))


ODD = st.sampled_from(
    [
        None,
        True,
        0,
        -1,
        10**5_000,
        2.5,
        float("nan"),
        "",
        "\0",
        "\ud800",
        "ß",
        [],
        [None, "x", ["y"]],
        {},
        {"type": []},
    ]
)


@given(st.data())
def test_no_event_is_too_odd(data):
    event, issue = copy.deepcopy(EVENT), dict(ISSUE)
    spots = [event, issue, event["exceptions"][0], event["exceptions"][1]["frames"][1], event["user"]]
    for _ in range(data.draw(st.integers(1, 4))):
        spot = data.draw(st.sampled_from(spots))
        spot[data.draw(st.sampled_from(sorted(spot)))] = data.draw(ODD)
    candidate = Candidate(event, issue, LEVELS)
    for query in QUERIES:
        assert candidate.fits(read(query)) in (True, False)


SMALL = st.text(st.sampled_from("ab "), max_size=6)
SMALL_EVENTS = st.fixed_dictionaries(
    {
        "message": SMALL,
        "tags": st.lists(SMALL, max_size=2),
        "exceptions": st.lists(st.fixed_dictionaries({"type": SMALL, "value": SMALL}), max_size=2),
        "frames": st.lists(
            st.fixed_dictionaries({"file": SMALL, "vars": st.dictionaries(SMALL, SMALL, max_size=2)}),
            max_size=2,
        ),
    }
)
SMALL_TOKEN = st.text(st.sampled_from("ab"), min_size=1, max_size=2).map(lambda token: Pattern((token,)))
SMALL_LEAVES = st.builds(Word, SMALL_TOKEN) | st.lists(SMALL_TOKEN, min_size=2, max_size=3).map(
    lambda tokens: Phrase(tuple(tokens))
)


@given(st.lists(st.tuples(SMALL_EVENTS, SMALL_LEAVES), min_size=1, max_size=10))
def test_the_index_of_sqlite_gives_the_same_answers(cases):
    database = sqlite3.connect(":memory:")
    database.execute("create virtual table docs using fts5(event, stack, tokenize='unicode61 remove_diacritics 0')")
    for number, (event, _) in enumerate(cases):
        row = (number, document(event_texts(event)), document(stack_texts(event)))
        database.execute("insert into docs (rowid, event, stack) values (?, ?, ?)", row)
    for _, leaf in cases:
        tokens = leaf.tokens if isinstance(leaf, Phrase) else (leaf.pattern,)
        wanted = f'"{" ".join(token.literal for token in tokens)}"'
        found = {number for (number,) in database.execute("select rowid from docs where docs match ?", (wanted,))}
        assert found == {n for n, (event, _) in enumerate(cases) if matches(leaf, event, None, LEVELS)}
    database.close()


def test_every_query_of_the_tables_has_leaves():
    assert all(list(leaves(read(query))) for query in QUERIES if query.strip("-") != "*")
