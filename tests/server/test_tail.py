"""Live tails of a real server: they end with their key, are as many as the server bears, and catch up at once."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from crashvault import auth, clock, core
from crashvault.pipeline import record_events

PATH = "/api/v1/tail"
HEARD = 2.0  # seconds within which the end of a key must have reached an open tail


def lines_until_end(answer: httpx.Response) -> list[str]:
    return [line for line in answer.iter_lines() if line]


def test_a_revoked_key_ends_its_tail(serve: Callable[..., Any]) -> None:
    server = serve(config={"server.auth": "required"})
    headers = {"Authorization": f"Bearer {server.key('read')}"}
    with httpx.stream("GET", f"{server.url}{PATH}", headers=headers, timeout=30) as answer:
        assert answer.status_code == 200
        lines = answer.iter_lines()
        next(lines)
        with core.open_vault(str(server.home)) as store:
            store.keys.revoke(1, clock.now())
        began = time.monotonic()
        rest = list(lines)
        assert time.monotonic() - began < HEARD
    assert "revoked" in rest[-2]
    assert server.get(PATH, headers=headers).status_code == 401


def test_a_key_that_expires_ends_its_tail(serve: Callable[..., Any]) -> None:
    server = serve(config={"server.auth": "required"})
    with core.open_vault(str(server.home)) as store:
        until = clock.now() + 2 * clock.SECOND
        _, key = auth.create_key(store, "short", ["read"], expires_at=until, now=clock.now())
    with httpx.stream("GET", f"{server.url}{PATH}", headers={"X-API-Key": key}, timeout=30) as answer:
        assert answer.status_code == 200
        lines_until_end(answer)
    assert until <= clock.now() < until + HEARD * clock.SECOND


def test_only_so_many_tails_at_once(serve: Callable[..., Any]) -> None:
    server = serve(CRASHVAULT_SERVER_TAILS="2")
    with httpx.Client(base_url=server.url, timeout=30) as client:
        first, second = (client.stream("GET", PATH) for _ in range(2))
        with first as one:
            lines_of_one = one.iter_lines()
            next(lines_of_one)
            with second as two:
                lines_of_two = two.iter_lines()
                next(lines_of_two)
                refused = httpx.get(f"{server.url}{PATH}", timeout=5)
                assert refused.status_code == 503 and refused.json()["error"]["code"] == "too_many_tails"
                assert int(refused.headers["retry-after"]) > 0
                assert httpx.head(f"{server.url}{PATH}").status_code == 200
            assert wait_for_room(server), "a tail that is gone leaves its place to others"
    assert server.get("/api/health").json()["status"] == "ok"


def wait_for_room(server: Any) -> bool:
    for _ in range(50):
        with httpx.stream("GET", f"{server.url}{PATH}", timeout=30) as answer:
            if answer.status_code == 200:
                return True
        time.sleep(0.1)
    return False


def told(answer: httpx.Response) -> Iterator[tuple[int, dict[str, Any]]]:
    row = 0
    for line in answer.iter_lines():
        if line.startswith("id: "):
            row = int(line[4:])
        if line.startswith("data: "):
            yield row, json.loads(line[6:])


@pytest.mark.parametrize("query", ["tag:needle", "needle", '"a needle" level:>=error', "tag:needle -tag:nothing"])
def test_catching_up_does_not_take_what_lies_between(server: Any, query: str) -> None:
    with core.open_vault(str(server.home)) as store:
        hay: list[Any] = [{"message": f"hay {number % 7}", "level": "info"} for number in range(2_500)]
        needles = [{"message": "a needle", "tags": ["needle"], "user": str(number)} for number in range(3)]
        record_events(store, [needles[0], *hay, *needles[1:]])
    began = time.monotonic()
    headers = {"Last-Event-ID": "0"}
    with httpx.stream("GET", f"{server.url}{PATH}", params={"query": query}, headers=headers, timeout=30) as answer:
        found = [event["user"] for _, event in zip(range(3), (event for _, event in told(answer)), strict=False)]
    assert found == ["0", "1", "2"]
    assert time.monotonic() - began < 2.0


def test_everything_is_told_once_and_in_order(server: Any) -> None:
    with core.open_vault(str(server.home)) as store:
        record_events(store, [{"message": "hay", "user": str(number)} for number in range(350)])
    with httpx.stream("GET", f"{server.url}{PATH}", headers={"Last-Event-ID": "0"}, timeout=30) as answer:
        found = [item for _, item in zip(range(350), told(answer), strict=False)]
    assert [event["user"] for _, event in found] == [str(number) for number in range(350)]
    with httpx.stream("GET", f"{server.url}{PATH}", headers={"Last-Event-ID": str(found[99][0])}, timeout=30) as answer:
        assert next(told(answer))[1]["user"] == "100"


def test_a_key_of_one_project_cannot_listen_to_another(serve: Callable[..., Any]) -> None:
    server = serve(config={"server.auth": "required"})
    with core.open_vault(str(server.home)) as store:
        store.projects.add("shop", clock.now())
    headers = {"X-API-Key": server.key("read", project="shop")}
    assert server.get(f"{PATH}?project=default", headers=headers).status_code == 404
    with httpx.stream("GET", f"{server.url}{PATH}?project=shop", headers=headers, timeout=30) as answer:
        assert answer.status_code == 200
