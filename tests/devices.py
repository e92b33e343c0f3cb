"""A phone that has subscribed: it decrypts what arrives as RFC 8291 says, with a key of its own."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


class Vapid(NamedTuple):
    """Who signed a message (RFC 8292); the signature was good."""

    key: str
    claims: Mapping[str, Any]


class Device:
    def __init__(self, private: str = "", auth: str = "BTBZMqHH6r4Tts7J_aSIgg") -> None:
        curve = ec.SECP256R1()
        self._key = (
            ec.derive_private_key(int.from_bytes(decoded(private), "big"), curve)
            if private
            else ec.generate_private_key(curve)
        )
        self.keys = {"p256dh": encoded(point(self._key.public_key())), "auth": auth}

    def decrypted(self, body: bytes) -> bytes:
        """The content of one record (RFC 8188): salt, record size, length of the key's name, the key, cipher text."""
        salt, size, length = body[:16], int.from_bytes(body[16:20], "big"), body[20]
        sender, sealed = body[21 : 21 + length], body[21 + length :]
        assert len(sealed) <= size <= 4096
        secret = self._key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender))
        info = b"WebPush: info\0" + decoded(self.keys["p256dh"]) + sender
        input_key = HKDF(SHA256(), 32, decoded(self.keys["auth"]), info).derive(secret)
        key = HKDF(SHA256(), 16, salt, b"Content-Encoding: aes128gcm\0").derive(input_key)
        nonce = HKDF(SHA256(), 12, salt, b"Content-Encoding: nonce\0").derive(input_key)
        content = AESGCM(key).decrypt(nonce, sealed, None).rstrip(b"\0")
        assert content.endswith(b"\x02")  # the last record
        return content[:-1]

    def read(self, body: bytes) -> dict[str, Any]:
        return dict(json.loads(self.decrypted(body)))


def signer(headers: Mapping[str, str]) -> Vapid:
    """Check the signature of a request. Raises InvalidSignature."""
    scheme, _, rest = headers["authorization"].partition(" ")
    assert scheme == "vapid"
    parts = dict(part.strip().split("=", 1) for part in rest.split(","))
    signed, _, signature = parts["t"].rpartition(".")
    raw = decoded(signature)
    assert len(raw) == 64
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), decoded(parts["k"]))
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    public.verify(der, signed.encode(), ec.ECDSA(SHA256()))
    head, claims = (json.loads(decoded(part)) for part in signed.split("."))
    assert head == {"typ": "JWT", "alg": "ES256"}
    return Vapid(parts["k"], claims)


def point(key: ec.EllipticCurvePublicKey) -> bytes:
    numbers = key.public_numbers()
    return b"\x04" + numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")


def encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(f"{text}{'=' * (-len(text) % 4)}")
