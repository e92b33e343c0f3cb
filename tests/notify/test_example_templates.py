"""The ready-made templates make what their services take, of everything."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.webhooks import services
from tests.webhooks.notifications import HOSTILE, hostile

from crashvault.notify.templates import check, render
from crashvault.webhooks import registry
from crashvault.webhooks.base import KINDS, Request, Target
from crashvault.webhooks.samples import sample

TEMPLATES = sorted((Path(__file__).parents[2] / "examples" / "webhook-templates").glob("*.j2"))
SERVICES = ("slack", "discord", "teams")


def test_there_are_some_for_each_service() -> None:
    assert {path.name.partition("-")[0] for path in TEMPLATES} >= {*SERVICES, "plain.txt.j2", "pagerduty.json.j2"}


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_can_be_set(path: Path) -> None:
    check(path.read_text("utf-8"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_tells_what_it_is_about(path: Path, kind: str) -> None:
    made = render(path.read_text("utf-8"), sample(kind))
    assert {"alert": "many payment errors", "test": "reach you", "summary": "45 events"}.get(
        kind, "KeyError: 'visa'"
    ) in made.replace("\\", "")


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_hostile_events_make_no_harm(path: Path) -> None:
    source = path.read_text("utf-8")
    service = path.name.partition("-")[0]
    for name in HOSTILE:
        for kind in KINDS:
            made = render(source, hostile(name, kind))
            assert len(made) < 30_000
            if ".json." in path.name:
                assert isinstance(json.loads(made), dict), name
            if service in SERVICES:
                (step,) = registry.provider(service).build_requests(
                    sample(kind), Target("https://x.example/", rendered=made), []
                )
                request = step([])
                assert isinstance(request, Request)
                fault = services.fault(service, dict(request.headers), request.body)
                assert fault == "" or (
                    service == "slack"
                    and fault.startswith("markup in text: ")
                    and "<https://crashes.example/issues/7|" in fault
                ), name
