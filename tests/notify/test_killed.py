"""A sender that is killed in the middle: nothing is lost, and what comes twice has the same id."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections import Counter
from typing import Any

from tests.conftest import EXECUTABLE

COUNT = 60


def test_kill_9_in_the_middle(cli: Any, receiver: Any) -> None:
    cli("config", "set", "webhook.allow_private", "true")
    cli("webhook", "add", "http", "--url", receiver.url)
    cli.record(*({"message": "boom", "fingerprint": [str(number)]} for number in range(COUNT)))
    for before_the_kill in (7, 25):
        target = len(receiver.arrived) + before_the_kill
        receiver.answers.extend([200] * (before_the_kill - 1) + ["slow"])
        process = subprocess.Popen(
            [*EXECUTABLE, "webhook", "deliver", "--wait", "60"], env=cli.environment, stdout=subprocess.DEVNULL
        )
        receiver.wait(target)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        receiver.let_go.set()
        receiver.let_go.clear()
    done = cli.json("webhook", "deliver", "--wait", "60")
    assert done["waiting"] == 0
    times = Counter(one.id for one in receiver.arrived)
    told = {one.id: one.json["data"]["issue"]["id"] for one in receiver.arrived}
    assert len(times) == COUNT and sorted(told.values()) == list(range(1, COUNT + 1)), (
        "nothing is lost, nothing has two ids"
    )
    assert len(receiver.arrived) <= COUNT + 2 * 50 and max(times.values()) <= 3
    assert {one["state"] for one in cli.json("webhook", "deliveries", "--limit", "100")["items"]} == {"delivered"}


def test_a_command_that_is_killed_before_it_sends_has_queued(cli: Any, receiver: Any) -> None:
    """The delivery lies in the transaction of the event: who dies after it leaves both, who dies before leaves neither."""
    cli("config", "set", "webhook.allow_private", "true")
    cli("webhook", "add", "http", "--url", receiver.url, "--timeout", "20")
    receiver.answer("slow")
    process = subprocess.Popen([*EXECUTABLE, "add", "boom"], env=cli.environment, stdout=subprocess.PIPE)
    assert process.stdout is not None
    said = process.stdout.readline()
    assert b"Recorded event" in said, "the result is not delayed by the delivery"
    with contextlib.suppress(subprocess.TimeoutExpired):  # until it has sent, or its two seconds have passed
        process.wait(1)
    process.kill()
    process.communicate()
    assert cli.json("stats")["events"] == 1
    receiver.let_go.set()
    assert cli.json("webhook", "deliver", "--wait", "60")["waiting"] == 0
    first, *more = receiver.arrived
    assert all(one.id == first.id and one.json["data"] == first.json["data"] for one in more)


def test_several_senders_at_once_send_each_once(cli: Any, receiver: Any) -> None:
    cli("config", "set", "webhook.allow_private", "true")
    for name in ("a", "b"):
        cli("webhook", "add", "http", "--name", name, "--url", receiver.url, "--timeout", "30")
    cli.record(*({"message": "boom", "fingerprint": [str(number)]} for number in range(COUNT)))
    command = [*EXECUTABLE, "webhook", "deliver", "--wait", "60"]
    senders = [subprocess.Popen(command, env=cli.environment, stdout=subprocess.DEVNULL) for _ in range(4)]
    assert [sender.wait(90) for sender in senders] == [0] * 4
    assert cli.json("webhook", "deliver", "--wait", "60")["waiting"] == 0
    assert set(Counter(one.id for one in receiver.arrived).values()) == {1} and len(receiver.arrived) == 2 * COUNT
