"""Ollama's API: `POST /api/chat`, answered by JSON objects, one a line. https://github.com/ollama/ollama/blob/main/docs/api.md"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .base import Choice, ModelError, Piece, Prompt, Request, count_at, joined, request, text_at

NAME = "ollama"
DEFAULT_URL = "http://127.0.0.1:11434"
DEFAULT_MODEL = "llama3.2"
NEEDS_KEY = False


def build(prompt: Prompt, choice: Choice) -> Request:
    return request(
        joined(choice.base_url, "api/chat"),
        {
            "model": choice.model,
            "messages": [{"role": "system", "content": prompt.system}, {"role": "user", "content": prompt.user}],
            "stream": True,
            "options": {"num_predict": choice.most_tokens, "temperature": 0.2},
        },
        Authorization=f"Bearer {choice.key}" if choice.key else "",
    )


def read(data: Mapping[str, Any]) -> Piece:
    if "error" in data:
        raise ModelError(f"ollama: {complain(data)}")
    ended = data.get("done") is True
    cut = "it reached its limit of tokens" if ended and data.get("done_reason") == "length" else ""
    return Piece(
        text_at(data, "message", "content"),
        count_at(data, "prompt_eval_count"),
        count_at(data, "eval_count"),
        ended,
        cut,
    )


def complain(data: Any) -> str:
    return text_at(data, "error")
