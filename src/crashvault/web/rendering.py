"""Templates and what they may use. All text is escaped, and a name that is not there is an error, not nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from .. import __version__
from ..clock import to_iso
from ..output.times import ago, counted, duration, short
from .assets import address

# Controls, and what changes the direction of text; half of a surrogate pair cannot be sent.
_ACTIVE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_VALUE = 4_000  # characters of one value of an event that are shown


@lru_cache(maxsize=1)
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader(__package__ or "", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_passive,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals.update(
        asset=address, version=__version__, link=link, spark=spark, bars=bars, counted=counted, labels=labels
    )  # fmt: skip
    made.filters.update(
        ago=_ago, moment=_moment, size=_size, value=shown, pretty=pretty, number=_number, percent=_percent,
        length_of=duration, runs=runs, quoted=quoted, change=change, crumb_time=crumb_time,
    )  # fmt: skip
    return made


def render(template: str, context: Mapping[str, Any]) -> str:
    return _environment().get_template(template).render(context)


def link(path: str, **parameters: Any) -> str:
    """An address with parameters; those that say nothing are left out."""
    given = {name: value for name, value in parameters.items() if value not in (None, "", False)}
    return f"{path}?{urlencode(given)}" if given else path


# Times and numbers


def _moment(iso: str) -> Markup:
    """A time to the second."""
    return Markup('<time datetime="{}">{}</time>').format(iso, short(iso))


def _ago(iso: str) -> Markup:
    return Markup('<time datetime="{}" title="{}">{}</time>').format(iso, short(iso), ago(iso))


def _number(value: float) -> str:
    """`12345` is `12,345`."""
    return f"{value:,}"


def _size(count: int) -> str:
    """Bytes to three digits: `1.43 MiB`."""
    size, unit = float(count), "bytes"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if size < 1_000:
            break
        size, unit = size / 1_024, larger
    return f"{count:,} bytes" if unit == "bytes" else f"{size:.3g} {unit}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.2%}"


# Values of events


def shown(value: Any) -> str:
    """Any value as text that a person can read, and not too much of it."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return readable(text if len(text) <= _VALUE else f"{text[:_VALUE]}…")


def pretty(value: Any) -> str:
    return readable(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def readable(text: str) -> str:
    """Text without what turns it around, hides in it, or cannot be sent."""
    return _ACTIVE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _passive(value: Any) -> Any:
    """What every expression of a template becomes, before it is escaped."""
    return readable(value) if type(value) is str else value


def quoted(value: str) -> str:
    """A value as it stands in a query."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def runs(frames: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Frames in groups: own ones, and foreign ones that stand together."""
    found: list[dict[str, Any]] = []
    for frame in frames:
        foreign = not frame["in_app"]
        if not found or found[-1]["foreign"] != foreign:
            found.append({"foreign": foreign, "frames": []})
        found[-1]["frames"].append(frame)
    return found


def change(entry: Mapping[str, Any]) -> str:
    """What somebody changed: `status open → resolved`."""
    parts = []
    for name, values in entry["data"].items():
        if isinstance(values, list) and len(values) == 2:
            before, after = (shown(value) if value is not None else "none" for value in values)
            parts.append(f"{shown(name)} {before} → {after}")
        else:
            parts.append(f"{shown(name)} {shown(values)}")
    return f"{entry['kind']}: {', '.join(parts)}"


def crumb_time(value: Any) -> str:
    """The time of day of a breadcrumb."""
    if isinstance(value, (int, float)) and 0 < value < 1 << 62:
        return to_iso(int(value))[11:19]
    return shown(value)[11:19] if isinstance(value, str) else ""


def labels(names: Sequence[str], counts: Sequence[int]) -> list[str]:
    """What the bars of a chart say when one points at them."""
    return [f"{name}: {count}" for name, count in zip(names, counts, strict=True)]


# Small charts, as SVG without any style of its own


def spark(counts: Sequence[int], label: str, width: int = 96, height: int = 24) -> Markup:
    """A line of bars; a reader of the screen is told the label."""
    return _chart(counts, label, width, height, "spark")


def bars(counts: Sequence[int], label: str, titles: Sequence[str] = ()) -> Markup:
    """A larger chart of bars, each with its title."""
    return _chart(counts, label, 10 * max(1, len(counts)), 80, "bars", titles)


def _chart(counts: Sequence[int], label: str, width: int, height: int, kind: str, titles: Sequence[str] = ()) -> Markup:
    top = max(counts, default=0)
    step = width / max(1, len(counts))
    parts = []
    for place, count in enumerate(counts):
        tall = max(1.5, count / top * (height - 1)) if count else 0.5
        title = Markup("<title>{}</title>").format(titles[place]) if titles else ""
        parts.append(
            Markup('<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"{}>{}</rect>').format(
                place * step, height - tall, step * 0.8, tall, Markup("") if count else Markup(' class="none"'), title
            )
        )
    return Markup(
        '<svg class="{}" viewBox="0 0 {} {}" role="img" aria-label="{}" preserveAspectRatio="none">{}</svg>'
    ).format(kind, width, height, label, Markup("").join(parts))


__all__ = ["bars", "link", "pretty", "readable", "render", "shown", "spark"]
