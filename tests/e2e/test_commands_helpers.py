"""Setting up, notifying, reading documentation, running a repository's tests."""

from __future__ import annotations

import json
import os
import sys

import pexpect
import pytest

from crashvault import desktop, manual
from crashvault.testing import find_tests

FAKE = """#!{python}
import json, os, sys
json.dump([sys.argv, {{k: os.environ[k] for k in os.environ if k.startswith("CRASHVAULT_")}}], open({out!r}, "w"))
sys.stderr.write({said!r})
sys.exit({code})
"""
HOSTILE = '<b>bold</b> & $(touch /tmp/x) `id` "; do shell script "x" \'--help \x1b[31m'


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Put a program on an otherwise empty path; what it was called with."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def make(name, code=0, said=""):
        out = tmp_path / f"{name}.json"
        (folder / name).write_text(FAKE.format(python=sys.executable, out=str(out), code=code, said=said))
        (folder / name).chmod(0o755)
        return lambda: json.loads(out.read_text())

    return make


class TestNotify:
    def test_an_event(self, vault, program):
        called = program("notify-send")
        made = vault.json("add", "50% of <disk> gone", "--level", "critical", "--source", "cron & co")
        assert vault.json("notify", made["event_id"])["program"] == "notify-send"
        argv, _ = called()
        assert argv[1:] == ["--app-name=Crashvault", "--urgency=critical", "--", "critical: 50% of <disk> gone",
                            "cron &amp; co\nissue #1 in default"]  # fmt: skip

    @pytest.mark.parametrize("name", list(desktop.PROGRAMS))
    def test_hostile_texts_are_only_texts(self, program, name):
        called = program(name)
        assert desktop.notify(HOSTILE, HOSTILE) == name
        argv, variables = called()
        scripts = [word for word in argv if "Notifications" in word or word.startswith("display")]
        assert not any("touch" in word for word in scripts)
        carried = [word for word in (*argv, *variables.values()) if "touch" in word]
        assert len(carried) == 2 and not any("\x1b" in word for word in carried)
        assert not any(word.startswith("-") for word in carried)

    def test_without_a_program_says_what_to_install(self, vault, program):
        made = vault.json("add", "a thing broke")
        result = vault("notify", made["event_id"])
        assert result.code == 1 and "libnotify" in result.err

    def test_a_program_that_fails(self, vault, program):
        program("notify-send", code=1, said="no bus\nmore")
        result = vault("notify", vault.json("add", "a thing broke")["event_id"])
        assert result.code == 1 and "no bus" in result.err and "more" not in result.err


class TestDocs:
    def test_lists_and_shows(self, vault):
        names = [item["name"] for item in vault.json("docs")["items"]]
        assert "query-language" in names and "query-language" in vault.ok("docs")
        assert vault.ok("docs", "query").startswith("# ")
        assert vault.json("docs", "QUERY-LANGUAGE.md")["text"] == vault.ok("docs", "query")

    def test_unknown_topic_names_the_nearest(self, vault):
        result = vault("docs", "qery-language")
        assert result.code == 1 and "query-language" in result.err
        assert vault("docs", "../README").code == 1

    def test_without_documentation(self, vault, monkeypatch):
        monkeypatch.setattr(manual, "folder", lambda: None)
        assert "No documentation" in vault.ok("docs")

    def test_on_a_terminal_it_is_rendered(self, vault):
        child = pexpect.spawn(sys.executable, ["-m", "crashvault", "docs", "query"],
                              env=vault.environment(PAGER="cat", TERM="xterm"), timeout=20)  # fmt: skip
        child.expect(pexpect.EOF)
        assert b"\x1b[" in child.before and b"# Query language" not in child.before


class TestTests:
    @pytest.mark.parametrize(
        ("files", "argv"),
        [
            ({"scripts/test": "#!/bin/sh", "Cargo.toml": ""}, ["./scripts/test"]),
            ({"Makefile": "all:\n\ttrue\ntest: all\n"}, ["make", "test"]),
            ({"Makefile": "all:\n", "go.mod": ""}, ["go", "test", "./..."]),
            ({"package.json": '{"scripts": {"test": "jest"}}', "yarn.lock": ""}, ["yarn", "test"]),
            ({"package.json": '{"scripts": {"test": "jest"}}'}, ["npm", "test"]),
            ({"package.json": '{"scripts": {"test": "echo no test specified"}}'}, None),
            ({"package.json": "[" * 9000}, None),
            ({"package.json": "[]", "Cargo.toml": ""}, ["cargo", "test"]),
            ({"pyproject.toml": "[tool.pytest.ini_options]\n"}, ["python3", "-m", "pytest"]),
            ({"tests/test_a.py": "", "uv.lock": ""}, ["uv", "run", "pytest"]),
            ({"pyproject.toml": "[project]\n"}, None),
            ({}, None),
        ],
    )
    def test_are_found(self, tmp_path, files, argv):
        (tmp_path / ".git").mkdir()
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            path.chmod(0o755)
        (tmp_path / "src" / "deep").mkdir(parents=True)
        found = find_tests(str(tmp_path / "src" / "deep"))
        assert (found and found.argv) == argv
        assert found is None or found.directory == str(tmp_path)

    def test_are_not_looked_for_outside_the_repository(self, tmp_path):
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin" / "test").write_text("#!/bin/sh\n")
        (tmp_path / "bin" / "test").chmod(0o755)
        (tmp_path / "src").mkdir()
        assert find_tests(str(tmp_path / "src")) is None
        assert find_tests(str(tmp_path)).argv == ["./bin/test"]
        assert find_tests("/") is None

    def repository(self, tmp_path, script):
        root = tmp_path / "shop"
        (root / "scripts").mkdir(parents=True)
        (root / ".git").mkdir()
        (root / "scripts" / "test").write_text(f"#!/bin/sh\n{script}\n")
        (root / "scripts" / "test").chmod(0o755)
        return root

    def test_failure_is_recorded_as_wrap_does(self, vault, tmp_path):
        root = self.repository(tmp_path, 'echo "2 failed: $1"; exit 3')
        done = vault.process("test", "--", "-k", "x", cwd=root)
        assert done.code == 3 and done.out == "2 failed: -k\n"
        event = vault.json("search", "tag:test")["items"][0]
        assert event["message"] == "test exited with code 3: 2 failed: -k"
        assert event["context"]["directory"] == str(root) and "exit_code=3" in event["tags"]

    def test_success_and_no_record(self, vault, tmp_path):
        root = self.repository(tmp_path, "exit $1")
        assert vault.process("test", "0", cwd=root).code == 0
        assert vault.process("test", "--no-record", "4", cwd=root).code == 4
        assert vault.json("stats")["events"] == 0
        assert vault.process("test", "--dry-run", "--json", cwd=root).json["command"] == ["./scripts/test"]

    def test_none_found(self, vault, in_directory):
        in_directory("empty").joinpath(".git").mkdir()
        result = vault("test")
        assert result.code == 1 and "wrap" in result.err


class TestSetup:
    def test_without_questions_and_twice(self, vault, tmp_path):
        variables = {"HOME": str(tmp_path), "SHELL": "/bin/bash", "XDG_DATA_HOME": ""}
        first = vault.process("setup", "--yes", "--json", "--project", "shop", **variables)
        assert first.code == 0, first
        assert os.path.isfile(first.json["completion"]) and first.json["export"] == ["export CRASHVAULT_PROJECT=shop"]
        assert vault.json("search")["items"][0]["project"] == "shop"
        assert vault.process("setup", "--yes", "--json", **variables).json["event_id"] is None
        assert vault.json("stats")["events"] == 1

    def test_without_a_terminal_wants_yes(self, vault):
        result = vault("setup")
        assert result.code == 2 and "--yes" in result.err and not vault.home.exists()

    def test_asks_on_a_terminal(self, vault, tmp_path):
        variables = vault.environment(HOME=str(tmp_path), SHELL="/usr/bin/fish", XDG_CONFIG_HOME="")
        child = pexpect.spawn(sys.executable, ["-m", "crashvault", "setup"], env=variables, timeout=20)
        for question, answer in (
            ("Directory", str(tmp_path / "other")),
            ("Project", ""),
            ("secrets", "n"),
            ("completion", "n"),
        ):
            child.expect(question)
            child.sendline(answer)
        child.expect("export CRASHVAULT_HOME=.*other")
        child.expect(pexpect.EOF)
        vault.home = tmp_path / "other"
        assert vault.json("config", "get", "scrub.enabled", "--home", str(vault.home)) is False
        assert not (tmp_path / ".config").exists()
