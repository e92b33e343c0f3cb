"""Events of the Sentry SDKs as raw events of ours: other names, the same content. Pure, and trusts nothing.

Only what is told apart is done here: which part goes where. Types, lengths and depths are checked by
`normalize`, which takes all the shapes that the SDKs give exceptions, frames, tags and breadcrumbs.
The payload is described at develop.sentry.dev/sdk/data-model/event-payloads.
"""

from __future__ import annotations

from typing import Any

SAME = (
    "event_id", "timestamp", "platform", "level", "logger", "transaction", "release", "dist", "environment",
    "tags", "modules", "fingerprint", "user", "request", "breadcrumbs", "exception", "threads", "stacktrace",
    "sdk", "debug_meta",
)  # fmt: skip
# What says nothing about the crash, or is said elsewhere too.
LEFT_OUT = frozenset(
    ("type", "version", "transaction_info", "received", "site", "time_spent", "repos", "checksum", "culprit")
    + ("start_timestamp", "spans", "measurements", "_metrics", "_metrics_summary", "monitor_config", "geo")
)
_READ_APART = frozenset(("message", "logentry", "server_name", "extra", "contexts", "errors", "_meta"))
_KNOWN = frozenset(SAME) | LEFT_OUT | _READ_APART

_REMARKS = {"x": "too_long", "s": "scrubbed", "p": "scrubbed", "m": "scrubbed", "a": "reported", "e": "scrubbed"}
_MOST_REMARKS = 100
_MOST_NODES = 20_000


def to_raw(event: Any) -> dict[str, Any]:
    """The raw event, for `normalize`, of a decoded Sentry event. Never raises, whatever it is.

    Parts are taken over without being copied. Unknown keys are kept, so that `normalize` notes them.
    """
    if not isinstance(event, dict):
        return {"message": event} if isinstance(event, str) else {}
    raw = {key: event[key] for key in SAME if event.get(key) not in (None, "", [], {})}
    raw |= {key: value for key, value in event.items() if key not in _KNOWN and value is not None}
    if message := _message(event):
        raw["message"] = message
    if event.get("server_name"):
        raw["host"] = event["server_name"]
    _take_contexts(event, raw)
    _take_request(raw)
    if errors := [*_reported(event.get("errors")), *_remarks(event.get("_meta"))]:
        raw["errors"] = errors
    return raw


def _message(event: dict[str, Any]) -> str:
    """The message as it was shown: of a template the formatted text, made here where the client did not."""
    for key in ("logentry", "message"):
        given = event.get(key)
        if isinstance(given, dict):
            given = given.get("formatted") or _formatted(given.get("message"), given.get("params"))
        if isinstance(given, str) and given.strip():
            return given
    return ""


def _formatted(template: Any, params: Any) -> Any:
    if not params or not isinstance(template, str) or len(template) > 8192:
        return template
    if not isinstance(params, dict | list | tuple) or not _are_plain(params):
        return template
    pieces = template.split("%s") if "%" in template else template.split("{}")
    if isinstance(params, dict) or len(pieces) != len(params) + 1:
        return template
    values = [*map(str, params), ""]
    return "".join(f"{piece}{value}" for piece, value in zip(pieces, values, strict=True))


def _are_plain(params: Any) -> bool:
    values = params.values() if isinstance(params, dict) else params
    return all(isinstance(value, str | float) or (type(value) is int and abs(value) < 1 << 63) for value in values)


def _take_contexts(event: dict[str, Any], raw: dict[str, Any]) -> None:
    """`extra` and `contexts` become the one context; the trace's ids become fields of their own."""
    extra, contexts = event.get("extra"), event.get("contexts")
    context = dict(extra) if isinstance(extra, dict) else {}
    for name, value in contexts.items() if isinstance(contexts, dict) else ():
        if name == "trace" and isinstance(value, dict):
            raw |= {key: value[key] for key in ("trace_id", "span_id") if value.get(key)}
            value = {key: part for key, part in value.items() if key not in ("trace_id", "span_id") and part}
        if value not in (None, "", [], {}):
            context[f"contexts.{name}" if name in context else name] = value
    if context:
        raw["context"] = context


def _take_request(raw: dict[str, Any]) -> None:
    request, user = raw.get("request"), raw.get("user")
    if isinstance(request, dict) and isinstance(request.get("url"), str):
        raw["source"] = request["url"].partition("?")[0]
    if isinstance(user, dict) and user.get("ip_address") == "{{auto}}":  # asks a server to look
        raw["user"] = {key: value for key, value in user.items() if key != "ip_address"}


def _reported(errors: Any) -> list[dict[str, Any]]:
    """What the client could not send: `{type, name, value}` each."""
    if not isinstance(errors, list | tuple):
        return []
    found = (error for error in errors[:_MOST_REMARKS] if isinstance(error, dict))
    return [
        {"field": str(error.get("name") or "event")[:300], "reason": str(error.get("type"))[:300]} for error in found
    ]


def _remarks(meta: Any) -> list[dict[str, Any]]:
    """What the client cut or scrubbed, from the tree that mirrors the event: the key `""` holds remarks."""
    found: list[dict[str, Any]] = []
    nodes: list[tuple[str, Any]] = [("", meta)]
    for looked_at, (path, node) in enumerate(nodes):
        if looked_at >= _MOST_NODES or len(found) >= _MOST_REMARKS:
            break
        if not isinstance(node, dict):
            continue
        if "" in node:
            found += _remarks_of(path, node[""])
        room = max(0, _MOST_NODES - len(nodes))
        children = [
            (f"{path}.{key}"[-300:].lstrip("."), child) for key, child in list(node.items())[:room] if key != ""
        ]
        nodes += children  # breadth first: hostile depth costs no recursion
    return found[:_MOST_REMARKS]


def _remarks_of(path: str, note: Any) -> list[dict[str, Any]]:
    remarks = note.get("rem") if isinstance(note, dict) else None
    kinds = [
        remark[1]
        for remark in (remarks if isinstance(remarks, list) else ())[:10]
        if isinstance(remark, list | tuple) and len(remark) > 1 and isinstance(remark[1], str)
    ]
    return [
        {"field": path, "reason": _REMARKS.get(kind, "reported"), "detail": "by the SDK"}
        for kind in dict.fromkeys(kinds)
    ]
