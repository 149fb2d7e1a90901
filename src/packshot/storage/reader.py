"""Reads of one SQLite file: on the event loop, and on threads of their own where they would hold it up."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any

PATIENCE_S = 0.002
"""How long a read may hold up the event loop; most take a hundredth of that."""

THREADS = 2
STEPS = 1_000
"""After how many steps of SQLite's machine, some 20 us, it is asked how late it is."""

REMEMBERED = 256


class Reader:
    """Runs reads on the loop's thread, and those that take too long there again on a thread.

    Each thread has a connection of its own, which *connect* opens.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._connection = connect()
        self._connection.set_progress_handler(self._is_late, STEPS)
        self._deadline: float | None = None
        # Statements that took too long the last time: they go to a thread without another attempt.
        self._long: dict[str, None] = {}
        self._threads = ThreadPoolExecutor(THREADS, "sqlite-reader")
        self._own = threading.local()
        self._opened = [self._connection]

    def at_once(self, sql: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]] | None:
        """Every row, or None where that would take too long: then ask `apart`. Raises: sqlite3.Error."""
        if sql in self._long:
            return None
        self._deadline = None
        try:
            # fetchall, never a cursor: an unfinished one would pin the snapshot of every later read
            # and keep the write-ahead log from starting over.
            return self._connection.execute(sql, values).fetchall()
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorcode", None) != sqlite3.SQLITE_INTERRUPT:
                raise
        self._long[sql] = None
        if len(self._long) > REMEMBERED:
            del self._long[next(iter(self._long))]
        return None

    def _is_late(self) -> bool:
        # The clock starts at the first look: most reads are through before it.
        if self._deadline is None:
            self._deadline = perf_counter() + PATIENCE_S
        return perf_counter() > self._deadline

    async def apart(self, sql: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        """Every row, read on a thread while the loop does something else. Raises: sqlite3.Error."""
        rows, took_s = await asyncio.get_running_loop().run_in_executor(self._threads, self._read, sql, values)
        if took_s < PATIENCE_S:
            self._long.pop(sql, None)
        return rows

    def _read(self, sql: str, values: tuple[Any, ...]) -> tuple[list[tuple[Any, ...]], float]:
        if not hasattr(self._own, "connection"):
            connection = self._connect()
            self._opened.append(connection)
            # Long reads go through more than any cache holds: they are as quick with 2 MB as with the loop's 16.
            connection.execute("PRAGMA cache_size = -2000").fetchall()
            self._own.connection = connection
        started_s = perf_counter()
        rows = self._own.connection.execute(sql, values).fetchall()
        return rows, perf_counter() - started_s

    async def close(self) -> None:
        """Let the reads under way come to their end, then end the threads and close every connection."""
        await asyncio.to_thread(self._threads.shutdown)
        for connection in self._opened:
            connection.close()
