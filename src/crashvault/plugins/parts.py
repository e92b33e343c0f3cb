"""Webhook types, formats and the like: those that are built in and those of plugins, which are equal to them.

What a plugin gives is checked here. A name that is taken already stays with whom it was first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..errors import CrashvaultError
from . import active, builtin
from .types import Exporter, Named, Panel, ReportFormat, Route

if TYPE_CHECKING:
    from ..webhooks.base import Provider
    from .loading import Plugins


def webhook_types() -> dict[str, Provider | Named]:
    from ..webhooks.base import Provider

    return _merged("register_webhook_providers", (Provider, str))


def provider(name: str) -> Provider:
    """The provider of webhooks of a type. Raises InvalidError, which names those there are."""
    from ..webhooks.registry import provider as provider_among

    return provider_among(name, webhook_types())


def exporters() -> dict[str, Exporter]:
    return _merged("register_exporters", (Exporter,))


def report_formats(report: str) -> dict[str, ReportFormat]:
    return _merged("register_report_formats", (ReportFormat,), report=report)


def format_named(path: str | None, formats: Mapping[str, Exporter | ReportFormat]) -> str | None:
    """The format that a file's name asks for by its ending, compressed or not."""
    name = (path or "").lower().removesuffix(".gz")
    return next((word for word, one in formats.items() if name.endswith(tuple(one.endings))), None)


def routes() -> list[tuple[str, Route]]:
    """The addresses of plugins, each with the plugin's name."""
    return _listed("register_routes", Route)


def panels() -> list[tuple[str, Panel]]:
    return _listed("dashboard_panels", Panel)


def resolved(thing: Any) -> Any:
    """What was named instead of given, imported."""
    if not isinstance(thing, str):
        return thing
    module, _, name = thing.partition(":")
    return getattr(import_module(module), name)


def called_safely(thing: Any, what: str) -> Callable[..., Any]:
    """What was given or named, ready to be called: one of a plugin raises nothing but a CrashvaultError."""
    return resolved(thing) if isinstance(thing, str) else partial(_called, thing, what)


def _called(function: Callable[..., Any], what: str, *args: Any) -> Any:
    from .calling import Failure, call

    answer = call(function, *args)
    if isinstance(answer, Failure):
        raise CrashvaultError(f"{what} is broken ({answer.reason})", "It is a plugin's; see: crashvault plugin list")
    return answer


def given(plugins: Plugins, hook: str, kind: type | tuple[type, ...], **asked: Any) -> list[tuple[str, Any]]:
    """What plugins answer; an answer of another type is named, and left out."""
    found = []
    for name, answer in plugins.ask(hook, **asked):
        if isinstance(answer, kind):
            found.append((name, answer))
        else:
            _refuse(name, hook, f"gives {type(answer).__name__}")
    return found


def _merged(hook: str, kinds: tuple[type, ...], **asked: Any) -> dict[str, Any]:
    """What is built in, then what plugins give; they are asked once."""
    ours: Callable[..., Mapping[str, Any]] = getattr(builtin, hook)
    plugins = active()
    if plugins is None or not plugins.has(hook):
        return dict(ours(**asked))
    kept: dict[str, Any] = plugins.once((hook, *asked.values()), lambda: _joined(plugins, hook, kinds, ours, asked))
    return kept


def _joined(
    plugins: Plugins, hook: str, kinds: tuple[type, ...], ours: Callable[..., Mapping[str, Any]], asked: dict[str, Any]
) -> dict[str, Any]:
    found = dict(ours(**asked))
    for plugin, answer in given(plugins, hook, Mapping, **asked):
        for name, part in answer.items():
            if not _is_word(name):
                _refuse(plugin, hook, f"gives the name {name!r}, which nobody could type")
            elif name in found:
                _refuse(plugin, hook, f"gives {name!r}, which is there already")
            elif not isinstance(part, kinds):
                _refuse(plugin, hook, f"gives {type(part).__name__} as {name!r}, not {kinds[0].__name__}")
            else:
                found[name] = part
    return found


def _listed(hook: str, kind: type) -> list[tuple[str, Any]]:
    plugins = active()
    if plugins is None or not plugins.has(hook):
        return []
    kept: list[tuple[str, Any]] = plugins.once((hook,), lambda: list(_checked(plugins, hook, kind)))
    return kept


def _checked(plugins: Plugins, hook: str, kind: type) -> Iterator[tuple[str, Any]]:
    for plugin, answer in given(plugins, hook, Sequence):
        for part in answer:
            if isinstance(part, kind):
                yield plugin, part
            else:
                _refuse(plugin, hook, f"gives {type(part).__name__}, not {kind.__name__}")


def _is_word(name: Any) -> bool:
    return isinstance(name, str) and name.replace("-", "").replace("_", "").isalnum() and name == name.lower()


def _refuse(plugin: str, hook: str, what: str) -> None:
    from .calling import complain

    complain(plugin, f"{hook} {what}; that is left out")


def additions(plugin: str) -> dict[str, list[str]]:
    """The names of what a plugin adds, by kind; commands are not among them, since they need the command line."""
    plugins = active()
    if plugins is None:
        return {}
    found: dict[str, list[str]] = {}
    for hook, kind in _KINDS.items():
        names: list[str] = []
        for asked in [{"report": report} for report in builtin.REPORTS] if kind == "report_formats" else [{}]:
            for owner, answer in plugins.ask(hook, **asked):
                names += _names(answer) if owner == plugin else ()
        if names:
            found[kind] = list(dict.fromkeys(names))
    return found


_KINDS = {"register_webhook_providers": "webhook_types", "register_exporters": "export_formats",
          "register_report_formats": "report_formats", "register_routes": "routes", "dashboard_panels": "panels",
          "stacktrace_parsers": "stacktrace_parsers"}  # fmt: skip


def _names(answer: Any) -> list[str]:
    if isinstance(answer, Mapping):
        return [str(name) for name in answer]
    parts = answer if isinstance(answer, (list, tuple)) else ()
    return [part.path if isinstance(part, Route) else str(getattr(part, "title", part)) for part in parts]
