"""What webhooks cost those who record, and how fast a worker process delivers.

Recording is measured in turns without and with webhooks (A B A B), on vaults of their own, on one core. Deliveries go
to a receiver on this machine, in a process of its own, that answers 200 to everything; it is the receiver's core that
is mostly idle.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import shutil
import tempfile
import time
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import msgspec

from benchmarks import measure, realistic

# Five as people have them: chat for the bad, a team's own, a program, everything of one kind of error, and alerts.
FIVE: tuple[dict[str, Any], ...] = (
    {"events": ">=error", "rate_limit": "30/minute"},
    {"query": "tag:payment", "on": ["new-issue", "regression"]},
    {"on": ["new-issue", "regression", "resolved", "alert"]},
    {"events": "critical", "on": ["event", "new-issue"]},
    {"project": "shop"},
)
EVERYTHING: tuple[dict[str, Any], ...] = ({"on": ["event", "new-issue", "regression"]},) * 5
WAYS: dict[str, tuple[dict[str, Any], ...]] = {
    "no webhook": (), "5 webhooks": FIVE, "5 webhooks that hear of every event": EVERYTHING,
}  # fmt: skip


def run(events: int, warm_up: int, rounds: int, deliveries: int) -> dict[str, Any]:
    """Medians of CPU time per event over `rounds`, and of one worker's rate over `deliveries`."""
    source = realistic.cached_jsonl(warm_up + events, issues=20_000)
    samples: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(rounds):
        for name, hooks in WAYS.items():
            samples[name].append(_recorded(source, events, warm_up, hooks))
    medians = measure.medians(samples)
    return {
        "events": events, "rounds": rounds, "recording": medians, "samples": samples,
        "ratio": {name: value / medians["no webhook"] for name, value in medians.items()},
        "delivery": [_delivered(deliveries, webhooks) for webhooks in (1, 4)],
    }  # fmt: skip


def _recorded(source: Path, events: int, warm_up: int, hooks: tuple[dict[str, Any], ...]) -> float:
    """CPU microseconds an event."""
    from crashvault import core, pipeline
    from crashvault.notify import manage

    home = Path(tempfile.mkdtemp(prefix="crashvault-webhooks-", dir=measure.CACHE))
    try:
        with core.open_vault(str(home)) as store, source.open("rb") as file:
            for number, given in enumerate(hooks):
                url = f"https://hooks.example.com/{number}"
                manage.add(store, "http", {"url": url, **given}, allow_private=False)
            batches = measure.batches((msgspec.json.decode(line) for line in file), measure.BATCH)
            for _ in range(-(-warm_up // measure.BATCH)):
                pipeline.record_events(store, next(batches))
            spent = 0.0
            for batch in batches:
                before = time.process_time()
                pipeline.record_events(store, batch)
                spent += time.process_time() - before
        return 1e6 * spent / events
    finally:
        shutil.rmtree(home, ignore_errors=True)


# Delivery


class _Receiver(asyncio.Protocol):
    """Answers 200 to each request as soon as its body is there."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._data = b""

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            length = next(
                int(line.partition(b":")[2])
                for line in self._data[:end].split(b"\r\n")
                if line.lower().startswith(b"content-length:")
            )
            if len(self._data) < end + 4 + length:
                return
            self._data = self._data[end + 4 + length :]
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")  # type: ignore[attr-defined]


def _receive(told: Connection) -> None:
    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(_Receiver, "127.0.0.1", 0)
        told.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


@contextmanager
def _receiver() -> Any:
    context = multiprocessing.get_context("spawn")
    reading, writing = context.Pipe(duplex=False)
    process = context.Process(target=_receive, args=(writing,), daemon=True)
    process.start()
    try:
        yield reading.recv()
    finally:
        process.kill()
        process.join()


def _delivered(count: int, webhooks: int) -> dict[str, float]:
    """One worker process sends `count` deliveries, of as many issues, to some webhooks."""
    from crashvault import core, pipeline
    from crashvault.notify import manage
    from crashvault.notify.service import Service

    home = Path(tempfile.mkdtemp(prefix="crashvault-webhooks-", dir=measure.CACHE))
    try:
        with _receiver() as port, core.open_vault(str(home)) as store:
            for number in range(webhooks):
                url = f"http://127.0.0.1:{port}/{number}"
                manage.add(store, "http", {"url": url, "on": ["new-issue"]}, allow_private=True)
            found = (
                {**event, "fingerprint": [f"issue {number}"]}
                for number, event in enumerate(realistic.events(count // webhooks, issues=2_000))
            )
            for batch in measure.batches(found):
                pipeline.record_events(store, batch)
            queued = sum(states.get("queued", 0) for states in store.outbox.counts().values())
            core.set_setting(store, "webhook.allow_private", "true", 0)
            service = Service(lambda: core.open_vault(str(home)))
            began, cpu = time.perf_counter(), time.process_time()
            service.start()
            deadline = began + 300
            while _left(store) and time.perf_counter() < deadline:
                time.sleep(0.05)
            taken, cpu = time.perf_counter() - began, time.process_time() - cpu
            left = _left(store)
            service.stop()
        return {
            "webhooks": webhooks, "deliveries": queued, "left": left, "deliveries/s": (queued - left) / taken,
            "CPU µs": 1e6 * cpu / max(1, queued),
        }  # fmt: skip
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _left(store: Any) -> int:
    return sum(states.get("queued", 0) + states.get("delivering", 0) for states in store.outbox.counts().values())


def show(found: dict[str, Any]) -> None:
    rows = [
        {"way": name, "CPU µs/event": value, "÷ none": found["ratio"][name]}
        for name, value in found["recording"].items()
    ]
    measure.table(f"Recording {found['events']:,} events, medians of {found['rounds']}", rows)
    measure.table("Deliveries by one process to a receiver on this machine", found["delivery"])


def main() -> None:
    parser = measure.arguments(__doc__ or "", events=5_000, warm_up=5_000, rounds=3, deliveries=10_000)
    options = parser.parse_args()
    found = run(options.events, options.warm_up, options.rounds, options.deliveries)
    show(found)
    measure.finish("webhooks", found, options.json)


if __name__ == "__main__":
    os.makedirs(measure.CACHE, exist_ok=True)
    main()
