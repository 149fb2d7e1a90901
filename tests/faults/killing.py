"""Kills loaded storage processes and checks what they leave behind. Run by test_kill.py as a process of its own.

    python killing.py FOLDER KILLS SEED [FAULT]

Workers are forked from this process, which has everything imported and neither threads nor an event loop.
Each opens the store like the server does, adds and deletes pictures out of 25, with a key now and then, adds, changes
and deletes products with pictures and files, adds, sells and deletes sets of images in the library, takes things out of
the trash, and keeps house (see workers.py), while it writes down what it is about to do and what it was told is done,
each line with one write(2) that outlives it. After a random while it gets SIGKILL. Then the store and the lines are
compared, and now and then we damage a picture of which there is a second copy. FAULT breaks the service on purpose,
which the comparison has to find. The last line of the output is a JSON object of figures.
"""

import asyncio
import json
import math
import os
import random
import select
import shutil
import signal
import sqlite3
import sys
import time
import traceback
from collections.abc import Collection, Coroutine, Iterable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import stock
from faults import binned, keyed, leftovers
from faults.binned import Ledger
from faults.keyed import Calls
from faults.workers import TASKS, Life, fail, keep_house_alone, load, settings_of, work
from packshot import app
from packshot.services import scrub
from packshot.storage.folder import DATABASE
from stock import DIGESTS, LONE

WORKERS = 3
LONGEST_MS = 60


class Broken(Exception):
    """The store does not hold what it promised."""


@dataclass
class Figures:
    """What happened, over all rounds."""

    kills: int = 0
    acked_adds: int = 0
    acked_deletes: int = 0
    acked_restores: int = 0
    acked_products: int = 0
    keyed: int = 0
    keyed_again: int = 0
    emptied: int = 0
    damaged: int = 0
    repaired: int = 0
    events: int = 0
    unanswered: int = 0
    orphans_swept: int = 0
    lost: int = 0
    undone: int = 0
    broken: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def count(self, word: str) -> None:
        """Count a line of the diary."""
        self.acked_adds += word == "added"
        self.acked_deletes += word == "deleted"
        self.acked_restores += word == "restored"
        self.emptied += word == "emptied"
        self.unanswered += (word in _BEGINS) - (word in _BEGINS.values())


# A round


def fork_worker(life: Life) -> tuple[int, int]:
    """(process id, descriptor that becomes readable once the worker has opened the store)."""
    ready, tell = os.pipe()
    process = os.fork()
    if process:
        os.close(tell)
        return process, ready
    try:
        asyncio.run(work(life, tell))
    except BaseException:  # noqa: BLE001 - whatever ends a worker is printed and seen by its exit code
        traceback.print_exc()
    os._exit(1)


def kill_workers(folder: Path, chance: random.Random, fault: str, earlier: Sequence[keyed.Call]) -> int:
    """Start workers, kill each at its own random moment, some while they still open the store; return how many."""
    janitor = chance.random() < 1 / 12
    jobs = [keep_house_alone] if janitor else [load] * WORKERS
    started = [
        fork_worker(Life(folder, chance.getrandbits(64), fault, job, number * TASKS, earlier))
        for number, job in enumerate(jobs)
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
    """What must be there: pictures by image name, as the last check left them; and whose bytes we damaged."""

    present: dict[str, int] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)
    calls: Calls = field(default_factory=Calls)
    damaged: set[str] = field(default_factory=set)
    read_bytes: int = 0

    def news(self, diary: Path) -> list[list[str]]:
        """The lines since the last round, as words."""
        with diary.open("rb") as file:
            file.seek(self.read_bytes)
            text = file.read()
        self.read_bytes += len(text)
        return [line.split() for line in text.decode().splitlines()]


_BEGINS = {"adding": "added", "deleting": "deleted", "restoring": "restored"}


def settled(lines: Iterable[Sequence[str]], present: Collection[str]) -> dict[str, set[bool]]:
    """Whether a picture may be there by now, and whether it may be gone, by the name of each that was touched.

    What was answered before another change that was answered began is over; several may be under way at once.
    """
    spans: dict[str, list[list[Any]]] = {}
    for at, (word, name, *_) in enumerate(lines):
        if word in _BEGINS:
            spans.setdefault(name, []).append([_BEGINS[word], at, math.inf])
        elif word in _BEGINS.values():
            next(span for span in spans[name] if span[0] == word and span[2] == math.inf)[2] = at
        elif word == "missed":  # there was nothing to restore
            spans[name].remove(next(span for span in spans[name] if span[0] == "restored" and span[2] == math.inf))
    found = {}
    for name, changes in spans.items():
        last = max((begun for _, begun, ended in changes if ended < math.inf), default=-1)
        found[name] = {word != "deleted" for word, _, ended in changes if ended > last}
        found[name] |= {name in present} if last < 0 else set()
    return found


def check(folder: Path, model: Model, figures: Figures) -> None:
    """Compare the store with the diary, and take what is there as what has to stay."""
    with closing(sqlite3.connect(folder / DATABASE)) as database:
        database.execute("PRAGMA synchronous = OFF")  # of all who look here, this one closes last
        database.execute("SELECT 1 FROM image").fetchone()
        compare(folder, model, figures)


def compare(folder: Path, model: Model, figures: Figures) -> None:
    """The same, while somebody has the database open. Raises: Broken."""
    lines = model.news(folder / "diary")
    for words in lines:
        figures.count(words[0])
    model.numbers |= {words[1]: int(words[2]) for words in lines if words[0] == "adding"}
    there = look(folder)
    may = {name: {True} for name in model.present} | settled(lines, model.present)
    lost = [name for name, states in may.items() if name not in there and False not in states]
    undone = [name for name in there if True not in may.get(name, ())]
    figures.lost += len(lost)
    figures.undone += len(undone)
    figures.broken += [f"lost {name}" for name in lost] + [f"undone {name}" for name in undone]
    known = model.numbers
    figures.broken += [
        f"{name} has other bytes" for name, digest in there.items() if name in known and digest != DIGESTS[known[name]]
    ]
    model.present = {name: known[name] for name in there.keys() & known.keys()}
    figures.broken += binned.check(folder, lines, model.ledger) + binned.check_events(folder, model.ledger)
    found = stock.check(folder, lines, model.versions)  # which takes all events away
    model.versions = found.versions
    figures.acked_products += found.acked
    figures.events += found.events
    figures.broken += found.broken + stock.faults_of(folder, model.damaged)
    figures.broken += keyed.check(folder, lines, model.calls, model.ledger.born)
    figures.keyed, figures.keyed_again = model.calls.acked, model.calls.repeated
    if figures.broken:
        raise Broken("; ".join(figures.broken[:5]))


def look(folder: Path) -> dict[str, str]:
    """The digest of each image added alone, by its name."""
    with closing(sqlite3.connect(folder / DATABASE)) as database:
        return dict(
            database.execute(
                "SELECT i.name, b.digest FROM image i JOIN blob b ON b.id = i.blob_id WHERE product_id = ?1", (LONE,)
            ).fetchall()
        )


def damage(folder: Path, model: Model, chance: random.Random) -> None:
    """Damage the bytes of a blob of which there is a second copy."""
    with closing(sqlite3.connect(folder / DATABASE)) as database:
        keys = [row[0] for row in database.execute("SELECT key FROM blob WHERE state = 'live'").fetchall()]
    if keys:
        key = chance.choice(keys)
        path, copy = (folder / name / key[:2] / key for name in ("blobs", "mirror"))
        if key not in model.damaged:
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
        path.write_bytes(b"damaged")
        model.damaged.add(key)


# The whole run


async def prepare(folder: Path) -> None:
    async with app.open_core(folder, settings_of(folder), fail) as core:
        await stock.prepare(core)


async def tidy(folder: Path, figures: Figures) -> None:
    """With nobody else about, what was damaged is repaired, and upkeep leaves nothing half-done."""
    async with app.open_core(folder, settings_of(folder), fail) as core:
        repaired = await scrub.run_once(core, lambda _: None)
    figures.repaired += repaired.repaired
    done, stay = await leftovers.tidy(folder, settings_of(folder))
    figures.orphans_swept += done.swept + done.staging
    figures.broken += stay


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
            figures.kills += kill_workers(folder, chance, fault, model.calls.to_repeat())
            check(folder, model, figures)
            if chance.random() < 3 / 4:
                keyed.end_leases(folder)
            if chance.random() < 1 / 10:
                damage(folder, model, chance)
                figures.damaged += 1
            if chance.random() < 1 / 15:
                figures = in_a_child(tidy(folder, figures), figures)
                model.damaged.clear()
                check(folder, model, figures)
    except Broken as error:
        figures.broken = figures.broken or [str(error)]
    figures.seconds = round(time.monotonic() - start, 1)
    return figures


if __name__ == "__main__":
    path, how_many, seed, *fault = sys.argv[1:]
    figures = run(Path(path), int(how_many), int(seed), fault[0] if fault else "")
    sys.stdout.write(json.dumps(asdict(figures)) + "\n")
