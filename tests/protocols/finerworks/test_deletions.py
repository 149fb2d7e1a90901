"""delete_images and delete_preview: what goes, what stays, and what is said of what was not there."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest

import pictures
from build import (
    Clock,
    make_account,
    make_image,
    make_inventory_product,
    make_library_image,
    make_library_images,
    make_product,
)
from packshot.config import Settings
from packshot.domain.access import Principal
from packshot.domain.errors import NotFound
from packshot.domain.libraries import Place
from packshot.protocols.finerworks.errors import FinerWorksSettings
from packshot.services import images
from packshot.services.core import Core

V3 = Callable[..., Awaitable[httpx.Response]]

SESSION = "0123456789abcdef"
TEMPORARY = {"name": "temporary", "session_id": SESSION}
IN_SESSION = Place("temporary", SESSION)
NOBODYS = "00c0ffee-0000-4000-8000-000000000000"
APART = Settings(finerworks=FinerWorksSettings(shared_library=False))
SUCCESS = {"success": True, "status_code": 200, "message": "", "debug": None}


async def deleted(v3: V3, *guids: Any, **params: Any) -> str:
    """The message of a deletion that succeeds and answers nothing else."""
    answer = await v3("DELETE", "delete_images", json={"guids": guids, "library": None, **params})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    message = body["status"]["message"]
    assert body == {"status": SUCCESS | {"message": message}}
    return str(message)


async def refused(v3: V3, body: Any) -> str:
    answer = await v3("DELETE", "delete_images", json=body)
    assert answer.status_code == 400, answer.text
    (field,) = answer.json()["ModelState"]
    return str(field)


async def of_guids(core: Core) -> set[str]:
    """The guids of all images there are, in whatever account and library."""
    return {row[0] for row in await core.db.all("SELECT guid FROM image")}


async def count(core: Core, table: str) -> int:
    ((number,),) = await core.db.all(f"SELECT count(*) FROM {table}")
    return int(number)


def missing(*guids: str) -> str:
    return f"There are no images with these guids: {', '.join(guids)}"


# What goes along


async def test_an_image_takes_its_inventory_products_and_its_places_in_selections_along(
    v3: V3, core: Core, admin: Principal
) -> None:
    doomed, kept = await make_library_image(core, admin), await make_library_image(core, admin)
    for image in (doomed, doomed, kept):
        await make_inventory_product(core, admin, image.guid)
    await v3("PUT", "update_file_selection", json={"guids": [doomed.guid, kept.guid], "guid": str(uuid4())})

    message = await deleted(v3, doomed.guid)

    assert message == ""
    assert await of_guids(core) == {kept.guid}
    assert (await count(core, "inventory_product"), await count(core, "selection")) == (1, 1)


async def test_an_image_of_a_product_is_gone_in_bitrix24_too(v3: V3, core: Core, admin: Principal) -> None:
    product_id = await make_product(core, admin)
    image = await make_image(core, admin, product_id, pictures.png())

    await deleted(v3, image.guid)

    with pytest.raises(NotFound):
        await images.get(core, admin, product_id, image.id)


async def test_an_image_that_bitrix24_deleted_is_gone_here_too(v3: V3, core: Core, admin: Principal) -> None:
    product_id = await make_product(core, admin)
    image = await make_image(core, admin, product_id, pictures.png())
    await make_inventory_product(core, admin, image.guid)

    await images.remove_from_product(core, admin, product_id, image.id)

    assert await deleted(v3, image.guid) == missing(image.guid)
    assert await count(core, "inventory_product") == 0


@pytest.mark.parametrize("settings", [APART])
async def test_images_of_products_are_not_there_where_the_library_is_not_shared(
    v3: V3, core: Core, admin: Principal
) -> None:
    image = await make_image(core, admin, await make_product(core, admin), pictures.png())

    assert await deleted(v3, image.guid) == missing(image.guid)
    assert await of_guids(core) == {image.guid}


async def test_decision_26_bytes_are_not_touched_by_the_call(v3: V3, core: Core, admin: Principal) -> None:
    """They go once upkeep finds that nothing points at them; those of somebody else never."""
    data = pictures.png()
    doomed, twin = await make_library_image(core, admin, data), await make_library_image(core, admin, data)

    await deleted(v3, doomed.guid)

    ((key,),) = await core.db.all("SELECT key FROM blob WHERE state = 'live'")
    assert await core.blobs.find_size(key) == len(data)
    assert await of_guids(core) == {twin.guid}


# Section 9


async def test_decision_1_an_update_takes_no_products_along(v3: V3, core: Core, admin: Principal) -> None:
    image = await make_library_image(core, admin)
    product = await make_inventory_product(core, admin, image.guid)

    await v3("PUT", "update_images", json={"images": [{"guid": image.guid, "title": "Changed"}]})

    answer = (await v3("POST", "list_images", json={"list_products": True})).json()
    assert [found["sku"] for found in answer["images"][0]["products"]] == [product.sku]


@pytest.mark.parametrize("body", [{}, {"library": None}, {"library": ""}])
async def test_decision_2_without_a_library_images_are_deleted_wherever_they_are(
    v3: V3, core: Core, admin: Principal, body: Any
) -> None:
    guids = [(await make_library_image(core, admin, place=place)).guid for place in (Place(), IN_SESSION)]

    answer = await v3("DELETE", "delete_images", json={"guids": guids} | body)

    assert answer.json() == {"status": SUCCESS}
    assert await of_guids(core) == set()


async def test_decision_3_what_is_not_there_is_passed_over_and_named(v3: V3, core: Core, admin: Principal) -> None:
    other, _ = await make_account(core, "other")
    theirs, ours = await make_library_image(core, other), await make_library_image(core, admin)
    gone = await make_library_image(core, admin)
    await deleted(v3, gone.guid)

    message = await deleted(v3, NOBODYS, theirs.guid, "g1", ours.guid, gone.guid)

    assert message == missing(NOBODYS, theirs.guid, "g1", gone.guid)
    assert await of_guids(core) == {theirs.guid}


async def test_decision_3_repeating_it_succeeds(v3: V3, core: Core, admin: Principal) -> None:
    image = await make_library_image(core, admin)

    messages = [await deleted(v3, image.guid) for _ in range(3)]

    assert messages == ["", missing(image.guid), missing(image.guid)]


async def test_decision_3_an_expired_image_is_a_miss_before_it_is_swept(
    v3: V3, core: Core, admin: Principal, clock: Clock
) -> None:
    image = await make_library_image(core, admin, place=IN_SESSION)
    clock.advance(14 * 86_400)

    assert await deleted(v3, image.guid) == missing(image.guid)
    assert await of_guids(core) == {image.guid}


@pytest.mark.parametrize(
    "library",
    [
        {"name": "inventory"},
        {"name": "", "session_id": SESSION},
        {},
        {"name": "temporary", "session_id": "another-session"},
    ],
)
async def test_decision_4_an_image_of_another_library_or_session_is_a_miss(
    v3: V3, core: Core, admin: Principal, library: Any
) -> None:
    image = await make_library_image(core, admin, place=IN_SESSION)

    assert await deleted(v3, image.guid, library=library) == missing(image.guid)
    assert await of_guids(core) == {image.guid}


async def test_decision_4_an_image_of_the_inventory_is_a_miss_in_the_temporary_library(
    v3: V3, core: Core, admin: Principal
) -> None:
    image = await make_library_image(core, admin)

    assert await deleted(v3, image.guid, library=TEMPORARY) == missing(image.guid)
    assert await of_guids(core) == {image.guid}


async def test_decision_4_the_library_and_session_that_match_delete(v3: V3, core: Core, admin: Principal) -> None:
    image = await make_library_image(core, admin, place=IN_SESSION)

    assert await deleted(v3, image.guid, library={"name": "Temporary", "session_id": SESSION}) == ""


async def test_decision_5_an_empty_list_deletes_nothing(v3: V3, core: Core, admin: Principal) -> None:
    image = await make_library_image(core, admin)

    assert await deleted(v3) == ""
    assert await of_guids(core) == {image.guid}


@pytest.mark.parametrize("body", [{}, {"guids": None}, {"guids": ""}, {"library": {"name": "inventory"}}])
async def test_decision_5_no_list_is_refused(v3: V3, body: Any) -> None:
    assert await refused(v3, body) == "request.guids"


async def test_decisions_7_and_8_a_refusal_names_the_field_by_its_path_and_does_nothing(
    v3: V3, core: Core, admin: Principal
) -> None:
    image = await make_library_image(core, admin)

    assert await refused(v3, {"guids": [image.guid], "library": {"name": "trash"}}) == "request.library.name"
    assert await refused(v3, {"guids": [image.guid, {}]}) == "request.guids[1]"
    assert await of_guids(core) == {image.guid}


async def test_decision_15_a_temporary_library_without_its_session_is_refused(v3: V3) -> None:
    assert await refused(v3, {"guids": [], "library": {"name": "temporary"}}) == "request.library.session_id"


# Lists of guids


async def test_up_to_500_guids_are_taken_and_the_same_one_counts_once(v3: V3, core: Core, admin: Principal) -> None:
    image = await make_library_image(core, admin)
    others = [f"g{number}" for number in range(499)]

    message = await deleted(v3, image.guid, image.guid.upper(), *others, *others)

    assert message == missing(*others)
    assert await of_guids(core) == set()


async def test_more_than_500_are_refused(v3: V3, core: Core, admin: Principal) -> None:
    image = await make_library_image(core, admin)

    field = await refused(v3, {"guids": [image.guid, *(f"g{number}" for number in range(500))]})

    assert field == "request.guids"
    assert await of_guids(core) == {image.guid}


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        (7, "7"),
        (1.5, "1.5"),
        (None, "null"),
        ("", ""),
        ("' OR 1=1 --", "' OR 1=1 --"),
        ("%", "%"),
        ("g" * 100_000, "g" * 60),
        ("{2d273599-962a-498c-be07-cec9e80bacf2}", "{2d273599-962a-498c-be07-cec9e80bacf2}"),
    ],
)
async def test_what_is_no_guid_is_a_miss(v3: V3, core: Core, admin: Principal, sent: Any, shown: str) -> None:
    image = await make_library_image(core, admin)

    message = await deleted(v3, sent, image.guid)

    assert message == missing(shown)
    assert await of_guids(core) == set()


@pytest.mark.parametrize("sent", [True, {}, [], {"guid": NOBODYS}, [NOBODYS]])
async def test_what_is_no_text_at_all_is_refused(v3: V3, sent: Any) -> None:
    assert await refused(v3, {"guids": [NOBODYS, sent]}) == "request.guids[1]"


async def test_one_guid_without_its_list_is_taken(v3: V3, core: Core, admin: Principal) -> None:
    image = await make_library_image(core, admin)

    answer = await v3("DELETE", "delete_images", json={"Guids": image.guid.upper()})

    assert answer.json() == {"status": SUCCESS}
    assert await of_guids(core) == set()


async def test_two_who_delete_the_same_images_at_once_both_succeed(v3: V3, core: Core, admin: Principal) -> None:
    guids = await make_library_images(core, admin, 20)

    messages = await asyncio.gather(*(deleted(v3, *order) for order in (guids, guids[::-1])))

    assert sorted(messages, key=len) == ["", missing(*guids[::-1])]
    assert await of_guids(core) == set()


# Preview


async def test_a_preview_says_what_would_go_and_changes_nothing(
    client: httpx.AsyncClient, v3: V3, headers: dict[str, str], core: Core, admin: Principal
) -> None:
    product_id = await make_product(core, admin)
    shown = await make_image(core, admin, product_id, pictures.png())
    plain, spared = await make_library_image(core, admin), await make_library_image(core, admin)
    print_, mug = [await make_inventory_product(core, admin, shown.guid, name) for name in ("Print", "Mug")]
    await make_inventory_product(core, admin, spared.guid)
    links = {"shopify_product_id": 5, "shopify_variant_id": 6, "etsy_product_id": 7}
    change = {"sku": mug.sku, "third_party_integrations": links}
    await v3("PUT", "update_virtual_inventory", json={"virtual_inventory": [change]})
    body = {"guids": [plain.guid, NOBODYS, shown.guid.upper(), shown.guid], "library": None}
    before = [await core.db.all(f"SELECT * FROM {table}") for table in ("image", "inventory_product", "outbox")]

    answer = await client.post("/packshot/v3/delete_preview", headers=headers, json=body)

    assert answer.json() == {
        "images": [
            {"guid": plain.guid, "file_name": "dunes.jpg", "title": "dunes.jpg", "product_id": None, "products": []},
            {
                "guid": shown.guid,
                "file_name": "shirt.png",
                "title": "shirt.png",
                "product_id": product_id,
                "products": [
                    {"sku": print_.sku, "name": "Print", "linked_to": []},
                    {"sku": mug.sku, "name": "Mug", "linked_to": ["etsy", "shopify"]},
                ],
            },
        ],
        "skus": [print_.sku, mug.sku],
        "linked_skus": [mug.sku],
        "missing": [NOBODYS],
        "status": SUCCESS | {"message": missing(NOBODYS)},
    }
    assert before == [await core.db.all(f"SELECT * FROM {table}") for table in ("image", "inventory_product", "outbox")]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"guids": [{}]},
        {"guids": [], "library": {"name": "temporary"}},
        {"guids": [str(number) for number in range(501)]},
    ],
)
async def test_a_preview_is_refused_as_its_deletion_would_be(
    client: httpx.AsyncClient, v3: V3, headers: dict[str, str], body: Any
) -> None:
    preview = await client.post("/packshot/v3/delete_preview", headers=headers, json=body)

    assert preview.status_code == 400
    assert preview.json() == (await v3("DELETE", "delete_images", json=body)).json()


@pytest.mark.parametrize(
    "library", [None, {"name": "inventory"}, TEMPORARY, {"name": "temporary", "session_id": "another-session"}]
)
async def test_what_a_preview_says_is_what_goes(
    client: httpx.AsyncClient, v3: V3, headers: dict[str, str], core: Core, admin: Principal, library: Any
) -> None:
    other, _ = await make_account(core, "other")
    places = [(admin, Place()), (admin, IN_SESSION), (other, Place())]
    guids = [(await make_library_image(core, caller, place=place)).guid for caller, place in places]
    body = {"guids": guids, "library": library}

    preview = (await client.post("/packshot/v3/delete_preview", headers=headers, json=body)).json()

    assert preview["status"]["message"] == await deleted(v3, *guids, library=library)
    assert {image["guid"] for image in preview["images"]} == set(guids) - await of_guids(core)
    assert preview["missing"] == [guid for guid in guids if guid in await of_guids(core)]


async def test_a_preview_is_nothing_that_the_real_service_could_be_asked_for(v3: V3) -> None:
    answer = await v3("POST", "delete_preview", content=json.dumps({"guids": []}))

    assert answer.status_code == 404
