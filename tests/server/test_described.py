"""The description of the interface holds for a real server, also where events are taken and where answers never end."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)
EXAMPLES = settings(
    max_examples=25, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


@schemathesis.serializer(
    "application/x-sentry-envelope", "application/x-protobuf", "application/csp-report", "application/octet-stream"
)
def as_bytes(context: Any, value: Any) -> bytes:
    """A body of a type that has no schema: what was generated, as JSON unless it is bytes."""
    return value if isinstance(value, bytes) else json.dumps(value).encode()


def operations(server: Any) -> list[Any]:
    schema = schemathesis.openapi.from_url(f"{server.url}/api/openapi.json")
    return [result.ok() for result in schema.get_all_operations()]


@pytest.mark.filterwarnings("default")
@pytest.mark.slow
def test_addresses_that_take_events_answer_as_described(server: Any) -> None:
    seen = []
    for operation in operations(server):
        if "ingest" not in operation.tags:
            continue
        seen.append(operation.path)

        @EXAMPLES
        @given(case=operation.as_strategy())
        def check(case: Any) -> None:
            if "project_id" in case.path_parameters:
                case.path_parameters["project_id"] = "1"  # nothing else gets as far as the body
            case.call_and_validate(checks=CHECKS)

        check()
    assert len(seen) > 17
    assert server.get("/api/health").json()["status"] == "ok"


@pytest.mark.filterwarnings("default")
def test_the_live_tail_and_health_answer_as_described(server: Any) -> None:
    server.post("/api/v1/events", json={"message": "broken"})
    (tail,) = [operation for operation in operations(server) if operation.path == "/api/v1/tail"]
    documented = tail.definition.raw["responses"]
    statuses = set()

    @EXAMPLES
    @given(case=tail.as_strategy())
    def check(case: Any) -> None:
        with httpx.stream("GET", f"{server.url}{case.path}", params=case.query, timeout=10) as answer:
            statuses.add(answer.status_code)
            kinds = documented[str(answer.status_code)]["content"]
            assert answer.headers["content-type"].partition(";")[0] in kinds

    check()
    assert 200 in statuses
    for operation in operations(server):
        if operation.tags == ["server"] and operation.path != "/api/docs":

            @settings(EXAMPLES, max_examples=3)
            @given(case=operation.as_strategy())
            def asked(case: Any) -> None:
                case.call_and_validate(checks=CHECKS)

            asked()
    assert httpx.get(f"{server.url}/api/docs").status_code == 200
