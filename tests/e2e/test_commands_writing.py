"""Notes, reports and files."""

from __future__ import annotations

import hashlib
import os
import sys

import pexpect
import pytest


class TestNote:
    def test_is_an_event_of_level_info(self, vault):
        made = vault.json("note", "deployed [bold]1.4", "--tag", "deploy")
        event = vault.json("event", made["event_id"])
        assert (event["message"], event["level"], event["source"], event["tags"]) == (
            "deployed [bold]1.4",
            "info",
            "note",
            ["deploy"],
        )

    def test_from_standard_input(self, vault):
        vault.ok("note", "-", stdin="one\ntwo\n")
        assert vault.json("search")["items"][0]["message"] == "one\ntwo"
        assert vault("note", "-", stdin=" \n").code == 1


class TestReport:
    def test_from_options(self, vault, tmp_path):
        (tmp_path / "shot.png").write_bytes(b"picture")
        made = vault.json(
            "report", "--title", "Wrong tax", "--severity", "high", "--steps", "-", "--expected", "19", "--actual", "7",
            "--tag", "billing", "--attach", str(tmp_path / "shot.png"), stdin="1. open\n2. look\n",
        )  # fmt: skip
        event = vault.json("event", made["event_id"])
        assert event["context"] == {"steps": "1. open\n2. look", "expected": "19", "actual": "7"}
        assert event["tags"] == ["report", "billing"] and event["level"] == "error"
        assert [file["name"] for file in event["attachments"]] == ["shot.png"]
        assert vault.json("show", str(made["issue_id"]))["severity"] == "high"

    def test_without_title_and_terminal_says_what_is_missing(self, vault):
        result = vault("report")
        assert result.code == 1 and "--title" in result.err
        assert vault("report", "--title", "x", "--level", "nope").code == 1

    @pytest.mark.parametrize(
        ("given", "asked"),
        [
            ((), ["one line", "How bad", "did you do", "should", "instead"]),
            (("--title", "It froze"), ["How bad", "did you do", "should", "instead"]),
            (("--title", "It froze", "--severity", "critical", "--expected", ""), ["did you do", "instead"]),
            (("--title", "It froze", "--severity", "critical", "--steps", "nothing", "--no-input"), []),
        ],
    )
    def test_asks_on_a_terminal_for_what_is_missing(self, vault, given, asked):
        answers = {
            "one line": "It froze",
            "How bad": "critical",
            "did you do": "nothing",
            "should": "",
            "instead": "ice",
        }
        child = pexpect.spawn(
            sys.executable, ["-m", "crashvault", "report", "--json", *given], env=vault.environment(), timeout=20
        )
        for question in asked:
            child.expect(question)
            child.sendline(answers[question])
        child.expect(pexpect.EOF)
        event = vault.json("search")["items"][0]
        expected = {"steps": "nothing"} | ({"actual": "ice"} if "instead" in asked else {})
        assert event["message"] == "It froze" and event["context"] == expected
        assert vault.json("show", "1")["severity"] == "critical"

    @pytest.mark.parametrize("stream", ["stdin", "stderr"])
    def test_does_not_ask_where_nobody_answers(self, vault, stream):
        redirected = "</dev/null" if stream == "stdin" else "2>/dev/null"
        line = f"{sys.executable} -m crashvault report --title 'It froze' {redirected}"
        child = pexpect.spawn("/bin/sh", ["-c", line], env=vault.environment(), timeout=20)
        child.expect(pexpect.EOF)
        assert b"Recorded" in child.before and b"How bad" not in child.before
        assert "context" not in vault.json("search")["items"][0] or not vault.json("search")["items"][0]["context"]


class TestAttach:
    def test_to_an_event_and_to_an_issue(self, vault, tmp_path):
        (tmp_path / "dump.txt").write_text("content")
        made = vault.json("add", "something broke")
        first = vault.json("attach", str(tmp_path / "dump.txt"), "--event", made["event_id"][:8])
        assert first["digest"] == hashlib.sha256(b"content").hexdigest() and first["added"]
        assert not vault.json("attach", str(tmp_path / "dump.txt"), "--event", made["event_id"])["added"]
        assert [file["name"] for file in vault.json("event", made["event_id"])["attachments"]] == ["dump.txt"]
        vault.ok("attach", "-", "--issue", "1", "--name", "../../schema.sql", stdin="create")
        assert [file["name"] for file in vault.json("show", "1")["attachments"]] == ["schema.sql"]
        assert "schema.sql" in vault.ok("show", "1")

    def test_content_survives_collecting_garbage_while_it_has_an_owner(self, vault, tmp_path):
        (tmp_path / "dump.txt").write_text("content")
        vault.add("something broke")
        digest = vault.json("attach", str(tmp_path / "dump.txt"), "--issue", "1")["digest"]
        blob = vault.home / "blobs" / digest[:2] / digest
        os.utime(blob, (0, 0))
        vault.ok("gc")
        assert blob.read_text() == "content"
        vault.ok("purge", "1", "--yes"), vault.ok("gc")
        assert not blob.exists()

    @pytest.mark.parametrize(
        ("arguments", "code"),
        [(["/nowhere", "--issue", "1"], 2), (["FILE"], 2), (["FILE", "--issue", "1", "--event", "ab"], 2),
         (["-", "--issue", "1"], 2), (["FILE", "--issue", "77"], 1), (["FILE", "--event", "abcdef"], 1)],
    )  # fmt: skip
    def test_wrong_use(self, vault, tmp_path, arguments, code):
        (tmp_path / "f").write_text("x")
        vault.add("something broke")
        result = vault("attach", *(str(tmp_path / "f") if word == "FILE" else word for word in arguments))
        assert result.code == code and "Error:" in result.err

    def test_too_large(self, vault, tmp_path):
        vault.add("something broke")
        with open(tmp_path / "huge", "wb") as file:
            file.truncate(21 << 20)
        assert "larger than 20 MiB" in vault("attach", str(tmp_path / "huge"), "--issue", "1").err
        assert not [name for _, _, names in os.walk(vault.home / "blobs") for name in names]


def test_batch_by_query_asks_on_a_terminal(vault):
    vault.add("disk full"), vault.add("socket closed")
    arguments = ["-m", "crashvault", "batch", "--query", "count:>=1", "--resolve"]
    for answer, code, resolved in (("n", 130, 0), ("y", 0, 2)):
        child = pexpect.spawn(sys.executable, arguments, env=vault.environment(), timeout=20)
        child.expect("Change 2 issues")
        child.sendline(answer)
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == code
        assert vault.json("list", "--status", "resolved")["total"] == resolved
