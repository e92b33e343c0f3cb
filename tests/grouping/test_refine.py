"""What algorithm v2 adds to templates, and that v1 stays what it was."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crashvault.grouping import group
from crashvault.grouping.message import message_template
from crashvault.grouping.refine import refine


def same(*texts: str) -> bool:
    return len({message_template(text).key for text in texts}) == 1


ALIKE = [
    ("no answer from db1.example.fr:5432", "no answer from www.sina.com.cn:80", "no answer from api.example.com"),
    ("cannot reach web.example.de/10.0.0.7:80", "cannot reach db2.example.org/10.0.9.1:5432"),
    ("session opened for user ann by (uid=0)", "session opened for user bob by (uid=5)"),
    ("Invalid user ann from 10.0.0.7", "Invalid user bob from 10.0.0.9"),
    ("Accepted password for ann from 10.0.0.7 port 22", "Accepted password for root from 10.1.0.7 port 99"),
    ("failure; ruser= rhost=10.0.0.7", "failure; ruser=ann rhost=10.0.0.9"),
    ("worker-12 is gone", "worker-3 is gone"),
    ("link down on eth0", "link down on alt3", "link down on en1"),
    ("lease for 00:14:22:01:23:45 ended", "lease for aa:bb:cc:dd:ee:ff ended"),
    ("acls changed to: root,ann", "acls changed to: bob,cyd,dan"),
    ("pulled registry.example.com/shop/cart:v1.2.3", "pulled eu.example.org/mail/out:v2.0.0"),
    ("ledOn:true", "ledOn:false"),
    ("queued from=<ann@mail1.example.fr>, size=12", "queued from=<bob@example.com>, size=9"),
    ("back-off restarting pod cart-7d4b9c6f5d-x2v8q", "back-off restarting pod mail-out-5bb6d9f9c4-zzk4w"),
    (
        "member consumer-3-9c9d3f5b-ec48-3605-0143-9fd2a35c04ae has failed",
        "member consumer-12-a03153bb-fc0a-97b1-672d-1f6ada0cf621 has failed",
    ),
    ("the character is not mapped: K (index=3)", "the character is not mapped: S (index=7)"),
    ("invalid salt value: $1$foo", "invalid salt value: $6$k2.a", "invalid salt value: a$b"),
]
APART = [
    ("ORA-00942: table or view does not exist", "TNS-12541: table or view does not exist"),
    ("the user is unknown", "the user was deleted"),
    ("no module named mail-internal2-value", "no module named mail-internal3-other"),
    ("denied for user because of the role", "denied for user"),
    ("cannot import org.example.util", "cannot import org.example.text"),
    ("no module shop.cart", "no module shop.mail"),
    ("file api.py is missing", "file web.js is missing"),
    ("codec utf-8 is wrong", "codec utf-16 is wrong"),
]


@pytest.mark.parametrize("texts", ALIKE)
def test_what_varies_is_data(texts: tuple[str, ...]) -> None:
    assert same(*texts), {message_template(text).key for text in texts}


@pytest.mark.parametrize("texts", APART)
def test_what_tells_bugs_apart_stays(texts: tuple[str, ...]) -> None:
    assert len({message_template(text).key for text in texts}) == len(texts)


def test_the_first_version_is_what_it_was() -> None:
    """Keys that are stored were made by it."""
    assert group({"message": "Invalid user ann from 10.0.0.7"}, algorithm="v1").key == "Invalid user ann from <*>"
    assert group({"message": "Invalid user ann from 10.0.0.7"}).key == "Invalid user <*> from <*>"
    assert group({"message": "worker-12 is gone"}, algorithm="v1").key == "worker-<*> is gone"


@given(st.text(max_size=200) | st.from_regex(r"([a-z]{1,6}[-_.:/@ =0-9]{1,3}){1,20}", fullmatch=True))
@settings(max_examples=300, deadline=None)
def test_refining_again_changes_nothing(text: str) -> None:
    once = message_template(text).text
    assert refine(once) == once


@pytest.mark.parametrize(
    "text",
    ["a-" * 500, "a.b" * 300, "a_1" * 300, "user " * 200, "a," * 500, "a1-b_" * 200, "x" * 1000, "a." * 500 + "com"],
)
def test_hostile_messages_cost_little(text: str) -> None:
    start = time.process_time()
    for tail in ("", "!", " ", "/", "<", "\0"):
        message_template(f"{text}{tail}")
    assert time.process_time() - start < 1
