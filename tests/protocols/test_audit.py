"""Every call of both doors that changes images is in the audit log, and no other."""

from typing import Any

import httpx
import pytest

import pictures
from build import filled, make_inventory_product, make_library_image, make_product
from library_calls import GUID, LIBRARY_CALLS
from logged import happened, lines, rows
from oauth_client import make_application
from packshot.config import Settings
from packshot.domain.access import Principal
from packshot.protocols.bitrix.methods import METHODS as BITRIX
from packshot.protocols.finerworks.methods import METHODS, OWN, UPLOADS
from packshot.services import keys, oauth, setup
from packshot.services.core import Core
from packshot.services.outbound import OutboundSettings
from packshot.services.setup import Seed
from valid_calls import CALLS, things

SHIRT = pictures.png()
CHANGING = {
    "catalog.productImage.add": "added", "catalog.productImage.delete": "deleted",
    "catalog.product.delete": "deleted", "catalog.product.sku.delete": "deleted",
    "catalog.product.offer.delete": "deleted", "catalog.product.service.delete": "deleted",
    "add_images": "added", "delete_images": "deleted", "update_images": "changed", "update_pictures": "changed",
    "upload": "added", "images": "added",
}  # fmt: skip
"""What the valid call of each method does to images; all others do nothing to them."""


@pytest.fixture
def settings() -> Settings:
    return Settings(outbound=OutboundSettings(allow_private=True))


async def check(core: Core, admin: Principal, method: str, who: str, before: tuple[dict[int, Any], int]) -> None:
    """The log says of the call what happened to the images, and who made which call."""
    rows_before, known = before
    entries = (await lines(core, admin))[known:]
    assert [(entry.image_id, entry.action) for entry in entries] == happened(rows_before, await rows(core))
    assert {entry.action for entry in entries} == ({CHANGING[method]} if method in CHANGING else set())
    assert {(entry.who, len(entry.request_id) > 7) for entry in entries} <= {(who, True)}
    assert {entry.method for entry in entries} <= {method}


async def look(core: Core, admin: Principal) -> tuple[dict[int, Any], int]:
    return await rows(core), len(await lines(core, admin))


@pytest.mark.parametrize("name", BITRIX)
async def test_what_a_method_of_bitrix24_does_to_images_is_in_the_log(
    core: Core, client: httpx.AsyncClient, admin: Principal, seed: Seed, name: str
) -> None:
    method = BITRIX[name].name
    app = await make_application(core)
    token = (await oauth.issue_tokens(core, app.application.id, admin.user_id)).access_token
    valid = CALLS[method]
    made = await things(core, valid, admin, seed.catalog_id, seed.variations_id)
    params = filled(valid.params, made) | {"auth": token}
    if method == "event.unbind":
        await client.post("/rest/event.bind", json=params)
    before = await look(core, admin)

    answer = await client.post(f"/rest/{method}", json=params)

    assert answer.status_code == 200, answer.text
    who = f"access token 1 of application {app.application.id} for user {admin.user_id}"
    await check(core, admin, method, who, before)


@pytest.mark.parametrize("name", [*METHODS, *OWN])
async def test_what_a_method_of_finerworks_does_to_images_is_in_the_log(
    core: Core, client: httpx.AsyncClient, admin: Principal, name: str
) -> None:
    image, hosted = await make_library_image(core, admin), await make_library_image(core, admin, SHIRT)
    sku = (await make_inventory_product(core, admin, image.guid)).sku
    pair = await keys.create(core, setup.ACCOUNT)
    verb, params = LIBRARY_CALLS[name]
    path = f"/v3/{name}" if name in METHODS else f"/packshot/v3/{name}"
    more = {"json": filled(params, {"guid": image.guid, "hosted": hosted.guid, "sku": sku})} if params else {}
    more = {"params": {"guid": GUID}} if name == "list_file_selection" else more
    known = {"web_api_key": pair.web_api_key, "app_key": pair.app_key}
    before = await look(core, admin)

    answer = await client.request(verb, path, headers=known, **more)

    assert answer.status_code == 200, answer.text
    await check(core, admin, name, "pair of keys 1", before)


@pytest.mark.parametrize("name", UPLOADS)
@pytest.mark.parametrize("attached", [False, True])
async def test_an_upload_is_in_the_log_with_the_product_it_comes_to(
    core: Core, client: httpx.AsyncClient, admin: Principal, name: str, *, attached: bool
) -> None:
    product_id = await make_product(core, admin)
    pair = await keys.create(core, setup.ACCOUNT)
    known = {"web_api_key": pair.web_api_key, "app_key": pair.app_key}
    said = {"product_id": str(product_id), "role": "detail"} if attached else {}
    before = await look(core, admin)

    if name == "upload":
        answer = await client.post("/packshot/v3/upload", headers=known, data=said, files={"file": ("a.png", SHIRT)})
    else:
        answer = await client.put(f"/packshot/v3/images/{GUID}", headers=known, content=SHIRT, params=said)

    assert answer.status_code == 200, answer.text
    await check(core, admin, name, "pair of keys 1", before)
    (entry,) = await lines(core, admin)
    assert entry.product_id == (product_id if attached else None)
    assert entry.guid == answer.json()["images"][0]["guid"]


async def test_a_privileged_pair_is_named_where_it_acts_for_another_account(
    core: Core, client: httpx.AsyncClient, admin: Principal
) -> None:
    await setup.create_account(core, "other")
    await keys.create(core, setup.ACCOUNT)
    pair = await keys.create(core, "other", privileged=True)
    account_key, _ = await keys.of_account(core, setup.ACCOUNT)
    known = {"web_api_key": pair.web_api_key, "app_key": pair.app_key}
    _, params = LIBRARY_CALLS["add_images"]

    answer = await client.post("/v3/add_images", headers=known, json=params | {"account_key": account_key})

    assert answer.status_code == 200, answer.text
    (entry,) = await lines(core, admin)
    assert entry.who == "pair of keys 2"
    assert pair.web_api_key not in repr(entry)


async def test_commands_of_a_batch_are_told_apart_and_a_refused_one_leaves_nothing(
    core: Core, client: httpx.AsyncClient, admin: Principal, seed: Seed
) -> None:
    product_id = await make_product(core, admin)
    one = f"catalog.productImage.add?fields[productId]={product_id}&fileContent[0]=a.png&fileContent[1]="
    content = CALLS["catalog.productImage.add"].params["fileContent"][1].replace("+", "%2B")
    commands = {"good": one + content, "bad": one + "AAAA", "gone": "catalog.productImage.delete?productId=9&id=9"}

    answer = await client.post(f"/rest/{seed.user_id}/{seed.webhook_code}/batch", json={"cmd": commands})

    assert set(answer.json()["result"]["result_error"]) == {"bad", "gone"}
    (entry,) = await lines(core, admin)
    assert (entry.method, entry.who) == ("catalog.productImage.add", "webhook 1 of user 1")
