"""Replays the examples of the protocol's own pages and compares answers key by key and type by type.

A file holds one example: the page (`source`), the calls that bring about what the page takes for granted
(`given`), the call and its answer. `$name` is an id made on the way, or anything of that kind in an answer;
every other value is the page's own. `left_out` names what the page shows and we do not, `note` says where a page
contradicts itself or is changed.
"""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from build import TIME, bracketed, filled, vendor_sample
from packshot.config import ServerSettings, Settings
from packshot.domain.catalogs import Property, PropertyType, Section
from packshot.protocols.bitrix.methods import METHODS
from packshot.services import access
from packshot.services.core import Core
from packshot.services.setup import Seed
from packshot.storage import accounts, catalogs
from packshot.storage.database import Tx

EXAMPLES: dict[str, Any] = {
    path.stem: json.loads(path.read_text("utf-8")) for path in sorted((Path(__file__).parent / "bitrix").glob("*.json"))
}
TESTED_ELSEWHERE = {"batch"} | {method.name for method in METHODS.values() if method.application}
"""The page of batch runs commands that we do not have; events need an application and somebody who listens."""
ISO = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+03:00"
FILE = r"/rest/catalog\.product\.download\?fields%5BfieldName%5D=\w+&fields%5BfileId%5D=\d+&fields%5BproductId%5D=\d+"
TOKEN = r"catalog%7C[\w-]+%7C[\w.-]+"


def is_text(pattern: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value, re.ASCII) is not None


PLACEHOLDERS: dict[str, Callable[[Any], bool]] = {
    "$id": lambda value: type(value) is int and value > 0,
    "$digits": is_text(r"[1-9]\d*"),
    "$text": is_text(r".+"),
    "$moment": is_text(ISO),
    "$detailUrl": is_text(r"/upload/iblock/[0-9a-f]{3}/[0-9a-z]{32}/test\.jpeg"),
    "$downloadUrl": is_text(rf"http://shop\.test/rest/download\.json\?token={TOKEN}"),
    "$fileUrl": is_text(FILE),
    "$time": lambda value: isinstance(value, dict) and {key: type(item) for key, item in value.items()} == TIME,
}


@pytest.fixture
def settings() -> Settings:
    return Settings(server=ServerSettings(timezone="Europe/Moscow"))


@pytest.fixture
async def known(core: Core, seed: Seed, furnished: dict[str, int]) -> dict[str, Any]:
    """What examples may name: the two catalogs, of which that of the variations has a VAT rate, and a picture."""
    rate = "UPDATE catalog SET vat_id = 1 WHERE id = ?1 RETURNING link_property_id"
    return furnished | {
        "catalog": seed.catalog_id,
        "variations": seed.variations_id,
        "gallery": await catalogs.find_gallery_property(core.db, seed.account_id, seed.catalog_id),
        "variationsGallery": await catalogs.find_gallery_property(core.db, seed.account_id, seed.variations_id),
        "link": await core.db.write(lambda tx: tx.insert(rate, seed.variations_id)),
        "user": seed.user_id,
        "picture": vendor_sample(),
    }


@pytest.fixture
async def furnished(core: Core, seed: Seed) -> dict[str, int]:
    """The sections and properties of the pages, most of them in a third catalog that holds nothing else."""
    account_id, now = seed.account_id, core.now()

    async def work(tx: Tx) -> dict[str, int]:
        shop = await catalogs.add_catalog(tx, account_id, "Shop")

        async def add_section(catalog_id: int, name: str, sort: int, **more: Any) -> int:
            new = Section(catalog_id, name, sort=sort, **more)
            return await catalogs.add_section(tx, account_id, new, now)

        async def add_property(code: str, name: str, kind: PropertyType, **more: Any) -> int:
            new = Property(code, name, kind, multiple=False, **more)
            return await catalogs.add_property(tx, account_id, shop, new, now)

        children = await add_section(seed.catalog_id, "Children", 500)
        toys = {"code": "toys", "xml_id": "myXmlId", "description": "Products for children - toys"}
        return {
            "shop": shop,
            "goods": await add_section(shop, "Products", 500),
            "services": await add_section(shop, "Services", 500),
            "shoes": await add_section(shop, "Shoes", 50),
            "children": children,
            "toys": await add_section(seed.catalog_id, "Children's Toys", 100, parent_id=children, **toys),
            "brand": await add_property("BRAND", "Brand", "L"),
            "category": await add_property("s12", "Category", "S", user_type="directory"),
        }

    return await core.db.write(work)


@pytest.fixture
async def hooks(core: Core, seed: Seed) -> dict[str, str]:
    """The webhook of each sort of user."""
    viewer = await core.db.write(lambda tx: accounts.add_user(tx, seed.account_id, "viewer", core.now()))
    code = await access.create_webhook(core, "main", viewer, frozenset({"catalog"}))
    return {
        "administrator": f"/rest/{seed.user_id}/{seed.webhook_code}/",
        "viewer": f"/rest/{viewer}/{code}/",
    }


def differences(expected: Any, actual: Any, where: str = "answer") -> Iterator[str]:
    """Every place where the answer has other keys, types or values than the example."""
    if isinstance(expected, str) and expected.startswith("$"):
        if not PLACEHOLDERS[expected](actual):
            yield f"{where}: {actual!r} is no {expected}"
    elif isinstance(expected, dict) and isinstance(actual, dict):
        yield from (f"{where}: {key} is missing" for key in expected.keys() - actual.keys())
        yield from (f"{where}: {key} is not documented" for key in actual.keys() - expected.keys())
        for key in expected.keys() & actual.keys():
            yield from differences(expected[key], actual[key], f"{where}.{key}")
    elif isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        for number, pair in enumerate(zip(expected, actual, strict=True)):
            yield from differences(*pair, f"{where}.{number}")
    elif type(expected) is not type(actual) or expected != actual:
        yield f"{where}: {actual!r} instead of {expected!r}"


async def as_json(client: httpx.AsyncClient, hook: str, method: str, params: Any) -> httpx.Response:
    return await client.post(f"{hook}{method}", json=params)


async def as_crest(client: httpx.AsyncClient, hook: str, method: str, params: Any) -> httpx.Response:
    form = dict(bracketed(params))
    url = f"{hook}{method}.json"
    return await (client.post(url, data=form) if form else client.get(url))


async def as_php_sdk(client: httpx.AsyncClient, hook: str, method: str, params: Any) -> httpx.Response:
    return await client.post(f"{hook}/{method.lower()}/?bx24_request_id=0b3f", json=params or [])


async def as_query(client: httpx.AsyncClient, hook: str, method: str, params: Any) -> httpx.Response:
    return await client.get(f"{hook}{method}", params=dict(bracketed(params)))


def test_every_method_has_an_example() -> None:
    sources = {example["source"] for example in EXAMPLES.values()}

    assert sources | TESTED_ELSEWHERE == {method.name for method in METHODS.values()}


@pytest.mark.parametrize("send", [as_json, as_crest, as_php_sdk, as_query])
@pytest.mark.parametrize("name", EXAMPLES)
async def test_a_documented_example_is_answered_as_documented(
    name: str, send: Any, client: httpx.AsyncClient, hooks: dict[str, str], known: dict[str, Any]
) -> None:
    example = EXAMPLES[name]
    for step in example["given"]:
        made = (await as_json(client, hooks["administrator"], step["method"], filled(step["params"], known))).json()
        (element,) = made["result"].values()
        known |= {step["keep"]: element["id"], f"{step['keep']}AsText": str(element["id"])}
    hook = hooks[example.get("caller", "administrator")]

    response = await send(client, hook, example["method"], filled(example["params"], known))

    assert response.status_code == example["status"], response.text
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    wrong = sorted(differences(filled(example["answer"], known), response.json()))
    assert not wrong, "\n".join(wrong)
