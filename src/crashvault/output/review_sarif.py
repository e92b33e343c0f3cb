"""A review as SARIF 2.1.0, which code hosts and editors show beside the code. https://docs.oasis-open.org/sarif/sarif/v2.1.0/"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from .plain import visible

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {"high": "error", "medium": "warning", "low": "note"}


def review_sarif(report: Mapping[str, Any]) -> str:
    """The log of a review in its documented shape."""
    names = list(report["rules"])
    driver = {
        "name": "Crashvault",
        "version": report["version"],
        "rules": [_rule(report["rules"][name]) for name in names],
    }
    run: dict[str, Any] = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": True, "endTimeUtc": report["generated_at"]}],
        "results": [_result(item, names) for item in report["findings"]],
    }
    log = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=2, ensure_ascii=True) + "\n"


def _rule(rule: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": rule["name"], "shortDescription": {"text": rule["about"]}, "help": {"text": rule["help"]}}


def _result(item: Mapping[str, Any], names: list[str]) -> dict[str, Any]:
    location: dict[str, Any] = {
        "physicalLocation": {
            "artifactLocation": {
                "uri": quote(item["path"].encode("utf-8", "surrogateescape"), safe="/"),
                "uriBaseId": "%SRCROOT%",
            },
            "region": {"startLine": item["line"], "endLine": item["end_line"]},
        }
    }
    if item["function"]:
        location["logicalLocations"] = [{"name": visible(item["function"]), "kind": "function"}]
    # The same finding keeps its identity when lines move.
    identity = f"{item['rule']}\0{item['path']}\0{item['function']}\0{item['issue']}\0{item['code']}"
    return {
        "ruleId": item["rule"],
        "ruleIndex": names.index(item["rule"]),
        "level": _LEVELS[item["severity"]],
        "message": {"text": f"{visible(item['message'])} Severity {item['severity']}: {visible(item['reason'])}."},
        "locations": [location],
        "partialFingerprints": {"crashvault/v1": hashlib.sha256(identity.encode("utf-8", "replace")).hexdigest()},
        "properties": {
            "severity": item["severity"],
            "issue": item["issue"],
            "events": item["events"],
            "lastSeen": item["last_seen"],
        },
    }
