"""Messages to templates: what varies goes, what distinguishes bugs stays, and a template is stable."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crashvault.grouping import message, parameterize

TEMPLATES = [
    ("user 4711 not found", "user <int> not found"),
    ("balance is -3.50 now", "balance is <float> now"),
    ("at 0x7f3a2b1c and 0XFF", "at <hex> and <hex>"),
    ("job 550e8400-e29b-41d4-a716-446655440000 died", "job <uuid> died"),
    ("commit 3f2a1b9c is missing", "commit <hex> is missing"),
    ("connect to 10.0.0.1:5432 refused", "connect to <ip> refused"),
    ("peer /10.0.0.1:80 left", "peer <ip> left"),
    ("peer 2001:db8::8a2e:370:7334 and ::1 left", "peer <ip> and <ip> left"),
    ("device 00:1B:44:11:3A:B7 gone", "device <mac> gone"),
    ("open /var/lib/x/y.txt failed", "open <path> failed"),
    (r"open C:\Users\ann\x.txt failed", "open <path> failed"),
    (r"open \\server\share\x failed", "open <path> failed"),
    ("see src/app/foo.py:12", "see <path>"),
    ("GET https://api.example.com/v1/users/5?x=1 failed.", "GET <url> failed."),
    ("mail to ann@example.com bounced", "mail to <email> bounced"),
    ("no route to db1.example.com:5432", "no route to <host>"),
    ("expires 2024-01-02T10:11:12.123Z, or 2024/01/02", "expires <date>, or <date>"),
    ("since Fri, 05 Jan 2024 10:11:12 GMT", "since <date>"),
    ("since Sun Dec  4 04:47:44 2005", "since <date>"),
    ("at 10:11:12,123 sharp", "at <time> sharp"),
    ("took 5ms, then 2.5 seconds, then 1h2m3s", "took <duration>, then <duration>, then <duration>"),
    ("read 10 bytes of 5.2 MiB (12%)", "read <size> of <size> (<percent>)"),
    ("needs v1.2.3-rc1 or 2.0.1", "needs <version> or <version>"),
    ("Expected 'abc' but got \"d e\"", "Expected <str> but got <str>"),
    ("can't find user's file", "can't find user's file"),
    ("payload {'a': {'b': [1]}} is bad", "payload <dict> is bad"),
    ('payload {"a": 1, "b": "cut off he', "payload <dict>"),
    ("template {name} is bad", "template {name} is bad"),
    ("ids [1, 2, 3] and 1,234,567", "ids [<int>] and <int>"),
    ("hosts [a, b, c]", "hosts <list>"),
    ("user=ann id=5 failed", "user=<value> id=<value> failed"),
    ("<Cart object at 0x7f12> is locked", "<Cart> is locked"),
    ("<shop.cart.Cart object at 0x7f12>", "<shop.cart.Cart>"),
    ("<class 'int'> expected", "<class 'int'> expected"),
    ("com.foo.Bar@1a2b3c4d", "com.foo.Bar@<hex>"),
    ("Thread-12 of worker3", "Thread-<int> of worker<int>"),
    ("blk_-1608999687919862906 lost", "blk_<int> lost"),
    ("token a1b2c3d4e5xyz", "token <id>"),
    ("utf-8, sha256, x86_64, HTTP/1.1 and int32", "utf-8, sha256, x86_64, HTTP/1.1 and int32"),
    ("Command '['/bin/sh', '-c', 'x']' returned 1.", "Command <str> returned <int>."),
    ('10.0.0.1 "GET /a/b HTTP/1.1" 200', '<ip> "GET <path>" <int>'),
    ("called `Option::unwrap()` on a `None` value", "called `Option::unwrap()` on a `None` value"),
    ("read/write and N/A", "read/write and N/A"),
    ("std::vector and Foo::Bar", "std::vector and Foo::Bar"),
    ("", ""),
    ("nothing to see here", "nothing to see here"),
]


@pytest.mark.parametrize(("text", "template"), TEMPLATES)
def test_templates(text: str, template: str) -> None:
    assert parameterize(text) == template


@pytest.mark.parametrize(("text", "template"), TEMPLATES)
def test_a_template_is_its_own_template(text: str, template: str) -> None:
    assert parameterize(template) == template


def value_key(type_: str, value: str) -> str:
    return message.value_template(type_, value, located=True).key


SAME = [
    ("KeyError", "'apple'", "'pear'"),
    ("KeyError", "'apple'", "42"),
    ("ValueError", "could not convert string to float: 'abc'", "could not convert string to float: 'x y'"),
    ("ValueError", "expected a number, got -1", "expected a number, got 2.5"),
    ("FileNotFoundError", "[Errno 2] No such file: '/a/b'", "[Errno 2] No such file: 'c.txt'"),
    ("JSONDecodeError", "Expecting value: line 1 column 1", "Extra data: line 3 column 7 (char 9)"),
    ("ZeroDivisionError", "division by zero", "float division by zero"),
    ("ConnectionError", "cannot reach 10.0.0.1:80", "cannot reach db.example.com:80"),
    ("LookupError", "no ids [1, 2, 3]", "no ids [7]"),
    ("LookupError", "no ids ['a', 2]", "no ids [7]"),
    ("NumberFormatException", 'For input string: "abc"', 'For input string: "1,5"'),
    ("RuntimeError", "first line 1\nsecond", "first line 2\nanother"),
    ("Error", "job 1234567 lost", "job 12a4567 lost"),
]
DIFFERENT = [
    ("AttributeError", "'NoneType' object has no attribute 'a'", "'NoneType' object has no attribute 'b'"),
    ("NameError", "name 'foo' is not defined", "name 'bar' is not defined"),
    ("ModuleNotFoundError", "No module named 'foo'", "No module named 'bar.baz'"),
    ("TypeError", "unsupported operand: 'int' and 'str'", "unsupported operand: 'int' and 'list'"),
    ("TypeError", "undefined (reading 'email')", "undefined (reading 'phone')"),
    ("NullPointerException", 'Cannot invoke "A.b()"', 'Cannot invoke "A.c()"'),
    ("ClassNotFoundException", "shop.Report", "shop.Invoice"),
    ("OSError", "disk full", "permission denied"),
    ("NoMethodError", "undefined method `foo' for nil", "undefined method `bar' for nil"),
]


@pytest.mark.parametrize(("type_", "one", "other"), SAME)
def test_values_that_must_group(type_: str, one: str, other: str) -> None:
    assert value_key(type_, one) == value_key(type_, other)


@pytest.mark.parametrize(("type_", "one", "other"), DIFFERENT)
def test_values_that_must_not_group(type_: str, one: str, other: str) -> None:
    assert value_key(type_, one) != value_key(type_, other)


def test_a_message_that_looks_like_an_exception_keeps_its_names() -> None:
    text = "AttributeError: 'NoneType' object has no attribute 'email'"
    assert message.message_template(text).key == text


def test_a_line_that_ends_in_a_colon_takes_the_next_one_along() -> None:
    assert message.headline("\n  Job failed:\n\n  out of memory\n  more") == "Job failed: out of memory"
    assert message.headline("Job failed\nout of memory") == "Job failed"


PIECES = st.sampled_from(
    list("ab1 .:,;'\"`{}[]()<>=/\\@-_%#|“”‘’\n\té")
    + [
        "<int>",
        "<str>",
        "<*>",
        "0x1f",
        "http://",
        "a.com",
        "a/b/c.py",
        "10.0.0.1",
        "Jan 5 10:00:00",
        "2024-01-02",
        "12 ms",
    ]
    + [
        "utf-8",
        "key=",
        "x@y.zz",
        "<Foo ",
        "1e5",
        "::1",
        "[a, b]",
        "{'a': 1}",
        "GET /",
        "5 MB",
        "v1.2.3",
        "tmp1",
    ]
)
TEXTS = st.one_of(st.text(max_size=200), st.lists(PIECES, max_size=30).map("".join))


@settings(max_examples=1500, derandomize=True, deadline=None)
@given(TEXTS, st.booleans())
def test_parameterizing_a_template_changes_nothing(text: str, keep_names: bool) -> None:
    once = parameterize(text, keep_names)
    assert parameterize(once, keep_names) == once


@given(TEXTS, st.sampled_from(["", "KeyError", "ValueError", "TypeError", "JSONDecodeError"]), st.booleans())
def test_values_never_raise(type_value: str, type_: str, located: bool) -> None:
    message.value_template(type_, type_value, located)
    message.message_template(type_value)


@given(st.text(alphabet=st.characters(categories=["L", "Zs"]), max_size=80))
def test_a_message_of_words_is_its_own_key(text: str) -> None:
    found = message.message_template(text)
    assert found.key == text


@given(
    st.integers(0, 10**12),
    st.integers(0, 10**12),
    st.sampled_from(["worker {} is late", "id {}: gone", "({})", "a-{}"]),
)
def test_numbers_never_matter(one: int, other: int, pattern: str) -> None:
    texts = [pattern.replace("{}", str(number)) for number in (one, other)]
    assert len({message.message_template(text).key for text in texts}) == 1
