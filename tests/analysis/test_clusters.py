"""Clusters of real tracebacks and of made-up ones."""

from __future__ import annotations

from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from crashvault.analysis.clusters import Cluster, clusters, scorer
from crashvault.analysis.signatures import Signature, places, signature


def event(functions: list[str], type_: str = "KeyError", value: str = "'x'", **more: Any) -> Any:
    frames = [
        {"file": f"shop/{name}.py", "function": name, "module": f"shop.{name}", "in_app": True} for name in functions
    ]
    return {
        "platform": "python",
        "exceptions": [{"type": type_, "value": value, "frames": frames}],
        "message": value,
        **more,
    }


def groups(*events: Any) -> list[tuple[int, ...]]:
    return [cluster.members for cluster in clusters([signature(one) for one in events])]


NOISE = [event([f"job{n}", f"step{n}", f"deep{n}"], f"Error{n}", f"thing {n} broke") for n in range(6)]


def test_the_same_crash_by_another_way_in() -> None:
    one = event(["main", "view", "checkout", "pay", "charge"], "Declined", "card of order 17 was declined")
    two = event(["worker", "retry", "checkout", "pay", "charge"], "Declined", "card of order 4 was declined")
    assert groups(one, *NOISE, two)[0] == (0, 7)


def test_what_only_shares_its_way_in_is_apart() -> None:
    crashes = [event(["main", "serve", "handle", f"leaf{n}", f"end{n}"], f"E{n}", f"word{n} failed") for n in range(5)]
    assert groups(*crashes) == [(n,) for n in range(5)]


def test_messages_without_stacks() -> None:
    def said(text: str) -> Any:
        return {"message": text}

    one, two = said("Payment service does not answer after 30 s"), said("Payment service does not answer after 5 s")
    assert groups(one, said("Disk is almost full"), two)[0] == (0, 2)


def test_nothing_known_is_alike_to_nothing() -> None:
    assert groups() == []
    assert groups({"message": ""}, {"message": ""}, event([])) != [(0, 1, 2)]


def test_another_measure_can_be_put_in() -> None:
    apart = [signature(event([name], name.title(), f"{name} {name * 2}")) for name in ("alpha", "beta", "gamma")]
    assert len(clusters(apart, lambda left, right: 1.0)) == 3, "what shares nothing is not even compared"
    shared = [signature(event(["main", f"a{n}"])) for n in range(4)]
    assert clusters(shared, lambda left, right: 1.0) == [Cluster((0, 1, 2, 3), 1.0)]


def test_similarity_is_told() -> None:
    (cluster,) = clusters([signature(event(["main", "a", "b"])) for _ in range(3)])
    assert cluster == Cluster((0, 1, 2), 1.0)


signatures = st.builds(
    Signature,
    st.lists(st.sampled_from(["KeyError", "E"]), max_size=2).map(tuple),
    st.lists(st.sampled_from("abcdef"), max_size=5, unique=True).map(tuple),
    st.frozensets(st.sampled_from(["not", "found", "late"]), max_size=3),
    st.sampled_from(["", "x"]),
)


@given(st.lists(signatures, max_size=12))
def test_every_one_is_in_exactly_one_cluster(given_: list[Signature]) -> None:
    found = clusters(given_)
    assert sorted(index for cluster in found for index in cluster.members) == list(range(len(given_)))
    assert all(0 <= cluster.similarity <= 1.000001 for cluster in found)


@given(signatures, signatures)
def test_the_measure_is_symmetric_and_highest_for_the_same(left: Signature, right: Signature) -> None:
    score = scorer([left, right])
    assert score(left, right) == score(right, left)
    assert 0 <= score(left, right) <= score(left, left) + 1e-9 <= 1 + 2e-9 or not any(left[:3])


def test_many_are_quick_enough_to_compare() -> None:
    """A thousand issues through one framework: pairs that share only what is common are never compared."""
    random = Random(1)
    asked = 0

    def counting(left: Signature, right: Signature) -> float:
        nonlocal asked
        asked += 1
        return 0.0

    many = [
        signature(event(["main", "serve", *(f"f{random.randrange(3000)}" for _ in range(4))], f"E{n}", f"w{n}"))
        for n in range(1000)
    ]
    assert len(clusters(many, counting)) == 1000
    assert asked < 60_000


def test_places_are_the_program_s_own_crash_first() -> None:
    found = event(["main", "pay"])
    found["exceptions"][0]["frames"].append(
        {"file": "/usr/lib/python3/json/decoder.py", "function": "decode", "in_app": False}
    )
    assert [(place.file, place.function) for place in places(found)] == [
        ("shop/pay.py", "pay"),
        ("shop/main.py", "main"),
    ]
