"""The database's own checks."""

import sqlite3
from pathlib import Path

from packshot.storage.database import Reads, connect


async def integrity_errors(reads: Reads) -> list[str]:
    """What SQLite's quick check finds wrong; empty when all is well."""
    return [row[0] for row in await reads.all("PRAGMA quick_check(20)") if row[0] != "ok"]


async def foreign_key_errors(reads: Reads) -> list[str]:
    """Rows that point at nothing, as sentences."""
    return [f"a row of {row[0]} points at no row of {row[2]}" for row in await reads.all("PRAGMA foreign_key_check")]


def quick_check(path: Path) -> list[str]:
    """SQLite's quick check on a connection of its own, for a thread beside a running server."""
    connection = connect(path, read_only=True)
    try:
        return [row[0] for row in connection.execute("PRAGMA quick_check(20)").fetchall() if row[0] != "ok"]
    except sqlite3.DatabaseError as error:
        return [str(error)]
    finally:
        connection.close()
