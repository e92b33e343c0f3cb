"""Reading through the HTTP interface."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from nasty import NASTY

CRASH = {
    "message": "cart is empty",
    "exception": {"type": "CartError", "value": "cart is empty"},
    "frames": [{"file": "shop/cart.py", "line": 7, "function": "total", "context_line": "raise CartError()"}],
    "level": "error",
    "tags": ["region=eu"],
    "trace_id": "ab" * 16,
}


def items(api: Any, path: str, **parameters: Any) -> list[dict[str, Any]]:
    answer = api.client.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


def pages(api: Any, path: str, between: Any = lambda: None, **parameters: Any) -> list[dict[str, Any]]:
    """All items, page by page."""
    found: list[dict[str, Any]] = []
    cursor = None
    for _ in range(100):
        answer = api.client.get(path, params={**parameters, **({"cursor": cursor} if cursor else {})}).json()
        found += answer["items"]
        cursor = answer["next_cursor"]
        if cursor is None:
            return found
        between()
    raise AssertionError("pages without end")


def test_issues_events_and_totals(api: Any) -> None:
    api.record(CRASH, dict(CRASH), {"message": "something else", "level": "info"})
    listed = items(api, "/api/v1/issues", sort="events")
    assert [(one["title"], one["count"]) for one in listed] == [("CartError: cart is empty", 2), ("something else", 1)]
    issue = api.client.get(f"/api/v1/issues/{listed[0]['id']}").json()
    assert issue["latest_event"]["frames"][0]["context_line"] == "raise CartError()"
    assert len(items(api, f"/api/v1/issues/{issue['id']}/events")) == 2
    found = items(api, "/api/v1/events", query="exception:CartError file:shop/*.py")
    assert len(found) == 2 and found[0]["tags"] == ["region=eu"]
    whole = api.client.get(f"/api/v1/events/{found[0]['event_id'][:12]}").json()
    assert whole["exception"] == {"type": "CartError", "value": "cart is empty"}
    assert {whole["previous"], whole["next"]} == {None, found[1]["event_id"]}
    totals = api.client.get("/api/v1/stats").json()
    assert (totals["issues"], totals["events"], totals["by_level"]) == (2, 3, {"error": 2, "info": 1})
    assert len(api.client.get(f"/api/v1/traces/{'ab' * 16}").json()["events"]) == 2


def test_pages_of_events_are_stable_while_more_arrive(api: Any) -> None:
    api.record(*({"message": f"event {number}", "timestamp": 1_760_000_000 + number} for number in range(25)))
    before = [f"event {number}" for number in reversed(range(25))]
    found = pages(api, "/api/v1/events", lambda: api.record({"message": "late"}), limit=4)
    assert [event["message"] for event in found] == before


def test_pages_of_issues(api: Any) -> None:
    api.record(*({"message": f"{word} is broken"} for word in ("alpha", "beta", "gamma", "delta", "epsilon")))
    found = pages(api, "/api/v1/issues", limit=2, sort="id")
    assert [issue["id"] for issue in found] == [1, 2, 3, 4, 5]


def test_fields_select(api: Any) -> None:
    api.record(CRASH)
    assert items(api, "/api/v1/issues", fields="id,title") == [{"id": 1, "title": "CartError: cart is empty"}]
    wrong = api.client.get("/api/v1/issues", params={"fields": "id,titel"})
    assert wrong.status_code == 400 and "title" in wrong.text


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/api/v1/issues?limit=0", 422, "1 to 1000"),
        ("/api/v1/issues?limit=1e3", 422, "whole number"),
        ("/api/v1/issues?limt=5", 422, "limit"),
        ("/api/v1/issues?sort=colour", 422, "last_seen"),
        ("/api/v1/issues?cursor=nonsense", 400, "next_cursor"),
        ("/api/v1/events?query=level:(", 400, "position"),
        ("/api/v1/events?project=nowhere", 404, "nowhere"),
        ("/api/v1/issues/99", 404, "99"),
        ("/api/v1/issues/99999999999999999999999", 404, "address"),
        (f"/api/v1/issues/{'9' * 5000}", 404, "address"),
        ("/api/v1/issues?limit=00000000000000000001999", 422, "whole number"),
        ("/api/v1/events/zz", 400, "event id"),
        ("/api/v1/events/0000", 404, "event"),
        ("/api/v1/traces/12", 400, "32"),
        ("/api/v1/nothing", 404, "address"),
    ],
)
def test_wrong_requests_say_what_is_wrong(api: Any, path: str, status: int, says: str) -> None:
    answer = api.client.get(path)
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error"} and set(answer.json()["error"]) == {"code", "message", "details"}
    assert says in answer.text


def test_attachments_are_downloads(api: Any) -> None:
    data = b"<script>alert(1)</script>"
    file = {"name": "x\r\n.html", "content_type": "text/html", "data": base64.b64encode(data).decode()}
    (receipt,) = api.record({**CRASH, "attachments": [file]})
    whole = api.client.get(f"/api/v1/events/{receipt.event_id}").json()
    answer = api.client.get(whole["attachments"][0]["href"])
    assert answer.content == data
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert api.client.get(f"/api/v1/events/{receipt.event_id}/attachments/999").status_code == 404


def test_hostile_events_come_out_as_json(api: Any) -> None:
    receipts = api.record(*(dict(raw) for raw in NASTY.values()))
    for path in ("/api/v1/issues", "/api/v1/events"):
        assert pages(api, path, limit=10)
    for receipt in receipts:
        if receipt.issue_id:
            answer = api.client.get(f"/api/v1/events/{receipt.event_id}")
            assert answer.status_code == 200 and answer.json()["event_id"] == receipt.event_id
            assert "\x1b" not in answer.text and "\u202e" not in answer.text
            assert api.client.get(f"/api/v1/issues/{receipt.issue_id}").status_code == 200


def test_similar_issues(api: Any) -> None:
    def crash(word: str) -> dict[str, Any]:
        exception = {"type": "CartError", "value": f"no {word} in it"}
        frames = [{"file": f"shop/{name}.py", "line": 7, "function": name} for name in ("web", "cart", "total")]
        return {"message": "", "exception": exception, "frames": frames, "platform": "python"}

    api.record({"message": "alone"}, crash("milk"), crash("bread"))
    listed = {one["title"]: one["id"] for one in items(api, "/api/v1/issues")}
    alone = listed.pop("alone")
    assert items(api, f"/api/v1/issues/{alone}/similar") == []
    if len(listed) == 2:  # else they were one at once
        one, other = listed.values()
        (found,) = items(api, f"/api/v1/issues/{one}/similar", least=0)
        assert found["id"] == other and 0 < found["score"] <= 1 and found["reasons"]
    assert api.client.get("/api/v1/issues/99/similar").status_code == 404
    assert api.client.get(f"/api/v1/issues/{alone}/similar", params={"limit": 0}).status_code == 422
