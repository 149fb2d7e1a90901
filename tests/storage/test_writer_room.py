"""What the writer does on a full disk with those who make room on it, and with a queue before a locked database."""

import asyncio
import errno
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, cast

import pytest

from build import fail_loudly
from hooked import PATIENCE_S, Faults, Hooked, add, make_notes, sqlite_error, standing_still, texts, together, until
from packshot.domain.errors import StoreFull, Unavailable
from packshot.storage import reserve, writer
from packshot.storage.database import Database
from packshot.storage.reader import Reader
from packshot.storage.reserve import NONE, Reserve
from packshot.storage.sqlite import SqliteDatabase, SqliteTx, connect, open_sqlite
from packshot.storage.writer import Writer

SIZE = 65_536
LOCKED_S = 0.3

Before = Callable[[str, sqlite3.Connection], None]


@pytest.fixture(autouse=True)
def one_group(monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups end by their number of items or an empty queue only; nobody who was refused looks for room."""
    monkeypatch.setattr(writer, "GROUP_S", PATIENCE_S)
    monkeypatch.setattr(reserve, "LOOK_EVERY_S", 3_600)


@pytest.fixture
def held(tmp_path: Path) -> Reserve:
    made = Reserve(tmp_path / "reserve", SIZE)
    made.make()
    return made


@asynccontextmanager
async def notes(
    path: Path, before: Before, held: Reserve = NONE, failed: Callable[[BaseException], None] = fail_loudly
) -> AsyncIterator[Database]:
    """A database with *before* in front of each of the writer's statements."""

    def opened() -> sqlite3.Connection:
        real = connect(path)
        real.execute(f"PRAGMA busy_timeout = {int(1000 * LOCKED_S)}").fetchall()
        return cast("sqlite3.Connection", Hooked(real, before))

    make_notes(path)
    writer = Writer(opened, SqliteTx, failed, held.release)
    db = SqliteDatabase(Reader(lambda: connect(path, read_only=True)), writer, failed, held)
    try:
        yield db
    finally:
        await db.close()


def full(held: Reserve, statement: str, name: str = "SQLITE_FULL", *, loses_all: bool = False) -> Before:
    """A disk without any room but that of the reserve, once that is out."""
    faults = Faults(statement, name, times=1_000, loses_all=loses_all)
    return lambda sql, connection: None if held.is_out() else faults(sql, connection)


@pytest.mark.parametrize("name", ["SQLITE_FULL", "SQLITE_IOERR_SHMSIZE"])
@pytest.mark.parametrize("statement", ["COMMIT", "INSERT"])
@pytest.mark.parametrize("loses_all", [False, True])
async def test_on_a_full_disk_those_who_make_room_are_done_and_the_others_refused(
    tmp_path: Path, held: Reserve, name: str, statement: str, *, loses_all: bool
) -> None:
    weather: list[Before] = []

    def before(sql: str, connection: sqlite3.Connection) -> None:
        for fault in weather:
            fault(sql, connection)

    async with notes(tmp_path / "db", before, held) as db:
        async with standing_still(db):
            tasks = [asyncio.create_task(db.write(add(text), makes_room=text in "bd")) for text in "abcd"]
            await asyncio.sleep(0)
            weather.append(full(held, statement, name, loses_all=loses_all))
        done = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), PATIENCE_S)

        if statement == "COMMIT" or not loses_all:
            assert [type(one) for one in done] == [StoreFull, int, StoreFull, int]
        assert isinstance(done[1], int)
        assert isinstance(done[3], int)
        assert {"b", "d"} <= set(await texts(db)) <= {"a", "b", "c", "d"}
        assert held.is_out()


async def test_while_the_reserve_is_out_nothing_that_makes_no_room_gets_as_far_as_the_disk(
    tmp_path: Path, held: Reserve
) -> None:
    statements: list[str] = []
    async with notes(tmp_path / "db", lambda sql, _: statements.append(sql), held) as db:
        held.release()

        with pytest.raises(StoreFull):
            await db.write(add("a"))

        assert statements == []
        assert await db.write(add("b"), makes_room=True)


async def test_once_the_reserve_is_used_up_those_who_make_room_are_refused_too(tmp_path: Path, held: Reserve) -> None:
    async with notes(tmp_path / "db", Faults("COMMIT", "SQLITE_FULL", times=1_000), held) as db:
        with pytest.raises(StoreFull):
            await db.write(add("a"), makes_room=True)

        assert held.is_out()
        assert await texts(db) == []


async def test_who_makes_room_without_a_reserve_is_refused_once(tmp_path: Path) -> None:
    async with notes(tmp_path / "db", Faults("COMMIT", "SQLITE_FULL")) as db:
        with pytest.raises(StoreFull):
            await db.write(add("a"), makes_room=True)

        assert await db.write(add("b"), makes_room=True)


async def test_a_whole_queue_waits_for_a_locked_database_once(tmp_path: Path) -> None:
    async with notes(tmp_path / "db", lambda *_: None) as db:
        with closing(sqlite3.connect(tmp_path / "db", isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            begun = time.monotonic()

            done = await asyncio.wait_for(
                asyncio.gather(
                    *(db.write(add(str(number))) for number in range(8 * writer.GROUP_ITEMS)), return_exceptions=True
                ),
                PATIENCE_S,
            )

            assert {type(one) for one in done} == {Unavailable}
            assert time.monotonic() - begun < 4 * LOCKED_S  # one group after the other would take eight times as long
            assert await texts(db) == []
        assert await db.write(add("again"))


async def test_works_that_run_alone_wait_for_a_locked_database_once(tmp_path: Path) -> None:
    begins = 0

    def before(sql: str, connection: sqlite3.Connection) -> None:
        nonlocal begins
        begins += sql.startswith("BEGIN")
        if sql.startswith("BEGIN") and begins > 1:
            raise sqlite_error("SQLITE_BUSY")
        if sql.startswith("UPDATE"):
            connection.execute("ROLLBACK")
            raise sqlite_error("SQLITE_FULL")

    async with notes(tmp_path / "db", before) as db:
        done = await together(db, add("a"), add("b"), lambda tx: tx.run("UPDATE note SET body = NULL"))

    assert [type(one) for one in done] == [Unavailable, Unavailable, StoreFull]
    assert begins == 2


@pytest.mark.parametrize("moved", ["deleted", "replaced"])
async def test_a_database_that_is_moved_away_takes_nothing_more_and_stops_the_process(
    tmp_path: Path, moved: str
) -> None:
    failures: list[BaseException] = []
    path = tmp_path / "db"
    make_notes(path)
    db = open_sqlite(path, failures.append)
    await db.write(add("a"))
    path.rename(tmp_path / "away")
    if moved == "replaced":
        make_notes(path)

    with pytest.raises(Unavailable):
        await db.write(add("b"))

    assert [str(failure) for failure in failures] == ["the database was moved or deleted"]
    await db.close()


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ESTALE])
async def test_where_nobody_knows_whether_the_database_is_in_its_place_it_is_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    path, stat = tmp_path / "db", os.stat
    make_notes(path)
    db = open_sqlite(path, fail_loudly)

    def refuse(place: Any, **options: Any) -> os.stat_result:
        if place == path:
            raise OSError(number, os.strerror(number))
        return stat(place, **options)

    monkeypatch.setattr(os, "stat", refuse)
    await db.write(add("a"))
    monkeypatch.undo()

    assert await texts(db) == ["a"]
    await db.close()


async def test_a_disk_that_is_read_only_while_the_log_is_to_be_emptied_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "IDLE_S", 0.01)
    faults = Faults("PRAGMA wal_checkpoint", "SQLITE_READONLY")

    async with notes(tmp_path / "db", faults) as db:
        await db.write(add("a"))
        await until(lambda: not faults.times)

        assert await db.write(add("b"))
