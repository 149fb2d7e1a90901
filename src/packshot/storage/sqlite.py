"""One SQLite database: short reads inline on the event loop, writes through the one writer thread."""

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from packshot.domain.errors import Conflict, PackshotError, StoreFull, Unavailable
from packshot.storage.database import Dialect, Row, Work, checked
from packshot.storage.reader import Reader
from packshot.storage.reserve import NONE, Reserve
from packshot.storage.writer import Writer, is_full

Result = TypeVar("Result")

WAL_PATIENCE_S = 5.0


class SqliteTx:
    """See `Tx`: none of its methods ever suspends; a neighbour's work may share the transaction."""

    dialect: Dialect = "sqlite"

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    async def one(self, sql: str, *values: Any) -> Row | None:
        """The first row, or None."""
        rows = self._connection.execute(checked(sql), values).fetchall()
        return rows[0] if rows else None

    async def all(self, sql: str, *values: Any) -> list[Row]:
        """Every row, in the order the statement asks for."""
        return self._connection.execute(checked(sql), values).fetchall()

    async def run(self, sql: str, *values: Any) -> int:
        """Change rows and return how many were changed."""
        return self._connection.execute(checked(sql), values).rowcount

    async def insert(self, sql: str, *values: Any) -> int:
        """Insert one row with a statement that ends in `RETURNING id`, and return that id."""
        ((row_id,),) = self._connection.execute(checked(sql), values).fetchall()
        return int(row_id)


class SqliteDatabase:
    """One SQLite file; see `Database`. Open it with `open_sqlite`."""

    dialect: Dialect = "sqlite"

    def __init__(
        self, reader: Reader, writer: Writer, failed: Callable[[BaseException], None], reserve: Reserve = NONE
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._failed = failed
        self._reserve = reserve
        self.written = asyncio.Event()
        self.writes = 0

    async def one(self, sql: str, *values: Any) -> Row | None:
        """The first row, or None. Raises: Unavailable."""
        try:
            rows = self._reader.at_once(sql, values)
            if rows is None:
                rows = await self._reader.apart(sql, values)
        except sqlite3.Error as error:
            raise self._translated(error) from error
        return rows[0] if rows else None

    async def all(self, sql: str, *values: Any) -> list[Row]:
        """Every row, in the order the statement asks for. Only a long read suspends. Raises: Unavailable."""
        try:
            rows = self._reader.at_once(sql, values)
            return await self._reader.apart(sql, values) if rows is None else rows
        except sqlite3.Error as error:
            raise self._translated(error) from error

    async def write(self, work: Work[Result], *, makes_room: bool = False) -> Result:
        """See `Database.write`."""
        if not makes_room and self._reserve.is_out() and not await asyncio.to_thread(self._reserve.take_back):
            raise StoreFull
        try:
            result = await self._writer.write(work, makes_room=makes_room)
        except sqlite3.Error as error:
            raise self._translated(error) from error
        finally:
            self.writes += 1  # also where nobody knows whether it was committed
        self.written.set()
        return result

    def queued(self) -> int:
        """How many works wait for the writer."""
        return self._writer.queued()

    async def close(self) -> None:
        """Finish the queued works and the reads under way, and close every connection."""
        await self._writer.close()
        await self._reader.close()

    def _translated(self, error: sqlite3.Error) -> PackshotError:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if is_full(error):
            return StoreFull()
        if code == sqlite3.SQLITE_IOERR or _is_moved(error):
            # After a failed flush nobody knows what the disk holds: stop instead of guessing.
            self._failed(error)
        return _translation(code, error)


def _translation(code: int, error: sqlite3.Error) -> PackshotError:
    if code == sqlite3.SQLITE_CONSTRAINT:
        return Conflict("The change does not go together with what is stored")
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY,
                sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:  # fmt: skip
        return Unavailable("database")
    raise error  # a statement of ours is wrong: a bug, not a failure we foresaw


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection with our settings: WAL, every commit flushed, foreign keys on, 5 s patience with locks."""
    # isolation_level=None: the driver must never open a transaction of its own behind our back.
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=512)
    for pragma in ("busy_timeout = 5000", "synchronous = FULL", "foreign_keys = ON", "cache_size = -16000"):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    # A savepoint keeps every page that it changes as it was; in a file that costs a fifth of a large deletion's CPU.
    connection.execute("PRAGMA temp_store = MEMORY").fetchall()
    _use_wal(connection)
    # PostgreSQL gets a function of this name too: patterns ignore case in every alphabet.
    connection.create_function("fold_case", 1, _casefold, deterministic=True)
    if read_only:
        connection.execute("PRAGMA query_only = ON")
    return connection


def _use_wal(connection: sqlite3.Connection) -> None:
    # Processes that open a new file at once get in each other's way here, whatever their busy_timeout.
    end = time.monotonic() + WAL_PATIENCE_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchall()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(0.01)
        else:
            return


def _casefold(value: object) -> str | None:
    return None if value is None else str(value).casefold()


def _staying(path: Path) -> Callable[[], None]:
    """What raises once another file is in the place of the database, or none: what is written then would be lost."""
    home = path.stat()

    def check() -> None:
        try:
            now = os.stat(path)  # noqa: PTH116 - before every group of writes
        except (FileNotFoundError, NotADirectoryError):
            now = None
        except OSError:  # that says nothing: SQLite finds out by itself
            return
        if now is None or (now.st_ino, now.st_dev) != (home.st_ino, home.st_dev):
            error = sqlite3.OperationalError("the database was moved or deleted")
            error.sqlite_errorcode = sqlite3.SQLITE_READONLY_DBMOVED
            raise error

    return check


def _is_moved(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_READONLY_DBMOVED


def open_sqlite(path: Path, failed: Callable[[BaseException], None], reserve: Reserve = NONE) -> SqliteDatabase:
    """Open the migrated database at *path* on the running event loop.

    *failed* is called, on the loop's thread, when the disk under the database fails, or another file or none is in its
    place. *reserve* is given up when the disk is full and something makes room.
    """
    reader = Reader(lambda: connect(path, read_only=True))  # first: where that fails no thread is begun
    writer = Writer(lambda: connect(path), SqliteTx, failed, reserve.release, _staying(path))
    return SqliteDatabase(reader, writer, failed, reserve)
