"""Kills loaded storage processes and checks what they leave behind. Run by test_kill.py as a process of its own.

    python killing.py FOLDER KILLS SEED [FAULT]

Workers are forked from this process, which has everything imported and neither threads nor an event loop.
Each opens the store like the server does, adds and deletes pictures out of 25, adds, changes and deletes products
with pictures and files, adds, sells and deletes sets of images in the library, and keeps house, while it writes down
what it is about to do and what it was told is done, each line with one write(2) that outlives it. After a random while
it gets SIGKILL. Then the store and the lines are compared. FAULT breaks the service on purpose, which the comparison
has to find. The last line of the output is a JSON object of figures.
"""

import asyncio
import json
import os
import random
import select
import signal
import sqlite3
import sys
import time
import traceback
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import prints
import stock
from packshot import app
from packshot.domain.errors import NotFound
from packshot.domain.paging import Ordering, Query
from packshot.services import images, upkeep
from packshot.services.core import Core, UpkeepSettings
from packshot.services.originals import Upload
from packshot.storage.blobs import BlobStore, Bytes
from packshot.storage.folder import DATABASE
from receiver import PRIVATE
from stock import CALLER, DIGESTS, LONE, PICTURES

WORKERS = 2
TASKS = 3
"""In each worker."""
LONGEST_MS = 60
AT_ONCE_S = -1
"""An age in upkeep for which not even what was made this second is too young."""
GRACE_S = 5
"""Far longer than any upload takes here: a sweep must never meet the file of an upload under way."""


class Broken(Exception):
    """The store does not hold what it promised."""


@dataclass
class Figures:
    """What happened, over all rounds."""

    kills: int = 0
    acked_adds: int = 0
    acked_deletes: int = 0
    acked_products: int = 0
    events: int = 0
    unanswered: int = 0
    orphans_swept: int = 0
    lost: int = 0
    undone: int = 0
    broken: list[str] = field(default_factory=list)
    seconds: float = 0.0


# A worker


class LateBytes:
    """FAULT late-bytes: a store that says a picture is on the disk a moment before it is."""

    def __init__(self, inside: BlobStore) -> None:
        self._inside = inside
        self._late: set[asyncio.Task[None]] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inside, name)

    async def put(self, key: str, data: Bytes) -> None:
        async def later() -> None:
            await asyncio.sleep(0.005)
            await self._inside.put(key, data)

        self._late.add(asyncio.create_task(later()))


class Diary:
    """One line for each intent and each answer, gone to the kernel before the next step is taken."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, *words: object) -> None:
        os.write(self._descriptor, (" ".join(map(str, words)) + "\n").encode())


def with_ages(core: Core, grace_s: int) -> Core:
    """The core for keeping house at once: only strangers have to have that age."""
    return replace(core, upkeep=UpkeepSettings(young_s=AT_ONCE_S, retention_s=AT_ONCE_S, grace_s=grace_s))


@dataclass
class Task:
    """What one task of a worker works with; `slot` is a number that no other task of its time has."""

    core: Core
    diary: Diary
    chance: random.Random
    fault: str
    slot: int


Job = Callable[[Task], Coroutine[Any, Any, None]]
"""What a worker's tasks do until it is killed."""


async def add(task: Task) -> None:
    number, name = task.chance.randrange(len(PICTURES)), f"{task.chance.randbytes(8).hex()}.png"
    data = PICTURES[number]
    task.diary.write("adding", name, number)
    if task.fault == "early-answer":
        task.diary.write("added", name, number)
    await images.add_to_product(task.core, CALLER, LONE, "more", Upload(name, len(data), lambda: data))
    task.diary.write("added", name, number)


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


async def keep_house(task: Task) -> None:
    step = task.chance.choice([upkeep.doom, upkeep.reap, upkeep.sweep, upkeep.run_once])
    await step(with_ages(task.core, GRACE_S))


async def load(task: Task) -> None:
    while True:
        (step,) = task.chance.choices([add, delete, change_product, change_library, keep_house], [40, 34, 16, 14, 8])
        await step(task)


async def keep_house_alone(task: Task) -> None:
    """Nobody adds now, so that even the youngest stranger may be swept."""
    while True:
        await upkeep.run_once(with_ages(task.core, 0))


async def work(folder: Path, seed: int, fault: str, ready: int, job: Job, first_slot: int) -> None:
    chance = random.Random(seed)
    diary = Diary(folder / "diary")
    async with app.open_core(folder, PRIVATE, fail) as opened:
        store: Any = LateBytes(opened.blobs) if fault == "late-bytes" else opened.blobs
        core = replace(opened, blobs=store)
        os.write(ready, b"!")
        async with asyncio.TaskGroup() as tasks:
            for number in range(TASKS if job is load else 1):
                own = random.Random(chance.random())
                tasks.create_task(job(Task(core, diary, own, fault, first_slot + number)))


def fail(error: BaseException) -> None:
    traceback.print_exception(error)
    os._exit(74)


def fork_worker(folder: Path, seed: int, fault: str, job: Job, first_slot: int) -> tuple[int, int]:
    """(process id, descriptor that becomes readable once the worker has opened the store)."""
    ready, tell = os.pipe()
    process = os.fork()
    if process:
        os.close(tell)
        return process, ready
    try:
        asyncio.run(work(folder, seed, fault, tell, job, first_slot))
    except BaseException:  # noqa: BLE001 - whatever ends a worker is printed and seen by its exit code
        traceback.print_exc()
    os._exit(1)


# A round


def kill_workers(folder: Path, chance: random.Random, fault: str) -> int:
    """Start workers, kill each at its own random moment, some while they still open the store; return how many."""
    janitor = chance.random() < 1 / 12
    jobs = [keep_house_alone] if janitor else [load] * WORKERS
    started = [
        fork_worker(folder, chance.getrandbits(64), fault, job, number * TASKS) for number, job in enumerate(jobs)
    ]
    for process, ready in started:
        if chance.random() < 9 / 10:
            select.select([ready], [], [], 10)
        time.sleep(chance.uniform(2, LONGEST_MS) / 1_000)
        os.kill(process, signal.SIGKILL)
        os.close(ready)
    for process, _ in started:
        ended = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        if ended != -signal.SIGKILL:
            raise Broken(f"a worker ended by itself with {ended}")
    return len(started)


@dataclass
class Model:
    """What must be there: pictures by image name, as the last check left them."""

    present: dict[str, int] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    read_bytes: int = 0

    def news(self, diary: Path) -> list[list[str]]:
        """The lines since the last round, as words."""
        with diary.open("rb") as file:
            file.seek(self.read_bytes)
            text = file.read()
        self.read_bytes += len(text)
        return [line.split() for line in text.decode().splitlines()]


def check(folder: Path, model: Model, figures: Figures) -> None:
    """Compare the store with the diary, and take what is there as what has to stay."""
    lines = model.news(folder / "diary")
    told = {kind: {words[1]: words[-1] for words in lines if words[0] == kind}
            for kind in ("adding", "added", "deleting", "deleted")}  # fmt: skip
    figures.acked_adds += len(told["added"])
    figures.acked_deletes += len(told["deleted"])
    figures.unanswered += len(told["adding"].keys() - told["added"].keys())
    known = model.present | {name: int(number) for name, number in told["adding"].items()}
    must = (model.present.keys() | told["added"].keys()) - told["deleting"].keys()
    must_not = told["deleted"].keys()
    there = look(folder, figures)
    lost, undone = must - there.keys(), (there.keys() & must_not) | (there.keys() - known.keys())
    figures.lost += len(lost)
    figures.undone += len(undone)
    figures.broken += [f"lost {name}" for name in lost] + [f"undone {name}" for name in undone]
    figures.broken += [
        f"{name} has other bytes" for name, digest in there.items() if name in known and digest != DIGESTS[known[name]]
    ]
    model.present = {name: known[name] for name in there.keys() & known.keys()}
    found = stock.check(folder, lines, model.versions)
    model.versions, figures.broken = found.versions, figures.broken + found.broken
    figures.acked_products += found.acked
    figures.events += found.events
    if figures.broken:
        raise Broken("; ".join(figures.broken[:5]))


def look(folder: Path, figures: Figures) -> dict[str, str]:
    """The digest of each image added alone, by its name; whatever is wrong with the store goes to the figures."""
    figures.broken += stock.faults_of(folder)
    database = sqlite3.connect(folder / DATABASE)
    try:
        return dict(
            database.execute(
                "SELECT i.name, b.digest FROM image i JOIN blob b ON b.id = i.blob_id WHERE product_id = ?1", (LONE,)
            ).fetchall()
        )
    finally:
        database.close()


# The whole run


async def prepare(folder: Path) -> None:
    async with app.open_core(folder, PRIVATE, fail) as core:
        await stock.prepare(core)


async def tidy(folder: Path, figures: Figures) -> None:
    """With nobody else about, upkeep leaves exactly the files that a live blob names, and nothing half-done."""
    async with app.open_core(folder, PRIVATE, fail) as core:
        done = await upkeep.run_once(with_ages(core, 0))
        figures.orphans_swept += done.swept + done.staging
        named = {row[0] for row in await core.db.all("SELECT key FROM blob WHERE state = 'live'")}
        figures.broken += [f"a stranger stays: {key}" for key in set(await core.blobs.of_keys(0)) ^ named]
    if left := list((folder / "staging").iterdir()):
        figures.broken.append(f"{len(left)} unfinished uploads stay")


def in_a_child(job: Coroutine[Any, Any, None], figures: Figures) -> Figures:
    """Run *job* where its threads end with it, and bring back the figures it changed."""
    source, target = os.pipe()
    process = os.fork()
    if not process:
        try:
            asyncio.run(job)
            os.write(target, json.dumps(asdict(figures)).encode())
            os._exit(0)
        except BaseException:  # noqa: BLE001 - as with the workers
            traceback.print_exc()
            os._exit(1)
    job.close()  # it ran in the child
    os.close(target)
    with os.fdopen(source, "rb") as pipe:
        told = pipe.read()
    if os.waitpid(process, 0)[1] or not told:
        raise Broken("a child that should have finished did not")
    return Figures(**json.loads(told))


def run(folder: Path, kills: int, seed: int, fault: str) -> Figures:
    """All rounds; ends early when something is broken."""
    chance, model, start = random.Random(seed), Model(), time.monotonic()
    figures = in_a_child(prepare(folder), Figures())
    (folder / "diary").touch()
    try:
        while figures.kills < kills:
            figures.kills += kill_workers(folder, chance, fault)
            check(folder, model, figures)
            if chance.random() < 1 / 15:
                figures = in_a_child(tidy(folder, figures), figures)
                check(folder, model, figures)
    except Broken as error:
        figures.broken = figures.broken or [str(error)]
    figures.seconds = round(time.monotonic() - start, 1)
    return figures


if __name__ == "__main__":
    path, how_many, seed, *fault = sys.argv[1:]
    figures = run(Path(path), int(how_many), int(seed), fault[0] if fault else "")
    sys.stdout.write(json.dumps(asdict(figures)) + "\n")
