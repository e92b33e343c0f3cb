"""Projects, webhooks, keys, people and settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import auth, core, users
from ..announce import PUSH
from ..api import administration, webhooks
from ..api.schemas import NewKey, NewProject, NewWebhook, Preview, RetryAll, WebhookChange
from ..clock import to_iso
from ..config import SETTINGS, parse_value, shown_value
from ..errors import CrashvaultError, InvalidError
from ..notify import manage
from ..plugins.parts import webhook_types
from ..storage.outbox import STATES
from ..storage.users import ROLES
from ..views import figures
from .pages import Moved, Page, Reply, Shown, Visit
from .rendering import link
from .snippets import snippets

# Projects


def projects(visit: Visit) -> Reply:
    found = administration.projects(visit.call)["items"]
    counts = figures(visit.store, visit.now)["by_project"]
    name = visit.asked("project") or (found[0]["name"] if len(found) == 1 else "")
    chosen = next((one for one in found if one["name"] == name), None)
    context = {
        "items": [{**one, **counts.get(one["name"], {"issues": 0, "events": 0})} for one in found], "chosen": chosen,
        "snippets": snippets(chosen["dsn"]) if chosen else [], "first": _first(visit, chosen["name"]) if chosen else None,
    }  # fmt: skip
    return Shown("projects.html", context)


def _first(visit: Visit, project: str) -> Mapping[str, Any]:
    """Whether a project has got an event yet, and its latest issue."""
    search = visit.store.search(visit.now)
    ids = (
        search.find_issues(search.parse(f'project:"{project}"'), "last_seen", True, 1).ids if '"' not in project else []
    )
    return {"project": project, "issue": ids[0] if ids else None}


def waiting(visit: Visit) -> Reply:
    """The part of the page that asks again and again until the first event is there."""
    name = visit.store.projects.require(visit.call.path["project"]).name
    return Shown("waiting.html", {"first": _first(visit, name)})


def change_projects(visit: Visit) -> Reply:
    if visit.field("action") == "rotate":
        administration.rotate(visit.call._replace(path={"project": visit.field("project")}))
        return Moved(link("/projects", project=visit.field("project")))
    made = administration.add_project(visit.call._replace(body=NewProject(visit.field("name").strip())))
    return Moved(link("/projects", project=made["name"]))


# Webhooks


def webhook_list(visit: Visit) -> Reply:
    return _webhooks(visit)


def _webhooks(visit: Visit, **more: Any) -> Reply:
    store = visit.store
    state = visit.asked("state") or None
    query = {"webhook": None, "state": state if state in STATES else None, "limit": 50, "cursor": None}
    context = {
        "items": manage.shapes(store), "deliveries": webhooks.deliveries(visit.call._replace(query=query))["items"],
        "types": [name for name in webhook_types() if name != PUSH], "state": state, "states": STATES, "secret": None, "preview": None,
        "tested": None, "error": None, "given": {"type": "", "url": "", "name": "", "query": ""},
    }  # fmt: skip
    return Shown("webhooks.html", {**context, **more}, more["error"].status if more.get("error") else 200)


def add_webhook(visit: Visit) -> Reply:
    given = {name: visit.field(name).strip() for name in ("type", "url", "name", "query")}
    body = NewWebhook(type=given["type"], url=given["url"], name=given["name"] or None, query=given["query"] or None)
    try:
        made = webhooks.add_webhook(visit.call._replace(body=body))
    except CrashvaultError as error:
        return _webhooks(visit, error=error, given=given)
    return _webhooks(visit, secret=made.get("secret"))


def change_webhook(visit: Visit) -> Reply:
    action, call = visit.field("action"), visit.call
    if action == "test":
        return _webhooks(visit, tested=webhooks.test_webhook(call))
    if action == "preview":
        event = visit.field("event").strip() or _latest_event(visit)
        return _webhooks(visit, preview=webhooks.preview_webhook(call._replace(body=Preview(event))))
    if action in ("enable", "disable"):
        webhooks.change_webhook(call._replace(body=WebhookChange(enabled=action == "enable")))
    elif action == "remove":
        webhooks.remove_webhook(call)
    return Moved("/webhooks")


def _latest_event(visit: Visit) -> str:
    ids = visit.store.events.ids([visit.store.events.newest_row()])
    if not ids:
        raise InvalidError("there is no event to preview with", "Send one first")
    return next(iter(ids.values()))


def retry(visit: Visit) -> Reply:
    if visit.field("delivery"):
        number = visit.field("delivery")
        if not number.isdecimal() or len(number) > 18:
            raise InvalidError("that is not a delivery")
        webhooks.retry_delivery(visit.call._replace(path={"delivery": int(number)}))
    else:
        webhooks.retry_deliveries(visit.call._replace(body=RetryAll()))
    return Moved("/webhooks")


# Settings: keys, people, and what all servers of the vault share


def settings(visit: Visit) -> Reply:
    return _settings(visit)


def _settings(visit: Visit, **more: Any) -> Reply:
    people = [
        {**one._asdict(), "created_at": to_iso(one.created_at), "seen_at": to_iso(one.seen_at) if one.seen_at else None}
        for one in visit.store.users.list()
    ]
    rows = [
        {"key": key, "value": shown_value(key, value), "origin": origin, "about": SETTINGS[key].about, "shared": SETTINGS[key].shared}
        for key, value, origin in core.all_settings(visit.store)
    ]  # fmt: skip
    context = {
        "keys": [auth.key_shape(key, visit.now) for key in visit.store.keys.list()], "people": people, "roles": ROLES,
        "scopes": list(auth.SCOPES), "projects": [one.name for one in visit.store.projects.list()], "rows": rows,
        "made": None, "error": None,
    }  # fmt: skip
    return Shown("settings.html", {**context, **more}, more["error"].status if more.get("error") else 200)


def change_settings(visit: Visit) -> Reply:
    try:
        return _CHANGES[visit.field("action")](visit)
    except KeyError:
        raise InvalidError("there is no such action") from None
    except CrashvaultError as error:
        return _settings(visit, error=error)


def _add_key(visit: Visit) -> Reply:
    body = NewKey(
        visit.field("name").strip(), visit.fields("scope"),  # type: ignore[arg-type]
        project=visit.field("project") or None, expires=visit.field("expires").strip() or None,
    )  # fmt: skip
    return _settings(visit, made=administration.add_key(visit.call._replace(body=body)))


def _revoke_key(visit: Visit) -> Reply:
    visit.store.keys.revoke(int(visit.field("key")) if visit.field("key").isdecimal() else 0, visit.now)
    return Moved("/settings")


def _add_user(visit: Visit) -> Reply:
    users.add_user(visit.store, visit.field("name"), visit.field("role"), visit.field("password"), visit.now)
    return Moved("/settings")


def _set_role(visit: Visit) -> Reply:
    visit.store.users.set_role(visit.store.users.require(visit.field("name")), visit.field("role"), visit.now)
    return Moved("/settings")


def _set_password(visit: Visit) -> Reply:
    users.set_password(visit.store, visit.store.users.require(visit.field("name")), visit.field("password"), visit.now)
    return Moved("/settings")


def _remove_user(visit: Visit) -> Reply:
    users.remove_user(visit.store, visit.store.users.require(visit.field("name")))
    return Moved("/settings")


def _set(visit: Visit) -> Reply:
    """Change a setting of all servers; those of one machine are changed on it."""
    key, text = visit.field("key"), visit.field("value")
    if key not in SETTINGS or not SETTINGS[key].shared:
        raise InvalidError(f"{key[:60]} cannot be set here", "Set it on the machine of the server")
    parse_value(key, text)
    core.set_setting(visit.store, key, text, visit.now)
    return Moved("/settings")


_CHANGES = {
    "add-key": _add_key, "revoke-key": _revoke_key, "add-user": _add_user, "set-role": _set_role,
    "set-password": _set_password, "remove-user": _remove_user, "set": _set,
}  # fmt: skip

PAGES = (
    Page("GET", "/projects", "read", projects),
    Page("POST", "/projects", "admin", change_projects, writes=True),
    Page("GET", "/projects/{project}/first", "read", waiting),
    Page("GET", "/webhooks", "admin", webhook_list),
    Page("POST", "/webhooks", "admin", add_webhook, writes=True),
    Page("POST", "/webhooks/retry", "admin", retry, writes=True),
    Page("POST", "/webhooks/{webhook}", "admin", change_webhook, writes=True),
    Page("GET", "/settings", "admin", settings),
    Page("POST", "/settings", "admin", change_settings, writes=True),
)
