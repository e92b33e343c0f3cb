"""The page of plugins: which there are, and the panels that they give. A panel is data, and is shown as text."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

from .. import core
from ..plugins.calling import Failure, call, complain
from ..plugins.parts import panels
from .pages import Page, Reply, Shown, Visit

MOST_ROWS = 200
_MOST_CELLS = 20
_MOST_BARS = 100


def plugins(visit: Visit) -> Reply:
    from ..plugins import active

    found = active()
    loaded = found.plugins if found else []
    names = {one.name for one in loaded}
    off = [one.name for one in core.known_plugins(visit.store.home) if one.name not in names]
    shown = [_panel(visit, plugin, panel) for plugin, panel in panels()]
    return Shown("plugins.html", {"plugins": loaded, "off": off, "panels": shown})


def _panel(visit: Visit, plugin: str, panel: Any) -> dict[str, Any]:
    """A panel as its template takes it, whatever the plugin gave."""
    made = call(lambda: _parts(panel.content(visit.store, visit.now)))
    if isinstance(made, Failure):
        complain(plugin, f"its panel {panel.title!r} failed ({made.reason})")
        made = {**_parts({}), "failed": True}
    return {"plugin": plugin, "title": str(panel.title), **made}


def _parts(given: Any) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        given = {"text": given}
    text = given.get("text", ())
    rows = [[_cell(cell) for cell in islice(row, _MOST_CELLS)] for row in islice(given.get("rows", ()), MOST_ROWS)]
    bars = [(str(name), max(0.0, float(value))) for name, value in islice(given.get("bars", {}).items(), _MOST_BARS)]
    return {
        "failed": False,
        "texts": [str(text)] if isinstance(text, str) else [str(line) for line in islice(text, MOST_ROWS)],
        "columns": [str(name) for name in islice(given.get("columns", ()), _MOST_CELLS)],
        "rows": rows,
        "bars": bars,
    }


def _cell(given: Any) -> dict[str, str]:
    if not isinstance(given, Mapping):
        return {"text": "" if given is None else str(given), "link": ""}
    link = str(given.get("link") or "")
    ours = link.startswith("/") and not link.startswith(("//", "/\\"))
    return {
        "text": str(given.get("text", "")),
        "link": link if ours or link.startswith(("https://", "http://")) else "",
    }


PAGES = (Page("GET", "/plugins", "read", plugins),)
