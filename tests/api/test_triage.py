"""Changing issues, projects and keys through the HTTP interface; who may."""

from __future__ import annotations

from typing import Any

import pytest

from crashvault.api.routes import ENDPOINTS

EXAMPLES: dict[str, Any] = {
    "IssueChange": {"status": "resolved"},
    "Batch": {"ids": [2], "status": "resolved"},
    "Comment": {"text": "seen"},
    "Merge": {"issues": [2]},
    "NewProject": {"name": "other"},
    "NewKey": {"name": "new", "scopes": ["read"]},
    "NewPolicy": {"kind": "max-age", "value": "90d"},
    "NewWebhook": {"type": "http", "url": "https://x.example/"},
    "WebhookChange": {"attach": True},
    "Preview": {"event": "ab"},
    "RetryAll": {},
    "NewAlert": {"name": "many", "condition": "count > 1 in 1m"},
    "TryAlert": {"condition": "count > 1 in 1m"},
    "TestAlert": {},
    "MuteAlert": {},
}


def test_an_issue_is_changed(api: Any) -> None:
    api.record({"message": "broken"})
    change = {"status": "resolved", "severity": "high", "assigned": "ana", "title": "It broke", "tag": ["db"]}
    answer = api.client.patch("/api/v1/issues/1", json=change)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert {name: found[name] for name in ("status", "severity", "assigned", "title")} == {
        "status": "resolved", "severity": "high", "assigned": "ana", "title": "It broke"
    }  # fmt: skip
    assert "db" in found["tags"] and len(found["activity"]) == 5
    assert api.client.patch("/api/v1/issues/1", json={"assigned": None}).json()["assigned"] is None
    assert api.client.post("/api/v1/issues/1/comments", json={"text": "why?"}).status_code == 201
    assert api.client.get("/api/v1/issues/1").json()["notes"][0]["data"] == {"text": "why?"}


def test_many_issues_are_changed_or_none(api: Any) -> None:
    api.record(*({"message": f"{word} failed", "tags": ["db"]} for word in ("alpha", "beta", "gamma")))
    tried = api.client.post("/api/v1/issues/batch", json={"query": "tag:db", "status": "ignored", "dry_run": True})
    assert len(tried.json()["changed"]) == 3
    assert api.client.get("/api/v1/stats").json()["by_status"]["ignored"] == 0
    assert api.client.post("/api/v1/issues/batch", json={"ids": [1, 99], "status": "ignored"}).status_code == 404
    assert api.client.get("/api/v1/stats").json()["by_status"]["ignored"] == 0
    done = api.client.post("/api/v1/issues/batch", json={"ids": [1, 2], "status": "ignored"})
    assert [one["id"] for one in done.json()["changed"]] == [1, 2]
    assert api.client.post("/api/v1/issues/batch", json={"query": "is:ignored", "delete": True}).status_code == 200
    assert [issue["id"] for issue in api.client.get("/api/v1/issues").json()["items"]] == [3]


def test_merge_unmerge_and_delete(api: Any) -> None:
    api.record({"message": "alpha failed"}, {"message": "beta broke"})
    assert api.client.post("/api/v1/issues/1/merge", json={"issues": [2]}).json()["count"] == 2
    assert api.client.get("/api/v1/issues/2").json()["merged_into"] == 1
    assert api.client.post("/api/v1/issues/2/unmerge").json()["count"] == 1
    event = api.client.get("/api/v1/issues/1/events").json()["items"][0]["event_id"]
    assert api.client.delete("/api/v1/issues/2").status_code == 204
    assert api.client.delete(f"/api/v1/events/{event}").status_code == 204
    assert api.client.get("/api/v1/stats").json()["events"] == 0


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"statsu": "open"}, "statsu"),
        ({"status": "shut"}, "status"),
        ({"title": ""}, "title"),
        ([], "body"),
        ({"tag": "db"}, "tag"),
    ],
)
def test_a_wrong_body_is_named(api: Any, body: Any, field: str) -> None:
    api.record({"message": "broken"})
    answer = api.client.patch("/api/v1/issues/1", json=body)
    assert answer.status_code == 422 and field in answer.text
    assert api.client.get("/api/v1/issues/1").json()["status"] == "open"


def test_bodies_that_are_no_json_cost_no_more_than_an_answer(api: Any) -> None:
    for content in (b"", b"{", b"\xff", b"[" * 100_000, b'{"status": "op'):
        assert api.client.patch("/api/v1/issues/1", content=content).status_code in (400, 422)
    assert api.client.patch("/api/v1/issues/1", content=b" " * (2 << 20)).status_code == 413


def test_projects_and_keys(guarded: Any) -> None:
    admin = guarded.key("admin")
    made = guarded.client.post("/api/v1/projects", json={"name": "shop"}, headers=admin)
    assert made.status_code == 201 and made.json()["dsn"].endswith(f"/{made.json()['id']}")
    again = guarded.client.post("/api/v1/projects", json={"name": "shop"}, headers=admin)
    assert again.status_code == 409 and again.json()["error"]["code"] == "conflict"
    rotated = guarded.client.post("/api/v1/projects/shop/keys", headers=admin).json()
    assert rotated["dsn"] != made.json()["dsn"]
    body = {"name": "reader", "scopes": ["read"], "project": "shop", "expires": "90d"}
    key = guarded.client.post("/api/v1/keys", json=body, headers=admin).json()
    reader = {"X-API-Key": key["key"]}
    assert guarded.client.get("/api/v1/issues", headers=reader).status_code == 200
    assert guarded.client.post("/api/v1/projects", json={"name": "x"}, headers=reader).status_code == 403
    listed = guarded.client.get("/api/v1/keys", headers=admin)
    assert key["key"] not in listed.text and "digest" not in listed.text
    assert guarded.client.delete(f"/api/v1/keys/{key['id']}", headers=admin).status_code == 204
    assert guarded.client.get("/api/v1/issues", headers=reader).status_code == 401


def _asked(api: Any, endpoint: Any, headers: dict[str, str], values: dict[str, Any]) -> Any:
    path = endpoint.path.replace(":id", "").replace(":name", "").format(**values)
    body = EXAMPLES[endpoint.body.__name__] if endpoint.body else None
    return api.client.request(endpoint.method, path, json=body, headers=headers)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda one: f"{one.method} {one.path}")
def test_every_endpoint_asks_for_its_scope(guarded: Any, endpoint: Any) -> None:
    (receipt,) = guarded.record({"message": "broken"})
    values = {
        "issue": 1,
        "event": receipt.event_id,
        "attachment": 1,
        "trace": "ab" * 16,
        "project": "default",
        "key": 1,
        "webhook": "http",
        "alert": "many",
        "delivery": 1,
    }
    nobody = _asked(guarded, endpoint, {}, values)
    assert nobody.status_code == 401 and nobody.headers["www-authenticate"] == "Bearer"
    lesser = {"read": "ingest", "write": "read", "admin": "write"}[endpoint.scope]
    assert _asked(guarded, endpoint, guarded.key(lesser), values).status_code == 403


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda one: f"{one.method} {one.path}")
def test_a_key_of_one_project_sees_nothing_of_another(guarded: Any, endpoint: Any) -> None:
    guarded.record({"message": "of the shop"}, project="shop")
    trace = {"message": "a secret of the bank", "trace_id": "ab" * 16}
    first, _ = guarded.record(trace, {"message": "another secret of the bank"}, project="bank")
    headers = guarded.key("admin", project="shop")
    values = {"issue": 2, "event": first.event_id, "attachment": 1, "trace": "ab" * 16, "project": "bank", "key": 1,
              "webhook": "http", "alert": "many", "delivery": 1}  # fmt: skip
    answer = _asked(guarded, endpoint, headers, values)
    assert "secret" not in answer.text and "bank" not in answer.text.replace(values["project"], "", 1)
    if endpoint.method != "GET":
        assert answer.status_code == 404
    with guarded.store as store:
        assert store.issues.get(2).status == "open" and store.statistics.totals().events == 3


def test_projects_that_are_called_alike_are_two(guarded: Any) -> None:
    event_id = "ab" * 16
    guarded.record({"message": "of the shop", "event_id": event_id}, project="shop")
    guarded.record({"message": "a secret", "event_id": event_id, "tags": ["x"]}, {"message": "more"}, project="Shop")
    headers = guarded.key("admin", project="shop")
    for path in ("/api/v1/issues", "/api/v1/events"):
        answer = guarded.client.get(path, headers=headers)
        assert answer.json()["total"] == 1 and "secret" not in answer.text
    assert guarded.client.get(f"/api/v1/events/{event_id}", headers=headers).json()["message"] == "of the shop"
    assert guarded.client.get("/api/v1/events?query=%22a%20secret%22", headers=headers).json()["items"] == []
    assert "Shop" not in guarded.client.get("/api/v1/events/0", headers=headers).text
    assert "Shop" not in guarded.client.get("/api/v1/projects/nope", headers=headers).text
    body = {"query": "count:>0", "status": "resolved"}
    assert len(guarded.client.post("/api/v1/issues/batch", json=body, headers=headers).json()["changed"]) == 1
    with guarded.store as store:
        assert store.statistics.totals().by_status == {"open": 2, "resolved": 1}


def test_a_wrong_key_is_refused_even_where_none_is_needed(api: Any) -> None:
    assert api.client.get("/api/v1/issues").status_code == 200
    assert api.client.get("/api/v1/issues", headers={"X-API-Key": "cv_nonsense"}).status_code == 401
