"""Apprise sends in a process of its own: to a receiver here, with files; failures are told apart."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import crashvault
from crashvault.errors import InvalidError
from crashvault.webhooks.apprise import PROVIDER, hosts
from crashvault.webhooks.base import File, Response, Target, Verdict
from crashvault.webhooks.samples import sample

from .services import Service

NOW = 1_780_000_000.0
SOURCE = str(Path(crashvault.__file__).parents[1])


def deliver(
    kind: str, url: str, files: tuple[File, ...] = (), arguments: tuple[str, ...] = ("--allow-private",), **options: str
) -> tuple[Verdict, int]:
    """Run the command as the sender does; what it said, and its exit code."""
    (step,) = PROVIDER.build_requests(sample(kind), Target(url, options=options), files)
    command = step([])
    done = subprocess.run(
        [sys.executable, "-P", "-m", command.module, *arguments], input=command.stdin, capture_output=True, timeout=60,
        env={**os.environ, "PYTHONPATH": SOURCE},
    )  # fmt: skip
    assert b"s3cr3t" not in done.stdout + done.stderr
    return PROVIDER.judge(Response(200, {}, done.stdout), NOW), done.returncode


def test_a_message_arrives_with_its_files() -> None:
    files = (File("stack.txt", "text/plain", 5, lambda: b"trace"), File("stack.txt", "text/plain", 4, lambda: b"more"))
    with Service("json") as service:
        assert deliver("event", f"json://user:s3cr3t@{service.url[7:]}/in", files) == (Verdict(True), 0)
        ((path, _, body),) = service.requests
    told = json.loads(body)
    assert path == "/in" and told["type"] == "failure" and told["title"] == "❌ Error in default: KeyError: 'visa'"
    assert "return cards[order.card]\nKeyError: 'visa'" in told["message"] and "Release: shop@1.4.2" in told["message"]
    assert [base64.b64decode(file["base64"]) for file in told["attachments"]] == [b"trace", b"more"]


@pytest.mark.parametrize(
    "kind, kind_there", [("resolved", "success"), ("summary", "info"), ("test", "info"), ("alert", "failure")]
)
def test_apprise_is_told_how_bad_it_is(kind: str, kind_there: str) -> None:
    with Service("json") as service:
        assert deliver(kind, f"json://{service.url[7:]}/", format="markdown")[0].delivered
        assert json.loads(service.requests[0][2])["type"] == kind_there


@pytest.mark.parametrize("status, retry, code", [(401, False, 1), (429, True, 75), (503, True, 75)])
def test_refusals_are_told_apart(status: int, retry: bool, code: int) -> None:
    with Service("json") as service:
        service.answers = [(status, {}, b"s3cr3t")]
        expected = Verdict(False, retry, f"JSON answered HTTP {status}")
        assert deliver("event", f"json://user:s3cr3t@{service.url[7:]}/") == (expected, code)


def test_who_cannot_be_reached_is_tried_again() -> None:
    with Service("json") as service:
        gone = service.url[7:]
    assert deliver("event", f"json://{gone}/?s=s3cr3t") == (Verdict(False, True, "Apprise could not reach JSON"), 75)


@pytest.mark.parametrize(
    "url", ["nothing://s3cr3t", "s3cr3t", "syslog://s3cr3t", "DBUS://s3cr3t", "", "mailto://[s3cr3t"]
)
def test_what_apprise_cannot_send_to_is_refused(url: str) -> None:
    with pytest.raises(InvalidError) as refused:
        PROVIDER.check(Target(url))
    assert "s3cr3t" not in str(refused.value)


def test_headers_and_formats_that_there_are_none_of_are_refused() -> None:
    for target in (Target("ntfy://topic", {"X-Team": "x"}), Target("ntfy://topic", options={"format": "html"})):
        with pytest.raises(InvalidError):
            PROVIDER.check(target)


@pytest.mark.parametrize(
    "url, found",
    [
        ("json://127.0.0.1:8080/x", ["127.0.0.1"]), ("gotify://push.example.com/token", ["push.example.com"]),
        ("ntfy://topic", []), ("tgram://123456789:AAbbccddeeffgghhiijjkkllmmnnooppqqr/12345/", []),
        ("mailto://user:pw@gmail.com", []), ("mailtos://u:p@example.com?smtp=mail.example.com", ["mail.example.com"]),
        ("json://localhost/", ["localhost"]), ("matrixs://user:pass@matrix.example.com/#room", ["matrix.example.com"]),
    ],
)  # fmt: skip
def test_hosts_that_can_be_seen_are_known_beforehand(url: str, found: list[str]) -> None:
    assert hosts(url) == found


def test_without_apprise_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(InvalidError, match=r"pip install 'crashvault\[notify\]'"):
        PROVIDER.check(Target("ntfy://topic"))


def test_a_process_that_ended_without_a_word_is_tried_again() -> None:
    assert PROVIDER.judge(Response(502, {}, b""), NOW).retry
