"""Every setting: its type, default, meaning, and whether all nodes share it. Values are checked here, once."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from .errors import InvalidError

Origin = Literal["environment", "config.json", "vault", "default"]


class Setting(NamedTuple):
    kind: str  # bool, int, text, list, or one of the choices joined by |
    default: Any
    shared: bool  # kept in the vault for all nodes, else in config.json
    about: str
    variable: str = ""  # of the environment, wins over everything
    check: Callable[[Any], object] | None = None


def _scrub_checks(name: str) -> Callable[[Any], object]:
    def check(value: Any) -> object:
        from .ingest.scrub import policy_from

        return policy_from({name: value})

    return check


def _check_rules(value: Any) -> object:
    from .grouping import compile_rules

    return compile_rules(value)


SETTINGS: dict[str, Setting] = {
    "grouping.rules": Setting("list", [], True, "Rules that decide which events become one issue", check=_check_rules),
    "logging.level": Setting(
        "debug|info|warning|error",
        "info",
        False,
        "What goes to logs/app.log",
        variable="CRASHVAULT_LOG_LEVEL",
    ),
    "scrub.enabled": Setting("bool", True, True, "Take secrets out of events before they are stored"),
    "scrub.keys": Setting("list", [], True, "More names whose values are secret", check=_scrub_checks("keys")),
    "scrub.safe_keys": Setting(
        "list", [], True, "Names whose values are never secret", check=_scrub_checks("safe_keys")
    ),
    "scrub.patterns": Setting("list", [], True, "Regular expressions of more secrets", check=_scrub_checks("patterns")),
    "scrub.ip": Setting("bool", False, True, "Take IP addresses of users out too"),
}

_BOOLEANS = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}


def check_key(key: str) -> Setting:
    """The setting of that name. Raises InvalidError that names the nearest ones."""
    setting = SETTINGS.get(key)
    if setting is None:
        close = difflib.get_close_matches(key, SETTINGS, 3, 0.5)
        hint = f"Did you mean {' or '.join(close)}?" if close else "See: crashvault config list"
        raise InvalidError(f"there is no setting {key!r}", hint)
    return setting


def parse_value(key: str, text: str) -> Any:
    """A setting's value from what a person typed. Raises InvalidError that says what is allowed."""
    setting = check_key(key)
    value = _READERS.get(setting.kind, _choice)(key, setting, text.strip())
    if setting.check:
        setting.check(value)
    return value


def _boolean(key: str, setting: Setting, text: str) -> bool:
    if text.casefold() not in _BOOLEANS:
        raise InvalidError(f"{key} cannot be {text!r}", "Use true or false")
    return _BOOLEANS[text.casefold()]


def _integer(key: str, setting: Setting, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise InvalidError(f"{key} cannot be {text!r}", "Use a whole number") from None


def _text(key: str, setting: Setting, text: str) -> str:
    return text


def _list(key: str, setting: Setting, text: str) -> list[Any]:
    """JSON, or words with commas between."""
    if not text.startswith("["):
        return [word.strip() for word in text.split(",") if word.strip()]
    try:
        value = json.loads(text)
    except ValueError as error:
        raise InvalidError(f"{key} is not JSON ({error})", 'Use a list such as ["a", "b"], or a,b') from None
    return list(value)


def _choice(key: str, setting: Setting, text: str) -> str:
    allowed = setting.kind.split("|")
    if text.casefold() not in allowed:
        raise InvalidError(f"{key} cannot be {text!r}", f"Use one of: {', '.join(allowed)}")
    return text.casefold()


_READERS: dict[str, Callable[[str, Setting, str], Any]] = {
    "bool": _boolean, "int": _integer, "text": _text, "list": _list,
}  # fmt: skip
