"""`crashvault diagnose` on real repositories, and what git itself is asked."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from crashvault import git
from crashvault.core import open_vault
from crashvault.diagnosis import Source, editor_command, find
from crashvault.pipeline import record_events

OLD = "import json\n\n\ndef total(order):\n    prices = order['items']\n    return sum(prices) / len(prices)\n"
NEW = "import json\nimport math\n\n\ndef total(order):\n    prices = order['items']\n    return sum(prices) / len(prices)\n"
RUN = {"GIT_AUTHOR_DATE": "2026-01-02T03:04:05Z", "GIT_COMMITTER_DATE": "2026-01-02T03:04:05Z"}


def commit(root, text, message, author, tag=None):
    (root / "shop").mkdir(exist_ok=True)
    (root / "shop" / "orders.py").write_text(text)
    who = ["-c", f"user.name={author}", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
    for command in (["add", "-A"], [*who, "commit", "-qm", message], *([["tag", tag]] if tag else [])):
        subprocess.run(["git", *command], cwd=root, check=True, env={"PATH": "/usr/bin:/bin:/usr/local/bin", **RUN})


@pytest.fixture
def repository(tmp_path):
    root = tmp_path / "repo"
    root.mkdir()
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    commit(root, OLD, "Add totals", "Ana", "v1.0")
    commit(root, NEW, "Import math", "Bob", "v2.0")
    return root


@pytest.fixture
def event(vault):
    """Record a crash of the old version; the beginning of its id."""

    def record(line=6, file="/srv/app/shop/orders.py", release=None, text="    return sum(prices) / len(prices)"):
        frame = {
            "file": file,
            "line": line,
            "function": "total",
            "in_app": True,
            "context_line": text,
            "vars": {"prices": "[]"},
        }
        raw = {
            "exception": {"type": "ZeroDivisionError", "value": "division by zero"},
            "frames": [frame],
            "release": release,
        }
        with open_vault(str(vault.home)) as store:
            return record_events(store, [raw])[0].event_id

    return record


class TestDiagnose:
    def test_source_and_blame_of_the_release(self, vault, event, repository):
        found = vault.json("diagnose", event(release="shop@1.0"), "--source", str(repository))
        frame = found["frames"][0]
        assert frame["path"] == "shop/orders.py" and frame["source"] == "commit v1.0"
        assert [line["number"] for line in frame["lines"] if line["crashed"]] == [6]
        assert (frame["blame"]["author"], frame["blame"]["summary"]) == ("Ana", "Add totals")
        assert frame["vars"] == {"prices": "[]"}

    def test_without_release_the_working_tree_where_the_line_moved(self, vault, event, repository):
        found = vault.json("diagnose", event(), "--source", str(repository / "shop"))
        frame = found["frames"][0]
        assert found["commit"] is None and frame["source"] == "working tree"
        assert frame["note"] == "moved from line 6 to 7" and frame["lines"][-2]["crashed"]
        assert "working tree" in vault.ok("diagnose", found["event_id"], "--source", str(repository))

    def test_a_line_that_is_gone_is_not_shown_as_if_it_were_there(self, vault, event, repository):
        (repository / "shop" / "orders.py").write_text("\n" * 20)
        frame = vault.json("diagnose", event(), "--source", str(repository))["frames"][0]
        assert frame["source"] == "event" and frame["blame"] is None and "not there" in frame["note"]

    def test_a_line_not_committed_yet(self, vault, event, repository):
        (repository / "shop" / "orders.py").write_text(NEW.replace("len(prices)", "size"))
        found = event(line=7, text="    return sum(prices) / size")
        assert "not committed yet" in vault.ok("diagnose", found, "--source", str(repository))

    def test_outside_a_repository_what_the_event_has(self, vault, event, in_directory):
        in_directory("nowhere")
        out = vault.ok("diagnose", event())
        assert "no git repository" in out and "len(prices)" in out and "prices = []" in out

    def test_opens_the_editor_at_the_line(self, vault, event, repository, tmp_path):
        script = tmp_path / "editor.py"
        script.write_text("import json, sys; json.dump(sys.argv[1:], open(sys.argv[0] + '.json', 'w'))")
        event_id = event()
        done = vault.process(
            "diagnose", event_id, "--open", "--source", str(repository), VISUAL=f"{sys.executable} {script}"
        )
        assert done.code == 0, done
        assert json.loads((tmp_path / "editor.py.json").read_text()) == ["+7", str(repository / "shop" / "orders.py")]
        missing = vault.process("diagnose", event_id, "--open", "--source", str(repository), VISUAL="", EDITOR="")
        assert missing.code == 1 and "EDITOR" in missing.err

    def test_opens_the_editor_where_the_line_of_the_release_is_now(self, vault, event, repository, tmp_path):
        (repository / "shop" / "orders.py").write_text(f"# one\n# more\n{NEW}")
        script = tmp_path / "editor.py"
        script.write_text("import json, sys; json.dump(sys.argv[1:], open(sys.argv[0] + '.json', 'w'))")
        arguments = ["diagnose", event(release="v1.0"), "--open", "--source", str(repository)]
        assert vault.process(*arguments, VISUAL=f"{sys.executable} {script}").code == 0
        assert json.loads((tmp_path / "editor.py.json").read_text())[0] == "+9"

    def test_unknown_event(self, vault):
        assert vault("diagnose", "abcdef").code == 1

    def test_event_without_stack(self, vault):
        assert "no stack trace" in vault.ok("diagnose", vault.json("add", "x y")["event_id"])


@pytest.mark.parametrize(
    "release",
    ["--output=/tmp/x", "1.0..2.0", "HEAD", "master", "", "v1.0^", ":/Add", "a" * 5000, "1.0\n", "\x00", "@{-1}"],
)
def test_a_release_is_only_a_tag_or_an_id(repository, release):
    assert git.commit_of_release(str(repository), release) is None


def test_a_release_may_be_a_commit(repository):
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=repository, capture_output=True, text=True, check=True
    ).stdout.strip()
    for name in (head, head[:12], f"2.0+{head[:8]}"):
        found = git.commit_of_release(str(repository), name)
        assert found is not None and found.id == head


@pytest.mark.parametrize(
    ("file", "path"),
    [
        ("/srv/app/shop/orders.py", "shop/orders.py"),
        ("shop/orders.py", "shop/orders.py"),
        ("C:\\app\\shop\\orders.py", "shop/orders.py"),
        ("orders.py", None),  # two of them
        ("main.py", "main.py"),
        ("/srv/app/main.py", "main.py"),
        ("/usr/lib/python3/json/decoder.py", None),
        ("../../../etc/passwd", None),
        (None, None),
    ],
)
def test_files_are_found_by_the_end_of_their_path(file, path):
    paths = ["shop/orders.py", "tests/orders.py", "main.py", "codec/decoder.py"]
    names: dict[str, list[str]] = {}
    for item in paths:
        names.setdefault(item.rsplit("/", 1)[-1], []).append(item)
    assert find(Source("/r", None, names), {"file": file, "in_app": "usr" not in str(file)}) == path


@pytest.mark.parametrize(
    ("editor", "arguments"),
    [
        ("vim", ["+7", "a.py"]),
        ("code", ["-g", "a.py:7"]),
        ("/usr/bin/hx", ["a.py:7"]),
        ("pycharm", ["--line", "7", "a.py"]),
    ],
)
def test_editors_are_told_the_line_their_way(editor, arguments):
    assert editor_command([editor], "a.py", 7) == [editor, *arguments]
