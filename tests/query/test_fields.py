from __future__ import annotations

import re
from pathlib import Path

import pytest

from crashvault.models import LEVEL_RANKS
from crashvault.query.fields import FIELDS, HAS_FIELDS, complete, markdown_table
from crashvault.query.syntax import parse
from crashvault.query.tree import Everything

DOCS = Path(__file__).parents[2] / "docs" / "query-language.md"
BEGIN, END = "<!-- fields: generated from query.fields -->\n", "\n<!-- end of fields -->"


@pytest.mark.parametrize("field", FIELDS.values(), ids=lambda field: field.name)
def test_every_example_parses(field):
    assert parse(field.example, 0, LEVEL_RANKS) != Everything()
    assert field.name in field.example


@pytest.mark.parametrize("name", HAS_FIELDS)
def test_every_field_can_be_asked_for(name):
    parse(f"has:{name}", 0, LEVEL_RANKS)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("le", ["level:"]),
        ("first_", ["first-seen:"]),
        ("-st", ["-status:"]),
        ("u", ["user:", "users:", "until:"]),
        ("is:o", ["is:open"]),
        ("!is:re", ["!is:resolved", "!is:regressed"]),
        ("status:open,i", ["status:open,ignored"]),
        ("level:>=e", ["level:>=error"]),
        ("level:>=E", ["level:>=error"]),
        ("severity:<h", ["severity:<high"]),
        ("has:rel", ["has:release"]),
        ("has:tag", ["has:tag", "has:tag."]),
        ("release:2", []),
        ("zzz:1", []),
        ("zzz", []),
    ],
)
def test_complete(typed, expected):
    assert complete(typed) == expected


def test_complete_with_custom_levels():
    assert complete("level:n", ["debug", "notice"]) == ["level:notice"]
    assert complete("") == [f"{name}:" for name in FIELDS]


def test_the_page_has_the_table_of_the_code():
    table = DOCS.read_text().partition(BEGIN)[2].partition(END)[0]
    assert table.strip() == markdown_table()


def examples() -> list[str]:
    blocks = re.findall(r"```query\n(.*?)```", DOCS.read_text(), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    return [line.partition("  # ")[0].strip() for line in lines if line.strip()]


@pytest.mark.parametrize("query", examples())
def test_every_example_of_the_page_parses(query):
    assert parse(query, 1_790_000_000_000_000, LEVEL_RANKS) != Everything()
    assert len(examples()) > 30
