"""The body that programs read: its documented schema, forms with files, templates, headers."""

from __future__ import annotations

import email.parser
import email.policy
import json
from typing import Any

import jsonschema_rs
import pytest

from crashvault.errors import InvalidError
from crashvault.webhooks import http
from crashvault.webhooks.base import KINDS, File, Request, Target
from crashvault.webhooks.samples import sample

URL = "https://hooks.example/in?token=s3cr3t"


def request(kind: str = "event", files: tuple[File, ...] = (), **target: Any) -> Request:
    (step,) = http.PROVIDER.build_requests(sample(kind), Target(URL, **target), files)
    found = step([])
    assert isinstance(found, Request)
    return found


def file(name: str, content: bytes, content_type: str = "text/plain") -> File:
    return File(name, content_type, len(content), lambda: content)


def parts(sent: Request) -> list[tuple[Any, str | None, bytes]]:
    """A form as the standard library reads it: headers, file name, content."""
    text = f"Content-Type: {sent.headers['content-type']}\r\n\r\n".encode()
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(text + sent.body)
    assert message.is_multipart() and not message.defects
    return [(part, part.get_filename(), part.get_payload(decode=True)) for part in message.iter_parts()]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_its_type_and_the_documented_shape(kind: str) -> None:
    sent = request(kind)
    body = json.loads(sent.body)
    jsonschema_rs.validator_for(http.SCHEMA).validate(body)
    assert body["type"] == http.TYPES[kind] and body["data"]["kind"] == kind
    assert sent.headers == {"content-type": "application/json", "webhook-id": "sample"}
    assert (sent.method, sent.url) == ("POST", URL)


def test_events_are_whole() -> None:
    body = json.loads(request("event").body)
    assert body["type"] == "crashvault.event" and body["id"] == "sample"
    assert body["data"]["event"]["exception"] == {"type": "KeyError", "value": "'visa'"}
    assert body["data"]["issue"]["count"] == 128 and body["data"]["count"] == 3
    assert body["data"]["links"]["cli"] == "crashvault show 7"


def test_a_summary_names_what_was_held() -> None:
    held = json.loads(request("summary").body)["data"]["held"]
    assert [(one["issue"]["id"], one["events"]) for one in held] == [(7, 40), (8, 5)]


def test_files_make_a_form() -> None:
    content = b"\x00binary\r\n--crashvault-\xff"
    sent = request(files=(file("stack.txt", b"trace"), file('../a\r\nb".bin', content, "x/y\r\nX-Evil: 1")))
    payload, first, second = parts(sent)
    assert payload[0]["content-disposition"] == 'form-data; name="payload"' and payload[1] is None
    assert json.loads(payload[2])["type"] == "crashvault.event"
    assert first[1:] == ("stack.txt", b"trace") and first[0]["content-type"] == "text/plain"
    assert second[1] == "_a__b%22.bin"
    assert second[2] == content and second[0]["content-type"] == "application/octet-stream"
    assert sent == request(files=(file("stack.txt", b"trace"), file('../a\r\nb".bin', content, "x/y\r\nX-Evil: 1")))


@pytest.mark.parametrize(
    "rendered, content_type",
    [('{"text": "größer"}', "application/json"), ("größer", "text/plain; charset=utf-8"), ("NaN", "text/plain; charset=utf-8")],
)  # fmt: skip
def test_a_template_takes_the_place_of_the_body(rendered: str, content_type: str) -> None:
    sent = request(rendered=rendered)
    assert (sent.body.decode(), sent.headers["content-type"]) == (rendered, content_type)
    payload, _ = parts(request(rendered=rendered, files=(file("a", b"b"),)))
    assert payload[2].decode() == rendered and payload[0].get_content_type() == content_type.partition(";")[0]


def test_the_owners_headers_win() -> None:
    sent = request(headers={"Content-Type": "application/vnd.shop+json", "X-Team": "payments"})
    assert sent.headers == {"content-type": "application/vnd.shop+json", "x-team": "payments", "webhook-id": "sample"}
    form = request(headers={"Content-Type": "application/xml"}, files=(file("a", b"b"),))
    assert form.headers["content-type"].startswith("multipart/form-data; boundary=")


@pytest.mark.parametrize(
    "target",
    [
        Target("ftp://hooks.example/s3cr3t"), Target("s3cr3t"), Target("https:///s3cr3t"), Target("http://[::1/s3cr3t"),
        Target("https://hooks.example:port/s3cr3t"), Target("https://hooks.example/s3cr3t\nX: y"),
        Target(URL, {"Host": "s3cr3t"}), Target(URL, {"Webhook-Signature": "s3cr3t"}), Target(URL, {"a b": "s3cr3t"}),
        Target(URL, {"X-Team": "s3cr3t\r\nX-Other: 1"}), Target(URL, options={"colour": "s3cr3t"}),
    ],
)  # fmt: skip
def test_targets_that_cannot_be_meant_are_refused(target: Target) -> None:
    with pytest.raises(InvalidError) as refused:
        http.PROVIDER.check(target)
    assert "s3cr3t" not in str(refused.value)


def test_usual_targets_are_taken() -> None:
    http.PROVIDER.check(Target(URL, {"X-Team": "payments", "Authorization": "Bearer x"}))
    http.PROVIDER.check(Target("http://127.0.0.1:8080/"))
    http.PROVIDER.check(Target("https://hooks.slack.com/services/T/B/x"))
