"""The virtual inventory: who may change it, what goes with what, and that nothing is half done."""

from typing import Any
from uuid import uuid4

import pytest

from build import make_account, make_inventory_product, make_library_image
from packshot.domain.access import Principal
from packshot.domain.errors import Forbidden, NotFound
from packshot.domain.inventory import InventoryChange, NewInventoryProduct, platforms_of
from packshot.domain.paging import Condition, Query
from packshot.services import inventory, libraries
from packshot.services.core import Core

NEW = NewInventoryProduct(guid="00c0ffee-0000-4000-8000-000000000000", product_code="5M1", name="Print")


async def all_of(core: Core, caller: Principal) -> Any:
    return (await inventory.list_products(core, caller, Query())).rows


async def test_who_may_only_look_changes_nothing(core: Core, admin: Principal) -> None:
    viewer = Principal(admin.account_id, 0, "viewer", admin.scopes, 0)
    image = await make_library_image(core, admin)
    sold = await make_inventory_product(core, admin, image.guid)

    for act in (
        inventory.add(core, viewer, image.guid, NEW),
        inventory.update(core, viewer, [InventoryChange(sku=sold.sku, name="x")]),
        inventory.remove(core, viewer, [sold.sku]),
        inventory.disconnect(core, viewer, "shopify"),
    ):
        with pytest.raises(Forbidden):
            await act

    assert await all_of(core, viewer) == [sold]
    assert await inventory.of_images(core, viewer, [image.id]) == {image.id: [sold]}


async def test_who_may_not_look_sees_nothing(core: Core, admin: Principal) -> None:
    nobody = Principal(admin.account_id, 0, "none", admin.scopes, 0)
    sold = await make_inventory_product(core, admin, (await make_library_image(core, admin)).guid)

    for act in (
        inventory.list_products(core, nobody, Query()),
        inventory.of_images(core, nobody, [sold.image_id]),
        inventory.images_of(core, nobody, [sold]),
    ):
        with pytest.raises(Forbidden):
            await act


async def test_accounts_see_and_change_their_own_products_only(core: Core, admin: Principal) -> None:
    other, _ = await make_account(core, "other")
    image, foreign = await make_library_image(core, admin), await make_library_image(core, other)
    ours = await make_inventory_product(core, admin, image.guid)
    theirs = await make_inventory_product(core, other, foreign.guid)
    links = {"shopify_product_id": "7"}
    for caller, product in ((admin, ours), (other, theirs)):
        await inventory.update(core, caller, [InventoryChange(sku=product.sku, links=links)])

    with pytest.raises(NotFound):
        await inventory.add(core, other, image.guid, NEW)
    assert await inventory.update(core, other, [InventoryChange(sku=ours.sku, name="x")]) == []
    assert await inventory.remove(core, other, [ours.sku]) == set()
    await inventory.disconnect(core, other, "shopify")

    (kept,) = await all_of(core, admin)
    assert (kept.name, kept.links) == (ours.name, links)
    (visible,) = await all_of(core, other)
    assert visible.sku == theirs.sku
    for field, value in (("sku", ours.sku), ("image_guid", image.guid), ("link", "7")):
        assert (await inventory.list_products(core, other, Query([Condition(field, "=", (value,))]))).rows == []
    assert await inventory.of_images(core, other, [image.id]) == {}
    assert await inventory.images_of(core, other, [ours]) == {}


async def test_the_products_of_each_image_come_in_the_order_they_were_made(core: Core, admin: Principal) -> None:
    first, second, bare = [await make_library_image(core, admin) for _ in range(3)]
    made = [await make_inventory_product(core, admin, guid) for guid in (second.guid, first.guid, second.guid)]

    found = await inventory.of_images(core, admin, [first.id, second.id, bare.id])

    assert found == {first.id: [made[1]], second.id: [made[0], made[2]]}
    assert await inventory.of_images(core, admin, []) == {}


async def test_products_and_their_links_go_with_their_image(core: Core, admin: Principal) -> None:
    kept, image = await make_library_image(core, admin), await make_library_image(core, admin)
    await make_inventory_product(core, admin, image.guid)
    sold = await make_inventory_product(core, admin, kept.guid)
    gone = await make_inventory_product(core, admin, image.guid)
    changes = [InventoryChange(sku=one.sku, links={"etsy_product_id": "5"}) for one in (sold, gone)]
    await inventory.update(core, admin, changes)

    await libraries.remove_images(core, admin, [image.guid], None)

    assert [product.sku for product in await all_of(core, admin)] == [sold.sku]
    assert await core.db.all("SELECT product_id FROM inventory_link") == [(sold.id,)]


async def test_the_platforms_of_a_product_are_those_it_has_a_link_to(core: Core, admin: Principal) -> None:
    sold = await make_inventory_product(core, admin, (await make_library_image(core, admin)).guid)
    links = {"wix_variant_id": "x", "etsy_product_id": "5", "shopify_product_id": None}

    (product,) = await inventory.update(core, admin, [InventoryChange(sku=sold.sku, links=links)])

    assert platforms_of(sold) == []
    assert platforms_of(product) == ["etsy", "wix"]


async def test_disconnecting_and_deleting_take_any_number_of_products(core: Core, admin: Principal) -> None:
    image = await make_library_image(core, admin)
    skus = [(await make_inventory_product(core, admin, image.guid)).sku for _ in range(60)]
    for batch in (skus[:50], skus[50:]):
        await inventory.update(
            core, admin, [InventoryChange(sku=sku, links={"shopify_product_id": sku}) for sku in batch]
        )

    await inventory.disconnect(core, admin, "shopify")

    assert all(product.links == {} for product in await all_of(core, admin))
    assert await inventory.remove(core, admin, [*skus, str(uuid4())]) == set(skus)
    assert await all_of(core, admin) == []
