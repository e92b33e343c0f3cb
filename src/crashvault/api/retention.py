"""Data retention: policies, what they would let go, and having the server apply them."""

from __future__ import annotations

from typing import Any

from ..output.retention import report_shape, status_shape
from ..storage.policies import KINDS, Scope
from .administration import whole_vault
from .endpoints import Answer, Call, Endpoint, Parameter
from .errors import UnprocessableError
from .schemas import NewPolicy

_SCOPE = (
    Parameter("level", "Of the policy with this limit."),
    Parameter("project", "The same."),
    Parameter("query", "The same."),
)


def show(call: Call) -> dict[str, Any]:
    whole_vault(call)
    found = call.store.retention
    return status_shape(found.policies.list(), found.last_run(), found.sizes(call.now), found.runs(20))


def set_policy(call: Call) -> dict[str, Any]:
    whole_vault(call)
    body = call.body
    scope = Scope(body.level, body.project, body.query)
    return call.store.retention.policies.set(body.kind, body.value, scope, call.now).as_dict()


def unset(call: Call) -> Answer:
    whole_vault(call)
    query = call.query
    if not query["kind"]:
        raise UnprocessableError("Some parameters are wrong", [{"field": "kind", "message": "say which policy"}])
    scope = Scope(query["level"], query["project"], query["query"])
    call.store.retention.policies.unset(query["kind"], scope, call.now)
    return Answer(None, 204)


def plan(call: Call) -> dict[str, Any]:
    whole_vault(call)
    return report_shape(call.store.retention.plan(call.now), dry_run=True)


def run(call: Call) -> dict[str, Any]:
    """The server's own job does it; what it did is in the answer to GET, as the last run."""
    whole_vault(call)
    call.store.retention.ask(call.now)
    return {"asked": True}


ENDPOINTS = (
    Endpoint("GET", "/api/v1/retention", "admin", show, "Retention policies, how much there is, and what the last run did.", "Retention", tag="retention"),
    Endpoint("POST", "/api/v1/retention", "admin", set_policy, "Set a policy, in the place of the one of its kind and limits.", "Policy", body=NewPolicy, status=201, writes=True, tag="retention"),
    Endpoint("DELETE", "/api/v1/retention", "admin", unset, "Take a policy back.", "", (Parameter("kind", "Of what kind.", choices=KINDS), *_SCOPE), status=204, writes=True, tag="retention"),
    Endpoint("GET", "/api/v1/retention/plan", "admin", plan, "What a run would let go at this moment, and why.", "RetentionReport", tag="retention"),
    Endpoint("POST", "/api/v1/retention/run", "admin", run, "Have the server apply the policies within seconds.", "Asked", status=202, writes=True, tag="retention"),
)  # fmt: skip
