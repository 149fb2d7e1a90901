"""The documentation's sample bodies, as each of its six languages sends them: decisions 11, 12 and 13."""

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import httpx
import pytest

from build import filled, make_account
from packshot.config import Settings
from packshot.protocols.finerworks.errors import FinerWorksSettings
from packshot.protocols.finerworks.methods import METHODS
from packshot.services import keys, setup
from packshot.services.core import Core
from packshot.services.keys import Keys
from packshot.services.setup import Seed

G1, G2 = "2d273599-962a-498c-be07-cec9e80bacf2", "7c5c9470-cf14-4ba0-89ff-97197c6989c2"
MASTER = "9a85d170-dca0-43d1-a00d-072281b122e7"
LIBRARY = {"name": "inventory", "session_id": "1234567890", "account_key": "", "site_id": 2}
FILE = {
    "title": "Dunes", "description": "At dusk", "file_name": "dunes.jpg", "file_size": 11000024,
    "thumbnail_file_name": "200x200_dunes.jpg", "preview_file_name": "dunes.jpg", "hires_file_name": "dunes.jpg",
    "public_thumbnail_uri": "https://img.example/t/1.jpg", "public_preview_uri": "https://img.example/p/1.jpg",
    "private_hires_uri": "https://img.example/h/1.jpg", "pix_w": 1600, "pix_h": 2400,
}  # fmt: skip
PRODUCT = {
    "product_order_po": None, "product_qty": 1, "product_sku": "5M41M9S8X10",
    "product_image": {
        "pixel_width": 1600, "pixel_height": 2400, "product_url_file": "https://img.example/h/1.jpg",
        "product_url_thumbnail": "https://img.example/t/1.jpg", "library_file": {"guid": G1},
    },
}  # fmt: skip
SOLD = {
    "sku": "$sku", "asking_price": 200.0, "name": "Framed Giclee", "quantity_in_stock": 10, "track_inventory": True,
    "description": "<h4>Framed</h4><ul><li>8 x 10</li></ul>",
    "third_party_integrations": {
        "etsy_product_id": 0, "shopify_product_id": 123456789, "shopify_variant_id": 24681012, "wix_product_id": None,
    },
}  # fmt: skip
SAMPLES: dict[str, Any] = {
    "list_images": {
        "library": LIBRARY, "search_filter": "", "guid_filter": None, "page_number": 1, "per_page": 10,
        "sort_field": "id", "sort_direction": "DESC", "upload_date_from": None, "upload_date_to": None,
        "list_products": True, "active": None,
    },
    "add_images": {"images": [FILE, FILE], "library": LIBRARY},
    "update_images": {"images": [{"guid": G1, "title": "Rain", "description": ""}], "account_key": None},
    "delete_images": {"guids": [G1, G2], "library": None},
    "update_file_selection": {"guids": [G1, G2], "guid": MASTER},
    "list_virtual_inventory": {
        "search_filter": "", "sku_filter": ["$sku"], "product_code_filter": None, "guid_filter": [G1],
        "page_number": 1, "per_page": 10, "sort_field": "id", "sort_direction": "DESC", "created_date_from": None,
        "created_date_to": None, "account_key": None,
    },
    "update_virtual_inventory": {"virtual_inventory": [SOLD], "account_key": None},
    "delete_virtual_inventory": {"skus": ["$sku"], "account_key": None},
    "disconnect_virtual_inventory": {"platform": "woocommerce", "account_key": None},
    "submit_product": {
        "order_key": "00000000-0000-0000-0000-000000000000", "cart_id": 1.0, "product": PRODUCT, "mode": "store",
        "template": None, "account_key": None,
    },
}  # fmt: skip
"""What the page of each method shows, with the guids of a store and small values."""


def as_page(body: Any) -> str:
    return json.dumps(body, indent=2)


def single_quoted(body: Any) -> str:
    """As the pages make it: every double quote becomes a single one."""
    return as_page(body).replace('"', "'")


def careless(body: Any) -> str:
    """As people write JavaScript: names without quotes, comments, a comma too many."""
    text = re.sub(r'"(\w+)":', r"\1:", as_page(body))
    return "// what to send\n" + re.sub(r"([^{\[,])\n( *)([}\]])", r"\1, /* that's all */\n\2\3", text)


class Language(NamedTuple):
    """How a sample of the documentation writes its body, and what its library sends along."""

    write: Callable[[Any], str]
    headers: dict[str, str]


JSON = {"content-type": "application/json"}
LANGUAGES = {
    "curl": Language(as_page, JSON | {"accept": "*/*", "user-agent": "curl/8.5.0"}),
    "php": Language(single_quoted, JSON | {"user-agent": "HTTP_Request2/2.5.1", "accept-encoding": "gzip, deflate"}),
    "c#": Language(
        lambda body: single_quoted(body).replace("\n", "\r\n"),
        JSON | {"accept": "application/json, text/json, text/x-json, text/javascript, application/xml, text/xml"},
    ),
    "jquery": Language(
        lambda body: json.dumps(body, separators=(",", ":")), JSON | {"accept": "*/*", "origin": "https://page.example"}
    ),
    "node": Language(as_page, JSON | {"connection": "close"}),
    "ruby": Language(
        single_quoted, JSON | {"accept-encoding": "gzip;q=1.0,deflate;q=0.6,identity;q=0.3", "user-agent": "Ruby"}
    ),
    "by hand": Language(careless, {"content-type": "text/json; charset=utf-8"}),
}


class Store(NamedTuple):
    """An account with the two images of the samples, one of them sold; `call` answers with what differs taken out."""

    client: httpx.AsyncClient
    headers: dict[str, str]
    sku: str

    def text_of(self, name: str, write: Callable[[Any], str]) -> str:
        return write(filled(SAMPLES[name], {"sku": self.sku}))

    async def send(self, name: str, content: str, headers: dict[str, str]) -> httpx.Response:
        verb = METHODS[name].verbs[0]
        return await self.client.request(verb, f"/v3/{name}", content=content, headers=self.headers | headers)

    async def everything(self) -> str:
        """All images and products, as they are listed."""
        images = await self.send("list_images", '{"list_products": true}', JSON)
        products = await self.send("list_virtual_inventory", "{}", JSON)
        return plain(images) + plain(products)


def plain(answer: httpx.Response) -> str:
    """An answer without what differs from one account to the next: ids, guids, SKUs and dates."""
    text = re.sub(r'"(id|product_guid)":("[^"]*"|\d+)', r'"\1":0', answer.text)
    return re.sub(r"AP\d+P\d+|[0-9a-f]{8}-[0-9a-f-]{27}|\d{4}-\d\d-\d\dT[0-9:.+]+", "?", text)


async def stocked(client: httpx.AsyncClient, pair: Keys) -> Store:
    store = Store(client, {"web_api_key": pair.web_api_key, "app_key": pair.app_key}, "")
    images = [FILE | {"guid": guid} for guid in (G1, G2)]
    await store.send("add_images", json.dumps({"images": images}), JSON)
    made = await store.send("submit_product", json.dumps(SAMPLES["submit_product"]), JSON)
    return store._replace(sku=made.json()["products"][0]["sku"])


@pytest.fixture
async def store(client: httpx.AsyncClient, pair: Keys) -> Store:
    return await stocked(client, pair)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", SAMPLES)
async def test_decision_11_a_sample_does_the_same_in_every_language(
    client: httpx.AsyncClient, core: Core, seed: Seed, name: str, language: str
) -> None:
    del seed
    await make_account(core, "strict")
    strict, other = [await stocked(client, await keys.create(core, account)) for account in ("strict", setup.ACCOUNT)]
    write, headers = LANGUAGES[language]

    wanted = await strict.send(name, strict.text_of(name, json.dumps), JSON)
    answer = await other.send(name, other.text_of(name, write), headers)

    assert answer.json()["status"] == {"success": True, "status_code": 200, "message": "", "debug": None}
    assert plain(answer) == plain(wanted)
    assert await other.everything() == await strict.everything()


@pytest.mark.parametrize("language", LANGUAGES)
async def test_decision_11_the_page_we_began_with_deletes_in_every_language(store: Store, language: str) -> None:
    write, headers = LANGUAGES[language]

    answer = await store.send("delete_images", store.text_of("delete_images", write), headers)

    assert answer.json() == {"status": {"success": True, "status_code": 200, "message": "", "debug": None}}
    assert (await store.send("list_images", "", JSON)).json()["count"] == 0
    assert (await store.send("list_virtual_inventory", "", JSON)).json()["products"] == []


@pytest.mark.parametrize(
    ("write", "read"), [(as_page, '8 x 10" paper'), (single_quoted, "8 x 10' paper")], ids=["curl", "single quotes"]
)
async def test_decision_11_an_inch_mark_ends_no_text(store: Store, write: Callable[[Any], str], read: str) -> None:
    body = {"virtual_inventory": [{"sku": store.sku, "description": '8 x 10" paper'}]}

    answer = await store.send("update_virtual_inventory", write(body), JSON)

    assert answer.json()["products"][0]["description_long"] == read


@pytest.mark.parametrize("name", ["delete_images", "delete_virtual_inventory"])
@pytest.mark.parametrize("headers", [JSON, JSON | {"content-length": "0"}], ids=["unframed", "empty"])
async def test_decision_12_a_delete_without_a_body_says_why_and_deletes_nothing(
    store: Store, name: str, headers: dict[str, str]
) -> None:
    before = await store.everything()

    answer = await store.send(name, "", headers)

    assert answer.status_code == 400
    assert answer.headers["connection"] == "close"
    assert "No request body arrived" in answer.json()["status"]["message"]
    assert "Content-Length" in answer.json()["status"]["message"]
    assert await store.everything() == before


@pytest.mark.parametrize("settings", [Settings(), Settings(finerworks=FinerWorksSettings(v2_status=True))])
@pytest.mark.parametrize("name", METHODS)
async def test_decision_13_every_status_has_the_documented_keys_and_two_more_by_setting(
    store: Store, name: str, settings: Settings
) -> None:
    good = await store.send(name, store.text_of(name, json.dumps) if name in SAMPLES else "{}", JSON)
    bad = await store.send(name, "{", JSON | dict.fromkeys(store.headers, "wrong"))

    for answer in (good, bad):
        status = answer.json()["status"]
        more = ["reference_id", "domain"] if settings.finerworks.v2_status else []
        assert list(status) == ["success", "status_code", "message", "debug", *more]
        assert status.get("reference_id", answer.headers["x-request-id"]) == answer.headers["x-request-id"]
