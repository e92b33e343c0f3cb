"""Two lists of frames in the same order as far as they have it: how much of their weight they share.

After TraceSim (Vasiliev et al., 2020), which aligns stacks with weights of rarity and position, and FaST
(Rodrigues et al., 2022), which needs only the pairs of equal frames for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

DECAY = 0.5  # a frame's weight falls with its distance from the crash, to this power
SHIFT = 0.1  # of the weight is lost where equal frames stand one place apart; more, the further

Rarity = Callable[[int], float]


def weights(frames: Sequence[int], rarity: Rarity) -> list[float]:
    """What each frame counts for; the list runs from the crash outwards."""
    return [rarity(frame) / (1 + place) ** DECAY for place, frame in enumerate(frames)]


def alignment(left: Sequence[int], right: Sequence[int], rarity: Rarity) -> float:
    """The share of weight in frames that both have in the same order: 1 for equal lists, 0 for disjoint ones.

    A frame may occur more than once. Time grows with the number of pairs of equal frames.
    """
    left_weights, right_weights = weights(left, rarity), weights(right, rarity)
    places: dict[int, list[int]] = {}
    for place, frame in enumerate(right):
        places.setdefault(frame, []).append(place)
    best = [0.0] * (len(right) + 1)  # the heaviest alignment that ends before a place of `right`
    for place, frame in enumerate(left):
        found = places.get(frame)
        if found is None:
            continue
        for other in reversed(found):  # so that one frame of `left` is matched once
            gain = 2 * min(left_weights[place], right_weights[other]) / (1 + SHIFT * abs(place - other))
            candidate = best[other] + gain
            if candidate > best[other + 1]:
                _raise(best, other + 1, candidate)
    total = sum(left_weights) + sum(right_weights)
    return min(1.0, best[-1] / total) if total else 0.0


def _raise(best: list[float], start: int, value: float) -> None:
    """Keep the list ascending: what ends before a place may be used from there on."""
    for place in range(start, len(best)):
        if best[place] >= value:
            return
        best[place] = value


def common_prefix(left: Sequence[int], right: Sequence[int]) -> int:
    """How many frames from the crash on are equal."""
    count = 0
    for one, other in zip(left, right, strict=False):
        if one != other:
            break
        count += 1
    return count


def nearest_common(left: Sequence[int], right: Sequence[int]) -> int | None:
    """How far from the crash the first frame that both have is, in frames of both together."""
    places: dict[int, int] = {}
    for place, frame in enumerate(right):
        places.setdefault(frame, place)
    return min((place + places[frame] for place, frame in enumerate(left) if frame in places), default=None)
