"""`crashvault set-severity`."""

from __future__ import annotations

import click

from ..models import SEVERITIES
from .context import Context, command
from .triage import change, issues_argument


@command("set-severity", "crashvault set-severity 12 15 high")
@issues_argument
@click.argument("severity", metavar="SEVERITY", type=click.Choice(SEVERITIES, case_sensitive=False))
def set_severity(context: Context, issues: tuple[int, ...], severity: str) -> None:
    """Give issues a triage severity: low, medium, high or critical."""
    from .. import lifecycle

    change(context, lifecycle.set_severity, issues, f"Severity {severity}:", severity)
