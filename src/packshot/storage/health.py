"""The database's own checks. PostgreSQL looks after its files itself: there it is asked what it holds for true."""

import sqlite3
from contextlib import closing
from pathlib import Path

from packshot.storage.database import Reads, Row
from packshot.storage.sqlite import connect

_QUICK_CHECK = "PRAGMA quick_check(20)"
_SHOWN = 20

# What a change that was broken off, or made past the rules, may leave behind. Triggers count the quota.
_DOUBTFUL = f"""
SELECT 'the index ' || c.relname || ' is not valid' FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE c.relnamespace = current_schema()::regnamespace AND NOT (i.indisvalid AND i.indisready)
UNION ALL SELECT 'the rule ' || conname || ' was never checked' FROM pg_constraint
WHERE connamespace = current_schema()::regnamespace AND NOT convalidated
UNION ALL SELECT 'the trigger ' || t.tgname || ' is off' FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE c.relnamespace = current_schema()::regnamespace AND t.tgenabled <> 'O'
ORDER BY 1 LIMIT {_SHOWN}"""
_REFERENCES = """
SELECT c.conrelid::regclass::text, a.attname, c.confrelid::regclass::text, b.attname
FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
JOIN pg_attribute b ON b.attrelid = c.confrelid AND b.attnum = c.confkey[1]
WHERE c.contype = 'f' AND c.connamespace = current_schema()::regnamespace ORDER BY 1, 2"""


async def integrity_errors(reads: Reads, *, full: bool) -> list[str]:
    """What SQLite's quick check, or its full one, finds wrong; empty when all is well.

    On PostgreSQL, which checks its pages as it reads them: indexes, rules and triggers that are not in force.
    """
    if reads.dialect == "postgresql":
        return [row[0] for row in await reads.all(_DOUBTFUL)]
    return _wrong(await reads.all("PRAGMA integrity_check(20)" if full else _QUICK_CHECK))


async def foreign_key_errors(reads: Reads) -> list[str]:
    """Rows that point at nothing, as sentences; of one column no more than some on PostgreSQL."""
    if reads.dialect == "sqlite":
        rows = await reads.all("PRAGMA foreign_key_check")
        return [f"row {row[1]} of {row[0]} points at no row of {row[2]}" for row in rows]
    wrong = []
    for table, column, other, key in await reads.all(_REFERENCES):
        rows = await reads.all(
            f"SELECT {column} FROM {table} t WHERE {column} IS NOT NULL"
            f" AND NOT EXISTS (SELECT 1 FROM {other} o WHERE o.{key} = t.{column}) LIMIT {_SHOWN}"
        )
        wrong += [f"a row of {table} points at no row of {other}: {column} is {row[0]}" for row in rows]
    return wrong


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
