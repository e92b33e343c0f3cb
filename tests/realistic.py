"""The benchmarks' generator of realistic events, for tests."""

from __future__ import annotations

from benchmarks.realistic import cached_jsonl, events, json_lines, numbered_events, read_jsonl, write_jsonl

__all__ = ["cached_jsonl", "events", "json_lines", "numbered_events", "read_jsonl", "write_jsonl"]
