"""Charts as inline SVG: no script, colours from the page's own variables, told to screen readers in words."""

from __future__ import annotations

from collections.abc import Sequence

from .escaping import html_text
from .sparkline import squeeze

_WIDTH, _HEIGHT = 720, 120
_LABELS = 16  # above a chart
_MOST_BARS = 180
_NAME = 30  # characters of a name beside a bar


def columns(counts: Sequence[int], title: str, labels: Sequence[str] = (), *, height: int = _HEIGHT) -> str:
    """Counts over time as columns; `labels` name the first and the last one."""
    shown = squeeze(counts, _MOST_BARS)
    above = _LABELS if labels else 0
    top = max(shown, default=0)
    step = _WIDTH / max(1, len(shown))
    bars = "".join(
        f'<rect class="bar" x="{number * step:.2f}" y="{above + height - height * count / top:.2f}" '
        f'width="{max(0.5, step - min(1.0, step / 4)):.2f}" height="{height * count / top:.2f}"/>'
        for number, count in enumerate(shown)
        if count
    )
    ends = "".join(
        f'<text class="label" x="{x}" y="{above + height + 14}" text-anchor="{anchor}">{html_text(label)}</text>'
        for label, x, anchor in zip(labels, (0, _WIDTH), ("start", "end"), strict=False)
    )
    peak = f'<text class="label" x="{_WIDTH}" y="10" text-anchor="end">most: {top}</text>' if labels else ""
    floor = f'<line class="axis" x1="0" y1="{above + height}" x2="{_WIDTH}" y2="{above + height}"/>'
    return _svg(_WIDTH, above + height + (18 if labels else 1), title, f"{bars}{floor}{ends}{peak}")


def rows(items: Sequence[tuple[str, int]], title: str) -> str:
    """Named counts as bars from left to right."""
    top = max((count for _, count in items), default=0)
    parts = []
    for number, (name, count) in enumerate(items):
        y = number * 24
        length = 370 * count / top if top else 0
        parts.append(
            f'<text class="name" x="262" y="{y + 16}" text-anchor="end">{html_text(_cut(name, _NAME))}</text>'
            f'<rect class="bar" x="270" y="{y + 3}" width="{max(1.0, length):.1f}" height="17" rx="2"/>'
            f'<text class="label" x="{276 + length:.1f}" y="{y + 16}">{count}</text>'
        )
    return _svg(_WIDTH, max(1, len(items)) * 24, title, "".join(parts))


def heat_map(counts: Sequence[Sequence[int]], names: Sequence[str], title: str) -> str:
    """Counts by hour (columns, 24) and by what `names` names (rows); the darker the more."""
    top = max((count for row in counts for count in row), default=0)
    cell, left = 26, 60
    parts = [
        f'<text class="label" x="{left + hour * cell}" y="12">{hour:02}</text>' for hour in range(0, 24, 3)
    ]  # fmt: skip
    for number, (name, row) in enumerate(zip(names, counts, strict=True)):
        y = 18 + number * 22
        parts.append(f'<text class="name" x="{left - 8}" y="{y + 15}" text-anchor="end">{html_text(name)}</text>')
        for hour, count in enumerate(row):
            share = count / top if top else 0
            strength = f' fill-opacity="{0.12 + 0.88 * share:.2f}"' if count else ' fill-opacity="0.04"'
            parts.append(
                f'<rect class="bar" x="{left + hour * cell}" y="{y}" width="{cell - 2}" height="20" rx="2"{strength}>'
                f"<title>{html_text(name)} {hour:02}:00: {count}</title></rect>"
            )
    return _svg(left + 24 * cell, 20 + len(names) * 22, title, "".join(parts))


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _svg(width: int, height: int, title: str, body: str) -> str:
    name = html_text(title)
    return f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{name}" width="100%"><title>{name}</title>{body}</svg>'
