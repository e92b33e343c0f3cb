"""The captured traces, and what is expected of each: `NAME.json` beside `NAME.txt`.

`python tests/ingest/traces/samples.py` (with `src` on the path) rewrites the expectations from what the
parsers make of the texts now; read the difference before you commit it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from crashvault.ingest.traces import ParsedTrace, parse_stacktrace

DATA = Path(__file__).resolve().parents[2] / "data" / "traces"
SAMPLES = sorted(path for path in DATA.glob("*/*.txt"))
_EXTRAS = ("context_line", "package", "count", "vars")


def name(path: Path) -> str:
    return path.relative_to(DATA).with_suffix("").as_posix()


def read(path: Path) -> str:
    return path.read_bytes().decode("utf-8")


def read_sample(name: str) -> str:
    return read(DATA / f"{name}.txt")


def parsed(text: str) -> ParsedTrace:
    found = parse_stacktrace(text)
    assert found is not None
    return found


def frame_line(frame: dict[str, Any]) -> str:
    """`* file:line:column module function`, with `*` for a frame of the application and `-` for the
    unknown."""
    place = ":".join(str(frame[key]) for key in ("file", "line", "column") if key in frame) or "-"
    names = f"{frame.get('module', '-')} {frame.get('function', '-')}"
    extras = "".join(f" | {key}={frame[key]}" for key in _EXTRAS if key in frame)
    return f"{'*' if frame['in_app'] else ' '} {place} {names}{extras}"


def summary(found: ParsedTrace) -> dict[str, Any]:
    """All that is expected of a trace, as JSON that people can review."""
    return {
        "platform": found.platform,
        "message": found.message,
        "span": [found.start, found.end],
        "exceptions": [
            {**exception, "frames": [frame_line(dict(frame)) for frame in exception["frames"]]}
            for exception in found.exceptions
        ],
        "threads": [
            {"name": thread["name"], "frames": [frame_line(frame) for frame in thread["frames"]]}
            for thread in found.threads
        ],
    }


def main() -> None:
    for path in SAMPLES:
        text = json.dumps(summary(parsed(read(path))), indent=1, ensure_ascii=False)
        path.with_suffix(".json").write_text(f"{text}\n", "utf-8")


if __name__ == "__main__":
    main()
