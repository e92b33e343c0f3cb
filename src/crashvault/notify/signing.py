"""Signatures, by which a receiver knows that a request is ours, whole and fresh.

Two kinds go with each request, so that a receiver can choose:

- `X-CrashVault-Signature: sha256=<hex>`, an HMAC-SHA256 of the raw body with the secret's UTF-8 bytes as given;
- the triple of Standard Webhooks (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md):
  `webhook-id`, `webhook-timestamp` and `webhook-signature: v1,<base64>`, an HMAC-SHA256 of `id.timestamp.body` with
  the bytes that stand in base64 after `whsec_`, or with the UTF-8 bytes of a secret without that prefix. It also
  covers the time, so a receiver can refuse what is replayed.

A secret is changed without a gap: while a webhook has two, `webhook-signature` holds a signature by each, so receivers
with either accept it. `X-CrashVault-Signature` has room for one only and is by the newest: a receiver that reads it
has to accept both secrets before the new one is set here.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets as randomness
from collections.abc import Sequence

from ..errors import InvalidError

PREFIX = "whsec_"
SIGNATURE, ID, TIMESTAMP, SIGNATURES = "X-CrashVault-Signature", "webhook-id", "webhook-timestamp", "webhook-signature"

_NEW = 32  # random bytes of a secret that we make; Standard Webhooks wants 24 to 64
_LEAST = 8  # characters of a secret that someone gives


def signature_headers(secrets: Sequence[str], notification: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers that sign `body`: none without a secret.

    `secrets` has the newest first; `notification` is the id of the notification, the same in each attempt;
    `timestamp` is when this attempt is made, in Unix seconds.
    """
    if not secrets:
        return {}
    signed = b"%b.%d.%b" % (notification.encode(), timestamp, body)
    return {
        ID: notification,
        TIMESTAMP: str(timestamp),
        SIGNATURES: " ".join(f"v1,{base64.b64encode(_hmac(key(secret), signed)).decode()}" for secret in secrets),
        SIGNATURE: f"sha256={_hmac(secrets[0].encode(), body).hex()}",
    }


def key(secret: str) -> bytes:
    """The key of Standard Webhooks' signatures. Raises InvalidError where base64 should follow and does not."""
    if not secret.startswith(PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidError(
            "what follows whsec_ in the secret is not base64", "Take it whole, or use a secret without whsec_"
        ) from None


def check_secret(secret: str) -> None:
    """Whether requests can be signed with a secret. Raises InvalidError, which doesn't show it."""
    if not secret.isprintable() or secret != secret.strip():
        raise InvalidError("the secret has blanks around it or characters that can't be printed", "Leave them out")
    if len(key(secret)) < _LEAST:
        raise InvalidError(f"the secret is too short to be one: less than {_LEAST} bytes", "Use 24 random ones or more")


def new_secret() -> str:
    """A secret that nobody can guess, as Standard Webhooks writes it."""
    return PREFIX + base64.b64encode(randomness.token_bytes(_NEW)).decode()


def _hmac(secret: bytes, signed: bytes) -> bytes:
    return hmac.digest(secret, signed, hashlib.sha256)
