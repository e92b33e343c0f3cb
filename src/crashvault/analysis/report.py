"""`generate-report`: totals, trends and top issues of what a query means, from the tables alone."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable
from typing import Any

from .. import __version__
from ..clock import DAY, HOUR, to_iso
from ..query.tree import Node
from ..storage.analysing import Analysing
from ..storage.store import Store
from ..views import shown_issues
from . import bursts

FORMAT = 1
TOP = 20
_THURSDAY = 3  # the weekday of the epoch, where Monday is 0


def collect(
    store: Store, node: Node, now: int, query: str, begin: Callable[[str, int], Callable[[int], Any]]
) -> dict[str, Any]:
    """The figures of a report in their documented shape (docs/reports.md). `now` in microseconds."""
    with store.reading():
        rows = array("q", store.search(now).every_event(node))
        advance = begin("Counting events", len(rows))
        times: array[int] = array("q")
        of_issue: Counter[int] = Counter()
        of_level: Counter[int] = Counter()
        heat = [[0] * 24 for _ in range(7)]
        for moment in Analysing(store.db).moments(rows):
            times.append(moment.at)
            of_issue[moment.issue] += 1
            of_level[moment.level] += 1
            heat[(moment.at // DAY + _THURSDAY) % 7][moment.at // HOUR % 24] += 1
            if len(times) % 1000 == 0:
                advance(1000)
        issues = store.issues.by_ids(sorted(of_issue))
        top = sorted(of_issue, key=lambda issue: (-of_issue[issue], issue))[:TOP]
        shapes = shown_issues(store, top, now)
    names = store.levels.names()
    since = min(times, default=now)
    line = bursts.series(times, since, now)
    return {
        "crashvault": FORMAT,
        "version": __version__,
        "generated_at": to_iso(now),
        "query": query or None,
        "from": to_iso(since),
        "to": to_iso(now),
        "totals": {
            "events": len(times),
            "issues": len(of_issue),
            "by_level": {names.get(rank, f"level-{rank}"): of_level[rank] for rank in sorted(of_level, reverse=True)},
            "by_status": dict(sorted(Counter(issue.status for issue in issues).items())),
            "by_project": dict(Counter(issue.project for issue in issues).most_common()),
        },
        "timeline": {"from": to_iso(line.start), "bucket_seconds": line.size // 1_000_000, "counts": line.counts},
        "by_weekday_and_hour": heat,  # Monday first, UTC
        "top_issues": [{**shape, "events_in_report": of_issue[shape["id"]]} for shape in shapes],
    }
