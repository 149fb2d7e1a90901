"""A change of a product with pictures that fails at its k-th step, for every k: nothing of it is kept."""

import errno
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest

import stock
from build import Clock
from hooked import Hooked, sqlite_error
from moments import keys_of, with_ages
from packshot import app
from packshot.domain.errors import PackshotError, StoreFull, Unavailable
from packshot.services import upkeep
from packshot.services.core import Core
from packshot.storage import sqlite
from packshot.storage.blobs import staging
from packshot.storage.sqlite import connect
from receiver import PRIVATE

Fault = Callable[[sqlite3.Connection | None], Exception]
TABLES = ("product", "image", "property_value", "product_section", "blob", "outbox")


class Steps:
    """Fails the step whose turn it is: an operation on a file, or a statement of the writer."""

    def __init__(self) -> None:
        self.left = 0
        self.files: Fault | None = None
        self.statements: Fault | None = None

    def _take(self, fault: Fault | None, connection: sqlite3.Connection | None) -> None:
        if fault is None:
            return
        self.left -= 1
        if self.left == 0:
            raise fault(connection)

    def of_file(self) -> None:
        self._take(self.files, None)

    def of_writer(self, sql: str, connection: sqlite3.Connection) -> None:
        # Undoing is what an error leads to; a fault in it ends the writer, which tests/storage looks at.
        if not sql.startswith("ROLLBACK"):
            self._take(self.statements, connection)


def disk_says(number: int) -> Fault:
    return lambda _: OSError(number, "as the test wants it")


def database_says(name: str, *, loses_all: bool) -> Fault:
    """An error as SQLite raises it, after it rolled everything back where it does."""

    def fault(connection: sqlite3.Connection | None) -> Exception:
        if loses_all and connection is not None and connection.in_transaction:
            connection.execute("ROLLBACK")
        return sqlite_error(name)

    return fault


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    made = Steps()

    def opened(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
        real = connect(path, read_only=read_only)
        return real if read_only else cast("sqlite3.Connection", Hooked(real, made.of_writer))

    class Failing(staging.Files):
        def __getattribute__(self, name: str) -> Any:
            made.of_file()
            return super().__getattribute__(name)

    monkeypatch.setattr(sqlite, "connect", opened)
    monkeypatch.setattr(staging, "Files", Failing)
    return made


@pytest.fixture
async def faulty(steps: Steps, tmp_path: Path, clock: Clock) -> AsyncIterator[Core]:
    """A core that goes on after a failure which would end a server."""
    del steps
    async with app.open_core(tmp_path / "faulty", PRIVATE, lambda _: None, clock) as core:
        await stock.prepare(core)
        yield core


async def rows(core: Core) -> dict[str, list[Any]]:
    return {table: await core.db.all(f"SELECT * FROM {table} ORDER BY 1, 2") for table in TABLES}


CHANGES: dict[str, Callable[[Core, int], Awaitable[object]]] = {
    "add": lambda core, _: stock.add(core, "new", "second"),
    "update": lambda core, product_id: stock.update(core, product_id, "second"),
    "delete": stock.remove,
}
OF_DISK: dict[str, tuple[Fault, type[PackshotError]]] = {
    "full": (disk_says(errno.ENOSPC), StoreFull),
    "broken": (disk_says(errno.EIO), Unavailable),
    "read-only": (disk_says(errno.EROFS), Unavailable),
}
OF_DATABASE: dict[str, tuple[Fault, type[PackshotError]]] = {
    "full": (database_says("SQLITE_FULL", loses_all=True), StoreFull),
    "broken": (database_says("SQLITE_IOERR", loses_all=True), Unavailable),
    "locked": (database_says("SQLITE_BUSY", loses_all=False), Unavailable),
}


async def fails_everywhere(
    core: Core, steps: Steps, change: Callable[[], Awaitable[object]], error: type[PackshotError]
) -> int:
    """The number of steps of a change, at each of which it failed once and left every row as it was."""
    before, keys = await rows(core), await keys_of(core)
    for count in range(1, 500):
        steps.left = count
        try:
            await change()
        except error:
            assert await rows(core) == before
            if error is StoreFull and steps.statements:
                assert await keys_of(core) == keys  # a broken disk leaves what a sweep finds
        else:
            assert steps.left > 0, "a failure went unnoticed"
            return count - 1
    raise AssertionError("it never comes through")


async def must_be_whole(core: Core, folder: Path, versions: dict[str, str]) -> None:
    """All that the versions say is there, and no bytes beside it."""
    await upkeep.run_once(with_ages(core, young_s=-1, retention_s=-1, grace_s=0))
    assert stock.look(folder) == (versions, [])
    assert stock.faults_of(folder) == []
    assert len(await keys_of(core)) == len(await core.db.all("SELECT 1 FROM blob WHERE state = 'live'"))
    assert list((folder / "staging").iterdir()) == []


AFTER = {"add": {"old": "first", "new": "second"}, "update": {"old": "second"}, "delete": {}}


@pytest.mark.parametrize("change", ["add", "update"])
@pytest.mark.parametrize("wrong", OF_DISK)
async def test_a_file_that_cannot_be_written_takes_the_whole_change_with_it(
    faulty: Core, steps: Steps, tmp_path: Path, change: str, wrong: str
) -> None:
    product_id = await stock.add(faulty, "old", "first")
    steps.files, error = OF_DISK[wrong]

    taken = await fails_everywhere(faulty, steps, lambda: CHANGES[change](faulty, product_id), error)

    steps.files = None
    assert taken >= 14  # two new files at least
    await must_be_whole(faulty, tmp_path / "faulty", AFTER[change])


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("wrong", OF_DATABASE)
async def test_a_statement_that_fails_takes_the_whole_change_with_it(
    faulty: Core, steps: Steps, tmp_path: Path, change: str, wrong: str
) -> None:
    product_id = await stock.add(faulty, "old", "first")
    steps.statements, error = OF_DATABASE[wrong]

    taken = await fails_everywhere(faulty, steps, lambda: CHANGES[change](faulty, product_id), error)

    steps.statements = None
    assert taken >= 8
    await must_be_whole(faulty, tmp_path / "faulty", AFTER[change])
