"""What an address says of itself: from that come the routes, OpenAPI, the manual and `Allow`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from .errors import JSON


class Parameter(NamedTuple):
    """A parameter of the query string."""

    name: str
    about: str
    kind: str = "string"  # string, integer or boolean
    default: Any = None
    least: int = 0
    most: int = 1_000
    choices: tuple[str, ...] = ()


class Content(NamedTuple):
    """What is sent or answered: content types, and the schema of those that are JSON."""

    types: tuple[str, ...] = (JSON,)
    schema: str = ""


NOTHING = Content(())


class Address(NamedTuple):
    """An address that is no Endpoint: it takes events, tells of the server, or never ends."""

    path: str
    about: str
    tag: str
    answers: Mapping[int, Content]  # where all is well, or where it tells that something is not
    scope: str = ""  # that a key needs; nothing where none is asked
    methods: tuple[str, ...] = ("GET",)
    takes: Content = NOTHING
    parameters: tuple[Parameter, ...] = ()
    errors: tuple[int, ...] = ()
    error: Content = Content(schema="ErrorAnswer")
