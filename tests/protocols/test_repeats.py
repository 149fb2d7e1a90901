"""Calls with an Idempotency-Key at both doors: done once, and answered again as before."""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import httpx
import pytest

import pictures
from build import Clock, file_content, filled, make_inventory_product, make_library_image, make_product
from library_calls import GUID, LIBRARY_CALLS
from oauth_client import make_application
from packshot.config import Settings
from packshot.domain.access import Principal
from packshot.protocols.bitrix.methods import METHODS as BITRIX
from packshot.protocols.finerworks.methods import METHODS, OWN, UPLOADS
from packshot.services import keys, oauth, setup
from packshot.services.core import Core
from packshot.services.keys import Keys
from packshot.services.outbound import OutboundSettings
from packshot.services.setup import Seed
from valid_calls import CALLS, things

SHIRT, MUG = pictures.png(3, 2), pictures.png(5, 4)
ADD = "catalog.productImage.add"
PARALLEL = 50
MOST_S = 60

Ask = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture
def settings() -> Settings:
    return Settings(outbound=OutboundSettings(allow_private=True))


@pytest.fixture
def hook(seed: Seed) -> str:
    return f"/rest/{seed.user_id}/{seed.webhook_code}/"


@pytest.fixture
async def shirt(core: Core, admin: Principal) -> int:
    return await make_product(core, admin)


@pytest.fixture
async def pair(core: Core, seed: Seed) -> Keys:
    del seed
    return await keys.create(core, setup.ACCOUNT)


@pytest.fixture
def b24(client: httpx.AsyncClient, hook: str) -> Ask:
    """`await b24(method, params, key)` calls with the webhook."""

    async def ask(method: str, params: Any, key: str | None = "k", at: str = hook) -> httpx.Response:
        return await client.post(at + method, json=params, headers={"Idempotency-Key": key} if key else {})

    return ask


@pytest.fixture
def v3(client: httpx.AsyncClient, pair: Keys) -> Ask:
    """`await v3(verb, path, key, json=...)` calls with the account's keys."""
    known = {"web_api_key": pair.web_api_key, "app_key": pair.app_key}

    async def ask(verb: str, path: str, key: str | None = "k", **more: Any) -> httpx.Response:
        headers = known | ({"Idempotency-Key": key} if key else {}) | more.pop("headers", {})
        return await client.request(verb, path, headers=headers, **more)

    return ask


def adding(product_id: int, data: bytes = SHIRT) -> dict[str, Any]:
    return {"fields": {"productId": product_id}, "fileContent": file_content(data)}


async def count(core: Core, table: str = "image") -> int:
    row = await core.db.one(f"SELECT count(*) FROM {table}")
    assert row is not None
    return int(row[0])


def told(answer: httpx.Response) -> Any:
    """What an answer says, but for the time it took and for addresses that are signed for it."""
    body = answer.json()
    body.pop("time", None)
    if isinstance(body.get("result"), dict):
        body["result"].pop("result_time", None)
    return json.loads(json.dumps(body), object_hook=lambda said: {**said, "downloadUrl": ""})


# Every method


@pytest.mark.parametrize("name", [method.name for method in BITRIX.values() if method.name != "batch"])
async def test_every_method_of_bitrix24_that_writes_is_done_once_for_a_key(
    core: Core, client: httpx.AsyncClient, admin: Principal, seed: Seed, name: str
) -> None:
    valid = CALLS[name]
    app = await make_application(core)
    auth = {"auth": (await oauth.issue_tokens(core, app.application.id, admin.user_id)).access_token}
    made = await things(core, valid, admin, seed.catalog_id, seed.variations_id)
    params = filled(valid.params, made) | auth
    if name == "event.unbind":
        await client.post("/rest/event.bind", json=params)
    before = core.db.writes

    first = await client.post(f"/rest/{name}", json=params, headers={"Idempotency-Key": "k"})
    after = core.db.writes
    second = await client.post(f"/rest/{name}", json=params, headers={"Idempotency-Key": "k"})

    assert first.status_code == second.status_code == 200, first.text
    assert core.db.writes == after
    assert await count(core, "idempotency") == (after > before)
    if after > before:
        assert told(first) == told(second)


ONLY_LOOK = {"describe_images"}
"""What writes down what it found out."""


@pytest.mark.parametrize("name", [*METHODS, *OWN])
async def test_every_method_of_finerworks_that_writes_is_done_once_for_a_key(
    core: Core, admin: Principal, v3: Ask, name: str
) -> None:
    image, hosted = await make_library_image(core, admin), await make_library_image(core, admin, SHIRT)
    sku = (await make_inventory_product(core, admin, image.guid)).sku
    verb, params = LIBRARY_CALLS[name]
    path = f"/v3/{name}" if name in METHODS else f"/packshot/v3/{name}"
    more = {"json": filled(params, {"guid": image.guid, "hosted": hosted.guid, "sku": sku})} if params else {}
    more = {"params": {"guid": GUID}} if name == "list_file_selection" else more
    before = core.db.writes

    first = await v3(verb, path, **more)
    after = core.db.writes
    second = await v3(verb, path, **more)

    assert first.status_code == second.status_code == 200, first.text
    assert core.db.writes == after
    assert await count(core, "idempotency") == (after > before and name not in ONLY_LOOK)
    if name != "add_event":  # which keeps nothing: each line in the log has an id of its own
        assert first.json() == second.json()


@pytest.mark.parametrize("name", UPLOADS)
async def test_an_upload_is_done_once_for_a_key_and_told_by_its_bytes(core: Core, v3: Ask, name: str) -> None:
    async def send(data: bytes, key: str = "k", **said: str) -> httpx.Response:
        if name == "upload":
            return await v3("POST", "/packshot/v3/upload", key, data=said, files={"file": ("a.png", data)})
        return await v3("PUT", f"/packshot/v3/images/{GUID}", key, content=data, params=said)

    first, second = await send(SHIRT, title="Shirt"), await send(SHIRT, title="Shirt")
    others = [await send(MUG, title="Shirt"), await send(SHIRT, title="Mug")]

    assert first.status_code == 200, first.text
    assert first.json() == second.json()
    assert [answer.status_code for answer in others] == [422, 422]
    assert await count(core) == 1
    assert core.staging == set()


# What an answer is


async def test_a_repeated_answer_has_addresses_that_are_good_now(
    core: Core, client: httpx.AsyncClient, b24: Ask, shirt: int, clock: Clock
) -> None:
    first = (await b24(ADD, adding(shirt))).json()["result"]["productImage"]
    clock.advance(23 * 3_600)
    second = (await b24(ADD, adding(shirt))).json()["result"]["productImage"]
    clock.advance(core.downloads.webhook_ttl_s - 3_600)

    old, new = await client.get(first["downloadUrl"]), await client.get(second["downloadUrl"])

    assert first | {"downloadUrl": ""} == second | {"downloadUrl": ""}
    assert old.status_code == 401
    assert new.content == SHIRT


async def test_a_repetition_may_come_with_a_fresh_token(
    core: Core, client: httpx.AsyncClient, admin: Principal, shirt: int
) -> None:
    app = await make_application(core)
    answers = []

    for _ in range(2):
        auth = {"auth": (await oauth.issue_tokens(core, app.application.id, admin.user_id)).access_token}
        sent = adding(shirt) | auth
        answers.append(await client.post(f"/rest/{ADD}", json=sent, headers={"Idempotency-Key": "k"}))

    assert told(answers[0]) == told(answers[1])
    assert await count(core) == 1


async def test_the_same_call_in_another_form_is_the_same(client: httpx.AsyncClient, hook: str, core: Core) -> None:
    headers = {"Idempotency-Key": "k"}
    params = {"fields": {"iblockId": "1", "name": "Shirt"}}

    await client.post(f"{hook}catalog.product.add", json=params, headers=headers)
    form = {"fields[name]": "Shirt", "fields[iblockId]": "1"}
    again = await client.post(f"{hook}catalog.product.add", data=form, headers=headers)

    assert again.status_code == 200, again.text
    assert await count(core, "product") == 1


@pytest.mark.parametrize("large", [False, True])
async def test_another_picture_is_another_call(b24: Ask, shirt: int, core: Core, *, large: bool) -> None:
    padding = b"\0" * 300_000 if large else b""  # behind the end of the picture, and too much to be decoded at once

    answers = [await b24(ADD, adding(shirt, data + padding)) for data in (SHIRT, SHIRT, MUG)]

    assert [answer.status_code for answer in answers] == [200, 200, 422]
    assert await count(core) == 1


async def test_keys_of_two_accounts_and_of_two_methods_do_not_meet(
    core: Core, b24: Ask, seed: Seed, shirt: int
) -> None:
    other = await setup.create_account(core, "second")
    assert other is not None

    for one in (seed, other):
        mug = {"fields": {"iblockId": one.catalog_id, "name": "Mug"}}
        answer = await b24("catalog.product.add", mug, at=f"/rest/{one.user_id}/{one.webhook_code}/")
        assert answer.status_code == 200, answer.text
    answer = await b24(ADD, adding(shirt))

    assert answer.status_code == 200, answer.text
    assert await count(core, "idempotency") == 3


# Refusals


async def test_bitrix24_tells_in_its_own_words_why_a_key_cannot_be_used(core: Core, b24: Ask, shirt: int) -> None:
    await b24(ADD, adding(shirt))
    await core.db.write(lambda tx: tx.run("UPDATE idempotency SET result = NULL"))

    running = await b24(ADD, adding(shirt))
    reused = await b24(ADD, adding(shirt, MUG))
    odd = await b24(ADD, adding(shirt), "two words")

    assert (running.status_code, running.headers["retry-after"]) == (409, "1")
    assert running.json() == {
        "error": "IDEMPOTENCY_KEY_IN_USE",
        "error_description": "The request with this Idempotency-Key is still running",
    }
    assert reused.status_code == 422
    assert reused.json() == {
        "error": "IDEMPOTENCY_KEY_REUSED",
        "error_description": "The Idempotency-Key belongs to another request",
    }
    assert odd.status_code == 400
    assert odd.json()["error_description"] == "The Idempotency-Key has to be 1 to 255 visible ASCII characters"


async def test_finerworks_tells_in_its_own_words_why_a_key_cannot_be_used(core: Core, v3: Ask) -> None:
    images = [{"file_name": "a.jpg", "private_hires_uri": "https://img.example/a.jpg"}]
    await v3("POST", "/v3/add_images", json={"images": images})
    await core.db.write(lambda tx: tx.run("UPDATE idempotency SET result = NULL"))

    running = await v3("POST", "/v3/add_images", json={"images": images})
    reused = await v3("POST", "/v3/add_images", json={"images": images * 2})
    odd = await v3("POST", "/v3/add_images", "k" * 256, json={"images": images})

    assert (running.status_code, running.headers["retry-after"]) == (409, "1")
    assert running.json()["Message"] == "The request with this Idempotency-Key is still running"
    assert (reused.status_code, odd.status_code) == (422, 400)
    assert reused.json()["Message"] == "The Idempotency-Key belongs to another request"
    for answer in (running, reused, odd):
        assert answer.json()["status"]["status_code"] == answer.status_code
        assert answer.json()["status"]["success"] is False


async def test_a_refused_call_may_be_mended_under_its_key(core: Core, b24: Ask, v3: Ask, shirt: int) -> None:
    broken = await b24(ADD, adding(shirt, b"no picture"))
    whole = await b24(ADD, adding(shirt))
    nameless = await v3("POST", "/v3/add_images", json={"images": [{"file_name": "a.jpg"}]})
    image = {"file_name": "a.jpg", "private_hires_uri": "https://img.example/a.jpg"}
    named = await v3("POST", "/v3/add_images", json={"images": [image]})

    assert [answer.status_code for answer in (broken, whole, nameless, named)] == [400, 200, 400, 200]
    assert await count(core) == 2


async def test_a_caller_who_may_not_call_gets_no_answer_of_others(b24: Ask, shirt: int) -> None:
    await b24(ADD, adding(shirt))

    refused = await b24(ADD, adding(shirt), at="/rest/1/wrong/")

    assert refused.status_code == 401


# Batches


def commands(shirt: int, **more: str) -> dict[str, Any]:
    add = urlencode({"fields[productId]": shirt, "fileContent[0]": "a.png", "fileContent[1]": file_content(SHIRT)[1]})
    return {"cmd": {"a": f"{ADD}?{add}", "b": f"{ADD}?{add}", **more}}


async def test_in_a_batch_the_key_covers_each_command_at_its_place(core: Core, b24: Ask, shirt: int) -> None:
    rename = f"catalog.product.update?id={shirt}&fields[name]=Image%20$result[b][productImage][id]"

    first, second = [await b24("batch", commands(shirt, c=rename)) for _ in range(2)]

    assert first.json()["result"]["result_error"] == []
    assert told(first) == told(second)
    assert await count(core) == 2
    assert await count(core, "idempotency") == 3
    lone = await b24(ADD, adding(shirt))
    assert lone.status_code == 200
    assert await count(core) == 3


async def test_a_changed_command_of_a_repeated_batch_is_refused_alone(core: Core, b24: Ask, shirt: int) -> None:
    said = "fields[iblockId]=1&fields[name]=Mug"
    await b24("batch", commands(shirt, b=f"catalog.product.add?{said}"))

    answer = (await b24("batch", commands(shirt, b=f"catalog.product.service.add?{said}"))).json()["result"]

    assert list(answer["result"]) == ["a"]
    assert answer["result_error"]["b"]["error"] == "IDEMPOTENCY_KEY_REUSED"
    assert (await count(core), await count(core, "product")) == (1, 2)


async def test_a_batch_that_was_cut_short_goes_on_where_it_ended(core: Core, b24: Ask, shirt: int) -> None:
    first = (await b24("batch", {"cmd": {"a": commands(shirt)["cmd"]["a"]}})).json()["result"]["result"]["a"]

    whole = (await b24("batch", commands(shirt))).json()["result"]["result"]

    assert whole["a"]["productImage"]["id"] == first["productImage"]["id"]
    assert whole["b"]["productImage"]["id"] == first["productImage"]["id"] + 1
    assert await count(core) == 2


# Target F2


async def repeated(ask: Callable[[], Awaitable[httpx.Response]]) -> Any:
    """What all of many equal calls at once are told in the end: they come back for as long as they are asked to."""

    async def until_done() -> Any:
        end = time.monotonic() + MOST_S
        while (answer := await ask()).status_code in {409, 503}:  # few uploads may come in at once
            assert answer.headers["retry-after"] == "1"
            assert time.monotonic() < end
            await asyncio.sleep(0.01)
        assert answer.status_code == 200, answer.text
        return told(answer)

    answers = await asyncio.gather(*(until_done() for _ in range(PARALLEL)))
    assert all(answer == answers[0] for answer in answers)
    return answers[0]


@pytest.mark.parametrize("times", [4, pytest.param(200, marks=[pytest.mark.long, pytest.mark.timeout(1_800)])])
async def test_fifty_equal_calls_at_once_for_each_key_add_one_image_each(
    core: Core, b24: Ask, v3: Ask, shirt: int, times: int, capsys: pytest.CaptureFixture[str]
) -> None:
    async def upload(key: str) -> httpx.Response:
        return await v3("POST", "/packshot/v3/upload", key, files={"file": ("a.png", MUG)})

    began, seen = time.monotonic(), []
    for number in range(times):
        key = str(uuid4())
        seen.append(await repeated(partial(upload, key) if number % 2 else partial(b24, ADD, adding(shirt), key)))

    assert await count(core) == len({json.dumps(answer) for answer in seen}) == times
    with capsys.disabled():
        seconds = time.monotonic() - began
        sys.stdout.write(f"\nF2: {PARALLEL} equal calls x {times} keys = {times} images, {seconds:.1f} s\n")


async def test_without_a_key_nothing_is_kept(core: Core, b24: Ask, v3: Ask, shirt: int) -> None:
    for _ in range(2):
        await b24(ADD, adding(shirt), None)
        await v3("POST", "/packshot/v3/upload", None, files={"file": ("a.png", MUG)})

    assert await count(core) == 4
    assert await count(core, "idempotency") == 0
