"""Run the crashing programs beside this file and store their stacks: `capture.py python node java cpp rust`.

Each stored item is `{"bug": name, "event": event}`; items of one bug must group, items of two must not.
Python's are captured twice, from another folder and eleven lines further down, to show that neither matters.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

HERE = Path(__file__).parent
MAX_FRAMES = 60  # stored of one stack, counted from the crash
ROOTS = {"/srv/shop": 0, "/home/ann/code/shop": 11}


def python() -> list[dict[str, Any]]:
    return [item for root, shift in ROOTS.items() for item in _python_from(root, shift)]


def _python_from(root: str, shift: int) -> list[dict[str, Any]]:
    source = (HERE / "python_crashes.py").read_text()
    space: dict[str, Any] = {"__name__": "shop.crashes"}
    exec(compile("\n" * shift + source, f"{root}/shop/crashes.py", "exec"), space)
    items = []
    for call, inputs in space["CRASHES"].items():
        for value in inputs:
            try:
                call(value)
            except BaseException as error:
                event = {"platform": "python", "exceptions": _chain(error, root)}
                items.append({"bug": call.__name__, "event": event})
    return items


def _chain(error: BaseException, root: str) -> list[dict[str, Any]]:
    """As the Sentry SDK numbers them: the exception raised last is 0, what it came from has it as parent."""
    out: list[dict[str, Any]] = []

    def visit(one: BaseException, parent: int | None, source: str | None) -> None:
        number = len(out)
        mechanism: dict[str, Any] = {
            "type": "chained" if parent is not None else "generic",
            "exception_id": number,
        }
        mechanism |= {} if parent is None else {"parent_id": parent, "source": source}
        members = one.exceptions if isinstance(one, BaseExceptionGroup) else ()
        mechanism |= {"is_exception_group": True} if members else {}
        out.append(_exception(one, mechanism, root))
        if one.__cause__ is not None:
            visit(one.__cause__, number, "__cause__")
        elif one.__context__ is not None and not one.__suppress_context__:
            visit(one.__context__, number, "__context__")
        for index, member in enumerate(members):
            visit(member, number, f"exceptions[{index}]")

    visit(error, None, None)
    return out[::-1]


def _exception(error: BaseException, mechanism: dict[str, Any], root: str) -> dict[str, Any]:
    kind = type(error)
    frames = _frames(error.__traceback__, root)
    value = str(error).replace(sys.executable, "/usr/bin/python")
    return {
        "type": kind.__name__,
        "module": kind.__module__,
        "value": value,
        "mechanism": mechanism,
        "frames": frames,
    }


def _frames(trace: TracebackType | None, root: str) -> list[dict[str, Any]]:
    out = []
    while trace is not None:
        code, file = trace.tb_frame.f_code, trace.tb_frame.f_code.co_filename
        if file != __file__:
            module = trace.tb_frame.f_globals.get("__name__")
            frame = {
                "file": _short(file),
                "line": trace.tb_lineno,
                "function": code.co_qualname,
                "module": module,
            }
            out.append(frame | {"in_app": file.startswith(root)})
        trace = trace.tb_next
    return out[-MAX_FRAMES:]


def _short(file: str) -> str:
    return file if file.startswith(tuple(ROOTS)) else file.replace(sys.base_prefix, "/usr")


def node() -> list[dict[str, Any]]:
    return _printed(["node", str(HERE / "crashes.js")])


def java() -> list[dict[str, Any]]:
    return _printed(["java", str(HERE / "Crashes.java")])


def cpp() -> list[dict[str, Any]]:
    """AddressSanitizer reports, built with and without optimization and from two folders."""
    bugs = "use_after_free use_after_free_elsewhere overflow overread_int overread_long double_free"
    bugs += " null_read aborts"
    items = []
    for flags in (["-O0"], ["-O1"]):
        with tempfile.TemporaryDirectory() as folder:
            program = f"{folder}/crashes"
            base = ["g++", "-w", "-g", *flags, "-fno-omit-frame-pointer", "-fsanitize=address", "-o", program]
            subprocess.run([*base, str(HERE / "crashes.cpp")], check=True)
            for bug in bugs.split():
                items += [item for value in ("1", "2", "3") for item in _sanitized(program, bug, value)]
    return items


def _sanitized(program: str, bug: str, value: str) -> list[dict[str, Any]]:
    """No item when the optimizer removed the crash."""
    run = subprocess.run([program, bug, value], capture_output=True, text=True, env={"ASAN_OPTIONS": "handle_abort=1"})
    text = run.stderr.replace(str(HERE), "/srv/shop")
    kind = re.search(r"ERROR: AddressSanitizer: (?:attempting )?([\w-]+)(.*)", text)
    if kind is None:
        return []
    stack = text[kind.end() :].split("\n\n")[0]
    found = re.findall(r"#\d+ (0x[0-9a-f]+) (?:in (.+?) )?(\S+?)(?::(\d+))?(?::\d+)?$", stack, re.MULTILINE)
    frames = [
        {"instruction_addr": address, "function": function or None, "file": file, "line": int(line or 0)}
        for address, function, file, line in found
    ]
    info = {"type": kind[1], "value": kind[0], "frames": frames[:MAX_FRAMES][::-1]}
    return [{"bug": bug, "event": {"platform": "native", "exceptions": [info]}}]


def rust() -> list[dict[str, Any]]:
    bugs = "quantity missing_file load shelf_int divide closure asserts asserts_other deep"
    with tempfile.TemporaryDirectory() as folder:
        program = f"{folder}/crashes"
        subprocess.run(
            ["rustc", "--edition=2021", "-g", "-A", "warnings", "-o", program, str(HERE / "crashes.rs")],
            check=True,
        )
        return [_panicked(program, bug, value) for bug in bugs.split() for value in ("3", "5", "40")]


def _panicked(program: str, bug: str, value: str) -> dict[str, Any]:
    run = subprocess.run([program, bug, value], capture_output=True, text=True, env={"RUST_BACKTRACE": "full"})
    text = run.stderr.replace(str(HERE), "/srv/shop")
    message = re.search(r"panicked at [^\n]*:\n(.*?)\nstack backtrace:", text, re.DOTALL)
    found = re.findall(r"^ +\d+: +(0x[0-9a-f]+) - (.+?)(?:\n +at (\S+?):(\d+)(?::\d+)?)?$", text, re.MULTILINE)
    frames = [
        {
            "function": function,
            "file": file or None,
            "line": int(line or 0),
            "in_app": file.startswith("/srv/shop"),
        }
        for _, function, file, line in found
    ]
    info = {"type": "panic", "value": message[1] if message else "", "frames": frames[:MAX_FRAMES][::-1]}
    return {"bug": bug, "event": {"platform": "rust", "exceptions": [info]}}


def _printed(command: list[str]) -> list[dict[str, Any]]:
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    items: list[dict[str, Any]] = json.loads(text.replace(str(HERE), "/srv/shop"))
    for item in items:
        for info in item["event"]["exceptions"]:
            for frame in info["frames"]:
                where = frame.get("module") or frame.get("file") or "node:"
                frame["in_app"] = where.startswith(("/srv/shop", "Crashes", "jdk.proxy"))
    return items


if __name__ == "__main__":
    for name in sys.argv[1:]:
        lines = [json.dumps(item, ensure_ascii=False) for item in globals()[name]()]
        (HERE / f"{name}.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")
