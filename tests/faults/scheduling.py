"""Real transactions on PostgreSQL whose statements are taken one at a time, in orders that chance draws.

What the model checker of `interleaving` does with the works of SQLite as a whole, this does with each of their
statements, and with whatever is done with bytes, which are in memory. Who waits for somebody's lock is passed over.
"""

import asyncio
import dataclasses
import random
from collections.abc import Container, Mapping
from typing import Any, cast

from faults.interleaving import Act, Wrong
from moments import with_ages
from packshot.services.core import Core
from packshot.storage.blobs import Bytes, Staged
from packshot.storage.database import Database
from side_by_side import Shop, WatchedDatabase

STUCK_S = 0.003
"""Who comes to no next step for so long may be waiting for a lock."""


class Schedule:
    """One order of the steps of some actors, as *chance* has it."""

    def __init__(self, shop: Shop, files: dict[str, tuple[bytes, str]], chance: random.Random) -> None:
        self._shop, self.files, self._chance = shop, files, chance
        self._gates: dict[str, asyncio.Event] = {}
        self._moved = asyncio.Event()
        self.tasks: dict[str, asyncio.Task[Any]] = {}
        self.order: list[str] = []

    async def turn(self, name: str) -> None:
        """Wait until it is that actor's turn."""
        gate = self._gates[name] = asyncio.Event()
        self._moved.set()
        await gate.wait()

    async def run(self, acts: Mapping[str, Act]) -> dict[str, Any]:
        """What came of each act: a result or an error."""
        for name, act in acts.items():
            task = self.tasks[name] = asyncio.create_task(cast("Any", act(self._core(name))))
            task.add_done_callback(lambda _: self._moved.set())
        while await self._settled():
            name = self._chance.choice(sorted(self._gates))
            self.order.append(name)
            self._gates.pop(name).set()
        came = await asyncio.gather(*self.tasks.values(), return_exceptions=True)
        return dict(zip(self.tasks, came, strict=True))

    def _core(self, name: str) -> Core:
        core = with_ages(self._shop.core, young_s=-1, retention_s=-1)
        return dataclasses.replace(
            core, db=cast("Database", Rows(self, name, core.db)), blobs=cast("Any", Files(self, name))
        )

    async def _settled(self) -> bool:
        """Wait until everybody has ended, waits for a turn or for somebody's lock; False where all have ended."""
        while running := sum(not task.done() for task in self.tasks.values()):
            busy = running - len(self._gates)
            if not busy:
                return True
            self._moved.clear()
            try:
                async with asyncio.timeout(STUCK_S):
                    await self._moved.wait()
            except TimeoutError:
                if self._gates and await self._shop.count_waiting() >= busy:
                    return True
        return False


class Rows(WatchedDatabase):
    """The database as one actor has it."""

    def __init__(self, schedule: Schedule, name: str, inside: Database) -> None:
        async def before(_: str) -> None:
            await schedule.turn(name)

        super().__init__(inside, before)

    async def one(self, sql: str, *values: Any) -> Any:
        await self._before(sql)
        return await self._inside.one(sql, *values)

    async def all(self, sql: str, *values: Any) -> Any:
        await self._before(sql)
        return await self._inside.all(sql, *values)


class Files:
    """The store of bytes as one actor has it: what somebody put there is old as soon as he is through."""

    def __init__(self, schedule: Schedule, name: str) -> None:
        self._schedule, self._name, self._files = schedule, name, schedule.files

    async def put(self, key: str, data: Bytes | Staged) -> None:
        await self._schedule.turn(self._name)
        assert not isinstance(data, Staged)
        self._files[key] = bytes(data), self._name

    async def find_size(self, key: str) -> int | None:
        await self._schedule.turn(self._name)
        return len(self._files[key][0]) if key in self._files else None

    async def read(self, key: str, start: int, end: int) -> bytes:
        return self._files[key][0][start:end]

    async def delete(self, key: str) -> None:
        await self._schedule.turn(self._name)
        self._files.pop(key, None)

    async def of_keys(self, older_than_s: float, after: str = "", limit: int | None = None) -> list[str]:
        await self._schedule.turn(self._name)
        busy = {name for name, task in self._schedule.tasks.items() if not task.done()} if older_than_s else set()
        keys = sorted(key for key, (_, maker) in self._files.items() if maker not in busy)
        return [key for key in keys if key > after][:limit]


async def judge(
    shop: Shop, files: Mapping[str, tuple[bytes, str]], came: Mapping[str, Any], may_miss: Container[str]
) -> None:
    """See that nothing was lost, undone or shown with other bytes. Raises: Wrong."""
    failed = {name: one for name, one in came.items() if isinstance(one, Exception) and name not in may_miss}
    if errors := [f"{name}: {one!r}" for name, one in failed.items()]:
        raise Wrong("; ".join(errors))
    pointing = await shop.core.db.all(
        "SELECT i.guid, b.key, b.state FROM image i JOIN blob b ON b.id = i.blob_id"
        " UNION ALL SELECT t.name, b.key, b.state FROM trash t JOIN blob b ON b.id = t.blob_id"
    )
    if bad := [row for row in pointing if row[2] != "live" or row[1] not in files]:
        raise Wrong(f"without bytes: {bad}")
    shown = {row[0] for row in await shop.core.db.all("SELECT guid FROM image")}
    acknowledged = {one for one in came.values() if isinstance(one, str)}
    deleted = {guid for one in came.values() if isinstance(one, set) for guid in one}
    if acknowledged - shown or deleted & shown:
        raise Wrong(f"told {acknowledged}, deleted {deleted}, there are {shown}")
    live = [row[0] for row in await shop.core.db.all("SELECT key FROM blob WHERE state = 'live'")]
    if len(live) > 1 or not files.keys() >= set(live):
        raise Wrong(f"{len(live)} live blobs, and not all have bytes")
