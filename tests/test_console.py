"""Terminal output: our markup, plain text without Rich, tables that fit, and text that cannot do harm."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import unicodedata
from pathlib import Path

import pexpect
import pytest
from hypothesis import given
from hypothesis import strategies as st

import crashvault
from crashvault import console as console_module
from crashvault.console import STYLES, TAGS, Column, escape, level_tag, tagged, visible
from crashvault.errors import NotFoundError
from crashvault.output import plain

DOCS = Path(__file__).parents[1] / "docs" / "RICH_STYLING.md"
SEMANTIC = ["success", "error", "warning", "info", "highlight", "primary", "secondary", "muted", "danger"]
IMPORTS = "import sys\nfrom crashvault.console import *\n"
TELL_RICH = "\nsys.stderr.write(f\"rich={'rich' in sys.modules}\\n\")"
EVERYTHING = (
    "console.print('[success]done[/success] [highlight]12[/highlight]')\n"
    "table([Column('Id', justify='right', style='highlight'), Column('Title', ratio=1)],"
    " [['1', '[error]boom[/error]'], ['22', 'x' * 200]], title='[bold]Issues[/bold]')\n"
    "panel('Title', '[info]body[/info]')\n"
)


def environment(**changes: str) -> dict[str, str]:
    removed = ("NO_COLOR", "COLUMNS", "PYTHONIOENCODING", "FORCE_COLOR", "COLORTERM")
    kept = {name: value for name, value in os.environ.items() if name not in removed}
    source = str(Path(crashvault.__file__).parents[1])
    return {**kept, "PYTHONPATH": source, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", **changes}


def in_pipe(code: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", IMPORTS + code],
        env=environment(**env),
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )


def on_terminal(code: str, columns: int = 80, **env: str) -> str:
    child = pexpect.spawn(
        sys.executable,
        ["-c", IMPORTS + code],
        env=environment(**env),
        dimensions=(24, columns),
        encoding="utf-8",
        timeout=60,
    )
    output = child.read()
    child.close()
    assert child.exitstatus == 0, output
    return str(output).replace("\r\n", "\n")


def without_ansi(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def cells(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


# ---------------------------------------------------------------- markup


def texts(markup: str) -> list[tuple[str, tuple[str, ...]]]:
    return [(span.text, span.tags) for span in plain.spans(markup, TAGS)]


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("", []),
        ("plain", [("plain", ())]),
        ("[success]ok[/success]!", [("ok", ("success",)), ("!", ())]),
        (
            "[error]a[bold]b[/]c[/]d",
            [("a", ("error",)), ("b", ("error", "bold")), ("c", ("error",)), ("d", ())],
        ),
        ("[error]a[bold]b[/error]c", [("a", ("error",)), ("b", ("error", "bold")), ("c", ("bold",))]),
        ("[#ff8800]x[/]", [("x", ("#ff8800",))]),
        ("[level.error]x", [("x", ("level.error",))]),
        ("crashvault[tui] [y/N] [succes]", [("crashvault[tui] [y/N] [succes]", ())]),
        (r"\[error] \\ \x", [(r"[error] \ \x", ())]),
        ("a[/error][/]b", [("a", ()), ("b", ())]),
        ("[link=http://x]y[/link]", [("[link=http://x]y[/link]", ())]),
    ],
)
def test_markup(markup: str, expected: list[tuple[str, tuple[str, ...]]]) -> None:
    assert texts(markup) == expected


@given(st.text(alphabet=st.sampled_from("[]/\\ae#0b.rol\n") | st.characters()), st.text())
def test_escaped_text_stands_for_itself_whatever_is_around_it(first: str, second: str) -> None:
    markup = f"[error]{escape(first)}[/error]{escape(second)}[bold]x[/bold]"
    found = plain.spans(markup, TAGS)
    assert "".join(span.text for span in found) == f"{visible(first)}{visible(second)}x"
    assert {span.tags for span in found if span.text} <= {("error",), (), ("bold",)}


@given(st.text())
def test_markup_never_fails_and_rich_shows_the_same_text(markup: str) -> None:
    found = console_module.console.text(markup)
    from rich.control import strip_control_codes

    assert found.plain == strip_control_codes(plain.strip(markup, TAGS))


@pytest.mark.parametrize("unit", ["[", "\\", "[error]", "[/", "[a", "\x1b]", "\x1b[", "[/error]", "]"])
def test_hostile_repetition(unit: str) -> None:
    many = unit * 50_000
    assert plain.strip(escape(many), TAGS) == visible(many)
    plain.strip(many, TAGS)


# ---------------------------------------------------------------- foreign text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07x", "x"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b", r"\x1b"),
        ("\x1bc reset", r"\x1bc reset"),
        ("a\x00b", r"a\x00b"),
        ("back\x08space\x7f", r"back\x08space\x7f"),
        ("\x9b31m", r"\x9b31m"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("\u2066x\u2069", r"\u2066x\u2069"),
        ("\ud800", r"\ud800"),
        ("one\ntwo\tthree\r\n", r"one\ntwo\tthree\r\n"),
        ("é 日本 👩‍💻 \u00a0", "é 日本 👩‍💻 \u00a0"),
        (None, ""),
        (12, "12"),
    ],
)
def test_what_foreign_text_looks_like(text: object, shown: str) -> None:
    assert visible(text) == shown


def test_lines_are_kept_when_asked() -> None:
    assert visible("a\r\n\tb\rc\x00", multiline=True) == "a\n\tb\\rc\\x00"
    assert escape("a\n[b]", multiline=True) == "a\n\\[b]"


@given(st.text(alphabet=st.characters()) | st.text(alphabet="\x1b[]0;m\x07\\\n\r\t\u202e\ud800a"))
def test_nothing_that_acts_on_a_terminal_is_left(text: str) -> None:
    for shown in (visible(text), visible(text, multiline=True).replace("\n", "").replace("\t", "")):
        assert not any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in shown)
        assert not set(shown) & set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def test_objects_that_cannot_be_shown() -> None:
    class Bad:
        def __str__(self) -> str:
            raise RuntimeError

    assert escape(Bad()) == "<RuntimeError while showing a Bad>"


def test_tagged_and_levels() -> None:
    assert tagged("highlight", "[x]") == r"[highlight]\[x][/highlight]"
    assert level_tag("error") == "level.error"
    assert level_tag("fatal-ish") == "level.custom"
    assert level_tag("page", "#ff0000") == "#ff0000"
    assert level_tag("page", "magenta") == "color.magenta"
    assert level_tag("page", "[evil]") == "level.custom"


# ---------------------------------------------------------------- pipes and plain terminals


def test_in_a_pipe_it_is_plain_and_rich_is_not_imported() -> None:
    code = EVERYTHING + "print_error('broken. fix it')\nwith progress('work', 3) as bar: bar.advance()" + TELL_RICH
    done = in_pipe(code)
    assert done.stdout == (f"done 12\nIssues\nId  Title\n 1  boom\n22  {'x' * 200}\nTitle\n  body\n")
    assert done.stderr == "Error: broken. fix it\nrich=False\n"


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_without_colour_on_a_terminal(env: dict[str, str]) -> None:
    output = on_terminal(EVERYTHING + TELL_RICH, **env)
    assert "\x1b" not in output
    assert output == f"done 12\nIssues\nId  Title\n 1  boom\n22  {'x' * 75}…\nTitle\n  body\nrich=False\n"


def test_no_color_option_and_empty_variable() -> None:
    assert "\x1b" not in on_terminal("configure(no_color=True)\n" + EVERYTHING)
    assert "\x1b" in on_terminal(EVERYTHING, NO_COLOR="")


def test_unstyled_text_on_a_terminal_needs_no_rich() -> None:
    assert on_terminal("console.print('just', 'text', 3)" + TELL_RICH) == "just text 3\nrich=False\n"


def test_on_a_terminal_it_is_styled() -> None:
    output = on_terminal(EVERYTHING)
    assert "\x1b[32mdone\x1b[0m \x1b[1;36m12\x1b[0m" in output
    assert "╭─ Title" in output
    assert "boom" in without_ansi(output)


def test_importing_the_console_imports_nothing_heavy() -> None:
    heavy = "rich", "click", "logging", "shutil", "unicodedata", "dataclasses", "inspect"
    done = in_pipe(f"print([name for name in {heavy!r} if name in sys.modules])")
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("tag", sorted(TAGS))
def test_every_tag_is_a_style(tag: str) -> None:
    from rich.style import Style

    assert Style.parse(STYLES[tag])
    text = console_module.console.text(f"[{tag}]x[/{tag}]")
    assert [span.style for span in text.spans] == [tag]


def test_the_nine_semantic_tags_exist() -> None:
    assert set(SEMANTIC) <= TAGS


def test_foreign_markup_is_not_rendered_on_a_terminal() -> None:
    output = on_terminal(r"console.print('[error]' + escape('[bold]x[/error] :smile: \\ \x1b[5m') + '[/error]')")
    assert without_ansi(output) == "[bold]x[/error] :smile: \\ \n"


def test_errors_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    console_module.print_error(NotFoundError("no issue 7\nreally [bold]", "Try crashvault list"))
    console_module.print_warning("slow [disk]")
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == ("Error: no issue 7\\nreally [bold]. Try crashvault list\nWarning: slow [disk]\n")


def test_renderables(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.columns import Columns

    console_module.console.print(Columns(["one", "two"]))
    assert capsys.readouterr().out == "one two\n"


def test_redirected_streams_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    console_module.get_console().print("[info]here[/info]", end="")
    assert stream.getvalue() == "here"


# ---------------------------------------------------------------- tables

cell_texts = st.text(alphabet=st.sampled_from("ab 日\u0301…\n🙂"), max_size=30)
columns_of_tables = st.lists(
    st.builds(
        Column,
        name=st.text(alphabet="Name日", max_size=12),
        justify=st.sampled_from(["left", "right", "center"]),
        min_width=st.integers(1, 10),
        max_width=st.none() | st.integers(1, 20),
        ratio=st.integers(0, 1),
        no_wrap=st.booleans(),
    ),
    min_size=1,
    max_size=6,
)


@given(columns_of_tables, st.data(), st.integers(20, 100))
def test_a_plain_table_fits(columns: list[Column], data: st.DataObject, width: int) -> None:
    row = st.lists(cell_texts, min_size=len(columns), max_size=len(columns))
    rows = data.draw(st.lists(row, max_size=4))
    assert all(plain.cell_width(line) <= width for line in plain.table_lines(columns, rows, None, width))


@given(columns_of_tables, st.data())
def test_a_pipe_gets_everything(columns: list[Column], data: st.DataObject) -> None:
    row = st.lists(cell_texts.map(str.strip), min_size=len(columns), max_size=len(columns))
    rows = data.draw(st.lists(row, max_size=4))
    text = "\n".join(plain.table_lines(columns, rows, None, None))
    for cell in (cell for row in rows for cell in row):
        assert all(line.strip() in text for line in cell.split("\n"))


def test_columns_are_aligned_also_with_wide_characters() -> None:
    columns = [Column("A"), Column("N", justify="right"), Column("Z")]
    rows = [["日本", "1", "x"], ["abc", "100", "x"], ["e\u0301", "22", "x"]]
    lines = list(plain.table_lines(columns, rows, "T", None))
    assert lines == ["T", "A       N  Z", "日本    1  x", "abc   100  x", "e\u0301      22  x"]


def test_the_ratio_column_gives_way_first() -> None:
    columns = [Column("Id"), Column("Title", ratio=1), Column("When")]
    rows = [["12345678", "a title that is much longer than that", "2026-11-23"]]
    assert list(plain.table_lines(columns, rows, None, 36))[1] == "12345678  a title that …  2026-11-23"


def test_wrapping() -> None:
    columns = [Column("A"), Column("Text", no_wrap=False)]
    assert list(plain.table_lines(columns, [["1", "words to wrap here"]], None, 15)) == [
        "A  Text",
        "1  words to",
        "   wrap here",
    ]


@pytest.mark.parametrize("width", [20, 40, 80, 200])
@pytest.mark.parametrize("env", [{}, {"NO_COLOR": "1"}])
def test_tables_fit_the_terminal(width: int, env: dict[str, str]) -> None:
    code = (
        "columns = [Column('Id', justify='right'), Column('Title', ratio=1), Column('Note', no_wrap=False),"
        " Column('When')]\n"
        "rows = [['1', escape('日本語 [x] ' * 30), 'some words ' * 9, '2026-11-23'],"
        "['2', 'short', '', '']]\n"
        "table(columns, rows, title='Issues')\npanel('A title', 'body ' * 60)"
    )
    lines = without_ansi(on_terminal(code, columns=width, **env)).split("\n")
    table_part = lines[: next(number for number, line in enumerate(lines) if "A title" in line)]
    assert all(cells(line) <= width for line in table_part)
    assert any("…" in line for line in table_part)
    if not env:
        assert all(cells(line) <= width for line in lines)


@pytest.mark.parametrize("env", [{}, {"NO_COLOR": "1"}], ids=["styled", "plain"])
@pytest.mark.parametrize(("width", "names"), [(80, "id title users status"), (30, "id title status"), (22, "id title")])
def test_spare_columns_go_where_it_is_narrow(width: int, names: str, env: dict[str, str]) -> None:
    code = (
        "table([Column('id'), Column('title', ratio=1, min_width=16), Column('users', spare=2), Column('status', spare=1)],"
        " [['1', 'x' * 90, '7', 'open']])"
    )
    header = without_ansi(on_terminal(code, columns=width, **env)).split("\n")[0]
    assert header.split() == names.split()


def test_columns_variable_wins() -> None:
    code = "console.print(str(console.width))"
    assert on_terminal(code, columns=100) == "100\n"
    assert on_terminal(code, columns=100, COLUMNS="44") == "44\n"
    assert in_pipe(code).stdout == "80\n"
    assert in_pipe(code, COLUMNS="nonsense").stdout == "80\n"


# ---------------------------------------------------------------- encodings and lost readers

FANCY = (
    r"console.print('spark \u2581\u2583\u2588 \u2192 \u2026 \u65e5\u672c')"
    "\n"
    r"table([Column('\u65e5\u672c'), Column('B')], [['\xe9', 'x'], ['abc', 'y']])"
    "\n"
)
ASCII_ONLY = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}


def test_narrow_encodings() -> None:
    done = in_pipe(FANCY, **ASCII_ONLY)
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "spark .-# -> ~ \\u65e5\\u672c",
        "\\u65e5\\u672c  B",
        "\\xe9          x",
        "abc           y",
    ]


def test_narrow_encodings_on_a_terminal() -> None:
    output = on_terminal(FANCY + EVERYTHING, **ASCII_ONLY)
    assert output.isascii()
    assert "+- Title" in output


def test_lone_surrogates() -> None:
    assert in_pipe("console.print('\\ud800')").stdout == "\\ud800\n"


def in_shell(code: str, rest: str) -> subprocess.CompletedProcess[str]:
    line = f'"$PYTHON" -c "$CODE" {rest}'
    env = environment(PYTHON=sys.executable, CODE=IMPORTS + code)
    return subprocess.run(["bash", "-c", line], env=env, capture_output=True, text=True, timeout=60)


def test_a_reader_that_leaves_ends_us_quietly() -> None:
    done = in_shell("for n in range(100_000): console.print(f'line {n}')", "| head -1; echo ${PIPESTATUS[0]}")
    assert done.stdout == "line 0\n141\n"
    assert done.stderr == ""


def test_work_goes_on_without_a_reader_of_messages() -> None:
    code = "for n in range(20_000): err_console.print(f'line {n}')\nconsole.print('done')"
    assert in_shell(code, "2> >(head -1 >/dev/null)").stdout == "done\n"


def test_no_streams_at_all() -> None:
    code = "console.print('x'); print_error('y'); table([Column('A')], [['b']])"
    assert in_shell(code, ">&- 2>&-").returncode == 0


# ---------------------------------------------------------------- progress


PROGRESS = (
    "with progress('[info]Importing[/info]', 3) as bar:\n"
    "    for _ in range(3):\n"
    "        bar.advance()\n"
    "        err_console.print('[warning]careful[/warning]')\n"
    "    bar.update(description='Finishing', completed=3, total=3)\n"
    "console.print('after')"
)


def test_progress_on_a_terminal() -> None:
    output = on_terminal(PROGRESS)
    assert "Importing" in output and "100%" in output
    last_screen = output.rsplit("\x1b[2K", 1)[1]
    assert without_ansi(last_screen).strip() == "after"  # the bar is gone
    assert without_ansi(output).count("careful") == 3


def test_progress_of_unknown_length() -> None:
    output = on_terminal("with progress('Waiting') as bar: bar.update(total=10); bar.advance(10)")
    assert "Waiting" in output


def test_no_progress_in_a_pipe() -> None:
    done = in_pipe(PROGRESS + TELL_RICH)
    assert done.stdout == "after\n"
    assert done.stderr == "careful\n" * 3 + "rich=False\n"


# ---------------------------------------------------------------- documentation


@pytest.mark.parametrize("tag", sorted(TAGS))
def test_every_tag_is_documented(tag: str) -> None:
    assert f"`[{tag}]`" in DOCS.read_text()


def test_documented_styles_are_the_real_ones() -> None:
    rows = re.findall(r"^\| `\[([a-z.]+)\]` \| `([^`]+)` \|", DOCS.read_text(), re.MULTILINE)
    assert dict(rows) == STYLES


def test_snippets_of_the_documentation_run() -> None:
    snippets = re.findall(r"^```python\n(.*?)^```", DOCS.read_text(), re.MULTILINE | re.DOTALL)
    assert snippets
    for snippet in snippets:
        done = subprocess.run(
            [sys.executable, "-c", snippet],
            env=environment(),
            capture_output=True,
            encoding="utf-8",
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
