"""Capture from Python: `crashvault.init()` in processes of their own, and the writer behind it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import pytest

import crashvault
from crashvault.core import open_vault
from crashvault.errors import InvalidError
from crashvault.output.shapes import event_shape
from crashvault.sdk.client import scope_values
from crashvault.sdk.hooks import after_import
from crashvault.sdk.writer import Job, VaultWriter

SOURCE = str(Path(crashvault.__file__).parents[1])


def recorded(home: Path) -> list[Any]:
    """All events of a vault, whole, oldest first."""
    with open_vault(str(home), read_only=True) as store:
        found = store.events.load(list(store.events.all_rows()))
        return [event_shape(item.event, item.issue_id, item.fingerprint) for item in found]


def drops(home: Path) -> dict[tuple[str, str, str], int]:
    with open_vault(str(home), read_only=True) as store:
        return {(drop.reason, drop.source, drop.category): drop.count for drop in store.ledger.list()}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "vault"


def run(program: str, home: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a program that finds its vault by the environment."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("CRASHVAULT_", "SENTRY_", "PYTHON"))}
    env = {**kept, "CRASHVAULT_HOME": str(home), "PYTHONPATH": SOURCE, "SENTRY_RELEASE": "1.0", **more}
    path = home.parent / "app.py"
    path.write_text(textwrap.dedent(program))
    return subprocess.run(
        [sys.executable, "-W", "error", str(path)], env=env, capture_output=True, text=True, timeout=60, cwd=home.parent
    )


def test_import_brings_in_next_to_nothing(home: Path) -> None:
    program = """
        import sys
        import crashvault
        heavy = {"sentry_sdk", "sqlite3", "logging", "click", "json", "crashvault.sdk"}
        print(sorted(heavy & sys.modules.keys()))
        crashvault.init
        print("sentry_sdk" in sys.modules)
    """
    assert run(program, home).stdout == "[]\nFalse\n"


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="no attribute 'initialise'"):
        crashvault.initialise  # noqa: B018


def test_uncaught_exception_is_stored_before_the_process_ends(home: Path) -> None:
    program = """
        import crashvault, atexit, os
        crashvault.init(project="shop", release="2.1", environment="production")
        atexit.register(os._exit, 9)  # what runs at exit comes too late
        def charge(amount, password):
            return amount / 0
        charge(5, "hunter2")
    """
    done = run(program, home)
    (event,) = recorded(home)
    assert done.returncode == 9
    assert done.stderr.endswith("ZeroDivisionError: division by zero\n")
    assert (event["project"], event["release"], event["environment"]) == ("shop", "2.1", "production")
    assert event["exception"] == {"type": "ZeroDivisionError", "value": "division by zero"}
    assert event["frames"][-1]["vars"]["amount"] == "5"
    assert "hunter2" not in json.dumps(event["frames"][-1]["vars"])
    assert event["platform"] == "python"
    assert isinstance(event["pid"], int)


EVERYWHERE = """
    import asyncio, gc, logging, multiprocessing, threading
    import crashvault
    def fail(word):
        raise ValueError(word)
    async def main():
        async def task():
            raise ValueError("in a task")
        found = asyncio.ensure_future(task())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        del found
        gc.collect()
    if __name__ == "__main__":
        crashvault.init(max_breadcrumbs=5)
        try:
            fail("logged")
        except ValueError:
            logging.getLogger("shop").exception("cannot pay")
        logging.getLogger("shop").error("order %s is lost", 17)
        thread = threading.Thread(target=fail, args=("in a thread",))
        thread.start()
        thread.join()
        asyncio.run(main())
        for kind in ("fork", "spawn"):
            child = multiprocessing.get_context(kind).Process(target=fail, args=(f"in a child by {kind}",))
            child.start()
            child.join()
        fail("at last")
"""


def test_exceptions_are_seen_wherever_they_are_raised(home: Path) -> None:
    done = run(EVERYWHERE, home)
    messages = [event["message"] for event in recorded(home)]
    assert done.returncode == 1
    assert sorted(messages) == [
        "ValueError: at last", "ValueError: in a child by fork", "ValueError: in a child by spawn",
        "ValueError: in a task", "ValueError: in a thread", "cannot pay", "order 17 is lost",
    ]  # fmt: skip


def test_logged_error_carries_exception_logger_and_breadcrumbs(home: Path) -> None:
    program = """
        import logging, crashvault
        logging.basicConfig(level=logging.INFO)
        crashvault.init()
        log = logging.getLogger("shop.orders")
        log.info("loading %s", 3)
        try:
            {}["x"]
        except KeyError:
            log.exception("cannot load %s", 3)
    """
    run(program, home)
    (event,) = recorded(home)
    assert event["message"] == "cannot load 3"
    assert event["exception"]["type"] == "KeyError"
    assert event["breadcrumbs"][-1]["message"] == "loading 3"


def test_captured_things_keep_their_scope(home: Path) -> None:
    program = """
        import crashvault, sentry_sdk
        from sentry_sdk.attachments import Attachment
        crashvault.init(environment="dev")
        with sentry_sdk.new_scope() as scope:
            scope.add_attachment(bytes=b"cart", filename="../cart.json", content_type="application/json")
            scope.add_attachment(path="/no/such/file")
            try:
                1 / 0
            except ZeroDivisionError as error:
                given = crashvault.capture_exception(
                    error, tags=["db", "region=eu"], context={"order": 7}, user="ana", level="critical",
                    fingerprint=["payments"])
        print(given)
        print(crashvault.capture_message("disk nearly full", "warning", tags={"disk": "sda"}))
    """
    ids = run(program, home).stdout.split()
    first, second = recorded(home)
    assert [first["event_id"], second["event_id"]] == ids
    assert (first["level"], set(first["tags"]), first["user"]["id"]) == ("critical", {"db", "region=eu"}, "ana")
    assert first["context"]["order"] == 7
    assert [(file["name"], file["size"]) for file in first["attachments"]] == [("cart.json", 4)]
    assert [error["field"] for error in first["errors"]] == ["attachments.1"]
    assert (second["message"], second["level"], second["tags"]) == ("disk nearly full", "warning", ["disk=sda"])
    assert second["environment"] == "dev"


def test_capture_works_without_init(home: Path) -> None:
    program = """
        import sys, crashvault
        hook = sys.excepthook
        try:
            {}["x"]
        except KeyError:
            crashvault.capture_exception()
        assert sys.excepthook is hook
        print(crashvault.flush(30))
    """
    assert run(program, home).stdout == "True\n"
    assert [event["message"] for event in recorded(home)] == ["KeyError: 'x'"]


def test_nothing_is_sent_anywhere(home: Path) -> None:
    """Not even a name is looked up; the program's own requests carry no headers of ours."""
    program = """
        import sys, threading, urllib.request, http.server
        heard = []
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                heard.append(sorted(name.lower() for name in self.headers))
                self.send_response(204)
                self.end_headers()
            def log_message(self, *args):
                pass
        server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        import crashvault
        crashvault.init()
        calls = []
        sys.addaudithook(lambda name, args: calls.append((name, args)) if name in ("socket.connect", "socket.getaddrinfo") else None)
        urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/").close()
        crashvault.capture_message("hello")
        crashvault.flush(30)
        assert {args[-1] if name == "socket.connect" else args[:2] for name, args in calls} <= {
            ("127.0.0.1", server.server_port)}, calls
        assert not any("sentry" in name or name in ("baggage", "traceparent") for name in heard[0]), heard
        print([thread.name for thread in threading.enumerate() if thread.name.lower().startswith("sentry")])
    """
    done = run(program, home, SENTRY_SPOTLIGHT="1", SENTRY_DSN="http://a@127.0.0.1:9/1")
    assert (done.stdout, done.stderr) == ("[]\n", "")
    assert len(recorded(home)) == 1


@pytest.mark.parametrize("debug", ["", "1"])
def test_vault_that_cannot_be_written_costs_one_line(home: Path, debug: str) -> None:
    home.write_text("a file in the way")
    program = """
        import logging, crashvault
        logging.getLogger().addHandler(logging.NullHandler())
        crashvault.init()
        for number in range(5):
            logging.error("failure %s", number)
            crashvault.flush()
        print("goes on")
    """
    done = run(program, home, CRASHVAULT_DEBUG=debug)
    assert (done.returncode, done.stdout) == (0, "goes on\n")
    assert done.stderr.count("crashvault: ") == 1
    assert ("Traceback" in done.stderr) is bool(debug)


def test_what_recording_raises_or_logs_is_not_recorded(home: Path) -> None:
    program = """
        import logging, crashvault
        from crashvault import pipeline
        crashvault.init()
        record = pipeline.record_events
        def noisy(*args, **kwargs):
            logging.getLogger("plugin").error("while recording")
            logging.getLogger("crashvault.pipeline").error("while recording")
            return record(*args, **kwargs)
        pipeline.record_events = noisy
        crashvault.capture_message("hello")
    """
    run(program, home)
    assert [event["message"] for event in recorded(home)] == ["hello"]


def test_refused_options(home: Path) -> None:
    for name in ("dsn", "transport"):
        with pytest.raises(InvalidError, match=name):
            crashvault.init(str(home), **{name: "http://a@127.0.0.1/1"})


def test_what_the_sdk_drops_is_in_the_ledger(home: Path) -> None:
    program = """
        import crashvault
        crashvault.init(before_send=lambda event, hint: None if event.get("level") == "info" else event)
        print(crashvault.capture_message("unwanted"))
        crashvault.capture_message("wanted", "error")
    """
    assert run(program, home).stdout == "None\n"
    assert [event["message"] for event in recorded(home)] == ["wanted"]
    assert drops(home)["before_send", "sdk", "event"] == 1


# The writer


def test_full_queue_drops_and_counts(home: Path) -> None:
    writer = VaultWriter(str(home), queue_size=3)
    with writer._lock:  # the writing thread waits for it, as for a slow disk
        writer.submit(Job({"message": "first"}))
        while not writer._queue.empty():  # until the thread has taken it
            threading.Event().wait(0.001)
        taken = [writer.submit(Job({"message": f"event {number}"})) for number in range(5)]
    assert writer.flush(30)
    assert taken == [True, True, True, False, False]
    assert len(recorded(home)) == 4
    assert drops(home) == {("queue_full", "sdk", "event"): 2}
    writer.close()


def test_flush_is_bounded_and_waits_only_once(home: Path) -> None:
    writer = VaultWriter(str(home))
    with writer._lock:
        writer.submit(Job({"message": "stuck"}))
        assert not writer.finish(0.01)
        assert not writer.finish(1000)  # the test would not end
    assert writer.flush(30)
    assert len(recorded(home)) == 1
    writer.close()


def test_losses_reach_the_ledger_once_the_vault_is_back(home: Path) -> None:
    home.write_text("a file in the way")
    writer = VaultWriter(str(home))
    writer.submit(Job({"message": "lost"}))
    assert writer.flush(30)
    home.unlink()
    writer.submit(Job({"message": "stored"}))
    assert writer.flush(30)
    assert drops(home) == {("store_unavailable", "sdk", "event"): 1}
    assert [event["message"] for event in recorded(home)] == ["stored"]
    writer.close()


def test_receipt_is_told(home: Path) -> None:
    writer, receipts = VaultWriter(str(home)), []
    writer.submit(Job({"message": "x"}, told=receipts.append))
    assert writer.flush(30)
    assert [(receipt.issue_id, receipt.issue_created) for receipt in receipts] == [(1, True)]
    writer.close()


def test_writer_stores_at_once_where_no_thread_can_start(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    writer = VaultWriter(str(home))
    writer.submit(Job({"message": "x"}))
    assert len(recorded(home)) == 1
    assert writer.flush(0)


def test_forks_write_with_connections_of_their_own(home: Path) -> None:
    program = """
        import os, crashvault
        crashvault.init(default_integrations=False)
        for number in range(4):
            crashvault.capture_message(f"parent {number}", "error")
            if os.fork() == 0:
                crashvault.capture_message(f"child {number}", "error")
                crashvault.flush(30)
                os._exit(0)
        for _ in range(4):
            os.wait()
    """
    done = run(program, home)
    assert (done.returncode, done.stderr) == (0, "")
    wanted = [f"{who} {number}" for who in ("child", "parent") for number in range(4)]
    assert sorted(event["message"] for event in recorded(home)) == wanted
    with open_vault(str(home), read_only=True) as store:
        assert store.db.value("PRAGMA integrity_check") == "ok"


def test_children_of_multiprocessing_flush_what_they_logged(home: Path) -> None:
    program = """
        import logging, multiprocessing, crashvault
        logging.getLogger().addHandler(logging.NullHandler())
        def work():
            logging.error("in the child")
        crashvault.init()
        child = multiprocessing.get_context("fork").Process(target=work)
        child.start()
        child.join()
    """
    run(program, home)
    assert [event["message"] for event in recorded(home)] == ["in the child"]


@pytest.mark.parametrize("kind", ["spawn", "forkserver"])
def test_children_that_multiprocessing_starts_anew_are_watched(home: Path, kind: str) -> None:
    program = f"""
        import multiprocessing, crashvault
        def work():
            raise LookupError("in the child")
        if __name__ == "__main__":
            crashvault.init(release="2.0")
            child = multiprocessing.get_context("{kind}").Process(target=work)
            child.start()
            child.join()
    """
    run(program, home)
    (event,) = recorded(home)
    assert (event["exception"]["value"], event["release"]) == ("in the child", "2.0")


# Frameworks

_APP = """
    import sys, crashvault
    {before}
    crashvault.init({options})
    print(sorted({{"flask", "fastapi", "starlette", "sqlalchemy", "httpx"}} & sys.modules.keys()))
    from flask import Flask
    app = Flask("shop")
    @app.route("/pay")
    def pay():
        return {{}}["amount"]
    print(app.test_client().get("/pay").status_code)
"""


@pytest.mark.parametrize(
    ("before", "options", "count"),
    [
        ("", "", 1),
        ("import flask", "", 1),
        ("from sentry_sdk.integrations.flask import FlaskIntegration", "integrations=[FlaskIntegration()]", 1),
        ("", "auto_enabling_integrations=False", 0),
        (
            "from sentry_sdk.integrations.flask import FlaskIntegration",
            "disabled_integrations=[FlaskIntegration], default_integrations=True",
            0,
        ),
    ],
)
def test_frameworks_are_watched_when_the_program_imports_them(
    home: Path, before: str, options: str, count: int
) -> None:
    done = run(_APP.format(before=before, options=options), home)
    loaded, status = done.stdout.splitlines()
    assert status == "500" and (loaded == "[]" or "flask" in before), done.stderr
    kinds = [event["exceptions"][0]["mechanism"]["type"] for event in recorded(home) if event["exceptions"]]
    assert kinds.count("flask") == count


# Small parts


def test_scope_values() -> None:
    assert scope_values("db", None, 7, None, None, {}) == {"tags": {"db": ""}, "user": {"id": "7"}}
    assert scope_values({"a": 1}, {"b": 2}, {"id": 3}, "info", ["x"], {"extras": {"c": 4}, "contexts": {}}) == {
        "tags": {"a": 1}, "extras": {"b": 2, "c": 4}, "user": {"id": 3}, "level": "info", "fingerprint": ["x"], "contexts": {},
    }  # fmt: skip


def test_after_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "late_module.py").write_text("value = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    seen: list[Any] = []
    after_import("late_module", lambda module: seen.append(module.value))
    after_import("json", lambda module: seen.append(module.__name__))
    assert seen == ["json"]
    import late_module  # type: ignore[import-not-found]

    assert seen == ["json", 1]
    assert "exec_module" not in vars(late_module.__spec__.loader)  # nothing of ours stays behind


SNIPPETS = Path(SOURCE).parent / "docs" / "python.md"


def snippets(language: str) -> list[str]:
    blocks = SNIPPETS.read_text(encoding="utf-8").split(f"```{language}\n")[1:]
    return [block.split("```")[0] for block in blocks]


@pytest.mark.parametrize("number", range(len(snippets("python"))))
def test_snippet_of_the_guide_runs(number: int, home: Path) -> None:
    """A snippet with a crash in it says so in its last comment."""
    program = snippets("python")[number]
    done = run(program, home)
    assert done.returncode == (1 if "# crashes" in program else 0), done.stderr
    assert recorded(home)
