"""The schema: made by its migrations, brought up to date, refused when it is too new."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from crashvault import pipeline
from crashvault.errors import StoreError
from crashvault.storage import migrations, store
from crashvault.storage.sqlite import SQLite
from crashvault.storage.store import open_sqlite

EXTRA = "CREATE TABLE later (id INTEGER PRIMARY KEY); CREATE INDEX later_id ON later (id);"


def schema(path: Path) -> list[tuple[str, ...]]:
    with sqlite3.connect(path) as connection:
        found = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name").fetchall()
    connection.close()
    return found


def test_the_schema_is_the_sum_of_the_migrations(tmp_path: Path) -> None:
    open_sqlite(str(tmp_path / "vault")).close()
    with sqlite3.connect(tmp_path / "plain.db") as connection:
        for version in range(1, migrations.VERSION + 1):
            path = os.path.join(os.path.dirname(migrations.__file__), "sqlite", f"{version:04}.sql")
            connection.executescript(Path(path).read_text(encoding="utf-8"))
    connection.close()
    assert schema(tmp_path / "vault" / "vault.db") == schema(tmp_path / "plain.db")


def test_every_step_is_there_and_complete() -> None:
    folder = Path(migrations.__file__).parent / "sqlite"
    steps = sorted(path.name for path in folder.glob("*.sql"))
    assert steps == [f"{version:04}.sql" for version in range(1, migrations.VERSION + 1)]
    for version in range(1, migrations.VERSION + 1):
        text = (folder / f"{version:04}.sql").read_text(encoding="utf-8")
        found = migrations.statements(version)
        assert "".join("".join(found).split()) == "".join(text.split())
        assert all(statement.endswith(";") and sqlite3.complete_statement(statement) for statement in found)


def test_a_new_vault_is_private_and_has_its_project(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        with open_sqlite(str(tmp_path / "vault")) as opened:
            pipeline.record_events(opened, [{"message": "x"}], project="other")
            assert [(project.id, project.name) for project in opened.projects.list()][0] == (1, "default")
            modes = {
                path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "vault").iterdir() if path.is_file()
            }
    finally:
        os.umask(old)
    assert set(modes.values()) == {0o600} and {"vault.db", "vault.db-wal", "vault.db.lock"} <= set(modes)
    assert (tmp_path / "vault").stat().st_mode & 0o777 == 0o700


def set_meta(path: Path, **values: str) -> None:
    with sqlite3.connect(path) as connection:
        for key, value in values.items():
            connection.execute("UPDATE meta SET value = ? WHERE key = ?", (value, key))
    connection.close()


def test_a_vault_for_newer_readers_is_refused(tmp_path: Path) -> None:
    open_sqlite(str(tmp_path)).close()
    set_meta(tmp_path / "vault.db", schema_version="999", min_reader="999")
    with pytest.raises(StoreError, match=r"schema 999, which needs a newer Crashvault.*Upgrade with"):
        open_sqlite(str(tmp_path))


def test_a_newer_vault_that_we_can_read_is_opened(tmp_path: Path) -> None:
    open_sqlite(str(tmp_path)).close()
    set_meta(tmp_path / "vault.db", schema_version="999")
    with open_sqlite(str(tmp_path)) as opened:
        pipeline.record_events(opened, [{"message": "x"}])
    with SQLite(str(tmp_path / "vault.db")).connection as connection:
        assert connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone() == ("999",)
    connection.close()


@pytest.fixture
def next_version(monkeypatch: pytest.MonkeyPatch) -> int:
    """A program that knows one schema step more."""
    real, newer = migrations.statements, migrations.VERSION + 1
    extra = [f"{statement};" for statement in EXTRA.split(";") if statement.strip()]
    monkeypatch.setattr(migrations, "statements", lambda version: extra if version == newer else real(version))
    for module in (migrations, store):
        monkeypatch.setattr(module, "VERSION", newer)
    return newer


def test_an_older_vault_is_upgraded_after_a_copy(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    with open_sqlite(str(tmp_path)) as opened:
        pipeline.record_events(opened, [{"message": "kept"}])
    newer = request.getfixturevalue("next_version")
    with open_sqlite(str(tmp_path)) as opened:
        assert migrations.schema_version(opened.db) == newer
        assert opened.issues.get(1).title == "kept"
        assert opened.db.value("SELECT count(*) FROM later") == 0
    copy = tmp_path / f"vault.db.v{newer - 1}.bak"
    assert copy.stat().st_mode & 0o777 == 0o600
    with sqlite3.connect(copy) as connection:
        assert connection.execute("SELECT title FROM issues").fetchall() == [("kept",)]
        assert connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'later'").fetchone() == (0,)
    connection.close()
    assert not list(tmp_path.glob("*.tmp*"))


def test_a_failing_step_leaves_the_vault_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_sqlite(str(tmp_path)).close()
    before = schema(tmp_path / "vault.db")
    for module in (migrations, store):
        monkeypatch.setattr(module, "VERSION", migrations.VERSION + 1)
    monkeypatch.setattr(migrations, "statements", lambda version: ["CREATE TABLE later (id);", "CREATE NONSENSE;"])
    with pytest.raises(StoreError):
        open_sqlite(str(tmp_path))
    monkeypatch.undo()
    assert schema(tmp_path / "vault.db") == before
    open_sqlite(str(tmp_path)).close()


def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "vault.db") as connection:
        connection.execute("CREATE TABLE notes (id)")
    connection.close()
    before = (tmp_path / "vault.db").read_bytes()
    with pytest.raises(StoreError, match="another program"):
        open_sqlite(str(tmp_path))
    assert (tmp_path / "vault.db").read_bytes() == before


OPEN = """
import sys, time
from crashvault.storage import migrations, store
home, go, extra = sys.argv[1:]
if extra:
    real, newer = migrations.statements, migrations.VERSION + 1
    steps = [f"{part};" for part in extra.split(";") if part.strip()]
    migrations.statements = lambda version: steps if version == newer else real(version)
    migrations.VERSION = store.VERSION = newer
open(go).read()  # a pipe: all begin together
with store.open_sqlite(home) as opened:
    print(migrations.schema_version(opened.db), opened.projects.require("default").id)
"""


@pytest.mark.parametrize("extra", ["", EXTRA])
def test_many_processes_make_or_upgrade_the_vault_at_once(tmp_path: Path, extra: str) -> None:
    home = tmp_path / "vault"
    if extra:
        open_sqlite(str(home)).close()
    go = tmp_path / "go"
    os.mkfifo(go)
    command = [sys.executable, "-c", OPEN, str(home), str(go), extra]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(8)]
    with open(go, "w"):
        pass
    answers = []
    for child in children:
        while child.poll() is None:  # a child may come late to the pipe
            try:
                os.close(os.open(go, os.O_WRONLY | os.O_NONBLOCK))
            except OSError:
                pass
            try:
                child.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
        out, err = child.communicate(timeout=60)
        answers.append((child.returncode, out, err))
    assert answers == [(0, f"{migrations.VERSION + bool(extra)} 1\n", "")] * 8
    assert len(list(home.glob("*.bak"))) == bool(extra)
