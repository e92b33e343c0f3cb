"""The whole way: the command line records an event, and services that are as strict as the real ones get their messages."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import ROOT, CommandLine

from nasty import NASTY

from . import services
from .services import Service

ALLOWED = {"CRASHVAULT_WEBHOOK_ALLOW_PRIVATE": "true"}
TRACE = "Traceback (most recent call last):\n  File \"shop/payment.py\", line 41, in pay\n    return cards[order.card]\nKeyError: 'visa'\n"
WAYS = {
    "slack": ("slack", "http://{host}/hook", []),
    "slack-bot": ("slack", "http://{host}/api", ["--option", "token=xoxb-1", "--option", "channel=C1", "--attach"]),
    "discord": ("discord", "http://{host}/api/webhooks/1/t0k3n-t0k3n", ["--attach"]),
    "teams": ("teams", "http://{host}/workflows/1", []),
    "connector": ("teams", "http://{host}/webhookb2/1", ["--option", "format=connector"]),
    "json": ("apprise", "json://{host}/in", ["--attach"]),
}


def add(cli: CommandLine, way: str, service: Service, *more: str) -> None:
    name, url, options = WAYS[way]
    cli("webhook", "add", name, "--name", way, "--url", url.format(host=service.url[7:]), *options, *more, env=ALLOWED)


def states(cli: CommandLine) -> list[tuple[str, int, str | None]]:
    return [(one["state"], one["attempts"], one["reason"]) for one in cli.json("webhook", "deliveries")["items"]]


def until(done: Callable[[], bool]) -> None:
    """Ask until it is so; the test fails after a while."""
    end = time.monotonic() + 30
    while not done():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


@pytest.mark.parametrize("way", WAYS)
def test_a_crash_reaches_people(cli: CommandLine, way: str, tmp_path: Path) -> None:
    (tmp_path / "order.txt").write_text("order 4711")
    with Service("slack" if way == "slack-bot" else way) as service:
        add(cli, way, service)
        cli("webhook", "test", way, env=ALLOWED)
        tested = len(service.requests)
        crash = ("KeyError: 'visa'", "--stack", "-", "--attach", "order.txt", "--release", "shop@1.4.2")
        cli("add", *crash, stdin=TRACE, env=ALLOWED, fresh=True)
        cli("webhook", "deliver", "--wait", "60", env=ALLOWED, fresh=True)  # what took longer than a command may
        assert states(cli) == [("delivered", 1, None)]
        sent = service.requests[tested:]
    shown = b"".join(body for _, _, body in sent).decode("utf-8", "replace").replace("\\", "")
    for part in (
        "KeyError: 'visa'",
        "shop/payment.py",
        "cards[order.card]",
        "shop@1.4.2",
        "crashvault show 1",
        "order.txt",
    ):
        assert part in shown, part
    if "--attach" in WAYS[way][2] and way != "json":
        assert "order 4711" in shown and "stack-" in shown and "event-" in shown
    if way == "slack-bot":
        assert len(service.shared) == 1 and len(service.shared[0]["files"]) == 3


@pytest.mark.parametrize("way", ["slack", "discord", "teams", "connector"])
def test_hostile_events_are_taken(cli: CommandLine, way: str) -> None:
    with Service(way) as service:
        add(cli, way, service)
        cli.record(*(copy.deepcopy(raw) | {"fingerprint": [name]} for name, raw in NASTY.items()))
        cli("webhook", "deliver", "--wait", "60", env=ALLOWED)
        assert {state for state, _, _ in states(cli)} == {"delivered"}
        assert len(service.requests) == len(NASTY)
        for _, headers, body in service.requests:
            assert services.fault(way, headers, body) == ""


def test_a_service_that_is_busy_is_left_alone_and_tried_again(cli: CommandLine) -> None:
    with Service("discord") as service:
        add(cli, "discord", service)
        service.answers = [(429, {"content-type": "application/json"}, b'{"retry_after": 0.3, "global": false}')]
        cli("add", "boom", env=ALLOWED)
        until(lambda: cli("webhook", "deliver", env=ALLOWED) and states(cli) == [("delivered", 2, None)])
        first, second = service.requests
    assert first[2] == second[2], "each attempt says the same"


def test_what_is_refused_is_kept_with_the_reason_and_without_the_secret(cli: CommandLine) -> None:
    with Service("discord") as service:
        add(cli, "discord", service)
        service.answers = [(404, {}, b'{"message": "t0k3n-t0k3n", "code": 10015}')]
        cli("add", "boom", env=ALLOWED)
        assert states(cli) == [("failed", 1, "HTTP 404: unknown webhook")]
        shown = (
            cli("webhook", "list").out
            + cli("webhook", "show", "discord", "--json").out
            + cli("webhook", "deliveries").out
        )
        assert "t0k3n-t0k3n" not in shown
        cli("webhook", "retry", "--all", env=ALLOWED)
        cli("webhook", "deliver", env=ALLOWED)
        assert states(cli)[0][0] == "delivered"


def test_a_template_words_the_message(cli: CommandLine) -> None:
    with Service("slack") as service:
        add(cli, "slack", service, "--template", str(ROOT / "examples" / "webhook-templates" / "slack-compact.json.j2"))
        cli("add", "boom <!channel>", env=ALLOWED)
        assert states(cli) == [("delivered", 1, None)]
        assert json.loads(service.requests[0][2])["text"] == "❌ *New issue in default*: boom &lt;!channel&gt;"
        wrong = cli("webhook", "edit", "slack", "--template-text", "a\n{{ evnt }}", code=1)
        assert "line 2 of the template: there is no variable 'evnt'. Did you mean event?" in wrong.err


def test_apprise_in_the_current_directory_is_not_run(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "apprise.py").write_text("raise SystemExit('taken over')")
    with Service("json") as service:
        add(cli, "json", service)
        cli("add", "boom", env=ALLOWED, fresh=True)
        cli("webhook", "deliver", "--wait", "60", env=ALLOWED, fresh=True)
        assert states(cli) == [("delivered", 1, None)]
