"""Why a server does not start or stop."""

from __future__ import annotations

from ..errors import CrashvaultError


class ServerError(CrashvaultError):
    """The server cannot start."""

    code = "server"
