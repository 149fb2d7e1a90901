"""What leaves a product and is sold stays in the library, unless somebody deletes the image itself."""

from collections.abc import Awaitable, Callable

import pytest

import pictures
from build import make_account, make_image, make_inventory_product, make_product
from packshot.config import Settings
from packshot.domain.access import Principal
from packshot.domain.catalogs import Property
from packshot.domain.images import ImageRole, ProductImage
from packshot.domain.products import Fields, Kind
from packshot.services import handlers, images, products
from packshot.services.core import Core
from packshot.services.images import MAX_NOTED
from packshot.services.originals import Upload
from packshot.services.product_parts import File, NewValue, NewValues, Parts, Removed
from packshot.storage import catalogs, library
from packshot.storage.database import Tx
from receiver import PRIVATE, noted

SHIRT = pictures.png()
MUG = pictures.png(4, 4)
SIMPLE = (Kind.SIMPLE,)
GALLERY = 1
UPDATE, DELETE = "PACKSHOT.IMAGE.ON.UPDATE", "PACKSHOT.IMAGE.ON.DELETE"

Leave = Callable[[Core, Principal, ProductImage], Awaitable[object]]


@pytest.fixture
def settings() -> Settings:
    return PRIVATE


def upload() -> Upload:
    return Upload("mug.png", len(MUG), lambda: MUG)


async def replace(core: Core, admin: Principal, image: ProductImage) -> None:
    await images.add_to_product(core, admin, image.product_id, image.role, upload())


async def update(core: Core, admin: Principal, image: ProductImage, parts: Parts) -> None:
    await products.update(core, admin, image.product_id, SIMPLE, {}, parts)


def gallery(value: NewValue, *, multiple: bool = True) -> Parts:
    return Parts(properties={GALLERY: NewValues([value], multiple=multiple)})


async def remove_product(core: Core, admin: Principal, image: ProductImage) -> None:
    await products.remove(core, admin, image.product_id, SIMPLE)


LEAVES: dict[str, tuple[ImageRole, Leave]] = {
    "a detail picture is replaced": ("detail", replace),
    "a preview picture is replaced": ("preview", replace),
    "a detail picture is replaced by an update": (
        "detail",
        lambda core, admin, image: update(core, admin, image, Parts({"detail": upload()})),
    ),
    "a preview picture is taken away": (
        "preview",
        lambda core, admin, image: update(core, admin, image, Parts({"preview": None})),
    ),
    "a value of the gallery is removed": (
        "more",
        lambda core, admin, image: update(core, admin, image, gallery(Removed(image.id))),
    ),
    "a value of the gallery is replaced": (
        "more",
        lambda core, admin, image: update(core, admin, image, gallery(File(upload(), image.id))),
    ),
    "the whole gallery is replaced": (
        "more",
        lambda core, admin, image: update(core, admin, image, gallery(File(upload()), multiple=False)),
    ),
    "the product is deleted": ("detail", remove_product),
    "the product is deleted with its gallery": ("more", remove_product),
}


async def counts(core: Core) -> tuple[int, ...]:
    """How many images, inventory products and places in selections there are of the first image."""
    tables = ("image WHERE id", "inventory_product WHERE image_id", "selection WHERE image_id")
    rows = [await core.db.one(f"SELECT count(*) FROM {table} = 1") for table in tables]
    return tuple(row[0] for row in rows if row)


async def select(core: Core, image: ProductImage) -> None:
    """Put the image into a selection."""

    async def work(tx: Tx) -> None:
        await tx.run("INSERT INTO selection SELECT account_id, 'mine', 0, id FROM image WHERE id = ?1", image.id)

    await core.db.write(work)


@pytest.mark.parametrize("name", LEAVES)
async def test_an_image_that_is_sold_leaves_its_product_and_stays(core: Core, admin: Principal, name: str) -> None:
    role, leave = LEAVES[name]
    image = await make_image(core, admin, await make_product(core, admin), SHIRT, role)
    await make_inventory_product(core, admin, image.guid)
    await select(core, image)
    await handlers.add_webhook(core, "main", "http://127.0.0.1:9/told", [UPDATE, DELETE])

    await leave(core, admin, image)

    (kept,) = await library.of_guids(core.db, admin.account_id, [image.guid], core.now())
    assert (kept.id, kept.address, kept.name) == (image.id, image.address, image.name)
    assert (kept.place.library, kept.product_id, kept.role) == ("inventory", None, None)
    assert await counts(core) == (1, 1, 1)
    fields = {"ID": image.id, "GUID": image.guid, "PRODUCT_ID": None, "ROLE": None}
    assert await noted(core) == [(UPDATE, fields)]


@pytest.mark.parametrize("name", LEAVES)
async def test_an_image_that_nothing_is_sold_of_is_deleted(core: Core, admin: Principal, name: str) -> None:
    role, leave = LEAVES[name]
    image = await make_image(core, admin, await make_product(core, admin), SHIRT, role)
    await select(core, image)
    await handlers.add_webhook(core, "main", "http://127.0.0.1:9/told", [UPDATE, DELETE])

    await leave(core, admin, image)

    assert await counts(core) == (0, 0, 0)
    fields = {"ID": image.id, "GUID": image.guid, "PRODUCT_ID": image.product_id, "ROLE": role}
    assert await noted(core) == [(DELETE, fields)]


async def test_the_deletion_of_an_image_takes_along_what_is_sold_of_it(core: Core, admin: Principal) -> None:
    image = await make_image(core, admin, await make_product(core, admin), SHIRT)
    await make_inventory_product(core, admin, image.guid)
    await select(core, image)

    await images.remove_from_product(core, admin, image.product_id, image.id)

    assert await counts(core) == (0, 0, 0)


async def test_a_file_of_a_property_goes_with_its_product(core: Core, admin: Principal) -> None:
    new = Property("EXTRA", "Extra", "F", multiple=True)
    extra = await core.db.write(lambda tx: catalogs.add_property(tx, admin.account_id, 1, new, core.now()))
    parts = Parts(properties={extra: NewValues([File(upload())], multiple=True)})
    product = await products.add(core, admin, Kind.SIMPLE, {"catalog_id": 1, "name": "Shirt"}, parts)
    await handlers.add_webhook(core, "main", "http://127.0.0.1:9/told", [UPDATE, DELETE])

    await products.remove(core, admin, int(product.fields["id"] or 0), SIMPLE)

    assert await counts(core) == (0, 0, 0)
    assert await noted(core) == []


async def test_images_of_variations_leave_with_their_parent(core: Core, admin: Principal) -> None:
    parent = await products.add(core, admin, Kind.PARENT, {"catalog_id": 1, "name": "Shirts"})
    fields: Fields = {"catalog_id": 2, "name": "Red", "parent_id": parent.fields["id"]}
    red = int((await products.add(core, admin, Kind.VARIATION, fields)).fields["id"] or 0)
    sold, other = [await make_image(core, admin, red, SHIRT, role) for role in ("detail", "preview")]
    await make_inventory_product(core, admin, sold.guid)
    bystander = await make_image(core, admin, await make_product(core, admin), SHIRT)
    await handlers.add_webhook(core, "main", "http://127.0.0.1:9/told", [UPDATE, DELETE])

    await products.remove(core, admin, int(parent.fields["id"] or 0), (Kind.EMPTY_PARENT, Kind.PARENT))

    assert [(event, data["ID"]) for event, data in await noted(core)] == [(UPDATE, sold.id), (DELETE, other.id)]
    there = await core.db.all("SELECT id, product_id FROM image ORDER BY id")
    assert there == [(sold.id, None), (bystander.id, bystander.product_id)]


async def test_what_is_told_of_a_product_comes_in_its_order(core: Core, admin: Principal) -> None:
    image = await make_image(core, admin, await make_product(core, admin), SHIRT, "detail")
    await make_inventory_product(core, admin, image.guid)
    await handlers.add_webhook(core, "main", "http://127.0.0.1:9/told", [UPDATE])

    await replace(core, admin, image)

    assert await core.db.all("SELECT product_id FROM outbox") == [(image.product_id,)]


async def test_another_accounts_image_stays_as_it_is(core: Core, admin: Principal) -> None:
    image = await make_image(core, admin, await make_product(core, admin), SHIRT)
    other, _ = await make_account(core, "other")

    await core.db.write(lambda tx: images.let_go(tx, other, [image], core.now()))

    assert await images.get(core, admin, image.product_id, image.id) == image


@pytest.mark.parametrize("name", ["the product is deleted", "the whole gallery is replaced"])
async def test_countless_images_leave_with_a_bounded_number_of_events(core: Core, admin: Principal, name: str) -> None:
    _, leave = LEAVES[name]
    image = await make_image(core, admin, await make_product(core, admin), SHIRT)

    async def copy(tx: Tx) -> None:
        columns = "account_id, library, product_id, role, name, name_folded, title, searched, blob_id, size_bytes"
        await tx.run(
            f"INSERT INTO image ({columns}, width_px, height_px, created_at, guid, address)"
            " WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < ?1)"
            f" SELECT {columns}, width_px, height_px, created_at, 'guid ' || x, 'address ' || x FROM image, n",
            MAX_NOTED + 9,
        )

    await core.db.write(copy)
    await handlers.add_webhook(core, "main", "http://127.0.0.1:9/told", [DELETE])

    await leave(core, admin, image)

    assert len(await noted(core)) == MAX_NOTED
    assert await core.db.all("SELECT id FROM image WHERE name = ?1", image.name) == []
