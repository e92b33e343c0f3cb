"""The native event body: JSON in bytes to raw events, with an error that says what is wrong with it.

Only the outer form is checked here; everything inside an event is for `normalize`. msgspec decodes what
is well-formed. What it refuses gets a second look from the standard library, for its error messages and
because it reads lone surrogates, which browsers send when they have cut a text inside an emoji. Of a
key that stands twice in an object the last value counts, as nearly everywhere.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

from crashvault.errors import InvalidError
from crashvault.ingest.clean import plain
from crashvault.models import AttachmentInfo

MOST_EVENTS = 1_000
MOST_ATTACHMENTS = 20
LARGEST_ATTACHMENT = 20_971_520  # bytes


class BodyError(InvalidError):
    """A body, or an entry of a batch, that is no event. `code` tells programs what is wrong with it."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        self.code = code
        super().__init__(message, hint)


def parse_event(body: bytes) -> dict[str, Any]:
    """The raw event in a body.

    Raises BodyError with the codes invalid_utf8, invalid_json, too_deep and not_an_object.
    """
    return _checked(parse_json(body), "The body")


def parse_batch(body: bytes) -> list[dict[str, Any] | BodyError]:
    """The raw events of `{"events": […]}` or of a bare list, at most 1,000; an error for each that is none.

    Raises BodyError as `parse_event`, and with the codes not_a_batch and too_many_events.
    """
    batch = parse_json(body)
    events = batch.get("events") if isinstance(batch, dict) else batch
    if not isinstance(events, list):
        raise BodyError("not_a_batch", "The body has no list of events", 'Send {"events": […]}')
    if len(events) > MOST_EVENTS:
        raise BodyError("too_many_events", f"The batch has {len(events)} events", f"Send at most {MOST_EVENTS} at once")
    return [_event_or_error(event, index) for index, event in enumerate(events)]


def _event_or_error(value: Any, index: int) -> dict[str, Any] | BodyError:
    try:
        return _checked(value, f"Entry {index} of the batch")
    except BodyError as error:
        return error


def _checked(value: Any, what: str) -> dict[str, Any]:
    if type(value) is dict:
        return value
    raise BodyError("not_an_object", f"{what} is no JSON object", "An event is an object: {…}")


def parse_json(body: bytes) -> Any:
    """Any JSON value, in time linear in the length of the body. Raises BodyError, see `parse_event`."""
    try:
        import msgspec
    except ImportError:
        return _parse_slowly(body)
    try:
        return msgspec.json.decode(body)
    except RecursionError as error:
        raise _too_deep() from error
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return _parse_slowly(body)


def _parse_slowly(body: bytes) -> Any:
    try:
        text = bytes(body).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BodyError("invalid_utf8", f"The body is not UTF-8 (byte {error.start})", "Encode it as UTF-8") from error
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise _too_deep() from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise BodyError("invalid_json", f"The body is no JSON: {error.msg} ({where})") from error
    except ValueError as error:  # an integer of thousands of digits
        raise BodyError("invalid_json", "The body is no JSON: a number has too many digits") from error


def _too_deep() -> BodyError:
    return BodyError("too_deep", "The body is nested too deeply", "Eight levels are kept of any value")


def _refuse_constant(word: str) -> NoReturn:
    raise BodyError("invalid_json", f"The body is no JSON: {word} is no number there", "Send null or a text")


def split_attachments(raw: dict[str, Any]) -> list[tuple[AttachmentInfo, bytes]]:
    """Take the attachments' contents (base64 in `data`) out of a raw event: what they are, and their bytes.

    The event keeps name, type, size and digest of each; one that cannot be taken is named in its errors.
    """
    given = raw.get("attachments")
    if not isinstance(given, list):
        return []
    taken: list[tuple[AttachmentInfo, bytes]] = []
    kept: list[Any] = []
    errors: list[dict[str, str]] = []
    for index, item in enumerate(given[:MOST_ATTACHMENTS]):
        if not isinstance(item, dict) or "data" not in item:
            kept.append(item)
            continue
        content = _content(item["data"])
        if isinstance(content, str):
            errors.append({"field": f"attachments.{index}.data", "reason": "invalid", "detail": content})
            continue
        info = _attachment_info(item, index, content)
        taken.append((info, content))
        kept.append(info)
    raw["attachments"] = [*kept, *given[MOST_ATTACHMENTS:]]
    if errors:
        raw["errors"] = [*(raw["errors"] if isinstance(raw.get("errors"), list) else ()), *errors]
    return taken


def _content(data: Any) -> bytes | str:
    """The bytes of an attachment, or what is wrong with it."""
    import binascii

    if not isinstance(data, str) or not data.isascii():
        return "base64 text is expected"
    if data.startswith("data:"):
        data = data.partition(",")[2]
    if len(data) * 3 // 4 > LARGEST_ATTACHMENT + 3:
        return f"more than {LARGEST_ATTACHMENT} bytes"
    try:
        return binascii.a2b_base64(data.translate(_FROM_URL_SAFE))
    except binascii.Error as error:
        return str(error)


_FROM_URL_SAFE = {ord("-"): "+", ord("_"): "/"}


def _attachment_info(item: dict[str, Any], index: int, content: bytes) -> AttachmentInfo:
    import hashlib

    name, kind = item.get("name"), item.get("content_type")
    return {
        "name": plain(name, 250) if isinstance(name, str) and name else f"attachment-{index + 1}",
        "content_type": plain(kind, 250) if isinstance(kind, str) and kind else "application/octet-stream",
        "size": len(content),
        "digest": hashlib.sha256(content).hexdigest(),
    }
