"""Signatures are accepted by the library of Standard Webhooks, and refused once anything is changed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from crashvault.errors import InvalidError
from crashvault.notify.signing import check_secret, key, new_secret, signature_headers

BODY = '{"type":"crashvault.event","data":{"message":"größer 💥"}}'.encode()
ID = "2f7c1a34-98f1-4f0e-9a1d-4f5ed0e8d0aa"


def now() -> int:
    return int(time.time())


def library(secret: str) -> Webhook:
    """The receiver's side, with a secret as the guide says it."""
    return Webhook(secret if secret.startswith("whsec_") else base64.b64encode(secret.encode()).decode())


@pytest.mark.parametrize(
    "secret", [new_secret(), "a plain secret, with spaces", "geheim-größer-🔑"], ids=["made", "plain", "letters"]
)
def test_a_receiver_with_the_secret_accepts(secret: str) -> None:
    headers = signature_headers([secret], ID, now(), BODY)
    assert library(secret).verify(BODY, headers) == {"type": "crashvault.event", "data": {"message": "größer 💥"}}
    expected = hmac.new(secret.encode(), BODY, hashlib.sha256).hexdigest()
    assert headers["X-CrashVault-Signature"] == f"sha256={expected}"


@given(st.binary(max_size=2_000), st.text(st.characters(codec="utf-8"), min_size=1, max_size=60))
def test_any_body_and_any_secret(content: bytes, secret: str) -> None:
    if secret.startswith("whsec_"):
        secret = f"x{secret}"
    headers = signature_headers([secret], ID, 1_700_000_000, content)
    signed = f"{ID}.1700000000.".encode() + content
    expected = base64.b64encode(hmac.digest(secret.encode(), signed, "sha256")).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert all(value.isascii() and value.isprintable() for value in headers.values())


@pytest.mark.parametrize("change", ["body", "id", "time", "secret", "old"])
def test_whatever_is_changed_is_refused(change: str) -> None:
    secret, body = new_secret(), BODY
    headers = signature_headers([secret], ID, now() - (3_600 if change == "old" else 0), BODY)
    if change == "body":
        body += b" "
    if change == "id":
        headers["webhook-id"] = "another"
    if change == "time":
        headers["webhook-timestamp"] = str(now() - 1)
    with pytest.raises(WebhookVerificationError):
        library(new_secret() if change == "secret" else secret).verify(body, headers)


def test_while_a_secret_is_changed_receivers_with_either_accept() -> None:
    old, new = "the old secret", new_secret()
    headers = signature_headers([new, old], ID, now(), BODY)
    assert len(headers["webhook-signature"].split(" ")) == 2
    for secret in (old, new):
        assert library(secret).verify(BODY, headers)
    newest = hmac.new(new.encode(), BODY, hashlib.sha256).hexdigest()
    assert headers["X-CrashVault-Signature"] == f"sha256={newest}"


def test_no_secret_no_signature() -> None:
    assert signature_headers([], ID, now(), BODY) == {}


def test_secrets_are_made_as_the_standard_says() -> None:
    first, second = new_secret(), new_secret()
    assert first != second and 24 <= len(key(first)) <= 64
    check_secret(first)


@pytest.mark.parametrize(
    "wrong", ["whsec_not base64!", "whsec_", "whsec_QUJD", "tiny", "", " with blanks ", "nul\0inside"]
)
def test_what_is_no_secret_is_refused_without_showing_it(wrong: str) -> None:
    with pytest.raises(InvalidError) as refused:
        check_secret(wrong)
    assert not wrong or wrong not in str(refused.value)
