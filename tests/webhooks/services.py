"""What Slack, Discord and Teams take, by their documentation: stricter than they are, never laxer.

Each `…_fault` says what such a service would refuse about a body, or "". `Service` is one that listens.
"""

from __future__ import annotations

import email.parser
import email.policy
import http.server
import json
import re
import threading
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Body = dict[str, Any]


class Refused(Exception):
    pass


def refuse(condition: bool, why: str) -> None:
    if condition:
        raise Refused(why)


def units(text: str) -> int:
    return len(text.encode("utf-16-le", "strict")) // 2


def strict_json(body: bytes) -> Any:
    def constant(word: str) -> None:
        raise Refused(f"{word} is no JSON")

    return json.loads(body.decode("utf-8"), parse_constant=constant)


def keys(value: Any, required: str, optional: str = "") -> Body:
    refuse(not isinstance(value, dict), f"not an object: {value!r:.80}")
    found, needed = set(value), set(required.split())
    refuse(not needed <= found, f"without {needed - found}")
    refuse(not found <= needed | set(optional.split()), f"unknown: {found - needed - set(optional.split())}")
    return dict(value)


def text(value: Any, limit: int, what: str) -> str:
    refuse(not isinstance(value, str), f"{what} is no text")
    refuse(not value.strip(), f"{what} is empty")
    refuse(units(value) > limit, f"{what} has {units(value)} characters, not {limit}")
    refuse(bool(re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", value)), f"controls in {what}")
    return str(value)


def address(value: Any) -> None:
    refuse(urlsplit(text(value, 3_000, "address")).scheme not in ("http", "https"), f"address {value!r:.80}")


# Slack: https://docs.slack.dev/reference/block-kit/blocks


def slack_message(body: Body) -> None:
    found = keys(body, "text", "blocks attachments unfurl_links unfurl_media channel metadata")
    mrkdwn(found["text"], 40_000, "text")
    blocks = list(found.get("blocks", []))
    for attachment in found.get("attachments", []):
        part = keys(attachment, "color blocks", "fallback")
        refuse(not re.fullmatch("#[0-9a-f]{6}", part["color"]), "color")
        blocks += part["blocks"]
    refuse(len(blocks) > 50, "too many blocks")
    refuse(sum(len(json.dumps(block, ensure_ascii=False)) for block in blocks) > 13_000, "msg_blocks_too_long")
    for block in blocks:
        _BLOCKS.get(block.get("type"), unknown_block)(block)


def mrkdwn(value: Any, limit: int, what: str) -> None:
    shown = text(value, limit, what)
    refuse(bool(re.search("[<>]|&(?!amp;|lt;|gt;)", shown)), f"markup in {what}: {shown!r:.200}")
    code = re.fullmatch(r"```\n(.*)\n```", shown, re.S)
    refuse("```" in (code[1] if code else shown), f"a block of code ends early in {what}")


def text_object(value: Any, limit: int, what: str, kinds: tuple[str, ...] = ("plain_text", "mrkdwn")) -> None:
    found = keys(value, "type text", "emoji verbatim")
    refuse(found["type"] not in kinds, f"{what} may not be {found['type']}")
    refuse("emoji" in found and found["type"] != "plain_text", "emoji only in plain_text")
    refuse("verbatim" in found and found["type"] != "mrkdwn", "verbatim only in mrkdwn")
    (mrkdwn if found["type"] == "mrkdwn" else text)(found["text"], limit, what)


def unknown_block(block: Body) -> None:
    raise Refused(f"no such block: {block.get('type')}")


def _header(block: Body) -> None:
    text_object(keys(block, "type text")["text"], 150, "header", ("plain_text",))


def _section(block: Body) -> None:
    found = keys(block, "type", "text fields")
    refuse(not ({"text", "fields"} & set(found)), "an empty section")
    if "text" in found:
        text_object(found["text"], 3_000, "section")
    if "fields" in found:
        refuse(not 1 <= len(found["fields"]) <= 10, "fields of a section")
        for field in found["fields"]:
            text_object(field, 2_000, "field")


def _context(block: Body) -> None:
    elements = keys(block, "type elements")["elements"]
    refuse(not 1 <= len(elements) <= 10, "elements of a context")
    for element in elements:
        text_object(element, 3_000, "context")


def _actions(block: Body) -> None:
    elements = keys(block, "type elements")["elements"]
    refuse(not 1 <= len(elements) <= 25, "elements of actions")
    for element in elements:
        button = keys(element, "type text url")
        refuse(button["type"] != "button", "not a button")
        text_object(button["text"], 75, "button", ("plain_text",))
        address(button["url"])


_BLOCKS = {"header": _header, "section": _section, "context": _context, "actions": _actions}


# Discord: https://docs.discord.com/developers/resources/webhook#execute-webhook


def discord_message(body: Body) -> None:
    found = keys(body, "allowed_mentions", "embeds content")
    refuse(found["allowed_mentions"] != {"parse": []}, "somebody could be mentioned")
    refuse("embeds" not in found and "content" not in found, "an empty message")
    if "content" in found:
        text(found["content"], 2_000, "content")
    embeds = found.get("embeds", [])
    refuse(len(embeds) > 10, "too many embeds")
    refuse(sum(map(_embed, embeds)) > 6_000, "embeds of more than 6000 characters")


def _embed(embed: Any) -> int:
    found = keys(embed, "title", "author color fields footer timestamp url description")
    texts = [text(found["title"], 256, "title")]
    texts.append(text(keys(found["author"], "name")["name"], 256, "author"))
    texts.append(text(keys(found["footer"], "text")["text"], 2_048, "footer"))
    if "description" in found:
        texts.append(text(found["description"], 4_096, "description"))
    if "url" in found:
        address(found["url"])
    refuse(not 0 <= found["color"] <= 0xFFFFFF, "color")
    refuse(not re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", found["timestamp"]), "timestamp")
    refuse(len(found["fields"]) > 25, "too many fields")
    for field in found["fields"]:
        part = keys(field, "name value", "inline")
        texts += [text(part["name"], 256, "name"), text(part["value"], 1_024, "value")]
    return sum(map(units, texts))


# Teams: https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using


def teams_message(body: Body, size: int) -> None:
    refuse(size > 28 * 1_024, f"{size} bytes")
    found = keys(body, "type attachments")
    refuse(found["type"] != "message" or len(found["attachments"]) != 1, "not a message with one card")
    attachment = keys(found["attachments"][0], "contentType contentUrl content")
    refuse(attachment["contentType"] != "application/vnd.microsoft.card.adaptive", "contentType")
    card = keys(attachment["content"], "$schema type version body", "actions fallbackText msteams")
    refuse(card["type"] != "AdaptiveCard" or card["version"] not in ("1.2", "1.3", "1.4", "1.5"), "type or version")
    refuse(not card["body"], "an empty card")
    for element in card["body"]:
        _element(element)
    for action in card.get("actions", []):
        part = keys(action, "type title url")
        refuse(part["type"] != "Action.OpenUrl", "action")
        address(part["url"])


def _element(element: Body) -> None:
    if element.get("type") == "Container":
        found = keys(element, "type items", "style")
        refuse(not found["items"], "an empty container")
        for item in found["items"]:
            _element(item)
    elif element.get("type") == "TextBlock":
        text(keys(element, "type text", "wrap")["text"], 28_000, "text block")
    else:
        found = keys(element, "type inlines", "spacing")
        refuse(found["type"] != "RichTextBlock" or not found["inlines"], f"element {found['type']}")
        for run in found["inlines"]:
            part = keys(run, "type text", "weight size color isSubtle fontType")
            refuse(part["type"] != "TextRun" or not part["text"], "inline")
            refuse("\n" in part["text"], "a run shows no line breaks")
            refuse(part.get("color", "Default") not in ("Default", "Attention", "Warning", "Good", "Accent"), "color")
            text(part["text"] if part["text"].strip() else "x", 28_000, "run")


def connector_message(body: Body, size: int) -> None:
    refuse(size > 28 * 1_024, f"{size} bytes")
    if set(body) == {"text"}:
        text(body["text"], 28_000, "text")
        return
    found = keys(body, "@type @context themeColor summary title sections potentialAction")
    refuse(found["@type"] != "MessageCard", "type")
    refuse(not re.fullmatch("[0-9a-f]{6}", found["themeColor"]), "themeColor")
    text(found["summary"], 1_000, "summary")
    text(found["title"], 2_000, "title")
    for section in found["sections"]:
        part = keys(section, "text markdown", "activityTitle activitySubtitle facts")
        markdown = [part["text"], *(str(part.get(key, "")) for key in ("activityTitle", "activitySubtitle"))]
        markdown += [keys(fact, "name value")["value"] for fact in part.get("facts", [])]
        for shown in markdown:
            refuse(bool(re.search(r"<|(?<!\\)(?:\\\\)*[*_`\[\]]", shown)), f"markup: {shown!r:.200}")
    for action in found["potentialAction"]:
        for target in keys(action, "@type name targets")["targets"]:
            address(keys(target, "os uri")["uri"])


# Any of them, as its requests come.


def fault(service: str, headers: dict[str, str], body: bytes) -> str:
    """What the service refuses about a request; "" when it takes it."""
    try:
        _check(service, headers, body)
    except Refused as refused:
        return str(refused)
    return ""


def _check(service: str, headers: dict[str, str], body: bytes) -> None:
    kind = headers["content-type"]
    if service == "discord" and kind.startswith("multipart/form-data"):
        sent = parts(kind, body)
        refuse(len(body) > 10 << 20 or len(sent) > 11, "too much")
        names = [name for name, _, _ in sent]
        refuse(names != ["payload_json", *(f"files[{number}]" for number in range(len(sent) - 1))], f"parts {names}")
        discord_message(strict_json(sent[0][2]))
        return
    refuse(not kind.startswith("application/json"), f"content type {kind}")
    found = strict_json(body)
    if service == "slack":
        slack_message(found)
    elif service == "discord":
        discord_message(found)
    elif service == "teams":
        teams_message(found, len(body))
    elif service == "connector":
        connector_message(found, len(body))


def parts(content_type: str, body: bytes) -> list[tuple[str, str | None, bytes]]:
    """The parts of a form: name, file name, content."""
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
    refuse(not message.is_multipart() or bool(message.defects), "no form")
    found = []
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        found.append((str(name), part.get_filename(), bytes(part.get_payload(decode=True))))
    return found


class Service:
    """Slack, Discord or Teams on this machine: answers as they do, and remembers what it was told."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.uploads: dict[str, dict[str, Any]] = {}
        self.shared: list[Body] = []
        self.answers: list[tuple[int, dict[str, str], bytes]] = []  # what it answers before it does as usual
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {key.lower(): value for key, value in self.headers.items()}
                status, more, answer = service.answer(self.path, headers, body)
                self.send_response(status)
                for key, value in {**more, "content-length": str(len(answer))}.items():
                    self.send_header(key, value)
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> Service:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        self.requests.append((path, headers, body))
        if self.answers:
            return self.answers.pop(0)
        if path.startswith("/up/"):
            self.uploads[path[4:]]["body"] = body
            return 200, {}, b"OK - %d" % len(body)
        if path.startswith("/api/"):
            return 200, {"content-type": "application/json"}, json.dumps(self._method(path[5:], headers, body)).encode()
        found = fault(self.name, headers, body)
        if found:
            return _REFUSALS[self.name]
        return {"slack": (200, {}, b"ok"), "discord": (200, {}, b'{"id": "1"}')}.get(self.name, (202, {}, b""))

    def _method(self, method: str, headers: dict[str, str], body: bytes) -> Body:
        """The Web API of Slack."""
        if headers.get("authorization") != "Bearer xoxb-1":
            return {"ok": False, "error": "invalid_auth"}
        if method == "files.getUploadURLExternal":
            given = dict(parse_qsl(body.decode()))
            name = f"F{len(self.uploads)}"
            self.uploads[name] = {"filename": given["filename"], "length": int(given["length"])}
            return {"ok": True, "upload_url": f"{self.url}/up/{name}", "file_id": name}
        if method == "chat.postMessage":
            found = fault("slack", headers, body)
            return {"ok": False, "error": "invalid_blocks"} if found else {"ok": True, "channel": "C9", "ts": "17.25"}
        assert method == "files.completeUploadExternal"
        self.shared.append(strict_json(body))
        for file in self.shared[-1]["files"]:
            upload = self.uploads[file["id"]]
            if len(upload["body"]) != upload["length"]:
                return {"ok": False, "error": "file_update_failed"}
        return {"ok": True}


_REFUSALS: dict[str, tuple[int, dict[str, str], bytes]] = {
    "slack": (400, {}, b"invalid_payload"),
    "discord": (400, {}, b'{"code": 50035, "message": "Invalid Form Body", "errors": {}}'),
    "teams": (400, {}, b'{"error": {"code": "TriggerInputSchemaMismatch", "message": "no"}}'),
    "connector": (400, {}, b"Bad payload received by generic incoming webhook."),
}
