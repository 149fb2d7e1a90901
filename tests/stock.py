"""Products with pictures for faults/killing.py and dying.py: one word, the version, says all that one has to hold."""

import hashlib
import random
import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pictures
import prints
from packshot.domain.products import Fields, Kind
from packshot.services import handlers, products, setup
from packshot.services.core import Core
from packshot.services.originals import Upload
from packshot.services.product_parts import File, NewValue, NewValues, Parts, Removed, Text
from packshot.services.products import Product
from packshot.storage.folder import DATABASE
from receiver import EVERY

PICTURES = [pictures.png(width_px, 1) for width_px in range(1, 26)]
DIGESTS = [hashlib.sha256(data).hexdigest() for data in PICTURES]
CALLER = prints.CALLER
"""The administrator that the first start makes."""
SIMPLE = (Kind.SIMPLE,)
LONE = 1
"""The product that pictures are added to one by one; the others have a code and a version."""
GALLERY, FILES, WORDS = 1, 77, 78
"""The property MORE_PHOTO that the first start makes, one for files and one for a text."""

OWN = 4
"""How many products a slot has at most."""
NONE = prints.NONE
"""The version of a product that is not there."""

ALONE = "alone"
"""The version of a picture that was added alone."""

IMAGES = tuple(f"PACKSHOT.IMAGE.ON.{what}" for what in ("ADD", "UPDATE", "DELETE", "RESTORE"))

Picture = tuple[str, int | None, str]
"""Role, property and digest."""


def chosen(version: str) -> list[tuple[str, int | None, int]]:
    """The pictures of a product in that version: role, property and number."""
    chance = random.Random(version)
    places = [("detail", None), ("preview", None), *[("more", None)] * 2, *[("more", FILES)] * 2]
    return [(role, number, chance.randrange(len(PICTURES))) for role, number in places if chance.random() < 3 / 4]


def _upload(number: int) -> Upload:
    data = PICTURES[number]
    return Upload("a.png", len(data), lambda: data)


def parts(version: str, before: Product | None = None) -> Parts:
    """What makes of a new product, or of what was there before, one of that version."""
    wanted = chosen(version)
    single = {role: _upload(number) for role, _, number in wanted if role != "more"}
    gallery: list[NewValue] = [
        File(_upload(number)) for role, place, number in wanted if (role, place) == ("more", None)
    ]
    files: list[NewValue] = [File(_upload(number)) for _, place, number in wanted if place == FILES]
    if before:
        gallery += [Removed(image.id) for image in before.images if image.role == "more"]
        files += [Removed(value.id) for value in before.values if value.image]
    return Parts(
        {"detail": single.get("detail"), "preview": single.get("preview")},
        {
            GALLERY: NewValues(gallery, multiple=True),
            FILES: NewValues(files, multiple=True),
            WORDS: NewValues([Text(version)], multiple=False),
        },
    )


async def add(core: Core, name: str, version: str) -> int:
    """The id of a new product of that version; its name is kept as its code."""
    fields: Fields = {"catalog_id": 1, "name": version, "code": name}
    return int((await products.add(core, CALLER, Kind.SIMPLE, fields, parts(version))).fields["id"] or 0)


async def update(core: Core, product_id: int, version: str) -> None:
    """Make of the product one of another version."""
    before = await products.get(core, CALLER, product_id, SIMPLE)
    await products.update(core, CALLER, product_id, SIMPLE, {"name": version}, parts(version, before))


async def remove(core: Core, product_id: int) -> None:
    """Delete the product."""
    await products.remove(core, CALLER, product_id, SIMPLE)


async def change_one(
    core: Core, write: Callable[..., None], chance: random.Random, slot: int, *, in_two_steps: bool
) -> None:
    """Add a product, or change or delete one of those that only this slot touches, so that its versions follow.

    *write* is told before and after. With *in_two_steps* the fields come first, all that belongs to them later.
    """
    own = await core.db.all("SELECT id, code FROM product WHERE code LIKE ?1", f"{slot}-%")
    product_id, name = chance.choice([*own, (0, f"{slot}-{chance.randbytes(8).hex()}")][:OWN])
    version = NONE if product_id and chance.random() < 1 / 3 else chance.randbytes(8).hex()
    write("changing", name, version)
    if version == NONE:
        await remove(core, product_id)
    elif in_two_steps:
        fields: Fields = {"catalog_id": 1, "name": version, "code": name}
        if product_id:
            await products.update(core, CALLER, product_id, SIMPLE, fields)
        else:
            product_id = int((await products.add(core, CALLER, Kind.SIMPLE, fields)).fields["id"] or 0)
        await update(core, product_id, version)
    elif product_id:
        await update(core, product_id, version)
    else:
        await add(core, name, version)
    write("changed", name, version)


def events_of(name: str, version: str) -> int:
    """How many events a change to that version notes."""
    return prints.events_of(name, version) if prints.is_set(name) else 1


@dataclass
class Found:
    """The version of each product, how many changes were acknowledged and noted, and what is broken."""

    versions: dict[str, str]
    acked: int
    events: int
    broken: list[str]


def check(folder: Path, lines: Iterable[Sequence[str]], before: Mapping[str, str]) -> Found:
    """Compare: every product, and every set of the library, is whole, in the version last acknowledged or the one begun
    after it, and each change was noted once.

    A line with a number behind the version is of a change that so many events are noted of.
    """
    acked, due, last, begun, events_of_begun = 0, 0, dict(before), dict[str, str](), dict[str, int]()
    for kind, name, *rest in lines:
        if kind == "changing":
            begun[name] = rest[0]
            events_of_begun[name] = int(rest[1]) if rest[1:] else events_of(name, rest[0])
        elif kind == "changed":
            del begun[name]
            last[name], acked = rest[0], acked + 1
            due += int(rest[1]) if rest[1:] else events_of(name, rest[0])
    there, broken = look(folder)
    sets, half = prints.look(folder)
    there, broken = there | sets, broken + half
    for name in last.keys() | begun.keys() | there.keys():
        seen = there.get(name, NONE)
        if seen not in {last.get(name, NONE), begun.get(name, last.get(name, NONE))}:
            broken.append(f"{name} is {seen} instead of {last.get(name)}")
    due += sum(events_of_begun[name] for name, version in begun.items() if there.get(name, NONE) == version)
    events = take_events(folder)
    if events != due:
        broken.append(f"{events} events instead of {due}")
    return Found(there, acked, events, broken)


async def prepare(core: Core) -> None:
    """Make an account with the lone product, and somebody who listens, for nobody to deliver to."""
    await setup.create_account(core)
    await products.add(core, CALLER, Kind.SIMPLE, {"catalog_id": 1, "name": "Shirt"})
    await handlers.add_webhook(core, setup.ACCOUNT, "http://127.0.0.1:9/told", [*EVERY, *IMAGES])


def look(folder: Path) -> tuple[dict[str, str], list[str]]:
    """The version of each product by its name, and what is not as its version says."""
    database = sqlite3.connect(folder / DATABASE)
    try:
        rows = database.execute("SELECT id, code, name FROM product WHERE code IS NOT NULL").fetchall()
        wrong = [line for row in rows for line in _differences(database, *row)]
        strays = database.execute(
            "SELECT id FROM image WHERE property_id IS NOT NULL"
            " AND id NOT IN (SELECT image_id FROM property_value WHERE image_id IS NOT NULL)"
        ).fetchall()
    finally:
        database.close()
    return {name: version for _, name, version in rows}, wrong + [f"file {row[0]} is no value" for row in strays]


def _differences(database: sqlite3.Connection, product_id: int, name: str, version: str) -> list[str]:
    held: Counter[Picture] = Counter(
        database.execute(
            "SELECT i.role, i.property_id, b.digest FROM image i JOIN blob b ON b.id = i.blob_id WHERE product_id = ?1",
            (product_id,),
        ).fetchall()
    )
    texts = database.execute(
        "SELECT text FROM property_value WHERE product_id = ?1 AND text IS NOT NULL", (product_id,)
    ).fetchall()
    wanted: Counter[Picture] = Counter((role, place, DIGESTS[number]) for role, place, number in chosen(version))
    whole = held == wanted and texts == [(version,)]
    return [] if whole else [f"half: {name} is not all of {version}"]


def faults_of(folder: Path, damaged: Collection[str] = ()) -> list[str]:
    """What is wrong with a store that nobody has open: rows, what they point at, and the bytes of live blobs.

    What is *damaged*, by key, may be found damaged.
    """
    database = sqlite3.connect(folder / DATABASE)
    try:
        broken = [f"database: {row[0]}" for row in database.execute("PRAGMA quick_check").fetchall() if row != ("ok",)]
        broken += [f"foreign key: {row}" for row in database.execute("PRAGMA foreign_key_check").fetchall()]
        broken += [
            f"{name} points at a {state} blob"
            for name, state, key in database.execute(
                "SELECT i.name, b.state, b.key FROM image i JOIN blob b ON b.id = i.blob_id WHERE b.state <> 'live'"
                " UNION ALL SELECT 'trash ' || t.id, b.state, b.key FROM trash t JOIN blob b ON b.id = t.blob_id"
                " WHERE b.state <> 'live'"
            ).fetchall()
            if (key, state) not in {(one, "corrupt") for one in damaged}
        ]
        blobs = database.execute("SELECT digest, key, size_bytes FROM blob WHERE state = 'live'").fetchall()
    finally:
        database.close()
    for digest, key, size_bytes in (row for row in blobs if row[1] not in damaged):
        broken += bytes_at_fault(folder / "blobs" / key[:2] / key, digest, size_bytes)
    return broken


def bytes_at_fault(path: Path, digest: str, size_bytes: int) -> list[str]:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return [f"live blob {digest[:8]} has no file"]
    whole = len(data) == size_bytes and hashlib.sha256(data).hexdigest() == digest
    return [] if whole else [f"live blob {digest[:8]} has other bytes"]


def take_events(folder: Path) -> int:
    """How many changes of products with versions and of images in the library were noted since the last time."""
    database = sqlite3.connect(folder / DATABASE)
    try:
        database.execute("PRAGMA synchronous = OFF")
        with database:
            database.execute("DELETE FROM outbox WHERE product_id = ?1", (LONE,))
            # Images of products are noted beside these; those of the library wait in an order below zero.
            database.execute("DELETE FROM outbox WHERE product_id > 0 AND event LIKE 'PACKSHOT.%'")
            return database.execute("DELETE FROM outbox").rowcount
    finally:
        database.close()
