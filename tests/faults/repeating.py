"""Kills a process at each step of a call with a key, and makes the call again. Run by test_dying.py.

    python repeating.py FOLDER

The same as dying.py. While the lease of the dead call lasts, its repetition may be told that it is running; after it
there is one image, which every further repetition is told of. The output is the number of steps.
"""

import sys
import time
from pathlib import Path

import stock
from build import fail_loudly
from faults.dying import ended, live
from moments import with_ages
from packshot import app
from packshot.domain.errors import StillRunning
from packshot.domain.images import ProductImage
from packshot.services import images, upkeep
from packshot.services.core import Core
from packshot.services.idempotency import LEASE_S, Key, once
from packshot.services.originals import Upload
from receiver import PRIVATE
from stock import CALLER, LONE, PICTURES

DAY_S = 86_400


async def add(core: Core) -> ProductImage:
    upload = Upload("a.png", len(PICTURES[7]), lambda: PICTURES[7])
    return await once(core, CALLER, Key("k", "add"), "", images.add_to_product, LONE, "more", upload)


async def prepare(folder: Path) -> None:
    async with app.open_core(folder, PRIVATE, fail_loudly) as core:
        await stock.prepare(core)


async def again(folder: Path) -> None:
    """The same call until it comes through, and then no image and no key."""
    async with app.open_core(folder, PRIVATE, fail_loudly) as core:
        there = await core.db.all("SELECT id FROM image")
        try:
            early = [(await add(core)).id]
        except StillRunning:
            early = []
            assert not there, "what is done is told at once"
    async with app.open_core(folder, PRIVATE, fail_loudly, lambda: time.time() + LEASE_S) as core:
        told = {(await add(core)).id for _ in range(2)}
        assert await core.db.all("SELECT id FROM image") == [(one,) for one in told]
        assert told == told.union(early, *there)
        await images.remove_from_product(core, CALLER, LONE, *told)
    async with app.open_core(folder, PRIVATE, fail_loudly, lambda: time.time() + 2 * DAY_S) as core:
        await upkeep.run_once(with_ages(core, young_s=-1, retention_s=-1, grace_s=0))
        assert await core.db.all("SELECT id FROM idempotency") == []


def main(folder: Path) -> None:
    ended(prepare(folder))
    steps, killed = 0, True
    while killed:
        steps += 1
        killed = ended(live(folder, lambda core, _: add(core), steps)) != 0
        if wrong := stock.faults_of(folder):
            raise AssertionError(f"a call killed at step {steps}: {wrong}")
        if ended(again(folder)):
            raise AssertionError(f"after step {steps} it does not come through")
    sys.stdout.write(f"{steps - 1}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
