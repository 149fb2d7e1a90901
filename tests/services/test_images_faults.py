"""Adding images when stored bytes are gone, the store is full, or the caller or the product leaves half-way."""

import asyncio
import dataclasses
from pathlib import Path
from typing import Any

import pytest

import pictures
from build import Clock, is_shared, make_account, make_image, make_product
from moments import blob_states, bytes_of, keys_of, original_of, path_of, with_moments
from packshot.domain.access import Principal
from packshot.domain.errors import NotFound, StoreFull, Unavailable
from packshot.domain.paging import Query
from packshot.domain.products import Kind
from packshot.services import images, products
from packshot.services.core import Core
from packshot.storage import blob_rows
from packshot.storage.blobs import BlobStore, Bytes
from packshot.storage.database import Tx

SHIRT = pictures.png(3, 2)
MUG = pictures.png(4, 4)


async def names(core: Core, caller: Principal, product_id: int) -> list[str]:
    page = await images.list_of_product(core, caller, product_id, Query())
    return [image.name for image in page.rows]


def lose(path: Path) -> None:
    path.unlink()


def cut(path: Path) -> None:
    path.write_bytes(SHIRT[:9])


@pytest.mark.parametrize("damage", [lose, cut])
async def test_equal_bytes_uploaded_again_heal_the_images_whose_file_is_gone_or_cut(
    core: Core, admin: Principal, shirt: int, damage: Any
) -> None:
    before = [await make_image(core, admin, shirt, SHIRT) for _ in range(2)]
    broken = (await original_of(core, admin.account_id, before[0].id)).key
    damage(path_of(core, broken))

    after = await make_image(core, admin, shirt, SHIRT)

    assert (await original_of(core, admin.account_id, after.id)).key != broken
    assert [await bytes_of(core, admin.account_id, image.id) for image in (*before, after)] == [SHIRT] * 3
    assert await blob_states(core) == ["corrupt", "live"]


async def test_healing_stops_at_the_account(core: Core, admin: Principal, shirt: int) -> None:
    other, catalog_id = await make_account(core, "other")
    theirs = await make_image(core, other, await make_product(core, other, catalog_id=catalog_id), SHIRT)
    before = await original_of(core, other.account_id, theirs.id)
    await core.db.write(lambda tx: blob_rows.mark_corrupt(tx, 1))

    await make_image(core, admin, shirt, SHIRT)

    after = await original_of(core, other.account_id, theirs.id)
    assert after.key == before.key
    assert not after.intact


async def test_two_uploads_that_both_find_the_file_gone_bring_it_back_once(
    core: Core, admin: Principal, shirt: int
) -> None:
    first = await make_image(core, admin, shirt, SHIRT)
    path_of(core, (await original_of(core, admin.account_id, first.id)).key).unlink()
    meanwhile: list[int] = []

    async def add_too() -> None:
        meanwhile.append((await make_image(core, admin, shirt, SHIRT)).id)

    last = await make_image(with_moments(core, after_put=add_too), admin, shirt, SHIRT)

    ids = (first.id, *meanwhile, last.id)
    assert [await bytes_of(core, admin.account_id, image_id) for image_id in ids] == [SHIRT] * 3
    assert await blob_states(core) == ["corrupt", "live"]
    assert len(await keys_of(core)) == 1


# Failures between the bytes and their row


async def test_a_product_that_goes_while_its_bytes_arrive_leaves_no_bytes(
    core: Core, admin: Principal, shirt: int
) -> None:
    racing = with_moments(core, after_put=lambda: products.remove(core, admin, shirt, (Kind.SIMPLE,)))

    with pytest.raises(NotFound):
        await make_image(racing, admin, shirt, SHIRT)

    assert await keys_of(core) == set()
    assert await blob_states(core) == []


class Refusing:
    """A database whose writes fail, and which does everything else as before."""

    def __init__(self, core: Core, error: Exception) -> None:
        self._db = core.db
        self._error = error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)

    async def write(self, _: Any) -> None:
        raise self._error


def refusing(core: Core, error: Exception) -> Core:
    db: Any = Refusing(core, error)
    return dataclasses.replace(core, db=db)


async def test_a_commit_that_finds_no_room_gives_the_bytes_back(core: Core, admin: Principal, shirt: int) -> None:
    with pytest.raises(StoreFull):
        await make_image(refusing(core, StoreFull()), admin, shirt, SHIRT)

    assert await keys_of(core) == set()


async def test_a_commit_nobody_knows_about_keeps_its_bytes(core: Core, admin: Principal, shirt: int) -> None:
    with pytest.raises(Unavailable):
        await make_image(refusing(core, Unavailable("database")), admin, shirt, SHIRT)

    assert len(await keys_of(core)) == 1


class Full:
    """A blob store without room."""

    def __init__(self, inside: BlobStore) -> None:
        self._inside = inside

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inside, name)

    async def put(self, _: str, __: Bytes) -> None:
        raise StoreFull


async def test_a_store_without_room_adds_nothing_and_keeps_what_it_shares(
    core: Core, admin: Principal, shirt: int
) -> None:
    store: Any = Full(core.blobs)
    full = dataclasses.replace(core, blobs=store)
    await make_image(core, admin, shirt, SHIRT, name="kept.png")

    with pytest.raises(StoreFull):
        await make_image(full, admin, shirt, MUG)
    await make_image(full, admin, shirt, SHIRT, name="shared.png")  # nothing more to store

    assert await names(core, admin, shirt) == ["kept.png", "shared.png"]


async def test_a_caller_who_leaves_while_the_bytes_arrive_leaves_an_orphan_at_most(
    core: Core, admin: Principal, shirt: int
) -> None:
    async def leave() -> None:
        task.cancel()

    task = asyncio.create_task(make_image(with_moments(core, after_put=leave), admin, shirt, SHIRT))
    await asyncio.gather(task, return_exceptions=True)

    assert task.cancelled()
    # PostgreSQL may have begun with the row by then, and what is begun comes to its end.
    assert await names(core, admin, shirt) in ([], ["shirt.png"] if is_shared() else [])
    assert len(await keys_of(core)) == 1


async def test_an_upload_older_than_half_the_grace_is_not_committed(
    core: Core, admin: Principal, shirt: int, clock: Clock
) -> None:
    """Its file could be swept before its row exists."""

    async def hours_pass() -> None:
        clock.advance(core.upkeep.grace_s / 2 + 1)

    with pytest.raises(Unavailable):
        await make_image(with_moments(core, after_put=hours_pass), admin, shirt, SHIRT)

    assert await names(core, admin, shirt) == []


class Restless:
    """A database where, before each write, *spoil* runs, and after it *restore*."""

    def __init__(self, core: Core, spoil: Any, restore: Any) -> None:
        self._db, self._spoil, self._restore = core.db, spoil, restore

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)

    async def write(self, work: Any, **how: Any) -> Any:
        await self._spoil()
        try:
            return await self._db.write(work, **how)
        finally:
            await self._restore()


async def test_an_upload_whose_blob_is_doomed_again_and_again_gives_up(
    core: Core, admin: Principal, shirt: int
) -> None:
    async def spoil() -> None:
        async def work(tx: Tx) -> None:
            await tx.run("DELETE FROM image")
            await tx.run("UPDATE blob SET state = 'doomed', doomed_at = 0")

        await core.db.write(work)

    async def restore() -> None:
        await make_image(core, admin, shirt, SHIRT)

    await restore()
    restless: Any = Restless(core, spoil, restore)

    with pytest.raises(Unavailable):
        await make_image(dataclasses.replace(core, db=restless), admin, shirt, SHIRT)

    assert set(await blob_states(core)) == {"doomed", "live"}
