"""Events over the size limit: the largest part is cut first, step by step, until the event fits."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from crashvault.ingest.clean import Notes

_SMALL = 16_384  # bytes of JSON that are never worth a cut
_FEW_FRAMES = 20
_FEW_BREADCRUMBS = 20


def shrink(event: dict[str, Any], notes: Notes) -> None:
    """Cut parts of `event` until its JSON has at most `limits.event` bytes, noting each cut.

    Only the message and what identifies the event is never cut; it is far below any sensible limit.
    """
    sizes = {key: json_size(value) for key, value in event.items()}
    steps = {key: list(_STEPS.get(key, ())) + [_drop] for key in event if key not in _KEPT}
    room = notes.limits.event - json_size({"errors": notes.all_errors()}) - _SMALL
    while sum(sizes.values()) + 20 * len(sizes) > room and steps:
        key = max(steps, key=sizes.__getitem__)
        detail = steps[key].pop(0)(event, key)
        if not steps[key]:
            del steps[key]
        if detail:
            sizes[key] = json_size(event[key]) if key in event else 0
            notes.add(key, "too_large", detail)


def json_size(value: Any) -> int:
    """Bytes of a value as compact JSON in UTF-8."""
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def _frame_lists(part: Any) -> Iterator[list[dict[str, Any]]]:
    """The lists of frames in `frames`, `exceptions` or `threads`."""
    if part and all("frames" not in item for item in part):
        yield part
    for item in part:
        if "frames" in item:
            yield item["frames"]


def _drop_from_frames(*keys: str) -> Callable[[dict[str, Any], str], str]:
    def step(event: dict[str, Any], part: str) -> str:
        gone = 0
        for found in _frame_lists(event[part]):
            for frame in found:
                gone += sum(frame.pop(key, None) is not None for key in keys)
        return f"{', '.join(keys)} of the frames were left out" if gone else ""

    return step


def _keep_last_frames(event: dict[str, Any], part: str) -> str:
    gone = 0
    for found in _frame_lists(event[part]):
        gone += max(0, len(found) - _FEW_FRAMES)
        del found[:-_FEW_FRAMES]
    return f"{gone} frames were left out" if gone else ""


def _keep_last_breadcrumbs(event: dict[str, Any], part: str) -> str:
    gone = max(0, len(event[part]) - _FEW_BREADCRUMBS)
    del event[part][:-_FEW_BREADCRUMBS]
    return f"{gone} breadcrumbs were left out" if gone else ""


def _cut_text(event: dict[str, Any], part: str) -> str:
    text = event[part]
    if len(text) <= _SMALL:
        return ""
    event[part] = f"{text[: _SMALL // 2]}\n…\n{text[-_SMALL // 2 :]}"
    return f"{len(text)} characters"


def _drop_largest_entries(event: dict[str, Any], part: str) -> str:
    """Leave out the entries of a mapping that are large, so that the small ones live on."""
    entries = event[part]
    if not isinstance(entries, dict):
        return ""
    large = [key for key, value in entries.items() if json_size(value) > _SMALL]
    for key in large:
        del entries[key]
    if not entries:
        del event[part]
    return f"left out: {', '.join(large)}" if large else ""


def _keep_outer_exceptions(event: dict[str, Any], part: str) -> str:
    gone = max(0, len(event[part]) - 2)
    del event[part][1:-1]
    for found in _frame_lists(event[part]):
        del found[:-2]
    return f"all but two frames and {gone} exceptions were left out"


def _drop(event: dict[str, Any], part: str) -> str:
    del event[part]
    return "left out"


_FRAME_STEPS = (
    _drop_from_frames("vars"),
    _drop_from_frames("pre_context", "post_context"),
    _keep_last_frames,
)
_STEPS: dict[str, tuple[Callable[[dict[str, Any], str], str], ...]] = {
    "exceptions": (*_FRAME_STEPS, _keep_outer_exceptions),
    "frames": _FRAME_STEPS,
    "threads": _FRAME_STEPS,
    "breadcrumbs": (_keep_last_breadcrumbs,),
    "stacktrace": (_cut_text,),
    "context": (_drop_largest_entries,),
    "request": (_drop_largest_entries,),
}
_KEPT = frozenset(("event_id", "project", "timestamp", "received_at", "level", "message", "errors"))
