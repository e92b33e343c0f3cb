"""Sample crashes for a throw-away vault: what a small company's programs might have done in two weeks.

The stack traces lie in `samples/` as their runtimes print them, and take the same way into the vault as real ones.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import resources
from random import Random
from typing import Any, NamedTuple

from . import clock, lifecycle
from .pipeline import record_events
from .storage.store import Store

DAYS = 14
_SEED = 7  # the same sample each time, so that guides and screenshots show what people see
_BATCH = 500
_RELEASES = ("2026.41.0", "2026.43.1", "2026.45.0", "2026.46.2")


class Sample(NamedTuple):
    """One bug, and how it shows itself: `days` are the first and the last day before now, `events` how often."""

    trace: str  # a file of `samples/`, or the message of an event without a trace
    service: str
    events: int
    days: tuple[float, float]
    level: str = "error"
    environment: str = "production"
    burst: bool = False  # most of it within an hour near the end


SAMPLES = (
    Sample("python.json", "shop", 140, (13, 0)),
    Sample("javascript.txt", "shop-web", 260, (3, 0), burst=True),
    Sample("node.txt", "api", 90, (2, 0.1), "critical", burst=True),
    Sample("java.txt", "billing", 46, (14, 1)),
    Sample("go.txt", "stock", 12, (5, 0.2), "critical"),
    Sample("rust.txt", "thumbs", 33, (9, 0)),
    Sample("ruby.txt", "admin", 8, (12, 6)),
    Sample("php.txt", "blog", 25, (1, 0.5), "critical", burst=True),
    Sample("dotnet.txt", "import", 5, (4, 2), environment="staging"),
    Sample("native.txt", "player", 3, (7, 1), environment="ci"),
    Sample("Nightly export took {minutes} minutes", "export", 14, (14, 0.3), "warning"),
    Sample("Rate of the exchange service is {minutes} minutes old", "billing", 40, (10, 0), "info"),
)
_RESOLVED = "ruby.txt"  # a bug that has been dealt with
_IGNORED = "Rate of the exchange service is {minutes} minutes old"
_ASSIGNED = "java.txt"
_ACTOR = "robin"


def fill(store: Store) -> int:
    """Record all samples as if they had come in over the last two weeks; how many events there are."""
    random = Random(_SEED)
    now = clock.now()
    events = sorted(
        ((event, sample) for sample in SAMPLES for event in _events(sample, now, random)),
        key=lambda item: item[0]["timestamp"],
    )
    issues: dict[str, int] = {}
    for start in range(0, len(events), _BATCH):
        batch = events[start : start + _BATCH]
        receipts = record_events(store, [event for event, _ in batch], source="demo")
        for receipt, (_, sample) in zip(receipts, batch, strict=True):
            if receipt.issue_id is not None:
                issues[sample.trace] = receipt.issue_id
    _triage(store, issues, now)
    return len(events)


def _triage(store: Store, issues: dict[str, int], now: int) -> None:
    lifecycle.set_status(store, [issues[_RESOLVED]], "resolved", _ACTOR, now)
    lifecycle.set_status(store, [issues[_IGNORED]], "ignored", _ACTOR, now)
    lifecycle.assign(store, [issues[_ASSIGNED]], _ACTOR, _ACTOR, now)
    lifecycle.comment(
        store, issues[_ASSIGNED], "The pool is too small since the reports run at the same time.", _ACTOR, now
    )


def _events(sample: Sample, now: int, random: Random) -> Iterator[dict[str, Any]]:
    body = _body(sample.trace)
    first, last = sample.days
    for number in range(sample.events):
        share = 1 - random.random() ** 6 * 0.95 if sample.burst else random.random()
        days = max(0.001, first + (last - first) * share)
        moment = now - int(days * clock.DAY)
        user = random.randrange(1, 60)
        known = _RELEASES[: max(1, len(_RELEASES) - int(days / DAYS * len(_RELEASES)))]
        yield {
            **_filled(body, {"user": f"u{user}", "order": str(4_000 + number * 7), "minutes": str(random.randrange(61, 240))}),
            "timestamp": moment,
            "level": sample.level,
            "environment": sample.environment,
            "release": f"{sample.service}@{known[-1]}",
            "host": f"{sample.service}-{random.randrange(1, 4)}",
            "user": {"id": f"u{user}", "email": f"user{user}@example.com"},
            "tags": [f"service={sample.service}", f"region={random.choice(('eu', 'eu', 'us'))}"],
        }  # fmt: skip


def _body(trace: str) -> dict[str, Any]:
    if trace.endswith((".json", ".txt")):
        text = (resources.files(__package__) / "samples" / trace).read_text(encoding="utf-8")
        return json.loads(text) if trace.endswith(".json") else {"stacktrace": text}
    return {"message": trace}


def _filled(value: Any, words: dict[str, str]) -> Any:
    """A copy with the words in their places; other braces belong to the source code that is shown."""
    if isinstance(value, str):
        for name, word in words.items():
            value = value.replace(f"{{{name}}}", word)
        return value
    if isinstance(value, dict):
        return {key: _filled(item, words) for key, item in value.items()}
    return [_filled(item, words) for item in value] if isinstance(value, list) else value
