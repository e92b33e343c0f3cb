"""Changing and deleting many issues and events at once."""

from __future__ import annotations

import shlex

import pytest

UUID = "4f1c9a7e-0000-4000-8000-00000000000"


@pytest.fixture
def three(vault):
    for number, word in enumerate(("disk full", "socket closed", "parse failure"), start=1):
        assert vault.add(word, "--tag", "old" if number < 3 else "new", "--user", f"user{number}") == number
    return vault


class TestBatch:
    def test_prints_what_changed_from_what_to_what(self, three):
        three.ok("resolve", "2")
        out = three.json("batch", "1", "2", "--resolve", "--severity", "high", "--assign", "ana", "--tag", "x")
        assert {"id": 1, "field": "status", "from": "open", "to": "resolved"} in out["changed"]
        assert [c["field"] for c in out["changed"] if c["id"] == 2] == ["severity", "assigned", "tag"]
        shown = three.json("show", "2")
        assert (shown["severity"], shown["assigned"], "x" in shown["tags"]) == ("high", "ana", True)
        assert {entry["kind"] for entry in shown["activity"]} == {"status", "severity", "assigned", "tag"}

    def test_the_undo_it_names_undoes_it(self, three):
        three.ok("resolve", "2"), three.ok("batch", "3", "--tag", "two words", "--assign", "o'neil")
        before = three.json("list", "--status", "all", "--sort", "id")
        out = three.json(
            "batch", "1", "2", "3", "--ignore", "--severity", "low", "--unassign", "--untag", "two words", "--tag", "y"
        )
        assert three.json("list", "--status", "all", "--sort", "id") != before
        for line in out["undo"]:
            three.ok(*shlex.split(line)[1:])
        after = three.json("list", "--status", "all", "--sort", "id")
        for item in (*before["items"], *after["items"]):
            item.pop("resolved_at")
        assert after == before

    def test_query_means_all_it_fits_whatever_the_status(self, three):
        three.ok("resolve", "1")
        out = three.json("batch", "--query", "tag:old", "--ignore")
        assert [c["id"] for c in out["changed"]] == [1, 2]
        assert three.json("batch", "--query", "message:nothing", "--ignore")["changed"] == []
        assert "No issues fit" in three.ok("batch", "--query", "tag:none", "--resolve")

    def test_dry_run_changes_nothing(self, three):
        out = three.json("batch", "--query", "tag:old", "--resolve", "--dry-run")
        assert out["dry_run"] and len(out["changed"]) == 2
        assert "Would delete 2 issues with 2 events" in three.ok("batch", "--query", "tag:old", "--delete", "--dry-run")
        assert three.json("list")["total"] == 3

    def test_delete_without_a_terminal_wants_yes(self, three):
        refused = three("batch", "--query", "tag:old", "--delete")
        assert refused.code == 2 and "--yes" in refused.err
        assert three.json("batch", "--query", "tag:old", "--delete", "--yes")["deleted_events"] == 2
        assert [item["id"] for item in three.json("list")["items"]] == [3]

    def test_all_or_nothing(self, three):
        assert three("batch", "1", "2", "99", "--resolve").code == 1
        assert three("batch", "1", "--resolve", "--tag", "").code == 1
        assert three.json("list", "--status", "resolved")["total"] == 0

    @pytest.mark.parametrize(
        "arguments",
        [
            [], ["1"], ["--resolve"], ["1", "--query", "tag:x", "--resolve"], ["1", "--resolve", "--ignore"],
            ["1", "--delete", "--resolve"], ["--query", " ", "--resolve"], ["1", "--tag", "a", "--untag", "a"],
            ["1", "--assign", "x", "--unassign"], ["1", "--status", "closed"],
        ],
    )  # fmt: skip
    def test_wrong_use(self, three, arguments):
        result = three("batch", *arguments)
        assert result.code == 2 and result.err.startswith("Usage:") and not result.out

    def test_a_wrong_query_shows_where(self, three):
        result = three("batch", "--query", "levl:error", "--resolve")
        assert result.code == 2 and "^" in result.err


class TestPrune:
    def test_by_age(self, vault):
        vault.add("old one", "--timestamp", "40d"), vault.add("recent one")
        assert vault.json("prune", "--days", "30", "--dry-run")["deleted_events"] == 1
        assert vault.json("stats")["events"] == 2
        done = vault.json("prune", "--days", "30", "--yes")
        assert (done["deleted_events"], done["deleted_issues"]) == (1, 1)
        assert [item["title"] for item in vault.json("list")["items"]] == ["recent one"]

    def test_erasing_a_person_leaves_no_trace_in_the_file(self, vault):
        vault.add("card of zyxwvut refused", "--user", "zyxwvut@example.com", "--tag", "payer=zyxwvut")
        vault.add("something else")
        (vault.home / "vault.db.v0.bak").write_bytes(b"")
        (vault.home / "legacy").mkdir()
        out = vault.ok("prune", "--query", "user:zyxwvut@example.com", "--yes")
        assert "Deleted 1 event, and 1 issue" in out
        assert "vault.db.v0.bak" in out and "legacy" in out
        with vault_file(vault) as content:
            assert b"zyxwvut" not in content
        assert vault.json("stats")["events"] == 1

    def test_both_age_and_query(self, vault):
        for word, age in (("old info", "40d"), ("old error", "40d"), ("new info", "1d")):
            vault.add(word, "--timestamp", age, "--level", word.split()[1])
        assert vault.json("prune", "--days", "30", "--query", "level:info", "--yes")["deleted_events"] == 1
        assert vault.json("list", "--sort", "id")["total"] == 2

    def test_asks_first(self, vault):
        assert vault("prune").code == 2
        assert "No events fit" in vault.ok("prune", "--days", "1")
        vault.add("a thing")
        refused = vault("prune", "--days", "0")
        assert refused.code == 2 and "--yes" in refused.err
        assert vault.json("stats")["events"] == 1


class vault_file:
    """The bytes of a vault after its log was brought into the file."""

    def __init__(self, vault):
        self.vault = vault

    def __enter__(self):
        self.vault.ok("gc")
        return b"".join(path.read_bytes() for path in self.vault.home.glob("vault.db*"))

    def __exit__(self, *_):
        return None
