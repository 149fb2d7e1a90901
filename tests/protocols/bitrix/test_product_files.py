"""Pictures and properties in product fields: every shape they are written in, what is read back, and downloads."""

from typing import Any

import httpx
import pytest

import pictures
from build import Call, file_content, make_image
from packshot.domain.access import Principal
from packshot.services.core import Core
from packshot.services.setup import Seed
from packshot.storage import catalogs

ADD, GET, LIST, UPDATE = (f"catalog.product.{verb}" for verb in ("add", "get", "list", "update"))
DOWNLOAD = "catalog.product.download"
SHIRT = pictures.png(3, 2)
MUG = pictures.png(4, 4)
NEW = {"fileData": file_content(SHIRT, "shirt.png")}
OTHER = {"fileData": file_content(MUG, "mug.png")}


@pytest.fixture
async def gallery(core: Core, seed: Seed) -> int:
    found = await catalogs.find_gallery_property(core.db, seed.account_id, seed.catalog_id)
    assert found is not None
    return found


async def add(call: Call, **fields: Any) -> dict[str, Any]:
    answer = await call(ADD, {"fields": {"iblockId": 1, "name": "Shirt"} | fields})
    element: dict[str, Any] = answer["result"]["element"]
    return element


async def update(call: Call, number: int, **fields: Any) -> dict[str, Any]:
    element: dict[str, Any] = (await call(UPDATE, {"id": number, "fields": fields}))["result"]["element"]
    return element


async def content(client: httpx.AsyncClient, hook: str, file: dict[str, str]) -> bytes:
    """What the address of a file gives, with the webhook put in front as its users do."""
    assert file["url"] == file["urlMachine"]
    answer = await client.get(hook + file["url"].removeprefix("/rest/"))
    assert answer.status_code == 200
    return answer.content


# Shapes


@pytest.mark.parametrize("name", ["detailPicture", "DETAIL_PICTURE", "previewPicture"])
@pytest.mark.parametrize("shape", [NEW, {"value": NEW}, {"fileData": dict(enumerate(NEW["fileData"]))}])
async def test_a_picture_travels_in_a_field(
    name: str, shape: Any, call: Call, client: httpx.AsyncClient, hook: str
) -> None:
    element = await add(call, **{name: shape})

    (shown,) = [element[key] for key in ("detailPicture", "previewPicture") if element[key]]
    assert await content(client, hook, shown) == SHIRT
    listed = await call("catalog.productImage.list", {"productId": element["id"]})
    assert [str(row["id"]) for row in listed["result"]["productImages"]] == [shown["id"]]


async def test_a_picture_is_replaced_kept_and_removed(call: Call, client: httpx.AsyncClient, hook: str) -> None:
    before = await add(call, detailPicture=NEW)
    number = before["id"]

    replaced = await update(call, number, detailPicture=OTHER)
    assert await content(client, hook, replaced["detailPicture"]) == MUG
    kept = [
        await update(call, number, detailPicture=same)
        for same in (replaced["detailPicture"], None, "", {"remove": "N"})
    ]
    removed = await update(call, number, detailPicture={"remove": "Y"})

    assert replaced["detailPicture"]["id"] != before["detailPicture"]["id"]
    assert [one["detailPicture"] for one in kept] == [replaced["detailPicture"]] * 4
    assert removed["detailPicture"] is None


@pytest.mark.parametrize("name", ["property77", "PROPERTY_77", "PROPERTY77", "Property_77"])
@pytest.mark.parametrize(
    ("shape", "texts"),
    [
        ("x", "x"),
        (7, "7"),
        ({"value": "x"}, "x"),
        ({"value": "x", "valueId": 9816}, "x"),
        ({"VALUE": "x", "VALUE_ID": "9816"}, "x"),
        (["x", "y"], ["x", "y"]),
        ([{"value": "x"}, "y"], ["x", "y"]),
        ({"0": "x", "1": {"value": "y"}}, ["x", "y"]),
        ({"n0": {"value": "x"}}, ["x"]),
        (True, "Y"),
    ],
)
async def test_a_text_of_a_property_travels_in_every_documented_shape(
    name: str, shape: Any, texts: Any, call: Call
) -> None:
    shown = (await add(call, **{name: shape}))["property77"]

    if isinstance(texts, list):
        assert [value["value"] for value in shown] == texts
    else:
        assert shown["value"] == texts


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        ({"value": NEW}, dict),
        (NEW, dict),
        ([{"value": NEW}], list),
        ({"0": {"value": NEW}}, list),
        ([{"value": {"fileData": {"0": "shirt.png", "1": NEW["fileData"][1]}}}], list),
    ],
)
async def test_a_file_of_a_property_travels_in_every_documented_shape(
    shape: Any, kind: type, call: Call, client: httpx.AsyncClient, hook: str
) -> None:
    element = await add(call, PROPERTY_1077=shape)

    value: Any = element["property1077"]
    shown = value[0] if isinstance(value, list) else value
    assert isinstance(value, kind)
    assert shown["value"].keys() == {"id", "url", "urlMachine"}
    assert await content(client, hook, shown["value"]) == SHIRT
    images = await call("catalog.productImage.list", {"productId": element["id"]})
    assert images["result"] == {"productImages": []}


async def test_one_file_of_many_is_removed_by_the_id_of_its_value(call: Call) -> None:
    element = await add(call, property1077=[{"value": NEW}, {"value": OTHER}])
    first, second = element["property1077"]

    after = await update(call, element["id"], property1077=[{"value": {"remove": "Y"}, "valueId": first["valueId"]}])

    assert after["property1077"] == [second]
    assert (await call(GET, {"id": element["id"]}))["result"]["product"] == after


async def test_what_was_read_may_be_sent_back(call: Call) -> None:
    element = await add(call, detailPicture=NEW, property77=["a", "b"], property78="c", property79=[{"value": NEW}])

    assert await update(call, element["id"], **element) == element


async def test_the_gallery_is_the_list_of_product_images(
    call: Call, core: Core, admin: Principal, gallery: int
) -> None:
    name = f"property{gallery}"
    element = await add(call, **{name: [{"value": NEW}, {"value": OTHER}]})
    added = await make_image(core, admin, element["id"], SHIRT)

    shown = (await call(GET, {"id": element["id"]}))["result"]["product"][name]
    images = (await call("catalog.productImage.list", {"productId": element["id"]}))["result"]["productImages"]
    await call("catalog.productImage.delete", {"productId": element["id"], "id": shown[0]["value"]["id"]})
    left = await update(call, element["id"], **{name: [{"value": {"remove": "Y"}, "valueId": shown[1]["valueId"]}]})

    assert [value["value"]["id"] for value in shown] == [str(image["id"]) for image in images]
    assert {image["type"] for image in images} == {"MORE_PHOTO"}
    assert [value["value"]["id"] for value in left[name]] == [str(added.id)]


async def test_forms_carry_pictures_and_properties_too(
    call: Call, client: httpx.AsyncClient, hook: str, gallery: int
) -> None:
    name, data = NEW["fileData"]
    form = {
        "fields[iblockId]": "1",
        "fields[name]": "Shirt",
        "fields[detailPicture][fileData][0]": name,
        "fields[detailPicture][fileData][1]": data,
        f"fields[property{gallery}][n0][value][fileData][0]": name,
        f"fields[property{gallery}][n0][value][fileData][1]": data,
        "fields[PROPERTY_77][]": "x",
        "fields[property78][value]": "y",
    }

    element = (await client.post(f"{hook}{ADD}.json", data=form)).json()["result"]["element"]

    assert [value["value"] for value in element["property77"]] == ["x"]
    assert element["property78"]["value"] == "y"
    for shown in (element["detailPicture"], element[f"property{gallery}"][0]["value"]):
        assert await content(client, hook, shown) == SHIRT
    assert (await call(GET, {"id": element["id"]}))["result"]["product"] == element


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"detailPicture": "text"}, "Wrong format of field `detailPicture`"),
        ({"detailPicture": {"fileData": []}}, "Wrong format of field `detailPicture`"),
        ({"detailPicture": {"fileData": ["a.png", ""]}}, "The file is empty"),
        ({"detailPicture": {"fileData": ["", "aaaa"]}}, "The file name is not specified"),
        ({"detailPicture": {"fileData": ["a.png", "aaaa"]}}, "Invalid file type"),
        ({"detailPicture": {"remove": "maybe"}}, "Wrong format of field `detailPicture`"),
        ({"detailPicture": {"nothing": "known"}}, "Wrong format of field `detailPicture`"),
        ({"property77": [[["deep"]]]}, "Wrong format of field `property77`"),
        ({"property77": {"value": "x", "valueId": "y"}}, "Wrong format of field `property77`"),
        ({"property77": {"value": {"unknown": 1}}}, "Wrong format of field `property77`"),
        ({"property77": {"value": {"fileData": "x"}}}, "The file name is not specified"),
        ({"IblockSection": ["x"]}, "Wrong format of field `IblockSection`"),
        ({"IblockSection": [47]}, "Section with the specified identifier not found"),
        ({"iblockSectionId": 47}, "Section with the specified identifier not found"),
    ],
)
async def test_what_cannot_be_read_is_refused_as_a_whole(fields: Any, sentence: str, call: Call) -> None:
    params = {"fields": {"iblockId": 1, "name": "Shirt", "previewPicture": NEW} | fields}

    refused = await call(ADD, params, 400)

    assert refused["error"] == 0
    assert refused["error_description"].startswith(sentence)
    listed = await call(LIST, {"select": ["id", "iblockId"], "filter": {"iblockId": 1}})
    assert listed["total"] == 0


# Lists


async def test_a_list_shows_the_pictures_and_properties_that_were_selected(call: Call, gallery: int) -> None:
    one = await add(
        call, detailPicture=NEW, property77="x", property78=["y"], **{f"property{gallery}": [{"value": NEW}]}
    )
    await add(call)

    async def first(*names: str) -> dict[str, Any]:
        params = {"select": ["id", "iblockId", *names], "filter": {"iblockId": 1}}
        row: dict[str, Any] = (await call(LIST, params))["result"]["products"][0]
        return row

    plain = {"id": one["id"], "iblockId": 1}
    own = {name: value for name, value in one.items() if name.startswith("property")}
    assert await first() == plain
    assert await first("PROPERTY_77") == plain | {"property77": one["property77"]}
    assert await first("property*") == plain | own
    assert await first("detailPicture", "previewPicture") == plain | {
        "detailPicture": one["detailPicture"], "previewPicture": None,
    }  # fmt: skip
    everything = await first("*", "property*")
    assert one.keys() <= everything.keys()


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"property77": "red"}, [1]),
        ({"PROPERTY_77": ["red", "green"]}, [1, 2]),
        ({"!property77": "red"}, [2, 3]),
        ({"%property77": "RE"}, [1, 2]),
        ({"property77": False}, [3]),
        ({"!property77": ""}, [1, 2]),
        ({">=property78": {"value": "2025-05-29T12:00:00+03:00"}}, [2]),
        ({">=property78": {"value": "2025"}, "<=property78": {"value": "2026"}}, [1, 2]),
        ({"property999": "x"}, []),
    ],
)
async def test_a_list_is_filtered_by_properties(wanted: Any, found: list[int], call: Call) -> None:
    await add(call, property77=["red", "blue"], property78="2025-05-28T12:00:00+03:00")
    await add(call, property77="green", property78="2025-05-30T12:00:00+03:00")
    await add(call)

    params = {"select": ["id", "iblockId"], "filter": {"iblockId": 1} | wanted, "order": {"property77": "desc"}}

    assert [row["id"] for row in (await call(LIST, params))["result"]["products"]] == found


# Downloads


@pytest.mark.parametrize(
    ("field", "index"),
    [
        ("detailPicture", 0),
        ("DETAIL_PICTURE", 0),
        ("property1077", 1),
        ("PROPERTY_1077", 1),
        ("PROPERTY_MORE_PHOTO", 2),
        ("property_more_photo", 2),
    ],
)
async def test_a_file_is_downloaded_by_the_name_of_its_field(
    field: str, index: int, call: Call, client: httpx.AsyncClient, hook: str, gallery: int
) -> None:
    element = await add(call, detailPicture=NEW, property1077={"value": NEW}, **{f"property{gallery}": {"value": NEW}})
    files = (element["detailPicture"], element["property1077"]["value"], element[f"property{gallery}"][0]["value"])
    place = {"productId": element["id"], "fileId": files[index]["id"], "fieldName": field}

    answer = await client.post(hook + DOWNLOAD, json={"fields": place})

    assert answer.content == SHIRT
    assert answer.headers["content-type"] == "image/png"
    for other in {0, 1, 2} - {index}:
        refused = await call(DOWNLOAD, {"fields": place | {"fileId": files[other]["id"]}}, 400)
        assert refused == {"error": 0, "error_description": "File with the specified identifier not found"}


@pytest.mark.parametrize("sort", ["sku", "offer", "service"])
async def test_the_files_of_every_sort_are_downloaded_by_its_own_method_and_the_common_one(
    sort: str, call: Call, client: httpx.AsyncClient, hook: str
) -> None:
    fields = {"iblockId": 2 if sort == "offer" else 1, "name": "Shirt", "detailPicture": NEW}
    made = (await call(f"catalog.product.{sort}.add", {"fields": fields}))["result"][sort]
    place = {"productId": made["id"], "fileId": made["detailPicture"]["id"], "fieldName": "detailPicture"}

    for method in (DOWNLOAD, f"catalog.product.{sort}.download"):
        assert (await client.post(hook + method, json={"fields": place})).content == SHIRT
    other = "sku" if sort == "service" else "service"
    assert (await call(f"catalog.product.{other}.download", {"fields": place}, 400))["error"] == 0


@pytest.mark.parametrize(
    ("fields", "code", "sentence"),
    [
        ({}, 100, "Could not find value for parameter {fields}"),
        ({"fileId": 1}, 0, "Required fields: productId, fieldName"),
        ({"fileId": 1, "productId": 999, "fieldName": "detailPicture"}, 0, "Product with the specified identifier"),
        ({"fileId": 999, "productId": 1, "fieldName": "detailPicture"}, 0, "File with the specified identifier"),
        (
            {"fileId": 1, "productId": 1, "fieldName": "name"},
            0,
            "The specified property does not exist or is not a file",
        ),
        ({"fileId": 1, "productId": 1, "fieldName": "PROPERTY_NONE"}, 0, "The specified property does not exist"),
    ],
)
async def test_a_download_that_leads_nowhere_is_refused(fields: Any, code: int, sentence: str, call: Call) -> None:
    await add(call, detailPicture=NEW)

    refused = await call(DOWNLOAD, {"fields": fields}, 400)

    assert refused["error"] == code
    assert refused["error_description"].startswith(sentence)
