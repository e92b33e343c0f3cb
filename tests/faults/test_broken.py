"""Disks that are full, files that are damaged, directories that cannot be written: one line that says what to do."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from children import ROUNDS, assert_one_line_error, crashvault, python

from crashvault import pipeline
from crashvault.errors import StoreError
from crashvault.storage.store import open_sqlite

READING = [["list"], ["events"], ["show", "1"], ["stats"], ["search", "x"], ["list", "boom", "--json"]]
_DROP_FROM_BOUNDING_SET, _DAC_OVERRIDE, _DAC_READ_SEARCH = 24, 1, 2  # of prctl and capabilities(7)
ROOT = os.geteuid() == 0


@pytest.fixture
def vault(tmp_path: Path) -> Path:
    home = tmp_path / "vault"
    with open_sqlite(str(home)) as store:
        for number in range(30):
            raw = {
                "message": f"boom {number}",
                "frames": [{"file": "a.py", "function": "f", "line": number}],
                "tags": ["x"],
            }
            pipeline.record_events(store, [raw])
        store.db.checkpoint()
    return home


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = (
        ROOT
        and subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1500k", "tmpfs", str(disk)], capture_output=True
        ).returncode
        == 0
    )
    if not mounted:
        pytest.skip("needs the right to mount") if os.environ.get("CI") != "true" else None
    yield disk
    if mounted:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_full_disk_loses_nothing(small_disk: Path) -> None:
    acknowledged = set()
    filler = os.urandom(20_000).hex()
    done = None
    with open_sqlite(str(small_disk)) as store:
        with pytest.raises(StoreError, match="disk"):
            for number in range(500):
                raw = {"message": f"event {number}", "context": {"filler": os.urandom(3_000).hex()}}
                acknowledged.add(pipeline.record_events(store, [raw])[0].event_id)
        assert len(store.events.load(list(store.events.all_rows()))) == len(acknowledged)
    assert len(acknowledged) > 10
    for _ in range(20):
        done = crashvault(small_disk, "add", "one more", "--context", f"filler={filler}")
        if done.returncode:
            break
    assert done is not None and "disk" in assert_one_line_error(done)
    assert crashvault(small_disk, "list").returncode == 0
    with open_sqlite(str(small_disk)) as store:
        assert store.db.rows("PRAGMA integrity_check") == [("ok",)]
        assert {item.event["event_id"] for item in store.events.load(list(store.events.all_rows()))} >= acknowledged


def test_a_file_that_may_not_grow_loses_nothing(vault: Path) -> None:
    size = (vault / "vault.db").stat().st_size

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    done = None
    for _ in range(60):
        filler = os.urandom(4_000).hex()
        done = crashvault(vault, "add", "more", "--context", f"filler={filler}", preexec_fn=limit)
        if done.returncode:
            break
    assert done is not None
    assert_one_line_error(done)
    with open_sqlite(str(vault)) as store:
        assert store.db.rows("PRAGMA integrity_check") == [("ok",)]
        assert len(store.events.load(list(store.events.all_rows()))) >= 30


def obey_modes() -> None:
    """Take from root what lets it pass by the modes of files; everybody else obeys them anyway."""
    if ROOT:
        system = ctypes.CDLL(None, use_errno=True)
        for capability in (_DAC_OVERRIDE, _DAC_READ_SEARCH):
            if system.prctl(_DROP_FROM_BOUNDING_SET, capability, 0, 0, 0):
                raise OSError(ctypes.get_errno(), "prctl")


@pytest.mark.parametrize("log_left", [False, True])
def test_a_vault_that_cannot_be_written_can_be_read(vault: Path, log_left: bool) -> None:
    if log_left:  # as after a crash: what is in the log was acknowledged
        with python("import sys, os\nfrom crashvault import pipeline\nfrom crashvault.storage.store import open_sqlite\n"
                    "store = open_sqlite(sys.argv[1])\npipeline.record_events(store, [{'message': 'boom in the log'}])\nos._exit(0)", vault) as child:  # fmt: skip
            child.communicate(timeout=60)
        assert (vault / "vault.db-wal").exists()
    for path in [*vault.rglob("*"), vault]:
        path.chmod(0o500 if path.is_dir() else 0o400)
    for command in READING:
        done = crashvault(vault, *command, preexec_fn=obey_modes)
        assert done.returncode == 0, (command, done.stderr)
    listed = crashvault(vault, "events", "--limit", "50", preexec_fn=obey_modes).stdout
    assert "boom 29" in listed and ("in the log" in listed) == log_left
    line = assert_one_line_error(crashvault(vault, "add", "no", preexec_fn=obey_modes))
    assert "ermission" in line
    for path in [vault, *vault.rglob("*")]:
        path.chmod(0o700 if path.is_dir() else 0o600)
    with open_sqlite(str(vault)) as store:
        assert store.statistics.totals().events == 30 + log_left


def test_files_that_are_no_vault(tmp_path: Path) -> None:
    for content in (b"this is not a database, only text " * 200, b"{}", os.urandom(8192)):
        home = tmp_path / str(len(content))
        home.mkdir()
        (home / "vault.db").write_bytes(content)
        for command in (["list"], ["add", "x"], ["gc"]):
            assert "not a vault" in assert_one_line_error(crashvault(home, *command))
        assert (home / "vault.db").read_bytes() == content


def test_a_vault_that_was_emptied_or_cut(vault: Path) -> None:
    content = (vault / "vault.db").read_bytes()
    for length in (0, 100, 4096, len(content) // 2):
        with open(vault / "vault.db", "r+b") as file:
            file.truncate(length)
        for command in (["list"], ["add", "x"], ["gc"]):
            line = assert_one_line_error(crashvault(vault, *command))
            assert "restore" in line or "doctor" in line, line
        (vault / "vault.db").write_bytes(content)
    assert crashvault(vault, "list").returncode == 0
    for name in ("vault.db", "vault.db.lock"):
        (vault / name).unlink()
    assert json.loads(crashvault(vault, "add", "anew", "--json").stdout)["issue_id"] == 1


def test_a_damaged_schema_is_one_line(vault: Path) -> None:
    path = vault / "vault.db"
    path.write_bytes(path.read_bytes().replace(b"CREATE TABLE meta (", b'CREATE TABLE "meta ('))
    assert "is damaged" in assert_one_line_error(crashvault(vault, "list"))


def test_flipped_bytes_never_give_a_traceback(vault: Path, tmp_path: Path) -> None:
    random = Random(4)
    content = bytearray((vault / "vault.db").read_bytes())
    failed = 0
    for turn in range(6 * ROUNDS):
        home = tmp_path / f"flipped{turn}"
        shutil.copytree(vault, home)
        damaged = bytearray(content)
        for _ in range(400):
            damaged[random.randrange(100 if turn % 2 else 4096, len(damaged))] ^= 1 << random.randrange(8)
        (home / "vault.db").write_bytes(damaged)
        for command in (
            ["list", "--status", "all"],
            ["events"],
            ["search", "bo*"],
            ["add", "x"],
            ["show", "3"],
            ["gc"],
        ):
            done = crashvault(home, *command)
            if done.returncode:
                failed += 1
                assert_one_line_error(done)
    assert failed


def test_a_vault_that_vanishes_while_open_says_so(vault: Path) -> None:
    with open_sqlite(str(vault)) as store:
        pipeline.record_events(store, [{"message": "before"}])
        shutil.rmtree(vault)
        with pytest.raises(StoreError, match="moved, replaced or deleted"):
            pipeline.record_events(store, [{"message": "after"}])
    with pytest.raises(StoreError, match="no vault"):
        open_sqlite(str(vault), create=False)


def test_a_vault_that_is_replaced_while_open_says_so(vault: Path, tmp_path: Path) -> None:
    shutil.copytree(vault, tmp_path / "copy")
    with open_sqlite(str(vault)) as store:
        pipeline.record_events(store, [{"message": "before"}])
        os.replace(tmp_path / "copy" / "vault.db", vault / "vault.db")
        with pytest.raises(StoreError, match="replaced"):
            pipeline.record_events(store, [{"message": "after"}])


def test_homes_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    for home in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/nothing"), Path("/dev/null")):
        for command in (["add", "x"], ["list"], ["init"]):
            assert_one_line_error(crashvault(home, *command))
    assert (tmp_path / "file").read_text() == "text"


def test_a_directory_in_the_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "vault.db").mkdir()
    assert_one_line_error(crashvault(tmp_path, "add", "x"))


def test_without_home(tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key not in ("HOME", "CRASHVAULT_HOME")}
    code = """if True:
        import pwd, sys
        def nobody(uid):
            raise KeyError(uid)  # as for a user id that is in no list of users
        pwd.getpwuid = nobody
        sys.argv = ["crashvault", "list"]
        from crashvault.__main__ import main
        main()"""
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert "--home DIR" in assert_one_line_error(done)
    empty = crashvault("", "path", env={"HOME": ""})
    assert "--home DIR" in assert_one_line_error(empty)
    named = subprocess.run(
        [sys.executable, "-m", "crashvault", "--home", str(tmp_path), "add", "x"], env=environment, timeout=60
    )
    assert named.returncode == 0


def test_a_busy_vault_says_so(vault: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crashvault.storage.sqlite.BUSY_SECONDS", 0.05)
    import sqlite3

    other = sqlite3.connect(vault / "vault.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with open_sqlite(str(vault)) as store:
        with pytest.raises(StoreError, match="busy"):
            pipeline.record_events(store, [{"message": "waits"}])
        other.execute("ROLLBACK")
        other.close()
        assert pipeline.record_events(store, [{"message": "waits"}])[0].transition == "new"
