"""Patches of real git, and where functions begin and end."""

from __future__ import annotations

import subprocess
from pathlib import Path
from random import Random

import pytest
from tests.analysis.histories import GIT

from crashvault import git
from crashvault.analysis.review.functions import Span, innermost, spans
from crashvault.analysis.review.hunks import parse_patch, whole_file
from crashvault.analysis.review.review import _before


@pytest.fixture
def root(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "-q", str(tmp_path / "r")], check=True, env=GIT)
    return tmp_path / "r"


def stage(root: Path) -> None:
    subprocess.run(["git", "add", "-A"], cwd=root, check=True, env=GIT)


def edited(random: Random, lines: list[str]) -> list[str]:
    changed = list(lines)
    for _ in range(random.randint(1, 5)):
        at = random.randint(0, len(changed))
        kind = random.randrange(3)
        if kind == 0:
            changed[at:at] = [f"new {random.randrange(99)}" for _ in range(random.randint(1, 3))]
        elif kind == 1:
            del changed[at : at + random.randint(1, 3)]
        elif at < len(changed):
            changed[at] = f"other {random.randrange(99)}"
    return changed


def test_real_patches_lead_back_to_the_file_before(root: Path) -> None:
    for seed in range(40):
        random = Random(seed)
        before = [f"line {n}" for n in range(random.randint(0, 30))]
        after = edited(random, before)
        (root / "a.txt").write_text("\n".join(before))
        stage(root)
        (root / "a.txt").write_text("\n".join(after))
        changes = parse_patch(git.diff(str(root)) or "")
        if before == after:
            assert changes == []
            continue
        (change,) = changes
        assert all(after[line - 1] == text for line, text in change.added.items())
        assert all(before[line - 1] == text for line, text in change.removed.items())
        assert [line for line in _before(change, "\n".join(after).split("\n")) if line] == [
            line for line in before if line
        ]
        for line in range(1, len(before) + 1):
            there = change.after(line)
            assert (there is None) == (line in change.removed)
            assert there is None or after[there - 1] == before[line - 1]


def test_odd_names_and_kinds_of_changes(root: Path) -> None:
    names = ["plain.py", "with space.py", "ütf\t8.py", 'quo"te.py', "--- a", "old.py"]
    for name in names:
        (root / name).write_text("".join(f"{n}\n" for n in range(20)))
    (root / "binary").write_bytes(bytes(range(256)))
    stage(root)
    subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"], cwd=root, check=True, env=GIT
    )
    for name in names[:5]:
        (root / name).write_text("0\n-- removed\n++ added\n")
    (root / "old.py").rename(root / "new.py")
    (root / "binary").write_bytes(bytes(range(255, -1, -1)))
    stage(root)
    found = {change.path: change for change in parse_patch(git.diff(str(root), "--cached") or "")}
    assert set(names[:5]) <= set(found)
    assert found["with space.py"].added == {2: "-- removed", 3: "++ added"}
    assert found["new.py"].old_path == "old.py" and not found["new.py"].added


def test_deleted_and_new_files() -> None:
    patch = "diff --git a/a b/a\ndeleted file mode 100644\n--- a/a\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-x\n-y\n"
    patch += "diff --git a/b b/b\nnew file mode 100644\n--- /dev/null\n+++ b/b\n@@ -0,0 +1 @@\n+z\n"
    gone, new = parse_patch(patch)
    assert gone.deleted and gone.path == "a" and gone.removed == {1: "x", 2: "y"}
    assert new.old_path is None and new.added == {1: "z"}
    assert whole_file("c", ["1", "2"]).added == {1: "1", 2: "2"}


CODE = {
    "a.py": ("class A:\n    @cached\n    def one(self):\n        def two():\n            pass\n        return 1\n", [("one", 2, 6), ("two", 4, 5)]),
    "a.js": ("function one(a) {\n  if (a) {\n    return '}';\n  }\n}\nconst two = async (b) => {\n  go();\n};\nclass C {\n  three(x) {\n    x();\n  }\n}\n",
             [("one", 1, 5), ("two", 6, 8), ("three", 10, 12)]),
    "a.go": ("package a\n\nfunc (s *Shelf) Reserve(n int) error {\n\treturn nil\n}\n\nfunc main() {\n}\n", [("Reserve", 3, 5), ("main", 7, 8)]),
    "A.java": ("class A {\n  public static void main(String[] args) {\n    new A().run(1);\n  }\n\n  int run(int x)\n  {\n    return x;\n  }\n}\n",
               [("main", 2, 4), ("run", 6, 9)]),
    "a.rs": ("pub fn render(x: &str) -> Result<(), E> {\n    match x { _ => {} }\n    Ok(())\n}\n", [("render", 1, 4)]),
    "a.rb": ("class A\n  def self.pay(x)\n    if x\n      1\n    end\n  end\n\n  def ok?\n    true\n  end\nend\n", [("pay", 2, 6), ("ok?", 8, 10)]),
    "a.c": ("int add(int a, int b);\nstatic int add(int a, int b)\n{\n    return a + b;\n}\n", [("add", 2, 5)]),
    "a.php": ("<?php\nclass D {\n    public function connect(): PDO {\n        return new PDO('x');\n    }\n}\n", [("connect", 3, 5)]),
}  # fmt: skip


@pytest.mark.parametrize("path", CODE)
def test_functions_of_languages(path: str) -> None:
    text, wanted = CODE[path]
    assert sorted(spans(path, text.split("\n")), key=lambda span: span.first) == [Span(*item) for item in wanted]


def test_odd_code_has_no_functions() -> None:
    assert spans("a.py", ["def broken("]) == []
    assert spans("a.unknown", ["def f():"]) == []
    assert spans("a.kt", ["fun f() {"]) == []
    assert innermost([Span("a", 1, 9), Span("b", 3, 5)], 4) == Span("b", 3, 5)
    assert innermost([], 4) is None
