"""Kills a process at each step of an erasure, and erases again. Run by test_erasing.py.

    python erasing.py FOLDER

The same as dying.py; writing the database's file anew is steps, too. Wherever it was killed, the same erasure comes
through afterwards, and then no file tells of the image any more. The output is the number of steps.
"""

import sqlite3
import sys
from functools import partial
from pathlib import Path

import stock
from build import fail_loudly, make_image, make_inventory_product
from faults.dying import ended, live
from packshot import app
from packshot.services import erasing
from packshot.services.core import Core
from packshot.storage import rewriting, sqlite
from packshot.storage.folder import DATABASE
from pictures import png
from receiver import PRIVATE
from stock import CALLER, LONE

NAME = "anna-on-the-beach.png"
MARK = b"nothing else has these bytes"
PICTURE = png(3, 1) + MARK


async def prepare(folder: Path) -> None:
    async with app.open_core(folder, PRIVATE, fail_loudly) as core:
        await stock.prepare(core)


async def add(folder: Path) -> None:
    async with app.open_core(folder, PRIVATE, fail_loudly) as core:
        image = await make_image(core, CALLER, LONE, PICTURE, name=NAME)
        await make_inventory_product(core, CALLER, image.guid, NAME)
        (key,) = [key for key in await core.blobs.of_keys(0) if (await core.blobs.find_size(key)) == len(PICTURE)]
        await core.renditions.keep(key, "1-card.webp", "image/webp", MARK)


async def erase(core: Core, folder: Path, guid: str) -> None:
    """What the command does."""
    rewriting.connect = sqlite.connect  # type: ignore[attr-defined]  # with its steps, where it has any
    if found := await erasing.find(core, CALLER.account_id, guid):
        await erasing.erase_images(core, CALLER, found)
    assert (await erasing.finish(core, folder, lambda: 0)).rewritten


async def erasing_of(folder: Path, guid: str, core: Core, _: int) -> None:
    await erase(core, folder, guid)


async def again(folder: Path, guid: str) -> None:
    async with app.open_core(folder, PRIVATE, fail_loudly) as core:
        await erase(core, folder, guid)
        assert await erasing.is_finished(core)


def guid_of(folder: Path) -> str:
    connection = sqlite3.connect(folder / DATABASE)
    ((guid,),) = connection.execute("SELECT guid FROM image WHERE name = ?1", (NAME,)).fetchall()
    connection.close()
    return str(guid)


def telling(folder: Path, guid: str) -> list[str]:
    """The files that have guid, name or bytes of the image in them."""
    words = guid.encode(), NAME.encode(), MARK
    return [
        str(path) for path in folder.rglob("*") if path.is_file() and any(word in path.read_bytes() for word in words)
    ]


def main(folder: Path) -> None:
    ended(prepare(folder))
    steps, killed = 0, True
    while killed:
        steps += 1
        if ended(add(folder)):
            raise AssertionError("nothing to erase")
        guid = guid_of(folder)
        assert len(telling(folder, guid)) >= 3
        killed = ended(live(folder, partial(erasing_of, folder, guid), steps)) != 0
        if ended(again(folder, guid)):
            raise AssertionError(f"after step {steps} it does not come through")
        if wrong := stock.faults_of(folder) + telling(folder, guid):
            raise AssertionError(f"an erasure killed at step {steps} leaves {wrong}")
    sys.stdout.write(f"{steps - 1}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
