"""The guilty commit is among the suspects, mostly first, for programs that really crash."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from tests.analysis import histories

from crashvault import core, pipeline
from crashvault.analysis.batch import Options, analyze
from crashvault.analysis.suspects import Repository, changed_names, function_around
from crashvault.query.tree import Everything

NOW = (histories.START + 60 * histories.APART) * 1_000_000


def found(history: histories.History, home: Path, release: str | None) -> list[str]:
    """Summaries of the suspects, the first one first."""
    with core.open_vault(str(home)) as store:
        raw = {"stacktrace": history.trace, "release": release, "timestamp": NOW / 1_000_000, "tags": ["service=shop"]}
        pipeline.record_events(store, [raw], received_at=NOW)
        report = analyze(store, Everything(), NOW, Options(directory=str(history.root)), lambda *_: lambda _: None)
    (cluster,) = report["clusters"]
    return [commit["summary"] for commit in cluster["suspects"]["commits"]]


@pytest.mark.parametrize("release", ["shop@2.0", None])
def test_the_guilty_commit_is_found(tmp_path: Path, release: str | None) -> None:
    """First in 80 of 100 cases, among the first three in 95, with releases; without them the time has to do."""
    ranks = []
    for seed in range(2):
        for number, guilty in enumerate(histories.GUILTY):
            home = tmp_path / f"{seed}-{number}"
            history = histories.make(home / "shop", Random(100 * seed + number), guilty)
            told = found(history, home / "vault", release)
            ranks.append(told.index(history.guilty) + 1 if history.guilty in told else 99)
    share = [sum(rank <= limit for rank in ranks) / len(ranks) for limit in (1, 3)]
    assert share[0] >= (0.8 if release else 0.6) and share[1] >= (0.95 if release else 0.85), ranks


def test_without_a_repository_there_are_none(tmp_path: Path) -> None:
    assert Repository(str(tmp_path)).root is None


def test_reasons_say_what_the_commit_did(tmp_path: Path) -> None:
    history = histories.make(tmp_path / "shop", Random(1), histories.GUILTY[0])
    with core.open_vault(str(tmp_path / "vault")) as store:
        pipeline.record_events(
            store, [{"stacktrace": history.trace, "release": "v2.0", "timestamp": NOW / 1_000_000}], received_at=NOW
        )
        report = analyze(store, Everything(), NOW, Options(directory=str(history.root)), lambda *_: lambda _: None)
    suspects = report["clusters"][0]["suspects"]
    assert suspects["range"] == "v1.0..v2.0"
    first = suspects["commits"][0]
    assert first["summary"] == "Simplify total" and first["author"] in ("Ana", "Bob", "Cleo")
    assert "changed total() in shop/orders.py" in first["reasons"]
    assert any(first["commit"][:10] in step["text"] for step in report["advice"][0]["steps"])


def test_no_time_no_suspects(tmp_path: Path) -> None:
    history = histories.make(tmp_path / "shop", Random(1), histories.GUILTY[0])
    with core.open_vault(str(tmp_path / "vault")) as store:
        pipeline.record_events(store, [{"stacktrace": history.trace, "timestamp": NOW / 1_000_000}], received_at=NOW)
        options = Options(directory=str(history.root), time_is_up=lambda: True)
        report = analyze(store, Everything(), NOW, options, lambda *_: lambda _: None)
    assert report["clusters"][0]["suspects"] == {"range": None, "commits": []}


def test_functions_around_a_line() -> None:
    lines = [
        "import a",
        "",
        "class B:",
        "    def c(self):",
        "        x = 1",
        "        def d():",
        "            return x",
        "        return d",
    ]
    assert function_around("b.py", lines, 7) == (6, 7)
    assert function_around("b.py", lines, 5) == (4, 8)
    assert function_around("b.js", lines, 5) == (1, 8)
    assert function_around("b.py", ["def broken(:"], 1) == (1, 1)


def test_names_that_a_patch_changes() -> None:
    patch = "--- a/x.py\n+++ b/x.py\n@@ -1 +1 @@ def outer(a):\n-    y = 1\n+def inner():\n+    z = 2\n"
    assert {"outer", "inner"} <= changed_names(patch)
