"""What a caller of `parse_stacktrace` may rely on, and the rules of single languages."""

from __future__ import annotations

import pytest

from crashvault.ingest.traces import MAX_TEXT, ParsedTrace, parse_stacktrace

from .samples import parsed, read_sample

PYTHON = """Traceback (most recent call last):
  File "/app/cart.py", line 7, in price
    return prices[item]
KeyError: 'pear'
"""
NODE = """TypeError: x is not a function
    at total (/app/cart.js:3:5)
    at Object.<anonymous> (/app/cart.js:9:1)
"""


def types(found: ParsedTrace) -> list[str | None]:
    return [exception["type"] for exception in found.exceptions]


def functions(found: ParsedTrace, position: int = -1) -> list[str | None]:
    return [frame.get("function") for frame in found.exceptions[position]["frames"]]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "all is well",
        "Error: no frames",
        "at the end",
        "panic: at the disco",
        "Warning: wet floor",
        "#0 \n#1 ",
    ],
)
def test_text_without_a_trace_gives_none(text: str) -> None:
    assert parse_stacktrace(text) is None


def test_the_span_is_the_trace_in_the_original_text() -> None:
    text = f"\x1b[1mstarting\x1b[0m\r\n{PYTHON}\nstopped\n"

    found = parsed(text)

    assert text[found.start : found.end] == PYTHON.rstrip("\n")


def test_the_last_of_several_traces_is_the_one_that_ended_the_program() -> None:
    assert parsed(PYTHON + "\nretrying\n" + NODE).platform == "javascript"
    assert parsed(NODE + "\nretrying\n" + PYTHON).platform == "python"
    assert parsed(PYTHON.replace("KeyError", "IndexError") + "\n" + PYTHON).exceptions[-1]["type"] == "KeyError"


def test_a_trace_inside_of_another_ones_message_is_not_the_crash() -> None:
    inner = "".join(f"{line}\n" for line in NODE.splitlines())

    found = parsed(PYTHON.replace("KeyError: 'pear'\n", f"JavascriptError: {inner}"))

    assert found.platform == "python"
    assert found.exceptions[-1]["type"] == "JavascriptError"
    assert "/app/cart.js:3:5" in (found.exceptions[-1]["value"] or "")


def test_an_incomplete_trace_gives_way_to_a_complete_one_before_it() -> None:
    cut = PYTHON.rpartition("KeyError")[0].replace("price", "cut_off")

    assert functions(parsed(PYTHON + "\n" + cut)) == ["price"]
    assert functions(parsed(cut)) == ["cut_off"]
    assert types(parsed(cut)) == [None]


def test_what_the_shell_says_does_not_hide_a_trace() -> None:
    assert parsed(f"{PYTHON}Segmentation fault (core dumped)\n").platform == "python"
    assert parsed("./run.sh: line 3:  4711 Segmentation fault      (core dumped) ./shop\n").exceptions == [
        {"type": "SIGSEGV", "value": "Segmentation fault", "frames": []}
    ]


@pytest.mark.parametrize("hint", ["python", "Python", "node", "klingon", ""])
def test_a_wrong_or_unknown_language_is_only_a_hint(hint: str) -> None:
    assert parsed(PYTHON) == parse_stacktrace(PYTHON, hint)


def test_the_language_that_is_asked_for_is_preferred() -> None:
    found = parse_stacktrace(f"{PYTHON}\n{NODE}", language="python")

    assert found is not None
    assert found.platform == "python"


def test_of_a_huge_text_the_end_is_read() -> None:
    text = "x" * (2 * MAX_TEXT) + "\n" + PYTHON

    found = parsed(text)

    assert text[found.start : found.end] == PYTHON.rstrip("\n")
    assert parse_stacktrace(PYTHON + "x" * (2 * MAX_TEXT)) is None


def test_python_groups_are_linked_as_sentry_links_them() -> None:
    exceptions = parsed(read_sample("python/group")).exceptions
    by_id = {exception["mechanism"]["exception_id"]: exception for exception in exceptions}

    assert exceptions[-1] is by_id[0]
    assert [by_id[n]["type"] for n in range(7)] == [
        "ExceptionGroup", "ExceptionGroup", "ValueError", "TypeError", "KeyError", "ValueError", "ValueError",
    ]  # fmt: skip
    assert [by_id[n]["mechanism"].get("parent_id") for n in range(7)] == [None, 0, 1, 1, 3, 0, 0]
    groups = [n for n in range(7) if by_id[n]["mechanism"].get("is_exception_group")]
    assert groups == [0, 1]


def test_python_names_the_thread_and_the_task() -> None:
    assert parsed(read_sample("python/thread")).exceptions[-1]["thread"] == "worker-7"
    assert parsed(read_sample("python/task_dev")).exceptions[-1]["thread"] == "loader"


def test_python_recursion_counts_the_frame_that_repeats() -> None:
    last = parsed(read_sample("python/recursion")).exceptions[-1]["frames"][-1]

    assert last["count"] > 900


def test_python_syntax_error_ends_in_the_bad_file() -> None:
    last = parsed(read_sample("python/syntax")).exceptions[-1]["frames"][-1]

    assert (last["file"], last["line"], last["context_line"]) == ("/app/bad.py", 2, "x = (1,")


def test_an_ignored_exception_is_reported_only_if_nothing_else_crashed() -> None:
    assert types(parsed(read_sample("python/ignored"))) == ["RuntimeError"]
    assert types(parsed(read_sample("python/ignored_then_crash"))) == ["LookupError"]


def test_python_message_ends_where_other_output_begins() -> None:
    for follower in (
        "INFO:root:bye",
        "make: *** [Makefile:3: run] Error 1",
        "sys:1: ResourceWarning: unclosed",
        "",
    ):
        assert parsed(f"{PYTHON}{follower}\nmore\n").exceptions[-1]["value"] == "'pear'"


def test_a_line_of_another_thread_inside_a_traceback_is_skipped() -> None:
    lines = PYTHON.splitlines(keepends=True)
    text = "".join([*lines[:2], "worker 3: done\n", *lines[2:]])

    assert functions(parsed(text)) == ["price"]
    assert types(parsed(text)) == ["KeyError"]


def test_java_shared_frames_are_filled_in() -> None:
    found = parsed(read_sample("java/chain"))

    assert types(found) == ["IOException", "Chain$LoadException", "IllegalStateException"]
    assert functions(found, 0) == ["main", "lambda$main$0", "load", "read"]


def test_java_suppressed_exceptions_are_neither_causes_nor_the_crash() -> None:
    assert types(parsed(read_sample("java/suppressed"))) == ["UnsupportedOperationException"]


def test_node_frames_shared_with_the_cause_are_filled_in() -> None:
    found = parsed(read_sample("javascript/cause"))
    lengths = [len(exception["frames"]) for exception in found.exceptions]

    assert types(found) == ["Error", "Error", "TypeError"]
    assert lengths == [10, 9, 8]


def test_a_go_panic_within_a_panic_is_its_successor() -> None:
    found = parsed(read_sample("go/repanic"))

    assert [exception["value"] for exception in found.exceptions] == ["disk full", "while saving: disk full"]
    assert functions(found, 0) == ["main", "risky"]
    assert functions(found, 1) == ["main", "risky", "panic", "main.func1"]


def test_other_goroutines_are_threads() -> None:
    found = parsed(read_sample("go/goroutines"))

    assert [thread["name"] for thread in found.threads] == ["goroutine 1 [sleep]", "goroutine 18 [sleep]"]


def test_a_rust_panic_without_backtrace_has_its_place() -> None:
    frames = parsed(read_sample("rust/unwrap")).exceptions[-1]["frames"]

    assert frames == [{"file": "unwrap.rs", "line": 8, "column": 36, "in_app": True}]


def test_gdb_locals_become_variables_and_a_signal_gives_way_to_what_the_program_said() -> None:
    assert parsed(read_sample("native/gdb_bt_full")).exceptions[-1]["frames"][-1]["vars"] == {"rate": "3"}
    assert types(parsed(read_sample("native/gdb_terminate"))) == ["std::runtime_error"]


def test_the_crashed_thread_of_gdb_is_the_one_that_got_the_signal() -> None:
    found = parsed(read_sample("native/gdb_threads"))

    assert "give_up" in functions(found)
    assert [thread["name"] for thread in found.threads] == ['Thread 0x7ffff7dd16c0 (LWP 15121) "crash"']


def test_inner_exceptions_of_dotnet_come_first() -> None:
    found = parsed(read_sample("documented/dotnet_inner"))

    assert types(found) == [
        "System.Collections.Generic.KeyNotFoundException",
        "System.InvalidOperationException",
    ]
    assert functions(found, 1) == ["Main", "Total"]


def test_a_function_of_php_itself_is_not_the_application() -> None:
    text = (
        "PHP Fatal error:  Uncaught PDOException: refused in /srv/blog/Database.php:19\nStack trace:\n"
        "#0 /srv/blog/Database.php(19): PDO->__construct('mysql:…')\n#1 /srv/blog/index.php(12): Blog\\Database->connect()\n"
        "#2 {main}\n  thrown in /srv/blog/Database.php on line 19"
    )
    frames = parsed(text).exceptions[-1]["frames"]
    assert [(frame["function"], frame["in_app"]) for frame in frames] == [
        ("{main}", True), ("connect", True), ("__construct", False)
    ]  # fmt: skip


def test_php_frames_pair_a_function_with_the_place_inside_of_it() -> None:
    frames = parsed(read_sample("php/type")).exceptions[-1]["frames"]

    assert [(frame["function"], frame["line"]) for frame in frames] == [("{main}", 7), ("twice", 2)]


@pytest.mark.parametrize("repeats", [1, 30])
def test_shared_frames_cannot_blow_a_trace_up(repeats: int) -> None:
    frames = "".join(f"\tat shop.Cart.f{n}(Cart.java:{n})\n" for n in range(300))
    cause = "Caused by: shop.Error: no\n\tat shop.A.a(A.java:1)\n\t... 300 more\n"

    found = parsed(f"shop.Error: no\n{frames}{cause * repeats}")

    assert len(found.exceptions) == repeats + 1
    assert sum(len(exception["frames"]) for exception in found.exceptions) < 300 + 5000 + 2 * repeats
