"""`crashvault similar`: the issues most like one."""

from __future__ import annotations

import click

from .context import Context, command, emit
from .triage import IssueId, named

_LEAST = 0.01  # below, they have nothing in common that counts


@command("similar", "crashvault similar 12\ncrashvault similar 12 --limit 10 --json")
@click.argument("issue", type=IssueId())
@click.option("--limit", type=click.IntRange(1, 16), default=5, show_default=True, help="How many at most.")
def similar(context: Context, issue: int, limit: int) -> None:
    """Show the issues whose stack traces are most like this one's, with a score and what speaks for it.

    100 % means that nothing tells them apart. `crashvault merge` makes two of them one."""
    from ..views import similar_issues
    from .grouped import sketch_all

    store = context.store
    store.issues.get(issue)
    issue = store.merging.root(issue)
    sketch_all(store)
    with store.reading():
        found = similar_issues(store, issue, limit, _LEAST)
    if context.json:
        emit({"issue_id": issue, "items": found})
        return
    from ..console import console
    from ..output.issue import similar_lines

    if not found:
        console.print(f"[muted]Nothing like[/muted] {named([issue])} is in its project")
        return
    for other in found:
        for line in similar_lines(other):
            console.print(line)
    console.print(f"[muted]Make them one with: crashvault merge {issue} {found[0]['id']}[/muted]")
