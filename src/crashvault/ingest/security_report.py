"""Reports that browsers send about broken security policies, as events.

Content-Security-Policy reports come as `{"csp-report": {…}}` (CSP Level 2) or as a list of the Reporting API;
Expect-CT, Expect-Staple and HPKP reports have shapes of their own.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from crashvault.ingest.native import BodyError

MOST_REPORTS = 100
_LOCAL = ("", "self", "inline", "eval", "data", "blob")
_OTHER_KINDS = {
    "expect-ct-report": ("expect-ct", "Expect-CT failed for {host}"),
    "expect-staple-report": ("expect-staple", "Expect-Staple failed for {host}"),
    "known-pins": ("hpkp", "Public key pinning validation failed for {host}"),
}
_SPELLINGS = {  # of the Reporting API
    "documentURL": "document-uri", "blockedURL": "blocked-uri", "effectiveDirective": "effective-directive",
    "originalPolicy": "original-policy", "sourceFile": "source-file", "lineNumber": "line-number",
    "columnNumber": "column-number", "statusCode": "status-code", "sample": "script-sample", "referrer": "referrer",
    "disposition": "disposition",
}  # fmt: skip

Fields = dict[str, Any]


def read_reports(body: Any) -> list[Fields]:
    """Raw events of a decoded body. Raises BodyError where there is no report in it."""
    found = [_event(item) for item in (body if isinstance(body, list) else [body])[:MOST_REPORTS]]
    events = [event for event in found if event is not None]
    if not events:
        raise BodyError("no_report", "The body has no security report", 'Send {"csp-report": {…}}')
    return events


def _event(item: Any) -> Fields | None:
    if not isinstance(item, dict):
        return None
    if isinstance(item.get("csp-report"), dict):
        return _csp(item["csp-report"])
    if item.get("type") == "csp-violation" and isinstance(item.get("body"), dict):
        body = {_SPELLINGS.get(key, key): value for key, value in item["body"].items()}
        return _csp({"document-uri": item.get("url"), **body})
    for key, (kind, message) in _OTHER_KINDS.items():
        if key in item:
            report = item[key] if isinstance(item[key], dict) else item
            return _other(kind, message, report)
    return None


def _csp(report: Fields) -> Fields:
    directive = _text(report.get("effective-directive") or report.get("violated-directive")).split(" ")[0]
    blocked = _text(report.get("blocked-uri"))
    document = _text(report.get("document-uri"))
    what = _origin(blocked, document)
    message = f"Blocked {what} by the Content-Security-Policy ({directive or 'unknown directive'})"
    event: Fields = {
        "message": message, "level": "warning", "logger": "csp", "platform": "javascript",
        "fingerprint": ["csp", directive, what],
        "tags": {"effective-directive": directive, "blocked-uri": blocked[:200]},
        "request": {"url": document, "headers": _referrer(report)}, "context": {"csp": report},
    }  # fmt: skip
    if source := _text(report.get("source-file")):
        line, column = report.get("line-number"), report.get("column-number")
        event |= {"source": source, "line": line, "column": column}
    return event


def _origin(blocked: str, document: str) -> str:
    """Where the blocked thing came from: a host, or a word for what has none."""
    if blocked in _LOCAL or "://" not in blocked:
        return f"'{blocked or 'self'}'"
    host = urlsplit_host(blocked)
    return "'self'" if host and host == urlsplit_host(document) else f"'{host or blocked}'"


def urlsplit_host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _referrer(report: Fields) -> Fields:
    referrer = _text(report.get("referrer"))
    return {"Referer": referrer} if referrer else {}


def _other(kind: str, message: str, report: Fields) -> Fields:
    host = _text(report.get("hostname"))
    return {
        "message": message.format(host=host or "an unknown host"), "level": "warning", "logger": kind,
        "fingerprint": [kind, host], "tags": {"hostname": host, "port": _text(report.get("port"))},
        "context": {kind: report},
    }  # fmt: skip


def _text(value: Any) -> str:
    return value[:2_000] if isinstance(value, str) else str(value) if type(value) is int else ""
