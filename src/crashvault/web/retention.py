"""How much the vault keeps: policies, what the next run would take and why, and what runs did."""

from __future__ import annotations

from typing import Any

from ..api import retention
from ..api.schemas import NewPolicy
from ..errors import CrashvaultError, InvalidError
from ..storage.policies import KINDS
from .pages import Moved, Page, Reply, Shown, Visit

_FEW = 20_000  # events; of more it is told on request what would go, since that takes seconds


def show(visit: Visit) -> Reply:
    return _shown(visit)


def _shown(visit: Visit, **more: Any) -> Reply:
    found = retention.show(visit.call)
    wanted = bool(found["items"]) and (found["stored_events"] <= _FEW or visit.asked("plan") == "yes")
    context = {
        **found, "kinds": KINDS, "projects": [one.name for one in visit.store.projects.list()],
        "plan": retention.plan(visit.call) if wanted else None, "asked": visit.asked("asked") == "yes",
        "error": None, "given": {"kind": "", "value": "", "level": "", "project": "", "query": ""},
    }  # fmt: skip
    return Shown("retention.html", {**context, **more}, more["error"].status if more.get("error") else 200)


def change(visit: Visit) -> Reply:
    action = visit.field("action")
    if action == "run":
        retention.run(visit.call)
        return Moved("/retention?asked=yes")
    if action not in ("set", "unset"):
        raise InvalidError("there is no such action")
    given = {name: visit.field(name).strip() for name in ("kind", "value", "level", "project", "query")}
    try:
        if action == "unset":
            retention.unset(visit.call._replace(query=given))
        else:
            retention.set_policy(visit.call._replace(body=NewPolicy(**given)))  # type: ignore[arg-type]
    except CrashvaultError as error:
        return _shown(visit, error=error, given=given)
    return Moved("/retention")


PAGES = (
    Page("GET", "/retention", "admin", show),
    Page("POST", "/retention", "admin", change, writes=True),
)
