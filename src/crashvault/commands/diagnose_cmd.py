"""`crashvault diagnose`: an event beside its source."""

from __future__ import annotations

import os
import shlex
from typing import Any

import click

from ..errors import CrashvaultError, InvalidError, NotFoundError
from .context import Context, command, emit

_EXAMPLES = """
crashvault diagnose 4f1c9a7e
crashvault diagnose 4f1c9a7e --all --source ~/src/shop
crashvault diagnose 4f1c9a7e --open
"""


@command("diagnose", _EXAMPLES)
@click.argument("event_id")
@click.option(
    "--source",
    type=click.Path(exists=True, file_okay=False),
    default=".",
    help="Where the program's source is. [default: here]",
)
@click.option(
    "--frames",
    "limit",
    metavar="N",
    type=click.IntRange(1),
    default=10,
    show_default=True,
    help="Frames of the program itself to show.",
)
@click.option("--all", "everything", is_flag=True, help="All frames, those of libraries too.")
@click.option("--open", "opened", is_flag=True, help="Open the line that crashed in $VISUAL or $EDITOR.")
def diagnose(context: Context, event_id: str, source: str, limit: int, everything: bool, opened: bool) -> None:
    """Show the source around each frame as it was in the event's release, local variables, and who last changed the line."""
    from .. import diagnosis
    from ..output.events import headline
    from ..output.shapes import event_shape

    store = context.store
    found = store.events.get(event_id)
    event = event_shape(found.event, found.issue_id, found.fingerprint)
    place = diagnosis.open_source(source, event["release"])
    frames = list(diagnosis.diagnose(place, diagnosis.chosen_frames(event, None if everything else limit)))
    answer = {
        "event_id": event["event_id"], "issue_id": event["issue_id"], "headline": headline(event),
        "release": event["release"], "repository": place.root, "commit": place.commit.id if place.commit else None,
        "frames": frames,
    }  # fmt: skip
    if context.json:
        emit(answer)
    else:
        from ..output.diagnosis import print_diagnosis

        print_diagnosis(answer)
    if opened:
        _open(place, frames)


def _open(source: Any, frames: list[dict[str, Any]]) -> None:
    """Open the innermost frame whose file is here, at the line as it is now."""
    import subprocess

    from ..diagnosis import editor_command, line_now

    there = next((frame for frame in frames if frame["path"] and frame["line"] and source.root), None)
    if there is None:
        raise NotFoundError("no frame's file is in this repository", "Say where the source is with: --source DIR")
    line = next((line["number"] for line in there["lines"] if line["crashed"]), there["line"])
    line = line_now(source, there["path"], line)
    editor = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "")
    if not editor:
        raise InvalidError("there is no editor to open", "Set VISUAL or EDITOR, such as: export EDITOR='code'")
    try:
        subprocess.run(editor_command(editor, os.path.join(source.root, there["path"]), line), check=False)
    except OSError as error:
        raise CrashvaultError(
            f"the editor {editor[0]} cannot be started ({error.strerror})", "Correct VISUAL or EDITOR"
        ) from error
