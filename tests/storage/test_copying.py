"""Rows of a store travel between SQLite and PostgreSQL unchanged, as one snapshot, or not at all."""

import asyncio
import contextlib
import gc
import re
import sqlite3
import tracemalloc
from ast import literal_eval
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import asyncpg
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import postgres
from packshot.storage import copying, migrations
from packshot.storage.copying import CannotCopy
from packshot.storage.copying.ends import STAYING
from packshot.storage.migrations import on_postgresql
from serving import run_lines

pytestmark = pytest.mark.on_files("these tests make both kinds of stores themselves")

TEXTS = st.lists(
    st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=20), min_size=8, max_size=8
)
NUMBERS = st.lists(st.integers(-(2**63), 2**63 - 1), min_size=4, max_size=4)
FLOATS = st.lists(st.floats(allow_nan=False), min_size=4, max_size=4)
TRIES = 60
KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from packshot.storage import copying

def told(done, total):
    if done > total // 2:
        os.kill(os.getpid(), signal.SIGKILL)

async def run(source, target):
    async with copying.reading(source) as one, copying.writing(target) as other:
        await copying.copy(one, other, told)

asyncio.run(run(*(text if "://" in text else Path(text) for text in sys.argv[1:])))
"""

Address = copying.Address


async def travel(source: Address, target: Address) -> dict[str, copying.Digest]:
    async with copying.reading(source) as one, copying.writing(target) as other:
        return await copying.copy(one, other, lambda _done, _total: None)


async def digests(address: Address) -> tuple[dict[str, copying.Digest], dict[str, int]]:
    async with copying.reading(address) as end:
        return await copying.digests(end), {name: number for name, number in (await end.ids()).items() if number}


async def execute(address: Address, sql: str) -> list[Any]:
    if isinstance(address, Path):
        with closing(sqlite3.connect(address, isolation_level=None)) as connection:
            return connection.execute(sql).fetchall()
    connection = await asyncpg.connect(address)
    try:
        return [tuple(row) for row in await connection.fetch(sql)]
    finally:
        await connection.close()


@pytest.fixture(scope="module")
def migrated() -> str:
    """A database of PostgreSQL's at the newest step, which tests of this module share."""
    url = postgres.new()
    asyncio.run(on_postgresql.create(url))
    return url


@pytest.fixture
async def url() -> str:
    url = postgres.new()
    await on_postgresql.create(url)
    return url


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An empty store's file."""
    migrations.prepare(tmp_path / "one.sqlite3")
    return tmp_path / "one.sqlite3"


@pytest.fixture(params=["sqlite", "postgresql"])
async def target(request: pytest.FixtureRequest, tmp_path: Path) -> Address:
    """A database with one account in it."""
    address: Address = tmp_path / "two.sqlite3"
    if request.param == "postgresql":
        address = postgres.new()
        await on_postgresql.create(address)
    else:
        migrations.prepare(tmp_path / "two.sqlite3")
    await execute(address, "INSERT INTO account (name, created_at) VALUES ('before', 7)")
    return address


class Filler:
    """Puts rows into every table: texts and numbers by chance, words that a CHECK names, ids that are there."""

    def __init__(self, connection: sqlite3.Connection, chance: Random, values: dict[str, list[Any]]) -> None:
        self._connection, self._chance, self._values = connection, chance, values
        self._ids: dict[str, list[tuple[int]]] = {}

    def fill(self) -> None:
        names = self._connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
        ).fetchall()
        own = [(name, sql) for name, sql in names if name not in STAYING]
        for name, sql in own * 2:  # some point at tables that come later
            columns = self._connection.execute(f"PRAGMA table_info({name})").fetchall()
            points = {row[3]: row[2] for row in self._connection.execute(f"PRAGMA foreign_key_list({name})")}
            self._ids = {to: self._connection.execute(f"SELECT id FROM {to}").fetchall() for to in points.values()}
            for _ in range(TRIES):
                self._add(name, sql, columns, points)

    def _add(self, table: str, sql: str, columns: list[Any], points: dict[str, str]) -> None:
        row = {name: self._value(name, kind, points.get(name), sql, needed) for _, name, kind, needed, *_ in columns}
        if "id" in row:
            row["id"] = None if table != "scrub" else 1
        insert = f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})"
        with contextlib.suppress(sqlite3.IntegrityError):  # chance made what a store cannot hold
            self._connection.execute(insert, tuple(row.values()))

    def _value(self, name: str, kind: str, table: str | None, sql: str, needed: int) -> Any:
        if not needed and self._chance.random() < 0.4:
            return None
        if table:
            return self._chance.choice(self._ids[table])[0] if self._ids[table] else None
        if words := re.search(rf"CHECK \({name} IN \(([^)]*)\)", sql):
            return self._chance.choice([literal_eval(word.strip()) for word in words[1].split(",")])
        if limits := re.search(rf"CHECK \({name} BETWEEN (\d+) AND (\d+)\)", sql):
            return self._chance.randint(int(limits[1]), int(limits[2]))
        return self._chance.choice(self._values[kind])


@given(TEXTS, NUMBERS, FLOATS, st.integers(0, 2**32))
@settings(max_examples=4, deadline=None, derandomize=True, phases=(Phase.explicit, Phase.generate))
def test_rows_of_every_table_travel_there_and_back_unchanged(
    migrated: str, tmp_path_factory: pytest.TempPathFactory, texts: list[str], numbers: list[int], floats: list[float],
    seed: int,
) -> None:  # fmt: skip
    folder = tmp_path_factory.mktemp("travel")
    one, two = folder / "one.sqlite3", folder / "two.sqlite3"
    migrations.prepare(one)
    values: dict[str, list[Any]] = {
        "TEXT": texts,
        "INTEGER": numbers,
        "REAL": floats,
        "BLOB": [text.encode() for text in texts],
    }
    with closing(sqlite3.connect(one)) as connection, connection:
        connection.execute("PRAGMA foreign_keys = ON")
        Filler(connection, Random(seed), values).fill()

    there = asyncio.run(travel(one, migrated))
    asyncio.run(travel(migrated, two))

    assert dump(one) == dump(two)
    assert [name for name, digest in there.items() if not digest.rows] == []


def dump(path: Path) -> dict[str, list[Any]]:
    """All there is in a file, also how far ids have come, and what triggers it has."""
    with closing(sqlite3.connect(path)) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        found = {name: sorted(connection.execute(f"SELECT * FROM {name}").fetchall(), key=repr) for (name,) in names}
        found["triggers"] = sorted(connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"))
    return {name: rows for name, rows in found.items() if name not in STAYING}


async def test_no_id_is_given_out_again_that_ever_was(path: Path, url: str) -> None:
    await execute(path, "INSERT INTO account (id, name, created_at) VALUES (41, 'gone', 1)")
    await execute(path, "DELETE FROM account")
    add = "INSERT INTO account (name, created_at) VALUES ('{}', 1) RETURNING id"

    await travel(path, url)
    ((there,),) = await execute(url, add.format("there"))
    await execute(url, "DELETE FROM account")
    await travel(url, path)
    ((back,),) = await execute(path, add.format("back"))

    assert (there, back) == (42, 43)


async def test_what_is_written_meanwhile_is_not_copied(target: Address, tmp_path: Path) -> None:
    migrations.prepare(tmp_path / "three.sqlite3")
    seen = []

    async def one_more() -> None:
        await execute(target, "INSERT INTO account (name, created_at) VALUES ('meanwhile', 1)")

    async with copying.reading(target) as one, copying.writing(tmp_path / "three.sqlite3") as other:
        await one_more()
        await copying.copy(one, other, lambda done, _: seen.append(done))

    assert await execute(tmp_path / "three.sqlite3", "SELECT name FROM account") == [("before",)]
    assert seen


async def test_what_servers_of_the_target_knew_of_each_other_is_forgotten(path: Path, target: Address) -> None:
    await execute(target, "INSERT INTO agreed (name, value) VALUES ('blobs.url', 's3://elsewhere/shop')")

    await travel(path, target)

    assert await execute(target, "SELECT name FROM agreed") == []


async def test_killed_in_between_it_leaves_the_target_as_it_was(path: Path, target: Address) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        rows = [(f"bitrix {number}",) for number in range(2_000)]
        connection.executemany("INSERT INTO fault_rule (rule, created_at) VALUES (?1, 1)", rows)
    before = await digests(target)

    done = run_lines(KILLED, path, str(target))

    assert done.returncode == -9, done.stderr
    assert await digests(target) == before
    await travel(path, target)
    assert await digests(target) == await digests(path)


async def test_triggers_and_foreign_keys_rest_while_rows_come_and_work_afterwards(path: Path, target: Address) -> None:
    await execute(path, "INSERT INTO account (name, created_at, quota_bytes, live_bytes) VALUES ('main', 1, 100, 5)")
    blob = "INSERT INTO blob (account_id, digest, key, size_bytes, media_type, width_px, height_px, frames, state,"
    blob += " created_at) VALUES (1, '{0}', '{0}', 5, 'image/png', 1, 1, 1, 'live', 1)"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DROP TRIGGER blob_counted")
        connection.execute(blob.format("a"))

    await travel(path, target)
    copied = await execute(target, "SELECT live_bytes FROM account")
    await execute(target, blob.format("b"))

    assert copied == [(5,)]
    assert await execute(target, "SELECT live_bytes FROM account") == [(10,)]
    with pytest.raises((sqlite3.IntegrityError, asyncpg.ForeignKeyViolationError)):
        await refer_to_nothing(target)


async def refer_to_nothing(address: Address) -> None:
    sql = "INSERT INTO catalog (account_id, name) VALUES (99, 'lost')"
    if isinstance(address, Path):
        with closing(sqlite3.connect(address)) as connection:
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute(sql)
    else:
        await execute(address, sql)


async def test_rows_that_point_nowhere_are_refused(path: Path, target: Address) -> None:
    await execute(path, "INSERT INTO catalog (account_id, name) VALUES (99, 'lost')")
    before = await digests(target)

    with pytest.raises(CannotCopy, match="packshot verify"):
        await travel(path, target)

    assert await digests(target) == before


async def test_a_character_that_postgresql_cannot_keep_is_named_with_its_row(path: Path, url: str) -> None:
    await execute(path, "INSERT INTO account (id, name, created_at) VALUES (3, 'a' || char(0), 1)")

    with pytest.raises(CannotCopy, match=r"^name of the row of account with id 3 holds the character U\+0000"):
        await travel(path, url)


async def test_only_databases_of_one_step_are_copied(path: Path, target: Address) -> None:
    await execute(path, "DELETE FROM migration WHERE number = (SELECT max(number) FROM migration)")

    with pytest.raises(CannotCopy, match=r"at step .* of the schema and the other one at"):
        await travel(path, target)


async def test_a_target_in_use_is_left_alone(path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("packshot.storage.copying.on_postgresql.LOCK_S", 0.1)
    user = await asyncpg.connect(url)
    transaction = user.transaction()
    await transaction.start()
    await user.execute("SELECT * FROM account")

    with pytest.raises(CannotCopy, match="somebody uses the tables of the target"):
        await travel(path, url)

    await transaction.rollback()
    await user.close()


async def test_memory_does_not_grow_with_the_number_of_rows(path: Path, url: str, tmp_path: Path) -> None:
    few, many = [await peak(path, url, tmp_path / "back.sqlite3", count) for count in (1_000, 10_000)]

    assert many < 1.5 * few


async def peak(path: Path, url: str, back: Path, count: int) -> int:
    """The most bytes that a copy of so many rows held, there and back."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM fault_rule")
        rows = ((f"{number} {'x' * 1_000}",) for number in range(count))
        connection.executemany("INSERT INTO fault_rule (rule, created_at) VALUES (?1, 1)", rows)
    gc.collect()
    tracemalloc.start()
    try:
        await travel(path, url)
        await travel(url, back)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
