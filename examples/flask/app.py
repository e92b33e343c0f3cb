"""A shop in Flask: its crashes go to Crashvault, and Crashvault tells it of new issues by webhook."""

from __future__ import annotations

import os
from typing import Any

import sentry_sdk
from flask import Flask, jsonify, request
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

sentry_sdk.init(release="shop@1.4.2", environment="demo")  # the DSN comes from SENTRY_DSN

app = Flask(__name__)
webhook = Webhook(os.environ["WEBHOOK_SECRET"])
heard: dict[str, Any] = {}  # by id, because a message may come twice
PRICES = {1: 9, 2: 19}


@app.get("/orders/<int:number>")
def order(number: int) -> Any:
    return jsonify(price=PRICES[number])  # order 3 is a KeyError


@app.post("/crashvault")
def crashvault() -> Any:
    try:
        message = webhook.verify(request.get_data(), dict(request.headers))
    except (WebhookVerificationError, ValueError):  # or what is no base64
        return "not signed by Crashvault", 401
    heard.setdefault(request.headers["webhook-id"], message)
    return "", 204


@app.get("/heard")
def list_heard() -> Any:
    return jsonify(
        [{"type": one["type"], "title": (one["data"]["issue"] or {}).get("title")} for one in heard.values()]
    )


if __name__ == "__main__":
    app.run("127.0.0.1", int(os.environ.get("PORT", "8001")))
