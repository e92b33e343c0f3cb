"""The index of similar hashes: new hashes that join, what people's verdicts do, and that the index follows the vault."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

import databases
from crashvault import deduplication, lifecycle, pipeline, regrouping
from crashvault.errors import NotFoundError
from crashvault.grouping import NO_RULES, compile_rules, group
from crashvault.grouping.sketch import load
from crashvault.storage.store import Store, open_sqlite

NOW = 1_790_000_000_000_000
NAMES = ("ann", "bob", "cyd", "dan", "eve", "fay", "gus", "hal")


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with databases.opened_store(request.param, tmp_path / "vault") as opened:
        yield opened


def crash(name: str, place: str = "routes", **more: Any) -> dict[str, Any]:
    """The same crash but for a word that grouping takes for a part of the message."""
    frames = [
        {"file": f"shop/{file}.py", "module": f"shop.{file}", "function": function, "line": 10 + number, "in_app": True,
         "context_line": f"    {function}(request)"}
        for number, (file, function) in enumerate(
            [("web", "handle"), ("auth", "check_user"), (place, "find"), (place, "lookup"), (place, "resolve_name")]
        )
    ]  # fmt: skip
    return {
        "exception": {"type": "LookupError", "value": f"no {place} for the user called {name}"},
        "frames": frames, "platform": "python", "timestamp": NOW / 1e6, **more,
    }  # fmt: skip


def record(store: Store, *raws: dict[str, Any], **options: Any) -> list[pipeline.Receipt]:
    return pipeline.record_events(store, [copy.deepcopy(raw) for raw in raws], received_at=NOW, **options)


def check_index(store: Store) -> None:
    """The index holds what its sketches say, and no more."""
    sketches = store.db.rows("SELECT hash_id, project_id, body FROM sketches")
    traits = {(project, trait, hash_id) for hash_id, project, body in sketches for trait in load(body).traits()}
    assert set(store.db.rows("SELECT project_id, trait, hash_id FROM traits")) == traits
    counts: dict[tuple[int, int], int] = {}
    for project, trait, _ in traits:
        counts[project, trait] = counts.get((project, trait), 0) + 1
    assert {(project, trait): count for project, trait, count in store.db.rows("SELECT * FROM trait_counts")} == counts
    hashes = {row for (row,) in store.db.rows("SELECT id FROM hashes")}
    pending = {row for (row,) in store.db.rows("SELECT hash_id FROM unsketched")}
    assert {row for row, _, _ in sketches} | pending <= hashes


def listed(store: Store) -> list[int]:
    return [issue for project in store.similarity.projects() for issue in store.similarity.issues(project)]


# Joining


@pytest.mark.parametrize("together", [True, False])
def test_a_new_hash_joins_the_issue_it_is_almost_equal_to(store: Store, together: bool) -> None:
    raws = [crash("ann"), crash("bob"), crash("ann"), crash("else", "mail")]
    receipts = record(store, *raws) if together else [record(store, raw)[0] for raw in raws]
    assert [receipt.issue_id for receipt in receipts] == [1, 1, 1, receipts[3].issue_id]
    assert [receipt.issue_created for receipt in receipts] == [True, False, False, True]
    assert receipts[0].fingerprint != receipts[1].fingerprint
    assert store.issues.get(1).count == 3
    joined = next(item for item in store.issues.hashes(1) if item.merged)
    parts = dict(map(tuple, joined.parts))  # type: ignore[arg-type]
    assert parts["joined to"].startswith(receipts[0].fingerprint[:8]) and "% alike" in parts["joined to"]
    assert parts["because of"]
    (entry,) = [entry for entry in store.triage.activity(1) if entry.kind == "join"]
    assert entry.data["joined"] == "#2" and entry.actor == lifecycle.SYSTEM
    check_index(store)


def test_joining_can_be_undone_and_never_comes_again(store: Store) -> None:
    record(store, crash("ann"), crash("bob"))
    assert lifecycle.unmerge(store, 2, "ana", NOW) == 1
    assert [store.issues.get(issue).count for issue in (1, 2)] == [1, 1]
    assert record(store, crash("bob"))[0].issue_id == 2
    assert deduplication.find(store, None, 0.5, exact=True) == []
    store.deletion.issues([2], NOW)
    again = record(store, crash("bob"))[0]
    assert again.issue_created and again.issue_id != 1


def test_a_hash_that_is_there_meanwhile_wins(store: Store, tmp_path: Path) -> None:
    record(store, crash("ann"))
    with databases.another(store) as other:
        pipeline.load_policy(other)
        desk_sees = record(other, crash("bob"))[0]
        assert desk_sees.issue_id == 1
        lifecycle.unmerge(other, 2, "ana", NOW)
    assert record(store, crash("bob"))[0].issue_id == 2


def test_joining_follows_the_hash_where_its_issue_was_merged(store: Store) -> None:
    store.settings.set("grouping.join", False, NOW)
    record(store, crash("ann"), crash("cyd"))
    lifecycle.merge(store, 2, [1], "ana", NOW)
    store.settings.set("grouping.join", True, NOW)
    assert record(store, crash("bob"))[0].issue_id == 2


def test_what_somebody_decided_is_not_overruled(store: Store) -> None:
    receipts = record(store, crash("ann", fingerprint=["mine"]), crash("bob"), crash("cyd", fingerprint=["yours"]))
    assert len({receipt.issue_id for receipt in receipts}) == 3


def test_projects_stay_apart(store: Store) -> None:
    record(store, crash("ann"), project="one")
    assert record(store, crash("bob"), project="two")[0].issue_created
    assert store.similarity.like(1) == []


def test_messages_without_a_stack_are_not_joined(store: Store) -> None:
    receipts = record(store, {"message": "no route to ann"}, {"message": "no route to bob"})
    assert len({receipt.issue_id for receipt in receipts}) == 2
    ((issue, match),) = store.similarity.like(1)
    assert issue == 2 and match.score > 0


def test_the_setting_switches_it_off(store: Store) -> None:
    store.settings.set("grouping.join", False, NOW)
    assert [receipt.issue_id for receipt in record(store, crash("ann"), crash("bob"))] == [1, 2]
    store.settings.set("grouping.join", True, NOW)
    store.settings.set("grouping.threshold", 1.0, NOW)
    assert record(store, crash("cyd"))[0].issue_id == 3


def test_an_older_event_of_a_joined_hash_joins_with_it(store: Store) -> None:
    """The batch is stored by time, not in the order of looking up."""
    record(store, crash("ann"))
    late = crash("bob") | {"timestamp": NOW / 1e6 - 60}
    receipts = record(store, crash("bob"), late)
    assert {receipt.issue_id for receipt in receipts} == {1}


def test_a_chain_within_one_batch_is_one_issue(store: Store) -> None:
    raws = [crash(name) | {"timestamp": NOW / 1e6 - number} for number, name in enumerate(NAMES)]
    receipts = record(store, *raws)
    assert len({receipt.issue_id for receipt in receipts}) == 1
    assert store.issues.get(receipts[0].issue_id or 0).count == len(NAMES)
    assert sum(receipt.issue_created for receipt in receipts) == 1
    check_index(store)


def test_however_many_join_the_next_one_does_too(store: Store) -> None:
    names = [f"{one}{other}" for one in "abcdefghijklmnopqrst" for other in "abcdefghijklmnopqrst"]
    for start in range(0, len(names), 25):
        receipts = record(store, *map(crash, names[start : start + 25]))
        assert {receipt.issue_id for receipt in receipts} == {1}
    compared = store.similarity.total(1)
    assert compared < 10, "those that came first stand for all"
    check_index(store)
    last = max(store.merging.members(1))
    lifecycle.unmerge(store, last, "ana", NOW)
    assert store.similarity.total(1) == compared + 1 and store.similarity.scores(1)[1]
    assert deduplication.find(store, None, 0.5, exact=True) == []
    check_index(store)


def test_a_resolved_issue_comes_back_when_something_joins_it(store: Store) -> None:
    record(store, crash("ann"))
    lifecycle.set_status(store, [1], "resolved", "ana", NOW)
    receipt = record(store, crash("bob") | {"timestamp": NOW / 1e6 + 60})[0]
    assert receipt.transition == "regression" and store.issues.get(1).status == "open"


def test_the_key_of_an_earlier_algorithm_leads_to_the_old_issue(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "Invalid user {} from 10.0.0.7"
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "group", lambda event, rules: group(event, rules, "v1"))
        old = [record(store, {"message": text.format(name)})[0].issue_id for name in ("ann", "bob")]
    assert old == [1, 2]
    new = record(store, {"message": text.format("bob")})[0]
    assert (new.issue_id, new.issue_created) == (2, False)
    assert [item.algorithm for item in store.issues.hashes(2)] == ["v1", "v2"]
    assert record(store, {"message": text.format("ann")})[0].issue_id == 2, "all users are one issue from now on"


# The index follows the vault


def test_the_index_follows_deleting_and_importing(store: Store) -> None:
    record(store, *(crash(name) for name in NAMES), crash("else", "mail"))
    check_index(store)
    rows = list(store.events.all_rows())
    store.deletion.events(rows[:3], NOW)
    check_index(store)
    store.similarity.fill()
    assert store.similarity.pending() == 0
    check_index(store)
    store.deletion.issues(listed(store), NOW)
    check_index(store)
    assert not store.db.rows("SELECT 1 FROM traits UNION SELECT 1 FROM sketches UNION SELECT 1 FROM unsketched")
    record(store, crash("ann"))
    store.deletion.everything(NOW)
    check_index(store)


def test_the_reason_for_joining_outlives_the_first_event(store: Store) -> None:
    record(store, crash("ann"), crash("bob"))
    bobs = [receipt.event_id for receipt in record(store, crash("bob"), crash("bob"))]
    rows = [
        row
        for row in store.events.all_rows()
        if store.events.load([row])[0].event["exceptions"][0]["value"].endswith("bob")
    ]
    assert len(rows) == len(bobs) + 1
    store.deletion.events(rows[:1], NOW)
    joined = next(item for item in store.issues.hashes(1) if item.merged)
    assert [what for what, _ in joined.parts].count("joined to") == 1


def test_hashes_of_an_older_vault_are_sketched_when_they_are_needed(store: Store) -> None:
    record(store, crash("ann"), crash("else", "mail"))
    for table in ("sketches", "traits", "trait_counts"):
        store.db.execute(f"DELETE FROM {table}")
    store.db.execute("INSERT INTO unsketched SELECT id FROM hashes")
    assert record(store, crash("bob"))[0].issue_id == 1
    assert store.similarity.pending() == 0
    check_index(store)


# Verdicts


def test_verdicts_move_the_threshold(store: Store) -> None:
    record(store, crash("ann"), crash("bob"))
    lifecycle.unmerge(store, 2, "ana", NOW)
    merged, split = store.similarity.scores(1)
    assert merged == [] and len(split) == 1 and split[0] > 0.5
    assert deduplication.threshold_of(store, 1, 0.5) > split[0]
    lifecycle.merge(store, 1, [2], "ana", NOW)
    assert store.similarity.scores(1) == (split, [])


def test_what_dedup_merges_teaches_nothing(store: Store) -> None:
    apart(store)
    assert deduplication.apply(store, deduplication.find(store, None, 0.5, exact=True), "ana", NOW) == 3
    assert store.similarity.scores(1) == ([], [])


def test_what_was_deleted_is_looked_up_again(store: Store) -> None:
    record(store, crash("ann"), crash("bob"), crash("else", "mail"))
    store.deletion.issues([1], NOW)
    first, second = record(store, crash("ann"))[0], record(store, crash("bob"))[0]
    assert first.issue_created and second.issue_id == first.issue_id
    assert store.similarity.pending() == 0
    check_index(store)


def test_what_was_taken_apart_stays_apart_in_one_batch_too(store: Store) -> None:
    record(store, crash("ann"), crash("bob"))
    lifecycle.unmerge(store, 2, "ana", NOW)
    store.deletion.issues([1, 2], NOW)
    first, second = record(store, crash("ann"), crash("bob"))
    assert first.issue_id != second.issue_id


def test_a_release_with_other_lines_and_another_message_is_only_shown(store: Store) -> None:
    def moved(name: str, release: str, by: int) -> dict[str, Any]:
        found = crash(name, release=release)
        for frame in found["frames"]:
            frame["line"] += by
            del frame["context_line"]
        return found

    receipts = record(store, moved("ann", "1.0", 0), moved("bob", "1.1", 3), moved("cyd", "1.1", 3))
    assert [receipt.issue_id for receipt in receipts] == [1, 2, 2]
    ((other, match),) = store.similarity.like(1)
    assert other == 2 and match.score > 0.5


@pytest.mark.parametrize("seed", range(4))
def test_merging_in_any_order_gives_the_same_vault(tmp_path: Path, seed: int) -> None:
    def vault(order: list[int]) -> Any:
        with open_sqlite(str(tmp_path / f"vault{order[0]}{seed}")) as store:
            store.settings.set("grouping.join", False, NOW)
            record(store, *(crash(name) for name in NAMES[:5]))
            for issue in order:
                lifecycle.merge(store, 1, [issue], "ana", NOW)
            verdicts = store.db.rows("SELECT project_id, one, other, same FROM verdicts ORDER BY one, other")
            like = [(issue, match.score) for issue, match in store.similarity.like(1, 10)]
            return store.issues.get(1), sorted(item.hash for item in store.issues.hashes(1)), len(verdicts), like

    order = [2, 3, 4, 5]
    Random(seed).shuffle(order)
    assert vault(order) == vault(order[::-1])


# dedup


def apart(store: Store) -> None:
    store.settings.set("grouping.join", False, NOW)
    record(store, *(crash(name) for name in NAMES[:4]), crash("else", "mail"), {"message": "plain"})


def test_dedup_finds_and_merges_and_takes_back(store: Store) -> None:
    apart(store)
    seen: list[int] = []
    (found,) = deduplication.find(store, None, 0.5, exact=True, progress=seen.append)
    assert found.issues == (1, 2, 3, 4) and found.reasons and found.score >= 0.5
    assert sum(seen) == deduplication.size(store, None) == 6
    assert deduplication.apply(store, [found], "ana", NOW) == 3
    assert listed(store) == [1, 5, 6] and store.issues.get(1).count == 4
    undone = deduplication.undo(store, "ana", NOW)
    assert sorted(undone.unmerged) == [2, 3, 4] and undone.kept == 0
    assert listed(store) == [1, 2, 3, 4, 5, 6]
    assert store.similarity.scores(1) == ([], []), "taking back is no verdict"
    assert len(deduplication.find(store, None, 0.5, exact=True)) == 1
    with pytest.raises(NotFoundError, match="nothing to undo"):
        deduplication.undo(store, "ana", NOW)


def test_taking_back_leaves_alone_what_was_changed_since(store: Store) -> None:
    apart(store)
    deduplication.apply(store, deduplication.find(store, None, 0.5, exact=True), "ana", NOW)
    lifecycle.unmerge(store, 3, "bob", NOW)
    undone = deduplication.undo(store, "ana", NOW)
    assert sorted(undone.unmerged) == [2, 4] and undone.kept == 1


# Other rules


RULES: list[Any] = [{"match": {"type": "LookupError", "message": "no routes*"}, "fingerprint": ["routes"]}]


def test_trying_rules_tells_what_they_would_do(store: Store) -> None:
    apart(store)
    trial = regrouping.attempt(list(regrouping.look_back(store, None, NO_RULES, compile_rules(RULES))))
    assert [joined.issues for joined in trial.joined] == [(1, 2, 3, 4)]
    assert (trial.split, trial.renamed, trial.events, trial.changed) == ([], [], 6, 4)
    assert [store.issues.get(issue).count for issue in range(1, 7)] == [1] * 6


def test_trying_rules_tells_what_they_would_split(store: Store) -> None:
    record(store, *(crash("ann", tags=[f"tenant={tenant}"]) for tenant in ("x", "y", "x")))
    rules: list[Any] = [{"match": {"tag.tenant": "x"}, "fingerprint": ["{{ default }}", "x"]}]
    trial = regrouping.attempt(list(regrouping.look_back(store, None, NO_RULES, compile_rules(rules))))
    (split,) = trial.split
    assert split.issue == 1 and sorted(count for _, _, count in split.keys) == [1, 2] and trial.joined == []
    everything: list[Any] = [{"match": {"type": "*"}, "fingerprint": ["{{ default }}", "all"]}]
    trial = regrouping.attempt(list(regrouping.look_back(store, None, NO_RULES, compile_rules(everything))))
    assert trial.renamed == [1] and not trial.split and not trial.joined


def test_regrouping_leads_new_keys_to_old_issues(store: Store) -> None:
    apart(store)
    rules = compile_rules(RULES)
    store.settings.set("grouping.rules", RULES, NOW)
    plan = regrouping.plan(store, None, rules)
    assert len(plan.aliases) == 1 and [joined.issues for joined in plan.merges] == [(1, 2, 3, 4)]
    assert regrouping.apply(store, plan, "ana", NOW) == (1, 3)
    assert record(store, crash("gus"))[0].issue_id == 1
    assert regrouping.plan(store, None, rules).aliases == []
    store.settings.set("grouping.rules", [], NOW)
    assert record(store, crash("ann"))[0].issue_id == 1, "the old key still leads there"
    undone = deduplication.undo(store, "ana", NOW)
    assert sorted(undone.unmerged) == [2, 3, 4] and undone.kept == 1, "an event came by the new key"


def test_regrouping_leaves_apart_what_somebody_took_apart(store: Store) -> None:
    apart(store)
    lifecycle.merge(store, 1, [3], "ana", NOW)
    lifecycle.unmerge(store, 3, "ana", NOW)
    plan = regrouping.plan(store, None, compile_rules(RULES))
    assert [joined.issues for joined in plan.merges] == [(1, 2, 4)]


def test_regrouping_can_be_taken_back_whole(store: Store) -> None:
    apart(store)
    regrouping.apply(store, regrouping.plan(store, None, compile_rules(RULES)), "ana", NOW)
    undone = deduplication.undo(store, "ana", NOW)
    assert (sorted(undone.unmerged), undone.aliases, undone.kept) == ([2, 3, 4], 1, 0)
    assert listed(store) == [1, 2, 3, 4, 5, 6]
    check_index(store)
