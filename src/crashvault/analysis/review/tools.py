"""What Ruff and Bandit say about changed lines, where they are installed. They get the content that is reviewed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ...logs import log_debug
from .findings import Finding
from .functions import innermost, spans

SECONDS = 30.0
_MOST_FILES = 200
_LONGEST = 300  # characters of a message
_GRAVE = ("E9", "F6", "F7", "F82", "B006", "B008", "S")  # Ruff's rules about what fails or is unsafe when it runs
_SYNTAX = ("syntax", "invalid-syntax", "E999")
_BANDIT = {"HIGH": "high", "MEDIUM": "medium", "LOW": "low"}


def tool_findings(root: str, contents: Mapping[str, tuple[Sequence[str], Iterable[int]]]) -> Iterator[Finding]:
    """Findings on lines of Python files, by their path in `root`: the lines of each file, and those that changed."""
    python = {path: content for path, content in contents.items() if path.endswith((".py", ".pyi"))}
    if not python or len(python) > _MOST_FILES:
        return
    changed = {path: set(lines) for path, (_, lines) in python.items()}
    with tempfile.TemporaryDirectory(prefix="crashvault-review-") as folder:
        for path, (lines, _) in python.items():
            target = os.path.join(folder, path)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "w", encoding="utf-8", errors="surrogateescape") as file:
                file.write("\n".join(lines))
        functions = {path: spans(path, lines) for path, (lines, _) in python.items()}
        for found in (*_ruff(root, folder, sorted(python)), *_bandit(folder, sorted(python))):
            if found.code in _SYNTAX and changed.get(found.path):  # told where the parser gave up
                found = _at(found, min(changed[found.path], key=lambda line: abs(line - found.line)))
            if found.line in changed.get(found.path, ()):
                span = innermost(functions[found.path], found.line)
                yield found._replace(function=span.name if span else "")


def _at(found: Finding, line: int) -> Finding:
    return found._replace(line=line, end_line=line)


def _program(name: str) -> str | None:
    """A tool on the PATH, or beside this interpreter."""
    beside = os.path.join(os.path.dirname(sys.executable), name)
    return shutil.which(name) or (beside if os.access(beside, os.X_OK) else None)


def _run(tool: str, arguments: Sequence[str], folder: str) -> Any:
    """What a tool reports as JSON; None where it is not there, fails or takes too long."""
    program = _program(tool)
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, *arguments], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            timeout=SECONDS, check=False,
        )  # fmt: skip
        return json.loads(done.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        log_debug("review tool failed", tool=tool, why=type(error).__name__)
        return None


def _ruff(root: str, folder: str, paths: Sequence[str]) -> Iterator[Finding]:
    """The project's own choice of rules counts; where it has none, those about what is surely wrong."""
    config = next(
        (
            os.path.join(root, name)
            for name in ("ruff.toml", ".ruff.toml", "pyproject.toml")
            if _configures_ruff(os.path.join(root, name))
        ),
        None,
    )
    choice = ["--config", config] if config else ["--isolated", "--select", "E9,F,B"]
    report = _run(
        "ruff",
        ["check", "--output-format", "json", "--no-cache", "--exit-zero", "--no-fix", *choice, "--", *paths],
        folder,
    )
    for item in report if isinstance(report, list) else ():
        code, place = str(item.get("code") or "syntax"), item.get("location") or {}
        path = os.path.relpath(os.path.realpath(str(item.get("filename"))), os.path.realpath(folder)).replace(
            os.sep, "/"
        )
        grave = code in _SYNTAX or code.startswith(_GRAVE)
        yield _found(
            "ruff", "medium" if grave else "low", path, int(place.get("row") or 1), code, str(item.get("message"))
        )


def _configures_ruff(path: str) -> bool:
    try:
        with open(path, encoding="utf-8") as file:
            return not path.endswith("pyproject.toml") or "[tool.ruff" in file.read()
    except (OSError, ValueError):
        return False


def _bandit(folder: str, paths: Sequence[str]) -> Iterator[Finding]:
    report = _run("bandit", ["-f", "json", "-q", *paths], folder)
    for item in report.get("results", ()) if isinstance(report, dict) else ():
        severity = _BANDIT.get(str(item.get("issue_severity")), "low")
        if item.get("issue_confidence") == "LOW" and severity == "high":
            severity = "medium"
        path = os.path.normpath(str(item.get("filename"))).replace(os.sep, "/")
        yield _found(
            "bandit",
            severity,
            path,
            int(item.get("line_number") or 1),
            str(item.get("test_id")),
            str(item.get("issue_text")),
        )


def _found(tool: str, severity: str, path: str, line: int, code: str, message: str) -> Finding:
    said = " ".join(message.split())[:_LONGEST]
    return Finding(
        tool, severity, path, line, line, "", f"{code}: {said}", f"{tool} reports it on a changed line", code=code
    )
