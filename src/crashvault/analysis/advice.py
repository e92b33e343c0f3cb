"""Findings in plain words: numbered facts, and what to do first, each statement with the facts that speak for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ..clock import from_iso
from ..output.times import called, counted, duration, short
from .observations import HOUR_OF_DAY

FIRST = 5  # clusters that advice is given about
_STANDOUTS = 3  # of a cluster that advice is given about
_MOST, _HABIT = 0.5, 0.25  # shares of a cluster's events from which on a value is advised about
_HABITS = ("user", HOUR_OF_DAY)
_NO_HELP = ("platform", "logger")  # that everybody knows who knows the program
_LEAD = 1.3  # how much more than the second a suspect must have to be called the first to read

Finding = Mapping[str, Any]


def advise(report: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of a report, and advice that names them; gives each finding its text."""
    facts = _Facts()
    clusters: Sequence[dict[str, Any]] = report["clusters"]
    for cluster in clusters:
        _put_in_words(cluster, report["to"])
        facts.add("impact", cluster, f"{_name(cluster)}: {cluster['impact']['reason']}")
        for kind, text in _about(cluster):
            facts.add(kind, cluster, text)
    for pair in report["together"]:
        facts.add("together", None, _pair(pair), pair["clusters"])
    advice = [_advice(number, cluster, report["together"], facts) for number, cluster in enumerate(clusters[:FIRST], 1)]
    return {"facts": facts.items, "advice": advice}


def _put_in_words(cluster: dict[str, Any], to: str) -> None:
    """Give the findings of a cluster their texts."""
    cluster["impact"]["reason"] = _reason(cluster, to)
    for items, text in (
        (cluster["standouts"], standout_text), (cluster["bursts"], burst_text),
        (cluster["suspects"]["commits"], suspect_text),
    ):  # fmt: skip
        for item in items:
            item["text"] = text(item)


class _Facts:
    """Numbered as they are found."""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []

    def add(self, kind: str, cluster: Finding | None, text: str, clusters: Sequence[str] = ()) -> None:
        of = [cluster["id"]] if cluster is not None else list(clusters)
        self.items.append({"id": f"F{len(self.items) + 1}", "kind": kind, "clusters": of, "text": text})

    def of(self, cluster: Finding, *kinds: str) -> list[str]:
        """Ids of a cluster's facts."""
        return [item["id"] for item in self.items if item["kind"] in kinds and cluster["id"] in item["clusters"]]

    def ids(self, kind: str) -> list[str]:
        return [item["id"] for item in self.items if item["kind"] == kind]


def _name(cluster: Finding) -> str:
    more = f" and {counted(len(cluster['issues']) - 1, 'similar issue')}" if len(cluster["issues"]) > 1 else ""
    return f"{cluster['id']} ({cluster['title']}{more})"


def _reason(cluster: Finding, to: str) -> str:
    """What its impact comes from."""
    users = f" that hit {counted(cluster['users'], 'user')}" if cluster["users"] else ""
    seen = duration(max(0, from_iso(to) - from_iso(cluster["last_seen"])))
    return (
        f"{counted(cluster['events'], 'event')} ({_percent(cluster['share'])} of all){users}, "
        f"{cluster['level']}, last seen {seen} before this analysis"
    )


def _about(cluster: Finding) -> Iterator[tuple[str, str]]:
    """Facts of one cluster, as kind and text."""
    if len(cluster["issues"]) > 1:
        ids = ", ".join(f"#{issue['id']}" for issue in cluster["issues"][:10])
        yield (
            "similar",
            f"{cluster['id']} joins {len(cluster['issues'])} issues whose stacks and messages are alike ({ids})",
        )
    if cluster["functions"]:
        place = cluster["functions"][0]
        yield (
            "place",
            f"{cluster['id']} goes through {called(place['function'])} in {place['file'] or 'an unknown file'}",
        )
    regressed = [f"#{issue['id']}" for issue in cluster["issues"] if issue["is_regressed"]]
    if regressed:
        yield "regressed", f"{', '.join(regressed)} of {cluster['id']} had been resolved, and came back"
    found = (
        ("standout", cluster["standouts"]),
        ("burst", cluster["bursts"]),
        ("suspect", cluster["suspects"]["commits"]),
    )
    for kind, items in found:
        for item in items:
            yield kind, f"{cluster['id']}: {item['text']}"


def standout_text(item: Finding) -> str:
    """How much more frequent a value is in a cluster."""
    share, other = item["inside"] / item["inside_total"], item["outside"] / item["outside_total"]
    what = "of its hours with events" if item["attribute"] == HOUR_OF_DAY else "of its events"
    where = f"{item['attribute']} {item['value']}"
    same = " and ".join(f"{one['attribute']} {one['value']}" for one in item["same_events"][:3])
    also = f"; the same events have {same}" if same else ""
    if not item["outside"]:
        return f"{where} is in {_percent(share)} {what} and in no others{also} ({_chance(item['q'])})"
    return (
        f"{where} is in {_percent(share)} {what} against {_percent(other)} of the others, "
        f"{item['lift']:.3g} times as often as on average{also} ({_chance(item['q'])})"
    )


def burst_text(item: Finding) -> str:
    """When there was more, and how much."""
    until = "and goes on" if item["ongoing"] else f"until {_minute(item['end'])}"
    usual = f", {item['times']:g} times the usual rate" if item["times"] else ", where there was hardly anything before"
    peak = (
        f"; most from {_minute(item['peak_start'])} on, {item['peak_per_hour']:g} an hour"
        if item["peak_start"] != item["start"]
        else ""
    )
    return (
        f"{item['events']} events from {_minute(item['start'])} UTC {until}, {item['per_hour']:g} an hour{usual}{peak}"
    )


def suspect_text(item: Finding) -> str:
    return f"commit {item['commit'][:10]} “{item['summary']}” by {item['author']} {'; '.join(item['reasons'])}"


def _pair(item: Finding) -> str:
    left, right = item["clusters"]
    first = f", and {item['first']} mostly comes first" if item["first"] else ""
    what = {"trace": "trace", "host and minute": "minute on the same host", "minute": "minute"}[item["in_same"]]
    return (
        f"{left} and {right} were in the same {what} {item['together']} times (of {item['totals'][0]} and "
        f"{item['totals'][1]}), {item['lift']:g} times as often as by chance{first}"
    )


def _advice(rank: int, cluster: Finding, pairs: Sequence[Finding], facts: _Facts) -> dict[str, Any]:
    steps = [{"text": text, "facts": ids} for text, ids in _steps(cluster, pairs, facts)]
    return {"rank": rank, "cluster": cluster["id"], "title": cluster["title"], "because": cluster["impact"]["reason"],
            "facts": facts.of(cluster, "impact"), "steps": steps}  # fmt: skip


def _steps(cluster: Finding, pairs: Sequence[Finding], facts: _Facts) -> Iterator[tuple[str, list[str]]]:
    """What to do about a cluster, the most promising first."""
    for pair, fact in zip(pairs, facts.ids("together"), strict=True):
        if pair["first"] not in (None, cluster["id"]) and cluster["id"] in pair["clusters"]:
            yield f"Look at {pair['first']} before: it mostly happens just before this one and may cause it.", [fact]
    back = [f"#{issue['id']}" for issue in cluster["issues"] if issue["is_regressed"]]
    if back:
        yield (
            f"{' and '.join(back[:3])} came back after being resolved: see what the fix was, and whether it is still there.",
            facts.of(cluster, "regressed"),
        )
    ongoing = [item for item in cluster["bursts"] if item["ongoing"]]
    if ongoing:
        last = ongoing[-1]
        yield (
            f"It is going on: {last['peak_per_hour']:g} an hour since {_minute(last['peak_start'])} UTC.",
            facts.of(cluster, "burst")[-1:],
        )
    yield from _about_suspects(cluster, facts)
    yield from _about_standouts(cluster, facts)
    if cluster["functions"]:
        place = cluster["functions"][0]
        near = _crashed_at(cluster)
        yield (
            f"Begin reading in {called(place['function'])}{f' at {near}' if near else ''}: "
            f"crashvault event {cluster['representative']['event_id'][:8]}", facts.of(cluster, "place"),
        )  # fmt: skip
    elif cluster["representative"]:
        yield (
            "Its events have no stack trace of your own code; log the exception, or run it with crashvault autolog.",
            facts.of(cluster, "impact"),
        )
    if len(cluster["issues"]) > 1:
        others = " ".join(str(issue["id"]) for issue in cluster["issues"][:6])
        yield (
            f"Its issues may be one: compare them, and join them with crashvault merge {others}",
            facts.of(cluster, "similar"),
        )


def _about_suspects(cluster: Finding, facts: _Facts) -> Iterator[tuple[str, list[str]]]:
    commits = cluster["suspects"]["commits"]
    if not commits:
        return
    first = commits[0]
    sure = len(commits) == 1 or first["score"] >= _LEAD * commits[1]["score"]
    word = "Read" if sure else "Read first, among others,"
    yield (
        f"{word} commit {first['commit'][:10]} “{first['summary']}” ({first['author']}): it {first['reasons'][0]}.",
        facts.of(cluster, "suspect")[:1] if sure else facts.of(cluster, "suspect"),
    )


_STEPS: dict[str, Callable[[str, str], str]] = {
    "release": lambda value, share: (
        f"Compare release {value} with the one before, or go back: {share} of its events are from it."
    ),
    "host": lambda value, share: f"Look at host {value}: {share} of its events are from there.",
    "environment": lambda value, share: (
        f"Compare environment {value} with the others: {share} of its events are from there."
    ),
    "user": lambda value, share: f"Ask what user {value} does: {share} of its events are theirs.",
    HOUR_OF_DAY: lambda value, share: (
        f"Look for what runs at {value} UTC: {share} of its hours with events are that one."
    ),
}


def _about_standouts(cluster: Finding, facts: _Facts) -> Iterator[tuple[str, list[str]]]:
    ids = facts.of(cluster, "standout")
    told = 0
    for item, fact in zip(cluster["standouts"], ids, strict=True):
        share = item["inside"] / item["inside_total"]
        if (
            told < _STANDOUTS
            and share >= (_HABIT if item["attribute"] in _HABITS else _MOST)
            and item["attribute"] not in _NO_HELP
        ):
            told += 1
            known = _STEPS.get(item["attribute"])
            other = f"Try to reproduce it with {item['attribute']} {item['value']}: {_percent(share)} of its events have it."
            same = " and ".join(
                f"{one['attribute']} {one['value']}" for one in item["same_events"] if one["attribute"] not in _NO_HELP
            )
            also = f" Those are the events with {same}." if same else ""
            yield f"{known(item['value'], _percent(share)) if known else other}{also}", [fact]


def _crashed_at(cluster: Finding) -> str:
    frames = [frame for frame in (cluster["representative"] or {}).get("frames", ()) if frame["in_app"]]
    frame = frames[-1] if frames else None
    return f"{frame['file']}:{frame['line']}" if frame and frame["file"] and frame["line"] else ""


def _percent(share: float) -> str:
    percent = 100 * share
    return f"{percent:.0f} %" if percent >= 1 or not percent else "less than 1 %"


def _chance(q: float) -> str:
    return "chance: less than 1 in 1000" if q < 0.001 else f"chance: {100 * q:.1f} in 100"


def _minute(iso: str) -> str:
    return short(iso)[:16]
