"""OpenAI's chat completions, which many servers speak: `POST /chat/completions`, answered by server-sent events.

https://platform.openai.com/docs/api-reference/chat. A server that knows no streaming may answer with one object.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .base import Choice, ModelError, Piece, Prompt, Request, count_at, joined, request, text_at

NAME = "openai"
DEFAULT_URL = "https://api.openai.com/v1"
DEFAULT_MODEL = "gpt-4.1-mini"
NEEDS_KEY = False  # a server of one's own may want none


def build(prompt: Prompt, choice: Choice) -> Request:
    # OpenAI's newer models refuse `max_tokens`, most other servers know nothing else.
    limit = "max_completion_tokens" if choice.base_url.startswith(DEFAULT_URL) else "max_tokens"
    return request(
        joined(choice.base_url, "chat/completions"),
        {
            "model": choice.model,
            "messages": [{"role": "system", "content": prompt.system}, {"role": "user", "content": prompt.user}],
            "stream": True,
            "stream_options": {"include_usage": True},
            limit: choice.most_tokens,
        },
        Authorization=f"Bearer {choice.key}" if choice.key else "",
    )


def read(data: Mapping[str, Any]) -> Piece:
    if data.get("error"):
        raise ModelError(f"openai: {complain(data)}")
    text = text_at(data, "choices", 0, "delta", "content") or text_at(data, "choices", 0, "message", "content")
    reason = text_at(data, "choices", 0, "finish_reason")
    cut = {"length": "it reached its limit of tokens", "content_filter": "its provider filtered the rest"}.get(
        reason, ""
    )
    tokens = count_at(data, "usage", "prompt_tokens"), count_at(data, "usage", "completion_tokens")
    return Piece(text, *tokens, bool(reason), cut)


def complain(data: Any) -> str:
    return text_at(data, "error", "message") or text_at(data, "error") or text_at(data, "message")
