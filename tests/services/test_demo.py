"""The sample catalogue: what a person finds after `packshot serve --demo`."""

import asyncio
import io
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest
from PIL import Image

from build import INVENTORY, believing, fail_loudly, make_product
from packshot.app import open_core
from packshot.config import Settings
from packshot.domain.access import Principal
from packshot.domain.errors import Conflict
from packshot.domain.images import SINGLE_ROLES, ProductImage
from packshot.domain.inventory import InventoryProduct
from packshot.domain.libraries import LibraryImage, Wanted
from packshot.domain.originals import Header, Original, check_header
from packshot.domain.paging import Query
from packshot.domain.products import FIELDS, Fields, Kind
from packshot.imaging.probe import probe
from packshot.services import catalogs, demo, inventory, libraries, products, renditions, setup
from packshot.services.core import Core
from packshot.services.samples import QUALITIES, SAMPLES, SECTIONS
from packshot.services.setup import Seed


class Shown(msgspec.Struct):
    """An image with its original and that one's bytes."""

    image: ProductImage
    original: Original
    data: bytes

    @property
    def header(self) -> Header:
        return probe(self.data)


class Shop(msgspec.Struct):
    """Everything in a store that was filled: products and images by product id."""

    seed: Seed
    first_id: int
    progress: list[tuple[int, int]]
    rows: dict[int, Fields]
    shown: dict[int, list[Shown]]
    sections: dict[int, str]
    said: dict[tuple[int, str], list[str | None]]
    prints: list[tuple[LibraryImage, list[InventoryProduct]]]

    def of_kind(self, kind: Kind) -> list[int]:
        return [product_id for product_id, row in self.rows.items() if row["kind"] == kind]

    def variations_of(self, parent_id: int) -> list[int]:
        return [product_id for product_id, row in self.rows.items() if row["parent_id"] == parent_id]


async def _visit(folder: Path) -> Shop:
    progress: list[tuple[int, int]] = []
    async with open_core(folder, believing(Settings()), fail_loudly) as core:
        seed = await setup.create_account(core)
        assert seed is not None
        first_id = await demo.fill(core, seed, lambda done, total: progress.append((done, total)))
        caller = Principal(seed.account_id, seed.user_id, "viewer", setup.SCOPES, seed.webhook_id)
        page = await products.list_all(core, caller, tuple(Kind), FIELDS, Query(limit=100))
        rows = {int(row.fields["id"] or 0): row.fields for row in page.rows}
        shown = {product_id: await _look_at(core, caller, product_id) for product_id in rows}
        sections = {one.id: one.name for one in (await catalogs.list_sections(core, caller, Query())).rows}
        said = await _listen(core, caller, rows)
        return Shop(seed, first_id, progress, rows, shown, sections, said, await _look_into_library(core, caller))


async def _look_into_library(core: Core, caller: Principal) -> list[tuple[LibraryImage, list[InventoryProduct]]]:
    """The images on no product, each with what is sold of it."""
    wanted = Wanted(place=INVENTORY, now=0, shared=True, descending=False, limit=500)
    images = (await libraries.list_images(core, caller, wanted)).rows
    sold = await inventory.of_images(core, caller, [image.id for image in images])
    return [(image, sold.get(image.id, [])) for image in images if image.product_id is None or image.id in sold]


async def _listen(core: Core, caller: Principal, product_ids: Iterable[int]) -> dict[tuple[int, str], list[str | None]]:
    """What each product says, by the property's code."""
    codes = {one.id: one.code for one in (await catalogs.list_properties(core, caller, Query())).rows}
    said: dict[tuple[int, str], list[str | None]] = {}
    for product_id in product_ids:
        for value in (await products.get(core, caller, product_id, tuple(Kind))).values:
            said.setdefault((product_id, codes[value.property_id]), []).append(value.text)
    return said


async def _look_at(core: Core, caller: Principal, product_id: int) -> list[Shown]:
    product = await products.get(core, caller, product_id, tuple(Kind))
    originals = [(await renditions.picture_at(core, image.address[4:])).original for image in product.images]
    read = core.blobs.read
    return [
        Shown(image, original, await read(original.key, 0, original.size_bytes))
        for image, original in zip(product.images, originals, strict=True)
    ]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return asyncio.run(_visit(tmp_path_factory.mktemp("demo") / "data"))


def test_product_one_has_the_image_of_the_documentations_commands(shop: Shop) -> None:
    image = shop.shown[1][0].image

    assert shop.first_id == 1
    assert shop.rows[1]["kind"] == Kind.SIMPLE
    assert (image.id, image.product_id, image.name, image.role) == (1, 1, "test.jpeg", "more")


def test_the_library_has_the_images_of_the_documentations_deletion_and_something_is_sold_of_each(shop: Shop) -> None:
    guids = ["2d273599-962a-498c-be07-cec9e80bacf2", "7c5c9470-cf14-4ba0-89ff-97197c6989c2"]
    last = max(each.image.id for shown in shop.shown.values() for each in shown)

    assert [image.guid for image, _ in shop.prints] == guids
    assert [image.id for image, _ in shop.prints] == [last + 1, last + 2]
    assert [[product.sku for product in sold] for _, sold in shop.prints] == [["AP1P1"], ["AP1P2"]]
    assert all(image.address and image.media_type == "image/jpeg" for image, _ in shop.prints)


def test_there_are_a_dozen_products_two_parents_with_three_variations_each_and_a_service(shop: Shop) -> None:
    kinds = Counter(row["kind"] for row in shop.rows.values())

    assert kinds == {Kind.SIMPLE: 12, Kind.PARENT: 2, Kind.VARIATION: 6, Kind.SERVICE: 1}
    assert [len(shop.variations_of(parent_id)) for parent_id in shop.of_kind(Kind.PARENT)] == [3, 3]


def test_variations_stand_in_their_own_catalog_and_everything_else_in_that_of_products(shop: Shop) -> None:
    variations = set(shop.of_kind(Kind.VARIATION))

    assert {shop.rows[product_id]["catalog_id"] for product_id in variations} == {shop.seed.variations_id}
    assert {shop.rows[other]["catalog_id"] for other in shop.rows.keys() - variations} == {shop.seed.catalog_id}


def test_only_variations_have_a_parent(shop: Shop) -> None:
    with_parent = [product_id for product_id, row in shop.rows.items() if row["parent_id"] is not None]

    assert with_parent == shop.of_kind(Kind.VARIATION)


def test_most_products_stand_in_one_of_three_sections(shop: Shop) -> None:
    kept = Counter(shop.sections[int(row["section_id"])] for row in shop.rows.values() if row["section_id"])

    assert kept == {"Kitchen": 4, "Living room": 6, "To wear and carry": 3}
    assert shop.sections[int(shop.rows[1]["section_id"] or 0)] == "Kitchen"


def test_products_say_what_they_are_made_of_and_how_to_care_for_them(shop: Shop) -> None:
    assert shop.said[1, "MATERIAL"] == ["Stoneware"]
    assert shop.said[1, "CARE"] == ["Dishwasher", "Microwave"]
    assert len(shop.said) == 10


def test_every_section_and_property_is_said_of_samples_that_are_there() -> None:
    codes = {sample.code for sample in SAMPLES}

    assert {code for samples in SECTIONS.values() for code in samples} <= codes
    assert all(quality.values.keys() <= codes for quality in QUALITIES)


def test_names_codes_and_articles_are_all_different(shop: Shop) -> None:
    for field in ("name", "code", "xml_id"):
        values = {row[field] for row in shop.rows.values()}

        assert len(values - {None, ""}) == len(shop.rows)


def test_every_product_has_a_price_and_a_summary(shop: Shop) -> None:
    for row in shop.rows.values():
        assert float(row["purchasing_price"] or 0) > 0
        assert row["purchasing_currency"] == "EUR"
        assert row["preview_text"]


def test_every_product_but_a_variation_has_a_description(shop: Shop) -> None:
    described = {product_id for product_id, row in shop.rows.items() if row["detail_text"]}

    assert described == shop.rows.keys() - set(shop.of_kind(Kind.VARIATION))


def test_every_product_has_one_detail_one_preview_and_further_pictures(shop: Shop) -> None:
    for shown in shop.shown.values():
        roles = Counter(each.image.role for each in shown)

        assert [roles[role] for role in SINGLE_ROLES] == [1, 1]
        assert 1 <= roles["more"] <= 4


def test_pictures_are_squares_and_previews_are_the_smaller_ones(shop: Shop) -> None:
    sides = {
        (each.image.role, each.header.width_px, each.header.height_px)
        for shown in shop.shown.values()
        for each in shown
    }

    assert sides == {
        ("more", demo.DETAIL_PX, demo.DETAIL_PX),
        ("detail", demo.DETAIL_PX, demo.DETAIL_PX),
        ("preview", demo.PREVIEW_PX, demo.PREVIEW_PX),
    }
    assert demo.PREVIEW_PX < demo.DETAIL_PX


def test_every_picture_is_what_its_name_says_and_decodes(shop: Shop) -> None:
    for shown in shop.shown.values():
        for each in shown:
            check_header(each.header, Settings().images)
            with Image.open(io.BytesIO(each.data)) as image:
                image.load()

            assert each.image.name.endswith(".jpeg")
            assert each.original.media_type == each.header.media_type == "image/jpeg"


def test_the_pictures_of_a_product_have_different_names_and_bytes(shop: Shop) -> None:
    for shown in shop.shown.values():
        assert len({each.image.name for each in shown}) == len(shown)
        assert len({each.original.digest for each in shown}) == len(shown)


def test_a_parent_shows_its_variations_without_storing_their_bytes_again(shop: Shop) -> None:
    for parent_id in shop.of_kind(Kind.PARENT):
        own = {each.original.key for each in shop.shown[parent_id]}
        details = {
            each.original.key
            for variation_id in shop.variations_of(parent_id)
            for each in shop.shown[variation_id]
            if each.image.role == "detail"
        }

        assert len(details) == 3
        assert details <= own


def test_the_whole_catalogue_takes_little_room(shop: Shop) -> None:
    sizes = {each.original.key: each.original.size_bytes for shown in shop.shown.values() for each in shown}

    assert sum(sizes.values()) < 4_000_000


def test_progress_is_told_after_each_product(shop: Shop) -> None:
    total = len(shop.rows)

    assert shop.progress == [(done, total) for done in range(1, total + 1)]


async def test_a_store_that_has_one_of_the_products_is_not_filled(core: Core, seed: Seed, admin: Principal) -> None:
    product_id = await make_product(core, admin)
    await products.update(core, admin, product_id, (Kind.SIMPLE,), {"code": SAMPLES[0].code})

    with pytest.raises(Conflict):
        await demo.fill(core, seed)

    page = await products.list_all(core, admin, tuple(Kind), ("id",), Query())
    assert page.total == 1
