"""The writer's contract: what a work may do, what it may not, and when its caller is answered."""

import asyncio
import contextlib
import contextvars
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hooked import PATIENCE_S, add, open_notes, queue, standing_still, texts, together
from packshot.domain.errors import Conflict, NotFound, Unavailable
from packshot.storage import writer
from packshot.storage.database import Database, Tx, Work
from packshot.storage.sqlite import SqliteTx, connect

INSERT = "INSERT INTO note (text) VALUES (?1)"


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_notes(tmp_path / "db") as opened:
        yield opened


@pytest.fixture
def one_group(monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups end by their number of items or an empty queue only, however slow the machine is."""
    monkeypatch.setattr(writer, "GROUP_S", PATIENCE_S)


def adding_then(fail: Any) -> Work[None]:
    """A work that adds the note `mine`, then does what *fail* does, awaited if that is possible."""

    async def work(tx: Tx) -> None:
        await tx.run(INSERT, "mine")
        outcome = fail()
        if hasattr(outcome, "__await__"):
            await outcome

    return work


async def test_settings_flush_every_commit_and_hold_foreign_keys(tmp_path: Path) -> None:
    connection = connect(tmp_path / "db")

    found = {
        name: connection.execute(f"PRAGMA {name}").fetchall()[0][0]
        for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "wal_autocheckpoint")
    }

    full = 2
    assert found == {
        "journal_mode": "wal", "synchronous": full, "foreign_keys": 1, "busy_timeout": 5000, "wal_autocheckpoint": 1000,
    }  # fmt: skip
    assert connection.isolation_level is None
    connection.close()


async def test_the_reader_cannot_change_anything(db: Database) -> None:
    with pytest.raises(Unavailable):
        await db.all("DELETE FROM note")


async def test_a_work_gives_back_its_result_and_its_rows_are_read_at_once(db: Database) -> None:
    first = await db.write(add("a"))

    assert await db.one("SELECT id, text FROM note") == (first, "a")


async def test_own_writes_are_read_at_once_after_each_of_many_commits(db: Database) -> None:
    for number in range(50):
        await db.write(add(f"{number:02}"))

        assert len(await texts(db)) == number + 1


@pytest.mark.usefixtures("one_group")
async def test_a_works_failure_is_its_own_and_its_neighbours_commits_stand(db: Database) -> None:
    def fail() -> None:
        raise NotFound("note", 7)

    done = await together(db, add("a"), adding_then(fail), add("b"))

    assert isinstance(done[1], NotFound)
    assert done[0::2] == [1, 2]
    assert await texts(db) == ["a", "b"]


@pytest.mark.usefixtures("one_group")
async def test_a_violated_constraint_is_a_conflict_of_that_work_alone(db: Database) -> None:
    done = await together(db, add("a"), add("a"), add("b"))

    assert isinstance(done[1], Conflict)
    assert await texts(db) == ["a", "b"]


async def test_a_conflict_says_nothing_of_tables_and_columns(db: Database) -> None:
    await db.write(add("a"))

    with pytest.raises(Conflict) as caught:
        await db.write(add("a"))

    assert "note" not in str(caught.value)
    assert "constraint" not in str(caught.value).lower()


@pytest.mark.parametrize("error", [RecursionError(), asyncio.CancelledError(), KeyError("x"), GeneratorExit()])
@pytest.mark.usefixtures("one_group")
async def test_whatever_a_work_raises_is_its_own_failure(db: Database, error: BaseException) -> None:
    def fail() -> None:
        raise error

    done = await together(db, add("a"), adding_then(fail), add("b"))

    assert isinstance(done[1], type(error))
    assert await texts(db) == ["a", "b"]
    assert await db.write(add("c"))


@pytest.mark.usefixtures("one_group")
async def test_a_work_that_recurses_without_end_is_its_own_failure(db: Database) -> None:
    def deeper() -> None:
        deeper()

    done = await together(db, add("a"), adding_then(deeper), add("b"))

    assert isinstance(done[1], RecursionError)
    assert await texts(db) == ["a", "b"]


@pytest.mark.usefixtures("one_group")
async def test_a_work_that_runs_out_of_an_iterator_keeps_nobody_waiting(db: Database) -> None:
    def work(_: Tx) -> Any:
        return next(iter(()))

    done = await together(db, add("a"), work, add("b"))

    assert isinstance(done[1], Exception)
    assert done[0::2] == [1, 2]


WAITS = {
    "a turn of the loop": lambda: asyncio.sleep(0),
    "a pause": lambda: asyncio.sleep(0.001),
    "a future": asyncio.Future,
    "a thread": lambda: asyncio.to_thread(int),
}


@pytest.mark.parametrize("name", WAITS)
@pytest.mark.usefixtures("one_group")
async def test_a_work_that_waits_for_anything_else_is_refused_and_rolled_back(db: Database, name: str) -> None:
    loop = asyncio.get_running_loop()
    wait = loop.create_future if name == "a future" else WAITS[name]

    done = await together(db, add("a"), adding_then(wait), add("b"))

    assert isinstance(done[1], RuntimeError)
    assert await texts(db) == ["a", "b"]


async def test_a_refused_work_cannot_write_in_its_last_breath(db: Database) -> None:
    async def work(tx: Tx) -> None:
        try:
            await asyncio.sleep(0)
        finally:
            await tx.run(INSERT, "last breath")

    with pytest.raises(RuntimeError):
        await db.write(work)

    assert await texts(db) == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("waits_again", [False, True])
@pytest.mark.usefixtures("one_group")
async def test_a_work_that_will_not_be_closed_is_refused_all_the_same(db: Database, *, waits_again: bool) -> None:
    async def work(tx: Tx) -> str:
        await tx.run(INSERT, "mine")
        with contextlib.suppress(GeneratorExit):
            await asyncio.sleep(0)
        if waits_again:
            await asyncio.sleep(0)
        return "as if nothing had happened"

    done = await together(db, add("a"), work, add("b"))

    assert isinstance(done[1], RuntimeError)
    assert "awaited something" in str(done[1])
    assert await texts(db) == ["a", "b"]


async def test_a_write_inside_a_work_is_refused_before_it_is_queued(db: Database) -> None:
    async def work(tx: Tx) -> None:
        await tx.run(INSERT, "outer")
        await db.write(add("inner"))

    with pytest.raises(RuntimeError):
        await db.write(work)

    await db.write(add("later"))
    assert await texts(db) == ["later"]


CONTROL = [
    "BEGIN", "COMMIT", "END", "ROLLBACK", "ROLLBACK TO work", "SAVEPOINT own", "RELEASE work", "VACUUM",
    "PRAGMA foreign_keys = OFF", "ATTACH ':memory:' AS other", "DETACH other", "  commit", "\n\tEnd Transaction",
    "INSERT INTO note (text) VALUES ('x'); COMMIT",
]  # fmt: skip
DISGUISED = ["-- done\nCOMMIT", "/* done */ COMMIT", "/**/--\n COMMIT", ";COMMIT", "\ufeffCOMMIT"]


@pytest.mark.parametrize("sql", CONTROL + DISGUISED)
@pytest.mark.usefixtures("one_group")
async def test_a_work_cannot_end_its_neighbours_transaction(db: Database, sql: str) -> None:
    async def work(tx: Tx) -> None:
        await tx.run(INSERT, "mine")
        await tx.run(sql)

    done = await together(db, add("a"), work, add("b"))

    assert isinstance(done[1], Exception)
    assert done[0::2] == [1, 2]
    assert await texts(db) == ["a", "b"]


@pytest.mark.parametrize("method", ["one", "all", "run", "insert"])
async def test_no_method_of_a_transaction_takes_transaction_control(db: Database, method: str) -> None:
    with pytest.raises(RuntimeError):
        await db.write(lambda tx: getattr(tx, method)("COMMIT"))


async def test_a_transaction_hands_out_neither_its_connection_nor_scripts() -> None:
    assert {name for name in dir(SqliteTx) if not name.startswith("_")} == {"one", "all", "run", "insert", "dialect"}


async def test_context_variables_travel_along(db: Database) -> None:
    request_id = contextvars.ContextVar("request_id", default="none")
    request_id.set("r-1")

    async def work(_: Tx) -> str:
        return request_id.get()

    assert await db.write(work) == "r-1"
    assert request_id.get() == "r-1"


async def test_nobody_is_answered_before_the_commit_has_returned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "GROUP_S", PATIENCE_S)
    committing, go_on = threading.Event(), threading.Event()

    def before(sql: str, _: sqlite3.Connection) -> None:
        if sql == "COMMIT":
            committing.set()
            go_on.wait(PATIENCE_S)

    async with open_notes(tmp_path / "db", before) as db:
        tasks = queue(db, add("a"), add("b"))
        await asyncio.to_thread(committing.wait, PATIENCE_S)
        await asyncio.sleep(0.02)

        answered_early = [task.done() for task in tasks]
        seen_early = await texts(db)
        go_on.set()
        await asyncio.gather(*tasks)

        assert answered_early == [False, False]
        assert seen_early == []
        assert await texts(db) == ["a", "b"]


async def test_a_work_cancelled_in_the_queue_is_never_run(db: Database) -> None:
    async with standing_still(db):
        tasks = queue(db, add("a"), add("cancelled"), add("b"))
        await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.sleep(0)
    await asyncio.gather(*tasks, return_exceptions=True)

    assert tasks[1].cancelled()
    assert await texts(db) == ["a", "b"]


async def test_a_work_cancelled_once_begun_is_committed(db: Database) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        go_on.wait(PATIENCE_S)

    (task,) = queue(db, adding_then(wait))
    await asyncio.sleep(0)
    await asyncio.to_thread(begun.wait, PATIENCE_S)
    task.cancel()
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(task, return_exceptions=True)
    await db.write(add("next"))

    assert task.cancelled()
    assert await texts(db) == ["mine", "next"]
