"""What every provider in the registry keeps to, whatever it is given: the suite that a new provider must pass."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from crashvault.errors import InvalidError
from crashvault.webhooks import http, registry
from crashvault.webhooks.base import KINDS, Command, Notification, Provider, Request, Response, Target
from crashvault.webhooks.samples import sample

from . import services
from .notifications import HOSTILE, SECRET, WAYS, files, hostile, target

NOW = 1_780_000_000.0


def provider(way: str) -> Provider:
    return registry.provider(WAYS[way][0])


def sent(way: str, notification: Notification, **options: Any) -> list[Request | Command]:
    """What goes out when the service takes everything."""
    with_files = options.pop("files", [])
    found, answers = [], []
    for step in provider(way).build_requests(notification, target(way, **options), with_files):
        request = step(answers)
        if request is not None:
            found.append(request)
            answers.append(answer(request))
    return found


def answer(request: Request | Command) -> Response:
    if isinstance(request, Command):
        return Response(200, {}, b'{"delivered": true}')
    if request.url.endswith("getUploadURLExternal"):
        return Response(200, {}, b'{"ok": true, "upload_url": "https://files.slack.com/up/1", "file_id": "F1"}')
    if request.url.endswith("chat.postMessage"):
        return Response(200, {}, b'{"ok": true, "channel": "C1", "ts": "1.2"}')
    return Response(200, {}, b"ok")


def content(request: Request | Command) -> bytes:
    return request.stdin if isinstance(request, Command) else request.body


def fault(way: str, request: Request | Command) -> str:
    if isinstance(request, Command):
        asked = json.loads(request.stdin)
        return "" if asked["title"].strip() and asked["body"].strip() else "empty"
    if way == "http":
        services.strict_json(request.body)
        return ""
    return services.fault({"connector": "connector"}.get(way, WAYS[way][0]), dict(request.headers), request.body)


def test_every_provider_is_here() -> None:
    assert {name for name, _, _ in WAYS.values()} == set(registry.BUILT_IN)
    for name in registry.BUILT_IN:
        found = registry.provider(name)
        assert found.name == name and found.title and found.secret_options <= set(found.options)
        assert all(about.strip() for about in found.options.values())
    with pytest.raises(InvalidError, match="http, slack"):
        registry.provider("pager")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", WAYS)
def test_every_kind_is_taken_and_says_what_it_is_about(way: str, kind: str) -> None:
    provider(way).check(target(way))
    notification = sample(kind)
    (request,) = sent(way, notification)
    assert fault(way, request) == ""
    shown = content(request).decode().replace("\\", "")
    assert {"alert": "many payment errors", "test": "", "summary": "Out of memory"}.get(
        kind, "KeyError: 'visa'"
    ) in shown
    if kind in ("event", "new-issue", "regression"):
        for part in ("shop/payment.py", "cards[order.card]", "shop@1.4.2", "web-1", "region=eu", "production"):
            assert part in shown, part
        assert "https://crashes.example/issues/7" in shown
        assert "crashvault show 7" in shown or way == "push"  # a phone has no command line
    if kind == "event" and way != "http":
        assert "2 more events" in shown


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", WAYS)
def test_hostile_events_stay_within_limits_and_mean_nothing_but_themselves(way: str, kind: str) -> None:
    for name in HOSTILE:
        for request in sent(way, hostile(name, kind)):
            assert fault(way, request) == "", name
            if way != "http":
                assert b'javascript:alert(1)"' not in content(request), name


@pytest.mark.parametrize("way", WAYS)
def test_a_long_message_is_cut_and_says_so(way: str) -> None:
    (request,) = sent(way, hostile("100 kB message", "event"))
    shown = content(request).decode()
    if way == "http":
        assert len(shown) > 9_000  # programs get all of it
    else:
        assert "…" in shown and "word1 " in shown and len(shown) < 60_000


@pytest.mark.parametrize("way", WAYS)
def test_a_notification_makes_the_same_requests_each_time(way: str) -> None:
    for kind in KINDS:
        assert sent(way, sample(kind), files=files(10, 20)) == sent(way, sample(kind), files=files(10, 20))


@pytest.mark.parametrize("way", WAYS)
def test_no_secret_is_where_it_does_not_belong(way: str) -> None:
    for request in sent(way, sample("event"), files=files(10)):
        assert SECRET not in repr(request)
        if isinstance(request, Request):
            assert SECRET.encode() not in request.body
    assert SECRET not in repr(target(way))
    for response in REFUSALS:
        assert SECRET not in provider(way).judge(response, NOW).reason


REFUSALS = [
    Response(status, {}, body)
    for status in (200, 302, 400, 401, 403, 404, 408, 409, 410, 413, 425, 429, 500, 502, 503, 504)
    for body in (b"", SECRET.encode(), f'{{"error": "{SECRET}"}}'.encode(), f'{{"message": "{SECRET}", "code": 50035}}'.encode(),
                 f'{{"ok": false, "error": "{SECRET}"}}'.encode(), f'{{"error": {{"code": "{SECRET}"}}}}'.encode(),
                 b'{"retry_after": "soon"}', b'{"retry_after": NaN, "code": 1e400}', b"[" * 65_536, b'{"a":' * 13_000, b'{"code": ' + b"9" * 4_000 + b"}", b"[1, 2", b"\xff\xfe", b'"text"', b"null", b"[]", b"NaN")
]  # fmt: skip


@pytest.mark.parametrize("way", [way for way in WAYS if not way.startswith("apprise")])
def test_exactly_the_same_statuses_are_tried_again(way: str) -> None:
    judge = provider(way).judge
    for status in range(200, 600):
        verdict = judge(Response(status, {"retry-after": "7"}, b""), NOW)
        assert verdict.delivered == (status < 300), status
        assert verdict.retry == (status in (408, 409, 425, 429) or status >= 500), status
        assert verdict.after == (7.0 if verdict.retry else None), status
        assert verdict.delivered or f"HTTP {status}" in verdict.reason


@pytest.mark.parametrize("way", WAYS)
def test_any_answer_is_judged(way: str) -> None:
    for response in REFUSALS:
        verdict = provider(way).judge(response, NOW)
        assert not (verdict.delivered and verdict.retry)
        assert verdict.delivered or (verdict.reason and verdict.reason.isprintable() and len(verdict.reason) <= 200)


def test_the_idempotency_key_goes_where_a_service_can_take_it() -> None:
    (request,) = sent("http", sample("event"))
    assert isinstance(request, Request)
    assert request.headers["webhook-id"] == "sample" == json.loads(request.body)["id"]
    (posted,) = sent("slack-bot", sample("event"))
    assert json.loads(content(posted))["metadata"]["event_payload"] == {"id": "sample"}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "rendered", ["Just *text* with größe 💥", "x" * 100_000, "💥" * 60_000, '"a text"', "[1, 2]", " "]
)
def test_what_a_template_makes_is_the_message(way: str, rendered: str) -> None:
    (request,) = sent(way, sample("event"), rendered=rendered)
    if rendered.strip() and way not in ("http", "apprise"):
        assert fault(way, request) == "", rendered[:20]
    if len(rendered) < 100:
        assert json.dumps(rendered, ensure_ascii=False)[1:-1].encode() in content(request) or way == "http"


@pytest.mark.parametrize("way", ["slack", "slack-bot", "discord", "teams", "connector", "http"])
def test_a_template_that_makes_json_makes_the_payload(way: str) -> None:
    (request,) = sent(way, sample("event"), rendered='{"text": "größer"}')
    body = json.loads(content(request))
    assert body["text"] == "größer"
    if way == "slack-bot":
        assert body["channel"] == "C0123456789"
    if way == "discord":
        assert body["allowed_mentions"] == {"parse": []}


def test_a_template_may_make_a_card_alone() -> None:
    card = {"type": "AdaptiveCard", "version": "1.4", "$schema": "x", "body": [{"type": "TextBlock", "text": "hi"}]}
    (request,) = sent("teams", sample("event"), rendered=json.dumps(card))
    assert fault("teams", request) == ""


@pytest.mark.parametrize("way", WAYS)
def test_files_go_where_they_can_and_are_left_out_where_they_are_too_large(way: str) -> None:
    takes = provider(way).takes_files(target(way))
    given = files(100, 300 << 20, *[5] * 30)
    requests = sent(way, sample("event"), files=given if takes and way != "http" else given[:1])
    assert sum(len(content(request)) for request in requests) < 60 << 20
    for request in requests:
        assert way in ("http", "slack-bot") or fault(way, request) == ""
    if takes:
        assert any(b"file 0" in content(request) or b"file+0" in content(request) for request in requests)


@pytest.mark.parametrize("way", WAYS)
def test_an_unknown_option_is_refused(way: str) -> None:
    good = target(way)
    with pytest.raises(InvalidError) as refused:
        provider(way).check(dataclasses.replace(good, options={**good.options, "colour": SECRET}))
    assert SECRET not in str(refused.value) and "colour" in str(refused.value)


@pytest.mark.parametrize("way", [way for way in WAYS if way != "apprise"])
@pytest.mark.parametrize(
    "url", ["", SECRET, f"ftp://x/{SECRET}", f"https:///{SECRET}", f"https://[/{SECRET}", f"nothing://{SECRET}"]
)
def test_an_address_that_cannot_be_meant_is_refused_and_not_shown(way: str, url: str) -> None:
    with pytest.raises(InvalidError) as refused:
        provider(way).check(Target(url, {}, WAYS[way][2]))
    assert SECRET not in str(refused.value)


def test_an_address_of_another_service_is_told() -> None:
    with pytest.raises(InvalidError, match="webhook add discord"):
        registry.provider("slack").check(Target(WAYS["discord"][1]))


def test_http_bodies_have_the_documented_shape() -> None:
    import jsonschema_rs

    valid = jsonschema_rs.validator_for(http.SCHEMA)
    for name in HOSTILE:
        for kind in KINDS:
            (request,) = sent("http", hostile(name, kind))
            valid.validate(json.loads(content(request)))
