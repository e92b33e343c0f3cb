"""The commands: export, import, backup, restore."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from crashvault.cli import cli
from crashvault.commands.context import Context
from crashvault.errors import ConflictError, InvalidError, NotFoundError, StoreError

from .vaults import exported, record, vault, with_triage


def run(home: Path, *arguments: str, input: str | bytes | None = None) -> Result:
    context = Context()
    try:
        return CliRunner().invoke(cli, ["--home", str(home), *arguments], obj=context, input=input)
    finally:
        context.close()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    with vault(tmp_path) as store:
        with_triage(store)
    return tmp_path / "vault"


def test_export_writes_to_standard_output(home: Path) -> None:
    for arguments in (["export"], ["export", "--output", "-"]):
        result = run(home, *arguments)
        assert result.exit_code == 0
        assert [json.loads(line).get("kind") for line in result.stdout.strip().split("\n")][-3:] == ["event"] * 3


def test_json_is_one_document(home: Path) -> None:
    for arguments in (["--json", "export"], ["export", "--format", "JSON"]):
        document = json.loads(run(home, *arguments).stdout)
        assert [len(document[kind]) for kind in ("issues", "events", "attachments")] == [3, 3, 0]


def test_the_name_of_the_file_says_the_format(home: Path, tmp_path: Path) -> None:
    for name, start in (
        ("a.csv", "event_id,"),
        ("a.md", "# Crash"),
        ("a.html.gz", "<!doctype"),
        ("a", '{"crashvault"'),
    ):
        result = run(home, "export", "--output", str(tmp_path / name), "--json")
        assert json.loads(result.stdout)["events"] == 3
        data = (tmp_path / name).read_bytes()
        assert (gzip.decompress(data) if name.endswith(".gz") else data).decode().startswith(start)
    assert (tmp_path / "a.csv").stat().st_mode & 0o077 == 0


def test_a_part_is_exported_by_issue_query_and_time(home: Path) -> None:
    def messages(*arguments: str) -> list[str]:
        found = [json.loads(line) for line in run(home, "export", *arguments).stdout.strip().split("\n")]
        return [line["event"]["message"] for line in found if line.get("kind") == "event"]

    assert messages("--issue", "2") == ["two"]
    assert messages("--issue", "1", "--issue", "#2") == ["one", "two"]
    assert messages("--query", "tag:db OR level:warning") == ["one", "two"]
    assert messages("level:warning", "--since", "2020-01-01") == ["two"]
    assert messages("--since", "2040-01-01") == []
    assert isinstance(run(home, "export", "--issue", "9").exception, NotFoundError)


def test_a_failed_export_leaves_the_old_file(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from crashvault.exchange import document

    def fail(source: object) -> None:
        raise OSError(28, "No space left on device")

    target = tmp_path / "out.jsonl"
    target.write_text("old")
    monkeypatch.setattr(document, "events", fail)
    assert isinstance(run(home, "export", "--output", str(target)).exception, StoreError)
    assert target.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.jsonl", "vault"]


def test_import_from_a_file_and_from_standard_input(home: Path, tmp_path: Path) -> None:
    with vault(tmp_path) as store:
        data = exported(store)
    file = tmp_path / "a.jsonl"
    file.write_bytes(data)
    result = run(tmp_path / "one", "import", str(file), "--json")
    assert json.loads(result.stdout)["events_added"] == 3
    result = run(tmp_path / "two", "import", "-", input=data)
    assert "3 new issues and 3 events" in result.stdout
    for name in ("one", "two"):
        with vault(tmp_path, name) as store:
            assert exported(store) == data


def test_replacing_asks_first(home: Path, tmp_path: Path) -> None:
    with vault(tmp_path, "other") as store:
        record(store, {"message": "other"})
        (tmp_path / "other.jsonl").write_bytes(exported(store))
    arguments = ("import", str(tmp_path / "other.jsonl"), "--mode", "replace")
    refused = run(home, *arguments, input="n\n")
    assert refused.exit_code == 1
    assert "Replace ALL 3 issues" in refused.output
    with vault(tmp_path) as store:
        assert store.statistics.totals().issues == 3
    assert run(home, *arguments, input="y\n").exit_code == 0
    assert run(home, *arguments, "--yes").exit_code == 0
    with vault(tmp_path) as store:
        assert store.statistics.totals().issues == 1


def test_a_missing_file_is_said(home: Path, tmp_path: Path) -> None:
    for command in ("import", "restore"):
        error = run(home, command, str(tmp_path / "nowhere"), *(["--force"] if command == "restore" else [])).exception
        assert isinstance(error, InvalidError)
        assert "nowhere" in str(error)


def test_backup_and_restore(home: Path, tmp_path: Path) -> None:
    file = str(tmp_path / "backup.tar.gz")
    assert "3 issues, 3 events" in run(home, "backup", file).stdout
    assert isinstance(run(home, "restore", file).exception, ConflictError)
    assert run(home, "restore", file, "--force").exit_code == 0
    result = run(tmp_path / "elsewhere", "restore", file, "--json")
    assert json.loads(result.stdout)["events"] == 3
    with vault(tmp_path) as store, vault(tmp_path, "elsewhere") as other:
        assert exported(other) == exported(store)
