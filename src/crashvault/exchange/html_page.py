"""Issues as one self-contained page: no script, no request to anywhere, everything from outside escaped."""

from __future__ import annotations

from typing import Any

from ..output.escaping import html_text as text
from ..output.times import counted, short
from . import document
from .document import Progress, Source
from .exporting import Output
from .people import Story, comments, facts, stories

_STYLE = """:root{color-scheme:light dark;font:15px/1.5 system-ui,sans-serif}body{max-width:70rem;margin:2rem auto;padding:0 1rem}
details{border:1px solid #8884;border-radius:6px;margin:.5rem 0;padding:.4rem .8rem}summary{cursor:pointer;overflow-wrap:anywhere}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem 1rem}dt{opacity:.7}dd{margin:0;overflow-wrap:anywhere}
pre{overflow:auto;background:#8881;padding:.8rem;border-radius:6px}table{border-collapse:collapse;width:100%}
td,th{text-align:left;padding:.2rem .6rem;border-bottom:1px solid #8883;overflow-wrap:anywhere;vertical-align:top}
.s{font-size:.85em;opacity:.75}.resolved,.ignored{opacity:.7}bdi{unicode-bidi:isolate}"""
_HEAD = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Crashvault export</title><style>{_STYLE}</style></head><body>
<h1>Crashvault export</h1>
"""


def write(source: Source, out: Output, progress: Progress) -> None:
    head = document.header(source)
    about = f" for <code>{text(source.query)}</code>" if source.query else ""
    lead = f"{counted(head['issue_count'], 'issue')}, {counted(head['event_count'], 'event')}{about}, written {short(head['exported_at'])}"
    out.write(f"{_HEAD}<p>{lead}</p>\n".encode())
    for story in stories(source, progress):
        out.write(_section(story).encode("utf-8", "replace"))
    out.write(b"</body></html>\n")


def _section(story: Story) -> str:
    issue = story.issue
    rows = "".join(f"<dt>{name}</dt><dd><bdi>{text(value)}</bdi></dd>" for name, value in facts(issue))
    parts = [
        f'<details class="{text(issue["status"])}"><summary><b>#{issue["id"]}</b> <bdi>{text(issue["title"])}</bdi> '
        f'<span class="s">{text(issue["level"])} · {counted(issue["count"], "event")} · {short(issue["last_seen"])}</span></summary>',
        f"<dl>{rows}</dl>",
    ]
    notes = comments(issue)
    if notes:
        lines = "".join(
            f"<li>{short(at)} <b>{text(actor)}</b>: <bdi>{text(said)}</bdi></li>" for at, actor, said in notes
        )
        parts.append(f"<h3>Comments</h3><ul>{lines}</ul>")
    if story.stack:
        parts.append(f"<h3>Latest stack trace</h3><pre>{text(story.stack)}</pre>")
    if story.latest:
        parts.append(_events(issue, story.latest))
    return "\n".join([*parts, "</details>\n"])


def _events(issue: dict[str, Any], events: list[dict[str, Any]]) -> str:
    rows = "".join(
        f"<tr><td>{short(event['timestamp'])}</td><td>{text(event['level'])}</td><td>{text(event['release'] or '')}</td>"
        f"<td>{text(event['host'] or '')}</td><td><bdi>{text(event['message'][:500])}</bdi></td>"
        f"<td><code>{text(event['event_id'])}</code></td></tr>\n"
        for event in events
    )
    more = issue["count"] - len(events)
    note = f'<p class="s">{more} older events are left out; the jsonl format has all.</p>' if more > 0 else ""
    head = "".join(f"<th>{name}</th>" for name in ("Time (UTC)", "Level", "Release", "Host", "Message", "Event"))
    return f"<h3>Events</h3><table><tr>{head}</tr>\n{rows}</table>{note}"
