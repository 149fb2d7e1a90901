"""Long reads leave the event loop, and nothing else about them changes."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hooked import add, open_notes, sqlite_error, until
from packshot.domain.errors import Unavailable
from packshot.storage import reader
from packshot.storage.database import Database
from packshot.storage.sqlite import connect

NUMBERS = "WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < ?1)"
COUNT = f"{NUMBERS} SELECT count(*) FROM number"
LONG = 1_000_000
"""How far to count for a read that takes some fifty times longer than the loop has patience."""


@pytest.fixture
def threads() -> list[str]:
    """The thread of each statement that was read."""
    return []


@pytest.fixture
async def db(tmp_path: Path, threads: list[str]) -> AsyncIterator[Database]:
    def before_read(sql: str, _connection: sqlite3.Connection) -> None:
        if sql.startswith("PRAGMA"):
            return
        threads.append(threading.current_thread().name.split("_")[0])

    async with open_notes(tmp_path / "db", before_read=before_read) as opened:
        yield opened


def reading() -> int:
    """How many threads there are for long reads."""
    return sum(thread.name.startswith("sqlite-reader") for thread in threading.enumerate())


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_a_long_read_does_not_hold_up_a_short_one(db: Database) -> None:
    long = asyncio.create_task(db.all(COUNT, LONG))
    await asyncio.sleep(0)

    short = await db.all(COUNT, 3)

    assert short == [(3,)]
    assert not long.done()
    assert await long == [(LONG,)]


async def test_short_reads_stay_on_the_loop(db: Database, threads: list[str]) -> None:
    before = reading()

    for number in range(1, 1_000):
        assert await db.one(COUNT, number % 10 + 1) == (number % 10 + 1,)

    assert set(threads) == {"MainThread"}
    assert reading() == before


async def test_a_read_that_was_broken_off_gives_the_rows_it_would_have_given(db: Database, tmp_path: Path) -> None:
    sql = f"{NUMBERS} SELECT n, 'row ' || n FROM number ORDER BY -n"
    with_patience = connect(tmp_path / "db", read_only=True)

    rows = await db.all(sql, 50_000)
    first = await db.one(sql, 50_001)

    assert rows == with_patience.execute(sql, (50_000,)).fetchall()
    assert first == (50_001, "row 50001")
    with_patience.close()


async def test_a_long_read_sees_what_was_written_before_it(db: Database) -> None:
    sql = f"{NUMBERS} SELECT (SELECT count(*) FROM note), count(*) FROM number"
    await db.all(sql, LONG)
    await db.write(add("new"))

    assert await db.one(sql, LONG) == (1, LONG)


async def test_a_statement_is_tried_on_the_loop_unless_it_took_long_the_last_time(
    db: Database, threads: list[str]
) -> None:
    await db.all(COUNT, LONG)
    assert threads == ["MainThread", "sqlite-reader"]

    await db.all(COUNT, LONG)
    assert threads[2:] == ["sqlite-reader"]

    await db.all(COUNT, 1)
    await db.all(COUNT, 1)
    assert threads[3:] == ["sqlite-reader", "MainThread"]


async def test_no_number_of_long_statements_is_remembered_for_ever(
    db: Database, threads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "REMEMBERED", 2)
    for number in range(3):
        await db.all(f"{COUNT} -- {number}", LONG)
    threads.clear()

    await db.all(f"{COUNT} -- 2", LONG)
    await db.all(f"{COUNT} -- 1", LONG)
    await db.all(f"{COUNT} -- 0", LONG)

    assert threads == ["sqlite-reader", "sqlite-reader", "MainThread", "sqlite-reader"]


async def test_a_caller_who_gives_up_leaves_nothing_in_the_way_of_others(db: Database) -> None:
    tasks = [asyncio.create_task(db.all(COUNT, LONG)) for _ in range(8)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()

    done = await asyncio.gather(*tasks, return_exceptions=True)

    assert {type(outcome) for outcome in done} == {asyncio.CancelledError}
    assert await db.one(COUNT, LONG) == (LONG,)


async def test_a_broken_disk_under_a_long_read_is_told_like_any_other(tmp_path: Path) -> None:
    failures: list[BaseException] = []

    def before_read(_sql: str, _connection: sqlite3.Connection) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise sqlite_error("SQLITE_IOERR")

    async with open_notes(tmp_path / "db", failed=failures.append, before_read=before_read) as db:
        with pytest.raises(Unavailable):
            await db.all(COUNT, LONG)
        with pytest.raises(Unavailable):
            await db.one(COUNT, LONG)

    assert len(failures) == 2


async def test_closing_waits_for_reads_under_way_and_leaves_no_thread_and_no_connection(tmp_path: Path) -> None:
    before = reading()
    async with open_notes(tmp_path / "db") as db:
        tasks = [asyncio.create_task(db.all(COUNT, LONG)) for _ in range(3)]
        await until(lambda: reading() == before + 2)

    assert await asyncio.gather(*tasks) == [[(LONG,)]] * 3
    assert reading() == before
    # The last connection to close takes the log with it.
    assert names_in(tmp_path) == ["db"]
