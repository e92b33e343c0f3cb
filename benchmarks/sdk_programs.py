"""Small programs that really fail under the real sentry-sdk, for `sdk_shapes.py`.

Run in a process of its own, it prints the events of the SDK as JSON lines. Flask, Django and SQLAlchemy
programs run where these are installed; the others need only the SDK.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import configparser
import contextlib
import json
import logging
import random
import sqlite3
import uuid
import wsgiref.util
import wsgiref.validate
from collections.abc import Callable
from typing import Any

import sentry_sdk
from sentry_sdk.integrations.wsgi import SentryWsgiMiddleware
from sentry_sdk.transport import Transport

log = logging.getLogger("shop.orders")
HEADERS = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    "Accept": "text/html",
    "Accept-Language": "en-GB,en;q=0.9",
    "Referer": "https://shop.example/cart",
}


class Printing(Transport):
    """Prints each event as a line of JSON where a real transport would send it."""

    def capture_envelope(self, envelope: Any) -> None:
        for item in envelope.items:
            if item.headers.get("type") == "event":
                print(item.payload.get_bytes().decode())


def load_order(order_id: int) -> Any:
    log.info("loading order %s", order_id)
    store = sqlite3.connect(":memory:")
    customer = {"id": random.randrange(10**6), "email": f"{uuid.uuid4().hex[:8]}@mail.example"}
    log.warning("slow order %s of %s", order_id, customer["id"])
    return store.execute("select * from orders where id = ?", (order_id,)).fetchall()


def charge(cart: dict[str, Any]) -> int:
    try:
        return cart["amounts"]["total"]
    except KeyError as error:
        raise RuntimeError(f"cannot charge cart {cart['id']}") from error


def wsgi_program() -> None:
    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        order_id = int(environ["PATH_INFO"].rsplit("/", 1)[1])
        rows = load_order(order_id)
        start_response("200 OK", [])
        return [json.dumps(rows).encode()]

    environ = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in HEADERS.items()}
    environ |= {
        "SCRIPT_NAME": "",
        "PATH_INFO": f"/orders/{random.randrange(10**6)}",
        "QUERY_STRING": f"ref={uuid.uuid4()}",
    }
    wsgiref.util.setup_testing_defaults(environ)
    with contextlib.suppress(sqlite3.OperationalError):
        SentryWsgiMiddleware(wsgiref.validate.validator(application))(environ, lambda *_: None)


def chained_program() -> None:
    with captured():
        charge({"id": str(uuid.uuid4()), "amounts": {"net": random.random()}})


def logging_program() -> None:
    text = f'{{"sku": "{uuid.uuid4()}", bad}}'
    try:
        json.loads(text)
    except ValueError:
        log.exception("cannot read feed %s", random.randrange(1000))


def pool_program() -> None:
    with captured(), concurrent.futures.ThreadPoolExecutor(1) as pool:
        pool.submit(charge, {"id": str(uuid.uuid4())}).result()


def config_program() -> None:
    parser = configparser.ConfigParser()
    parser.read_string(f"[db]\nhost = {uuid.uuid4()}\nport = x{random.randrange(99)}\n")
    with captured():
        parser.getint("db", "port")


def async_program() -> None:
    async def fetch(url: str, timeout: float) -> None:
        await asyncio.wait_for(asyncio.get_running_loop().create_future(), timeout)

    async def fan_out() -> None:
        await asyncio.gather(*(fetch(f"http://stock/{random.randrange(10**6)}", 0.01) for _ in range(3)))

    with captured():
        asyncio.run(fan_out())


def flask_program() -> None:
    from flask import Flask  # type: ignore[import-not-found]
    from sqlalchemy import create_engine, text  # type: ignore[import-not-found]

    application = Flask("shop")
    engine = create_engine("sqlite://")

    @application.get("/orders/<int:order_id>")
    def orders(order_id: int) -> str:
        log.info("loading order %s", order_id)
        with engine.connect() as connection:
            return str(connection.execute(text("select * from orders where id=:id"), {"id": order_id}).all())

    @application.post("/pay")
    def pay() -> str:
        from flask import request

        return str(charge(request.get_json()))

    client = application.test_client()
    client.get(f"/orders/{random.randrange(10**6)}", headers=HEADERS)
    client.post("/pay", json={"id": str(uuid.uuid4()), "amounts": {"net": 3}}, headers=HEADERS)


@contextlib.contextmanager
def captured() -> Any:
    try:
        yield
    except Exception:
        sentry_sdk.capture_exception()


PROGRAMS = (wsgi_program, chained_program, logging_program, pool_program, config_program, async_program)


def main() -> None:
    sentry_sdk.init(
        dsn="http://key@127.0.0.1:9/1",
        transport=Printing,
        release=f"shop@2.{random.randrange(30)}.0",
        environment="production",
        send_default_pii=True,
    )
    sentry_sdk.set_tags({"region": "eu-west-1", "tenant": random.randrange(1000), "request_id": str(uuid.uuid4())})
    logging.getLogger().addHandler(logging.NullHandler())
    logging.getLogger().setLevel(logging.INFO)
    for program in PROGRAMS:
        program()
    with contextlib.suppress(ImportError):
        flask_program()


if __name__ == "__main__":
    main()
