"""Pictures, properties and sections of a product: what is kept, what goes, and that nothing is done by half."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pictures
from build import Clock, make_account, make_image, make_product
from moments import blob_states, bytes_of, keys_of, with_ages, with_moments
from packshot.domain.access import Principal
from packshot.domain.catalogs import Property, Section
from packshot.domain.errors import InvalidRequest, InvalidValue, NotFound, PackshotError, UnacceptableImage
from packshot.domain.paging import Condition, Query
from packshot.domain.products import MAX_VALUES, Kind, PropertyValue
from packshot.services import images, products, upkeep
from packshot.services.core import Core
from packshot.services.originals import Upload
from packshot.services.product_parts import File, Kept, NewValue, NewValues, Parts, Removed, Text
from packshot.services.products import Product
from packshot.storage import catalogs

SHIRT = pictures.png(3, 2)
MUG = pictures.png(4, 4)
NO_PICTURE = b"no picture"
SIMPLE = (Kind.SIMPLE,)
ANY = 77

Change = Callable[..., Awaitable[Product]]


def picture(data: bytes, name: str = "a.png") -> Upload:
    return Upload(name, len(data), lambda: data)


def listed(*values: NewValue, number: int = ANY) -> Parts:
    return Parts(properties={number: NewValues(values, multiple=True)})


def single(value: NewValue, number: int = ANY) -> Parts:
    return Parts(properties={number: NewValues((value,), multiple=False)})


def texts(product: Product) -> list[str | None]:
    return [value.text for value in product.values if not value.image]


def files(product: Product) -> list[str]:
    return [value.image.name for value in product.values if value.image]


@pytest.fixture
def change(core: Core, admin: Principal, shirt: int) -> Change:
    """Changes parts of the shirt."""

    async def update(parts: Parts, **fields: Any) -> Product:
        return await products.update(core, admin, shirt, SIMPLE, fields, parts)

    return update


@pytest.fixture
async def gallery(core: Core, admin: Principal) -> int:
    found = await catalogs.find_gallery_property(core.db, admin.account_id, 1)
    assert found is not None
    return found


async def declare(core: Core, admin: Principal, property_type: Any, *, multiple: bool) -> int:
    new = Property("EXTRA", "Extra", property_type, multiple=multiple)
    return await core.db.write(lambda tx: catalogs.add_property(tx, admin.account_id, 1, new, core.now()))


# Pictures


async def test_pictures_of_a_new_product_are_images_like_any_other(core: Core, admin: Principal, gallery: int) -> None:
    parts = Parts(
        {"detail": picture(SHIRT), "preview": picture(MUG)}, listed(File(picture(SHIRT)), number=gallery).properties
    )

    made = await products.add(core, admin, Kind.SIMPLE, {"catalog_id": 1, "name": "Shirt"}, parts)

    page = await images.list_of_product(core, admin, int(made.fields["id"] or 0), Query())
    assert sorted(image.role for image in page.rows) == ["detail", "more", "preview"]
    assert list(made.images) == page.rows
    assert len(await keys_of(core)) == 2  # equal bytes in one call are stored once


async def test_a_picture_is_replaced_and_taken_away(core: Core, admin: Principal, shirt: int, change: Change) -> None:
    await make_image(core, admin, shirt, SHIRT, "detail", "old.png")
    await make_image(core, admin, shirt, SHIRT, "preview")

    after = await change(Parts({"detail": picture(MUG, "new.png"), "preview": None}))

    assert [(image.role, image.name) for image in after.images] == [("detail", "new.png")]
    assert (await change(Parts({"preview": None}))).images == after.images  # there is nothing to take away


# Properties


async def test_texts_that_are_not_listed_go_and_listed_ones_keep_their_ids(change: Change) -> None:
    before = await change(listed(Text("a"), Text("b"), Text("c")))
    first, second, _ = (value.id for value in before.values)

    after = await change(listed(Text("new"), Text("B", second), Text("d", 999_999)))

    assert [(value.id == second, value.text) for value in after.values] == [(True, "B"), (False, "new"), (False, "d")]
    assert first not in {value.id for value in after.values}


async def test_of_two_texts_with_one_id_the_second_is_a_new_value(change: Change) -> None:
    before = await change(listed(Text("a")))
    (value,) = before.values

    after = await change(listed(Text("b", value.id), Text("c", value.id)))

    assert texts(after) == ["b", "c"]


async def test_files_stay_until_they_are_removed_or_replaced(change: Change) -> None:
    before = await change(listed(*(File(picture(SHIRT, f"{name}.png")) for name in "abc")))
    first, second, third = (value.id for value in before.values)

    after = await change(
        listed(File(picture(MUG, "d.png")), Kept(), Removed(second), File(picture(MUG, "e.png"), third))
    )

    assert files(after) == ["a.png", "d.png", "e.png"]
    assert after.values[0].id == first
    assert files(await change(Parts(), name="Coat")) == files(after)


async def test_a_property_of_one_file_has_it_replaced(core: Core, admin: Principal, change: Change) -> None:
    number = await declare(core, admin, "F", multiple=False)

    await change(single(File(picture(SHIRT)), number))

    assert files(await change(listed(File(picture(MUG, "b.png")), number=number))) == ["b.png"]
    assert files(await change(single(Removed(), number))) == []


async def test_a_removal_of_one_file_among_several_has_to_say_which(change: Change) -> None:
    before = await change(listed(File(picture(SHIRT, "a.png")), File(picture(SHIRT, "b.png"))))

    with pytest.raises(InvalidValue):
        await change(single(Removed()))

    assert (await change(Parts())).values == before.values


async def test_a_property_remembers_whether_it_came_as_a_list(change: Change) -> None:
    assert [value.multiple for value in (await change(listed(Text("a")))).values] == [True]
    assert [value.multiple for value in (await change(single(Text("b")))).values] == [True]
    assert [value.multiple for value in (await change(single(Text("c"), 78))).values] == [True, False]


async def test_the_gallery_holds_the_products_further_images(
    core: Core, admin: Principal, shirt: int, change: Change, gallery: int
) -> None:
    kept, gone = [await make_image(core, admin, shirt, SHIRT, name=f"{name}.png") for name in "ab"]

    after = await change(listed(Removed(gone.id), File(picture(MUG, "c.png")), number=gallery))

    assert [image.name for image in after.images] == ["a.png", "c.png"]
    assert after.images[0] == kept
    assert after.values == []


async def test_the_gallery_takes_pictures_only(change: Change, gallery: int) -> None:
    with pytest.raises(InvalidValue):
        await change(listed(Text("31251"), number=gallery))

    assert len((await change(listed(File(picture(SHIRT)), Text(None), number=gallery))).images) == 1


async def test_a_file_of_a_property_is_no_product_image(
    core: Core, admin: Principal, shirt: int, change: Change
) -> None:
    (value,) = (await change(listed(File(picture(SHIRT))))).values
    assert value.image is not None

    assert (await images.list_of_product(core, admin, shirt, Query())).rows == []
    with pytest.raises(NotFound):
        await images.get(core, admin, shirt, value.image.id)
    with pytest.raises(NotFound):
        await images.remove_from_product(core, admin, shirt, value.image.id)
    assert await bytes_of(core, admin.account_id, value.image.id) == SHIRT


async def test_a_property_keeps_the_bytes_of_its_files_alive(core: Core, change: Change, clock: Clock) -> None:
    await change(listed(File(picture(SHIRT))))
    clock.advance(10_000)

    await upkeep.run_once(with_ages(core))

    assert await blob_states(core) == ["live"]
    await change(listed(Removed()))
    assert (await upkeep.run_once(with_ages(core))).doomed == 1


async def test_values_go_with_their_product(core: Core, admin: Principal, shirt: int, change: Change) -> None:
    await change(listed(Text("a"), File(picture(SHIRT))))

    await products.remove(core, admin, shirt, SIMPLE)

    for table in ("property_value", "image", "product_section"):
        assert await core.db.all(f"SELECT 1 FROM {table}") == []


async def test_a_product_has_a_bounded_number_of_values(change: Change) -> None:
    await change(listed(*[Text("a")] * (MAX_VALUES - 1)))

    with pytest.raises(InvalidValue):
        await change(listed(Text("a"), Text("b"), number=78))
    with pytest.raises(InvalidValue):
        await change(listed(*[Text(None)] * (MAX_VALUES + 1)))


async def test_as_many_values_as_there_may_be_can_be_replaced(change: Change) -> None:
    before = await change(listed(*[Text("a")] * MAX_VALUES))

    after = await change(listed(*(Text("b", value.id) for value in before.values)))

    assert [(value.id, value.text) for value in after.values] == [(value.id, "b") for value in before.values]


@given(st.lists(st.tuples(st.booleans(), st.text("ab", max_size=2)), max_size=8))
def test_parts_of_equal_uploads_are_told_apart(items: list[tuple[bool, str]]) -> None:
    uploads = [picture(SHIRT, name or "x") for _, name in items]

    assert len(set(uploads)) == len(uploads)


# All or nothing


@pytest.mark.parametrize(
    ("parts", "error"),
    [
        (Parts({"detail": picture(NO_PICTURE), "preview": picture(SHIRT)}), UnacceptableImage),
        (
            Parts({"preview": picture(SHIRT)}, listed(Text("x"), File(picture(NO_PICTURE))).properties),
            UnacceptableImage,
        ),
        (Parts({"preview": picture(SHIRT), "detail": picture(MUG, "a/b.png")}), InvalidRequest),
        (Parts({"preview": picture(SHIRT)}, sections=(999,)), NotFound),
        (Parts({"preview": picture(SHIRT)}, listed(Text("x" * 70_000)).properties), InvalidValue),
    ],
)
async def test_a_refused_command_leaves_nothing(
    core: Core, admin: Principal, shirt: int, change: Change, parts: Parts, error: type[PackshotError]
) -> None:
    with pytest.raises(error):
        await change(parts, name="Changed")
    with pytest.raises(error):
        await products.add(core, admin, Kind.SIMPLE, {"catalog_id": 1, "name": "New"}, parts)

    assert await keys_of(core) == set()
    assert await blob_states(core) == []
    page = await products.list_all(core, admin, SIMPLE, ("id", "name"), Query())
    assert [row.fields for row in page.rows] == [{"id": shirt, "name": "Shirt"}]


async def test_a_product_that_goes_while_its_pictures_arrive_leaves_no_bytes(
    core: Core, admin: Principal, shirt: int
) -> None:
    racing = with_moments(core, after_put=lambda: products.remove(core, admin, shirt, SIMPLE))

    with pytest.raises(NotFound):
        await products.update(
            racing, admin, shirt, SIMPLE, {}, Parts({"detail": picture(SHIRT), "preview": picture(MUG)})
        )

    assert await keys_of(core) == set()


async def test_a_missing_product_is_found_out_before_its_pictures_are_read(core: Core, admin: Principal) -> None:
    def read() -> bytes:
        raise AssertionError("read in vain")

    with pytest.raises(NotFound):
        await products.update(core, admin, 4_711, SIMPLE, {}, Parts({"detail": Upload("a.png", 1, read)}))


# Sections


@pytest.fixture
async def sections(core: Core, admin: Principal) -> list[int]:
    async def work(tx: Any) -> list[int]:
        new = [Section(1, name) for name in ("Tops", "Sale", "Winter")]
        return [await catalogs.add_section(tx, admin.account_id, one, core.now()) for one in new]

    return await core.db.write(work)


async def links(core: Core, product_id: int) -> set[int]:
    rows = await core.db.all("SELECT section_id FROM product_section WHERE product_id = ?1", product_id)
    return {row[0] for row in rows}


@pytest.mark.parametrize(
    ("fields", "numbers", "wanted"),
    [
        ({"section_id": 1}, None, (1, {1})),
        ({"section_id": 1}, (2, 3), (1, {1, 2, 3})),
        ({}, (3, 2), (2, {2, 3})),  # the main section stays where it can
        ({}, (3,), (3, {3})),
        ({}, (), (None, set())),
        ({"section_id": None}, None, (None, set())),
        ({"name": "Coat"}, None, (2, {2, 1})),
    ],
)
@pytest.mark.usefixtures("sections")
async def test_a_product_stands_in_its_main_section_and_in_others(
    fields: Any, numbers: Any, wanted: Any, core: Core, change: Change
) -> None:
    await change(Parts(sections=(2, 1)))

    after = await change(Parts(sections=numbers), **fields)

    assert (after.fields["section_id"], await links(core, int(after.fields["id"] or 0))) == wanted


async def test_a_section_of_another_catalog_or_account_is_not_there(
    core: Core, admin: Principal, change: Change
) -> None:
    other, catalog_id = await make_account(core, "other")
    add = catalogs.add_section
    theirs = await core.db.write(lambda tx: add(tx, other.account_id, Section(catalog_id, "Theirs"), 0))
    elsewhere = await core.db.write(lambda tx: add(tx, admin.account_id, Section(2, "Elsewhere"), 0))

    for section_id in (theirs, elsewhere):
        with pytest.raises(NotFound):
            await change(Parts(sections=(section_id,)))


# Lists and accounts


async def test_a_list_shows_the_parts_of_each_product(core: Core, admin: Principal, shirt: int, change: Change) -> None:
    mug = await make_product(core, admin, "Mug")
    await make_image(core, admin, mug, SHIRT)
    await change(Parts({"detail": picture(SHIRT)}, listed(Text("a")).properties))

    page = await products.list_all(core, admin, SIMPLE, ("id", "catalog_id"), Query(), ("images", "properties"))

    one, other = page.rows
    assert (one.fields["id"], len(one.images), texts(one)) == (shirt, 1, ["a"])
    assert (other.fields["id"], len(other.images), texts(other)) == (mug, 1, [])


async def test_a_list_is_filtered_by_any_value_of_a_property(
    core: Core, admin: Principal, shirt: int, change: Change
) -> None:
    mug = await make_product(core, admin, "Mug")
    await change(listed(Text("Red"), Text("Blue")))

    async def found(operator: Any, *values: Any) -> list[Any]:
        query = Query([Condition(f"property{ANY}", operator, values)])
        return [row.fields["id"] for row in (await products.list_all(core, admin, SIMPLE, ("id",), query)).rows]

    assert await found("=", "Red") == await found("=", "x", "Blue") == await found("contains", "BLU") == [shirt]
    assert await found("!=", "Red") == await found("=", None) == [mug]
    assert await found(">=", "Red") == await found("!=", None) == [shirt]
    assert await found("=", "red") == []


async def test_another_accounts_files_and_values_are_not_there(core: Core, shirt: int, change: Change) -> None:
    other, catalog_id = await make_account(core, "other")
    theirs = await make_product(core, other, catalog_id=catalog_id)
    before = await change(listed(Text("a"), File(picture(SHIRT))))
    file, text = before.values
    assert file.image

    with pytest.raises(NotFound):
        await products.open_file(core, other, SIMPLE, (shirt, ANY), file.image.id)
    with pytest.raises(NotFound):
        await products.open_file(core, other, SIMPLE, (theirs, ANY), file.image.id)
    await products.update(core, other, theirs, SIMPLE, {}, listed(Text("mine", text.id), Removed(file.id)))

    found: list[PropertyValue] = [*(await change(Parts())).values]
    assert found == before.values
