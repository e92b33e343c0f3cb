"""Requests travel to services that listen, and their answers are understood."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import httpx
import pytest

from crashvault.errors import InvalidError
from crashvault.webhooks import discord, registry, slack, teams
from crashvault.webhooks.base import KINDS, File, Notification, Request, Response, Target, Verdict
from crashvault.webhooks.samples import sample

from .services import Service

NOW = 1_780_000_000.0
HOOKS = {"slack": {}, "discord": {}, "teams": {}, "connector": {"format": "connector"}}


def deliver(name: str, notification: Notification, target: Target, files: Sequence[File] = ()) -> list[Verdict]:
    """Do the steps as the sender does them, until one fails; what each answer meant."""
    provider = registry.provider(name)
    answers: list[Response] = []
    verdicts: list[Verdict] = []
    for step in provider.build_requests(notification, target, files):
        request = step(answers)
        if request is None:
            continue
        assert isinstance(request, Request)
        got = httpx.request(
            request.method, request.url, headers=dict(request.headers), content=request.body, timeout=10
        )
        answers.append(
            Response(got.status_code, {key.lower(): value for key, value in got.headers.items()}, got.content)
        )
        verdicts.append(provider.judge(answers[-1], NOW))
        if not verdicts[-1].delivered:
            break
    return verdicts


@pytest.fixture(params=HOOKS)
def hook(request: pytest.FixtureRequest) -> Iterator[tuple[Service, str, Target]]:
    with Service(request.param) as service:
        name = "teams" if request.param == "connector" else request.param
        yield service, name, Target(f"{service.url}/hook", options=HOOKS[request.param])


@pytest.mark.parametrize("kind", KINDS)
def test_services_take_every_kind(hook: tuple[Service, str, Target], kind: str) -> None:
    service, name, target = hook
    assert deliver(name, sample(kind), target) == [Verdict(True)]
    assert len(service.requests) == 1


def test_what_a_service_refuses_is_said_and_not_tried_again(hook: tuple[Service, str, Target]) -> None:
    _, name, target = hook
    broken = Target(target.url, options=target.options, rendered='{"no": "payload"}')
    (verdict,) = deliver(name, sample("event"), broken)
    told = {"slack": "invalid_payload", "discord": "invalid form body", "teams": "TriggerInputSchemaMismatch"}
    assert not verdict.delivered and not verdict.retry
    assert verdict.reason == ("HTTP 400" if target.options else f"HTTP 400: {told[name]}")


# Slack


FILES = [
    File("stack.txt", "text/plain", 5, lambda: b"trace"),
    File("größer.bin", "application/octet-stream", 3, lambda: b"\0\1\2"),
]


@pytest.fixture
def workspace() -> Iterator[tuple[Service, Target]]:
    with Service("slack") as service:
        yield service, Target(f"{service.url}/api/", options={"token": "xoxb-1", "channel": "#crashes"})


def test_a_bot_posts_a_message_and_shares_files_below_it(workspace: tuple[Service, Target]) -> None:
    service, target = workspace
    verdicts = deliver("slack", sample("event"), target, FILES)
    assert verdicts == [Verdict(True)] * 6
    assert [path for path, _, _ in service.requests] == [
        "/api/files.getUploadURLExternal", "/up/F0", "/api/files.getUploadURLExternal", "/up/F1",
        "/api/chat.postMessage", "/api/files.completeUploadExternal",
    ]  # fmt: skip
    assert [(file["filename"], file["body"]) for file in service.uploads.values()] == [
        ("stack.txt", b"trace"), ("größer.bin", b"\0\1\2")
    ]  # fmt: skip
    assert service.shared == [{
        "files": [{"id": "F0", "title": "stack.txt"}, {"id": "F1", "title": "größer.bin"}], "channel_id": "C9", "thread_ts": "17.25",
    }]  # fmt: skip
    posted = json.loads(service.requests[4][2])
    assert posted["channel"] == "#crashes" and posted["metadata"]["event_payload"]["id"] == "sample"
    assert "authorization" not in service.requests[1][1], "the token does not go where files are put"


def test_a_bot_without_files_posts_only(workspace: tuple[Service, Target]) -> None:
    service, target = workspace
    assert deliver("slack", sample("event"), target) == [Verdict(True)]
    assert [path for path, _, _ in service.requests] == ["/api/chat.postMessage"]


@pytest.mark.parametrize(
    "error", [{"error": "missing_scope", "needed": "files:write"}, {"error": "file_uploads_disabled"}]
)
def test_a_message_goes_without_files_that_slack_does_not_take(workspace: tuple[Service, Target], error: Any) -> None:
    service, target = workspace
    refusal = (200, {}, json.dumps({"ok": False, **error}).encode())
    service.answers = [refusal] * 2
    verdicts = deliver("slack", sample("event"), target, FILES)
    assert [verdict.delivered for verdict in verdicts] == [True] * 3
    assert verdicts[0].reason == f"Slack did not take the files: {error['error']}"
    assert service.requests[-1][0] == "/api/chat.postMessage"
    assert f"Slack did not take the files: `{error['error']}`".replace("`", "") in service.requests[-1][2].decode()


def test_one_file_that_slack_does_not_take_leaves_the_others(workspace: tuple[Service, Target]) -> None:
    service, target = workspace
    service.answers = [(200, {}, b'{"ok": false, "error": "blocked_file_type"}')]
    assert all(verdict.delivered for verdict in deliver("slack", sample("event"), target, FILES))
    assert [file["title"] for file in service.shared[0]["files"]] == ["größer.bin"]


def test_a_wrong_token_is_said(workspace: tuple[Service, Target]) -> None:
    _, target = workspace
    wrong = Target(target.url, options={**target.options, "token": "xoxb-2"})
    assert deliver("slack", sample("event"), wrong) == [Verdict(False, False, "Slack says invalid_auth")]


@pytest.mark.parametrize("error", sorted(slack.RETRIED))
def test_errors_that_pass_by_themselves_are_tried_again(error: str) -> None:
    response = Response(200, {"retry-after": "30"}, json.dumps({"ok": False, "error": error}).encode())
    assert slack.judge(response, NOW) == Verdict(False, True, f"Slack says {error}", 30.0)


@pytest.mark.parametrize(
    "error",
    ["channel_not_found", "not_in_channel", "is_archived", "account_inactive", "missing_scope", "invalid_blocks"],
)
def test_other_errors_are_not_tried_again(error: str) -> None:
    verdict = slack.judge(
        Response(200, {}, json.dumps({"ok": False, "error": error, "needed": "chat:write"}).encode()), NOW
    )
    assert verdict == Verdict(False, False, f"Slack says {error}")


@pytest.mark.parametrize(
    "url, options",
    [
        ("https://slack.com/api", {"token": "xoxb-1"}), ("https://slack.com/api", {"channel": "C1"}),
        ("https://hooks.slack.com/services/T/B/x", {"token": "xoxb-1", "channel": "C1"}), ("https://slack.com/api", {"token": "größer", "channel": "C1"}),
    ],
)  # fmt: skip
def test_half_a_bot_is_refused(url: str, options: dict[str, str]) -> None:
    with pytest.raises(InvalidError):
        slack.PROVIDER.check(Target(url, options=options))


def test_slack_shows_what_looks_like_markup_as_it_is() -> None:
    assert slack.literal("a <b> & *c*", 100) == "`a &lt;b&gt; &amp; *c*`"
    assert slack.literal("std::vector::at", 100) == "`std::vector::at`"
    assert slack.literal("a `b`", 100) == "`a ˋbˋ`"
    assert slack.literal("plain", 100) == "plain"


# Discord


def test_discord_takes_files_beside_the_embed() -> None:
    with Service("discord") as service:
        assert deliver("discord", sample("event"), Target(f"{service.url}/api/webhooks/1/x?thread_id=5"), FILES) == [
            Verdict(True)
        ]
        ((path, headers, body),) = service.requests
        assert path == "/api/webhooks/1/x?thread_id=5&wait=true"
        assert (
            headers["content-type"].startswith("multipart/form-data")
            and b"trace" in body
            and "größer.bin".encode() in body
        )


def test_discord_says_in_its_body_how_long_to_wait() -> None:
    for body, after in (
        (b'{"retry_after": 0.65, "global": false}', 2.0),
        (b'{"retry_after": 64.5}', 64.5),
        (b'{"retry_after": 1e99}', 2.0),
    ):
        verdict = discord.judge(Response(429, {"retry-after": "2"}, body), NOW)
        assert (verdict.retry, verdict.after) == (True, after)
    assert (
        discord.judge(Response(404, {}, b'{"message": "Unknown Webhook", "code": 10015}'), NOW).reason
        == "HTTP 404: unknown webhook"
    )


def test_discord_shows_what_looks_like_markup_as_it_is() -> None:
    assert discord.escape("*a* [x](y) <@1> `c`") == r"\*a\* \[x\]\(y\) \<\@1\> \`c\`".replace(r"\>", ">")
    assert discord.escape("# a\n> b\n - c\n1. d\na - b # c 2. d") == "\\# a\n\\> b\n \\- c\n1\\. d\na - b # c 2. d"


# Teams


@pytest.mark.parametrize("status, retry", [(429, True), (500, True), (413, False), (400, False)])
def test_a_connector_hides_refusals_behind_a_200(status: int, retry: bool) -> None:
    body = f"Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error {status} with ContextId tcid=1".encode()
    assert teams.judge(Response(200, {}, body), NOW) == Verdict(False, retry, f"Teams answered HTTP {status}")


def test_a_connector_that_took_it_says_1() -> None:
    assert teams.judge(Response(200, {}, b"1"), NOW).delivered
    assert teams.judge(Response(202, {}, b""), NOW).delivered


def test_cards_have_the_nearest_colour_that_teams_knows() -> None:
    shown = {
        name: json.dumps(json.loads(request(level).body))
        for name, level in (("Attention", "error"), ("Warning", "warning"), ("Accent", "info"), ("Default", "debug"))
    }
    for tone, card in shown.items():
        assert f'"color": "{tone}"' in card


def request(level: str) -> Request:
    plain = sample("event")
    changed = Notification(
        plain.id, "event", plain.at, "default", event={**(plain.event or {}), "level": level}, levels=plain.levels
    )
    (step,) = teams.PROVIDER.build_requests(changed, Target("https://x.logic.azure.com/"), [])
    found = step([])
    assert isinstance(found, Request)
    return found


def test_teams_has_no_other_format() -> None:
    with pytest.raises(InvalidError, match="format=card"):
        teams.PROVIDER.check(Target("https://x.logic.azure.com/", options={"format": "mail"}))
