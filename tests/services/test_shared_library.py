"""One store, two sides: an image of a product is in the library, and one of the library comes onto a product."""

import pytest

import pictures
from build import INVENTORY, Clock, make_image, make_inventory_product, make_library_image, make_product
from moments import keys_of, upkeep_of_everything, with_ages
from packshot.config import Settings
from packshot.domain.access import Principal
from packshot.domain.errors import Conflict, NotFound
from packshot.domain.images import ProductImage
from packshot.domain.libraries import ImageChange, LibraryImage, Place, Wanted
from packshot.domain.paging import Query
from packshot.domain.products import Kind
from packshot.protocols.finerworks.errors import FinerWorksSettings
from packshot.services import access, handlers, hosting, images, inventory, libraries, products, selections
from packshot.services.core import Core
from packshot.services.handlers import Binding
from receiver import PRIVATE, deliver, make_application, noted, receiving

SHIRT = pictures.png()
MUG = pictures.png(4, 4)
SELECTION = "0d4b7a1e-6a55-4c0b-9df0-3f1c2a9be001"
TEMPORARY = Place("temporary", "session 1")
UPDATE, DELETE, CHANGED = (
    "PACKSHOT.IMAGE.ON.UPDATE", "PACKSHOT.IMAGE.ON.DELETE", "CATALOG.PRODUCT.ON.UPDATE",
)  # fmt: skip


@pytest.fixture
def settings() -> Settings:
    return PRIVATE


async def guids(core: Core, caller: Principal, place: Place = INVENTORY) -> list[str]:
    """What the library lists, by id."""
    page = await libraries.list_images(core, caller, Wanted(place=place, now=0, shared=True, descending=False))
    return [image.guid for image in page.rows]


async def of_product(core: Core, caller: Principal, product_id: int) -> list[tuple[int, str]]:
    """Id and role of the product's images."""
    page = await images.list_of_product(core, caller, product_id, Query())
    return [(image.id, image.role) for image in page.rows]


async def remember(core: Core, caller: Principal, image: ProductImage | LibraryImage) -> None:
    """Have something sold of the image, and select it."""
    await make_inventory_product(core, caller, image.guid)
    await selections.replace(core, caller, SELECTION, [image.guid])


async def must_be_gone(core: Core, caller: Principal, product_id: int, image: ProductImage | LibraryImage) -> None:
    """Nothing is left of the image on any side."""
    assert image.guid not in await guids(core, caller)
    assert (image.id, image.role) not in await of_product(core, caller, product_id)
    with pytest.raises(NotFound):
        await images.get(core, caller, product_id, image.id)
    assert await inventory.of_images(core, caller, [image.id]) == {}
    assert await selections.of_selection(core, caller, SELECTION) == []
    for table in ("inventory_product", "inventory_link", "selection"):
        assert await core.db.all(f"SELECT * FROM {table}") == []


async def test_a_product_image_is_deleted_through_the_library_and_gone_on_both_sides(
    core: Core, admin: Principal, shirt: int
) -> None:
    image = await make_image(core, admin, shirt, SHIRT, "detail")
    await remember(core, admin, image)
    assert await guids(core, admin) == [image.guid]
    await handlers.add_webhook(core, "main", "http://127.0.0.1:9/told", [UPDATE, DELETE, CHANGED])

    assert await libraries.remove_images(core, admin, [image.guid], INVENTORY) == {image.guid}

    await must_be_gone(core, admin, shirt, image)
    fields = {"ID": image.id, "GUID": image.guid, "PRODUCT_ID": shirt, "ROLE": "detail"}
    assert await noted(core) == [(DELETE, fields), (CHANGED, {"ID": shirt, "TYPE": 1})]
    assert await libraries.remove_images(core, admin, [image.guid], None) == set()


async def test_images_of_one_product_deleted_through_the_library_are_one_change_of_it(
    core: Core, admin: Principal, shirt: int
) -> None:
    pair = [await make_image(core, admin, shirt, SHIRT) for _ in range(2)]
    await handlers.add_webhook(core, "main", "http://127.0.0.1:9/told", [DELETE, CHANGED])

    await libraries.remove_images(core, admin, [image.guid for image in pair], None)

    assert [event for event, _ in await noted(core)] == [DELETE, DELETE, CHANGED]


@pytest.mark.parametrize("place", [INVENTORY, TEMPORARY])
async def test_an_image_of_a_library_is_attached_deleted_from_its_product_and_gone_on_both_sides(
    core: Core, admin: Principal, shirt: int, place: Place
) -> None:
    image = await make_library_image(core, admin, SHIRT, place)
    await handlers.add_webhook(core, "main", "http://127.0.0.1:9/told", [UPDATE, DELETE, CHANGED])

    attached = await hosting.attach(core, admin, image.guid, shirt, "detail")
    await remember(core, admin, attached)
    assert await of_product(core, admin, shirt) == [(image.id, "detail")]
    assert (await images.get(core, admin, shirt, image.id)).address == image.address
    assert await guids(core, admin) == [image.guid]
    await images.remove_from_product(core, admin, shirt, image.id)

    await must_be_gone(core, admin, shirt, attached)
    assert await guids(core, admin, place) == []
    fields = {"ID": image.id, "GUID": image.guid, "PRODUCT_ID": shirt, "ROLE": "detail"}
    told = {event: [data for name, data in await noted(core) if name == event] for event in (UPDATE, DELETE)}
    assert told == {UPDATE: [fields], DELETE: [fields]}


async def test_an_attached_image_takes_a_single_place_and_what_was_sold_there_stays_in_the_library(
    core: Core, admin: Principal, shirt: int
) -> None:
    before = await make_image(core, admin, shirt, SHIRT, "preview")
    await remember(core, admin, before)
    image = await make_library_image(core, admin, MUG)

    await hosting.attach(core, admin, image.guid, shirt, "preview")

    assert await of_product(core, admin, shirt) == [(image.id, "preview")]
    assert await guids(core, admin) == [before.guid, image.guid]
    assert await selections.of_selection(core, admin, SELECTION) == [before.guid]


async def test_a_detached_image_can_be_attached_again_under_its_id_and_address(
    core: Core, admin: Principal, shirt: int
) -> None:
    image = await make_image(core, admin, shirt, SHIRT)
    await remember(core, admin, image)
    await products.remove(core, admin, shirt, (Kind.SIMPLE,))
    mug = await make_product(core, admin)

    await hosting.attach(core, admin, image.guid, mug, "more")

    found = await images.get(core, admin, mug, image.id)
    assert (found.guid, found.address, found.name) == (image.guid, image.address, image.name)


async def test_an_image_that_lies_with_somebody_else_stays_off_products(
    core: Core, admin: Principal, shirt: int
) -> None:
    image = await make_library_image(core, admin)

    with pytest.raises(Conflict, match="somebody else"):
        await hosting.attach(core, admin, image.guid, shirt, "more")

    assert await of_product(core, admin, shirt) == []


async def test_bytes_outlive_one_of_two_images_that_share_them(
    core: Core, admin: Principal, shirt: int, clock: Clock
) -> None:
    at_once = with_ages(core, grace_s=0)
    one, other = await make_image(core, admin, shirt, SHIRT), await make_library_image(core, admin, SHIRT)
    keys = await keys_of(core)
    assert len(keys) == 1

    await libraries.remove_images(core, admin, [one.guid], None)
    await upkeep_of_everything(at_once, clock)
    assert await keys_of(core) == keys
    await libraries.remove_images(core, admin, [other.guid], None)
    await upkeep_of_everything(at_once, clock)

    assert await keys_of(core) == set()


async def test_an_application_is_told_of_what_no_user_caused_and_gets_an_administrators_token(
    core: Core, admin: Principal, shirt: int
) -> None:
    acting, _ = await make_application(core, admin)
    keys = Principal(admin.account_id, 0, "administrator", frozenset(), 0)
    image = await make_image(core, admin, shirt, SHIRT)
    async with receiving() as receiver:
        await handlers.bind(core, acting, Binding(CHANGED, receiver.url))
        await libraries.remove_images(core, keys, [image.guid], None)

        await deliver(core)

    (letter,) = receiver.letters
    heard = await access.by_token(core, letter.form["auth[access_token]"])
    assert (heard.user_id, heard.application_id) == (admin.user_id, acting.application_id)


class TestApart:
    """Where the setting keeps images of products out of the library."""

    @pytest.fixture
    def settings(self) -> Settings:
        return Settings(finerworks=FinerWorksSettings(shared_library=False))

    async def test_images_of_products_are_not_there_and_those_of_the_library_are(
        self, core: Core, admin: Principal, shirt: int
    ) -> None:
        image, other = await make_image(core, admin, shirt, SHIRT), await make_library_image(core, admin, MUG)
        both = [image.guid, other.guid]

        assert await guids(core, admin) == [other.guid]
        assert [one.guid for one in await libraries.preview_removal(core, admin, both, None)] == [other.guid]
        change = ImageChange(guid=image.guid, title="Renamed")
        assert await libraries.update_images(core, admin, [change], None) == []
        assert await selections.replace(core, admin, SELECTION, both) == [other.guid]
        with pytest.raises(NotFound):
            await make_inventory_product(core, admin, image.guid)
        assert await libraries.remove_images(core, admin, both, None) == {other.guid}
        assert await images.get(core, admin, shirt, image.id) == image

    async def test_an_image_leaves_the_library_when_it_is_attached_and_comes_back_when_its_product_lets_it_go(
        self, core: Core, admin: Principal, shirt: int
    ) -> None:
        image = await make_library_image(core, admin, SHIRT)
        await make_inventory_product(core, admin, image.guid)
        await selections.replace(core, admin, SELECTION, [image.guid])

        await hosting.attach(core, admin, image.guid, shirt, "more")
        attached = (await guids(core, admin), await selections.of_selection(core, admin, SELECTION))
        await products.remove(core, admin, shirt, (Kind.SIMPLE,))

        assert attached == ([], [])
        assert await guids(core, admin) == [image.guid]
        assert await selections.of_selection(core, admin, SELECTION) == [image.guid]
