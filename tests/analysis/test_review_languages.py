"""`crashvault code-review` on programs of many languages that have really crashed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.analysis.histories import GIT, write
from tests.analysis.programs import PROGRAMS, Program, crash
from tests.conftest import CommandLine

from crashvault.analysis.review.code import read
from crashvault.analysis.review.functions import spans
from crashvault.analysis.review.sites import short_name


class Desk:
    """A repository with one program, and the vault in which its crash is."""

    def __init__(self, cli: CommandLine, program: Program, root: Path) -> None:
        self.cli, self.program, self.root = cli, program, root
        write(root, [({program.path: program.code, ".gitignore": "/cart\n"}, "Begin", "v1")])
        cli("add", "It failed", "--stack", "-", stdin=crash(program, root))
        cli.directory = root

    def findings(self, *edits: tuple[str, str]) -> list[dict[str, Any]]:
        """What is said about the program with some edits, in the working tree."""
        code = self.program.code
        for old, new in edits:
            assert old in code
            code = code.replace(old, new, 1)
        (self.root / self.program.path).write_text(code)
        report = self.cli("code-review", "--diff", "--format", "json").json
        assert report["warnings"] == []
        found: list[dict[str, Any]] = report["findings"]
        return found

    def rules(self, *edits: tuple[str, str]) -> set[str]:
        return {item["rule"] for item in self.findings(*edits)}


@pytest.mark.runtime
@pytest.mark.parametrize("language", PROGRAMS)
def test_a_crash_of_each_language(cli: CommandLine, tmp_path: Path, language: str) -> None:
    program = PROGRAMS[language]
    desk = Desk(cli, program, tmp_path / "shop")
    whole = cli("code-review", "--file", program.path, "--format", "json").json["findings"]
    assert {(item["rule"], item["line"], item["function"]) for item in whole} >= {
        ("crashed-line", program.line, "total")
    }
    near = {item["rule"]: item for item in desk.findings(program.near)}
    assert set(near) == {"crashed-function", "missing-guard", "untested-crash"}
    assert near["crashed-function"]["function"] == "total" and program.advice in near["missing-guard"]["message"]
    for edit in program.guards:
        assert "missing-guard" not in desk.rules(program.near, edit), edit
    for edit in program.silent:
        found = [item for item in desk.findings(edit) if item["rule"] == "swallowed-crash"]
        assert [item["function"] for item in found] == ["total"], edit
        assert "goes on in silence" in found[0]["message"]
    for edit in program.loud:
        assert "swallowed-crash" not in desk.rules(edit), edit


@pytest.mark.runtime
def test_a_promise_that_swallows(cli: CommandLine, tmp_path: Path) -> None:
    program = PROGRAMS["javascript"]
    code = program.code.replace(
        "run();", "Promise.resolve(new Cart([{}]))\n  .then((cart) => cart.items[0].offer.price);"
    )
    desk = Desk(cli, program._replace(code=code), tmp_path / "shop")
    call = ".offer.price);"
    assert "swallowed-crash" in desk.rules((call, ".offer.price)\n  .catch(() => {});"))
    assert "swallowed-crash" not in desk.rules((call, ".offer.price)\n  .catch((e) => console.error(e));"))


@pytest.mark.runtime
def test_what_is_anonymous_belongs_to_what_it_stands_in(cli: CommandLine, tmp_path: Path) -> None:
    program = PROGRAMS["javascript"]
    code = program.code.replace(
        "return first.offer.price;", "return this.items.map((item) => {\n      return item.offer.price;\n    });"
    )
    desk = Desk(cli, program._replace(code=code), tmp_path / "shop")
    found = {item["rule"]: item for item in desk.findings(program.near)}
    assert found["crashed-function"]["function"] == "total" and found["missing-guard"]["line"] == 8


def test_without_the_extra_the_lines_have_to_do(cli: CommandLine, tmp_path: Path) -> None:
    """In a process that cannot import tree-sitter; it says so once, and finds functions by their braces."""
    root = tmp_path / "shop"
    program = PROGRAMS["javascript"]
    write(root, [({"a.js": program.code, "b.js": program.code, "c.py": "x = 1\n"}, "Begin", "v1")])
    for path in ("a.js", "b.js"):
        (root / path).write_text(program.code.replace(*program.near))
    (root / "c.py").write_text("x = 2\n")
    frame = {
        "file": "a.js",
        "line": 6,
        "function": "Cart.total",
        "in_app": True,
        "context_line": "    return first.offer.price;",
    }
    cli.record({"exception": {"type": "TypeError", "value": "undefined"}, "frames": [frame]})
    code = "import sys; sys.modules['tree_sitter'] = None\nfrom crashvault.__main__ import main\nsys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, "code-review", "--diff", "--no-tools"], cwd=root, capture_output=True, text=True,
        timeout=60, check=True, env={**GIT, **cli.environment},
    )  # fmt: skip
    assert "total crashed-function" in done.stdout and "missing-guard" not in done.stdout
    said = " ".join(done.stdout.split())
    assert said.count("functions of JavaScript are told by their lines") == 1 and "crashvault[review]" in said


NESTED = {
    "a.js": "function f() { try { x(); } catch (e) { return %s; } }" % ("[" * 5_000 + "]" * 5_000),
    "a.ts": "const f = () => " + "(" * 5_000 + "1" + ")" * 5_000,
    "a.go": "package a\nfunc f() {" + "{" * 5_000 + "}" * 5_000 + "}",
    "a.rb": "def f\n" + "begin\n" * 2_000 + "rescue\nend\n" * 2_000 + "end",
    "a.rs": "fn f() { " + "if a { " * 2_000 + "}" * 2_000 + "}",
    "a.c": "int " + "*" * 2_000 + "f(void) { return 0; }",
    "A.java": "class A { int f() { " + "try { " * 500 + "} catch (Exception e) { }" * 500 + "return 1; } }",
    "a.cpp": "\udcff\0\u2028 int f() { case (... { } }}}}}",
}


@pytest.mark.parametrize("path", NESTED)
def test_odd_code_ends_in_no_error(path: str) -> None:
    """Nested deeper than Python's stack, or broken."""
    lines = NESTED[path].split("\n")
    functions = spans(path, lines)
    assert {span.name for span in functions} <= {"f"}
    code = read(path, lines)
    assert code is not None
    assert all(1 <= handler.first <= handler.last <= len(lines) for handler in code.handlers())


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("Cart.total", "total"), ("async Cart.total", "total"), ("new Cart", "Cart"), ("shop::Cart::total(int)", "total"),
        ("main.(*Shelf).Get", "Get"), ("(*Shelf).Get", "Get"), ("main.run.func1", "run"), ("main.run.func1.2", "run"),
        ("lambda$total$0", "total"), ("block in total", "total"), ("block (2 levels) in Cart#total", "total"), ("Cart#total", "total"),
        ("m::S::get", "get"), ("shop::total::{{closure}}", "total"), ("shop::total::h0123456789abcdef", "total"),
        ("(anonymous namespace)::total(int)", "total"), ("total<int>(int)", "total"), ("<module>", "<module>"), (None, ""), ("", ""),
    ],
)  # fmt: skip
def test_names_of_functions_in_frames(given: str | None, wanted: str) -> None:
    assert short_name(given) == wanted
