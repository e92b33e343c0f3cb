"""A plugin that is there. By itself, because most vaults have none, and making this class takes a while."""

from __future__ import annotations

from typing import NamedTuple


class Found(NamedTuple):
    """A plugin that is there, loaded or not."""

    name: str
    value: str  # `module:object` of an entry point, or the path of a file
    package: str = ""  # the distribution and its version; nothing for a file
    trouble: str = ""  # why it cannot be loaded

    @property
    def is_file(self) -> bool:
        return not self.package
