"""Packshot itself, started as a person would start it, with a catalogue of many images."""

import contextlib
import itertools
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from benchmarks import pictures
from benchmarks.load import PER_PRODUCT, Call, Candidate, Catalogue
from benchmarks.servers import Server, ServerError, ask, free_port, program, run_once, running

DATABASE = "packshot.sqlite3"
PRODUCTS = 100_000
"""How many products there are; only the first have images."""

Values = dict[str, object]


class Made(msgspec.Struct):
    """What `packshot init --json` says, as far as it is needed here."""

    user_id: int
    webhook_code: str


@dataclass(frozen=True, slots=True)
class Packshot:
    """A running Packshot, filled."""

    server: Server
    rest: str
    catalogue: Catalogue

    def get(self) -> Candidate:
        """catalog.productImage.get of a random image."""
        return self._candidate("Packshot get", "get", '{"productId":@product@,"id":@image@}')

    def list(self) -> Candidate:
        """catalog.productImage.list of a random product's images."""
        return self._candidate("Packshot list", "list", '{"productId":@product@}')

    def add(self) -> Candidate:
        """catalog.productImage.add; the body comes from `pictures`."""
        return self._candidate("Packshot add", "add", "")

    def _candidate(self, name: str, method: str, body: str) -> Candidate:
        call = Call("POST", f"{self.rest}catalog.productImage.{method}", body)
        return Candidate(name, self.server.pid, self.server.port, call, self.catalogue)


@contextlib.contextmanager
def started(folder: Path, images: int) -> Iterator[Packshot]:
    """Packshot on a new data folder in *folder*, with `PRODUCTS` products and so many images, `PER_PRODUCT` to one.

    Raises:
        ServerError: a command or the set-up failed.
    """
    data, port, command = folder / "packshot", free_port(), program("packshot")
    account = msgspec.json.decode(run_once([command, "init", "--data", str(data), "--json"]), type=Made)
    rest = f"/rest/{account.user_id}/{account.webhook_code}/"
    serve = [command, "serve", "--data", str(data), "--host=127.0.0.1", f"--port={port}"]
    with running("Packshot", serve, port, folder / "packshot.log", {"PACKSHOT_INTAKE_VERIFY": "header"}) as server:
        catalogue = _fill(data / DATABASE, _first_image(port, rest), images)
        packshot = Packshot(server, rest, catalogue)
        _check(packshot)
        yield packshot


def _first_image(port: int, rest: str) -> tuple[int, int]:
    """The ids of a product and its image, both made through the front door: the others become copies of them."""
    catalogs = call(port, f"{rest}catalog.catalog.list", {})["catalogs"]
    fields = {"name": "Product", "iblockId": catalogs[0]["iblockId"]}
    product = int(call(port, f"{rest}catalog.product.add", {"fields": fields})["element"]["id"])
    upload = {"fields": {"productId": product}, "fileContent": ["front.jpeg", pictures.in_base64()]}
    return product, int(call(port, f"{rest}catalog.productImage.add", upload)["productImage"]["id"])


def call(port: int, path: str, words: object) -> dict[str, Any]:
    """The result of one of Bitrix24's methods. Raises: ServerError."""
    status, text = ask(port, "POST", path, msgspec.json.encode(words))
    if status != 200:
        raise ServerError(f"Packshot answered {status} to {path.rpartition('/')[2]}: {text.decode()}")
    result: dict[str, Any] = msgspec.json.decode(text)["result"]
    return result


def _fill(database: Path, first: tuple[int, int], images: int) -> Catalogue:
    """Copy the first product, image and blob row so often. The copies' bytes are in no file: reads need none."""
    product, image = first
    with contextlib.closing(sqlite3.connect(database, isolation_level=None, timeout=30)) as connection:
        (blob,) = connection.execute("SELECT blob_id FROM image WHERE id = ?", (image,)).fetchone()
        connection.execute("BEGIN IMMEDIATE")
        copy(connection, "product", product, (_product(product + n) for n in range(1, PRODUCTS)))
        copy(connection, "blob", blob, (_blob(blob + n) for n in range(1, images)))
        copy(connection, "image", image, (_image(n, product, image, blob) for n in range(1, images)))
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return Catalogue(images, first_image=image, first_product=product)


def _product(row_id: int) -> Values:
    name = f"Product {row_id}"
    return {"id": row_id, "xml_id": str(row_id), "name": name, "name_folded": name.casefold()}


def _blob(row_id: int) -> Values:
    return {"id": row_id, "digest": f"{row_id:064x}", "key": f"{row_id:064x}-1"}


def _image(number: int, product: int, image: int, blob: int) -> Values:
    name, address = f"front-{number}.jpeg", f"{number % 4096:03x}/{number:032}"
    ids = {"id": image + number, "product_id": product + number // PER_PRODUCT, "blob_id": blob + number}
    words = {"name": name, "name_folded": name, "title": name, "searched": f"{name}\n\n{name}"}
    return {**ids, **words, "guid": str(UUID(int=number)), "address": address}


def copy(connection: sqlite3.Connection, table: str, row_id: int, copies: Iterable[Values]) -> None:
    """Copies of a row, other than in the given columns: a new column of the schema needs no change here."""
    rows = iter(copies)
    first = next(rows)
    names = [name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})")]
    values = ", ".join(f":{name}" if name in first else name for name in names)
    statement = f"INSERT INTO {table} SELECT {values} FROM {table} WHERE id = {row_id:d}"
    connection.executemany(statement, itertools.chain([first], rows))


def _check(packshot: Packshot) -> None:
    """The last image answers by its ids, and its product lists as many as it should."""
    catalogue = packshot.catalogue
    image, product = catalogue.first_image + catalogue.images - 1, catalogue.first_product + catalogue.products - 1
    port, rest = packshot.server.port, packshot.rest
    got = call(port, f"{rest}catalog.productImage.get", {"productId": product, "id": image})["productImage"]
    listed = call(port, f"{rest}catalog.productImage.list", {"productId": product})["productImages"]
    if got["id"] != image or len(listed) != PER_PRODUCT:
        raise ServerError(f"Packshot's catalogue is not as it was filled: {got}, {len(listed)} images listed")
