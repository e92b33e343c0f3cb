"""The whole of grouping: keys, reasons, fingerprints, titles, culprits."""

from __future__ import annotations

from hashlib import sha1
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crashvault.grouping import ALGORITHM, ALGORITHMS, explain, group
from crashvault.models import Event


def crash(type_: str, value: str, function: str = "add", **more: Any) -> Event:
    frames = [
        {"module": "shop", "function": "main", "file": "shop.py", "line": 1, "in_app": True},
        {"module": "shop.cart", "function": function, "file": "shop/cart.py", "line": 5, "in_app": True},
    ]
    return {"platform": "python", "exceptions": [{"type": type_, "value": value, "frames": frames}], **more}  # type: ignore[typeddict-item]


def chain(*infos: dict[str, Any]) -> Event:
    return {"platform": "python", "exceptions": list(infos)}  # type: ignore[typeddict-item]


@pytest.mark.parametrize("text", ["disk full", "Cannot open the cart!", "zwölf Äpfel", "a\nb", "it's gone"])
def test_a_plain_message_keeps_its_old_fingerprint(text: str) -> None:
    found = group({"message": text})
    assert found.hash == sha1(text.encode()).hexdigest()
    assert found.key == text


def test_messages_group_by_what_does_not_vary() -> None:
    assert group({"message": "user 5 is gone"}).hash == group({"message": "user 77 is gone"}).hash
    assert group({"message": "user 5 is gone"}).hash != group({"message": "user 5 is back"}).hash
    assert group({"message": "Job failed\nat line 5"}).hash == group({"message": "Job failed\nat line 6"}).hash


def test_an_exception_groups_by_type_place_and_message() -> None:
    found = group(crash("ValueError", "bad quantity 5"))
    assert found.parts == (
        ("exception", "ValueError"),
        ("frame", "shop.cart add"),
        ("message", "bad quantity <int>"),
    )
    assert found.hash == group(crash("shop.ValueError", "bad quantity 6")).hash
    others = [
        crash("TypeError", "bad quantity 5"),
        crash("ValueError", "bad price 5"),
        crash("ValueError", "bad quantity 5", function="remove"),
    ]
    assert len({found.hash, *(group(event).hash for event in others)}) == 4


def test_an_exception_without_a_stack_is_its_printed_line() -> None:
    event: Event = {"exceptions": [{"type": "ValueError", "value": "bad quantity 5"}]}
    assert group(event).hash == group({"message": "ValueError: bad quantity 7"}).hash


def test_a_stack_without_exception_counts_with_its_message() -> None:
    frames = crash("", "")["exceptions"][0]["frames"]
    one, other = (group({"message": f"slow: {n} ms", "frames": frames, "platform": "python"}) for n in (5, 6))
    assert one.hash == other.hash
    assert dict(one.parts) == {"frame": "shop.cart add", "message": "slow: <duration>"}
    assert one.hash != group({"message": "slow: 5 ms"}).hash


def test_the_root_cause_counts_and_the_title_is_what_was_raised() -> None:
    root = crash("KeyError", "'apple'")["exceptions"][0]
    wrappers = [{"type": "OrderError", "value": f"order {n}", "frames": root["frames"][:1]} for n in (1, 2)]
    one, other = (group(chain(dict(root), wrapper)) for wrapper in wrappers)
    assert one.hash == other.hash
    assert dict(one.parts)["exception"] == "KeyError"
    assert one.title == "OrderError: order 1"
    assert "root-cause" in one.reason


def test_a_cause_inside_of_a_library_takes_the_place_of_what_it_led_to() -> None:
    library = {
        "type": "OSError",
        "value": "refused",
        "frames": [{"module": "socket", "function": "connect", "in_app": False}],
    }
    outer = crash("DatabaseError", "down")["exceptions"][0]
    found = group(chain(library, dict(outer)))
    assert dict(found.parts) == {"exception": "OSError", "frame": "shop.cart add", "message": "refused"}


def test_an_exception_that_was_only_being_handled_is_not_the_cause() -> None:
    handled = {"type": "KeyError", "value": "'x'", "mechanism": {"source": "__context__"}}
    raised = dict(crash("OperationalError", "database is locked")["exceptions"][0])
    assert dict(group(chain(handled, raised)).parts)["exception"] == "OperationalError"
    caused = {**handled, "mechanism": {"source": "__cause__"}}
    assert dict(group(chain(caused, raised)).parts)["exception"] == "KeyError"


def test_an_exception_group_is_the_set_of_its_leaves() -> None:
    def member(type_: str, number: int) -> dict[str, Any]:
        info = crash(type_, f"bad {number}")["exceptions"][0]
        return {**info, "mechanism": {"exception_id": number, "parent_id": 0}}

    outer = {
        "type": "ExceptionGroup",
        "value": "2 failed",
        "mechanism": {"exception_id": 0, "is_exception_group": True},
    }
    one = group(chain(member("KeyError", 2), member("OSError", 1), outer))
    other = group(chain(member("OSError", 3), member("OSError", 2), member("KeyError", 1), outer))
    assert one.hash == other.hash
    assert one.hash != group(chain(member("KeyError", 1), outer)).hash


def test_client_fingerprints() -> None:
    event = crash("ValueError", "bad 5", tags=["region=eu"], level="error", transaction="/cart")
    default = group(event)
    assert group({**event, "fingerprint": ["{{ default }}"]}) == default
    assert group({**event, "fingerprint": ["{{default}}", "x"]}).hash != default.hash
    given_ = [
        "a",
        "{{ type }}",
        "{{message}}",
        "{{ function }}",
        "{{ module }}",
        "{{ transaction }}",
        "{{ level }}",
    ]
    found = group(
        {
            **event,
            "fingerprint": [*given_, "{{ tags.region }}", "{{ error.type }}", "{{ tags.no }}", "{{ huh }}"],
        }
    )
    expected = ["a", "ValueError", "bad 5", "add", "shop.cart", "/cart", "error", "eu", "ValueError"]
    assert [value for what, value in found.parts[1:]] == [*expected, "<no-value-for-tag-no>", "{{ huh }}"]
    assert found.title == default.title


def test_the_parts_of_a_fingerprint_do_not_run_together() -> None:
    one, other = (group({"message": "m", "fingerprint": parts}) for parts in (["a", "b"], ["a\nb"]))
    assert one.hash != other.hash
    assert one.hash == group({"message": "other", "fingerprint": ["a", "b"]}).hash


def test_algorithms_live_beside_each_other() -> None:
    assert ALGORITHM in ALGORITHMS
    assert group({"message": "x"}, algorithm="v1").algorithm == "v1"
    with pytest.raises(KeyError):
        group({"message": "x"}, algorithm="v0")


def test_an_explanation_says_everything() -> None:
    found = group(crash("ValueError", "bad 5"))
    assert explain(found) == [
        ("reason", "Same exception type, crashing frame and message."),
        ("exception", "ValueError"),
        ("frame", "shop.cart add"),
        ("message", "bad <int>"),
        ("key", "ValueError\nshop.cart add\nbad <*>"),
        ("hash", found.hash),
        ("algorithm", ALGORITHM),
    ]


@pytest.mark.parametrize(
    ("event", "title"),
    [
        ({"message": "hello\nworld"}, "hello"),
        ({}, "(no message)"),
        (crash("ValueError", "bad\nvery"), "ValueError: bad"),
        (crash("ValueError", ""), "ValueError"),
        ({"message": "a\x00b\x1b[31m\u202ec"}, "a b [31m c"),
        ({"message": "x" * 500}, "x" * 199 + "…"),
    ],
)
def test_titles(event: Event, title: str) -> None:
    assert group(event).title == title


@pytest.mark.parametrize(
    ("frame", "culprit"),
    [
        ({"module": "orders.api", "function": "create", "file": "x.py"}, "orders.api in create"),
        ({"file": "/srv/shop/orders/api.py", "function": "create"}, "orders/api.py in create"),
        ({"module": "__main__", "file": "/home/ann/main.py", "function": "<module>"}, "main.py in <module>"),
        ({"file": "orders/api.py"}, "orders/api.py"),
        ({"function": "create"}, "create"),
    ],
)
def test_culprits(frame: dict[str, Any], culprit: str) -> None:
    assert group(chain({"type": "E", "value": "v", "frames": [frame]})).culprit == culprit


def test_without_a_stack_the_transaction_is_the_culprit() -> None:
    assert group({"message": "m", "transaction": "/cart"}).culprit == "/cart"


def test_nasty_events() -> None:
    deep = crash("RecursionError", "maximum recursion depth exceeded", "down")
    deep["exceptions"][0]["frames"] *= 2000
    many = chain(*({"type": "E", "value": str(n), "frames": []} for n in range(5000)))
    for event in (
        deep,
        many,
        {"message": "\x00\ud800" * 5000},
        {"exceptions": [{}]},
        {"frames": [{}], "message": "x"},
    ):
        assert len(group(event).hash) == 40  # type: ignore[arg-type]


NAME = st.one_of(st.none(), st.text(max_size=10), st.sampled_from(["KeyError", "ExceptionGroup", "wrapper", "SEGV"]))
FRAME = st.fixed_dictionaries({}, optional={"function": NAME, "file": NAME, "module": NAME, "in_app": st.booleans()})
MECHANISM = st.fixed_dictionaries(
    {},
    optional={
        "exception_id": st.integers(0, 3),
        "parent_id": st.integers(0, 3),
        "is_exception_group": st.booleans(),
        "source": st.sampled_from(["__context__", "__cause__", "exceptions[0]"]),
    },
)
INFO = st.fixed_dictionaries(
    {}, optional={"type": NAME, "value": NAME, "frames": st.lists(FRAME, max_size=4), "mechanism": MECHANISM}
)
EVENT = st.fixed_dictionaries(
    {},
    optional={
        "message": st.text(max_size=40),
        "platform": st.sampled_from(["python", "java", "javascript", "native", "go", "rust", "other"]),
        "exceptions": st.lists(INFO, max_size=4),
        "frames": st.lists(FRAME, max_size=4),
        "fingerprint": st.lists(st.sampled_from(["a", "{{ default }}", "{{ type }}", "{{ function }}"]), max_size=3),
        "tags": st.lists(st.sampled_from(["db", "a=b"]), max_size=2),
    },
)


@settings(max_examples=400)
@given(EVENT)
def test_any_event_has_a_group_and_always_the_same(event: Any) -> None:
    before = repr(event)
    found = group(event)
    assert repr(event) == before
    assert found == group(event)
    assert found.hash == sha1(found.key.encode("utf-8", "replace")).hexdigest()
    assert len(found.title) <= 200 and "\n" not in found.title
    assert explain(found)
