"""Nothing of another account, session or library is seen or changed: what is there is answered as what is not.

Generated from the table of methods; one without a case here fails by its name.
"""

import json
import re
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple
from uuid import uuid4

import httpx
import pytest

import pictures
from build import filled, make_account, make_image, make_product
from packshot.config import Settings
from packshot.domain.access import Principal
from packshot.domain.originals import Looks
from packshot.protocols.finerworks.errors import FinerWorksSettings
from packshot.protocols.finerworks.methods import METHODS, OWN, UPLOADS
from packshot.services import keys, setup
from packshot.services.core import Core
from packshot.services.keys import Keys
from packshot.services.setup import Seed
from packshot.storage import blob_rows

NOBODYS = {"guid": "00c0ffee-0000-4000-8000-000000000000", "sku": "AP7P77777", "master": str(uuid4())}
NO_PRODUCT = 77_777
UNSHARED = Settings(finerworks=FinerWorksSettings(shared_library=False))
SESSION = "session-of-a-browser"
PICTURE = pictures.png()
LOOKS = Looks(1, has_alpha=False, profile=None, colour=(1, 2, 3), thumbhash=b"abc", phash=7)
NEW_IMAGE = {"file_name": "a.jpg", "private_hires_uri": "https://img.example/a.jpg", "pix_w": 30, "pix_h": 20}
PRODUCT = {"product_sku": "5M41M9S8X10", "product_qty": 1, "product_image": {"library_file": {"guid": "$guid"}}}


class Case(NamedTuple):
    """A call that works on what is the caller's own.

    `body` names an image as `$guid`, a product of the virtual inventory as `$sku`, a selection as `$master`. `library`
    says that the call may name one; `makes` that it changes the caller's own also where what it names is not there.
    """

    body: Mapping[str, Any] | None = None
    query: str = ""
    library: bool = False
    makes: bool = False

    @property
    def names(self) -> list[str]:
        return re.findall(r"\$(\w+)", json.dumps(self.body) + self.query)


CASES: dict[str, Case] = {
    "test_my_credentials": Case(),
    "get_user": Case(),
    "get_company_info": Case(),
    "add_event": Case({"type": "success", "name": "$guid", "details": "$sku"}),
    "list_images": Case({"guid_filter": ["$guid"], "list_products": True}, library=True),
    "add_images": Case({"images": [NEW_IMAGE | {"guid": "$guid"}]}, makes=True),
    "update_images": Case({"images": [{"guid": "$guid", "title": "Changed", "visible": False}]}, library=True),
    "delete_images": Case({"guids": ["$guid"]}, library=True),
    "delete_preview": Case({"guids": ["$guid"]}, library=True),
    "describe_images": Case({"guids": ["$guid"]}, library=True),
    "sign_renditions": Case({"guid": "$guid", "renditions": ["card", "30x20-cover"]}, library=True),
    "update_pictures": Case({"images": [{"guid": "$guid", "focus": {"x": 0.2, "y": 0.3}}]}, library=True),
    "update_file_selection": Case({"guids": ["$guid"], "guid": "$master"}, makes=True),
    "list_file_selection": Case(query="?guid=$master"),
    "list_virtual_inventory": Case({"guid_filter": ["$guid"], "sku_filter": ["$sku"]}),
    "update_virtual_inventory": Case({"virtual_inventory": [{"sku": "$sku", "name": "Changed", "asking_price": 1}]}),
    "delete_virtual_inventory": Case({"skus": ["$sku"]}),
    "disconnect_virtual_inventory": Case({"platform": "shopify"}, makes=True),
    "submit_product": Case({"mode": "store", "product": PRODUCT}),
}
OWNED = {
    "sqlite": "SELECT m.name FROM sqlite_schema AS m, pragma_table_info(m.name) AS c"
    " WHERE m.type = 'table' AND c.name = 'account_id'",
    "postgresql": "SELECT table_name FROM information_schema.columns"
    " WHERE table_schema = current_schema() AND column_name = 'account_id'",
}
"""What names the tables whose rows belong to an account."""

EVERY = METHODS | OWN
METHOD = pytest.mark.parametrize("name", EVERY)
UPLOAD = pytest.mark.parametrize("name", UPLOADS)


class Side(NamedTuple):
    """One account: its keys, what it has by the names in a case, and its product."""

    pair: Keys
    account_id: int
    things: dict[str, str]
    product: int


class Town(NamedTuple):
    """Two accounts of one store with the same things, each in the inventory and in a temporary library, and a door."""

    core: Core
    client: httpx.AsyncClient
    ours: Side
    theirs: Side

    async def call(
        self,
        pair: Keys,
        name: str,
        things: Mapping[str, str],
        *,
        more: Mapping[str, Any] | None = None,
        query: str = "",
    ) -> httpx.Response:
        """Call as the case says, with fields and a query more."""
        case, method = CASES[name], EVERY[name]
        body = None if case.body is None and not more else filled({**(case.body or {}), **(more or {})}, things)
        address = f"/{'packshot/' if name in OWN else ''}v3/{name}"
        asked = "&".join(filter(None, [case.query.removeprefix("?"), query]))
        for thing, value in things.items():
            asked = asked.replace(f"${thing}", value)
        return await self.client.request(
            method.verbs[-1],
            f"{address}?{asked}",
            headers={"web_api_key": pair.web_api_key, "app_key": pair.app_key},
            json=body,
        )

    async def upload(self, name: str, fields: Mapping[str, str], **query: str) -> httpx.Response:
        """Upload a picture to our account by the route of that name."""
        pair = self.ours.pair
        sent = {"web_api_key": pair.web_api_key, "app_key": pair.app_key}
        if name == "images":
            address = f"/packshot/v3/images/{fields['guid']}"
            asked = {name: value for name, value in fields.items() if name != "guid"} | query
            return await self.client.put(address, params=asked, headers=sent, content=PICTURE)
        assert name == "upload", f"{name} has no case"
        file = {"file": ("a.png", PICTURE)}
        return await self.client.post("/packshot/v3/upload", params=query, headers=sent, data=dict(fields), files=file)

    async def rows(self, side: Side) -> dict[str, list[Any]]:
        """All that the database has of an account."""
        db = self.core.db
        owned = [row[0] for row in await db.all(OWNED[db.dialect])]
        of_account = {table: f"SELECT * FROM {table} WHERE account_id = ?1" for table in owned}
        return {table: sorted(await db.all(sql, side.account_id), key=repr) for table, sql in of_account.items()}


async def stock(
    core: Core, client: httpx.AsyncClient, admin: Principal, pair: Keys, catalog: int
) -> tuple[dict[str, str], int]:
    """Two images in the inventory, one of a browser session, a product of each sort, and a selection.

    One of the two is on the product whose id comes back, too.
    """
    headers = {"web_api_key": pair.web_api_key, "app_key": pair.app_key}

    async def ask(verb: str, name: str, body: Any) -> Any:
        answer = await client.request(verb, f"/v3/{name}", headers=headers, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    things = {"master": str(uuid4())}
    for place, library in (("guid", {}), ("temporary", {"library": "temporary", "session_id": SESSION})):
        things[place] = str(uuid4())
        at = f"/packshot/v3/images/{things[place]}"
        assert (await client.put(at, params=library, headers=headers, content=PICTURE)).status_code == 200
    sold = await ask("POST", "submit_product", filled({"mode": "store", "product": PRODUCT}, things))
    things["sku"] = sold["products"][0]["sku"]
    links = [{"sku": things["sku"], "third_party_integrations": {"shopify_product_id": 7}}]
    await ask("PUT", "update_virtual_inventory", {"virtual_inventory": links})
    await ask("PUT", "update_file_selection", {"guids": [things["guid"]], "guid": things["master"]})
    product = await make_product(core, admin, catalog_id=catalog)
    things["shared"] = (await make_image(core, admin, product, PICTURE)).guid
    # As if they had been decoded when they came, which needs image workers.
    for (blob_id,) in await core.db.all("SELECT id FROM blob"):
        await core.db.write(partial(blob_rows.describe, blob_id=blob_id, looks=LOOKS))
    return things, product


@pytest.fixture
async def town(core: Core, client: httpx.AsyncClient, seed: Seed, admin: Principal) -> Town:
    them, catalog = await make_account(core, "theirs")
    sides = []
    for name, person, catalog_id in ((setup.ACCOUNT, admin, seed.catalog_id), ("theirs", them, catalog)):
        pair = await keys.create(core, name)
        sides.append(Side(pair, person.account_id, *await stock(core, client, person, pair, catalog_id)))
    return Town(core, client, *sides)


def seen(answer: httpx.Response, things: Mapping[str, str]) -> tuple[int, Any, str]:
    """All of an answer but for what was asked for and what differs from call to call."""
    text = answer.text
    for name, value in things.items():
        text = text.replace(value, f"${name}")
    text = re.sub(r'"(id|date_added)":("[^"]*"|\d+)', r'"\1":0', text)
    text = re.sub(r"http://shop\.test/[^\"]*", "http://shop.test/", text)
    headers = {name: value for name, value in answer.headers.items() if name not in {"content-length", "x-request-id"}}
    return answer.status_code, headers, text


# Accounts


@METHOD
async def test_what_is_anothers_is_answered_as_what_is_nobodys(town: Town, name: str) -> None:
    ours, theirs = town.ours, town.theirs
    for thing in CASES[name].names:
        before = await town.rows(theirs), await town.rows(ours)

        nothing, foreign = [
            seen(await town.call(ours.pair, name, known), known)
            for known in (ours.things | {thing: other[thing]} for other in (NOBODYS, theirs.things))
        ]

        assert foreign == nothing
        assert await town.rows(theirs) == before[0]
        assert CASES[name].makes or await town.rows(ours) == before[1]


@METHOD
@pytest.mark.parametrize("place", ["body", "library", "query"])
async def test_the_account_key_of_another_account_is_ignored(town: Town, name: str, place: str) -> None:
    key = {"account_key": town.theirs.pair.account_key}
    places: dict[str, dict[str, Any]] = {"body": key, "library": {"library": key}}
    more = places.get(place, {}) if CASES[name].body is not None else {}
    query = f"account_key={key['account_key']}" if place == "query" else ""
    before = await town.rows(town.theirs)

    nothing = seen(await town.call(town.ours.pair, name, NOBODYS), NOBODYS)
    foreign = seen(
        await town.call(town.ours.pair, name, town.theirs.things, more=more, query=query), town.theirs.things
    )

    assert foreign == nothing
    assert await town.rows(town.theirs) == before


@METHOD
async def test_a_privileged_pair_works_on_the_account_that_it_names_and_on_no_other(town: Town, name: str) -> None:
    pair = await keys.create(town.core, setup.ACCOUNT, privileged=True)
    ours, theirs = town.ours, town.theirs
    things = theirs.things | ({"guid": str(uuid4())} if name == "add_images" else {})
    before = await town.rows(ours), await town.rows(theirs)

    named = await town.call(pair, name, things, query=f"account_key={theirs.pair.account_key}")

    assert (named.status_code, named.json()["status"]["success"]) == (200, True)
    assert await town.rows(ours) == before[0]
    if await town.rows(theirs) == before[1] and name != "add_event":  # which has another number each time
        own = await town.call(theirs.pair, name, things)
        assert named.text.replace(f'"{theirs.pair.account_key}"', "null") == own.text


# Libraries and sessions


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.library])
@pytest.mark.parametrize(
    ("lies", "asked"),
    [
        ("temporary", {"name": "temporary", "session_id": "session-of-another"}),
        ("temporary", {"name": "temporary", "session_id": SESSION.upper()}),
        ("temporary", {"name": "inventory", "session_id": SESSION}),
        ("temporary", {}),
        ("guid", {"name": "temporary", "session_id": SESSION}),
    ],
)
async def test_what_lies_in_another_library_is_answered_as_what_is_nobodys(
    town: Town, name: str, lies: str, asked: dict[str, str]
) -> None:
    before = await town.rows(town.ours)
    there = {"guid": town.ours.things[lies]}

    nothing = seen(await town.call(town.ours.pair, name, NOBODYS, more={"library": asked}), NOBODYS)
    other = seen(await town.call(town.ours.pair, name, there, more={"library": asked}), there)

    assert other == nothing
    assert await town.rows(town.ours) == before


async def test_nothing_is_sold_of_an_image_that_is_there_for_some_days_only(town: Town) -> None:
    there = {"guid": town.ours.things["temporary"]}

    nothing = seen(await town.call(town.ours.pair, "submit_product", NOBODYS), NOBODYS)
    other = seen(await town.call(town.ours.pair, "submit_product", there), there)

    assert other == nothing
    assert nothing[0] == 400


# Images of products

ELSE = {"add_images", "add_event", "list_virtual_inventory"}
"""What names an image that need not be there, or that nothing is sold of."""

NAMES_IMAGE = pytest.mark.parametrize(
    "name", [name for name, case in CASES.items() if "guid" in case.names and name not in ELSE]
)


@NAMES_IMAGE
@pytest.mark.parametrize("settings", [UNSHARED], ids=["unshared"])
async def test_an_image_of_a_product_is_nobodys_where_libraries_are_not_shared(town: Town, name: str) -> None:
    ours = town.ours
    before = await town.rows(ours)
    there, nobodys = ours.things | {"guid": ours.things["shared"]}, ours.things | {"guid": NOBODYS["guid"]}

    nothing = seen(await town.call(ours.pair, name, nobodys), nobodys)
    other = seen(await town.call(ours.pair, name, there), there)

    assert other == nothing
    assert CASES[name].makes or await town.rows(ours) == before


@NAMES_IMAGE
async def test_an_image_of_a_product_is_there_where_libraries_are_shared(town: Town, name: str) -> None:
    ours = town.ours
    there, nobodys = ours.things | {"guid": ours.things["shared"]}, ours.things | {"guid": NOBODYS["guid"]}

    other = seen(await town.call(ours.pair, name, there), there)
    nothing = seen(await town.call(ours.pair, name, nobodys), nobodys)

    assert other != nothing


# Files


@UPLOAD
async def test_a_guid_of_another_account_is_free_for_a_file(town: Town, name: str) -> None:
    before = await town.rows(town.theirs)
    there, nobodys = {"guid": town.theirs.things["guid"]}, {"guid": NOBODYS["guid"]}

    foreign = seen(await town.upload(name, there), there)
    nothing = seen(await town.upload(name, nobodys), nobodys)

    assert foreign == nothing
    assert nothing[0] == 200
    assert await town.rows(town.theirs) == before


@UPLOAD
@pytest.mark.parametrize("key", ["none", "query", "field"])
async def test_a_file_for_another_accounts_product_is_one_for_nobodys(town: Town, name: str, key: str) -> None:
    before = await town.rows(town.theirs), await town.rows(town.ours)
    named = {"account_key": town.theirs.pair.account_key}
    query = named if key == "query" else {}
    answers = []

    for product in (str(NO_PRODUCT), str(town.theirs.product)):
        fields = {"guid": NOBODYS["guid"], "product_id": product, "role": "detail"} | (named if key == "field" else {})
        answers.append(seen(await town.upload(name, fields, **query), {"product": product}))

    assert answers[0] == answers[1]
    assert answers[0][0] == 400
    assert (await town.rows(town.theirs), await town.rows(town.ours)) == before


@UPLOAD
async def test_a_file_goes_to_the_account_of_the_keys_whatever_account_is_named(town: Town, name: str) -> None:
    before = await town.rows(town.theirs)

    answer = await town.upload(name, {"guid": NOBODYS["guid"]}, account_key=town.theirs.pair.account_key)

    listed = await town.call(town.ours.pair, "list_images", NOBODYS)
    assert [image["guid"] for image in listed.json()["images"]] == [NOBODYS["guid"]]
    assert answer.status_code == 200
    assert await town.rows(town.theirs) == before
