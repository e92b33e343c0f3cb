"""The store: one open vault, with a repository for each kind of thing in it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..errors import StoreError
from .migrations import VERSION, migrate, schema_version
from .sqlite import FILE_NAME, SQLite

if TYPE_CHECKING:
    from .alerts import Alerts
    from .attachments import Attachments
    from .blobs import Blobs
    from .deletion import Deletion
    from .events import Events
    from .issues import Issues
    from .keys import Keys
    from .known import Known
    from .leases import Leases
    from .ledger import Ledger
    from .legacy import Report
    from .levels import Levels
    from .merging import Merging
    from .outbox import Outbox
    from .postgres import Postgres
    from .projects import Projects
    from .rates import Rates
    from .recording import Recording
    from .retention import Retention
    from .search import Search
    from .searches import Searches
    from .settings import Settings
    from .similarity import Similarity
    from .statistics import Statistics
    from .suggestions import Suggestions
    from .telemetry import Telemetry
    from .triage import Triage
    from .users import Users
    from .webhooks import Webhooks


class Store:
    """Repositories over one connection. Each is imported when it is first used: start-up is hot."""

    def __init__(self, db: Any, home: str) -> None:
        self.db = db
        self.home = home
        self.legacy: Report | None = None  # what opening this vault imported from an earlier format
        self._writing = 0  # transactions, one in the other
        self._afterwards: list[Callable[[], object]] = []

    def close(self) -> None:
        self.db.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def writing(self, *, alone: bool = True) -> Iterator[None]:
        """One write transaction over all repositories; see the drivers for `alone`."""
        self._writing += 1
        try:
            with self.db.writing(alone=alone):
                yield
        except BaseException:
            self._afterwards.clear()
            raise
        finally:
            self._writing -= 1
        if not self._writing and self._afterwards:
            due, self._afterwards = self._afterwards, []
            for run in due:
                run()

    def after_commit(self, run: Callable[[], object]) -> None:
        """Call `run` when the open transaction is committed; at once where there is none."""
        if self._writing:
            self._afterwards.append(run)
        else:
            run()

    def reading(self) -> AbstractContextManager[None]:
        """One consistent view for several reads."""
        return self.db.reading()

    @cached_property
    def projects(self) -> Projects:
        from .projects import Projects

        return Projects(self.db)

    @cached_property
    def recording(self) -> Recording:
        from .recording import Recording

        return Recording(self.db, lambda: self.similarity)

    @cached_property
    def issues(self) -> Issues:
        from .issues import Issues

        return Issues(self.db)

    @cached_property
    def triage(self) -> Triage:
        from .triage import Triage

        return Triage(self.db)

    @cached_property
    def events(self) -> Events:
        from .events import Events

        return Events(self.db)

    @cached_property
    def deletion(self) -> Deletion:
        from .deletion import Deletion

        return Deletion(self.db, self.blobs)

    @cached_property
    def retention(self) -> Retention:
        from .retention import Retention

        return Retention(self.db, self.blobs)

    def search(self, now: int) -> Search:
        """The reader of queries; `now` (microseconds) is what relative times count from."""
        from .search import Search

        return Search(self.db, now)

    @cached_property
    def statistics(self) -> Statistics:
        from .statistics import Statistics

        return Statistics(self.db)

    @cached_property
    def levels(self) -> Levels:
        from .levels import Levels

        return Levels(self.db)

    @cached_property
    def settings(self) -> Settings:
        from .settings import Settings

        return Settings(self.db)

    @cached_property
    def keys(self) -> Keys:
        from .keys import Keys

        return Keys(self.db)

    @cached_property
    def rates(self) -> Rates:
        from .rates import Rates

        return Rates(self.db)

    @cached_property
    def telemetry(self) -> Telemetry:
        from .telemetry import Telemetry

        return Telemetry(self.db)

    @cached_property
    def ledger(self) -> Ledger:
        from .ledger import Ledger

        return Ledger(self.db)

    @cached_property
    def alerts(self) -> Alerts:
        from .alerts import Alerts

        return Alerts(self.db)

    @cached_property
    def leases(self) -> Leases:
        from .leases import Leases

        return Leases(self.db)

    @cached_property
    def webhooks(self) -> Webhooks:
        from .webhooks import Webhooks

        return Webhooks(self.db)

    @cached_property
    def outbox(self) -> Outbox:
        from .outbox import Outbox

        return Outbox(self.db)

    @cached_property
    def merging(self) -> Merging:
        from .merging import Merging

        return Merging(self.db)

    @cached_property
    def known(self) -> Known:
        from .known import Known

        return Known(self.db)

    @cached_property
    def similarity(self) -> Similarity:
        from .similarity import Similarity

        return Similarity(self.db)

    @cached_property
    def attachments(self) -> Attachments:
        from .attachments import Attachments

        return Attachments(self.db, self.blobs)

    @cached_property
    def suggestions(self) -> Suggestions:
        from .suggestions import Suggestions

        return Suggestions(self.db)

    @cached_property
    def users(self) -> Users:
        from .users import Users

        return Users(self.db)

    @cached_property
    def searches(self) -> Searches:
        from .searches import Searches

        return Searches(self.db)

    @cached_property
    def blobs(self) -> Blobs:
        return self.db.blobs(self.home)


def open_postgres(home: str, url: str, *, create: bool = True, read_only: bool = False) -> Store:
    """Open the vault in a PostgreSQL database, make it where there is none, bring an older one up to date.

    `home` is where this node keeps what is its own. Raises StoreError when that cannot be done.
    """
    db = connect_postgres(url, read_only=read_only)
    from .migrations import on_postgres

    try:
        version = on_postgres.schema_version(db)
        if not version and (read_only or not create):
            raise StoreError(f"there is no vault in {db.path}", "Make one with: crashvault init")
        if version < VERSION and not read_only:
            on_postgres.migrate(db, _add_default_project)
    except BaseException:
        db.close()
        raise
    _make_home(home)
    return Store(db, home)


def open_sqlite(home: str, *, create: bool = True, read_only: bool = False) -> Store:
    """Open the vault file in `home`, make it where there is none, bring an older one up to date.

    Raises StoreError when that cannot be done: no permission, damaged, too new, no such directory.
    """
    path = os.path.join(home, FILE_NAME)
    exists = os.path.exists(path)
    if not exists:
        if read_only or not create:
            raise StoreError(f"there is no vault in {home}", "Make one with: crashvault init")
        _make_home(home)
        _make_file(path)
    emptied = exists and _is_emptied(path)
    db = SQLite(path, read_only=read_only)
    try:
        if emptied:
            raise StoreError(
                f"the vault file {path} is empty, but it was not",
                f"Bring a backup back with: crashvault restore, or delete it and {path}.lock to begin anew",
            )
        version = schema_version(db)
        if version < VERSION and not db.read_only:
            migrate(db, version, _add_default_project)
            _mark_filled(path)
    except BaseException:
        db.close()
        raise
    store = Store(db, home)
    if not read_only:
        _import_legacy(store)
    return store


def postgres_vault_exists(url: str) -> bool:
    """Whether a database holds a vault. Raises StoreError where it cannot be asked."""
    db = connect_postgres(url)
    from .migrations import on_postgres

    try:
        return on_postgres.schema_version(db) > 0
    finally:
        db.close()


def connect_postgres(url: str, *, read_only: bool = False) -> Postgres:
    try:
        from .postgres import Postgres
    except ImportError as error:
        raise StoreError(
            "the driver of PostgreSQL is not installed", "Install it with: pip install crashvault[postgres]"
        ) from error
    return Postgres(url, read_only=read_only)


def _import_legacy(store: Store) -> None:
    """Take over a vault of the earlier JSON format that lies in the same directory."""
    if not _legacy_pending(store.home):
        return
    from ..clock import now
    from .legacy import import_legacy

    try:
        store.legacy = import_legacy(store, now())
    except BaseException:
        store.close()
        raise


def _legacy_pending(home: str) -> bool:
    """Asked on every start, so the module that knows is imported only for directories that look like it."""
    if not os.path.exists(os.path.join(home, "issues.json")) and not os.path.exists(os.path.join(home, "events")):
        return False
    from .legacy import pending

    return pending(home)


def _make_file(path: str) -> None:
    """An empty file that nobody else may read, before SQLite makes one and others beside it with its permissions."""
    try:
        if os.path.exists(f"{path}.lock"):
            os.truncate(f"{path}.lock", 0)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise StoreError(
            f"the vault {path} cannot be made ({error.strerror})", "Check the directory's permissions and free space"
        ) from error


# SQLite takes an empty file for a new database. A lock file that is not empty tells that this one was filled once.


def _mark_filled(path: str) -> None:
    with open(f"{path}.lock", "wb") as file:
        file.write(b"filled\n")


def _is_emptied(path: str) -> bool:
    try:
        filled = os.path.getsize(f"{path}.lock") > 0  # asked first: whoever makes the vault marks it last
        return filled and os.path.getsize(path) == 0
    except OSError:
        return False


def _make_home(home: str) -> None:
    try:
        os.makedirs(home, mode=0o700, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"the vault directory {home} cannot be made ({error.strerror})",
            "Choose another with --home DIR or CRASHVAULT_HOME",
        ) from error


def _add_default_project(db: Any) -> None:
    from ..clock import now
    from ..models import DEFAULT_PROJECT
    from .projects import Projects

    Projects(db).ids([DEFAULT_PROJECT], now())
