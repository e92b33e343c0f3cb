"""`crashvault webhook …` as people type it: made, tried, told, retried, removed, and never a secret on the screen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook as Verifier
from tests.conftest import CommandLine
from tests.notify.receiver import Receiver

from crashvault import core

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def send(cli: CommandLine) -> None:
    """Have sent what a command on a busy machine did not manage in its two seconds."""
    cli("webhook", "deliver", "--wait", "60")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    yield found
    found.close()


@pytest.fixture
def hooked(cli: CommandLine, receiver: Receiver) -> CommandLine:
    """A vault with a webhook to the receiver."""
    cli("config", "set", "webhook.allow_private", "true")
    cli("webhook", "add", "http", "--url", f"{receiver.url}/T0SECRETSECRET", "--secret", SECRET, "--header", "X-Key=hushhush",
        "--on", "new-issue", "--on", "resolved", "--on", "regression")  # fmt: skip
    return cli


def test_a_crash_is_told_after_the_result(hooked: CommandLine, receiver: Receiver) -> None:
    said = hooked("add", "Payment failed", "--level", "critical", fresh=True)
    assert said.out.startswith("Recorded event") and said.err == ""
    send(hooked)
    (arrived,) = receiver.arrived
    Verifier(SECRET).verify(arrived.body, arrived.headers)
    assert arrived.json["data"]["event"]["level"] == "critical" and arrived.headers["x-key"] == "hushhush"
    hooked("resolve", "1", fresh=True)
    send(hooked)
    hooked("add", "Payment failed", fresh=True)
    send(hooked)
    assert [one.json["data"]["kind"] for one in receiver.arrived] == ["new-issue", "resolved", "regression"]
    hooked("wrap", "--", "sh", "-c", "exit 3", code=3, fresh=True)
    send(hooked)
    assert receiver.arrived[-1].json["data"]["kind"] == "new-issue"
    assert {one["state"] for one in hooked.json("webhook", "deliveries")["items"]} == {"delivered"}
    with core.open_vault(str(hooked.home)) as store:
        assert store.db.rows("SELECT * FROM leases") == [], "the lease was given back"


def test_a_slow_receiver_takes_no_more_than_its_two_seconds(hooked: CommandLine, receiver: Receiver) -> None:
    receiver.answer("slow")
    hooked("add", "boom", fresh=True)  # would wait until it answers, for 20 seconds
    (one,) = hooked.json("webhook", "deliveries")["items"]
    assert one["state"] in ("delivering", "queued")
    receiver.let_go.set()
    hooked("webhook", "deliver", "--wait", "60", fresh=True)
    assert len({one.id for one in receiver.arrived}) == 1


def test_failed_ones_are_listed_and_tried_again(hooked: CommandLine, receiver: Receiver) -> None:
    receiver.answer(404, 500, 200)
    for message in ("a", "b"):
        hooked("add", message)
        send(hooked)
    failed = hooked.json("webhook", "deliveries", "--failed")["items"]
    assert [(one["id"], one["status"], one["reason"]) for one in failed] == [(1, 404, "HTTP 404")]
    assert "HTTP 500" in hooked("webhook", "deliveries").out
    assert any("1 deliveries to 'http' failed" in one["message"] for one in hooked.json("doctor")["findings"])
    hooked("webhook", "retry", "1")
    send(hooked)
    assert 1 in [one["id"] for one in hooked.json("webhook", "deliveries", "--state", "delivered")["items"]]
    assert hooked.json("webhook", "retry", "--all") == {"retried": 0}
    assert "is delivered" in hooked("webhook", "retry", "1", code=1).err
    assert "there is no delivery 99" in hooked("webhook", "retry", "99", code=1).err
    hooked("webhook", "retry", code=2)


def test_no_secret_is_shown(hooked: CommandLine, receiver: Receiver) -> None:
    receiver.answer(404, "drop")
    for message in ("a", "b"):
        hooked("add", message)
        send(hooked)
    event = hooked.json("events")["items"][0]["event_id"]
    shown = []
    for words in (
        ("list",),
        ("show", "http"),
        ("deliveries",),
        ("preview", "http", "--event", event),
        ("test", "http"),
    ):
        for more in ((), ("--json",)):
            result = hooked("webhook", *words, *more)
            shown += [result.out, result.err]
    hooked("webhook", "edit", "http", "--attach", "--json", "--debug")
    shown += [hooked("doctor").out, hooked("export", "--format", "json").out, hooked("config", "list").out]
    for table in ("webhooks", "settings", "api_keys"):
        shown.append(hooked("sql", f"SELECT * FROM {table}", code=1).err)
        assert "that table holds secrets" in shown[-1]
    shown += [path.read_text(errors="replace") for path in (hooked.home / "logs").glob("*")]
    for text in shown:
        assert not any(secret in text for secret in (SECRET, SECRET[6:], "T0SECRET", "hushhush"))


def test_secrets_are_made_rotated_and_read_from_standard_input(cli: CommandLine) -> None:
    made = cli.json("webhook", "add", "http", "--url", "-", stdin="https://x.example/hook\n")
    assert made["secret"].startswith("whsec_") and made["secrets"] == 1
    assert "secret" not in cli.json("webhook", "show", "http")
    rotated = cli("webhook", "edit", "http", "--rotate-secret").out
    assert "whsec_" in rotated and cli.json("webhook", "show", "http")["secrets"] == 2
    cli("webhook", "edit", "http", "--rotate-secret", "--secret", "-", stdin=f"{SECRET}\n")
    with core.open_vault(str(cli.home)) as store:
        assert store.webhooks.get(1).secrets[0] == SECRET and len(store.webhooks.get(1).secrets) == 2
    cli("webhook", "edit", "http", "--drop-old-secret")
    assert cli.json("webhook", "show", "http")["secrets"] == 1
    assert (
        "not signed"
        in cli("webhook", "add", "slack", "--url", "https://hooks.slack.com/services/x", "--secret", SECRET, code=1).err
    )


def test_errors_help(cli: CommandLine) -> None:
    for words, said in {
        ("add", "slakc", "--url", "https://x.example/"): "Use one of: http, slack, discord, teams, apprise",
        ("add", "http", "--url", "http://192.168.1.1/x"): "config set webhook.allow_private true",
        ("add", "http", "--url", "http://localhost:9/x"): "is this machine",
        ("add", "http"): "Give it with --url",
        ("add", "http", "--url", "https://x.example/", "--events", "loud"): "there are: debug, info",
        ("add", "http", "--url", "https://x.example/", "--query", "levl:error"): "levl",
        ("show", "nobody"): "webhook add --help",
        ("edit", "nobody", "--attach"): "there is no webhook 'nobody'",
    }.items():
        result = cli("webhook", *words, code=2 if "--query" in words else 1)
        assert said in " ".join(result.err.split()), result.err
    assert cli.json("webhook", "list") == {"items": [], "total": 0, "next_cursor": None}


def test_edit_changes_only_what_is_given(cli: CommandLine) -> None:
    cli(
        "webhook",
        "add",
        "http",
        "--url",
        "https://x.example/",
        "--events",
        "critical",
        "--query",
        "tag:db",
        "--header",
        "A=1",
        "--pause",
        "0",
    )
    cli(
        "webhook",
        "edit",
        "http",
        "--name",
        "ci",
        "--header",
        "B=2",
        "--query",
        "",
        "--rate-limit",
        "30/minute",
        "--timeout",
        "5",
    )
    found = cli.json("webhook", "show", "ci")
    assert (found["events"], found["query"], found["pause"], found["timeout"], found["rate_limit"]) == (
        "critical",
        None,
        0,
        5,
        "30/minute",
    )
    assert set(found["headers"]) == {"A", "B"}
    cli("webhook", "edit", "ci", "--header", "A=", "--events", "all", "--rate-limit", "none")
    found = cli.json("webhook", "show", "ci")
    assert (found["events"], found["rate_limit"], set(found["headers"])) == (None, None, {"B"})
    assert "nothing to change" in cli("webhook", "edit", "ci", code=1).err
    cli("webhook", "disable", "ci")
    assert cli.json("webhook", "show", "ci")["status"] == "disabled" and "disabled" in cli("webhook", "list").out
    cli("webhook", "enable", "ci")
    assert cli.json("webhook", "remove", "ci") == {"removed": "ci", "undelivered": 0}
    assert "No webhooks yet" in cli("webhook", "list").out


def test_a_test_that_fails(hooked: CommandLine, receiver: Receiver) -> None:
    assert hooked.json("webhook", "test", "http")["delivered"] is True
    receiver.answer(403, 403)
    assert "HTTP 403" in hooked("webhook", "test", "http", code=1).err
    assert hooked("webhook", "test", "http", "--json", code=1).json == {
        "webhook": "http", "delivered": False, "status": 403, "reason": "HTTP 403"
    }  # fmt: skip


def test_a_webhook_that_fails_is_said_to(hooked: CommandLine, receiver: Receiver) -> None:
    receiver.always = 500
    hooked.record(*({"message": "x", "fingerprint": [str(number)]} for number in range(9)))
    send(hooked)
    assert "failed 5 times in a row (HTTP 500)" in " ".join(hooked("webhook", "list").out.split())
    assert any("failed 5 times in a row" in one["message"] for one in hooked.json("doctor")["findings"])


def test_names_are_completed(hooked: CommandLine) -> None:
    hooked("webhook", "add", "http", "--name", "build", "--url", "https://x.example/")
    for line in ("crashvault webhook show ", "crashvault webhook retry --all --webhook "):
        environment = {"_CRASHVAULT_COMPLETE": "zsh_complete", "COMP_LINE": line}
        assert "build" in hooked(env=environment, fresh=True).out and "http" in hooked(env=environment, fresh=True).out


def test_the_python_capture_only_queues(hooked: CommandLine, receiver: Receiver) -> None:
    import subprocess
    import sys

    program = "import crashvault; crashvault.init(); crashvault.capture_message('from Python', level='error')"
    subprocess.run([sys.executable, "-c", program], env=hooked.environment, check=True, timeout=60)
    assert receiver.arrived == []
    assert json.loads(hooked("webhook", "deliveries", "--json").out)["items"][0]["state"] == "queued"
    send(hooked)
    assert len(receiver.arrived) == 1


def test_events_of_a_project(hooked: CommandLine, receiver: Receiver) -> None:
    made: Any = hooked.json("webhook", "add", "http", "--url", receiver.url, "--name", "shop", "--project", "shop")
    assert made["project"] == "shop"
    hooked("--project", "shop", "add", "of the shop")
    hooked("add", "of nobody")
    names = [one["webhook"] for one in hooked.json("webhook", "deliveries", "shop")["items"]]
    assert names == ["shop"]
