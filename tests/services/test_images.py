"""Product images: who may, what is stored, what is shared, and what survives whom."""

import asyncio

import pytest

import pictures
from build import Clock, make_account, make_image, make_product
from moments import blob_states, bytes_of, keys_of, original_of
from packshot.domain.access import Principal
from packshot.domain.errors import Forbidden, InvalidRequest, NotFound, UnacceptableImage
from packshot.domain.images import ImageRole, ProductImage
from packshot.domain.paging import Ordering, Query
from packshot.domain.products import Kind
from packshot.services import images, products
from packshot.services.core import Core
from packshot.services.originals import INLINE_BYTES, Upload

SHIRT = pictures.png(3, 2)
MUG = pictures.png(4, 4)


async def names(core: Core, caller: Principal, product_id: int) -> list[tuple[str, str]]:
    page = await images.list_of_product(core, caller, product_id, Query())
    return [(image.role, image.name) for image in page.rows]


async def test_an_image_comes_back_as_it_was_added(core: Core, admin: Principal, shirt: int, clock: Clock) -> None:
    clock.now = 1_900_000_000.75

    added = await make_image(core, admin, shirt, SHIRT, "preview", " front\u200b.png ")

    moment = 1_900_000_000_000_000
    assert added == ProductImage(added.id, shirt, "preview", "front.png", added.address, moment, added.guid)
    assert await images.get(core, admin, shirt, added.id) == added
    assert (await images.list_of_product(core, admin, shirt, Query())).rows == [added]
    assert await bytes_of(core, admin.account_id, added.id) == SHIRT


async def test_a_large_upload_is_kept_to_the_last_byte(core: Core, admin: Principal, shirt: int) -> None:
    data = pictures.jpeg_of_size(2 * INLINE_BYTES)

    added = await make_image(core, admin, shirt, data)

    assert await bytes_of(core, admin.account_id, added.id) == data
    assert (await original_of(core, admin.account_id, added.id)).media_type == "image/jpeg"


async def test_equal_bytes_are_stored_once(core: Core, admin: Principal, shirt: int) -> None:
    mug = await make_product(core, admin, "Mug")

    added = [await make_image(core, admin, product, SHIRT, name=f"{product}.png") for product in (shirt, mug, shirt)]

    assert len(await keys_of(core)) == 1
    assert await blob_states(core) == ["live"]
    assert len({image.address for image in added}) == 3


async def test_equal_bytes_added_at_once_are_stored_once(core: Core, admin: Principal, shirt: int) -> None:
    added = await asyncio.gather(*(make_image(core, admin, shirt, SHIRT) for _ in range(20)))

    assert len(await keys_of(core)) == 1
    assert await blob_states(core) == ["live"]
    assert [await bytes_of(core, admin.account_id, image.id) for image in added] == [SHIRT] * 20


async def test_accounts_share_no_bytes(core: Core, admin: Principal, shirt: int) -> None:
    other, catalog_id = await make_account(core, "other")
    theirs = await make_product(core, other, catalog_id=catalog_id)

    ours = await make_image(core, admin, shirt, SHIRT)
    other_image = await make_image(core, other, theirs, SHIRT)

    assert len(await keys_of(core)) == 2
    assert (await original_of(core, admin.account_id, ours.id)).key != (
        await original_of(core, other.account_id, other_image.id)
    ).key


async def test_another_accounts_product_and_images_are_not_there(core: Core, admin: Principal, shirt: int) -> None:
    other, _ = await make_account(core, "other")
    image = await make_image(core, admin, shirt, SHIRT)

    for attempt in (
        images.get(core, other, shirt, image.id),
        images.list_of_product(core, other, shirt, Query()),
        images.remove_from_product(core, other, shirt, image.id),
        make_image(core, other, shirt, MUG),
    ):
        with pytest.raises(NotFound) as caught:
            await attempt
        assert caught.value.kind == "product"

    assert await images.get(core, admin, shirt, image.id) == image
    assert len(await keys_of(core)) == 1


async def test_an_image_of_another_product_is_not_there(core: Core, admin: Principal, shirt: int) -> None:
    mug = await make_product(core, admin, "Mug")
    image = await make_image(core, admin, shirt, SHIRT)

    for attempt in (images.get(core, admin, mug, image.id), images.remove_from_product(core, admin, mug, image.id)):
        with pytest.raises(NotFound) as caught:
            await attempt
        assert caught.value.kind == "image"

    assert await images.get(core, admin, shirt, image.id) == image


async def test_a_viewer_looks_but_changes_nothing(core: Core, admin: Principal, shirt: int) -> None:
    viewer = Principal(admin.account_id, admin.user_id, "viewer", admin.scopes, admin.credential_id)
    image = await make_image(core, admin, shirt, SHIRT)

    with pytest.raises(Forbidden):
        await make_image(core, viewer, shirt, MUG)
    with pytest.raises(Forbidden):
        await images.remove_from_product(core, viewer, shirt, image.id)

    assert await images.get(core, viewer, shirt, image.id) == image
    assert len(await keys_of(core)) == 1


@pytest.mark.parametrize("role", ["detail", "preview"])
async def test_a_second_picture_takes_the_place_of_the_first(
    core: Core, admin: Principal, shirt: int, role: ImageRole
) -> None:
    first = await make_image(core, admin, shirt, SHIRT, role, "first.png")

    second = await make_image(core, admin, shirt, MUG, role, "second.png")

    assert await names(core, admin, shirt) == [(role, "second.png")]
    assert second.id > first.id
    with pytest.raises(NotFound):
        await images.get(core, admin, shirt, first.id)
    assert len(await keys_of(core)) == 2  # the replaced bytes are upkeep's business


async def test_many_detail_pictures_at_once_leave_exactly_one(core: Core, admin: Principal, shirt: int) -> None:
    added = await asyncio.gather(
        *(make_image(core, admin, shirt, pictures.png(number, 1), "detail") for number in range(1, 21))
    )

    (left,) = (await images.list_of_product(core, admin, shirt, Query())).rows
    assert left in added
    assert await bytes_of(core, admin.account_id, left.id)


async def test_each_place_holds_its_own_and_more_holds_any_number(core: Core, admin: Principal, shirt: int) -> None:
    roles: list[ImageRole] = ["more", "detail", "more", "preview"]
    for role in roles:
        await make_image(core, admin, shirt, SHIRT, role, f"{role}.png")

    assert [role for role, _ in await names(core, admin, shirt)] == roles


async def test_the_id_of_a_deleted_image_is_never_used_again(core: Core, admin: Principal, shirt: int) -> None:
    first = await make_image(core, admin, shirt, SHIRT)
    await images.remove_from_product(core, admin, shirt, first.id)

    second = await make_image(core, admin, shirt, SHIRT)

    assert second.id > first.id


async def test_a_product_without_the_property_takes_no_more_pictures_but_the_two_single_ones(
    core: Core, admin: Principal, shirt: int
) -> None:
    await core.db.write(lambda tx: tx.run("DELETE FROM property WHERE code = 'MORE_PHOTO'"))

    with pytest.raises(InvalidRequest):
        await make_image(core, admin, shirt, SHIRT, "more")

    assert (await make_image(core, admin, shirt, SHIRT, "detail")).role == "detail"


@pytest.mark.parametrize(
    "data", [b"", b"no picture", SHIRT[:20], pictures.svg(), pictures.png_claiming(60_000, 60_000)]
)
async def test_what_is_no_picture_leaves_no_trace(core: Core, admin: Principal, shirt: int, data: bytes) -> None:
    with pytest.raises(UnacceptableImage):
        await make_image(core, admin, shirt, data)

    assert await keys_of(core) == set()
    assert await blob_states(core) == []
    assert await names(core, admin, shirt) == []


async def test_a_missing_product_is_found_out_before_anything_is_read(core: Core, admin: Principal) -> None:
    def read() -> bytes:
        raise AssertionError("read in vain")

    with pytest.raises(NotFound):
        await images.add_to_product(core, admin, 4_711, "more", Upload("a.png", 1, read))


async def test_deleting_never_deletes_bytes(core: Core, admin: Principal, shirt: int) -> None:
    kept, gone = await make_image(core, admin, shirt, SHIRT), await make_image(core, admin, shirt, SHIRT)
    alone = await make_image(core, admin, shirt, MUG)

    await images.remove_from_product(core, admin, shirt, gone.id)
    await images.remove_from_product(core, admin, shirt, alone.id)

    assert await bytes_of(core, admin.account_id, kept.id) == SHIRT
    assert len(await keys_of(core)) == 2
    assert await blob_states(core) == ["live", "live"]


async def test_an_image_is_deleted_once(core: Core, admin: Principal, shirt: int) -> None:
    image = await make_image(core, admin, shirt, SHIRT)

    done = await asyncio.gather(
        *(images.remove_from_product(core, admin, shirt, image.id) for _ in range(5)), return_exceptions=True
    )

    assert sorted(type(outcome).__name__ for outcome in done) == ["NoneType"] + ["NotFound"] * 4


async def test_removing_a_product_removes_its_images_and_keeps_shared_bytes(
    core: Core, admin: Principal, shirt: int
) -> None:
    mug = await make_product(core, admin, "Mug")
    kept = await make_image(core, admin, mug, SHIRT)
    await make_image(core, admin, shirt, SHIRT)

    await products.remove(core, admin, shirt, (Kind.SIMPLE,))

    assert await bytes_of(core, admin.account_id, kept.id) == SHIRT
    with pytest.raises(NotFound):
        await images.list_of_product(core, admin, shirt, Query())


async def test_pages_follow_the_wanted_order(core: Core, admin: Principal, shirt: int) -> None:
    for name in ("b.png", "a.png", "c.png"):
        await make_image(core, admin, shirt, SHIRT, name=name)

    page = await images.list_of_product(core, admin, shirt, Query(orderings=[Ordering("name")], offset=1, limit=1))

    assert [image.name for image in page.rows] == ["b.png"]
    assert page.total == 3
