"""Which language model a command may ask: its options, the settings, and what providers' own tools leave in the environment."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import click

from .context import Context

NAMES = ("none", "ollama", "openai", "gemini", "anthropic")


def model_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of commands that may ask a model."""
    for option in (
        click.option("--show-prompt", is_flag=True, help="Print what a model would be sent, and send nothing."),
        click.option(
            "--timeout", type=click.IntRange(1, 3_600), metavar="SECONDS", help="For the model's answer. [default: ai.timeout]"
        ),
        click.option("--model", metavar="NAME", help="The model to ask. [default: ai.model, else the provider's usual one]"),
        click.option(
            "--provider", type=click.Choice(NAMES, case_sensitive=False),
            help="Let a model add a narrative; secrets are taken out before. [default: ai.provider]",
        ),
    ):  # fmt: skip
        function = option(function)
    return function


def model_choice(context: Context, provider: str | None, model: str | None, timeout: int | None) -> Any:
    """The model to ask (a `Choice`), or None for none at all."""
    from .. import core

    def setting(name: str) -> Any:
        return core.get_setting(context.store, f"ai.{name}")[0]

    chosen = provider or setting("provider")
    if chosen == "none":
        return None
    from ..analysis.providers.base import Choice
    from ..analysis.providers.registry import KEY_VARIABLES, URL_VARIABLES
    from ..analysis.providers.registry import provider as known

    # What is set for one provider, its key above all, must not go to another one.
    ours = setting("provider") in ("none", chosen)
    service = known(chosen)
    key = next(
        (os.environ[name] for name in KEY_VARIABLES[chosen] if os.environ.get(name)), setting("api_key") if ours else ""
    )
    url = (setting("base_url") if ours else "") or os.environ.get(URL_VARIABLES.get(chosen, ""), "")
    return Choice(
        chosen, model or (setting("model") if ours else "") or service.DEFAULT_MODEL, base_url(url) or service.DEFAULT_URL,
        key.strip(), float(timeout or setting("timeout")), setting("answer_tokens"),
    )  # fmt: skip


def base_url(given: str) -> str:
    """An address as providers' tools take it: `127.0.0.1:11434` and `0.0.0.0` are Ollama's ways of saying so."""
    text = given.strip().rstrip("/")
    if not text or "://" in text:
        return text
    host, _, port = text.rpartition(":") if text.count(":") == 1 else (text, "", "11434")
    return f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port or '11434'}"


def ask(context: Context, choice: Any, prompt: Any, hear: Callable[[str], Any]) -> Any:
    """Ask a model; None, and a warning, where it does not answer. Never the end of the command."""
    from ..analysis.providers import asking
    from ..console import print_warning
    from ..errors import CrashvaultError
    from ..logs import timed
    from ..outbound import Outbound

    # Whoever sits at this machine chose the address; it can't be set over HTTP, and may be this very machine.
    try:
        with timed("ask a model", provider=choice.provider, model=choice.model):
            return asking.ask(prompt, choice, hear, client=Outbound(allow_private=True))
    except CrashvaultError as error:
        print_warning(f"the model did not answer: {error}. The findings are complete without it")
        return None


def prompt_limits(context: Context) -> tuple[Any, int]:
    """The vault's rules about secrets, and how many tokens are sent at most."""
    from .. import core
    from ..pipeline import load_policy

    return load_policy(context.store).scrub, core.get_setting(context.store, "ai.prompt_tokens")[0]


def print_prompt(prompt: Any) -> None:
    """Print what a model would be sent."""
    from ..console import console, escape

    for text in (prompt.system, "", prompt.user):
        for line in text.split("\n"):
            console.print(escape(line))


def add_narrative(
    context: Context, report: dict[str, Any], choice: Any, prompt: Any, facts: Sequence[str], live: bool
) -> None:  # fmt: skip
    """Ask the model; its text goes to the terminal as it comes where `live`, and into the report."""
    from ..analysis.narrative import narrative
    from ..console import console, err_console, escape
    from ..output.analysis_text import narrative_head, wrapped

    heard: list[str] = []

    def hear(text: str) -> None:
        if live and not heard:
            console.print("")
            console.print(narrative_head({"provider": choice.provider, "model": choice.model}))
        heard.append(text)
        if live:
            console.print(escape(text, multiline=True), end="")

    with nullcontext() if live else err_console.progress(f"Asking {escape(choice.provider)}"):
        said = ask(context, choice, prompt, hear)
    if said is None:
        report["warnings"].append(
            f"the model of {choice.provider} did not answer; the findings are complete without it"
        )
        return
    report["narrative"] = narrative(said, choice, facts)
    if live:
        console.print("")
        for note in report["narrative"]["notes"]:
            for line in wrapped(note, console.width, tag="warning"):
                console.print(line)
