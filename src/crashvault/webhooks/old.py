"""Webhooks as `config.json` of the earlier JSON format had them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ..errors import InvalidError
from .base import EVENT, Target
from .registry import provider

_TYPES = {"webhook": "http", "generic": "http", "custom": "http", "msteams": "teams"}
_LEVELS = {"fatal": "critical", "warn": "warning"}


def old_webhook(entry: Any, levels: Collection[str]) -> dict[str, Any]:
    """The fields of a webhook that does what an old one did: it was told of every event of its levels.

    `levels` are those that there are. Raises InvalidError, which shows no secret.
    """
    if not isinstance(entry, Mapping):
        raise InvalidError("a webhook is not an object")
    kind = _text(entry, "type").casefold()
    found = provider(_TYPES.get(kind, kind))
    headers = entry.get("headers")
    target = Target(_text(entry, "url"), _texts(headers) if isinstance(headers, Mapping) else {})
    found.check(target)
    secret = _text(entry, "secret")
    return {
        "name": _text(entry, "name") or found.name,
        "type": found.name,
        "url": target.url,
        "headers": target.headers,
        "secrets": [secret] if secret and found.signed else [],
        "kinds": frozenset({EVENT}),
        "levels": ",".join(_levels(entry.get("events") or entry.get("levels"), levels)),
        "enabled": entry.get("enabled", True) is not False,
    }


def _text(entry: Mapping[str, Any], key: str) -> str:
    value = entry.get(key)
    return value.strip() if isinstance(value, str) else ""


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in values.items()}


def _levels(value: Any, known: Collection[str]) -> list[str]:
    """The levels that an old webhook named; none stands for all."""
    named = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else []
    folded = [str(name).strip().casefold() for name in named]
    return list(dict.fromkeys(name for one in folded if (name := _LEVELS.get(one, one)) in known))
