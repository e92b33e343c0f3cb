"""Data retention: applying the policies of a vault, or telling what that would do."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from ..clock import DAY, HOUR, SECOND
from ..clock import now as clock_now
from ..errors import ConflictError, CrashvaultError
from ..logs import log, timed
from .blobs import Blobs
from .candidates import PAGE, Candidates, Gone, Quota, Sizes
from .eviction import EVICTED, Eviction, Pace, Stopped
from .leases import Leases
from .ledger import Ledger
from .policies import MAX_AGE, MAX_SIZE, Policies, Policy
from .projects import Projects
from .reported import CATEGORIES, Removed, Reported
from .sieve import Loser, Sieve
from .sqlite import SQLite

EVERY = HOUR  # between two runs of the server
LEASE = "retention"
_LEASE_LASTS = 60 * SECOND
_RENEWED = 10.0  # seconds
_STATE, _ASKED = "retention.state", "retention.asked"  # in the table `meta`
_WORTH = 10  # evicting one of so many events makes cleaning up worth while
_LATEST_CLEAN_UP = 7 * DAY
_ROUNDS = 8  # of evicting and measuring, for a policy by size
_TOP = 10  # issues that are named
_RUNS_KEPT = 200

Tell = Callable[[str, int], object]  # what is being done, and how many events went since it was last told


class Outcome(NamedTuple):
    """What a policy did, or would do."""

    policy: Policy
    why: str
    evicted: int
    kept: int  # candidates that stay because they are the first, latest or most informative of an issue
    bytes: int  # about
    error: str = ""  # why it could not be applied
    reported: Mapping[str, int] = {}  # what went besides events: spans, sessions, check-ins, feedback


class IssueShare(NamedTuple):
    """What an issue lost, or would lose."""

    issue: int
    title: str
    evicted: int
    stored: int  # events before that


class Report(NamedTuple):
    outcomes: list[Outcome]
    issues: list[IssueShare]  # those that lose most
    evicted: int
    bytes: int  # about, by what an event takes on average
    freed: int  # bytes by which the file got smaller
    stopped: bool  # before everything was done


class PastRun(NamedTuple):
    """What is remembered of a run."""

    at: int
    ended_at: int
    evicted: int
    freed: int
    stopped: bool
    policies: list[dict[str, Any]]


class LastRun(NamedTuple):
    """What is remembered of the last run."""

    at: int
    evicted: int
    freed: int
    unclean: int = 0  # events evicted since everything they had in common with others was looked through
    cleaned_at: int = 0


class Retention:
    def __init__(self, db: SQLite, blobs: Blobs) -> None:
        self.db = db
        self.blobs = blobs
        self.policies = Policies(db)

    # When

    def due(self, now: int) -> bool:
        """Whether a run should begin: it was asked for, or the last one was some time ago."""
        last = self.last_run()
        at = last.at if last else 0
        asked = int(self._meta(_ASKED) or 0)
        return asked > at or (now - at >= EVERY and bool(self.policies.list()))

    def ask(self, now: int) -> None:
        """Have the server run soon."""
        with self.db.writing():
            self._save(_ASKED, now)

    def last_run(self) -> LastRun | None:
        text = self._meta(_STATE)
        return LastRun(*json.loads(text)) if text else None

    def runs(self, limit: int = _RUNS_KEPT) -> list[PastRun]:
        """The latest runs, latest first."""
        rows = self.db.rows(
            "SELECT at, ended_at, evicted, freed, is_stopped, policies FROM retention_runs ORDER BY id DESC LIMIT ?",
            (limit,),
        )
        return [PastRun(*row)._replace(stopped=bool(row[4]), policies=json.loads(row[5])) for row in rows]

    def _meta(self, key: str) -> str | None:
        found: str | None = self.db.value("SELECT value FROM meta WHERE key = ?", (key,))
        return found

    def _save(self, key: str, value: Any) -> None:
        sql = "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
        self.db.execute(sql, (key, json.dumps(value)))

    def sizes(self, now: int) -> Sizes:
        """How much there is to keep."""
        return Candidates(self.db, now).sizes()

    # What would go

    def plan(self, now: int) -> Report:
        """What a run would do at this moment, without doing it."""
        gone = Gone()
        candidates = Candidates(self.db, now, gone)
        sizes = candidates.sizes()
        average, span = sizes.average, sizes.span
        outcomes = []
        for policy in self.policies.list():
            evicted, bytes_before = gone.events, gone.bytes

            def go(losers: list[Loser], sieve: Sieve) -> None:
                gone.add((loser.row, loser.hash_id) for loser in losers)
                gone.bytes += sum(candidates.weights([loser.row for loser in losers], average))

            reported = self._surplus(policy, candidates)
            gone.bytes += reported.get("spans", 0) * span if policy.kind == MAX_SIZE else 0
            sieve = self._sieve(policy, now, weighing=False)
            why, error = self._walk(policy, candidates, sieve, go)
            outcomes.append(Outcome(
                policy, why, gone.events - evicted, sieve.spared, int(gone.bytes - bytes_before), error, reported
            ))  # fmt: skip
        return self._report(outcomes, Counter(gone.by_hash), before=Counter())

    def _surplus(self, policy: Policy, candidates: Candidates) -> Mapping[str, int]:
        """What a policy lets go besides events."""
        project = self._project_of(policy)
        if project is None:
            return {}
        if policy.kind == MAX_AGE:
            return Reported(self.db).older(candidates.now - policy.amount, project or None)
        spans = candidates.surplus_spans(policy) if policy.kind == MAX_SIZE and not project else 0
        return {"spans": spans} if spans else {}

    def _project_of(self, policy: Policy) -> int | None:
        """Whose reports a policy means: a project's, or 0 for all; None where it means some events only."""
        if policy.scope.level or policy.scope.query:
            return None
        if policy.scope.project is None:
            return 0
        found = Projects(self.db).find(policy.scope.project)
        return found.id if found else None

    def _sieve(self, policy: Policy, now: int, *, weighing: bool) -> Sieve:
        silent_since = now - policy.amount if policy.kind == MAX_AGE else None
        return Sieve(self.db, silent_since=silent_since, weighing=weighing)

    def _walk(
        self, policy: Policy, candidates: Candidates, sieve: Sieve, go: Callable[[list[Loser], Sieve], None]
    ) -> tuple[str, str]:
        """Hand all that a policy lets go to `go`, some hundred at a time; why they go, and why not where that failed."""
        try:
            node = self.policies.meant(policy.scope, candidates.now)
            why, groups = candidates.of(policy, node)
        except CrashvaultError as error:  # a level of its query is gone, for one
            log("warning", "retention policy cannot be applied", policy=str(policy), error=error)
            return "", str(error)
        pending: list[Loser] = []
        for quota, pages in groups:
            for losers in _sifted(quota, pages, sieve):
                pending += losers
                while len(pending) >= PAGE:
                    go(pending[:PAGE], sieve)
                    del pending[:PAGE]
        if pending:
            go(pending, sieve)
        return why, ""

    # Doing it

    def run(self, now: int, *, stop: threading.Event | None = None, tell: Tell = lambda what, count: None) -> Report:
        """Apply the policies, in transactions so short that those who record hardly notice.

        Once `stop` is set nothing more is begun; another run goes on where this one ended. Raises ConflictError
        where another process is at it.
        """
        run = _Run(self, now, stop or threading.Event(), tell)
        try:
            with self.db.relaxed():
                return run.apply()
        finally:
            run.end()  # with a commit that brings all before it to the disk

    def _report(
        self,
        outcomes: list[Outcome],
        by_hash: Counter[int],
        before: Counter[int],
        freed: int = 0,
        stopped: bool = False,
    ) -> Report:
        """`before`: how many more events than now the hashes had."""
        top: Counter[int] = Counter()
        for hash_id, count in by_hash.items():
            issue = self.db.value("SELECT issue_id FROM hashes WHERE id = ?", (hash_id,))
            if issue is not None:
                top[issue] += count
        shares = [self._share(issue, count, before) for issue, count in top.most_common(_TOP)]
        evicted = sum(outcome.evicted for outcome in outcomes)
        size = sum(outcome.bytes for outcome in outcomes)
        return Report(outcomes, shares, evicted, size, freed, stopped)

    def _share(self, issue: int, count: int, before: Counter[int]) -> IssueShare:
        title = self.db.value("SELECT title FROM issues WHERE id = ?", (issue,), "")
        hashes = dict(self.db.rows("SELECT id, count - evicted FROM hashes WHERE issue_id = ?", (issue,)))
        return IssueShare(issue, title, count, sum(hashes.values()) + sum(before[hash_id] for hash_id in hashes))


class _Run:
    """One application of all policies."""

    def __init__(self, retention: Retention, now: int, stop: threading.Event, tell: Tell) -> None:
        self.retention = retention
        self.db = retention.db
        self.now = now
        self._tell = tell
        self._holder = f"{socket.gethostname()}:{os.getpid()}:{threading.get_ident()}"
        self._leases = Leases(self.db)
        self._renewed = time.monotonic()
        self._take_lease()
        self._eviction = Eviction(self.db, retention.blobs, Pace(self.db, stop, self._renew).writing)
        self._by_hash: Counter[int] = Counter()
        self._freed = 0  # bytes by which file and attachments got smaller

    def apply(self) -> Report:
        outcomes: list[Outcome] = []
        stopped = False
        try:
            self._eviction.settle_earlier()
            for policy in self.retention.policies.list():
                with timed("apply a retention policy", policy=policy):
                    outcomes.append(self._apply(policy))
            self._eviction.settle()
            self._clean_up(sum(outcome.evicted for outcome in outcomes))
        except Stopped:
            stopped = True
        report = self.retention._report(outcomes, self._by_hash, self._by_hash, self._freed, stopped)
        self._remember(report._replace(evicted=self._by_hash.total()))
        return report

    def _remember(self, report: Report) -> None:
        policies = [
            {
                "policy": str(one.policy),
                "evicted": one.evicted,
                "reported": dict(one.reported),
                "error": one.error or None,
            }
            for one in report.outcomes
        ]
        with self.db.writing():
            self.db.execute(
                """INSERT INTO retention_runs (at, ended_at, evicted, freed, is_stopped, policies)
                   VALUES (?, ?, ?, ?, ?, ?)""",
                (self.now, clock_now(), report.evicted, report.freed, int(report.stopped), json.dumps(policies)),
            )
            self.db.execute(
                "DELETE FROM retention_runs WHERE id <= (SELECT max(id) FROM retention_runs) - ?", (_RUNS_KEPT,)
            )

    def end(self) -> None:
        self._leases.release(LEASE, self._holder)

    # Policies

    def _apply(self, policy: Policy) -> Outcome:
        outcome = self._evict(policy)
        rounds = _ROUNDS if policy.kind == MAX_SIZE else 1
        while rounds > 1 and (outcome.evicted or outcome.reported) and self._is_too_large(policy):
            again = self._evict(policy)
            if not (again.evicted or again.reported):
                break
            evicted, size = outcome.evicted + again.evicted, outcome.bytes + again.bytes
            reported = Counter(outcome.reported) + Counter(again.reported)
            outcome = outcome._replace(evicted=evicted, bytes=size, kept=again.kept, reported=reported)
            rounds -= 1
        return outcome

    def _is_too_large(self, policy: Policy) -> bool:
        """Whether more must go; the space of what went is free only when everything was cleaned up."""
        self._clean_up_all()
        return Candidates(self.db, self.now).sizes().total > policy.amount

    def _remove_reported(self, policy: Policy) -> Removed:
        """Let go what a policy does not keep besides events."""
        wanted = self.retention._surplus(policy, Candidates(self.db, self.now))
        if not wanted:
            return Counter()
        reported = self._eviction.reported
        if policy.kind == MAX_SIZE:
            removed = reported.remove_oldest_spans(wanted["spans"])
        else:
            removed = reported.remove_older(self.now - policy.amount, self.retention._project_of(policy) or None)
        Ledger(self.db).add(
            {(EVICTED, str(policy), CATEGORIES[table]): count for table, count in removed.items()}, self.now
        )
        return removed

    def _evict(self, policy: Policy) -> Outcome:
        reported = self._remove_reported(policy)
        candidates = Candidates(self.db, self.now)
        sieve = self.retention._sieve(policy, self.now, weighing=True)
        average = candidates.sizes().average
        evicted, size = 0, 0.0

        def go(losers: list[Loser], sieve: Sieve) -> None:
            nonlocal evicted, size
            size += sum(candidates.weights([loser.row for loser in losers], average))
            kept = sieve.kept({loser.hash_id for loser in losers})
            counts = self._eviction.evict([loser.item for loser in losers if loser.item], kept, str(policy), self.now)
            evicted += counts.total()
            self._by_hash += counts
            self._tell(f"Evicting: {policy}", counts.total())

        why, error = self.retention._walk(policy, candidates, sieve, go)
        return Outcome(policy, why, evicted, sieve.spared, int(size), error, reported)

    # Cleaning up

    def _clean_up(self, evicted: int) -> None:
        """Give space back, and remember the run.

        What many events share is looked through only when many have gone, or some a while ago: that takes as long
        as reading all that is left.
        """
        last = self.retention.last_run() or LastRun(0, 0, 0)
        unclean = last.unclean + evicted
        stored = Candidates(self.db, self.now).stored()
        if unclean and (unclean * _WORTH >= stored or self.now - last.cleaned_at >= _LATEST_CLEAN_UP):
            self._clean_up_all()
            last = last._replace(unclean=0, cleaned_at=self.now)
        else:
            last = last._replace(unclean=unclean)
            self._eviction.forget_old(self.now)
            _, of_files = self._eviction.collect_files(self.now)
            self._freed += of_files + self._eviction.shrink_file()
        with self.db.writing():
            self.retention._save(_STATE, last._replace(at=clock_now(), evicted=evicted, freed=self._freed))

    def _clean_up_all(self) -> None:
        self._tell("Cleaning up", 0)
        self._eviction.settle()
        self._freed += self._eviction.collect(self.now).bytes

    # The lease

    def _take_lease(self) -> None:
        now = clock_now()
        held = self._leases.live(LEASE, now)
        if held is not None and _has_ended(held.holder):
            self._leases.release(LEASE, held.holder)
        if not self._leases.take(LEASE, self._holder, now, _LEASE_LASTS):
            raise ConflictError(
                "retention runs already, in another process", "Wait for it; see: crashvault retention show"
            )

    def _renew(self) -> None:
        if time.monotonic() - self._renewed < _RENEWED:
            return
        self._renewed = time.monotonic()
        if not self._leases.take(LEASE, self._holder, clock_now(), _LEASE_LASTS):
            raise Stopped


def _sifted(quota: Quota, pages: Iterator[list[int]], sieve: Sieve) -> Iterator[list[Loser]]:
    """What goes of a group of candidates, page by page, until its quota is reached."""
    while not quota.reached and (page := next(pages, None)) is not None:
        losers = {loser.row: loser for loser in sieve.losers(page)}
        yield [losers[row] for row in quota.take(list(losers))]


def _has_ended(holder: str) -> bool:
    """Whether the process that holds a lease was one of this machine, and is no more."""
    host, _, rest = holder.partition(":")
    pid = rest.partition(":")[0]
    if host != socket.gethostname() or not pid.isdigit() or int(pid) == os.getpid():
        return False
    if os.name == "nt":  # where asking after a process would end it
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
