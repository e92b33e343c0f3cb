"""Stack traces as text: the way a language prints them is left to the text that was given; ours is Python's."""

from __future__ import annotations

from collections.abc import Iterator

from ..models import Event, ExceptionInfo, Frame


def stack_text(event: Event) -> str:
    """An event's stack trace as plain text: as it was given, else in the form that Python prints. "" without one."""
    given = event.get("stacktrace")
    if given:
        return given
    chain = [link for link in event.get("exceptions", ()) if link.get("frames")]
    if chain:
        return "\n".join(line for link in event["exceptions"] for line in _exception_lines(link))
    return "\n".join(_frame_lines(event.get("frames", ())))


def _exception_lines(link: ExceptionInfo) -> Iterator[str]:
    frames = link.get("frames", ())
    if frames:
        yield "Traceback (most recent call last):"
        yield from _frame_lines(frames)
    yield headline(link)


def headline(link: ExceptionInfo) -> str:
    """`Type: value` of an exception."""
    kind, value = link.get("type") or "", link.get("value") or ""
    return f"{kind}: {value}" if kind and value else kind or value


def _frame_lines(frames: Iterator[Frame] | list[Frame] | tuple[()]) -> Iterator[str]:
    for frame in frames:
        where = frame.get("file") or frame.get("module") or frame.get("package") or "?"
        line = f", line {frame['line']}" if frame.get("line") else ""
        function = frame.get("function")
        yield f'  File "{where}"{line}{f", in {function}" if function else ""}'
        source = (frame.get("context_line") or "").strip()
        if source:
            yield f"    {source}"
