"""Kills a process at each step of one change and checks what it leaves. Run by test_dying.py.

    python dying.py FOLDER

A step is one operation on a file or one statement of the writer. Each life is a fork of this process, which has
neither threads nor an event loop; it opens the store, makes one change, and is killed before its k-th step, for
k = 1, 2, ... until the change comes through. Afterwards the product, or the set of images in the library, has to be as
it was before, or all that it was to become, be that in the trash. The last line of the output says how many steps each
change has.
"""

import asyncio
import json
import os
import signal
import sqlite3
import sys
import traceback
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import prints
import stock
from build import fail_loudly
from faults.binned import events_of_restored
from hooked import Hooked
from moments import with_ages
from packshot import app
from packshot.services import calls, restoring, upkeep
from packshot.services.core import Core
from packshot.storage import sqlite
from packshot.storage.blobs import staging
from packshot.storage.folder import DATABASE
from packshot.storage.sqlite import connect
from prints import ADDED, CALLER, NONE, SOLD
from receiver import PRIVATE
from stock import PICTURES

NAME, BEFORE, AFTER = "p", "first", "second"
ELSEWHERE, HOSTED = "set-4", "set-5"
BINNED = "in the trash as "
"""With the version that it had."""

Change = Callable[[Core, int], Awaitable[object]]


async def latest(core: Core) -> int:
    """The id of the latest deletion."""
    return (await restoring.of_deletions(core, CALLER))[0].id


async def restore(core: Core, _: int) -> None:
    await restoring.restore(core, CALLER, await latest(core))


async def purge(core: Core, _: int) -> None:
    await restoring.purge(core, CALLER, await latest(core))


async def empty(core: Core, _: int) -> None:
    await upkeep.empty_trash(with_ages(core, keep_s=-1))


CHANGES: dict[str, tuple[str, str, Change, str]] = {
    "add": (NAME, NONE, lambda core, _: stock.add(core, NAME, AFTER), AFTER),
    "update": (NAME, BEFORE, lambda core, product_id: stock.update(core, product_id, AFTER), AFTER),
    "delete": (NAME, BEFORE, stock.remove, BINNED + BEFORE),
    "restore": (NAME, BINNED + BEFORE, restore, BEFORE),
    "purge": (NAME, BINNED + BEFORE, purge, NONE),
    "add_images": (ELSEWHERE, NONE, lambda core, _: prints.add(core, ELSEWHERE, []), ADDED),
    "images hosted here": (HOSTED, NONE, lambda core, _: prints.add(core, HOSTED, PICTURES), ADDED),
    "delete_images": (HOSTED, SOLD, lambda core, _: prints.remove(core, HOSTED), BINNED + SOLD),
    "restore images": (HOSTED, BINNED + SOLD, restore, SOLD),
    "empty_trash": (HOSTED, BINNED + SOLD, empty, NONE),
}
"""What is changed, its version before, what is done to it (with the id of a product), and its version afterwards."""


class Countdown:
    """Kills the process when so many steps have been taken; at 0 it never does."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def __call__(self, *_: object) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def watch(step: Callable[..., None]) -> None:
    """Have each statement of a writer and each operation on a file be a step."""

    def opened(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
        real = connect(path, read_only=read_only)
        return real if read_only else cast("sqlite3.Connection", Hooked(real, step))

    class Watched(staging.Files):
        def __getattribute__(self, name: str) -> Any:
            step()
            return super().__getattribute__(name)

    sqlite.connect = opened
    staging.Files = Watched  # type: ignore[misc]


async def live(folder: Path, change: Change, steps: int) -> None:
    step = Countdown(0)
    watch(step)
    async with app.open_core(folder, PRIVATE, fail_loudly) as core:
        row = await core.db.one("SELECT id FROM product WHERE code = ?1", NAME)
        step.left = steps
        await change(core, row[0] if row else 0)
        step.left = 0


def ended(job: Coroutine[Any, Any, None]) -> int:
    """How a process that does just that ended: 0 or the negative number of a signal."""
    process = os.fork()
    if not process:
        try:
            asyncio.run(job)
        except BaseException:  # noqa: BLE001 - whatever ends it is printed and seen by its exit code
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    job.close()  # it ran in the child
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    if code not in {0, -signal.SIGKILL}:
        raise AssertionError(f"a process ended by itself with {code}")
    return code


async def prepare(folder: Path) -> None:
    async with app.open_core(folder, PRIVATE, fail_loudly) as core:
        await stock.prepare(core)


async def put_back(folder: Path, name: str, version: str) -> None:
    """The product or the set in that version, or none, and no bytes that nobody points at."""
    async with app.open_core(folder, PRIVATE, fail_loudly) as core:
        await remove(core, name)
        await upkeep.run_once(with_ages(core, young_s=-1, retention_s=-1, grace_s=0, keep_s=-1))
        wanted = version.removeprefix(BINNED)
        if wanted in {ADDED, SOLD}:
            await prints.add(core, name, PICTURES)
        elif wanted != NONE:
            await stock.add(core, name, wanted)
        if wanted == SOLD:
            await prints.sell(core, name)
        if version.startswith(BINNED):
            calls.REQUEST_ID.set("the deletion")
            await remove(core, name)
        named = {row[0] for row in await core.db.all("SELECT key FROM blob WHERE state = 'live'")}
        assert set(await core.blobs.of_keys(0)) == named


async def remove(core: Core, name: str) -> None:
    row = await core.db.one("SELECT id FROM product WHERE code = ?1", name)
    if row:
        await stock.remove(core, row[0])
    await prints.remove(core, name)


def look(folder: Path, name: str) -> tuple[str, list[str]]:
    """The version of what has that name, in the trash perhaps, and what is half done."""
    (products, wrong), (sets, half) = stock.look(folder), prints.look(folder)
    seen = (products | sets).get(name)
    with closing(sqlite3.connect(folder / DATABASE)) as database:
        binned = database.execute("SELECT kind, title, rows FROM trash").fetchall()
    if not binned or seen:  # what an update replaces goes there, too
        return seen or NONE, wrong + half
    if prints.is_set(name):
        version, due = (SOLD if "inventory_product" in binned[0][2] else ADDED), prints.size_of(name)
    else:
        version = next((title for kind, title, _ in binned if kind == "product"), NONE)
        due = 1 + len(stock.chosen(version))
    wrong += [] if len(binned) == due else [f"half: {len(binned)} of {due} things are in the trash"]
    return BINNED + version, wrong + half


def events_of(title: str) -> int:
    """How many events the change is noted as."""
    name, before, _, after = CHANGES[title]
    if before.startswith(BINNED):
        return 0 if after == NONE else events_of_restored(name, after)
    return stock.events_of(name, NONE if after.startswith(BINNED) else after)


def walk(folder: Path, title: str) -> int:
    """The number of steps of a change, each of which was its last one once."""
    name, before, change, after = CHANGES[title]
    steps, killed, seen = 0, True, after
    while killed:
        if seen != before:
            ended(put_back(folder, name, before))
            stock.take_events(folder)
        steps += 1
        killed = ended(live(folder, change, steps)) != 0
        seen, wrong = look(folder, name)
        noted, due = stock.take_events(folder), events_of(title)
        wrong += stock.faults_of(folder)
        if wrong or (seen, noted) not in ([(before, 0), (after, due)] if killed else [(after, due)]):
            raise AssertionError(f"{title} killed at step {steps}: {seen}, {noted} events, {wrong}")
    ended(put_back(folder, name, NONE))
    return steps - 1


def main(folder: Path) -> None:
    ended(prepare(folder))
    sys.stdout.write(json.dumps({title: walk(folder, title) for title in CHANGES}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
