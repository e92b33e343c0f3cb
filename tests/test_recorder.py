"""Group commit: what is accepted is stored, and what one client sends costs no other anything."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from crashvault import core
from crashvault.errors import StoreError
from crashvault.ingest.native import BodyError
from crashvault.ingest.telemetry import Upload, UploadedEvent
from crashvault.recorder import Job, OverloadedError, Recorder

SPAN = {
    "trace_id": "a" * 32, "span_id": "b" * 16, "parent_span_id": None, "name": "pay", "op": "", "kind": "", "status": "", "start": 1,
    "end": 2, "service": "", "release": "", "environment": "", "origin": "otlp", "attributes": {},
}  # fmt: skip


def run(home: Path, test: Callable[[Recorder], Awaitable[None]], **options: Any) -> None:
    async def whole() -> None:
        recorder = Recorder(lambda: core.open_vault(str(home)), **options)
        recorder.start()
        try:
            await test(recorder)
        finally:
            await recorder.stop()

    asyncio.run(whole())


def job(*messages: str, **more: Any) -> Job:
    upload = Upload([UploadedEvent({"message": message}) for message in messages], **more)
    return Job(lambda now: upload, 10, "default", "api")


def failing(error: Exception) -> Job:
    def read(now: int) -> Upload:
        raise error

    return Job(read, 10, "default", "api")


def messages(home: Path) -> set[str]:
    with core.open_vault(str(home)) as store:
        return {item.event["message"] for item in store.events.load(list(store.events.all_rows()))}


def drops(home: Path) -> dict[tuple[str, str], int]:
    with core.open_vault(str(home)) as store:
        return {(drop.reason, drop.category): drop.count for drop in store.ledger.list()}


def test_every_request_gets_the_receipts_of_its_own_events(tmp_path: Path) -> None:
    async def test(recorder: Recorder) -> None:
        outcomes = await asyncio.gather(*(recorder.submit(job(*(f"{n}-{k}" for k in range(n % 4)))) for n in range(40)))
        with core.open_vault(str(tmp_path)) as store:
            for number, outcome in enumerate(outcomes):
                found = [store.events.get(receipt.event_id).event["message"] for receipt in outcome.receipts]
                assert found == [f"{number}-{k}" for k in range(number % 4)]

    run(tmp_path, test)


def test_bodies_that_nobody_can_read_leave_the_others_alone(tmp_path: Path) -> None:
    async def test(recorder: Recorder) -> None:
        sent = [
            job("a"),
            failing(ZeroDivisionError()),
            failing(BodyError("too_deep", "nested")),
            failing(StoreError("full")),
            job("b"),
        ]
        results = await asyncio.gather(*(recorder.submit(one) for one in sent), return_exceptions=True)
        assert [getattr(result, "code", None) for result in results] == [
            None,
            "unreadable",
            "too_deep",
            "store_unavailable",
            None,
        ]
        assert messages(tmp_path) == {"a", "b"}

    run(tmp_path, test)
    assert drops(tmp_path) == {
        ("unreadable", "request"): 1,
        ("too_deep", "request"): 1,
        ("store_unavailable", "request"): 1,
    }


def test_telemetry_that_cannot_be_stored_leaves_the_others_alone(tmp_path: Path) -> None:
    async def test(recorder: Recorder) -> None:
        wrong = job("with a wrong span", spans=[{**SPAN, "end": 2**80}])
        right = job("with a span", spans=[SPAN], drops=[("invalid", "span", 4)])
        results = await asyncio.gather(*(recorder.submit(one) for one in (wrong, right)))
        assert [len(result.receipts) for result in results] == [1, 1] and not recorder.failing
        assert messages(tmp_path) == {"with a wrong span", "with a span"}
        with core.open_vault(str(tmp_path)) as store:
            assert [span["name"] for span in store.telemetry.trace("a" * 32)[0]] == ["pay"]

    run(tmp_path, test)
    assert drops(tmp_path) == {("internal_error", "telemetry"): 1, ("invalid", "span"): 4}


def test_stopping_stores_what_was_accepted_and_refuses_the_rest(tmp_path: Path) -> None:
    async def test(recorder: Recorder) -> None:
        waiting = [asyncio.ensure_future(recorder.submit(job(f"{number}"))) for number in range(100)]
        await asyncio.sleep(0)  # each is in the queue now
        await recorder.stop()
        assert all(outcome.receipts for outcome in await asyncio.gather(*waiting))
        assert len(messages(tmp_path)) == 100
        with pytest.raises(OverloadedError) as raised:
            await recorder.submit(job("late"))
        assert raised.value.retry_after == 1

    run(tmp_path, test)


def test_a_full_queue_refuses_and_says_when_to_come_back(tmp_path: Path) -> None:
    async def test(recorder: Recorder) -> None:
        results = await asyncio.gather(*(recorder.submit(job("x")) for _ in range(300)), return_exceptions=True)
        refused = [result for result in results if isinstance(result, OverloadedError)]
        assert refused and all(1 <= error.retry_after <= 30 for error in refused)
        assert (await recorder.submit(job("y"))).receipts

    run(tmp_path, test, capacity=5)
