"""`crashvault autolog` in real processes: what it records, and that a program cannot be told from one without it."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import crashvault
from crashvault.core import open_vault
from crashvault.output.shapes import event_shape
from crashvault.sdk.autolog import is_ignored

SOURCE = str(Path(crashvault.__file__).parents[1])

THREAD = """
    import threading
    def work(token):
        raise ValueError("in a thread")
    thread = threading.Thread(target=work, args=("t0k3n",))
    thread.start()
    thread.join()
    print("main goes on")
"""
TASK = """
    import asyncio, gc
    async def fail():
        raise OSError("nobody asked")
    async def main():
        task = asyncio.ensure_future(fail())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        del task
        gc.collect()
    asyncio.run(main())
"""
UVLOOP = """
    import asyncio, gc, uvloop
    async def fail():
        raise OSError("nobody asked")
    async def main():
        task = asyncio.ensure_future(fail())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        del task
        gc.collect()
        done = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(int, "no number")
        asyncio.get_running_loop().call_soon(done.set_result, None)
        await done
        raise LookupError("at last")
    uvloop.run(main())
"""
CHAINED = """
    def load(path):
        return {}[path]
    try:
        load("a.cfg")
    except KeyError as error:
        raise RuntimeError("cannot start") from error
"""
FORKED = """
    import multiprocessing
    def work():
        raise LookupError("in a child")
    if __name__ == "__main__":
        child = multiprocessing.get_context("{kind}").Process(target=work, name="worker")
        child.start()
        child.join()
        print(child.exitcode)
"""
POOL = """
    import concurrent.futures
    def work():
        raise LookupError("in a pool")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()
"""

# name: program, and how many events it makes
PROGRAMS: dict[str, tuple[str, int]] = {
    "raise": ("def f(n):\n    return 1 / n\nf(0)", 1),
    "chained": (CHAINED, 1),
    "syntax error": ("def f(:\n    pass", 1),
    "thread": (THREAD, 1),
    "asyncio.run": ("import asyncio\nasync def f():\n    raise OSError('x')\nasyncio.run(f())", 1),
    "task": (TASK, 1),
    "fork": (FORKED.replace("{kind}", "fork"), 1),
    "spawn": (FORKED.replace("{kind}", "spawn"), 1),
    "forkserver": (FORKED.replace("{kind}", "forkserver"), 1),
    "uvloop": (UVLOOP, 3),
    "pool": (POOL, 1),
    "group": ("raise ExceptionGroup('many', [ValueError('a'), TypeError('b')])", 1),
    "recursion": ("def f(n):\n    return f(n + 1)\nf(0)", 1),
    "failing str": ("class E(Exception):\n    def __str__(self):\n        raise ValueError('no')\nraise E", 1),
    "failing repr": ("class V:\n    def __repr__(self):\n        raise ValueError('no')\nv = V()\nraise OSError(1)", 1),
    "note": ("e = ValueError('x')\ne.add_note('a note')\nraise e", 1),
    "not found": ("import subprocess\nsubprocess.run(['no-such-program-at-all'])", 1),
    "exit 3": ("import sys\nsys.exit(3)", 0),
    "exit text": ("import sys\nsys.exit('went wrong')", 0),
    "exit None": ("raise SystemExit", 0),
    "os._exit": ("import os\nos._exit(5)", 0),
    "interrupt": ("raise KeyboardInterrupt", 0),
    "interrupted": ("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nwhile True: pass", 0),
    "terminated": ("import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\nwhile True: pass", 0),
    "killed": ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\nwhile True: pass", 0),
    "segfault": ("import ctypes\ndef poke():\n    ctypes.string_at(0)\npoke()", 1),
    "abort": ("import os\nos.abort()", 1),
    "faulthandler": ("import faulthandler\nfaulthandler.enable()\nimport os\nos.abort()", 1),
    "order": ("import atexit\natexit.register(print, 'first')\natexit.register(print, 'second')\nprint('main')\n1 / 0", 1),
    "warning": ("import warnings\nwarnings.warn('old')\nwarnings.warn('gone', DeprecationWarning)", 0),
    "unraisable": ("class D:\n    def __del__(self):\n        raise ValueError('late')\nd = D()\ndel d", 0),
    "own hook": ("import sys\nsys.excepthook = lambda *a: print('mine', a[1])\n1 / 0", 1),
    "names": ("import sys\nprint(__name__, __file__, sys.argv, sys.path[0], __spec__, __doc__, sorted(globals()))", 0),
    "streams": ("import sys\nprint(sys.stdin.read(), sys.stdin.isatty())\nprint('x', file=sys.stderr)", 0),
    "signals": ("import signal\nprint([signal.getsignal(n) for n in (2, 13, 15, 17)], signal.pthread_sigmask(0, []))", 0),
    "descriptors": ("import os\nprint(os.open(os.devnull, os.O_RDONLY))", 0),
}  # fmt: skip


def environment(home: Path, **more: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("CRASHVAULT_", "SENTRY_", "PYTHON"))}
    return {**kept, "CRASHVAULT_HOME": str(home), "PYTHONPATH": SOURCE, "LC_ALL": "C.UTF-8", **more}


def autolog(*arguments: str) -> list[str]:
    return [sys.executable, "-P", "-m", "crashvault", "autolog", *arguments]  # -P: the directory is the program's


def run(command: list[str], home: Path, stdin: bytes = b"", **more: str) -> tuple[int, bytes, bytes]:
    """Exit code, output and errors of a process beside the vault; without addresses, which always differ."""
    done = subprocess.run(
        command, input=stdin, capture_output=True, env=environment(home, **more), cwd=home.parent, timeout=60
    )
    return done.returncode, *(re.sub(rb"0x[0-9a-f]{6,}", b"0x", text) for text in (done.stdout, done.stderr))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "vault"


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], str]:
    def write(text: str, name: str = "app.py") -> str:
        path = tmp_path / name
        path.write_text(textwrap.dedent(text))
        return str(path)

    return write


def recorded(home: Path) -> list[Any]:
    """All events of a vault, whole, oldest first."""
    if not (home / "vault.db").exists():
        return []
    with open_vault(str(home), read_only=True) as store:
        found = store.events.load(list(store.events.all_rows()))
        return [event_shape(item.event, item.issue_id, item.fingerprint) for item in found]


@pytest.mark.parametrize("name", PROGRAMS)
def test_program_runs_as_without_it(name: str, home: Path, script: Any) -> None:
    text, count = PROGRAMS[name]
    path = script(text)
    plain = run([sys.executable, path, "-x", "1"], home, b"typed\n")
    watched = run(autolog("--quiet", path, "-x", "1"), home, b"typed\n")
    assert watched == plain
    assert len(recorded(home)) == count


@pytest.mark.parametrize(
    "program",
    [
        ["missing.py"],
        ["-m", "missing_module"],
        ["-m", "json.tool", "--no-such"],
        ["-c", "1/0", "-v"],
        ["-", "a"],
        ["."],
    ],
    ids=" ".join,
)
def test_ways_to_name_a_program(program: list[str], home: Path) -> None:
    stdin = b"import sys\nprint(sys.argv)\nraise OSError('from standard input')\n"
    assert run(autolog("--quiet", *program), home, stdin) == run([sys.executable, *program], home, stdin)


def test_directory_and_zip_are_programs(home: Path, tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__main__.py").write_text("import sys\nprint(sys.argv)\n1 / 0\n")
    with zipfile.ZipFile(tmp_path / "app.zip", "w") as archive:
        archive.write(tmp_path / "app" / "__main__.py", "__main__.py")
    for program in ("app", "app.zip"):
        assert run(autolog("--quiet", program), home) == run([sys.executable, program], home)
    assert len(recorded(home)) == 2


def test_event_tells_locals_source_and_options(home: Path, script: Any) -> None:
    path = script("def charge(amount, password):\n    basket = [1, 2]\n    return amount / 0\ncharge(7, 'hunter2')")
    options = ["--tag", "db", "--tag", "region=eu", "--level", "CRITICAL", "--release", "1.2", "--environment", "dev"]
    code, _, errors = run(autolog("--project", "shop", *options, path), home)
    (event,) = recorded(home)
    assert code == 1
    assert errors.decode().splitlines()[-1] == f"crashvault: recorded event {event['event_id'][:8]} in new issue #1"
    assert event["exception"] == {"type": "ZeroDivisionError", "value": "division by zero"}
    assert (event["level"], event["release"], event["environment"], event["project"]) == (
        "critical",
        "1.2",
        "dev",
        "shop",
    )
    assert set(event["tags"]) == {"db", "region=eu"}
    frame = event["frames"][-1]
    assert (frame["function"], frame["line"], frame["context_line"]) == ("charge", 3, "    return amount / 0")
    assert frame["in_app"] is True
    assert frame["vars"]["amount"] == "7"
    assert "hunter2" not in json.dumps(frame["vars"])
    assert event["context"]["sys.argv"] == [path]


def test_segfault_is_recorded_with_its_stack(home: Path, script: Any) -> None:
    path = script("import ctypes\ndef poke():\n    ctypes.string_at(0)\npoke()")
    code, _, errors = run(autolog(path), home)
    (event,) = recorded(home)
    assert code == -signal.SIGSEGV
    assert event["level"] == "critical"
    assert event["exception"]["value"] == "Segmentation fault"
    assert [frame["function"] for frame in event["frames"]][-2:] == ["poke", "string_at"]
    assert errors.decode() == f"crashvault: recorded event {event['event_id'][:8]} in new issue #1\n"


def test_dump_that_the_program_wants_is_shown(home: Path, script: Any) -> None:
    path = script("import os\nos.abort()")
    more = {"PYTHONFAULTHANDLER": "1"}
    assert run(autolog("--quiet", path), home, **more) == run([sys.executable, path], home, **more)
    assert recorded(home)[0]["frames"][-1]["line"] == 2


def test_python_children_are_followed(home: Path, script: Any) -> None:
    child = script("raise LookupError('in the child')", "child.py")
    path = script(f"import subprocess, sys\nprint(subprocess.call([sys.executable, {child!r}]))")
    code, out, _ = run(autolog(path), home)
    assert (code, out) == (0, b"1\n")
    assert [event["message"] for event in recorded(home)] == ["LookupError: in the child"]


def test_ignored_types(home: Path, script: Any) -> None:
    path = script("import json\njson.loads('{')")
    assert run(autolog("--ignore", "ValueError", path), home)[0] == 1
    assert run(autolog("--ignore", "json.decoder.JSONDecodeError", path), home)[0] == 1
    assert recorded(home) == []
    assert is_ignored(KeyError, ["LookupError"])
    assert not is_ignored(LookupError, ["KeyError"])


def test_other_sitecustomize_still_runs(home: Path, script: Any, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text("import builtins\nbuiltins.seen = __file__\n")
    path = script("import sys, sitecustomize\nprint(seen, sitecustomize.__file__, sys.path)\n1 / 0")
    more = {"PYTHONPATH": f"{tmp_path / 'site'}{os.pathsep}{SOURCE}"}
    assert run(autolog("--quiet", path), home, **more) == run([sys.executable, path], home, **more)
    assert len(recorded(home)) == 1


def test_program_that_hides_modules_is_recorded_all_the_same(home: Path, script: Any) -> None:
    for name in ("random.py", "socket.py", "sentry_sdk.py"):
        script("print('imported by mistake')", name)
    path = script("class socket: pass\nimport sys\nsys.modules['ssl'] = socket\n1 / 0")
    code, out, errors = run(autolog(path), home)
    assert (code, out) == (1, b"")
    assert b"recorded event" in errors
    assert recorded(home)[0]["exception"]["type"] == "ZeroDivisionError"


def test_vault_that_cannot_be_written_costs_one_line(home: Path, script: Any) -> None:
    home.write_text("a file in the way")
    path = script("1 / 0")
    plain, watched = run([sys.executable, path], home), run(autolog(path), home)
    assert watched[:2] == plain[:2]
    extra = watched[2].removeprefix(plain[2])
    assert extra.startswith(b"crashvault: ")
    assert extra.count(b"\n") == 1


def test_signals_reach_the_program(home: Path, script: Any) -> None:
    path = script(
        """
        import os, signal, sys
        signal.signal(signal.SIGUSR1, lambda *_: sys.exit(7))
        signal.signal(signal.SIGTERM, lambda *_: os.write(1, b"asked\\n"))
        os.write(1, b"ready\\n")
        while True:
            signal.pause()
        """
    )
    with subprocess.Popen(autolog(path), stdout=subprocess.PIPE, env=environment(home)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == b"asked\n"
        process.send_signal(signal.SIGUSR1)
        assert process.wait(30) == 7


def test_interrupt_key_reaches_the_program_once(home: Path, script: Any) -> None:
    """Ctrl-C on a terminal goes to the whole group: to the supervisor, too, which must not pass it on."""
    path = script(
        """
        import signal, sys
        seen = []
        signal.signal(signal.SIGINT, lambda *_: seen.append(1))
        print("ready", sys.stdin.isatty(), sys.stdout.isatty(), flush=True)
        input()
        print("seen", len(seen), flush=True)
        raise KeyboardInterrupt
        """
    )
    child, master = pty.fork()
    if child == 0:
        os.execve(sys.executable, autolog("--quiet", path), environment(home))
    read = os.fdopen(master, "rb", buffering=0)
    lines = iter(read.readline, b"")
    assert next(lines) == b"ready True True\r\n"
    os.write(master, b"\x03\n")
    assert next(line for line in lines if line.startswith(b"seen")) == b"seen 1\r\n"
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGINT
    read.close()


def test_wrong_use(home: Path, script: Any) -> None:
    assert run(autolog(), home)[0] == 2
    assert run(autolog("-m"), home)[0] == 2
    code, _, errors = run(autolog("--tga", "x", "app.py"), home)
    assert code == 2
    assert b"'--tga'. Did you mean '--tag'?" in errors
    code, _, errors = run(autolog("--level", "nosuch", "app.py"), home)
    assert code == 1
    assert b"nosuch" in errors
    code, _, errors = run(autolog("--python", "/no/python", "app.py"), home)
    assert code == 1
    assert b"there is no Python /no/python" in errors


def test_other_interpreter(home: Path, script: Any, tmp_path: Path) -> None:
    path = script("import sys\nprint(sys.executable)\n1 / 0")
    assert run(autolog("--quiet", "--python", sys.executable, path), home)[1] == f"{sys.executable}\n".encode()
    bare = tmp_path / "bare"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S -I "$@"\n')
    bare.chmod(0o755)
    code, out, errors = run(autolog("--python", str(bare), path), home)
    assert (code, out) == (1, b"")
    assert b"cannot be imported by" in errors
    assert b"pip install crashvault" in errors


def test_program_with_its_own_init_is_recorded_once(home: Path, script: Any) -> None:
    path = script("import crashvault\ncrashvault.init(project='mine')\n1 / 0")
    assert run(autolog(path), home)[0] == 1
    assert [event["project"] for event in recorded(home)] == ["mine"]


def test_vault_is_sound_afterwards(home: Path, script: Any) -> None:
    run(autolog(script("1 / 0")), home)
    with open_vault(str(home), read_only=True) as store:
        assert store.db.value("PRAGMA integrity_check") == "ok"
