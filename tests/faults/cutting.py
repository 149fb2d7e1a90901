"""Cuts the power of a working store at any system call, and checks what the disk may hold. Run by test_cuts.py.

    python cutting.py FOLDER CUTS SEED ROUNDS [FAULT]

Traces of cutting_work.py, each with another seed, are replayed by cutting_disk.py. At random moments a folder is made
of what may be left, and the store is opened there like by a start. Then it has to hold what was acknowledged by that
moment, and of everything else all or nothing: all its rows are those that one of the writer's commits left, not an
older one than the latest that was acknowledged. The last line of the output is a JSON object of figures.
"""

import asyncio
import json
import random
import shutil
import sqlite3
import sys
import time
import traceback
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path

import stock
from build import fail_loudly
from faults.cutting_disk import Disk
from faults.cutting_trace import Step, record
from faults.cutting_work import GONE, backups_of, data_of, digest_of
from moments import with_ages
from packshot import app
from packshot.services import images, upkeep
from packshot.services.core import Core
from packshot.services.idempotency import Key, once
from packshot.services.originals import Upload
from packshot.storage.folder import DATABASE, KEY_FILE
from packshot.storage.snapshots import Target
from packshot.storage.snapshots import digest_of as digest_of_file
from packshot.storage.targets import find_manifest, key_of
from receiver import PRIVATE
from stock import CALLER, LONE

WORK = Path(__file__).with_name("cutting_work.py")
CUTS_OF_A_TRACE = 250
OURS = {KEY_FILE, "blobs", "staging", "renditions", "reserve"}
"""What is in a data folder beside the database."""


@dataclass
class Figures:
    """What happened, over all cuts."""

    cuts: int = 0
    traces: int = 0
    moments: int = 0
    unanswered: int = 0
    acked_pictures: int = 0
    acked_changes: int = 0
    acked_calls: int = 0
    snapshots: int = 0
    events: int = 0
    orphans_swept: int = 0
    broken: list[str] = field(default_factory=list)
    seconds: float = 0.0


# What was said


@dataclass
class Said:
    """What the program had said when the power went: by name the last that was done, and what had begun since."""

    lines: list[list[str]]
    done: dict[str, str] = field(default_factory=dict)
    begun: set[str] = field(default_factory=set)
    keys: dict[str, int] = field(default_factory=dict)
    snapshot: str = ""
    acked: int | None = None
    seen: int = 0

    def __post_init__(self) -> None:
        for kind, *words in self.lines:
            match kind:
                case "doing":
                    self.begun.add(words[0])
                case "done":
                    self.begun.discard(words[0])
                    self.done[words[0]] = words[1]
                    self.acked = int(words[2])
                case "backed":
                    self.snapshot = words[0]
                case "called":
                    self.keys[words[0]] = int(words[1])
                case "started":
                    self.acked = int(words[0])
                case "committed":
                    self.seen = int(words[0])


# A check


async def check(folder: Path, said: Said, commits: Mapping[int, str], figures: Figures) -> None:
    """Open the store that was left, compare it with what was said, and have upkeep leave nothing that is not needed."""
    async with app.open_core(folder, PRIVATE, fail_loudly) as core:
        figures.broken += stock.faults_of(folder)
        if said.acked is None:
            return  # nobody has heard yet of a first account
        figures.broken += rows_at_fault(folder, said, commits)
        figures.broken += pictures_at_fault(folder, said)
        await repeat(core, said, figures)
        found = stock.check(folder, [line for line in said.lines if line[0] in {"changing", "changed"}], {})
        figures.broken += found.broken
        figures.acked_changes += found.acked
        figures.events += found.events
        await tidy(core, folder, figures)


def rows_at_fault(folder: Path, said: Said, commits: Mapping[int, str]) -> list[str]:
    """Whether the rows are those of one commit, which is the latest acknowledged one or a later one."""
    with closing(sqlite3.connect(folder / DATABASE)) as connection:
        wrong = [f"database: {row[0]}" for row in connection.execute("PRAGMA integrity_check") if row != ("ok",)]
        digest = digest_of(connection)
    # One more may have come through before it could be said.
    allowed = {commits.get(number) for number in range(said.acked or 0, said.seen + 2)}
    older = [number for number, one in commits.items() if one == digest]
    if digest not in allowed:
        wrong.append(f"lost: the rows of commit {said.acked} to {said.seen + 1} are those of commit {older}")
    return wrong


def pictures_at_fault(folder: Path, said: Said) -> list[str]:
    """Pictures that are not as they were acknowledged; those with something under way are as before or as after."""
    with closing(sqlite3.connect(folder / DATABASE)) as connection:
        there = dict(
            connection.execute(
                "SELECT i.name, b.digest FROM image i JOIN blob b ON b.id = i.blob_id WHERE product_id = ?1", (LONE,)
            ).fetchall()
        )
    must = {name: what for name, what in said.done.items() if name not in said.begun}
    wrong = [f"lost: picture {name}" for name, what in must.items() if what != GONE and there.get(name) != what]
    wrong += [f"undone: picture {name}" for name, what in must.items() if what == GONE and name in there]
    return wrong + [f"nobody added {name}" for name in there.keys() - said.done.keys() - said.begun]


async def repeat(core: Core, said: Said, figures: Figures) -> None:
    """Calls with keys that were acknowledged come to the same image again, and to no other one."""
    ((before,),) = await core.db.all("SELECT count(*) FROM image")
    for name, image_id in said.keys.items():
        upload = Upload(name, len(stock.PICTURES[0]), lambda: stock.PICTURES[0])
        again = await once(core, CALLER, Key(name, "add"), "", images.add_to_product, LONE, "more", upload)
        if again.id != image_id:
            figures.broken.append(f"the call {name} came to {again.id} instead of {image_id}")
    ((after,),) = await core.db.all("SELECT count(*) FROM image")
    figures.broken += ["a repeated call was done twice"] if after != before else []
    figures.acked_calls += len(said.keys)


async def tidy(core: Core, folder: Path, figures: Figures) -> None:
    """Upkeep at once leaves as many files as rows of blobs, under the same keys, and no upload half-done."""
    done = await upkeep.run_once(with_ages(core, young_s=-1, retention_s=-1, grace_s=0, keep_s=86_400))
    figures.orphans_swept += done.swept + done.staging
    named = {row[0] for row in await core.db.all("SELECT key FROM blob")}
    kept = set(await core.blobs.of_keys(0))
    figures.broken += [f"a file nobody names stays: {key}" for key in kept - named]
    figures.broken += [f"a row has no file: {key}" for key in named - kept]
    figures.broken += [f"{name} stays" for name in strangers(folder)]


def strangers(folder: Path) -> list[str]:
    """Unfinished uploads, and whatever else is in a data folder that is not known to be."""
    names = {path.name for path in folder.iterdir() if not path.name.startswith(DATABASE)}
    return [path.name for path in (folder / "staging").iterdir()] + sorted(names - OURS)


def snapshots_at_fault(folder: Path, store: Path, said: Said, figures: Figures) -> list[str]:
    """What is wrong with the backups: the latest acknowledged is there, and whatever is seen is whole."""
    target = Target(folder)
    names = target.names()
    wrong = [] if not said.snapshot or said.snapshot in names else [f"lost: snapshot {said.snapshot}"]
    for name in names:
        database = target.path(name) / DATABASE
        same_key = key_of(target, name) == (store / KEY_FILE).read_bytes()
        if not same_key or digest_of_file(database) != find_manifest(target, name).digest:
            wrong.append(f"snapshot {name} is half")
        with closing(sqlite3.connect(f"{database.as_uri()}?immutable=1", uri=True)) as connection:
            blobs = connection.execute("SELECT digest, key, size_bytes FROM blob WHERE state = 'live'").fetchall()
        for digest, key, size_bytes in blobs:
            wrong += stock.bytes_at_fault(folder / "blobs" / key[:2] / key, digest, size_bytes)
    figures.snapshots += len(names)
    return wrong


# The whole run


def lines_of(text: bytes) -> list[list[str]]:
    return [line.split() for line in text.decode().splitlines()]


@dataclass
class Run:
    """All cuts of one run; it is over when something is broken."""

    folder: Path
    chance: random.Random
    figures: Figures = field(default_factory=Figures)

    def cut_trace(self, number: int, steps: list[Step], place: Path, cuts: int) -> None:
        """Cut the power so often at random moments of what a program did in *place*."""
        whole = Disk(place)
        moments = sum(1 for _ in whole.play(steps))
        self.figures.traces += 1
        self.figures.moments += moments
        commits = {int(words[1]): words[2] for words in lines_of(whole.said) if words[0] == "committed"}
        disk, wanted = Disk(place), Counter(self.chance.choices(range(moments), k=cuts))
        for at, _ in enumerate(disk.play(steps)):
            for _ in range(wanted[at]):
                self.cut(disk, commits)
                if self.figures.broken:
                    self.figures.broken.insert(0, f"trace {number}, moment {at} of {moments}")
                    return

    def cut(self, disk: Disk, commits: Mapping[int, str]) -> None:
        """One cut, and all that comes of it."""
        left, figures, said = self.folder / "left", self.figures, Said(lines_of(disk.said))
        disk.cut(self.chance, left)
        store = data_of(left)
        try:
            if said.acked is not None and not (store / DATABASE).exists():
                figures.broken.append("lost: the whole store")
            else:
                asyncio.run(check(store, said, commits, figures))
                figures.broken += snapshots_at_fault(backups_of(left), store, said, figures)
        except Exception:  # noqa: BLE001 - a store that cannot be opened or used is what we look for
            figures.broken.append(traceback.format_exc())
        figures.cuts += 1
        figures.unanswered += len(said.begun)
        figures.acked_pictures += len(said.done)
        shutil.rmtree(left)


def run(folder: Path, cuts: int, seed: int, rounds: int, fault: str) -> Figures:
    """All traces with all their cuts; ends early when something is broken."""
    start, place = time.monotonic(), folder / "work"
    all_cuts = Run(folder, random.Random(seed))
    figures = all_cuts.figures
    while figures.cuts < cuts and not figures.broken:
        number = all_cuts.chance.getrandbits(32)
        program = [str(WORK), str(place), str(number), str(rounds), fault]
        steps = record(program, place, folder / "trace")
        all_cuts.cut_trace(number, steps, place, min(CUTS_OF_A_TRACE, cuts - figures.cuts))
    figures.seconds = round(time.monotonic() - start, 1)
    return figures


if __name__ == "__main__":
    path, how_many, seed, rounds, *fault = sys.argv[1:]
    figures = run(Path(path), int(how_many), int(seed), int(rounds), fault[0] if fault else "")
    sys.stdout.write(json.dumps(asdict(figures)) + "\n")
