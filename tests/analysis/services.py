"""Model services on this machine: real HTTP servers that speak each provider's documented wire format."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

KEY = "sk-test-3f9a1c77e2b04d5d9e61"
TEXT = ["C1 began six hours ago [F1]. ", "It is only in release 2.0 [F2, F3].", "\nRead commit abc first."]


class Asked(NamedTuple):
    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    raw: bytes


class Service:
    """What was asked, and what is answered: `answers` are used up one by one, the last one again and again."""

    def __init__(self, answers: list[Callable[[Any], None]]) -> None:
        self.asked: list[Asked] = []
        self.answers = answers
        self.stop = threading.Event()  # ends answers that hang
        self.url = ""


@contextmanager
def serving(*answers: Callable[[Any], None]) -> Iterator[Service]:
    """A service on a free port of this machine; each answer is told the request's handler."""
    service = Service(list(answers))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        stopped = service.stop

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            service.asked.append(Asked(self.path, headers, json.loads(raw), raw))
            answer = service.answers[0] if len(service.answers) == 1 else service.answers.pop(0)
            try:
                answer(self)
            except (BrokenPipeError, ConnectionResetError):
                pass
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    service.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield service
    finally:
        service.stop.set()
        server.shutdown()
        thread.join()
        server.server_close()


# Ways to answer


def chunked(kind: str, parts: list[bytes], *, finish: bool = True) -> Callable[[Any], None]:
    """A streamed answer, in HTTP chunks; without `finish` the connection ends in the middle."""

    def answer(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", kind)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for part in parts:
            handler.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
        if finish:
            handler.wfile.write(b"0\r\n\r\n")

    return answer


def plain(status: int, body: bytes | dict[str, Any], **headers: str) -> Callable[[Any], None]:
    """An answer in one piece."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()

    def answer(handler: Any) -> None:
        handler.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    return answer


def hanging(handler: Any) -> None:
    """No answer until the test is over."""
    handler.stopped.wait(30)


def dropped(handler: Any) -> None:
    """The connection ends without an answer."""
    handler.connection.close()


# Wire formats


def _events(*objects: dict[str, Any], names: bool = False, done: bool = False) -> list[bytes]:
    parts = [
        (f"event: {item['type']}\n" if names else "").encode() + b"data: " + json.dumps(item).encode() + b"\n\n"
        for item in objects
    ]
    return [*parts, b"data: [DONE]\n\n"] if done else parts


def _openai(texts: list[str], reason: str = "stop") -> list[bytes]:
    def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m",
                "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}  # fmt: skip

    usage = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "choices": [],
        "usage": {"prompt_tokens": 700, "completion_tokens": 30, "total_tokens": 730},
    }
    return _events(
        chunk({"role": "assistant", "content": ""}),
        *(chunk({"content": text}) for text in texts),
        chunk({}, reason),
        usage,
        done=True,
    )


def _ollama(texts: list[str], reason: str = "stop") -> list[bytes]:
    lines: list[dict[str, Any]] = [
        {
            "model": "m",
            "created_at": "2026-01-01T00:00:00Z",
            "message": {"role": "assistant", "content": text},
            "done": False,
        }
        for text in texts
    ]
    lines.append({"model": "m", "message": {"role": "assistant", "content": ""}, "done": True, "done_reason": reason,
                  "prompt_eval_count": 700, "eval_count": 30})  # fmt: skip
    return [json.dumps(line).encode() + b"\n" for line in lines]


def _gemini(texts: list[str], reason: str = "STOP") -> list[bytes]:
    items: list[dict[str, Any]] = [
        {"candidates": [{"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}], "modelVersion": "m"}
        for text in texts
    ]
    items[-1]["candidates"][0]["finishReason"] = reason
    items[-1]["usageMetadata"] = {"promptTokenCount": 700, "candidatesTokenCount": 30, "totalTokenCount": 730}
    return [part.replace(b"\n\n", b"\r\n\r\n") for part in _events(*items)]


def _anthropic(texts: list[str], reason: str = "end_turn") -> list[bytes]:
    return _events(
        {"type": "message_start", "message": {"id": "msg_1", "role": "assistant", "content": [], "usage": {"input_tokens": 700, "output_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        *({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}} for text in texts),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": {"output_tokens": 30}},
        {"type": "message_stop"},
        names=True,
    )  # fmt: skip


class Wire(NamedTuple):
    """How a provider's service talks."""

    kind: str
    parts: Callable[..., list[bytes]]
    cut_reason: str
    path: str
    error: Callable[[str], dict[str, Any]]


WIRES = {
    "openai": Wire("text/event-stream", _openai, "length", "/chat/completions", lambda text: {"error": {"message": text, "type": "x", "code": None}}),
    "ollama": Wire("application/x-ndjson", _ollama, "length", "/api/chat", lambda text: {"error": text}),
    "gemini": Wire("text/event-stream", _gemini, "MAX_TOKENS", "/v1beta/models/m:streamGenerateContent?alt=sse", lambda text: {"error": {"code": 400, "message": text, "status": "X"}}),
    "anthropic": Wire("text/event-stream; charset=utf-8", _anthropic, "max_tokens", "/v1/messages", lambda text: {"type": "error", "error": {"type": "x", "message": text}}),
}  # fmt: skip


def speaking(provider: str, texts: list[str] | None = None, **more: Any) -> Callable[[Any], None]:
    """A whole answer as the provider streams it."""
    wire = WIRES[provider]
    return chunked(wire.kind, wire.parts(TEXT if texts is None else texts, **more))
