"""What comes from outside never becomes part of a page, and nobody does what their role does not allow."""

from __future__ import annotations

import copy
import re
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from tests.nasty import NASTY
from tests.web.conftest import PASSWORD, Tags, add_user

from crashvault import core
from crashvault.pipeline import record_events
from crashvault.users import SCOPE_OF_ROLE
from crashvault.web.routes import PAGES

pytestmark = pytest.mark.xdist_group("chromium")

EVENT = "4f2a91c04f2a91c04f2a91c04f2a91c0"
OURS = {
    "html", "head", "meta", "title", "link", "script", "body", "a", "header", "img", "span", "nav", "details", "summary",
    "div", "form", "input", "button", "main", "p", "h1", "h2", "h3", "select", "option", "label", "datalist", "ol", "li",
    "bdi", "svg", "rect", "b", "time", "article", "section", "pre", "dl", "dt", "dd", "code", "ul", "meter", "textarea",
    "table", "caption", "thead", "tbody", "tr", "th", "td", "br", "kbd", "noscript",
}  # fmt: skip
LISTS = (
    "/issues",
    "/events",
    "/live",
    "/trends",
    "/releases",
    "/alerts",
    "/webhooks",
    "/projects",
    "/retention",
    "/settings",
    "/system",
)


def fill_with_nasty(server: Any) -> list[tuple[int, str]]:
    """Everything of the corpus, and triage in its words; issues and events."""
    found = []
    with core.open_vault(str(server.home)) as store:
        for name, raw in NASTY.items():
            if name in ("too_large", "many_exceptions", "large_and_wide", "large_and_escaped"):  # size, not markup
                continue
            (receipt,) = record_events(store, [copy.deepcopy(raw)])
            if receipt.issue_id is not None:
                event = store.events.load(store.issues.latest_events(receipt.issue_id))[0].event["event_id"]
                found.append((receipt.issue_id, str(event)))
    return found


def check(html: str) -> None:
    page = Tags(html)
    assert page.tags <= OURS, page.tags - OURS
    for name, value in page.attributes:
        assert not name.startswith("on") and name != "style", (name, value[:100])
        if name in ("href", "src", "action", "hx-get"):
            assert re.match(r"/|\?|#", value), (name, value[:100])
    assert "\u202e" not in html and "\x1b" not in html


def test_nothing_nasty_becomes_markup(server: Any, look: Callable[..., Any]) -> None:
    pairs = fill_with_nasty(server)
    assert len({issue for issue, _ in pairs}) > 30
    mark, name = "<script>alert(1)</script>", "<img src=x onerror=alert(1)>"
    for path, body in (
        ("/api/v1/issues/1/comments", {"text": mark}), ("/api/v1/alerts", {"name": "many", "condition": "count > 1 in 1m", "query": f'message:"{name}"'}),
        ("/api/v1/projects", {"name": name}), ("/api/v1/webhooks", {"type": "http", "url": "https://example.com/x", "query": f'message:"{name}"'}),
        ("/api/v1/retention", {"kind": "max-events", "value": "10", "project": name, "query": f'message:"{mark}"'}),
        ("/api/v1/keys", {"name": name, "scopes": ["read"]}),
    ):  # fmt: skip
        assert server.post(path, json=body).status_code == 201, path
    server_paths = [*LISTS, *(f"/issues/{issue}" for issue, _ in pairs), *(f"/events/{event}" for _, event in pairs)]
    with httpx.Client(base_url=server.url, timeout=60) as client:
        for path in (
            *server_paths,
            f"/issues?query={mark}",
            "/issues?query=%22%3E%3Cb%3E",
            f"/login?next={mark}",
            "/projects?project=%3Cscript%3E",
        ):
            answer = client.get(path)
            assert answer.status_code in (200, 303, 400, 404), (path, answer.status_code, answer.text[:300])
            if answer.headers["content-type"].startswith("text/html"):
                check(answer.text)
                assert mark not in answer.text and name not in answer.text
                assert "default-src 'none'" in answer.headers["content-security-policy"]
    window = look(server)
    for path in (
        "/issues",
        "/events",
        "/live",
        "/alerts",
        "/projects",
        *(f"/issues/{issue}" for issue, _ in pairs[:12]),
    ):
        window.page.goto(path)
    assert window.wrong == [] and window.foreign == []


def test_attachments_are_downloads(server: Any) -> None:
    data = "PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg=="
    body = {"message": "x", "attachments": [{"name": 'a".html', "content_type": "text/html", "data": data}]}
    event = server.post("/api/v1/events", json=body).json()["event_id"]
    page = server.get(f"/events/{event}").text
    address = re.search(r'href="(/api/v1/events/[^"]+/attachments/\d+)" download', page)
    assert address is not None
    answer = server.get(address[1])
    assert answer.headers["content-type"] == "application/octet-stream"
    assert (
        answer.headers["content-disposition"].startswith("attachment")
        and "sandbox" in answer.headers["content-security-policy"]
    )


# Who may do what


def address_of(path: str) -> str:
    path = (
        path.replace("{issue:id}", "1")
        .replace("{search:id}", "99")
        .replace("{event}", EVENT)
        .replace("{trace}", "a" * 32)
    )
    return path.replace("{project}", "default").replace("{webhook}", "none").replace("{alert}", "none")


def test_every_page_asks_for_its_role(serve: Callable[..., Any], visitor: Callable[..., Any]) -> None:
    server = serve("--auth", "required")
    with core.open_vault(str(server.home)) as store:
        record_events(store, [{"message": "x", "event_id": str(uuid.UUID(EVENT))}])
    allowed = {"viewer": {"", "read"}, "member": {"", "read", "write"}, "admin": {"", "read", "write", "admin"}}
    assert set(allowed) == set(SCOPE_OF_ROLE)
    nobody = visitor(server)
    for page in PAGES:
        if not page.scope:
            continue
        path = address_of(page.path)
        if page.method == "GET":
            answer = nobody.client.get(path)
            assert answer.status_code == 303 and answer.headers["location"].startswith("/login?next="), path
        else:
            assert nobody.client.post(path, data={"csrf": nobody.token()}).status_code == 401, path
    for role, scopes in allowed.items():
        add_user(server, role, role)
        somebody = visitor(server)
        assert somebody.log_in(role).status_code == 303
        for page in PAGES:
            path = address_of(page.path)
            if path in ("/logout", "/login", "/setup"):
                continue
            if page.method == "GET":
                status = somebody.client.get(path).status_code
            else:
                status = somebody.client.post(
                    path, data={"csrf": somebody.token("/projects"), "action": "none"}
                ).status_code
            assert (status == 403) == (page.scope not in scopes), (role, page.method, path, status)
            assert status < 500, (role, path)
    for role in allowed:  # the session reads what keys read, and changes nothing without a form
        somebody = visitor(server)
        somebody.log_in(role)
        assert somebody.client.get("/api/v1/issues").status_code == 200
        assert somebody.client.get("/api/v1/keys").status_code == (200 if role == "admin" else 403)
        assert somebody.client.patch("/api/v1/issues/1", json={"status": "resolved"}).status_code == 401


def test_forms_are_from_here(server: Any, visitor: Callable[..., Any]) -> None:
    server.post("/api/v1/events", json={"message": "x"})
    here, elsewhere = visitor(server), visitor(server)
    foreign = elsewhere.token("/issues")
    good = here.token("/issues")
    assert good != here.token("/issues")  # masked anew each time
    for page in PAGES:
        if page.method == "POST":
            path = address_of(page.path)
            for token in ("", "00" * 32, "zz", foreign):
                assert here.client.post(path, data={"csrf": token, "action": "resolve"}).status_code == 403, path
            assert here.client.post(path, json={"csrf": good}).status_code == 400
    sent = {"csrf": good, "action": "resolve"}
    assert here.client.post("/issues/1", data=sent, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert here.client.post("/issues/1", data=sent, headers={"Origin": "https://evil.example"}).status_code == 403
    assert server.get("/api/v1/issues/1").json()["status"] == "open"
    header = {"X-CSRF-Token": good}
    assert here.client.post("/issues/1", data={"action": "resolve"}, headers=header).status_code == 303
    assert server.get("/api/v1/issues/1").json()["status"] == "resolved"


def test_the_first_user_and_sessions(serve: Callable[..., Any], visitor: Callable[..., Any]) -> None:
    server = serve("--auth", "required")
    link = server.told["setup"].removeprefix(server.url)
    first = visitor(server)
    token = link.partition("token=")[2]
    sent = {"token": token, "name": "ana"}
    assert first.client.get("/setup?token=wrong").status_code == 404
    csrf = first.token(link)
    assert first.client.post("/setup", data={"csrf": csrf, **sent, "password": "short"}).status_code == 400
    made = first.client.post("/setup", data={"csrf": csrf, **sent, "password": PASSWORD})
    cookie = made.headers["set-cookie"]
    assert (
        made.status_code == 303 and "HttpOnly" in cookie and "samesite=lax" in cookie.lower() and "Secure" not in cookie
    )
    assert first.client.get("/settings").status_code == 200
    late = visitor(server)
    assert late.client.get(link).status_code == 404
    assert (
        late.client.post("/setup", data={"csrf": late.token(), **sent, "name": "eve", "password": PASSWORD}).status_code
        == 400
    )
    assert late.log_in("ana").headers["location"] == "/issues"
    assert (
        late.client.post(
            "/settings", data={"csrf": late.token("/issues"), "action": "set", "key": "server.auth", "value": "off"}
        ).status_code
        == 400
    )
    with core.open_vault(str(server.home)) as store:
        raw = b"".join((server.home / name).read_bytes() for name in ("vault.db", "vault.db-wal"))
        assert PASSWORD.encode() not in raw and late.client.cookies["crashvault_session"].encode() not in raw
        assert store.users.require("ana").role == "admin"
    token = first.token("/issues")
    assert first.client.post("/logout", data={"csrf": token}).headers["clear-site-data"] == '"cache", "storage"'
    assert first.client.get("/issues").status_code == 303 and late.client.get("/issues").status_code == 200
    late.client.post(
        "/settings",
        data={
            "csrf": late.token("/issues"),
            "action": "set-password",
            "name": "ana",
            "password": "other words in a row",
        },
    )
    assert late.client.get("/issues").status_code == 303
    assert late.log_in("ana").status_code == 403
    assert late.log_in("ana", "other words in a row").status_code == 303


def test_guessing_is_slow_on_all_workers(serve: Callable[..., Any], visitor: Callable[..., Any]) -> None:
    server = serve("--auth", "required", "--workers", "2")
    add_user(server, "ana", "admin")
    statuses = [visitor(server).log_in("ana", f"guess number {number}").status_code for number in range(7)]
    assert statuses == [403] * 5 + [429] * 2
    locked = visitor(server).log_in("ana")
    assert locked.status_code == 429 and 0 < int(locked.headers["retry-after"]) <= 60


def test_nobody_is_sent_elsewhere(serve: Callable[..., Any], visitor: Callable[..., Any]) -> None:
    server = serve("--auth", "required")
    add_user(server, "ana", "viewer")
    for target in (
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
    ):
        somebody = visitor(server)
        sent = {"csrf": somebody.token(), "name": "ana", "password": PASSWORD, "next": target}
        assert somebody.client.post("/login", data=sent).headers["location"] == "/issues", target
