"""The guilty commit is among the suspects, mostly first, for programs that really crash."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.analysis import histories
from tests.analysis.programs import run
from tests.analysis.queues import QUEUES
from tests.analysis.stations import STATIONS, Station
from tests.runtimes import require

from crashvault import core, pipeline
from crashvault.analysis.batch import Options, analyze
from crashvault.analysis.edits import edits
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


PROGRAMS = {
    "stations, JavaScript": (STATIONS["javascript"], 1),
    "stations, Ruby": (STATIONS["ruby"], 1),
    "stations, Go": (STATIONS["go"], 2),
    "stations, Java": (STATIONS["java"], 2),
    "queue, JavaScript": (QUEUES["javascript"], 1),
    "queue, Python": (QUEUES["python"], 1),
}


@pytest.mark.runtime
@pytest.mark.parametrize("name", PROGRAMS)
def test_in_every_language(tmp_path: Path, name: str) -> None:
    """Other programs than the judging was made with. Those that take long to build are tried with every second commit."""
    program, step = PROGRAMS[name]
    require(*program.tools)
    ranks = [rank(tmp_path / f"{number}", program, number, 7_000) for number in range(0, len(program.guilty), step)]
    share = [sum(rank <= limit for rank in ranks) / len(ranks) for limit in (1, 3)]
    assert share[0] >= 0.8 and share[1] >= 0.95, ranks


def rank(home: Path, program: Station, number: int, seed: int) -> int:
    """Which of the suspects the guilty commit is; 99 if none."""
    guilty = program.guilty[number]
    history = histories.make(
        home / "program",
        Random(seed + number),
        guilty,
        lambda root: run(program.steps, root),
        program.base,
        program.harmless,
    )
    told = found(history, home / "vault", "program@2.0")
    return told.index(history.guilty) + 1 if history.guilty in told else 99


def patched(path: str, before: str, after: str) -> Any:
    """The one edit of a patch that replaces some lines."""
    old, new = before.split("\n") if before else [], after.split("\n")
    body = "".join(f"-{line}\n" for line in old) + "".join(f"+{line}\n" for line in new)
    (edit,) = edits(
        f"diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n@@ -1,{len(old)} +1,{len(new)} @@\n{body}"
    )
    return edit


@pytest.mark.parametrize(
    ("path", "before", "after", "kind"),
    [
        ("a.js", "const a = f(b.c);", "const x = b.c;\nconst a = f(x);", "nothing"),
        ("a.js", "const a = f(b.c);", "const { c } = b;\nconst a = f(c);", "nothing"),
        ("a.js", "push({ error, at: now() });", "const at = now();\npush({ error, at });", "nothing"),
        ("a.js", "find = (id) => all.get(id);", "find = (key) => all.get(key);", "nothing"),
        ("A.java", "double x = f(y);", "final double x = f(y);", "nothing"),
        ("a.py", "x = 1", "# why\nx = 1", "nothing"),
        ("a.py", "a\nb", "b\na", "nothing"),
        ("a.go", "x := 1.8", "x := 9.0 / 5", "numbers"),
        ("a.rb", 'puts "so many"', 'puts "so very many"', "text"),
        ("a.py", "", 'print("done")', "text"),
        ("a.py", "", "    'b': 2,", "entries"),
        ("a.py", "return x", "return None", "code"),
        ("a.py", "unit='f'", "unit='fahrenheit'", "code"),
        ("a.js", "f(a.b);", "f(a.c);", "code"),
        ("a.js", "run(a, b);", "run(b, a);", "code"),
    ],
)
def test_what_an_edit_does(path: str, before: str, after: str, kind: str) -> None:
    assert patched(path, before, after).kind == kind


def test_names_of_an_edit() -> None:
    edit = patched("a.js", "south: { unit: 'f', height: null },", "south: { unit: 'k', height: null },")
    assert (
        edit.removed == {"'f'"}
        and edit.added == {"'k'"}
        and edit.beside == {"unit"}
        and edit.replaced == {("'f'", "'k'")}
    )


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
