"""The numbered steps of the database schema and the small runner that applies them.

Steps are `NNNN_name.sql` files, applied in order, each in a transaction of its own. A step that has been
released is never edited, only followed by another.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from importlib.resources import files
from pathlib import Path

from packshot.storage.database import connect
from packshot.storage.folder import StoreUnusable

_LEDGER = """CREATE TABLE IF NOT EXISTS migration (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at INTEGER NOT NULL
) STRICT"""


class SchemaTooNew(StoreUnusable):
    """The database was written by a newer version of Packshot."""

    def __init__(self, found: int, known: int) -> None:
        super().__init__(
            f"The database is at schema {found}, this version of Packshot knows {known} at most: "
            "run the version that wrote it, or a newer one"
        )


class DatabaseUnusable(StoreUnusable):
    """The file is no database, is damaged, or may not be opened."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"The database {path} cannot be opened: {why}. If it is damaged, restore a backup")


def prepare(path: Path) -> None:
    """Create the database at *path*, or bring it to the newest step. Raises: SchemaTooNew, DatabaseUnusable."""
    try:
        with closing(connect(path)) as connection:
            migrate(connection)
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_ERROR:
            raise  # a statement of ours is wrong: a bug, not the file's fault
        raise DatabaseUnusable(path, str(error)) from None


def steps() -> list[tuple[int, str, str]]:
    """All steps as (number, name, SQL), in order."""
    folder = files(__name__).joinpath("sqlite")
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return [(int(name[:4]), name.removesuffix(".sql"), folder.joinpath(name).read_text("utf-8")) for name in names]


def migrate(connection: sqlite3.Connection) -> int:
    """Bring the schema to the newest step and return how many steps were applied. Raises: SchemaTooNew."""
    known = steps()
    if version(connection) == known[-1][0]:
        return 0
    # A table that is made anew is dropped in between, and must not take along what points at it.
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute("BEGIN IMMEDIATE")  # two processes may start at once; the second one finds the work done
    try:
        connection.execute(_LEDGER)
        pending = _pending(connection, known)
        for number, name, sql in pending:
            for statement in _statements(sql):
                connection.execute(statement)
            connection.execute("INSERT INTO migration VALUES (?1, ?2, ?3)", (number, name, time.time_ns() // 1000))
        _check_references(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # some failures have rolled back already
            connection.execute("ROLLBACK")
        raise
    finally:
        connection.execute("PRAGMA foreign_keys = ON")
    return len(pending)


def _check_references(connection: sqlite3.Connection) -> None:
    if connection.execute("PRAGMA foreign_key_check").fetchall():
        raise sqlite3.IntegrityError("a step left rows that point nowhere")


def version(connection: sqlite3.Connection) -> int:
    """The number of the newest applied step, 0 for an empty database."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'migration'").fetchall():
        return 0
    (row,) = connection.execute("SELECT coalesce(max(number), 0) FROM migration").fetchall()
    return int(row[0])


def _pending(connection: sqlite3.Connection, known: list[tuple[int, str, str]]) -> list[tuple[int, str, str]]:
    found, newest = version(connection), known[-1][0]
    if found > newest:
        raise SchemaTooNew(found, newest)
    return [step for step in known if step[0] > found]


def _statements(sql: str) -> Iterator[str]:
    pending = ""
    for line in sql.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""
    if pending.strip():
        yield pending
