"""One attempt: a notification becomes requests, they are signed and sent, and the answers are judged."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from typing import NamedTuple

from ..clock import SECOND, now
from ..errors import CrashvaultError
from ..logs import log_debug
from ..outbound import Outbound, OutboundError
from ..plugins.parts import provider as provider_named
from ..storage.webhooks import Webhook
from ..webhooks.base import Command, File, Notification, Provider, Request, Response, Target, Verdict
from .shown import secret_parts
from .signing import signature_headers

_MOST_REASON = 300  # characters


class Attempt(NamedTuple):
    verdict: Verdict
    status: int | None  # of the last answer


def target_of(webhook: Webhook, notification: Notification | None = None) -> Target:
    """Where a webhook's messages go, with what its template makes of a notification. Raises InvalidError."""
    target = Target(webhook.url, webhook.headers, webhook.options)
    if not webhook.template or notification is None:
        return target
    from .templates import render

    return Target(webhook.url, webhook.headers, webhook.options, render(webhook.template, notification))


def takes_files(webhook: Webhook) -> bool:
    """Whether files go with its messages."""
    try:
        return webhook.attach and provider_named(webhook.type).takes_files(target_of(webhook))
    except CrashvaultError:  # a type that is not there any more: the attempt will say so
        return False


def attempt(webhook: Webhook, notification: Notification, files: Sequence[File], outbound: Outbound) -> Attempt:
    """Send one notification. What goes wrong is the answer; nothing is raised."""
    try:
        provider = provider_named(webhook.type)
        target = target_of(webhook, notification)
        steps = provider.build_requests(notification, target, files)
        answers: list[Response] = []
        verdict = Verdict(True)
        for step in steps:
            sending = step(answers)
            if sending is None:
                continue
            answers.append(_answer(sending, provider, webhook, target, notification, outbound))
            verdict = provider.judge(answers[-1], now() / SECOND)
            if not verdict.delivered:
                break
        verdict = verdict._replace(reason=_clean(verdict.reason, webhook))
        return Attempt(verdict, answers[-1].status if answers else None)
    except OutboundError as error:
        return Attempt(Verdict(False, error.retry, _clean(error.message, webhook)), None)
    except CrashvaultError as error:
        return Attempt(Verdict(False, False, _clean(error.message, webhook)), None)
    except Exception as error:
        log_debug("delivery could not be made", webhook=webhook.name, error=type(error).__name__)
        return Attempt(Verdict(False, False, f"the message could not be made ({type(error).__name__})"), None)


def _answer(
    sending: Request | Command, provider: Provider, webhook: Webhook, target: Target, notification: Notification,
    outbound: Outbound,
) -> Response:  # fmt: skip
    if isinstance(sending, Command):
        return _run(sending, webhook, outbound)
    if provider.seal is not None:
        sending = provider.seal(sending, target, webhook.secrets, now() // SECOND)
    headers = dict(sending.headers)
    if provider.signed:
        headers |= signature_headers(webhook.secrets, notification.id, now() // SECOND, sending.body)
    answer = outbound.send(
        sending.method, sending.url, headers, sending.body, seconds=webhook.timeout, once=sending.once
    )
    return Response(*answer)


def _run(command: Command, webhook: Webhook, outbound: Outbound) -> Response:
    """Let a module send by itself, in a process of its own: it answers with its exit code, 0 when it has sent."""
    for host in command.hosts:
        outbound.check_host(host)
    try:
        done = subprocess.run(
            # -P: what lies in the current directory is not imported in place of what was installed.
            [sys.executable, "-P", "-m", command.module, *(["--allow-private"] if outbound.allow_private else [])],
            input=command.stdin, capture_output=True, timeout=webhook.timeout, check=False, env=_environment(),
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise OutboundError(f"the service did not answer within {webhook.timeout} s") from None
    return Response(
        200 if done.returncode == 0 else 502, {"x-exit-code": str(done.returncode)}, done.stdout[: 64 << 10]
    )


def _environment() -> dict[str, str]:
    """Without proxies, which would lead around the check of addresses."""
    return {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}


def _clean(reason: str, webhook: Webhook) -> str:
    """A reason for people, without anything that is secret."""
    for secret in secret_parts(webhook):
        reason = reason.replace(secret, "[Filtered]")
    return "".join(char if char.isprintable() else " " for char in reason)[:_MOST_REASON]
