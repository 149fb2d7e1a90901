"""Two calls at once on PostgreSQL: one stands still before each of its statements in turn, while the other goes on."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple, cast

import asyncpg
import msgspec
import pytest

import postgres
from build import Clock, believing, fail_loudly
from packshot import app
from packshot.domain.access import Principal
from packshot.services import setup
from packshot.services.core import Core
from packshot.storage import locks
from packshot.storage.database import Database, Row, Tx, Work
from receiver import PRIVATE

PATIENCE_S = 20
Act = Callable[[Core], Awaitable[Any]]
Before = Callable[[str], Awaitable[None]]


class Watched:
    """The transaction *inside*, with *before* in front of each statement."""

    dialect = "postgresql"

    def __init__(self, inside: Tx, before: Before) -> None:
        self._inside, self._before = inside, before

    async def one(self, sql: str, *values: Any) -> Row | None:
        await self._before(sql)
        return await self._inside.one(sql, *values)

    async def all(self, sql: str, *values: Any) -> list[Row]:
        await self._before(sql)
        return await self._inside.all(sql, *values)

    async def run(self, sql: str, *values: Any) -> int:
        await self._before(sql)
        return await self._inside.run(sql, *values)

    async def insert(self, sql: str, *values: Any) -> int:
        await self._before(sql)
        return await self._inside.insert(sql, *values)


class WatchedDatabase:
    """The database *inside*, with *before* in front of each statement of a work, and in front of its commit."""

    def __init__(self, inside: Database, before: Before) -> None:
        self._inside, self._before = inside, before

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inside, name)

    async def write(self, work: Work[Any], *, makes_room: bool = False) -> Any:
        async def watched(tx: Tx) -> Any:
            result = await work(cast("Tx", Watched(tx, self._before)))
            await self._before("COMMIT")
            return result

        return await self._inside.write(watched, makes_room=makes_room)


def watched(core: Core, before: Before) -> Core:
    """*core* with *before* in front of each statement of its works."""
    return dataclasses.replace(core, db=cast("Database", WatchedDatabase(core.db, before)))


class Shop(NamedTuple):
    """A store whose rows are in PostgreSQL and whose originals are in its folder, with the account main."""

    core: Core
    admin: Principal
    clock: Clock
    looking: "asyncpg.Connection[Any]"

    async def count_waiting(self) -> int:
        """How many transactions wait for another one."""
        sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        return int(await self.looking.fetchval(sql))

    async def count_deadlocks(self) -> int:
        """How many works had to be begun anew, since two waited for each other."""
        sql = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        return int(await self.looking.fetchval(sql))

    async def value(self, sql: str, *values: Any) -> Any:
        """The first value of the first row."""
        return await self.looking.fetchval(sql, *values)


@asynccontextmanager
async def open_bare(folder: Path) -> AsyncIterator[tuple[Core, Clock, str]]:
    """A core over an empty database of PostgreSQL's, and the address of that."""
    clock = Clock()
    with postgres.lent() as url:
        # Works that wait for each other are set free after a second elsewhere, which tests would wait for very often.
        name = url.rpartition("/")[2]
        postgres.shared().run(name, f"ALTER DATABASE {name} SET deadlock_timeout = 10")
        settings = believing(PRIVATE)
        settings = msgspec.structs.replace(settings, database=msgspec.structs.replace(settings.database, url=url))
        async with app.open_core(folder, settings, fail_loudly, clock) as core:
            yield core, clock, url


@asynccontextmanager
async def open_shop(folder: Path) -> AsyncIterator[Shop]:
    """A new store."""
    async with open_bare(folder) as (core, clock, url):
        seed = await setup.create_account(core)
        assert seed is not None
        admin = Principal(seed.account_id, seed.user_id, "administrator", setup.SCOPES, seed.webhook_id)
        looking = await asyncpg.connect(url)
        try:
            yield Shop(core, admin, clock, looking)
        finally:
            await looking.close()


class Race(NamedTuple):
    """Two calls, and what has to be true once both are through, of what came of them: results or errors."""

    one: Act
    other: Act
    judge: Callable[[Any, Any], Awaitable[None]]


Scene = Callable[[Shop], Awaitable[Race]]
"""Makes what the calls are about, anew for each race."""


async def harm(shop: Shop, scene: Scene, *, steps: int = 1, enough: int = 100) -> list[str]:
    """What is wrong where one call is held up before any of its statements until the other is through, or waits.

    *enough* of it is enough. With *steps* of 2 the one call is held up before every second statement, the first one
    included, and the other one before those between.
    """
    found: list[str] = []
    for swapped in (False, True):
        stop, was_held = 1 - steps + swapped * (steps - 1), True
        while was_held and len(found) < enough:
            stop += steps
            race = await scene(shop)
            acts = (race.other, race.one) if swapped else (race.one, race.other)
            *came, was_held = await _beside(shop, *acts, stop)
            try:
                await race.judge(*(came[::-1] if swapped else came))
            except AssertionError as error:
                found.append(f"held up before statement {stop}{', swapped' * swapped}: {came}: {error}"[:600])
    return found


async def _beside(shop: Shop, held: Act, free: Act, stop: int) -> tuple[Any, Any, bool]:
    """What comes of either, and whether the first one came to its statement of that number."""
    count, reached, go = 0, asyncio.Event(), asyncio.Event()

    async def before(_: str) -> None:
        nonlocal count
        count += 1
        if count == stop:
            reached.set()
            await go.wait()

    first = asyncio.ensure_future(held(watched(shop.core, before)))
    reaching = asyncio.ensure_future(reached.wait())
    await asyncio.wait([first, reaching], return_when=asyncio.FIRST_COMPLETED)
    reaching.cancel()
    second = asyncio.ensure_future(free(shop.core))
    async with asyncio.timeout(PATIENCE_S):
        while not second.done() and not await shop.count_waiting():  # noqa: ASYNC110 - only the server knows
            await asyncio.sleep(0.001)
        go.set()
        came = await asyncio.gather(first, second, return_exceptions=True)
    return *came, reached.is_set()


def without_locks(patched: pytest.MonkeyPatch) -> None:
    """Nobody holds anything any more."""

    async def hold(_tx: Tx, _table: str, ids: Any, *_: Any, **__: Any) -> list[int]:
        return sorted(ids)

    async def alone(*_: Any) -> None:
        pass

    patched.setattr(locks, "hold", hold)
    patched.setattr(locks, "alone", alone)
    patched.setattr(locks, "held", lambda *_: "")
