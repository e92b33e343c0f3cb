"""What a server tells Prometheus: requests, events taken in and refused, the queue, commits, the store, itself.

With several workers each counts into files of its own below PROMETHEUS_MULTIPROC_DIR, which must be set before
this module is imported; whoever is asked adds them up.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector

from ..accepted import Outcome
from ..errors import CrashvaultError
from ..storage.outbox import STATES
from ..storage.webhooks import Webhook
from .node import Node

_COMMIT_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_REQUEST_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)


class Metrics:
    """The counters of one server process, and the page with those of all."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self, node: Node) -> None:
        self._shared = node.settings.workers > 1
        self._registry = own = CollectorRegistry()
        self._requests = Counter(
            "crashvault_requests", "Answered requests.", ("method", "route", "status"), registry=own
        )
        self._seconds = Histogram(
            "crashvault_request_seconds", "How long answers took.", ("route",), buckets=_REQUEST_SECONDS, registry=own
        )
        self._events = Counter(
            "crashvault_ingest_events", "Events by what became of them.", ("source", "outcome"), registry=own
        )
        self._refused = Counter(
            "crashvault_ingest_refused", "Requests with events that were refused.", ("source", "reason"), registry=own
        )
        self._commits = Histogram(
            "crashvault_commit_seconds", "How long a batch took to be stored.", buckets=_COMMIT_SECONDS, registry=own
        )
        self._committed = Counter("crashvault_committed_events", "Events in these batches.", registry=own)
        self._deliveries = Counter(
            "crashvault_webhook_attempts", "Attempts to deliver, by what became of them.", ("webhook", "outcome"),
            registry=own,
        )  # fmt: skip
        self._alerts = Counter(
            "crashvault_alerts", "Alerts that people were told of.", ("alert", "state"), registry=own
        )
        self._queue = Gauge(
            "crashvault_queue_requests", "Requests that wait to be stored.", multiprocess_mode="livesum", registry=own
        )
        self._spooled = {
            name: Gauge(f"crashvault_spool_{name}", about, multiprocess_mode="max", registry=own)
            for name, about in (
                ("requests", "Requests that this node keeps until the database is back."),
                ("bytes", "Their size."),
                ("oldest_seconds", "How long the first of them waits."),
            )
        }
        self._connections = Gauge(
            "crashvault_connections", "Open connections.", multiprocess_mode="livesum", registry=own
        )
        self._memory = self._own("resident_memory_bytes", "Memory in use.")
        self._files = self._own("open_fds", "Open files and connections.")
        self._processor = Counter("crashvault_process_cpu_seconds", "Processor time.", registry=own)
        self._processor_seen = 0.0
        self._vault = _Vault(node)
        self._children: dict[tuple[Any, ...], Any] = {}

    def _own(self, name: str, about: str) -> Gauge:
        """A number of each process, by its pid where there are several."""
        return Gauge(f"crashvault_process_{name}", about, multiprocess_mode="liveall", registry=self._registry)

    # Counting; children are looked up once, since that costs more than counting

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        self._child(self._requests, method, route, str(status)).inc()
        self._child(self._seconds, route).observe(seconds)

    def outcome(self, source: str, outcome: Outcome) -> None:
        """Events of one request that were taken in."""
        for receipt in outcome.receipts:
            self._child(self._events, source, receipt.transition).inc()

    def refused(self, source: str, reason: str) -> None:
        self._child(self._refused, source, reason).inc()

    def delivery(self, webhook: str, outcome: str) -> None:
        """One attempt: delivered, retried or failed."""
        self._deliveries.labels(webhook, outcome).inc()

    def alert(self, name: str, state: str) -> None:
        """Something that people were told of an alert: firing or resolved."""
        self._alerts.labels(name, state).inc()

    def commit(self, events: int, seconds: float) -> None:
        self._commits.observe(seconds)
        self._committed.inc(events)

    def state(self, queue: int, connections: int) -> None:
        self._queue.set(queue)
        self._connections.set(connections)
        self._memory.set(_resident_bytes())
        self._files.set(_open_files())
        times = os.times()
        self._processor.inc(times.user + times.system - self._processor_seen)
        self._processor_seen = times.user + times.system

    def spool(self, requests: int, size: int, oldest_seconds: float) -> None:
        for name, value in (("requests", requests), ("bytes", size), ("oldest_seconds", oldest_seconds)):
            self._spooled[name].set(value)

    def _child(self, metric: Any, *labels: str) -> Any:
        key = (metric, *labels)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = metric.labels(*labels)
        return child

    # The page

    def text(self) -> bytes:
        """All metrics in Prometheus' text format."""
        page = CollectorRegistry()
        page.register(self._vault)
        if self._shared:
            MultiProcessCollector(page)
        else:
            ProcessCollector(registry=page)
            return generate_latest(page) + generate_latest(self._registry)
        return generate_latest(page)


def _resident_bytes() -> int:
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):  # no Linux: the most that it ever was
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _open_files() -> int:
    try:
        return len(os.listdir("/dev/fd"))
    except OSError:
        return 0


class _Vault:
    """What the vault itself knows, and all workers see alike."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("crashvault_store_up", "Whether the store can be read.")
        try:
            with self._node.reading() as store:
                drops = store.ledger.list()
                totals = store.statistics.totals()
                stored = store.statistics.stored()
                webhooks, deliveries = store.webhooks.list(), store.outbox.counts()
                size = store.db.size()
        except CrashvaultError:
            up.add_metric((), 0)
            yield up
            return
        up.add_metric((), 1)
        yield up
        dropped = CounterMetricFamily(
            "crashvault_dropped", "What was refused, cut, limited or lost.", labels=("reason", "source", "category")
        )
        for drop in drops:
            dropped.add_metric((drop.reason, drop.source, drop.category), drop.count)
        yield dropped
        yield GaugeMetricFamily("crashvault_stored_events", "Events in the store.", value=stored)
        yield GaugeMetricFamily("crashvault_stored_issues", "Issues in the store.", value=totals.issues)
        yield from _webhooks(webhooks, deliveries)
        yield GaugeMetricFamily("crashvault_store_bytes", "Size of the vault's database.", value=size)


def _webhooks(webhooks: Sequence[Webhook], deliveries: Mapping[int, Mapping[str, int]]) -> Iterator[Metric]:
    stored = GaugeMetricFamily("crashvault_deliveries", "Deliveries of webhooks by state.", labels=("webhook", "state"))
    up = GaugeMetricFamily(
        "crashvault_webhook_up", "0 for a webhook that is left alone after repeated failure.", labels=("webhook",)
    )
    for webhook in webhooks:
        up.add_metric((webhook.name,), 0 if webhook.failing else 1)
        for state in STATES:
            stored.add_metric((webhook.name, state), deliveries.get(webhook.id, {}).get(state, 0))
    yield stored
    yield up
