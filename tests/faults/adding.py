"""Adds one picture to a new store in FOLDER and says so: a program for strace to look at (see test_order.py)."""

import asyncio
import os
import sys
from pathlib import Path

import pictures
from build import believing, fail_loudly, make_image, make_product
from packshot import app
from packshot.config import Settings
from packshot.domain.access import Principal
from packshot.services import setup

CALLER = Principal(1, 1, "administrator", setup.SCOPES, 1)


async def main(folder: Path) -> None:
    async with app.open_core(folder, believing(Settings()), fail_loudly) as core:
        await setup.create_account(core)
        product_id = await make_product(core, CALLER)
        os.write(sys.stdout.fileno(), b"go\n")
        await make_image(core, CALLER, product_id, pictures.png())
        os.write(sys.stdout.fileno(), b"answer\n")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
