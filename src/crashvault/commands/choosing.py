"""Options whose choices plugins add to: looked up when somebody types, asks for help, or completes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import click

from .context import Context


class OpenChoice(click.Choice):
    """One of the words that `names` gives, with the plugins of this run's vault."""

    def __init__(self, names: Callable[[], Iterable[str]]) -> None:
        self._names = names
        self.case_sensitive = False

    @property
    def choices(self) -> tuple[str, ...]:  # type: ignore[override]
        count_plugins(click.get_current_context(silent=True))
        return tuple(self._names())

    def shell_complete(self, context: click.Context, parameter: click.Parameter, incomplete: str) -> list[Any]:
        with context.scope(cleanup=False):
            return super().shell_complete(context, parameter, incomplete)


def count_plugins(context: click.Context | None) -> bool:
    """Let the plugins of the vault count that a command is for; whether it is known which one."""
    ours = context.find_object(Context) if context is not None else None
    if ours is None:
        return False
    from .. import core

    core.use_plugins(ours.home)
    return True


def export_formats() -> OpenChoice:
    def names() -> Iterable[str]:
        from ..plugins.parts import exporters

        return exporters()

    return OpenChoice(names)


def report_formats(report: str) -> OpenChoice:
    def names() -> Iterable[str]:
        from ..plugins.parts import report_formats as known

        return known(report)

    return OpenChoice(names)
