"""Products, as far as pictures need them: catalog.product.* and catalog.catalog.list (sheet section 4)."""

from typing import Any

import httpx
import pytest

import pictures
from build import Call, Clock, file_content, make_image
from packshot.domain.access import Principal
from packshot.services.core import Core
from packshot.services.setup import Seed

ADD = "catalog.product.add"
GET = "catalog.product.get"
UPDATE = "catalog.product.update"
DELETE = "catalog.product.delete"
NOBODY = 999_999
MISSING = "Could not find value for parameter {%s}"


async def add(call: Call, **fields: Any) -> dict[str, Any]:
    answer = await call(ADD, {"fields": {"iblockId": 1, "name": "Shirt"} | fields})
    element: dict[str, Any] = answer["result"]["element"]
    return element


async def test_a_product_of_a_name_alone_has_the_documented_defaults(call: Call, seed: Seed) -> None:
    element = await add(call)

    assert element["xmlId"] == str(element["id"])
    assert element["createdBy"] == element["modifiedBy"] == seed.user_id
    assert element["dateCreate"] == element["timestampX"] == "2027-01-15T08:00:00+00:00"
    assert (element["type"], element["sort"], element["active"], element["code"]) == (1, 100, "Y", None)
    assert (element["detailPicture"], element["previewPicture"]) == (None, None)


@pytest.mark.parametrize(
    "fields",
    [{"iblockId": 1, "name": "Shirt"}, {"IBLOCK_ID": "1", "NAME": "Shirt"}, {"iblockid": " 1 ", "Name": "Shirt"}],
)
async def test_fields_are_known_in_any_case_and_as_text(fields: Any, call: Call) -> None:
    answer = await call(ADD, {"fields": fields | {"ACTIVE": "n", "unknown": [1], "PROPERTY_77": "x"}})

    element = answer["result"]["element"]
    assert (element["name"], element["iblockId"], element["active"]) == ("Shirt", 1, "N")


@pytest.mark.parametrize("flag", ["N", "n", "0", 0, False, "false"])
async def test_a_flag_may_be_written_in_every_way_it_travels(flag: Any, call: Call) -> None:
    assert (await add(call, active=flag))["active"] == "N"


async def test_fields_that_only_the_store_sets_are_ignored(call: Call, product: int) -> None:
    element = await add(call, id=product, type=7, available="N", bundle="Y", timestampX="2001-01-01T00:00:00")

    assert element["id"] > product
    assert (element["type"], element["available"], element["bundle"]) == (1, "Y", "N")
    assert element["timestampX"] == "2027-01-15T08:00:00+00:00"


async def test_an_update_changes_what_it_names_and_nothing_else(call: Call, clock: Clock) -> None:
    before = await add(call, code="shirt", weight=1.5, detailText="Soft")
    clock.advance(60)

    answer = await call(UPDATE, {"id": before["id"], "fields": {"name": "Coat", "iblockId": 2, "id": NOBODY}})

    after = answer["result"]["element"]
    changed = {key for key in before if before[key] != after[key]}
    assert changed == {"name", "timestampX"}
    assert (await call(GET, {"id": before["id"]}))["result"]["product"] == after


async def test_an_emptied_field_is_empty(call: Call) -> None:
    element = await add(call, code="shirt", weight=1.5, detailText="Soft", dateActiveFrom="2024-05-28T10:00:00")

    answer = await call(
        UPDATE, {"id": element["id"], "fields": {"code": None, "weight": "", "detailText": "", "dateActiveFrom": ""}}
    )

    after = answer["result"]["element"]
    assert [after[name] for name in ("code", "weight", "detailText", "dateActiveFrom")] == [None] * 4


@pytest.mark.parametrize("name", ["createdBy", "modifiedBy", "dateCreate", "sort", "active"])
@pytest.mark.parametrize("empty", [None, ""])
async def test_a_field_that_cannot_be_empty_keeps_a_value(name: str, empty: Any, call: Call) -> None:
    before = await add(call)

    answer = await call(UPDATE, {"id": before["id"], "fields": {name: empty}})

    assert answer["result"]["element"][name] == before[name]


@pytest.mark.parametrize(
    ("method", "params", "code", "sentence"),
    [
        (ADD, {}, 100, MISSING % "fields"),
        (ADD, {"fields": {}}, 100, MISSING % "fields"),
        (ADD, {"fields": {"name": "x"}}, 0, "Required fields: iblockId"),
        (ADD, {"fields": {"iblockId": 1}}, 0, "Required fields: name"),
        (ADD, {"fields": {"iblockId": 1, "name": "  "}}, 0, ""),
        (ADD, {"fields": {"iblockId": NOBODY, "name": "x"}}, 200040300000, ""),
        (ADD, {"fields": {"iblockId": 1, "name": "x", "code": "taken"}}, 0, ""),
        (ADD, {"fields": {"iblockId": 1, "name": "x", "sort": "abc"}}, 0, "Wrong format of field `sort`"),
        (ADD, {"fields": {"iblockId": 1, "name": "x", "active": "maybe"}}, 0, "Wrong format of field `active`"),
        (GET, {}, 100, MISSING % "id"),
        (GET, {"id": ""}, 100, MISSING % "id"),
        (GET, {"id": NOBODY}, 0, "Product with the specified identifier not found"),
        (UPDATE, {"fields": {"name": "x"}}, 100, MISSING % "id"),
        (UPDATE, {"id": "$product"}, 100, MISSING % "fields"),
        (UPDATE, {"id": "$product", "fields": {}}, 100, MISSING % "fields"),
        (UPDATE, {"id": "$product", "fields": {"code": "taken"}}, 0, ""),
        (UPDATE, {"id": "$product", "fields": {"name": ""}}, 0, ""),
        (UPDATE, {"id": NOBODY, "fields": {"name": "x"}}, 0, "Product with the specified identifier not found"),
        (DELETE, {}, 100, MISSING % "id"),
        (DELETE, {"id": NOBODY}, 0, "Product with the specified identifier not found"),
    ],
)
async def test_each_documented_error_of_products_has_its_code(
    method: str, params: Any, code: int, sentence: str, call: Call, product: int
) -> None:
    await add(call, code="taken")
    wanted = params | ({"id": product} if params.get("id") == "$product" else {})

    refused = await call(method, wanted, status=400)

    assert refused["error"] == code
    assert refused["error_description"].startswith(sentence)


async def test_a_refused_update_changes_nothing(call: Call, product: int) -> None:
    await add(call, code="taken")

    await call(UPDATE, {"id": product, "fields": {"name": "Coat", "code": "taken"}}, status=400)

    assert (await call(GET, {"id": product}))["result"]["product"]["name"] == "Shirt"


async def test_a_product_may_keep_its_code_in_an_update(call: Call) -> None:
    element = await add(call, code="shirt")

    answer = await call(UPDATE, {"id": element["id"], "fields": {"code": "shirt", "name": "Coat"}})

    assert answer["result"]["element"]["code"] == "shirt"


async def test_a_deleted_product_takes_its_images_along(
    call: Call, client: httpx.AsyncClient, core: Core, admin: Principal, product: int
) -> None:
    image = await make_image(core, admin, product, pictures.png())
    place = {"productId": product, "id": image.id}

    deleted = await call(DELETE, {"id": product})

    assert deleted["result"] is True
    for method, params in ((GET, {"id": product}), ("catalog.productImage.get", place), (DELETE, {"id": product})):
        refused = await call(method, params, status=400)
        assert refused == {"error": 0, "error_description": "Product with the specified identifier not found"}
    assert (await client.get(f"/upload/iblock/{image.address}/shirt.png")).status_code == 404


async def test_pictures_of_each_type_are_shown_as_fields_with_ids_as_text(call: Call, product: int) -> None:
    ids = {}
    for kind in ("DETAIL_PICTURE", "PREVIEW_PICTURE", "MORE_PHOTO"):
        params = {"fields": {"productId": product, "type": kind}, "fileContent": file_content(pictures.png())}
        ids[kind] = str((await call("catalog.productImage.add", params))["result"]["productImage"]["id"])

    shown = (await call(GET, {"id": product}))["result"]["product"]

    (photos,) = (value for name, value in shown.items() if name.startswith("property"))
    assert shown["detailPicture"]["id"] == ids["DETAIL_PICTURE"]
    assert shown["previewPicture"]["id"] == ids["PREVIEW_PICTURE"]
    assert [photo["value"]["id"] for photo in photos] == [ids["MORE_PHOTO"]]


async def test_a_new_store_has_two_catalogs_of_which_one_is_for_variations(call: Call, seed: Seed) -> None:
    answer = await call("catalog.catalog.list")

    goods, variations = answer["result"]["catalogs"]
    assert (goods["id"], goods["productIblockId"], goods["skuPropertyId"]) == (seed.catalog_id, None, None)
    assert (variations["id"], variations["productIblockId"]) == (seed.variations_id, seed.catalog_id)
    assert variations["skuPropertyId"] > 0
    assert all(row["id"] == row["iblockId"] for row in (goods, variations))


@pytest.mark.parametrize(("name", "most"), [("name", 255), ("code", 255), ("detailText", 65_535)])
async def test_a_text_has_its_length_since_a_list_shows_fifty_of_them(name: str, most: int, call: Call) -> None:
    fields = {"iblockId": 1, "name": "Shirt", name: "x" * most}

    await call(ADD, {"fields": fields})
    refused = await call(ADD, {"fields": fields | {name: "x" * (most + 1)}}, 400)

    assert refused["error"] == 0
    assert f"more than {most} characters" in refused["error_description"]
