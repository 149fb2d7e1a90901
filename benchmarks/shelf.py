"""Two accounts with a library of images each, with words like those of people who sell prints, made in seconds."""

import contextlib
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

from packshot.storage.images import searched
from packshot.storage.sqlite import connect

MAIN, SHOP = "main", "shop"
"""Accounts: a third of MAIN's images are on a product, and all of SHOP's."""


def _each(text: str) -> list[str]:
    return text.split()


SUBJECTS = _each(
    "Dunes Harbour Lighthouse Orchard Glacier Market Bridge Meadow Canyon Waterfall Vineyard Pier Cathedral Skyline"
    " Forest Lagoon Desert Village Garden Mountain"
)
MOODS = _each(
    "Golden Misty Quiet Stormy Frozen Autumn Spring Midnight Crimson Silver Emerald Faded Endless Hidden Ancient"
    " Distant Gentle Broken Painted Winter"
)
WORDS = _each(
    "print on archival paper with deep blacks and soft light taken early in the morning from the old road above the"
    " bay limited edition signed numbered canvas wrap framed size inches colour black white study series landscape"
    " photograph original by the artist Ängström Straße"
)

HOUR_US = 3_600_000_000
FIRST_DAY_US = 1_700_000_000_000_000


def added_at(number: int) -> int:
    """When the image with that number was added: one an hour, in Unix microseconds."""
    return FIRST_DAY_US + number * HOUR_US


def guid(number: int) -> str:
    """The guid of the image with that number, the same in both accounts."""
    return str(UUID(int=random.Random(number).getrandbits(128), version=4))


def fill(database: Path, images: int) -> None:
    """Give both accounts so many images in the inventory; every fifth of MAIN's has a product of the inventory."""
    with contextlib.closing(connect(database)) as connection:
        accounts = dict(connection.execute("SELECT name, id FROM account"))
        connection.execute("BEGIN IMMEDIATE")
        for name, every in ((MAIN, 3), (SHOP, 1)):
            product = _product(connection, accounts[name])
            _insert(connection, "image", _images(accounts[name], product, images, every))
        connection.execute(
            "INSERT INTO inventory_product (account_id, image_id, guid, sku, product_code, name, searched, created_at)"
            " SELECT account_id, id, guid, guid, 'code', title, searched, created_at FROM image"
            " WHERE account_id = ? AND id % 5 = 0",
            (accounts[MAIN],),
        )
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _product(connection: sqlite3.Connection, account_id: int) -> int:
    """The id of a new product with nothing in it but what must be."""
    columns = connection.execute("PRAGMA table_info(product)").fetchall()
    row = {name: "" if kind == "TEXT" else 0 for _, name, kind, needed, default, _ in columns if needed and not default}
    (row["catalog_id"],) = connection.execute("SELECT id FROM catalog WHERE account_id = ?", (account_id,)).fetchone()
    _insert(connection, "product", iter([{**row, "account_id": account_id, "kind": 1}]))
    ((row_id,),) = connection.execute("SELECT max(id) FROM product")
    return int(row_id)


def _insert(connection: sqlite3.Connection, table: str, rows: Iterator[dict[str, Any]]) -> None:
    first = next(rows)
    names, values = ", ".join(first), ", ".join(f":{name}" for name in first)
    connection.execute(f"INSERT INTO {table} ({names}) VALUES ({values})", first)
    connection.executemany(f"INSERT INTO {table} ({names}) VALUES ({values})", rows)


def _images(account_id: int, product_id: int, count: int, every: int) -> Iterator[dict[str, Any]]:
    chance = random.Random(account_id)
    for number in range(count):
        mood, subject = chance.choice(MOODS), chance.choice(SUBJECTS)
        title = f"{mood} {subject} No. {chance.randrange(10_000)}"
        words = " ".join(chance.choices(WORDS, k=chance.randrange(6, 30))).capitalize()
        description = words if chance.random() < 0.8 else None
        camera = f"IMG_{chance.randrange(10**8):08}.jpg"
        name = camera if chance.random() < 0.5 else f"{mood}_{subject}_{number:06}.jpg"
        address = f"https://files.example.com/prints/{guid(number)}"
        yield {
            "account_id": account_id,
            "guid": guid(number),
            "library": "inventory",
            "product_id": None if number % every else product_id,
            "role": None if number % every else "more",
            "name": name,
            "name_folded": name.casefold(),
            "title": title,
            "description": description,
            "searched": searched(title, description or "", name),
            "size_bytes": chance.randrange(10**5, 10**8),
            "width_px": chance.randrange(1_000, 8_000),
            "height_px": chance.randrange(1_000, 8_000),
            "thumbnail_name": f"200x200_{name}",
            "preview_name": name,
            "hires_name": name,
            "thumbnail_uri": f"{address}/thumbnail/{name}",
            "preview_uri": f"{address}/preview/{name}",
            "hires_uri": f"{address}/{name}",
            "active": int(chance.random() < 0.9),
            "created_at": added_at(number),
        }
