"""Anthropic's Messages API: `POST /v1/messages`, answered by server-sent events. https://docs.anthropic.com/en/api/messages-streaming"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .base import Choice, ModelError, Piece, Prompt, Request, count_at, joined, request, text_at

NAME = "anthropic"
DEFAULT_URL = "https://api.anthropic.com"
DEFAULT_MODEL = "claude-haiku-4-5"
NEEDS_KEY = True
_VERSION = "2023-06-01"


def build(prompt: Prompt, choice: Choice) -> Request:
    return request(
        joined(choice.base_url, "v1/messages"),
        {
            "model": choice.model,
            "max_tokens": choice.most_tokens,
            "system": prompt.system,
            "messages": [{"role": "user", "content": prompt.user}],
            "stream": True,
        },
        x_api_key=choice.key,
        anthropic_version=_VERSION,
    )


def read(data: Mapping[str, Any]) -> Piece:
    kind = data.get("type")
    if kind == "error":
        overloaded = text_at(data, "error", "type") in ("overloaded_error", "api_error", "rate_limit_error")
        raise ModelError(f"anthropic: {complain(data)}", retry=overloaded)
    if kind == "content_block_delta":
        return Piece(text_at(data, "delta", "text"))
    if kind == "message_start":
        return Piece(tokens_in=count_at(data, "message", "usage", "input_tokens"))
    if kind == "message_delta":
        reason = text_at(data, "delta", "stop_reason")
        cut = (
            "it reached its limit of tokens" if reason == "max_tokens" else "it refused" if reason == "refusal" else ""
        )
        return Piece(tokens_out=count_at(data, "usage", "output_tokens"), ended=bool(reason), cut=cut)
    return Piece()  # ping, content_block_start, message_stop, and what later versions add


def complain(data: Any) -> str:
    return text_at(data, "error", "message")
