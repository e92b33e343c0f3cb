"""Large files are read by a second process; what comes of them is the same."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests import realistic

from crashvault.errors import InvalidError, StoreError
from crashvault.exchange import batches, helping, import_vault
from crashvault.storage.store import Store

from .vaults import NOW, exported, names_of_events, record, vault, with_triage


@pytest.fixture(autouse=True)
def helped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any file is large enough, and there are processors to spare."""
    monkeypatch.setattr(helping, "_WORTH_HELP", 1)
    monkeypatch.setattr(helping, "_processors", lambda: 2)


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Store]:
    with vault(tmp_path, "source") as store:
        store.levels.add("notice", 25, "green", "!")
        with_triage(store)
        record(store, *realistic.events(40, issues=10), {"message": "custom", "level": "notice"})
        yield store


def brought(store: Store, path: Path, **options: Any) -> Any:
    with open(path, "rb") as file:
        return import_vault(store, file, name=path.name, now=NOW, **options)


@pytest.mark.parametrize("format", ["jsonl", "json", "jsonl.gz"])
def test_a_round_trip_is_the_identity(tmp_path: Path, source: Store, format: str) -> None:
    data = exported(source, format=format.removesuffix(".gz"))
    path = tmp_path / f"file.{format}"
    path.write_bytes(gzip.compress(data) if format.endswith(".gz") else data)
    with vault(tmp_path, "copy") as fresh:
        assert brought(fresh, path).events_added == 44
        assert exported(fresh) == exported(source)
        for query in ("tag:region=eu", "level:notice", "message:disk*", "user:*1*", "function:*"):
            found, wanted = (
                store.search(NOW).events(store.search(NOW).parse(query), 99).ids for store in (fresh, source)
            )
            assert found == wanted
        assert fresh.db.rows("SELECT * FROM words") == source.db.rows("SELECT * FROM words")
        again = brought(fresh, path)
        assert (again.events_added, again.events_known, again.issues_changed) == (0, 44, 0)


@pytest.mark.parametrize("mode", ["merge", "replace", "skip"])
def test_a_line_that_is_broken_is_named(tmp_path: Path, source: Store, mode: str) -> None:
    whole = exported(source).splitlines(keepends=True)
    path = tmp_path / "file.jsonl"
    path.write_bytes(b"".join(whole[:-5]) + b'{"kind":"event","event":5}\n' + b"".join(whole[-5:]))
    with vault(tmp_path, "copy") as fresh:
        record(fresh, {"message": "before"})
        before = exported(fresh)
        with pytest.raises(InvalidError, match=f"line {len(whole) - 4} of file.jsonl"):
            brought(fresh, path, mode=mode)
        assert mode == "merge" or exported(fresh) == before


def test_an_event_that_does_not_fit_is_counted(tmp_path: Path, source: Store) -> None:
    path = tmp_path / "file.jsonl"
    path.write_bytes(
        exported(source).replace(b'"event_count":44', b'"event_count":45') + b'{"kind":"event","event":{}}\n'
    )
    with vault(tmp_path, "copy") as fresh:
        assert brought(fresh, path).events_repaired == 1


def test_without_a_helper_we_do_it_ourselves(tmp_path: Path, source: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file.jsonl"
    path.write_bytes(exported(source))
    for number, program in enumerate(("/bin/false", str(tmp_path / "nowhere"))):
        monkeypatch.setattr(helping.sys, "executable", program)
        with vault(tmp_path, f"copy{number}") as fresh:
            assert brought(fresh, path).events_added == 44
            assert exported(fresh) == exported(source)


_DYING = """
import os
from crashvault.exchange import helper
send = helper.send
helper.send = lambda batch, *rest: send(batch, *rest) if batch else os._exit(9)
helper.main()
"""


def test_a_helper_that_dies_is_an_error_and_the_next_try_finishes(
    tmp_path: Path, source: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, program = tmp_path / "file.jsonl", tmp_path / "dying"
    path.write_bytes(exported(source))
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "$0_" "$4"\n'.replace("$0_", _DYING), encoding="utf-8")
    program.chmod(0o700)
    with vault(tmp_path, "copy") as fresh:
        with monkeypatch.context() as patched:
            patched.setattr(helping.sys, "executable", str(program))
            with pytest.raises(StoreError, match="ended too early"):
                brought(fresh, path)
        assert brought(fresh, path).events_added == 0  # all had arrived, but for the word that it was all
        assert names_of_events(fresh) == names_of_events(source)


def test_batches_are_bounded(tmp_path: Path, source: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file.jsonl"
    path.write_bytes(exported(source))
    monkeypatch.setattr(helping, "_processors", lambda: 1)
    monkeypatch.setitem(batches.SIZES, "event", 7)
    sizes: list[int] = []
    with vault(tmp_path, "copy") as fresh:
        append = fresh.recording.append

        def counted(found: Any, *rest: Any, **more: Any) -> Any:
            sizes.append(len(found))
            return append(found, *rest, **more)

        monkeypatch.setattr(fresh.recording, "append", counted)
        brought(fresh, path)
    assert max(sizes) == 7 and sum(sizes) == 44
