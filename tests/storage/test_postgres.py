"""What is PostgreSQL's own: many who write at once, order of arrival, days, opening, and what people are told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any

import pytest

import databases
from crashvault import core, pipeline
from crashvault.clock import DAY
from crashvault.config import DATABASE_VARIABLE
from crashvault.errors import CrashvaultError, StoreError, TransientError
from crashvault.storage.migrations import MIN_READER, VERSION
from crashvault.storage.statements import inserting, statement
from crashvault.storage.store import Store, open_postgres
from crashvault.storage.urls import shown_url

SECRET = "s3cret-word"


@pytest.fixture
def url() -> Iterator[str]:
    with databases.empty_vault() as found:
        yield found


@pytest.fixture
def open_one(url: str, tmp_path: Path) -> Iterator[Callable[[], Store]]:
    with ExitStack() as stack:
        yield lambda: stack.enter_context(open_postgres(str(tmp_path), url))


def bodies(random: Random, count: int) -> list[dict[str, Any]]:
    """Events of which some have an id, an issue, a stack or a user that others have too."""
    return [
        {
            "event_id": str(uuid.UUID(int=random.randrange(1, 200) if random.random() < 0.3 else random.getrandbits(127))),
            "message": f"cannot {random.choice('abcdefgh')}", "level": "error", "tags": [f"t={random.randrange(30)}"],
            "user": {"id": str(random.randrange(20))},
            "frames": [{"file": f"f{random.randrange(9)}.py", "line": 3, "function": "g", "in_app": True}],
        }
        for _ in range(count)
    ]  # fmt: skip


def test_many_record_the_same_at_once(open_one: Callable[[], Store]) -> None:
    stores = [open_one() for _ in range(4)]

    def record(number: int) -> Counter[str]:
        random, found = Random(number), Counter[str]()
        for _ in range(12):
            receipts = pipeline.record_events(stores[number], bodies(random, 15), project=random.choice(("a", "b")))
            found.update(receipt.transition for receipt in receipts)
            assert all(receipt.issue_id is not None for receipt in receipts)
        return found

    with ThreadPoolExecutor(len(stores)) as pool:
        told = sum(pool.map(record, range(len(stores))), Counter[str]())
    value = stores[0].db.value
    stored = told["new"] + told["repeated"]
    assert told["dropped"] == 0 and sum(told.values()) == 4 * 12 * 15
    for sql in ("count(*) FROM events", "count(*) FROM payloads", "count(*) FROM event_index", "count(*) FROM event_keys",
                "sum(count) FROM hashes", "sum(count) FROM issues", "sum(count) FROM project_hours",
                "sum(count) FROM hash_hours", "sum(count) FROM hash_minutes"):  # fmt: skip
        assert value(f"SELECT {sql}") == stored, sql
    assert told["new"] == value("SELECT count(*) FROM issues") == value("SELECT count(*) FROM hashes")
    assert value("SELECT sum(users) FROM hashes") == value("SELECT count(*) FROM hash_users")
    assert stores[0].ledger.list() == []


def test_nothing_appears_before_what_was_told(open_one: Callable[[], Store]) -> None:
    """Whoever follows new events misses none, though transactions do not end in the order in which they began."""
    slow, quick, reader = open_one(), open_one(), open_one()
    pipeline.record_events(quick, [{"message": "first"}])
    start = reader.events.newest_row()
    node = reader.search(0).parse("")
    with slow.writing(alone=False):
        # joins the transaction, so it is not visible yet; another project, since counters of one are a row
        pipeline.record_events(slow, [{"message": "slow"}], project="slow")
        pipeline.record_events(quick, [{"message": "quick"}])
        assert reader.events.newest_row() == start and reader.events.rows_after(start) == []
        assert reader.search(0).arrivals(node, start, 10) == ([], start)
        assert len(list(reader.events.all_rows())) == 2  # those who ask for all there is get it
    rows = reader.events.rows_after(start)
    assert [item.event["message"] for item in reader.events.load(rows)] == ["slow", "quick"]
    assert reader.events.newest_row() == rows[-1]


def test_one_who_writes_alone_waits_for_others_and_they_for_it(open_one: Callable[[], Store]) -> None:
    one, other = open_one(), open_one()
    other.db.script("SET lock_timeout = '50ms'")
    with one.writing(), pytest.raises(StoreError, match="busy"), other.writing(alone=False):
        pass
    with one.writing(alone=False):
        with pytest.raises(StoreError, match="busy"), other.writing():
            pass
        with other.writing(alone=False):
            other.ledger.add({("a", "b", "c"): 1}, 1)


def test_deadlocks_are_told_as_something_to_try_again(open_one: Callable[[], Store]) -> None:
    one, other = open_one(), open_one()
    for name in ("a", "b"):
        one.settings.set(name, 1, 1)
    change = "UPDATE settings SET changed_at = changed_at + 1 WHERE key = ?"

    def both(store: Store, first: str, second: str) -> str:
        try:
            with store.writing(alone=False):
                store.db.execute(change, (first,))
                gate.wait(30)
                store.db.execute(change, (second,))
        except TransientError:
            return "again"
        return "done"

    from threading import Barrier

    gate = Barrier(2)
    with ThreadPoolExecutor(2) as pool:
        ends = [pool.submit(both, one, "a", "b"), pool.submit(both, other, "b", "a")]
        assert sorted(end.result() for end in ends) == ["again", "done"]
    assert one.db.value("SELECT sum(changed_at) FROM settings") == 4


def test_events_lie_in_the_partition_of_their_day(open_one: Callable[[], Store]) -> None:
    store = open_one()
    pipeline.record_events(store, [{"message": "today"}])
    (row,) = store.events.all_rows()
    today = store.db.value("SELECT CAST(extract(epoch FROM clock_timestamp()) AS BIGINT)") // (DAY // 1_000_000)
    assert row >> 32 == today
    for table in ("events", "payloads", "event_index"):
        (name,) = store.db.rows(f"SELECT CAST(CAST(tableoid AS regclass) AS text) FROM {table}")[0]
        assert name.startswith(f"{table}_2")
    assert not [found for _, found in core.examine(store) if found]


def test_a_day_without_a_partition_gets_one(open_one: Callable[[], Store]) -> None:
    store = open_one()
    for (name,) in store.db.rows("SELECT CAST(relname AS text) FROM pg_class WHERE relispartition AND relkind = 'r'"):
        store.db.execute(f"DROP TABLE {name}")
    assert pipeline.record_events(store, [{"message": "first of its day"}])[0].transition == "new"
    assert store.events.load(list(store.events.all_rows()))[0].event["message"] == "first of its day"


# Opening


def test_many_may_open_a_new_vault_at_once(tmp_path: Path) -> None:
    with databases.database() as url:

        def opened(number: int) -> int:
            with open_postgres(str(tmp_path / str(number)), url) as store:
                return int(store.projects.require("default").id)

        with ThreadPoolExecutor(5) as pool:
            assert list(pool.map(opened, range(5))) == [1] * 5


def test_a_newer_vault_is_read_as_long_as_it_can_be(url: str, tmp_path: Path) -> None:
    with open_postgres(str(tmp_path), url) as store:
        store.db.execute("UPDATE meta SET value = ? WHERE key = 'schema_version'", (str(VERSION + 1),))
    with open_postgres(str(tmp_path), url) as store:
        assert store.projects.list()
        store.db.execute("UPDATE meta SET value = ? WHERE key = 'min_reader'", (str(VERSION + 1),))
    with pytest.raises(StoreError, match="needs a newer Crashvault"):
        open_postgres(str(tmp_path), url)
    assert MIN_READER <= VERSION


def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    with databases.database() as url:
        databases.Server(url).run("CREATE TABLE meta (key TEXT, value TEXT)")
        with pytest.raises(StoreError, match="of another program"):
            open_postgres(str(tmp_path), url)


def test_what_is_not_there_is_not_made_by_who_only_reads(tmp_path: Path) -> None:
    with databases.database() as url:
        for options in ({"create": False}, {"read_only": True}):
            with pytest.raises(StoreError, match="there is no vault"):
                open_postgres(str(tmp_path), url, **options)


def test_a_reader_cannot_write(url: str, tmp_path: Path) -> None:
    with open_postgres(str(tmp_path), url, read_only=True) as store, pytest.raises(StoreError, match="only be read"):
        store.settings.set("a", 1, 1)


# What people see


@pytest.mark.parametrize(
    ("address", "said"),
    [
        (f"postgresql://ana:{SECRET}@127.0.0.1:1/vault", "does not answer"),
        (f"postgresql://ana:{SECRET}@no-such-host.invalid/vault", "host is not known"),
        (f"postgresql:///x?host=/nowhere&password={SECRET}", "does not answer"),
        (f"mysql://ana:{SECRET}@127.0.0.1/x", "no address of a PostgreSQL"),
        (f"postgresql://ana:{SECRET}@127.0.0.1:port/x", "cannot be read"),
    ],
)
def test_what_is_wrong_with_an_address_is_told_without_its_password(cli: Any, address: str, said: str) -> None:
    for command in (["list"], ["doctor"], ["--debug", "list"]):
        result = cli(*command, code=1, env={DATABASE_VARIABLE: address}, fresh=command[0] == "--debug")
        assert said in " ".join((result.out + result.err).split())
        assert SECRET not in result.out + result.err
    for log in cli.home.rglob("*.log"):
        assert SECRET not in log.read_text()


def test_no_such_database(tmp_path: Path) -> None:
    url = databases.require_server().of("no_such_database")
    with pytest.raises(StoreError, match="there is no such database"):
        open_postgres(str(tmp_path), url)


def test_the_address_is_shown_without_its_password(cli: Any) -> None:
    address = f"postgresql://ana:{SECRET}@db.example.com:5433/vault?sslmode=require&password={SECRET}"
    assert shown_url(address) == "postgresql://ana@db.example.com:5433/vault"
    env = {DATABASE_VARIABLE: address}
    assert cli("path", "--json", env=env).json["database"] == "postgresql://ana@db.example.com:5433/vault"
    for wrong in (["backup", "x.tar"], ["restore", "x.tar"]):
        result = cli(*wrong, code=1, env=env)
        assert SECRET not in result.err


def test_a_vault_in_a_database_is_chosen_by_the_configuration(cli: Any, url: str) -> None:
    cli("add", "in the file")
    (cli.home / "config.json").write_text(json.dumps({"database.url": url}))
    assert cli.json("list")["total"] == 0
    assert url not in cli("config", "list").out and cli.json("config", "get", "database.url") != url
    cli("add", "in the database")
    assert [issue["title"] for issue in cli.json("list")["items"]] == ["in the database"]
    assert [issue["title"] for issue in cli.json("list", env={DATABASE_VARIABLE: ""})["items"]] == ["in the file"]
    assert "pg_dump" in cli("backup", "x.tar", code=1).err


def test_sql_reads_what_it_may(shop_on_postgres: Any) -> None:
    shop = shop_on_postgres
    assert shop.json("sql", "SELECT message FROM v_events WHERE host = 'web-2'") == [
        {"message": "Payment service does not answer"}
    ]
    assert shop.json("sql", "SELECT DISTINCT file, in_app FROM v_frames ORDER BY file") == [
        {"file": "shop/orders.py", "in_app": 1},
        {"file": "shop/payment.py", "in_app": 1},
    ]
    for hidden in ("SELECT * FROM api_keys", "SELECT 1 WHERE EXISTS (SELECT 1 FROM users)", "TABLE settings",
                   "WITH x AS (SELECT * FROM logins) SELECT 1"):  # fmt: skip
        assert "holds secrets" in shop("sql", hidden, code=1).err
    for wrong, said in (
        ("SELECT nonsense FROM v_issues", "the SQL is wrong"), ("SELECT 1; COMMIT; DELETE FROM events", "the SQL is wrong"),
        ("WITH x AS (DELETE FROM events RETURNING 1) SELECT * FROM x", "only reading"),
        ("SELECT query_to_xml('SELECT * FROM api_keys', true, true, '')", "cannot be used"),
        ("SELECT pg_read_file('/etc/passwd')", "cannot be used"),
    ):  # fmt: skip
        assert said in shop("sql", wrong, code=1).err, wrong
    assert shop.json("list")["total"] == 4


@pytest.fixture
def shop_on_postgres(cli: Any, url: str) -> Any:
    from tests.conftest import SHOP

    cli.environment[DATABASE_VARIABLE] = url
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(DATABASE_VARIABLE, url)
        cli.record(*SHOP)
        cli.record({"message": "Disk is almost full", "level": "warning", "host": "web-1"}, project="infra")
    return cli


def test_without_the_driver_the_extra_is_named(cli: Any, tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    (blocked / "psycopg").mkdir(parents=True)
    (blocked / "psycopg" / "__init__.py").write_text("raise ImportError('not here')\n")
    path = f"{blocked}{os.pathsep}{cli.environment['PYTHONPATH']}"
    env = {**cli.environment, DATABASE_VARIABLE: "postgresql://127.0.0.1/x", "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, "-m", "crashvault", "list"], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1 and "pip install crashvault[postgres]" in done.stderr


# Attachments


def test_contents_lie_in_the_database(open_one: Callable[[], Store], tmp_path: Path) -> None:
    import base64

    store, other = open_one(), open_one()
    data = bytes(range(256)) * 4_000
    body = {"message": "with a file", "attachments": [{"name": "a", "data": base64.b64encode(data).decode()}]}
    receipt = pipeline.record_events(store, [body])[0]
    (file,) = other.attachments.of_event(other.events.find("default", receipt.event_id))
    with other.attachments.open(file) as opened:
        assert opened.read() == data
    assert not (tmp_path / "blobs").exists()
    other.deletion.issues([receipt.issue_id or 0], 0)
    assert [name for name, _ in other.blobs.list()] == [file.digest]  # a young one may belong to an event under way
    assert other.blobs.remove(file.digest, 1e12) == len(data)
    with pytest.raises(CrashvaultError, match="is gone"):
        store.attachments.open(file)
    assert store.db.value("SELECT count(*) FROM blob_chunks") == 0


# Statements


@pytest.mark.parametrize(
    ("ours", "theirs", "given", "sent"),
    [
        ("SELECT ? WHERE a = ?", "SELECT $1 WHERE a = $2", (1, 2), [1, 2]),
        ("a IN (?,?) AND b = ?", "a = ANY($1) AND b = $2", (1, 2, 3), [[1, 2], 3]),
        ("a = ? AND b NOT IN (?)", "a = $1 AND b <> ALL($2)", (1, 2), [1, [2]]),
        ("a IN ()", "a = ANY($1)", (), [[]]),
        ("a = ?2 AND b = ?1 AND c = ?2", "a = $1 AND b = $2 AND c = $1", (1, 2), [2, 1]),
        ("(?1 IS NULL OR a = ?1)", "(CAST($1 AS text) IS NULL OR a = $2)", (None,), [None, None]),
        ("x CROSS JOIN events e ON a", "x JOIN events e ON a", (), []),
        ("x CROSS JOIN y", "x CROSS JOIN y", (), []),
    ],
)  # fmt: skip
def test_statements_are_made_into_postgresql_form(
    ours: str, theirs: str, given: tuple[Any, ...], sent: list[Any]
) -> None:
    found = statement(ours)
    assert found.sql == theirs and list(found.values(given)) == sent


def test_an_insert_that_would_change_a_row_twice_is_not_sent_as_one() -> None:
    insert = inserting("INSERT INTO t (a, b, c) VALUES (?, 0, ?) ON CONFLICT (a) DO UPDATE SET c = excluded.c")
    assert insert is not None and insert.is_distinct([(1, 2), (2, 2)]) and not insert.is_distinct([(1, 2), (1, 3)])
    assert inserting("UPDATE t SET a = ?") is None
    assert insert.sql({"a": "bigint", "c": "text"}) == (
        'INSERT INTO t ("a", "b", "c") SELECT c0, 0, c1 FROM unnest($1::bigint[], $2::text[]) AS given (c0, c1)'
        " ON CONFLICT (a) DO UPDATE SET c = excluded.c"
    )
