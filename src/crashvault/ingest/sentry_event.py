"""Sentry's event payload to the raw shape of the native body, for `normalize` to read.

The payload is described under "Event Payloads" in Sentry's developer documentation. SDKs take liberties
with it (lists for `{"values": […]}`, lists of pairs for mappings), which are met here; whatever is
wrong beyond that is passed on, and named in the event's errors by `normalize`.
"""

from __future__ import annotations

import re
from typing import Any

from crashvault.ingest.clean import scalar_text
from crashvault.ingest.fields import PLATFORM_WORDS, PLATFORMS

_SAME: tuple[str, ...] = (
    "event_id",
    "timestamp",
    "level",
    "logger",
    "transaction",
    "release",
    "dist",
    "environment",
    "fingerprint",
) + ("modules", "debug_meta", "tags", "exception", "breadcrumbs", "sdk", "stacktrace", "attachments")
_OTHER_NAMES = {"server_name": "host", "culprit": "transaction"}
_MOST_PARAMETERS = 100
_LONGEST_MESSAGE = 8_192
_LONGEST_PARAMETER = 1_024
_CONVERSION = r"%(?:%|(?:\((\w{1,100})\))?[-+#0 ]{0,3}[0-9]{0,3}(?:\.[0-9]{1,3})?[sdiufFgGeExXrcoaj])"


def to_raw(payload: dict[str, Any], *, envelope_header: dict[str, Any] | None = None) -> dict[str, Any]:
    """The raw event of a payload; its parts become parts of the result.

    The envelope's `event_id` counts more than the payload's, what its `trace` tells counts where the
    payload is silent. Never raises, whatever the types inside are.
    """
    raw = {key: payload[key] for key in _SAME if key in payload}
    for key, name in _OTHER_NAMES.items():
        if payload.get(key):
            raw.setdefault(name, payload[key])
    raw["message"] = _message(payload.get("logentry")) or _message(payload.get("message"))
    raw["request"] = _request(payload.get("request"))
    raw["user"] = _user(payload.get("user"))
    raw["errors"] = _errors(payload.get("errors"))
    if "fingerprint" not in raw and isinstance(payload.get("checksum"), str):
        raw["fingerprint"] = [payload["checksum"]]
    _take_threads(payload, raw)
    _take_contexts(payload, raw)
    _take_platform(payload, raw)
    _take_header(envelope_header, raw)
    return {key: value for key, value in raw.items() if value is not None}


def _message(value: Any) -> Any:
    """The text of `"…"` or `{message, params, formatted}`."""
    if not isinstance(value, dict):
        return value
    if formatted := value.get("formatted"):
        return formatted
    text, params = value.get("message"), value.get("params")
    if isinstance(text, str) and isinstance(params, list | dict) and params:
        return _formatted(text[:_LONGEST_MESSAGE], params)
    return text


def _formatted(text: str, params: list[Any] | dict[str, Any]) -> str:
    """What `text % params` would give, but with each parameter as plain text, whatever width is asked for."""
    given = iter(params[:_MOST_PARAMETERS]) if isinstance(params, list) else iter(())

    def fill(match: re.Match[str]) -> str:
        if match[0] == "%%":
            return "%"
        if match[1] and isinstance(params, dict):
            return _parameter(params[match[1]]) if match[1] in params else match[0]
        value = next(given, match)
        return match[0] if value is match else _parameter(value)

    return re.sub(_CONVERSION, fill, text)


def _parameter(value: Any) -> str:
    if isinstance(value, str):
        return value[:_LONGEST_PARAMETER]
    return "None" if value is None else scalar_text(value) or f"<{type(value).__name__}>"


def _request(value: Any) -> Any:
    """The request, with headers, cookies and environment as mappings where they came as lists of pairs."""
    if isinstance(value, str):
        return {"url": value}
    if not isinstance(value, dict):
        return value or None
    for key in ("headers", "cookies", "env"):
        if isinstance(value.get(key), list):
            value[key] = _mapping_of(value[key])
    return value


def _mapping_of(pairs: list[Any]) -> Any:
    """Pairs as a mapping, repeated names joined as HTTP joins headers; the list if it holds no pairs."""
    found: dict[str, Any] = {}
    for pair in pairs:
        if not isinstance(pair, list) or len(pair) != 2 or not isinstance(pair[0], str):
            return pairs
        name, value = pair
        if name in found and isinstance(value, str) and isinstance(found[name], str):
            value = f"{found[name]}, {value}"
        found[name] = value
    return found


def _user(value: Any) -> Any:
    if isinstance(value, dict) and value.get("ip_address") == "{{auto}}":
        del value["ip_address"]  # asks the server to fill in the client's address, which is nobody's business
    return value


def _errors(value: Any) -> list[dict[str, str]] | None:
    """What the SDK had to leave out, as entries of an event's errors."""
    if not isinstance(value, list):
        return None
    noted: list[dict[str, str]] = []
    for error in value[:_MOST_PARAMETERS]:
        if isinstance(error, dict):
            kind, name, given = (error.get(key) for key in ("type", "name", "value"))
            told = [_parameter(part) for part in (kind, given) if part is not None]
            noted.append({"field": _parameter(name or "event"), "reason": "reported", "detail": ": ".join(told)})
    return noted


def _take_threads(payload: dict[str, Any], raw: dict[str, Any]) -> None:
    """Threads; the stack of the one that crashed goes where an event's own stack is, unless it has one."""
    threads = _values(payload.get("threads"))
    if threads is None:
        raw["threads"] = payload.get("threads") or None
        return
    raw["threads"] = threads
    chain = _values(raw.get("exception")) or [raw.get("exception")]
    last = chain[-1] if chain and isinstance(chain[-1], dict) else {}
    if last.get("stacktrace") or raw.get("stacktrace"):
        return
    if thread := _crashed(threads, last.get("thread_id")):
        raw["stacktrace"] = thread.pop("stacktrace")


def _values(value: Any) -> list[Any] | None:
    if isinstance(value, dict):
        value = value.get("values")
    return value if isinstance(value, list) else None


def _crashed(threads: list[Any], thread_id: Any) -> dict[str, Any] | None:
    """The thread that an exception names, else the crashed one, else the current one."""
    running = [thread for thread in threads if isinstance(thread, dict) and thread.get("stacktrace")]
    if thread_id is not None:
        for thread in running:
            if thread.get("id") == thread_id:
                return thread
    for sign in ("crashed", "current"):
        for thread in running:
            if thread.get(sign) is True:
                return thread
    return None


def _take_contexts(payload: dict[str, Any], raw: dict[str, Any]) -> None:
    """`extra`, the contexts by their names and `_meta` are the context; the trace's ids are the event's."""
    context: dict[str, Any] = {}
    extra, contexts = payload.get("extra"), payload.get("contexts")
    if isinstance(extra, dict):
        context.update(extra)
    elif extra:
        context["extra"] = extra
    for name, value in contexts.items() if isinstance(contexts, dict) else ():
        if name == "trace" and isinstance(value, dict):
            raw["trace_id"] = value.pop("trace_id", None)
            raw["span_id"] = value.pop("span_id", None)
        if value:
            context[name] = value
    if payload.get("_meta"):
        context["_meta"] = payload["_meta"]
    raw["context"] = context or None


def _take_platform(payload: dict[str, Any], raw: dict[str, Any]) -> None:
    """Our name of the platform; Sentry's own stays readable in `sdk`."""
    given = payload.get("platform")
    if not isinstance(given, str) or not given:
        return
    known = PLATFORM_WORDS.get(given.lower(), given.lower())
    raw["platform"] = known if known in PLATFORMS else "other"
    if raw["platform"] != given:
        sdk = raw.get("sdk")
        raw["sdk"] = {**sdk, "platform": given} if isinstance(sdk, dict) else {"platform": given}


def _take_header(header: Any, raw: dict[str, Any]) -> None:
    if not isinstance(header, dict):
        return
    if header.get("event_id"):
        raw["event_id"] = header["event_id"]
    if isinstance(header.get("sdk"), dict):
        raw.setdefault("sdk", header["sdk"])
    trace = header.get("trace")
    if isinstance(trace, dict):
        for key in ("trace_id", "release", "environment", "transaction"):
            if not raw.get(key):
                raw[key] = trace.get(key)
