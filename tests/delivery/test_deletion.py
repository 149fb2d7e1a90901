"""A deleted picture is gone from every address that a real server has shown it at, whichever protocol deletes it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urljoin

import httpx
import pytest

from build import file_content
from forking import run
from pictures import jpeg_of_size
from serving import Server, serving


class Shop(NamedTuple):
    """A server that strips what it shows, and its data folder."""

    server: Server
    folder: Path


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("shop") / "data"
    with serving(folder, environment={"PACKSHOT_ORIGINALS_PRIVACY": "strip_location"}) as server:
        yield Shop(server, folder)


def called(server: Server, method: str, params: object) -> httpx.Response:
    if "." in method:
        return httpx.post(server.webhook_url + method, json=params)
    keys = {name: server.facts[name] for name in ("web_api_key", "app_key")}
    return httpx.request("DELETE", f"{server.base_url}/v3/{method}", json=params, headers=keys)


def told(shop: Shop, *command: str) -> str:
    """What a command prints about the shop."""
    return run(*command, "--data", shop.folder, environment=shop.server.environment).stdout


def hung(shop: Shop) -> tuple[dict[str, str], list[str]]:
    """What names a new picture in calls, and all addresses that show it."""
    product = called(shop.server, "catalog.product.add", {"fields": {"iblockId": 1, "name": "Shirt"}}).json()
    product_id = product["result"]["element"]["id"]
    picture = file_content(jpeg_of_size(50_000 + product_id), "shirt.jpg")
    new = {"fields": {"productId": product_id, "type": "MORE_PHOTO"}, "fileContent": picture}
    image = called(shop.server, "catalog.productImage.add", new).json()["result"]["productImage"]
    renditions = f"{shop.server.base_url}/i/{image['detailUrl'].split('/')[-2]}"
    image_id = str(image["id"])
    signed = told(shop, "image", "link", image_id, "120x90-cover", "--url", shop.server.base_url)
    (guid,) = re.findall(r"\b[0-9a-f]{8}-[0-9a-f-]{27}\b", told(shop, "image", "show", image_id))
    return {"productId": product_id, "id": image_id, "guid": guid}, [
        image["downloadUrl"],
        urljoin(shop.server.base_url, image["detailUrl"]),
        f"{renditions}/card/shirt.jpg",
        f"{renditions}/card.webp/shirt.jpg",
        f"{renditions}/about.json",
        signed.strip(),
    ]


@pytest.mark.parametrize("method", ["catalog.productImage.delete", "catalog.product.delete", "delete_images"])
def test_a_deleted_picture_is_gone_everywhere_at_once(shop: Shop, method: str) -> None:
    named, addresses = hung(shop)
    params = {
        "catalog.productImage.delete": {"productId": named["productId"], "id": named["id"]},
        "catalog.product.delete": {"id": named["productId"]},
        "delete_images": {"guids": [named["guid"]], "library": None},
    }
    before = [httpx.get(address).status_code for address in addresses]

    deleted = called(shop.server, method, params[method])
    after = [httpx.get(address).status_code for address in addresses]

    assert set(before) == {200}
    assert deleted.status_code == 200
    assert set(after) == {404}
