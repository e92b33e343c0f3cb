"""The page about retention: policies, what would go and why, runs; for admins only, and without JavaScript."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from tests.web.conftest import add_user

from crashvault import core
from crashvault.pipeline import record_events

PATIENCE = 60.0  # seconds


def _fill(server: Any) -> None:
    with core.open_vault(str(server.home)) as store:
        record_events(store, [{"message": f"full {number}", "fingerprint": ["disk"]} for number in range(10)])


def test_policies_are_made_explained_and_applied(server: Any, visitor: Callable[..., Any]) -> None:
    _fill(server)
    ana = visitor(server)
    page = ana.client.get("/retention").text
    assert "No policy: everything is kept" in page and "The next run" not in page
    done = ana.post("/retention", action="set", kind="max-events-per-issue", value="2", level="", project="", query="")
    assert done.status_code == 303
    page = ana.client.get("/retention").text
    assert "It would take 7 events" in page and "issues with more than 2 events" in page and "7 of 10 events" in page
    assert "None yet" in page
    done = ana.post("/retention", action="run")
    assert (done.status_code, done.headers["location"]) == (303, "/retention?asked=yes")
    assert "within seconds" in ana.client.get("/retention?asked=yes").text
    until = time.monotonic() + PATIENCE
    while "None yet" in (page := ana.client.get("/retention").text) and time.monotonic() < until:
        time.sleep(0.1)
    assert "max-events-per-issue 2: 7" in page and "It would take 0 events" in page
    assert server.get("/api/v1/issues/1").json()["count"] == 10
    ana.post("/retention", action="unset", kind="max-events-per-issue", level="", project="", query="")
    assert "No policy: everything is kept" in ana.client.get("/retention").text


def test_what_is_wrong_is_said_and_what_was_given_stays(server: Any, visitor: Callable[..., Any]) -> None:
    ana = visitor(server)
    for kind, value, query, words in (
        ("max-age", "soon", "", "is not a span of time"),
        ("max-events", "0", "", "cannot be 0"),
        ("max-age", "9d", "levl:x", "unknown field"),
        ("nothing", "1", "", "there is no policy"),
    ):
        answer = ana.post("/retention", action="set", kind=kind, value=value, level="", project="", query=query)
        assert answer.status_code in (400, 422) and words in answer.text.lower(), answer.text
        assert f'value="{value}"' in answer.text
    assert ana.post("/retention", action="burn").status_code == 400


def test_members_neither_see_nor_change_it(serve: Callable[..., Any], visitor: Callable[..., Any]) -> None:
    server = serve("--auth", "required")
    add_user(server, "max", "member")
    max_ = visitor(server)
    max_.log_in("max")
    assert max_.client.get("/retention").status_code == 403
    assert 'href="/retention"' not in max_.client.get("/issues").text
    fields = {"action": "set", "kind": "max-events", "value": "1", "level": "", "project": "", "query": ""}
    assert max_.post("/retention", **fields).status_code == 403
    without_token = max_.client.post("/retention", data=fields)
    assert without_token.status_code == 403
    with core.open_vault(str(server.home)) as store:
        assert store.retention.policies.list() == []
