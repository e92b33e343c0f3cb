"""Completion in the real shells, and what they are told."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

from crashvault.completion import SHELLS, bash_cut, script, split_line


@pytest.fixture
def shell_home(vault, tmp_path):
    """A home directory, with `crashvault` on the path and a vault that knows some words."""
    vault.json("add", "Disk is full: /dev/sda", "--tag", "db", "--tag", "region=eu", "--release", "1.2")
    home = tmp_path / "home"
    (home / "bin").mkdir(parents=True)
    program = home / "bin" / "crashvault"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m crashvault "$@"\n')
    program.chmod(0o755)
    return home


@pytest.fixture
def told(vault):
    """What the shells are told about a line: (value, help) pairs."""

    def ask(line, shell="fish", **variables):
        done = vault.process(_CRASHVAULT_COMPLETE=f"{shell}_complete", COMP_LINE=line, **variables)
        assert done.code == 0 and not done.err
        return {tuple(row.split("\t")[1:]) for row in done.out.splitlines()}

    return ask


def environment(vault, home):
    path = f"{home}/bin:{os.environ['PATH']}"
    return vault.environment(HOME=str(home), PATH=path, TERM="dumb", PS1="$ ", XDG_DATA_HOME=f"{home}/.local/share")


def values(found):
    return {value for value, _ in found}


class TestAnswers:
    def test_commands_with_what_they_do(self, told):
        assert ("prune", "delete old events, or those that match a query") in told("crashvault ")
        assert values(told("crashvault unm")) == {"unmerge"}

    def test_from_the_vault(self, vault, told):
        made = vault.json("add", "Disk is full", "--tag", "db", "--tag", "region=eu", "--release", "1.2")
        vault.ok("assign", "1", "ana")
        assert told("crashvault show ") == {("1", "Disk is full")}
        assert values(told("crashvault resolve 1 ")) == {"1"}
        assert values(told("crashvault event ")) == {made["event_id"][:8]}
        assert values(told(f"crashvault event {made['event_id'][:10]}")) == {made["event_id"]}
        assert values(told("crashvault add x --tag ")) == {"db", "region=eu"}
        assert values(told("crashvault add x --tag=re")) == {"--tag=region=eu"}
        assert "critical" in values(told("crashvault add x --level "))
        assert values(told("crashvault --project ")) == {"default"}
        assert values(told("crashvault list release:")) == {"release:1.2"}
        assert values(told("crashvault list 'is:open ta")) == {"is:open tag:"}
        assert values(told("crashvault list 'is:open tag:d")) == {"is:open tag:db"}
        assert "is:resolved" in values(told("crashvault list is:"))
        assert values(told("crashvault assign 1 a")) == {"ana"}
        assert values(told(f"crashvault --home {vault.home} show ", CRASHVAULT_HOME="/nowhere")) == {"1"}

    def test_whatever_a_command_names(self, vault, told):
        vault.add("Disk is full"), vault.add("Socket closed")
        (
            vault.ok("merge", "1", "2"),
            vault.ok("project", "add", "shop"),
            vault.ok("level", "add", "notice", "--rank", "25"),
        )
        key = vault.json("api-key", "create", "laptop", "--scope", "ingest")["key"]
        assert told("crashvault unmerge ") == {("2", "Socket closed")}
        assert values(told("crashvault export --query is:re")) >= {"is:regressed", "is:resolved"}
        assert values(told("crashvault project show s")) == {"shop"}
        assert values(told("crashvault level remove no")) == {"notice"}
        ((prefix, name),) = told("crashvault api-key revoke ")
        assert key.startswith(prefix) and name == "laptop"
        assert "scrub.enabled" in values(told("crashvault config set scrub."))
        vault.ok("webhook", "add", "http", "--url", "https://example.com/x", "--name", "ops")
        vault.ok("alert", "add", "many-errors", "--when", "count > 10 in 1m")
        assert values(told("crashvault alert mute ma")) == {"many-errors"}
        assert values(told("crashvault alert history ")) >= {"many-errors"}
        assert values(told("crashvault alert add few --when x --notify ")) >= {"ops"}

    def test_without_a_vault(self, told):
        assert {"server.port", "server.host"} <= values(
            told("crashvault config get server.", CRASHVAULT_HOME="/nowhere")
        )
        assert "query-language" in values(told("crashvault docs q", CRASHVAULT_HOME="/nowhere"))
        assert values(told("crashvault help unm", CRASHVAULT_HOME="/nowhere")) == {"unmerge"}

    @pytest.mark.parametrize(
        "line", ["", "crashvault show ", "crashvault nonsense ", "crashvault list 'is:(", "crashvault \\", "\x01 '\""]
    )
    def test_never_an_error(self, told, line, tmp_path):
        told(line, CRASHVAULT_HOME=str(tmp_path / "nowhere"))
        assert not (tmp_path / "nowhere").exists()

    def test_a_vault_that_is_none(self, told, tmp_path):
        (tmp_path / "vault.db").write_text("not a database" * 100)
        assert told("crashvault show ", CRASHVAULT_HOME=str(tmp_path)) == set()

    def test_a_hostile_title_stays_on_its_line(self, vault, told):
        vault.add("a\tb\nc\x1b[31m")
        (found,) = told("crashvault show ")
        assert found[0] == "1" and found[1].isprintable()

    def test_bash_gets_what_it_replaces(self, vault, told):
        vault.add("Disk is full", "--tag", "region=eu")
        assert values(told("crashvault list is:o", "bash")) == {"open"}
        assert values(told("crashvault list tag:region=", "bash")) == {"eu"}
        assert values(told("crashvault list 'is:o", "bash")) == {"is:open"}


@pytest.mark.parametrize(
    ("line", "expected"),
    [("cv a b", (["cv", "a"], "b", False)), ("cv a ", (["cv", "a"], "", False)), ("cv 'a b", (["cv"], "a b", True)),
     ("cv 'a ", (["cv"], "a ", True)), ("", ([], "", False)), ("cv a\\ b", (["cv"], "a b", False))],
)  # fmt: skip
def test_lines_are_split_as_shells_do(line, expected):
    assert split_line(line) == expected


def test_bash_cut_follows_the_word_breaks(monkeypatch):
    assert bash_cut("tag:region=e") == 11
    monkeypatch.setenv("COMP_BREAKS", " ")
    assert bash_cut("tag:region=e") == 0


class TestShells:
    def test_bash(self, vault, shell_home):
        (shell_home / "rc").write_text(f"PS1='$ '\nbind 'set bell-style none'\n{script('bash')}")
        child = pexpect.spawn("bash", ["--noprofile", "--rcfile", str(shell_home / "rc"), "-i"],
                              env=environment(vault, shell_home), timeout=20, dimensions=(24, 200))  # fmt: skip
        child.expect_exact("$ ")
        for typed, completed in (("crashvault unm", "crashvault unmerge "), ("crashvault list is:ope", "crashvault list is:open "),
                                 ("crashvault list tag:re", "crashvault list tag:region=eu "),
                                 ("crashvault add x --tag=re", "crashvault add x --tag=region=eu ")):  # fmt: skip
            child.send(f"{typed}\t")
            child.expect_exact(completed)
            child.send("\x15")
        child.close()

    @pytest.mark.skipif(not shutil.which("zsh"), reason="needs zsh")
    def test_zsh(self, vault, shell_home):
        (shell_home / ".zshrc").write_text(
            f"PS1='$ '\nunsetopt beep\nautoload -Uz compinit && compinit -u\n{script('zsh').removeprefix('#compdef crashvault')}"
        )
        child = pexpect.spawn("zsh", ["-i"], env=environment(vault, shell_home), timeout=20, dimensions=(24, 200))
        child.expect_exact("$ ")
        for typed, completed in (
            ("crashvault unm", "unmerge"),
            ("crashvault list is:ope", "is:open"),
            ("crashvault list tag:re", "tag:region=eu"),
        ):
            child.send(f"{typed}\t")
            child.expect_exact(completed)
            child.send("\x15")
        child.send("crashvault show \t")
        child.expect("1|Disk is full")
        child.close()

    @pytest.mark.skipif(not shutil.which("fish"), reason="needs fish")
    def test_fish(self, vault, shell_home):
        (shell_home / "c.fish").write_text(script("fish"))
        for typed, completed in (("crashvault unm", "unmerge\t"), ("crashvault show ", "1\tDisk is full: /dev/sda"),
                                 ("crashvault list 'is:open tag:re", "is:open tag:region=eu")):  # fmt: skip
            done = subprocess.run(
                ["fish", "--no-config", "-c", f"source {shell_home}/c.fish; complete -C \"{typed}\""],
                env=environment(vault, shell_home), capture_output=True, text=True, timeout=30, check=False,
            )  # fmt: skip
            assert completed in done.stdout, done


class TestInstall:
    @pytest.mark.parametrize("shell", SHELLS)
    def test_twice_is_once(self, vault, tmp_path, shell):
        variables = {"HOME": str(tmp_path), "XDG_DATA_HOME": "", "XDG_CONFIG_HOME": "", "FPATH": ""}
        first = vault.process("completion", shell, "--install", "--json", **variables)
        assert first.code == 0, first
        assert vault.process("completion", shell, "--install", **variables).out.startswith("Is installed already")
        place = {"bash": ".local/share/bash-completion/completions/crashvault", "zsh": ".zfunc/_crashvault",
                 "fish": ".config/fish/completions/crashvault.fish"}[shell]  # fmt: skip
        assert (tmp_path / Path(place)).read_text() == script(shell) == vault.ok("completion", shell)
        assert sorted(path.name for path in (tmp_path / place).parent.iterdir()) == [Path(place).name]

    def test_zsh_in_a_directory_it_looks_in(self, vault, tmp_path):
        (tmp_path / "functions").mkdir()
        done = vault.process(
            "completion", "zsh", "--install", "--json", HOME=str(tmp_path), FPATH=f"/usr/share/zsh:{tmp_path}/functions"
        )
        assert done.json["path"] == f"{tmp_path}/functions/_crashvault" and done.json["hint"] == ""

    def test_where_nothing_can_be_written(self, vault, tmp_path):
        (tmp_path / ".local").write_text("a file")
        done = vault.process("completion", "bash", "--install", HOME=str(tmp_path), XDG_DATA_HOME="")
        assert done.code == 1 and done.err.startswith("Error: ")

    def test_unknown_shell(self, vault):
        assert vault("completion", "tcsh").code == 2
