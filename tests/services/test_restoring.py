"""Deletions of whatever, one after the other or in one request, are undone to the last column."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, get_args

import pytest

import pictures
from build import Clock, make_image, make_inventory_product, make_library_image, make_product
from packshot.domain.access import Principal
from packshot.domain.catalogs import Property, Section
from packshot.domain.errors import Conflict, NotFound
from packshot.domain.images import ImageRole
from packshot.domain.inventory import LINK_FIELDS, InventoryChange
from packshot.domain.libraries import Place
from packshot.domain.products import Fields, Kind
from packshot.services import (
    calls,
    catalogs,
    events,
    handlers,
    images,
    inventory,
    libraries,
    products,
    restoring,
    selections,
    upkeep,
)
from packshot.services.core import Core
from packshot.services.originals import Upload
from packshot.services.product_parts import File, NewValue, NewValues, Parts, Removed, Text
from packshot.services.setup import Seed
from packshot.storage import trash
from packshot.storage.database import Tx

SEEDS, OPERATIONS = 12, 8
GUIDS = [f"0d4b7a1e-6a55-4c0b-9df0-3f1c2a9be00{number}" for number in range(3)]
SINGLE: list[ImageRole] = ["detail", "preview"]
ALL = tuple(Kind)

Rows = dict[str, list[tuple[Any, ...]]]


def picture(rng: random.Random) -> Upload:
    data = pictures.png(rng.randrange(1, 5), rng.randrange(1, 5))
    return Upload(f"{rng.randrange(1000)}.png", len(data), lambda: data)


class Scene(NamedTuple):
    """A store with a bit of everything in it, and chance."""

    core: Core
    admin: Principal
    rng: random.Random
    file_id: int

    async def ids(self, sql: str) -> list[Any]:
        return [row[0] for row in await self.core.db.all(sql)]

    async def pick(self, sql: str) -> Any:
        found = await self.ids(sql)
        return self.rng.choice(found) if found else None


async def everything(core: Core) -> Rows:
    """All rows of all tables whose rows come into the trash, but for when they were changed."""
    found: Rows = {}
    for table, columns in trash.COLUMNS.items():
        names = ", ".join(name for name in columns.split() if name not in {"updated_at", "changed_at"})
        found[table] = sorted(await core.db.all(f"SELECT {names} FROM {table}"), key=repr)
    return found


async def furnished(core: Core, admin: Principal, seed: Seed, number: int) -> Scene:
    """Products of each sort with all that they may have, library images that are sold, and selections."""
    rng = random.Random(number)
    catalog_id, account_id = seed.catalog_id, admin.account_id
    sections = [
        await catalogs.add_section(core, account_id, Section(catalog_id=catalog_id, name=name)) for name in ("A", "B")
    ]
    file_id = await catalogs.add_property(core, account_id, catalog_id, Property("MANUAL", "M", "F", multiple=False))
    scene = Scene(core, admin, rng, file_id)
    for index in range(3):
        fields: Fields = {
            "catalog_id": catalog_id,
            "name": f"\x1b[1mP{index} ä'\"",
            "code": f"c{index}",
            "weight": rng.random(),
        }
        parts = Parts(
            pictures={role: picture(rng) for role in SINGLE if rng.random() < 0.7},
            properties={
                file_id: NewValues([File(picture(rng))], multiple=False),
                900: NewValues([Text("x"), Text("y"), File(picture(rng))], multiple=True),
            },
            sections=tuple(rng.sample(sections, rng.randrange(3))),
        )
        made = await products.add(core, admin, Kind.SIMPLE if index else Kind.EMPTY_PARENT, fields, parts)
        for _ in range(2):
            await make_image(core, admin, int(made.fields["id"] or 0), picture(rng).read())
        for _ in range(0 if index else 2):
            fields = {"catalog_id": seed.variations_id, "name": "V", "parent_id": made.fields["id"], "sort": 7}
            parts = Parts(pictures={"detail": picture(rng)}, properties={901: NewValues([Text("z")], multiple=False)})
            await products.add(core, admin, Kind.VARIATION, fields, parts)
    for name in ("l1.png", "l2.png"):
        await make_library_image(core, admin, picture(rng).read(), name=name)
    await make_library_image(core, admin, name="elsewhere.jpg")
    await _sell_and_choose(scene)
    return scene


async def _sell_and_choose(scene: Scene) -> None:
    core, admin, rng = scene.core, scene.admin, scene.rng
    guids = await scene.ids("SELECT guid FROM image WHERE library = 'inventory' ORDER BY id")
    for guid in rng.sample(guids, 6):
        sold = await make_inventory_product(core, admin, guid)
        links = dict.fromkeys(rng.sample([f for fields in LINK_FIELDS.values() for f in fields], 2), "7")
        await inventory.update(core, admin, [InventoryChange(sku=sold.sku, links=links, asking_price=rng.random())])
    for guid in GUIDS[:2]:
        await selections.replace(core, admin, guid, rng.sample(guids, 5))

    async def work(tx: Tx) -> None:
        for image_id in await scene.ids("SELECT id FROM image"):
            await tx.run(
                "UPDATE image SET focus_x = ?2, focus_y = ?3, privacy = ?4, version = ?5, description = ?6, site_id = 3"
                " WHERE id = ?1",
                image_id, rng.randrange(101), rng.randrange(101), rng.choice([None, "keep", "strip_all"]),
                rng.randrange(1, 9), "ü\x01\n",
            )  # fmt: skip

    await core.db.write(work)


async def delete_product(scene: Scene) -> None:
    if product_id := await scene.pick("SELECT id FROM product ORDER BY id"):
        await products.remove(scene.core, scene.admin, product_id, ALL)


async def delete_images(scene: Scene) -> None:
    guids = await scene.ids("SELECT guid FROM image WHERE library IS NOT NULL ORDER BY id")
    await libraries.remove_images(scene.core, scene.admin, scene.rng.sample(guids, min(len(guids), 3)), None)


async def delete_image(scene: Scene) -> None:
    if image_id := await scene.pick(
        "SELECT id FROM image WHERE product_id NOTNULL AND property_id IS NULL ORDER BY id"
    ):
        (product_id,) = await scene.ids(f"SELECT product_id FROM image WHERE id = {image_id}")
        await images.remove_from_product(scene.core, scene.admin, product_id, image_id)


async def replace_picture(scene: Scene) -> None:
    if product_id := await scene.pick("SELECT id FROM product ORDER BY id"):
        role = scene.rng.choice(SINGLE)
        if await scene.ids(f"SELECT id FROM image WHERE product_id = {product_id} AND role = '{role}'"):
            await images.add_to_product(scene.core, scene.admin, product_id, role, picture(scene.rng))


async def remove_picture(scene: Scene) -> None:
    if product_id := await scene.pick("SELECT id FROM product ORDER BY id"):
        parts = Parts(pictures={scene.rng.choice(SINGLE): None})
        await products.update(scene.core, scene.admin, product_id, ALL, {}, parts)


async def replace_file(scene: Scene) -> None:
    if product_id := await scene.pick("SELECT product_id FROM property_value WHERE multiple = 0 AND image_id NOTNULL"):
        values = NewValues([File(picture(scene.rng))], multiple=False)
        parts = Parts(properties={scene.file_id: values})
        await products.update(scene.core, scene.admin, product_id, ALL, {}, parts)


async def remove_file(scene: Scene) -> None:
    if value_id := await scene.pick("SELECT id FROM property_value WHERE property_id = 900 AND image_id NOTNULL"):
        (product_id,) = await scene.ids(f"SELECT product_id FROM property_value WHERE id = {value_id}")
        texts = await scene.core.db.all(
            f"SELECT text, id FROM property_value WHERE property_id = 900 AND product_id = {product_id} AND text <> ''"
        )
        values: list[NewValue] = [Removed(value_id), *(Text(*row) for row in texts)]
        parts = Parts(properties={900: NewValues(values, multiple=True)})
        await products.update(scene.core, scene.admin, product_id, ALL, {}, parts)


async def remove_from_gallery(scene: Scene) -> None:
    found = await scene.core.db.all(
        "SELECT i.product_id, p.id, i.id FROM image i JOIN product o ON o.id = i.product_id"
        " JOIN property p ON p.catalog_id = o.catalog_id AND p.code = 'MORE_PHOTO'"
        " WHERE i.role = 'more' AND i.property_id IS NULL ORDER BY i.id"
    )
    if found:
        product_id, gallery_id, image_id = scene.rng.choice(found)
        parts = Parts(properties={gallery_id: NewValues([Removed(image_id)], multiple=True)})
        await products.update(scene.core, scene.admin, product_id, ALL, {}, parts)


async def delete_inventory(scene: Scene) -> None:
    if sku := await scene.pick("SELECT sku FROM inventory_product ORDER BY id"):
        await inventory.remove(scene.core, scene.admin, [sku])


async def disconnect(scene: Scene) -> None:
    await inventory.disconnect(scene.core, scene.admin, scene.rng.choice(sorted(LINK_FIELDS)))


async def replace_selection(scene: Scene) -> None:
    guid = await scene.pick("SELECT DISTINCT guid FROM selection ORDER BY guid")
    guids = await scene.ids("SELECT guid FROM image WHERE library IS NOT NULL ORDER BY id")
    if guid:
        kept = scene.rng.sample(guids, min(len(guids), scene.rng.randrange(4)))
        await selections.replace(scene.core, scene.admin, guid, kept)


OPERATIONS_OF_ALL_SORTS: list[Callable[[Scene], Awaitable[None]]] = [
    delete_product, delete_images, delete_image, replace_picture, remove_picture, replace_file, remove_file,
    remove_from_gallery, delete_inventory, disconnect, replace_selection,
]  # fmt: skip


async def latest(scene: Scene) -> list[int]:
    return [deletion.id for deletion in await restoring.of_deletions(scene.core, scene.admin)]


@pytest.mark.parametrize("number", range(SEEDS))
async def test_deletions_are_undone_one_after_the_other_the_last_one_first(
    core: Core, admin: Principal, seed: Seed, number: int
) -> None:
    scene = await furnished(core, admin, seed, number)
    states = []
    for at in range(OPERATIONS):
        calls.begin(core, "a call")
        calls.REQUEST_ID.set(f"request {at}")
        before, known = await everything(core), await latest(scene)
        await scene.rng.choice(OPERATIONS_OF_ALL_SORTS)(scene)
        states += [(deletion_id, before) for deletion_id in await latest(scene) if deletion_id not in known]

    assert len(states) > 1
    for at, (deletion_id, before) in enumerate(reversed(states)):
        calls.REQUEST_ID.set(f"undo {at}")
        restored = await restoring.restore(core, admin, deletion_id)
        assert restored.left_out == []
        assert await everything(core) == before


@pytest.mark.parametrize("number", range(SEEDS))
async def test_all_deletions_of_one_request_are_undone_as_one(
    core: Core, admin: Principal, seed: Seed, number: int
) -> None:
    scene = await furnished(core, admin, seed, number)
    before = await everything(core)
    calls.begin(core, "a call")
    calls.REQUEST_ID.set("a request")
    for _ in range(OPERATIONS):
        await scene.rng.choice(OPERATIONS_OF_ALL_SORTS)(scene)

    (deletion_id,) = await latest(scene)
    calls.REQUEST_ID.set("undo")
    await restoring.restore(core, admin, deletion_id)

    assert await everything(core) == before


async def test_pictures_that_took_one_place_in_one_request_leave_it_to_the_first(
    core: Core, admin: Principal, shirt: int
) -> None:
    calls.begin(core, "catalog.productImage.add")
    calls.REQUEST_ID.set("a batch")
    first, *_, last = [await make_image(core, admin, shirt, pictures.png(n, 2), "detail") for n in (1, 2, 3)]
    (deletion,) = await restoring.of_deletions(core, admin)

    await restoring.restore(core, admin, deletion.id)

    assert await images.get(core, admin, shirt, first.id) == first
    with pytest.raises(NotFound):
        await images.get(core, admin, shirt, last.id)


async def test_a_variation_deleted_before_its_parent_in_one_request_comes_back_behind_it(
    core: Core, admin: Principal, seed: Seed
) -> None:
    parent_id, variation_id = await make_family(core, admin, seed)
    before = await everything(core)
    calls.begin(core, "deletes both")
    calls.REQUEST_ID.set("a request")
    await products.remove(core, admin, variation_id, ALL)
    await products.remove(core, admin, parent_id, ALL)

    await restoring.restore(core, admin, 1)

    assert await everything(core) == before


async def make_family(core: Core, admin: Principal, seed: Seed) -> tuple[int, int]:
    """The ids of a product and of its one variation."""
    parent = await products.add(core, admin, Kind.EMPTY_PARENT, {"catalog_id": seed.catalog_id, "name": "P"})
    fields: Fields = {"catalog_id": seed.variations_id, "name": "V", "parent_id": parent.fields["id"]}
    variation = await products.add(core, admin, Kind.VARIATION, fields)
    return int(parent.fields["id"] or 0), int(variation.fields["id"] or 0)


async def test_a_parent_that_comes_back_without_its_variations_is_an_empty_one(
    core: Core, admin: Principal, seed: Seed
) -> None:
    parent_id, variation_id = await make_family(core, admin, seed)
    await products.remove(core, admin, parent_id, ALL)

    await restoring.restore(core, admin, 1, [str(parent_id)])
    kind = (await products.get(core, admin, parent_id, ALL)).fields["kind"]
    await restoring.restore(core, admin, 1, [str(variation_id)])

    assert kind == Kind.EMPTY_PARENT
    assert (await products.get(core, admin, parent_id, ALL)).fields["kind"] == Kind.PARENT


async def test_a_selection_says_which_of_its_images_are_gone(core: Core, admin: Principal) -> None:
    kept, gone = [await make_library_image(core, admin, name=name) for name in ("a.jpg", "b.jpg")]
    await selections.replace(core, admin, GUIDS[0], [gone.guid, kept.guid])
    await selections.replace(core, admin, GUIDS[0], [])
    await libraries.remove_images(core, admin, [gone.guid], None)

    restored = await restoring.restore(core, admin, 1)

    assert await selections.of_selection(core, admin, GUIDS[0]) == [kept.guid]
    assert restored.left_out == [f"1 of the images of selection {GUIDS[0]}: gone by now"]


@pytest.fixture
async def bereft(core: Core, admin: Principal, seed: Seed) -> list[str]:
    """The guids of an image that is sold and of a file, in deletions 1 and 2: their product is gone for good."""
    file_id = await catalogs.add_property(
        core, admin.account_id, seed.catalog_id, Property("MANUAL", "M", "F", multiple=False)
    )
    file = NewValues([File(picture(random.Random(1)))], multiple=False)
    made = await products.add(
        core, admin, Kind.SIMPLE, {"catalog_id": seed.catalog_id, "name": "P"}, Parts(properties={file_id: file})
    )
    product_id, held = int(made.fields["id"] or 0), made.values[0].image
    image = await make_image(core, admin, product_id, pictures.png(3, 3), "detail")
    await make_inventory_product(core, admin, image.guid)
    await libraries.remove_images(core, admin, [image.guid], None)
    removed = Parts(properties={file_id: NewValues([Removed()], multiple=False)})
    await products.update(core, admin, product_id, ALL, {}, removed)
    await products.remove(core, admin, product_id, ALL)
    await restoring.purge(core, admin, 3)
    assert held is not None
    return [image.guid, held.guid]


async def test_images_whose_product_is_gone_for_good_may_come_into_the_library(
    core: Core, admin: Principal, bereft: list[str]
) -> None:
    with pytest.raises(Conflict, match="gone for good"):
        await restoring.restore(core, admin, 1)
    restored = [await restoring.restore(core, admin, deletion_id, alone=True) for deletion_id in (1, 2)]

    found = await libraries.preview_removal(core, admin, bereft, Place())
    assert [(image.guid, image.product_id, image.role) for image in found] == [(guid, None, None) for guid in bereft]
    assert len((await inventory.of_images(core, admin, [found[0].id]))[found[0].id]) == 1
    assert [one.left_out[0] for one in restored] == [
        f"the place of image {guid} on product 1, which is not there" for guid in bereft
    ]


async def test_images_whose_product_is_there_come_onto_it_however_they_are_asked_for(
    core: Core, admin: Principal, shirt: int
) -> None:
    image = await make_image(core, admin, shirt, pictures.png())
    await libraries.remove_images(core, admin, [image.guid], None)

    restored = await restoring.restore(core, admin, 1, alone=True)

    assert await images.get(core, admin, shirt, image.id) == image
    assert restored.left_out == []


async def test_rows_that_are_older_than_a_column_get_its_default(core: Core, admin: Principal, shirt: int) -> None:
    image = await make_image(core, admin, shirt, pictures.png())
    before = await everything(core)
    await libraries.remove_images(core, admin, [image.guid], None)

    async def age(tx: Tx) -> None:
        row = await tx.one("SELECT id, rows FROM trash")
        assert row is not None
        rows = json.loads(row[1])
        for name in ("version", "focus_x", "focus_y", "privacy", "active"):
            del rows["image"][0][name]
        rows["image"][0]["no_longer_there"] = 1
        await tx.run("UPDATE trash SET rows = ?2 WHERE id = ?1", row[0], json.dumps(rows))

    await core.db.write(age)
    await restoring.restore(core, admin, 1)

    assert await everything(core) == before


async def test_whoever_comes_first_restores_and_the_others_find_nothing(
    core: Core, admin: Principal, shirt: int, clock: Clock
) -> None:
    image = await make_image(core, admin, shirt, pictures.png())
    await libraries.remove_images(core, admin, [image.guid], None)
    clock.advance(core.trash.keep_s + 1)

    restored, again, emptied, purged = await asyncio.gather(
        restoring.restore(core, admin, 1),
        restoring.restore(core, admin, 1),
        upkeep.empty_trash(core),
        restoring.purge(core, admin, 1),
        return_exceptions=True,
    )

    assert isinstance(restored, restoring.Restored)
    assert (isinstance(again, NotFound), emptied, isinstance(purged, NotFound)) == (True, 0, True)
    assert await images.get(core, admin, shirt, image.id) == image


async def test_ids_of_what_lies_in_the_trash_are_never_given_to_something_new(
    core: Core, admin: Principal, shirt: int
) -> None:
    image = await make_image(core, admin, shirt, pictures.png())
    sold = await make_inventory_product(core, admin, image.guid)
    await libraries.remove_images(core, admin, [image.guid], None)
    await products.remove(core, admin, shirt, ALL)

    product_id = await make_product(core, admin)
    new = await make_image(core, admin, product_id, pictures.png())
    resold = await make_inventory_product(core, admin, new.guid)

    assert (product_id, new.id, resold.id) == (shirt + 1, image.id + 1, sold.id + 1)


async def test_a_file_comes_back_without_an_event_as_it_came_and_went(core: Core, admin: Principal, shirt: int) -> None:
    file = NewValues([File(picture(random.Random(1)))], multiple=True)
    await handlers.add_webhook(core, "main", "https://93.184.216.34/told", list(get_args(events.ImageEvent)))

    await products.update(core, admin, shirt, ALL, {}, Parts(properties={900: file}))
    removed = Parts(properties={900: NewValues([Removed()], multiple=True)})
    await products.update(core, admin, shirt, ALL, {}, removed)
    (deletion, *_) = await restoring.of_deletions(core, admin)
    await restoring.restore(core, admin, deletion.id)

    assert await core.db.all("SELECT event FROM outbox") == []
