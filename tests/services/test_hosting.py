"""Images uploaded into a library: what is stored, shared and refused, and what becomes of a product."""

import dataclasses
from typing import Any
from uuid import uuid4

import pytest
from msgspec import structs

import pictures
from build import Clock, make_account, make_image, make_inventory_product, make_library_image, make_product
from moments import blob_states, bytes_of, dooming, keys_of, original_of, path_of, with_ages, with_moments
from packshot.config import Settings
from packshot.domain.access import Principal
from packshot.domain.errors import (
    Conflict,
    Forbidden,
    ImageTooLarge,
    InvalidRequest,
    LimitReached,
    NotFound,
    StoreFull,
    UnacceptableImage,
)
from packshot.domain.images import ImageRole
from packshot.domain.libraries import LibraryImage, Place
from packshot.domain.originals import PrintLimits
from packshot.domain.paging import Query
from packshot.domain.products import Kind
from packshot.services import accounts, handlers, hosting, images, libraries, originals, products, setup
from packshot.services.core import Core, LibrarySettings
from packshot.services.hosting import Described
from packshot.services.libraries import expire
from packshot.storage.database import Tx
from receiver import PRIVATE, noted

SHIRT = pictures.png(3, 2)
MUG = pictures.jpeg(4, 4)
SESSION = Place("temporary", "session-1")
ADD, UPDATE, DELETE = (f"PACKSHOT.IMAGE.ON.{what}" for what in ("ADD", "UPDATE", "DELETE"))
PRODUCT_UPDATE = "CATALOG.PRODUCT.ON.UPDATE"


@pytest.fixture
def settings() -> Settings:
    return structs.replace(PRIVATE, prints=PrintLimits(upload_bytes=20_000, at_once=2))


def described(**said: Any) -> Described:
    return Described(**{"guid": str(uuid4())} | said)


async def upload(core: Core, caller: Principal, data: bytes, **said: Any) -> LibraryImage:
    """Upload *data* in two pieces."""
    async with originals.staging(core) as staged:
        for piece in (data[:20], data[20:]):
            await originals.append(core, staged, piece)
        return await hosting.add(core, caller, described(**said), staged)


async def listen(core: Core) -> None:
    await handlers.add_webhook(core, setup.ACCOUNT, "http://127.0.0.1:9/", [ADD, UPDATE, DELETE, PRODUCT_UPDATE])


async def told(core: Core) -> list[tuple[str, int | None, int | None, str | None]]:
    """The event, the id of image or product, and where the image is, of all that was noted."""
    return [(event, fields["ID"], fields.get("PRODUCT_ID"), fields.get("ROLE")) for event, fields in await noted(core)]


async def on_product(core: Core, caller: Principal, product_id: int) -> list[tuple[str, str]]:
    page = await images.list_of_product(core, caller, product_id, Query())
    return [(image.role, image.guid) for image in page.rows]


async def left(core: Core) -> tuple[set[str], list[str], int]:
    """The keys of all bytes, the states of all blobs, and how many unfinished uploads lie around."""
    return await keys_of(core), await blob_states(core), await core.blobs.sweep_staging(-1)


NOTHING: tuple[set[str], list[str], int] = (set(), [], 0)


async def test_an_upload_is_an_image_of_the_inventory_with_its_bytes(
    core: Core, admin: Principal, clock: Clock
) -> None:
    image = await upload(core, admin, SHIRT, name="shirt.png", description="Red", site_id=2)

    assert (image.place, image.name, image.title, image.description) == (Place(), "shirt.png", "shirt.png", "Red")
    assert (image.size_bytes, image.width_px, image.height_px, image.media_type) == (len(SHIRT), 3, 2, "image/png")
    assert (image.product_id, image.role, image.expires_at, image.site_id, image.files) == (None, None, None, 2, None)
    assert image.created_at == int(clock()) * 1_000_000
    assert await bytes_of(core, admin.account_id, image.id) == SHIRT
    assert (await left(core))[1:] == (["live"], 0)


async def test_an_upload_of_a_session_expires(core: Core, admin: Principal, clock: Clock) -> None:
    image = await upload(core, admin, SHIRT, place=SESSION, title="")

    assert (image.place, image.title) == (SESSION, "")
    assert image.expires_at == image.created_at + 14 * 86_400 * 1_000_000
    clock.advance(14 * 86_400)
    assert await expire(core) == 1


async def test_a_file_without_a_name_is_called_by_its_guid_and_kind(core: Core, admin: Principal) -> None:
    image = await upload(core, admin, MUG)

    assert image.name == image.title == f"{image.guid}.jpeg"


@pytest.mark.parametrize("data", [b"", b"no picture at all, however long", pictures.pdf_like(), SHIRT[:30]])
async def test_what_is_no_picture_leaves_nothing(core: Core, admin: Principal, data: bytes) -> None:
    with pytest.raises(UnacceptableImage):
        await upload(core, admin, data)

    assert await left(core) == NOTHING


async def test_prints_have_limits_of_their_own(core: Core, admin: Principal) -> None:
    taken = await upload(core, admin, pictures.png_claiming(12_500, 20_000))
    for data in (pictures.png_claiming(12_501, 20_000), pictures.png_claiming(40_000, 1), MUG + bytes(20_000)):
        with pytest.raises(ImageTooLarge):
            await upload(core, admin, data)

    assert taken.width_px * taken.height_px == 250_000_000
    assert (await left(core))[1:] == (["live"], 0)


async def test_who_may_only_look_uploads_and_attaches_nothing(core: Core, admin: Principal, shirt: int) -> None:
    viewer = structs.replace(admin, role="viewer")
    there = await upload(core, admin, SHIRT)

    with pytest.raises(Forbidden):
        await upload(core, viewer, MUG)
    with pytest.raises(Forbidden):
        await hosting.attach(core, viewer, there.guid, shirt, "more")

    assert (await left(core))[1:] == (["live"], 0)


async def test_no_more_uploads_than_may_be_are_under_way(core: Core, admin: Principal) -> None:
    async with originals.staging(core) as first, originals.staging(core) as second, originals.staging(core) as silent:
        for staged in (first, second, first):
            await originals.append(core, staged, b"x")
        with pytest.raises(LimitReached):
            await originals.append(core, silent, b"x")
        with pytest.raises(LimitReached):
            async with originals.staging(core):
                raise AssertionError("it began")

    await upload(core, admin, SHIRT)
    assert not core.staging


# Bytes that are there already


async def test_equal_bytes_are_kept_once_however_they_came(core: Core, admin: Principal, shirt: int) -> None:
    small = await make_image(core, admin, shirt, SHIRT)
    large = await upload(core, admin, SHIRT)
    again = await make_image(core, admin, shirt, SHIRT)

    assert len({(await original_of(core, admin.account_id, image.id)).key for image in (small, large, again)}) == 1
    assert len(await keys_of(core)) == 1


async def test_accounts_share_nothing(core: Core, admin: Principal) -> None:
    other, _ = await make_account(core, "other")
    guid = str(uuid4())

    mine, theirs = await upload(core, admin, SHIRT, guid=guid), await upload(core, other, SHIRT, guid=guid)

    assert (mine.id, mine.guid) != (theirs.id, theirs.guid)
    assert len(await keys_of(core)) == 2


async def test_an_upload_heals_the_images_whose_file_is_gone(core: Core, admin: Principal, shirt: int) -> None:
    image = await make_image(core, admin, shirt, SHIRT)
    path_of(core, (await original_of(core, admin.account_id, image.id)).key).unlink()

    await upload(core, admin, SHIRT)

    assert await bytes_of(core, admin.account_id, image.id) == SHIRT
    assert await blob_states(core) == ["corrupt", "live"]


async def test_an_upload_whose_blob_is_doomed_meanwhile_is_stored_after_all(
    core: Core, admin: Principal, shirt: int, clock: Clock
) -> None:
    eager = with_ages(core)
    image = await make_image(core, admin, shirt, SHIRT)
    await images.remove_from_product(core, admin, shirt, image.id)

    async def doom() -> None:
        assert await dooming(eager, clock) == 1

    stored = await upload(with_moments(core, after_look_up=doom), admin, SHIRT)

    assert await bytes_of(core, admin.account_id, stored.id) == SHIRT
    assert await blob_states(core) == ["doomed", "live"]


async def test_staged_bytes_are_put_once_though_others_of_the_same_work_are_doomed_meanwhile(
    core: Core, admin: Principal, shirt: int, clock: Clock
) -> None:
    eager = with_ages(core)
    image = await make_image(core, admin, shirt, SHIRT)
    await images.remove_from_product(core, admin, shirt, image.id)

    async def doom() -> None:
        await dooming(eager, clock)

    async with originals.staging(core) as first, originals.staging(core) as second:
        await originals.append(core, first, MUG)
        await originals.append(core, second, SHIRT)
        examined = [await originals.examine_staged(core, one, core.prints) for one in (first, second)]

        async def ids(_: Any, blob_ids: list[int]) -> list[int]:
            return blob_ids

        racing = with_moments(core, after_look_up=doom)
        assert await originals.store(racing, admin.account_id, examined, ids) == [2, 3]

    assert len(await keys_of(core)) == 3


# Refused halfway


async def test_a_quota_holds_and_gives_the_bytes_back(core: Core, admin: Principal, shirt: int) -> None:
    await make_image(core, admin, shirt, SHIRT)
    await accounts.set_quota(core, setup.ACCOUNT, len(SHIRT))

    with pytest.raises(StoreFull):
        await upload(core, admin, MUG)
    await upload(core, admin, SHIRT)  # nothing more to store

    assert (len(await keys_of(core)), await core.blobs.sweep_staging(-1)) == (1, 0)


async def test_a_product_that_goes_while_its_bytes_arrive_leaves_nothing(
    core: Core, admin: Principal, shirt: int
) -> None:
    racing = with_moments(core, after_put=lambda: products.remove(core, admin, shirt, (Kind.SIMPLE,)))

    with pytest.raises(NotFound):
        await upload(racing, admin, SHIRT, product_id=shirt, role="more")

    assert await left(core) == NOTHING


async def test_what_was_staged_goes_with_the_error_that_ends_it(core: Core) -> None:
    async def leave() -> None:
        async with originals.staging(core) as staged:
            await originals.append(core, staged, SHIRT)
            raise ConnectionError

    with pytest.raises(ConnectionError):
        await leave()

    assert await left(core) == NOTHING


# A guid that is there


async def test_the_same_upload_again_is_the_same_image(core: Core, admin: Principal, shirt: int) -> None:
    said = {"guid": str(uuid4()), "product_id": shirt, "role": "detail"}
    first = await upload(core, admin, SHIRT, **said, title="first")
    await listen(core)

    again = await upload(core, admin, SHIRT, **said, title="second")

    assert again == first
    assert await told(core) == []
    assert (await left(core))[1:] == (["live"], 0)


async def test_without_a_shared_library_only_who_names_the_product_finds_its_image_again(
    core: Core, admin: Principal, shirt: int
) -> None:
    apart = dataclasses.replace(core, libraries=LibrarySettings(shared_library=False))
    said = {"guid": str(uuid4()), "product_id": shirt, "role": "more"}
    first = await upload(apart, admin, SHIRT, **said)

    assert await upload(apart, admin, SHIRT, **said) == first
    with pytest.raises(Conflict):
        await upload(apart, admin, SHIRT, guid=said["guid"])


@pytest.mark.parametrize(
    ("data", "said"),
    [(MUG, {}), (SHIRT, {"place": SESSION}), (SHIRT, {"product_id": 1, "role": "more"})],
    ids=["other bytes", "another library", "a product it is not on"],
)
async def test_a_guid_that_is_taken_is_never_replaced(
    core: Core, admin: Principal, shirt: int, data: bytes, said: Any
) -> None:
    there = await upload(core, admin, SHIRT)
    assert shirt == 1

    with pytest.raises(Conflict):
        await upload(core, admin, data, guid=there.guid, **said)

    assert await libraries.found(core.db, core, admin, [there.guid]) == [there]
    assert (await left(core))[1:] == (["live"], 0)


async def test_an_image_that_lies_with_somebody_else_is_another_one(core: Core, admin: Principal) -> None:
    there = await make_library_image(core, admin)

    with pytest.raises(Conflict):
        await upload(core, admin, SHIRT, guid=there.guid)

    assert await left(core) == NOTHING


async def test_the_guid_of_an_image_that_has_expired_is_taken_until_it_is_swept(
    core: Core, admin: Principal, clock: Clock
) -> None:
    gone = await upload(core, admin, SHIRT, place=SESSION)
    clock.advance(15 * 86_400)

    with pytest.raises(Conflict):
        await upload(core, admin, SHIRT, guid=gone.guid, place=SESSION)
    await expire(core)

    assert (await upload(core, admin, SHIRT, guid=gone.guid, place=SESSION)).id != gone.id


# On a product


@pytest.mark.parametrize("role", ["detail", "preview", "more"])
async def test_an_upload_to_a_product_is_seen_there_and_told(
    core: Core, admin: Principal, shirt: int, role: ImageRole
) -> None:
    await listen(core)

    image = await upload(core, admin, SHIRT, product_id=shirt, role=role)

    assert await told(core) == [(ADD, image.id, shirt, role), (PRODUCT_UPDATE, shirt, None, None)]
    assert (image.product_id, image.role, image.place) == (shirt, role, Place())
    assert await on_product(core, admin, shirt) == [(role, image.guid)]


async def test_an_upload_takes_the_place_of_the_picture_in_a_single_role(
    core: Core, admin: Principal, shirt: int
) -> None:
    plain = await upload(core, admin, SHIRT, product_id=shirt, role="detail")
    sold = await upload(core, admin, MUG, product_id=shirt, role="detail")
    await make_inventory_product(core, admin, sold.guid)

    last = await upload(core, admin, SHIRT, product_id=shirt, role="detail")

    assert await on_product(core, admin, shirt) == [("detail", last.guid)]
    (kept,) = await libraries.found(core.db, core, admin, [plain.guid, sold.guid])
    assert (kept.id, kept.product_id) == (sold.id, None)


async def test_another_accounts_product_is_not_there(core: Core, admin: Principal) -> None:
    other, catalog_id = await make_account(core, "other")
    theirs = await make_product(core, other, catalog_id=catalog_id)
    mine = await upload(core, admin, MUG)

    with pytest.raises(NotFound):
        await upload(core, admin, SHIRT, product_id=theirs, role="more")
    with pytest.raises(NotFound):
        await hosting.attach(core, admin, mine.guid, theirs, "more")
    with pytest.raises(NotFound):
        await hosting.attach(core, other, mine.guid, theirs, "more")

    assert await on_product(core, other, theirs) == []


# Attaching


async def test_a_hosted_image_of_a_session_becomes_a_products_for_good(
    core: Core, admin: Principal, shirt: int, clock: Clock
) -> None:
    image = await upload(core, admin, SHIRT, place=SESSION)
    clock.advance(60)
    await listen(core)

    attached = await hosting.attach(core, admin, image.guid, shirt, "detail")

    assert attached == structs.replace(
        image, product_id=shirt, role="detail", place=Place(), expires_at=None, updated_at=int(clock()) * 1_000_000
    )
    assert await on_product(core, admin, shirt) == [("detail", image.guid)]
    assert await told(core) == [(UPDATE, image.id, shirt, "detail"), (PRODUCT_UPDATE, shirt, None, None)]
    clock.advance(15 * 86_400)
    assert await expire(core) == 0


async def test_attaching_again_changes_nothing_and_to_another_role_moves(
    core: Core, admin: Principal, shirt: int
) -> None:
    image = await upload(core, admin, SHIRT)
    first = await hosting.attach(core, admin, image.guid, shirt, "more")
    await listen(core)

    again = await hosting.attach(core, admin, image.guid, shirt, "more")
    quiet = await told(core)
    moved = await hosting.attach(core, admin, image.guid, shirt, "preview")

    assert (again, quiet) == (first, [])
    assert moved.role == "preview"
    assert await on_product(core, admin, shirt) == [("preview", image.guid)]


async def test_attaching_takes_the_place_of_the_picture_in_a_single_role(
    core: Core, admin: Principal, shirt: int
) -> None:
    before = await make_image(core, admin, shirt, MUG, "detail")
    image = await upload(core, admin, SHIRT)
    await listen(core)

    await hosting.attach(core, admin, image.guid, shirt, "detail")

    assert await told(core) == [
        (DELETE, before.id, shirt, "detail"),
        (UPDATE, image.id, shirt, "detail"),
        (PRODUCT_UPDATE, shirt, None, None),
    ]
    assert await on_product(core, admin, shirt) == [("detail", image.guid)]
    assert await libraries.found(core.db, core, admin, [before.guid]) == []


async def test_an_image_on_another_product_or_with_somebody_else_is_not_attached(
    core: Core, admin: Principal, shirt: int
) -> None:
    mug = await make_product(core, admin, "Mug")
    placed = await upload(core, admin, SHIRT, product_id=mug, role="more")
    lent = await make_library_image(core, admin)

    with pytest.raises(Conflict, match=f"on product {mug}"):
        await hosting.attach(core, admin, placed.guid, shirt, "more")
    with pytest.raises(Conflict, match="somebody else"):
        await hosting.attach(core, admin, lent.guid, shirt, "more")
    with pytest.raises(NotFound):
        await hosting.attach(core, admin, str(uuid4()), shirt, "more")

    assert await on_product(core, admin, shirt) == []


async def test_more_pictures_need_a_property_for_them(core: Core, admin: Principal, shirt: int) -> None:
    image = await upload(core, admin, SHIRT)

    async def work(tx: Tx) -> None:
        await tx.run("DELETE FROM property")

    await core.db.write(work)

    with pytest.raises(InvalidRequest):
        await hosting.attach(core, admin, image.guid, shirt, "more")
    with pytest.raises(InvalidRequest):
        await upload(core, admin, MUG, product_id=shirt, role="more")
    await hosting.attach(core, admin, image.guid, shirt, "detail")
