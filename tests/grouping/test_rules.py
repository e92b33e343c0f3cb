"""Grouping rules: plain data in, what they match, and what is refused."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crashvault.errors import InvalidError
from crashvault.grouping import NO_RULES, compile_rules, group
from crashvault.grouping.rules import translate_glob
from crashvault.models import Event

EVENT: Event = {
    "platform": "python",
    "level": "error",
    "message": "Connection to db1 timed out",
    "logger": "shop.db",
    "tags": ["db", "region=eu"],
    "exceptions": [
        {
            "type": "psycopg2.OperationalError",
            "value": "connection to db1 timed out",
            "frames": [
                {
                    "file": "/srv/shop/orders/api.py",
                    "module": "orders.api",
                    "function": "create",
                    "in_app": True,
                },
                {
                    "file": "/srv/shop/vendor/pool.py",
                    "module": "vendor.pool",
                    "function": "get",
                    "in_app": True,
                },
            ],
        }
    ],
}

MATCHES: list[dict[str, Any]] = [
    {"type": "OperationalError"},
    {"type": "psycopg2.*"},
    {"type": ["KeyError", "Operational*"]},
    {"message": "*TIMED OUT"},
    {"message": "connection to db? timed out"},
    {"message": "connection to db[0-9]*"},
    {"file": "orders/*.py"},
    {"file": "*/vendor/*"},
    {"file": "/srv/shop/*"},
    {"function": "create", "module": "orders.*"},
    {"level": "ERROR", "logger": "shop.*", "platform": "python"},
    {"tag": "db"},
    {"tag": "region=*"},
    {"tag.region": "eu"},
    {"type": "!KeyError"},
    {"message": ["*timed*", "!*refused*"]},
]
MISSES: list[dict[str, Any]] = [
    {"type": "operationalerror"},
    {"type": "Error"},
    {"message": "timed out"},
    {"file": "rders/*.py"},
    {"function": "create", "module": "vendor.*"},
    {"level": "warning"},
    {"tag.region": "us"},
    {"tag.nothing": "?*"},
    {"type": "!Operational*"},
    {"message": ["*timed*", "!*db1*"]},
    {"type": "OperationalError", "level": "debug"},
]


@pytest.mark.parametrize("match", MATCHES)
def test_what_matches(match: dict[str, Any]) -> None:
    assert group(EVENT, compile_rules([{"match": match, "fingerprint": ["mine"]}])).key == "fingerprint\nmine"


@pytest.mark.parametrize("match", MISSES)
def test_what_does_not_match(match: dict[str, Any]) -> None:
    assert group(EVENT, compile_rules([{"match": match, "fingerprint": ["mine"]}])) == group(EVENT)


def test_the_first_fingerprint_wins_and_its_position_is_the_reason() -> None:
    rules = compile_rules(
        [
            {"match": {"type": "KeyError"}, "fingerprint": ["one"]},
            {"match": {"type": "*"}, "fingerprint": "two"},
            {"match": {"type": "*"}, "fingerprint": ["three"]},
        ]
    )
    found = group(EVENT, rules)
    assert (found.key, found.reason) == ("fingerprint\ntwo", "Grouping rule 2 matches.")


def test_a_client_fingerprint_goes_before_rules_but_not_the_default_alone() -> None:
    rules = compile_rules([{"match": {"type": "*"}, "fingerprint": ["rule"]}])
    assert group({**EVENT, "fingerprint": ["client"]}, rules).key == "fingerprint\nclient"
    assert group({**EVENT, "fingerprint": ["{{ default }}"]}, rules).key == "fingerprint\nrule"


def test_fingerprints_and_titles_have_variables() -> None:
    rule = {
        "match": {"type": "*"},
        "fingerprint": ["{{ default }}", "{{ tags.region }}"],
        "title": "Database of {{tags.region}} in {{ function }}",
    }
    found = group(EVENT, compile_rules([rule]))
    assert found.title == "Database of eu in get"
    assert dict(found.parts)["part 2"] == "eu"
    assert group({**EVENT, "tags": ["region=us"]}, compile_rules([rule])).hash != found.hash


def test_a_title_alone_does_not_change_the_group() -> None:
    found = group(EVENT, compile_rules([{"match": {"tag": "db"}, "title": "Database down"}]))
    assert (found.title, found.hash) == ("Database down", group(EVENT).hash)


@pytest.mark.parametrize("action", [{"in_app": False}, {"ignore_frame": True}])
def test_frame_rules_move_the_place(action: dict[str, Any]) -> None:
    before = group(EVENT)
    found = group(EVENT, compile_rules([{"match": {"file": "vendor/*"}, **action}]))
    assert dict(before.parts)["frame"] == "vendor.pool get"
    assert dict(found.parts)["frame"] == "orders.api create"
    assert found.culprit == "orders.api in create"
    assert group(EVENT) == before, "the event itself is not changed"


def test_frame_rules_all_apply_and_the_last_mark_holds() -> None:
    rules = [{"match": {"file": "*"}, "in_app": False}, {"match": {"module": "orders.*"}, "in_app": True}]
    assert dict(group(EVENT, compile_rules(rules)).parts)["frame"] == "orders.api create"


def test_a_frame_rule_may_ask_about_the_event() -> None:
    rules = compile_rules([{"match": {"level": "debug", "file": "vendor/*"}, "ignore_frame": True}])
    assert group(EVENT, rules) == group(EVENT)


WRONG = [
    ("nonsense", "must be a list"),
    ([5], "rule 1 must be an object"),
    ([{"match": {"type": "x"}, "fingerprint": ["a"]}, {"match": {}}], "rule 2 needs a non-empty `match`"),
    ([{"match": {"type": "x"}}], "does nothing"),
    ([{"match": {"typ": "x"}, "fingerprint": ["a"]}], "unknown key 'typ'"),
    ([{"match": {"tag.": "x"}, "fingerprint": ["a"]}], "unknown key 'tag.'"),
    ([{"match": {"type": "x"}, "fingerprnt": ["a"]}], "unknown key 'fingerprnt'"),
    ([{"match": {"type": 5}, "fingerprint": ["a"]}], "`type` must be a pattern"),
    ([{"match": {"type": []}, "fingerprint": ["a"]}], "`type` must be a pattern"),
    ([{"match": {"type": "!"}, "fingerprint": ["a"]}], "`type` must be a pattern"),
    ([{"match": {"type": "x"}, "fingerprint": []}], "`fingerprint` must be"),
    ([{"match": {"type": "x"}, "fingerprint": [1]}], "`fingerprint` must be"),
    ([{"match": {"type": "x"}, "title": 5}], "`title` must be text"),
    ([{"match": {"file": "x"}, "in_app": "yes"}], "`in_app` must be true or false"),
    ([{"match": {"type": "x"}, "in_app": True}], "matches none"),
]


@pytest.mark.parametrize(("data", "message"), WRONG)
def test_wrong_rules_are_refused_with_their_position(data: Any, message: str) -> None:
    with pytest.raises(InvalidError, match=re.escape(message)) as caught:
        compile_rules(data)
    assert caught.value.hint


def test_no_rules() -> None:
    assert not compile_rules([]) and not NO_RULES
    assert group(EVENT, compile_rules([])) == group(EVENT)


def glob_matches(glob: str, text: str) -> bool:
    """The definition of a glob, slow and plain."""
    reach = {0}
    for sign in glob:
        if sign == "*":
            reach = set(range(min(reach), len(text) + 1)) if reach else reach
        else:
            reach = {at + 1 for at in reach if at < len(text) and (sign == "?" or text[at] == sign)}
    return len(text) in reach


@given(st.text("ab*?.\n", max_size=8), st.text("ab.\n", max_size=10))
def test_globs_mean_what_globs_mean(glob: str, text: str) -> None:
    assert (re.compile(translate_glob(glob), re.DOTALL).match(text) is not None) == glob_matches(glob, text)


@given(st.text("[]!^-\\ab*?&|~", max_size=10), st.text("ab[]!^-\\", max_size=6))
def test_any_glob_compiles(glob: str, text: str) -> None:
    re.compile(translate_glob(glob), re.DOTALL).match(text)


def test_many_stars_stay_linear() -> None:
    pattern = re.compile(translate_glob("*a" * 40 + "*b"), re.DOTALL)
    assert pattern.match("a" * 20_000) is None


JSONISH = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["match", "type", "file", "fingerprint", "in_app", "x"]), inner, max_size=3),
    ),
    max_leaves=10,
)


@given(JSONISH)
def test_any_data_is_compiled_or_refused(data: Any) -> None:
    try:
        rules = compile_rules(data)
    except InvalidError:
        return
    group(EVENT, rules)
