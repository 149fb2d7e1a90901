"""Parents, variations and services: which methods see which, and what parent and variation do to each other."""

from typing import Any

import pytest

import pictures
from build import Call, file_content, make_image
from packshot.domain.access import Principal
from packshot.services.core import Core
from packshot.services.setup import Seed

PRODUCT, SKU, OFFER, SERVICE = (
    "catalog.product",
    "catalog.product.sku",
    "catalog.product.offer",
    "catalog.product.service",
)
KEYS = {
    PRODUCT: ("element", "product", "products"),
    SKU: ("sku", "sku", "units"),
    OFFER: ("offer", "offer", "offers"),
    SERVICE: ("service", "service", "services"),
}
NOT_FOUND = {"error": 0, "error_description": "Product with the specified identifier not found"}


async def add(call: Call, sort: str, **fields: Any) -> dict[str, Any]:
    catalog = 2 if sort == OFFER else 1
    answer = await call(f"{sort}.add", {"fields": {"iblockId": catalog, "name": "Shirt"} | fields})
    made: dict[str, Any] = answer["result"][KEYS[sort][0]]
    return made


async def look(call: Call, sort: str, number: int) -> dict[str, Any]:
    found: dict[str, Any] = (await call(f"{sort}.get", {"id": number}))["result"][KEYS[sort][1]]
    return found


async def rows(call: Call, sort: str, **more: Any) -> list[dict[str, Any]]:
    params = {"select": ["id", "iblockId", "type"], "filter": {"iblockId": 2 if sort == OFFER else 1}} | more
    listed: list[dict[str, Any]] = (await call(f"{sort}.list", params))["result"][KEYS[sort][2]]
    return listed


async def test_all_sorts_share_one_row_of_ids_and_each_has_methods_of_its_own(call: Call) -> None:
    made = {sort: (await add(call, sort))["id"] for sort in KEYS}

    assert sorted(made.values()) == [1, 2, 3, 4]
    for sort, number in made.items():
        assert [row["id"] for row in await rows(call, sort)] == [number]
        assert (await look(call, sort, number))["id"] == number
        for other in KEYS.keys() - {sort}:
            assert await call(f"{other}.get", {"id": number}, 400) == NOT_FOUND
            assert await call(f"{other}.update", {"id": number, "fields": {"name": "x"}}, 400) == NOT_FOUND
            assert await call(f"{other}.delete", {"id": number}, 400) == NOT_FOUND


@pytest.mark.parametrize("sort", KEYS)
async def test_pictures_are_added_to_every_sort(sort: str, call: Call) -> None:
    number = (await add(call, sort))["id"]

    params = {"fields": {"productId": number}, "fileContent": file_content(pictures.png())}

    assert (await call("catalog.productImage.add", params))["result"]["productImage"]["productId"] == number


async def test_a_parent_knows_whether_it_has_variations(call: Call) -> None:
    parent = (await add(call, SKU))["id"]
    assert (await look(call, SKU, parent))["type"] == 6

    one, two = [(await add(call, OFFER, parentId=number))["id"] for number in (parent, str(parent))]
    filled = await look(call, SKU, parent)
    await call(f"{OFFER}.delete", {"id": one})
    with_one = await look(call, SKU, parent)
    await call(f"{OFFER}.delete", {"id": two})

    assert (filled["type"], filled["available"]) == (3, "Y")
    assert with_one["type"] == 3
    empty = await look(call, SKU, parent)
    assert (empty["type"], empty["available"]) == (6, "N")


async def test_a_variation_changes_its_parent_and_both_parents_know(call: Call) -> None:
    first, second = [(await add(call, SKU))["id"] for _ in range(2)]
    offer = await add(call, OFFER, parentId=first)
    assert offer["parentId"] == {"value": str(first), "valueId": str(offer["id"])}

    moved = (await call(f"{OFFER}.update", {"id": offer["id"], "fields": {"parentId": {"value": second}}}))["result"][
        "offer"
    ]
    types = [(await look(call, SKU, number))["type"] for number in (first, second)]
    alone = (await call(f"{OFFER}.update", {"id": offer["id"], "fields": {"parentId": ""}}))["result"]["offer"]

    assert (moved["type"], moved["parentId"]["value"], types) == (4, str(second), [6, 3])
    assert (alone["type"], alone["parentId"]) == (5, None)
    assert (await look(call, SKU, second))["type"] == 6
    assert [row["type"] for row in await rows(call, OFFER)] == [5]


async def test_variations_are_found_by_their_parent(call: Call) -> None:
    parents = [(await add(call, SKU))["id"] for _ in range(2)]
    offers = [(await add(call, OFFER, parentId=parents[number]))["id"] for number in (0, 1, 0)]
    lonely = (await add(call, OFFER))["id"]

    async def found(**filter_: Any) -> list[int]:
        return [row["id"] for row in await rows(call, OFFER, filter={"iblockId": 2} | filter_)]

    assert await found(parentId=parents[0]) == [offers[0], offers[2]]
    assert await found(parentId=[str(parents[1])]) == await found(PARENT_ID=parents[1]) == [offers[1]]
    assert await found(parentId=None) == [lonely]
    selected = await rows(call, OFFER, select=["id", "iblockId", "parentId"], order={"parentId": "desc"})
    assert [row["parentId"] and row["parentId"]["value"] for row in selected[:1]] == [str(parents[1])]


@pytest.mark.parametrize("parent", [PRODUCT, SERVICE, OFFER, "nobody"])
async def test_only_a_parent_product_has_variations(parent: str, call: Call) -> None:
    number = 999 if parent == "nobody" else (await add(call, parent))["id"]
    fields = {"iblockId": 2, "name": "Shirt", "parentId": number}

    refused = await call(f"{OFFER}.add", {"fields": fields}, 400)

    assert refused == {"error": 0, "error_description": "Parent product with the specified identifier not found"}


@pytest.mark.parametrize("sort", KEYS)
async def test_a_catalog_of_variations_holds_variations_and_nothing_else(sort: str, call: Call) -> None:
    fields = {"iblockId": 1 if sort == OFFER else 2, "name": "Shirt"}

    refused = await call(f"{sort}.add", {"fields": fields}, 400)

    assert refused["error"] == 0
    assert refused["error_description"].startswith("The trade catalog")


async def test_a_deleted_parent_takes_its_variations_and_their_images_along(
    call: Call, core: Core, admin: Principal
) -> None:
    parent = (await add(call, SKU))["id"]
    offer = (await add(call, OFFER, parentId=parent))["id"]
    image = await make_image(core, admin, offer, pictures.png())

    assert (await call(f"{SKU}.delete", {"id": parent}))["result"] is True

    assert await call(f"{OFFER}.get", {"id": offer}, 400) == NOT_FOUND
    assert await call("catalog.productImage.get", {"productId": offer, "id": image.id}, 400) == NOT_FOUND


async def test_the_link_of_a_variation_is_written_by_its_own_field_alone(call: Call, seed: Seed) -> None:
    listed = await call("catalog.catalog.list", {"filter": {"id": seed.variations_id}})
    link = listed["result"]["catalogs"][0]["skuPropertyId"]

    offer = await add(call, OFFER, **{f"property{link}": "12"})

    assert offer["parentId"] is None
    assert f"property{link}" not in offer


async def test_services_have_no_stock_and_no_size(call: Call) -> None:
    service = await add(call, SERVICE, weight=5, quantity=3, subscribe="Y", code="x", parentId=1)

    assert (service["type"], service["available"], service["code"]) == (7, "N", "x")
    assert (
        not {"weight", "quantity", "subscribe", "purchasingPrice", "measure", "canBuyZero", "parentId"} & service.keys()
    )


@pytest.mark.parametrize("field", ["quantityTrace", "subscribe"])
async def test_a_mode_is_yes_no_or_that_of_the_whole_catalog(field: str, call: Call) -> None:
    modes = [(await add(call, PRODUCT, **wanted))[field] for wanted in ({}, {field: "N"}, {field: "y"}, {field: "D"})]
    found = await rows(call, PRODUCT, filter={"iblockId": 1, field: "D"})

    assert modes == ["D", "N", "Y", "D"]
    assert [row["id"] for row in found] == [1, 4]
    refused = await call(f"{PRODUCT}.add", {"fields": {"iblockId": 1, "name": "x", field: "x"}}, 400)
    assert refused["error_description"] == f"Wrong format of field `{field}`"


@pytest.mark.parametrize("field", ["createdBy", "modifiedBy"])
async def test_a_product_is_made_by_somebody_who_exists(field: str, call: Call, seed: Seed) -> None:
    assert (await add(call, PRODUCT, **{field: seed.user_id}))[field] == seed.user_id

    refused = await call(f"{PRODUCT}.add", {"fields": {"iblockId": 1, "name": "x", field: 999}}, 400)

    assert refused == {"error": 0, "error_description": "User with the specified identifier not found"}


@pytest.mark.parametrize("sort", KEYS)
@pytest.mark.parametrize(
    ("params", "code", "sentence"),
    [
        ({}, 100, "Could not find value for parameter {filter}"),
        ({"filter": []}, 100, "Could not find value for parameter {filter}"),
        ({"filter": {"id": 1}}, 0, "Required fields: iblockId"),
        ({"filter": {"iblockId": 999}}, 200040300000, ""),
    ],
)
async def test_fields_are_described_for_a_catalog_that_is_there(
    sort: str, params: Any, code: int, sentence: str, call: Call
) -> None:
    refused = await call(f"{sort}.getFieldsByFilter", params, 400)

    assert refused["error"] == code
    assert refused["error_description"].startswith(sentence)
