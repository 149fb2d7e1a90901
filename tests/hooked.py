"""A SQLite database of one small table whose writer can be watched, held up and made to fail."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

from build import fail_loudly
from packshot.storage.database import Database, Tx, Work
from packshot.storage.reader import Reader
from packshot.storage.sqlite import SqliteDatabase, SqliteTx, connect
from packshot.storage.writer import Writer

TABLE = "CREATE TABLE IF NOT EXISTS note (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE, body BLOB) STRICT"
PATIENCE_S = 20
"""How long a test waits for something that should happen in milliseconds."""


class Hooked:
    """A connection that asks `before` what to do about every statement before it runs."""

    def __init__(self, real: sqlite3.Connection, before: Callable[[str, sqlite3.Connection], None]) -> None:
        self._real = real
        self._before = before

    @property
    def in_transaction(self) -> bool:
        return self._real.in_transaction

    def execute(self, sql: str, values: Any = ()) -> sqlite3.Cursor:
        self._before(sql, self._real)
        return self._real.execute(sql, values)

    def set_progress_handler(self, handler: Callable[[], bool], steps: int) -> None:
        self._real.set_progress_handler(handler, steps)

    def close(self) -> None:
        self._real.close()


def sqlite_error(name: str) -> sqlite3.OperationalError:
    """An error as the sqlite3 module raises it for that code."""
    error = sqlite3.OperationalError(name)
    error.sqlite_errorname = name
    error.sqlite_errorcode = getattr(sqlite3, name)
    return error


class Faults:
    """Fails each statement that starts with *statement* and says *marker*, as often as *times* says.

    With `loses_all` SQLite's own rollback comes first, as on a disk that is full or broken.
    """

    def __init__(self, statement: str, name: str, times: int = 1, *, marker: str = "", loses_all: bool = False) -> None:
        self.statement, self.name, self.times, self.marker, self.loses_all = statement, name, times, marker, loses_all

    def __call__(self, sql: str, connection: sqlite3.Connection) -> None:
        if not sql.startswith(self.statement) or self.marker not in sql or not self.times:
            return
        self.times -= 1
        if self.loses_all:
            connection.execute("ROLLBACK")
        raise sqlite_error(self.name)


def make_notes(path: Path) -> None:
    """The database file with its one table."""
    connection = connect(path)
    connection.execute(TABLE)
    connection.close()


@asynccontextmanager
async def open_notes(
    path: Path,
    before: Callable[[str, sqlite3.Connection], None] = lambda _sql, _connection: None,
    failed: Callable[[BaseException], None] = fail_loudly,
    settings: str = "PRAGMA user_version",
    before_read: Callable[[str, sqlite3.Connection], None] = lambda _sql, _connection: None,
) -> AsyncIterator[Database]:
    """The database with *before* in front of each of the writer's statements, after one more PRAGMA for the writer.

    *before_read* comes in front of each statement of the reader.
    """

    def reading() -> sqlite3.Connection:
        return cast("sqlite3.Connection", Hooked(connect(path, read_only=True), before_read))

    def opened() -> sqlite3.Connection:
        real = connect(path)
        real.execute(settings).fetchall()
        return cast("sqlite3.Connection", Hooked(real, before))

    make_notes(path)
    db = SqliteDatabase(Reader(reading), Writer(opened, SqliteTx, failed), failed)
    try:
        yield db
    finally:
        await db.close()


def add(text: str) -> Work[int]:
    """A work that adds one note and returns its id."""
    return lambda tx: tx.insert("INSERT INTO note (text) VALUES (?1) RETURNING id", text)


async def until(holds: Callable[[], bool]) -> None:
    """Wait until that is true."""
    for _ in range(PATIENCE_S * 100):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("waited in vain")


async def texts(db: Database) -> list[str]:
    """All notes, in the order of their texts."""
    return [row[0] for row in await db.all("SELECT text FROM note ORDER BY text")]


@asynccontextmanager
async def standing_still(db: Database) -> AsyncIterator[None]:
    """The writer is inside a work, and stays there, until the block ends."""
    gate, reached = threading.Event(), threading.Event()

    async def stand_still(_: Tx) -> None:
        reached.set()
        gate.wait(PATIENCE_S)

    task = asyncio.create_task(db.write(stand_still))
    await asyncio.to_thread(reached.wait, PATIENCE_S)
    try:
        yield
    finally:
        gate.set()
        await asyncio.gather(task, return_exceptions=True)


def queue(db: Database, *works: Work[Any]) -> list["asyncio.Task[Any]"]:
    """One task for each work; they take their places in the queue in this order, at the next turn of the loop."""
    return [asyncio.create_task(db.write(work)) for work in works]


async def together(db: Database, *works: Work[Any]) -> list[Any]:
    """Queue the works while the writer stands still, so that it finds them all at once; results or errors in order."""
    async with standing_still(db):
        tasks = queue(db, *works)
        await asyncio.sleep(0)  # every task has run up to its place in the queue
    return await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), PATIENCE_S)
