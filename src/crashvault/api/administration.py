"""Projects with their DSNs, and the keys of the API."""

from __future__ import annotations

from typing import Any

from .. import auth
from ..clock import to_iso
from ..errors import NotFoundError
from ..output.shapes import listing
from ..storage.projects import Project
from ..units import parse_span
from .endpoints import Answer, Call, Endpoint
from .schemas import NewKey, NewProject


def projects(call: Call) -> dict[str, Any]:
    found = [one for one in call.store.projects.list() if call.access.project in (None, one.name)]
    return listing([_project(call, one) for one in found], len(found), None)


def project(call: Call) -> dict[str, Any]:
    return _project(call, _known_project(call))


def add_project(call: Call) -> dict[str, Any]:
    whole_vault(call)
    return _project(call, call.store.projects.add(call.body.name, call.now))


def rotate(call: Call) -> dict[str, Any]:
    """A new public key in the DSN; those that clients have stay good."""
    return _project(call, call.store.projects.add_public_key(_known_project(call).name, call.now))


def keys(call: Call) -> dict[str, Any]:
    whole_vault(call)
    found = call.store.keys.list()
    return listing([auth.key_shape(key, call.now) for key in found], len(found), None)


def add_key(call: Call) -> dict[str, Any]:
    whole_vault(call)
    body = call.body
    expires = call.now + parse_span(body.expires) if body.expires else None
    made, key = auth.create_key(
        call.store, body.name, body.scopes, project=body.project, expires_at=expires, now=call.now
    )
    return {**auth.key_shape(made, call.now), "key": key}


def revoke_key(call: Call) -> Answer:
    whole_vault(call)
    call.store.keys.revoke(call.path["key"], call.now)
    return Answer(None, 204)


def whole_vault(call: Call) -> None:
    """A key of one project administers nothing else. Raises NotFoundError."""
    if call.access.project is not None:
        raise NotFoundError("there is nothing at this address for a key of one project")


def _known_project(call: Call) -> Project:
    name = call.path["project"]
    if call.access.project not in (None, name):
        raise NotFoundError(f"there is no project {name!r}")
    return call.store.projects.require(name)


def _project(call: Call, found: Project) -> dict[str, Any]:
    settings = call.node.settings
    scheme = "https" if settings.tls_cert else "http"
    url = settings.public_url or f"{scheme}://{settings.host}:{settings.port}"
    return {"id": found.id, "name": found.name, "dsn": auth.dsn(url, found), "created_at": to_iso(found.created_at)}


ENDPOINTS = (
    Endpoint("GET", "/api/v1/projects", "read", projects, "Projects and their DSNs.", "Items", tag="projects"),
    Endpoint("POST", "/api/v1/projects", "admin", add_project, "Make a project.", "Project", body=NewProject, status=201, writes=True, tag="projects"),
    Endpoint("GET", "/api/v1/projects/{project}", "read", project, "One project.", "Project", tag="projects"),
    Endpoint("POST", "/api/v1/projects/{project}/keys", "admin", rotate, "Give a project's DSN a new public key; the old ones stay good.", "Project", status=201, writes=True, tag="projects"),
    Endpoint("GET", "/api/v1/keys", "admin", keys, "Keys of the API.", "Items", tag="keys"),
    Endpoint("POST", "/api/v1/keys", "admin", add_key, "Make a key; it is told in this answer and never again.", "MadeKey", body=NewKey, status=201, writes=True, tag="keys"),
    Endpoint("DELETE", "/api/v1/keys/{key:id}", "admin", revoke_key, "Revoke a key, from the next request on.", "", status=204, writes=True, tag="keys"),
)  # fmt: skip
