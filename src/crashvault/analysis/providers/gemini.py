"""Google's Gemini API: `POST /v1beta/models/MODEL:streamGenerateContent?alt=sse`. https://ai.google.dev/api/generate-content"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from .base import Choice, ModelError, Piece, Prompt, Request, count_at, dig, joined, request, text_at

NAME = "gemini"
DEFAULT_URL = "https://generativelanguage.googleapis.com"
DEFAULT_MODEL = "gemini-2.5-flash-lite"
NEEDS_KEY = True


def build(prompt: Prompt, choice: Choice) -> Request:
    model = quote(choice.model.removeprefix("models/"), safe="")
    return request(
        joined(choice.base_url, f"v1beta/models/{model}:streamGenerateContent?alt=sse"),
        {
            "systemInstruction": {"parts": [{"text": prompt.system}]},
            "contents": [{"role": "user", "parts": [{"text": prompt.user}]}],
            "generationConfig": {"maxOutputTokens": choice.most_tokens, "temperature": 0.2},
        },
        x_goog_api_key=choice.key,
    )


def read(data: Mapping[str, Any]) -> Piece:
    if data.get("error"):
        raise ModelError(f"gemini: {complain(data)}")
    blocked = text_at(data, "promptFeedback", "blockReason")
    if blocked:
        raise ModelError(f"gemini refused the prompt ({blocked})")
    parts = dig(data, "candidates", 0, "content", "parts")
    text = "".join(text_at(part, "text") for part in parts) if isinstance(parts, list) else ""
    reason = text_at(data, "candidates", 0, "finishReason")
    cut = (
        ""
        if reason in ("", "STOP")
        else "it reached its limit of tokens"
        if reason == "MAX_TOKENS"
        else f"it stopped for {reason}"
    )
    tokens = (
        count_at(data, "usageMetadata", "promptTokenCount"),
        count_at(data, "usageMetadata", "candidatesTokenCount"),
    )
    return Piece(text, *tokens, bool(reason), cut)


def complain(data: Any) -> str:
    return text_at(data, "error", "message") or text_at(data, 0, "error", "message")
