"""Sets of library images for faults/killing.py and dying.py: a set is in one state as a whole, which its rows tell.

The name of a set says how many images it has. Those of an odd number are hosted here, the others lie elsewhere.
"""

import random
import sqlite3
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from packshot.domain.access import Principal
from packshot.domain.inventory import NewInventoryProduct
from packshot.domain.libraries import Files, NewLibraryImage, Place
from packshot.services import images, libraries, originals, setup
from packshot.services.core import Core
from packshot.services.originals import Upload
from packshot.storage import inventory, library, selections
from packshot.storage.database import Tx
from packshot.storage.folder import DATABASE

CALLER = Principal(1, 1, "administrator", setup.SCOPES, 1)
"""The administrator that the first start makes."""
PREFIX = "set-"
MOST = 6
"""How many images a set has at most."""

ADDED, SOLD, NONE = "added", "sold", "none"
"""The states of a set: images alone; each with an inventory product and all of them selected; or not there."""


def is_set(name: str) -> bool:
    return name.startswith(PREFIX)


def size_of(name: str) -> int:
    return int(name.rpartition("-")[2])


def events_of(name: str, state: str) -> int:
    """How many images are noted when the set comes into that state."""
    return 0 if state == SOLD else size_of(name)


async def add(core: Core, name: str, pictures: list[bytes]) -> None:
    """Add a set, with pictures taken from the first on where they are hosted."""
    data = pictures[: size_of(name)] if size_of(name) % 2 else []
    new = [_new(core, name, hosted=bool(data)) for _ in range(size_of(name))]
    if not data:
        await libraries.add_images(core, CALLER, new)
        return

    async def work(tx: Tx, blob_ids: list[int]) -> None:
        await libraries.put(tx, CALLER, list(zip(new, blob_ids, strict=True)))

    uploads = [Upload(name, len(one), lambda one=one: one) for one in data]  # type: ignore[misc]
    examined = [await originals.examine(core, upload) for upload in uploads]
    await originals.store(core, CALLER.account_id, examined, work)


def _new(core: Core, name: str, *, hosted: bool) -> NewLibraryImage:
    return NewLibraryImage(
        guid=str(uuid4()),
        place=Place(),
        name=name,
        title=name,
        description=None,
        created_at=core.now(),
        files=None if hosted else Files("https://img.example/a.png"),
        address=images.new_address() if hosted else None,
    )


async def sell(core: Core, name: str) -> None:
    """Make an inventory product of each image of the set and select all of them, in one work."""
    now = core.now()

    async def work(tx: Tx) -> None:
        guids = [row[0] for row in await tx.all("SELECT guid FROM image WHERE name = ?1", name)]
        found = await library.of_guids(tx, CALLER.account_id, guids, now)
        for image in found:
            new = NewInventoryProduct(guid=str(uuid4()), product_code="5M41M9S8X10", name=name)
            await inventory.add_product(tx, CALLER.account_id, image, new, now)
        await selections.clear(tx, CALLER.account_id, name)
        await selections.add(tx, CALLER.account_id, name, [image.id for image in found])

    await core.db.write(work)


async def remove(core: Core, name: str, at_once: int = MOST) -> None:
    """Delete the set, so many of its images in one call."""
    guids = [row[0] for row in await core.db.all("SELECT guid FROM image WHERE name = ?1", name)]
    for first in range(0, len(guids), at_once):
        await libraries.remove_images(core, CALLER, guids[first : first + at_once], None)


async def change_one(
    core: Core, write: Callable[..., None], chance: random.Random, slot: int, pictures: list[bytes], at_once: int
) -> None:
    """Add, sell or delete a set that only this slot touches; *write* is told before and after."""
    rows = await core.db.all(
        "SELECT i.name, count(p.id) FROM image i LEFT JOIN inventory_product p ON p.image_id = i.id"
        " WHERE i.name LIKE ?1 GROUP BY i.name",
        f"{PREFIX}{slot}-%",
    )
    new = f"{PREFIX}{slot}-{chance.randbytes(8).hex()}-{chance.randint(1, MOST)}"
    name, sold = chance.choice([*rows, (new, None)])
    state = ADDED if sold is None else NONE if sold or chance.random() < 1 / 3 else SOLD
    write("changing", name, state)
    if state == ADDED:
        await add(core, name, pictures)
    elif state == SOLD:
        await sell(core, name)
    else:
        await remove(core, name, at_once)
    write("changed", name, state)


def look(folder: Path) -> tuple[dict[str, str], list[str]]:
    """The state of each set by its name, and those that are only half in one."""
    database = sqlite3.connect(folder / DATABASE)
    try:
        held = database.execute(
            "SELECT name, count(*), (SELECT count(*) FROM inventory_product p WHERE p.name = i.name),"
            " (SELECT count(*) FROM selection s WHERE s.guid = i.name) FROM image i WHERE name LIKE ?1 GROUP BY name",
            (f"{PREFIX}%",),
        ).fetchall()
        left = database.execute(
            "SELECT name FROM inventory_product UNION SELECT guid FROM selection EXCEPT SELECT name FROM image"
        ).fetchall()
    finally:
        database.close()
    states = {name: SOLD if products or selected else ADDED for name, _, products, selected in held}
    wrong = [
        f"half: {name} has {counts}"
        for name, *counts in held
        if counts not in ([size_of(name), 0, 0], [size_of(name)] * 3)
    ]
    return states, wrong + [f"half: something of {row[0]} is left" for row in left]
