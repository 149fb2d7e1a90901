"""list_images: what clients send, and what they get."""

from datetime import datetime
from typing import Any

import httpx
import pytest

import pictures
from build import Clock, make_account, make_image, make_inventory_product, make_product
from library_calls import V3, added, listed, refused, titles, updated
from packshot.config import ServerSettings, Settings
from packshot.domain.access import Principal
from packshot.protocols.finerworks.errors import FinerWorksSettings
from packshot.protocols.finerworks.guids import MAX_GUIDS
from packshot.protocols.finerworks.wire import MAX_SEARCH_CHARACTERS
from packshot.services import keys
from packshot.services.core import Core, DeliverySettings

DAY_S = 86_400
SESSION = "0123456789abcdef"
TEMPORARY = {"name": "temporary", "session_id": SESSION}
NOBODY = "9f4c1a52-6f0b-4f6b-8f4e-0a8f3c5c7d11"
KEYS = {
    "id", "guid", "title", "description", "file_name", "file_size", "thumbnail_file_name", "preview_file_name",
    "hires_file_name", "public_thumbnail_uri", "public_preview_uri", "personal_gallery_title",
    "members_gallery_category", "private_hires_uri", "pix_w", "pix_h", "date_added", "date_updated", "date_expires",
    "active", "products", "assigned_gallery_subcategory_ids", "assigned_personal_gallery_ids", "username",
    "account_key", "artistname", "rank",
}  # fmt: skip
CHICAGO = Settings(server=ServerSettings(timezone="America/Chicago"))
APART = Settings(finerworks=FinerWorksSettings(shared_library=False))
ELSEWHERE = Settings(delivery=DeliverySettings(base_url="https://cdn.example"))


@pytest.mark.parametrize(
    "library",
    [None, {}, {"name": ""}, {"name": None, "session_id": SESSION}, {"account_key": "a", "site_id": "2"}],
)
async def test_a_library_that_is_missing_or_half_named_is_the_inventory(v3: V3, library: Any) -> None:
    await added(v3, title="Dunes")
    await added(v3, TEMPORARY, title="Upload")

    assert await titles(v3, library=library) == ["Dunes"]


async def test_a_session_id_beside_no_library_changes_nothing(v3: V3) -> None:
    await added(v3, title="Dunes")
    await added(v3, TEMPORARY, title="Upload")

    assert await titles(v3, session_id=SESSION, search_filter="") == ["Dunes"]


async def test_a_session_sees_its_own_temporary_images_until_they_expire(v3: V3, clock: Clock) -> None:
    await added(v3, TEMPORARY, title="Mine")
    await added(v3, TEMPORARY | {"session_id": "another-one"}, title="Another's")

    seen = await titles(v3, library=TEMPORARY)
    clock.advance(14 * DAY_S)

    assert seen == ["Mine"]
    assert await listed(v3, library=TEMPORARY) | {"status": None} == {
        "images": [], "page_number": 1, "per_page": 10, "count": 0, "status": None
    }  # fmt: skip


async def test_nobody_sees_the_images_of_another_account(v3: V3, core: Core, client: httpx.AsyncClient) -> None:
    await make_account(core, "other")
    pair = await keys.create(core, "other")
    foreign = {"web_api_key": pair.web_api_key, "app_key": pair.app_key}
    guid = (await added(v3))["guid"]

    answer = await client.post("/v3/list_images", headers=foreign, json={"guid_filter": [guid]})
    change = await client.put("/v3/update_images", headers=foreign, json={"images": [{"guid": guid, "title": "x"}]})

    assert (answer.json()["images"], answer.json()["count"]) == ([], 0)
    assert (change.json()["images"], change.json()["status"]["status_code"]) == ([], 404)
    assert await titles(v3) == ["photo.jpg"]


async def test_an_image_of_a_product_stands_in_the_inventory_with_our_addresses(
    v3: V3, core: Core, admin: Principal
) -> None:
    data = pictures.png()
    image = await make_image(core, admin, await make_product(core, admin), data, name="sh\u00edrt 1.png")

    (seen,) = (await listed(v3))["images"]

    key = image.address.partition("/")[2]
    assert seen["private_hires_uri"] == f"http://shop.test/upload/iblock/{image.address}/shirt-1.png"
    assert seen["public_thumbnail_uri"] == f"http://shop.test/i/{key}/thumbnail/shirt-1.png"
    assert seen["public_preview_uri"] == f"http://shop.test/i/{key}/preview/shirt-1.png"
    assert (seen["guid"], seen["file_name"], seen["file_size"]) == (image.guid, "sh\u00edrt 1.png", len(data))
    assert seen["pix_w"] > 0
    assert seen["pix_h"] > 0


async def test_the_address_of_an_image_is_where_it_is(
    v3: V3, core: Core, admin: Principal, client: httpx.AsyncClient
) -> None:
    await make_image(core, admin, await make_product(core, admin), pictures.png(), name="\u0444\u043e\u0442\u043e.png")

    (seen,) = (await listed(v3))["images"]

    assert (await client.get(seen["private_hires_uri"] + "?t=1")).content == pictures.png()


@pytest.mark.parametrize("settings", [ELSEWHERE], ids=["base_url"])
async def test_addresses_name_the_host_that_pictures_have_of_their_own(
    v3: V3, core: Core, admin: Principal, client: httpx.AsyncClient
) -> None:
    await make_image(core, admin, await make_product(core, admin), pictures.png())

    (seen,) = (await listed(v3))["images"]

    for kind in ("public_thumbnail", "public_preview", "private_hires"):
        assert seen[f"{kind}_uri"].startswith("https://cdn.example/")
    assert (await client.get(seen["private_hires_uri"])).content == pictures.png()


@pytest.mark.parametrize("settings", [APART], ids=["apart"])
async def test_images_of_products_are_not_there_where_libraries_are_apart(v3: V3, core: Core, admin: Principal) -> None:
    image = await make_image(core, admin, await make_product(core, admin), pictures.png())
    await added(v3, title="Dunes")

    answer = await updated(v3, {"guid": image.guid, "title": "x"})

    assert await titles(v3) == ["Dunes"]
    assert answer["status"]["status_code"] == 404


async def test_numbers_and_flags_may_be_text_and_dates_empty(v3: V3) -> None:
    for number in range(3):
        await added(v3, title=str(number))

    seen = await listed(
        v3, page_number="2", per_page="2", list_products="true", active="", upload_date_from="", upload_date_to=None,
        library={"site_id": "2"}, sort_field="", sort_direction=None,
    )  # fmt: skip

    assert [(image["title"], image["products"]) for image in seen["images"]] == [("0", [])]
    assert (seen["page_number"], seen["per_page"], seen["count"]) == (2, 2, 3)


async def test_who_asks_for_no_page_sees_the_ten_newest(v3: V3) -> None:
    """FinerWorks' Squarespace connector misses the rest; the number of all of them tells that there are more."""
    for number in range(12):
        await added(v3, title=str(number))

    seen = await listed(v3, library={"account_key": "a", "site_id": 2, "session_id": "s1234567"})

    assert [image["title"] for image in seen["images"]] == [str(number) for number in range(11, 1, -1)]
    assert (seen["page_number"], seen["per_page"], seen["count"]) == (1, 10, 12)


async def test_decision_9_the_count_is_that_of_all_images_that_match(v3: V3) -> None:
    for number in range(5):
        await added(v3, title=f"Dune {number}")
    await added(v3, title="Sea")

    first = await listed(v3, search_filter="dune", per_page=2)
    behind = await listed(v3, search_filter="dune", per_page=2, page_number=9)

    assert (len(first["images"]), first["count"]) == (2, 5)
    assert (behind["images"], behind["count"], behind["page_number"]) == ([], 5, 9)


@pytest.mark.parametrize(
    ("sent", "rows"), [(51, 50), (100, 50), ("100", 50), (2**63 - 1, 50), (50, 50), (0, 10), (-3, 10), (None, 10)]
)
async def test_decision_10_a_page_has_fifty_rows_at_most_and_says_how_many(v3: V3, sent: Any, rows: int) -> None:
    assert (await listed(v3, per_page=sent))["per_page"] == rows


@pytest.mark.parametrize(("sent", "page"), [(0, 1), (-7, 1), ("", 1), (None, 1), (2**63 - 1, 2**63 - 1)])
async def test_decision_11_a_page_below_the_first_is_the_first(v3: V3, sent: Any, page: int) -> None:
    await added(v3)

    seen = await listed(v3, page_number=sent)

    assert (seen["page_number"], seen["count"], len(seen["images"])) == (page, 1, int(page == 1))


@pytest.mark.parametrize("field", ["page_number", "per_page"])
@pytest.mark.parametrize("sent", ["two", 1.5, [], True, "1e3"])
async def test_decision_11_a_page_that_is_no_number_is_refused(v3: V3, field: str, sent: Any) -> None:
    assert await refused(v3, "POST", "list_images", {field: sent}) == f"request.{field}"


@pytest.mark.parametrize(
    ("sought", "found"),
    [
        ("DUNE", ["by title"]),
        ("evening", ["by description"]),
        ("cat.p", ["by name"]),
        ("50%", ["by title"]),
        ("%", ["by title"]),
        ("_", []),
        ("\\", []),
        ("\u00c4PFEL", ["by name"]),
        ("by title", []),
        ("", ["by name", "by description", "by title"]),
        (7, []),
    ],
)
async def test_decision_12_a_search_looks_at_title_description_and_name(v3: V3, sought: Any, found: list[str]) -> None:
    names = {
        (await added(v3, title="Dunes 50%"))["id"]: "by title",
        (await added(v3, title="x", description="in the Evening"))["id"]: "by description",
        (await added(v3, title="x", file_name="cat.png \u00e4pfel"))["id"]: "by name",
    }

    seen = await listed(v3, search_filter=sought)

    assert [names[image["id"]] for image in seen["images"]] == found


async def test_a_search_for_a_whole_book_is_refused(v3: V3) -> None:
    await listed(v3, search_filter="x" * MAX_SEARCH_CHARACTERS)

    field = await refused(v3, "POST", "list_images", {"search_filter": "x" * (MAX_SEARCH_CHARACTERS + 1)})

    assert field == "request.search_filter"


@pytest.mark.parametrize("settings", [CHICAGO], ids=["Chicago"])
async def test_decision_13_dates_have_seven_digits_and_the_offset_of_the_servers_zone(v3: V3, clock: Clock) -> None:
    clock.now = datetime.fromisoformat("2026-09-03T10:50:27-05:00").timestamp()

    image = await added(v3, TEMPORARY)

    assert image["date_added"] == "2026-09-03T10:50:27.0000000-05:00"
    assert image["date_expires"] == "2026-09-17T10:50:27.0000000-05:00"


@pytest.mark.parametrize("settings", [CHICAGO], ids=["Chicago"])
@pytest.mark.parametrize(
    ("limits", "found"),
    [
        (("2026-09-03", None), ["last", "first"]),
        ((None, "2026-09-03"), ["last", "first", "before"]),
        (("2026-09-03", "2026-09-03"), ["last", "first"]),
        (("2026-09-04", ""), []),
        (("", "2026-09-02"), ["before"]),
        (("2026-09-03T23:59:59", None), ["last"]),
        (("2026-09-04T04:59:59.0000000Z", None), ["last"]),
        ((None, "2026-09-03T00:00:00.0000000-05:00"), ["first", "before"]),
        ((None, "2026-09-02T23:59:59"), ["before"]),
        (("2026-09-05", "2026-09-01"), []),
        (("0001-01-01T00:00:00", "9999-12-31T23:59:59.9999999"), ["last", "first", "before"]),
    ],
)
async def test_dates_are_inclusive_and_a_day_is_one_of_the_servers_zone(
    v3: V3, clock: Clock, limits: tuple[str | None, str | None], found: list[str]
) -> None:
    for at, title in (("02T23:59:59", "before"), ("03T00:00:00", "first"), ("03T23:59:59", "last")):
        clock.now = datetime.fromisoformat(f"2026-09-{at}-05:00").timestamp()
        await added(v3, title=title)

    assert await titles(v3, upload_date_from=limits[0], upload_date_to=limits[1]) == found


@pytest.mark.parametrize("field", ["upload_date_from", "upload_date_to"])
@pytest.mark.parametrize("sent", ["yesterday", "2026-02-30", "03/09/2026", 20260903, True, ["2026-09-03"]])
async def test_what_is_no_date_is_refused(v3: V3, field: str, sent: Any) -> None:
    assert await refused(v3, "POST", "list_images", {field: sent}) == f"request.{field}"


@pytest.mark.parametrize(
    ("order", "found"),
    [
        ({}, ["2", "1", "3"]),
        ({"sort_field": "ID", "sort_direction": "asc"}, ["3", "1", "2"]),
        ({"sort_field": "title", "sort_direction": "ASC"}, ["1", "2", "3"]),
        ({"sort_field": "title"}, ["3", "2", "1"]),
        ({"sort_field": "file_name", "sort_direction": "ASC"}, ["2", "3", "1"]),
        ({"sort_field": "file_size", "sort_direction": "DESC"}, ["1", "2", "3"]),
        ({"sort_field": "date_added", "sort_direction": " ASC "}, ["3", "1", "2"]),
        ({"sort_field": "price", "sort_direction": "sideways"}, ["2", "1", "3"]),
        ({"sort_field": 7, "sort_direction": 7}, ["2", "1", "3"]),
    ],
)
async def test_an_order_that_is_not_known_is_the_newest_first(
    v3: V3, clock: Clock, order: dict[str, Any], found: list[str]
) -> None:
    for title, name, size in (("3", "b.jpg", 5), ("1", "c.jpg", 7), ("2", "a.jpg", 5)):
        await added(v3, title=title, file_name=name, file_size=size)
        clock.advance(1)

    assert await titles(v3, **order) == found


async def test_a_filter_by_guid_is_a_list_or_one_text_and_empty_is_none(v3: V3) -> None:
    guids = [(await added(v3, title=title))["guid"] for title in "abc"]

    assert await titles(v3, guid_filter=guids[:2]) == ["b", "a"]
    assert await titles(v3, guid_filter=guids[2].upper()) == ["c"]
    assert await titles(v3, guid_filter=[]) == await titles(v3, guid_filter="") == await titles(v3) == ["c", "b", "a"]
    assert await titles(v3, guid_filter=[guids[0], "g1", None, 7, {}]) == ["a"]
    assert await titles(v3, guid_filter=["g1"]) == await titles(v3, guid_filter=[NOBODY]) == []


async def test_a_filter_by_guid_names_five_hundred_at_most(v3: V3) -> None:
    await listed(v3, guid_filter=[NOBODY] * MAX_GUIDS)

    assert (
        await refused(v3, "POST", "list_images", {"guid_filter": [NOBODY] * (MAX_GUIDS + 1)}) == "request.guid_filter"
    )


@pytest.mark.parametrize("field", ["personal_gallery_id_filter", "public_gallery_id_filter"])
async def test_there_is_nothing_in_any_gallery(v3: V3, field: str) -> None:
    await added(v3, title="Dunes")

    seen = await listed(v3, **{field: [1]})

    assert (seen["images"], seen["count"]) == ([], 0)
    assert await titles(v3, **{field: []}) == await titles(v3, **{field: None}) == ["Dunes"]


async def test_decision_16_images_are_active_until_they_are_not_and_can_be_listed_by_it(v3: V3) -> None:
    await added(v3, title="shown")
    hidden = await added(v3, title="hidden")
    await updated(v3, {"guid": hidden["guid"], "visible": False})

    assert hidden["active"] is True
    assert await titles(v3) == await titles(v3, active=None) == ["hidden", "shown"]
    assert await titles(v3, active=True) == await titles(v3, active="true") == ["shown"]
    assert await titles(v3, active=False) == ["hidden"]


async def test_decision_23_images_of_every_site_are_listed_together(v3: V3) -> None:
    await added(v3, {"site_id": 2}, title="of 2")
    await added(v3, {"site_id": "5"}, title="of 5")

    assert await titles(v3, library={"site_id": 7}) == await titles(v3, library={"site_id": "x"}) == ["of 5", "of 2"]


async def test_decision_30_every_documented_key_is_there_and_null_where_there_is_nothing(v3: V3) -> None:
    image = await added(v3)

    (seen,) = (await listed(v3))["images"]
    (change,) = (await updated(v3, {"guid": image["guid"]}))["images"]

    assert set(image) == set(seen) == set(change) == KEYS
    assert {key for key in KEYS if seen[key] is None} == KEYS - {
        "id", "guid", "title", "file_name", "file_size", "private_hires_uri", "pix_w", "pix_h", "date_added", "active"
    }  # fmt: skip


async def test_products_are_there_where_they_are_asked_for_in_the_inventory(
    v3: V3, core: Core, admin: Principal
) -> None:
    image = await added(v3, public_thumbnail_uri="https://img.example/t.jpg")
    await added(v3, TEMPORARY)
    product = await make_inventory_product(core, admin, image["guid"])

    (plain,) = (await listed(v3))["images"]
    (full,) = (await listed(v3, list_products=True))["images"]
    (temporary,) = (await listed(v3, list_products=True, library=TEMPORARY))["images"]

    assert plain["products"] is None
    assert [(one["sku"], one["image_guid"], one["image_url_1"]) for one in full["products"]] == [
        (product.sku, image["guid"], "https://img.example/t.jpg")
    ]
    assert temporary["products"] is None
