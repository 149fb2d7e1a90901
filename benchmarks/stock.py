"""A store with very many images, made by Packshot's own commands and then filled in bulk, on either database.

What real shops have besides images is there too: products with several of them, pictures that two images share, things
sold in the inventory, a line of the audit log for each image, and deletions in the trash. Files are links to a few.
"""

import asyncio
import contextlib
import hashlib
import itertools
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from benchmarks import pictures
from benchmarks.load import PER_PRODUCT, Catalogue
from benchmarks.product import DATABASE, Made, call
from benchmarks.servers import free_port, program, run_once, running
from packshot.domain.images import keyed_address
from packshot.storage.images import searched
from packshot.storage.sqlite import connect

SOLD_EVERY, DELETED_EVERY = 20, 100
LINKS = 30_000
"""How many names a file gets: file systems have a limit of some 65 000, and a backup needs as many."""

ORPHAN_AGE_US = 30 * 86_400_000_000

Values = dict[str, Any]
Insert = Callable[[str, list[str], Iterable[Sequence[Any]]], None]
"""Inserts rows into a table, of which the columns are named."""


@dataclass(frozen=True, slots=True)
class Stock:
    """A filled store, which nobody serves yet. `env` names its database; `took_s` is how long filling it took."""

    data: Path
    rest: str
    catalogue: Catalogue
    env: dict[str, str] = field(default_factory=dict)
    took_s: float = 0.0
    size_bytes: int = 0

    def serve(self, port: int) -> list[str]:
        """The command that serves it."""
        return [program("packshot"), "serve", "--data", str(self.data), "--host=127.0.0.1", f"--port={port}"]


def made(data: Path, images: int, url: str = "") -> Stock:
    """A new store in the folder *data* with so many images, in the database at *url* or else in a file.

    Raises:
        ServerError: a command or the set-up failed.
    """
    env = {"PACKSHOT_DATABASE_URL": url} if url else {}
    port, command = free_port(), program("packshot")
    with environment(env):
        account = msgspec.json.decode(run_once([command, "init", "--data", str(data), "--json"]), type=Made)
    stock = Stock(data, f"/rest/{account.user_id}/{account.webhook_code}/", Catalogue(images), env)
    with running("Packshot", stock.serve(port), port, data.with_suffix(".log"), env):
        product, image = _first(port, stock.rest)
    started_s = time.perf_counter()
    size_bytes = asyncio.run(_fill_postgresql(url, image, images)) if url else _fill_sqlite(data, image, images)
    took_s = time.perf_counter() - started_s
    return Stock(data, stock.rest, Catalogue(images, image, product), env, took_s, size_bytes)


@contextlib.contextmanager
def environment(env: dict[str, str]) -> Iterator[None]:
    """These variables for the commands of a block."""
    os.environ.update(env)
    try:
        yield
    finally:
        for name in env:
            del os.environ[name]


def _first(port: int, rest: str) -> tuple[int, int]:
    """The ids of a product and its image, made through the front door, and an image in the trash."""
    catalogs = call(port, f"{rest}catalog.catalog.list", {})["catalogs"]
    fields = {"name": "Product", "iblockId": catalogs[0]["iblockId"]}
    product = int(call(port, f"{rest}catalog.product.add", {"fields": fields})["element"]["id"])

    def add() -> int:
        upload = {"fields": {"productId": product}, "fileContent": ["front.jpeg", pictures.in_base64()]}
        return int(call(port, f"{rest}catalog.productImage.add", upload)["productImage"]["id"])

    call(port, f"{rest}catalog.productImage.delete", {"productId": product, "id": add()})
    return product, add()


def _fill_sqlite(data: Path, image: int, images: int) -> int:
    path = data / DATABASE
    with contextlib.closing(connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        templates = {table: dict(connection.execute(sql).fetchone()) for table, sql in _templates(image).items()}
        connection.row_factory = None

        def insert(table: str, names: list[str], rows: Iterable[Sequence[Any]]) -> None:
            places = ", ".join("?" * len(names))
            connection.executemany(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({places})", rows)

        connection.execute("BEGIN IMMEDIATE")
        _fill(templates, images, insert)
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return path.stat().st_size


async def _fill_postgresql(url: str, image: int, images: int) -> int:
    connection = await asyncpg.connect(url)
    try:
        templates = {table: dict(await connection.fetchrow(sql)) for table, sql in _templates(image).items()}
        batches: list[tuple[str, list[str], Iterable[Sequence[Any]]]] = []
        _fill(templates, images, lambda *batch: batches.append(batch))
        for table, names, rows in batches:
            await connection.copy_records_to_table(table, columns=names, records=rows)
            sequence = f"pg_get_serial_sequence('{table}', 'id')"
            await connection.execute(f"SELECT setval({sequence}, (SELECT max(id) FROM {table}))")
        # What the server does by itself within minutes; those who measure do not wait for it.
        await connection.execute("VACUUM ANALYZE")
        await connection.execute("CHECKPOINT")
        return int(await connection.fetchval("SELECT pg_database_size(current_database())"))
    finally:
        await connection.close()


def _templates(image: int) -> dict[str, str]:
    """By table, what finds the row that all others are like."""
    return {
        "product": f"SELECT * FROM product WHERE id = (SELECT product_id FROM image WHERE id = {image:d})",
        "blob": f"SELECT * FROM blob WHERE id = (SELECT blob_id FROM image WHERE id = {image:d})",
        "image": f"SELECT * FROM image WHERE id = {image:d}",
        "audit": f"SELECT * FROM audit WHERE image_id = {image:d} AND action = 'added'",
        "deletion": "SELECT * FROM deletion ORDER BY id LIMIT 1",
        "trash": "SELECT * FROM trash ORDER BY id LIMIT 1",
        "account": "SELECT id FROM account ORDER BY id LIMIT 1",
    }


def _fill(templates: dict[str, Values], images: int, insert: Insert) -> None:
    """Insert everything. Numbers begin with that of the template, which is image 0 of the first product."""
    product, blob, image = (templates[table]["id"] for table in ("product", "blob", "image"))

    def like(table: str, rows: Iterable[Values]) -> None:
        template = templates[table]
        names = list(template)
        insert(table, names, ([row.get(name, template[name]) for name in names] for row in rows))

    like("product", ({"id": product + n, **_product(n)} for n in range(1, images // PER_PRODUCT)))
    like("blob", itertools.chain(_blobs(blob, images), [_orphan(templates["blob"], images)]))
    like("image", ({"id": image + n, **_image(n, product, blob)} for n in range(1, images)))
    sold = (_sold(templates, image + n, n) for n in range(0, images, SOLD_EVERY))
    first = next(sold)
    insert("inventory_product", list(first), (list(row.values()) for row in itertools.chain([first], sold)))
    audit, deletion, trash = (templates[table]["id"] for table in ("audit", "deletion", "trash"))
    like("audit", ({"id": audit + n, "image_id": image + n, "guid": guid(n)} for n in range(1, images)))
    gone = range(1, images // DELETED_EVERY)
    like("deletion", ({"id": deletion + n} for n in gone))
    like("trash", ({"id": trash + n, "deletion_id": deletion + n, "name": guid(-n), "item_id": -n} for n in gone))


def guid(number: int) -> str:
    """The guid of the image with that number: as random as guids are, and the same each time."""
    return str(UUID(bytes=hashlib.md5(b"%d" % number, usedforsecurity=False).digest(), version=4))


def digest(number: int) -> str:
    """The digest of the blob with that number."""
    return hashlib.sha256(b"%d" % number).hexdigest()


def blobs(images: int) -> int:
    """How many blobs so many images have: of five images, two show the same picture."""
    return images * 4 // 5


def product_of(number: int) -> int:
    """The number of the product that the image with that number is on."""
    return number // PER_PRODUCT


def _product(number: int) -> Values:
    name = f"Product {number}"
    return {"xml_id": str(number), "name": name, "name_folded": name.casefold()}


def _blobs(first: int, images: int) -> Iterator[Values]:
    return ({"id": first + n, "digest": digest(n), "key": f"{digest(n)}.{n:016x}"} for n in range(1, blobs(images)))


def _orphan(template: Values, images: int) -> Values:
    """A blob that nothing points at, for upkeep to find."""
    number = blobs(images)
    made = {"id": template["id"] + number, "digest": digest(number), "key": f"{digest(number)}.{number:016x}"}
    return made | {"created_at": template["created_at"] - ORPHAN_AGE_US}


def _image(number: int, product: int, blob: int) -> Values:
    name = f"IMG_{number * 7919 % 10_000_019:08}.jpeg"
    title = f"Product {number // PER_PRODUCT}, seen from side {number % PER_PRODUCT}"
    at = number % PER_PRODUCT
    return {
        "product_id": product + number // PER_PRODUCT,
        "role": ("detail", "preview")[at] if at < 2 else "more",
        "blob_id": blob + number * 4 // 5,
        "guid": guid(number),
        "address": keyed_address(hashlib.md5(b"a%d" % number, usedforsecurity=False).hexdigest()),
        "name": name,
        "name_folded": name.casefold(),
        "title": title,
        "searched": searched(title, "", name),
    }


def _sold(templates: dict[str, Values], image: int, number: int) -> Values:
    created_at = templates["image"]["created_at"] + number
    return {
        "account_id": templates["account"]["id"], "image_id": image, "guid": guid(number), "sku": f"SKU-{number}",
        "product_code": "5M41M9S8X10", "name": f"Print {number}", "searched": f"print {number}\n\nsku-{number}",
        "quantity_in_stock": 0, "track_inventory": 0, "created_at": created_at,
    }  # fmt: skip


def link_files(stock: Stock) -> int:
    """Give every blob of the store a file in the data folder, links to copies of the first one; return how many."""
    folder = stock.data / "blobs"
    (source,) = [path for path in folder.glob("??/*") if path.is_file()]
    total = blobs(stock.catalogue.images)
    for number in range(1, total):
        if number % LINKS == 1:
            original, source = source, stock.data / f"source-{number}"
            shutil.copyfile(original, source)
            os.utime(source, (0, 0))  # older than the grace, so that a sweep has to look for its row
        name = digest(number)
        os.link(source, folder / name[:2] / f"{name}.{number:016x}")
    return total
