"""What a batch of events does to the grouping hashes that they have."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .explaining import Join
    from .recording import Prepared


class TouchedHash:
    """What a batch does to one grouping hash."""

    __slots__ = (
        "count", "created", "first", "hash_id", "issue_id", "issue_users", "joined", "last", "latest", "latest_row",
        "users",
    )  # fmt: skip

    def __init__(self, hash_id: int, issue_id: int, created: bool) -> None:
        self.hash_id = hash_id
        self.issue_id = issue_id
        self.created = created
        self.joined: tuple[int, Join] | None = None
        self.count = 0
        self.users = 0
        self.issue_users = 0  # fewer than `users` where another hash of a merged issue had them
        self.first = 0
        self.last = 0
        self.latest: Prepared | None = None
        self.latest_row = 0

    def add(self, item: Prepared, row: int) -> None:
        moment = item.timestamp
        self.count += 1
        if self.count == 1:
            self.first = self.last = moment
        elif moment < self.first:
            self.first = moment
        if moment >= self.last:
            self.last, self.latest, self.latest_row = moment, item, row
