"""Every setting: its type, default, meaning, and whether all nodes share it. Values are checked here, once."""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from .errors import InvalidError
from .units import parse_rate, parse_size, shown_size

Origin = Literal["environment", "config.json", "vault", "default"]


DATABASE_VARIABLE = "CRASHVAULT_DATABASE_URL"
REPLICA_VARIABLE = "CRASHVAULT_REPLICA_URL"
JOIN_THRESHOLD = 0.9  # that of the shipped model, see `grouping/similarity.json`


class Setting(NamedTuple):
    kind: str  # bool, int, number, text, list, size (bytes), rate, or one of the choices joined by |
    default: Any
    shared: bool  # kept in the vault for all nodes, else in config.json
    about: str
    variable: str = ""  # of the environment, wins over everything
    check: Callable[[Any], object] | None = None
    secret: bool = False  # never shown


def _scrub_checks(name: str) -> Callable[[Any], object]:
    def check(value: Any) -> object:
        from .ingest.scrub import policy_from

        return policy_from({name: value})

    return check


def _check_rules(value: Any) -> object:
    from .grouping import compile_rules

    return compile_rules(value)


def _between(low: int, high: int) -> Callable[[Any], object]:
    def check(value: Any) -> object:
        if not low <= value <= high:
            raise InvalidError(f"{value} is out of range", f"Use a number from {low} to {high}")
        return value

    return check


def _check_share(value: Any) -> object:
    if not 0.5 <= value <= 1:
        raise InvalidError(f"{value} is out of range", "Use a number from 0.5 to 1; 1 joins nothing")
    return value


def _check_host(value: Any) -> object:
    if not value or not value.isprintable() or any(sign in value for sign in " /@?#"):
        raise InvalidError(
            f"the server cannot listen on {value!r}", "Use an address or a name such as 127.0.0.1 or ::1"
        )
    return value


def _check_networks(value: Any) -> object:
    import ipaddress

    for item in value:
        try:
            ipaddress.ip_network(item, strict=False)
        except ValueError:
            raise InvalidError(f"{item!r} is not an address", "Use addresses or networks, such as 10.0.0.0/8") from None
    return value


def _check_origins(value: Any) -> object:
    for item in value:
        if item != "*" and not re.fullmatch(r"[a-z][a-z0-9+.-]*://[^\s/?#@*]+", str(item), re.I):
            raise InvalidError(
                f"{item!r} is not an origin", "Use scheme and host, such as https://app.example.com, or *"
            )
    return value


def _check_tokens(value: Any) -> object:
    for item in value:
        if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", str(item)):
            raise InvalidError(f"{item!r} cannot be the name of a method or header", "Use a list such as GET,POST")
    return value


def _check_database(value: Any) -> object:
    if value and not re.match(r"postgres(ql)?://", value, re.I):
        raise InvalidError(
            "that is no address of a PostgreSQL database", "Use one such as postgresql://user:password@host/database"
        )
    return value


def _check_url(value: Any) -> object:
    if value and not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", value, re.I):
        raise InvalidError(f"{value!r} is not an address", "Use one such as https://crashes.example.com")
    return value


def _node(name: str, kind: str, default: Any, about: str, check: Callable[[Any], object] | None = None) -> Setting:
    """A setting of this server alone; the environment may give it too, as containers like to."""
    return Setting(kind, default, False, about, f"CRASHVAULT_SERVER_{name.upper().replace('.', '_')}", check)


def _vault(name: str, kind: str, default: Any, about: str, check: Callable[[Any], object] | None = None) -> Setting:
    """A setting of all servers of a vault."""
    return Setting(kind, default, True, about, check=check)


# fmt: off
_SERVER = {
    f"server.{name}": make(name, *rest)
    for make, name, *rest in (
        (_node, "host", "text", "127.0.0.1", "Address that the server listens on", _check_host),
        (_node, "port", "int", 5678, "Port that the server listens on; 0 takes a free one", _between(0, 65_535)),
        (_node, "unix_socket", "text", "", "Path of a Unix socket to listen on instead of host and port"),
        (_node, "auth", "required|local|off", "local", "Who needs a key: everybody, everybody as soon as the server listens on more than loopback, or nobody"),
        (_node, "allowed_hosts", "list", [], "More names under which the server may be called where no key is asked"),
        (_node, "trusted_proxies", "list", [], "Addresses and networks of proxies whose X-Forwarded headers are believed", _check_networks),
        (_node, "tls.cert", "text", "", "Path of the certificate chain (PEM) for HTTPS"),
        (_node, "tls.key", "text", "", "Path of its private key (PEM)"),
        (_node, "repository", "text", "", "Directory of a git repository in which pages of issues look for the commit that brought a crash"),
        (_node, "workers", "int", 1, "Processes that serve one vault together", _between(1, 64)),
        (_node, "durability", "full|normal", "full", "full: an answer means that the event is on disk; normal: the loss of power may cost the last moments"),
        (_node, "queue", "int", 1_000, "Requests with events that may wait to be stored; more are asked to come later", _between(1, 100_000)),
        (_node, "spool", "bool", False, "Keep what is accepted on this machine's disk while the database is away, instead of refusing it"),
        (_node, "spool_size", "size", 1 << 30, "Most that is kept so; more is refused", _between(1 << 16, 1 << 40)),
        (_node, "max_body", "size", 20 << 20, "Largest body of a request, as it is sent", _between(1_024, 1 << 30)),
        (_node, "max_unpacked", "size", 100 << 20, "Largest body of a request, unpacked", _between(1_024, 1 << 30)),
        (_node, "body_timeout", "int", 30, "Seconds within which a request's body must go on arriving", _between(1, 3_600)),
        (_node, "tails", "int", 100, "Live tails that each worker serves at once", _between(0, 100_000)),
        (_node, "keep_alive", "int", 75, "Seconds that an idle connection is kept", _between(1, 3_600)),
        (_node, "shutdown_timeout", "int", 30, "Seconds that requests under way get when the server stops", _between(1, 3_600)),
        (_vault, "public_url", "text", "", "Address under which clients reach the server, for DSNs and links", _check_url),
        (_vault, "rate_limit.ingest", "rate", "", "Requests with events that one key, and one address, may make: 600/minute"),
        (_vault, "rate_limit.read", "rate", "", "Other requests that one key, and one address, may make"),
        (_vault, "cors.origins", "list", [], "Origins whose pages may use the API, besides the dashboard's own", _check_origins),
        (_vault, "cors.methods", "list", ["GET", "POST", "PATCH", "DELETE"], "Methods that such pages may use", _check_tokens),
        (_vault, "cors.headers", "list", ["Authorization", "Content-Type", "X-API-Key"], "Headers that such pages may send", _check_tokens),
        (_vault, "cors.max_age", "int", 3_600, "Seconds for which browsers remember these answers", _between(0, 86_400)),
        (_vault, "cors.credentials", "bool", False, "Let such pages send cookies along"),
        (_vault, "cors.ingest_origins", "list", ["*"], "Origins whose pages may send events", _check_origins),
    )
}

_AI = {
    "ai.provider": Setting("none|ollama|openai|gemini|anthropic", "none", False, "The model that analysis may ask, when no --provider says otherwise", "CRASHVAULT_AI_PROVIDER"),
    "ai.model": Setting("text", "", False, "Its name, such as llama3.2; the provider's usual one without it", "CRASHVAULT_AI_MODEL"),
    "ai.base_url": Setting("text", "", False, "Where it is asked, such as http://127.0.0.1:8000/v1; any server that speaks the provider's language", "CRASHVAULT_AI_BASE_URL", _check_url),
    "ai.api_key": Setting("text", "", False, "Its key, where the environment has none (OPENAI_API_KEY, GEMINI_API_KEY, ANTHROPIC_API_KEY)", secret=True),
    "ai.timeout": Setting("int", 120, False, "Seconds for an answer, with all attempts", "CRASHVAULT_AI_TIMEOUT", _between(1, 3_600)),
    "ai.prompt_tokens": Setting("int", 8_000, False, "Most tokens that are sent, about", "CRASHVAULT_AI_PROMPT_TOKENS", _between(500, 1_000_000)),
    "ai.answer_tokens": Setting("int", 1_500, False, "Most tokens of the answer", "CRASHVAULT_AI_ANSWER_TOKENS", _between(50, 100_000)),
}
# fmt: on

SETTINGS: dict[str, Setting] = {
    **_AI,
    "database.url": Setting(
        "text",
        "",
        False,
        "Address of a PostgreSQL database that holds the vault, such as postgresql://user:password@host/database",
        DATABASE_VARIABLE,
        _check_database,
        secret=True,
    ),
    "database.replica_url": Setting(
        "text",
        "",
        False,
        "Address of a copy of that database, a standby, that answers queries",
        REPLICA_VARIABLE,
        _check_database,
        secret=True,
    ),
    "database.replica_staleness": Setting(
        "int",
        10,
        False,
        "Seconds that the copy may be behind; beyond that the database itself answers",
        "CRASHVAULT_REPLICA_STALENESS",
        _between(1, 86_400),
    ),
    "grouping.join": Setting(
        "bool", True, True, "Let events with a new key join an issue that is almost surely the same"
    ),
    "grouping.threshold": Setting(
        "number", JOIN_THRESHOLD, True, "How sure that must be, from 0.5 to 1", check=_check_share
    ),
    "grouping.rules": Setting("list", [], True, "Rules that decide which events become one issue", check=_check_rules),
    "logging.level": Setting(
        "debug|info|warning|error",
        "info",
        False,
        "What goes to logs/app.log",
        variable="CRASHVAULT_LOG_LEVEL",
    ),
    "plugins.enabled": Setting(
        "bool", True, False, "Load plugins; switch single ones with crashvault plugin", "CRASHVAULT_PLUGINS"
    ),
    "plugins.disabled": Setting("list", [], False, "Plugins that are there and not loaded"),
    "plugins.time_limit": Setting(
        "int",
        1_000,
        False,
        "Milliseconds that a plugin may hold up the recording of an event",
        "CRASHVAULT_PLUGINS_TIME_LIMIT",
        _between(1, 60_000),
    ),
    "scrub.enabled": Setting("bool", True, True, "Take secrets out of events before they are stored"),
    "scrub.keys": Setting("list", [], True, "More names whose values are secret", check=_scrub_checks("keys")),
    "scrub.safe_keys": Setting(
        "list", [], True, "Names whose values are never secret", check=_scrub_checks("safe_keys")
    ),
    "scrub.patterns": Setting("list", [], True, "Regular expressions of more secrets", check=_scrub_checks("patterns")),
    "scrub.ip": Setting("bool", False, True, "Take IP addresses of users out too"),
    "webhook.allow_private": Setting(
        "bool",
        False,
        False,
        "Let webhooks go to private and link-local addresses and to this machine",
        variable="CRASHVAULT_WEBHOOK_ALLOW_PRIVATE",
    ),
    **_SERVER,
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
        _checked(key, setting.check, value)
    return value


def _checked(key: str, check: Callable[[Any], object], value: Any) -> None:
    try:
        check(value)
    except InvalidError as error:
        if type(error) is not InvalidError or key in error.message:
            raise
        raise InvalidError(f"{key}: {error.message}", error.hint) from error


def typed_value(key: str, value: Any) -> Any:
    """A setting's value from what a JSON file holds. Raises InvalidError that says what is allowed."""
    return parse_value(key, value if isinstance(value, str) else json.dumps(value))


def shown_value(key: str, value: Any) -> str:
    """A setting's value as people write it."""
    kind = SETTINGS[key].kind
    if SETTINGS[key].secret:
        return "[set]" if value else ""
    if kind == "size":
        return shown_size(value)
    if kind == "rate":
        return value or "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _boolean(key: str, setting: Setting, text: str) -> bool:
    if text.casefold() not in _BOOLEANS:
        raise InvalidError(f"{key} cannot be {text!r}", "Use true or false")
    return _BOOLEANS[text.casefold()]


def _integer(key: str, setting: Setting, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise InvalidError(f"{key} cannot be {text!r}", "Use a whole number") from None


def _number(key: str, setting: Setting, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InvalidError(f"{key} cannot be {text!r}", "Use a number such as 0.95")
    return value


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


def _size(key: str, setting: Setting, text: str) -> int:
    return parse_size(text)


def _rate(key: str, setting: Setting, text: str) -> str:
    """Kept as text; nothing where there is no limit."""
    return str(parse_rate(text) or "")


def _choice(key: str, setting: Setting, text: str) -> str:
    allowed = setting.kind.split("|")
    if text.casefold() not in allowed:
        raise InvalidError(f"{key} cannot be {text!r}", f"Use one of: {', '.join(allowed)}")
    return text.casefold()


_READERS: dict[str, Callable[[str, Setting, str], Any]] = {
    "bool": _boolean, "int": _integer, "number": _number, "text": _text, "list": _list,
    "size": _size, "rate": _rate,
}  # fmt: skip
