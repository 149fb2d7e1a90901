"""Lists: select, start, order and filter, for images and the companions (sheet 3.5, 4.5, 4.6; rows 7 to 9 of 13)."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

import pictures
from build import Call, Clock, make_image, make_images, make_product
from packshot.domain.access import Principal
from packshot.services.core import Core
from packshot.services.setup import Seed

LIST = "catalog.productImage.list"
PRODUCTS = "catalog.product.list"
FIELDS = ["createTime", "detailUrl", "downloadUrl", "id", "name", "productId", "type"]
HOUR_S = 3600


@pytest.fixture
async def five(core: Core, admin: Principal, product: int, clock: Clock) -> int:
    """A product with images called a to e, an hour between each, and another product with one."""
    await make_image(core, admin, product, pictures.png(), "more", "apple.png")
    clock.advance(HOUR_S)
    await make_image(core, admin, product, pictures.png(), "detail", "Birne.png")
    clock.advance(HOUR_S)
    await make_image(core, admin, product, pictures.png(), "more", "citrus_1.jpeg")
    clock.advance(HOUR_S)
    await make_image(core, admin, product, pictures.png(), "preview", "дом.png")
    clock.advance(HOUR_S)
    await make_image(core, admin, product, pictures.png(), "more", "100%.png")
    await make_image(core, admin, await make_product(core, admin), pictures.png())
    return product


def ids(answer: Any, key: str = "productImages") -> list[int]:
    return [row["id"] for row in answer["result"][key]]


# Select


@pytest.mark.parametrize(
    ("select", "fields"),
    [
        (None, FIELDS),
        ([], FIELDS),
        ([""], FIELDS),
        ("", FIELDS),
        (["nothing"], FIELDS),
        (["id"], ["id"]),
        (["name", "id"], ["id", "name"]),
        (["id", "nothing", "name"], ["id", "name"]),
        (["ID", "PRODUCT_ID", "CREATE_TIME"], ["createTime", "id", "productId"]),
        (["productid", "downloadurl", "DetailUrl"], ["detailUrl", "downloadUrl", "productId"]),
        (["id", "id"], ["id"]),
        ({"1": "id", "5": "name"}, ["id", "name"]),
        (FIELDS, FIELDS),
    ],
)
async def test_row_9_select_chooses_fields_and_ignores_unknown_ones(
    select: Any, fields: list[str], call: Call, five: int
) -> None:
    answer = await call(LIST, {"productId": five, "select": select})

    assert [sorted(row) for row in answer["result"]["productImages"]] == [sorted(fields)] * 5


# Start


async def test_start_is_an_offset_and_next_leads_to_the_rest(
    call: Call, core: Core, admin: Principal, product: int
) -> None:
    made = await make_images(core, admin, product, 51, pictures.png())

    for start, first, following in (
        (None, 0, 50),
        ("", 0, 50),
        (0, 0, 50),
        ("50", 50, None),
        (50, 50, None),
        (1, 1, None),
    ):
        answer = await call(LIST, {"productId": product, "start": start})

        assert ids(answer) == made[first : first + 50]
        assert answer["total"] == 51
        assert answer.get("next", "absent") == (following or "absent")


@pytest.mark.parametrize("start", [51, 1000, 2**63 - 1])
async def test_behind_the_last_row_a_page_is_empty_but_counted(
    start: int, call: Call, core: Core, admin: Principal, product: int
) -> None:
    await make_images(core, admin, product, 51, pictures.png())

    answer = await call(LIST, {"productId": product, "start": start})

    assert answer["result"] == {"productImages": []}
    assert answer["total"] == 51
    assert "next" not in answer


@pytest.mark.parametrize("start", [-1, "-1"])
async def test_row_7_without_counting_there_is_neither_total_nor_next(
    start: Any, call: Call, core: Core, admin: Principal, product: int
) -> None:
    made = await make_images(core, admin, product, 51, pictures.png())

    answer = await call(LIST, {"productId": product, "start": start})

    assert answer.keys() == {"result", "time"}
    assert ids(answer) == made[:50]


async def test_total_counts_what_the_filter_lets_through(
    call: Call, core: Core, admin: Principal, product: int
) -> None:
    made = await make_images(core, admin, product, 120, pictures.png())

    answer = await call(LIST, {"productId": product, "filter": {">id": made[59]}, "start": 0})

    assert (answer["total"], answer["next"]) == (60, 50)
    assert ids(answer) == made[60:110]


# Order


@pytest.mark.parametrize(
    ("order", "names"),
    [
        ({}, "abcde"),
        ([], "abcde"),
        ({"id": "ASC"}, "abcde"),
        ({"ID": "desc"}, "edcba"),
        ({"id": "Desc"}, "edcba"),
        ({"createTime": "desc"}, "edcba"),
        ({"CREATE_TIME": "DESC"}, "edcba"),
        ({"name": "asc"}, "ebacd"),
        ({"type": "asc", "id": "desc"}, "becad"),
        ({"unknown": "desc"}, "abcde"),
        ({"id": None}, "abcde"),
    ],
)
async def test_row_8_order_sorts_and_ignores_unknown_fields(order: Any, names: str, call: Call, five: int) -> None:
    made = ids(await call(LIST, {"productId": five}))

    answer = await call(LIST, {"productId": five, "order": order})

    assert ids(answer) == [made["abcde".index(name)] for name in names]


# Filter


@pytest.mark.parametrize(
    ("make_filter", "names"),
    [
        (lambda made: {"id": made[1]}, "b"),
        (lambda made: {"ID": str(made[1])}, "b"),
        (lambda made: {"=id": made[1]}, "b"),
        (lambda made: {"id": made[:2]}, "ab"),
        (lambda made: {"@id": made[1:3]}, "bc"),
        (lambda made: {"@ID": [str(number) for number in made[1:3]]}, "bc"),
        (lambda made: {"id": {"0": made[0], "7": made[4]}}, "ae"),
        (lambda _: {"id": []}, ""),
        (lambda made: {"!id": made[1]}, "acde"),
        (lambda made: {"!=id": made[1]}, "acde"),
        (lambda made: {"!id": made[:2]}, "cde"),
        (lambda made: {"!@id": made[:2]}, "cde"),
        (lambda _: {"!@id": []}, "abcde"),
        (lambda made: {">id": made[2]}, "de"),
        (lambda made: {">=id": made[2]}, "cde"),
        (lambda made: {"<id": made[2]}, "ab"),
        (lambda made: {"<=id": made[2]}, "abc"),
        (lambda made: {">id": made[0], "<id": made[3]}, "bc"),
        (lambda made: {">id": made[0], "!id": made[2], "type": "MORE_PHOTO"}, "e"),
        (lambda _: {"type": "MORE_PHOTO"}, "ace"),
        (lambda _: {"TYPE": "detail_picture"}, "b"),
        (lambda _: {"type": ["DETAIL_PICTURE", "PREVIEW_PICTURE"]}, "bd"),
        (lambda _: {"!type": "MORE_PHOTO"}, "bd"),
        (lambda _: {"type": "unknown"}, ""),
        (lambda _: {"name": "apple.png"}, "a"),
        (lambda _: {"%name": "PNG"}, "abde"),
        (lambda _: {"%name": "ДОМ"}, "d"),
        (lambda _: {"%name": "%"}, "e"),
        (lambda _: {"%name": "_"}, "c"),
        (lambda _: {"%name": ""}, "abcde"),
        (lambda _: {"%name": None, "!%NAME": "e"}, "de"),
        (lambda _: {">name": "Birne.png", "<=name": "citrus_1.jpeg"}, "ac"),
        (lambda _: {">id": ""}, ""),
        (lambda _: {"name": False}, ""),
        (lambda _: {"!name": False, "id": False}, ""),
        (lambda made: {"@id": [*made[:2], False]}, "ab"),
        (lambda _: {"!%name": "png"}, "c"),
        (lambda _: {"!=%name": "png"}, "abcde"),
        (lambda _: {"!=%name": "%png"}, "c"),
        (lambda _: {"=%name": "b%"}, "b"),
        (lambda _: {"%=name": "%.jpeg"}, "c"),
        (lambda _: {"%=name": "%r_e%"}, ""),
        (lambda _: {"!%=name": "%.png"}, "c"),
        (lambda _: {"createTime": "2027-01-15T09:00:00+00:00"}, "b"),
        (lambda _: {">createTime": "2027-01-15T12:00:00+03:00"}, "cde"),
        (lambda _: {">=createTime": "2027-01-15T09:00:00"}, "bcde"),
        (lambda _: {"<CREATE_TIME": "2027-01-15 10:00:00"}, "ab"),
        (lambda _: {">createTime": "2027-01-16"}, ""),
        (lambda _: {"unknown": 5, "~id": 1, "": 1, ">": 2}, "abcde"),
        (lambda _: {}, "abcde"),
        (lambda _: [], "abcde"),
        (lambda _: None, "abcde"),
    ],
)
async def test_row_8_filters_hold_all_at_once_and_unknown_ones_are_ignored(
    make_filter: Callable[[list[int]], Any], names: str, call: Call, five: int
) -> None:
    made = ids(await call(LIST, {"productId": five}))

    answer = await call(LIST, {"productId": five, "filter": make_filter(made)})

    assert ids(answer) == [made["abcde".index(name)] for name in names]
    assert answer["total"] == len(names)


async def test_a_filter_never_leads_to_another_products_images(call: Call, five: int) -> None:
    for filter_ in ({"productId": five + 1}, {"!productId": five}, {"id": 6}, {">id": 5}):
        assert ids(await call(LIST, {"productId": five, "filter": filter_})) == []


@pytest.mark.parametrize(
    "params",
    [
        {"filter": "id"}, {"filter": 5}, {"filter": [1]}, {"order": "id"}, {"order": [1]}, {"start": "abc"},
        {"start": 1.5}, {"start": [0]}, {"start": True}, {"select": "id"}, {"select": 1},
    ],
)  # fmt: skip
async def test_a_parameter_of_the_wrong_type_is_code_100(params: Any, call: Call, five: int) -> None:
    refused = await call(LIST, {"productId": five} | params, status=400)

    (name,) = params
    assert refused["error"] == 100
    assert f"to match with parameter {{{name}}}. Should be value of type" in refused["error_description"]


@pytest.mark.parametrize(
    "filter_", [{"id": "abc"}, {">id": [1, 2]}, {"createTime": "yesterday"}, {"%name": ["a", "b"]}]
)
async def test_a_value_that_does_not_fit_its_field_is_code_0(filter_: Any, call: Call, five: int) -> None:
    refused = await call(LIST, {"productId": five, "filter": filter_}, status=400)

    assert refused["error"] == 0
    assert refused["error_description"].startswith("Wrong format of field `")


async def test_the_form_of_the_cursor_works_too(client: httpx.AsyncClient, hook: str, five: int) -> None:
    answer = await client.get(f"{hook}{LIST}?productId={five}&order[ID]=ASC&filter[%3EID]=2&start=-1&select[]=id")

    assert answer.json()["result"] == {"productImages": [{"id": 3}, {"id": 4}, {"id": 5}]}


# The companions


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({}, "select"),
        ({"select": ["id"], "filter": {"iblockId": 1}}, "select"),
        ({"select": ["iblockId"], "filter": {"iblockId": 1}}, "select"),
        ({"select": ["id", "iblockId"]}, "filter"),
        ({"select": ["id", "iblockId"], "filter": {"name": "x"}}, "filter"),
    ],
)
async def test_a_list_of_products_has_to_name_its_catalog_and_the_two_ids(
    params: Any, sentence: str, call: Call, product: int
) -> None:
    assert product

    refused = await call(PRODUCTS, params, status=400)

    assert refused["error"] == 0
    assert sentence in refused["error_description"]


async def test_a_list_of_products_takes_only_a_list_of_names_too(call: Call) -> None:
    refused = await call(PRODUCTS, {"select": "id", "filter": {"iblockId": 1}}, status=400)

    assert refused["error"] == 100


@pytest.mark.parametrize("count", [0, 1, 50, 51, 120])
async def test_products_are_walked_by_cursor_and_by_pages(count: int, call: Call, core: Core, admin: Principal) -> None:
    made = [await make_product(core, admin, f"Shirt {number}") for number in range(count)]
    select, walked, paged = ["id", "iblockId"], [0], list[int]()

    while len(walked) % 50 == 1 or len(walked) == 1:
        filter_ = {"iblockId": 1, ">ID": walked[-1]}
        page = await call(PRODUCTS, {"select": select, "filter": filter_, "order": {"ID": "ASC"}, "start": -1})
        walked += ids(page, "products")
        if len(page["result"]["products"]) < 50:
            break
    following: int | None = 0
    while following is not None:
        page = await call(PRODUCTS, {"select": select, "filter": {"iblockId": 1}, "start": following})
        paged += ids(page, "products")
        following = page.get("next")

    assert walked[1:] == paged == made


@pytest.mark.parametrize(
    ("filter_", "names"),
    [
        ({"name": "Shirt"}, ["Shirt"]),
        ({"%name": "ШАПКА"}, ["шапка"]),
        ({"%NAME": "s"}, ["Shirt", "Socks"]),
        ({"active": "N"}, ["Socks"]),
        ({"!active": "N"}, ["Shirt", "шапка"]),
        ({"active": "Y", ">sort": 100}, ["шапка"]),
        ({"sort": [100, 500]}, ["Shirt", "Socks", "шапка"]),
        ({"code": None}, ["Socks", "шапка"]),
        ({"!code": None}, ["Shirt"]),
        ({"code": False}, ["Socks", "шапка"]),
        ({"!code": ""}, ["Shirt"]),
        ({"!code": "shirt"}, ["Socks", "шапка"]),
        ({"!%code": "HIR"}, ["Socks", "шапка"]),
        ({"!@code": ["shirt", None]}, []),
        ({"code": ["shirt", False]}, ["Shirt", "Socks", "шапка"]),
        ({"active": False}, ["Socks"]),
        ({">code": "a"}, ["Shirt"]),
        ({"xmlId": "out-1"}, ["Shirt"]),
        ({"iblockId": 2}, []),
        ({"unknown": 1}, ["Shirt", "Socks", "шапка"]),
    ],
)
async def test_products_are_filtered_by_their_fields(filter_: Any, names: list[str], call: Call) -> None:
    for fields in (
        {"name": "Shirt", "code": "shirt", "xmlId": "out-1"},
        {"name": "Socks", "active": "N"},
        {"name": "шапка", "sort": 500},
    ):
        await call("catalog.product.add", {"fields": {"iblockId": 1} | fields})

    params = {"select": ["id", "iblockId", "name"], "filter": {"iblockId": 1} | filter_, "order": {"id": "asc"}}
    answer = await call(PRODUCTS, params)

    assert [row["name"] for row in answer["result"]["products"]] == names
    assert all(row.keys() == {"id", "iblockId", "name"} for row in answer["result"]["products"])


@pytest.mark.parametrize(
    ("params", "wanted"),
    [
        ({}, ["goods", "variations"]),
        ({"order": {"id": "desc"}}, ["variations", "goods"]),
        ({"filter": {"productIblockId": None}}, ["goods"]),
        ({"filter": {"!productIblockId": None}}, ["variations"]),
        ({"filter": {"name": "Products"}}, ["goods"]),
        ({"start": 1}, ["variations"]),
        ({"start": -1}, ["goods", "variations"]),
    ],
)
async def test_catalogs_are_listed_filtered_and_ordered(params: Any, wanted: list[str], call: Call, seed: Seed) -> None:
    known = {"goods": seed.catalog_id, "variations": seed.variations_id}

    answer = await call("catalog.catalog.list", params)

    assert ids(answer, "catalogs") == [known[name] for name in wanted]
