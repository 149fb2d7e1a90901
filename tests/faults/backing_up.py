"""Kills a backup before each name that it opens, makes, changes or removes in its target. Run by test_backing_up.py.

    python backing_up.py FOLDER EVERY

The target has a snapshot from before the store changed. A backup that keeps one snapshot is killed before its k-th
step, for k = 1, 1 + EVERY, ... until it comes through. Whatever that leaves, each snapshot there can be restored, and
the next backup leaves one snapshot with its blobs and nothing else. The output is the number of steps.
"""

import os
import shutil
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any

import stock
from build import fail_loudly, make_image
from faults.dying import ended
from packshot import app
from packshot.services import backup, images
from packshot.storage.snapshots import Target
from receiver import PRIVATE
from stock import CALLER, LONE, PICTURES

STEPS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "sqlite3.connect"}


def told(*_: object) -> None:
    """Nobody hears of progress."""


def die(target: Path, steps: int) -> None:
    """Have this process killed before its step of that number in *target*."""
    left = steps

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        # The 256 folders for blobs are there, and are only looked for.
        if event not in STEPS or not str(arguments[0]).startswith(str(target)):
            return
        if event == "os.mkdir" and "/blobs/" in str(arguments[0]):
            return
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


async def prepare(folder: Path) -> None:
    """A store, a backup of it, and changes since."""
    async with app.open_core(folder / "data", PRIVATE, fail_loudly) as core:
        await stock.prepare(core)
        made = [await make_image(core, CALLER, LONE, data) for data in PICTURES[:3]]
        await backup.back_up(core, folder / "data", folder / "before", 1, told)
        await images.remove_from_product(core, CALLER, LONE, made[0].id)
        await core.db.write(lambda tx: tx.run("DELETE FROM deletion"))
        await core.db.write(lambda tx: tx.run("UPDATE blob SET state = 'doomed' WHERE id = 1"))
        for data in PICTURES[3:5]:
            await make_image(core, CALLER, LONE, data)


async def back_up(folder: Path, target: Path, steps: int) -> None:
    async with app.open_core(folder / "data", PRIVATE, fail_loudly) as core:
        die(target, steps)
        await backup.back_up(core, folder / "data", target, 1, told)


def look(folder: Path, target: Path) -> list[str]:
    """What is wrong with what the snapshots of a target become."""
    wrong = [] if Target(target).names() else ["there is no snapshot"]
    for name in Target(target).names():
        place = folder / "back"
        ended(restore(target, place, name))
        wrong += stock.faults_of(place)
        shutil.rmtree(place)
    return wrong


async def restore(target: Path, place: Path, name: str) -> None:
    await backup.restore(target, place, name, 0, told)


def main(folder: Path, every: int) -> None:
    ended(prepare(folder))
    target, begin = folder / "target", partial(shutil.copytree, folder / "before", folder / "target")
    steps, killed = 1, True
    while killed:
        begin()
        killed = ended(back_up(folder, target, steps)) != 0
        wrong = look(folder, target)
        ended(back_up(folder, target, 0))
        wrong += look(folder, target)
        blobs = sum(len(list(part.iterdir())) for part in (target / "blobs").iterdir())
        left = list((target / "staging").iterdir())
        if wrong or len(list((target / "snapshots").iterdir())) != 1 or blobs != 4 or left:
            raise AssertionError(f"a backup killed at step {steps}: {wrong}, {blobs} blobs, {left}")
        shutil.rmtree(target)
        steps += every
    sys.stdout.write(f"{steps - every}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
