"""How fast a server stores and groups Sentry envelopes: ours, Bugsink's, and the ceiling of the same HTTP stack.

Envelopes of about 10 KB, gzip, go over 16 connections that are kept open, as fast as they are answered. What
counts is what can be read back: after the load the run waits until all of it is stored. Processor time is that
of all the server's processes. The load comes from this process, which needs processor time as well.
"""

from __future__ import annotations

import gzip
import selectors
import socket
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from benchmarks import measure, peers, realistic

CONNECTIONS = 16
_QUIET_SECONDS = 30  # after which what is not stored will not be
_LEVEL = 6


class Load(NamedTuple):
    """What sending a number of requests gave."""

    seconds: float  # until the last answer
    answered: dict[int, int]  # how many answers of each status
    latencies: list[float]  # seconds, of each request from when it was due

    def quantile(self, share: float) -> float:
        return sorted(self.latencies)[min(len(self.latencies) - 1, int(len(self.latencies) * share))]


def bodies(count: int, issues: int, seed: int = 0) -> list[bytes]:
    """Gzipped envelopes with one event each, as an SDK sends them."""
    source = realistic.cached_jsonl(count, issues=issues, seed=seed, shape="sentry")
    return [_envelope(line) for line in realistic.read_jsonl(source, count)]


def _envelope(line: bytes) -> bytes:
    event = msgspec.json.decode(line)
    event_id = event["event_id"] = uuid.uuid4().hex
    payload = msgspec.json.encode(event)
    header = msgspec.json.encode({"event_id": event_id, "sent_at": event["timestamp"]})
    item = msgspec.json.encode({"type": "event", "content_type": "application/json", "length": len(payload)})
    return gzip.compress(b"\n".join((header, item, payload, b"")), _LEVEL)


def _requests(server: peers.Server, contents: Sequence[bytes]) -> list[bytes]:
    head = (
        f"POST {server.path} HTTP/1.1\r\nHost: {server.host}:{server.port}\r\n"
        "Content-Type: application/x-sentry-envelope\r\nContent-Encoding: gzip\r\nContent-Length: "
    ).encode()
    return [b"%b%d\r\n\r\n%b" % (head, len(body), body) for body in contents]


class _Connection:
    """One connection with at most one request under way."""

    def __init__(self, server: peers.Server) -> None:
        self.address = (server.host, server.port)
        self.due = 0.0
        self.received = bytearray()
        self.connect()

    def connect(self) -> None:
        self.socket = socket.create_connection(self.address)
        self.closing = False  # whether the server ends the connection after its answer
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, request: bytes, due: float) -> None:
        self.due = due
        self.received.clear()
        self.socket.sendall(request)

    def status(self) -> int | None:
        """The status of the answer once it is there whole; 0 when the server has gone."""
        data = self.socket.recv(65_536)
        if not data:
            return 0
        self.received += data
        head, found, rest = bytes(self.received).partition(b"\r\n\r\n")
        if not found:
            return None
        length = next((int(line[15:]) for line in head.split(b"\r\n") if line[:15].lower() == b"content-length:"), None)
        if length is None:
            return int(head[9:12]) if rest.endswith(b"0\r\n\r\n") else None
        if len(rest) < length:
            return None
        self.closing = b"\r\nconnection: close" in head.lower()
        return int(head[9:12])


def send(server: peers.Server, requests: Sequence[bytes], rate: float | None = None) -> Load:
    """Send requests over 16 connections as fast as they are answered, or so many a second.

    With a rate, latency counts from the moment when a request was due, so that one slow answer is not hidden by
    those that wait behind it.
    """
    selector = selectors.DefaultSelector()
    idle = [_Connection(server) for _ in range(CONNECTIONS)]
    for one in idle:
        selector.register(one.socket, selectors.EVENT_READ, one)
    answered: dict[int, int] = {}
    latencies: list[float] = []
    began = time.perf_counter()
    sent = 0
    while len(latencies) < len(requests):
        now = time.perf_counter()
        while idle and sent < len(requests):
            due = began + sent / rate if rate else now
            if due > now:
                break
            idle.pop().send(requests[sent], due)
            sent += 1
        wait = max(0.0, began + sent / rate - now) if rate and idle and sent < len(requests) else 10.0
        for key, _ in selector.select(wait):
            one = key.data
            status = one.status()
            if status is None:
                continue
            if status == 0 or one.closing:
                selector.unregister(one.socket)
                one.connect()
                selector.register(one.socket, selectors.EVENT_READ, one)
            answered[status] = answered.get(status, 0) + 1
            latencies.append(time.perf_counter() - one.due)
            idle.append(one)
    seconds = time.perf_counter() - began
    for one in idle:
        one.socket.close()
    return Load(seconds, answered, latencies)


def _wait_stored(server: peers.Server, wanted: int) -> tuple[int, float]:
    """How much is stored at last, and seconds until then."""
    began = changed = time.perf_counter()
    last = -1
    while True:
        found = server.stored()
        now = time.perf_counter()
        if found is None:
            return wanted, 0.0
        if found != last:
            last, changed = found, now
        if found >= wanted or now - changed > _QUIET_SECONDS:
            return found, changed - began
        time.sleep(0.02)


def throughput(server: peers.Server, contents: Sequence[bytes]) -> dict[str, Any]:
    """Send all as fast as it goes, and wait until it is stored."""
    before = server.stored() or 0
    cpu = server.cpu()
    load = send(server, _requests(server, contents))
    stored, more = _wait_stored(server, before + len(contents))
    seconds = load.seconds + more
    gained = stored - before
    return {
        "events": len(contents), "stored": gained, "answered": load.answered, "seconds": seconds,
        "stored_per_second": gained / seconds, "cpu_us_per_event": (server.cpu() - cpu) / max(gained, 1) * 1e6,
        "p50_ms": load.quantile(0.5) * 1e3, "p99_ms": load.quantile(0.99) * 1e3, "memory_mb": server.memory() / 1e6,
    }  # fmt: skip


Start = Callable[[Path], peers.Server]


def _ways(bugsink: str | None, workers: Sequence[int]) -> Iterator[tuple[str, Start]]:
    yield "no-op endpoint", peers.noop
    for count in workers:
        options = ["--workers", str(count)]
        yield (
            f"crashvault, {count} worker{'s'[: count != 1]}",
            lambda folder, options=options: peers.crashvault(folder, options),
        )
    if bugsink:
        yield "bugsink", lambda folder: peers.bugsink(folder, bugsink)


def run(
    events: int, warm_up: int, issues: int, rounds: int, bugsink: str | None, workers: Sequence[int]
) -> dict[str, Any]:
    """Medians over rounds in turns, each with a new server and an empty store.

    Bugsink gets a tenth of the load: it needs minutes for what takes seconds elsewhere.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for turn in range(rounds):
        contents = bodies(warm_up + events, issues, seed=turn)
        for name, start in _ways(bugsink, workers):
            share = 10 if name == "bugsink" else 1
            with tempfile.TemporaryDirectory(prefix="crashvault-server-") as folder:
                server = start(Path(folder))
                try:
                    throughput(server, contents[: warm_up // share])
                    figures = throughput(server, contents[warm_up : warm_up + events // share])
                    if server.stored() is not None and share == 1:
                        figures["half_load"] = _half_load(server, contents, figures["stored_per_second"] / 2)
                finally:
                    server.stop()
            found.setdefault(name, []).append(figures)
    return {name: _median(figures) for name, figures in found.items()}


def _half_load(server: peers.Server, contents: Sequence[bytes], rate: float) -> dict[str, float]:
    """Latency at half of what was just measured, over at most ten seconds. The ids are new: a repeat costs less."""
    fresh = [_renamed(body) for body in contents[: max(100, int(rate * 10))]]
    load = send(server, _requests(server, fresh), rate)
    return {"rate": rate, "p50_ms": load.quantile(0.5) * 1e3, "p99_ms": load.quantile(0.99) * 1e3}


def _renamed(body: bytes) -> bytes:
    text = gzip.decompress(body)
    old = msgspec.json.decode(text.partition(b"\n")[0])["event_id"].encode()
    return gzip.compress(text.replace(old, uuid.uuid4().hex.encode()), _LEVEL)


def _median(rounds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    merged = dict(rounds[-1])
    for key in ("stored_per_second", "cpu_us_per_event", "p50_ms", "p99_ms", "memory_mb"):
        merged[key] = statistics.median(figures[key] for figures in rounds)
    return merged


def show(results: dict[str, Any]) -> None:
    peer = results.get("bugsink", {}).get("stored_per_second")
    ceiling = results["no-op endpoint"]["stored_per_second"]
    print(f"\nStoring 10 KB gzip Sentry envelopes over {CONNECTIONS} connections")
    print(f"{'server':<24}{'stored/s':>10}{'x bugsink':>11}{'of no-op':>10}{'CPU us':>9}{'p50 ms':>9}{'p99 ms':>9}"
          f"{'p99 half':>10}{'MB':>7}")  # fmt: skip
    for name, one in results.items():
        ratio = f"{one['stored_per_second'] / peer:.1f}" if peer else "-"
        half = f"{one['half_load']['p99_ms']:.1f}" if "half_load" in one else "-"
        print(f"{name:<24}{one['stored_per_second']:>10,.0f}{ratio:>11}{one['stored_per_second'] / ceiling:>10.0%}"
              f"{one['cpu_us_per_event']:>9.0f}{one['p50_ms']:>9.1f}{one['p99_ms']:>9.1f}{half:>10}"
              f"{one['memory_mb']:>7.0f}")  # fmt: skip
        if set(one["answered"]) != {200} or one["stored"] != one["events"]:
            print(f"  stored {one['stored']} of {one['events']}; answers by status: {one['answered']}")


def main(argv: list[str] | None = None) -> None:
    parser = measure.arguments(
        "Events stored per second by servers.", events=20_000, warm_up=5_000, issues=2_000, rounds=3
    )
    parser.add_argument("--bugsink", metavar="PYTHON", help="interpreter of an environment with bugsink installed")
    parser.add_argument("--workers", type=int, action="append", help="may be given several times; default 1 and 2")
    options = parser.parse_args(argv)
    results = run(
        options.events, options.warm_up, options.issues, options.rounds, options.bugsink, options.workers or (1, 2)
    )
    show(results)
    measure.finish("server", {"results": results}, options.json)


if __name__ == "__main__":
    main()
