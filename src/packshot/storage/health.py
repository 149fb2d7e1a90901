"""The database's own checks."""

import sqlite3
from contextlib import closing
from pathlib import Path

from packshot.storage.database import Reads, Row, connect

_QUICK_CHECK = "PRAGMA quick_check(20)"


async def integrity_errors(reads: Reads, *, full: bool) -> list[str]:
    """What SQLite's quick check, or its full one, finds wrong; empty when all is well."""
    return _wrong(await reads.all("PRAGMA integrity_check(20)" if full else _QUICK_CHECK))


async def foreign_key_errors(reads: Reads) -> list[str]:
    """Rows that point at nothing, as sentences."""
    rows = await reads.all("PRAGMA foreign_key_check")
    return [f"row {row[1]} of {row[0]} points at no row of {row[2]}" for row in rows]


def quick_check(path: Path) -> list[str]:
    """SQLite's quick check on a connection of its own, for a thread beside a running server.

    Raises: sqlite3.DatabaseError, where it could not be done, which says nothing about the database.
    """
    try:
        with closing(connect(path, read_only=True)) as connection:
            return _wrong(connection.execute(_QUICK_CHECK).fetchall())
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF not in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            raise
        return [str(error)]


def _wrong(rows: list[Row]) -> list[str]:
    return [row[0] for row in rows if row[0] != "ok"]
