"""Logging in and out, and making the first user."""

from __future__ import annotations

from .. import users
from ..errors import CrashvaultError, NotFoundError
from .pages import Moved, Page, Reply, Shown, Visit, local_path


def login(visit: Visit) -> Reply:
    following = local_path(visit.asked("next", "/issues"))
    if visit.session is not None:
        return Moved(following)
    return Shown("login.html", {"next": following, "name": "", "error": None, "has_users": visit.store.users.any()})


def log_in(visit: Visit) -> Reply:
    following, name = local_path(visit.field("next", "/issues")), visit.field("name")
    client = visit.request.client
    try:
        token = users.log_in(visit.store, name, visit.field("password"), client.host if client else "", visit.now)
    except (users.LockedError, users.WrongPasswordError) as error:
        headers = {"Retry-After": str(error.retry_after)} if isinstance(error, users.LockedError) else {}
        context = {"next": following, "name": name, "error": error, "has_users": True}
        return Shown("login.html", context, error.status, headers)
    return Moved(following, session=token)


def log_out(visit: Visit) -> Reply:
    if visit.session is not None:
        users.log_out(visit.store, visit.session.token)
    return Moved("/login", session="")


def set_up(visit: Visit) -> Reply:
    token = visit.asked("token")
    if not users.is_invited(visit.store, token, visit.now):
        raise NotFoundError("this link was used already, or is too old", "Log in, or restart the server for a new link")
    return Shown("setup.html", {"token": token, "name": "", "error": None})


def make_first_user(visit: Visit) -> Reply:
    token, name, password = (visit.field(field) for field in ("token", "name", "password"))
    try:
        made = users.add_first_user(visit.store, token, name, password, visit.now)
    except CrashvaultError as error:
        return Shown("setup.html", {"token": token, "name": name, "error": error}, error.status)
    return Moved("/projects", session=users.begin_session(visit.store, made, visit.now))


PAGES = (
    Page("GET", "/login", "", login),
    Page("POST", "/login", "", log_in, writes=True),
    Page("POST", "/logout", "", log_out, writes=True),
    Page("GET", "/setup", "", set_up),
    Page("POST", "/setup", "", make_first_user, writes=True),
)
