"""The pages on webhooks name every provider, option, variable, filter, type and limit, and their programs run."""

from __future__ import annotations

import dataclasses
import json
import re
import types
from typing import Any

import pytest
from tests.conftest import ROOT
from tests.webhooks.notifications import HOSTILE, SECRET, hostile

from crashvault.errors import InvalidError
from crashvault.notify import schedule, templates
from crashvault.notify.rendering import FILTERS
from crashvault.notify.signing import new_secret, signature_headers
from crashvault.webhooks import http, registry
from crashvault.webhooks.base import CHOICES, KINDS, Provider, Request, Target
from crashvault.webhooks.samples import sample

PAGE = (ROOT / "docs" / "webhooks.md").read_text("utf-8")
GUIDE = (ROOT / "docs" / "webhook-providers.md").read_text("utf-8")


def table(heading: str) -> dict[str, str]:
    """The first and second cells of the table whose head begins with a word."""
    rows = re.search(rf"^\| {re.escape(heading)} \|.*\n\|[ -|]+\n((?:\|.*\n)+)", PAGE, re.M)
    assert rows, heading
    cells = [re.split(r"(?<!\\)\|", line.strip("|"), maxsplit=1) for line in rows[1].splitlines()]
    return {first.strip().strip("`"): second.strip().replace("\\|", "|") for first, second in cells}


def section(title: str) -> str:
    found = re.search(rf"^## {re.escape(title)}[^\n]*\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)
    assert found, title
    return found[1]


@pytest.mark.parametrize("name", list(registry.BUILT_IN))
def test_every_provider_and_option(name: str) -> None:
    found = registry.provider(name)
    text = section({"http": "HTTP"}.get(name, found.title))
    assert f"crashvault webhook add {name}" in text
    assert set(re.findall(r"^\| `(\w+)` \| ", text, re.M)) >= set(found.options)


def test_every_kind_type_variable_and_filter() -> None:
    assert set(table("`--on`")) == set(CHOICES)
    assert {kind.strip("`"): name for name, kind in table("`type`").items()} == http.TYPES
    assert table("variable") == templates.VARIABLES
    assert table("filter") == {name: about for name, (_, about) in FILTERS.items()}


def test_limits_and_delays() -> None:
    text = section("Templates")
    assert f"at most {templates.SOURCE >> 10} KiB" in text and f"at most {templates.OUTPUT >> 10} KiB" in text
    assert f"{templates.CPU:g} s of" in text and f"{templates.MEMORY >> 20} MiB" in text
    told = re.search(r"after ([^,]+(?:, [^,]+){8}), each multiplied", PAGE)
    assert told
    units = {"s": 1, "min": 60, "h": 3_600}
    waits = [int(part.split()[0]) * units[part.split()[1]] for part in told[1].split(", ")]
    assert waits == [wait // 1_000_000 for wait in schedule.BACKOFF]
    assert f"`--max-attempts`, {schedule.MAX_ATTEMPTS}" in PAGE


def test_the_schema_is_the_one_in_the_code() -> None:
    assert json.loads((ROOT / "docs" / "webhook-body.schema.json").read_text("utf-8")) == http.SCHEMA


def test_the_body_that_is_shown_has_the_documented_shape() -> None:
    shown = json.loads(re.search(r"```json\n(.*?)```", PAGE, re.S)[1])  # type: ignore[index]
    assert shown.keys() == http.body(sample("event")).keys()


def test_verifying_as_it_is_shown() -> None:
    import time

    program = next(block for block in re.findall(r"```python\n(.*?)```", PAGE, re.S) if "verify" in block)
    secret, body = new_secret(), b'{"type": "crashvault.event"}'
    names: dict[str, Any] = {
        "secret": secret,
        "body": body,
        "headers": signature_headers([secret], "1", int(time.time()), body),
    }
    exec(program, names)
    assert names["message"] == {"type": "crashvault.event"}


# The guide to writing a provider


@pytest.fixture(scope="module")
def ntfy() -> Provider:
    (program,) = re.findall(r"```python\n(.*?)```", GUIDE, re.S)
    module = types.ModuleType("ntfy")
    exec(compile(program, "ntfy.py", "exec"), module.__dict__)
    found = module.PROVIDER  # type: ignore[attr-defined]
    assert isinstance(found, Provider)
    return found


TARGET = Target("https://ntfy.sh", options={"topic": f"shop-{SECRET}"})


def test_the_provider_of_the_guide_keeps_to_what_it_says(ntfy: Provider) -> None:
    ntfy.check(TARGET)
    for kind in KINDS:
        for notification in (sample(kind), *(hostile(name, kind) for name in HOSTILE)):
            (step,) = ntfy.build_requests(notification, TARGET, [])
            request = step([])
            assert isinstance(request, Request) and SECRET not in repr(request)
            body = json.loads(request.body)
            assert 0 < len(body["title"]) <= 250 and len(body["message"].encode()) <= 4_096
            assert step([]) == request


@pytest.mark.parametrize(
    "change",
    [{"options": {}}, {"url": "https://ntfy.sh/topic"}, {"url": "ntfy.sh"}, {"options": {"topic": "a", "colour": "b"}}],
)
def test_the_provider_of_the_guide_refuses_what_cannot_be(ntfy: Provider, change: Any) -> None:
    with pytest.raises(InvalidError):
        ntfy.check(dataclasses.replace(TARGET, **change))


def test_the_guide_names_every_part_of_a_provider() -> None:
    for part in dataclasses.fields(Provider):
        assert f"`{part.name}`" in GUIDE, part.name
