"""The runner of commands, with real programs, real pipes, real pseudo-terminals and a real shell."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import itertools
import json
import os
import select
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest
from hypothesis import given
from hypothesis import strategies as st

import crashvault
from crashvault.child.tail import Tail

DRIVER = """
import base64, json, os, sys
from crashvault.child import pipe_run, run_child

options = json.loads(os.environ.pop("DRIVER_OPTIONS", "{}"))
pipe_run.KILL_AFTER = options.pop("kill_after", pipe_run.KILL_AFTER)
result = run_child(sys.argv[1:], **options)
if where := os.environ.get("DRIVER_RESULT"):
    found = {**result._asdict(), "exit_code": result.exit_code}
    found["output"] = base64.b64encode(result.output).decode()
    found["stderr"] = base64.b64encode(result.stderr).decode()
    with open(where, "w") as file:
        json.dump(found, file)
sys.exit(result.exit_code)
"""
PYTHON = sys.executable
TIMEOUT = 30  # seconds until a test that hangs fails


class Channel:
    """What a child tells beside its terminal: the interrupt key throws away what is on its way there."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = str(path)
        self.descriptor = os.open(path, os.O_RDWR)

    def expect(self, told: bytes) -> None:
        found = b""
        while len(found) < len(told):
            assert select.select([self.descriptor], [], [], TIMEOUT)[0], found
            found += os.read(self.descriptor, 100)
        assert found == told


class Wrapped:
    """Runs the driver in processes of its own and reads what `run_child` returned there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.script = folder / "driver.py"
        self.script.write_text(DRIVER)
        (folder / "inputrc").write_text("set enable-bracketed-paste off\n")
        self.where = folder / "result.json"
        self.base = [PYTHON, str(self.script)]
        source = str(Path(crashvault.__file__).parents[1])
        self.env = {
            **os.environ,
            "PYTHONPATH": source,
            "DRIVER_RESULT": str(self.where),
            "TERM": "xterm",
            "PS1": "READY> ",
            "SHELL": "/bin/bash",
            "INPUTRC": str(folder / "inputrc"),
        }

    def options(self, **options: Any) -> dict[str, str]:
        return {**self.env, "DRIVER_OPTIONS": json.dumps(options)}

    def start(self, *command: str, options: dict[str, Any] | None = None, **popen: Any) -> subprocess.Popen[bytes]:
        popen.setdefault("start_new_session", True)
        env = {**self.options(**(options or {})), **popen.pop("env", {})}
        return subprocess.Popen([*self.base, *command], env=env, **popen)

    def run(self, *command: str, input: bytes | None = None, **options: Any) -> tuple[int, bytes, bytes]:
        process = self.start(
            *command,
            options=options,
            stdin=subprocess.DEVNULL if input is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        output, errors = process.communicate(input, timeout=TIMEOUT)
        return process.returncode, output, errors

    @property
    def result(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.where.read_text())
        for name in ("output", "stderr"):
            found[name] = base64.b64decode(found[name])
        return found

    def line(self, *command: str) -> str:
        """The driver with a command, as a line for a shell."""
        return shlex.join([*self.base, *command])

    def on_terminal(self, *command: str, env: dict[str, str] | None = None, **spawn: Any) -> pexpect.spawn:
        return self._spawn([*self.base, *command], env or self.env, **spawn)

    def in_shell(self, line: str) -> pexpect.spawn:
        return self._spawn(["/bin/sh", "-c", line], self.env)

    def bash(self) -> pexpect.spawn:
        shell = self._spawn(["/bin/bash", "--norc", "--noprofile", "-i"], self.env)
        shell.expect_exact("READY> ")
        return shell

    def _spawn(self, argv: list[str], env: dict[str, str], **spawn: Any) -> pexpect.spawn:
        child = pexpect.spawn(argv[0], argv[1:], env=env, timeout=TIMEOUT, encoding=None, **spawn)
        child.delaybeforesend = None
        return child


@pytest.fixture
def wrapped(tmp_path: Path) -> Wrapped:
    return Wrapped(tmp_path)


@pytest.fixture
def shell(wrapped: Wrapped) -> Iterator[pexpect.spawn]:
    child = wrapped.bash()
    yield child
    child.close(force=True)


def ended(child: pexpect.spawn) -> tuple[bytes, int]:
    """Everything a program still writes, and its exit code."""
    output = child.read()
    child.close()
    return output, child.exitstatus


def python(code: str) -> list[str]:
    return [PYTHON, "-u", "-c", code]


# ---------------------------------------------------------------- pipes


@pytest.mark.parametrize("code", [0, 1, 3, 127, 255])
def test_exit_code_is_the_childs(wrapped: Wrapped, code: int) -> None:
    assert wrapped.run("sh", "-c", f"exit {code}")[0] == code
    result = wrapped.result
    assert (result["returncode"], result["exit_code"], result["signal"]) == (code, code, None)
    assert result["argv"] == ["sh", "-c", f"exit {code}"]
    assert result["pid"] > 0
    assert result["duration"] > 0
    assert not result["timed_out"]


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGKILL", "SIGTERM", "SIGINT", "SIGPIPE"])
def test_death_by_signal_is_128_and_its_number(wrapped: Wrapped, name: str) -> None:
    code, *_ = wrapped.run("sh", "-c", f"kill -{name[3:]} $$")
    assert code == 128 + signal.Signals[name]
    assert wrapped.result["signal"] == name


def test_streams_stay_apart_and_are_remembered(wrapped: Wrapped) -> None:
    code, output, errors = wrapped.run("sh", "-c", "printf out; printf err >&2")
    assert (code, output, errors) == (0, b"out", b"err")
    assert wrapped.result["stderr"] == b"err"
    assert sorted(wrapped.result["output"]) == sorted(b"outerr")


def test_order_is_kept_when_both_streams_go_to_one_file(wrapped: Wrapped) -> None:
    code = "import os\nfor n in range(3000): os.write(1 + n % 2, b'%d\\n' % n)"
    process = wrapped.start(*python(code), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    output, _ = process.communicate(timeout=TIMEOUT)
    assert output == b"".join(b"%d\n" % number for number in range(3000))
    assert wrapped.result["output"] == output
    assert wrapped.result["stderr"] == b""


def test_unknown_command_is_127_with_a_message(wrapped: Wrapped) -> None:
    code, output, errors = wrapped.run("no-such-command-here")
    assert (code, output) == (127, b"")
    assert errors == b"crashvault: no-such-command-here: command not found\n"
    assert wrapped.result["error"] == "no-such-command-here: command not found"
    assert wrapped.result["pid"] == 0


def test_what_cannot_be_executed_is_126(wrapped: Wrapped) -> None:
    plain = wrapped.folder / "plain"
    plain.write_text("no program")
    orphan = wrapped.folder / "orphan"
    orphan.write_text("#!/no/such/interpreter\n")
    orphan.chmod(0o755)
    for path, reason in (
        (str(plain), b"Permission denied"),
        (str(wrapped.folder), b"Is a directory"),
        (str(orphan), b"its interpreter was not found"),
    ):
        code, _, errors = wrapped.run(path)
        assert code == 126
        assert reason in errors
    assert wrapped.run(str(wrapped.folder / "missing"))[0] == 127
    assert wrapped.run("echo", cwd="/no/such/folder")[0] == 126


def test_control_characters_of_a_name_do_not_reach_the_terminal(wrapped: Wrapped) -> None:
    _, _, errors = wrapped.run("evil\x1b]0;title\x07")
    assert b"\x1b" not in errors
    assert b"command not found" in errors


def test_a_script_without_interpreter_line_runs(wrapped: Wrapped) -> None:
    script = wrapped.folder / "script"
    script.write_text("echo ran $1\n")
    script.chmod(0o755)
    assert wrapped.run(str(script), "well")[1] == b"ran well\n"


def test_environment_and_folder(wrapped: Wrapped) -> None:
    given_env = {"PATH": "/usr/bin:/bin", "COLOUR": "red"}
    _, output, _ = wrapped.run("sh", "-c", "echo $COLOUR; pwd", env=given_env, cwd="/")
    assert output == b"red\n/\n"


def test_a_flood_passes_unchanged(wrapped: Wrapped) -> None:
    command = ["seq", "14000000"]  # 109 MB
    expected = hashlib.sha256()
    tail = b""
    with subprocess.Popen(command, stdout=subprocess.PIPE) as plain:
        assert plain.stdout is not None
        while chunk := plain.stdout.read(1 << 20):
            expected.update(chunk)
            tail = (tail + chunk)[-65536:]
    process = wrapped.start(*command, stdout=subprocess.PIPE)
    found = hashlib.sha256()
    assert process.stdout is not None
    while chunk := process.stdout.read(1 << 20):
        found.update(chunk)
    assert process.wait(TIMEOUT) == 0
    process.stdout.close()
    assert found.hexdigest() == expected.hexdigest()
    assert wrapped.result["output"] == tail


@pytest.mark.parametrize("pace", [0, 4e-5], ids=["quick", "paced"])
def test_a_flood_and_then_small_writes(wrapped: Wrapped, pace: float) -> None:
    """Each small write may take a whole page of a pipe, so that its pages run out long before its bytes do."""
    program = f"""
import os, time
os.write(1, b"x" * 1_000_000)
for _ in range(2000):
    os.write(1, b"yz")
    until = time.perf_counter() + {pace}
    while time.perf_counter() < until:
        pass
"""
    code, output, _ = wrapped.run(*python(program))
    assert (code, output) == (0, b"x" * 1_000_000 + b"yz" * 2000)
    assert wrapped.result["output"] == output[-65536:]


@pytest.mark.parametrize("mode", ["wb", "ab"])
def test_a_flood_into_a_file(wrapped: Wrapped, mode: str) -> None:
    target = wrapped.folder / "target"
    target.write_bytes(b"before\n")
    with target.open(mode) as file:
        assert wrapped.start("seq", "1000000", stdout=file).wait(TIMEOUT) == 0
    expected = b"".join(b"%d\n" % number for number in range(1, 1_000_001))
    assert target.read_bytes() == (b"before\n" if mode == "ab" else b"") + expected
    assert wrapped.result["output"] == expected[-65536:]


def test_binary_output(wrapped: Wrapped) -> None:
    everything = bytes(range(256)) * 3
    code, output, _ = wrapped.run(*python(f"import os; os.write(1, {everything!r})"))
    assert (code, output, wrapped.result["output"]) == (0, everything, everything)


@pytest.mark.parametrize(("keep", "kept"), [(0, b""), (1, b"\n"), (4, b"100\n"), (1 << 20, None)])
def test_how_much_is_kept(wrapped: Wrapped, keep: int, kept: bytes | None) -> None:
    _, output, _ = wrapped.run("seq", "100", keep=keep)
    assert wrapped.result["output"] == (output if kept is None else kept)


@given(st.lists(st.binary(max_size=40)), st.integers(0, 50))
def test_tail_is_the_end_of_everything(chunks: list[bytes], keep: int) -> None:
    tail = Tail(keep)
    for chunk in chunks:
        tail.add(memoryview(chunk))
    everything = b"".join(chunks)
    assert tail.value() == everything[max(0, len(everything) - keep) :]


def test_output_appears_at_once(wrapped: Wrapped) -> None:
    code = "import os; os.write(1, b'name? '); os.write(1, b'hello ' + os.read(0, 100))"
    process = wrapped.start(*python(code), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None and process.stdout is not None
    assert os.read(process.stdout.fileno(), 100) == b"name? "
    output, _ = process.communicate(b"you", timeout=TIMEOUT)
    assert output == b"hello you"


def test_input_is_inherited_not_copied(wrapped: Wrapped) -> None:
    reader, writer = os.pipe()
    expected = os.fstat(reader).st_ino
    process = wrapped.start(*python("import os; print(os.fstat(0).st_ino)"), stdin=reader, stdout=subprocess.PIPE)
    output, _ = process.communicate(timeout=TIMEOUT)
    os.close(reader)
    os.close(writer)
    assert int(output) == expected


def test_a_reader_that_leaves_ends_the_child_by_sigpipe(wrapped: Wrapped) -> None:
    process = wrapped.start("yes", stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert os.read(process.stdout.fileno(), 2) == b"y\n"
    process.stdout.close()
    assert process.wait(TIMEOUT) == 141
    assert wrapped.result["signal"] == "SIGPIPE"


def test_slow_reader_slows_the_child(wrapped: Wrapped) -> None:
    """The child cannot run ahead further than the pipes hold, and nothing is lost."""
    code = "import os\nfor n in range(400): os.write(1, b'x' * 65536); os.write(2, b'%d\\n' % n)"
    process = wrapped.start(*python(code), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None and process.stderr is not None
    for _ in range(10):
        assert os.read(process.stderr.fileno(), 1)
    assert process.poll() is None
    output, _ = process.communicate(timeout=TIMEOUT)
    assert len(output) == 400 * 65536


def test_timeout_ends_the_whole_group(wrapped: Wrapped) -> None:
    code, output, _ = wrapped.run("sh", "-c", "sleep 1000 & echo $!; wait", timeout=0.3)
    assert code == 124
    result = wrapped.result
    assert (result["timed_out"], result["returncode"], result["signal"]) == (True, 124, "SIGTERM")
    assert not is_alive(int(output))


def test_timeout_kills_who_does_not_listen(wrapped: Wrapped) -> None:
    code, output, _ = wrapped.run(
        "sh", "-c", "trap '' TERM; echo up; while :; do read x; done", timeout=0.3, kill_after=0.1
    )
    assert (code, output) == (124, b"up\n")
    assert wrapped.result["signal"] == "SIGKILL"


def test_no_timeout_for_who_is_quick(wrapped: Wrapped) -> None:
    assert wrapped.run("true", timeout=60)[0] == 0
    assert not wrapped.result["timed_out"]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


LEFT_OVER = """
import os, sys
parent = os.getpid()
if os.fork() == 0:
    os.write(1, b"%d\\n" % os.getpid())
    while os.getppid() == parent:
        pass
    os.write(1, b"late\\n")
    if sys.argv[1] == "stay":
        while os.read(int(sys.argv[2]), 1): pass
    os._exit(0)
os._exit(7)
"""


def test_what_a_left_over_process_writes_soon_is_passed_on(wrapped: Wrapped) -> None:
    code, output, _ = wrapped.run(*python(LEFT_OVER), "go")
    assert code == 7
    assert output.endswith(b"late\n")


def test_a_left_over_process_does_not_hold_us_up(wrapped: Wrapped) -> None:
    reader, writer = os.pipe()
    process = wrapped.start(*python(LEFT_OVER), "stay", str(reader), stdout=subprocess.PIPE, pass_fds=[reader])
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    assert process.wait(TIMEOUT) == 7
    assert is_alive(pid)
    assert process.stdout.read() == b"late\n"  # ours is closed, though the left-over holds its pipe
    process.stdout.close()
    os.close(writer)
    os.close(reader)


TELL_SIGNAL = """
import os, signal
waited = {signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2}
signal.pthread_sigmask(signal.SIG_BLOCK, waited)
os.write(1, b"ready\\n")
os.write(1, signal.Signals(signal.sigwait(waited)).name.encode() + b"\\n")
raise SystemExit(9)
"""


@pytest.mark.parametrize("name", ["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2"])
def test_signals_are_passed_on(wrapped: Wrapped, name: str) -> None:
    process = wrapped.start(*python(TELL_SIGNAL), stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.Signals[name])
    output, _ = process.communicate(timeout=TIMEOUT)
    assert output == f"{name}\n".encode()
    assert process.returncode == 9


def test_ignored_signals_stay_ignored(wrapped: Wrapped) -> None:
    code = "import signal; print(signal.getsignal(signal.SIGHUP) is signal.SIG_IGN)"
    process = wrapped.start(
        *python(code), stdout=subprocess.PIPE, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)
    )
    assert process.communicate(timeout=TIMEOUT)[0] == b"True\n"


def test_the_child_has_a_programs_usual_signals(wrapped: Wrapped) -> None:
    _, output, _ = wrapped.run("sh", "-c", "grep -E 'Sig(Blk|Ign)' /proc/self/status")
    assert [int(line.split()[1], 16) for line in output.splitlines()] == [0, 0]


def test_a_group_stopped_without_terminal_goes_on(wrapped: Wrapped) -> None:
    process = wrapped.start(*python(TELL_SIGNAL), stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGTSTP)
    process.send_signal(signal.SIGCONT)
    process.send_signal(signal.SIGUSR1)
    assert process.communicate(timeout=TIMEOUT)[0] == b"SIGUSR1\n"


def test_no_child_remains(wrapped: Wrapped) -> None:
    code = "import os\nfrom crashvault.child import run_child\nrun_child(['true'])\n"
    code += "try: os.waitpid(-1, 0)\nexcept ChildProcessError: print('none')\n"
    code += "print(sorted(os.listdir('/proc/self/fd')))"
    out = subprocess.run([PYTHON, "-c", code], env=wrapped.env, capture_output=True, timeout=TIMEOUT).stdout
    assert out.splitlines() == [b"none", b"['0', '1', '2', '3']"]


@pytest.mark.parametrize(("shell", "code"), [("/bin/bash", 1), ("/bin/sh", 0)])
def test_shell_and_pipefail(wrapped: Wrapped, shell: str, code: int) -> None:
    wrapped.env["SHELL"] = shell
    found = wrapped.run("false | echo", "'a  b'", shell=True)
    assert found == (code, b"a  b\n", b"")
    assert wrapped.result["argv"] == ["false | echo", "'a  b'"]


def test_closed_standard_streams(wrapped: Wrapped) -> None:
    line = f"{wrapped.line('sh', '-c', 'echo out; exit 4')} <&- >&- 2>&-"
    assert subprocess.run(["sh", "-c", line], env=wrapped.env, timeout=TIMEOUT).returncode == 4


def test_other_descriptors_are_passed_on(wrapped: Wrapped) -> None:
    line = f"{wrapped.line('sh', '-c', 'echo three >&3')} 3>{wrapped.folder}/three"
    assert subprocess.run(["sh", "-c", line], env=wrapped.env, timeout=TIMEOUT).returncode == 0
    assert (wrapped.folder / "three").read_text() == "three\n"


def test_second_signal_gives_up_on_a_stuck_reader(wrapped: Wrapped) -> None:
    """The child is dead, its output cannot be passed on: SIGTERM is for us then."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with pytest.raises(BlockingIOError):
        while os.write(writer, bytes(65536)):
            fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 1 << 20)
    os.set_blocking(writer, True)
    code = "import os\nos.write(2, b'%d' % os.getpid())\nos.write(1, b'x' * 100_000)\nos._exit(6)"
    process = wrapped.start(*python(code), stdout=writer, stderr=subprocess.PIPE)
    assert process.stderr is not None
    pid = int(os.read(process.stderr.fileno(), 100))
    while Path(f"/proc/{pid}").exists():  # until we have noticed its end, SIGTERM is the child's
        pass
    process.send_signal(signal.SIGTERM)
    assert process.wait(TIMEOUT) == 6
    process.stderr.close()
    os.close(reader)
    os.close(writer)


# ---------------------------------------------------------------- terminals

COMBINATIONS = list(itertools.product([True, False], repeat=3))


@pytest.mark.parametrize("terminals", COMBINATIONS, ids=lambda flags: "".join("-t"[flag] for flag in flags))
def test_child_sees_a_terminal_where_there_is_one(wrapped: Wrapped, terminals: tuple[bool, ...]) -> None:
    seen = wrapped.folder / "seen"
    code = "import os, sys; open(sys.argv[1], 'w').write(repr(tuple(map(os.isatty, range(3)))))"
    redirections = ["", "", ""]
    for number, sign in enumerate(("<", ">", "2>")):
        if not terminals[number]:
            redirections[number] = f"{sign}/dev/null"
    line = " ".join([wrapped.line(*python(code), str(seen)), *redirections])
    _, code_ = ended(wrapped.in_shell(f"{line}; exit $?"))
    assert code_ == 0
    assert seen.read_text() == repr(terminals)


def test_streams_of_which_one_is_a_terminal_stay_apart(wrapped: Wrapped) -> None:
    log = wrapped.folder / "log"
    line = wrapped.line("sh", "-c", "echo shown; echo logged >&2")
    output, _ = ended(wrapped.in_shell(f"{line} 2>{log}"))
    assert output == b"shown\r\n"
    assert log.read_text() == "logged\n"
    assert wrapped.result["stderr"] == b"logged\n"
    output, _ = ended(wrapped.in_shell(f"{line} >{log}"))
    assert output == b"logged\r\n"
    assert log.read_text() == "shown\n"
    assert wrapped.result["stderr"] == b""


def test_colours_survive(wrapped: Wrapped) -> None:
    (wrapped.folder / "sub").mkdir()
    output, code = ended(wrapped.on_terminal("ls", "--color=auto", str(wrapped.folder)))
    assert code == 0
    assert b"\x1b[" in output
    assert b"\x1b[" in wrapped.result["output"]


def test_prompt_and_answer(wrapped: Wrapped) -> None:
    child = wrapped.on_terminal("bash", "-c", 'read -p "name? " name; echo "hello $name"')
    child.expect_exact("name? ")
    child.sendline("you")
    output, code = ended(child)
    assert b"hello you" in output
    assert code == 0


def test_no_echo_where_the_child_wants_none(wrapped: Wrapped) -> None:
    child = wrapped.on_terminal("bash", "-c", 'read -s -p "secret? " word; echo; echo "${#word} letters"')
    child.expect_exact("secret? ")
    child.sendline("xyzzy")
    output, _ = ended(child)
    assert b"xyzzy" not in output
    assert b"5 letters" in output


def test_single_keys(wrapped: Wrapped) -> None:
    code = (
        "import os, tty; tty.setraw(0); os.write(1, b'keys');"
        "keys = os.read(0, 1) + os.read(0, 1) + os.read(0, 1); print(keys)"
    )
    child = wrapped.on_terminal(*python(code))
    child.expect_exact("keys")
    child.send("\x03\x1a\r")
    output, code_ = ended(child)
    assert rb"b'\x03\x1a\r'" in output
    assert code_ == 0


COUNT_INTERRUPTS = """
import os, signal, sys
tell = os.open(sys.argv[1], os.O_WRONLY)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
os.write(tell, b"ready")
signal.sigwait({signal.SIGINT})
os.write(tell, b"interrupted")
line = input()
again = signal.SIGINT in signal.sigpending()
os.write(tell, f"{line}, again: {again}".encode())
raise SystemExit(5)
"""
PATIENT_CAT = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
os.write(os.open(sys.argv[1], os.O_WRONLY), b"ready")
while data := os.read(0, 9999): os.write(1, data)
"""


@pytest.mark.parametrize("ending", ["", " 2>/dev/null | CAT", " | CAT", " >/dev/null", " </dev/tty 2>&1 | CAT"])
def test_interrupt_key_reaches_the_child_once(wrapped: Wrapped, shell: pexpect.spawn, ending: str) -> None:
    channel = Channel(wrapped.folder / "channel")
    cat = shlex.join([*python(PATIENT_CAT), channel.path])
    line = wrapped.line(*python(COUNT_INTERRUPTS), channel.path) + ending.replace("CAT", cat)
    shell.sendline(f"set -o pipefail; trap : INT; {line}")
    channel.expect(b"ready" * (2 if "CAT" in ending else 1))
    shell.sendintr()
    channel.expect(b"interrupted")
    shell.sendline("done")
    channel.expect(b"done, again: False")
    shell.expect_exact("READY> ")
    shell.sendline("echo code=$?")
    shell.expect_exact("code=5")
    os.close(channel.descriptor)


def test_interrupt_key_ends_the_child(wrapped: Wrapped) -> None:
    child = wrapped.on_terminal("sh", "-c", "echo ready; exec sleep 1000")
    child.expect_exact("ready")
    child.sendintr()
    assert ended(child)[1] == 130
    assert wrapped.result["signal"] == "SIGINT"


@pytest.mark.parametrize("name", ["SIGHUP", "SIGINT", "SIGTERM", "SIGUSR1"])
def test_signals_are_passed_on_from_a_terminal(wrapped: Wrapped, name: str) -> None:
    child = wrapped.on_terminal(*python(TELL_SIGNAL))
    child.expect_exact("ready")
    os.kill(child.pid, signal.Signals[name])
    output, code = ended(child)
    assert name.encode() in output
    assert code == 9


@pytest.mark.parametrize("command", ["true", "exit 3", "kill -TERM $$", "kill -KILL $PPID", "nonsense-here"])
def test_terminal_modes_are_put_back(wrapped: Wrapped, command: str) -> None:
    line = wrapped.line("sh", "-c", command)
    output, _ = ended(wrapped.in_shell(f"stty -g; {line} 2>/dev/null; stty -g"))
    before, *_, after = output.split()
    assert before == after


def test_terminal_modes_are_put_back_when_we_are_ended(wrapped: Wrapped) -> None:
    line = wrapped.line("sh", "-c", "echo ready; read x")
    child = wrapped.in_shell(f"stty -g; {line} & echo pid=$!; wait; stty -g")
    before = child.readline().split()
    child.expect(rb"pid=(\d+)")
    pid = int(child.match.group(1))
    child.expect_exact("ready")
    os.kill(pid, signal.SIGTERM)
    output, _ = ended(child)
    assert output.split()[-1:] == before


def test_window_size(wrapped: Wrapped) -> None:
    child = wrapped.on_terminal(*python(TELL_SIZE), dimensions=(33, 101))
    child.expect_exact("33x101")
    child.setwinsize(44, 77)
    child.expect_exact("44x77")
    assert ended(child)[1] == 0


TELL_SIZE = """
import fcntl, signal, struct, termios
def tell():
    lines, columns, *_ = struct.unpack("4H", fcntl.ioctl(2, termios.TIOCGWINSZ, bytes(8)))
    print(f"{lines}x{columns}", flush=True)
    return columns
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGWINCH})
while tell() != 77: signal.sigwait({signal.SIGWINCH})
"""


def test_timeout_on_a_terminal(wrapped: Wrapped) -> None:
    child = wrapped.on_terminal("sh", "-c", "echo ready; sleep 1000", env=wrapped.options(timeout=0.5))
    output, code = ended(child)
    assert b"ready" in output
    assert code == 124


def test_much_output_on_a_terminal(wrapped: Wrapped) -> None:
    child = wrapped.on_terminal("seq", "100000")
    output, _ = ended(child)
    expected = b"".join(b"%d\r\n" % number for number in range(1, 100_001))
    assert output == expected
    assert wrapped.result["output"] == expected[-65536:]


def test_much_input_on_a_terminal(wrapped: Wrapped) -> None:
    code = "import os, sys\nos.write(1, b'ready')\nprint(sum(len(line) for line in sys.stdin))"
    child = wrapped.on_terminal(*python(code))
    child.expect_exact("ready")
    lines = ["x" * 999] * 200
    for line in lines:
        child.sendline(line)
        child.expect_exact(line)  # echoed
    child.sendeof()
    output, _ = ended(child)
    assert b"200000" in output


def test_left_over_process_is_not_hung_up(wrapped: Wrapped) -> None:
    child = wrapped.on_terminal("sh", "-c", "sleep 1000 >/dev/null 2>&1 & echo pid=$!")
    child.expect(rb"pid=(\d+)")
    pid = int(child.match.group(1))
    ended(child)
    try:
        assert is_alive(pid)
    finally:
        os.kill(pid, signal.SIGKILL)


def test_child_is_hung_up_when_we_are_killed(wrapped: Wrapped) -> None:
    channel = Channel(wrapped.folder / "channel")
    code = (
        "import os, signal, sys\ntell = os.open(sys.argv[1], os.O_WRONLY)\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})\n"
        "os.write(tell, b'ready')\nsignal.sigwait({signal.SIGHUP})\nos.write(tell, b'hung up')"
    )
    child = wrapped.on_terminal(*python(code), channel.path)
    channel.expect(b"ready")
    os.kill(child.pid, signal.SIGKILL)
    channel.expect(b"hung up")
    os.close(channel.descriptor)
    child.close(force=True)


# ---------------------------------------------------------------- job control in a real shell


ECHO = r"""
import sys
print("ready")
for line in sys.stdin: print("got " + line, end="", flush=True)  # in one piece, which no echo can part
print("end")
raise SystemExit(3)
"""


def converse(shell: pexpect.spawn, word: str) -> None:
    shell.sendline(word)
    shell.expect_exact(f"got {word}")


@pytest.mark.parametrize("ending", ["", " | cat", " 2>/dev/null | cat", " 2>/dev/null", " >/dev/stderr"])
def test_stop_and_continue(wrapped: Wrapped, shell: pexpect.spawn, ending: str) -> None:
    shell.sendline(f"set -o pipefail; {wrapped.line(*python(ECHO))}{ending}")
    shell.expect_exact("\nready")
    converse(shell, "one")
    for round_ in ("two", "three"):
        shell.send("\x1a")
        shell.expect_exact("Stopped")
        shell.expect_exact("READY> ")
        shell.sendline("stty -a | tr ';' '\\n' | grep -c -w -e '-echo' -e '-icanon'; jobs -r | wc -l")
        shell.expect_exact("\r\n0\r\n0\r\n")  # modes are the shell's own, nothing runs
        shell.expect_exact("READY> ")
        shell.sendline("fg")
        shell.expect_exact("fg\r\n")
        converse(shell, round_)
    shell.send("\x04")
    shell.expect_exact("end")
    shell.expect_exact("READY> ")
    shell.sendline("echo code=$?")
    shell.expect_exact("code=3")


def test_background_job_stops_when_it_wants_input(wrapped: Wrapped, shell: pexpect.spawn) -> None:
    shell.sendline(f"{wrapped.line(*python(ECHO))} &")
    shell.expect_exact("ready\r")
    shell.sendline("")
    for _ in range(50):  # the shell tells with its next prompt
        shell.expect_exact("READY> ")
        shell.sendline("jobs")
        if shell.expect(["Stopped", "Running"]) == 0:
            break
    shell.sendline("fg")
    shell.expect_exact("fg\r\n")
    converse(shell, "one")
    shell.send("\x04")
    shell.expect_exact("end")


def test_background_job_runs_on(wrapped: Wrapped, shell: pexpect.spawn) -> None:
    fifo = wrapped.folder / "fifo"
    os.mkfifo(fifo)
    shell.sendline(
        wrapped.line(*python("import sys; print('ready'); open(sys.argv[1]).read(); print('over')"), str(fifo))
    )
    shell.expect_exact("\nready")
    shell.send("\x1a")
    shell.expect_exact("Stopped")
    shell.sendline("bg")
    shell.expect_exact("READY> ")
    shell.sendline(f"echo more >{fifo}")
    shell.expect_exact("over")
    shell.sendline("wait; echo done=$?")
    shell.expect_exact("done=0")


def test_input_from_a_pipe_and_keys_from_the_terminal(wrapped: Wrapped, shell: pexpect.spawn) -> None:
    """Like a pager: standard input is data, keys are read from /dev/tty, in raw mode."""
    code = (
        "import os, sys, tty\ndata = sys.stdin.read()\nkeys = os.open('/dev/tty', os.O_RDWR)\n"
        "tty.setraw(keys)\nos.write(1, b'press\\x1b[0m')\n"
        "key = os.read(keys, 1)\nprint('got', key, len(data))"
    )
    shell.sendline(f"seq 100 | {wrapped.line(*python(code))}; stty -a | grep -c -w -e '-echo'")
    shell.expect_exact("press\x1b[0m")
    shell.send("q")
    shell.expect_exact("got b'q' 292")
    shell.expect_exact("\n0\r\n")


def test_a_shell_in_it_has_job_control(wrapped: Wrapped, shell: pexpect.spawn) -> None:
    shell.sendline(f"PS1='INNER> ' {wrapped.line('bash', '--norc', '--noprofile', '-i')}")
    shell.expect_exact("INNER> ")
    shell.sendline("echo up; cat")
    shell.expect_exact("\nup\r\n")
    shell.sendline("word")
    shell.expect_exact("word\r\nword\r\n")
    shell.send("\x1a")
    shell.expect_exact("Stopped")
    shell.expect_exact("INNER> ")
    shell.sendline("fg")
    shell.expect_exact("cat\r\n")
    shell.send("\x04")
    shell.expect_exact("INNER> ")
    shell.sendline("exit 8")
    shell.expect_exact("READY> ")
    shell.sendline("echo code=$?")
    shell.expect_exact("code=8")


def test_timeout_beside_a_terminal_spares_the_pipeline(wrapped: Wrapped, shell: pexpect.spawn) -> None:
    """Without a pseudo-terminal the child shares our group with the rest of the pipeline."""
    shell.sendline("export DRIVER_OPTIONS='{\"timeout\": 0.3}'")
    shell.expect_exact("READY> ")
    command = wrapped.line("sh", "-c", "sleep 1000 & echo pid=$!; wait")
    shell.sendline(f"{command} 2>/dev/null | (cat; echo reader lives); echo codes=${{PIPESTATUS[0]}}")
    shell.expect(rb"\npid=(\d+)")
    pid = int(shell.match.group(1))
    shell.expect_exact("reader lives")
    shell.expect_exact("codes=124")
    assert not is_alive(pid)


def test_window_size_in_a_pipeline(wrapped: Wrapped, shell: pexpect.spawn) -> None:
    shell.sendline(f"{wrapped.line(*python(TELL_SIZE))} | cat")
    shell.expect_exact("24x80")
    shell.setwinsize(25, 77)
    shell.expect_exact("25x77")
    shell.expect_exact("READY> ")
