"""Which rules an event concerns: the same as asking each."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crashvault.alerts.streams import Streams
from crashvault.models import LEVEL_RANKS
from crashvault.query.match import Candidate, matches
from crashvault.query.syntax import parse

NOW = 1_790_000_000_000_000
_QUERIES = [
    "", "level:error", "level:>=error", "project:shop", "project:shop,default level:critical", "tag:db", "tag.region:eu,us",
    "release:1.*", "release:1.0 OR host:web-1", "-tag:db", "exception:KeyError", "exception:builtins.KeyError environment:prod",
    "boom", '"not found"', "level:<warning", "file:shop.py platform:python", "tag:region=EU", "has:release project:shop",
]  # fmt: skip
_EVENTS = [
    {"project": project, "level": level, "message": "boom not found", "tags": tags, **more}
    for project in ("shop", "default")
    for level in ("debug", "error", "critical")
    for tags in ([], ["db", "region=eu"], ["region=EU"])
    for more in (
        {},
        {"release": "1.0", "host": "web-1", "environment": "Prod", "platform": "python"},
        {"exceptions": [{"type": "KeyError", "module": "builtins", "frames": [{"file": "shop.py", "function": "f"}]}]},
    )
]


@settings(max_examples=200)
@given(st.lists(st.sampled_from(_QUERIES), max_size=12), st.sampled_from(_EVENTS))
def test_it_finds_what_asking_each_finds(queries: list[str], event: dict[str, object]) -> None:
    trees = [parse(text, NOW, LEVEL_RANKS) for text in queries]
    streams = Streams(zip(trees, range(len(trees)), strict=True), LEVEL_RANKS)
    heard = {want for place in streams.heard(event) for want in streams.streams[place].wants}  # type: ignore[arg-type]
    asked = {place for place, tree in enumerate(trees) if matches(tree, event, None, LEVEL_RANKS)}  # type: ignore[arg-type]
    assert heard == asked


def test_rules_that_demand_another_value_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    trees = [parse(f"project:p{number} -timeout", NOW, LEVEL_RANKS) for number in range(200)]
    streams = Streams(zip(trees, range(200), strict=True), LEVEL_RANKS)
    asked: list[object] = []
    monkeypatch.setattr(Candidate, "fits", lambda candidate, node: asked.append(node))
    streams.heard({"project": "p7", "level": "error", "message": "x"})
    assert len(asked) == 1


def test_what_asks_about_issues_is_left_to_the_store() -> None:
    tree = parse("is:open tag:db", NOW, LEVEL_RANKS)
    streams = Streams([(tree, 1)], LEVEL_RANKS)
    assert streams.heard({"project": "p", "level": "error", "message": "x", "tags": ["db"]}) == [0]
    assert streams.heard({"project": "p", "level": "error", "message": "x", "tags": []}) == []
    assert streams.streams[0].of_issue
