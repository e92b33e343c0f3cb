"""`similar`, `dedup`, `group try`, and what `show` and `group explain` say about joined issues, as people use them."""

from __future__ import annotations

import json
from typing import Any

import pytest

TRACE = """Traceback (most recent call last):
  File "/srv/shop/web.py", line 10, in handle
    answer = check_user(request)
  File "/srv/shop/auth.py", line 21, in check_user
    return find(request.name)
  File "/srv/shop/{place}.py", line 32, in find
    return lookup(name)
  File "/srv/shop/{place}.py", line 43, in lookup
    raise LookupError(f"no {place} for the user called {{name}}")
LookupError: no {place} for the user called {name}
"""


def crash(vault: Any, name: str, place: str = "routes") -> Any:
    return vault.json("add", f"no {place} for {name}", "--stack", TRACE.format(name=name, place=place))


def test_a_near_equal_crash_joins_and_says_why_and_comes_out_again(vault):
    first, second = crash(vault, "ann"), crash(vault, "bob")
    assert (first["issue_id"], second["issue_id"], second["issue_created"]) == (1, 1, False)
    text = vault.ok("group", "explain", "1")
    assert "joined to" in text and f"{first['fingerprint'][:8]}, 9" in text and "because of" in text
    shown = vault.ok("show", "1")
    assert "join: joined #2" in shown and "the same own frames at the crash" in shown
    assert vault.json("unmerge", "2")["unmerged_from"] == 1
    assert crash(vault, "bob")["issue_id"] == 2
    assert vault.json("dedup")["clusters"] == []


def test_similar_shows_scores_and_reasons(vault):
    vault.ok("config", "set", "grouping.join", "off")
    for name in ("ann", "bob"):
        crash(vault, name)
    crash(vault, "ann", "mails")
    vault.add("something else")
    found = vault.json("similar", "1")
    assert found["issue_id"] == 1 and [item["id"] for item in found["items"]][0] == 2
    best = found["items"][0]
    assert best["score"] > 0.5 and best["reasons"] and 0 <= best["features"]["alignment"] <= 1
    assert [item["score"] for item in found["items"]] == sorted(
        (item["score"] for item in found["items"]), reverse=True
    )
    assert len(vault.json("similar", "1", "--limit", "1")["items"]) == 1
    text = vault.ok("similar", "#1")
    assert "%" in text and "#2" in text and "crashvault merge 1 2" in text
    assert "Similar issues" in vault.ok("show", "1") and vault.json("show", "1")["similar"][0]["id"] == 2
    assert "Nothing like" in vault.ok("similar", "4")
    assert vault("similar", "99").code == 1


def test_dedup_shows_then_does_then_takes_back(vault):
    vault.ok("config", "set", "grouping.join", "off")
    for name in ("ann", "bob", "cyd"):
        crash(vault, name)
    text = vault.ok("dedup")
    assert "takes #2, #3" in text and "Nothing is changed yet" in text
    assert vault.json("list")["total"] == 3
    assert vault("dedup", "--apply").code == 2, "no terminal, no --yes"
    assert vault.json("dedup", "--apply", "--dry-run", "--yes")["merged"] == 0
    assert "--undo" in vault.ok("dedup", "--apply", "--yes")
    assert [item["count"] for item in vault.json("list")["items"]] == [3]
    assert "No duplicates" in vault.ok("dedup")
    assert sorted(vault.json("dedup", "--undo")["unmerged"]) == [2, 3]
    assert vault.json("list")["total"] == 3
    assert "nothing to undo" in vault("dedup", "--undo").err
    assert vault("dedup", "--undo", "--apply").code == 2
    assert vault("dedup", "--threshold", "0.1").code == 2


def test_dedup_stays_in_the_project(vault):
    vault.ok("config", "set", "grouping.join", "off")
    for project in ("one", "two"):
        for name in ("ann", "bob"):
            vault.ok("--project", project, "add", "x", "--stack", TRACE.format(name=name, place="routes"))
    assert len(vault.json("dedup")["clusters"]) == 2
    assert [found["issues"] for found in vault.json("--project", "two", "dedup")["clusters"]] == [[3, 4]]


RULE = {"match": {"type": "LookupError", "message": "no routes*"}, "fingerprint": ["routes"]}


def test_trying_a_rule_then_regrouping_by_it(vault, tmp_path):
    vault.ok("config", "set", "grouping.join", "off")
    for name in ("ann", "bob"):
        crash(vault, name)
    tried = vault.json("group", "try", json.dumps(RULE))
    assert [one["issues"] for one in tried["joined"]] == [[1, 2]] and tried["split"] == []
    file = tmp_path / "rules.json"
    file.write_text(json.dumps([RULE]))
    text = vault.ok("group", "try", f"@{file}")
    assert "join" in text and "#1, #2" in text and "Nothing is changed yet" in text
    assert vault.json("list")["total"] == 2
    vault.ok("config", "set", "grouping.rules", json.dumps([RULE]))
    assert "would be one" in vault.ok("dedup", "--regroup")
    done = vault.json("dedup", "--regroup", "--apply", "--yes")
    assert done["applied"] and done["merges"][0]["issues"] == [1, 2]
    assert crash(vault, "cyd")["issue_id"] == 1
    assert "present rules" in vault.ok("dedup", "--regroup")


def test_a_rule_that_splits(vault):
    for tenant in ("x", "y"):
        vault.add("disk full", "--tag", f"tenant={tenant}")
    rule = {"match": {"tag.tenant": "x"}, "fingerprint": ["{{ default }}", "x"]}
    tried = vault.json("group", "try", json.dumps(rule))
    assert [one["issue"] for one in tried["split"]] == [1]
    assert "split" in vault.ok("group", "try", json.dumps(rule))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("{", "not JSON"),
        ("@/nowhere.json", "cannot be read"),
        ('[{"match": {}}]', "non-empty"),
        ("5", "must be an object"),
    ],
)
def test_wrong_rules_are_told(vault, given, says):
    vault.add("x")
    result = vault("group", "try", given)
    assert result.code == 1 and says in result.err and "Traceback" not in result.err


def test_settings_are_checked(vault):
    vault.ok("config", "set", "grouping.threshold", "0.97")
    assert vault.json("config", "get", "grouping.threshold") == 0.97
    assert "out of range" in vault("config", "set", "grouping.threshold", "0.2").err
    assert "Use a number" in vault("config", "set", "grouping.threshold", "high").err


def test_alerts_count_what_joins_for_the_issue_it_joins(vault):
    vault.ok("alert", "add", "many", "--when", "count > 2 in 1h", "--by", "issue")
    vault.ok("alert", "add", "fresh", "--when", "new issue")
    for name in ("ann", "bob", "cyd"):
        done = vault.process("--json", "add", "x", "--stack", TRACE.format(name=name, place="routes"))
        assert json.loads(done.out)["issue_id"] == 1
    fired = [(entry["alert"], entry["group"]) for entry in vault.json("alert", "history")["items"]]
    assert fired.count(("many", "1")) == 1
    assert len([name for name, _ in fired if name == "fresh"]) == 1


def test_comments_and_counts_come_back_after_undoing(vault):
    vault.ok("config", "set", "grouping.join", "off")
    for name in ("ann", "bob"):
        crash(vault, name)
    vault.ok("comment", "2", "Bob's own")
    vault.ok("dedup", "--apply", "--yes")
    merged = vault.json("show", "1")
    assert (
        merged["count"] == 2
        and merged["notes"][0]["data"]["text"] == "Bob's own"
        and sum(merged["events_per_day"]) == 2
    )
    vault.ok("dedup", "--undo")
    one, two = vault.json("show", "1"), vault.json("show", "2")
    assert (one["count"], two["count"]) == (1, 1) and one["notes"] == [] and len(two["notes"]) == 1
    assert sum(two["events_per_day"]) == 1
