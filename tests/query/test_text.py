from __future__ import annotations

import sqlite3
import sys

from hypothesis import given
from hypothesis import strategies as st

from crashvault.query.text import (
    BREAK,
    MAX_FRAMES,
    MAX_VALUE_CHARS,
    MAX_VARS_CHARS,
    document,
    event_texts,
    normalize_text,
    stack_texts,
    words,
)

ANY_TEXT = st.text(st.characters(), max_size=200)  # with NUL and lone surrogates
MOSTLY_ASCII = st.text(st.one_of(st.characters(max_codepoint=127), st.sampled_from("éßİſ…“\ud800\0")), max_size=900)


def normalize_plainly(text: str) -> str:
    return "".join(char if char.isalnum() else " " for char in text.casefold())


@given(st.one_of(ANY_TEXT, MOSTLY_ASCII, st.text(st.characters(min_codepoint=128), min_size=300)))
def test_every_path_gives_what_the_plain_definition_gives(text):
    assert normalize_text(text) == normalize_plainly(text)


def test_every_character_there_is():
    for start in range(0, sys.maxunicode + 1, 4096):
        text = "".join(map(chr, range(start, min(start + 4096, sys.maxunicode + 1))))
        assert normalize_text(text) == normalize_plainly(text)


@given(st.one_of(ANY_TEXT, MOSTLY_ASCII))
def test_normalizing_twice_changes_nothing_and_no_break_comes_out(text):
    once = normalize_text(text)
    assert normalize_text(once) == once
    assert BREAK not in once
    assert all(word.isalnum() for word in words(text))
    once.encode()  # no surrogate is left


def test_words():
    assert words("Connection-Reset: STRASSE / Straße\0\ud800x_1 北京") == [
        "connection",
        "reset",
        "strasse",
        "strasse",
        "x",
        "1",
        "北京",
    ]


def test_document_parts_texts_by_the_break():
    assert document(["A b", "c", "é"]).split() == ["a", "b", BREAK, "c", BREAK, "é"]
    assert document([]) == ""


def test_break_stops_phrases_in_sqlite():
    database = sqlite3.connect(":memory:")
    database.execute("create virtual table docs using fts5(body, tokenize='unicode61 remove_diacritics 0')")
    database.execute("insert into docs values (?)", (document(["foo bar", "baz ß"]),))

    def found(query: str) -> int:
        return len(database.execute("select 1 from docs where docs match ?", (f'"{query}"',)).fetchall())

    assert found("foo bar") and found("baz ss")
    assert not found("bar baz")
    database.close()


EVENT = {
    "message": "no answer",
    "exceptions": [
        {
            "type": "TimeoutError",
            "value": "after 30 s",
            "frames": [{"file": "a.py", "vars": {"outer": "one"}}],
        },
    ],
    "frames": [
        {
            "file": "orders/api.py",
            "function": "handle",
            "module": "orders.api",
            "context_line": "    charge(order)",
            "vars": {"order_id": 4711, "order": {"state": "open", "lines": ["pen", 2.5, None, True]}},
        }
    ],
    "tags": ["db", "region=eu"],
}


def test_event_texts():
    assert list(event_texts(EVENT)) == [
        "no answer",
        "TimeoutError: after 30 s",
        "db",
        "region=eu",
        "order_id 4711 order state open lines pen 2.5",
        "outer one",
    ]


def test_stack_texts():
    assert list(stack_texts(EVENT)) == [
        "TimeoutError",
        "a.py",
        "orders/api.py handle orders.api     charge(order)",
    ]


def test_variables_are_bounded():
    huge = {f"v{number}": "x" * 5_000 for number in range(300)}
    [text] = event_texts({"frames": [{"vars": huge}]})
    assert len(text) == MAX_VARS_CHARS
    [text] = event_texts({"frames": [{"vars": {"v": "x" * 5_000}}]})
    assert len(text) == MAX_VALUE_CHARS + 2
    deep: list = []
    for _ in range(100_000):
        deep = [deep, "deep"]
    [text] = event_texts({"frames": [{"vars": {"v": deep}}]})
    assert text.count("deep") < 10
    [text] = event_texts({"frames": [{"vars": {"v": list(range(100_000))}}]})
    assert len(text.split()) < 1_000
    assert len(list(stack_texts({"frames": [{"file": "x"}] * 5_000}))) == MAX_FRAMES


def test_huge_integer_is_passed_over():
    assert list(event_texts({"frames": [{"vars": {"v": 10**5_000, "w": -5}}]})) == ["v w -5"]


ODD = st.sampled_from(
    [None, True, 7, 2.5, "text", "a\0\ud800", [], [[]], {}, {"type": ["x"]}, [{"vars": 3}], 10**5_000]
)
KEYS = ["message", "exceptions", "frames", "tags", "type", "value", "vars", "file", "function"]
PART = st.dictionaries(st.sampled_from(KEYS), ODD, max_size=4)


@given(st.dictionaries(st.sampled_from(KEYS), ODD | PART | st.lists(ODD | PART, max_size=3), max_size=4))
def test_whatever_an_event_holds_its_texts_are_strings(event):
    for text in [*event_texts(event), *stack_texts(event)]:
        assert isinstance(text, str)
        normalize_text(text).encode()
