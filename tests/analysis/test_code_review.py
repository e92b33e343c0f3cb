"""`crashvault code-review` on real repositories whose programs have crashed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema
import pytest
from tests import npm
from tests.analysis.histories import BASE, GIT, crash, write
from tests.analysis.services import serving, speaking
from tests.conftest import ROOT, CommandLine

from crashvault.clock import now
from nasty import NASTY

BROKEN = BASE["shop/orders.py"].replace("    if not found:\n        return 0\n", "")


class Desk(NamedTuple):
    """A repository with the vault in which its crashes are."""

    cli: CommandLine
    root: Path

    def __call__(self, *arguments: str, code: int = 0, **more: Any) -> Any:
        return self.cli("code-review", *arguments, code=code, **more)

    def findings(self, *arguments: str, code: int = 0) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self("--format", "json", *arguments, code=code).json["findings"]
        return found

    def rules(self, *arguments: str) -> list[tuple[str, str]]:
        """Rule and severity of what is found about crashes."""
        return [(item["rule"], item["severity"]) for item in self.findings("--no-tools", *arguments)]

    def git(self, *arguments: str) -> None:
        who = ("-c", "user.name=Ana", "-c", "user.email=ana@example.com")
        subprocess.run(["git", *who, *arguments], cwd=self.root, check=True, env=GIT, capture_output=True)

    def edit(self, path: str, old: str, new: str) -> None:
        text = (self.root / path).read_text()
        assert old in text
        (self.root / path).write_text(text.replace(old, new, 1))


@pytest.fixture
def desk(cli: CommandLine, tmp_path: Path) -> Desk:
    """The shop without a guard in `total`; it crashed there a minute ago, 3 times."""
    root = tmp_path / "shop"
    write(root, [({**BASE, "shop/orders.py": BROKEN}, "Begin the shop", "v1.0")])
    trace = crash(root)
    cli.record(*({"stacktrace": trace, "timestamp": now() / 1e6 - 60, "tags": [f"n={n}"]} for n in range(3)))
    cli.directory = root
    return Desk(cli, root)


def test_a_line_that_crashed(desk: Desk) -> None:
    desk.edit("shop/orders.py", "return sum(found) / len(found)", "return sum(found) / max(1, len(found))")
    found = desk.findings("--diff", "--no-tools")
    assert [(item["rule"], item["severity"], item["line"]) for item in found] == [
        ("crashed-line", "high", 6),
        ("untested-crash", "medium", 6),
    ]
    first = found[0]
    assert (first["path"], first["function"], first["issue"], first["events"]) == ("shop/orders.py", "total", 1, 3)
    assert (
        "crashed 3 times, last 1m ago" in first["message"]
        and "ZeroDivisionError: division by zero (#1, open)" in first["message"]
    )
    assert first["reason"] == "#1 is open and was seen in the last 30 days"


def test_a_function_that_crashed_at_another_line(desk: Desk) -> None:
    desk.edit("shop/orders.py", "def total(order):\n", "def total(order):\n    order = dict(order)\n")
    assert set(desk.rules("--diff")) == {
        ("crashed-function", "medium"),
        ("missing-guard", "medium"),
        ("untested-crash", "medium"),
    }
    guard = next(item for item in desk.findings("--diff") if item["rule"] == "missing-guard")
    assert guard["line"] == 7 and "check that it is not zero" in guard["message"]


def test_code_that_never_crashed(desk: Desk) -> None:
    desk.edit("shop/customers.py", "def find(name):\n", "def find(name):\n    name = str(name)\n")
    assert desk.rules("--diff") == []
    assert "nothing found" in desk("--diff").out


def test_nothing_changed(desk: Desk) -> None:
    assert desk.rules("--diff") == []
    assert desk("--diff", "--staged", "--format", "json").json["files"] == []


def test_a_guard_is_seen(desk: Desk) -> None:
    desk.edit(
        "shop/orders.py",
        "    found = prices.load_prices(order)\n",
        "    found = prices.load_prices(order)\n    if not found:\n        return 0\n",
    )
    assert "missing-guard" not in dict(desk.rules("--diff"))


def test_a_test_that_names_the_function(desk: Desk) -> None:
    (desk.root / "tests").mkdir()
    (desk.root / "tests" / "test_orders.py").write_text(
        "from shop.orders import total\n\ndef test_total():\n    assert total({'items': []}) == 0\n"
    )
    desk.git("add", "-A")
    desk.edit("shop/orders.py", "return sum(found)", "return max(found)")
    assert "untested-crash" not in dict(desk.rules("--diff"))


def test_a_fix_that_is_undone(desk: Desk) -> None:
    (desk.root / "shop" / "orders.py").write_text(BASE["shop/orders.py"])
    desk.git("commit", "-qam", "Handle orders of nothing")
    desk.cli("resolve", "1")
    desk.git("commit", "-q", "--allow-empty", "-m", "Something else")
    desk.edit("shop/orders.py", "    if not found:\n        return 0\n", "")
    found = desk.findings("--diff", "--no-tools")
    assert (found[0]["rule"], found[0]["severity"]) == ("fix-undone", "high")
    assert "“Handle orders of nothing” brought, after which #1 was resolved" in found[0]["message"]
    desk.git("commit", "-qam", "Simplify")
    assert ("fix-undone", "high") in desk.rules("--commit", "HEAD")
    assert ("fix-undone", "high") in desk.rules("--range", "HEAD~1..HEAD")


def test_removing_what_is_older_than_the_crash_undoes_no_fix(desk: Desk) -> None:
    desk.cli("resolve", "1")
    desk.edit("shop/orders.py", "    found = prices.load_prices(order)\n", "    found = [1]\n")
    assert "fix-undone" not in dict(desk.rules("--diff"))


@pytest.mark.parametrize(
    ("handler", "hides"),
    [
        ("except ZeroDivisionError:\n        return 0", True),
        ("except Exception:\n        pass", True),
        ("except (KeyError, ZeroDivisionError):\n        return None", True),
        ("except:\n        pass", True),
        ("except KeyError:\n        pass", False),
        ("except ZeroDivisionError:\n        print('empty')", False),
        ("except ZeroDivisionError:\n        raise", False),
    ],
)
def test_a_handler_that_hides_a_crash(desk: Desk, handler: str, hides: bool) -> None:
    line = '    return sum(found) / len(found) * len(order["items"])\n'
    desk.edit("shop/orders.py", line, f"    try:\n    {line}    {handler}\n")
    found = dict(desk.rules("--diff"))
    assert (found.get("swallowed-crash") == "medium") == hides


def test_files_and_events(desk: Desk) -> None:
    event = desk.cli.json("events")["items"][0]["event_id"]
    assert ("crashed-line", "high") in desk.rules("--file", "shop/orders.py")
    assert ("crashed-line", "high") in desk.rules("--error", event[:8])
    paths = [item["path"] for item in desk("--error", event, "--format", "json").json["files"]]
    assert paths == ["shop/orders.py", "shop/main.py"]
    assert desk("--file", "README.md").out.endswith("nothing found\n")


def test_lines_that_moved_since_the_crash(desk: Desk) -> None:
    desk.edit("shop/orders.py", "from shop", "\n\n\n# moved\nfrom shop")
    desk.git("commit", "-qam", "Move")
    desk.edit("shop/orders.py", "return sum(found)", "return max(found)")
    found = desk.findings("--diff", "--no-tools")
    assert (found[0]["rule"], found[0]["line"]) == ("crashed-line", 10)


def test_ignored_issues_are_left_out(desk: Desk) -> None:
    desk.cli("ignore", "1")
    assert desk.rules("--file", "shop/orders.py") == []


def test_another_language(cli: CommandLine, tmp_path: Path) -> None:
    root = tmp_path / "web"
    code = "export function price(item) {\n  const found = item.offer;\n  return found.price;\n}\n"
    write(root, [({"src/cart.js": code}, "Begin", "v1")])
    frame = {
        "file": "/srv/web/src/cart.js",
        "line": 3,
        "function": "price",
        "in_app": True,
        "context_line": "  return found.price;",
    }
    cli.record(
        {"exception": {"type": "TypeError", "value": "found is undefined"}, "frames": [frame], "platform": "javascript"}
    )
    cli.directory = root
    desk = Desk(cli, root)
    desk.edit("src/cart.js", "item.offer", "item.offers")
    assert set(desk.rules("--diff")) == {
        ("crashed-function", "medium"),
        ("missing-guard", "medium"),
        ("untested-crash", "medium"),
    }
    desk.edit("src/cart.js", "found.price", "found.cost")
    assert ("crashed-line", "high") in desk.rules("--diff")


def test_ruff_looks_at_changed_lines_only(desk: Desk) -> None:
    desk.edit("shop/customers.py", "CUSTOMERS = ", "import os\n\nCUSTOMERS = ")
    found = desk.findings("--diff")
    assert [(item["rule"], item["code"], item["line"], item["severity"]) for item in found] == [
        ("ruff", "F401", 1, "low")
    ]
    desk.git("commit", "-qam", "Import os")
    desk.edit("shop/customers.py", "    return CUSTOMERS[name]", "    return CUSTOMERS[nam]")
    found = desk.findings("--diff")
    assert [(item["code"], item["severity"], item["function"]) for item in found] == [("F821", "medium", "find")]
    desk.edit("shop/customers.py", "[nam]", "[nam")
    assert {item["severity"] for item in desk.findings("--diff")} == {"medium"}, "what cannot be parsed"
    assert desk.findings("--diff", "--no-tools") == []


def test_bandit_looks_at_changed_lines_only(desk: Desk) -> None:
    desk.edit(
        "shop/customers.py",
        "CUSTOMERS = ",
        'import subprocess\n\n\ndef show(name):\n    subprocess.call("ls " + name, shell=True)\n\n\nCUSTOMERS = ',
    )
    found = [item for item in desk.findings("--diff") if item["rule"] == "bandit"]
    assert [(item["code"], item["line"], item["severity"], item["function"]) for item in found] == [
        ("B602", 5, "high", "show"), ("B404", 1, "low", ""),
    ]  # fmt: skip
    assert found[0]["reason"] == "bandit reports it on a changed line" and "shell=True" in found[0]["message"]
    assert desk.findings("--diff", "--fail-on", "high", code=1)[0]["code"] == "B602"
    desk.git("commit", "-qam", "Show customers")
    assert desk.findings("--diff") == []
    desk.edit("shop/customers.py", "    return CUSTOMERS[name]", "    assert name\n    return CUSTOMERS[name]")
    assert [(item["rule"], item["code"], item["severity"]) for item in desk.findings("--diff")] == [
        ("bandit", "B101", "low")
    ]
    desk.git("add", "-A")
    (desk.root / "shop" / "customers.py").write_text("")
    assert [item["code"] for item in desk.findings("--diff", "--staged")] == ["B101"], (
        "what is staged, not what is there"
    )


def test_staged_is_what_would_be_committed(desk: Desk) -> None:
    desk.edit("shop/orders.py", "return sum(found)", "return max(found)")
    assert desk.rules("--diff", "--staged") == []
    desk.git("add", "-A")
    assert ("crashed-line", "high") in desk.rules("--diff", "--staged")
    assert desk.rules("--diff") == []


@pytest.mark.parametrize(("limit", "code"), [("high", 1), ("medium", 1), ("low", 1), (None, 0)])
def test_fail_on(desk: Desk, limit: str | None, code: int) -> None:
    desk.edit("shop/orders.py", "return sum(found)", "return max(found)")
    desk("--diff", *(("--fail-on", limit) if limit else ()), code=code)


def test_fail_on_more_than_there_is(desk: Desk) -> None:
    desk.edit("shop/orders.py", "def total(order):\n", "def total(order):\n    order = dict(order)\n")
    desk("--diff", "--fail-on", "high", code=0)
    desk("--diff", "--fail-on", "medium", code=1)


def test_as_a_git_hook(desk: Desk) -> None:
    """A commit is refused by the hook, and let through once nothing that crashed is touched."""
    hook = desk.root / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m crashvault code-review --diff --staged --fail-on high\n')
    hook.chmod(0o755)
    environment = {**os.environ, **desk.cli.environment, "HOME": "/nonexistent"}

    def commit() -> subprocess.CompletedProcess[str]:
        command = ["git", "-c", "user.name=Ana", "-c", "user.email=a@example.com", "commit", "-qam", "Change"]
        return subprocess.run(
            command, cwd=desk.root, env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    desk.edit("shop/orders.py", "return sum(found)", "return max(found)")
    refused = commit()
    assert refused.returncode == 1 and "crashed 3 times" in refused.stdout + refused.stderr
    desk.git("checkout", "-q", "shop/orders.py")
    desk.edit("shop/customers.py", "def find(name):\n", "def find(name):\n    name = str(name)\n")
    assert commit().returncode == 0


def sarif_fits(log: dict[str, Any]) -> None:
    """Its schema is the one of SARIF 2.1.0; what that cannot say (sections 3.13 to 3.28): references lead somewhere."""
    jsonschema.Draft4Validator(json.loads(npm.file_of(*npm.SARIF_SCHEMA))).validate(log)
    assert log["version"] == "2.1.0" and log["$schema"].endswith("sarif-schema-2.1.0.json")
    (run,) = log["runs"]
    ids = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert run["tool"]["driver"]["name"] == "Crashvault" and len(set(ids)) == len(ids)
    for result in run["results"]:
        assert ids[result["ruleIndex"]] == result["ruleId"]
        place = result["locations"][0]["physicalLocation"]
        assert 1 <= place["region"]["startLine"] <= place["region"]["endLine"]


def test_sarif_fits_its_schema(desk: Desk, tmp_path: Path) -> None:
    desk.edit("shop/orders.py", "return sum(found)", "import os\n    return max(found)")
    desk("--diff", "--output", tmp_path / "review.sarif")
    log = json.loads((tmp_path / "review.sarif").read_text("utf-8"))
    sarif_fits(log)
    results = log["runs"][0]["results"]
    assert {result["level"] for result in results} == {"error", "warning", "note"}
    for result in results:
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"] == {"uri": "shop/orders.py", "uriBaseId": "%SRCROOT%"}
    desk.git("checkout", "-q", ".")
    sarif_fits(desk("--diff", "--format", "sarif").json)
    with pytest.raises(jsonschema.ValidationError):
        sarif_fits({**log, "runs": [{**log["runs"][0], "columnKind": "letters"}]})


def test_sarif_of_hostile_events_and_odd_names(cli: CommandLine, tmp_path: Path) -> None:
    root = tmp_path / "odd"
    name = "ütf 8 #1%.py"
    write(root, [({name: "def f():\n    return 1 / 0\n"}, "Begin", "")])
    for number, body in enumerate(NASTY.values()):
        text = body["message"] if isinstance(body.get("message"), str) else f"{number}"
        frame = {"file": name, "line": 2, "function": text, "in_app": True, "context_line": "    return 1 / 0"}
        cli.record({"exception": {"type": text, "value": text}, "frames": [frame]})
    cli.directory = root
    log = cli("code-review", "--file", name, "--format", "sarif").json
    sarif_fits(log)
    uris = {
        result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for result in log["runs"][0]["results"]
    }
    assert uris == {"%C3%BCtf%208%20%231%25.py"}


def test_formats_for_people(desk: Desk) -> None:
    desk.edit("shop/orders.py", "return sum(found)", "return max(found)")
    text = desk("--diff", env={"COLUMNS": "80"}).out
    assert max(map(len, text.splitlines())) <= 80 and "high, because #1 is open" in " ".join(text.split())
    assert "| high | shop/orders.py:6 in total |" in desk("--diff", "--format", "markdown").out.replace("\\", "")


def test_a_model_adds_its_review(desk: Desk) -> None:
    desk.edit("shop/orders.py", "return sum(found)", 'password = "hunter2hunter2"\n    return sum(found)')
    with serving(speaking("openai", ["Keep the guard [F1]."])) as service:
        env = {"OPENAI_API_KEY": "sk-1", "OPENAI_BASE_URL": service.url}
        found = desk("--diff", "--provider", "openai", "--format", "json", env=env).json
        assert found["narrative"]["text"] == "Keep the guard [F1]." and found["narrative"]["cited"] == ["F1"]
        assert "Written by the model" in desk("--diff", "--provider", "openai", env=env).out
    assert b"hunter2" not in service.asked[0].raw and b"[Filtered]" in service.asked[0].raw


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "give one of"),
        (("--diff", "--commit", "HEAD"), 2, "give one of"),
        (("--commit", "nowhere"), 1, "git knows no revision 'nowhere'"),
        (("--commit", "--output=/tmp/x"), 1, "git knows no revision"),
        (("--range", "HEAD"), 1, "is not a range"),
        (("--range", "nowhere..HEAD"), 1, "git knows no revision 'nowhere'"),
        (("--error", "ffffffff"), 1, "there is no event"),
        (("--file", "nothing.py"), 2, "does not exist"),
    ],
)
def test_wrong_usage(desk: Desk, arguments: tuple[str, ...], code: int, said: str) -> None:
    assert said in desk(*arguments, code=code).err


def test_outside_a_repository(desk: Desk, tmp_path: Path) -> None:
    place = tmp_path / "elsewhere"
    place.mkdir()
    desk.cli.directory = place
    assert "this is no git repository" in desk("--diff", code=1).err
    (place / "other.py").write_text(BROKEN)
    assert desk.rules("--file", "other.py") == []
    (place / "orders.py").write_text(BROKEN)
    assert ("crashed-line", "high") in desk.rules("--file", "orders.py"), "a frame's path may end with it"


def test_an_empty_vault(desk: Desk) -> None:
    desk.cli("kill", "--yes")
    assert desk.rules("--file", "shop/orders.py") == []


def test_pre_commit_runs_the_hook(desk: Desk, tmp_path: Path) -> None:
    """The real pre-commit takes the hook from a repository with this manifest, and stops a commit by it."""
    hooks = tmp_path / "hooks"
    write(hooks, [({".pre-commit-hooks.yaml": (ROOT / ".pre-commit-hooks.yaml").read_text()}, "Offer the hook", "")])
    programs = Path(sys.executable).parent
    environment = {
        **os.environ, **desk.cli.environment, "PRE_COMMIT_HOME": str(tmp_path / "pre-commit"), "HOME": str(tmp_path),
        "PATH": f"{programs}:{os.environ['PATH']}",
    }  # fmt: skip

    def try_repo() -> subprocess.CompletedProcess[str]:
        command = [str(programs / "pre-commit"), "try-repo", str(hooks), "crashvault-code-review"]
        return subprocess.run(
            command, cwd=desk.root, env=environment, capture_output=True, text=True, timeout=120, check=False
        )

    desk.edit("shop/orders.py", "return sum(found)", "return max(found)")
    desk.git("add", "-A")
    refused = try_repo()
    assert refused.returncode == 1 and "crashed 3 times" in refused.stdout, refused
    desk.git("reset", "-q", "--hard")
    desk.edit("shop/customers.py", "def find(name):\n", "def find(name):\n    name = str(name)\n")
    desk.git("add", "-A")
    let_through = try_repo()
    assert let_through.returncode == 0 and "Passed" in let_through.stdout, let_through
