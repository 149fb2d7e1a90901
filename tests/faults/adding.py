"""Adds pictures to a new store in FOLDER in several ways, and deletes one: a program for strace (see test_order.py).

Before each act it writes its name, and afterwards "answer".
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pictures
from build import believing, fail_loudly, make_image, make_product
from moments import with_ages
from packshot import app
from packshot.config import Settings
from packshot.domain.access import Principal
from packshot.domain.products import Kind
from packshot.services import hosting, images, originals, products, setup, upkeep
from packshot.services.core import Core
from packshot.services.hosting import Described
from packshot.services.originals import Upload
from packshot.services.product_parts import Parts

CALLER = Principal(1, 1, "administrator", setup.SCOPES, 1)
GUID = "9f0ff47c-7d6b-4a1d-9a0f-5f5b5c8f1c0e"
_now = {"young_s": -1, "retention_s": -1, "keep_s": -1}


def upload(width_px: int) -> Upload:
    data = pictures.png(width_px, 1)
    return Upload("a.png", len(data), lambda: data)


async def in_pieces(core: Core) -> None:
    data = pictures.png(5, 5)
    async with originals.staging(core) as staged:
        for piece in (data[:9], data[9:20], data[20:]):
            await originals.append(core, staged, piece)
        await hosting.add(core, CALLER, Described(guid=GUID), staged)


async def product(core: Core) -> None:
    parts = Parts({"detail": upload(6), "preview": upload(7)}, {})
    await products.add(core, CALLER, Kind.SIMPLE, {"catalog_id": 1, "name": "Mug"}, parts)


def acts(product_id: int) -> dict[str, Callable[[Core], Awaitable[object]]]:
    """What is done, in this order, and what it is called."""
    return {
        "upload": lambda core: make_image(core, CALLER, product_id, pictures.png()),
        "upload in pieces": in_pieces,
        "product": product,
        "delete": lambda core: images.remove_from_product(core, CALLER, product_id, 1),
        "give up": lambda core: upkeep.empty_trash(with_ages(core, **_now)),
        "doom": lambda core: upkeep.doom(with_ages(core, **_now)),
        "reap": lambda core: upkeep.reap(with_ages(core, **_now)),
    }


async def main(folder: Path) -> None:
    async with app.open_core(folder, believing(Settings()), fail_loudly) as core:
        await setup.create_account(core)
        for name, act in acts(await make_product(core, CALLER)).items():
            os.write(sys.stdout.fileno(), f"{name}\n".encode())
            await act(core)
            os.write(sys.stdout.fileno(), b"answer\n")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
