"""list_virtual_inventory: what clients send, and what they get."""

from typing import Any

import pytest

import pictures
from build import Clock, make_inventory_product, make_library_image, make_product
from inventory_calls import FIELDS, linked, listed, skus, submitted, updated
from library_calls import V3, added, refused
from packshot.config import Settings
from packshot.domain.access import Principal
from packshot.domain.inventory import InventoryProduct
from packshot.domain.libraries import NO_GUID, LibraryImage
from packshot.protocols.finerworks.errors import FinerWorksSettings
from packshot.services.core import Core

DAY_S = 86_400
KEYS = {
    "id", "sku", "product_code", "product_guid", "image_guid", "name", "description_short", "description_long",
    "artist", "monetary_format", "quantity", "quantity_in_stock", "track_inventory", "per_item_price", "total_price",
    "asking_price", "geo_price", "price_details", "image_url_1", "image_url_2", "image_url_3", "image_url_4",
    "image_url_5", "product_size", "framing_options", "third_party_integrations", "updated", "valid",
}  # fmt: skip
APART = Settings(finerworks=FinerWorksSettings(shared_library=False))


@pytest.fixture
async def three(core: Core, admin: Principal, dunes: LibraryImage, clock: Clock) -> list[str]:
    """The SKUs of products called b, c and a, a minute apart."""
    made = []
    for name in ("b", "c", "a"):
        made.append((await make_inventory_product(core, admin, dunes.guid, name)).sku)
        clock.advance(60)
    return made


# Products


async def test_a_product_has_every_documented_field(v3: V3, dunes: LibraryImage, sold: InventoryProduct) -> None:
    assert dunes.files

    (product,) = (await listed(v3))["products"]

    assert set(product) == KEYS
    assert product["sku"] == sold.sku
    assert product["image_guid"] == dunes.guid
    assert (product["monetary_format"], product["quantity"], product["valid"]) == ("USD", 1, True)
    assert (product["quantity_in_stock"], product["track_inventory"], product["asking_price"]) == (0, False, None)


async def test_of_products_the_thumbnail_and_the_preview_of_their_image_are_shown(v3: V3) -> None:
    files = {"public_thumbnail_uri": "https://img.example/t.jpg", "public_preview_uri": "https://img.example/p.jpg"}
    image = await added(v3, **files)

    (product,) = (await submitted(v3, image["guid"]))["products"]

    assert (product["image_url_1"], product["image_url_2"]) == tuple(files.values())


async def test_a_product_of_a_hosted_image_is_shown_with_our_own_addresses(
    v3: V3, core: Core, admin: Principal
) -> None:
    image = await make_library_image(core, admin, pictures.png())
    await make_inventory_product(core, admin, image.guid)

    (product,) = (await listed(v3))["products"]

    key = str(image.address).partition("/")[2]
    assert product["image_url_1"] == f"http://shop.test/i/{key}/thumbnail/dunes.jpg"
    assert product["image_url_2"] == f"http://shop.test/i/{key}/preview/dunes.jpg"


async def test_a_platform_that_a_product_is_not_linked_to_is_0_or_null_for_texts(
    v3: V3, sold: InventoryProduct
) -> None:
    del sold

    (product,) = (await listed(v3))["products"]

    links = product["third_party_integrations"]
    texts = {"shopify_graphql_product_id", "shopify_graphql_variant_id", "square_variant_id", "wix_variant_id"}
    assert links == {field: None if field in texts else 0 for field in FIELDS}


# list_virtual_inventory


async def test_an_empty_inventory_has_a_list_of_no_products(v3: V3) -> None:
    answer = await listed(v3)

    assert {key: answer[key] for key in ("products", "count", "page_number", "per_page")} == {
        "products": [], "count": 0, "page_number": 1, "per_page": 10,
    }  # fmt: skip


async def test_products_come_newest_first_ten_a_page_unless_asked_otherwise(
    v3: V3, core: Core, admin: Principal, dunes: LibraryImage
) -> None:
    made = [(await make_inventory_product(core, admin, dunes.guid)).sku for _ in range(12)]

    assert await skus(v3) == made[:1:-1]
    assert await skus(v3, page_number="2", per_page="5") == made[6:1:-1]
    assert await skus(v3, sort_direction="asc", per_page=2) == made[:2]
    assert await skus(v3, page_number=99) == []


@pytest.mark.parametrize(("asked", "given"), [(50, 50), (51, 50), (100, 50), (0, 10), (-1, 10), ("", 10), (None, 10)])
async def test_a_page_has_at_most_fifty_products_and_says_so(v3: V3, asked: Any, given: int) -> None:
    assert (await listed(v3, per_page=asked))["per_page"] == given


@pytest.mark.parametrize(
    ("field", "order"),
    [
        ("id", [0, 1, 2]),
        ("name", [2, 0, 1]),
        ("title", [2, 0, 1]),
        ("created_at", [0, 1, 2]),
        ("date_added", [0, 1, 2]),
        ("file_name", [0, 1, 2]),
        ("file_size", [0, 1, 2]),
        ("NAME", [2, 0, 1]),
        ("nonsense", [0, 1, 2]),
        (None, [0, 1, 2]),
    ],
)
async def test_products_are_sorted_by_what_clients_name(v3: V3, three: list[str], field: Any, order: list[int]) -> None:
    ascending = await skus(v3, sort_field=field, sort_direction="ASC")

    assert ascending == [three[index] for index in order]
    assert await skus(v3, sort_field=field, sort_direction="down") == ascending[::-1]


@pytest.mark.parametrize("search", ["GRAND", "ßst", "SSST", "100%", "a_b", "ap1p", "<li>oak"])
async def test_a_search_looks_through_names_skus_and_descriptions_and_takes_signs_as_they_are(
    v3: V3, core: Core, admin: Principal, dunes: LibraryImage, sold: InventoryProduct, search: str
) -> None:
    found = await make_inventory_product(core, admin, dunes.guid, "Grand Ößstlich 100% a_b")
    await updated(v3, {"sku": found.sku, "description": "<ul><li>Oak</li></ul>"})
    everything = {sold.sku, found.sku} if search == "ap1p" else {found.sku}

    assert set(await skus(v3, search_filter=search)) == everything
    assert await skus(v3, search_filter="axb") == []


async def test_filters_hold_all_at_once(v3: V3, core: Core, admin: Principal, dunes: LibraryImage) -> None:
    other = await make_library_image(core, admin)
    first = await make_inventory_product(core, admin, dunes.guid, code="5M1")
    second = await make_inventory_product(core, admin, other.guid, code="5M1")
    third = await make_inventory_product(core, admin, other.guid, code="5M2")

    assert await skus(v3, sku_filter=[first.sku, third.sku, "AP7P7"]) == [third.sku, first.sku]
    assert await skus(v3, product_code_filter=["5M1"]) == [second.sku, first.sku]
    assert await skus(v3, guid_filter=[other.guid.upper(), "no guid"]) == [third.sku, second.sku]
    assert await skus(v3, guid_filter=other.guid, product_code_filter="5M1", sku_filter=[]) == [second.sku]
    assert await skus(v3, guid_filter=["no guid"]) == []
    assert await skus(v3, guid_filter=[], sku_filter="", product_type_ids_filter=[5]) == [
        third.sku, second.sku, first.sku,
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["sku_filter", "product_code_filter"])
async def test_a_filter_with_more_than_fifty_entries_is_ignored_as_documented(
    v3: V3, sold: InventoryProduct, name: str
) -> None:
    entries = [f"nothing-{number}" for number in range(51)]

    assert await skus(v3, **{name: entries[:50]}) == []
    assert await skus(v3, **{name: entries}) == [sold.sku]


async def test_products_are_found_by_platform_and_by_any_id_in_a_shop(
    v3: V3, core: Core, admin: Principal, dunes: LibraryImage, sold: InventoryProduct
) -> None:
    other = await make_inventory_product(core, admin, dunes.guid)
    await linked(v3, sold.sku, shopify_product_id=77, wix_variant_id="77-b")
    await linked(v3, other.sku, woocommerce_product_id="77", etsy_product_id="1234")

    for words, found in (
        ("77", [other.sku, sold.sku]),
        (77, [other.sku, sold.sku]),
        (["77-b"], [sold.sku]),
        ("Shopify", [sold.sku]),
        (["etsy", "77-b", "5"], [other.sku, sold.sku]),
        (["square"], []),
        ("7", []),
        ([], [other.sku, sold.sku]),
        ("", [other.sku, sold.sku]),
        ([""], [other.sku, sold.sku]),
    ):
        assert await skus(v3, third_party_connections_filter=words) == found, words


async def test_dates_are_inclusive_and_a_day_is_the_whole_day(
    v3: V3, core: Core, admin: Principal, dunes: LibraryImage, clock: Clock
) -> None:
    clock.now = 1_788_480_000.0  # 2026-09-04 00:00 UTC
    first = await make_inventory_product(core, admin, dunes.guid)
    clock.advance(DAY_S - 1)
    second = await make_inventory_product(core, admin, dunes.guid)
    clock.advance(1)
    third = await make_inventory_product(core, admin, dunes.guid)

    assert await skus(v3, created_date_from="2026-09-04", created_date_to="2026-09-04") == [second.sku, first.sku]
    assert await skus(v3, created_date_from="2026-09-05T00:00:00Z", created_date_to="") == [third.sku]
    assert await refused(v3, "POST", "list_virtual_inventory", {"created_date_to": "soon"}) == "request.created_date_to"


@pytest.mark.parametrize("settings", [APART])
async def test_a_product_stays_when_its_image_moves_to_where_the_library_does_not_look(
    v3: V3, core: Core, admin: Principal, dunes: LibraryImage, sold: InventoryProduct
) -> None:
    shirt = await make_product(core, admin)

    async def attach(tx: Any) -> None:
        await tx.run("UPDATE image SET product_id = ?1, role = 'more' WHERE id = ?2", shirt, dunes.id)

    await core.db.write(attach)

    (product,) = (await listed(v3))["products"]

    assert (product["sku"], product["image_guid"], product["image_url_1"]) == (sold.sku, NO_GUID, None)
