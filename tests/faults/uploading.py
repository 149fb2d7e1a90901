"""Kills a process at each step of one upload in pieces and checks what it leaves. Run by test_dying.py.

    python uploading.py FOLDER

The same as dying.py, for an image that comes with its product and a guid. Whatever a killed upload leaves, the same
upload comes through afterwards, there is one image of it, and upkeep finds the rest. The output is the number of steps.
"""

import asyncio
import sqlite3
import sys
from pathlib import Path

import stock
from build import fail_loudly
from faults.dying import ended, live
from moments import with_ages
from packshot import app
from packshot.domain.libraries import LibraryImage
from packshot.services import hosting, images, originals, upkeep
from packshot.services.core import Core
from packshot.services.hosting import Described
from packshot.storage.folder import DATABASE
from receiver import PRIVATE
from stock import CALLER, DIGESTS, LONE, PICTURES

PICTURE, DIGEST = PICTURES[7], DIGESTS[7]
SAID = Described(guid="2d273599-962a-498c-be07-cec9e80bacf2", product_id=LONE, role="detail")


async def upload(core: Core) -> LibraryImage:
    async with originals.staging(core) as staged:
        for piece in (PICTURE[:9], PICTURE[9:]):
            await originals.append(core, staged, piece)
            await asyncio.sleep(0)
        return await hosting.add(core, CALLER, SAID, staged)


async def prepare(folder: Path) -> None:
    async with app.open_core(folder, PRIVATE, fail_loudly) as core:
        await stock.prepare(core)


async def again(folder: Path) -> None:
    """The same upload once more, and then no image and no bytes."""
    async with app.open_core(folder, PRIVATE, fail_loudly) as core:
        image = await upload(core)
        assert await core.db.all("SELECT id, product_id, role FROM image") == [(image.id, LONE, "detail")]
        await images.remove_from_product(core, CALLER, LONE, image.id)
        for _ in range(2):
            await upkeep.run_once(with_ages(core, young_s=-1, retention_s=-1, grace_s=0))
        assert await core.blobs.of_keys(0) == []
        assert await core.blobs.sweep_staging(0) == 0


def look(folder: Path) -> list[tuple[str, str]]:
    """The digest and role of each image on the product."""
    database = sqlite3.connect(folder / DATABASE)
    try:
        return database.execute(
            "SELECT b.digest, i.role FROM image i JOIN blob b ON b.id = i.blob_id WHERE i.product_id = ?1", (LONE,)
        ).fetchall()
    finally:
        database.close()


def main(folder: Path) -> None:
    ended(prepare(folder))
    steps, killed = 0, True
    while killed:
        steps += 1
        killed = ended(live(folder, lambda core, _: upload(core), steps)) != 0
        there, wrong = look(folder), stock.faults_of(folder)
        if wrong or there not in ([[], [(DIGEST, "detail")]] if killed else [[(DIGEST, "detail")]]):
            raise AssertionError(f"an upload killed at step {steps}: {there}, {wrong}")
        if ended(again(folder)):
            raise AssertionError(f"after step {steps} it does not come through")
    sys.stdout.write(f"{steps - 1}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
