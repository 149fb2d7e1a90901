"""Works on a new store in FOLDER/shop/data and says what it does: a program for strace to look at (see cutting.py).

    python cutting_work.py FOLDER SEED ROUNDS FAULT

Tasks add, replace, delete and restore pictures, change products and sets of the library, and make calls with keys,
while a backup goes to FOLDER/kept/backups. After each round upkeep leaves nothing that is not needed and the log is
emptied; after the last one the store is opened anew, and all begins again. FAULT, which may be empty, breaks the store
on purpose. Lines on the standard output, each with one write(2), say in the order of time:

    started COMMITS                         the store is there
    doing NAME, done NAME WHAT COMMITS      a picture is now there with that digest, or `gone`
    changing NAME, changed NAME VERSION     see stock.py
    called KEY IMAGE                        a call with a key came to that image
    backed NAME                             that snapshot has been taken
    committed NUMBER DIGEST                 of all rows after that commit of the writer

A line that says that something is done is what a client would have been told.
"""

import asyncio
import hashlib
import os
import random
import sqlite3
import stat
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import prints
import stock
from build import fail_loudly
from hooked import Hooked
from moments import with_ages
from packshot import app
from packshot.domain.images import ImageRole
from packshot.services import backup, hosting, images, originals, restoring, upkeep
from packshot.services.core import Core
from packshot.services.hosting import Described
from packshot.services.idempotency import Key, once
from packshot.services.originals import Upload
from packshot.storage import sqlite, trash, writer
from packshot.storage.blobs import new_key, staging
from packshot.storage.sqlite import connect
from pictures import png, png_chunk
from receiver import PRIVATE
from stock import CALLER, LONE

TASKS = 4
STEPS_OF_A_ROUND = 6
OPENINGS = 2
GONE = "gone"
KEPT = 2
"""How many snapshots are kept."""
LARGE_BYTES = 100_000
PIECE_BYTES = 32_768
_SYNCHRONOUS = "synchronous-"


def data_of(folder: Path) -> Path:
    """The data folder, whose parent is as new as itself."""
    return folder / "shop" / "data"


def backups_of(folder: Path) -> Path:
    """Where its backups are."""
    return folder / "kept" / "backups"


def say(*words: object) -> None:
    """One line, gone to the kernel before the next step is taken."""
    os.write(sys.stdout.fileno(), (" ".join(map(str, words)) + "\n").encode())


def digest_of(connection: sqlite3.Connection) -> str:
    """A digest of all rows of all tables."""
    digest = hashlib.sha256()
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
    for (table,) in tables:
        rows = connection.execute(f"SELECT * FROM {table}").fetchall()
        digest.update(repr((table, sorted(map(repr, rows)))).encode())
    return digest.hexdigest()[:16]


class Noting(Hooked):
    """The writer's connection, which says what each commit left."""

    commits = 0

    def execute(self, sql: str, values: Any = ()) -> sqlite3.Cursor:
        cursor = super().execute(sql, values)
        if sql == "COMMIT":
            Noting.commits += 1
            say("committed", Noting.commits, digest_of(self._real))
        return cursor


def flushing_but(left_out: Callable[[int], bool]) -> type[staging.Files]:
    """Files of which those of one mode are never flushed."""

    class Flushing(staging.Files):
        def fsync(self, descriptor: int) -> None:
            if not left_out(os.fstat(descriptor).st_mode):
                super().fsync(descriptor)

    return Flushing


def watch(fault: str) -> None:
    """Have the writer say what it does, and break what *fault* says."""

    def opened(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
        real = connect(path, read_only=read_only)
        if fault.startswith(_SYNCHRONOUS):
            real.execute(f"PRAGMA synchronous = {fault.removeprefix(_SYNCHRONOUS)}")
        # Ten times as often as with 1,000 pages the log is taken over into the database and begun anew under load.
        real.execute("PRAGMA wal_autocheckpoint = 100").fetchall()
        return real if read_only else cast("sqlite3.Connection", Noting(real, lambda *_: None))

    sqlite.connect = opened
    writer.IDLE_S = 0.05
    left_out = {"file-unflushed": stat.S_ISREG, "folder-unflushed": stat.S_ISDIR}.get(fault)
    if left_out:
        staging.Files = flushing_but(left_out)  # type: ignore[misc]


# What a task does


@dataclass
class Task:
    """One task: its pictures on the lone product, by name with their ids, and what it has made of them."""

    chance: random.Random
    slot: int
    fault: str
    core: Core = field(init=False)
    own: dict[str, int] = field(default_factory=dict)
    deleted: list[tuple[str, str, int]] = field(default_factory=list)

    def name(self) -> str:
        return f"{self.slot}-{self.chance.randbytes(6).hex()}.png"

    def picture(self) -> bytes:
        """One that others may have, too, or a large one that nobody has."""
        if self.chance.random() < 4 / 5:
            return self.chance.choice(stock.PICTURES)
        small, filling = png(), self.chance.randbytes(LARGE_BYTES)
        return small[:33] + png_chunk(b"prVt", filling) + small[33:]

    async def make(self, names: dict[str, str], act: Callable[[], Awaitable[Any]]) -> Any:
        """Do something after which the pictures of these names are these: digests, or gone."""
        for name in names:
            say("doing", name)
        early, done = self.fault == "early-answer", None
        if not early:
            done = await act()
        for name, what in names.items():
            say("done", name, what, Noting.commits)
        return await act() if early else done


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def add(task: Task, role: ImageRole = "more") -> None:
    name, data = task.name(), task.picture()
    before = dict.fromkeys(task.own, GONE) if role != "more" else {}
    upload = Upload(name, len(data), lambda: data)
    image = await task.make(
        before | {name: sha256(data)}, lambda: images.add_to_product(task.core, CALLER, LONE, role, upload)
    )
    task.own[name] = image.id


async def delete(task: Task) -> None:
    if not task.own:
        return
    name = task.chance.choice(list(task.own))
    image_id = task.own.pop(name)
    ((digest,),) = await task.core.db.all(
        "SELECT b.digest FROM blob b JOIN image i ON i.blob_id = b.id WHERE i.id = ?1", image_id
    )
    await task.make({name: GONE}, lambda: images.remove_from_product(task.core, CALLER, LONE, image_id))
    task.deleted.append((name, digest, image_id))


async def restore(task: Task) -> None:
    if not task.deleted:
        return
    name, digest, image_id = task.deleted.pop()
    deletion_id = await trash.find_item(task.core.db, CALLER.account_id, "image", image_id)
    assert deletion_id is not None
    await task.make({name: digest}, lambda: restoring.restore(task.core, CALLER, deletion_id))
    task.own[name] = image_id


async def call(task: Task) -> None:
    name, data = task.name(), task.picture()
    upload = Upload(name, len(data), lambda: data)

    async def made() -> Any:
        return await once(task.core, CALLER, Key(name, "add"), "", images.add_to_product, LONE, "more", upload)

    task.own[name] = (await task.make({name: sha256(data)}, made)).id
    if task.fault != "early-answer":
        say("called", name, task.own[name])


async def upload_in_pieces(task: Task) -> None:
    name, data = task.name(), task.picture()
    said = Described(guid=f"{task.chance.getrandbits(128):032x}", product_id=LONE, role="more", name=name)
    async with originals.staging(task.core) as staged:
        for first in range(0, len(data), PIECE_BYTES):
            await originals.append(task.core, staged, data[first : first + PIECE_BYTES])
        image = await task.make({name: sha256(data)}, lambda: hosting.add(task.core, CALLER, said, staged))
    task.own[name] = image.id


async def change_product(task: Task) -> None:
    await stock.change_one(task.core, say, task.chance, task.slot, in_two_steps=False)


async def change_library(task: Task) -> None:
    await prints.change_one(task.core, say, task.chance, task.slot, stock.PICTURES, prints.MOST)


async def doom(task: Task) -> None:
    await upkeep.doom(with_ages(task.core, -1, -1))
    await upkeep.reap(with_ages(task.core, -1, -1))


STEPS = {add: 5, delete: 3, restore: 2, call: 3, upload_in_pieces: 3, change_product: 4, change_library: 4, doom: 1}


async def replace(task: Task) -> None:
    """One task has the one place for a detailed picture to itself."""
    if len(task.own) > 1:
        task.own.pop(next(iter(task.own)))
    await add(task, "detail")


async def work(task: Task) -> None:
    for _ in range(STEPS_OF_A_ROUND):
        (step,) = task.chance.choices(list(STEPS), list(STEPS.values()))
        await step(task)


async def work_on_one_place(task: Task) -> None:
    for _ in range(4):
        await replace(task)


async def back_up(core: Core, folder: Path) -> None:
    done = await backup.back_up(core, data_of(folder), backups_of(folder), KEPT, lambda *_: None)
    say("backed", done.snapshot)


async def keep_house(core: Core, chance: random.Random) -> None:
    """With nobody else about: rubbish that a crash could have left, and what upkeep makes of everything."""
    strange = stock.PICTURES[0]
    await core.blobs.put(new_key(sha256(strange)), strange)
    await core.blobs.append(core.blobs.stage(), strange)
    keep_s = chance.choice([-1, 86_400])
    await upkeep.run_once(with_ages(core, young_s=-1, retention_s=-1, grace_s=0, keep_s=keep_s))
    await asyncio.sleep(4 * writer.IDLE_S)


async def open_and_work(folder: Path, chance: random.Random, tasks: list[Task], rounds: int) -> None:
    async with app.open_core(data_of(folder), PRIVATE, fail_loudly) as core:
        if not tasks[0].own:
            await stock.prepare(core)
            say("started", Noting.commits)
        for task in tasks:
            task.core = core
        for _ in range(rounds):
            async with asyncio.TaskGroup() as group:
                group.create_task(back_up(core, folder))
                group.create_task(work_on_one_place(tasks[0]))
                for task in tasks[1:]:
                    group.create_task(work(task))
            await keep_house(core, chance)
            for task in tasks:
                task.deleted.clear()  # it may have been given up


def main(folder: Path, seed: int, rounds: int, fault: str) -> None:
    chance = random.Random(seed)
    tasks = [Task(random.Random(chance.random()), slot, fault) for slot in range(TASKS)]
    watch(fault)
    for _ in range(OPENINGS):
        asyncio.run(open_and_work(folder, chance, tasks, rounds))


if __name__ == "__main__":
    path, seed, rounds, fault = sys.argv[1:]
    main(Path(path), int(seed), int(rounds), fault)
