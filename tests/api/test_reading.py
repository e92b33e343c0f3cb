"""Reading through the HTTP interface."""

from __future__ import annotations

import base64
from pathlib import Path
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


NOON = 1_760_011_200  # 2025-10-09T12:00:00Z, in seconds


def test_events_over_time_come_from_counters(api: Any) -> None:
    for minutes, project in ((0, "default"), (59, "default"), (60, "shop"), (24 * 60, "shop"), (24 * 60 + 1, "shop")):
        api.record({"message": "late", "timestamp": NOON + 60 * minutes}, project=project)
    with api.store as store, store.writing():
        store.db.execute("DELETE FROM events")  # nobody needs them for that

    def series(**parameters: Any) -> dict[str, Any]:
        answer = api.client.get("/api/v1/stats", params=parameters)
        assert answer.status_code == 200, answer.text
        return dict(answer.json()["series"])

    hours = series(since="2025-10-09T11:30:00Z", until="2025-10-09T14:00:00Z")
    assert hours == {
        "interval": "hour", "since": "2025-10-09T11:00:00.000000Z", "until": "2025-10-09T14:00:00.000000Z",
        "counts": [0, 2, 1], "total": 3,
    }  # fmt: skip
    days = series(since="2025-10-08", until="2025-10-10", interval="day")
    assert (days["counts"], days["until"]) == ([0, 3, 2], "2025-10-11T00:00:00.000000Z")
    assert series(since="2025-10-08", until="2025-10-10", interval="day", project="shop")["counts"] == [0, 1, 2]
    assert series(interval="day")["counts"] == [0] * 14 and len(series(interval="hour")["counts"]) == 24


def test_stats_are_those_of_the_command_line(api: Any) -> None:
    api.record(CRASH, {"message": "something else"}, {"message": "something else"})
    found = api.client.get("/api/v1/stats").json()
    assert found["events_per_hour"]["total"] == found["events_per_day"]["total"] == 3
    assert found["events_per_hour"]["counts"][-1] + found["events_per_hour"]["counts"][-2] == 3
    assert found["first_hour"] == found["events_per_hour"]["since"]
    assert [(one["title"], one["count"]) for one in found["top_issues"]] == [
        ("something else", 2),
        ("CartError: cart is empty", 1),
    ]
    assert "series" not in found


@pytest.mark.parametrize(
    ("parameters", "status"),
    [
        ({"since": "yesteryear"}, 422),
        ({"interval": "minute"}, 422),
        ({"since": "2025-10-09", "until": "2025-10-08"}, 400),
        ({"since": "2000-01-01", "interval": "hour"}, 400),
        ({"since": "2000-01-01", "interval": "day"}, 400),
        ({"since": "1d", "until": "9999-12-31"}, 400),
        ({"since": "9999-12-31"}, 400),
    ],
)
def test_times_that_make_no_series(api: Any, parameters: dict[str, str], status: int) -> None:
    answer = api.client.get("/api/v1/stats", params=parameters)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["message"]


def test_a_key_of_one_project_sees_its_own_figures_and_no_ledger(guarded: Any) -> None:
    guarded.record(CRASH)
    guarded.record({"message": "of the shop"}, project="shop")
    headers = guarded.key("read", project="shop")
    found = guarded.client.get("/api/v1/stats", headers=headers).json()
    assert (found["events"], list(found["by_project"])) == (1, ["shop"])
    assert [one["title"] for one in found["top_issues"]] == ["of the shop"]
    assert found["events_per_day"]["total"] == 1
    refused = guarded.client.get("/api/v1/dropped", headers=headers)
    assert refused.status_code == 403 and "whole vault" in refused.text
    assert guarded.client.get("/api/v1/dropped", headers=guarded.key("read")).status_code == 200


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


def attached(api: Any, name: str, data: bytes) -> str:
    """The address of a file of a new event."""
    file = {"name": name, "content_type": "text/html", "data": base64.b64encode(data).decode()}
    (receipt,) = api.record({**CRASH, "attachments": [file]})
    return str(api.client.get(f"/api/v1/events/{receipt.event_id}").json()["attachments"][0]["href"])


@pytest.mark.parametrize(
    ("name", "plain"),
    [("x\r\n.html", "x.html"), ('a"b;c.txt', "a_b_c.txt"), ("Straße.log", "Strae.log"), ("日本", "attachment")],
)
def test_attachments_are_downloads(api: Any, name: str, plain: str) -> None:
    data = b"<script>alert(1)</script>"
    href = attached(api, name, data)
    answer = api.client.get(href)
    assert answer.content == data
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith(f"attachment; filename=\"{plain}\"; filename*=UTF-8''")
    assert (
        answer.headers["x-content-type-options"] == "nosniff" and "sandbox" in answer.headers["content-security-policy"]
    )
    head = api.client.head(href)
    assert head.headers["content-length"] == str(len(data)) and not head.content
    assert api.client.get(f"{href.rpartition('/')[0]}/999").status_code == 404


@pytest.mark.parametrize("size", [0, 1, 256 << 10, (256 << 10) + 1, 3_000_000])
def test_attachments_of_any_size_come_whole(api: Any, size: int) -> None:
    data = bytes(number % 251 for number in range(size % 1_000)) + b"x" * (size - size % 1_000)
    answer = api.client.get(attached(api, "core", data))
    assert answer.content == data and answer.headers["content-length"] == str(size)


@pytest.mark.vault_file
def test_an_attachment_whose_content_is_gone_is_an_error(api: Any) -> None:
    href = attached(api, "core", b"content")
    for path in Path(api.node.home, "blobs").rglob("*"):
        if path.is_file():
            path.unlink()
    answer = api.client.get(href)
    assert answer.status_code == 404 and "gone" in answer.json()["error"]["message"]


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
