"""How a command ended."""

from __future__ import annotations

from typing import NamedTuple


class ChildResult(NamedTuple):
    """How a command ended."""

    argv: tuple[str, ...]
    returncode: int  # as a shell shows it: 128 + N after signal N, 124 after a timeout
    signal: str | None  # e.g. "SIGSEGV"
    timed_out: bool
    duration: float  # seconds
    output: bytes  # the last bytes of standard output and error, in the order they were seen
    stderr: bytes  # the last bytes of standard error, empty when it shared a pipe or the terminal with output
    pid: int  # 0 when it could not be started
    error: str = ""  # why it could not be started

    @property
    def exit_code(self) -> int:
        return self.returncode
