"""Assigning, commenting, merging and unmerging, as people do it."""

from __future__ import annotations

import random
from typing import Any

import pytest

from crashvault import lifecycle
from crashvault.core import open_vault

_BY_PEOPLE = ("changed_at",)  # what merging and unmerging themselves leave behind


def state(store: Any) -> dict[int, Any]:
    """All that is known of listed issues, but for the traces of merging itself."""
    page = store.search(0).find_issues(store.search(0).parse(""), sort="id", descending=False)
    found = {}
    for issue in store.issues.by_ids(page.ids):
        fields = {key: value for key, value in issue._asdict().items() if key not in _BY_PEOPLE}
        kinds = [entry for entry in store.triage.activity(issue.id) if "merge" not in entry.kind]
        events = sorted(store.issues.latest_events(issue.id, 1000))
        found[issue.id] = (fields, store.issues.tags([issue.id]), kinds, events)
    return found


class TestAssign:
    def test_gives_issues_to_somebody_and_takes_them_back(self, vault):
        first, second = vault.add("one thing"), vault.add("another thing entirely")
        assert vault.json("assign", str(first), f"#{second}", "ana") == {"changed": [first, second], "unchanged": []}
        assert {item["assigned"] for item in vault.json("list")["items"]} == {"ana"}
        assert vault.json("assign", str(first), "ana")["unchanged"] == [first]
        assert "Assigned to nobody" in vault.ok("assign", str(first), "--none")
        assert vault.json("list", "is:unassigned")["total"] == 1

    def test_wrong_use_says_how(self, vault):
        vault.add("one thing")
        assert vault("assign", "1").code == 2
        assert "not an issue" in vault("assign", "ana", "bob").err
        missing = vault("assign", "1", "7", "ana")
        assert missing.code == 1 and "no issue 7" in missing.err
        assert vault.json("show", "1")["assigned"] is None


class TestComment:
    def test_from_argument_and_standard_input(self, vault):
        vault.add("one thing")
        assert vault.json("comment", "1", "look at [bold]this")["text"] == "look at [bold]this"
        vault.ok("comment", "1", "-", stdin="two\nlines\n")
        assert {note["data"]["text"] for note in vault.json("show", "1")["notes"]} == {
            "look at [bold]this",
            "two\nlines",
        }
        assert "look at [bold]this" in vault.ok("show", "1")

    def test_empty_and_unknown_are_errors(self, vault):
        assert vault("comment", "1", "text").code == 1
        vault.add("one thing")
        assert "1 to 20000" in vault("comment", "1", "  ").err


class TestMerge:
    def test_events_of_both_are_the_targets_also_those_to_come(self, vault):
        vault.add("disk is full", "--user", "ana", "--release", "1")
        vault.add("no space left", "--user", "ana", "--level", "critical", "--release", "2")
        assert vault.json("merge", "1", "2") == {"issue_id": 1, "merged": [2], "count": 2, "users": 1}
        assert vault.add("no space left", "--release", "3") == 1
        listed = vault.json("list", "--status", "all")
        assert [item["id"] for item in listed["items"]] == [1] and listed["total"] == 1
        shown = vault.json("show", "1")
        assert (shown["count"], shown["release"], shown["level"], shown["merged"]) == (3, "3", "error", [2])
        assert vault.json("stats")["issues"] == 1

    def test_a_merged_issue_says_where_it_is(self, vault):
        vault.add("disk is full"), vault.add("no space left")
        vault.ok("merge", "1", "2")
        assert "merged into #1" in vault.ok("show", "2")
        assert vault.json("show", "2")["merged_into"] == 1
        for arguments in (["resolve", "2"], ["comment", "2", "x"], ["purge", "2", "--yes"], ["merge", "2", "1"]):
            result = vault(*arguments)
            assert result.code == 1 and "merged into #1" in result.err and "unmerge 2" in result.err

    def test_unmerge_brings_state_tags_and_comments_back(self, vault):
        vault.add("disk is full"), vault.add("no space left")
        vault.ok("resolve", "2"), vault.ok("comment", "2", "known"), vault.ok("assign", "2", "ana")
        before = vault.json("show", "2")
        vault.ok("merge", "1", "2")
        assert vault.json("show", "1")["status"] == "open"
        assert [note["data"]["text"] for note in vault.json("show", "1")["notes"]] == ["known"]
        assert vault.json("unmerge", "2")["unmerged_from"] == 1
        after = vault.json("show", "2")
        assert after.pop("activity")[1:] == before.pop("activity")
        assert after == before
        assert vault.json("show", "1")["notes"] == []

    def test_what_cannot_be_merged(self, vault):
        vault.add("disk is full")
        vault.json("add", "no space left", "--project", "shop")
        assert "another project" in vault("merge", "1", "2").err
        assert "itself" in vault("merge", "1", "1").err
        assert "not merged" in vault("unmerge", "1").err
        assert "no issue 9" in vault("merge", "9", "1").err

    def test_nothing_is_merged_when_one_cannot_be(self, vault):
        vault.add("disk is full"), vault.add("no space left")
        assert vault("merge", "1", "2", "9").code == 1
        assert vault.json("list")["total"] == 2

    def test_collecting_garbage_spares_what_waits_for_unmerge(self, vault):
        vault.add("disk is full"), vault.add("no space left")
        vault.ok("merge", "1", "2"), vault.ok("gc")
        vault.ok("unmerge", "2")
        assert vault.json("list")["total"] == 2

    def test_deleting_the_target_deletes_what_is_merged_into_it(self, vault):
        vault.add("disk is full"), vault.add("no space left")
        vault.ok("merge", "1", "2"), vault.ok("purge", "1", "--yes")
        assert "no issue 2" in vault("show", "2").err
        assert vault.json("stats")["events"] == 0

    def test_events_that_go_take_titles_of_merged_issues_along(self, vault):
        vault.add("disk is full")
        vault.add("letter of ana lost", "--event-id", "4f1c9a7e-0000-4000-8000-000000000001")
        vault.ok("merge", "1", "2")
        with open_vault(str(vault.home)) as store:
            store.deletion.events([store.events.resolve("4f1c9a7e")], 10)
            assert store.db.rows("SELECT title FROM issues UNION SELECT title FROM hashes WHERE title <> ''") == [
                ("disk is full",)
            ]
        assert vault("unmerge", "2").code == 1

    def test_both_orders_give_the_same_but_for_the_target(self, vault):
        found = []
        for target, other in (("1", "2"), ("2", "1")):
            if not found:
                vault.add("disk is full", "--user", "ana", "--release", "1", "--tag", "a")
                vault.add("no space left", "--user", "bob", "--tag", "b"), vault.add("disk is full")
            vault.ok("merge", target, other)
            shown = vault.json("show", target)
            keys = ("count", "users", "level", "release", "first_seen", "last_seen", "tag_counts", "latest_event")
            found.append(
                {key: shown[key] for key in keys} | {"hashes": sorted(item["hash"] for item in shown["hashes"])}
            )
            found[-1]["latest_event"] = found[-1]["latest_event"]["event_id"]
            vault.ok("unmerge", other)
        assert found[0] == found[1]


@pytest.mark.parametrize("seed", range(6))
def test_taking_merges_apart_in_any_order_restores_everything(vault, seed):
    chance = random.Random(seed)
    words = ("disk full", "socket closed", "parse failure", "bad gateway", "key missing")
    for word in (*words, *chance.choices(words, k=10)):
        vault.add(
            word,
            "--user",
            chance.choice("abc"),
            *(["--release", chance.choice("123")] if chance.random() < 0.5 else []),
        )
    with open_vault(str(vault.home)) as store:
        for issue in range(1, 6):
            wanted = {"status": chance.choice(("open", "resolved", "ignored"))}
            lifecycle.change_issues(store, [issue], wanted, "t", 5, tags=chance.sample(("x", "y", "z"), 2))
        before = state(store)
        merged: list[int] = []
        free = list(before)
        while len(free) > 1:
            target, other = chance.sample(free, 2)
            lifecycle.merge(store, target, [other], "t", 7)
            free.remove(other)
            merged.append(other)
            union = {tag for issue in before for tag in before[issue][1].get(issue, [])} if len(free) == 1 else set()
            assert union <= set(store.issues.tags([target]).get(target, [])) or target not in free
        assert store.issues.get(free[0]).count == 15
        chance.shuffle(merged)
        for issue in merged:
            lifecycle.unmerge(store, issue, "t", 9)
        assert state(store) == before
