"""`crashvault gc`: collect garbage."""

from __future__ import annotations

from .context import Context, command, emit


@command("gc", "crashvault gc")
def gc(context: Context) -> None:
    """Remove what nothing points at any more, and give its disk space back."""
    from ..clock import now
    from ..console import console, progress

    with progress("Collecting garbage"):
        done = context.store.deletion.collect(now())
    if context.json:
        emit({f"removed_{name}" if name != "bytes" else "freed_bytes": count for name, count in done._asdict().items()})
        return
    parts = [f"{count} {name}" for name, count in done._asdict().items() if count and name != "bytes"]
    console.print(
        f"[success]Removed[/success] {', '.join(parts) or 'nothing'}; freed {max(0, done.bytes) / 1e6:.1f} MB"
    )
