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


def step(life: Life, holds: bool, now: int, terms: Terms) -> tuple[Life, list[Change]]:
    """The next state at a time, and what has happened.

    A firing within the cooldown is kept to ourselves; if it still lasts when that ends, people hear of it then. They
    hear of the end of what they have heard of.
    """
    changes: list[Change] = []
    if holds:
        life = life._replace(held_at=now)
        if life.state == OK:
            life = life._replace(state=PENDING, since=now)
        if life.state == PENDING and now - life.since >= terms.hold:
            life = life._replace(state=FIRING, since=now, is_told=False)
            told = life.told_at is None or now - life.told_at >= terms.cooldown
            changes.append(Change(FIRED, told))
            life = _told(life, now) if told else life
        elif (
            life.state == FIRING
            and not life.is_told
            and life.told_at is not None
            and now - life.told_at >= terms.cooldown
        ):
            changes.append(Change(FIRED, True))
            life = _told(life, now)
    elif life.state == PENDING:
        life = life._replace(state=OK, since=now)
    elif life.state == FIRING and now - life.held_at >= terms.linger:
        changes.append(Change(RESOLVED, life.is_told))
        life = life._replace(state=OK, since=now, is_told=False)
    return life, changes


def _told(life: Life, now: int) -> Life:
    return life._replace(told_at=now, is_told=True)
