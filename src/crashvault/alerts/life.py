"""The life of an alert: from a condition that holds to one that has ceased, with what people are told on the way.

ok ──holds──▶ pending ──held for `hold`──▶ firing ──has not held for `linger`──▶ ok (resolved)
"""

from __future__ import annotations

from typing import NamedTuple

OK, PENDING, FIRING = STATES = ("ok", "pending", "firing")
FIRED, RESOLVED = "fired", "resolved"


class Terms(NamedTuple):
    """What a rule asks of time; microseconds."""

    hold: int = 0  # how long the condition must hold before the alert fires
    linger: int = 60_000_000  # how long it must not hold before the alert is over
    cooldown: int = 600_000_000  # after people were told that it fired, they are not told so again


class Life(NamedTuple):
    """Where an alert of one rule and group stands."""

    state: str = OK
    since: int = 0  # when it came into that state
    held_at: int = 0  # when the condition held last
    told_at: int | None = None  # when people were told last that it fires
    is_told: bool = False  # whether people know of the present firing


class Change(NamedTuple):
    what: str  # fired or resolved
    tell: bool  # whether people hear of it


def put_back(life: Life, now: int) -> Life:
    """The same where the clock was set back: nothing has happened at a time to come."""
    told = life.told_at if life.told_at is None else min(life.told_at, now)
    return life._replace(since=min(life.since, now), held_at=min(life.held_at, now), told_at=told)


def step(life: Life, holds: bool, now: int, terms: Terms, *, quiet: bool = False) -> tuple[Life, list[Change]]:
    """The next state at a time, and what has happened.

    A firing within the cooldown, or while the rule is muted (`quiet`), is kept to ourselves; if it still lasts when
    that ends, people hear of it then. They hear of the end of what they have heard of.
    """
    if not holds:
        return _without(life, now, terms, quiet)
    life = life._replace(held_at=now)
    may_tell = not quiet and (life.told_at is None or now - life.told_at >= terms.cooldown)
    if life.state == OK:
        life = life._replace(state=PENDING, since=now)
    if life.state == PENDING:
        if now - life.since < terms.hold:
            return life, []
        life = life._replace(state=FIRING, since=now, is_told=False)
        return (_told(life, now) if may_tell else life), [Change(FIRED, may_tell)]
    if may_tell and not life.is_told:
        return _told(life, now), [Change(FIRED, True)]
    return life, []


def _without(life: Life, now: int, terms: Terms, quiet: bool) -> tuple[Life, list[Change]]:
    if life.state == PENDING:
        return life._replace(state=OK, since=now), []
    if life.state == FIRING and now - life.held_at >= terms.linger:
        tell = life.is_told and not quiet
        return life._replace(state=OK, since=now, is_told=False), [Change(RESOLVED, tell)]
    return life, []


def _told(life: Life, now: int) -> Life:
    return life._replace(told_at=now, is_told=True)
