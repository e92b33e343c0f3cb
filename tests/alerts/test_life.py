"""From a condition that holds to one that has ceased, and what people hear on the way."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from crashvault.alerts.life import FIRED, FIRING, OK, PENDING, RESOLVED, Change, Life, Terms, step
from crashvault.clock import MINUTE, SECOND

TERMS = Terms(hold=0, linger=MINUTE, cooldown=10 * MINUTE)


def _run(holds: str, terms: Terms, every: int = 10 * SECOND, quiet: str = "") -> list[tuple[int, str, bool]]:
    """What happens while a condition holds (`#`) or not (`.`), looked at every ten seconds; (look, what, told)."""
    life, found = Life(), []
    for look, sign in enumerate(holds):
        hushed = quiet[look : look + 1] == "q"
        life, changes = step(life, sign == "#", (look + 1) * every, terms, quiet=hushed)
        found += [(look, change.what, change.tell) for change in changes]
    return found


def test_it_fires_at_once_and_ends_when_it_has_not_held_for_a_while() -> None:
    assert _run("..##......", TERMS) == [(2, FIRED, True), (9, RESOLVED, True)]


def test_a_short_pause_does_not_end_it() -> None:
    assert _run("##...##...##", TERMS) == [(0, FIRED, True)]


def test_it_waits_until_it_has_held_long_enough() -> None:
    terms = TERMS._replace(hold=30 * SECOND)
    assert _run("##.###", terms) == []
    assert _run("####", terms) == [(3, FIRED, True)]


def test_within_the_cooldown_it_is_kept_to_ourselves() -> None:
    again = "#" + "." * 7 + "#" + "." * 7
    assert _run(again, TERMS) == [(0, FIRED, True), (6, RESOLVED, True), (8, FIRED, False), (14, RESOLVED, False)]


def test_what_still_lasts_when_the_cooldown_ends_is_told_then() -> None:
    terms = TERMS._replace(cooldown=2 * MINUTE)
    assert _run("#......." + "#" * 8, terms) == [
        (0, FIRED, True),
        (6, RESOLVED, True),
        (8, FIRED, False),
        (12, FIRED, True),
    ]


def test_a_muted_rule_fires_in_silence_and_speaks_when_it_may() -> None:
    assert _run("#####", TERMS, quiet="qqq") == [(0, FIRED, False), (3, FIRED, True)]
    assert _run("#......", TERMS, quiet="qqqqqqq") == [(0, FIRED, False), (6, RESOLVED, False)]


@given(
    st.text(alphabet="#.", max_size=80),
    st.integers(0, 5).map(lambda n: n * 10 * SECOND),
    st.integers(0, 12).map(lambda n: n * 10 * SECOND),
    st.text(alphabet="q.", max_size=80),
)
def test_people_hear_of_each_firing_and_of_its_end_in_turn(holds: str, hold: int, cooldown: int, quiet: str) -> None:
    terms = Terms(hold, 20 * SECOND, cooldown)
    told = [(look, what) for look, what, tell in _run(holds, terms, quiet=quiet) if tell]
    fired = [look for look, what in told if what == FIRED]
    assert all(later - earlier >= cooldown / (10 * SECOND) for earlier, later in pairwise(fired))
    assert [what for _, what in told][:1] in ([], [FIRED])
    ends = [what for _, what in told]
    assert all(before == FIRED for before, after in pairwise(ends) if after == RESOLVED)


def test_states() -> None:
    life, changes = step(Life(), True, 5, Terms(hold=10))
    assert (life.state, changes) == (PENDING, [])
    life, changes = step(life, True, 15, Terms(hold=10))
    assert (life.state, changes) == (FIRING, [Change(FIRED, True)])
    life, _ = step(life, False, 15 + MINUTE, Terms(hold=10))
    assert life.state == OK
