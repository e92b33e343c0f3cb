"""Alert rules over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from crashvault.clock import now
from crashvault.watch import Watch


def _add(api: Any, **fields: Any) -> Any:
    answer = api.client.post("/api/v1/alerts", json={"name": "many", "condition": "count > 2 in 1m", **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()


def _look(api: Any) -> list[Any]:
    with api.store as store:
        return Watch(store).look(now())


def test_a_rule_is_made_fires_and_goes(api: Any) -> None:
    made = _add(api, query="level:>=error", severity="high", cooldown="5m")
    assert {name: made[name] for name in ("name", "state", "cooldown", "by", "muted")} == {
        "name": "many", "state": "ok", "cooldown": "5m", "by": None, "muted": False,
    }  # fmt: skip
    api.record(*({"message": f"boom {number}"} for number in range(3)))
    assert len(_look(api)) == 1
    assert api.client.get("/api/v1/alerts/many").json()["firing"][0]["reason"] == "3 events in 1m"
    [entry] = api.client.get("/api/v1/alerts/history?alert=many").json()["items"]
    assert (entry["what"], entry["told"], entry["numbers"]) == ("fired", "yes", {"count": 3})
    tested = api.client.post("/api/v1/alerts/many/test", json={"since": "24h"}).json()
    assert (tested["fired"], tested["complete"]) == (1, True)
    assert api.client.delete("/api/v1/alerts/many").status_code == 204
    assert api.client.get("/api/v1/alerts").json()["items"] == []


def test_a_rule_can_be_tried_before_it_is_made(api: Any) -> None:
    api.record(*({"message": f"boom {number}"} for number in range(3)))
    tried = api.client.post("/api/v1/alerts/test", json={"condition": "count > 2 in 1m", "since": "1h"})
    assert tried.json()["fired"] == 1
    assert api.client.get("/api/v1/alerts").json()["total"] == 0


def test_muting(api: Any) -> None:
    _add(api)
    muted = api.client.post("/api/v1/alerts/many/mute", json={"for": "2h"}).json()
    assert muted["muted"]
    assert muted["mutes"][0]["until"] > muted["created_at"]
    assert api.client.post("/api/v1/alerts/many/unmute").json()["mutes"] == []


@pytest.mark.parametrize(
    ("body", "status", "part"),
    [
        ({"name": "x", "condition": "count >"}, 400, "a number"),
        ({"name": "x", "condition": "new issue", "query": "levle:error"}, 400, "levle"),
        ({"name": "x", "condition": "new issue", "notify": ["nobody"]}, 404, "nobody"),
        ({"name": "x", "condition": "new issue", "cooldown": "soon"}, 400, "soon"),
        ({"name": "x"}, 422, "condition"),
        ({"name": "many", "condition": "new issue"}, 409, "already"),
    ],
)
def test_what_is_wrong_is_said(api: Any, body: dict[str, Any], status: int, part: str) -> None:
    _add(api)
    answer = api.client.post("/api/v1/alerts", json=body)
    assert answer.status_code == status
    assert part in answer.text


def test_a_key_of_one_project_sees_its_rules_only(guarded: Any) -> None:
    admin = guarded.key("admin")
    guarded.record({"message": "x"}, project="shop")
    for name, project in (("all", ""), ("shop", "shop")):
        body = {"name": name, "condition": "new issue", "project": project}
        assert guarded.client.post("/api/v1/alerts", json=body, headers=admin).status_code == 201
    reader = guarded.key("read", project="shop")
    listed = guarded.client.get("/api/v1/alerts", headers=reader).json()["items"]
    assert [one["name"] for one in listed] == ["shop"]
    assert guarded.client.get("/api/v1/alerts/all", headers=reader).status_code == 404
    assert guarded.client.get("/api/v1/alerts/history", headers=reader).status_code == 404
    assert guarded.client.get("/api/v1/alerts/history?alert=shop", headers=reader).status_code == 200


def test_an_issue_is_resolved_in_a_release(api: Any) -> None:
    api.record({"message": "broken", "release": "a@1.0"})
    refused = api.client.patch("/api/v1/issues/1", json={"resolved_in": "a@1.1"})
    assert refused.status_code == 422
    assert api.client.patch("/api/v1/issues/1", json={"status": "resolved", "resolved_in": "a@1.1"}).status_code == 200
    api.record({"message": "broken", "release": "a@1.0"})
    assert api.client.get("/api/v1/issues/1").json()["status"] == "resolved"
    api.record({"message": "broken", "release": "a@1.2"})
    assert api.client.get("/api/v1/issues/1").json()["is_regressed"]
