"""Addresses of databases: what PostgreSQL's driver needs, and what people may see."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from ..errors import InvalidError

SCHEMES = ("postgresql", "postgres")
_HINT = "Use one such as postgresql://user:password@host/database"
_SECRET = ("password", "sslpassword", "passfile", "sslkey")


def checked_url(url: str) -> str:
    """Raises InvalidError for what is no address of a PostgreSQL database; what is wrong is told without a password."""
    try:
        scheme = urlsplit(url).scheme.lower()
    except ValueError:
        scheme = ""
    if scheme not in SCHEMES:
        raise InvalidError("that is no address of a PostgreSQL database", _HINT)
    return url


def parse_url(url: str, **defaults: Any) -> dict[str, Any]:
    """The address in parts, for `psycopg.connect`. Raises InvalidError."""
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    try:
        found = conninfo_to_dict(checked_url(url))
    except psycopg.Error:
        raise InvalidError("the address of the database cannot be read", _HINT) from None
    return {"application_name": "crashvault", **defaults, **found}


def shown_url(url: str) -> str:
    """The address without what is secret in it."""
    from psycopg.conninfo import make_conninfo  # noqa: F401  (read by parse_url)

    parts = parse_url(url)
    host = parts.get("host") or parts.get("hostaddr") or ""
    user = f"{parts['user']}@" if parts.get("user") else ""
    port = f":{parts['port']}" if parts.get("port") else ""
    place = f"{user}{host}{port}" if not str(host).startswith("/") else f"{user}{port}"
    socket = f"?host={host}" if str(host).startswith("/") else ""
    return f"postgresql://{place}/{parts.get('dbname') or ''}{socket}"
