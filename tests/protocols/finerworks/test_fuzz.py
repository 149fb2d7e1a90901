"""Nonsense in every field of every request that clients were seen to send: never a failure of ours.

What is drawn is drawn with fixed seeds.
"""

import json
from collections.abc import AsyncIterator
from random import Random
from typing import Any, NamedTuple

import httpx
import pytest
import pytest_asyncio

import pictures
from build import Shop, open_shop
from nonsense import DEEP, SCALARS, places, put
from packshot.config import Settings
from packshot.observability import LogSettings
from packshot.protocols.finerworks.methods import UPLOADS
from packshot.services import keys, setup
from packshot.services.keys import Keys
from replays import EXAMPLES, chain, known_of, learn, request_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

DRAWN = 50
NONSENSE = [
    *SCALARS, [], {}, [[]], [{}], [""], [None, 1, "1"], {"": ""}, {"name": "temporary"}, {"name": []}, {"guid": {}},
    {"name": "temporary", "session_id": "\ud7ff" * 8}, {"session_id": 12345678}, {"account_key": 7}, [{"guid": 1}] * 51,
    {"x": 1e300, "y": "0.5"}, {"x": -1, "y": 2**70}, [{"width": 2**70, "dpr": 1e-9}], ["card", 7, None, {}],
    [{"sku": "AP1P1", "third_party_integrations": {"shopify_product_id": 2**70, "wix_variant_id": []}}], ["x"] * 501,
    ["2d273599-962a-498c-be07-cec9e80bacf2"] * 501, DEEP,
]  # fmt: skip
FIELDS = [
    "library", "account_key", "session_id", "guids", "guid", "images", "search_filter", "guid_filter", "page_number",
    "per_page", "sort_field", "sort_direction", "upload_date_from", "upload_date_to", "list_products", "active",
    "personal_gallery_id_filter", "sku_filter", "product_code_filter", "product_type_ids_filter", "created_date_from",
    "third_party_connections_filter", "virtual_inventory", "skus", "platform", "mode", "product", "type", "details",
    "renditions", "expires_s",
]  # fmt: skip
FILE_FIELDS = [
    "guid", "title", "description", "file_name", "library", "session_id", "site_id", "product_id", "role",
    "account_key",
]  # fmt: skip
WITH_BODY = [name for name in EXAMPLES if EXAMPLES[name]["request"].get("body", "").startswith("{")]


class World(NamedTuple):
    """A shop, and keys of its account that may act for others."""

    shop: Shop
    pair: Keys

    async def send(self, request: dict[str, Any], body: str | None = None) -> httpx.Response:
        content = request.get("body", "") if body is None else body
        return await self.shop.client.request(
            request["verb"], request["path"], headers=request["headers"], content=content.encode()
        )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    settings = Settings(log=LogSettings(requests=False))
    async with open_shop(tmp_path_factory.mktemp("fuzz") / "data", settings) as shop:
        yield World(shop, await keys.create(shop.core, setup.ACCOUNT, privileged=True))


async def ready(world: World, name: str) -> dict[str, Any]:
    """The request of that name, once everything that has to come before it has been sent."""
    known = known_of(setup.ACCOUNT, world.pair)
    for step in chain(name)[:-1]:
        learn(known, (await world.send(request_of(step, known))).json())
    return request_of(name, known)


def odd(body: dict[str, Any], random: Random) -> dict[str, Any]:
    """The body with one value wrong, and perhaps with one field that has no business there."""
    paths = list(places(body))
    changed = put(body, random.choice(paths), random.choice(NONSENSE)) if paths else body
    return changed if random.random() < 0.7 else changed | {random.choice(FIELDS): random.choice(NONSENSE)}


def fits(answer: httpx.Response) -> bool:
    """Whether this is what the protocol answers, and no failure of ours."""
    body = answer.json()
    status = body["status"]
    if list(status) != ["success", "status_code", "message", "debug"] or not isinstance(status["message"], str):
        return False
    if answer.status_code == 200:
        return status["success"] is (status["status_code"] == 200)
    fields = body.get("ModelState", {})
    return (
        answer.status_code == status["status_code"] == 400
        and status["success"] is False
        and body["Message"] == "The request is invalid."
        and all(name.startswith("request") and len(texts) == 1 for name, texts in fields.items())
    )


@pytest.mark.parametrize("name", WITH_BODY)
async def test_no_body_makes_a_method_fail(name: str, world: World) -> None:
    random, wrong = Random(name), []
    request: dict[str, Any] = {}

    for number in range(DRAWN):
        if number % 10 == 0:  # the method may be one that deletes
            request = await ready(world, name)
        body = odd(json.loads(request["body"]), random)
        answer = await world.send(request, json.dumps(body))
        if not fits(answer):
            wrong.append(f"{body!r:.300}: {answer.status_code} {answer.text:.200}")

    assert not wrong


@pytest.mark.parametrize("name", ["get_user", "get_company_info", "test_my_credentials", "list_file_selection"])
async def test_no_query_makes_a_method_fail(name: str, world: World) -> None:
    sent = {"web_api_key": world.pair.web_api_key, "app_key": world.pair.app_key}
    wrong = []

    for field in ("guid", "account_key", "Guid", "app_key"):
        for value in SCALARS:
            text = str(value)[:3_000].encode("utf-8", "surrogatepass")
            address = httpx.URL(f"http://shop.test/v3/{name}").copy_with(query=field.encode() + b"=" + _escaped(text))
            answer = await world.shop.client.get(address, headers=sent)
            if not fits(answer):
                wrong.append(f"{field}={value!r:.100}: {answer.status_code} {answer.text:.200}")

    assert not wrong


@pytest.mark.parametrize("name", UPLOADS)
@pytest.mark.parametrize("field", FILE_FIELDS)
async def test_no_field_makes_an_upload_fail(name: str, field: str, world: World) -> None:
    sent = {"web_api_key": world.pair.web_api_key, "app_key": world.pair.app_key}
    picture, client, wrong = pictures.png(2, 2), world.shop.client, []

    for number, value in enumerate(SCALARS):
        text = str(value)[:3_000].encode("utf-8", "surrogatepass")
        if name == "upload":
            answer = await client.post(
                "/packshot/v3/upload", headers=sent, files={"file": ("a.png", picture), field: (None, text)}
            )
        else:
            guid = f"{FILE_FIELDS.index(field):08}-0000-4000-8000-{number:012}"
            address = httpx.URL(f"http://shop.test/packshot/v3/images/{guid}")
            answer = await client.put(
                address.copy_with(query=field.encode() + b"=" + _escaped(text)), headers=sent, content=picture
            )
        if not fits(answer):
            wrong.append(f"{value!r:.100}: {answer.status_code} {answer.text:.200}")

    assert not wrong


def _escaped(text: bytes) -> bytes:
    return b"".join(b"%%%02x" % byte for byte in text)
