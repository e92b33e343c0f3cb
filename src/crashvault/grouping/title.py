"""What an issue is called: one line for lists, and the place it happened in."""

from __future__ import annotations

from ..models import Event, Frame
from . import names
from .patterns import compiled

MAX_TITLE = 200  # characters

_CONTROL = "[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]+"


def title_of(event: Event) -> str:
    """`ValueError: invalid literal…`: the exception that was raised last, or the message's first line.

    At most 200 characters, without control and direction characters.
    """
    exceptions = event.get("exceptions")
    if exceptions:
        last = exceptions[-1]
        type_, value = (last.get("type") or "").strip(), _first_line(last.get("value") or "")
        if type_ or value:
            return _clean(f"{type_}: {value}" if type_ and value else type_ or value)
    return _clean(_first_line(event.get("message") or "")) or "(no message)"


def culprit_of(event: Event, frame: Frame | None) -> str:
    """`orders.api in create_order`, or `orders/api.py in create_order` when the module is not known."""
    if frame is None:
        return _clean(event.get("transaction") or event.get("source") or "")
    module, file = frame.get("module"), frame.get("file")
    where = module if module and module != "__main__" else _short(file or module or "")
    function = frame.get("function") or ""
    return _clean(f"{where} in {function}" if where and function else where or function)


def _short(file: str) -> str:
    """The path inside of its project, with its extension."""
    stem = names.file_name(file)
    name = file.replace("\\", "/").rpartition("/")[2].partition("?")[0]
    folder = stem.rpartition("/")[0]
    return f"{folder}/{name}" if folder else name


def _first_line(text: str) -> str:
    text = text[:4000].strip()
    newline = text.find("\n")
    return text if newline < 0 else text[:newline].rstrip()


def _clean(text: str) -> str:
    if not text.isprintable():
        text = compiled(_CONTROL).sub(" ", text).strip()
    return text if len(text) <= MAX_TITLE else f"{text[: MAX_TITLE - 1]}…"
