"""One image, two protocols: what Bitrix24's door adds, FinerWorks' lists and deletes, and the other way round."""

import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest

import pictures
from build import Call, file_content
from packshot.config import Settings
from packshot.domain.access import Principal
from packshot.protocols.finerworks.errors import FinerWorksSettings
from packshot.services import hosting, keys, setup
from packshot.services.core import Core
from packshot.services.setup import Seed

SHIRT = pictures.png()
SELECTION = "0d4b7a1e-6a55-4c0b-9df0-3f1c2a9be001"
SUCCESS = {"success": True, "status_code": 200, "message": "", "debug": None}
NOBODY = "9f4c1a52-6f0b-4f6b-8f4e-0a8f3c5c7d11"
GONE = {"error": 0, "error_description": "Image with the specified identifier not found"}

V3 = Callable[..., Awaitable[Any]]


@pytest.fixture
async def v3(core: Core, client: httpx.AsyncClient, seed: Seed) -> V3:
    """`await v3("POST", "list_images", {...})` calls with the account's keys and returns the answer."""
    del seed
    pair = await keys.create(core, setup.ACCOUNT)
    headers = {"web_api_key": pair.web_api_key, "app_key": pair.app_key}

    async def call(verb: str, name: str, body: Any = None, **more: Any) -> Any:
        at = more.pop("at", "/v3/")
        more = {"json": body, **more} if body is not None else more
        response = await client.request(verb, f"{at}{name}", headers=headers, **more)
        assert response.status_code == 200, response.text
        assert response.json()["status"] == SUCCESS
        return response.json()

    return call


@pytest.fixture
async def shirt(call: Call) -> int:
    return int(
        (await call("catalog.product.add", {"fields": {"iblockId": 1, "name": "Shirt"}}))["result"]["element"]["id"]
    )


async def added(call: Call, product_id: int, kind: str = "MORE_PHOTO") -> Any:
    fields = {"productId": product_id, "type": kind}
    answer = await call("catalog.productImage.add", {"fields": fields, "fileContent": file_content(SHIRT)})
    return answer["result"]["productImage"]


async def of_product(call: Call, product_id: int) -> list[int]:
    answer = await call("catalog.productImage.list", {"productId": product_id})
    return [image["id"] for image in answer["result"]["productImages"]]


async def listed(v3: V3) -> list[Any]:
    images: list[Any] = (await v3("POST", "list_images", {"library": None, "list_products": True}))["images"]
    return images


async def sell_and_select(v3: V3, guid: str) -> str:
    """The SKU of a new inventory product of the image, linked to a shop; the image is selected, too."""
    product = {"product_sku": "5M41M9S8X10", "product_image": {"library_file": {"guid": guid}}}
    (made,) = (await v3("POST", "submit_product", {"mode": "store", "product": product}))["products"]
    links = {"sku": made["sku"], "third_party_integrations": {"woocommerce_product_id": 77}}
    await v3("PUT", "update_virtual_inventory", {"virtual_inventory": [links]})
    await v3("PUT", "update_file_selection", {"guid": SELECTION, "guids": [guid]})
    return str(made["sku"])


async def left(v3: V3) -> tuple[list[Any], list[Any], list[Any]]:
    """What there is for FinerWorks' clients: images, inventory products, selected guids."""
    products = (await v3("POST", "list_virtual_inventory", {}))["products"]
    selected = (await v3("GET", "list_file_selection", params={"guid": SELECTION}))["guids"]
    return [image["guid"] for image in await listed(v3)], [product["sku"] for product in products], selected


async def test_an_image_added_by_bitrix24_is_listed_and_deleted_by_finerworks_and_gone_in_both(
    client: httpx.AsyncClient, call: Call, v3: V3, shirt: int
) -> None:
    image = await added(call, shirt, "DETAIL_PICTURE")
    (shown,) = await listed(v3)
    sku = await sell_and_select(v3, shown["guid"])
    address = urlsplit(shown["private_hires_uri"]).path
    assert (shown["id"], shown["file_name"], shown["title"]) == (image["id"], "shirt.png", "shirt.png")
    assert (shown["file_size"], shown["pix_w"], shown["pix_h"], shown["products"]) == (len(SHIRT), 3, 2, [])
    key = address.split("/")[4]
    for preset in ("thumbnail", "preview"):
        assert shown[f"public_{preset}_uri"] == f"http://shop.test/i/{key}/{preset}/shirt.png"
    assert (await client.get(address)).content == (await client.get(image["detailUrl"])).content == SHIRT
    assert await left(v3) == ([shown["guid"]], [sku], [shown["guid"]])

    await v3("DELETE", "delete_images", {"guids": [shown["guid"]], "library": None})

    assert await left(v3) == ([], [], [])
    assert await of_product(call, shirt) == []
    assert await call("catalog.productImage.get", {"productId": shirt, "id": image["id"]}, 400) == GONE
    assert (await client.get(address)).status_code == 404
    product = await call("catalog.product.get", {"id": shirt})
    assert product["result"]["product"]["detailPicture"] is None


async def test_an_upload_to_the_library_is_attached_deleted_by_bitrix24_and_gone_in_both(
    core: Core, admin: Principal, client: httpx.AsyncClient, call: Call, v3: V3, shirt: int
) -> None:
    guid = str(uuid4())
    uploaded = await v3("PUT", f"images/{guid}", at="/packshot/v3/", content=SHIRT)
    address = urlsplit(uploaded["images"][0]["private_hires_uri"]).path
    await hosting.attach(core, admin, guid, shirt, "more")
    await sell_and_select(v3, guid)
    (image_id,) = await of_product(call, shirt)
    image = await call("catalog.productImage.get", {"productId": shirt, "id": image_id})
    assert image["result"]["productImage"]["detailUrl"].rpartition("/")[0] == address.rpartition("/")[0]
    assert (await listed(v3))[0]["guid"] == guid

    await call("catalog.productImage.delete", {"productId": shirt, "id": image_id})

    assert await left(v3) == ([], [], [])
    assert await of_product(call, shirt) == []
    assert (await client.get(address)).status_code == 404


@pytest.mark.parametrize("way", ["replaced", "removed", "product deleted"])
async def test_what_is_sold_outlives_its_product_under_its_guid_and_address(
    client: httpx.AsyncClient, call: Call, v3: V3, shirt: int, way: str
) -> None:
    image = await added(call, shirt, "PREVIEW_PICTURE" if way == "replaced" else "MORE_PHOTO")
    (before,) = await listed(v3)
    sku = await sell_and_select(v3, before["guid"])
    (before,) = await listed(v3)

    if way == "replaced":
        await added(call, shirt, "PREVIEW_PICTURE")
    elif way == "removed":
        value = {"valueId": image["id"], "value": {"remove": "Y"}}
        await call("catalog.product.update", {"id": shirt, "fields": {"property1": [value]}})
    else:
        await call("catalog.product.delete", {"id": shirt})

    after = (await listed(v3))[-1]
    assert after == before
    assert [product["sku"] for product in after["products"]] == [sku]
    assert (await client.get(urlsplit(after["private_hires_uri"]).path)).content == SHIRT
    if way != "product deleted":
        assert image["id"] not in await of_product(call, shirt)


async def test_what_nothing_is_sold_of_goes_with_its_product(call: Call, v3: V3, shirt: int) -> None:
    await added(call, shirt)

    await call("catalog.product.delete", {"id": shirt})

    assert await left(v3) == ([], [], [])


class TestApart:
    """Where `finerworks.shared_library` is off."""

    @pytest.fixture
    def settings(self) -> Settings:
        return Settings(finerworks=FinerWorksSettings(shared_library=False))

    async def test_images_of_products_are_not_there_for_finerworks(
        self, core: Core, client: httpx.AsyncClient, call: Call, v3: V3, shirt: int
    ) -> None:
        image = await added(call, shirt)
        ((guid,),) = await core.db.all("SELECT guid FROM image")
        pair = await keys.create(core, setup.ACCOUNT)
        headers = {"web_api_key": pair.web_api_key, "app_key": pair.app_key, "content-type": "application/json"}

        assert await listed(v3) == []
        for verb, name, body in (
            ("DELETE", "delete_images", {"guids": [guid], "library": None}),
            ("PUT", "update_images", {"images": [{"guid": guid, "title": "Mine"}]}),
            ("PUT", "update_file_selection", {"guid": SELECTION, "guids": [guid]}),
        ):
            answers = [
                await client.request(verb, f"/v3/{name}", headers=headers, content=json.dumps(body).replace(guid, one))
                for one in (guid, NOBODY)
            ]
            assert answers[0].text.replace(guid, NOBODY) == answers[1].text, name
            assert answers[0].status_code == answers[1].status_code == 200

        assert await of_product(call, shirt) == [image["id"]]
        assert await core.db.all("SELECT title FROM image") == [("shirt.png",)]
