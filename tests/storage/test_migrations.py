"""The schema grows step by step, once, and all or nothing."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from packshot.storage import migrations
from packshot.storage.database import connect
from packshot.storage.migrations import SchemaTooNew, migrate, steps, version

# Forked from a process that has everything imported, so that they really start at once.
STARTS = """
import os, sys
from pathlib import Path
from packshot.storage.database import connect
from packshot.storage.migrations import migrate

def start(path):
    connection = connect(path)
    applied = migrate(connection)
    connection.close()
    return applied

for number in range(40):
    children = []
    for _ in range(4):
        child = os.fork()
        if not child:
            code = 99
            try:
                code = start(Path(sys.argv[1]) / f"db-{number}")
            except Exception as error:
                print(repr(error), file=sys.stderr, flush=True)
            os._exit(code)
        children.append(child)
    print(*sorted(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))
"""


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    opened = connect(tmp_path / "db")
    yield opened
    opened.close()


def schema(connection: sqlite3.Connection) -> list[tuple[str, ...]]:
    return connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()


def add_step(monkeypatch: pytest.MonkeyPatch, sql: str) -> None:
    """One more step after the last one."""
    number = steps()[-1][0] + 1
    more = [*steps(), (number, f"{number:04}_test", sql)]
    monkeypatch.setattr(migrations, "steps", lambda: more)


def test_steps_are_numbered_without_gaps_from_one() -> None:
    assert [number for number, _, _ in steps()] == list(range(1, len(steps()) + 1))
    assert all(name.startswith(f"{number:04}_") for number, name, _ in steps())


def test_an_empty_database_gets_every_step(connection: sqlite3.Connection) -> None:
    assert version(connection) == 0

    assert migrate(connection) == len(steps())

    assert version(connection) == steps()[-1][0]
    applied = connection.execute("SELECT number, name FROM migration ORDER BY number").fetchall()
    assert applied == [(number, name) for number, name, _ in steps()]
    assert connection.execute("PRAGMA quick_check").fetchall() == [("ok",)]


def test_a_migrated_database_stays_as_it_is(connection: sqlite3.Connection) -> None:
    migrate(connection)
    before, writes = schema(connection), connection.total_changes

    assert migrate(connection) == 0

    assert schema(connection) == before
    assert connection.total_changes == writes


def test_only_the_missing_steps_are_applied(connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    migrate(connection)
    connection.execute("INSERT INTO account (name, created_at) VALUES ('kept', 1)")
    add_step(monkeypatch, "CREATE TABLE more (id INTEGER PRIMARY KEY) STRICT;\nINSERT INTO more VALUES (5);\n")

    assert migrate(connection) == 1

    assert connection.execute("SELECT id FROM more").fetchall() == [(5,)]
    assert connection.execute("SELECT name FROM account").fetchall() == [("kept",)]


def test_a_database_of_a_newer_version_is_refused_and_left_alone(connection: sqlite3.Connection) -> None:
    migrate(connection)
    newer = steps()[-1][0] + 1
    connection.execute("INSERT INTO migration VALUES (?1, 'from the future', 1)", (newer,))
    before = schema(connection)

    with pytest.raises(SchemaTooNew, match=f"schema {newer}"):
        migrate(connection)

    assert schema(connection) == before
    assert not connection.in_transaction


@pytest.mark.parametrize("known", [False, True])
def test_a_failing_step_leaves_nothing_behind(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch, *, known: bool
) -> None:  # fmt: skip
    if known:
        migrate(connection)
    before = schema(connection)
    add_step(monkeypatch, "CREATE TABLE half (id INTEGER PRIMARY KEY) STRICT;\nINSERT INTO nowhere VALUES (1);\n")

    with pytest.raises(sqlite3.OperationalError, match="nowhere"):
        migrate(connection)

    assert schema(connection) == before
    assert not connection.in_transaction


def test_a_step_that_the_database_rolled_back_itself_still_says_why(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_step(
        monkeypatch, "CREATE TABLE half (id INTEGER PRIMARY KEY) STRICT;\nROLLBACK;\nINSERT INTO nowhere VALUES (1);"
    )

    with pytest.raises(sqlite3.OperationalError, match="nowhere"):
        migrate(connection)


def test_the_last_statement_of_a_step_is_never_forgotten(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_step(monkeypatch, "CREATE TABLE one (id INTEGER PRIMARY KEY) STRICT;\nCREATE TABLE two (id INTEGER)")

    migrate(connection)

    assert {"one", "two"} <= {name for name, _ in schema(connection)}


def test_a_comment_after_the_last_statement_is_fine(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_step(monkeypatch, "CREATE TABLE one (id INTEGER PRIMARY KEY) STRICT;\n-- that is all\n")

    assert migrate(connection) == len(migrations.steps())


def test_processes_that_start_at_once_share_the_work(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STARTS, tmp_path], capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stderr == ""
    assert done.stdout.splitlines() == [f"0 0 0 {len(steps())}"] * 40
