"""SQLite files as ends of a copy."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path

from packshot.storage import backup, migrations
from packshot.storage.backup import BackupUnusable
from packshot.storage.copying.ends import STAYING, CannotCopy, Table, listed, literals
from packshot.storage.database import Row
from packshot.storage.folder import flush
from packshot.storage.sqlite import SqliteTx, connect

_OURS = f"type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!' AND name NOT IN ({literals(STAYING)})"


class SqliteEnd:
    """See `End`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.tx = SqliteTx(connection)
        self._connection = connection
        self._triggers: list[str] = []

    async def step(self) -> int:
        """See `End.step`."""
        return migrations.version(self._connection)

    async def tables(self) -> dict[str, Table]:
        """See `End.tables`."""
        names = self._connection.execute(f"SELECT name FROM sqlite_master WHERE {_OURS} ORDER BY rootpage").fetchall()
        return {name: self._table(name) for (name,) in names}

    def _table(self, name: str) -> Table:
        sql = "SELECT name, pk FROM pragma_table_info(?1) ORDER BY cid"
        columns = self._connection.execute(sql, (name,)).fetchall()
        key = sorted((place, column) for column, place in columns if place)
        return Table(name, tuple(column for column, _ in columns), tuple(column for _, column in key))

    async def pieces(self, table: Table, size: int) -> AsyncIterator[list[Row]]:
        """See `End.pieces`."""
        sql = f"SELECT {listed(table.columns)} FROM {table.name} ORDER BY {listed(table.key)}"
        with closing(self._connection.execute(sql)) as cursor:
            while rows := await asyncio.to_thread(cursor.fetchmany, size):
                yield rows

    async def ids(self) -> dict[str, int]:
        """See `End.ids`."""
        return dict(self._connection.execute("SELECT name, seq FROM sqlite_sequence").fetchall())

    async def clear(self, tables: Mapping[str, Table]) -> None:
        """See `End.clear`; foreign keys rest all along, see `writing`."""
        found = self._connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, sql in found:
            self._connection.execute(f"DROP TRIGGER {name}")
            self._triggers.append(sql)
        for name in tables:
            self._connection.execute(f"DELETE FROM {name}")

    async def add(self, table: Table, rows: list[Row]) -> None:
        """See `End.add`."""
        places = ", ".join("?" * len(table.columns))
        sql = f"INSERT INTO {table.name} ({listed(table.columns)}) VALUES ({places})"
        await asyncio.to_thread(self._run_many, sql, rows)

    def _run_many(self, sql: str, rows: list[Row]) -> None:
        # Its cursor ends here, on this thread: ended on another one it would reset the statement of the next piece.
        self._connection.executemany(sql, rows)

    async def settle(self, ids: Mapping[str, int]) -> None:
        """See `End.settle`."""
        self._connection.execute("DELETE FROM sqlite_sequence")
        given = [(name, number) for name, number in ids.items() if number]
        self._connection.executemany("INSERT INTO sqlite_sequence (name, seq) VALUES (?1, ?2)", given)
        for sql in self._triggers:
            self._connection.execute(sql)
        if wrong := self._connection.execute('SELECT DISTINCT "table" FROM pragma_foreign_key_check').fetchall():
            names = ", ".join(name for (name,) in wrong)
            raise CannotCopy(f"rows of {names} point at rows that are not there: `packshot verify` names them")


@asynccontextmanager
async def reading(path: Path) -> AsyncIterator[SqliteEnd]:
    """See `copying.reading`."""
    with _explaining(path), closing(connect(path, read_only=True)) as connection:
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchall()  # it begins with the first read
        yield SqliteEnd(connection)


@asynccontextmanager
async def writing(path: Path) -> AsyncIterator[SqliteEnd]:
    """See `copying.writing`."""
    part = path.with_name(f"{path.name}.part")
    _clear(part)
    try:
        migrations.prepare(part)
        with _explaining(part):
            with closing(connect(part)) as connection:
                # Nobody else has this file, and what a kill leaves of it is thrown away.
                for pragma in ("journal_mode = OFF", "synchronous = OFF", "foreign_keys = OFF"):
                    connection.execute(f"PRAGMA {pragma}").fetchall()
                connection.execute("BEGIN")
                yield SqliteEnd(connection)
                connection.execute("COMMIT")
            await asyncio.to_thread(_take_its_place, part, path)
    finally:
        _clear(part)


def _take_its_place(part: Path, path: Path) -> None:
    backup.seal(part)
    flush(part)
    if path.exists():
        with closing(sqlite3.connect(path)) as old:
            # Its log goes with it: beside another file it would be taken for that one's.
            old.execute("PRAGMA journal_mode = DELETE").fetchall()
    part.replace(path)
    flush(path.parent)


def _clear(part: Path) -> None:
    for left in part.parent.glob(f"{part.name}*"):
        left.unlink()


@contextmanager
def _explaining(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.DatabaseError, BackupUnusable) as error:
        raise CannotCopy(f"{path}: {error}") from error
