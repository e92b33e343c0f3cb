"""Pages about many issues at once: trends, releases, alerts, how the server is."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from .. import core, watch
from ..announce import PUSH
from ..api import alerts, health, reading
from ..api.schemas import MuteAlert, NewAlert
from ..clock import DAY, HOUR, SECOND, to_iso
from ..errors import CrashvaultError
from ..notify import push
from ..views import movers, series
from .pages import Moved, Page, Reply, Shown, Visit

_WEEKS = 4  # of the heat map
_SPANS = {"24h": ("hour", DAY), "7d": ("hour", 7 * DAY), "30d": ("day", 30 * DAY), "90d": ("day", 90 * DAY)}
_LINES = ("level", "project", "release")
_MOST_RELEASES = 7  # lines of a chart, the releases seen last
_MOST_TRIED = 50  # happenings of a tried rule that are shown


# Trends


def trends(visit: Visit) -> Reply:
    store, now = visit.store, visit.now
    project, by = visit.asked("project"), visit.asked("by") if visit.asked("by") in _LINES else _LINES[0]
    span = visit.asked("span") if visit.asked("span") in _SPANS else "7d"
    interval, length = _SPANS[span]
    chosen = store.projects.require(project).id if project else None
    width = 1 if interval == "hour" else 24
    first, end = (now - length) // HOUR // width * width, now // HOUR + 1
    if by == "level":
        lines = _by_level(visit, first, end, width, chosen)
    elif by == "release":
        newest = [one.release for one in store.statistics.releases(chosen, _MOST_RELEASES)]
        lines = store.statistics.release_series(newest, first, end, width, chosen)
    else:
        lines = _by_project(visit, interval, length)
    total = series(store, now, interval, now - length, None, project or None)
    starts = [(first + place * width) * HOUR // SECOND for place in range(len(total["counts"]))]
    context = {
        "span": span, "spans": list(_SPANS), "project": project, "by": by, "lines": _LINES, "total": total,
        "projects": [one.name for one in store.projects.list()],
        "plot": json.dumps({"times": starts, "lines": lines}),
        "sums": {name: sum(counts) for name, counts in lines.items()},
        "names": [to_iso(start * SECOND)[:16] for start in starts],
        "heat": _heat(visit, chosen), "movers": movers(store, now, project or None),
    }  # fmt: skip
    return Shown("trends.html", context)


def _by_level(visit: Visit, first: int, end: int, width: int, project: int | None) -> dict[str, list[int]]:
    names = visit.store.levels.names()
    found = visit.store.statistics.level_series(first, end, width, project)
    return {names.get(rank, f"level-{rank}"): counts for rank, counts in found.items()}


def _by_project(visit: Visit, interval: str, length: int) -> dict[str, list[int]]:
    store, now = visit.store, visit.now
    return {
        one.name: series(store, now, interval, now - length, None, one.name)["counts"] for one in store.projects.list()
    }


def _heat(visit: Visit, project: int | None) -> list[tuple[str, list[tuple[int, int]]]]:
    """Events by day of the week and hour, of the last weeks: for each day its hours, as a count and a strength."""
    end = visit.now // HOUR + 1
    first = end - _WEEKS * 7 * 24
    table = [[0] * 24 for _ in range(7)]
    for place, count in enumerate(visit.store.statistics.series(first, end, 1, project)):
        moment = datetime.fromtimestamp((first + place) * 3_600, UTC)
        table[moment.weekday()][moment.hour] += count
    top = max(max(row) for row in table)
    names = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
    return [
        (name, [(count, -(-4 * count // top) if count else 0) for count in row])
        for name, row in zip(names, table, strict=True)
    ]


def releases(visit: Visit) -> Reply:
    store, project = visit.store, visit.asked("project")
    chosen = store.projects.require(project).id if project else None
    health_of: dict[str, list[Any]] = {}
    for one in store.telemetry.releases(chosen, visit.now - 90 * DAY):
        health_of.setdefault(one.release, []).append(one)
    found = [
        {**one._asdict(), "first_seen": to_iso(one.first_seen), "last_seen": to_iso(one.last_seen),
         "health": health_of.pop(one.release, [])}
        for one in store.statistics.releases(chosen)
    ]  # fmt: skip
    quiet = [{"release": name, "health": runs} for name, runs in health_of.items()]
    projects = [one.name for one in store.projects.list()]
    return Shown("releases.html", {"items": found, "quiet": quiet, "project": project, "projects": projects})


# Alerts


def alert_rules(visit: Visit) -> Reply:
    return _alerts(visit, {})


def _alerts(visit: Visit, given: dict[str, Any], tried: Any = None, error: CrashvaultError | None = None) -> Reply:
    store = visit.store
    history = [watch.entry_shape(entry) for _, entry in store.alerts.history(None, 50)]
    fields = {"name": "", "condition": "", "query": "", "by": "issue", "notify": "", "since": "7d"}
    context = {
        "items": alerts.alerts(visit.call)["items"], "history": history, "tried": tried, "error": error,
        "given": {**fields, **given},
        "webhooks": [*watch.TARGETS, *(one.name for one in store.webhooks.list() if one.type != PUSH)],
        "devices": push.devices(store, visit.user),
    }  # fmt: skip
    return Shown("alerts.html", context, error.status if error else 200)


def change_alerts(visit: Visit) -> Reply:
    """Make a rule, or tell when it would have fired."""
    names = ("name", "condition", "query", "by", "notify", "since")
    given = {name: visit.field(name).strip() for name in names}
    fields: dict[str, Any] = {name: given[name] for name in ("condition", "query", "by")}
    fields["notify"] = [name for name in given["notify"].replace(",", " ").split() if name]
    try:
        if visit.field("action") == "try":
            return _alerts(
                visit, given, _tried(visit, watch.checked_rule(visit.store, "try", visit.now, **fields), given["since"])
            )
        alerts.add_alert(visit.call._replace(body=NewAlert(name=given["name"], **fields)))
    except CrashvaultError as error:
        return _alerts(visit, given, error=error)
    return Moved("/alerts")


def _tried(visit: Visit, fields: dict[str, Any], since: str) -> dict[str, Any]:
    found = watch.try_rule(visit.store, fields, watch.start_of(since or "7d", visit.now), visit.now)
    shapes = [watch.happening_shape(one) for one in islice(found, _MOST_TRIED + 1)]
    return {"condition": fields["condition"], "items": shapes[:_MOST_TRIED], "complete": len(shapes) <= _MOST_TRIED}


def change_alert(visit: Visit) -> Reply:
    action, call = visit.field("action"), visit.call
    if action == "mute":
        alerts.mute(call._replace(body=MuteAlert(span=visit.field("span") or None)))
    elif action == "unmute":
        alerts.unmute(call)
    elif action == "remove":
        alerts.remove_alert(call)
    elif action == "try":
        rule = visit.store.alerts.require(call.path["alert"])
        return _alerts(visit, {}, _tried(visit, rule._asdict(), visit.field("since")))
    return Moved("/alerts")


# The server


def system(visit: Visit) -> Reply:
    store, node = visit.store, visit.call.node
    context = {
        "health": health.described(node, health.reasons(node)),
        "size": store.db.size(), "totals": store.statistics.totals(), "recorder": node.recorder.depth if node.recorder else 0,
        "tails": node.tails, "drops": reading.dropped(visit.call)["items"],
        "findings": [] if not visit.asked("examine") else [one for _, found in core.examine(store) for one in found],
        "examined": bool(visit.asked("examine")), "check_ins": store.telemetry.check_ins(limit=30),
    }  # fmt: skip
    return Shown("system.html", context)


PAGES = (
    Page("GET", "/trends", "read", trends),
    Page("GET", "/releases", "read", releases),
    Page("GET", "/alerts", "read", alert_rules),
    Page("POST", "/alerts", "admin", change_alerts, writes=True),
    Page("POST", "/alerts/{alert}", "admin", change_alert, writes=True),
    Page("GET", "/system", "read", system),
)
