"""What statements a store is asked, by which plans, and how much work that is."""

import re
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from hooked import Hooked
from packshot.storage.sqlite import connect

Statements = list[tuple[str, Any]]
"""What was asked, in order, with the values."""

COUNTS = (1_000, 100_000)


class Recorded(Hooked):
    """A connection that writes down what it is asked, with the values."""

    def __init__(self, real: sqlite3.Connection, statements: Statements) -> None:
        super().__init__(real, lambda _sql, _connection: None)
        self._statements = statements

    def execute(self, sql: str, values: Any = ()) -> sqlite3.Cursor:
        self._statements.append((sql, values))
        return super().execute(sql, values)


def multiply(connection: sqlite3.Connection, table: str, count: int, made: Mapping[str, str]) -> None:
    """Make the table hold *count* rows like its first, numbered `n`; *made* has what is different, by column."""
    connection.execute(f"DELETE FROM {table} WHERE id > 1")
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})").fetchall()]
    chosen = {"id": "n"} | dict(made)
    connection.execute(
        f"WITH RECURSIVE number(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM number WHERE n < {count})"
        f" INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(chosen.get(name, name) for name in columns)}"
        f" FROM {table}, number WHERE id = 1"
    )


def steps_of(path: Path, statements: Statements) -> list[tuple[str, str]]:
    """The steps of these statements' plans, each with its statement."""
    connection = connect(path)
    found = [
        (row[3], sql)
        for sql, values in statements
        if re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE)", sql)
        for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall()
    ]
    connection.close()
    return found


def walks(path: Path, statements: Statements) -> list[str]:
    """Statements whose plan reads a whole table, or sorts what it read, with that step."""
    return [
        f"{step}: {sql}"
        for step, sql in steps_of(path, statements)
        if re.match(r"SCAN (?!(?:\d+ )?CONSTANT ROW)|USE TEMP B-TREE", step)
    ]


def work_of(path: Path, statements: Statements) -> int:
    """How many hundreds of steps the database's machine takes for these statements."""
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    connection = connect(path)
    connection.set_progress_handler(count, 100)
    for sql, values in statements:
        connection.execute(sql, values).fetchall()
    connection.close()
    return steps


async def measure(
    statements: Statements,
    path: Path,
    acts: Mapping[str, Callable[[], Awaitable[object]]],
    fill: Callable[[Path, int], None],
) -> dict[str, list[int]]:
    """What each act takes, first among a thousand rows that *fill* makes and then among a hundred thousand."""
    taken: dict[str, list[int]] = {name: [] for name in acts}
    for count in COUNTS:
        fill(path, count)
        for name, act in acts.items():
            statements.clear()
            await act()
            taken[name].append(work_of(path, statements))
    return taken
