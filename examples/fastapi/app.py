"""A shop in FastAPI: its crashes go to Crashvault, and Crashvault tells it of new issues by webhook."""

from __future__ import annotations

import os
from typing import Any

import sentry_sdk
import uvicorn
from fastapi import FastAPI, HTTPException, Request, Response
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

sentry_sdk.init(release="shop@1.4.2", environment="demo")  # the DSN comes from SENTRY_DSN

app = FastAPI()
webhook = Webhook(os.environ["WEBHOOK_SECRET"])
heard: dict[str, Any] = {}  # by id, because a message may come twice
PRICES = {1: 9, 2: 19}


@app.get("/orders/{number}")
def order(number: int) -> dict[str, int]:
    return {"price": PRICES[number]}  # order 3 is a KeyError


@app.post("/crashvault", status_code=204)
async def crashvault(request: Request) -> Response:
    try:
        message = webhook.verify(await request.body(), dict(request.headers))
    except (WebhookVerificationError, ValueError):  # or what is no base64
        raise HTTPException(401, "not signed by Crashvault") from None
    heard.setdefault(request.headers["webhook-id"], message)
    return Response(status_code=204)


@app.get("/heard")
def list_heard() -> list[dict[str, Any]]:
    return [{"type": one["type"], "title": (one["data"]["issue"] or {}).get("title")} for one in heard.values()]


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8002")))
