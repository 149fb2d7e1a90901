"""The virtual inventory: made, changed and deleted as clients do."""

from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as tuned
from hypothesis import strategies as st

import pictures
from build import Clock, make_image, make_inventory_product, make_product
from inventory_calls import FIELDS, linked, listed, skus, submitted, updated
from library_calls import V3, added, refused
from packshot.config import Settings
from packshot.domain.access import Principal
from packshot.domain.inventory import LINK_FIELDS, InventoryProduct
from packshot.domain.libraries import NO_GUID, LibraryImage
from packshot.protocols.finerworks.errors import FinerWorksSettings
from packshot.protocols.finerworks.inventory import MAX_DESCRIPTION_CHARACTERS, MAX_NAME_CHARACTERS, MAX_SKUS
from packshot.services import inventory
from packshot.services.core import Core

APART = Settings(finerworks=FinerWorksSettings(shared_library=False))


# update_virtual_inventory


async def test_an_update_changes_what_it_names_and_nothing_else(v3: V3, sold: InventoryProduct) -> None:
    everything = {
        "sku": sold.sku, "name": "Framed", "description": "<h4>Framed</h4>", "quantity_in_stock": "10",
        "track_inventory": True, "asking_price": "200.50", "third_party_integrations": {"etsy_product_id": 5},
    }  # fmt: skip
    await updated(v3, everything)

    nothing: list[dict[str, Any]] = [{}, {"third_party_integrations": {}}, {"updated": "x"}, dict.fromkeys(everything)]
    for change in nothing:
        answer = await updated(v3, {**change, "sku": sold.sku})

        (product,) = answer["products"]
        assert answer["skus_updated"] == [sold.sku]
        assert (product["name"], product["description_long"]) == ("Framed", "<h4>Framed</h4>")
        assert (product["quantity_in_stock"], product["track_inventory"]) == (10, True)
        assert product["asking_price"] == 200.5
        assert product["third_party_integrations"]["etsy_product_id"] == 5

        assert (await listed(v3))["products"] == [product]


async def test_an_update_is_dated_only_where_it_changes_something(v3: V3, sold: InventoryProduct, clock: Clock) -> None:
    clock.now = 1_788_480_000.0
    assert (await listed(v3))["products"][0]["updated"] is None

    first = (await updated(v3, {"sku": sold.sku, "name": "Framed"}))["products"][0]
    clock.advance(60)
    second = (await updated(v3, {"sku": sold.sku, "name": "Framed"}))["products"][0]

    assert first["updated"] == second["updated"] == "2026-09-04T00:00:00.0000000+00:00"


@pytest.mark.parametrize(
    ("field", "sent", "kept"),
    [
        ("woocommerce_product_id", "1234", 1234),
        ("woocommerce_product_id", 1234, 1234),
        ("woocommerce_product_id", 1234.0, 1234),
        ("woocommerce_product_id", " 1234 ", 1234),
        ("woocommerce_product_id", "wc-1234", "wc-1234"),
        ("woocommerce_product_id", "007", "007"),
        ("shopify_variant_id", 46_000_000_000_001, 46_000_000_000_001),
        ("bigcommerce_id", -5, -5),
        ("bigcommerce_id", 2**63 - 1, 2**63 - 1),
        ("bigcommerce_id", 2**63, str(2**63)),
        ("bigcommerce_id", -(10**19) + 1, str(-(10**19) + 1)),
        ("bigcommerce_id", 1.5, "1.5"),
        ("squarespace_product_id", "65a1f0c2", "65a1f0c2"),
        ("squarespace_product_id", "65", 65),
        ("shopify_graphql_product_id", "gid://shopify/Product/9", "gid://shopify/Product/9"),
        ("shopify_graphql_product_id", 9, "9"),
        ("wix_variant_id", "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000001"),
    ],
)
async def test_an_id_in_a_shop_is_taken_as_number_or_text_and_kept_as_it_is_unless_whole(
    v3: V3, sold: InventoryProduct, field: str, sent: Any, kept: Any
) -> None:
    links = await linked(v3, sold.sku, **{field: sent})

    assert (links[field], type(links[field])) == (kept, type(kept))
    assert [links[other] for other in FIELDS if other != field and links[other]] == []


@pytest.mark.parametrize("nothing", [None, 0, "", "0", 0.0, " "])
async def test_an_id_that_is_nothing_cuts_that_link_and_no_other(v3: V3, sold: InventoryProduct, nothing: Any) -> None:
    await linked(v3, sold.sku, shopify_product_id=7, shopify_variant_id=8, wix_variant_id="x")

    links = await linked(v3, sold.sku, shopify_product_id=nothing, wix_variant_id=nothing)

    assert (links["shopify_product_id"], links["shopify_variant_id"], links["wix_variant_id"]) == (0, 8, None)


async def test_names_of_links_are_read_in_any_case_and_unknown_ones_ignored(v3: V3, sold: InventoryProduct) -> None:
    links = await linked(v3, sold.sku, Etsy_Product_ID=7, amazon_id=8)

    assert links["etsy_product_id"] == 7
    assert "amazon_id" not in links


async def test_unknown_skus_are_left_out_of_what_was_updated_and_named(
    v3: V3, core: Core, admin: Principal, dunes: LibraryImage, sold: InventoryProduct
) -> None:
    other = await make_inventory_product(core, admin, dunes.guid)
    changes = [{"sku": sku, "name": "New"} for sku in (other.sku, "AP0001P0001", sold.sku)]

    answer = await updated(v3, *changes)

    assert answer["skus_updated"] == [product["sku"] for product in answer["products"]] == [other.sku, sold.sku]
    assert answer["status"]["success"] is True
    assert answer["status"]["message"] == "No product was found for AP0001P0001"


async def test_an_update_that_finds_nothing_fails_within_an_answer_of_200(v3: V3) -> None:
    answer = await updated(v3, {"sku": "AP0001P0001", "name": "x"}, account_key="")

    assert (answer["skus_updated"], answer["products"]) == ([], [])
    assert (answer["status"]["success"], answer["status"]["status_code"]) == (False, 404)


async def test_an_update_of_nothing_is_one(v3: V3) -> None:
    answer = await updated(v3)

    assert (answer["skus_updated"], answer["products"], answer["status"]["success"]) == ([], [], True)


async def test_a_product_that_is_named_twice_takes_both_changes(v3: V3, sold: InventoryProduct) -> None:
    links: Any = {"third_party_integrations": {"etsy_product_id": 5}}

    answer = await updated(v3, {"sku": sold.sku, "name": "a", **links}, {"sku": sold.sku, "name": "b"})

    (product,) = answer["products"]
    assert (product["name"], product["third_party_integrations"]["etsy_product_id"]) == ("b", 5)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"sku": ""}, "sku"),
        ({"name": "x"}, "sku"),
        ({"sku": "a", "name": "x" * (MAX_NAME_CHARACTERS + 1)}, "name"),
        ({"sku": "a", "name": []}, "name"),
        ({"sku": "a", "description": "x" * (MAX_DESCRIPTION_CHARACTERS + 1)}, "description"),
        ({"sku": "a", "quantity_in_stock": -1}, "quantity_in_stock"),
        ({"sku": "a", "quantity_in_stock": 1.5}, "quantity_in_stock"),
        ({"sku": "a", "track_inventory": "perhaps"}, "track_inventory"),
        ({"sku": "a", "asking_price": "much"}, "asking_price"),
        ({"sku": "a", "asking_price": -0.01}, "asking_price"),
        ({"sku": "a", "asking_price": 10**400}, "asking_price"),
        ({"sku": "a", "asking_price": [1]}, "asking_price"),
        ({"sku": "a", "third_party_integrations": "shopify"}, "third_party_integrations"),
        ({"sku": "a", "third_party_integrations": {"etsy_product_id": True}},
         "third_party_integrations.etsy_product_id"),
        ({"sku": "a", "third_party_integrations": {"wix_product_id": "x" * (MAX_NAME_CHARACTERS + 1)}},
         "third_party_integrations.wix_product_id"),
    ],
)  # fmt: skip
async def test_an_update_with_a_wrong_field_is_refused_whole(
    v3: V3, sold: InventoryProduct, change: Any, field: str
) -> None:
    changes = [{"sku": sold.sku, "name": "New"}, change]

    name = await refused(v3, "PUT", "update_virtual_inventory", {"virtual_inventory": changes})

    assert name == f"request.virtual_inventory[1].{field}"
    assert (await listed(v3))["products"][0]["name"] == sold.name


async def test_an_update_takes_fifty_products_and_no_more(v3: V3, sold: InventoryProduct) -> None:
    changes = [{"sku": sold.sku, "quantity_in_stock": number} for number in range(51)]

    assert (await updated(v3, *changes[:50]))["products"][0]["quantity_in_stock"] == 49
    wrongs: list[Any] = [changes, None, {}, ["a"]]
    for wrong in wrongs:
        await refused(v3, "PUT", "update_virtual_inventory", {"virtual_inventory": wrong})


# delete_virtual_inventory


async def test_a_deleted_product_leaves_its_image(v3: V3, dunes: LibraryImage, sold: InventoryProduct) -> None:
    answer = await v3("DELETE", "delete_virtual_inventory", json={"skus": [sold.sku, sold.sku]})

    assert answer.json()["status"] == {"success": True, "status_code": 200, "message": "", "debug": None}
    assert await skus(v3) == []
    (image,) = (await v3("POST", "list_images", json={"list_products": True})).json()["images"]
    assert (image["guid"], image["products"]) == (dunes.guid, [])


async def test_deleting_unknown_skus_succeeds_and_names_them(v3: V3, sold: InventoryProduct) -> None:
    answer = await v3("DELETE", "delete_virtual_inventory", json={"skus": ["AP0001P0001", sold.sku, 12]})

    status = answer.json()["status"]
    assert (answer.status_code, status["success"]) == (200, True)
    assert status["message"] == "No product was found for AP0001P0001, 12"
    assert await skus(v3) == []


async def test_a_deletion_needs_a_list_of_at_most_five_hundred_skus(v3: V3, sold: InventoryProduct) -> None:
    wrongs: list[Any] = [{}, {"skus": None}, {"skus": [sold.sku] * (MAX_SKUS + 1)}, {"skus": [sold.sku, {}]}]
    for wrong in wrongs:
        assert await refused(v3, "DELETE", "delete_virtual_inventory", wrong) == "request.skus"

    assert (await v3("DELETE", "delete_virtual_inventory", json={"skus": []})).json()["status"]["success"] is True
    assert await skus(v3) == [sold.sku]


# disconnect_virtual_inventory


@pytest.mark.parametrize("platform", LINK_FIELDS)
async def test_disconnecting_cuts_all_links_to_one_platform(
    v3: V3, core: Core, admin: Principal, dunes: LibraryImage, sold: InventoryProduct, platform: str
) -> None:
    other = await make_inventory_product(core, admin, dunes.guid)
    for sku in (sold.sku, other.sku):
        await linked(v3, sku, **dict.fromkeys(FIELDS, 7))

    answer = await v3("PUT", "disconnect_virtual_inventory", json={"platform": platform.upper(), "account_key": None})

    assert answer.json()["status"]["success"] is True
    for product in (await listed(v3))["products"]:
        links = product["third_party_integrations"]
        assert {field for field in FIELDS if not links[field]} == set(LINK_FIELDS[platform])


@pytest.mark.parametrize("platform", ["amazon", "", None, ["shopify"]])
async def test_an_unknown_platform_is_refused(v3: V3, platform: Any) -> None:
    answer = await v3("PUT", "disconnect_virtual_inventory", json={"platform": platform})

    assert answer.status_code == 400
    assert list(answer.json()["ModelState"]) == ["request.platform"]


# submit_product


async def test_a_submitted_product_gets_a_sku_of_its_own_and_keeps_the_code_that_was_sent(
    v3: V3, admin: Principal, dunes: LibraryImage
) -> None:
    (first,) = (await submitted(v3, dunes.guid))["products"]
    (second,) = (await submitted(v3, dunes.guid.upper()))["products"]

    assert [product["sku"] for product in (first, second)] == [
        f"AP{admin.account_id}P{product['id']}" for product in (first, second)
    ]
    assert first["product_code"] == second["product_code"] == "5M41M9S8X10"
    assert first["name"] == dunes.title
    assert first["image_guid"] == second["image_guid"] == dunes.guid
    assert await skus(v3) == [second["sku"], first["sku"]]


@pytest.mark.parametrize(
    "image",
    [
        {},
        {"product_image": None},
        {"product_image": {"library_file": None}},
        {"product_image": {"library_file": {"guid": NO_GUID}}},
        {"product_image": {"library_file": {"guid": ""}, "pixel_width": 1}},
    ],
)
async def test_a_product_may_name_its_image_by_product_guid(v3: V3, dunes: LibraryImage, image: Any) -> None:
    fields = {"product_sku": "5M1", "product_title": "Dunes, framed", **image}

    answer = await v3(
        "POST", "submit_product", json={"mode": "STORE", "product": fields | {"product_guid": dunes.guid}}
    )
    missing = await refused(v3, "POST", "submit_product", {"mode": "store", "product": fields})

    (product,) = answer.json()["products"]
    assert (product["name"], product["image_guid"]) == ("Dunes, framed", dunes.guid)
    assert product["product_guid"] not in {dunes.guid, NO_GUID}
    assert missing == "request.product.product_image.library_file.guid"


async def test_a_product_called_like_its_image_can_be_sent_back(v3: V3) -> None:
    image = await added(v3, title="x" * 300)

    (product,) = (await submitted(v3, image["guid"]))["products"]

    assert (await updated(v3, product))["products"] == [product]


@pytest.mark.parametrize("mode", ["order", "", None, "cart"])
async def test_only_products_for_the_store_are_taken(v3: V3, dunes: LibraryImage, mode: Any) -> None:
    answer = await submitted(v3, dunes.guid, 400, mode=mode)

    assert "store" in answer["status"]["message"]
    assert list(answer["ModelState"]) == ["request.mode"]
    assert await skus(v3) == []


@pytest.mark.parametrize(
    ("product", "field"),
    [
        (None, "product"),
        ("5M1", "product"),
        ({}, "product.product_sku"),
        ({"product_sku": "x" * (MAX_NAME_CHARACTERS + 1)}, "product.product_sku"),
        ({"product_sku": "5M1", "product_title": "x" * (MAX_NAME_CHARACTERS + 1)}, "product.product_title"),
        ({"product_sku": "5M1", "product_guid": {"guid": "x"}}, "product.product_guid"),
        ({"product_sku": "5M1", "product_image": {"library_file": {"guid": []}}},
         "product.product_image.library_file.guid"),
    ],
)  # fmt: skip
async def test_a_product_that_makes_no_sense_is_refused(v3: V3, product: Any, field: str) -> None:
    assert await refused(v3, "POST", "submit_product", {"mode": "store", "product": product}) == f"request.{field}"


async def test_an_image_that_is_not_in_the_inventory_library_cannot_be_sold(
    v3: V3, core: Core, admin: Principal
) -> None:
    temporary = await added(v3, {"name": "temporary", "session_id": "0123456789abcdef"})
    shared = await make_image(core, admin, await make_product(core, admin), pictures.png())

    for guid in (temporary["guid"], str(uuid4()), "no guid"):
        assert (await submitted(v3, guid, 400))["status"]["message"] == "Image not found"

    assert (await submitted(v3, shared.guid))["products"][0]["image_guid"] == shared.guid


@pytest.mark.parametrize("settings", [APART])
async def test_an_image_of_a_product_cannot_be_sold_where_libraries_are_not_shared(
    v3: V3, core: Core, admin: Principal
) -> None:
    image = await make_image(core, admin, await make_product(core, admin), pictures.png())

    assert (await submitted(v3, image.guid, 400))["status"]["message"] == "Image not found"


async def test_a_sku_is_never_given_twice(v3: V3, core: Core, admin: Principal, dunes: LibraryImage) -> None:
    (first,) = (await submitted(v3, dunes.guid))["products"]
    await inventory.remove(core, admin, [first["sku"]])

    (second,) = (await submitted(v3, dunes.guid))["products"]

    assert second["sku"] == f"AP{admin.account_id}P{first['id'] + 1}"


# Whatever is sent


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*FIELDS, "guid"]), inner, max_size=3),
    max_leaves=6,
)
CALLS = {
    "list_virtual_inventory": ("POST", ["search_filter", "sku_filter", "product_code_filter", "guid_filter",
                                        "product_type_ids_filter", "third_party_connections_filter", "page_number",
                                        "per_page", "sort_field", "sort_direction", "created_date_from"]),
    "update_virtual_inventory": ("PUT", ["virtual_inventory"]),
    "delete_virtual_inventory": ("DELETE", ["skus"]),
    "disconnect_virtual_inventory": ("PUT", ["platform"]),
    "submit_product": ("POST", ["product", "mode"]),
}  # fmt: skip
CHANGES = st.fixed_dictionaries(
    {"sku": st.just("$sku") | JUNK},
    optional=dict.fromkeys(
        ("name", "description", "quantity_in_stock", "track_inventory", "asking_price", "third_party_integrations"),
        JUNK,
    ),
)


@tuned(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(data=st.data())
async def test_whatever_is_sent_is_done_or_refused(v3: V3, sold: InventoryProduct, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(CALLS)))
    verb, fields = CALLS[name]
    body: Any = data.draw(st.fixed_dictionaries({}, optional=dict.fromkeys(fields, JUNK)))
    if name == "update_virtual_inventory":
        body = {"virtual_inventory": data.draw(st.lists(CHANGES, max_size=2))}
        for change in body["virtual_inventory"]:
            change["sku"] = sold.sku if change["sku"] == "$sku" else change["sku"]

    answer = await v3(verb, name, json=body)

    assert answer.status_code in {200, 400}, answer.text
    assert "status" in answer.json()
