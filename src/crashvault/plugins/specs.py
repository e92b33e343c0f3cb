"""The hooks: what plugins can be asked and told. Signatures and texts become the reference in docs/plugin-hooks.md.

A plugin implements those that it wants, and takes the arguments that it needs. Events and issues are dictionaries in
the shapes of the HTTP interface. Within one version of the hook API hooks and arguments are added, never changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import click

    from ..webhooks.base import Provider
    from .types import Exporter, Named, Panel, ReportFormat, Route

API_VERSION = 1

# What is given for registering


def register_commands(cli: click.Group) -> None:
    """Add commands to the command line: `@cli.command()`.

    Commands that take `crashvault.commands.context.command` have `--json` and the open vault like ours. A name that
    is taken already is refused, and named.
    """


def register_webhook_providers() -> Mapping[str, Provider | Named]:  # type: ignore[empty-body]
    """Types of webhooks by the word of `webhook add`; see `crashvault.webhooks.base.Provider`.

    Queueing, retries, rate limits, templates, signatures and the check of addresses are ours, as for all types.
    """


def register_exporters() -> Mapping[str, Exporter]:  # type: ignore[empty-body]
    """Formats of `export`, by the word of `--format`."""


def register_report_formats(report: str) -> Mapping[str, ReportFormat]:  # type: ignore[empty-body]
    """Formats of a report, by the word of `--format`.

    `report` is generate-report, batch-analyze, code-review or changes; give the formats that suit it, or nothing.
    """


def register_routes() -> Sequence[Route]:  # type: ignore[empty-body]
    """Addresses of the server below `/api/v1/plugins/NAME`. They need a key like the rest of the API."""


def dashboard_panels() -> Sequence[Panel]:  # type: ignore[empty-body]
    """Panels on the dashboard's page of plugins. They give data, never HTML."""


# What is asked while events are recorded


def event_received(event: dict[str, Any]) -> dict[str, Any] | None:
    """Look at an event before it is grouped and stored, after secrets were taken out.

    Give it back, changed or not, or None to drop it: then it is counted as dropped by this plugin. What was changed
    is checked, cut to the limits and scrubbed like something that a client sent. Ids, times of arrival and attachments
    stay what they are. An event for which this takes longer than `plugins.time_limit` is stored as it was.
    """


def scrub_rules() -> Mapping[str, Sequence[str]]:  # type: ignore[empty-body]
    """More secrets: `keys`, names whose values are secret, and `patterns`, regular expressions. Asked once a process."""


def grouping_rules() -> Sequence[Mapping[str, Any]]:  # type: ignore[empty-body]
    """Rules that decide which events become one issue, as in the setting `grouping.rules`, whose rules come first."""


def stacktrace_parsers() -> Mapping[str, Any]:  # type: ignore[empty-body]
    """Readers of stack traces, by platform, asked before ours where an event has a stack only as text.

    Each is a function of the text that gives None, or a mapping with any of `message`, `exception` (`type`, `value`),
    `exceptions` and `frames` (oldest call first: `file`, `line`, `function`, `module`, `in_app`).
    """


def classify(event: dict[str, Any], issue: dict[str, Any]) -> str | None:
    """The category of a new issue, such as `network`; None leaves it to others. Asked after it was stored."""


# What is told, after it was committed


def event_recorded(event: dict[str, Any], issue: dict[str, Any]) -> None:
    """An event was stored."""


def issue_created(issue: dict[str, Any], event: dict[str, Any]) -> None:
    """An event was the first of its issue."""


def issue_regressed(issue: dict[str, Any], event: dict[str, Any]) -> None:
    """An event of a resolved issue came, which is open again."""


def issue_resolved(issue: dict[str, Any]) -> None:
    """Somebody resolved an issue."""


def alert_fired(alert: dict[str, Any]) -> None:
    """An alert told people: `name`, `condition`, `severity`, `group`, `value`, `numbers`, `since`, `issue_id` …"""


GROUPS: dict[str, tuple[Any, ...]] = {
    "What plugins add": (
        register_commands, register_webhook_providers, register_exporters, register_report_formats, register_routes,
        dashboard_panels,
    ),
    "What they are asked while events are recorded": (
        event_received, scrub_rules, grouping_rules, stacktrace_parsers, classify,
    ),
    "What they are told after it was committed": (
        event_recorded, issue_created, issue_regressed, issue_resolved, alert_fired,
    ),
}  # fmt: skip
HOOKS: dict[str, Any] = {hook.__name__: hook for hooks in GROUPS.values() for hook in hooks}
