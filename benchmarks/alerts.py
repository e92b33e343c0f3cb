"""Alert rules: what they cost while recording, and how well spikes are told from ordinary traffic.

Batches are recorded in a vault without rules and in one with 200, in turn. Spikes are looked for once a minute in
simulated traffic whose true rate is known: false alarms in months without a spike, and how soon a fivefold rate
is noticed.
"""

from __future__ import annotations

import math
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from benchmarks import measure, realistic
from crashvault import core, watch
from crashvault.alerts.condition import parse
from crashvault.alerts.counters import HOURS, Counters, width_of
from crashvault.alerts.evaluate import evaluate
from crashvault.alerts.life import FIRED, Life, Terms, step
from crashvault.clock import HOUR, MINUTE, SECOND, now
from crashvault.pipeline import record_events
from crashvault.storage.store import Store

RULES = 200
_LOOK_EVERY = SECOND // 2
_WARM_HOURS = 4 * 7 * 24
_MONTH_MINUTES = 30 * 24 * 60
_START = 500_000 * HOUR

Rate = Callable[[float], float]  # hours since the start → events an hour


def _daily(low: float, high: float) -> Rate:
    return lambda hour: (
        low + (high - low) * (0.5 - 0.5 * math.cos(2 * math.pi * (hour % 24) / 24)) * (0.4 if hour % 168 > 120 else 1.0)
    )


TRAFFIC: dict[str, Rate] = {
    "steady, 20 an hour": lambda hour: 20,
    "steady, 600 an hour": lambda hour: 600,
    "daily rhythm, weekends quiet": _daily(30, 900),
    "growth, 5 % a day": lambda hour: 100 * 1.05 ** (hour / 24),
    "mostly silent": lambda hour: 0.5,
}


def _draw(random: Random, mean: float) -> int:
    """A Poisson number; for large means the normal one that is as good."""
    if mean > 50:
        return max(0, round(random.gauss(mean, mean**0.5)))
    limit, product, count = math.exp(-mean), random.random(), 0
    while product > limit:
        product *= random.random()
        count += 1
    return count


class _Site:
    """Simulated traffic, counted as a rule `spike in 1h` counts it, minute by minute."""

    def __init__(self, rate: Rate, random: Random, bursty: bool = False) -> None:
        self._rate = rate
        self._random = random
        self._bursty = bursty
        self.condition = parse("spike in 1h")
        self.counters = Counters(_START)
        self.counters.last_at = _START
        hours = self.counters.buckets.setdefault(HOURS, {})
        for hour in range(_WARM_HOURS):
            hours[_START // HOUR + hour] = _draw(random, rate(hour + 0.5))
        self.minute = _WARM_HOURS * 60

    def tick(self, factor: float = 1.0) -> bool:
        """One minute more; whether a spike shows now."""
        at = _START + self.minute * MINUTE
        mean = self._rate(self.minute / 60) / 60 * factor
        if self._bursty:  # each event brings others
            mean *= self._random.choice((0.25, 0.25, 0.25, 3.25))
        for span in (HOUR, HOUR // 12):
            width = width_of(span)
            buckets = self.counters.buckets.setdefault(f"count/{width // 1_000_000}", {})
            for old in [bucket for bucket in buckets if bucket < at // width - 61]:
                del buckets[old]
        count = _draw(self._random, mean)
        for _ in range(count):
            moment = at + self._random.randrange(MINUTE)
            for span in (HOUR, HOUR // 12):
                width = width_of(span)
                buckets = self.counters.buckets[f"count/{width // 1_000_000}"]
                buckets[moment // width] = buckets.get(moment // width, 0) + 1
        hours = self.counters.buckets[HOURS]
        hours[at // HOUR] = hours.get(at // HOUR, 0) + count
        self.minute += 1
        return evaluate(self.condition, self.counters, at + MINUTE - 1).holds


def spikes(months: int, spikes: int, seed: int = 1) -> list[dict[str, Any]]:
    """For each kind of traffic: false alarms a rule and month; of spikes, how many are seen within 5 minutes."""
    rows = []
    for name, rate in [*TRAFFIC.items(), ("bursts, 600 an hour", TRAFFIC["steady, 600 an hour"])]:
        random = Random(f"{seed} {name}")
        bursty = name.startswith("bursts")
        alarms = sum(_false_alarms(_Site(rate, random, bursty)) for _ in range(months))
        delays = [_delay(_Site(rate, random, bursty), random) for _ in range(spikes)]
        seen = [delay for delay in delays if delay is not None and delay <= 5]
        found = [delay for delay in delays if delay is not None]
        rows.append({
            "traffic": name,
            "false alarms a month": alarms / months,
            "seen within 5 min %": 100 * len(seen) / spikes,
            "median delay min": statistics.median(found) if found else None,
        })  # fmt: skip
    return rows


def _false_alarms(site: _Site) -> int:
    life, alarms = Life(), 0
    for _ in range(_MONTH_MINUTES):
        holds = site.tick()
        life, changes = step(life, holds, _START + site.minute * MINUTE, Terms())
        alarms += sum(change.what == FIRED for change in changes)
    return alarms


def _delay(site: _Site, random: Random) -> int | None:
    """Minutes until a fivefold rate is noticed; None within half an hour."""
    for _ in range(random.randrange(60, 600)):
        site.tick()
    for minute in range(1, 31):
        if site.tick(5.0):
            return minute
    return None


# What rules cost


def _queries() -> list[str]:
    """What rules look for: services, levels, hosts, exceptions, words; some of it in most events, most in few."""
    found = [f"tag.service:{name}" for name in ("fulfilment", "billing", "search", "checkout", "auth")]
    found += [f"tag.tenant:tenant-{number} level:>=error" for number in range(60)]
    found += [f"host:web-{number}.*" for number in range(40)]
    found += [
        f"environment:{name} exception:{kind}"
        for name in ("production", "canary")
        for kind in ("ValueError", "KeyError", "TimeoutError")
    ]
    found += [f"release:acme@2026.{number}.*" for number in range(40)]
    found += ["level:critical", "level:>=error", "", "timeout", "connection refused"]
    while len(found) < RULES:
        found.append(f"project:service-{len(found)}")
    return found[:RULES]


def cost(events: int, size: int) -> dict[str, Any]:
    """CPU microseconds an event without and with rules, of batches of a size that go to both vaults in turn."""
    source = realistic.cached_jsonl(events * 2, issues=max(20, events // 20))
    with _watched(0) as plain, _watched(RULES) as ruled:
        pairs = []
        for number, batch in enumerate(measure.batches(realistic.read_jsonl(source), size)):
            lines = [plain, ruled]
            used = {id(one): one.record(batch) for one in (lines if number % 2 else reversed(lines))}
            if number * size >= events:  # by then vaults and rules are warm
                pairs.append((used[id(plain)], used[id(ruled)]))
    without, with_rules = (statistics.median(column) / size * 1e6 for column in zip(*pairs, strict=True))
    return {
        "rules": RULES,
        "batch": size,
        "CPU µs/event without": without,
        "with": with_rules,
        "cost %": 100 * (statistics.median(b / a for a, b in pairs) - 1),
        "of all %": 100 * (sum(b for _, b in pairs) / sum(a for a, _ in pairs) - 1),
    }


class _Line:
    """A vault that records, looking at its alerts as often as a server does."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._watch = watch.Watch(store)
        self._looked = 0

    def record(self, batch: list[bytes]) -> float:
        """Seconds of processor time that it takes."""
        raws = [msgspec.json.decode(line) for line in batch]
        before = time.thread_time()
        record_events(self._store, raws)
        moment = now()
        if moment - self._looked >= _LOOK_EVERY:
            self._watch.look(moment)
            self._looked = moment
        return time.thread_time() - before


@contextmanager
def _watched(rules: int) -> Iterator[_Line]:
    home = Path(tempfile.mkdtemp(prefix="crashvault-alerts-", dir=measure.CACHE))
    try:
        with core.open_vault(str(home)) as store:
            moment = now()
            for number, query in enumerate(_queries()[:rules]):
                condition = ("count > 1000000 in 1m", "users >= 1000000 in 1h", "count > 900x previous in 1h")[
                    number % 3
                ]
                fields = watch.checked_rule(
                    store, f"rule {number}.", moment, condition=condition, query=query, by=("", "issue")[number % 2]
                )
                watch.add_rule(store, fields, moment)
            yield _Line(store)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def show(figures: dict[str, Any]) -> None:
    measure.table(f"Recording with and without {RULES} alert rules, batches in turn", figures["cost"])
    measure.table("Spikes (`spike in 1h`, looked for once a minute) in simulated traffic", figures["spikes"])


def main(argv: list[str] | None = None) -> None:
    parser = measure.arguments("Alert rules: cost and spikes.", events=3_000, months=3, seeds=100)
    options = parser.parse_args(argv)
    figures = {
        "cost": [cost(options.events, 500), cost(options.events // 3, 16)],
        "spikes": spikes(options.months, options.seeds),
    }
    show(figures)
    measure.finish("alerts", figures, options.json)


if __name__ == "__main__":
    main()
