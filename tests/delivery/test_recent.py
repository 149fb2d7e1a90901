"""What was shown a moment ago is shown again without another look, as long as nothing is written."""

import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from build import Shop, make_image, make_product, open_shop, visiting
from packshot.config import Settings
from packshot.domain.images import ProductImage
from packshot.imaging.pool import WorkerSettings
from packshot.services import images, links
from packshot.storage.database import Database
from pictures import png

pytestmark = pytest.mark.asyncio(loop_scope="module")

SETTINGS = Settings(workers=WorkerSettings(count=1))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    async with open_shop(tmp_path_factory.mktemp("shop") / "data", SETTINGS) as shop:
        yield shop


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
    async with visiting(dataclasses.replace(shop.core, db=db), SETTINGS) as client:  # type: ignore[arg-type]
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
