"""Packshot with thousands of photographs, all different to it; the large ones the disk holds once."""

import base64
import contextlib
import hashlib
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import msgspec

from benchmarks import pictures, product
from benchmarks.product import DATABASE, Made, Values
from benchmarks.servers import Server, free_port, program, run_once, running
from packshot.domain.images import keyed_address
from packshot.services.scrub import CHECKED_BYTES

COPIES = 3_000
SIZES_PX = {"12 Mpx": (4_000, 3_000), "1600x1200": (1_600, 1_200)}
"""The photographs, each there so many times."""

PRESETS = "forty=490x490"
"""A preset whose JPEG of the larger photograph has some 40 KB."""


@dataclass(frozen=True, slots=True)
class Gallery:
    """A running Packshot, filled. `product_id` has an image `image_id`; `files` are the photographs' own."""

    server: Server
    rest: str
    product_id: int
    image_id: int
    files: dict[str, Path]

    def path(self, size: str, number: int, preset: str) -> str:
        """Where a rendition of one of `COPIES` photographs of that size is."""
        return f"/i/{_key(size, number)}/{preset}/photo.jpeg"

    def any_path(self, preset: str) -> str:
        """The same with @record@ for the last digits of the key, which are those of a number from `first` on."""
        return f"/i/{'0' * 17}@record@/{preset}/photo.jpeg"

    def first(self, size: str) -> int:
        """The number of the first photograph of that size."""
        return _number(size, 0)


@contextlib.contextmanager
def started(folder: Path) -> Iterator[Gallery]:
    """Packshot on a new data folder in *folder*, as it comes, with all photographs uploaded and examined.

    Raises:
        ServerError: a command or the set-up failed.
    """
    data, port, command = folder / "gallery", free_port(), program("packshot")
    account = msgspec.json.decode(run_once([command, "init", "--data", str(data), "--json"]), type=Made)
    rest = f"/rest/{account.user_id}/{account.webhook_code}/"
    serve = [command, "serve", "--data", str(data), "--host=127.0.0.1", f"--port={port}"]
    with running("Packshot", serve, port, folder / "gallery.log", {"PACKSHOT_RENDITIONS_PRESETS": PRESETS}) as server:
        catalogs = product.call(port, f"{rest}catalog.catalog.list", {})["catalogs"]
        fields = {"name": "Product", "iblockId": catalogs[0]["iblockId"]}
        product_id = int(product.call(port, f"{rest}catalog.product.add", {"fields": fields})["element"]["id"])
        images, files = {}, {}
        for size, (width_px, height_px) in SIZES_PX.items():
            photo = base64.b64encode(pictures.photo(width_px, height_px)).decode()
            upload = {"fields": {"productId": product_id}, "fileContent": ["photo.jpeg", photo]}
            added = product.call(port, f"{rest}catalog.productImage.add", upload)["productImage"]
            images[size] = int(added["id"])
            files[size] = _copy(data, size, images[size])
        yield Gallery(server, rest, product_id, images["1600x1200"], files)


def _copy(data: Path, size: str, image: int) -> Path:
    """Copy the image and its blob so often.

    Files whose digest is compared whenever they are read differ in what follows the picture; larger ones are links.
    """
    with contextlib.closing(sqlite3.connect(data / DATABASE, isolation_level=None, timeout=30)) as connection:
        blob, key = connection.execute(
            "SELECT blob.id, blob.key FROM blob JOIN image ON image.blob_id = blob.id WHERE image.id = ?", (image,)
        ).fetchone()
        file = _file(data, str(key))
        blobs = [_blob(size, number, file) for number in range(COPIES)]
        for number, each in enumerate(blobs):
            if file.stat().st_size > CHECKED_BYTES:
                os.link(file, _file(data, str(each["key"])))
            else:
                _file(data, str(each["key"])).write_bytes(_tailed(file, number))
        connection.execute("BEGIN IMMEDIATE")
        product.copy(connection, "blob", blob, blobs)
        product.copy(connection, "image", image, (_image(size, number) for number in range(COPIES)))
        connection.execute("COMMIT")
    return file


def _number(size: str, number: int) -> int:
    return (list(SIZES_PX).index(size) + 1) * 100_000 + number


def _key(size: str, number: int) -> str:
    return f"{_number(size, number):032}"


def _blob(size: str, number: int, file: Path) -> Values:
    row_id = _number(size, number)
    if file.stat().st_size > CHECKED_BYTES:
        return {"id": row_id, "digest": f"{row_id:064x}", "key": f"{row_id:064x}.{0:016x}"}
    data = _tailed(file, number)
    digest = hashlib.sha256(data).hexdigest()
    return {"id": row_id, "digest": digest, "key": f"{digest}.{0:016x}", "size_bytes": len(data)}


def _tailed(file: Path, number: int) -> bytes:
    return file.read_bytes() + number.to_bytes(8, "big")


def _file(data: Path, key: str) -> Path:
    return data / "blobs" / key[:2] / key


def _image(size: str, number: int) -> Values:
    row_id = _number(size, number)
    address = keyed_address(_key(size, number))
    return {"id": row_id, "blob_id": row_id, "guid": str(UUID(int=row_id)), "address": address}
