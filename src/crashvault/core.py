"""The façade: where a vault lies, how it is configured, and how it is opened.

Paths are computed when they are asked for, so that a changed environment counts at once.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, BinaryIO

from . import plugins
from .config import DATABASE_VARIABLE, REPLICA_VARIABLE, SETTINGS, Origin, check_key, parse_value, typed_value
from .errors import ConflictError, CrashvaultError, InvalidError, StoreError
from .logs import log_debug
from .storage.sqlite import FILE_NAME
from .storage.store import Store, open_postgres, open_sqlite, postgres_vault_exists

if TYPE_CHECKING:
    from .plugins.found import Found
    from .storage.backup import BackedUp, Restored
    from .storage.health import Finding
    from .storage.moving import Moved
    from .storage.spool import Spool

CONFIG_FILE = "config.json"
LOG_FILE = "app.log"


def home_dir(given: str | None = None) -> str:
    """The vault directory: the one given, else CRASHVAULT_HOME, else ~/.crashvault. Raises StoreError without a home."""
    chosen = given or os.environ.get("CRASHVAULT_HOME")
    if not chosen:
        home = os.path.expanduser("~") if os.environ.get("HOME") != "" else ""
        if home == "~" or not home:
            raise StoreError("there is no home directory", "Choose a place with --home DIR or CRASHVAULT_HOME")
        chosen = os.path.join(home, ".crashvault")
    try:
        return os.path.abspath(os.path.expanduser(chosen))
    except OSError as error:
        raise StoreError(
            f"{chosen} counts from the current directory, which is gone", "Go to one that exists, or give a whole path"
        ) from error


def server_file(home: str) -> str:
    """Where a running server says who it is: see `serving.pidfile`."""
    return os.path.join(home, "server.pid")


def server_url(home: str) -> str | None:
    """Where the server of a vault said that it listens, as people reach it; None where none did, or only on a socket.

    Whether it still lives is for the caller to know.
    """
    try:
        with open(server_file(home), encoding="utf-8") as file:
            url = json.load(file)["url"]
    except (OSError, ValueError, LookupError, TypeError):
        return None
    if not isinstance(url, str) or url.startswith("unix:"):
        return None
    for everywhere in ("//0.0.0.0", "//[::]"):
        if everywhere in url:
            import socket

            return url.replace(everywhere, f"//{socket.gethostname()}")
    return url


def log_dir(home: str) -> str:
    return os.path.join(home, "logs")


def config_path(home: str) -> str:
    return os.path.join(home, CONFIG_FILE)


def open_vault(home: str | None = None, *, create: bool = True, read_only: bool = False) -> Store:
    """Open the vault in `home`; made where there is none, brought up to date where it is older.

    Raises StoreError when that cannot be done; close the store, or use it in a `with`.
    """
    found = home_dir(home)
    use_plugins(found)
    url = database_url(found)
    if url:
        return open_postgres(found, url, create=create, read_only=read_only)
    return open_sqlite(found, create=create, read_only=read_only)


def database_url(home: str) -> str:
    """The address of the database that holds the vault; empty where a file does. Raises InvalidError."""
    return _address(home, DATABASE_VARIABLE, "database.url")


def _address(home: str, variable: str, key: str) -> str:
    given = os.environ.get(variable)
    if given is None and not os.path.exists(config_path(home)):
        return ""
    try:
        value = load_config(home).get(key, "") if given is None else given
    except InvalidError:
        if key in config_text(home):  # whoever meant a database must not fill a file instead
            raise
        return ""  # a broken file that names none keeps nobody from the vault
    return str(typed_value(key, value)) if value else ""


def replica_url(home: str) -> str:
    """The address of the copy that answers queries; empty where there is none. Raises InvalidError."""
    if not database_url(home):
        return ""
    return _address(home, REPLICA_VARIABLE, "database.replica_url")


def open_replica(home: str | None = None) -> Store:
    """Open the copy of the vault that answers queries, to read. Raises StoreError."""
    found = home_dir(home)
    return open_postgres(found, replica_url(found), create=False, read_only=True)


def open_for_reading(home: str | None = None) -> Store:
    """Open the vault for a command that only reads: its copy, where there is one that is not too far behind."""
    found = home_dir(home)
    if replica_url(found):
        from .storage import standby

        try:
            copy = open_replica(found)
        except StoreError as error:
            log_debug("replica away", error=error)
        else:
            behind = standby.behind(copy.db)
            if behind <= get_setting(copy, "database.replica_staleness")[0]:
                return copy
            log_debug("replica too far behind", seconds=behind)
            copy.close()
    return open_vault(found)


def vault_exists(home: str) -> bool:
    """Whether the vault was made already. Raises StoreError where its database cannot be asked."""
    url = database_url(home)
    return postgres_vault_exists(url) if url else os.path.exists(os.path.join(home, FILE_NAME))


def shown_database(home: str) -> str | None:
    """The address of the vault's database without its password; None where the vault is a file."""
    url = database_url(home)
    if not url:
        return None
    from .storage.urls import shown_url

    return shown_url(url)


def shown_place(home: str) -> str:
    """Where the vault is, for people."""
    return shown_database(home) or home


def run_sql(home: str, query: str, limit: int) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Column names and rows of one SELECT over the documented views. Raises InvalidError for SQL that is wrong or writes."""
    url = database_url(home)
    if url:
        from .storage import sql_postgres

        return sql_postgres.run(url, query, limit)
    from .storage import sql_console

    return sql_console.run(home, query, limit)


# Configuration


def load_config(home: str | None = None) -> dict[str, Any]:
    """The settings of this node, from `config.json`. Raises InvalidError for a file that is not a JSON object."""
    path = config_path(home_dir(home))
    try:
        with open(path, encoding="utf-8") as file:
            config = json.load(file)
    except FileNotFoundError:
        return {}
    except (ValueError, OSError) as error:
        raise InvalidError(f"{path} cannot be read ({error})", "Correct it with: crashvault config edit") from error
    if not isinstance(config, dict):
        raise InvalidError(f"{path} does not hold a JSON object", "Correct it with: crashvault config edit")
    return config


def config_text(home: str | None = None) -> str:
    """`config.json` as it is, right or wrong, for people to edit. Raises InvalidError where it cannot be read at all."""
    path = config_path(home_dir(home))
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return "{}\n"
    except OSError as error:
        raise InvalidError(f"{path} cannot be read ({error.strerror})", "Check its permissions") from error


def save_config(config: dict[str, Any], home: str | None = None) -> None:
    """Replace `config.json`, whole or not at all."""
    _write_json_atomic(config_path(home_dir(home)), config)


def save_checked_config(text: str, home: str | None = None) -> None:
    """Replace `config.json` by what a person wrote. Raises InvalidError, and leaves the old one, where that is wrong."""
    try:
        config = json.loads(text)
    except ValueError as error:
        raise InvalidError(f"that is not JSON ({error})", "Nothing was changed; try again") from error
    if not isinstance(config, dict):
        raise InvalidError("that is not a JSON object", 'Write settings as {"name": value}')
    for key, value in config.items():
        typed_value(key, value)
    save_config(config, home)


def get_setting(store: Store, key: str) -> tuple[Any, Origin]:
    """A setting's value and where it comes from: environment, config.json, vault or default."""
    setting = check_key(key)
    if not setting.shared:
        return node_setting(store.home, key)
    if setting.variable and setting.variable in os.environ:
        return parse_value(key, os.environ[setting.variable]), "environment"
    value = store.settings.get(key)
    return (setting.default, "default") if value is None else (value, "vault")


def node_setting(home: str, key: str) -> tuple[Any, Origin]:
    """The same for a setting of this node alone, for which the vault is not needed."""
    setting = check_key(key)
    if setting.variable and setting.variable in os.environ:
        return parse_value(key, os.environ[setting.variable]), "environment"
    config = load_config(home)
    return (typed_value(key, config[key]), "config.json") if key in config else (setting.default, "default")


def set_setting(store: Store, key: str, text: str, now: int) -> Any:
    """Check a value and write it where it belongs; the value. Raises InvalidError."""
    setting = check_key(key)
    value = parse_value(key, text)
    if setting.shared:
        store.settings.set(key, value, now)
    else:
        save_config({**load_config(store.home), key: value}, store.home)
    return value


def unset_setting(store: Store, key: str) -> bool:
    """Back to the default; whether there was anything to take back."""
    if check_key(key).shared:
        return store.settings.unset(key)
    config = load_config(store.home)
    if key not in config:
        return False
    del config[key]
    save_config(config, store.home)
    return True


def all_settings(store: Store) -> list[tuple[str, Any, Origin]]:
    return [(key, *get_setting(store, key)) for key in SETTINGS]


def check_config_file(home: str) -> list[str]:
    """What is wrong in `config.json`, a line each."""
    wrong = []
    for key, value in load_config(home).items():
        try:
            typed_value(key, value)
        except InvalidError as error:
            wrong.append(str(error))
    return wrong


# Plugins


def use_plugins(home: str) -> None:
    """Let the plugins of a vault count in this process, once somebody asks for one."""
    plugins.use(home, lambda: enabled_plugins(home))


def known_plugins(home: str) -> list[Found]:
    """The plugins that are there, on or off."""
    from .clock import now
    from .plugins.discovery import find

    return find(home, os.path.join(home, "run", "plugins.json"), _remember, now() * 1_000)


def _remember(path: str, value: Any) -> None:
    """Keep what can be found again. A vault that is not there yet is not made for that, nor is one changed that can't be."""
    if os.path.isdir(os.path.dirname(os.path.dirname(path))):
        with suppress(StoreError):
            _write_json_atomic(path, value)


def enabled_plugins(home: str) -> tuple[list[Found], float]:
    """The plugins that are on, and the seconds for which one may hold up recording."""
    found = known_plugins(home)
    if not found or not node_setting(home, "plugins.enabled")[0]:
        return [], 0.0
    off = node_setting(home, "plugins.disabled")[0]
    return [one for one in found if one.name not in off], node_setting(home, "plugins.time_limit")[0] / 1_000


def switch_plugin(home: str, name: str, on: bool) -> bool:
    """Load a plugin from now on, or not any more; whether that changes anything."""
    config = load_config(home)
    off: list[str] = typed_value("plugins.disabled", config.get("plugins.disabled", []))
    if (name not in off) == on:
        return False
    off = [one for one in off if one != name] if on else [*off, name]
    save_config({**config, "plugins.disabled": off}, home)
    plugins.forget()
    return True


def write_plugin(folder: str, files: dict[str, str]) -> None:
    """Write the files of a new plugin. Raises ConflictError where something lies in their place."""
    for name in files:
        if os.path.lexists(os.path.join(folder, name)):
            raise ConflictError(f"{os.path.join(folder, name)} is there already", "Choose another name or directory")
    for name, text in files.items():
        write_text_atomic(os.path.join(folder, name), text)


# Files


def _write_json_atomic(path: str, value: Any) -> None:
    """Write JSON beside the target and put it in place in one step, so that nobody ever reads half a file."""
    write_text_atomic(path, f"{json.dumps(value, indent=2, ensure_ascii=False)}\n")


def write_text_atomic(path: str, text: str) -> None:
    """Write a file whole or not at all. Raises StoreError."""
    part = f"{path}.tmp"
    try:
        os.makedirs(os.path.dirname(path) or ".", mode=0o700, exist_ok=True)
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written ({error.strerror})", "Check the directory's permissions and free space"
        ) from error


@contextmanager
def atomic_file(path: str) -> Iterator[BinaryIO]:
    """A file to be written whole or not at all: made beside the target and put in place when the block ends well.

    A pipe or device is written as it is. Raises StoreError.
    """
    special = os.path.exists(path) and not os.path.isfile(path)
    if special and os.path.isdir(path):
        raise StoreError(f"{path} is a directory", "Give the name of a file in it")
    part = path if special else os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.{os.getpid()}.tmp")
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb", buffering=1 << 18) as file:
            yield file
            file.flush()
            if not special:
                os.fsync(file.fileno())
        if not special:
            os.replace(part, os.path.realpath(path))
    except BaseException as error:
        if not special and os.path.exists(part):
            os.unlink(part)
        if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
            raise StoreError(
                f"{path} cannot be written ({error.strerror or error})",
                "Check the directory's permissions and free space",
            ) from error
        raise


def free_path(folder: str, name: str) -> str:
    """A path in a directory, made where it is not there, for a file of a name that came from outside. Raises StoreError.

    Where the name is taken a number is put before it.
    """
    safe = (
        "".join(char if char.isprintable() and char not in "/\\" else "_" for char in name)[-200:].lstrip(".") or "file"
    )
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{folder} cannot be made ({error.strerror})", "Choose another directory") from error
    number = 0
    while os.path.lexists(path := os.path.join(folder, f"{number}-{safe}" if number else safe)):
        number += 1
    return path


# Dictionaries of the earlier JSON format


def load_issues(home: str | None = None) -> list[dict[str, Any]]:
    """Every issue as the earlier `issues.json` had it, by number; see `oldformat`."""
    from .oldformat import load_issues as load

    with open_vault(home) as store:
        return load(store)


def load_events(home: str | None = None) -> list[dict[str, Any]]:
    """Every event as the earlier `events/…/<id>.json` had it, in the order of arrival; see `oldformat`."""
    from .oldformat import load_events as load

    with open_vault(home) as store:
        return load(store)


# Backups


def write_backup(store: Store, path: str, progress: Callable[[int, int], object] | None = None) -> BackedUp:
    """Write the vault with its attachments and `config.json` to one file, gzipped where it is called `.gz`.

    `progress` is told bytes of the vault copied, and in all. Raises StoreError.
    """
    from .clock import now
    from .storage import backup

    _check_is_file(store.home)
    with atomic_file(path) as file:
        compress = path.lower().endswith(".gz")
        return backup.write_backup(store.db, store.home, file, now=now(), compress=compress, progress=progress)


def check_restore(home: str, *, force: bool) -> None:
    """Raises ConflictError where a backup must not be restored: a server runs, or the vault is not empty."""
    from .clock import now
    from .storage import backup

    _check_is_file(home)
    backup.check_target(home, force=force, now=now())


def restore_backup(path: str, home: str, *, force: bool = False) -> Restored:
    """Bring back what `write_backup` wrote; `-` is standard input. Raises InvalidError, ConflictError, StoreError."""
    import sys

    from .clock import now
    from .storage import backup

    _check_is_file(home)
    if path == "-":
        return backup.restore_backup(sys.stdin.buffer, home, force=force, now=now(), name="standard input")
    try:
        file = open(path, "rb")  # noqa: SIM115  (closed below)
    except OSError as error:
        raise InvalidError(f"{path} cannot be read ({error.strerror})", "Check the path") from error
    with file:
        return backup.restore_backup(file, home, force=force, now=now(), name=path)


def _check_is_file(home: str) -> None:
    """Raises InvalidError where the vault is in a database, which has its own tools for backups."""
    shown = shown_database(home)
    if shown:
        raise InvalidError(
            f"this vault is in a database ({shown})",
            "Back it up with pg_dump and bring it back with pg_restore; for a file that any vault reads: crashvault export",
        )


def copies(home: str) -> list[str]:
    """What beside the vault holds copies of what is, or was, in it: backups made before upgrades, the old format."""
    found = [os.path.join(home, name) for name in sorted(os.listdir(home)) if name.endswith(".bak")]
    legacy = os.path.join(home, "legacy")
    return [*found, legacy] if os.path.isdir(legacy) else found


# Moving to another engine


def open_target(place: str) -> Store:
    """The vault at a database's address or in a directory, made where there is none. Raises StoreError, InvalidError."""
    if "://" in place:
        return open_postgres(home_dir(), str(typed_value("database.url", place)))
    return open_sqlite(home_dir(place))


def rows_to_move(store: Store) -> int:
    from .storage import moving

    return moving.rows_to_move(store)


def move_store(store: Store, target: Store, progress: Callable[[int], object] = lambda rows: None) -> Moved:
    """Copy a vault into another one, and compare them. Raises ConflictError where a server works on either of them."""
    from .clock import now
    from .storage import moving

    for one in (store, target):
        if one.leases.live("server", now()):
            raise ConflictError("a server works on this vault", "Stop it first with: crashvault server stop")
    return moving.move(store, target, progress)


def how_to_use(place: str) -> str:
    """How programs are told that the vault is at a place."""
    return f"set {DATABASE_VARIABLE}" if "://" in place else f"export CRASHVAULT_HOME={home_dir(place)}"


# Health


def examine(store: Store, deep: bool = False) -> list[tuple[str, list[Finding]]]:
    """What `doctor` finds: each check's name with its findings."""
    from .storage.health import Finding
    from .storage.health import examine as checks

    results = list(checks(store.db, store.home, deep=deep))
    results += _beside(store)
    try:
        wrong = check_config_file(store.home)
    except InvalidError as error:
        wrong = [error.message]
    results.append(
        ("config.json", [Finding("error", "config.json", line, "Run: crashvault config edit") for line in wrong])
    )
    return results


def _beside(store: Store) -> Iterator[tuple[str, list[Finding]]]:
    """What belongs to the vault and lies elsewhere: a copy of its database, this node's spool."""
    if replica_url(store.home):
        yield "replica", list(_look_at_replica(store))
    from .storage.spool import Spool, spool_exists

    if spool_exists(store.home):
        with contextlib.closing(Spool(store.home, 0)) as spool:
            yield "spool", list(_look_at_spool(spool))


def _look_at_replica(store: Store) -> Iterator[Finding]:
    from .storage import standby
    from .storage.health import Finding

    try:
        with open_replica(store.home) as copy:
            behind, most = standby.behind(copy.db), get_setting(store, "database.replica_staleness")[0]
    except StoreError as error:
        yield Finding("warning", "replica", error.message, "Queries go to the primary until it is back")
        return
    if behind > most:
        yield Finding("warning", "replica", f"the copy is {behind:.0f} s behind", "Queries go to the primary meanwhile")


def _look_at_spool(spool: Spool) -> Iterator[Finding]:
    from .clock import now
    from .storage.health import Finding

    depth = spool.depth()
    if depth.requests:
        age = f"the first for {depth.age(now()):.0f} s"
        yield Finding(
            "warning", "spool", f"{depth.requests} requests wait on this node's disk, {age}", "Its server stores them"
        )


def broken(error: CrashvaultError) -> Finding:
    """The finding that the vault cannot even be opened."""
    from .storage.health import Finding

    return Finding("error", "opening", error.message, error.hint)
