"""Stack frames, exceptions and threads of many dialects, read into the shapes of `models`.

Frames are most of an event, so a frame with nothing unusual in it takes a short way (`_usual_frame`)
that gives the same result as the thorough one (`_thorough_frame`). What a client says about a frame
beyond `models.Frame` (`raw_function`, `stack_start` …) is left out without a note.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

from crashvault.ingest.clean import Notes, accepts, box, is_harmless, is_number, mapping, name, whole
from crashvault.models import ExceptionInfo, Frame

if TYPE_CHECKING:
    from crashvault.ingest.traces import ParsedTrace

LINE_MAX = 2**31 - 1

_TEXTS: dict[str, tuple[str, ...]] = {
    "file": ("filename", "file", "path", "abs_path"),
    "function": ("function", "name", "method"),
    "module": ("module",),
    "context_line": ("context_line", "context", "code"),
    "package": ("package",),
    "abs_path": ("abs_path",),
}
_NUMBERS: dict[str, tuple[str, ...]] = {
    "line": ("lineno", "line", "line_number"),
    "column": ("colno", "column", "column_number"),
    "count": ("count",),
}
_ENOUGH_FOR_A_FRAME = ("file", "function", "module", "context_line", "package", "instruction_addr")
_USUAL_KEYS = frozenset(
    ("filename", "file", "abs_path", "lineno", "line", "colno", "column", "function", "module", "in_app")
    + ("pre_context", "context_line", "post_context", "vars", "platform", "raw_function", "source_link")
    + ("stack_start", "trust", "addr_mode", "symbol_addr", "image_addr", "lock")
)

_EXTENSIONS: dict[str, tuple[str, ...]] = {
    "python": ("py", "pyx", "pyw", "pyi"),
    "javascript": ("js", "mjs", "cjs", "jsx", "ts", "mts", "cts", "tsx", "vue", "svelte"),
    "java": ("java", "kt", "kts", "scala", "groovy", "clj"),
    "go": ("go",),
    "rust": ("rs",),
    "ruby": ("rb", "erb", "rake"),
    "php": ("php", "phtml"),
    "csharp": ("cs", "vb", "fs", "cshtml", "razor"),
    "native": ("c", "cc", "cpp", "cxx", "h", "hh", "hpp", "m", "mm", "swift", "s", "asm"),
    "elixir": ("ex", "exs", "erl"),
}
_PLATFORM_OF: dict[str, str] = {end: platform for platform, ends in _EXTENSIONS.items() for end in ends}


def frames(raw: Any, field: str, notes: Notes) -> list[Frame]:
    """Frames from a list, or from a mapping with `frames`; oldest call first, as they come.

    Of too many the first and the last are kept: entry points are at one end, the crash at the other.
    """
    if isinstance(raw, dict):
        raw = raw.get("frames")
    if not isinstance(raw, list | tuple):
        if raw is not None:
            notes.add(field, "wrong_type", type(raw).__name__)
        return []
    first, last = notes.limits.first_frames, notes.limits.last_frames
    if len(raw) > first + last:
        notes.add(field, "too_many", f"{len(raw)} frames")
        raw = [*raw[:first], *raw[-last:]]
    usual = _usual_frames(raw, notes)
    return _mixed_frames(raw, field, notes) if usual is None else usual


def _usual_frames(raw: Sequence[Any], notes: Notes) -> list[Frame] | None:
    """All frames, if all are usual."""
    kept: list[Frame] = []
    nested: list[Any] = []
    for item in raw:
        frame = _usual_frame(item, nested, notes) if type(item) is dict else None
        if frame is None:
            return None
        kept.append(frame)
    if nested and not accepts(nested, notes.limits.line, notes.limits.depth - 1, notes):
        return None
    return kept


def _mixed_frames(raw: Sequence[Any], field: str, notes: Notes) -> list[Frame]:
    kept: list[Frame] = []
    for index, item in enumerate(raw):
        usual = _usual_frames((item,), notes)
        frame = usual[0] if usual else _thorough_frame(item, f"{field}.{index}", notes)
        if frame:
            kept.append(frame)
    return kept


def _usual_frame(raw: dict[str, Any], nested: list[Any], notes: Notes) -> Frame | None:
    """The frame if all is well with it, else None. Containers among its variables go to `nested`, unchecked.

    One function with everything in place, since it runs for every frame of every event: texts are
    gathered and looked at together, and one that is no text shows when they are joined.
    """
    if not raw.keys() <= _USUAL_KEYS:
        return None
    get = raw.get
    file, path = get("filename") or get("file"), get("abs_path")
    function, module, in_app = get("function"), get("module"), get("in_app")
    line, column = get("lineno") or get("line"), get("colno") or get("column")
    before, code, after, variables = get("pre_context"), get("context_line"), get("post_context"), get("vars")
    if (
        not (type(line) is int and 0 < line <= LINE_MAX and file and function)
        or (column and not (type(column) is int and 0 < column <= LINE_MAX))
        or (in_app is not None and type(in_app) is not bool)
    ):
        return None
    frame: Frame = {"file": file, "line": line, "function": function}
    texts = [file, function]
    if path and path != file:
        frame["abs_path"] = path
        texts.append(path)
    if module:
        frame["module"] = module
        texts.append(module)
    if column:
        frame["column"] = column
    if in_app is not None:
        frame["in_app"] = in_app
    if code:
        frame["context_line"] = code
        texts.append(code)
    if before:
        if type(before) is not list or len(before) > notes.limits.source_lines:
            return None
        frame["pre_context"] = before
        texts += before
    if after:
        if type(after) is not list or len(after) > notes.limits.source_lines:
            return None
        frame["post_context"] = after
        texts += after
    if variables:
        if type(variables) is not dict or not _gather_variables(variables, texts, nested, notes):
            return None
        frame["vars"] = variables
    return frame if _are_usual_texts(texts, notes) else None


def _gather_variables(variables: dict[str, Any], texts: list[Any], nested: list[Any], notes: Notes) -> bool:
    texts += variables
    for value in variables.values():
        kind = type(value)
        if kind is str:
            texts.append(value)
        elif kind is dict or kind is list:
            if value:
                nested.append(value)
        elif not (value is None or kind is bool or is_number(value)):
            return False
    return len(variables) <= notes.limits.keys


def _are_usual_texts(texts: list[Any], notes: Notes) -> bool:
    """Whether all are texts, none over the limit, without bad characters."""
    try:
        text = "".join(texts)
    except TypeError:
        return False
    size, longest = len(text), notes.limits.line
    if (size > longest and max(map(len, texts)) > longest) or "\0" in text:
        return False
    notes.size += size + 40 + 8 * len(texts)
    return text.isascii() or is_harmless(text)


def _thorough_frame(raw: Any, field: str, notes: Notes) -> Frame | None:
    if isinstance(raw, str):
        raw = {"function": raw.strip()}
    if not isinstance(raw, dict):
        notes.add(field, "wrong_type", type(raw).__name__)
        return None
    frame: dict[str, Any] = {}
    for key, sources in _TEXTS.items():
        _take(frame, key, raw, sources, lambda value, path: name(value, notes.limits.line, path, notes), field)
    for key, sources in _NUMBERS.items():
        _take(frame, key, raw, sources, lambda value, path: whole(value, 1, LINE_MAX, path, notes), field)
    if frame.get("abs_path") == frame.get("file"):
        frame.pop("abs_path", None)
    if (address := _address(raw.get("instruction_addr"), f"{field}.instruction_addr", notes)) is not None:
        frame["instruction_addr"] = address
    if raw.get("in_app") in (True, False):
        frame["in_app"] = bool(raw["in_app"])
    if not any(key in frame for key in _ENOUGH_FOR_A_FRAME):
        notes.add(field, "invalid", "a frame without file, function and address")
        return None
    _take_source(frame, raw, field, notes)
    if variables := mapping(raw.get("vars") or raw.get("locals"), notes.limits.line, f"{field}.vars", notes):
        frame["vars"] = variables
    notes.size += 80
    return cast(Frame, frame)


def _take(
    part: dict[str, Any],
    key: str,
    raw: dict[str, Any],
    sources: tuple[str, ...],
    read: Callable[[Any, str], Any],
    field: str,
) -> None:
    """Set `part[key]` from the first of the names in `sources` that gives a value."""
    for source in sources:
        if (given := raw.get(source)) and (value := read(given, f"{field}.{source}")) is not None:
            part[key] = value
            return


def _take_source(frame: dict[str, Any], raw: dict[str, Any], field: str, notes: Notes) -> None:
    before = _source_lines(raw.get("pre_context"), f"{field}.pre_context", notes)
    after = _source_lines(raw.get("post_context"), f"{field}.post_context", notes)
    if before:
        frame["pre_context"] = before[-notes.limits.source_lines :]
    if after:
        frame["post_context"] = after[: notes.limits.source_lines]


def _source_lines(raw: Any, field: str, notes: Notes) -> list[str]:
    if isinstance(raw, str):
        raw = raw.splitlines()
    if not isinstance(raw, list | tuple):
        if raw is not None:
            notes.add(field, "wrong_type", type(raw).__name__)
        return []
    if len(raw) > notes.limits.source_lines:
        notes.add(field, "too_many", f"{len(raw)} lines")
        spare = notes.limits.source_lines
        raw = raw[-spare:] if field.endswith("pre_context") else raw[:spare]
    return [name(line, notes.limits.line, f"{field}.{index}", notes) or "" for index, line in enumerate(raw)]


def _address(raw: Any, field: str, notes: Notes) -> str | None:
    if type(raw) is int and 0 <= raw < 2**64:
        return hex(raw)
    return name(raw, 100, field, notes)


def exceptions(raw: Any, field: str, notes: Notes) -> list[ExceptionInfo]:
    """A chain, root cause first: from a list, a mapping with `values`, one mapping, or a text."""
    if isinstance(raw, dict) and isinstance(raw.get("values"), list | tuple):
        raw = raw["values"]
    if isinstance(raw, dict | str):
        raw = [raw]
    if not isinstance(raw, list | tuple):
        if raw is not None:
            notes.add(field, "wrong_type", type(raw).__name__)
        return []
    if len(raw) > (most := notes.limits.exceptions):
        notes.add(field, "too_many", f"{len(raw)} exceptions")
        raw = [*raw[: most // 2], *raw[most // 2 - most :]]
    found = (_exception(item, f"{field}.{index}", notes) for index, item in enumerate(raw))
    return [exception for exception in found if exception]


def _exception(raw: Any, field: str, notes: Notes) -> ExceptionInfo | None:
    if isinstance(raw, str):
        raw = _split_title(raw)
    if not isinstance(raw, dict):
        if raw is not None:
            notes.add(field, "wrong_type", type(raw).__name__)
        return None
    get, limit = raw.get, notes.limits.name
    kept: dict[str, Any] = {
        "type": name(get("type") or get("name"), limit, f"{field}.type", notes),
        "value": _exception_value(get("value") or get("message"), f"{field}.value", notes),
        "module": name(get("module"), limit, f"{field}.module", notes),
        "frames": exception_frames(raw, field, notes),
        "mechanism": mapping(get("mechanism"), notes.limits.text, f"{field}.mechanism", notes),
        "thread": name(get("thread_id") if get("thread") is None else get("thread"), limit, f"{field}.thread", notes),
    }
    notes.size += 80
    kept = {key: value for key, value in kept.items() if value}
    return cast(ExceptionInfo, kept) if kept.keys() & {"type", "value", "frames"} else None


def _split_title(text: str) -> dict[str, Any]:
    """`ValueError: no` as type and value; a text that does not begin with a type's name is a value."""
    head, colon, rest = text.partition(":")
    if colon and len(head) < 200 and head.replace(".", "_").isidentifier():
        return {"type": head, "value": rest.strip()}
    return {"value": text}


def _exception_value(raw: Any, field: str, notes: Notes) -> str | None:
    if isinstance(raw, dict | list | tuple):
        kept = box(raw, notes.limits.value, field, notes) if type(raw) in (dict, list) else None
        raw = json.dumps(kept, ensure_ascii=False) if kept is not None else None
    return name(raw, notes.limits.value, field, notes)


def exception_frames(raw: dict[str, Any], field: str, notes: Notes) -> list[Frame]:
    """The frames of one exception or thread, which may have come as text."""
    for key in ("frames", "stacktrace", "stack"):
        stack = raw.get(key)
        if isinstance(stack, str):
            parsed = parse_text(stack[: notes.limits.stacktrace], f"{field}.{key}", notes)
            if parsed and parsed.exceptions:
                return frames(parsed.exceptions[-1].get("frames"), f"{field}.{key}", notes)
        elif stack:
            return frames(stack, f"{field}.{key}", notes)
    return []


def parse_text(text: str, field: str, notes: Notes) -> ParsedTrace | None:
    """What the stack trace parsers make of a text. Never raises: their trouble is noted."""
    from crashvault.ingest.traces import parse_stacktrace

    try:
        return parse_stacktrace(text, language=None)
    except Exception as error:
        notes.add(field, "unreadable", f"{type(error).__name__} while reading the stack trace")
        return None


def threads(raw: Any, field: str, notes: Notes) -> list[dict[str, Any]]:
    """Threads from a list or a mapping with `values`: id, name, crashed, current, main, state, frames."""
    if isinstance(raw, dict):
        raw = raw.get("values")
    if not isinstance(raw, list | tuple):
        if raw is not None:
            notes.add(field, "wrong_type", type(raw).__name__)
        return []
    if len(raw) > notes.limits.threads:
        notes.add(field, "too_many", f"{len(raw)} threads")
        raw = raw[: notes.limits.threads]
    found = (_thread(item, f"{field}.{index}", notes) for index, item in enumerate(raw))
    return [thread for thread in found if thread]


def _thread(raw: Any, field: str, notes: Notes) -> dict[str, Any] | None:
    if not isinstance(raw, dict):
        notes.add(field, "wrong_type", type(raw).__name__)
        return None
    kept: dict[str, Any] = {
        key: name(raw.get(key), notes.limits.name, f"{field}.{key}", notes) for key in ("id", "name", "state")
    }
    kept |= {key: True for key in ("crashed", "current", "main") if raw.get(key) is True}
    kept["frames"] = exception_frames(raw, field, notes)
    notes.size += 80
    return {key: value for key, value in kept.items() if value} or None


def guess_platform(found: list[Frame]) -> str | None:
    """The platform that the file names tell, seen from the crash."""
    for frame in reversed(found):
        if platform := _PLATFORM_OF.get((frame.get("file") or "").rpartition(".")[2].partition("?")[0].lower()):
            return platform
    return None


def decide_in_app(found: list[Frame], platform: str) -> None:
    """Fill in `in_app` where the client did not say it."""
    open_frames = [frame for frame in found if "in_app" not in frame]
    if not open_frames:
        return
    from crashvault.ingest.in_app import is_in_app

    for frame in open_frames:
        frame["in_app"] = is_in_app(
            platform, frame.get("file"), frame.get("module") or frame.get("package"), frame.get("function")
        )
