"""What the writer does when the disk, the lock, the queue or its own thread fails."""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hooked import PATIENCE_S, Faults, add, open_notes, queue, sqlite_error, standing_still, texts, together
from packshot.domain.errors import Conflict, NotFound, StoreFull, Unavailable
from packshot.storage import writer
from packshot.storage.database import Tx, Work
from packshot.storage.sqlite import connect

ONE_MB = 1_000_000
DEAD = "ignore::pytest.PytestUnhandledThreadExceptionWarning"


@pytest.fixture(autouse=True)
def one_group(monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups end by their number of items or an empty queue only, however slow the machine is."""
    monkeypatch.setattr(writer, "GROUP_S", PATIENCE_S)


def adding_then_failing(text: str) -> Work[None]:
    async def work(tx: Tx) -> None:
        await tx.run("INSERT INTO note (text) VALUES (?1)", text)
        raise NotFound("note", text)

    return work


def breaking(text: str) -> Work[None]:
    """A work whose second statement is the one that faults are set on."""

    async def work(tx: Tx) -> None:
        await tx.run("INSERT INTO note (text) VALUES (?1)", text)
        await tx.run("UPDATE note SET body = NULL WHERE text = ?1 -- breaks", text)

    return work


async def test_a_full_database_fails_the_statement_and_its_work_only(tmp_path: Path) -> None:
    async def big(tx: Tx) -> None:
        await tx.run("INSERT INTO note (text) VALUES ('small')")
        await tx.run("INSERT INTO note (text, body) VALUES ('big', ?1)", bytes(ONE_MB))

    async with open_notes(tmp_path / "db", settings="PRAGMA max_page_count = 20") as db:
        done = await together(db, add("a"), big, add("b"))

        assert isinstance(done[1], StoreFull)
        assert done[0::2] == [1, 2]
        assert await texts(db) == ["a", "b"]
        assert await db.write(add("c"))


@pytest.mark.parametrize(("name", "error"), [("SQLITE_FULL", StoreFull), ("SQLITE_NOMEM", sqlite3.OperationalError)])
async def test_after_the_loss_of_a_whole_transaction_the_others_run_again_each_alone(
    tmp_path: Path, name: str, error: type[Exception]
) -> None:
    faults = Faults("UPDATE", name, marker="breaks", loses_all=True)

    async with open_notes(tmp_path / "db", faults) as db:
        done = await together(db, add("a"), adding_then_failing("x"), breaking("culprit"), add("b"), add("c"))

        assert isinstance(done[2], error)
        assert isinstance(done[1], NotFound)
        assert [done[0], done[3], done[4]] == [1, 2, 3]
        assert await texts(db) == ["a", "b", "c"]


async def test_a_transaction_lost_by_a_failing_disk_stops_the_process_and_fails_the_culprit_only(
    tmp_path: Path,
) -> None:
    failures: list[BaseException] = []
    faults = Faults("UPDATE", "SQLITE_IOERR", marker="breaks", loses_all=True)

    async with open_notes(tmp_path / "db", faults, failures.append) as db:
        done = await together(db, add("a"), breaking("culprit"), add("b"))

        assert isinstance(done[1], Unavailable)
        assert done[0::2] == [1, 2]
        assert len(failures) == 1


async def test_two_works_of_a_group_may_each_lose_the_whole_transaction(tmp_path: Path) -> None:
    faults = Faults("UPDATE", "SQLITE_FULL", times=2, marker="breaks", loses_all=True)

    async with open_notes(tmp_path / "db", faults) as db:
        done = await together(db, add("a"), breaking("one"), add("b"), breaking("two"), add("c"))

        assert isinstance(done[1], StoreFull)
        assert isinstance(done[3], StoreFull)
        assert await texts(db) == ["a", "b", "c"]
        await db.write(breaking("three"))


async def test_a_neighbour_that_cannot_commit_alone_is_told_so_alone(tmp_path: Path) -> None:
    faults = Faults("UPDATE", "SQLITE_FULL", marker="breaks", loses_all=True)
    commits = 0

    def before(sql: str, connection: sqlite3.Connection) -> None:
        nonlocal commits
        faults(sql, connection)
        commits += sql == "COMMIT"
        if sql == "COMMIT" and commits == 2:  # the first is that of the work which held the writer up
            raise sqlite_error("SQLITE_FULL")

    async with open_notes(tmp_path / "db", before) as db:
        done = await together(db, add("a"), breaking("culprit"), add("b"))

        assert [type(outcome) for outcome in done] == [StoreFull, StoreFull, int]
        assert await texts(db) == ["b"]


@pytest.mark.parametrize(
    ("name", "error", "stops"),
    [("SQLITE_FULL", StoreFull, False), ("SQLITE_IOERR", Unavailable, True), ("SQLITE_BUSY", Unavailable, False)],
)
@pytest.mark.parametrize("loses_all", [False, True])
async def test_a_failed_commit_fails_all_each_with_an_exception_of_its_own(
    tmp_path: Path, name: str, error: type[Exception], *, stops: bool, loses_all: bool
) -> None:  # fmt: skip
    failures: list[BaseException] = []
    faults = Faults("COMMIT", name, loses_all=loses_all)

    async with open_notes(tmp_path / "db", faults, failures.append) as db:
        done = await together(db, add("a"), add("b"), add("c"))

        assert [type(outcome) for outcome in done] == [error] * 3
        assert len({id(outcome) for outcome in done}) == 3
        assert len({id(outcome.__cause__) for outcome in done}) == 3
        assert bool(failures) == stops
        assert await texts(db) == []
        assert await db.write(add("a")) == 1


async def test_a_constraint_that_fails_only_at_the_commit_leaves_nothing_and_the_writer_alive(tmp_path: Path) -> None:
    async with open_notes(tmp_path / "db") as db:
        await db.write(
            lambda tx: tx.run(
                "CREATE TABLE answer (note_id INTEGER REFERENCES note DEFERRABLE INITIALLY DEFERRED) STRICT"
            )
        )

        done = await together(db, add("a"), lambda tx: tx.run("INSERT INTO answer VALUES (7)"))

        assert [type(outcome) for outcome in done] == [Conflict, Conflict]
        assert await texts(db) == []
        assert await db.write(add("a")) == 1


@pytest.fixture
def impatient() -> str:
    return "PRAGMA busy_timeout = 50"


def lock(path: Path) -> sqlite3.Connection:
    """Another process's hold on the database, as the command line might have it."""
    other = connect(path)
    other.execute("BEGIN EXCLUSIVE")
    return other


async def test_a_lock_that_is_not_given_up_is_unavailable_while_reads_go_on(tmp_path: Path, impatient: str) -> None:
    async with open_notes(tmp_path / "db", settings=impatient) as db:
        await db.write(add("a"))
        other = lock(tmp_path / "db")

        with pytest.raises(Unavailable):
            await db.write(add("b"))

        assert await texts(db) == ["a"]
        other.execute("ROLLBACK")
        other.close()
        assert await db.write(add("b"))


async def test_a_lock_that_is_given_up_in_time_is_waited_for(tmp_path: Path) -> None:
    async with open_notes(tmp_path / "db") as db:
        other = lock(tmp_path / "db")
        (task,) = queue(db, add("a"))
        await asyncio.sleep(0.05)
        other.execute("ROLLBACK")
        other.close()

        assert await task == 1


async def test_works_behind_a_lock_do_not_wait_one_after_the_other(tmp_path: Path) -> None:
    patience_s, works = 0.2, 20

    async with open_notes(tmp_path / "db", settings=f"PRAGMA busy_timeout = {patience_s * 1000:.0f}") as db:
        await db.write(add("first"))  # the writer is up
        other = lock(tmp_path / "db")
        start = time.monotonic()
        done = await asyncio.gather(*queue(db, *(add(f"{n}") for n in range(works))), return_exceptions=True)
        waited_s = time.monotonic() - start
        other.close()

    assert {type(outcome) for outcome in done} == {Unavailable}
    assert waited_s < works / 4 * patience_s


async def test_a_full_queue_is_unavailable_at_once(tmp_path: Path) -> None:
    async with open_notes(tmp_path / "db") as db:
        async with standing_still(db):
            tasks = queue(db, *(add(f"{number}") for number in range(writer.QUEUE_ITEMS)))
            await asyncio.sleep(0)
            assert db.queued() == writer.QUEUE_ITEMS

            with pytest.raises(Unavailable):
                await db.write(add("one too many"))

        await asyncio.gather(*tasks)
        assert len(await texts(db)) == writer.QUEUE_ITEMS


class _ThreadDies(BaseException):
    """Nothing that the writer knows."""


def dying_at(statement: str) -> Callable[[str, sqlite3.Connection], None]:
    def before(sql: str, _: sqlite3.Connection) -> None:
        if sql.startswith(statement):
            raise _ThreadDies

    return before


@pytest.mark.filterwarnings(DEAD)
@pytest.mark.parametrize("statement", ["BEGIN", "SAVEPOINT", "RELEASE", "COMMIT"])
async def test_when_the_thread_dies_nobody_waits_for_ever(tmp_path: Path, statement: str) -> None:
    deaths: list[BaseException] = []
    async with open_notes(tmp_path / "db", dying_at(statement), deaths.append) as db:
        done = await asyncio.wait_for(
            asyncio.gather(*queue(db, *(add(f"{number}") for number in range(100))), return_exceptions=True), PATIENCE_S
        )

        assert {type(outcome) for outcome in done} == {Unavailable}
        assert len({id(outcome) for outcome in done}) == 100
        assert [type(death) for death in deaths] == [_ThreadDies]
        with pytest.raises(Unavailable):
            await db.write(add("late"))
        assert await texts(db) == []


@pytest.mark.filterwarnings(DEAD)
async def test_a_rollback_that_fails_ends_the_writer_and_settles_everybody(tmp_path: Path) -> None:
    deaths: list[BaseException] = []

    def before(sql: str, _: sqlite3.Connection) -> None:
        if sql in {"COMMIT", "ROLLBACK"}:
            raise sqlite_error("SQLITE_IOERR")

    async with open_notes(tmp_path / "db", before, deaths.append) as db:
        done = await asyncio.wait_for(
            asyncio.gather(*queue(db, add("a"), add("b")), return_exceptions=True), PATIENCE_S
        )

        assert [type(outcome) for outcome in done] == [Unavailable, Unavailable]
        assert len(deaths) == 1


@pytest.mark.filterwarnings(DEAD)
async def test_a_writer_that_cannot_open_its_database_says_so(tmp_path: Path) -> None:
    deaths: list[BaseException] = []

    async with open_notes(tmp_path / "db", failed=deaths.append, settings="PRAGMA nonsense(") as db:
        with pytest.raises(Unavailable):
            await db.write(add("a"))
        await asyncio.sleep(0.01)

        assert len(deaths) == 1
