"""Backups are one moment's view; a restore is whole or nothing, and never leaves its directory."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import os
import sqlite3
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crashvault import core, pipeline
from crashvault.errors import ConflictError, CrashvaultError, InvalidError
from crashvault.storage import backup
from crashvault.storage.store import Store

NOW = 1_790_000_000_000_000


def record(store: Store, *raws: dict[str, Any]) -> None:
    pipeline.record_events(store, [dict(raw) for raw in raws], received_at=NOW)


def attachment(data: bytes) -> list[dict[str, str]]:
    return [{"name": "a.bin", "data": base64.b64encode(data).decode()}]


def made(store: Store, compress: bool = False) -> bytes:
    out = io.BytesIO()
    backup.write_backup(store.db, store.home, out, now=NOW, compress=compress)
    return out.getvalue()


def restored(data: bytes, home: Path, force: bool = False) -> backup.Restored:
    return backup.restore_backup(io.BytesIO(data), str(home), force=force, now=NOW)


def messages(home: Path) -> list[str]:
    with core.open_vault(str(home)) as store:
        return [item.event["message"] for item in store.events.loader.stream(store.events.all_rows())]


def blob(home: Path, number: int = 0) -> bytes:
    return sorted(path for path in (home / "blobs").rglob("*") if path.is_file())[number].read_bytes()


@pytest.fixture
def vault(tmp_path: Path) -> Path:
    with core.open_vault(str(tmp_path / "vault")) as store:
        record(store, {"message": "one", "attachments": attachment(b"content")}, {"message": "two"})
    (tmp_path / "vault" / "config.json").write_text('{"logging.level": "debug"}')
    return tmp_path / "vault"


def backup_of(home: Path, compress: bool = False) -> bytes:
    with core.open_vault(str(home)) as store:
        return made(store, compress)


@pytest.mark.parametrize("compress", [False, True])
def test_everything_comes_back(vault: Path, tmp_path: Path, compress: bool) -> None:
    data = backup_of(vault, compress)
    done = restored(data, tmp_path / "new")
    assert (done.issues, done.events, done.attachments, done.config) == (2, 2, 1, True)
    assert messages(tmp_path / "new") == ["one", "two"]
    assert blob(tmp_path / "new") == b"content"
    assert core.load_config(str(tmp_path / "new")) == {"logging.level": "debug"}
    with core.open_vault(str(tmp_path / "new")) as store:
        assert not [found for _, found in core.examine(store, deep=True) if found]
        assert len(store.search(NOW).events(store.search(NOW).parse("two"), 5).ids) == 1


def test_recording_goes_on_during_a_backup(vault: Path, tmp_path: Path) -> None:
    with core.open_vault(str(vault)) as store:
        record(store, *({"message": "x", "context": {"n": os.urandom(2000).hex()}} for _ in range(300)))
    stop = threading.Event()
    written: list[int] = []

    def go_on() -> None:
        with core.open_vault(str(vault)) as store:
            while not stop.is_set() and len(written) < 200:
                record(store, {"message": "meanwhile"})
                written.append(1)

    writer = threading.Thread(target=go_on)
    writer.start()
    try:
        data = backup_of(vault)
    finally:
        stop.set()
        writer.join()
    done = restored(data, tmp_path / "new")
    assert done.events >= 302
    with core.open_vault(str(tmp_path / "new")) as store:
        assert not [found for _, found in core.examine(store, deep=True) if found]


def test_a_vault_with_issues_is_not_replaced_unasked(vault: Path, tmp_path: Path) -> None:
    data = backup_of(vault)
    with core.open_vault(str(vault)) as store:
        record(store, {"message": "three"})
    with pytest.raises(ConflictError, match="holds 3 issues"):
        restored(data, vault)
    assert len(messages(vault)) == 3
    restored(data, vault, force=True)
    assert messages(vault) == ["one", "two"]
    assert sorted(path.name for path in vault.iterdir() if ".bak" in path.name or "restore" in path.name) == []


def test_who_has_the_vault_open_goes_on_with_the_new_content(vault: Path) -> None:
    data = backup_of(vault)
    with core.open_vault(str(vault)) as store:
        record(store, {"message": "three", "tags": ["later"]})
        restored(data, vault, force=True)
        record(store, {"message": "four", "tags": ["later"]})
        search = store.search(NOW)
        assert len(search.events(search.parse("tag:later"), 5).ids) == 1
    assert messages(vault) == ["one", "two", "four"]
    with core.open_vault(str(vault)) as store:
        assert not [found for _, found in core.examine(store, deep=True) if found]


def test_not_while_a_server_works(vault: Path) -> None:
    data = backup_of(vault)
    with core.open_vault(str(vault)) as store:
        store.db.execute("INSERT INTO leases VALUES ('server', 'me', ?)", (NOW + 1,))
        store.db.execute("INSERT INTO leases VALUES ('server:old', 'me', ?)", (NOW - 1,))
    with pytest.raises(ConflictError, match="server"):
        restored(data, vault, force=True)


def test_a_damaged_vault_is_replaced_and_kept_beside(vault: Path) -> None:
    data = backup_of(vault)
    for ending in ("-wal", "-shm"):
        (vault / f"vault.db{ending}").unlink(missing_ok=True)
    (vault / "vault.db").write_bytes(b"rubbish" * 1000)
    restored(data, vault)
    assert messages(vault) == ["one", "two"]
    assert (vault / "vault.db.bak").read_bytes() == b"rubbish" * 1000


def test_the_configuration_that_is_there_stays(vault: Path) -> None:
    data = backup_of(vault)
    (vault / "config.json").write_text("{}")
    assert not restored(data, vault, force=True).config
    assert core.load_config(str(vault)) == {}


def test_an_attachment_that_is_gone_is_counted(vault: Path, tmp_path: Path) -> None:
    for path in (vault / "blobs").rglob("*"):
        if path.is_file():
            path.unlink()
    with core.open_vault(str(vault)) as store:
        out = io.BytesIO()
        assert backup.write_backup(store.db, store.home, out, now=NOW).missing == 1
    assert restored(out.getvalue(), tmp_path / "new").attachments == 0


# Damaged and hostile files


def members(data: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return [(member, tar.extractfile(member).read()) for member in tar]  # type: ignore[union-attr]


def packed(items: list[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for member, content in items:
            member.size = len(content) if member.isreg() else 0
            tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


def named(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, link
    return member


HOSTILE: dict[str, Callable[[], tuple[tarfile.TarInfo, bytes]]] = {
    "above": lambda: (named("../evil"), b"x"),
    "absolute": lambda: (named("/tmp/evil"), b"x"),
    "in_blobs": lambda: (named("blobs/aa/../../../evil"), b"x"),
    "symbolic": lambda: (named("blobs", tarfile.SYMTYPE, "/tmp"), b""),
    "hard": lambda: (named("config.json", tarfile.LNKTYPE, "/etc/passwd"), b""),
    "device": lambda: (named("vault.db-wal", tarfile.CHRTYPE), b""),
    "folder": lambda: (named("blobs/aa", tarfile.DIRTYPE), b""),
    "sparse": lambda: (named("vault.db-wal", tarfile.GNUTYPE_SPARSE), b""),
    "unknown": lambda: (named("vault.db-wal"), b"x"),
    "wrong_blob": lambda: (named(f"blobs/{'aa'}/{'aa' * 32}"), b"other content"),
    "misplaced_blob": lambda: (named(f"blobs/bb/{hashlib.sha256(b'x').hexdigest()}"), b"x"),
    "twice": lambda: (named("vault.db"), b"x"),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("place", [1, 99])
def test_a_hostile_archive_is_refused_and_changes_nothing(vault: Path, tmp_path: Path, name: str, place: int) -> None:
    items = members(backup_of(vault))
    items.insert(place, HOSTILE[name]())
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(CrashvaultError):
        restored(packed(items), tmp_path / "new")
    after = [path for path in sorted(tmp_path.rglob("*")) if "new" not in path.parts]
    assert [path for path in after if path != tmp_path / "new"] == before
    assert list((tmp_path / "new").iterdir()) == []


def _manifest(change: Callable[[dict[str, Any]], Any]) -> Callable[[bytes], bytes]:
    def changed(data: bytes) -> bytes:
        items = members(data)
        manifest = json.loads(items[0][1])
        change(manifest)
        return packed([(items[0][0], json.dumps(manifest).encode()), *items[1:]])

    return changed


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda data: b"",
    "text": lambda data: b"hello",
    "cut": lambda data: data[:100_000],
    "cut_gzip": lambda data: gzip.compress(data)[:-5000],
    "flipped": lambda data: data[:50_000] + bytes([data[50_000] ^ 1]) + data[50_001:],
    "no_vault": lambda data: packed([item for item in members(data) if item[0].name != "vault.db"]),
    "no_blob": lambda data: packed([item for item in members(data) if not item[0].name.startswith("blobs")]),
    "no_manifest": lambda data: packed(members(data)[1:]),
    "newer": _manifest(lambda manifest: manifest.update(crashvault_backup=99)),
    "newer_schema": _manifest(lambda manifest: manifest.update(schema_version=999)),
    "odd_manifest": _manifest(lambda manifest: manifest.update(files=[])),
    "odd_names": _manifest(lambda manifest: manifest["files"].update({"../x": manifest["files"]["vault.db"]})),
    "odd_sizes": _manifest(lambda manifest: manifest["files"]["vault.db"].update(size=-5)),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_backup_is_refused_and_changes_nothing(vault: Path, name: str) -> None:
    data = DAMAGE[name](backup_of(vault))
    with core.open_vault(str(vault)) as store:
        record(store, {"message": "three"})
    with pytest.raises(InvalidError):
        restored(data, vault, force=True)
    assert messages(vault) == ["one", "two", "three"]
    assert not [path for path in vault.iterdir() if path.name.startswith(".restore")]


def test_a_vault_that_is_damaged_inside_is_refused(vault: Path, tmp_path: Path) -> None:
    items = members(backup_of(vault))
    content = bytearray(items[1][1])
    content[8192:20_000] = os.urandom(20_000 - 8192)
    manifest = json.loads(items[0][1])
    manifest["files"]["vault.db"]["sha256"] = hashlib.sha256(content).hexdigest()
    items[0] = (items[0][0], json.dumps(manifest).encode())
    items[1] = (items[1][0], bytes(content))
    with pytest.raises(InvalidError, match="damaged"):
        restored(packed(items), tmp_path / "new")
    assert not (tmp_path / "new" / "vault.db").exists()


_KILLED = """
import io, os, signal, sqlite3, sys
from crashvault.storage import backup
real = backup._overwrite
def overwrite(db, copy):
    class Source:
        pass
    db.connection.execute("BEGIN IMMEDIATE")
    db.connection.execute("DELETE FROM events")
    os.kill(os.getpid(), signal.SIGKILL)
backup._overwrite = overwrite
with open(sys.argv[2], "rb") as file:
    backup.restore_backup(file, sys.argv[1], force=True, now=1)
"""


def test_a_restore_that_is_killed_leaves_the_old_vault(vault: Path, tmp_path: Path) -> None:
    file = tmp_path / "backup.tar"
    file.write_bytes(backup_of(vault))
    with core.open_vault(str(vault)) as store:
        record(store, {"message": "three"})
    killed = subprocess.run([sys.executable, "-c", _KILLED, str(vault), str(file)], check=False)
    assert killed.returncode == -9
    assert messages(vault) == ["one", "two", "three"]
    with sqlite3.connect(vault / "vault.db.bak") as kept:
        assert kept.execute("SELECT count(*) FROM events").fetchone() == (3,)
    kept.close()
    restored(file.read_bytes(), vault, force=True)
    assert messages(vault) == ["one", "two"]
