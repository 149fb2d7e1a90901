"""What was shown a moment ago is shown again without another look, as long as nothing is written."""

import dataclasses
import gc
import tracemalloc
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from build import Shop, make_image, make_product, visiting
from packshot.config import Settings
from packshot.domain.images import ProductImage
from packshot.imaging.pool import WorkerSettings
from packshot.services import images, links
from packshot.storage.database import Database
from pictures import png

pytestmark = pytest.mark.asyncio(loop_scope="module")

SETTINGS = Settings(workers=WorkerSettings(count=1))


class Counted:
    """A database that counts its rows."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.reads = 0

    def __getattr__(self, name: str) -> Any:
        self.reads += name == "one"
        return getattr(self._db, name)


async def hang(shop: Shop) -> ProductImage:
    return await make_image(shop.core, shop.admin, await make_product(shop.core, shop.admin), png(30, 20))


@pytest_asyncio.fixture(loop_scope="module")
async def counted(shop: Shop) -> AsyncIterator[tuple[httpx.AsyncClient, Counted]]:
    db = Counted(shop.core.db)
    async with visiting(dataclasses.replace(shop.core, db=db), SETTINGS) as client:
        yield client, db


Client = tuple[httpx.AsyncClient, Counted]


async def reads(counted: Client, path: str, accept: str = "image/webp") -> int:
    """How many rows it takes to answer."""
    client, db = counted
    before = db.reads
    assert (await client.get(path, headers={"accept": accept})).status_code == 200
    return db.reads - before


async def test_for_a_second_nothing_is_looked_up_again(shop: Shop, counted: Client) -> None:
    path = f"/i/{(await hang(shop)).address[4:]}/card/x.png"
    for _ in range(2):
        await reads(counted, path)  # the first time, what decoding finds is written down
    taken = [await reads(counted, path) for _ in range(3)]
    shop.clock.advance(1)

    later = await reads(counted, path)

    assert (taken, later) == ([0, 0, 0], 1)


async def test_what_was_shown_is_looked_up_again_when_the_clock_was_set_back(shop: Shop, counted: Client) -> None:
    path = f"/i/{(await hang(shop)).address[4:]}/card/x.png"
    for _ in range(3):
        await reads(counted, path)
    shop.clock.advance(-3_600)

    assert await reads(counted, path) == 1


async def test_the_second_begins_with_the_look(shop: Shop) -> None:
    class Slow(Counted):
        """A database at which every row takes a second."""

        def __getattr__(self, name: str) -> Any:
            shop.clock.advance(float(name == "one"))
            return super().__getattr__(name)

    db = Slow(shop.core.db)
    path = f"/i/{(await hang(shop)).address[4:]}/card/x.png"
    async with visiting(dataclasses.replace(shop.core, db=db), SETTINGS) as client:
        await reads((client, db), path)  # what decoding finds is written down

        taken = [await reads((client, db), path) for _ in range(3)]

    assert taken == [1, 1, 1]


async def test_whatever_clients_call_a_rendition_it_is_held_once(shop: Shop, counted: Client) -> None:
    path = f"/i/{(await hang(shop)).address[4:]}/card/"
    for _ in range(2):
        await reads(counted, path)

    assert [await reads(counted, f"{path}{name}") for name in ("x", "a/b/c", "y" * 60_000)] == [0, 0, 0]


async def test_headers_without_end_are_not_remembered(shop: Shop, counted: Client) -> None:
    path = f"/i/{(await hang(shop)).address[4:]}/card/x.png"
    endless = "image/webp," + ",".join(f"a/{number}" for number in range(30_000))
    for _ in range(2):
        await reads(counted, path, "image/webp")
    tracemalloc.start()
    try:
        answers = [await counted[0].get(path, headers={"accept": f"{endless}{number}"}) for number in range(3)]
        about = [
            await counted[0].get(
                f"{path.partition('/card')[0]}/about.json", headers={"host": "h" * 250_000 + str(number)}
            )
            for number in range(3)
        ]
        types = {answer.headers["content-type"] for answer in answers}
        statuses = {answer.status_code for answer in about}
        del answers, about
        gc.collect()
        held_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert (types, statuses) == ({"image/jpeg"}, {200})
    assert held_bytes < 250_000


async def test_after_a_write_everything_is_looked_up_again(shop: Shop, counted: Client) -> None:
    image = await hang(shop)
    path = f"/i/{image.address[4:]}/card/x.png"
    for _ in range(3):
        await reads(counted, path)

    await images.remove_from_product(shop.core, shop.admin, image.product_id, image.id)

    assert (await counted[0].get(path, headers={"accept": "image/webp"})).status_code == 404


async def test_another_format_and_a_link_of_somebodys_own_are_looked_up(shop: Shop, counted: Client) -> None:
    key = (await hang(shop)).address[4:]
    link = f"/i/{key}/20x10/x.png?signature={links.sign(shop.core, key, '20x10')}"
    for _ in range(2):
        await reads(counted, f"/i/{key}/card/x.png")
        await reads(counted, link)

    taken = [await reads(counted, f"/i/{key}/card/x.png", "image/jpeg"), await reads(counted, link)]
    unsigned = await counted[0].get(link.partition("?")[0])

    assert taken == [1, 1]
    assert unsigned.status_code == 403
