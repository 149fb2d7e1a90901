"""The trash while stores are killed: what takes things out of it, and a ledger of what became of every image.

Run by killing.py, the ledger by server_killing.py, too. Nothing may be in two places, nowhere, or there again as
something else; and the audit log tells the story of each image as it was.
"""

import random
import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import prints
import stock
from packshot.domain.errors import NotFound
from packshot.domain.trash import Item
from packshot.services import restoring, upkeep
from packshot.services.core import Core
from packshot.storage.folder import DATABASE
from prints import ADDED, CALLER, NONE, SOLD
from stock import LONE

KEPT_S = 3
"""How long things stay in the trash here."""

_SECOND = 1_000_000
_LATEST = 30

Write = Callable[..., None]

Look = tuple[str, str, str | None]
"""Guid, name and digest of an image."""


# What workers do


async def empty(core: Core, write: Write) -> None:
    """Give up what is old; `core.trash` says what is. *write* is told up to when before and after."""
    before = core.now() - core.trash.keep_s * _SECOND
    write("emptying", before + 2 * _SECOND)  # it looks at the clock a little later
    await upkeep.empty_trash(core)
    write("emptied", before)


async def take_out(core: Core, write: Write, chance: random.Random, slot: int, *, in_parts: bool) -> None:
    """Restore or give up something that this slot deleted: a request id says who did."""
    rows = await core.db.all(
        "SELECT id FROM deletion WHERE account_id = 1 AND request_id LIKE ?1 ORDER BY id DESC LIMIT ?2",
        f"{slot} %", _LATEST,
    )  # fmt: skip
    if not rows:
        return
    deletion_id = int(chance.choice(rows)[0])
    with suppress(NotFound):  # it has been emptied meanwhile
        _, items = await restoring.show(core, CALLER, deletion_id)
        back = what_comes_back(items)
        if back and chance.random() < 4 / 5:
            await _restore(core, write, deletion_id, items if in_parts else [], back)
        else:
            await restoring.purge(core, CALLER, deletion_id)


async def _restore(core: Core, write: Write, deletion_id: int, items: Sequence[Item], back: tuple[str, str]) -> None:
    name, version = back
    begin, end = ("restoring", "restored") if version == stock.ALONE else ("changing", "changed")
    write(begin, name, version, events_of_restored(name, version))
    try:
        if items:
            for item in sorted(items, key=lambda item: item.kind != "product"):
                await restoring.restore(core, CALLER, deletion_id, [item.name])
        else:
            await restoring.restore(core, CALLER, deletion_id)
    except NotFound:
        write("missed" if version == stock.ALONE else "changed", name, NONE, 0)
    else:
        write(end, name, version, events_of_restored(name, version))


def what_comes_back(items: Sequence[Item]) -> tuple[str, str] | None:
    """The name and version of what was deleted; None for pictures that others took the place of."""
    for item in items:
        if item.kind == "product":
            return item.rows["product"][0]["code"], item.title
    name, row = items[0].title, items[0].rows.get("image", [{}])[0]
    if prints.is_set(name):
        return name, SOLD if "inventory_product" in items[0].rows else ADDED
    return (name, stock.ALONE) if row.get("product_id") == LONE else None


def events_of_restored(name: str, version: str) -> int:
    """How many events the restoring of that is noted as."""
    if prints.is_set(name):
        return prints.size_of(name)
    return 1 + bool(stock.chosen(version)) if version != stock.ALONE else 0


# What is compared


@dataclass
class Ledger:
    """All images there ever were, by id: how each looks, and where the audit log says that it is.

    `moves` are what the last look found to have become of those on the lone product.
    """

    looks: dict[int, Look] = field(default_factory=dict)
    places: dict[int, str] = field(default_factory=dict)
    left_at: dict[int, int] = field(default_factory=dict)
    born: dict[str, list[int]] = field(default_factory=dict)
    read_id: int = 0
    moves: Counter[tuple[str, int]] = field(default_factory=Counter)
    emptied_before: int = 0
    emptying_before: int = 0


_EVENTS = {"added": "ADD", "deleted": "DELETE", "restored": "RESTORE"}

_MOVES = {
    "added": ("", "there"),
    "deleted": ("there", "trash"),
    "replaced": ("there", "trash"),
    "restored": ("trash", "there"),
    "given up": ("trash", "gone"),
}
"""Where an image is before and after what the audit log says of it."""


def check(folder: Path, lines: Iterable[Sequence[str]], ledger: Ledger) -> list[str]:
    """Compare the images and the trash with what the audit log and the lines of workers say of them."""
    for word, *rest in lines:
        if word == "emptying":
            ledger.emptying_before = max(ledger.emptying_before, int(rest[0]))
        elif word == "emptied":
            ledger.emptied_before = max(ledger.emptied_before, int(rest[0]))
    with closing(sqlite3.connect(folder / DATABASE)) as database:
        shown: dict[int, Look] = {
            row[0]: row[1:]
            for row in database.execute(
                "SELECT i.id, i.guid, i.name, b.digest FROM image i LEFT JOIN blob b ON b.id = i.blob_id"
            )
        }
        binned = database.execute(
            "SELECT t.item_id, t.name, t.title, b.digest, d.deleted_at FROM trash t"
            " JOIN deletion d ON d.id = t.deletion_id LEFT JOIN blob b ON b.id = t.blob_id WHERE t.kind = 'image'"
        ).fetchall()
        broken = [
            f"the trash: {row[0]}"
            for row in database.execute(
                "SELECT 'empty: ' || request_id FROM deletion d"
                " WHERE NOT EXISTS (SELECT 1 FROM trash t WHERE t.deletion_id = d.id)"
                " UNION ALL SELECT 'two deletions by ' || request_id FROM deletion GROUP BY request_id"
                " HAVING count(*) > 1"
            )
        ]
        broken += _follow(database, ledger)
    in_trash = {row[0]: row[1:4] for row in binned}
    broken += [f"image {row[0]} is still in the trash" for row in binned if row[4] <= ledger.emptied_before]
    broken += ["an image is twice in the trash"] if len(in_trash) != len(binned) else []
    broken += [f"image {id_} is there and in the trash" for id_ in shown.keys() & in_trash.keys()]
    for id_, look in (shown | in_trash).items():
        if ledger.looks.setdefault(id_, look) != look:
            broken.append(f"image {id_} is {look} and was {ledger.looks[id_]}")
    return broken + _misplaced(ledger, shown.keys(), in_trash.keys())


def _follow(database: sqlite3.Connection, ledger: Ledger) -> list[str]:
    """Read on in the audit log; what cannot have been."""
    wrong = []
    ledger.moves = Counter()
    for id_, at, action, image_id, name, product_id in database.execute(
        "SELECT id, at, action, image_id, name, product_id FROM audit WHERE id > ?1 ORDER BY id", (ledger.read_id,)
    ):
        ledger.read_id = id_
        if action not in _MOVES:
            continue
        before, after = _MOVES[action]
        if ledger.places.get(image_id, "") != before:
            wrong.append(f"audit: image {image_id} was {action} though it was {ledger.places.get(image_id)}")
        ledger.places[image_id] = after
        ledger.left_at[image_id] = at
        if product_id == LONE and action in _EVENTS:
            ledger.moves[f"PACKSHOT.IMAGE.ON.{_EVENTS[action]}", image_id] += 1
        if action == "added":
            ledger.born.setdefault(name, []).append(image_id)
    return wrong


def check_events(folder: Path, ledger: Ledger) -> list[str]:
    """Compare the events that wait with what became of the images of the lone product since the last look."""
    with closing(sqlite3.connect(folder / DATABASE)) as database:
        noted = Counter(
            database.execute(
                "SELECT event, json_extract(data, '$.FIELDS.ID') FROM outbox"
                " WHERE product_id = ?1 AND event LIKE 'PACKSHOT.IMAGE.%'",
                (LONE,),
            ).fetchall()
        )
    return [f"noted and not done: {noted - ledger.moves}, done and not noted: {ledger.moves - noted}"] * (
        noted != ledger.moves
    )


def _misplaced(ledger: Ledger, shown: Collection[int], in_trash: Collection[int]) -> list[str]:
    """Images that are not where the audit log says; those that were emptied from the trash are nowhere."""
    wrong = []
    for id_, place in list(ledger.places.items()):
        seen = "there" if id_ in shown else "trash" if id_ in in_trash else "gone"
        if seen == "gone" and place == "trash" and ledger.left_at[id_] <= ledger.emptying_before:
            place = ledger.places[id_] = "gone"  # noqa: PLW2901
        if seen != place:
            wrong.append(f"image {id_} is {seen} and not {place}")
        if place == "gone":
            for known in (ledger.places, ledger.looks, ledger.left_at):
                known.pop(id_, None)
    return wrong + [f"image {id_} is not in the audit log" for id_ in {*shown, *in_trash} - ledger.places.keys()]
