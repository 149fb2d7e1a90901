"""Stores brought to what somebody described: what is there afterwards, and what is not."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

import pictures
from build import make_account, make_image, make_product
from packshot.domain.access import Principal
from packshot.domain.catalogs import Property, Section
from packshot.domain.errors import Conflict, InvalidRequest, NotFound
from packshot.domain.paging import Query
from packshot.domain.products import VARIATIONS, Kind
from packshot.services import access, catalogs, images, products, seeds, setup
from packshot.services.core import Core
from packshot.services.demo import Drawing
from packshot.services.seeds import Contents, NewCatalog, NewProduct, NewProperty, NewSection, Picture
from packshot.services.setup import Seed

GREY = (128, 128, 128)


def product(key: str, kind: Kind = Kind.SIMPLE, catalog: str = "products", **parts: object) -> NewProduct:
    usual = {"section": None, "parent": None, "fields": {"name": key}, "values": {}, "pictures": ()}
    return NewProduct(key=key, place=f"Product {key}", kind=kind, catalog=catalog, **usual | parts)  # type: ignore[arg-type]


def drawing(place: str = "Picture") -> Picture:
    return Picture(place=place, name=f"{place}.jpeg", source=Drawing("mug", GREY, 40))


WHOLE = Contents(
    sections=(
        NewSection(key="tableware", place="", catalog="products", parent=None, section=Section(0, "Tableware")),
        NewSection(key="mugs", place="", catalog="products", parent="tableware", section=Section(0, "Mugs", code="m")),
    ),
    properties=(
        NewProperty(
            key="colour", place="", catalog="products", links_to=None,
            property=Property("COLOUR", "Colour", "S", multiple=True),
        ),
        NewProperty(
            key="label", place="", catalog="products", links_to="variations",
            property=Property("LABEL", "Label", "F", multiple=False),
        ),
    ),
    products=(
        product(
            "mug", section="mugs", values={"colour": ("red", "blue"), "label": (drawing("label"),)},
            pictures=(("detail", drawing("detail")), ("more", drawing("more"))),
        ),
        product("shirt", Kind.EMPTY_PARENT),
        product("shirt-m", Kind.VARIATION, "variations", parent="shirt"),
        product("wrapping", Kind.SERVICE),
    ),
)  # fmt: skip


async def count(core: Core, caller: Principal) -> int:
    return (await products.list_all(core, caller, tuple(Kind), ("id", "catalog_id"), Query([], [], 0))).total or 0


async def test_a_store_holds_exactly_what_was_described(core: Core, admin: Principal) -> None:
    await make_product(core, admin)

    ids = await seeds.replace(core, WHOLE)

    assert ids == {
        "products": 1, "variations": 2, "tableware": 1, "mugs": 2, "colour": 4, "label": 5,
        "mug": 1, "shirt": 2, "shirt-m": 3, "wrapping": 4,
    }  # fmt: skip
    assert await count(core, admin) == 4
    section = await catalogs.get_section(core, admin, 2)
    assert (section.catalog_id, section.parent_id, section.code) == (1, 1, "m")
    assert (await catalogs.get_property(core, admin, 5)).link_catalog_id == 2
    mug = await products.get(core, admin, 1, (Kind.SIMPLE,))
    assert mug.fields["section_id"] == 2
    assert [value.text for value in mug.values if value.property_id == 4] == ["red", "blue"]
    assert [value.image.name for value in mug.values if value.image] == ["label.jpeg"]
    assert [(image.role, image.name) for image in mug.images] == [("detail", "detail.jpeg"), ("more", "more.jpeg")]
    assert (await products.get(core, admin, 3, VARIATIONS)).fields["parent_id"] == 2
    assert (await products.get(core, admin, 2, (Kind.PARENT,))).fields["name"] == "shirt"


async def test_the_same_again_has_the_same_ids_and_shares_its_bytes(core: Core, admin: Principal) -> None:
    first = await seeds.replace(core, WHOLE)
    blobs = await core.db.all("SELECT id, key FROM blob")

    assert await seeds.replace(core, WHOLE) == first
    assert await core.db.all("SELECT id, key FROM blob") == blobs
    assert (await images.list_of_product(core, admin, 1, Query([], [], 0))).total == 2


async def test_nothing_described_is_a_new_store_and_its_webhook_stays(core: Core, seed: Seed, admin: Principal) -> None:
    product_id = await make_product(core, admin)
    await make_image(core, admin, product_id, pictures.png())
    new = await catalogs.list_all(core, admin, Query([], [], 0))

    ids = await seeds.replace(core, Contents())

    assert ids == {"products": seed.catalog_id, "variations": seed.variations_id}
    assert await catalogs.list_all(core, admin, Query([], [], 0)) == new
    assert await count(core, admin) == 0
    assert (await access.by_webhook(core, seed.user_id, seed.webhook_code)).account_id == seed.account_id
    assert await make_product(core, admin) == 1


async def test_other_accounts_are_emptied_too_and_have_catalogs_afterwards(core: Core, admin: Principal) -> None:
    other, catalog_id = await make_account(core, "other")
    await make_product(core, other, catalog_id=catalog_id)

    await seeds.replace(core, WHOLE)

    assert [one.name for one in await catalogs.of_account(core, other.account_id)] == ["Products", "Variations"]
    assert await count(core, other) == 0
    assert await count(core, admin) == 4


async def test_the_sample_catalogue_comes_back(core: Core, admin: Principal) -> None:
    drawn: seeds.Drawn = {}
    await seeds.replace_with_samples(core, drawn)
    before, pictures_drawn = await count(core, admin), dict(drawn)
    await products.remove(core, admin, 1, (Kind.SIMPLE,))

    ids = await seeds.replace_with_samples(core, drawn)

    assert ids == {"products": 1, "variations": 2}
    assert (await images.get(core, admin, 1, 1)).name == "test.jpeg"
    assert await count(core, admin) == before
    assert drawn == pictures_drawn

    async def disturb() -> None:
        while True:
            with suppress(NotFound):
                await products.remove(core, admin, 1, (Kind.SIMPLE,))

    disturbing = asyncio.get_running_loop().create_task(disturb())
    with pytest.raises(Conflict, match="Somebody else changed the catalogs while they were filled"):
        await seeds.replace_with_samples(core, drawn)
    disturbing.cancel()


async def test_catalogs_may_be_others_than_the_usual_ones(core: Core, admin: Principal) -> None:
    own = (
        NewCatalog(key="goods", place="", name="Goods"), NewCatalog(key="parts", place="", name="Parts"),
        NewCatalog(key="sizes", place="", name="Sizes", variations_of="parts"),
    )  # fmt: skip

    ids = await seeds.replace(core, Contents(catalogs=own, products=(product("screw", catalog="parts"),)))

    assert ids == {"goods": 1, "parts": 2, "sizes": 3, "screw": 1}
    assert (await catalogs.get(core, admin, 3)).parent_catalog_id == 2


async def test_a_file_that_is_no_picture_is_named_and_nothing_is_emptied(
    core: Core, admin: Principal, tmp_path: Path
) -> None:
    await make_product(core, admin)
    (tmp_path / "a.png").write_bytes(b"no picture")
    bad = Picture(place="Image 1", name="a.png", source=tmp_path / "a.png")

    with pytest.raises(InvalidRequest, match=r"^Image 1: "):
        await seeds.replace(core, Contents(products=(product("mug", pictures=(("more", bad),)),)))

    assert await count(core, admin) == 1


async def test_what_the_store_refuses_is_named_with_its_place(core: Core, admin: Principal) -> None:
    wrong = product("mug", fields={"name": "mug", "created_by": 99})

    with pytest.raises(InvalidRequest, match=r"^Product mug: "):
        await seeds.replace(core, Contents(products=(product("shirt"), wrong)))

    assert await count(core, admin) == 1


async def test_files_are_stored_byte_for_byte(core: Core, admin: Principal, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(pictures.png())
    file = Picture(place="", name="b.png", source=tmp_path / "a.png")

    await seeds.replace(core, Contents(products=(product("mug", pictures=(("preview", file),)),)))

    assert (await images.get(core, admin, 1, 1)).name == "b.png"
    assert await core.db.all("SELECT size_bytes FROM blob") == [(len(pictures.png()),)]


async def test_without_the_account_nothing_can_be_brought_back(core: Core) -> None:
    with pytest.raises(NotFound):
        await seeds.replace(core, Contents())


async def test_the_usual_catalogs_are_those_of_a_new_account(core: Core) -> None:
    await setup.create_account(core)
    new = await core.db.all("SELECT * FROM catalog"), await core.db.all("SELECT id, catalog_id, code FROM property")

    await seeds.replace(core, Contents())

    again = await core.db.all("SELECT * FROM catalog"), await core.db.all("SELECT id, catalog_id, code FROM property")
    assert again == new
