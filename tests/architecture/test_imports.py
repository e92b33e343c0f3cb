"""Which room may import, read or call what; and what starting the command line costs."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "crashvault"
FILES = sorted(PACKAGE.rglob("*.py"))
ENVIRONMENT = (
    "core.py",
    "config.py",
    "__main__.py",
    "console.py",
    "logs.py",
    "commands/",
    "child/",
    "sdk/",
    "completion.py",
    "desktop.py",
    "git.py",
    "server.py",
    "serving/background.py",
    "notify/delivery.py",  # what a program of its own is given
)  # the operating system, as the person at the keyboard has it
# Who speaks to other machines: outbound.py alone, since it refuses private addresses. The others serve, or ask this machine.
NETWORK = ("outbound.py", "serving/", "server.py")
# Who changes files: the vault and its logs, the server's own, and what a person asked a command for.
WRITING = ("storage/", "core.py", "logs.py", "serving/", "server.py", "sdk/autolog.py", "child/", "console.py", "exchange/helper.py",
           "commands/demo_cmd.py", "commands/group.py", "analysis/review/tools.py", "webhooks/apprise_sending.py")  # fmt: skip
HEAVY = ("rich", "msgspec", "urllib", "urllib3", "pluggy", "logging", "httpx", "httpx2", "asyncio", "dataclasses", "inspect",
         "importlib.metadata", "sentry_sdk", "psycopg", "jinja2", "ssl", "http", "email", "unittest", "pydoc")  # fmt: skip


# Who speaks to one engine alone; what the repositories write is for both.
SQLITE_ONLY = ("sqlite.py", "backup.py", "sql_console.py", "health.py", "migrations/__init__.py", "spool.py")
POSTGRES_ONLY = ("postgres.py", "sql_postgres.py", "health_postgres.py", "stored_blobs.py", "statements.py", "urls.py",
                 "migrations/on_postgres.py", "standby.py")  # fmt: skip
_SQLITE_SQL = re.compile(
    r"\b(PRAGMA|MATCH \?|json_each|json_extract|sqlite_master|sqlite_sequence|strftime|julianday|last_insert_rowid|printf"
    r"|instr\(|INSERT OR|REPLACE INTO|GLOB|total_changes|(?:max|min)\([^()]*, [^()]*\) ?(?:FROM|WHERE|\+))"
)
_POSTGRES_SQL = re.compile(
    r"::(?:text|bigint|bytea|json)|\b(unnest|ANY\(|tsvector|pg_\w+\(|advisory|to_regclass|ILIKE)\b"
)


def inside(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module or ""


def uses(path: Path) -> Iterator[str]:
    """Every `module.name` that a file uses, and every name that it imports from a module."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield f"{node.value.id}.{node.attr}"
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_layers() -> None:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_only_the_storage_names_an_sql_engine() -> None:
    wrong = [
        inside(path)
        for path in FILES
        if not inside(path).startswith("storage/")
        and {"sqlite3", "psycopg"} & {name.split(".")[0] for name in imports(path)}
    ]
    assert wrong == []


def test_only_the_room_of_plugins_knows_how_they_are_called() -> None:
    wrong = [inside(path) for path in FILES if not inside(path).startswith("plugins/") and "pluggy" in imports(path)]
    assert wrong == []


def test_only_the_edges_read_the_environment() -> None:
    wrong = [
        inside(path)
        for path in FILES
        if not inside(path).startswith(ENVIRONMENT) and {"os.environ", "os.getenv", "os.environb"} & set(uses(path))
    ]
    assert wrong == []


def test_only_the_clock_reads_the_clock() -> None:
    reading = {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "datetime.today", "date.today"}
    wrong = [inside(path) for path in FILES if inside(path) != "clock.py" and reading & set(uses(path))]
    assert wrong == []


def test_only_outbound_speaks_to_other_machines() -> None:
    clients = {"http.client", "urllib.request", "httpx", "requests", "urllib3", "aiohttp", "ssl", "smtplib", "ftplib"}
    wrong = [inside(path) for path in FILES if not inside(path).startswith(NETWORK) and clients & set(imports(path))]
    assert wrong == []


def test_only_some_rooms_write_files() -> None:
    writers = [inside(path) for path in FILES if set(writes(path))]
    assert [name for name in writers if not name.startswith(WRITING)] == []
    assert [room for room in WRITING if not any(name.startswith(room) for name in writers)] == []


def writes(path: Path) -> Iterator[str]:
    """Every call in a file that changes the file system."""
    changing = {"os.replace", "os.rename", "os.unlink", "os.remove", "os.mkdir", "os.makedirs", "os.truncate", "shutil.rmtree",
                "os.O_CREAT", "os.O_WRONLY", "os.O_RDWR", "os.fdopen", "shutil.copyfile", "shutil.copytree", "shutil.move", "os.rmdir", "os.chmod"}  # fmt: skip
    yield from changing & set(uses(path))
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if name in ("write_text", "write_bytes", "touch"):
            yield name
        modes = [part.value for part in node.args[1:2] if isinstance(part, ast.Constant)]
        modes += [
            word.value.value for word in node.keywords if word.arg == "mode" and isinstance(word.value, ast.Constant)
        ]
        if name == "open" and any(set(str(mode)) & set("wax+") for mode in modes):
            yield name


def test_commands_write_no_files_and_no_database() -> None:
    wrong = []
    for path in FILES:
        if inside(path).startswith("commands/"):
            text = path.read_text(encoding="utf-8")
            wrong += [
                f"{inside(path)}: {found}"
                for found in re.findall(
                    r"\bdb\.(?:execute|execute_many|writing)\(|\bpath\.write_(?:text|bytes)\(", text
                )
            ]
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open":
                    modes = [part.value for part in node.args[1:2] if isinstance(part, ast.Constant)]
                    wrong += [f"{inside(path)}: open {mode}" for mode in modes if set(str(mode)) & set("wax+")]
    assert wrong == []


def test_every_tag_of_markup_is_defined() -> None:
    from crashvault.console import TAGS

    wrong = []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                text = "".join(part.value for part in node.values if isinstance(part, ast.Constant))
                closed = set(re.findall(r"\[/([a-z]+)\]", text))  # what is closed is meant as markup
                wrong += [f"{inside(path)}:{node.lineno} {tag}" for tag in closed - TAGS]
                if closed & TAGS:
                    opened = set(re.findall(r"(?<!\\)\[([a-z]+)\]", text))
                    wrong += [f"{inside(path)}:{node.lineno} {tag}" for tag in opened - TAGS]
    assert wrong == []


LOADED = """
import os, sys
code = None
os._exit, leave = lambda status: None, os._exit
sys.argv = ["crashvault", *sys.argv[1:]]
from crashvault.__main__ import main
main()
sys.stdout.flush()
print(*sorted(sys.modules), file=sys.stderr)
"""


@pytest.mark.parametrize("command", [["add", "boom", "--tag", "x"], ["list"], ["list", "--json"], ["path"]])
def test_short_commands_load_nothing_heavy(command: list[str], tmp_path: Path) -> None:
    environment = {**os.environ, "CRASHVAULT_HOME": str(tmp_path)}
    for _ in range(2):  # making the vault may cost more
        done = subprocess.run(
            [sys.executable, "-c", LOADED, *command], env=environment, capture_output=True, text=True, timeout=60
        )
    bare = subprocess.run(
        [sys.executable, "-c", "import sys, click, sqlite3\nprint(*sys.modules)"], capture_output=True, text=True
    )
    loaded = set(done.stderr.split()) - set(bare.stdout.split())
    assert "crashvault.cli" in loaded, done.stderr
    assert sorted(loaded & set(HEAVY)) == []


def test_statements_are_for_both_engines() -> None:
    """What only one engine knows lies in its driver; what the repositories write is not chosen by the engine's name."""
    wrong = []
    for path in (PACKAGE / "storage").rglob("*.py"):
        name = path.relative_to(PACKAGE / "storage").as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                if name not in SQLITE_ONLY and _SQLITE_SQL.search(node.value):
                    wrong.append(f"{name}:{node.lineno} is for SQLite: {node.value[:60]}")
                if name not in POSTGRES_ONLY and _POSTGRES_SQL.search(node.value):
                    wrong.append(f"{name}:{node.lineno} is for PostgreSQL: {node.value[:60]}")
            if isinstance(node, ast.Compare) and "dialect" in ast.unparse(node):
                wrong.append(f"{name}:{node.lineno} asks for the engine")
    assert wrong == []
