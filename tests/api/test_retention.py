"""Retention over HTTP."""

from __future__ import annotations

from .conftest import Api

PATH = "/api/v1/retention"


def test_policies_are_set_read_and_unset(api: Api) -> None:
    made = api.client.post(PATH, json={"kind": "max-age", "value": "90d"})
    assert (made.status_code, made.json()) == (
        201, {"kind": "max-age", "value": "90d", "level": None, "project": None, "query": None},
    )  # fmt: skip
    api.client.post(PATH, json={"kind": "max-age", "value": "7d", "level": "<=info"})
    api.client.post(PATH, json={"kind": "max-age", "value": "30d"})
    found = api.client.get(PATH).json()
    assert [(one["value"], one["level"]) for one in found["items"]] == [("30d", None), ("7d", "<=info")]
    assert found["total"] == 2 and found["stored_events"] == 0 and found["last_run"] is None
    assert api.client.delete(PATH, params={"kind": "max-age", "level": "<=info"}).status_code == 204
    assert len(api.client.get(PATH).json()["items"]) == 1
    gone = api.client.delete(PATH, params={"kind": "max-age", "level": "<=info"})
    assert gone.status_code == 404 and gone.json()["error"]["code"] == "not_found"
    assert api.client.delete(PATH).status_code == 422


def test_what_is_wrong_is_refused(api: Api) -> None:
    for body, status in (
        ({"kind": "max-age", "value": "soon"}, 400),
        ({"kind": "max-age", "value": "1d", "query": "levl:x"}, 400),
        ({"kind": "max-age", "value": "1d", "project": "nowhere"}, 404),
        ({"kind": "max-fun", "value": "1"}, 422),
        ({"kind": "max-age"}, 422),
        ({"kind": "max-age", "value": "1d", "levle": "debug"}, 422),
    ):
        assert api.client.post(PATH, json=body).status_code == status, body
    assert api.client.get(PATH).json()["items"] == []


def test_a_plan_tells_and_a_run_is_asked_for(api: Api) -> None:
    api.record(*({"message": "m", "fingerprint": ["x"]} for _ in range(9)))
    api.client.post(PATH, json={"kind": "max-events", "value": "2"})
    plan = api.client.get(f"{PATH}/plan").json()
    assert (plan["dry_run"], plan["evicted"]) == (True, 6)
    assert plan["policies"][0]["kept"] == 3 and plan["issues"][0]["stored"] == 9
    asked = api.client.post(f"{PATH}/run")
    assert (asked.status_code, asked.json()) == (202, {"asked": True})
    with api.store as store:
        from crashvault.clock import now

        store.retention.run(now())
        assert not store.retention.due(now())
    assert api.client.get(PATH).json()["last_run"]["evicted"] == 6
    assert api.client.get("/api/v1/issues/1").json()["count"] == 9
    assert len(api.client.get("/api/v1/issues/1/events").json()["items"]) == 3


def test_only_those_who_administer_the_whole_vault_may(guarded: Api) -> None:
    guarded.record({"message": "m"}, project="shop")
    for headers, status in (
        ({}, 401),
        (guarded.key("read", "write"), 403),
        (guarded.key("admin", project="shop"), 404),
        (guarded.key("admin"), 200),
    ):
        assert guarded.client.get(PATH, headers=headers).status_code == status
        assert guarded.client.get(f"{PATH}/plan", headers=headers).status_code == status
        made = guarded.client.post(PATH, headers=headers, json={"kind": "max-age", "value": "1d"})
        assert made.status_code == {200: 201}.get(status, status)
        run = guarded.client.post(f"{PATH}/run", headers=headers)
        assert run.status_code == {200: 202}.get(status, status)
