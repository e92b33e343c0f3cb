"""What tests of the command line share: the executable on a vault of its own, and a small shop's vault."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import hypothesis
import pytest

import crashvault
from crashvault.config import DATABASE_VARIABLE

TESTS = Path(__file__).parent
ROOT = TESTS.parent
for _path in (ROOT, TESTS):  # `from tests.runtimes import …` and `from nasty import …`, however pytest was started
    if str(_path) not in sys.path:
        sys.path.insert(0, str(_path))

import databases  # noqa: E402  (found by the path above)

# Whoever runs the tests with `nohup` has every program here ignore that the terminal is gone.
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# A busy machine is no failure; what hangs is ended by pytest's own timeout.
hypothesis.settings.register_profile("unhurried", deadline=None)
hypothesis.settings.load_profile("unhurried")

EXECUTABLE = (sys.executable, "-m", "crashvault")
PATIENCE = 60  # seconds until a command that hangs is ended


class Result(NamedTuple):
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


class CommandLine:
    """`crashvault` as people run it: arguments, a vault, three streams and an exit code."""

    def __init__(self, home: Path, directory: Path) -> None:
        self.home = home
        self.directory = directory
        self.environment = _clean_environment()
        self.environment["CRASHVAULT_HOME"] = str(home)

    def __call__(
        self,
        *args: object,
        code: int = 0,
        stdin: str | bytes = b"",
        env: dict[str, str] | None = None,
        fresh: bool = False,
    ) -> Result:
        """Run a command to its end; fails the test when it ends with another code than `code`.

        `fresh` starts a process, where that makes a difference; without it the same happens in this one,
        in a tenth of the time.
        """
        run = _run_fresh if fresh else _run_here
        data = stdin.encode() if isinstance(stdin, str) else stdin
        result = run(list(map(str, args)), self.environment | (env or {}), self.directory, data)
        assert result.code == code, f"{args} ended with {result.code}, not {code}:\n{result.out}\n{result.err}"
        return result

    def json(self, *args: object, **options: Any) -> Any:
        """Run a command with `--json`; its document."""
        return self(*args, "--json", **options).json

    @contextmanager
    def running(self, *args: object, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
        """A command that goes on while the block runs, and is ended with it."""
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": self.environment, **options}
        process = subprocess.Popen([*EXECUTABLE, *map(str, args)], cwd=self.directory, **options)
        with process:
            try:
                yield process
            finally:
                process.kill()

    def record(self, *bodies: dict[str, Any], project: str = "default") -> list[Any]:
        """Record events through the pipeline; their receipts."""
        from crashvault import core, pipeline

        with core.open_vault(str(self.home)) as store:
            return pipeline.record_events(store, list(bodies), project=project)


def _run_fresh(arguments: list[str], environment: dict[str, str], directory: Path, stdin: bytes) -> Result:
    done = subprocess.run(
        [*EXECUTABLE, *arguments],
        input=stdin, capture_output=True, cwd=directory, env=environment, timeout=PATIENCE, check=False,
    )  # fmt: skip
    return Result(done.returncode, done.stdout.decode(), done.stderr.decode())


class _Exit(BaseException):
    """What takes the place of the end of the process."""


def _run_here(arguments: list[str], environment: dict[str, str], directory: Path, stdin: bytes) -> Result:
    from crashvault.__main__ import main
    from crashvault.console import configure

    out, err = io.BytesIO(), io.BytesIO()
    configure(no_color=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        for name in set(os.environ) - set(environment):
            patch.delenv(name)
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.setattr(os, "_exit", _leave)
        patch.setattr(sys, "stdin", _text_stream(io.BytesIO(stdin)))
        patch.setattr(sys, "stdout", _text_stream(out))
        patch.setattr(sys, "stderr", _text_stream(err))
        with pytest.raises(_Exit) as ended:
            main(arguments)
        return Result(ended.value.args[0], out.getvalue().decode(), err.getvalue().decode())


def _leave(code: int) -> None:
    raise _Exit(code)


def _text_stream(data: io.BytesIO) -> io.TextIOWrapper:
    return io.TextIOWrapper(data, encoding="utf-8", write_through=True)


def _clean_environment() -> dict[str, str]:
    """The environment without what would change how Crashvault behaves."""
    unwanted = ("NO_COLOR", "COLUMNS", "FORCE_COLOR", "PYTHONDONTWRITEBYTECODE", "EDITOR", "VISUAL")
    kept = {
        key: value for key, value in os.environ.items() if key not in unwanted and not key.startswith("CRASHVAULT_")
    }
    if DATABASE_VARIABLE in os.environ:
        kept[DATABASE_VARIABLE] = os.environ[DATABASE_VARIABLE]
    return kept | {"PYTHONPATH": str(Path(crashvault.__file__).parents[1]), "LANG": "C.UTF-8", "TERM": "xterm-256color"}


# Modules whose tests run on both engines.
ON_BOTH = frozenset({
    "api/test_alerts.py", "api/test_ingest.py", "api/test_reading.py", "api/test_triage.py", "api/test_webhooks.py",
    "e2e/test_cli_add.py", "e2e/test_cli_tail.py", "e2e/test_cli_workflow.py", "e2e/test_commands_alert.py",
    "e2e/test_commands_batch.py", "e2e/test_commands_triage.py", "e2e/test_commands_webhook.py",
    "notify/test_queueing.py", "notify/test_sender.py",
    "storage/test_deletion.py",
    "server/test_alerts.py", "server/test_process.py", "server/test_tail.py", "server/test_webhooks.py",
})  # fmt: skip


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--engine", choices=("sqlite", "postgres"), help="Run tests on this engine alone")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    name = str(Path(metafunc.module.__file__).relative_to(TESTS))
    alone = metafunc.config.getoption("--engine") or metafunc.definition.get_closest_marker("vault_file")
    if name in ON_BOTH and not alone:
        metafunc.parametrize("engine", ["sqlite", "postgres"], indirect=True)


@pytest.fixture(autouse=True)
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where the vault of a test lies: in a file, or in a database of its own, which every process of the test is told."""
    chosen = getattr(request, "param", request.config.getoption("--engine") or "sqlite")
    if chosen == "sqlite":
        yield chosen
        return
    wants_shop = "shop" in request.fixturenames
    template = request.getfixturevalue("_shop_database") if wants_shop else databases.require_server().template()
    with databases.database(template) as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv(DATABASE_VARIABLE, url)
        yield chosen


@pytest.fixture
def cli(tmp_path: Path) -> CommandLine:
    """The command line on a vault that does not exist yet."""
    return CommandLine(tmp_path / "vault", tmp_path)


@pytest.fixture
def shop(cli: CommandLine, engine: str, request: pytest.FixtureRequest) -> CommandLine:
    """The command line on a copy of the shop's vault; see `SHOP`."""
    if engine == "sqlite":
        shutil.copytree(request.getfixturevalue("_shop_vault"), cli.home)
    return cli


@pytest.fixture(scope="session")
def _shop_vault(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("shop")
    return _filled(directory)


@pytest.fixture(scope="session")
def _shop_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of a database with the same, to make others of."""
    server = databases.require_server()
    name = server.make(server.template())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(DATABASE_VARIABLE, server.of(name))
        _filled(tmp_path_factory.mktemp("shop"))
    yield name


def _filled(directory: Path) -> Path:
    made = CommandLine(directory / "vault", directory)
    made.record(*SHOP)
    made.record({"message": "Disk is almost full", "level": "warning", "host": "web-1"}, project="infra")
    return made.home


def _event(number: int, **more: Any) -> dict[str, Any]:
    return {"event_id": f"{number:032x}", "timestamp": f"2026-01-02T03:04:{number:02}Z", **more}


_FRAMES = [
    {"file": "shop/orders.py", "line": 12, "function": "checkout", "module": "shop.orders", "in_app": True,
     "context_line": "    pay(order)"},
    {"file": "shop/payment.py", "line": 40, "function": "pay", "module": "shop.payment", "in_app": True,
     "pre_context": ["def pay(order):"], "context_line": "    return cards[order.card]", "vars": {"order": {"id": 4711}}},
]  # fmt: skip

# Issue 1 has three events, 2 and 3 one each, and 4 is in the project infra.
SHOP: list[dict[str, Any]] = [
    *(
        _event(
            number, exception={"type": "KeyError", "value": "'visa'"}, frames=_FRAMES, level="error",
            tags=["db", "region=eu"], user={"id": user}, release="1.4.2", environment="production", platform="python",
        )
        for number, user in ((1, "ana"), (2, "bob"), (3, "ana"))
    ),
    _event(4, message="Payment service does not answer", level="critical", tags=["payment"], host="web-2"),
    _event(5, message="Nightly export is late", level="warning", tags=["export"], context={"job": "nightly"}),
]  # fmt: skip
