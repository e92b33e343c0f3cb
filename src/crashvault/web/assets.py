"""Files of the dashboard that never change while it runs: served under a name that changes when they do."""

from __future__ import annotations

import gzip
import hashlib
import json
from functools import lru_cache
from importlib import resources
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "png": "image/png",
    "svg": "image/svg+xml",
    "txt": "text/plain; charset=utf-8",
}
_FOREVER = "public, max-age=31536000, immutable"
# What every page loads, and what is kept for reading without a network.
SHELL = ("app.css", "vendor/htmx.min.js", "app.js", "icon.svg")


class Asset(NamedTuple):
    content: bytes
    packed: bytes  # gzip; empty where that saves nothing
    content_type: str
    address: str


@lru_cache(maxsize=1)
def _assets() -> dict[str, Asset]:
    """Every file of the folder, by its name in there."""
    return dict(_found(resources.files(__package__) / "static", ""))


def _found(folder: Any, prefix: str) -> list[tuple[str, Asset]]:
    found = []
    for item in folder.iterdir():
        name = f"{prefix}{item.name}"
        if item.is_dir():
            found += _found(item, f"{name}/")
        elif (kind := _TYPES.get(name.rpartition(".")[2])) is not None:
            found.append((name, _asset(name, item.read_bytes(), kind)))
    return found


def _asset(name: str, content: bytes, kind: str) -> Asset:
    packed = gzip.compress(content, 9, mtime=0)
    digest = hashlib.sha256(content).hexdigest()[:12]
    return Asset(content, packed if len(packed) < len(content) else b"", kind, f"/static/{digest}/{name}")


def address(name: str) -> str:
    """Where a browser finds a file."""
    return _assets()[name].address


def asset_response(found: Asset, request: Request, cache: str = _FOREVER) -> Response:
    headers = {"Cache-Control": cache, "Vary": "Accept-Encoding"}
    if found.packed and "gzip" in request.headers.get("accept-encoding", ""):
        return Response(found.packed, 200, {**headers, "Content-Encoding": "gzip"}, found.content_type)
    return Response(found.content, 200, headers, found.content_type)


async def _static(request: Request) -> Response:
    found = _assets().get(request.path_params["name"])
    if found is None:
        return Response("There is no such file", 404, media_type="text/plain")
    current = found.address == request.url.path
    return asset_response(found, request, _FOREVER if current else "no-cache")


async def _worker(request: Request) -> Response:
    """The service worker; its name of the cache changes with any of the files."""
    shell = [address(name) for name in SHELL]
    version = hashlib.sha256("".join(shell).encode()).hexdigest()[:12]
    values = {"VERSION": version, "SHELL": shell, "ICON": address("icon-192.png"), "BADGE": address("badge-96.png")}
    head = "".join(f"const {name} = {json.dumps(value)};\n" for name, value in values.items()).encode()
    made = _asset("sw.js", head + _assets()["sw.js"].content, _TYPES["js"])
    response = asset_response(made, request, "no-cache")
    response.headers["Content-Security-Policy"] = "default-src 'none'; connect-src 'self'; img-src 'self'"
    return response


async def _manifest(request: Request) -> Response:
    icons = [
        {"src": address(f"icon-{size}.png"), "sizes": f"{size}x{size}", "type": "image/png", "purpose": purpose}
        for size in (192, 512)
        for purpose in ("any", "maskable")
    ]
    manifest = {
        "name": "Crashvault",
        "short_name": "Crashvault",
        "description": "What broke, why, and what is being done about it",
        "id": "/",
        "start_url": "/issues",
        "scope": "/",
        "display": "standalone",
        "background_color": "#11151c",
        "theme_color": "#11151c",
        "icons": icons,
        "shortcuts": [
            {"name": "New issues", "url": "/issues?query=is:new"},
            {"name": "Live", "url": "/live"},
        ],
        "share_target": {"action": "/share", "method": "GET", "enctype": "application/x-www-form-urlencoded", "params": {"text": "text", "title": "title", "url": "url"}},
    }  # fmt: skip
    return Response(json.dumps(manifest), media_type="application/manifest+json", headers={"Cache-Control": "no-cache"})


def routes() -> list[Route]:
    return [
        Route("/static/{digest}/{name:path}", _static),
        Route("/sw.js", _worker),
        Route("/manifest.webmanifest", _manifest),
    ]
