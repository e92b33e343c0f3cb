"""`batch-analyze`: everything that can be said about many events without asking anybody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from .. import __version__
from ..clock import to_iso
from ..models import Event
from ..output.events import headline
from ..output.shapes import event_shape
from ..query.tree import Node
from ..storage.analysing import Analysing
from ..storage.store import Store
from . import advice, bursts, cooccurrence, impact, sample, standouts, suspects
from .clusters import Cluster, Score, clusters
from .observations import Observation
from .signatures import Place, places, signature

FORMAT = 1
MOST = 50  # clusters told of
SUSPECTED = 10  # clusters whose suspects are looked for
_PLACES = 8  # files and functions told
_FRAMES = 12  # of a representative
_POINTS = 60  # of a cluster's time line

Begin = Callable[[str, int], Callable[[int], Any]]


class Options(NamedTuple):
    """How to analyze."""

    limit: int = 1000
    query: str = ""  # as people would write it
    directory: str | None = None  # where the source is; None: don't look for suspects
    time_is_up: Callable[[], bool] = lambda: False  # no more suspects, then
    score: Score | None = None  # another measure of similarity


class _Group(NamedTuple):
    """One cluster with all that belongs to it."""

    issues: list[int]
    similarity: float
    observations: list[Observation]
    times: list[int]
    level: int
    impact: impact.Impact


def analyze(store: Store, node: Node, now: int, options: Options, begin: Begin) -> dict[str, Any]:
    """The findings in their documented shape (docs/batch-analyze.md). `now` in microseconds.

    `begin` is told of each step with its size, and gives back what is told of progress.
    """
    with store.reading():
        found = sample.take(store, node, now, options.limit, lambda count: begin("Reading events", count))
        groups = _groups(found, now, options.score)
        first = _first_events(store, groups[:SUSPECTED])
        issues = {
            issue.id: issue for issue in store.issues.by_ids([i for group in groups[:MOST] for i in group.issues])
        }
    levels = store.levels.names()
    shown = groups[:MOST]
    tested = standouts.standouts([group.observations for group in groups])
    pairs = cooccurrence.together([group.observations for group in shown])
    since = min((min(group.times) for group in groups), default=now)
    culprits = _suspects(found, groups[:SUSPECTED], first, options, begin)
    report: dict[str, Any] = {
        "crashvault": FORMAT,
        "version": __version__,
        "generated_at": to_iso(now),
        "query": options.query,
        "from": to_iso(since),
        "to": to_iso(now),
        "events": {"matched": found.matched, "examined": found.examined, "sampled": found.sampled},
        "totals": _totals(found, levels),
        "timeline": _timeline([at for group in groups for at in group.times], since, now),
        "clusters": [
            {
                "id": f"C{number}",
                **_described(group, found, issues, levels),
                "standouts": [_standout(item) for item in tested[number - 1]],
                **_over_time(group, since, now),
                "suspects": culprits.get(number - 1, {"range": None, "commits": []}),
            }
            for number, group in enumerate(shown, 1)
        ],
        "clusters_left_out": len(groups) - len(shown),
        "together": [_pair(item) for item in pairs],
    }
    return {**report, **advice.advise(report), "narrative": None, "warnings": _warnings(found, options)}


def _groups(found: sample.Sample, now: int, score: Score | None) -> list[_Group]:
    """Clusters of issues, those that matter most first; issues too rare to compare are clusters of their own."""
    compared = found.clusterable
    joined = clusters([signature(found.examples[issue].event) for issue in compared], score)
    chosen = [(_by_events(found, cluster, compared), cluster.similarity) for cluster in joined]
    chosen += [([issue], 1.0) for issue in found.tallies if issue not in set(compared)]
    weights = [_weight(found, issues) for issues, _ in chosen]
    most_events = max((weight.events for weight in weights), default=0)
    most_users = max((weight.users for weight in weights), default=0)
    groups = [
        _Group(
            issues, similarity, [item for issue in issues for item in found.observations[issue]],
            [at for issue in issues for at in found.tallies[issue].times], weight.level,
            impact.impact(weight, most_events, most_users, now),
        )
        for (issues, similarity), weight in zip(chosen, weights, strict=True)
    ]  # fmt: skip
    return sorted(groups, key=lambda group: (-group.impact.score, -len(group.times), group.issues))


def _by_events(found: sample.Sample, cluster: Cluster, compared: Sequence[int]) -> list[int]:
    issues = [compared[index] for index in cluster.members]
    return sorted(issues, key=lambda issue: (-len(found.tallies[issue].times), issue))


def _weight(found: sample.Sample, issues: Sequence[int]) -> impact.Weight:
    tallies = [found.tallies[issue] for issue in issues]
    users = {item.user for issue in issues for item in found.observations[issue] if item.user}
    return impact.Weight(
        sum(len(tally.times) for tally in tallies), max(tally.level for tally in tallies), len(users),
        max(max(tally.times) for tally in tallies), bool(users),
    )  # fmt: skip


def _totals(found: sample.Sample, levels: dict[int, str]) -> dict[str, Any]:
    seen = [item for items in found.observations.values() for item in items]
    worst = Counter(levels.get(tally.level, f"level-{tally.level}") for tally in found.tallies.values())
    return {
        "issues": len(found.tallies),
        "users": len({item.user for item in seen if item.user}),
        "hosts": len({item.host for item in seen if item.host}),
        "releases": sorted(sample.release_times(seen)),
        "issues_by_level": dict(worst.most_common()),
    }


def _timeline(times: Sequence[int], since: int, now: int) -> dict[str, Any]:
    made = bursts.series(times, since, now)
    return {"from": to_iso(made.start), "bucket_seconds": made.size // 1_000_000, "counts": made.counts}


def _over_time(group: _Group, since: int, now: int) -> dict[str, Any]:
    made = bursts.series(group.times, since, now)
    step = -(-len(made.counts) // _POINTS)
    found = bursts.bursts(made)
    return {
        "timeline": [sum(made.counts[start : start + step]) for start in range(0, len(made.counts), step)],
        "bucket_seconds": made.size // 1_000_000,
        "bursts": list(map(_burst, found)),
    }


def _burst(item: bursts.Burst) -> dict[str, Any]:
    times = {name: to_iso(getattr(item, name)) for name in ("start", "end", "peak_start")}
    return {**item._asdict(), **times}


def _described(group: _Group, found: sample.Sample, issues: dict[int, Any], levels: dict[int, str]) -> dict[str, Any]:
    lead = issues[group.issues[0]]
    users = {item.user for item in group.observations if item.user}
    return {
        "title": lead.title,
        "culprit": lead.culprit,
        "level": levels.get(group.level, f"level-{group.level}"),
        "events": len(group.times),
        "share": round(len(group.times) / found.matched, 4),
        "examined": len(group.observations),
        "users": len(users),
        "first_seen": to_iso(min(issues[issue].first_seen for issue in group.issues)),
        "last_seen": to_iso(max(group.times)),
        "similarity": round(group.similarity, 3),
        "issues": [_issue(issues[issue], len(found.tallies[issue].times)) for issue in group.issues],
        "representative": _representative(found, group.issues[0]),
        **_shared(found, group.issues),
        "impact": {**group.impact._asdict(), "reason": ""},
    }


def _issue(issue: Any, events: int) -> dict[str, Any]:
    return {"id": issue.id, "title": issue.title, "status": issue.status, "events": events,
            "project": issue.project, "is_regressed": bool(issue.is_regressed),
            "first_seen": to_iso(issue.first_seen), "resolved_in": issue.resolved_in}  # fmt: skip


def _representative(found: sample.Sample, issue: int) -> dict[str, Any] | None:
    item = found.examples.get(issue)
    if item is None:
        return None
    shape = event_shape(item.event, item.issue_id, item.fingerprint)
    frames = [
        {key: frame[key] for key in ("file", "line", "function", "in_app", "context_line")}
        for frame in root_frames(shape)[-_FRAMES:]
    ]
    return {"event_id": shape["event_id"], "headline": headline(shape)[:500], "frames": frames}


def root_frames(shape: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The frames of the root cause, of those exceptions that have any; the crash last."""
    return next((link["frames"] for link in shape["exceptions"] if link["frames"]), shape["frames"])


def _shared(found: sample.Sample, issues: Sequence[int]) -> dict[str, Any]:
    """The files and functions of the program that most of the issues went through, most frequent first."""
    events: Counter[Place] = Counter()
    having: Counter[Place] = Counter()
    nearest: dict[Place, int] = {}
    for issue in issues:
        if issue in found.examples:
            for distance, place in enumerate(places(found.examples[issue].event)):
                place = place._replace(line=None)
                events[place] += len(found.tallies[issue].times)
                having[place] += 1
                nearest[place] = min(nearest.get(place, distance), distance)
    known = [place for place in events if having[place] * 2 >= len(issues)]
    known.sort(key=lambda place: (-having[place], nearest[place], place))
    functions = [{"file": place.file, "function": place.function, "issues": having[place], "events": events[place]}
                 for place in known if place.function][:_PLACES]  # fmt: skip
    files: dict[str, dict[str, Any]] = {}
    for place in known:
        if place.file:
            item = files.setdefault(place.file, {"file": place.file, "issues": 0, "events": 0})
            item["issues"] = max(item["issues"], having[place])
            item["events"] = max(item["events"], events[place])
    return {"files": list(files.values())[:_PLACES], "functions": functions}


def _standout(item: standouts.Standout) -> dict[str, Any]:
    return {
        "attribute": item.attribute, "value": item.value, "inside": item.inside, "inside_total": item.inside_total,
        "outside": item.outside, "outside_total": item.outside_total, "lift": round(item.lift, 2),
        "p": float(f"{item.p:.3g}"), "q": float(f"{item.q:.3g}"),
        "same_events": [{"attribute": name, "value": value} for name, value in item.same],
    }  # fmt: skip


def _pair(item: cooccurrence.Together) -> dict[str, Any]:
    first = None if item.first is None else f"C{item.first + 1}"
    return {
        "clusters": [f"C{item.left + 1}", f"C{item.right + 1}"], "in_same": item.kind, "together": item.together,
        "totals": [item.left_total, item.right_total], "lift": round(item.lift, 2),
        "p": float(f"{item.p:.3g}"), "q": float(f"{item.q:.3g}"), "first": first,
    }  # fmt: skip


# Suspects


def _first_events(store: Store, groups: Sequence[_Group]) -> list[Event | None]:
    """The earliest event of each group, whether or not the query means it."""
    found: list[Event | None] = []
    for group in groups:
        items = store.events.load(Analysing(store.db).first_rows(group.issues[:20]))
        found.append(min((item.event for item in items), key=lambda event: event["timestamp"], default=None))
    return found


def _suspects(
    found: sample.Sample, groups: Sequence[_Group], first: Sequence[Event | None], options: Options, begin: Begin
) -> dict[int, dict[str, Any]]:
    if options.directory is None:
        return {}
    repository = suspects.Repository(options.directory)
    if repository.root is None:
        return {}
    releases = sample.release_times([item for items in found.observations.values() for item in items])
    advance = begin("Asking git", len(groups))
    answers: dict[int, dict[str, Any]] = {}
    for number, (group, event) in enumerate(zip(groups, first, strict=True)):
        example = found.examples.get(group.issues[0])
        if options.time_is_up():
            break
        if event is not None and example is not None:
            case = case_of(event, example.event, releases)
            searched, commits = suspects.suspects(repository, case, options.time_is_up)
            answers[number] = {
                "range": searched.described if searched else None,
                "commits": list(map(_suspect, commits)),
            }
        advance(1)
    return answers


def suspects_of(store: Store, issue: int, directory: str, time_is_up: Callable[[], bool]) -> dict[str, Any] | None:
    """The commits that probably brought one issue, as in the report; None where `directory` is in no repository."""
    repository = suspects.Repository(directory)
    rows = [*Analysing(store.db).first_rows([issue]), *store.issues.latest_events(issue)]
    items = sorted(store.events.load(rows), key=lambda item: item.event["timestamp"])
    if repository.root is None or not items:
        return None
    releases = {one.release: one.first_seen for one in store.statistics.releases()}
    case = case_of(items[0].event, items[-1].event, releases)
    searched, commits = suspects.suspects(repository, case, time_is_up)
    return {"range": searched.described if searched else None, "commits": list(map(_suspect, commits))}


def case_of(first: Event, example: Event, releases: dict[str, int]) -> suspects.Case:
    release = first.get("release")
    earlier = [name for name, at in releases.items() if at < first["timestamp"] and name != release]
    earlier.sort(key=lambda name: -releases[name])
    return suspects.Case(
        list(_own_frames(first) or _own_frames(example)), release, earlier[:8], first["timestamp"], _message(first)
    )


def _message(event: Event) -> str:
    return " ".join(str(link.get("value") or "") for link in event.get("exceptions", ())) or event.get("message", "")


def _own_frames(event: Event) -> list[Any]:
    shape = event_shape(event, 0, "")
    chain = [link["frames"] for link in shape["exceptions"] if link["frames"]] or [shape["frames"]]
    frames = [frame for part in chain for frame in reversed(part)]
    return [frame for frame in frames if frame["in_app"] is not False]


def _suspect(item: suspects.Suspect) -> dict[str, Any]:
    return {**item._asdict(), "at": to_iso(item.at), "reasons": list(item.reasons)}


def _warnings(found: sample.Sample, options: Options) -> list[str]:
    return list(_said(found, options))


def _said(found: sample.Sample, options: Options) -> Iterator[str]:
    if found.sampled:
        yield (
            f"{found.examined} of {found.matched} events were examined, evenly spread over them; what stands out and what "
            "happens together is judged by those, everything else by all. More with --limit."
        )
    if len(found.tallies) > sample.MOST_ISSUES:
        yield f"only the {sample.MOST_ISSUES} issues with the most events were compared with each other"
