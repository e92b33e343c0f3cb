"""Which frames of a stack say where the bug is.

The crash's own frame is often not it: it may be inside of an assertion, a decorator, a logging call, the
runtime or a library. What to pass over is data (the tables below), and frames are judged once: their
judgement is remembered by module, file and function, since the same frames come again and again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from ..models import Frame
from . import names
from .bounded import Memo
from .patterns import compiled
from .tables import (
    FRAMEWORKS,
    GUARD,
    GUARD_CLASSES,
    HELPERS,
    NATIVE_IGNORED,
    NATURAL_ERRORS,
    RECURSION_ERRORS,
    RUNTIME,
)

MAX_FRAMES = 250  # looked at, counted from the crash
STATE_FRAMES = 3  # frames in the crash state of a native trace, as ClusterFuzz counts


class Judgement(NamedTuple):
    """What one frame is worth, apart from the stack that it stands in."""

    place: str  # module or file; "" where the function's name says all
    function: str  # "" when it is anonymous
    app: bool  # the user's own code
    runtime: bool  # of the language or a framework
    helper: bool  # fails on behalf of its caller
    guard: bool  # checks on behalf of its caller
    transparent: bool  # a part of the function that called it
    plain: bool  # own code with a name and none of the above: nothing else needs a look
    text: str  # place and function, for keys and comparisons


_memo: Memo[tuple[object, ...], Judgement] = Memo(4096)


def judge(frame: Frame, platform: str | None) -> Judgement:
    """Classify one frame; remembered by what identifies it, so that lines and variables play no part."""
    function, module, file = frame.get("function"), frame.get("module"), frame.get("file")
    key = (function, module, file, frame.get("in_app"), platform)
    found = _memo.get(key)
    if found is None:
        found = _judge(function, module, file, frame.get("in_app"), platform)
        _memo.put(key, found)
    return found


def _judge(
    function: str | None, module: str | None, file: str | None, in_app: bool | None, platform: str | None
) -> Judgement:
    name = names.function_name(function, platform, minified=names.is_minified(file, platform))
    where = names.place(module, file, platform)
    if not where and not name and file:
        where = names.file_name(file)  # a compiler's runtime names the line alone
    if platform == "csharp" and not name and module:
        name = _state_machine(module)
    bare = compiled(r"[.:>/#]").split(name)[-1]
    owner = compiled(r"[.$:]").split(where)[-1]
    runtime = _is_runtime(where, name, file, in_app, platform)
    app = in_app is not False and not runtime
    helper = bare.lower() in HELPERS
    guard = compiled(GUARD).match(bare) is not None or owner in GUARD_CLASSES
    transparent = names.is_transparent(function, platform)
    plain = app and bool(name) and not (helper or guard or transparent)
    return Judgement(where, name, app, runtime, helper, guard, transparent, plain, f"{where} {name}".strip())


def _state_machine(module: str) -> str:
    """The method that an async state machine was compiled from: `Shop.Cart+<AddAsync>d__5` → `AddAsync`."""
    match = compiled(r"<(\w+)>d__").search(module)
    return match[1] if match else ""


def _is_runtime(where: str, name: str, file: str | None, in_app: bool | None, platform: str | None) -> bool:
    spoken = names.language(platform)
    if spoken is names.LANGUAGES["native"]:
        return compiled(NATIVE_IGNORED).match(name) is not None
    if file and file.startswith(("node:", "<frozen ", "<internal:")):
        return True
    return _begins(where or name, (RUNTIME if in_app is True else _FOREIGN).get(spoken.name))


_FOREIGN = {language: words | FRAMEWORKS[language] for language, words in RUNTIME.items()}


def _begins(subject: str, prefixes: frozenset[str] | None) -> bool:
    """Whether the name, or what stands before one of its separators, is in the table."""
    if not prefixes:
        return False
    marks = compiled(_SEPARATOR).finditer(subject)
    return subject in prefixes or any(subject[: mark.start()] in prefixes for mark in marks)


_SEPARATOR = r"[./:$# <>]|(?<=:)"


def significant_frames(
    frames: Sequence[Frame], platform: str | None, error: str | None = None, limit: int | None = None
) -> list[Frame]:
    """The frames that locate the bug, the one nearest the crash first.

    `frames` run from the oldest call to the crash. `error` is the short type of the exception: whether a
    function named `check…` is passed over depends on it. Frames of the user's own code if there are any, else
    those that are not of the runtime, else all. Native stacks give the crash state, three frames; others one,
    and the next named one if that is an anonymous function. `limit` asks for that many instead.
    """
    if limit is None:
        return [candidate.frame for candidate in _chosen(frames, platform, error)]
    walk = _walk(frames, platform, error, skip_helpers=not _is_native(platform))
    return [candidate.frame for candidate in islice(walk, limit)]


def locate(
    frames: Sequence[Frame], platform: str | None, error: str | None = None
) -> tuple[tuple[list[str], Frame | None], bool]:
    """((texts of the significant frames, the first of them), whether that is the user's own code)."""
    if error in RECURSION_ERRORS:
        members, frame = _cycle(frames, platform)
        if members:
            return (members, frame), True
    if frames and not _is_native(platform):
        crash = judge(frames[-1], platform)
        if crash.plain:  # The common case needs no walk.
            return ([crash.text], frames[-1]), True
    chosen = _chosen(frames, platform, error)
    if not chosen:
        return ([], None), False
    return ([item.judgement.text for item in chosen], chosen[0].frame), chosen[0].judgement.app


def _chosen(frames: Sequence[Frame], platform: str | None, error: str | None) -> list[Candidate]:
    if _is_native(platform):
        return list(islice(_walk(frames, platform, error, skip_helpers=False), STATE_FRAMES))
    chosen: list[Candidate] = []
    for candidate in _walk(frames, platform, error):
        if not chosen or candidate.judgement.function:
            chosen.append(candidate)
        if candidate.judgement.function:
            break
    return chosen


def _is_native(platform: str | None) -> bool:
    return names.language(platform) is names.LANGUAGES["native"]


class Candidate(NamedTuple):
    distance: int  # frames between it and the crash
    frame: Frame
    judgement: Judgement


def _walk(
    frames: Sequence[Frame], platform: str | None, error: str | None, skip_helpers: bool = True
) -> Iterator[Candidate]:
    """Candidates from the crash outwards, without leading helpers, each recursion once."""
    candidates = _candidates(frames, platform)
    if skip_helpers:
        candidates = _past_helpers(candidates, error not in NATURAL_ERRORS)
    last: Judgement | None = None
    for candidate in candidates:
        judgement = candidate.judgement
        if judgement != last and (judgement.function or judgement.place):
            yield candidate
        last = judgement


# For a stack without a frame of the user's own code: what to take instead, in order.
_LAST_RESORTS: tuple[Callable[[Candidate], object], ...] = (
    lambda item: item.frame.get("in_app") and not item.judgement.transparent,
    lambda item: not item.judgement.runtime and not item.judgement.transparent,
    lambda item: not item.judgement.transparent,
    lambda item: True,
)


def _candidates(frames: Sequence[Frame], platform: str | None) -> Iterator[Candidate]:
    judged: list[Candidate] = []
    for distance, frame in enumerate(reversed(frames[-MAX_FRAMES:])):
        candidate = Candidate(distance, frame, judge(frame, platform))
        judged.append(candidate)
        if candidate.judgement.app and not candidate.judgement.transparent:
            yield candidate
    if any(item.judgement.app and not item.judgement.transparent for item in judged):
        return
    for accepts in _LAST_RESORTS:
        found = [item for item in judged if accepts(item)]
        if found:
            yield from found
            return


def _past_helpers(candidates: Iterator[Candidate], guards: bool) -> Iterator[Candidate]:
    """Without the leading ones that only failed on behalf of their caller.

    A helper is passed over in favour of what called it directly (perhaps through one foreign frame, such as
    a functools call); if a framework called it, it is itself the place. Without any other frame the
    innermost stays.
    """
    first = held = None
    for candidate in candidates:
        if held is not None and candidate.distance > held.distance + 2:
            yield from (held, candidate)
            break
        judgement = candidate.judgement
        if not (judgement.helper or (guards and judgement.guard)):
            yield candidate
            break
        held = candidate
        first = first or candidate
    else:
        if first is not None:
            yield first
    yield from candidates


def frame_key(frame: Frame, platform: str | None) -> str:
    """One frame as text for keys and comparisons: place and function, never the line."""
    return judge(frame, platform).text


_CYCLE_SHARE = 3  # what repeats at least a third as often as the most frequent function belongs to the cycle


def _cycle(frames: Sequence[Frame], platform: str | None) -> tuple[list[str], Frame | None]:
    """The functions of an endless recursion, sorted; a frame may stand for many that were collapsed."""
    times: dict[str, int] = {}
    first: dict[str, Frame] = {}
    for _, frame, judgement in _candidates(frames, platform):
        if not judgement.text:
            continue
        times[judgement.text] = times.get(judgement.text, 0) + max(1, frame.get("count") or 1)
        first.setdefault(judgement.text, frame)
    most = max(times.values(), default=0)
    if most < _CYCLE_SHARE:
        return [], None
    members = sorted(text for text, count in times.items() if count * _CYCLE_SHARE >= most)[:STATE_FRAMES]
    return members, first[members[0]]
