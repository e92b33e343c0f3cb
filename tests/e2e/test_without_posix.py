"""What Windows lacks is hidden from real processes: recording, reading and triage work there, `wrap` on plain pipes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

HIDDEN = """
import os, signal, sys
for name in ("fcntl", "pty", "termios", "tty", "resource", "pwd", "grp", "syslog"):
    sys.modules[name] = None
for name in ("fork", "forkpty", "openpty", "killpg", "setsid", "getpgid", "getpgrp", "tcgetpgrp", "tcsetpgrp", "getuid", "geteuid",
             "getgid", "setpgid", "mkfifo", "register_at_fork", "posix_spawn", "sched_getaffinity", "chown", "fchmod", "splice"):
    vars(os).pop(name, None)
for name in ("SIGHUP", "SIGQUIT", "SIGTSTP", "SIGCONT", "SIGWINCH", "SIGCHLD", "SIGUSR1", "SIGPIPE", "SIGTTIN", "SIGTTOU",
             "SIGSTOP", "SIGALRM", "SIGPROF", "SIGXCPU"):
    vars(signal).pop(name, None)
from crashvault.__main__ import main
sys.argv = ["crashvault", *sys.argv[1:]]
main()
"""
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    environment = {**os.environ, "CRASHVAULT_HOME": str(tmp_path / "vault"), "NO_COLOR": "1"}

    def crashvault(*words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", HIDDEN, *words]
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return crashvault


def test_everyday_commands(run: Run, tmp_path: Path) -> None:
    run("add", "disk is full", "--level", "critical", "--tag", "disk")
    assert "disk is full" in run("list").stdout
    assert "disk is full" in run("search", "tag:disk").stdout
    run("comment", "1", "cleaned")
    run("resolve", "1")
    run("backup", str(tmp_path / "kept.zip"))
    run("export", "--output", str(tmp_path / "all.jsonl"))
    assert "Everything is well" in run("doctor").stdout


def test_wrap_on_plain_pipes(run: Run, tmp_path: Path) -> None:
    program = tmp_path / "shop.py"
    program.write_text("import sys\nprint('begun')\nprint('careful', file=sys.stderr)\nprices = {}\nprices['tea']\n")
    done = run("wrap", "--", sys.executable, "shop.py", code=1)
    assert done.stdout == "begun\n"
    assert done.stderr.startswith("careful\nTraceback (most recent call last):\n")
    (found,) = json.loads(run("events", "--json").stdout)["items"]
    event = json.loads(run("event", found["event_id"], "--json").stdout)
    assert event["exception"] == {"type": "KeyError", "value": "'tea'"}
    assert event["frames"][-1]["context_line"] == "prices['tea']"
    assert "careful" in json.dumps(event["context"])


def test_wrap_says_what_cannot_be_run_and_what_takes_too_long(run: Run) -> None:
    assert "No such file or directory" in run("wrap", "--", "no-such-command", code=127).stderr
    run("wrap", "--timeout", "0.2", "--", sys.executable, "-c", "import time; time.sleep(60)", code=124)
    run("wrap", "--shell", "--", "exit 7", code=7)


def test_the_server_says_where_it_runs(run: Run) -> None:
    assert "WSL" in run("server", "start", "--port", "0", code=1).stderr
    assert "No server runs" in run("server", "status", code=1).stdout
