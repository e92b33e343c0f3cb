"""Backups: one file with the vault, its attachments and its configuration; and the way back.

A backup is a tar archive, compressed where its name ends in `.gz`: `manifest.json` first, then `vault.db`,
`config.json` where there is one, and `blobs/`, whose files are named by the SHA-256 of their content. The copy of the
vault is one moment's view, made while others go on recording.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any, NamedTuple, cast

from ..clock import to_iso
from ..errors import ConflictError, CrashvaultError, InvalidError, StoreError
from .blobs import MAX_SIZE, Blobs
from .migrations import VERSION
from .sqlite import FAILURES, FILE_NAME, SQLite, convert_error

FORMAT_VERSION = 1
MANIFEST, CONFIG, BLOBS = "manifest.json", "config.json", "blobs"
_PAGES = 2_000  # copied at a time, between two reports of progress
_CHUNK = 1 << 20
_MOST_MANIFEST = 1 << 20  # bytes
_MOST_CONFIG = 16 << 20
_GZIP = b"\x1f\x8b"

Progress = Callable[[int, int], object]  # bytes done, bytes in all


class BackedUp(NamedTuple):
    issues: int
    events: int
    attachments: int
    missing: int  # attachments whose content is gone from the vault
    bytes: int  # before compression


class Restored(NamedTuple):
    issues: int
    events: int
    attachments: int
    created_at: str
    config: bool  # whether config.json came from the backup: not where there is one


# Making one


def write_backup(
    db: SQLite, home: str, out: IO[bytes], *, now: int, compress: bool = False, progress: Progress | None = None
) -> BackedUp:
    """Write a backup of the open vault to `out`. Nobody who records waits for it. Raises StoreError."""
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=home) as folder:
        copy = os.path.join(folder, FILE_NAME)
        _copy_online(db, copy, progress or _silent)
        issues, events, version = _totals(copy)
        digests = _digests(copy)
        blobs = Blobs(home)
        present = [digest for digest in digests if os.path.exists(blobs.path(digest))]
        files = {name: _described(path) for name, path in _files(copy, home)}
        manifest = {
            "crashvault_backup": FORMAT_VERSION, "created_at": to_iso(now), "schema_version": version,
            "issues": issues, "events": events, "attachments": len(present), "missing": len(digests) - len(present),
            "files": files,
        }  # fmt: skip
        size = sum(item["size"] for item in files.values())
        packed: Any = gzip.GzipFile(filename="", mode="wb", fileobj=out, compresslevel=5, mtime=0) if compress else out
        with tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as tar:
            _add_bytes(tar, MANIFEST, json.dumps(manifest, indent=2).encode(), now)
            for name, path in _files(copy, home):
                _add_file(tar, name, path, now)
            for digest in present:
                size += _add_file(tar, f"{BLOBS}/{digest[:2]}/{digest}", blobs.path(digest), now)
        if compress:
            packed.close()
    return BackedUp(issues, events, len(present), len(digests) - len(present), size)


def _silent(done: int, total: int) -> None:
    return None


def _copy_online(db: SQLite, target: str, progress: Progress) -> None:
    """A copy of one moment. The open read transaction keeps the copy from starting over when others write."""
    size = int(db.value("PRAGMA page_size"))
    try:
        source = sqlite3.connect(db.path, isolation_level=None)
        copy = sqlite3.connect(target)
        os.chmod(target, 0o600)
        with contextlib.closing(source), contextlib.closing(copy):
            source.execute("BEGIN")
            source.execute("SELECT count(*) FROM sqlite_master").fetchone()
            source.backup(
                copy, pages=_PAGES, progress=lambda _, left, total: progress((total - left) * size, total * size)
            )
            source.execute("ROLLBACK")
    except FAILURES as error:
        raise convert_error(error, db.path) from error


def _files(copy: str, home: str) -> list[tuple[str, str]]:
    config = os.path.join(home, CONFIG)
    return [(FILE_NAME, copy), *([(CONFIG, config)] if os.path.isfile(config) else [])]


def _described(path: str) -> dict[str, Any]:
    with open(path, "rb") as file:
        return {"size": os.path.getsize(path), "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _member(name: str, size: int, now: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = size, 0o600, now // 1_000_000
    return member


def _add_bytes(tar: tarfile.TarFile, name: str, data: bytes, now: int) -> None:
    tar.addfile(_member(name, len(data), now), io.BytesIO(data))


def _add_file(tar: tarfile.TarFile, name: str, path: str, now: int) -> int:
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        tar.addfile(_member(name, size, now), file)
    return size


@contextmanager
def _reading(path: str) -> Iterator[sqlite3.Connection]:
    """A closed vault file, as it is."""
    connection = sqlite3.connect(f"file:{_quoted(path)}?mode=ro&immutable=1", uri=True)
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
        yield connection
    except FAILURES as error:
        raise StoreError(f"the copy of the vault is damaged ({error})", "Use another backup") from error
    finally:
        connection.close()


def _quoted(path: str) -> str:
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _totals(path: str) -> tuple[int, int, int]:
    with _reading(path) as db:
        counts = db.execute("SELECT (SELECT count(*) FROM issues), (SELECT count(*) FROM events)").fetchone()
        version = db.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()[0]
    return int(counts[0]), int(counts[1]), int(version)


def _digests(path: str) -> list[str]:
    with _reading(path) as db:
        return [digest.hex() for (digest,) in db.execute("SELECT DISTINCT digest FROM attachments ORDER BY digest")]


# Bringing one back


def restore_backup(file: IO[bytes], home: str, *, force: bool, now: int, name: str = "the backup") -> Restored:
    """Bring a backup back into `home`, after every checksum and the vault's structure have been checked.

    A vault that holds something is only replaced with `force`, and kept beside as `vault.db.bak` until the new one is
    in place. Raises InvalidError for a backup that is damaged or hostile, ConflictError where a server runs or the
    vault is not empty, StoreError where nothing can be written.
    """
    check_target(home, force=force, now=now)
    try:
        os.makedirs(home, mode=0o700, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".restore-", dir=home) as folder:
            manifest = _unpack(file, folder, name)
            copy = os.path.join(folder, FILE_NAME)
            issues, events = _check_copy(copy, folder, manifest, name)
            check_target(home, force=force, now=now)  # unpacking took a while
            _give_up_deliveries(copy, now)
            count = _place_blobs(folder, home)
            _replace_vault(copy, home)
            config = _place_config(folder, home)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"{name} cannot be restored ({error})", f"Check {home} and its free space") from error
    return Restored(issues, events, count, str(manifest.get("created_at", "")), config)


def check_target(home: str, *, force: bool, now: int) -> None:
    """Raises ConflictError where a restore must not go: a server runs, or something is stored and `force` is not given."""
    found = _present(home, now)
    if found is None:
        return
    issues, leased = found
    if leased:
        raise ConflictError("a server works on this vault", "Stop it first with: crashvault server stop")
    if issues and not force:
        raise ConflictError(
            f"the vault in {home} holds {issues} issues", "Replace them with: crashvault restore --force"
        )


def _give_up_deliveries(copy: str, now: int) -> None:
    """What waited for webhooks when the backup was made has long been told, or is for a person to decide."""
    with contextlib.closing(sqlite3.connect(copy)) as db, db:
        if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'outbox'").fetchone():
            db.execute(
                """UPDATE outbox SET state = 'failed', reason = 'it waited when the backup was made', ended_at = ?
                   WHERE state IN ('queued', 'delivering', 'retry', 'held')""",
                (now,),
            )


def _present(home: str, now: int) -> tuple[int, bool] | None:
    """Issues and whether a server's lease lives; None where there is no vault that can be read."""
    path = os.path.join(home, FILE_NAME)
    if not os.path.exists(path):
        return None
    try:
        with contextlib.closing(sqlite3.connect(f"file:{_quoted(path)}?mode=rw", uri=True)) as db:
            issues = db.execute("SELECT count(*) FROM issues").fetchone()[0]
            leased = db.execute("SELECT 1 FROM leases WHERE name LIKE 'server%' AND expires_at > ?", (now,)).fetchone()
    except FAILURES:  # damaged: that is what backups are for
        return None
    return int(issues), leased is not None


def _unpack(file: IO[bytes], folder: str, name: str) -> dict[str, Any]:
    """The members into `folder`, under names of our own making; the manifest."""
    manifest: dict[str, Any] | None = None
    try:
        with tarfile.open(fileobj=_unpacked(file), mode="r|") as tar:
            for member in tar:
                content = tar.extractfile(member) if member.type in (tarfile.REGTYPE, tarfile.AREGTYPE) else None
                if content is None:
                    raise _refused(name, f"it holds {member.name!r}, which is no plain file")
                if manifest is None:
                    manifest = _read_manifest(member, content, name)
                else:
                    _unpack_member(member, content, folder, manifest, name)
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _refused(name, f"it is cut off or damaged: {error}") from error
    if manifest is None:
        raise _refused(name, "it is empty")
    for expected in manifest["files"]:
        if not os.path.exists(os.path.join(folder, expected)):
            raise _refused(name, f"{expected} is missing in it")
    return manifest


def _unpacked(file: IO[bytes]) -> IO[bytes]:
    buffered = file if isinstance(file, io.BufferedReader) else io.BufferedReader(cast(io.RawIOBase, file), _CHUNK)
    return cast(IO[bytes], gzip.GzipFile(fileobj=buffered) if buffered.peek(2)[:2] == _GZIP else buffered)


def _read_manifest(member: tarfile.TarInfo, content: IO[bytes], name: str) -> dict[str, Any]:
    if member.name != MANIFEST or member.size > _MOST_MANIFEST:
        raise _refused(name, f"it does not begin with {MANIFEST}")
    try:
        manifest = json.loads(content.read())
        version, files = manifest["crashvault_backup"], manifest["files"]
        sizes = [(files[key]["size"] + 0, str(files[key]["sha256"])) for key in files]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _refused(name, f"its {MANIFEST} cannot be read") from error
    if not isinstance(version, int) or version > FORMAT_VERSION or manifest.get("schema_version", 0) > VERSION:
        raise InvalidError(f"{name} was made by a newer Crashvault", "Upgrade with: pip install --upgrade crashvault")
    if FILE_NAME not in files or not set(files) <= {FILE_NAME, CONFIG} or any(size < 0 for size, _ in sizes):
        raise _refused(name, f"its {MANIFEST} names other files than a backup has")
    return dict(manifest)


def _unpack_member(
    member: tarfile.TarInfo, content: IO[bytes], folder: str, manifest: dict[str, Any], name: str
) -> None:
    path = member.name
    if path in manifest["files"]:
        size, digest = manifest["files"][path]["size"], manifest["files"][path]["sha256"]
        if path == CONFIG and size > _MOST_CONFIG:
            raise _refused(name, f"{path} is too large")
        target = os.path.join(folder, path)
    else:
        parts = path.split("/")
        digest = parts[-1]
        if len(parts) != 3 or parts[0] != BLOBS or not _is_digest(digest) or parts[1] != digest[:2]:
            raise _refused(name, f"it holds {path[:100]!r}, which no backup has")
        size, target = min(member.size, MAX_SIZE), os.path.join(folder, BLOBS, digest)
        os.makedirs(os.path.join(folder, BLOBS), mode=0o700, exist_ok=True)
    if member.size != size:
        raise _refused(name, f"{path} has {member.size} bytes instead of {size}")
    if size > shutil.disk_usage(folder).free:
        raise StoreError(f"there is no room for {path} of {name} ({size >> 20} MiB)", "Free some space and try again")
    if _written(content, target) != digest:
        raise _refused(name, f"the checksum of {path} is wrong")


def _is_digest(text: str) -> bool:
    return len(text) == 64 and all(character in "0123456789abcdef" for character in text)


def _written(content: IO[bytes], target: str) -> str:
    """Write a stream to a new file that is on disk when this returns; the SHA-256 of it."""
    digest = hashlib.sha256()
    with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def _refused(name: str, why: str) -> InvalidError:
    return InvalidError(f"{name} cannot be restored: {why}", "Nothing was changed; use another backup")


def _check_copy(copy: str, folder: str, manifest: dict[str, Any], name: str) -> tuple[int, int]:
    """The vault of the backup is sound, and its attachments are there; its issues and events."""
    try:
        with _reading(copy) as db:
            verdict = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if verdict != "ok":
            raise _refused(name, f"the vault in it is damaged ({verdict})")
        issues, events, _ = _totals(copy)
        gone = sum(not os.path.exists(os.path.join(folder, BLOBS, digest)) for digest in _digests(copy))
    except (StoreError, TypeError, ValueError) as error:
        raise _refused(name, str(error)) from error
    if gone > int(manifest.get("missing", 0)):
        raise _refused(name, f"{gone} attachments are missing in it")
    return issues, events


def _place_blobs(folder: str, home: str) -> int:
    """The contents beside the vault, before the vault that names them."""
    source = os.path.join(folder, BLOBS)
    names = os.listdir(source) if os.path.isdir(source) else []
    blobs = Blobs(home)
    for digest in names:
        if not os.path.exists(blobs.path(digest)):
            blobs._place(os.path.join(source, digest), digest)
    return len(names)


def _place_config(folder: str, home: str) -> bool:
    """The configuration belongs to the machine: the one that is there stays."""
    source, target = os.path.join(folder, CONFIG), os.path.join(home, CONFIG)
    if not os.path.exists(source) or os.path.exists(target):
        return False
    os.replace(source, target)
    return True


# Replacing


def _replace_vault(copy: str, home: str) -> None:
    """The new content into the place of the old in one step; who has the vault open goes on with the new."""
    path = os.path.join(home, FILE_NAME)
    if not os.path.exists(path):
        os.replace(copy, path)
        _sync(home)
        return
    kept = f"{path}.bak"
    try:
        with contextlib.closing(SQLite(path)) as db:
            _copy_online(db, f"{kept}.tmp", _silent)
            os.replace(f"{kept}.tmp", kept)
            _overwrite(db, copy)
    except (CrashvaultError, sqlite3.Error) as error:
        if isinstance(error.__cause__ or error, sqlite3.OperationalError):  # busy, full, read-only: not now
            raise
        _swap(copy, path, kept)  # too damaged for SQLite: exchange the files; what there was stays as .bak
        return
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{kept}.tmp")
    os.unlink(kept)


def _overwrite(db: SQLite, copy: str) -> None:
    """All pages of `copy` over those of the open vault, in one transaction, in the queue of the writers."""
    generation = int(db.value("SELECT COALESCE(max(CAST(value AS INTEGER)), 0) FROM meta WHERE key = 'generation'"))
    with contextlib.closing(sqlite3.connect(copy, isolation_level=None)) as source:
        # Other processes must not take words for stored that only the old content had.
        source.execute("PRAGMA journal_mode = DELETE").fetchone()
        source.execute(
            """INSERT INTO meta VALUES ('generation', ?) ON CONFLICT (key) DO UPDATE
               SET value = max(CAST(meta.value AS INTEGER), CAST(excluded.value AS INTEGER)) + 1""",
            (str(generation + 1),),
        )
        source.execute("PRAGMA journal_mode = WAL").fetchone()
        with db._queue():
            source.backup(db.connection)
    db.checkpoint()


def _swap(copy: str, path: str, kept: str) -> None:
    for ending in ("-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            os.replace(f"{path}{ending}", f"{kept}{ending}")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(kept)
    os.link(path, kept)
    os.replace(copy, path)
    _sync(os.path.dirname(path))


def _sync(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


__all__ = ["BackedUp", "Restored", "check_target", "restore_backup", "write_backup"]
