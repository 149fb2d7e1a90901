"""Deletions are taken back: whatever a call took away comes out of the trash as it was, or nothing does."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import pictures
from build import (
    Clock,
    columns_of,
    make_image,
    make_inventory_product,
    make_library_image,
    make_product,
)  # fmt: skip
from moments import keys_of, with_ages
from packshot.domain.access import Principal
from packshot.domain.errors import Conflict, Forbidden, NotFound
from packshot.domain.inventory import InventoryChange
from packshot.domain.libraries import Place
from packshot.domain.products import Kind
from packshot.services import calls, images, inventory, libraries, products, restoring, selections, upkeep
from packshot.services.core import Core
from packshot.storage import trash
from packshot.storage.database import Tx

SHIRT, MUG = pictures.png(), pictures.png(4, 4)
SELECTION = "0d4b7a1e-6a55-4c0b-9df0-3f1c2a9be001"
SIMPLE = (Kind.SIMPLE,)

Rows = dict[str, list[tuple[Any, ...]]]


async def everything(core: Core) -> Rows:
    """All rows of all tables whose rows come into the trash, but for when they were changed."""
    found: Rows = {}
    for table, columns in trash.COLUMNS.items():
        names = ", ".join(name for name in columns.split() if name != "updated_at")
        found[table] = sorted(await core.db.all(f"SELECT {names} FROM {table}"), key=repr)
    return found


async def latest(core: Core, caller: Principal) -> int:
    """The id of the latest deletion."""
    return (await restoring.of_deletions(core, caller))[0].id


async def restore_all(core: Core, caller: Principal) -> restoring.Restored:
    """The latest deletion taken back as a whole."""
    return await restoring.restore(core, caller, await latest(core, caller))


async def furnished(core: Core, caller: Principal) -> tuple[int, str]:
    """A product with three images, of which one is sold, linked and selected: its id, and the guid of that image."""
    product_id = await make_product(core, caller)
    await make_image(core, caller, product_id, MUG, "detail")
    shown = await make_image(core, caller, product_id, SHIRT)
    await make_image(core, caller, product_id, MUG)
    sold = await make_inventory_product(core, caller, shown.guid)
    await inventory.update(core, caller, [InventoryChange(sku=sold.sku, links={"shopify_product_id": "7"})])
    await selections.replace(core, caller, SELECTION, [shown.guid])
    return product_id, shown.guid


async def delete_by_guid(core: Core, caller: Principal, product_id: int, guid: str) -> None:
    del product_id
    await libraries.remove_images(core, caller, [guid], None)


async def delete_by_id(core: Core, caller: Principal, product_id: int, guid: str) -> None:
    (image,) = await libraries.preview_removal(core, caller, [guid], None)
    await images.remove_from_product(core, caller, product_id, image.id)


async def delete_product(core: Core, caller: Principal, product_id: int, guid: str) -> None:
    del guid
    await products.remove(core, caller, product_id, SIMPLE)


async def delete_inventory(core: Core, caller: Principal, product_id: int, guid: str) -> None:
    del product_id
    (image,) = await libraries.preview_removal(core, caller, [guid], None)
    sold = await inventory.of_images(core, caller, [image.id])
    await inventory.remove(core, caller, [product.sku for product in sold[image.id]])


async def disconnect(core: Core, caller: Principal, product_id: int, guid: str) -> None:
    del product_id, guid
    await inventory.disconnect(core, caller, "shopify")


async def replace_selection(core: Core, caller: Principal, product_id: int, guid: str) -> None:
    del product_id, guid
    await selections.replace(core, caller, SELECTION, [])


@pytest.mark.parametrize(
    "delete",
    [delete_by_guid, delete_by_id, delete_product, delete_inventory, disconnect, replace_selection],
)
async def test_what_a_call_took_away_comes_back_as_it_was(
    core: Core, admin: Principal, delete: Callable[[Core, Principal, int, str], Awaitable[None]]
) -> None:
    place = await furnished(core, admin)
    before = await everything(core)

    calls.begin(core, "a call")
    await delete(core, admin, *place)
    after = await everything(core)
    restored = await restore_all(core, admin)

    assert after != before
    assert restored.left_out == []
    assert await everything(core) == before
    assert await restoring.of_deletions(core, admin) == []


async def test_bytes_in_the_trash_outlive_upkeep_and_go_when_it_is_given_up(
    core: Core, admin: Principal, clock: Clock
) -> None:
    image = await make_image(core, admin, await make_product(core, admin), SHIRT)
    await libraries.remove_images(core, admin, [image.guid], None)
    keeping = with_ages(core, keep_s=30 * 86_400)

    for _ in range(2):  # what is doomed in one round is reaped in the next
        clock.advance(14 * 86_400)
        await upkeep.run_once(keeping)
    kept = await keys_of(core)
    for _ in range(2):
        clock.advance(2 * 86_400)
        await upkeep.run_once(keeping)

    assert len(kept) == 1
    assert await keys_of(core) == set()
    assert await restoring.of_deletions(core, admin) == []


async def test_a_restored_single_picture_swaps_with_the_one_that_took_its_place(core: Core, admin: Principal) -> None:
    product_id = await make_product(core, admin)
    first = await make_image(core, admin, product_id, SHIRT, "detail")
    second = await make_image(core, admin, product_id, MUG, "detail")

    await restore_all(core, admin)

    assert await images.get(core, admin, product_id, first.id) == first
    with pytest.raises(NotFound):
        await images.get(core, admin, product_id, second.id)
    await restore_all(core, admin)
    assert await images.get(core, admin, product_id, second.id) == second


async def test_an_image_whose_product_is_gone_is_refused_with_what_to_restore_first(
    core: Core, admin: Principal
) -> None:
    product_id = await make_product(core, admin)
    image = await make_image(core, admin, product_id, SHIRT)
    await libraries.remove_images(core, admin, [image.guid], None)
    alone = await latest(core, admin)
    await products.remove(core, admin, product_id, SIMPLE)
    before = await everything(core)

    with pytest.raises(Conflict, match=f"restore deletion {await latest(core, admin)} first"):
        await restoring.restore(core, admin, alone)

    assert await everything(core) == before
    await restore_all(core, admin)
    await restoring.restore(core, admin, alone)
    assert await images.get(core, admin, product_id, image.id) == image


async def test_a_guid_that_was_taken_meanwhile_is_refused_and_changes_nothing(core: Core, admin: Principal) -> None:
    gone = await make_library_image(core, admin)
    await libraries.remove_images(core, admin, [gone.guid], None)

    async def work(tx: Tx) -> None:
        await tx.run("UPDATE image SET guid = ?1", gone.guid)

    await make_library_image(core, admin, name="other.jpg")
    await core.db.write(work)

    with pytest.raises(Conflict, match=gone.guid):
        await restore_all(core, admin)

    assert len((await everything(core))["image"]) == 1
    assert len(await restoring.of_deletions(core, admin)) == 1


async def test_some_of_a_deletion_can_be_taken_back_by_name(core: Core, admin: Principal) -> None:
    guids = [(await make_library_image(core, admin, name=f"{number}.jpg")).guid for number in range(3)]
    await libraries.remove_images(core, admin, guids, None)
    deletion_id = await latest(core, admin)

    restored = await restoring.restore(core, admin, deletion_id, [guids[1]])

    assert [item.name for item in restored.items] == [guids[1]]
    assert {item.name for item in (await restoring.show(core, admin, deletion_id))[1]} == {guids[0], guids[2]}
    with pytest.raises(NotFound, match="Item not found"):
        await restoring.restore(core, admin, deletion_id, [guids[1]])


async def test_an_expired_temporary_image_skips_the_trash_and_a_deleted_one_has_the_rest_of_its_time(
    core: Core, admin: Principal, clock: Clock
) -> None:
    place = Place("temporary", "session 1")
    expired = await make_library_image(core, admin, place=place)
    clock.advance(10 * 86_400)
    deleted = await make_library_image(core, admin, place=place, name="other.jpg")
    await libraries.remove_images(core, admin, [deleted.guid], None)
    clock.advance(20 * 86_400)

    await libraries.expire(core)
    await restore_all(core, admin)

    (back,) = await libraries.preview_removal(core, admin, [deleted.guid, expired.guid], None)
    assert (back.expires_at or 0) - core.now() == 14 * 86_400 * 1_000_000
    assert await restoring.of_deletions(core, admin) == []


async def test_a_deletion_says_who_made_it_when_and_by_which_call(core: Core, admin: Principal, clock: Clock) -> None:
    calls.begin(core, "delete_images")
    calls.REQUEST_ID.set("request 7")
    for name in ("a.jpg", "b.jpg"):
        image = await make_library_image(core, admin, name=name)
        await libraries.remove_images(core, admin, [image.guid], None)

    (deletion,) = await restoring.of_deletions(core, admin)

    assert (deletion.method, deletion.request_id, deletion.items) == ("delete_images", "request 7", 2)
    assert deletion.who == f"webhook {admin.credential_id} of user {admin.user_id}"
    assert deletion.deleted_at == int(clock()) * 1_000_000


async def test_nobody_sees_or_restores_what_another_account_deleted(core: Core, admin: Principal) -> None:
    image = await make_library_image(core, admin)
    await libraries.remove_images(core, admin, [image.guid], None)
    stranger = Principal(admin.account_id + 1, 1, "administrator", frozenset(), 0)

    assert await restoring.of_deletions(core, stranger) == []
    with pytest.raises(NotFound):
        await restoring.restore(core, stranger, await latest(core, admin))
    with pytest.raises(NotFound):
        await restoring.purge(core, stranger, await latest(core, admin))


async def test_a_viewer_may_look_into_the_trash_and_no_more(core: Core, admin: Principal) -> None:
    image = await make_library_image(core, admin)
    await libraries.remove_images(core, admin, [image.guid], None)
    viewer = Principal(admin.account_id, admin.user_id, "viewer", frozenset(), 0)

    assert len(await restoring.of_deletions(core, viewer)) == 1
    for act in (restoring.restore, restoring.purge):
        with pytest.raises(Forbidden):
            await act(core, viewer, await latest(core, admin))


async def test_every_column_of_the_tables_goes_into_the_trash(core: Core) -> None:
    for table, columns in trash.COLUMNS.items():
        assert sorted(columns.split()) == sorted(await columns_of(core, table)), table


async def test_a_client_that_calls_all_its_requests_the_same_has_a_deletion_for_each_minute(
    core: Core, admin: Principal, clock: Clock
) -> None:
    calls.begin(core, "delete_images")
    calls.REQUEST_ID.set("always the same")
    for pause_s in (0, 60, 1):
        clock.advance(pause_s)
        image = await make_library_image(core, admin, name=f"{pause_s}.jpg")
        await libraries.remove_images(core, admin, [image.guid], None)

    assert [deletion.items for deletion in await restoring.of_deletions(core, admin)] == [1, 2]
