"""Upkeep dooms a blob while somebody adds an image of it, on PostgreSQL: why its row is held for UPDATE first."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import pictures
from build import make_image, make_product
from moments import with_ages
from packshot.services import images, upkeep
from packshot.storage import blob_rows, locks
from packshot.storage.database import Tx
from packshot.storage.library import remove_images
from side_by_side import Shop, open_shop, watched

SHIRT = pictures.png(3, 2)
BARE = "UPDATE blob SET state = 'doomed', doomed_at = 1 WHERE state = 'live' AND NOT EXISTS (SELECT FROM image)"
"""Takes a lock that goes together with those of foreign keys."""


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    """A store with a blob that nothing points at."""
    async with open_shop(tmp_path) as opened:
        product_id = await make_product(opened.core, opened.admin)
        image = await make_image(opened.core, opened.admin, product_id, SHIRT)
        await opened.core.db.write(lambda tx: remove_images(tx, opened.admin.account_id, [image.id]))
        opened.clock.advance(2)
        yield opened


async def state(shop: Shop) -> list[tuple[str, int]]:
    """Each blob's state, and how many images point at it."""
    counted = "(SELECT count(*) FROM image WHERE blob_id = blob.id)"
    return [(row[0], row[1]) for row in await shop.core.db.all(f"SELECT state, {counted} FROM blob ORDER BY id")]


async def add(shop: Shop, reached: asyncio.Event, go: asyncio.Event) -> None:
    """Add an image of the blob, and stand still when only the commit is left."""

    async def before(sql: str) -> None:
        if sql == "COMMIT":
            reached.set()
            await go.wait()

    await make_image(watched(shop.core, before), shop.admin, 1, SHIRT)


async def test_beside_an_add_that_is_not_committed_a_bare_update_dooms_what_the_image_points_at(shop: Shop) -> None:
    reached, go = asyncio.Event(), asyncio.Event()
    adding = asyncio.create_task(add(shop, reached, go))
    await reached.wait()

    await shop.looking.execute(BARE)
    go.set()
    await adding

    assert await state(shop) == [("doomed", 1)]  # an image that is lost


async def test_doom_leaves_it_alone(shop: Shop) -> None:
    reached, go = asyncio.Event(), asyncio.Event()
    adding = asyncio.create_task(add(shop, reached, go))
    await reached.wait()

    doomed = await upkeep.doom(with_ages(shop.core))
    go.set()
    await adding

    assert doomed == 0
    assert await state(shop) == [("live", 1)]


async def test_without_the_hold_doom_loses_the_image(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hold(_tx: Tx, _table: str, ids: list[int], *_: object, **__: object) -> list[int]:
        return ids

    reached, go = asyncio.Event(), asyncio.Event()
    adding = asyncio.create_task(add(shop, reached, go))
    await reached.wait()
    monkeypatch.setattr(locks, "hold", hold)

    await upkeep.doom(with_ages(shop.core))
    go.set()
    await adding

    assert await state(shop) == [("doomed", 1)]


async def test_an_add_waits_for_a_doom_that_is_not_committed_and_writes_a_new_generation(shop: Shop) -> None:
    reached, go = asyncio.Event(), asyncio.Event()

    async def before(sql: str) -> None:
        if sql == "COMMIT":
            reached.set()
            await go.wait()

    dooming = asyncio.create_task(upkeep.doom(watched(with_ages(shop.core), before)))
    await reached.wait()
    adding = asyncio.create_task(make_image(shop.core, shop.admin, 1, SHIRT))
    while not await shop.count_waiting():  # noqa: ASYNC110 - only the server knows
        await asyncio.sleep(0.001)
    go.set()
    image, doomed = await asyncio.gather(adding, dooming)

    assert doomed == 1
    assert await state(shop) == [("doomed", 0), ("live", 1)]
    assert (await images.get(shop.core, shop.admin, 1, image.id)) == image


async def test_a_doomed_blob_that_somebody_holds_waits_for_the_next_round(shop: Shop) -> None:
    async with shop.looking.transaction():
        await shop.looking.execute("SELECT id FROM blob FOR KEY SHARE")

        assert await shop.core.db.write(lambda tx: blob_rows.doom(tx, [1], 1)) == 0

    assert await shop.core.db.write(lambda tx: blob_rows.doom(tx, [1], 1)) == 1
