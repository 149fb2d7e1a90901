"""Fails one call to the storage port, and sees whether what was going on keeps its promises all the same.

Each try begins with the same store, opened anew. An operation meets one fault at one point; what it answers, what it
leaves and whether the process was told to stop are compared with what was promised. Then the operation is done again,
and upkeep follows: there has to be all that it was to become, and no byte more.
"""

import os
import shutil
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import structs

import stock
from build import Clock
from faults.faulty import FATAL, FULL, Fault, Plan, Point, watched
from moments import with_ages
from packshot import app
from packshot.domain.errors import StoreFull, Unavailable
from packshot.services import upkeep
from packshot.services.core import Core
from packshot.storage.backup import BackupUnusable
from packshot.storage.blobs import BlobSettings
from packshot.storage.folder import DATABASE, KEY_FILE
from packshot.storage.reserve import DiskSettings
from receiver import PRIVATE

HOUR_S = 3_600


class Doubtful(Unavailable):
    """What was refused is there, or some of it: that may be so only where a commit was done and nobody heard of it."""


@dataclass(frozen=True)
class Operation:
    """Something that a store is asked for, and what it begins with.

    *loose*: it may come to an end without having done all of it, and be gone on with; else it is done or it is not.
    *goes_on*: it deletes, also on a full disk. *elsewhere*: it writes to another disk, which may break.
    *more* tells what is wrong with what it made.
    """

    title: str
    begin: Callable[[Core, Path], Awaitable[object]]
    run: Callable[[Core, Path], Awaitable[object]]
    loose: bool = False
    goes_on: bool = False
    elsewhere: bool = False
    more: Callable[[Path], Awaitable[list[str]]] | None = None


@dataclass
class Figures:
    """How many points there were, how many tries were made at them, how they ended, and what was wrong."""

    points: int = 0
    tries: int = 0
    refused: int = 0
    stopped: int = 0
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def note(self, where: str, fault: Fault, ended: "Ended") -> None:
        self.tries += 1
        self.refused += ended.refused
        self.stopped += ended.stopped
        self.wrong += [f"{where}, {fault.name} {fault.how}: {what}" for what in ended.wrong]

    def __str__(self) -> str:
        tries = f"{self.tries} tries: {self.refused} were refused, {self.stopped} stopped the process"
        return f"{self.points} points, {tries}; {self.seconds:.1f} s, {len(self.wrong)} violations"


class Ended(NamedTuple):
    """How a try ended: what is wrong, whether the caller was refused, and whether the process was told to stop."""

    wrong: list[str]
    refused: bool
    stopped: bool


_LOOKS = (
    (
        "SELECT i.title, i.role, p.code, b.digest, b.state FROM image i LEFT JOIN product p ON p.id = i.product_id"
        " LEFT JOIN blob b ON b.id = i.blob_id"
    ),
    "SELECT p.code, p.name FROM product p",
    "SELECT v.text, p.code FROM property_value v JOIN product p ON p.id = v.product_id",
    "SELECT name FROM inventory_product",
    "SELECT guid, position FROM selection",
    "SELECT t.kind, t.title, b.digest FROM trash t LEFT JOIN blob b ON b.id = t.blob_id",
    "SELECT event, count(*) FROM outbox GROUP BY event",
)


def looks_of(folder: Path) -> list[list[Any]]:
    """All that callers and receivers can know of a store, without ids, since those that are given up do not come back.

    The images come first.
    """
    with closing(sqlite3.connect(folder / DATABASE)) as connection:
        return [sorted(connection.execute(sql).fetchall(), key=repr) for sql in _LOOKS]


def unowned(folder: Path) -> list[str]:
    """Files that no row needs, and uploads that nobody goes on with."""
    with closing(sqlite3.connect(folder / DATABASE)) as connection:
        named = {row[0] for row in connection.execute("SELECT key FROM blob")}
    return sorted({path.rpartition("/")[2] for path in _files_of(folder)} ^ named)


def _files_of(folder: Path) -> list[str]:
    """All files with bytes of a store, each as a path below its folder."""
    parts = ["staging", *(f"blobs/{number:02x}" for number in range(256))]
    return [f"{part}/{name}" for part in parts for name in os.listdir(f"{folder}/{part}")]  # noqa: PTH208 - much quicker


class Bench:
    """One store in *place*, which every try begins with anew."""

    def __init__(self, place: Path, operation: Operation) -> None:
        place.mkdir()
        self._place, self._operation = place, operation
        self._folder, self._kept = place / "data", place / "kept"
        self._plan, self._stops = Plan(), list[BaseException]()
        self._clock = Clock()
        self._settings = structs.replace(
            PRIVATE, disk=DiskSettings(64 * 1024), blobs=BlobSettings(mirror=str(place / "mirror"))
        )
        self._files: list[str] = []
        self._before: list[list[Any]] = []
        self._after: list[list[Any]] = []

    async def prepare(self) -> list[Point]:
        """Make the store, and do the operation once without any fault; the points that this has."""
        async with self._opened() as core:
            await stock.prepare(core)
            await self._operation.begin(core, self._place)
        self._before = looks_of(self._folder)
        shutil.copytree(self._folder, self._kept)
        self._files = [*_files_of(self._kept), DATABASE, KEY_FILE]
        async with self._opened() as core:
            with self._plan.armed():
                await self._operation.run(core, self._place)
        self._after = looks_of(self._folder)
        return self._plan.points

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[Core]:
        with watched(self._plan):
            async with app.open_core(self._folder, self._settings, self._stops.append, self._clock) as core:
                core.reserve.make()  # as the server does
                yield core

    def _reset(self) -> None:
        self._stops.clear()
        for path in _files_of(self._folder):
            (self._folder / path).unlink()
        for path in self._files:
            shutil.copyfile(self._kept / path, self._folder / path)
        for name in ("-wal", "-shm"):
            (self._folder / f"{DATABASE}{name}").unlink(missing_ok=True)
        shutil.rmtree(self._place / "target", ignore_errors=True)

    async def attempt(self, at: int, point: Point, fault: Fault) -> Ended:
        """What comes of that fault at that point, the one of that number."""
        self._reset()
        async with self._opened() as core:
            with self._plan.armed(at, fault):
                error = await self._answer(core)
            stopped = bool(self._stops)
            wrong = [] if self._plan.met else ["the fault was not met"]
            wrong += self._of_answer(fault, error) + self._of_stop(point, fault, stopped=stopped)
            wrong += [] if self._operation.loose else stock.faults_of(self._folder)
            if not stopped:
                wrong += await self._go_on(core)
        if stopped:
            self._stops.clear()
            async with self._opened() as core:
                wrong += await self._go_on(core)
        return Ended(wrong, error is not None, stopped)

    async def _answer(self, core: Core) -> Exception | None:
        try:
            await self._operation.run(core, self._place)
        except Exception as error:  # noqa: BLE001 - which it may be is what is asked here
            return error
        return None

    def _of_answer(self, fault: Fault, error: Exception | None) -> list[str]:
        seen = looks_of(self._folder)
        if error is None:
            return [] if self._operation.loose or seen == self._after else ["it was answered without having been done"]
        promised = StoreFull | Unavailable | ((BackupUnusable | OSError) if self._operation.elsewhere else StoreFull)
        wrong = [] if isinstance(error, promised) else [f"the answer was {error!r}"]
        if fault.name == "SQLITE_FULL" and self._operation.goes_on:
            wrong.append("it was refused, for which room is kept")
        if fault.how == "bit by bit":
            wrong.append(f"it was refused for nothing: {error!r}")
        if isinstance(error, StoreFull) and fault.name not in FULL:
            wrong.append("the disk was called full")
        if isinstance(error, Doubtful) and fault.how != "done":
            wrong.append("what was refused is there")
        allowed = [self._before, self._after] if fault.how == "done" else [self._before]
        return wrong if self._operation.loose or seen in allowed else [*wrong, "it was refused, and something was done"]

    def _of_stop(self, point: Point, fault: Fault, *, stopped: bool) -> list[str]:
        """A broken disk ends the process where something was written; nothing else ever does."""
        kind, name = point
        writes = name in {"write", "fsync", "close", "rename"} if kind == "file" else name == "COMMIT"
        fatal = fault.name in FATAL
        if stopped and not fatal:
            return [f"the process was stopped: {self._stops[0]!r}"]
        if fatal and writes and not (stopped or self._plan.giving_up or self._operation.elsewhere):
            return ["the process was not stopped"]
        return []

    async def _go_on(self, core: Core) -> list[str]:
        """Do it again unless it is done, and keep house."""
        wrong: list[str] = []
        if self._operation.loose or looks_of(self._folder) == self._before:
            self._clock.advance(61)  # a lease has ended by then
            error = await self._answer(core)
            wrong += [f"it does not come through afterwards: {error!r}"] if error else []
        seen = looks_of(self._folder)
        if seen != self._after:
            wrong.append("it is not what it was to become")
        self._clock.advance(HOUR_S)
        for _ in range(2):
            await upkeep.run_once(with_ages(core, young_s=-1, retention_s=-1, grace_s=0))
        if looks_of(self._folder)[0] != self._after[0]:
            wrong.append("upkeep changed images")
        if self._operation.more:
            wrong += await self._operation.more(self._place)
        return wrong + stock.faults_of(self._folder) + [f"left: {name}" for name in unowned(self._folder)]
