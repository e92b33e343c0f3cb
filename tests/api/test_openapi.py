"""The description of the interface holds for what runs."""

from __future__ import annotations

import re
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from crashvault.api import doors, health

OURS = re.compile(r"^/api/v1/(?!tail|events$|batch)|^/api/v1/events$")


@pytest.mark.filterwarnings("default")
@pytest.mark.slow
def test_answers_are_as_described(api: Any) -> None:
    """Requests made from the description, right ones and wrong ones, to every endpoint that ends."""
    api.record(
        {"message": "broken", "trace_id": "ab" * 16},
        {"exception": {"type": "E", "value": "v"}, "frames": [{"function": "f"}]},
    )
    schema = schemathesis.openapi.from_asgi("/api/openapi.json", api.app)
    checks = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)
    seen = set()
    for result in schema.get_all_operations():
        operation = result.ok()
        if not OURS.match(operation.path) or (operation.path == "/api/v1/events" and operation.method == "post"):
            continue
        seen.add((operation.method, operation.path))

        @settings(
            max_examples=25, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
        )
        @given(case=operation.as_strategy())
        def check(case: Any) -> None:
            case.call_and_validate(checks=checks)

        check()
    assert len(seen) > 20


def test_every_address_is_described(api: Any) -> None:
    described = api.client.get("/api/openapi.json").json()["paths"]
    served = {re.sub(r":\w+}", "}", route.path) for route in (*api.app.routes, *health.routes(api.node))}
    served |= {address.path for address, _ in doors.ADDRESSES}
    assert served - {"/", "/api/docs.css"} == set(described)
    for path in ("/api/1/minidump", "/api/1/cron/nightly/", f"/api/shop/events/{'ab' * 16}/attachments/"):
        assert doors.route_name(path) in described


def test_the_page_loads_nothing_from_elsewhere(api: Any) -> None:
    page = api.client.get("/")  # leads there
    assert page.url.path == "/api/docs"
    assert page.status_code == 200 and "default-src 'none'" in page.headers["content-security-policy"]
    assert "<script" not in page.text and " style=" not in page.text
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", page.text)
    for path in api.client.get("/api/openapi.json").json()["paths"]:
        assert path.replace("{", "{").replace("&", "&amp;") in page.text
    assert api.client.get("/api/docs.css").headers["content-type"].startswith("text/css")
