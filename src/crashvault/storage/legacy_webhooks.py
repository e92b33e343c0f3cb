"""Webhooks of a vault in the earlier JSON format, as they are configured today.

Such a vault told a webhook of every event. Its `webhooks` are a list, or an object by name, of objects with `type`,
`url` and, each if it likes, `name`, `events` (levels), `secret`, `headers`, `enabled`; or of addresses alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ..clock import SECOND
from ..errors import CrashvaultError, InvalidError
from ..webhooks.base import ALERT, EVENT, NEW_ISSUE, REGRESSION, Target
from ..webhooks.registry import provider
from ..webhooks.targets import service_of

_TYPES = {"generic": "http", "webhook": "http", "custom": "http", "json": "http", "https": "http", "msteams": "teams"}
_KINDS = frozenset({EVENT, NEW_ISSUE, REGRESSION, ALERT})


def convert(
    given: Any, ranks: Mapping[str, int], keep: Callable[[dict[str, Any]], object]
) -> tuple[list[Any], list[str]]:
    """Hand each webhook that can be used to `keep`, as fields of a Webhook; those that cannot, and why."""
    left, reasons = [], []
    for number, (name, one) in enumerate(_entries(given), start=1):
        try:
            keep(_fields(name, one, ranks))
        except CrashvaultError as error:
            left.append(one)
            reasons.append(f"webhook {name or number}: {error.message}")
    return left, reasons


def _entries(given: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(given, dict) and "url" in given:
        yield "", given
    elif isinstance(given, dict):
        yield from ((str(name), one) for name, one in given.items())
    elif isinstance(given, list):
        yield from (("", one) for one in given)


def _fields(name: str, one: Any, ranks: Mapping[str, int]) -> dict[str, Any]:
    """Raises InvalidError where it cannot be used."""
    found = {"url": one} if isinstance(one, str) else one
    if not isinstance(found, dict) or not isinstance(found.get("url", found.get("webhook_url")), str):
        raise InvalidError("it has no address")
    url = str(found.get("url", found.get("webhook_url"))).strip()
    kind = str(found.get("type") or found.get("provider") or service_of(url) or "http").casefold()
    service = provider(_TYPES.get(kind, kind))
    headers = {str(key): str(value) for key, value in (found.get("headers") or {}).items()}
    secret = found.get("secret")
    service.check(Target(url, headers))
    return {
        "name": str(found.get("name") or name or found.get("id") or service.name),
        "type": service.name, "url": url, "headers": headers, "options": {},
        "secrets": [str(secret)] if secret and service.signed else [],
        "kinds": _KINDS, "levels": _levels(found.get("events", found.get("levels")), ranks),
        "query": "", "project": "", "template": "", "rate_limit": "", "pause": 30 * SECOND, "attach": False,
        "timeout": 10, "max_attempts": 10, "enabled": found.get("enabled") is not False,
    }  # fmt: skip


def _levels(given: Any, ranks: Mapping[str, int]) -> str:
    """The levels among what an old webhook was told of; all where it names none."""
    words: Sequence[Any] = given if isinstance(given, list) else str(given or "").split(",")
    names = [str(word).strip().casefold() for word in words]
    return ",".join(dict.fromkeys(name for name in names if name in ranks))
