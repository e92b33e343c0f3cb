"""The store: one open vault, with a repository for each kind of thing in it."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from functools import cached_property
from typing import TYPE_CHECKING

from ..errors import StoreError
from .migrations import VERSION, migrate, schema_version
from .sqlite import FILE_NAME, SQLite

if TYPE_CHECKING:
    from .attachments import Attachments
    from .blobs import Blobs
    from .deletion import Deletion
    from .events import Events
    from .issues import Issues
    from .ledger import Ledger
    from .levels import Levels
    from .merging import Merging
    from .projects import Projects
    from .recording import Recording
    from .search import Search
    from .settings import Settings
    from .statistics import Statistics
    from .suggestions import Suggestions
    from .triage import Triage


class Store:
    """Repositories over one connection. Each is imported when it is first used: start-up is hot."""

    def __init__(self, db: SQLite, home: str) -> None:
        self.db = db
        self.home = home

    def close(self) -> None:
        self.db.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def writing(self) -> AbstractContextManager[None]:
        """One write transaction over all repositories."""
        return self.db.writing()

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

        return Recording(self.db)

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
    def ledger(self) -> Ledger:
        from .ledger import Ledger

        return Ledger(self.db)

    @cached_property
    def merging(self) -> Merging:
        from .merging import Merging

        return Merging(self.db)

    @cached_property
    def attachments(self) -> Attachments:
        from .attachments import Attachments

        return Attachments(self.db, self.blobs)

    @cached_property
    def suggestions(self) -> Suggestions:
        from .suggestions import Suggestions

        return Suggestions(self.db)

    @cached_property
    def blobs(self) -> Blobs:
        from .blobs import Blobs

        return Blobs(self.home)


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
    db = SQLite(path, read_only=read_only)
    try:
        version = schema_version(db)
        if version < VERSION and not read_only:
            migrate(db, version)
            _add_default_project(db)
    except BaseException:
        db.close()
        raise
    if not exists:
        os.chmod(path, 0o600)
    return Store(db, home)


def _make_home(home: str) -> None:
    try:
        os.makedirs(home, mode=0o700, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"the vault directory {home} cannot be made ({error.strerror})",
            "Choose another with --home DIR or CRASHVAULT_HOME",
        ) from error


def _add_default_project(db: SQLite) -> None:
    from ..clock import now
    from ..models import DEFAULT_PROJECT
    from .projects import Projects

    with db.writing():
        Projects(db).ids([DEFAULT_PROJECT], now())
