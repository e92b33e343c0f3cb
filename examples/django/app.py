"""A shop in Django: its crashes go to Crashvault, and Crashvault tells it of new issues by webhook.

The signature is checked here without a library, so that you see how little there is to it.
"""

from __future__ import annotations

import base64
import hmac
import json
import os
import sys
import time
from typing import Any

import sentry_sdk
from django.conf import settings
from django.core.management import execute_from_command_line
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

sentry_sdk.init(release="shop@1.4.2", environment="demo")  # the DSN comes from SENTRY_DSN
settings.configure(ROOT_URLCONF=__name__, SECRET_KEY="only for the example", ALLOWED_HOSTS=["127.0.0.1"], USE_TZ=True)

KEY = base64.b64decode(os.environ["WEBHOOK_SECRET"].removeprefix("whsec_"))
heard: dict[str, Any] = {}  # by id, because a message may come twice
PRICES = {1: 9, 2: 19}


def order(request: HttpRequest, number: int) -> HttpResponse:
    return JsonResponse({"price": PRICES[number]})  # order 3 is a KeyError


def is_signed(request: HttpRequest) -> bool:
    """Whether a request comes from Crashvault, is as it was sent, and is not older than five minutes."""
    sent_at = request.headers.get("webhook-timestamp", "")
    if not sent_at.isdigit() or abs(time.time() - int(sent_at)) > 300:
        return False
    signed = f"{request.headers.get('webhook-id')}.{sent_at}.".encode() + request.body
    expected = "v1," + base64.b64encode(hmac.digest(KEY, signed, "sha256")).decode()
    given = request.headers.get("webhook-signature", "").split()  # several while the secret is changed
    return any(hmac.compare_digest(expected.encode(), one.encode()) for one in given)


@csrf_exempt
@require_POST
def crashvault(request: HttpRequest) -> HttpResponse:
    if not is_signed(request):
        return HttpResponse("not signed by Crashvault", status=401)
    heard.setdefault(request.headers["webhook-id"], json.loads(request.body))
    return HttpResponse(status=204)


def list_heard(request: HttpRequest) -> HttpResponse:
    told = [{"type": one["type"], "title": (one["data"]["issue"] or {}).get("title")} for one in heard.values()]
    return JsonResponse(told, safe=False)


urlpatterns = [path("orders/<int:number>", order), path("crashvault", crashvault), path("heard", list_heard)]

if __name__ == "__main__":
    execute_from_command_line([sys.argv[0], "runserver", "--noreload", f"127.0.0.1:{os.environ.get('PORT', '8003')}"])
