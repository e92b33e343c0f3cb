"""`crashvault demo`: a throw-away vault with sample crashes, and the server on it."""

from __future__ import annotations

import sys
import tempfile

import click

from .context import Context, command


@command("demo", "crashvault demo\ncrashvault demo --port 8000\ncrashvault demo --no-server --keep")
@click.option(
    "--port",
    metavar="N",
    type=click.IntRange(0, 65_535),
    default=0,
    show_default=True,
    help="Port; 0 takes a free one.",
)
@click.option("--no-server", is_flag=True, help="Only make the vault and show it.")
@click.option("--keep", is_flag=True, help="Leave the vault there.")
def demo(context: Context, port: int, no_server: bool, keep: bool) -> None:
    """Make a throw-away vault with sample crashes, show it, and serve it until Ctrl-C."""
    from ..console import console, escape

    folder = tempfile.mkdtemp(prefix="crashvault-demo-")
    try:
        _fill(context, folder)
        console.print(f"Look around: crashvault --home {escape(folder)} list")
        sys.stdout.flush()
        if not no_server:
            _serve(context, folder, port)
    finally:
        if not keep:
            import shutil

            context.close()
            shutil.rmtree(folder, ignore_errors=True)


def _fill(context: Context, folder: str) -> None:
    from .. import demo
    from ..clock import now
    from ..console import console
    from ..output.issues import print_issues
    from ..output.times import counted
    from ..views import narrowed, shown_issues

    context.options["home"] = folder
    count = demo.fill(context.store)
    search = context.store.search(now())
    node, _ = narrowed(search, "", status="all")
    page = search.find_issues(node)
    print_issues(
        shown_issues(context.store, page.ids, now()), {level.name: level for level in context.store.levels.list()}
    )
    console.print(f"[success]Recorded[/success] {count} sample events of {counted(page.total, 'issue')}.")


def _serve(context: Context, folder: str, port: int) -> None:
    from ..server import Plan, serve
    from .server_cmd import show_started

    context.start_logging()
    serve(Plan(folder, port=port), lambda found: show_started(context, found))
