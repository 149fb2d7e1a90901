"""Writing the database anew takes no room that others need, neither where there is too little nor where it fails."""

import shutil
import sqlite3
from pathlib import Path
from typing import NamedTuple

import pytest

from hooked import Hooked
from packshot.domain.errors import StoreFull
from packshot.storage import rewriting
from packshot.storage.migrations import prepare
from packshot.storage.sqlite import connect

PAGES = 200


class Usage(NamedTuple):
    """What is known of a disk."""

    total: int
    used: int
    free: int


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database of some size, of which half is free pages, with an empty log."""
    path = tmp_path / "db"
    prepare(path)
    connection = connect(path)
    connection.execute("CREATE TABLE heap (content BLOB)")
    for _ in range(PAGES):
        connection.execute("INSERT INTO heap VALUES (zeroblob(4000))")
    connection.execute("DELETE FROM heap WHERE rowid % 2")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    connection.close()
    return path


def test_it_is_refused_before_it_would_fill_the_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_bytes()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, PAGES // 2 * 4096))

    with pytest.raises(StoreFull):
        rewriting.rewrite(path, 0)

    assert path.read_bytes() == before


def test_room_for_what_its_rows_say_is_enough(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, len(path.read_bytes()) - PAGES // 2 * 4096))
    before = path.stat().st_size

    assert rewriting.rewrite(path, 0)

    assert path.stat().st_size < before


def test_where_the_disk_is_full_nevertheless_no_log_stays_behind(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, seen = path.with_name("db-wal"), []
    keeper = connect(path)  # as a server is: else the log would go with the last one who closes

    def fail(sql: str, connection: sqlite3.Connection) -> None:
        if sql == "VACUUM":
            connection.execute("UPDATE heap SET content = randomblob(4000)")  # takes as much room as it would
            seen.append(log.stat().st_size)
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error

    monkeypatch.setattr(rewriting, "connect", lambda path: Hooked(connect(path), fail))

    with pytest.raises(StoreFull):
        rewriting.rewrite(path, 0)

    assert seen[0] > PAGES // 2 * 4000
    assert log.stat().st_size == 0
    keeper.close()
