"""Every race between upkeep and an upload of the same bytes.

Each act runs at one moment of somebody else's step; ages are zero, so that only the order decides.
"""

import asyncio

import pytest

import pictures
from build import Clock, make_image
from moments import (
    age,
    blob_states,
    bytes_of,
    dooming,
    keys_of,
    make_orphan,
    original_of,
    path_of,
    reaping,
    upkeep_of_everything,
    with_moments,
)
from packshot.domain.access import Principal
from packshot.domain.paging import Query
from packshot.services import images, upkeep
from packshot.services.core import Core
from packshot.storage.blobs import new_key

SHIRT = pictures.png(3, 2)
DAY_S = 24 * 3_600


async def test_doom_between_the_look_up_and_the_commit_of_an_upload_makes_a_new_generation(
    at_once: Core, admin: Principal, shirt: int, clock: Clock
) -> None:
    old_key = await make_orphan(at_once, admin, shirt, SHIRT)
    racing = with_moments(at_once, after_look_up=lambda: dooming(at_once, clock))

    image = await make_image(racing, admin, shirt, SHIRT)
    await reaping(at_once, clock)

    assert (await original_of(at_once, admin.account_id, image.id)).key != old_key
    assert await bytes_of(at_once, admin.account_id, image.id) == SHIRT


async def test_doom_and_reap_between_the_look_up_and_the_commit_lose_nothing(
    at_once: Core, admin: Principal, shirt: int, clock: Clock
) -> None:
    await make_orphan(at_once, admin, shirt, SHIRT)

    async def doom_and_reap() -> None:
        await dooming(at_once, clock)
        assert await reaping(at_once, clock) == 1

    image = await make_image(with_moments(at_once, after_look_up=doom_and_reap), admin, shirt, SHIRT)

    assert await bytes_of(at_once, admin.account_id, image.id) == SHIRT


async def test_the_last_image_deleted_between_the_look_up_and_the_commit_still_leaves_the_bytes(
    at_once: Core, admin: Principal, shirt: int, clock: Clock
) -> None:
    first = await make_image(at_once, admin, shirt, SHIRT)

    async def delete_and_doom() -> None:
        await images.remove_from_product(at_once, admin, shirt, first.id)
        assert await dooming(at_once, clock) == 1

    image = await make_image(with_moments(at_once, after_look_up=delete_and_doom), admin, shirt, SHIRT)
    await reaping(at_once, clock)

    assert await bytes_of(at_once, admin.account_id, image.id) == SHIRT


async def test_doom_between_the_bytes_and_the_commit_of_an_upload_leaves_its_generation_alone(
    at_once: Core, admin: Principal, shirt: int, clock: Clock
) -> None:
    racing = with_moments(at_once, after_put=lambda: upkeep_of_everything(at_once, clock))

    image = await make_image(racing, admin, shirt, SHIRT)

    assert await bytes_of(at_once, admin.account_id, image.id) == SHIRT


@pytest.mark.parametrize("moment", ["before_delete", "after_delete"])
async def test_an_upload_beside_the_reapers_unlink_keeps_its_bytes(
    at_once: Core, admin: Principal, shirt: int, clock: Clock, moment: str
) -> None:
    old_key = await make_orphan(at_once, admin, shirt, SHIRT)
    await dooming(at_once, clock)
    added: list[int] = []

    async def add() -> None:
        added.append((await make_image(at_once, admin, shirt, SHIRT)).id)

    assert await reaping(with_moments(at_once, **{moment: add}), clock) == 1

    assert await bytes_of(at_once, admin.account_id, added[0]) == SHIRT
    assert await blob_states(at_once) == ["live"]
    assert old_key not in await keys_of(at_once)


@pytest.mark.on_files("nobody can make an object of a bucket older")
async def test_an_upload_beside_the_sweep_of_an_older_file_keeps_its_bytes(
    core: Core, admin: Principal, shirt: int
) -> None:
    image = await make_image(core, admin, shirt, SHIRT)
    left = new_key((await original_of(core, admin.account_id, image.id)).digest)
    await core.blobs.put(left, SHIRT)
    age(path_of(core, left), 2 * DAY_S)
    added: list[int] = []

    async def add() -> None:
        added.append((await make_image(core, admin, shirt, SHIRT)).id)

    assert await upkeep.sweep(with_moments(core, before_delete=add)) == 1

    assert await bytes_of(core, admin.account_id, added[0]) == SHIRT


async def test_two_uploads_at_once_leave_one_generation_and_no_surplus(
    at_once: Core, admin: Principal, shirt: int, clock: Clock
) -> None:
    others: list[int] = []

    async def add() -> None:
        others.append((await make_image(at_once, admin, shirt, SHIRT)).id)

    image = await make_image(with_moments(at_once, after_put=add), admin, shirt, SHIRT)
    await upkeep_of_everything(at_once, clock)

    assert [await bytes_of(at_once, admin.account_id, image_id) for image_id in (image.id, *others)] == [SHIRT] * 2
    assert len(await keys_of(at_once)) == 1


async def test_two_reapers_at_once_delete_what_is_doomed_and_nothing_else(
    at_once: Core, admin: Principal, shirt: int, clock: Clock
) -> None:
    await make_orphan(at_once, admin, shirt, SHIRT)
    await dooming(at_once, clock)
    kept = await make_image(at_once, admin, shirt, SHIRT)

    await reaping(with_moments(at_once, after_delete=lambda: reaping(at_once, clock)), clock)

    assert await bytes_of(at_once, admin.account_id, kept.id) == SHIRT
    assert await blob_states(at_once) == ["live"]


async def test_uploads_deletions_and_upkeep_without_any_order_lose_nothing(
    at_once: Core, admin: Principal, shirt: int, clock: Clock
) -> None:
    """Everybody at once on one digest, in as many orders as the loop makes up."""

    async def add_and_remove() -> None:
        for _ in range(15):
            image = await make_image(at_once, admin, shirt, SHIRT)
            assert await bytes_of(at_once, admin.account_id, image.id) == SHIRT
            await images.remove_from_product(at_once, admin, shirt, image.id)

    async def keep_up() -> None:
        while not done.is_set():
            await upkeep_of_everything(at_once, clock)
            await asyncio.sleep(0)

    done = asyncio.Event()
    janitors = [asyncio.create_task(keep_up()) for _ in range(2)]
    await asyncio.gather(*(add_and_remove() for _ in range(4)))
    done.set()
    await asyncio.gather(*janitors)

    await upkeep_of_everything(at_once, clock)
    assert (await images.list_of_product(at_once, admin, shirt, Query())).rows == []
    assert await keys_of(at_once) == set()
