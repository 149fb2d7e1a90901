"""Nonsense in every parameter of every method, in every form that calls travel in: never a failure of ours.

The tables here are gone through whole; what is drawn from them is drawn with fixed seeds.
"""

import json
from collections.abc import AsyncIterator, Iterator
from random import Random
from typing import Any, NamedTuple
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

import httpx
import pytest
import pytest_asyncio

from build import TIME, Shop, bracketed, filled, open_shop
from nonsense import DEEP, SCALARS, places, put
from oauth_client import make_application
from packshot.config import Settings
from packshot.observability import LogSettings
from packshot.protocols.bitrix import catalogs, images, properties, sections
from packshot.protocols.bitrix.methods import METHODS
from packshot.protocols.bitrix.product_fields import WIRE_NAMES
from packshot.services import oauth
from packshot.services.outbound import OutboundSettings
from packshot.services.setup import SCOPES
from valid_calls import CALLS, things

pytestmark = pytest.mark.asyncio(loop_scope="module")

NAMES = [method.name for method in METHODS.values()]
SECTIONS = {"result", "result_error", "result_total", "result_next", "result_time"}
DRAWN = 60

SHAPES: list[Any] = [
    [], {}, [[]], [{}], [""], [None, 1, "1"], [[1], [2]], {"": ""}, {"1": "id", "0": "name"}, {"3": "id"}, {"a": {}},
    {"value": {}}, {"value": [], "valueId": []}, {"value": "x", "valueId": 2**70}, {"n0": "a", "n1": {"value": "b"}},
    {"fileData": []}, {"fileData": ["a.png"]}, {"fileData": {"0": "a.png", "1": "eA=="}}, {"value": {"remove": "Y"}},
    {"remove": []}, {"id": []}, ["id"] * 1_001, DEEP,
]  # fmt: skip
NONSENSE = SCALARS + SHAPES
FIELDS = sorted(
    {*WIRE_NAMES.values(), *images.DESCRIPTION, *catalogs.FIELDS, *sections.FIELDS, *properties.FIELDS}
    | {"IblockSection", "detailPicture", "PROPERTY_1", "property3", "property" + "9" * 18, "property" + "9" * 19}
    | {"EVENT_NAME", "TIMESTAMP_X", "MESSAGE_ID", "PROCESS_ID", "ERROR", "no"}
)
OPERATORS = ["", "=", "!", "!=", ">", ">=", "<", "<=", "%", "=%", "%=", "!%", "!=%", "!%=", "@", "!@", "~"]
OPTIONAL = [
    "select", "filter", "order", "start", "halt", "limit", "clear", "error", "full", "scope", "options", "auth_type",
    "auth_connector", "event_type", "message_id", "fileContent", "__order",
]  # fmt: skip


class World(NamedTuple):
    """A shop with an application in it, which has an access token."""

    shop: Shop
    token: str


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    settings = Settings(log=LogSettings(requests=False), outbound=OutboundSettings(allow_private=True))
    async with open_shop(tmp_path_factory.mktemp("fuzz") / "data", settings) as shop:
        made = await make_application(shop.core, scopes=tuple(SCOPES))
        tokens = await oauth.issue_tokens(shop.core, made.application.id, shop.seed.user_id)
        yield World(shop, tokens.access_token)


def odd(params: dict[str, Any], random: Random) -> Iterator[dict[str, Any]]:
    """The parameters with one of them wrong, with one too many, and with fields and conditions that nobody needs."""
    paths = list(places(params))
    for _ in range(DRAWN if paths else 0):
        yield put(params, random.choice(paths), random.choice(NONSENSE))
    for name in OPTIONAL:
        yield {name: random.choice(NONSENSE)} | params
    for _ in range(DRAWN):
        name = random.choice(["filter", "order", "fields"])
        prefix = random.choice(OPERATORS) if name == "filter" else ""
        yield params | {name: params.get(name, {}) | {prefix + random.choice(FIELDS): random.choice(NONSENSE)}}


async def ask(world: World, name: str, params: dict[str, Any], way: str) -> httpx.Response:
    """Call the method through the webhook, or with an access token where it takes nothing else."""
    client, seed = world.shop.client, world.shop.seed
    auth = {"auth": world.token} if CALLS[name].by_webhook else {}
    path = "/rest/" if auth else f"/rest/{seed.user_id}/{seed.webhook_code}/"
    form = {key: value.encode("utf-8", "surrogatepass") for key, value in bracketed(params | auth)}
    match way:
        case "query" if sum(map(len, form.values())) < 10_000:
            return await client.get(f"{path}{name}?{urlencode(form)}")
        case "multipart" if len(form) < 100:
            parts = {key: (None, value) for key, value in form.items()}
            return await client.post(path + name, files={"none": (None, b"")} | parts)
        case "batch":
            return await client.post(f"{path}batch", json={"cmd": {"it": f"{name}?{urlencode(form)}"}} | auth)
        case "json" | "xml":
            address = path + name + (".xml" if way == "xml" else "")
            content = json.dumps(params | auth)
            return await client.post(address, content=content, headers={"content-type": "application/json"})
        case _:
            return await client.post(path + name, data=form)


WAYS = ["json", "form", "query", "multipart", "batch", "xml"]


def fits(answer: httpx.Response) -> bool:
    """Whether this is what the protocol answers, and no failure of ours."""
    if answer.headers["content-type"].startswith("image/"):
        return answer.status_code == 200
    if answer.headers["content-type"].startswith("text/xml"):
        keys = {element.tag for element in ET.fromstring(answer.content)}
        return keys == {"error", "error_description"} if answer.status_code in range(400, 500) else "time" in keys
    body = answer.json()
    if answer.status_code == 200:
        return fits_well(body)
    return answer.status_code in range(400, 500) and is_error(body, (int, str))


def fits_well(body: dict[str, Any]) -> bool:
    if (
        not {"result", "time"} <= body.keys() <= {"result", "time", "total", "next"}
        or body["time"].keys() != TIME.keys()
    ):
        return False
    result = body["result"]
    if not isinstance(result, dict) or result.keys() != SECTIONS or not result["result_error"]:
        return True
    errors = result["result_error"]
    return all(is_error(error, (str,)) for error in (errors if isinstance(errors, list) else errors.values()))


def is_error(body: dict[str, Any], codes: tuple[type, ...]) -> bool:
    return (
        body.keys() == {"error", "error_description"}
        and type(body["error"]) in codes
        and isinstance(body["error_description"], str)
        and body["error"] != "INTERNAL_SERVER_ERROR"
    )


@pytest.mark.parametrize("name", NAMES)
async def test_no_parameters_make_a_method_fail(name: str, world: World) -> None:
    shop, valid, random = world.shop, CALLS[name], Random(name)
    mine = shop.admin, shop.seed.catalog_id, shop.seed.variations_id
    known, wrong = dict[str, int](), []

    for number, params in enumerate(odd(valid.params, random)):
        if number % 16 == 0:  # the method may be one that deletes
            known = await things(shop.core, valid, *mine)
        answer = await ask(world, name, filled(params, known), WAYS[number % len(WAYS)])
        if not fits(answer):
            wrong.append(f"{params!r:.300} by {WAYS[number % len(WAYS)]}: {answer.status_code} {answer.text:.200}")

    assert not wrong


@pytest.mark.parametrize("value", [[1], {"a": 1}, {"value": []}, True, 10**30, "\u0663"], ids=repr)
async def test_no_field_makes_a_product_fail(value: Any, world: World) -> None:
    add, list_ = "catalog.product.offer.add", "catalog.product.offer.list"
    new = {"iblockId": world.shop.seed.variations_id, "name": "Shirt"}
    within, select = {"iblockId": world.shop.seed.variations_id}, ["id", "iblockId"]

    for field in FIELDS:
        assert fits(await ask(world, add, {"fields": new | {field: value}}, "json")), field
        assert fits(await ask(world, list_, {"select": select, "filter": within | {f"!{field}": value}}, "json")), field


@pytest.mark.parametrize("name", [name for name in NAMES if CALLS[name].by_webhook])
async def test_a_large_file_content_is_nothing_special_to_other_methods(name: str, world: World) -> None:
    content = b'{"auth":"%s","fileContent":"\xff%s"}' % (world.token.encode(), b"a" * 40_000)

    answer = await world.shop.client.post(
        f"/rest/{name}", content=content, headers={"content-type": "application/json"}
    )

    assert (answer.status_code, answer.json()["error"]) == (400, 0)
