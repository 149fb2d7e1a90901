"""The bare write loop: what 16 threads can do on a disk that has to flush, without any service around it.

Each thread, again and again: write 200 KB to a new file, flush it, rename it, flush the folder, commit one row.
"""

import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import parallel
from benchmarks.load import Round
from benchmarks.parallel import Turn

SCHEMA = """
CREATE TABLE IF NOT EXISTS picture (id INTEGER PRIMARY KEY, name TEXT NOT NULL, size_bytes INTEGER NOT NULL) STRICT
"""
INSERT = "INSERT INTO picture (name, size_bytes) VALUES (?, ?)"  # a transaction of its own: cheaper than BEGIN, COMMIT

Commit = Callable[[str, int], object]
Commits = Callable[[], contextlib.AbstractContextManager[Commit]]
"""Makes what a thread commits its rows with."""
Strategy = Callable[[Path], contextlib.AbstractContextManager[Commits]]


@contextlib.contextmanager
def own_connections(folder: Path) -> Iterator[Commits]:
    """Each thread has a connection of its own; they wait for one another with SQLite's busy timeout."""

    @contextlib.contextmanager
    def opened() -> Iterator[Commit]:
        with contextlib.closing(_connect(folder)) as connection:
            yield lambda name, size_bytes: connection.execute(INSERT, (name, size_bytes))

    yield opened


@contextlib.contextmanager
def shared_connection(folder: Path) -> Iterator[Commits]:
    """All threads use one connection, under a lock."""
    lock = threading.Lock()
    with contextlib.closing(_connect(folder)) as connection:

        def commit(name: str, size_bytes: int) -> None:
            with lock:
                connection.execute(INSERT, (name, size_bytes))

        yield lambda: contextlib.nullcontext(commit)


def _connect(folder: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(folder / "loop.sqlite", isolation_level=None, check_same_thread=False, timeout=30)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(SCHEMA)
    return connection


def prepare(folder: Path) -> None:
    """Make the folders."""
    (folder / "staging").mkdir(parents=True)
    (folder / "blobs").mkdir()


def run(folder: Path, strategy: Strategy, data: bytes, seconds: float, prefix: str) -> Round:
    """One round in a prepared folder. `prefix` must be new each time: it begins the names of the files."""
    with strategy(folder) as commits:

        @contextlib.contextmanager
        def opened(number: int) -> Iterator[Turn]:
            blobs = os.open(folder / "blobs", os.O_RDONLY | os.O_DIRECTORY)
            try:
                with commits() as commit:
                    yield lambda turn: _store(folder, blobs, f"{prefix}-{number}-{turn}", data, commit)
            finally:
                os.close(blobs)

        return parallel.run(opened, seconds)


def _store(folder: Path, blobs: int, name: str, data: bytes, commit: Commit) -> None:
    staged = folder / "staging" / name
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    os.write(descriptor, data)
    os.fsync(descriptor)
    os.close(descriptor)
    staged.rename(folder / "blobs" / name)
    os.fsync(blobs)
    commit(name, len(data))
