"""What alert rules count of the events that are recorded: in the transaction that stores them, once a batch.

Which rules an event concerns is decided before the transaction, while the event is still at hand. Inside it the
batch is added up, so that each counter is written once. With no rule all this costs one look at a number.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from .alerts.condition import facts, parse
from .alerts.counters import Series, series_of
from .alerts.streams import Streams
from .clock import MINUTE
from .models import Event
from .query.tree import Everything, Node, Pattern, Term, all_of, fields_used, leaves, negate
from .storage.document import SIGN, stack_document, word_of

if TYPE_CHECKING:
    from .storage.alerts import Additions, Rule
    from .storage.recording import Prepared, Stored
    from .storage.store import Store

_MOST_STACKS = 2_000  # that are remembered
_TIME_FIELDS = frozenset(("since", "until", "first-seen", "last-seen"))


class Mark(NamedTuple):
    """What is kept of an event that rules concern, until it is counted."""

    streams: Sequence[int]
    host: int | None  # the word of it
    groups: Mapping[str, str]  # tag.KEY → its value, of the keys that rules group by


class Fact(NamedTuple):
    """One stored event, as rules count it."""

    issue: int
    row: int | None
    project: str
    user: int | None
    host: int | None
    groups: Mapping[str, str]
    what: frozenset[str]  # count, and what else it was: new issue, regression, reappears in release


class _Counting(NamedTuple):
    """A rule made ready."""

    rule: Rule
    series: tuple[Series, ...]


class Tally:
    """The rules of a vault, made ready for recording."""

    def __init__(self, store: Store, now: int) -> None:
        self.ready = [_Counting(rule, tuple(series_of(parse(rule.condition)))) for rule in store.alerts.rules()]
        nodes = _nodes(store, [one.rule for one in self.ready], now)
        self.streams = Streams(zip(nodes, self.ready, strict=True), store.levels.ranks())
        self._stacks: dict[bytes, str] = {}
        self._keys = tuple({one.rule.by for one in self.ready if one.rule.by.startswith("tag.")})
        # Queries about tags; the tags that people gave an issue only the store knows.
        self._tagged = {
            place: terms for place, one in enumerate(self.streams.streams) if (terms := _tag_terms(one.node))
        }
        self._wants_hosts = any(series.what == "hosts" for one in self.ready for series in one.series)
        self._wants_releases = any("reappears in release" in facts(parse(one.rule.condition)) for one in self.ready)
        self.until = _valid_until(store, nodes, now)

    def mark(self, event: Event, item: Prepared) -> Mark | None:
        """What to keep of an event; None when no rule concerns it."""
        text = item.document.partition(SIGN)[0]
        streams = self.streams.heard(event, (text, self._stack_text(event, item.stack_digest)))
        if not streams and not self._tagged:
            return None
        groups = {key: value for key in self._keys if (value := _tag_value(event, key[4:])) is not None}
        host = event.get("host")
        return Mark(streams, word_of("host", host) if host and self._wants_hosts else None, groups)

    def _stack_text(self, event: Event, digest: bytes | None) -> str:
        """What full-text search sees of a stack, remembered by its digest."""
        if digest is None:
            return ""
        found = self._stacks.get(digest)
        if found is None:
            if len(self._stacks) >= _MOST_STACKS:
                self._stacks.clear()
            found = self._stacks[digest] = stack_document(event)
        return found

    def add_up(self, facts: Mapping[int, Sequence[Fact]], now: int) -> Additions:
        """What a batch adds; `facts` are its events by stream. They all arrived now."""
        from .storage.alerts import Additions, Seen

        counts: dict[tuple[int, str, str, int], int] = {}
        members: dict[tuple[int, str, str, int], int] = {}
        seen: dict[tuple[int, str], Seen] = {}
        for place, found in facts.items():
            grouped: dict[str, dict[str, list[Fact]]] = {}
            for rule, series in self.streams.streams[place].wants:
                if rule.by not in grouped:
                    grouped[rule.by] = _by_group(found, rule.by)
                for group, its in grouped[rule.by].items():
                    seen[rule.id, group] = Seen(now, its[-1].issue, its[-1].row)
                    for one in series:
                        _add(counts, members, (rule.id, group, one.name), one, its, now)
        return Additions(counts, members, seen)

    def count(
        self,
        store: Store,
        stored: Sequence[Stored],
        marks: Sequence[Mark | None],
        prepared: Sequence[Prepared],
        regressed: set[int],
        reappeared: set[int],
        now: int,
    ) -> None:
        """Count a batch that was just stored. Joins the open transaction."""
        by_stream: dict[int, list[Fact]] = {}
        told: set[int] = set()
        facts: list[Fact] = []
        for item, mark, draft in zip(stored, marks, prepared, strict=True):
            if mark is None or item.duplicate or item.issue_id is None:
                continue
            what = frozenset(_what(item, regressed, reappeared, told))
            fact = Fact(item.issue_id, item.row, draft.project, draft.user, mark.host, mark.groups, what)
            facts.append(fact)
            for place in mark.streams:
                by_stream.setdefault(place, []).append(fact)
        if self._tagged:
            self._ask_of_tagged(store, by_stream, facts, now)
        for place in [place for place in by_stream if self.streams.streams[place].of_issue]:
            fitting = _fitting(store, self.streams.streams[place].node, by_stream[place], now)
            if fitting:
                by_stream[place] = fitting
            else:
                del by_stream[place]
        if by_stream:
            store.alerts.count(self.add_up(by_stream, now))

    def _ask_of_tagged(self, store: Store, by_stream: dict[int, list[Fact]], facts: Sequence[Fact], now: int) -> None:
        """Have the store say what queries about tags find of issues to which people gave such tags."""
        tags = store.issues.tags_of({fact.issue for fact in facts})
        for place, terms in self._tagged.items() if tags else ():
            concerned = {
                issue for issue, its in tags.items() if any(_names_tag(term, tag) for term in terms for tag in its)
            }
            if not concerned:
                continue
            found = [fact for fact in by_stream.pop(place, ()) if fact.issue not in concerned]
            asked = [fact for fact in facts if fact.issue in concerned]
            found += _fitting(store, self.streams.streams[place].node, asked, now)
            if found:
                by_stream[place] = found

    def reappearing(self, store: Store, prepared: Sequence[Prepared], marks: Sequence[Mark | None]) -> set[int]:
        """Resolved issues that a batch, not yet stored, brings back in a release in which they were never seen."""
        found: set[int] = set()
        if not self._wants_releases:
            return found
        for draft, mark in zip(prepared, marks, strict=True):
            if mark is not None and draft.release:
                issue = store.triage.resolved_issue(draft.project, draft.grouping.hash)
                if issue is not None and not store.alerts.known_release(issue, word_of("release", draft.release)):
                    found.add(issue)
        return found


def _add(
    counts: dict[tuple[int, str, str, int], int],
    members: dict[tuple[int, str, str, int], int],
    key: tuple[int, str, str],
    series: Series,
    facts: Sequence[Fact],
    now: int,
) -> None:
    bucket = now // series.width
    if series.what in ("users", "hosts"):
        who = {fact.user if series.what == "users" else fact.host for fact in facts}
        members.update(((*key, member), bucket) for member in who if member is not None)
        return
    count = len(facts) if series.what == "count" else sum(series.what in fact.what for fact in facts)
    if count:
        place = (*key, bucket)
        counts[place] = counts.get(place, 0) + count


def _by_group(facts: Sequence[Fact], by: str) -> dict[str, list[Fact]]:
    """The events of each group; one that has no such tag is in none."""
    if not by:
        return {"": list(facts)}
    found: dict[str, list[Fact]] = {}
    for fact in facts:
        group = str(fact.issue) if by == "issue" else fact.project if by == "project" else fact.groups.get(by)
        if group is not None:
            found.setdefault(group, []).append(fact)
    return found


def _tag_value(event: Event, key: str) -> str | None:
    start = f"{key}="
    return next((tag[len(start) :] for tag in event.get("tags", ()) if tag.startswith(start)), None)


def tally_of(store: Store, now: int) -> Tally | None:
    """The rules made ready, again only when one of them, a mute or a level has changed; None: there is no rule."""
    version = store.alerts.version()
    if not version:
        return None
    key = (version, store.levels.ranks())
    known: tuple[Any, Tally] | None = getattr(store, "_tally", None)
    if known is None or known[0] != key or known[1].until <= now:
        known = (key, Tally(store, now))
        store._tally = known  # type: ignore[attr-defined]
    return known[1] if known[1].ready else None


def _what(item: Stored, regressed: set[int], reappeared: set[int], told: set[int]) -> Iterable[str]:
    """What an event was: of an issue that came back, one event is the one that brought it back."""
    yield "count"
    if item.issue_created:
        yield "new issue"
    elif item.issue_id in regressed and item.issue_id not in told:
        told.add(item.issue_id)
        yield "regression"
        if item.issue_id in reappeared:
            yield "reappears in release"


def _fitting(store: Store, node: Node, facts: Sequence[Fact], now: int) -> list[Fact]:
    """Those that a query about issues finds, which only the store can tell."""
    rows = [fact.row for fact in facts if fact.row is not None]
    kept = set(store.search(now).filter(node, rows))
    return [fact for fact in facts if fact.row in kept]


def _tag_terms(node: Node) -> list[Term]:
    return [leaf for leaf in leaves(node) if isinstance(leaf, Term) and leaf.field == "tag"]


def _names_tag(term: Term, tag: str) -> bool:
    """Whether a part of a query about tags speaks of this one, for it or against it."""
    start = f"{term.key}=" if term.key else ""
    folded = tag.casefold()
    return folded.startswith(start) and (
        term.op == "has"
        or any(isinstance(value, Pattern) and value.matches(folded[len(start) :]) for value in term.values)
    )


def _nodes(store: Store, rules: Sequence[Rule], now: int) -> list[Node]:
    """What each rule counts: its query in its project, without what is muted."""
    search = store.search(now)
    quiet: dict[int, list[Node]] = {}
    for mute in store.alerts.mutes(now):
        if mute.query:
            quiet.setdefault(mute.rule_id, []).append(negate(search.parse(mute.query)))
    return [rule_node(search, rule.query, rule.project, quiet.get(rule.id, ())) for rule in rules]


def rule_node(search: Any, query: str, project: str, more: Iterable[Node] = ()) -> Node:
    """The query of a rule as a tree."""
    parts = [search.parse(query), *more]
    if project:
        parts.append(Term("project", None, "is", (project,)))
    return all_of(part for part in parts if not isinstance(part, Everything))


def _valid_until(store: Store, nodes: Iterable[Node], now: int) -> int:
    """When the rules must be made ready again, be nothing changed: mutes end, and relative times go on."""
    ends = [mute.until for mute in store.alerts.mutes(now) if mute.until is not None]
    if any(fields_used(node) & _TIME_FIELDS for node in nodes):
        ends.append(now + MINUTE)
    return min(ends, default=1 << 62)
