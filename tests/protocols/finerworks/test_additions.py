"""add_images: what clients may send, what is stored of it, and what is refused with nothing stored."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

import pictures
from build import Clock, make_account, make_image, make_library_image, make_product
from packshot.config import Settings
from packshot.domain.access import Principal
from packshot.protocols.finerworks.errors import FinerWorksSettings
from packshot.services import keys
from packshot.services.core import Core
from packshot.services.keys import Keys

V3 = Callable[..., Awaitable[httpx.Response]]

GUID = "5b1d0f5e-0f0e-4f5b-9d0e-2f6a3f0c7a11"
DUNES = {"file_name": "dunes.jpg", "private_hires_uri": "http://img.example/h/dunes.jpg"}
SESSION = "0123456789abcdef"
TEMPORARY = {"name": "temporary", "session_id": SESSION}
APART = Settings(finerworks=FinerWorksSettings(shared_library=False))


async def added(v3: V3, *images: Any, **params: Any) -> Any:
    answer = await v3("POST", "add_images", json={"images": images, **params})
    assert answer.status_code == 200, answer.text
    return answer.json()["images"]


async def added_one(v3: V3, **fields: Any) -> Any:
    (image,) = await added(v3, DUNES | fields)
    return image


async def refused(v3: V3, body: Any) -> tuple[str, str]:
    """The field that a call is refused for, and why; nothing of it is stored."""
    answer = await v3("POST", "add_images", json=body)
    assert answer.status_code == 400, answer.text
    ((field, (why,)),) = answer.json()["ModelState"].items()
    assert (await v3("POST", "list_images", json={})).json()["count"] == 0
    return field, why


# What is stored


async def test_file_name_and_address_are_all_that_is_needed(v3: V3) -> None:
    image = await added_one(v3)

    assert image["title"] == image["file_name"] == "dunes.jpg"
    assert image["private_hires_uri"] == DUNES["private_hires_uri"]
    assert (image["file_size"], image["pix_w"], image["pix_h"]) == (0, 0, 0)
    assert (image["description"], image["public_thumbnail_uri"], image["thumbnail_file_name"]) == (None, None, None)
    assert (image["active"], image["date_expires"], image["products"]) == (True, None, None)


async def test_what_is_added_is_listed_as_it_was_answered(v3: V3) -> None:
    image = await added_one(v3, title="Dunes", description="At dusk", file_size="11000024", pix_w="1600", pix_h=2400)

    listed = (await v3("POST", "list_images", json={})).json()["images"]

    assert listed == [image]
    assert (image["file_size"], image["pix_w"], image["pix_h"]) == (11_000_024, 1600, 2400)


async def test_images_are_answered_in_the_order_of_the_request(v3: V3) -> None:
    names = ["e.jpg", "b.jpg", "d.jpg", "a.jpg", "c.jpg"]

    images = await added(v3, *(DUNES | {"file_name": name} for name in names))

    assert [image["file_name"] for image in images] == names
    assert [image["id"] for image in images] == sorted(image["id"] for image in images)


async def test_the_same_image_twice_makes_two(v3: V3) -> None:
    first, second = await added(v3, DUNES, DUNES)

    assert first["guid"] != second["guid"]


@pytest.mark.parametrize(("sent", "stored"), [(None, "dunes.jpg"), ("", ""), (" ", " "), (7, "7")])
async def test_a_title_is_the_file_name_only_where_none_is_sent(v3: V3, sent: Any, stored: str) -> None:
    assert (await added_one(v3, title=sent))["title"] == stored


async def test_empty_texts_stay_empty(v3: V3) -> None:
    names = ("description", "thumbnail_file_name", "preview_file_name", "hires_file_name", "public_thumbnail_uri")

    image = await added_one(v3, **dict.fromkeys(names, ""))

    assert [image[name] for name in names] == [""] * 5


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("a/b\\c:d.jpg", "a_b_c_d.jpg"),
        ("../../etc/passwd", ".._.._etc_passwd"),
        ("..", "_"),
        ("tab\there.jpg", "tab_here.jpg"),
        ("\u202egpj.exe", "gpj.exe"),
        ("u\u0308ber.jpg", "\u00fcber.jpg"),
        ("x" * 300 + ".jpeg", "x" * 195 + ".jpeg"),
        ("." + "x" * 300, "." + "x" * 199),
    ],
)
async def test_file_names_are_cleaned_and_cut_instead_of_refused(v3: V3, sent: str, stored: str) -> None:
    """Decision 4 of the design: other doors refuse them."""
    image = await added_one(v3, file_name=sent, hires_file_name=sent)

    assert (image["file_name"], image["hires_file_name"]) == (stored, stored)


@pytest.mark.parametrize("library", [None, {}, {"name": ""}, {"name": "INVENTORY", "session_id": SESSION}])
async def test_without_a_library_images_are_in_the_inventory(v3: V3, library: Any) -> None:
    (image,) = await added(v3, DUNES, library=library)

    assert image["date_expires"] is None
    assert (await v3("POST", "list_images", json={})).json()["count"] == 1


# Section 9


async def test_decision_14_and_15_temporary_images_belong_to_a_session_and_expire_after_14_days(
    v3: V3, clock: Clock
) -> None:
    (image,) = await added(v3, DUNES, library=TEMPORARY)

    assert image["date_added"] == "2027-01-15T08:00:00.0000000+00:00"
    assert image["date_expires"] == "2027-01-29T08:00:00.0000000+00:00"
    assert (await v3("POST", "list_images", json={"library": TEMPORARY})).json()["images"] == [image]
    clock.advance(14 * 86_400)
    assert (await v3("POST", "list_images", json={"library": TEMPORARY})).json()["count"] == 0


async def test_decision_15_the_temporary_library_needs_a_session(v3: V3) -> None:
    field, _ = await refused(v3, {"images": [DUNES], "library": {"name": "temporary"}})

    assert field == "request.library.session_id"


async def test_decision_18_more_than_five_images_are_refused_and_none_is_stored(v3: V3) -> None:
    field, why = await refused(v3, {"images": [DUNES] * 6})

    assert (field, why) == ("request.images", "The images has more than 5 elements")


@pytest.mark.parametrize("sent", [GUID, GUID.upper(), f" {GUID} "])
async def test_decision_19_a_valid_new_guid_is_taken(v3: V3, sent: str) -> None:
    assert (await added_one(v3, guid=sent))["guid"] == GUID


@pytest.mark.parametrize("sent", [None, "", "00000000-0000-0000-0000-000000000000"])
async def test_decision_19_no_guid_is_chosen_for_whoever_sends_none(v3: V3, sent: Any) -> None:
    assert (await added_one(v3, guid=sent))["guid"] not in {"00000000-0000-0000-0000-000000000000", ""}


@pytest.mark.parametrize("sent", ["g1", GUID[:-1], GUID.replace("-", ""), 7, f"{{{GUID}}}"])
async def test_decision_19_an_invalid_guid_is_refused(v3: V3, sent: Any) -> None:
    field, _ = await refused(v3, {"images": [DUNES, DUNES | {"guid": sent}]})

    assert field == "request.images[1].guid"


async def test_decision_19_a_guid_is_taken_once_in_an_account_whatever_the_library(v3: V3) -> None:
    await added(v3, DUNES | {"guid": GUID}, library=TEMPORARY)

    field, _ = await refused(v3, {"images": [DUNES, DUNES, DUNES | {"guid": GUID.upper()}]})

    assert field == "request.images[2].guid"


async def test_decision_19_two_images_of_one_call_have_different_guids(v3: V3) -> None:
    field, _ = await refused(v3, {"images": [DUNES | {"guid": GUID}, DUNES | {"guid": GUID}]})

    assert field == "request.images[1].guid"


@pytest.mark.parametrize("settings", [APART])
async def test_decision_19_a_guid_of_an_image_that_is_not_shown_is_taken(v3: V3, core: Core, admin: Principal) -> None:
    hidden = await make_image(core, admin, await make_product(core, admin), pictures.png())

    field, _ = await refused(v3, {"images": [DUNES | {"guid": hidden.guid}]})

    assert field == "request.images[0].guid"


async def test_decision_19_another_accounts_guids_are_free(v3: V3, core: Core) -> None:
    other, _ = await make_account(core, "other")
    theirs = await make_library_image(core, other)

    assert (await added_one(v3, guid=theirs.guid))["guid"] == theirs.guid


async def test_decision_19_a_guid_is_free_again_once_its_image_is_gone(v3: V3) -> None:
    first = await added_one(v3, guid=GUID)
    await v3("DELETE", "delete_images", json={"guids": [GUID]})

    second = await added_one(v3, guid=GUID)

    assert second["id"] > first["id"]


# What is refused


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "images"),
        ({"images": None}, "images"),
        ({"images": []}, "images"),
        ({"images": DUNES}, "images"),
        ({"images": "x"}, "images"),
        ({"images": [DUNES, None]}, "images[1]"),
        ({"images": [DUNES], "library": {"name": "trash"}}, "library.name"),
        ({"images": [DUNES], "library": {"session_id": "short"}}, "library.session_id"),
        ({"images": [DUNES], "library": {"site_id": "two"}}, "library.site_id"),
    ],
)
async def test_a_call_without_images_or_with_an_odd_library_is_refused(v3: V3, body: Any, field: str) -> None:
    assert (await refused(v3, body))[0] == f"request.{field}"


@pytest.mark.parametrize(
    "fields",
    [
        {"file_name": None},
        {"file_name": ""},
        {"file_name": "\u200b "},
        {"file_name": ["a.jpg"]},
        {"private_hires_uri": None},
        {"private_hires_uri": ""},
        {"private_hires_uri": "javascript:alert(1)"},
        {"private_hires_uri": "//img.example/a.jpg"},
        {"private_hires_uri": "https://"},
        {"private_hires_uri": "https:///a.jpg"},
        {"private_hires_uri": "https://img.example/\n"},
        {"private_hires_uri": "https://img.example/" + "a" * 481},
        {"public_thumbnail_uri": "data:image/png;base64,AA=="},
        {"public_preview_uri": "ftp://img.example/a.jpg"},
        {"title": "x" * 301},
        {"description": "x" * 301},
        {"description": {}},
        {"file_size": -1},
        {"file_size": "large"},
        {"pix_w": 1.5},
        {"pix_h": -1},
        {"pix_h": 2**63},
    ],
    ids=str,
)
async def test_a_bad_field_is_named_by_its_path_and_nothing_is_stored(v3: V3, fields: Any) -> None:
    (name,) = fields

    field, _ = await refused(v3, {"images": [DUNES, DUNES | fields]})

    assert field == f"request.images[1].{name}"


@pytest.mark.parametrize(
    "fields",
    [
        {"private_hires_uri": "https://img.example/" + "a" * 480},
        {"private_hires_uri": "HTTPS://img.example:8443/my file (1).jpg?a=b#c"},
        {"private_hires_uri": "http://[::1]/\u00e4.jpg"},
        {"title": "x" * 300},
        {"description": "x" * 300},
        {"file_size": 2**63 - 1},
    ],
    ids=str,
)
async def test_the_longest_and_oddest_that_is_taken_comes_back_as_it_was(v3: V3, fields: Any) -> None:
    image = await added_one(v3, **fields)

    assert {name: image[name] for name in fields} == fields


async def test_a_privileged_pair_adds_to_the_account_that_the_library_names(
    core: Core, client: httpx.AsyncClient, v3: V3
) -> None:
    await make_account(core, "other")
    account_key, _ = await keys.of_account(core, "other")
    privileged, theirs = await keys.create(core, "main", privileged=True), await keys.create(core, "other")
    body = {"images": [DUNES], "library": {"name": "inventory", "account_key": account_key}}

    answer = await client.post("/v3/add_images", headers=as_headers(privileged), json=body)

    assert answer.status_code == 200
    assert (await v3("POST", "list_images", json={})).json()["count"] == 0
    listed = await client.post("/v3/list_images", headers=as_headers(theirs), json={})
    assert listed.json()["images"] == answer.json()["images"]


def as_headers(pair: Keys) -> dict[str, str]:
    return {"web_api_key": pair.web_api_key, "app_key": pair.app_key}
