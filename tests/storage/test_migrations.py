"""The schema grows step by step, once, and all or nothing."""

import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from packshot.storage import migrations
from packshot.storage.migrations import NotMigrated, SchemaTooNew, migrate, steps, version
from packshot.storage.sqlite import connect

# Forked from a process that has everything imported, so that they really start at once.
STARTS = """
import os, sys
from pathlib import Path
from packshot.storage.sqlite import connect
from packshot.storage.migrations import migrate

def start(path):
    connection = connect(path)
    applied = migrate(connection)
    connection.close()
    return len(applied)

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

    assert [step.name for step in migrate(connection)] == [name for _, name, _ in steps()]

    assert version(connection) == steps()[-1][0]
    applied = connection.execute("SELECT number, name FROM migration ORDER BY number").fetchall()
    assert applied == [(number, name) for number, name, _ in steps()]
    assert connection.execute("PRAGMA quick_check").fetchall() == [("ok",)]


def test_a_migrated_database_stays_as_it_is(connection: sqlite3.Connection) -> None:
    migrate(connection)
    before, writes = schema(connection), connection.total_changes

    assert migrate(connection) == []

    assert schema(connection) == before
    assert connection.total_changes == writes


def test_only_the_missing_steps_are_applied(connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    migrate(connection)
    connection.execute("INSERT INTO account (name, created_at) VALUES ('kept', 1)")
    add_step(monkeypatch, "CREATE TABLE more (id INTEGER PRIMARY KEY) STRICT;\nINSERT INTO more VALUES (5);\n")

    assert len(migrate(connection)) == 1

    assert connection.execute("SELECT id FROM more").fetchall() == [(5,)]
    assert connection.execute("SELECT name FROM account").fetchall() == [("kept",)]


FOUNDED = """
INSERT INTO account VALUES (1, 'main', 5);
INSERT INTO member VALUES (1, 1, 'administrator', 5);
INSERT INTO catalog VALUES (1, 1, 'Products', NULL, NULL, NULL);
INSERT INTO property VALUES (1, 1, 1, 'MORE_PHOTO', 'Pictures', 'F', 1);
INSERT INTO product (id, account_id, catalog_id, kind, name, name_folded, active, available, bundle, sort, section_id,
    created_by, modified_by, created_at, changed_at, preview_text_type, detail_text_type, vat_included, can_buy_zero,
    quantity_trace, subscribe, barcode_multi, without_order)
    VALUES (7, 1, 1, 1, 'Shirt', 'shirt', 1, 1, 0, 100, 4711, 1, 1, 5, 5, 'text', 'text', 0, 0, 2, 2, 0, 0);
INSERT INTO blob VALUES (1, 1, 'd', 'd.1', 9, 'image/png', 1, 1, 1, 'live', 5, NULL);
INSERT INTO image VALUES (3, 1, 7, 'more', 'a.png', 'a.png', 'abc/x', 1, 5);
"""


def test_what_the_first_step_held_outlives_all_that_follow(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = steps()
    monkeypatch.setattr(migrations, "steps", lambda: every[:1])
    migrate(connection)
    connection.executescript(FOUNDED)
    monkeypatch.setattr(migrations, "steps", lambda: every)

    migrate(connection)

    shown = "SELECT p.id, p.name, p.section_id, i.id, i.property_id FROM product p JOIN image i ON i.product_id = p.id"
    assert connection.execute(shown).fetchall() == [(7, "Shirt", None, 3, None)]
    assert connection.execute("SELECT changed_at, sort FROM property").fetchall() == [(5, 500)]
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


def test_no_step_names_a_table_of_a_later_one() -> None:
    """SQLite would not mind; PostgreSQL would."""
    made: set[str] = set()

    for _, name, sql in steps():
        for statement in re.sub(r"--.*", "", sql).split(";"):
            made |= set(re.findall(r"CREATE TABLE (\w+)", statement))
            assert set(re.findall(r"REFERENCES (\w+)", statement)) <= made, name


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

    with pytest.raises(NotMigrated, match=r"step \d{4}_test failed, no such table: nowhere"):
        migrate(connection)

    assert schema(connection) == before
    assert not connection.in_transaction


def test_a_step_that_the_database_rolled_back_itself_still_says_why(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_step(
        monkeypatch, "CREATE TABLE half (id INTEGER PRIMARY KEY) STRICT;\nROLLBACK;\nINSERT INTO nowhere VALUES (1);"
    )

    with pytest.raises(NotMigrated, match=r"step \d{4}_test failed, no such table: nowhere"):
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

    assert len(migrate(connection)) == len(migrations.steps())


def test_processes_that_start_at_once_share_the_work(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STARTS, tmp_path], capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stderr == ""
    assert done.stdout.splitlines() == [f"0 0 0 {len(steps())}"] * 40
