"""`crashvault kill`: delete everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .asking import confirm_deletion
from .context import Context, command, emit

if TYPE_CHECKING:
    from ..storage.projects import Project
    from ..storage.store import Store


@command("kill", "crashvault kill\ncrashvault kill --yes\ncrashvault --project shop kill")
@click.option("--yes", is_flag=True, help="Do not ask.")
def kill(context: Context, yes: bool) -> None:
    """Delete all issues and events, or those of one --project; and its spans, sessions, check-ins and feedback.

    Projects, levels and settings stay, and ids go on counting."""
    from ..clock import now
    from ..console import console
    from ..output.times import counted

    store = context.store
    project = store.projects.require(context.project) if context.project else None
    totals = store.statistics.totals(project.id if project else None)
    stored = store.statistics.stored(project.id if project else None)
    what = f"{counted(totals.issues, 'issue')} with {counted(stored, 'event')}"
    if not yes:
        confirm_deletion(f"Delete ALL of {f'project {project.name}' if project else 'this vault'}: {what}?")
    if project:
        _empty(store, project, stored)
    else:
        store.deletion.everything(now())
    store.deletion.shrink_file()
    if context.json:
        emit({"deleted_issues": totals.issues, "deleted_events": stored})
        return
    console.print(f"[danger]Deleted[/danger] {what}")


def _empty(store: Store, project: Project, events: int) -> None:
    """Delete the issues of one project, merged ones too, and what else it has reported."""
    from ..clock import now
    from ..console import progress
    from ..query.tree import Term

    moment = now()
    issues = store.search(moment).every_issue(Term("project", None, "is", (project.name,)))
    with progress("Deleting events", events) as bar:
        store.deletion.issues(issues, moment, bar.advance)
        store.deletion.reported.remove_of(project.id)
        store.deletion.merge_index()
