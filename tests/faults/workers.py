"""What the processes that killing.py kills do all the time, and the faults that are put into them on purpose."""

import asyncio
import os
import random
import traceback
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

import prints
import stock
from faults import binned, keyed
from moments import with_ages
from packshot import app
from packshot.config import Settings
from packshot.domain.errors import NotFound
from packshot.domain.paging import Ordering, Query
from packshot.services import calls, hosting, images, originals, scrub, upkeep
from packshot.services.core import Core
from packshot.services.hosting import Described
from packshot.services.originals import Upload
from packshot.storage.blobs import BlobSettings, BlobStore, Bytes, Staged
from receiver import PRIVATE
from stock import CALLER, LONE, PICTURES

TASKS = 3
"""In each worker."""
AT_ONCE_S = -1
"""An age in upkeep for which not even what was made this second is too young."""
GRACE_S = 5
"""Far longer than any upload takes here: a sweep must never meet the file of an upload under way."""


class LateBytes:
    """FAULT late-bytes: a store that says a picture is on the disk a moment before it is."""

    def __init__(self, inside: BlobStore) -> None:
        self._inside = inside
        self._late: set[asyncio.Task[None]] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inside, name)

    async def put(self, key: str, data: Bytes | Staged) -> None:
        async def later() -> None:
            await asyncio.sleep(0.005)
            await self._inside.put(key, data)

        if isinstance(data, Staged):
            await self._inside.put(key, data)
        else:
            self._late.add(asyncio.create_task(later()))


class Diary:
    """One line for each intent and each answer, gone to the kernel before the next step is taken."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, *words: object) -> None:
        os.write(self._descriptor, (" ".join(map(str, words)) + "\n").encode())


@dataclass
class Task:
    """What one task of a worker works with; `slot` is a number that no other task of its time has.

    `earlier` are calls with a key that it may make again.
    """

    core: Core
    diary: Diary
    chance: random.Random
    fault: str
    slot: int
    earlier: Sequence[keyed.Call]


Job = Callable[[Task], Coroutine[Any, Any, None]]
"""What a worker's tasks do until it is killed."""


def settings_of(folder: Path) -> Settings:
    """Those of all processes here: with a second copy of what is going to be damaged."""
    return msgspec.structs.replace(PRIVATE, blobs=BlobSettings(mirror=str(folder / "mirror")))


async def add(task: Task) -> None:
    """Add a picture at once or, now and then, in pieces as an image of the library."""
    number, name = task.chance.randrange(len(PICTURES)), f"{task.chance.randbytes(8).hex()}.png"
    data = PICTURES[number]
    early = task.fault == "early-answer"
    task.diary.write("adding", name, number)
    if early:
        task.diary.write("added", name, number)
    if task.chance.random() < 1 / 5:
        guid = str(UUID(int=task.chance.getrandbits(128), version=4))
        async with originals.staging(task.core) as staged:
            for piece in (data[:9], data[9:]):
                await originals.append(task.core, staged, piece)
            said = Described(guid=guid, name=name, product_id=LONE, role="more")
            await hosting.add(task.core, CALLER, said, staged)
    else:
        await images.add_to_product(task.core, CALLER, LONE, "more", Upload(name, len(data), lambda: data))
    if not early:
        task.diary.write("added", name, number)


async def add_with_a_key(task: Task) -> None:
    await keyed.add(task.core, task.diary.write, task.chance, task.earlier, apart=task.fault == "late-key")


async def delete(task: Task) -> None:
    query = Query(orderings=[Ordering("id", descending=task.chance.random() < 1 / 2)], limit=20, counted=False)
    listed = (await images.list_of_product(task.core, CALLER, LONE, query)).rows
    if not listed:
        return
    image = task.chance.choice(listed)
    task.diary.write("deleting", image.name)
    if task.fault != "forgotten-delete":
        with suppress(NotFound):  # the other worker was faster
            await images.remove_from_product(task.core, CALLER, LONE, image.id)
    task.diary.write("deleted", image.name)


async def change_product(task: Task) -> None:
    await stock.change_one(task.core, task.diary.write, task.chance, task.slot, in_two_steps=task.fault == "two-steps")


async def change_library(task: Task) -> None:
    at_once = 1 if task.fault == "one-by-one" else prints.MOST
    await prints.change_one(task.core, task.diary.write, task.chance, task.slot, PICTURES, at_once)


async def take_out_of_trash(task: Task) -> None:
    in_parts = task.fault == "half-restore"
    await binned.take_out(task.core, task.diary.write, task.chance, task.slot, in_parts=in_parts)


async def keep_house(task: Task) -> None:
    core = with_ages(task.core, AT_ONCE_S, AT_ONCE_S, GRACE_S, binned.KEPT_S)
    await task.chance.choice(_HOUSEKEEPING)(task, core)


async def _everything(task: Task, core: Core) -> None:
    await _empty_trash(task, core)
    await upkeep.run_once(core)


async def _empty_trash(task: Task, core: Core) -> None:
    await binned.empty(core, task.diary.write)


async def _scrub(_: Task, core: Core) -> None:
    await scrub.run_once(core, lambda _: None)


_HOUSEKEEPING: list[Callable[[Task, Core], Coroutine[Any, Any, object]]] = [
    lambda _, core: upkeep.doom(core),
    lambda _, core: upkeep.reap(core),
    lambda _, core: upkeep.sweep(core),
    _everything,
    _empty_trash,
    _scrub,
]


JOBS: dict[Job, int] = {
    add: 34,
    add_with_a_key: 10,
    delete: 34,
    change_product: 16,
    change_library: 14,
    take_out_of_trash: 12,
    keep_house: 8,
}
"""What there is to do, and how often it comes."""


BROKEN: dict[str, Job] = {
    "two-steps": change_product,
    "one-by-one": change_library,
    "half-restore": take_out_of_trash,
    "late-key": add_with_a_key,
}
"""What a fault breaks, which comes oftener then."""


async def load(task: Task) -> None:
    weights = [weight + 50 * (BROKEN.get(task.fault) is job) for job, weight in JOBS.items()]
    while True:
        (step,) = task.chance.choices(list(JOBS), weights)
        calls.REQUEST_ID.set(f"{task.slot} {task.chance.randbytes(8).hex()}")
        await step(task)


async def keep_house_alone(task: Task) -> None:
    """Nobody adds now, so that even the youngest stranger may be swept."""
    core = with_ages(task.core, AT_ONCE_S, AT_ONCE_S, 0, binned.KEPT_S)
    while True:
        await _everything(task, core)
        await _scrub(task, core)


@dataclass
class Life:
    """What one process is to do, from its first slot on; see `Task`."""

    folder: Path
    seed: int
    fault: str
    job: Job
    first_slot: int
    earlier: Sequence[keyed.Call]


async def work(life: Life, ready: int) -> None:
    """Live it; *ready* is a descriptor that is written to once the store is open."""
    chance, folder, fault = random.Random(life.seed), life.folder, life.fault
    diary = Diary(folder / "diary")
    async with app.open_core(folder, settings_of(folder), fail) as opened:
        store: Any = LateBytes(opened.blobs) if fault == "late-bytes" else opened.blobs
        core = replace(opened, blobs=store)
        os.write(ready, b"!")
        async with asyncio.TaskGroup() as tasks:
            for number in range(TASKS if life.job is load else 1):
                own = random.Random(chance.random())
                tasks.create_task(life.job(Task(core, diary, own, fault, life.first_slot + number, life.earlier)))


def fail(error: BaseException) -> None:
    traceback.print_exception(error)
    os._exit(74)
