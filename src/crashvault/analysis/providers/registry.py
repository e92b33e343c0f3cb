"""The providers by name."""

from __future__ import annotations

from importlib import import_module

from ...errors import InvalidError
from .base import Provider

NAMES = ("ollama", "openai", "gemini", "anthropic")
# Where each finds its key and its address in the environment; the first one that is set counts.
KEY_VARIABLES = {
    "openai": ("OPENAI_API_KEY",), "gemini": ("GEMINI_API_KEY", "GOOGLE_API_KEY"), "anthropic": ("ANTHROPIC_API_KEY",),
    "ollama": ("OLLAMA_API_KEY",),
}  # fmt: skip
URL_VARIABLES = {"openai": "OPENAI_BASE_URL", "ollama": "OLLAMA_HOST", "anthropic": "ANTHROPIC_BASE_URL"}


def provider(name: str) -> Provider:
    """Raises InvalidError that names those there are."""
    if name not in NAMES:
        raise InvalidError(f"there is no provider {name!r}", f"Use one of: none, {', '.join(NAMES)}")
    found: Provider = import_module(f".{name}", __package__)
    return found
