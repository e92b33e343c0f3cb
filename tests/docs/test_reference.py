"""The reference pages say what the code says, and every command is documented where people look for it."""

from __future__ import annotations

import importlib.util
import re
import shlex
from types import ModuleType

import click
import pytest
from tests.conftest import ROOT

from crashvault.cli import cli
from crashvault.config import SETTINGS


def _loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference", ROOT / "scripts" / "reference.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


reference = _loaded()
COMMANDS = {path: command for path, command, _ in reference.command_pages(cli, reference.root_context())}
RUNNABLE = {path: command for path, command in COMMANDS.items() if not isinstance(command, click.Group)}


def test_pages_are_current() -> None:
    assert reference.outdated() == [], "run scripts/docs"


def test_check_tells_outdated_pages(
    tmp_path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reference, "DOCS", tmp_path)
    assert reference.main(["--check"]) == 1
    assert "docs/cli.md" in capsys.readouterr().err
    assert reference.main([]) == 0
    assert reference.main(["--check"]) == 0
    (tmp_path / "cli.md").write_text("old")
    assert reference.main(["--check"]) == 1


@pytest.mark.parametrize("path", COMMANDS)
def test_command_says_what_it_does(path: str) -> None:
    text = (COMMANDS[path].help or "").strip()
    assert re.match(r"[A-Z]", text), "a sentence"
    assert text.endswith("."), "a whole sentence"
    assert COMMANDS[path].hidden or path in (ROOT / "docs" / "cli.md").read_text("utf-8")


@pytest.mark.parametrize("path", RUNNABLE)
def test_command_has_examples_that_can_be_read(path: str) -> None:
    """Each example parses: the command exists, and so do its options. What it needs need not exist."""
    examples = reference.examples_of(RUNNABLE[path])
    assert any(path in line for line in examples)
    for line in examples:
        _parse(line)


def _parse(line: str) -> None:
    inner = re.search(r"\$\((.*?)\)", line)
    lexer = shlex.shlex(inner[1] if inner else line, posix=True, punctuation_chars="|>&;")
    lexer.whitespace_split = True
    words = list(lexer)
    words = words[words.index("crashvault") + 1 :]
    end = next((number for number, word in enumerate(words) if word in ("|", ">", "&&", ";")), len(words))
    context = cli.make_context("crashvault", words[:end], resilient_parsing=True)
    group: click.Command = cli
    rest = [*context._protected_args, *context.args]
    while isinstance(group, click.Group):
        name, found, rest = group.resolve_command(context, rest)
        assert found is not None, f"{line}: {name}"
        group = found
        context = group.make_context(name, list(rest), parent=context, resilient_parsing=True)
        rest = [*context._protected_args, *context.args]


@pytest.mark.parametrize("path", RUNNABLE)
def test_options_say_what_they_mean(path: str) -> None:
    silent = {"--sort", "--limit", "--offset"}
    for parameter in RUNNABLE[path].params:
        if isinstance(parameter, click.Option) and not silent.intersection(parameter.opts):
            assert parameter.help or isinstance(parameter.type, click.Choice), parameter.opts


def test_settings_and_variables_are_documented() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    assert all(f"`{key}`" in page and setting.about in page for key, setting in SETTINGS.items())
    used = set()
    for path in (ROOT / "src" / "crashvault").rglob("*.py"):
        used.update(re.findall(r"""environ(?:\.get\(|\[)["'](CRASHVAULT_[A-Z_]+)""", path.read_text("utf-8")))
    assert used, "the pattern finds some"
    assert {name for name in used if f"`{name}`" not in page} == set()
