"""What changed in a vault between two moments: issues that are new, came back, were resolved, got worse, better or quiet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import comb, exp, lgamma, log
from typing import Any, NamedTuple

from .. import git
from ..clock import SECOND, to_iso
from ..errors import NotFoundError
from ..output.changes_document import SECTIONS, Entry, Summary, Suspected, clean
from ..query.values import parse_time
from ..storage.analysing import Analysing
from ..storage.store import Store
from . import suspects
from .batch import case_of
from .significance import RATE, corrected

LEAST = 5  # events in the larger of two windows, for a comparison
FACTOR = 2.0  # between the rates of two windows
SUSPECTED = 15  # entries whose suspects are looked for
_SUSPICIOUS = ("new", "regressed", "worsened")


def moment_of(store: Store, given: str, now: int, directory: str) -> int:
    """The time (microseconds) that a person means: `7d`, ISO 8601, a release, a revision of git. Raises NotFoundError."""
    try:
        return parse_time(given, now)[0]
    except ValueError:
        pass
    search = store.search(now)
    quoted = given.replace("\\", "\\\\").replace('"', '\\"')
    rows = search.every_event(search.parse(f'release:"{quoted}"')) if given.strip() else iter(())
    first = min((moment.at for moment in Analysing(store.db).moments(rows)), default=None)
    if first is not None:
        return first
    root = git.repository(directory)
    commit = git.resolve(root, given) if root else None
    seconds = git.commit_time(root, commit) if root and commit else None
    if seconds is None:
        raise NotFoundError(
            f"{given!r} is no time, no release of this vault and no revision of git here",
            "Write 7d, 2026-11-01, a release such as shop@2.0, or a tag, branch or commit",
        )
    return seconds * SECOND


class _Window(NamedTuple):
    """Two stretches of time that are compared: before, and what the summary is about."""

    before: int
    since: int
    until: int

    @property
    def share(self) -> float:
        """Of both together, how much the second one is."""
        return (self.until - self.since) / (self.until - self.before)


def summarize(
    store: Store, since: int, until: int, *, project: str | None = None, directory: str | None = None,
    time_is_up: Callable[[], bool] = lambda: False,
) -> Summary:  # fmt: skip
    """The changes from `since` on until before `until` (microseconds)."""
    with store.reading():
        number = store.projects.require(project).id if project else None
        reads = Analysing(store.db)
        window = _Window(max(since - (until - since), min(since, reads.earliest(number) or since)), since, until)
        now, before = reads.counts_between(since, until, number), reads.counts_between(window.before, since, number)
        sections = _sections(reads, window, now, before, number)
        ids = sorted({issue for issues in sections.values() for issue in issues})
        issues = {issue.id: issue for issue in store.issues.by_ids(ids)}
        found = {issue: item for issue, item in issues.items() if number is None or item.project == project}
        suspected = _suspected(store, sections, found, directory, time_is_up)
    levels = store.levels.names()
    return Summary(
        to_iso(since), to_iso(until), project or "",
        {
            name: tuple(
                _entry(found[issue], levels, now.get(issue, 0), before.get(issue, 0), suspected.get(issue))
                for issue in sorted(sections[name])
                if issue in found
            )
            for name in SECTIONS
        },
    )  # fmt: skip


def _sections(
    reads: Analysing, window: _Window, now: Mapping[int, int], before: Mapping[int, int], project: int | None
) -> dict[str, list[int]]:
    """Issues by what happened to them; each is in one section, the first that fits."""
    new = set(reads.issues_first_seen(window.since, window.until, project))
    status: dict[int, str] = {}
    changed: dict[int, set[str]] = {}
    for issue, at, was, is_now in reads.state_changes(window.until):
        status[issue] = is_now
        if at >= window.since:
            changed.setdefault(issue, set()).add("back" if was == "resolved" and is_now == "open" else is_now)
    back = {issue for issue, kinds in changed.items() if "back" in kinds and status[issue] == "open"} - new
    resolved = {issue for issue, kinds in changed.items() if "resolved" in kinds and status[issue] == "resolved"} - back
    left = (
        (set(now) | set(before))
        - new
        - back
        - resolved
        - {issue for issue, is_now in status.items() if is_now != "open"}
    )
    worse, better = _compared(sorted(left), now, before, window)
    quiet = {issue for issue in left if not now.get(issue) and before.get(issue)}
    return {
        "new": sorted(new - resolved), "regressed": sorted(back), "resolved": sorted(resolved), "worsened": worse,
        "improved": [issue for issue in better if issue not in quiet], "quiet": sorted(quiet),
    }  # fmt: skip


def _compared(
    issues: Sequence[int], now: Mapping[int, int], before: Mapping[int, int], window: _Window
) -> tuple[list[int], list[int]]:
    """Issues that happen more often than in the window before, and less often, beyond chance."""
    if window.before >= window.since:
        return [], []
    counts = {issue: (now.get(issue, 0), before.get(issue, 0)) for issue in issues}
    tested = {issue: pair for issue, pair in counts.items() if max(pair) >= LEAST}
    q = dict(zip(tested, corrected([_chance(*pair, window.share) for pair in tested.values()]), strict=True))
    ratios = {
        issue: one / max(other, 0.5) * (1 - window.share) / window.share for issue, (one, other) in tested.items()
    }
    sure = [issue for issue in tested if q[issue] <= RATE]
    return [n for n in sure if ratios[n] >= FACTOR], [n for n in sure if ratios[n] <= 1 / FACTOR]


def _chance(one: int, other: int, share: float) -> float:
    """How likely two counts are as far apart as these, where the rate did not change (two-sided)."""
    total = one + other
    return min(1.0, 2 * min(_tail(one, total, share), _tail(other, total, 1 - share)))


def _tail(count: int, total: int, share: float) -> float:
    """P(X >= count) where each of `total` events falls into a window with the chance `share` (binomial)."""
    if total <= 60:
        return sum(comb(total, k) * share**k * (1 - share) ** (total - k) for k in range(count, total + 1))
    logs = (
        lgamma(total + 1) - lgamma(k + 1) - lgamma(total - k + 1) + k * log(share) + (total - k) * log(1 - share)
        for k in range(count, total + 1)
    )
    return min(1.0, sum(map(exp, logs)))


def _entry(issue: Any, levels: Mapping[int, str], events: int, before: int, suspect: Suspected | None) -> Entry:
    return Entry(
        issue.id, clean(issue.title), clean(issue.culprit), clean(issue.project), clean(levels.get(issue.level, f"level-{issue.level}")),
        events, before, issue.users, to_iso(issue.first_seen), to_iso(issue.last_seen), clean(issue.release or ""), suspect,
    )  # fmt: skip


def _suspected(
    store: Store,
    sections: Mapping[str, Iterable[int]],
    issues: Mapping[int, Any],
    directory: str | None,
    time_is_up: Callable[[], bool],
) -> dict[int, Suspected]:
    """The first suspect commit of what is new, came back or got worse."""
    repository = suspects.Repository(directory) if directory else None
    if repository is None or repository.root is None:
        return {}
    wanted = [issue for name in _SUSPICIOUS for issue in sections[name] if issue in issues][:SUSPECTED]
    rows = Analysing(store.db).first_rows(wanted)
    found: dict[int, Suspected] = {}
    for item in store.events.load(rows):
        if time_is_up():
            break
        _, commits = suspects.suspects(repository, case_of(item.event, item.event, {}), time_is_up)
        if commits:
            found[item.issue_id] = Suspected(commits[0].commit, clean(commits[0].summary), clean(commits[0].author))
    return found
