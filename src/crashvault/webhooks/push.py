"""Notifications on phones and in browsers: Web Push (RFC 8030), encrypted for the one device that can read it.

What a browser gives when somebody subscribes is the target: the address of its push service, and as options the
device's public key and a secret that it shares with us. The message is JSON, encrypted (RFC 8188, RFC 8291) and signed
with the vault's key (VAPID, RFC 8292) just before it goes, so the push service learns no more than when and how much.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from ..errors import InvalidError
from .base import ALERT, File, Notification, Provider, Request, Response, Step, Target, Verdict, judge_status
from .bodies import JSON, json_bytes, parsed_object, post
from .cutting import fit, octets, one_line
from .message import Message, message
from .targets import check_target

OPTIONS = {
    "p256dh": "the device's public key, base64url, as its browser gives it",
    "auth": "the secret that the device shares, base64url, as its browser gives it",
    "user": "whose device it is",
    "contact": "whom the push service may ask about these messages, mailto: or https:",
}
NOBODY = "mailto:crashvault@localhost"  # the contact where no address is known
LASTS = 86_400  # seconds for which a push service keeps a message for a device that is off
SIGNED_FOR = 43_200  # seconds; RFC 8292 allows a day
_PUBLIC, _SHARED = 65, 16  # bytes of an uncompressed point of P-256, and of the shared secret
_TITLE, _BODY, _ADDRESS = 300, 2_000, 700  # bytes, so that all together is within the 4096 that every service takes
_GONE = frozenset({404, 410})
_LEFT_OUT = frozenset({"Since", "Level", "First seen", "Last seen"})  # of the facts: a notification is short
_URGENT = frozenset({"critical", "high"})


def build_requests(notification: Notification, target: Target, files: Sequence[File]) -> list[Step]:
    def send(_: object) -> Request:
        made = message(notification)
        urgency = "high" if notification.kind == ALERT or _severity(notification) in _URGENT else "normal"
        # What a device that was off has not got yet is replaced by what is newer about the same.
        topic = hashlib.sha256(_subject(notification).encode("utf-8", "replace")).hexdigest()[:32]
        body = json_bytes(_payload(notification, made, target.rendered))
        return post(target, JSON, body, ttl=str(LASTS), urgency=urgency, topic=topic)

    return [send]


def _payload(notification: Notification, made: Message, rendered: str | None) -> dict[str, Any]:
    """What the service worker shows. A template gives the text, or an object with title, body, url and tag."""
    theirs = parsed_object(rendered) if rendered is not None else None
    given = theirs if theirs is not None else {} if rendered is None else {"body": rendered}
    wanted = {"title": made.heading, "body": _body(made), "url": made.url, "tag": _subject(notification)} | given
    limits = {"title": _TITLE, "body": _BODY, "url": _ADDRESS, "tag": _TITLE}
    found: dict[str, Any] = {
        name: fit(str(wanted[name]), limit, measure=_escaped) for name, limit in limits.items() if name != "url"
    }
    url = str(wanted["url"])
    return {**found, "url": url if _escaped(url) <= _ADDRESS else "", "at": notification.at}


def _escaped(text: str) -> int:
    """How many bytes a text takes in JSON."""
    return octets(json.dumps(text, ensure_ascii=False)) - 2


def _body(made: Message) -> str:
    """What is said first is what a phone shows."""
    facts = " · ".join(f"{fact.name} {fit(fact.value, 120)}" for fact in made.facts if fact.name not in _LEFT_OUT)
    return "\n".join(part for part in (made.kind, made.culprit, made.text, facts, made.stack) if part)


def _subject(notification: Notification) -> str:
    """What a message is about: of the same only the latest is shown."""
    alert, issue = notification.alert or {}, notification.issue or {}
    if notification.kind == ALERT:
        return one_line(f"alert {alert.get('name')} {alert.get('group') or ''}")
    return f"issue {issue['id']}" if issue.get("id") else notification.kind


def _severity(notification: Notification) -> str:
    return str((notification.alert or notification.issue or {}).get("severity") or "")


def judge(response: Response, now: float) -> Verdict:
    """As usual, but what is gone is gone for good: the device has unsubscribed (RFC 8030, section 7.3)."""
    if response.status in _GONE:
        return Verdict(False, False, f"the device has unsubscribed (HTTP {response.status})", gone=True)
    return judge_status(response, now)


def check(target: Target) -> None:
    check_target(target, "push", OPTIONS)
    for name, size in (("p256dh", _PUBLIC), ("auth", _SHARED)):
        if len(_decoded(target.options.get(name, ""))) != size:
            raise InvalidError(
                f"the option {name} is not what a browser gives", "Use the button on the page of alerts, on the device"
            )


# Keys, encrypting, signing


def check_installed() -> None:
    """Raises InvalidError where the extra is not there, which encrypts and signs."""
    _cryptography()
    _ece()


def new_key() -> str:
    """A key with which a vault signs. Raises InvalidError where the extra is not installed."""
    ec, _, _ = _cryptography()
    return _encoded(ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value.to_bytes(32, "big"))


def public_key(key: str) -> str:
    """What a browser is told as `applicationServerKey`: the point, uncompressed."""
    numbers = _private(key).public_key().public_numbers()
    return _encoded(b"\x04" + numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big"))


def seal(request: Request, target: Target, secrets: Sequence[str], now: int) -> Request:
    """The request as it goes: its body encrypted for the device, and signed by the vault. `now` in Unix seconds."""
    body = _encrypted(request.body, _decoded(target.options["p256dh"]), _decoded(target.options["auth"]))
    token = _token(secrets[0], request.url, target.options.get("contact") or NOBODY, now + SIGNED_FOR)
    headers = {
        **request.headers,
        "content-type": "application/octet-stream",
        "content-encoding": "aes128gcm",
        "authorization": f"vapid t={token}, k={public_key(secrets[0])}",
    }
    return request._replace(headers=headers, body=body)


def _encrypted(content: bytes, receiver: bytes, shared: bytes) -> bytes:
    ec, _, _ = _cryptography()
    try:
        return bytes(
            _ece().encrypt(content, private_key=ec.generate_private_key(ec.SECP256R1()), dh=receiver,
                             auth_secret=shared, version="aes128gcm")
        )  # fmt: skip
    except ValueError:
        raise InvalidError("the device's key is none", "Subscribe again on the device") from None


def _token(key: str, url: str, contact: str, expires: int) -> str:
    """A JSON Web Token (RFC 7519) by ES256 that says for which push service we sign."""
    ec, hashes, utils = _cryptography()
    parts = urlsplit(url)
    claims = {"aud": f"{parts.scheme}://{parts.netloc}", "exp": expires, "sub": contact}
    signed = f"{_encoded(json_bytes({'typ': 'JWT', 'alg': 'ES256'}))}.{_encoded(json_bytes(claims))}"
    r, s = utils.decode_dss_signature(_private(key).sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{signed}.{_encoded(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def _private(key: str) -> Any:
    ec, _, _ = _cryptography()
    return ec.derive_private_key(int.from_bytes(_decoded(key), "big"), ec.SECP256R1())


def _ece() -> Any:
    """The encryption of RFC 8188."""
    try:
        import http_ece
    except ImportError:
        raise _missing() from None
    return http_ece


def _cryptography() -> tuple[Any, Any, Any]:
    """Elliptic curves, hashes, and the form of signatures."""
    try:
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec, utils
    except ImportError:
        raise _missing() from None
    return ec, hashes, utils


def _missing() -> InvalidError:
    return InvalidError("what encrypts for phones is not installed", "Install it with: pip install 'crashvault[push]'")


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    """Nothing of what is no base64url."""
    try:
        return base64.b64decode(f"{text}{'=' * (-len(text) % 4)}", b"-_", validate=True)
    except (ValueError, binascii.Error):
        return b""


PROVIDER = Provider(
    name="push",
    title="Web Push",
    build_requests=build_requests,
    check=check,
    judge=judge,
    options=OPTIONS,
    secret_options=frozenset({"p256dh", "auth"}),
    seal=seal,
)
