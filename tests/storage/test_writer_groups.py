"""How the writer groups works, ends its queue, and keeps the write-ahead log short."""

import asyncio
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from hooked import PATIENCE_S, Faults, add, open_notes, queue, standing_still, texts, together, until
from packshot.domain.errors import Conflict, Unavailable
from packshot.storage import writer
from packshot.storage.database import Tx
from packshot.storage.sqlite import connect


class Groups:
    """Counts the works of each group as the connection sees them."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def __call__(self, sql: str, _: sqlite3.Connection) -> None:
        if sql.startswith("BEGIN"):
            self.sizes.append(1)  # the first work needs no savepoint
        elif sql.startswith("SAVEPOINT"):
            self.sizes[-1] += 1


async def test_a_group_has_64_works_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "GROUP_S", PATIENCE_S)
    groups = Groups()

    async with open_notes(tmp_path / "db", groups) as db:
        await together(db, *(add(f"{number:03}") for number in range(150)))

        assert groups.sizes == [64, 64, 23]
        assert len(await texts(db)) == 150


async def _fail(tx: Tx) -> None:
    await add("never")(tx)
    raise Conflict("no")


async def test_a_work_that_comes_alone_has_the_transaction_to_itself(tmp_path: Path) -> None:
    asked: list[str] = []

    async with open_notes(tmp_path / "db", lambda sql, _: asked.append(sql)) as db:
        await db.write(add("a"))
        with pytest.raises(Conflict):
            await db.write(_fail)
        await db.write(add("b"))

        assert await texts(db) == ["a", "b"]
    assert not [sql for sql in asked if "SAVEPOINT" in sql]


async def test_a_first_work_that_fails_leaves_those_behind_it(tmp_path: Path) -> None:
    async with open_notes(tmp_path / "db") as db:
        async with standing_still(db):
            tasks = queue(db, _fail, *(add(f"{number}") for number in range(3)))
            await asyncio.sleep(0)
        done = await asyncio.gather(*tasks, return_exceptions=True)

        assert [type(outcome) for outcome in done] == [Conflict, int, int, int]
        assert await texts(db) == ["0", "1", "2"]


async def test_a_group_takes_no_more_works_after_five_milliseconds(tmp_path: Path) -> None:
    groups, pause = Groups(), threading.Event()

    async with open_notes(tmp_path / "db", groups) as db:
        await together(db, *[lambda _: _slow(pause)] * 12)

    assert max(groups.sizes) <= 3


async def _slow(pause: threading.Event) -> None:
    pause.wait(0.003)


async def test_closing_runs_the_queue_dry(tmp_path: Path) -> None:
    async with open_notes(tmp_path / "db") as db:
        tasks = queue(db, *(add(f"{number:03}") for number in range(150)))
        await asyncio.sleep(0)

    assert [task.result() for task in tasks] == list(range(1, 151))
    with pytest.raises(Unavailable):
        await db.write(add("too late"))


async def test_an_idle_moment_empties_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "IDLE_S", 0.03)
    log = tmp_path / "db-wal"

    async with open_notes(tmp_path / "db") as db:
        await db.write(add("a"))
        grown = log.stat().st_size
        await until(lambda: log.stat().st_size == 0)

        assert grown > 0
        assert await texts(db) == ["a"]


async def test_the_log_stays_short_under_load(tmp_path: Path) -> None:
    async def work(tx: Tx) -> None:
        await tx.run("INSERT INTO note (text, body) SELECT hex(randomblob(8)), ?1", bytes(8_000))

    async with open_notes(tmp_path / "db") as db:
        for _ in range(20):
            await asyncio.gather(*(db.write(work) for _ in range(100)))
            await texts(db)

        pages = 1_000
        assert (tmp_path / "db-wal").stat().st_size < 2.5 * pages * 4096


async def test_a_full_disk_at_the_idle_checkpoint_does_not_end_the_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "IDLE_S", 0.02)
    faults = Faults("PRAGMA wal_checkpoint", "SQLITE_FULL")
    async with open_notes(tmp_path / "db", faults) as db:
        await db.write(add("a"))

        await until(lambda: not faults.times)

        assert await db.write(add("b"))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_failing_disk_at_the_idle_checkpoint_stops_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "IDLE_S", 0.02)
    failures: list[Any] = []
    faults = Faults("PRAGMA wal_checkpoint", "SQLITE_IOERR")
    async with open_notes(tmp_path / "db", faults, failures.append) as db:
        await db.write(add("a"))

        await until(lambda: bool(failures))


async def test_a_reader_elsewhere_does_not_hold_up_writes_through_the_idle_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "IDLE_S", 0.05)
    async with open_notes(tmp_path / "db") as db:
        await db.write(add("a"))
        backup = connect(tmp_path / "db")
        backup.execute("BEGIN")
        backup.execute("SELECT count(*) FROM note").fetchall()
        await db.write(add("b"))
        await asyncio.sleep(0.2)

        start = time.monotonic()
        await db.write(add("c"))
        waited_s = time.monotonic() - start
        backup.close()

    assert waited_s < 4  # a write that waits for the reader has five seconds of patience
