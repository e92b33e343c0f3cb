"""Where requests go, and where they never do, whatever a name, an address or an answer says."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.notify.receiver import Receiver

from crashvault.errors import InvalidError
from crashvault.outbound import (
    MOST_ANSWER,
    Outbound,
    OutboundError,
    RefusedAddressError,
    check_visible,
    refusal,
    tls_context,
)

INSIDE = [
    "127.0.0.1", "127.8.8.8", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "169.254.169.254", "169.254.0.1", "100.64.0.1", "100.100.100.200", "224.0.0.1", "239.255.255.250", "255.255.255.255",
    "240.0.0.1", "192.0.0.192", "192.0.2.1", "198.18.0.1", "203.0.113.1",
    "::1", "::", "fe80::1", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "2001:db8::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "::ffff:0:127.0.0.1",
    "64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "2002:a9fe:a9fe::1", "2002:c0a8:101::1",
    "2001:0:4136:e378:8000:63bf:80ff:fffe",
]  # fmt: skip
OUTSIDE = [
    "8.8.8.8",
    "1.1.1.1",
    "172.32.0.1",
    "100.128.0.1",
    "2606:4700:4700::1111",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    yield found
    found.close()


@pytest.fixture
def client() -> Iterator[Outbound]:
    found = Outbound(allow_private=True)
    yield found
    found.close()


@pytest.mark.parametrize("address", INSIDE)
def test_addresses_that_are_refused(address: str, receiver: Receiver) -> None:
    assert refusal(ipaddress.ip_address(address))
    client = Outbound(resolver=lambda host, port: ["8.8.8.8", address])
    with pytest.raises(RefusedAddressError, match=r"hooks\.example\.com is .*allow_private") as refused:
        client.send("POST", "https://hooks.example.com/secret?token=secret", {}, b"")
    assert not refused.value.retry and "secret" not in str(refused.value)


@pytest.mark.parametrize("address", OUTSIDE)
def test_addresses_of_the_public_network(address: str) -> None:
    assert refusal(ipaddress.ip_address(address)) is None


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "LocalHost.", "x.localhost", "[::1]", "2130706433", "0x7f000001", "127.1", "017700000001",
             "[::ffff:127.0.0.1]", "169.254.169.254", "10.1.2.3"],
)  # fmt: skip
def test_what_can_be_seen_to_be_inside(host: str) -> None:
    with pytest.raises(RefusedAddressError):
        check_visible(f"http://{host}/hook")
    with pytest.raises(OutboundError):  # refused, or not known to the name service
        Outbound().send("GET", f"http://{host}:1/", {}, b"")
    check_visible("https://hooks.slack.com/services/x")
    check_visible("http://8.8.8.8/")


def test_a_name_that_changes_its_meaning_gains_nothing(receiver: Receiver) -> None:
    """DNS rebinding: the address that was checked is the one that is connected to, and every connection is checked."""
    connected: list[Any] = []
    client = Outbound(resolver=lambda host, port: ["1.1.1.1"] if not connected else ["127.0.0.1"])

    def connect(self: socket.socket, address: Any) -> None:
        connected.append(address)
        raise ConnectionRefusedError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("crashvault.outbound._Socket.connect", connect, raising=False)
        with pytest.raises(OutboundError):
            client.send("POST", "http://rebind.example/", {}, b"")
    with pytest.raises(RefusedAddressError):
        client.send("POST", f"http://rebind.example:{receiver.port}/", {}, b"")
    assert connected == [("1.1.1.1", 80)] and receiver.arrived == []


def test_the_name_is_said_and_the_address_called(receiver: Receiver) -> None:
    client = Outbound(allow_private=True, resolver=lambda host, port: ["127.0.0.1"])
    answer = client.send(
        "POST", f"http://hooks.example.com:{receiver.port}/a%20b/ü?x=1&y=%2F", {"X-Team": "pay"}, b"body"
    )
    (arrived,) = receiver.arrived
    assert answer.status == 200 and arrived.headers["host"] == f"hooks.example.com:{receiver.port}"
    assert arrived.path == "/a%20b/%C3%BC?x=1&y=%2F" and arrived.headers["x-team"] == "pay" and arrived.body == b"body"
    client.close()


def test_redirects_are_not_followed(client: Outbound, receiver: Receiver) -> None:
    receiver.answer((302, {"Location": "/elsewhere"}))
    assert client.send("POST", receiver.url, {}, b"").status == 302
    assert len(receiver.arrived) == 1


def test_proxies_of_the_environment_are_not_asked(
    client: Outbound, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert client.send("POST", receiver.url, {}, b"").status == 200


def test_an_answer_is_read_to_a_limit(client: Outbound, receiver: Receiver) -> None:
    receiver.answer("huge")
    answer = client.send("POST", receiver.url, {}, b"", seconds=5)
    assert answer.status == 200 and len(answer.body) == MOST_ANSWER
    assert client.send("POST", receiver.url, {}, b"").status == 200


@pytest.mark.parametrize("behaviour, what", [
    ("slow", "did not answer within 0.5 s"), ("drip", "did not answer within 0.5 s"),
    ("drop", "closed the connection"), ("garbage", "does not answer with HTTP"),
])  # fmt: skip
def test_a_receiver_that_misbehaves(client: Outbound, receiver: Receiver, behaviour: str, what: str) -> None:
    receiver.answer(behaviour)
    with pytest.raises(OutboundError, match=what) as failed:
        client.send("POST", f"{receiver.url}/hush?token=hush", {}, b"", seconds=0.5)
    assert failed.value.retry and "hush" not in str(failed.value)


def test_connections_are_kept_and_made_again(client: Outbound, receiver: Receiver) -> None:
    for _ in range(3):
        client.send("POST", receiver.url, {}, b"x")
    (connection,) = client._idle["http", "127.0.0.1", receiver.port]
    connection.sock.shutdown(socket.SHUT_RDWR)
    assert client.send("POST", receiver.url, {}, b"y").status == 200
    assert [one.body for one in receiver.arrived] == [b"x", b"x", b"x", b"y"]


def test_nobody_there(client: Outbound) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(OutboundError, match="refuses the connection"):
        client.send("POST", f"http://127.0.0.1:{port}/", {}, b"")
    with pytest.raises(OutboundError, match="not known"):
        Outbound(resolver=_unknown).send("POST", "http://nowhere.example/", {}, b"")


def _unknown(host: str, port: int) -> list[str]:
    raise socket.gaierror(-2, "Name or service not known")


@pytest.mark.parametrize(
    "url", ["ftp://x/", "http://", "https:///x", "//x", "http://a b/", "http://x:99999/", "http://[::1", "x"]
)
def test_what_is_no_address_of_the_web(client: Outbound, url: str) -> None:
    with pytest.raises((InvalidError, OutboundError)):
        client.send("POST", url, {}, b"")


@pytest.mark.parametrize("headers", [{"X": "a\r\nHost: b"}, {"X\r\nY": "b"}])
def test_nothing_is_smuggled_into_headers(client: Outbound, receiver: Receiver, headers: dict[str, str]) -> None:
    with pytest.raises(OutboundError, match="cannot be made") as failed:
        client.send("POST", receiver.url, headers, b"")
    assert not failed.value.retry


def test_the_certificate_must_be_that_of_the_name(tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=hooks.example.com",
         "-addext", "subjectAltName=DNS:hooks.example.com", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    names: list[str | None] = []
    context.sni_callback = lambda sock, name, _: names.append(name)

    def serve() -> None:
        for _ in range(3):
            plain, _ = listening.accept()
            try:
                with context.wrap_socket(plain, server_side=True) as secured:
                    secured.recv(65_536)
                    secured.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
            except OSError:
                plain.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    resolver = lambda host, port: ["127.0.0.1"]
    trusting = Outbound(allow_private=True, resolver=resolver, context=tls_context(str(certificate)))
    assert trusting.send("POST", f"https://hooks.example.com:{port}/", {}, b"").status == 204
    with pytest.raises(OutboundError, match=r"certificate of evil\.example\.com is not to be trusted"):
        trusting.send("POST", f"https://evil.example.com:{port}/", {}, b"")
    with pytest.raises(OutboundError, match="not to be trusted"):
        Outbound(allow_private=True, resolver=resolver).send("POST", f"https://hooks.example.com:{port}/", {}, b"")
    thread.join(10)
    listening.close()
    assert names == ["hooks.example.com", "evil.example.com", "hooks.example.com"]
