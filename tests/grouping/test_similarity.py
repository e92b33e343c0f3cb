"""Similarity: sketches, alignment, the model, clusters, and what people's verdicts do to a threshold."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crashvault.config import SETTINGS
from crashvault.grouping import compile_rules, group
from crashvault.grouping.alignment import alignment, common_prefix, nearest_common
from crashvault.grouping.clusters import clusters
from crashvault.grouping.similarity import (
    calibrated,
    compare,
    compare_group,
    compare_groups,
    rarities,
    shipped,
    undecided,
)
from crashvault.grouping.sketch import MAX_FRAMES, Sketch, load, sketch_of

PLAIN = rarities(100, {})


def event(*functions: str, type_: str = "ValueError", value: str = "bad price 5", **more: Any) -> Any:
    frames = [
        {"module": f"shop.{name.partition('.')[0]}", "function": name.partition(".")[2], "in_app": True, "line": 5,
         "context_line": f"    return {name}()"}
        for name in functions
    ]  # fmt: skip
    return {"platform": "python", "exceptions": [{"type": type_, "value": value, "frames": frames}], **more}


def sketch(*functions: str, **more: Any) -> Sketch:
    return sketch_of(event(*functions, **more))


NAMES = [f"{module}.{function}" for module in ("web", "cart", "db") for function in ("run", "load", "save", "check")]
stacks = st.lists(st.sampled_from(NAMES), max_size=12)
sketches = st.builds(
    lambda functions, type_, value, lined: sketch(*functions, type_=type_, value=value)._replace(
        **({} if lined else {"line": 0})
    ),
    stacks,
    st.sampled_from(["ValueError", "KeyError", ""]),
    st.sampled_from(["bad price 5", "no such key", ""]),
    st.booleans(),
)


@given(left=sketches, right=sketches)
@settings(max_examples=150, deadline=None)
def test_the_order_of_two_plays_no_part(left: Sketch, right: Sketch) -> None:
    one, other = compare(left, right, PLAIN), compare(right, left, PLAIN)
    assert one.score == pytest.approx(other.score) and one.features == pytest.approx(other.features)
    assert 0 <= one.score <= 1
    assert all(value is None or 0 <= value <= 1 for value in one.features.values())


@given(left=sketches, right=sketches)
@settings(max_examples=150, deadline=None)
def test_nothing_is_more_like_a_stack_than_itself(left: Sketch, right: Sketch) -> None:
    assert compare(left, left, PLAIN).score >= compare(left, right, PLAIN).score - 1e-12


def test_the_same_crash_by_another_way_is_more_alike_than_another_crash() -> None:
    crash = sketch("web.run", "cart.load", "db.save")
    same = compare(crash, sketch("cli.main", "cart.load", "db.save"), PLAIN).score
    other = compare(crash, sketch("web.run", "cart.check", "user.find", type_="KeyError", value="x"), PLAIN).score
    assert same > 0.5 > 0.1 > other


def test_reasons_are_in_words_and_the_strongest_come_first() -> None:
    crash = sketch("web.run", "cart.load", "db.save")
    reasons = compare(crash, crash, PLAIN).reasons()
    assert reasons and all(reason.isprintable() and "{" not in reason for reason in reasons)
    assert not compare(crash, sketch("a.b", type_="Other", value="else"), PLAIN).reasons()


def test_a_group_is_as_alike_as_its_members_on_average() -> None:
    crash, far = sketch("web.run", "cart.load"), sketch("x.y", type_="KeyError", value="z")
    scores = [compare(crash, one, PLAIN).score for one in (crash, far)]
    assert compare_group(crash, [crash, far], PLAIN).score == pytest.approx(sum(scores) / 2)
    assert compare_groups([crash, far], [crash], PLAIN).score == pytest.approx(sum(scores) / 2)


def test_a_rare_frame_says_more_than_a_common_one() -> None:
    left, right, third = sketch("rare.f", "x.a"), sketch("rare.f", "x.b"), sketch("common.f", "x.a")
    fourth = sketch("common.f", "x.b")
    counts = {left.frames[1]: 1, third.frames[1]: 90}
    assert (
        compare(left, right, rarities(100, counts)).features["cosine"]
        > compare(third, fourth, rarities(100, counts)).features["cosine"]
    )  # type: ignore[operator]


# Sketches


def test_a_sketch_survives_being_stored_and_holds_no_text() -> None:
    made = sketch("web.run", "cart.load", value="secret word")
    assert load(made.dump()) == made
    assert b"secret" not in made.dump() and b"cart" not in made.dump()


def test_names_are_compared_as_grouping_does() -> None:
    def java(method: str, holder: str) -> Sketch:
        frames: Any = [{"module": holder, "function": method, "in_app": True}]
        return sketch_of(
            {"platform": "java", "exceptions": [{"type": "a.IOException", "value": "x", "frames": frames}]}
        )

    assert java("lambda$order$0", "shop.Cart").frames == java("order", "shop.Cart$$EnhancerBySpringCGLIB$$1a2b").frames


def test_frames_run_from_the_crash_and_the_cause_comes_first() -> None:
    cause, outer = (
        event("web.run", "db.save")["exceptions"][0],
        event("cli.main", "web.run", type_="E")["exceptions"][0],
    )
    made = sketch_of({"platform": "python", "exceptions": [cause, outer]})
    assert made.frames[:2] == sketch("web.run", "db.save").frames
    assert made.types == (*sketch(type_="ValueError").types, *sketch(type_="E").types)


def test_frames_of_libraries_count_apart() -> None:
    mixed = event("web.run", "cart.load")
    mixed["exceptions"][0]["frames"].append({"module": "json.decoder", "function": "decode", "in_app": False})
    made = sketch_of(mixed)
    assert made.own == sketch("web.run", "cart.load").own and len(made.frames) == 3


def test_what_somebody_decided_is_marked() -> None:
    chosen = event("web.run", fingerprint=["mine"])
    assert sketch_of(chosen, group(chosen)).decided
    rules = compile_rules([{"match": {"type": "ValueError"}, "fingerprint": ["values"]}])
    assert sketch_of(event("web.run"), group(event("web.run"), rules)).decided
    assert not sketch_of(event("web.run"), group(event("web.run"))).decided


HARD: list[Any] = [
    {},
    {"message": ""},
    {"message": "only a message"},
    {"exceptions": []},
    {"exceptions": [{}]},
    {"exceptions": [{"type": None, "value": None, "frames": []}]},
    {"exceptions": [{"type": "E", "frames": [{}, {"function": None}, {"function": "", "file": ""}]}]},
    {
        "platform": "java",
        "exceptions": [{"type": "E", "frames": [{"function": "f", "file": "a.py"}, {"module": "x.Y"}]}],
    },
    {"platform": "nonsense", "frames": [{"function": "\ud800", "file": "\0"}]},
    event(*(f"m{number}.f" for number in range(1000))),
    event(*(["m.recurse"] * 1000), type_="RecursionError"),
    event(*(["m.one", "m.two", "m.three"] * 333)),
    event(*(f"m{number % 40}.f" for number in range(1000))),
]


@pytest.mark.parametrize("place", range(len(HARD)))
def test_bad_input_costs_little_and_compares_with_anything(place: int) -> None:
    start = time.process_time()
    made = sketch_of(HARD[place])
    assert len(made.frames) <= MAX_FRAMES and load(made.dump()) == made
    for other in HARD:
        score = compare(made, sketch_of(other), PLAIN).score
        assert 0 <= score <= 1
    assert time.process_time() - start < 2
    assert json.loads(made.dump())


def test_recursion_of_any_depth_is_the_same() -> None:
    shallow = sketch("web.run", *(["tree.walk", "tree.visit"] * 5))
    deep = sketch("web.run", *(["tree.walk", "tree.visit"] * 150))
    assert shallow.frames == deep.frames


# Alignment


def test_alignment_counts_what_is_in_the_same_order() -> None:
    same = alignment([1, 2, 3, 4], [1, 2, 3, 4], PLAIN)
    moved = alignment([1, 2, 3, 4], [1, 3, 4], PLAIN)
    turned = alignment([1, 2, 3, 4], [4, 3, 2, 1], PLAIN)
    assert same == 1 > moved > turned > 0
    assert alignment([1, 2], [3, 4], PLAIN) == 0 == alignment([], [], PLAIN)
    assert alignment([1, 2, 1, 2], [1, 2, 1, 2], PLAIN) == 1


@given(left=st.lists(st.integers(1, 6), max_size=20), right=st.lists(st.integers(1, 6), max_size=20))
def test_alignment_is_symmetric_and_bounded(left: list[int], right: list[int]) -> None:
    assert alignment(left, right, PLAIN) == pytest.approx(alignment(right, left, PLAIN))
    assert 0 <= alignment(left, right, PLAIN) <= 1
    assert not left or alignment(left, left, PLAIN) == pytest.approx(1)


def test_prefix_and_nearest_frame() -> None:
    assert common_prefix([1, 2, 3], [1, 2, 4]) == 2 and common_prefix([], [1]) == 0
    assert nearest_common([1, 2], [3, 2]) == 2 and nearest_common([1], [2]) is None


# The shipped model


def test_the_shipped_model_only_rises_and_its_threshold_is_the_setting() -> None:
    model = shipped()
    assert model.threshold == SETTINGS["grouping.threshold"].default
    for steps in (*model.with_lines.steps.values(), *model.without_lines.steps.values()):
        assert list(steps.values) == sorted(steps.values) and list(steps.cuts) == sorted(steps.cuts)
        assert len(steps.values) == len(steps.cuts) + 1
        assert steps.values[0] <= steps.missing <= steps.values[-1]
    most = [part.bias + sum(steps.values[-1] for steps in part.steps.values()) for part in model[:2]]
    assert most[0] >= most[1], "to know that lines are the same never counts for less than not to know"


def java(line: int | None, release: str | None = None, value: str = "x") -> Sketch:
    frames: Any = [{"module": "shop.Cart", "function": "add", "in_app": True, "line": line}]
    exceptions: Any = [{"type": "E", "value": value, "frames": frames}]
    return sketch_of({"platform": "java", "exceptions": exceptions, "release": release})


def test_line_numbers_speak_against_only_in_one_release() -> None:
    lines = {
        given: compare(java(5, "1.0"), java(*given), PLAIN).features["line"]
        for given in ((5, "1.0"), (5, "1.1"), (9, "1.0"), (9, "1.1"), (None, "1.0"))
    }
    assert list(lines.values()) == [1.0, 1.0, 0.0, None, None]


def test_other_messages_join_only_on_the_same_line() -> None:
    price, coupon = "no price of the article", "no coupon of the article"
    assert undecided([java(5, "1.0", price)], [java(9, "1.0", coupon)])
    assert undecided([java(5, "1.0", price)], [java(9, "1.1", coupon)])
    assert not undecided([java(5, "1.0", price)], [java(5, "1.0", coupon)])
    assert not undecided([java(5, "1.0", price)], [java(9, "1.0", price)])
    assert not undecided([java(5, "1.0", price)], [java(9, "1.0", coupon), java(5, "1.0", coupon)])


def test_what_a_class_does_when_it_is_loaded_is_told_apart_by_line() -> None:
    def hash_of(line: int, function: str = "<clinit>", algorithm: str = "v2") -> str:
        frames: Any = [{"module": "shop.Cart", "function": function, "in_app": True, "line": line}]
        event: Any = {"platform": "java", "exceptions": [{"type": "E", "value": "", "frames": frames}]}
        return group(event, algorithm=algorithm).hash

    assert hash_of(5) == hash_of(5) != hash_of(9)
    assert hash_of(5, "add") == hash_of(9, "add")
    assert hash_of(5, algorithm="v1") == hash_of(9, algorithm="v1")


# What people said


def test_a_threshold_rises_past_what_people_took_apart() -> None:
    assert calibrated(0.9, [], []) == 0.9
    assert calibrated(0.9, [], [0.5]) == 0.9
    raised = calibrated(0.9, [], [0.95])
    assert 0.95 < raised < 0.951
    assert calibrated(0.9, [0.97] * 40, [0.95]) == 0.9


def test_a_threshold_falls_to_what_people_merged_again_and_again() -> None:
    assert calibrated(0.9, [0.8] * 4, []) == 0.9
    assert calibrated(0.9, [0.8, 0.85, 0.86, 0.87, 0.88], []) == 0.8
    assert calibrated(0.9, [0.8, 0.85, 0.86, 0.87, 0.88], [0.84]) == 0.9
    assert calibrated(0.9, [0.1] * 50, []) == 0.9


@given(
    threshold=st.floats(0.5, 1),
    merged=st.lists(st.floats(0, 1), max_size=20),
    split=st.lists(st.floats(0, 1), max_size=20),
)
def test_a_threshold_stays_in_bounds(threshold: float, merged: list[float], split: list[float]) -> None:
    assert 0.5 <= calibrated(threshold, merged, split) <= 1.0000001


# Clusters


def test_clusters_hold_what_is_alike_and_nothing_else() -> None:
    first = [sketch("web.run", "cart.load", f"db.save{number}") for number in range(3)]
    other = [sketch("jobs.run", "mail.send", "smtp.open", type_="OSError", value="refused")]
    found = clusters([[one] for one in [*first, *other, *other]], 0.3)
    assert [cluster.places for cluster in found] == [(0, 1, 2), (3, 4)]
    assert found[1].score > 0.9 and all(match.reasons() for _, _, match in found[1].links)


def test_what_was_taken_apart_never_comes_together() -> None:
    same = [[sketch("web.run", "cart.load")]] * 3
    assert [cluster.places for cluster in clusters(same, 0.9)] == [(0, 1, 2)]
    assert [cluster.places for cluster in clusters(same, 0.9, apart={(0, 2)})] in ([(0, 1)], [(1, 2)])
    assert clusters(same, 0.9, apart={(0, 1), (0, 2), (1, 2)}) == []


def test_a_chain_of_neighbours_is_no_cluster() -> None:
    groups = [[sketch(*(f"m{number}.f" for number in range(start, start + 6)))] for start in range(0, 40, 2)]
    found = clusters(groups, 0.9)
    assert all(len(cluster.places) < 10 for cluster in found)
