"""Rows of images and blobs: what the schema itself forbids, and what one account sees of another."""

from pathlib import Path
from uuid import uuid4

import pytest

import pictures
from build import make_account, make_image, make_inventory_product, make_product
from packshot.domain.access import Principal
from packshot.domain.errors import Conflict
from packshot.domain.images import ImageRole, NewImage, ProductImage
from packshot.domain.originals import Header, NewBlob
from packshot.domain.paging import Condition, Ordering, Query
from packshot.services.core import Core
from packshot.storage import blob_rows, images, library, sequences
from packshot.storage.database import Tx
from packshot.storage.folder import DATABASE
from plans import Statements, steps_of

SHIRT = pictures.png()
BLOB = NewBlob("ab" * 32, 10, Header("image/png", 3, 2))


@pytest.fixture
async def image(core: Core, admin: Principal) -> ProductImage:
    return await make_image(core, admin, await make_product(core, admin), SHIRT)


async def insert(core: Core, account_id: int, product_id: int, role: ImageRole, blob_id: int = 1) -> ProductImage:
    new = NewImage(product_id, role, "a.png", f"{role} {await sequences.next_id(core.db, 'image')}", str(uuid4()), 5)
    return await core.db.write(lambda tx: images.add_image(tx, account_id, new, blob_id))


@pytest.mark.parametrize("role", ["detail", "preview"])
async def test_the_schema_holds_one_picture_in_each_single_place(
    core: Core, admin: Principal, image: ProductImage, role: ImageRole
) -> None:
    await insert(core, admin.account_id, image.product_id, role)

    with pytest.raises(Conflict):
        await insert(core, admin.account_id, image.product_id, role)

    await insert(core, admin.account_id, await make_product(core, admin), role)
    for _ in range(2):
        await insert(core, admin.account_id, image.product_id, "more")


@pytest.mark.usefixtures("image")
async def test_a_blob_that_an_image_points_at_cannot_be_deleted(core: Core) -> None:
    with pytest.raises(Conflict):
        await core.db.write(lambda tx: tx.run("DELETE FROM blob"))


async def test_an_image_needs_its_blob_and_its_product(core: Core, admin: Principal, image: ProductImage) -> None:
    with pytest.raises(Conflict):
        await insert(core, admin.account_id, image.product_id, "more", blob_id=4_711)
    with pytest.raises(Conflict):
        await insert(core, admin.account_id, 4_711, "more")


async def test_one_generation_of_equal_bytes_is_live_in_an_account(core: Core, admin: Principal) -> None:
    other, _ = await make_account(core, "other")

    await core.db.write(lambda tx: blob_rows.add_blob(tx, admin.account_id, BLOB, "first", 5))
    await core.db.write(lambda tx: blob_rows.add_blob(tx, other.account_id, BLOB, "theirs", 5))
    assert await core.db.write(lambda tx: blob_rows.add_blob(tx, admin.account_id, BLOB, "second", 5)) is None

    await core.db.write(lambda tx: blob_rows.mark_corrupt(tx, 1))
    await core.db.write(lambda tx: blob_rows.add_blob(tx, admin.account_id, BLOB, "second", 5))
    live = await blob_rows.find_live(core.db, admin.account_id, BLOB.digest)
    assert live is not None
    assert live.key == "second"


async def test_a_key_is_used_once_whatever_becomes_of_it(core: Core, admin: Principal) -> None:
    await core.db.write(lambda tx: blob_rows.add_blob(tx, admin.account_id, BLOB, "key", 5))
    await core.db.write(lambda tx: tx.run("UPDATE blob SET state = 'doomed', doomed_at = 5"))

    with pytest.raises(Conflict):
        await core.db.write(lambda tx: blob_rows.add_blob(tx, admin.account_id, BLOB, "key", 6))


async def test_another_accounts_image_is_not_there(core: Core, admin: Principal, image: ProductImage) -> None:
    other, _ = await make_account(core, "other")

    assert await images.find_image(core.db, other.account_id, image.product_id, image.id) is None
    assert await images.find_original(core.db, other.account_id, image.id) is None
    assert await images.of_products(core.db, other.account_id, [image.product_id]) == []
    assert (await images.list_images(core.db, other.account_id, image.product_id, Query())).rows == []
    await core.db.write(lambda tx: library.remove_images(tx, other.account_id, [image.id]))
    assert await images.find_in_role(core.db, other.account_id, image.product_id, image.role) is None
    assert await images.of_family(core.db, other.account_id, image.product_id) == []
    await make_inventory_product(core, admin, image.guid)
    assert await images.of_sold(core.db, other.account_id, [image.id]) == set()
    await core.db.write(lambda tx: images.detach(tx, other.account_id, [image.id]))
    assert await images.find_image(core.db, 1, image.product_id, image.id) == image


async def test_images_are_found_by_what_names_them_however_many_their_product_and_account_have(
    watched: Core, statements: Statements, tmp_path: Path
) -> None:
    ids = range(1, 501)

    async def work(tx: Tx) -> None:
        await images.find_in_role(tx, 1, 1, "detail")
        await images.of_sold(tx, 1, ids)
        await images.detach(tx, 1, ids)
        await library.remove_images(tx, 1, ids)

    statements.clear()
    await watched.db.write(work)

    in_role, by_id = "INDEX image_single_role (product_id=? AND role=?)", "INTEGER PRIMARY KEY (rowid=?)"
    steps = [step for step, _ in steps_of(tmp_path / "data" / DATABASE, statements)]
    assert [step for step in steps if step.startswith("SEARCH image ")] == [
        f"SEARCH image USING {index}" for index in (in_role, by_id, by_id)
    ]


async def test_an_original_is_found_by_its_images_public_address(core: Core, image: ProductImage) -> None:
    found = await images.find_picture(core.db, image.address, core.now())

    assert found is not None
    assert found.original == await images.find_original(core.db, 1, image.id)
    assert (found.original.size_bytes, found.original.media_type, found.original.intact) == (
        len(SHIRT), "image/png", True,
    )  # fmt: skip
    assert (found.version, found.focus, found.privacy, found.looks) == (1, (0.5, 0.5), None, None)
    assert await images.find_picture(core.db, image.address[:-1], core.now()) is None


async def test_a_list_filters_and_sorts_by_every_field_it_knows(core: Core, admin: Principal) -> None:
    product_id = await make_product(core, admin)
    for name in ("Ärmel.png", "zip.png"):
        await make_image(core, admin, product_id, SHIRT, name=name)
    query = Query([Condition("name", "contains", ("ÄRM",)), Condition("role", "=", ("more",))])

    page = await images.list_images(core.db, admin.account_id, product_id, query)
    backwards = await images.list_images(
        core.db, admin.account_id, product_id, Query(orderings=[Ordering("name", descending=True)])
    )

    assert [image.name for image in page.rows] == ["Ärmel.png"]
    assert [image.name for image in backwards.rows] == ["Ärmel.png", "zip.png"]  # by bytes: Ä comes after z
