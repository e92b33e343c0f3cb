"""Messages for phones: what they say, and that only the device can read them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from tests.devices import Device, decoded, signer

from crashvault.errors import InvalidError
from crashvault.webhooks import push
from crashvault.webhooks.base import Request, Response, Target
from crashvault.webhooks.samples import sample

URL = "https://push.example:8443/send/abc?x=1"
NOW = 1_780_000_000


def target(device: Device, **more: Any) -> Target:
    return Target(URL, {}, {**device.keys, **more.pop("options", {})}, **more)


def request(kind: str, device: Device, **more: Any) -> Request:
    (step,) = push.build_requests(sample(kind), target(device, **more), ())
    made = step([])
    assert isinstance(made, Request)
    return made


def test_a_device_decrypts_the_example_of_rfc_8291() -> None:
    """The receiver of these tests itself is right: section 5 of the RFC."""
    device = Device("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94")
    assert (
        device.keys["p256dh"]
        == "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
    )
    body = (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl"
        "7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )
    assert device.decrypted(decoded(body)) == b"When I grow up, I want to be a watermelon"


def test_only_the_device_reads_it_and_it_is_signed() -> None:
    device, key = Device(), push.new_key()
    plain = request("alert", device)
    sealed = push.seal(plain, target(device), [key], NOW)
    assert sealed.url == URL and sealed.headers["content-encoding"] == "aes128gcm"
    assert sealed.headers["ttl"] == "86400" and sealed.headers["urgency"] == "high"
    assert len(sealed.headers["topic"]) == 32 and sealed.headers["topic"].isalnum()
    assert device.decrypted(sealed.body) == plain.body and b"payment" not in sealed.body
    assert push.seal(plain, target(device), [key], NOW).body != sealed.body  # another key and salt each time
    vapid = signer(sealed.headers)
    assert vapid.key == push.public_key(key) and len(decoded(vapid.key)) == 65
    assert vapid.claims == {
        "aud": "https://push.example:8443",
        "exp": NOW + 43_200,
        "sub": "mailto:crashvault@localhost",
    }
    asked = target(device, options={"contact": "https://crashes.example"})
    assert signer(push.seal(plain, asked, [key], NOW).headers).claims["sub"] == "https://crashes.example"
    with pytest.raises(InvalidTag):
        Device().decrypted(sealed.body)


def test_what_a_phone_shows() -> None:
    said = json.loads(request("alert", Device()).body)
    assert said["title"] == "🚨 many payment errors" and said["tag"] == "alert many payment errors 7"
    assert said["body"].startswith("Alert in default\n") and "23 events in 1m" in said["body"]
    assert said["url"] == "https://crashes.example/issues/7"
    templated = json.loads(request("event", Device(), rendered="short").body)
    assert templated["body"] == "short" and templated["title"].endswith("KeyError: 'visa'")
    own = json.loads(request("event", Device(), rendered='{"title": "T", "url": "/live", "more": 1}').body)
    assert own["title"] == "T" and own["url"] == "/live" and set(own) == {"title", "body", "url", "tag", "at"}


def test_answers_of_push_services() -> None:
    for status in (404, 410):
        verdict = push.judge(Response(status, {}, b""), NOW)
        assert verdict.gone and not verdict.delivered and not verdict.retry
    assert push.judge(Response(201, {}, b""), NOW).delivered
    busy = push.judge(Response(429, {"retry-after": "7"}, b""), NOW)
    assert busy.retry and busy.after == 7 and not busy.gone


@pytest.mark.parametrize(
    "wrong", [{"p256dh": ""}, {"p256dh": "AAAA"}, {"auth": "!!"}, {"auth": "A" * 23}, {"more": "x"}]
)
def test_what_is_no_subscription(wrong: dict[str, str]) -> None:
    device = Device()
    push.check(target(device))
    with pytest.raises(InvalidError):
        push.check(target(device, options=wrong))


def test_a_point_that_is_not_on_the_curve() -> None:
    device = Device()
    broken = Target(URL, {}, {**device.keys, "p256dh": "B" + "A" * 86})
    with pytest.raises(InvalidError, match="the device's key is none"):
        push.seal(request("test", device), broken, [push.new_key()], NOW)
