"""update_file_selection and list_file_selection: what somebody picked, in its order, while it is there."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

import pictures
from build import Clock, make_account, make_image, make_library_image, make_library_images, make_product
from packshot.domain.access import Principal
from packshot.domain.libraries import Place
from packshot.services import keys
from packshot.services.core import Core

V3 = Callable[..., Awaitable[httpx.Response]]

MASTER = "e8ddd74b-5e4b-4c9e-b145-6fbb90677342"
NOBODYS = "00c0ffee-0000-4000-8000-000000000000"
IN_SESSION = Place("temporary", "0123456789abcdef")
SUCCESS = {"success": True, "status_code": 200, "message": "", "debug": None}


async def select(v3: V3, *guids: Any, guid: str = MASTER) -> Any:
    answer = await v3("PUT", "update_file_selection", json={"guids": guids, "guid": guid})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def selected(v3: V3, guid: str = MASTER) -> Any:
    answer = await v3("GET", "list_file_selection", params={"guid": guid})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body == {"guids": body["guids"], "status": SUCCESS}
    return body["guids"]


async def test_a_selection_comes_back_in_its_order_each_image_once(v3: V3, core: Core, admin: Principal) -> None:
    first, second, third = await make_library_images(core, admin, 3)

    answer = await select(v3, third, first, third.upper(), second)

    assert answer == {"guids": [third, first, second], "guid": MASTER, "status": SUCCESS}
    assert await selected(v3) == [third, first, second]


async def test_another_update_replaces_the_whole_selection(v3: V3, core: Core, admin: Principal) -> None:
    first, second, third = await make_library_images(core, admin, 3)
    await select(v3, first, second)

    await select(v3, third, first)

    assert await selected(v3) == [third, first]


async def test_an_empty_list_empties_a_selection(v3: V3, core: Core, admin: Principal) -> None:
    await select(v3, *await make_library_images(core, admin, 3))

    assert (await select(v3))["guids"] == []
    assert await selected(v3) == []


async def test_images_of_every_library_and_of_products_can_be_selected(v3: V3, core: Core, admin: Principal) -> None:
    temporary = (await make_library_image(core, admin, place=IN_SESSION)).guid
    on_product = (await make_image(core, admin, await make_product(core, admin), pictures.png())).guid

    await select(v3, temporary, on_product)

    assert await selected(v3) == [temporary, on_product]


async def test_what_is_not_there_is_left_out_and_named(v3: V3, core: Core, admin: Principal) -> None:
    other, _ = await make_account(core, "other")
    theirs = (await make_library_image(core, other)).guid
    (ours,) = await make_library_images(core, admin, 1)

    answer = await select(v3, theirs, "g1", ours, NOBODYS)

    assert answer["guids"] == [ours]
    assert answer["status"]["message"] == f"There are no images with these guids: {theirs}, g1, {NOBODYS}"
    assert await selected(v3) == [ours]


@pytest.mark.parametrize("guid", [MASTER, MASTER.upper(), f" {MASTER} "])
async def test_a_selection_is_found_however_its_guid_is_written(
    v3: V3, core: Core, admin: Principal, guid: str
) -> None:
    (image,) = await make_library_images(core, admin, 1)

    assert (await select(v3, image, guid=guid))["guid"] == MASTER
    assert await selected(v3, guid) == await selected(v3) == [image]


@pytest.mark.parametrize("guid", [NOBODYS, "no guid", "g" * 5_000])
async def test_an_unknown_selection_is_an_empty_one(v3: V3, core: Core, admin: Principal, guid: str) -> None:
    await select(v3, *await make_library_images(core, admin, 3))

    assert await selected(v3, guid) == []


async def test_a_selection_shows_only_what_is_still_there(v3: V3, core: Core, admin: Principal, clock: Clock) -> None:
    deleted, kept = await make_library_images(core, admin, 2)
    expired = (await make_library_image(core, admin, place=IN_SESSION)).guid
    await select(v3, deleted, expired, kept)

    await v3("DELETE", "delete_images", json={"guids": [deleted]})
    clock.advance(14 * 86_400)

    assert await selected(v3) == [kept]


async def test_two_accounts_have_different_selections_under_one_guid(
    v3: V3, core: Core, client: httpx.AsyncClient, admin: Principal
) -> None:
    other, _ = await make_account(core, "other")
    pair = await keys.create(core, "other")
    headers = {"web_api_key": pair.web_api_key, "app_key": pair.app_key}
    (ours,), (theirs,) = await make_library_images(core, admin, 1), await make_library_images(core, other, 1)
    await select(v3, ours)

    await client.put("/v3/update_file_selection", headers=headers, json={"guids": [theirs], "guid": MASTER})

    assert await selected(v3) == [ours]
    listed = await client.get("/v3/list_file_selection", headers=headers, params={"guid": MASTER})
    assert listed.json()["guids"] == [theirs]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"guid": MASTER}, "guids"),
        ({"guids": None, "guid": MASTER}, "guids"),
        ({"guids": {}, "guid": MASTER}, "guids"),
        ({"guids": [str(number) for number in range(501)], "guid": MASTER}, "guids"),
        ({"guids": [[]], "guid": MASTER}, "guids[0]"),
        ({"guids": []}, "guid"),
        ({"guids": [], "guid": ""}, "guid"),
        ({"guids": [], "guid": "mine"}, "guid"),
        ({"guids": [], "guid": [MASTER]}, "guid"),
    ],
)
async def test_a_bad_update_is_refused_and_the_selection_stays(
    v3: V3, core: Core, admin: Principal, body: Any, field: str
) -> None:
    guids = await make_library_images(core, admin, 3)
    await select(v3, *guids)

    answer = await v3("PUT", "update_file_selection", json=body)

    assert answer.status_code == 400
    assert list(answer.json()["ModelState"]) == [f"request.{field}"]
    assert await selected(v3) == guids


@pytest.mark.parametrize("query", ["", "?guid=", "?other=1"])
async def test_a_list_needs_the_guid_of_a_selection(v3: V3, query: str) -> None:
    answer = await v3("GET", f"list_file_selection{query}")

    assert answer.status_code == 400
    assert list(answer.json()["ModelState"]) == ["request.guid"]


async def test_500_images_can_be_selected(v3: V3, core: Core, admin: Principal) -> None:
    guids = await make_library_images(core, admin, 500)

    await select(v3, *guids)

    assert await selected(v3) == guids
