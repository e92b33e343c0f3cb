"""Making, changing, trying and previewing webhooks: the same for the command line and the HTTP interface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from .. import clock
from ..announce import checked_levels
from ..clock import SECOND, to_iso
from ..errors import InvalidError
from ..models import DEFAULT_PROJECT
from ..outbound import check_visible
from ..plugins.parts import provider
from ..storage.outbox import Delivery
from ..storage.store import Store
from ..storage.webhooks import DEFAULTS, Webhook
from ..units import parse_rate
from ..webhooks.base import CHOICES, EVENT, NEW_ISSUE, REGRESSION, TEST, Command, Notification, Provider
from .delivery import Attempt, attempt, takes_files, target_of
from .message import Reader, dashboard_address, links, shown_levels
from .service import make_outbound
from .shown import HIDDEN, delivery_shape, secret_parts, shown_url, webhook_shape
from .signing import check_secret, new_secret

MOST_TIMEOUT = 30
MOST_ATTEMPTS = 50
MOST_PAUSE = 86_400
_MOST_URL = 4_000
_SECRETS = 2  # that sign at the same time


class Made(NamedTuple):
    webhook: Webhook
    secret: str | None  # one that was made up, to be told this once


def add(store: Store, kind: str, given: Mapping[str, Any], *, allow_private: bool) -> Made:
    """Make a webhook of a type; see `_checked` for what may be given. Raises InvalidError, ConflictError."""
    found = provider(kind.casefold())
    secret = given.get("secret")
    made_up = new_secret() if found.signed and not secret else None
    fields = {
        **DEFAULTS,
        "name": given.get("name") or _free_name(store, found.name),
        "type": found.name,
        **_checked(store, given),
        "secrets": [secret or made_up] if secret or made_up else _own_key(store, found),
    }  # fmt: skip
    if secret:
        _check_secret(found.name, found.signed, secret)
    if not fields.get("url"):
        raise InvalidError("a webhook needs an address", "Give it with --url")
    _check_whole(fields, allow_private)
    return Made(store.webhooks.add(fields, clock.now()), made_up)


def _own_key(store: Store, found: Provider) -> list[str]:
    """The vault's key, with which providers that seal their requests sign; it is made when it is first needed."""
    if found.seal is None:
        return []
    from ..webhooks.push import new_key

    return [store.webhooks.push_key(new_key)]


def edit(store: Store, webhook: Webhook, given: Mapping[str, Any], *, allow_private: bool) -> Made:
    """Change what is given. `rotate` keeps the old secret beside the new one, `drop_old` ends that."""
    fields = _checked(store, given)
    if given.get("name"):
        fields["name"] = given["name"]
    secrets, made_up = _rotated(webhook, given)
    if secrets != webhook.secrets:
        fields["secrets"] = secrets
    _check_whole({**webhook._asdict(), **fields}, allow_private)
    if not fields:
        raise InvalidError("there is nothing to change", "See: crashvault webhook edit --help")
    changed = store.webhooks.change(webhook.id, clock.now(), **fields)
    if "url" in fields or "headers" in fields or "options" in fields or fields.get("enabled"):
        changed = resumed(store, changed)
    return Made(changed, made_up)


def resumed(store: Store, webhook: Webhook) -> Webhook:
    """The webhook as if nothing had failed yet: somebody has mended it."""
    with store.writing():
        store.webhooks.note(webhook.id, failures=0, silent_until=None)
    return store.webhooks.get(webhook.id)


def _rotated(webhook: Webhook, given: Mapping[str, Any]) -> tuple[tuple[str, ...], str | None]:
    """The secrets after a change, and the one that was made up for it."""
    secrets, secret, made_up = webhook.secrets, given.get("secret"), None
    signed = provider(webhook.type).signed
    if secret:
        _check_secret(webhook.type, signed, secret)
    if given.get("rotate"):
        if not signed:
            raise InvalidError(f"webhooks of type {webhook.type} are not signed", "They have no secret")
        if not secret:
            secret = made_up = new_secret()
        secrets = (secret, *(old for old in secrets if old != secret))[:_SECRETS]
    elif secret:
        secrets = (secret,)
    if given.get("drop_old"):
        secrets = secrets[:1]
    return secrets, made_up


def _checked(store: Store, given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a webhook from what a person gave; what is absent or None is left out. Raises InvalidError.

    `url`, `on` (kinds), `events` (levels), `query`, `project`, `template` (its source), `rate_limit`, `pause` and
    `timeout` (seconds), `max_attempts`, `attach`, `headers`, `options`, `enabled`.
    """
    found: dict[str, Any] = {}
    for name, value in given.items():
        check = _CHECKS.get(name)
        if check is not None and value is not None:
            field, make = check
            found[field] = make(store, value)
    return found


def _url(store: Store, url: str) -> str:
    url = url.strip()
    if not url or len(url) > _MOST_URL or not url.isprintable() or " " in url:
        raise InvalidError("the webhook's address can't be read", "Write it as https://host/path")
    return url


def _kinds(store: Store, kinds: Sequence[str]) -> frozenset[str]:
    for kind in kinds:
        if kind not in CHOICES:
            raise InvalidError(f"a webhook cannot be told {kind!r}", f"Use some of: {', '.join(CHOICES)}")
    if not kinds:
        raise InvalidError("a webhook that is told nothing is of no use", f"Use some of: {', '.join(CHOICES)}")
    return frozenset(kinds)


def _levels(store: Store, text: str) -> str:
    return checked_levels(text, store.levels.ranks())


def _query(store: Store, text: str) -> str:
    if text.strip():
        store.search(clock.now()).parse(text)
    return text.strip()


def _template(store: Store, source: str) -> str:
    if source.strip():
        from .templates import check

        check(source)
    return source if source.strip() else ""


def _rate(store: Store, text: str) -> str:
    return str(parse_rate(text) or "")


def _number(low: int, high: int, what: str, factor: int = 1) -> Any:
    def check(store: Store, value: int) -> int:
        if not low <= value <= high:
            raise InvalidError(f"{what} cannot be {value}", f"Use a number from {low} to {high}")
        return value * factor

    return check


def _map(store: Store, value: Mapping[str, str]) -> dict[str, str]:
    return {str(name): str(text) for name, text in value.items()}


def _same(store: Store, value: Any) -> Any:
    return value


_CHECKS: dict[str, tuple[str, Any]] = {
    "url": ("url", _url),
    "on": ("kinds", _kinds),
    "events": ("levels", _levels),
    "query": ("query", _query),
    "project": ("project", _same),
    "template": ("template", _template),
    "rate_limit": ("rate_limit", _rate),
    "pause": ("pause", _number(0, MOST_PAUSE, "the pause between messages of one issue", SECOND)),
    "timeout": ("timeout", _number(1, MOST_TIMEOUT, "the time limit")),
    "max_attempts": ("max_attempts", _number(1, MOST_ATTEMPTS, "the number of attempts")),
    "attach": ("attach", _same),
    "headers": ("headers", _map),
    "options": ("options", _map),
    "enabled": ("enabled", _same),
}


def _check_secret(kind: str, signed: bool, secret: str) -> None:
    if not signed:
        raise InvalidError(f"webhooks of type {kind} are not signed", "Leave --secret out")
    check_secret(secret)


def _check_whole(fields: Mapping[str, Any], allow_private: bool) -> None:
    """What the provider says of the whole, and whether the address can be seen to be inside."""
    from ..webhooks.base import Target

    provider(fields["type"]).check(Target(fields["url"], fields["headers"], fields["options"]))
    if fields["url"].partition("://")[0].casefold() in ("http", "https") and not allow_private:
        check_visible(fields["url"])


def _free_name(store: Store, kind: str) -> str:
    taken = {webhook.name for webhook in store.webhooks.list()}
    number = 1
    while (name := kind if number == 1 else f"{kind}-{number}") in taken:
        number += 1
    return name


# Looking at them


def shape(store: Store, webhook: Webhook) -> dict[str, Any]:
    return webhook_shape(webhook, store.outbox.counts().get(webhook.id, {}), clock.now())


def shapes(store: Store) -> list[dict[str, Any]]:
    counts, now = store.outbox.counts(), clock.now()
    return [webhook_shape(webhook, counts.get(webhook.id, {}), now) for webhook in store.webhooks.list()]


def delivery_shapes(store: Store, found: Sequence[Delivery]) -> list[dict[str, Any]]:
    known = {webhook.id: webhook.name for webhook in store.webhooks.list()}
    ids = store.events.ids([one.event for one in found if one.event is not None])
    return [delivery_shape(one, known, ids.get(one.event or 0)) for one in found]


# Trying them


def test(store: Store, webhook: Webhook) -> Attempt:
    """Send a test message now, past queue, filters and rate limit."""
    outbound = make_outbound(store)
    try:
        made = attempt(webhook, sample(store), (), outbound)
    finally:
        outbound.close()
    if made.verdict.delivered:
        resumed(store, webhook)
    elif made.verdict.gone:
        store.webhooks.remove(webhook.id)
    return made


def sample(store: Store) -> Notification:
    """A test message, about nothing."""
    from os import urandom

    now = clock.now()
    return Notification(
        id=f"msg_{urandom(16).hex()}", kind=TEST, at=to_iso(now), project=DEFAULT_PROJECT,
        links=links(dashboard_address(store, now), None, None), levels=shown_levels(store),
    )  # fmt: skip


def preview(store: Store, webhook: Webhook, row: int, kind: str = "") -> list[dict[str, Any]]:
    """The requests that would be made for a stored event, their secrets hidden; nothing is sent."""
    item = store.events.load([row])[0]
    kind = kind or next((one for one in (NEW_ISSUE, EVENT, REGRESSION) if one in webhook.kinds), NEW_ISSUE)
    now = clock.now()
    delivery = Delivery(0, webhook.id, bytes(16), kind, "queued", item.issue_id, row, None, 1, now, now, None, 0, None,
                        None, None, None)  # fmt: skip
    reader = Reader(store, now)
    notification = reader.notifications([delivery])[0]
    found = provider(webhook.type)
    target = target_of(webhook, notification)
    files = reader.files(delivery, notification) if takes_files(webhook) else []
    shown: list[dict[str, Any]] = []
    for step in found.build_requests(notification, target, files):
        try:
            sending = step([])
        except Exception:  # it needs the answer to the one before
            break
        if isinstance(sending, Command):
            shown.append({"program": sending.module, "hosts": list(sending.hosts), "body": _text(sending.stdin)})
        elif sending is not None:
            shown.append({
                "method": sending.method, "headers": _shown_headers(sending.headers),
                "url": shown_url(webhook) if sending.url == webhook.url else sending.url,
                "body": _text(sending.body),
            })  # fmt: skip
    return [_hidden(one, webhook) for one in shown]


def _shown_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Without what proves who is asking, which may be a secret in another guise, such as base64."""
    return {name: HIDDEN if name.lower() in _PROOFS else value for name, value in headers.items()}


_PROOFS = ("authorization", "proxy-authorization", "cookie", "x-api-key")


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace")


def _hidden(value: Any, webhook: Webhook) -> Any:
    if isinstance(value, str):
        for secret in secret_parts(webhook):
            value = value.replace(secret, HIDDEN)
        return value
    if isinstance(value, list):
        return [_hidden(one, webhook) for one in value]
    return {name: _hidden(one, webhook) for name, one in value.items()}


__all__ = ["Made", "add", "delivery_shapes", "edit", "preview", "resumed", "sample", "shape", "shapes", "test"]
