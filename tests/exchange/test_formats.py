"""The formats for people: nothing in an event may become a formula, markup or a script."""

from __future__ import annotations

import copy
import csv
import io
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import nasty

from crashvault.exchange.csv_table import COLUMNS, cell
from crashvault.exchange.html_page import text
from crashvault.exchange.markdown import escape, fenced

from .vaults import NOW, SECOND, exported, record, vault, with_triage


def rows_of(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


def test_csv_has_a_row_for_each_event(tmp_path: Path) -> None:
    with vault(tmp_path) as store:
        with_triage(store)
        rows = rows_of(exported(store, format="csv"))
        assert list(rows[0]) == list(COLUMNS)
        assert [row["message"] for row in rows] == ["one", "two", "KeyError: 'x'"]
        assert rows[1]["issue_title"] == "Two, renamed"
        assert (rows[2]["file"], rows[2]["line"], rows[2]["exception_type"]) == ("a.py", "3", "KeyError")
        assert rows[0]["issue_status"] == "resolved"


@given(st.text())
def test_no_cell_begins_like_a_formula(value: str) -> None:
    assert not str(cell(value)).startswith(("=", "+", "-", "@", "\t", "\r"))


def test_formulas_are_defused(tmp_path: Path) -> None:
    with vault(tmp_path) as store:
        record(store, *(copy.deepcopy(raw) for raw in nasty.NASTY.values()))
        for row in rows_of(exported(store, format="csv")):
            for value in row.values():
                assert not value.startswith(("=", "+", "-", "@", "\t", "\r"))


class Page(HTMLParser):
    """What a browser would make of a page."""

    VOID = frozenset(("meta", "br"))

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.said: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.said.append(data)


def test_html_is_one_page_without_anything_foreign(tmp_path: Path) -> None:
    with vault(tmp_path) as store:
        with_triage(store)
        record(store, *(copy.deepcopy(raw) for raw in nasty.NASTY.values()))
        page = Page()
        page.feed(exported(store, format="html").decode())
        assert not page.open
        assert page.tags.isdisjoint({"script", "img", "iframe", "link", "a", "object", "form"})
        assert page.attributes <= {"lang", "charset", "name", "content", "http-equiv", "class"}
        assert "Two, renamed" in "".join(page.said)
        assert "look\nhere <b>=1+1</b>" in "".join(page.said)


@given(st.text())
def test_html_text_reads_as_it_was(value: str) -> None:
    page = Page()
    page.feed(f"<p>{text(value)}</p>")
    assert page.tags == {"p"}


@given(st.text())
def test_markdown_stays_in_its_line_and_fence(value: str) -> None:
    assert "\n" not in escape(value)
    opening, *inside, closing = fenced(value).split("\n")
    assert opening == f"{closing}text"
    assert all(line.strip() != closing and closing not in line for line in inside)


@pytest.mark.parametrize("format", ["md", "html"])
def test_only_the_latest_events_are_shown_and_it_says_so(tmp_path: Path, format: str) -> None:
    with vault(tmp_path) as store:
        for number in range(25):
            record(store, {"message": "same", "host": f"host-{number:02}"}, at=NOW + number * SECOND)
        found = exported(store, format=format).decode()
        assert "5 older events are left out" in found
        assert "host-24" in found
        assert "host-04" not in found


def test_a_selection_only_shows_what_was_selected(tmp_path: Path) -> None:
    with vault(tmp_path) as store:
        record(store, {"message": "same", "host": "a"}, {"message": "same", "host": "b"}, {"message": "else"})
        found = exported(store, "host:a", "md").decode()
        assert "1 issue, 1 event" in found
        assert "| a |" in found
        assert "| b |" not in found
