"""update_images: what clients send, and what they get."""

from typing import Any
from uuid import uuid4

import pytest

from build import Clock, make_inventory_product
from library_calls import V3, added, refused, titles, updated
from packshot.domain.access import Principal
from packshot.services import inventory
from packshot.services.core import Core

DAY_S = 86_400
TEMPORARY = {"name": "temporary", "session_id": "0123456789abcdef"}
NOBODY = "9f4c1a52-6f0b-4f6b-8f4e-0a8f3c5c7d11"


async def test_an_update_does_not_touch_products_of_the_virtual_inventory(v3: V3, core: Core, admin: Principal) -> None:
    """The page says that they go, in the words of the page about deleting; FinerWorks' own screens do not expect it."""
    image = await added(v3)
    product = await make_inventory_product(core, admin, image["guid"])
    before = await inventory.of_images(core, admin, [image["id"]])

    answer = await updated(v3, {"guid": image["guid"], "title": "New", "description": "New", "visible": False})

    assert answer["images"][0]["title"] == "New"
    assert await inventory.of_images(core, admin, [image["id"]]) == before == {image["id"]: [product]}


async def test_decision_20_an_update_answers_the_images_as_they_are_now_in_the_order_of_the_call(v3: V3) -> None:
    guids = [(await added(v3, title=title))["guid"] for title in "abc"]

    answer = await updated(v3, *({"guid": guids[at], "title": f"new {at}"} for at in (2, 0, 1)), account_key=None)

    assert [image["title"] for image in answer["images"]] == ["new 2", "new 0", "new 1"]
    assert answer["status"] == {"success": True, "status_code": 200, "message": "", "debug": None}
    assert await titles(v3) == ["new 2", "new 1", "new 0"]


async def test_what_is_missing_or_null_stays_and_empty_text_clears(v3: V3) -> None:
    image = await added(v3, title="Dunes", description="At dusk")

    (same,) = (await updated(v3, {"guid": image["guid"], "title": None, "visible": ""}))["images"]
    (cleared,) = (await updated(v3, {"guid": image["guid"].upper(), "title": "", "description": ""}))["images"]

    assert same == image
    assert (cleared["title"], cleared["description"]) == ("", "")


async def test_a_change_is_dated_and_found_by_its_new_words(v3: V3, clock: Clock) -> None:
    image = await added(v3, title="Dunes")
    clock.advance(60)

    (changed,) = (await updated(v3, {"guid": image["guid"], "title": "Sea", "description": 7}))["images"]

    assert image["date_updated"] is None
    assert changed["date_updated"] == "2027-01-15T08:01:00.0000000+00:00"
    assert changed | {"title": "Dunes", "description": None, "date_updated": None} == image
    assert await titles(v3, search_filter="sea") == ["Sea"]
    assert await titles(v3, search_filter="dunes") == []
    assert await titles(v3, search_filter="7") == ["Sea"]


async def test_what_cannot_be_changed_is_not(v3: V3) -> None:
    image = await added(v3)
    sent = image | {"guid": image["guid"], "file_name": "x.jpg", "private_hires_uri": "x", "rank": 3, "active": False}

    (same,) = (await updated(v3, sent | {"assigned_personal_gallery_ids": [1], "id": 7}))["images"]

    assert same == image


async def test_a_temporary_image_is_changed_as_long_as_it_is_there(v3: V3, clock: Clock) -> None:
    change = {"guid": (await added(v3, TEMPORARY))["guid"], "title": "Mine"}

    before = await updated(v3, change)
    clock.advance(14 * DAY_S)
    after = await updated(v3, change)

    assert [image["title"] for image in before["images"]] == ["Mine"]
    assert (after["images"], after["status"]["success"]) == ([], False)


async def test_a_library_that_is_named_is_the_only_one_that_is_changed(v3: V3) -> None:
    image = await added(v3, TEMPORARY)

    other = await updated(v3, {"guid": image["guid"], "title": "x"}, library={"name": "inventory"})
    session = await updated(v3, {"guid": image["guid"], "title": "x"}, library=TEMPORARY | {"session_id": "another-1"})
    own = await updated(v3, {"guid": image["guid"], "title": "x"}, library=TEMPORARY)

    assert [len(answer["images"]) for answer in (other, session, own)] == [0, 0, 1]


async def test_decision_8_what_is_not_there_is_named_and_the_rest_is_changed(v3: V3) -> None:
    image = await added(v3)

    some = await updated(v3, {"guid": NOBODY, "title": "x"}, {"guid": "g1"}, {"guid": image["guid"], "title": "y"})
    none = await updated(v3, {"guid": NOBODY, "title": "x"})

    assert [one["title"] for one in some["images"]] == ["y"]
    assert (some["status"]["success"], some["status"]["status_code"]) == (True, 200)
    assert NOBODY in some["status"]["message"]
    assert "g1" in some["status"]["message"]
    assert image["guid"] not in some["status"]["message"]
    assert none["images"] == []
    assert (none["status"]["success"], none["status"]["status_code"]) == (False, 404)
    assert NOBODY in none["status"]["message"]


async def test_of_two_changes_of_an_image_the_later_one_stands(v3: V3) -> None:
    guid = (await added(v3))["guid"]

    answer = await updated(v3, {"guid": guid, "title": "a", "description": "kept"}, {"guid": guid, "title": "b"})

    assert [(image["title"], image["description"]) for image in answer["images"]] == [("b", "kept")]


async def test_an_update_takes_fifty_images_and_none(v3: V3) -> None:
    many = [{"guid": str(uuid4()), "title": "x"} for _ in range(51)]

    assert (await updated(v3, *many[:50]))["status"]["status_code"] == 404
    assert (await updated(v3))["status"] == {"success": True, "status_code": 200, "message": "", "debug": None}
    assert await refused(v3, "PUT", "update_images", {"images": many}) == "request.images"


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({}, "images"),
        ({"images": None}, "images"),
        ({"images": {"guid": NOBODY}}, "images"),
        ({"images": [NOBODY]}, "images[0]"),
        ({"images": [{"guid": NOBODY}, None]}, "images[1]"),
        ({"images": [{"guid": NOBODY}, {"title": "x"}]}, "images[1].guid"),
        ({"images": [{"guid": ""}]}, "images[0].guid"),
        ({"images": [{"guid": [NOBODY]}]}, "images[0].guid"),
        ({"images": [{"guid": NOBODY, "title": ["x"]}]}, "images[0].title"),
        ({"images": [{"guid": NOBODY, "title": "x" * 301}]}, "images[0].title"),
        ({"images": [{"guid": NOBODY, "description": "x" * 301}]}, "images[0].description"),
        ({"images": [{"guid": NOBODY, "visible": "maybe"}]}, "images[0].visible"),
        ({"images": [{"guid": NOBODY}], "library": {"name": "other"}}, "library.name"),
    ],
)
async def test_an_update_that_makes_no_sense_changes_nothing(v3: V3, params: Any, field: str) -> None:
    image = await added(v3)
    if isinstance(params.get("images"), list) and len(params["images"]) > 1:
        params = params | {"images": [{"guid": image["guid"], "title": "changed"}, *params["images"][1:]]}

    assert await refused(v3, "PUT", "update_images", params) == f"request.{field}"
    assert await titles(v3) == [image["title"]]
