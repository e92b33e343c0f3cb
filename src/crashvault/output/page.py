"""The frame of a self-contained page: light and dark, printable, no script, no request to anywhere."""

from __future__ import annotations

from .escaping import html_text

STYLE = """:root{color-scheme:light dark;--ink:#1b1f24;--paper:#fff;--soft:#59636e;--line:#d1d9e0;--box:#f6f8fa;--bar:#0969da;
--good:#1a7f37;--warn:#9a6700;--bad:#cf222e}
@media screen and (prefers-color-scheme:dark){:root{--ink:#e6edf3;--paper:#0d1117;--soft:#9198a1;--line:#3d444d;--box:#151b23;
--bar:#4493f8;--good:#3fb950;--warn:#d29922;--bad:#f85149}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem;margin-bottom:.2rem}h2{margin-top:2.2rem;border-bottom:1px solid var(--line)}h3{margin-bottom:.3rem}
h1,h2,h3,p,li,td,dd,summary{overflow-wrap:anywhere}
a{color:var(--bar)}.soft{color:var(--soft)}.bad{color:var(--bad)}.warn{color:var(--warn)}.good{color:var(--good)}code{font-family:ui-monospace,monospace;font-size:.9em}
pre{background:var(--box);padding:.8rem;border-radius:6px;overflow:auto}section.box{border:1px solid var(--line);border-radius:8px;padding:.2rem 1rem .8rem;margin:1rem 0}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem}dt{color:var(--soft)}dd{margin:0}
svg{display:block;max-width:100%;height:auto}.bar{fill:var(--bar)}.axis{stroke:var(--line)}.label,.name{fill:var(--soft);font:11px system-ui,sans-serif}.name{fill:var(--ink);font-size:12px}
.wide{overflow-x:auto}bdi{unicode-bidi:isolate}.model{border-left:4px solid var(--warn);padding-left:1rem}
@media print{body{max-width:none;margin:0}section.box,svg,tr,li{break-inside:avoid}h1,h2,h3{break-after:avoid}pre{white-space:pre-wrap;overflow-wrap:anywhere}pre,.wide{overflow:visible}
svg{print-color-adjust:exact;-webkit-print-color-adjust:exact}a{color:inherit}}"""


def page(title: str, body: str) -> str:
    """A whole page; `body` is HTML."""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{html_text(title)}</title><style>{STYLE}</style></head><body><main>
{body}
</main></body></html>
"""


def foreign(value: object) -> str:
    """Text from outside as HTML that keeps its direction of writing to itself."""
    return f"<bdi>{html_text(value)}</bdi>"


def wide(name: str, table: str) -> str:
    """A table that scrolls by itself where a screen is narrow, with a keyboard too."""
    return f'<div class="wide" tabindex="0" role="region" aria-label="{html_text(name)}">{table}</div>'


def definitions(pairs: list[tuple[str, str]]) -> str:
    """A list of names with their values, which are HTML."""
    rows = "".join(f"<dt>{html_text(name)}</dt><dd>{value}</dd>" for name, value in pairs)
    return f"<dl>{rows}</dl>"


def bullets(items: list[str]) -> str:
    """A list of HTML items."""
    return f"<ul>{''.join(f'<li>{item}</li>' for item in items)}</ul>" if items else ""
