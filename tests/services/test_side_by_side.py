"""Pairs of calls on one thing of a catalog or a library, at once on PostgreSQL: as if one came after the other."""

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

import pictures
from build import make_image, make_inventory_product, make_library_image, make_product
from moments import with_ages
from packshot.domain.access import Principal
from packshot.domain.errors import Conflict, InvalidValue, NotFound, StoreFull
from packshot.domain.inventory import InventoryChange
from packshot.domain.libraries import Files, ImageChange, NewLibraryImage, Place
from packshot.domain.paging import Condition, Query
from packshot.domain.products import Fields, Kind
from packshot.services import (
    accounts,
    erasing,
    handlers,
    hosting,
    images,
    inventory,
    libraries,
    products,
    restoring,
    scrub,
    seeds,
    selections,
    trash,
    upkeep,
)
from packshot.services.core import Core
from packshot.storage import outbox
from side_by_side import PATIENCE_S, Race, Scene, Shop, harm, open_shop, watched, without_locks

PICTURES = [pictures.png(width_px, 2) for width_px in range(1, 4)]
QUOTA = 1_000_000


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    """One for all: each scene makes what it is about."""
    async with open_shop(tmp_path_factory.mktemp("shop")) as opened:
        yield opened


def of(came: tuple[Any, Any], kind: type) -> int:
    """How many of both came to that."""
    return sum(isinstance(one, kind) for one in came)


def adding(admin: Principal, product_id: int, number: int = 0, role: Any = "more") -> Callable[[Core], Any]:
    return lambda core: make_image(core, admin, product_id, PICTURES[number], role)


async def count(shop: Shop, table: str, where: str = "true") -> int:
    return int(await shop.value(f"SELECT count(*) FROM {table} WHERE {where}"))


async def in_the_role_of_another(shop: Shop) -> Race:
    """Both come into a place that is taken: one of them stands there, and every other one was replaced once."""
    shirt = await make_product(shop.core, shop.admin)
    first = await make_image(shop.core, shop.admin, shirt, PICTURES[2], "detail")

    async def judge(*came: Any) -> None:
        ids = {first.id, *(image.id for image in came)}
        left = await shop.value("SELECT id FROM image WHERE product_id = $1 AND role = 'detail'", shirt)
        gone = await shop.core.db.all("SELECT item_id FROM trash WHERE item_id >= ?1 AND kind = 'image'", first.id)
        assert sorted([left, *(row[0] for row in gone)]) == sorted(ids)

    return Race(adding(shop.admin, shirt, 0, "detail"), adding(shop.admin, shirt, 1, "detail"), judge)


async def onto_a_product_that_goes(shop: Shop) -> Race:
    """The image is refused, or goes into the trash with the product: it is never gone for good."""
    shirt = await make_product(shop.core, shop.admin)

    async def judge(added: Any, removed: Any) -> None:
        assert removed is None
        thrown = await count(shop, "trash", f"kind = 'image' AND item_id = {getattr(added, 'id', 0)}")
        assert isinstance(added, NotFound) or thrown == 1

    remove = partial(products.remove, caller=shop.admin, product_id=shirt, kinds=(Kind.SIMPLE,))
    return Race(adding(shop.admin, shirt), remove, judge)


async def the_same_deletion(shop: Shop) -> Race:
    """One deletes it and the other does not find it; it lies in the trash once."""
    shirt = await make_product(shop.core, shop.admin)
    image = await make_image(shop.core, shop.admin, shirt, PICTURES[0])

    async def judge(*came: Any) -> None:
        assert of(came, NotFound) == 1
        assert await count(shop, "trash", f"item_id = {image.id} AND kind = 'image'") == 1

    remove = partial(images.remove_from_product, caller=shop.admin, product_id=shirt, image_id=image.id)
    return Race(remove, remove, judge)


async def the_same_guids(shop: Shop) -> Race:
    """Each image is deleted by one of them, who says so, and listeners hear of it once."""
    guids = [(await make_library_image(shop.core, shop.admin)).guid for _ in range(2)]

    async def judge(*came: set[str]) -> None:
        assert sorted([*came[0], *came[1]]) == sorted(guids)

    def remove(guids: list[str]) -> Callable[[Core], Any]:
        return partial(libraries.remove_images, caller=shop.admin, guids=guids, place=None)

    return Race(remove(guids), remove(guids[::-1]), judge)


async def _thrown_away(shop: Shop) -> tuple[int, int]:
    shirt = await make_product(shop.core, shop.admin)
    image = await make_image(shop.core, shop.admin, shirt, PICTURES[0], "detail")
    await images.remove_from_product(shop.core, shop.admin, shirt, image.id)
    return image.id, int(await shop.value("SELECT max(id) FROM deletion"))


async def out_of_the_trash(shop: Shop) -> Race:
    """Both want it: one gets it."""
    image_id, deletion_id = await _thrown_away(shop)

    async def judge(*came: Any) -> None:
        assert of(came, NotFound) == 1
        assert await count(shop, "image", f"id = {image_id}") == 1

    restore = partial(restoring.restore, caller=shop.admin, deletion_id=deletion_id)
    return Race(restore, restore, judge)


async def out_of_a_trash_that_is_emptied(shop: Shop) -> Race:
    """It is restored or given up, and the log says which."""
    image_id, deletion_id = await _thrown_away(shop)
    shop.clock.advance(2)

    async def judge(restored: Any, _: Any) -> None:
        there = await count(shop, "image", f"id = {image_id}")
        given_up = await count(shop, "audit", f"image_id = {image_id} AND action = 'given up'")
        assert (there, given_up) == ((0, 1) if isinstance(restored, NotFound) else (1, 0))

    restore = partial(restoring.restore, caller=shop.admin, deletion_id=deletion_id)
    return Race(restore, lambda core: upkeep.empty_trash(with_ages(core)), judge)


async def back_onto_a_product_and_onto_another(shop: Shop) -> Race:
    """What is sold of it kept it in the library, from where one of them takes it: that product has it."""
    shirt, mug = [await make_product(shop.core, shop.admin) for _ in range(2)]
    image = await make_image(shop.core, shop.admin, shirt, PICTURES[0], "detail")
    guid = await shop.value("SELECT guid FROM image WHERE id = $1", image.id)
    await make_inventory_product(shop.core, shop.admin, guid)
    await make_image(shop.core, shop.admin, shirt, PICTURES[1], "detail")
    deletion_id = int(await shop.value("SELECT max(id) FROM deletion"))

    async def judge(restored: Any, attached: Any) -> None:
        there = await shop.value("SELECT product_id FROM image WHERE id = $1", image.id)
        refused = isinstance(attached, Conflict)
        assert (there, len(restored.left_out)) == ((shirt, 0) if refused else (mug, 1))

    return Race(
        partial(restoring.restore, caller=shop.admin, deletion_id=deletion_id),
        partial(hosting.attach, caller=shop.admin, guid=guid, product_id=mug, role="more"),
        judge,
    )


async def into_a_deletion_that_is_purged(shop: Shop) -> Race:
    """What one request takes away under one number stays in the trash, whatever becomes of what it took before."""
    shirt = await make_product(shop.core, shop.admin)
    later = await make_image(shop.core, shop.admin, shirt, PICTURES[1])
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(trash, "_is_of", lambda *_: False)
        _, deletion_id = await _thrown_away(shop)

    async def remove(core: Core) -> None:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(trash, "_is_of", lambda latest, _: latest.id == deletion_id)
            await images.remove_from_product(core, shop.admin, shirt, later.id)

    async def judge(*came: Any) -> None:
        assert of(came, NotFound) == 0
        # Purged with the rest, if it came first, which the log says.
        given_up = await count(shop, "audit", f"image_id = {later.id} AND action = 'given up'")
        assert await count(shop, "trash", f"item_id = {later.id} AND kind = 'image'") + given_up == 1

    return Race(remove, partial(restoring.purge, caller=shop.admin, deletion_id=deletion_id), judge)


async def within_a_quota(shop: Shop) -> Race:
    """There is room for one of them."""
    products_ = [await make_product(shop.core, shop.admin) for _ in range(2)]
    await _tidy(shop)
    size = max(map(len, PICTURES[:2]))
    await accounts.set_quota(shop.core, "main", size)

    async def judge(*came: Any) -> None:
        await _settle_quota(shop)
        assert of(came, StoreFull) == 1

    one, other = (adding(shop.admin, product_id, number) for number, product_id in enumerate(products_))
    return Race(one, other, judge)


async def beside_a_new_quota(shop: Shop) -> Race:
    """It counts the picture that comes meanwhile."""
    shirt = await make_product(shop.core, shop.admin)
    await _tidy(shop)

    async def judge(*_: Any) -> None:
        await _settle_quota(shop)

    return Race(adding(shop.admin, shirt), partial(accounts.set_quota, name="main", quota_bytes=QUOTA), judge)


async def doomed_beside_a_new_quota(shop: Shop) -> Race:
    """It does not count what goes meanwhile."""
    await _tidy(shop)
    await _thrown_away(shop)
    await shop.value("DELETE FROM trash")
    shop.clock.advance(2)

    async def judge(*_: Any) -> None:
        await _settle_quota(shop)

    set_quota = partial(accounts.set_quota, name="main", quota_bytes=QUOTA)
    return Race(lambda core: upkeep.doom(with_ages(core)), set_quota, judge)


async def _tidy(shop: Shop) -> None:
    await shop.value("DELETE FROM image")
    await shop.value("DELETE FROM trash")
    await shop.value("DELETE FROM blob")


async def _settle_quota(shop: Shop) -> None:
    counted = await shop.value("SELECT live_bytes FROM account")
    held = await shop.value("SELECT coalesce(sum(size_bytes), 0) FROM blob WHERE state = 'live'")
    await accounts.set_quota(shop.core, "main", None)
    assert counted == held


async def the_same_bytes(shop: Shop) -> Race:
    """They are kept once."""
    await _tidy(shop)
    one, other = [await make_product(shop.core, shop.admin) for _ in range(2)]

    async def judge(*came: Any) -> None:
        assert of(came, BaseException) == 0
        assert await count(shop, "blob") == 1

    return Race(adding(shop.admin, one), adding(shop.admin, other), judge)


async def in_order(shop: Shop) -> Race:
    """Of a product's events one is due, and the other one waits for it."""
    shirt = await _listened_to(shop)

    async def judge(*_: Any) -> None:
        due = "next_at IS NOT NULL"
        assert await count(shop, "outbox", due) == 1
        assert await shop.value(f"SELECT min(id) FROM outbox WHERE {due}") == await shop.value(
            "SELECT min(id) FROM outbox"
        )

    return Race(adding(shop.admin, shirt, 0), adding(shop.admin, shirt, 1), judge)


async def behind_one_that_is_delivered(shop: Shop) -> Race:
    """The next event does not sleep for ever."""
    shirt = await _listened_to(shop)
    await make_image(shop.core, shop.admin, shirt, PICTURES[2])
    receiver_id = await shop.value("SELECT max(receiver_id) FROM outbox")
    (event,) = await outbox.of_due(shop.core.db, receiver_id, shop.core.now(), 9)

    async def deliver(core: Core) -> None:
        await core.db.write(lambda tx: outbox.mark_delivered(tx, event, core.now()))

    async def judge(*_: Any) -> None:
        assert await count(shop, "outbox", "state = 'waiting' AND next_at IS NOT NULL") == 1

    return Race(adding(shop.admin, shirt), deliver, judge)


async def _listened_to(shop: Shop) -> int:
    await shop.value("DELETE FROM event_receiver")
    await handlers.add_webhook(shop.core, "main", "https://8.8.8.8/", ["PACKSHOT.IMAGE.ON.ADD"])
    return await make_product(shop.core, shop.admin)


async def the_last_variations(shop: Shop) -> Race:
    """Their parent is empty then."""
    parent, children = await _family(shop, 2)

    async def judge(*came: Any) -> None:
        assert of(came, BaseException) == 0
        assert await shop.value("SELECT kind FROM product WHERE id = $1", parent) == Kind.EMPTY_PARENT

    one, other = (
        partial(products.remove, caller=shop.admin, product_id=child, kinds=(Kind.VARIATION,)) for child in children
    )
    return Race(one, other, judge)


async def a_variation_of_one_that_goes(shop: Shop) -> Race:
    """It is refused, or goes into the trash with its parent."""
    parent, _ = await _family(shop, 1)
    fields: Fields = {"catalog_id": 2, "name": "Red", "parent_id": parent}

    async def judge(added: Any, removed: Any) -> None:
        assert removed is None
        if not isinstance(added, NotFound):
            assert await count(shop, "trash", f"kind = 'product' AND item_id = {added.fields['id']}") == 1

    return Race(
        partial(products.add, caller=shop.admin, kind=Kind.VARIATION, fields=fields),
        partial(products.remove, caller=shop.admin, product_id=parent, kinds=(Kind.PARENT, Kind.EMPTY_PARENT)),
        judge,
    )


async def _family(shop: Shop, size: int) -> tuple[int, list[int]]:
    made = await products.add(shop.core, shop.admin, Kind.EMPTY_PARENT, {"catalog_id": 1, "name": "Shirt"})
    parent = int(made.fields["id"] or 0)
    fields: Fields = {"catalog_id": 2, "name": "Red", "parent_id": parent}
    children = [await products.add(shop.core, shop.admin, Kind.VARIATION, fields) for _ in range(size)]
    return parent, [int(child.fields["id"] or 0) for child in children]


async def with_one_code(shop: Shop) -> Race:
    """One has it, and the other is told whose it is."""
    code = f"C{await shop.value('SELECT coalesce(max(id), 0) FROM product')}"

    async def judge(*came: Any) -> None:
        (refused,) = [one for one in came if isinstance(one, Conflict)]
        assert str(refused) == f"Another product of the catalog has the code {code}"

    fields: Fields = {"catalog_id": 1, "name": "Shirt", "code": code}
    add = partial(products.add, caller=shop.admin, kind=Kind.SIMPLE, fields=fields)
    return Race(add, add, judge)


async def with_one_guid(shop: Shop) -> Race:
    """One gets it, and the other is told that it is taken."""
    new = NewLibraryImage(
        guid=str(uuid4()), place=Place(), name="a", title="a", description=None, created_at=shop.core.now(),
        files=Files("https://img.example/a"),
    )  # fmt: skip

    async def judge(*came: Any) -> None:
        assert of(came, InvalidValue) == 1

    add = partial(libraries.add_images, caller=shop.admin, news=[new])
    return Race(add, add, judge)


async def other_fields(shop: Shop) -> Race:
    """What either said of the image stays said."""
    image = await make_library_image(shop.core, shop.admin)

    async def judge(*_: Any) -> None:
        row = await shop.core.db.one("SELECT title, description FROM image WHERE id = ?1", image.id)
        assert row == ("A title", "Words")

    one, other = (
        partial(libraries.update_images, caller=shop.admin, changes=[change], place=None)
        for change in (ImageChange(guid=image.guid, title="A title"), ImageChange(guid=image.guid, description="Words"))
    )
    return Race(one, other, judge)


async def other_fields_of_what_is_sold(shop: Shop) -> Race:
    """The same of what is sold of it."""
    sku = (await _sold(shop))[0]
    of_sku = Query((Condition("sku", "=", (sku,)),))

    async def judge(*_: Any) -> None:
        (product,) = (await inventory.list_products(shop.core, shop.admin, of_sku)).rows
        assert (product.quantity_in_stock, product.asking_price) == (7, 2.5)

    def change(**said: Any) -> Callable[[Core], Any]:
        return partial(inventory.update, caller=shop.admin, changes=[InventoryChange(sku=sku, **said)])

    return Race(change(quantity_in_stock=7), change(asking_price=2.5), judge)


async def links_cut_twice(shop: Shop) -> Race:
    """They lie in the trash once."""
    sku = (await _sold(shop))[0]
    await shop.value("DELETE FROM deletion")
    change = InventoryChange(sku=sku, links={"wix_product_id": "7"})
    await inventory.update(shop.core, shop.admin, [change])

    async def judge(*_: Any) -> None:
        assert await count(shop, "trash", "kind = 'links'") == 1

    cut = partial(inventory.disconnect, caller=shop.admin, platform="wix")
    return Race(cut, cut, judge)


async def _sold(shop: Shop) -> tuple[str, str]:
    image = await make_library_image(shop.core, shop.admin, PICTURES[0])
    return (await make_inventory_product(shop.core, shop.admin, image.guid)).sku, image.guid


async def one_selection(shop: Shop) -> Race:
    """It is what one of them made of it, and every earlier one lies in the trash once."""
    guids = [(await make_library_image(shop.core, shop.admin)).guid for _ in range(3)]
    await selections.replace(shop.core, shop.admin, "mine", guids[:1])
    await shop.value("DELETE FROM deletion")

    async def judge(*came: Any) -> None:
        assert of(came, BaseException) == 0
        left = await selections.of_selection(shop.core, shop.admin, "mine")
        assert (left, await count(shop, "trash", "kind = 'selection'")) in [(guids[1:], 1), ([], 2)]

    def choose(chosen: list[str]) -> Callable[[Core], Any]:
        return partial(selections.replace, caller=shop.admin, guid="mine", image_guids=chosen)

    return Race(choose(guids[1:]), choose([]), judge)


async def what_has_ended(shop: Shop) -> Race:
    """It is deleted once, and said to be once."""
    image = await make_library_image(shop.core, shop.admin, place=Place("temporary", "s"))
    shop.clock.advance(shop.core.libraries.temporary_s + 1)

    async def judge(*_: Any) -> None:
        assert await count(shop, "audit", f"image_id = {image.id} AND action = 'deleted'") == 1

    return Race(libraries.expire, libraries.expire, judge)


async def in_a_store_that_is_emptied(shop: Shop) -> Race:
    """Nothing is left of what was there."""
    catalog_id = await shop.value("SELECT min(id) FROM catalog")
    shirt = await make_product(shop.core, shop.admin, catalog_id=catalog_id)
    image = await make_image(shop.core, shop.admin, shirt, PICTURES[0])

    async def judge(_: Any, emptied: Any) -> None:
        assert isinstance(emptied, dict)
        assert await count(shop, "trash") + await count(shop, "image") == 0

    remove = partial(images.remove_from_product, caller=shop.admin, product_id=shirt, image_id=image.id)
    return Race(remove, partial(seeds.replace, contents=seeds.Contents()), judge)


async def erased_on_the_way_into_the_trash(shop: Shop) -> Race:
    """It is nowhere then."""
    shirt = await make_product(shop.core, shop.admin)
    image = await make_image(shop.core, shop.admin, shirt, PICTURES[0])
    remove = partial(images.remove_from_product, caller=shop.admin, product_id=shirt, image_id=image.id)
    return Race(*await _erased(shop, image.id, remove))


async def erased_on_the_way_out_of_the_trash(shop: Shop) -> Race:
    """It is nowhere then."""
    image_id, deletion_id = await _thrown_away(shop)
    restore = partial(restoring.restore, caller=shop.admin, deletion_id=deletion_id)
    return Race(*await _erased(shop, image_id, restore))


async def _erased(shop: Shop, image_id: int, moving: Callable[[Core], Any]) -> Race:
    found = await erasing.find(shop.core, shop.admin.account_id, image_id)

    async def judge(*_: Any) -> None:
        assert await count(shop, "image", f"id = {image_id}") == 0
        assert await count(shop, "trash", f"item_id = {image_id} AND kind = 'image'") == 0

    return Race(moving, partial(erasing.erase_images, caller=shop.admin, images=found), judge)


async def healed_on_the_way_out_of_the_trash(shop: Shop) -> Race:
    """It has the new bytes."""
    await _tidy(shop)
    image_id, deletion_id = await _thrown_away(shop)
    await shop.value("UPDATE blob SET state = 'corrupt'")
    restore = partial(restoring.restore, caller=shop.admin, deletion_id=deletion_id)
    return await _healed(shop, image_id, restore)


async def healed_on_the_way_into_the_trash(shop: Shop) -> Race:
    """The same the other way."""
    await _tidy(shop)
    shirt = await make_product(shop.core, shop.admin)
    image = await make_image(shop.core, shop.admin, shirt, PICTURES[0])
    await shop.value("UPDATE blob SET state = 'corrupt'")
    remove = partial(images.remove_from_product, caller=shop.admin, product_id=shirt, image_id=image.id)
    return await _healed(shop, image.id, remove)


async def _healed(shop: Shop, image_id: int, moving: Callable[[Core], Any]) -> Race:
    other = await make_product(shop.core, shop.admin)

    async def judge(*came: Any) -> None:
        assert of(came, BaseException) == 0
        pointing = "(SELECT blob_id FROM image WHERE id = {0} UNION SELECT blob_id FROM trash WHERE item_id = {0})"
        states = await shop.core.db.all(f"SELECT state FROM blob WHERE id IN {pointing.format(image_id)}")
        assert states == [("live",)]

    return Race(moving, adding(shop.admin, other), judge)


async def onto_bytes_found_damaged(shop: Shop) -> Race:
    """Every image of them is said to be corrupt, the one that comes meanwhile, too, unless it brought its own."""
    await _tidy(shop)
    one, other = [await make_product(shop.core, shop.admin) for _ in range(2)]
    await make_image(shop.core, shop.admin, one, PICTURES[0])
    place = shop.admin.account_id, int(await shop.value("SELECT id FROM blob"))

    async def judge(*came: Any) -> None:
        assert of(came, BaseException) == 0
        bad = "SELECT i.id FROM image i JOIN blob b ON b.id = i.blob_id WHERE b.state <> 'live'"
        shown = await shop.core.db.all(bad)
        told = await shop.core.db.all("SELECT image_id FROM audit WHERE action = 'corrupt'")
        assert {row[0] for row in shown} <= {row[0] for row in told}

    def find(core: Core) -> Any:
        return core.db.write(lambda tx: scrub.mark_corrupt(tx, place, core.now()))

    return Race(adding(shop.admin, other), find, judge)


HELD: tuple[Scene, ...] = (
    onto_a_product_that_goes, the_same_deletion, the_same_guids, out_of_the_trash, out_of_a_trash_that_is_emptied,
    back_onto_a_product_and_onto_another,
    into_a_deletion_that_is_purged, within_a_quota, beside_a_new_quota, doomed_beside_a_new_quota, in_order,
    behind_one_that_is_delivered, the_last_variations, a_variation_of_one_that_goes, other_fields,
    other_fields_of_what_is_sold, what_has_ended, in_a_store_that_is_emptied,
    erased_on_the_way_out_of_the_trash, healed_on_the_way_out_of_the_trash, healed_on_the_way_into_the_trash,
    onto_bytes_found_damaged,
)  # fmt: skip
"""Where rows are held."""

DECIDED: tuple[Scene, ...] = (
    in_the_role_of_another, the_same_bytes, with_one_code, with_one_guid, links_cut_twice, one_selection,
    erased_on_the_way_into_the_trash,
)  # fmt: skip
"""Where an index decides, or a statement by itself, whatever else is held."""


@pytest.mark.parametrize("scene", [*HELD, *DECIDED])
async def test_two_at_once_come_to_what_they_would_one_after_the_other(shop: Shop, scene: Scene) -> None:
    assert await harm(shop, scene, steps=2) == []


@pytest.mark.long
@pytest.mark.parametrize("scene", [*HELD, *DECIDED])
async def test_that_is_so_whatever_statement_one_of_them_is_held_up_before(shop: Shop, scene: Scene) -> None:
    assert await harm(shop, scene) == []


async def test_adds_to_different_products_of_an_account_do_not_wait_for_each_other(shop: Shop) -> None:
    one, other = await _listened_to(shop), await make_product(shop.core, shop.admin)
    reached, go = asyncio.Event(), asyncio.Event()

    async def before(sql: str) -> None:
        if sql == "COMMIT":
            reached.set()
            await go.wait()

    await make_image(shop.core, shop.admin, one, PICTURES[0])
    adding = asyncio.create_task(make_image(watched(shop.core, before), shop.admin, one, PICTURES[0], "detail"))
    await reached.wait()

    async with asyncio.timeout(PATIENCE_S):
        for number in (0, 1):  # the same bytes and others
            await make_image(shop.core, shop.admin, other, PICTURES[number], "detail")

    go.set()
    await adding


@pytest.mark.parametrize("scene", HELD)
async def test_where_nothing_is_held_they_do_not(shop: Shop, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    without_locks(monkeypatch)

    found = await harm(shop, scene, enough=1)
    await seeds.replace(shop.core, seeds.Contents())  # others would meet what came of it, once its ids are used again

    assert found != []
