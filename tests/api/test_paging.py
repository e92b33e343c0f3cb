"""Pages of listings: whatever arrives or changes between two pages, nothing comes twice, and what did not change comes."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crashvault import cursors
from crashvault.errors import InvalidError

SORTS = ("last_seen", "id", "title", "status", "created_at", "events", "users", "priority")
WORDS = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu")
LEVELS = ("info", "warning", "error", "critical")


def crash(number: int, *, seconds: int = 0, user: str = "") -> dict[str, Any]:
    raw = {
        "message": f"{WORDS[number]} is broken",
        "level": LEVELS[number % 4],
        "timestamp": 1_760_000_000 + 60 * number + seconds,
    }
    return {**raw, "user": user} if user else raw


def walk(
    api: Any, path: str, between: Callable[[int], object] = lambda page: None, **parameters: Any
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    totals = set()
    for page in range(100):
        answer = api.client.get(path, params={**parameters, **cursor})
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert len(body["items"]) <= parameters["limit"]
        found += body["items"]
        totals.add((body["total"], body["total_exact"]))
        if body["next_cursor"] is None:
            assert len(totals) == 1, "the total is that of the first page"
            return found
        cursor = {"cursor": body["next_cursor"]}
        between(page)
    raise AssertionError("pages without end")


@pytest.fixture
def issues(api: Any) -> Any:
    """Thirteen issues with counts from 1 to 4, several users, and all statuses."""
    for number in range(len(WORDS)):
        api.record(*(crash(number, user=f"user {one}") for one in range(1 + number % 4)))
    for issue, status in ((2, "resolved"), (5, "ignored"), (7, "resolved")):
        assert api.client.patch(f"/api/v1/issues/{issue}", json={"status": status}).status_code == 200
    return api


@pytest.mark.parametrize("query", ["", "broken", "level:>=warning", '"is broken"', "-tag:db"])
@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("sort", SORTS)
def test_every_order_is_walked_whole(issues: Any, sort: str, order: str, query: str) -> None:
    whole = walk(issues, "/api/v1/issues", sort=sort, order=order, query=query, limit=1000)
    paged = walk(issues, "/api/v1/issues", sort=sort, order=order, query=query, limit=3)
    assert [one["id"] for one in paged] == [one["id"] for one in whole]
    assert len({one["id"] for one in whole}) == len(whole) >= 8


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("sort", SORTS)
def test_issues_that_arrive_and_change_move_nothing_else(issues: Any, sort: str, order: str) -> None:
    changed: set[int] = set()

    def between(page: int) -> None:
        """An issue of the beginning and one of the end of the list get events, two are triaged, a new one is there."""
        for number in (page, 12 - page):
            (receipt,) = issues.record(crash(number, seconds=10**6 + page, user=f"late {page}"))
            changed.add(receipt.issue_id)
        issues.record({"message": f"{'x' * (page + 1)} is new", "level": "critical"})
        for issue, change in ((1 + page, {"status": "ignored"}), (13 - page, {"severity": "critical", "title": "zz"})):
            issues.client.patch(f"/api/v1/issues/{issue}", json=change)
            changed.add(issue)

    found = [one["id"] for one in walk(issues, "/api/v1/issues", between, sort=sort, order=order, limit=4)]
    assert len(found) == len(set(found)), "twice"
    assert set(range(1, 14)) - changed <= set(found), "skipped without having changed"


def test_events_that_arrive_late_do_not_bring_an_issue_back(issues: Any) -> None:
    """Its count grows, although its latest event stays."""
    found = [
        one["id"]
        for one in walk(
            issues,
            "/api/v1/issues",
            lambda page: issues.record(crash(0, seconds=-1)),
            sort="events",
            order="asc",
            limit=2,
        )
    ]
    assert sorted(found) == list(range(1, 14))


def test_events_that_must_be_read_are_walked_to_the_end(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crashvault.storage.search.CHECKED", 20)
    monkeypatch.setattr("crashvault.storage.finding.FEW", 1)
    api.record(*(
        {"message": "reset connection" if number % 31 else "connection reset", "timestamp": 1_760_000_000 + number}
        for number in range(200)
    ))  # fmt: skip
    for path in ("/api/v1/events", "/api/v1/issues/1/events", "/api/v1/issues/2/events"):
        exact = walk(api, path, query="connection reset", limit=7)
        phrase = walk(api, path, query='"connection reset"', limit=7)
        assert [one for one in exact if one["message"] == "connection reset"] == phrase


@pytest.mark.parametrize("path", ["/api/v1/issues", "/api/v1/events"])
def test_a_cursor_is_good_for_its_own_list_only(issues: Any, path: str) -> None:
    def status(**parameters: Any) -> int:
        return int(issues.client.get(path, params={"limit": 2, **parameters}).status_code)

    cursor = issues.client.get(path, params={"limit": 2}).json()["next_cursor"]
    assert status(cursor=cursor) == 200
    assert status(cursor=cursor, query="is:open") == 400
    other = {"/api/v1/issues": "/api/v1/events", "/api/v1/events": "/api/v1/issues"}[path]
    assert issues.client.get(other, params={"cursor": cursor, "limit": 2}).status_code == 400
    if path == "/api/v1/issues":
        assert status(cursor=cursor, sort="events") == status(cursor=cursor, order="asc") == 400


def test_a_trace_is_told_whole_page_by_page(api: Any) -> None:
    trace_id = "ab" * 16
    for project, number in (("default", 23), ("shop", 4)):
        api.record(*(
            {"message": f"event {one}", "trace_id": trace_id, "timestamp": 1_760_000_000 - one} for one in range(number)
        ), project=project)  # fmt: skip
        with api.store as store, store.writing():
            spans = [
                {"trace_id": trace_id, "span_id": f"{one:016x}", "parent_span_id": None, "name": f"span {one}", "op": "",
                 "kind": "", "status": "", "start": one // 3, "end": one, "service": "", "release": "",
                 "environment": "", "attributes": {}, "origin": "sentry"}
                for one in range(1, 2 * number)
            ]  # fmt: skip
            store.telemetry.add(store.projects.require(project).id, spans=spans, now=1)
    path = f"/api/v1/traces/{trace_id}"
    whole = api.client.get(path).json()
    assert (len(whole["events"]), len(whole["spans"]), whole["next_cursor"]) == (27, 52, None)
    assert whole["events"] == sorted(whole["events"], key=lambda event: event["timestamp"])
    first = whole["spans"][0]
    assert (first["start"], first["end"]) == ("1970-01-01T00:00:00.000000Z", "1970-01-01T00:00:00.000001Z")
    assert first["duration_ms"] == 0.001 and first["op"] is None
    for project, events, spans in ((None, 27, 52), ("shop", 4, 7)):
        given = {"limit": 5, **({"project": project} if project else {})}
        found: dict[str, list[Any]] = {"events": [], "spans": []}
        cursor: str | None = ""
        while cursor is not None:
            page = api.client.get(path, params={**given, "cursor": cursor}).json()
            assert len(page["events"]) <= 5 and len(page["spans"]) <= 5
            found = {key: [*known, *page[key]] for key, known in found.items()}
            cursor = page["next_cursor"]
        assert len({(one["project"], one["event_id"]) for one in found["events"]}) == len(found["events"]) == events
        assert len({(one["project"], one["span_id"]) for one in found["spans"]}) == len(found["spans"]) == spans
        assert [one["start"] for one in found["spans"]] == sorted(one["start"] for one in found["spans"])
    wrong = api.client.get(f"/api/v1/traces/{'cd' * 16}", params={"cursor": page["next_cursor"] or "x"})
    assert wrong.status_code == 400


ASKED = ("issues", None, "last_seen")


@given(
    st.one_of(st.text(max_size=80), st.binary(max_size=60).map(lambda data: base64.urlsafe_b64encode(data).decode()))
)
@settings(max_examples=300)
def test_no_text_but_ours_is_a_cursor(text: str) -> None:
    with pytest.raises(InvalidError):
        cursors.decode(text, ASKED, (int, int))


@given(
    st.integers(-(1 << 60), 1 << 60),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    st.booleans(),
)
def test_cursors_come_back(number: int, text: str, exact: bool) -> None:
    cursor = cursors.encode(ASKED, [number, text, exact])
    assert cursors.decode(cursor, ASKED, (int, str, bool)) == [number, text, exact]
    assert cursor.isascii() and "=" not in cursor


@pytest.mark.parametrize("wrong", [[1], [1, 2, 3], ["1", 2], [True, 2], [1.0, 2], [None, 2], [1 << 70, 2], [[1], 2]])
def test_a_changed_cursor_is_refused(wrong: list[Any]) -> None:
    with pytest.raises(InvalidError, match="none of ours"):
        cursors.decode(cursors.encode(ASKED, wrong), ASKED, (int, int))


@pytest.mark.parametrize("text", ["\ud800", "a\0b"])
def test_a_cursor_never_holds_what_no_store_takes(issues: Any, text: str) -> None:
    cursor = issues.client.get("/api/v1/issues", params={"sort": "title", "limit": 2}).json()["next_cursor"]
    values = json.loads(base64.urlsafe_b64decode(cursor + "=="))
    values[1] = text
    forged = base64.urlsafe_b64encode(json.dumps(values).encode()).decode()
    assert (
        issues.client.get("/api/v1/issues", params={"sort": "title", "limit": 2, "cursor": forged}).status_code == 400
    )
