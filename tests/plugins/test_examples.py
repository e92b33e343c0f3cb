"""The examples and the skeleton, installed as packages, and run as people run them."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import ROOT, CommandLine, Result

from crashvault import clock, core
from crashvault.notify.service import SERVER_LEASE

from .conftest import UNHURRIED, install, with_packages
from .trackers import TOKEN, USER, Tracker, tracker

EXAMPLES = ROOT / "examples" / "plugins"


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where both examples are installed."""
    target = tmp_path_factory.mktemp("packages")
    for name in ("parquet", "tickets"):
        install(EXAMPLES / name, target)
    return target


def run_tests(package: Path, environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-c", str(package / "pyproject.toml"), "tests"]
    done = subprocess.run(command, cwd=package, env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0 and " passed" in done.stdout, done.stdout + done.stderr


def test_a_new_package_installs_and_passes_its_own_test(cli: CommandLine, tmp_path: Path) -> None:
    cli("plugin", "new", "word-count", "--directory", "made")
    package, target = tmp_path / "made", tmp_path / "lib"
    install(package, target)
    environment = with_packages(cli.environment | UNHURRIED, target)
    environment.pop("CRASHVAULT_HOME")
    run_tests(package, environment)
    cli.environment = environment | {"CRASHVAULT_HOME": str(cli.home)}
    (one,) = [one for one in cli("plugin", "list", "--json", fresh=True).json["items"] if one["name"] == "word-count"]
    assert (one["state"], one["from"]) == ("loaded", "crashvault_word_count 0.1.0")


@pytest.mark.skipif(
    importlib.util.find_spec("pyarrow") is None and "CI" not in os.environ, reason="pyarrow is not installed"
)
def test_parquet(cli: CommandLine, installed: Path, tmp_path: Path) -> None:
    run_tests(EXAMPLES / "parquet", with_packages(cli.environment | UNHURRIED, installed))


# Tickets

DELIVER = """
import sys, time
from crashvault import clock, core
from crashvault.notify.service import deliver_briefly
for attempt in range(40):
    deliver_briefly(sys.argv[1], 60)
    with core.open_vault(sys.argv[1]) as store:
        due = store.outbox.next_due()
    if not due:
        break
    time.sleep(max(0, min(due.values()) - clock.now()) / clock.SECOND)  # until it is tried again
"""

OPTIONS = {
    "github": ["--option", "labels=bug,crash"],
    "jira": ["--option", "project=OPS", "--option", f"user={USER}"],
}


class Shop:
    """A vault whose issues become tickets."""

    def __init__(self, cli: CommandLine, installed: Path, kind: str, server: Tracker) -> None:
        self.cli, self.kind, self.server = cli, kind, server
        cli.environment = with_packages(cli.environment | UNHURRIED, installed)
        self.run("config", "set", "webhook.allow_private", "true")
        on = [word for kind_ in ("new-issue", "regression", "resolved") for word in ("--on", kind_)]
        self.run("webhook", "add", kind, "--url", server.url, "--option", f"token={TOKEN}", *OPTIONS[kind], *on)

    def run(self, *args: object, **options: Any) -> Result:
        with self.nobody_sends():
            return self.cli(*args, fresh=True, **options)

    @contextmanager
    def nobody_sends(self) -> Iterator[None]:
        """Commands leave sending to the server, and there is none: what they queue waits, however slow the machine is."""
        with core.open_vault(str(self.cli.home)) as store:
            store.leases.seize(SERVER_LEASE, "test", clock.now(), clock.HOUR)
            yield
            store.leases.release(SERVER_LEASE, "test")

    def deliver(self) -> None:
        """Send all that waits, again where it went wrong."""
        command = [sys.executable, "-c", DELIVER, str(self.cli.home)]
        subprocess.run(command, env=self.cli.environment, check=True, timeout=120)


@pytest.fixture(params=["github", "jira"])
def shop(request: pytest.FixtureRequest, cli: CommandLine, installed: Path) -> Iterator[Shop]:
    with tracker(request.param) as server:
        yield Shop(cli, installed, request.param, server)


def test_a_ticket_for_each_new_issue(shop: Shop) -> None:
    trace = 'Traceback (most recent call last):\n  File "pay.py", line 7, in pay\n    x\nKeyError: @octocat ``` {noformat}\n'
    shop.run("add", "no card", "--stack", "-", "--release", "1.2", stdin=trace)
    shop.run("add", "no card", "--stack", "-", "--release", "1.2", stdin=trace)
    shop.run("add", "disk full", "--level", "warning")
    shop.deliver()
    first, second = sorted(shop.server.tickets, key=lambda one: one["title"] == "disk full")
    assert "KeyError" in first["title"] or "no card" in first["title"]
    assert 'File "pay.py", line 7, in pay' in first["body"] and "1.2" in first["body"]
    assert second["title"] == "disk full"
    assert first["labels"][0].startswith("crashvault-") and first["labels"][0] != second["labels"][0]
    if shop.kind == "github":
        assert first["labels"][1:] == ["bug", "crash"]
        assert "````" in first["body"], "a fence longer than what the event has"
    else:
        assert first["body"].count("{noformat}") == 4, "the event's own does not end the block"


def test_a_ticket_is_opened_once_whatever_goes_wrong(shop: Shop) -> None:
    shop.server.fail = [403 if shop.kind == "github" else 429, None, "lost"]  # too often; found none; opened, unheard
    shop.run("add", "boom")
    shop.deliver()
    assert len(shop.server.tickets) == 1
    (delivery,) = shop.run("webhook", "deliveries", "--json").json["items"]
    assert delivery["state"] == "delivered" and delivery["attempts"] == 3


def test_a_ticket_for_an_issue_that_was_there_before(shop: Shop) -> None:
    shop.run("webhook", "disable", shop.kind)
    shop.run("add", "boom")
    shop.run("webhook", "enable", shop.kind)
    assert shop.run("ticket", "1", "--json").json == {"issue_id": 1, "webhook": shop.kind, "queued": True}
    shop.run("ticket", "1", "--webhook", shop.kind)
    shop.deliver()
    assert [one["title"] for one in shop.server.tickets] == ["boom"]


def test_resolved_and_back_again(shop: Shop) -> None:
    shop.run("add", "boom")
    shop.deliver()
    (ticket,) = shop.server.tickets
    shop.run("resolve", "1")
    shop.deliver()
    assert ticket["state"] == ("closed" if shop.kind == "github" else "open")
    before = len(ticket["notes"])
    shop.run("add", "boom")
    shop.deliver()
    assert ticket["state"] == "open"
    assert len(ticket["notes"]) == before + 1 and ticket["notes"][-1].startswith("It is back.")
    assert len(shop.server.tickets) == 1


def test_secrets_are_never_shown(shop: Shop) -> None:
    import base64

    added = shop.run("add", "boom", "--json").json
    shop.deliver()
    shop.server.fail = [401] * 5
    shown = [
        shop.run("webhook", "list", "--json"), shop.run("webhook", "show", shop.kind), shop.run("webhook", "show", shop.kind, "--json"),
        shop.run("webhook", "preview", shop.kind, "--event", added["event_id"], "--json"),
        shop.run("webhook", "test", shop.kind, code=1), shop.run("webhook", "deliveries", "--json"), shop.run("export"),
    ]  # fmt: skip
    proof = base64.b64encode(f"{USER}:{TOKEN}".encode()).decode()
    for one in shown:
        assert TOKEN not in one.out + one.err and proof not in one.out + one.err
    logs = "".join(path.read_text() for path in (shop.cli.home / "logs").glob("*"))
    assert TOKEN not in logs and proof not in logs


def test_what_is_wrong_is_said(shop: Shop, cli: CommandLine) -> None:
    assert shop.run("webhook", "test", shop.kind).code == 0
    refused = shop.run("webhook", "add", shop.kind, "--url", shop.server.url, code=1)
    assert "--option" in refused.err
    extra = shop.run("webhook", "edit", shop.kind, "--option", "colour=red", code=1)
    assert "there is no option 'colour'" in extra.err
    assert shop.run("ticket", "99", code=1).err.startswith("Error: ")
    shop.run("webhook", "remove", shop.kind, "--yes")
    shop.run("add", "boom")
    assert "no webhooks that open tickets" in shop.run("ticket", "1", code=1).err
    assert json.loads(shop.run("plugin", "info", "tickets", "--json").out)["adds"] == {
        "commands": ["ticket"], "webhook_types": ["github", "jira"],
    }  # fmt: skip
