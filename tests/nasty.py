"""Events that someone might send to break us. Others push them through every renderer and store.

`NASTY` maps a name to a raw event as it comes out of a JSON parser; take a deep copy, for normalizing
owns what it is given. Events are built, not stored, since most are large or cannot be written as UTF-8.
"""

from __future__ import annotations

from typing import Any

ESC = "\x1b"
BIDI = "\u202e\u2066\u200f\u061c"
MARKUP = "<script>alert(1)</script>[bold red]x[/bold red]{{ 7*7 }}{% raw %}*_`|~<@U123|x>&amp;\"'"
SEPARATORS = "a\r\nb\u2028c\u2029d\x85e\x0bf\x0cg\th"


def _everywhere(text: str) -> dict[str, Any]:
    """An event with `text` in all places that can hold one, keys too."""
    frame = {
        "filename": text, "abs_path": f"/{text}", "function": text, "module": text, "lineno": 3, "colno": 1,
        "pre_context": [text] * 3, "context_line": text, "post_context": [text], "package": text,
        "vars": {text: text, "nested": {text: [text, {text: text}]}}, "in_app": True,
    }  # fmt: skip
    return {
        "message": text, "level": text, "logger": text, "transaction": text, "platform": text,
        "tags": [text, f"k={text}", [text, text]], "context": {text: text, "deep": [[[text]]]},
        "host": text, "release": text, "environment": text, "user": {"id": text, text: text},
        "source": text, "line": 1, "timestamp": text, "event_id": text, "trace_id": text, "dist": text,
        "fingerprint": [text, "{{ default }}"], "sdk": {"name": text}, "modules": {text: text},
        "exception": {"values": [
            {"type": text, "value": text, "module": text, "mechanism": {"type": text, "data": {text: text}},
             "stacktrace": {"frames": [frame, frame]}},
            {"type": "E", "value": text, "frames": [frame]},
        ]},
        "breadcrumbs": [{"message": text, "category": text, "data": {text: text}, "timestamp": text}],
        "request": {"url": text, "headers": {text: text}, "data": text}, "stacktrace": text,
        "threads": [{"id": text, "name": text, "frames": [frame]}],
        "attachments": [{"name": text, "content_type": text, "digest": text}],
        "debug_meta": {"images": [{"type": text, "code_file": text}]}, text: text,
    }  # fmt: skip


def _deep(levels: int, in_lists: bool = False) -> Any:
    value: Any = "bottom"
    for _ in range(levels):
        value = [value] if in_lists else {"a": value}
    return value


def _wrong(value: Any) -> dict[str, Any]:
    """An event with `value` in the place of every field."""
    keys = (
        "message", "stacktrace", "stack", "level", "tags", "context", "host", "pid", "release", "environment",
        "user", "source", "url", "line", "lineno", "column", "timestamp", "event_id", "fingerprint",
        "exception", "exceptions", "frames", "breadcrumbs", "trace_id", "span_id", "attachments", "logger",
        "transaction", "request", "sdk", "modules", "threads", "dist", "debug_meta", "platform", "errors",
    )  # fmt: skip
    return dict.fromkeys(keys, value)


def _frames(count: int, **more: Any) -> list[dict[str, Any]]:
    return [
        {"filename": f"app/f{i}.py", "lineno": i + 1, "function": f"f{i}", "in_app": True, **more} for i in range(count)
    ]


def _odd_frames() -> list[Any]:
    return [
        None, 7, "main.c:12", [], {}, {"lineno": "12", "file": "a.py"}, {"filename": "a.js", "lineno": -1},
        {"file": "b.go", "line": 2**70, "function": {"a": 1}}, {"filename": "c.py", "vars": ["x"], "lineno": 1.0},
        {"filename": "d.rs", "lineno": True, "pre_context": "one\ntwo", "in_app": "yes"},
        {"function": "f", "pre_context": [1, None, {}], "post_context": {"a": 1}, "context_line": 5},
        {"instruction_addr": 0xDEADBEEF, "package": "/lib/libc.so.6"}, {"instruction_addr": "0x1000"},
        {"filename": "e.py", "lineno": 3, "function": "g", "vars": {"n": float("nan"), "big": 2**80}},
        {"path": "f.rb", "line_number": "9", "method": "call", "code": "x", "locals": {"a": 1}},
    ]  # fmt: skip


NASTY: dict[str, dict[str, Any]] = {
    "empty": {},
    "markup": _everywhere(MARKUP),
    "ansi": _everywhere(f"{ESC}[31mred{ESC}[0m{ESC}]0;title\x07{ESC}[2J{ESC}]8;;http://evil{ESC}\\x\x9b31m"),
    "bidi": _everywhere(f"{BIDI}gpj.exe\u200b\ufeff"),
    "control": _everywhere("".join(map(chr, range(1, 32))) + "\x7f\x80\x9f"),
    "separators": _everywhere(SEPARATORS),
    "nul": _everywhere("a\0b\0"),
    "only_nul": _everywhere("\0"),
    "lone_surrogates": _everywhere("\ud800x\udfff\udc00"),
    "astral": _everywhere("💥𝔘𝔫𝔦 é e\u0301 \U0010ffff"),
    "blank": _everywhere(" \n\t "),
    "empty_text": _everywhere(""),
    "long_text": _everywhere("x" * 20_000),
    "long_words": _everywhere("ab " * 9_000),
    "csv_formula": _everywhere("=cmd|' /C calc'!A0"),
    "log_forgery": _everywhere("ok\n2026-01-01 ERROR root: forged | a=b"),
    "traversal": _everywhere("../../../../etc/passwd\\..\\..\\con"),
    "percent": _everywhere("%s %n %(a)s {0} {a.__class__} $HOME `id` $(id)"),
    "sql": _everywhere("'; DROP TABLE events; -- \" OR 1=1"),
    "javascript_url": _everywhere("javascript:alert(1)//https://x"),
    "tall_glyphs": _everywhere("z" + "\u0300" * 300),
    "deep_mapping": {"message": "deep", "context": _deep(200), "user": _deep(50), "request": {"data": _deep(30)}},
    "deep_list": {"message": "deep", "context": {"a": _deep(200, True)}, "breadcrumbs": [{"data": _deep(90)}]},
    "deep_vars": {"message": "deep", "frames": _frames(3, vars={"a": _deep(200), "b": _deep(200, True)})},
    "deep_everywhere": _wrong(_deep(100)),
    "deep_lists_everywhere": _wrong(_deep(100, True)),
    "nulls": _wrong(None),
    "numbers": _wrong(7),
    "negative": _wrong(-1),
    "floats": _wrong(1.5),
    "nan": _wrong(float("nan")),
    "infinity": _wrong(float("-inf")),
    "huge_int": _wrong(10**400),
    "immense_int": _wrong(10**5000),
    "true": _wrong(True),
    "false": _wrong(False),
    "texts": _wrong("text"),
    "empty_lists": _wrong([]),
    "empty_mappings": _wrong({}),
    "lists_of_null": _wrong([None, None]),
    "lists_of_lists": _wrong([[], [[]], [["a", "b", "c"]], ["k", "v"]]),
    "mappings": _wrong({"a": 1, "values": 3, "frames": "x", "key": {}, "message": []}),
    "values_of_values": _wrong({"values": {"values": [{"values": []}]}}),
    "many_tags": {"message": "tags", "tags": [f"tag{i}=value{i}" for i in range(10_000)]},
    "odd_tags": {"message": "tags", "tags": ["", "=", "=v", "k=", "==", "k==v", " k = v ", "a\nb", ["k"], [1, 2], {"key": "x"}, {}]},
    "many_keys": {"message": "keys", "context": {f"k{i}": i for i in range(20_000)}},
    "many_frames": {"message": "frames", "exception": {"type": "RecursionError", "value": "deep", "frames": _frames(5_000)}},
    "odd_frames": {"message": "frames", "frames": _odd_frames()},
    "many_exceptions": {"exception": [{"type": f"E{i}", "value": "x", "frames": _frames(60)} for i in range(3_000)]},
    "many_breadcrumbs": {"message": "crumbs", "breadcrumbs": [{"message": str(i), "timestamp": i} for i in range(5_000)]},
    "many_threads": {"message": "threads", "threads": [{"id": i, "frames": _frames(9)} for i in range(2_000)]},
    "many_modules": {"message": "modules", "modules": {f"m{i}": None if i % 7 else i for i in range(9_000)}},
    "many_fields": {f"field{i}": i for i in range(3_000)},
    "wide_and_deep": {"message": "wide", "context": {str(i): {str(j): list(range(50)) for j in range(50)} for i in range(50)}},
    "too_large": {
        "message": "m" * 9_000,
        "exception": {"type": "E", "value": "v", "frames": _frames(250, vars={f"v{i}": "x" * 1_000 for i in range(90)})},
        "context": {f"k{i}": "y" * 8_000 for i in range(250)}, "request": {"data": "z" * 9_000_000},
        "stacktrace": "line\n" * 400_000, "breadcrumbs": [{"message": "w" * 8_000}] * 100,
        "threads": [{"id": i, "frames": _frames(200, vars={"a": "b" * 1_000})} for i in range(20)],
        "modules": {f"m{i}" * 20: "1" * 200 for i in range(2_000)},
    },
    "large_and_escaped": {"message": "\x01" * 9_000, "context": {f"k{i}": "\x02" * 8_000 for i in range(100)}},
    "large_and_wide": {"message": "💥" * 9_000, "context": {f"k{i}": "💥" * 8_000 for i in range(100)}},
    "long_keys": {"message": "keys", "context": {"k" * 9_000 + str(i): i for i in range(30)}},
    "times": {"message": "t", "timestamp": "0000-00-00T00:00:00Z", "breadcrumbs": [
        {"message": "x", "timestamp": moment} for moment in
        (0, -1, 1e308, "now", "9999-12-31T23:59:59.999999+00:01", "0001-01-01T00:00:00-23:59", True, [], 10**30, "1e9", "nan")
    ]},
    "not_so_cyclic": {"message": "same", "context": {"a": {"b": {"a": {"b": {"a": "…"}}}}, "__proto__": {"x": 1}, "constructor": {}}},
    "python_in_text": {"message": "m", "stacktrace": "Traceback (most recent call last):\n" + '  File "a.py", line 1, in f\n    x()\n' * 5_000},
    "many_errors": {"message": "e", "errors": [{"field": "a", "reason": "r" * 900, "detail": 5}] * 5_000 + [None, {"reason": []}]},
}  # fmt: skip
