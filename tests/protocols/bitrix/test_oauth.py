"""OAuth over HTTP: the whole way round, the address of tokens, and calls with what it gives. Sheet 9.3, 7.3."""

import asyncio
import hashlib
import re
from base64 import urlsafe_b64encode
from typing import Any

import httpx
import msgspec
import pytest

import pictures
from build import Clock, file_content, make_product
from oauth_client import REDIRECT, App, Person, make_application, make_user
from packshot import app as wiring
from packshot.config import ServerSettings, Settings
from packshot.domain.access import Principal
from packshot.services import accounts, applications, users
from packshot.services.applications import Registration
from packshot.services.core import Core
from packshot.services.setup import Seed

pytestmark = pytest.mark.usefixtures("seed")

ADMINISTRATOR = 1
LIST = "/rest/catalog.catalog.list"
KEYS = {
    "access_token", "refresh_token", "expires", "expires_in", "client_endpoint", "server_endpoint", "domain",
    "member_id", "scope", "status", "user_id",
}  # fmt: skip


@pytest.fixture
async def anna(core: Core) -> int:
    return await make_user(core)


@pytest.fixture
async def made(core: Core) -> Registration:
    return await make_application(core)


@pytest.fixture
def shop_app(client: httpx.AsyncClient, made: Registration) -> App:
    return App(client, made.application.client_id, made.secret)


@pytest.fixture
async def tokens(client: httpx.AsyncClient, shop_app: App, anna: int) -> dict[str, Any]:
    assert anna
    return await shop_app.exchange((await Person(client).agree(shop_app.address()))["code"])


# The whole way


async def test_somebody_agrees_and_the_application_calls_for_them(
    client: httpx.AsyncClient, core: Core, shop_app: App, anna: int, clock: Clock, seed: Seed
) -> None:
    told = await Person(client).agree(shop_app.address())
    made = await shop_app.exchange(told["code"])

    (account,) = await accounts.of_accounts(core)
    assert re.fullmatch("[0-9a-f]{32}", account.member_id)
    assert told == {
        "from": "shop", "code": told["code"], "state": "a b&c", "domain": "shop.test", "server_domain": "shop.test",
        "member_id": account.member_id, "scope": "catalog,user",
    }  # fmt: skip
    assert made.keys() == KEYS
    assert made == {
        **made, "expires": int(clock.now) + 3_600, "expires_in": 3_600, "client_endpoint": "http://shop.test/rest/",
        "server_endpoint": "http://shop.test/rest/", "domain": "shop.test", "member_id": account.member_id,
        "scope": "catalog,user", "status": "L", "user_id": anna,
    }  # fmt: skip
    answer = await client.get(LIST, params={"auth": made["access_token"]})
    assert [row["iblockId"] for row in answer.json()["result"]["catalogs"]] == [seed.catalog_id, seed.variations_id]


async def test_a_refresh_answers_with_the_same_keys(shop_app: App, tokens: dict[str, Any], clock: Clock) -> None:
    clock.advance(1_000)

    fresh = (await shop_app.refresh(tokens["refresh_token"])).json()

    changed = {name for name in KEYS if fresh[name] != tokens[name]}
    assert fresh.keys() == KEYS
    assert changed == {"access_token", "refresh_token", "expires"}
    assert fresh["expires"] == tokens["expires"] + 1_000


@pytest.mark.parametrize("way", ["GET", "form", "JSON", "no slash"])
async def test_tokens_are_given_by_get_form_and_json(
    client: httpx.AsyncClient, shop_app: App, tokens: dict[str, Any], way: str
) -> None:
    values = {
        "grant_type": "refresh_token", "client_id": shop_app.client_id, "client_secret": shop_app.secret,
        "refresh_token": tokens["refresh_token"],
    }  # fmt: skip
    ways: dict[str, Any] = {"GET": {"params": values}, "form": {"data": values}, "JSON": {"json": values}}
    path = "/oauth/token" if way == "no slash" else "/oauth/token/"

    answer = await client.request("GET" if way == "GET" else "POST", path, **ways.get(way, ways["form"]))

    assert answer.status_code == 200
    assert answer.json().keys() == KEYS
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json; charset=utf-8"


@pytest.mark.usefixtures("seed", "anna")
async def test_both_endpoints_are_built_from_the_public_address(core: Core, made: Registration) -> None:
    settings = Settings(server=ServerSettings(public_url="https://pictures.example"))
    asgi: Any
    asgi, _ = wiring.build(core, settings, lambda: True)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(asgi), base_url="https://pictures.example") as client:
        shop_app = App(client, made.application.client_id, made.secret)
        tokens = await shop_app.exchange((await Person(client).agree(shop_app.address()))["code"])

    assert tokens["client_endpoint"] == tokens["server_endpoint"] == "https://pictures.example/rest/"
    assert tokens["domain"] == "pictures.example"


async def test_an_application_may_ask_for_a_proof_of_its_own(
    client: httpx.AsyncClient, shop_app: App, anna: int
) -> None:
    verifier = "v" * 43
    digest = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    shop_app.asked = {"code_challenge": digest, "code_challenge_method": "S256", "redirect_uri": REDIRECT}

    code = (await Person(client).agree(shop_app.address()))["code"]

    assert (await shop_app.exchange(code, code_verifier=verifier))["user_id"] == anna


async def test_two_refreshes_at_once_are_both_answered(
    client: httpx.AsyncClient, shop_app: App, tokens: dict[str, Any]
) -> None:
    answers = await asyncio.gather(*(shop_app.refresh(tokens["refresh_token"]) for _ in range(2)))

    for answer in answers:
        assert (await client.get(LIST, params={"auth": answer.json()["access_token"]})).status_code == 200


# What the address of tokens refuses


@pytest.mark.parametrize(
    ("changed", "status", "code", "sentence"),
    [
        ({"refresh_token": ""}, 400, "invalid_request", 'No "refresh_token" parameter found'),
        ({"refresh_token": "unknown"}, 400, "invalid_grant", None),
        ({"client_id": ""}, 400, "invalid_request", 'No "client_id" parameter found'),
        ({"client_id": "local.0.1"}, 401, "invalid_client", None),
        ({"client_secret": "wrong"}, 401, "invalid_client", None),
        ({"grant_type": "password"}, 400, "invalid_request", None),
        ({"grant_type": "authorization_code"}, 400, "invalid_request", 'No "code" parameter found'),
        ({"grant_type": "authorization_code", "code": "unknown"}, 400, "invalid_grant", None),
    ],
    ids=str,
)  # fmt: skip
async def test_a_wrong_request_for_tokens_is_told_why(
    shop_app: App, tokens: dict[str, Any], changed: dict[str, str], status: int, code: str, sentence: str | None
) -> None:  # fmt: skip
    values = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], **changed}

    answer = await shop_app.token(**values)

    assert answer.status_code == status
    assert answer.json().keys() == {"error", "error_description"}
    assert answer.json()["error"] == code
    assert answer.json()["error_description"] == (sentence or answer.json()["error_description"])


@pytest.mark.parametrize(
    "request_",
    [{"content": b"{", "headers": {"content-type": "application/json"}}, {"json": ["x"]}, {"content": b"%" * 5_000},
     {"data": {"client_id": "x" * 20_000}}, {"json": {"client_id": ["a"], "client_secret": {"a": 1}}}],
    ids=str,
)  # fmt: skip
async def test_nonsense_is_refused_in_json(client: httpx.AsyncClient, request_: dict[str, Any]) -> None:
    answer = await client.post("/oauth/token/", **request_)

    assert answer.status_code in {400, 413}
    assert answer.json().keys() == {"error", "error_description"}


async def test_other_verbs_are_refused(client: httpx.AsyncClient) -> None:
    answer = await client.put("/oauth/token/", json={})

    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, POST"
    assert answer.json()["error"] == "invalid_request"


async def test_an_account_that_is_blocked_is_told_when_to_come_back(
    core: Core, shop_app: App, tokens: dict[str, Any]
) -> None:
    await accounts.set_state(core, "main", "blocked")

    answer = await shop_app.refresh(tokens["refresh_token"])

    assert (answer.status_code, answer.json()["error"]) == (503, "OVERLOAD_LIMIT")
    assert answer.headers["retry-after"] == "60"


# Calls with a token


@pytest.mark.parametrize(
    "request_",
    [{"params": {"auth": "TOKEN"}}, {"json": {"auth": "TOKEN"}}, {"data": {"auth": "TOKEN"}},
     {"headers": {"authorization": "Bearer TOKEN"}}, {"headers": {"authorization": "bearer  TOKEN"}}],
    ids=str,
)  # fmt: skip
async def test_a_token_is_taken_from_query_body_and_header(
    client: httpx.AsyncClient, tokens: dict[str, Any], request_: dict[str, Any]
) -> None:
    filled = msgspec.json.decode(msgspec.json.encode(request_).replace(b"TOKEN", tokens["access_token"].encode()))

    assert (await client.post(LIST, **filled)).status_code == 200


async def test_the_parameter_stands_above_the_header_and_the_path_above_both(
    client: httpx.AsyncClient, tokens: dict[str, Any], hook: str
) -> None:
    good, bad = tokens["access_token"], {"authorization": "Bearer unknown"}

    assert (await client.get(LIST, params={"auth": good}, headers=bad)).status_code == 200
    assert (
        await client.get(LIST, params={"auth": "bad"}, headers={"authorization": f"Bearer {good}"})
    ).status_code == 401
    assert (await client.get(f"{hook}catalog.catalog.list", params={"auth": "bad"}, headers=bad)).status_code == 200


@pytest.mark.parametrize("token", ["unknown", "x" * 70, "x" * 5_000, "ä", "a b", ["x"], {"a": "x"}, 5])
async def test_a_token_nobody_issued_is_invalid(client: httpx.AsyncClient, token: Any) -> None:
    answer = await client.post(LIST, json={"auth": token})

    assert answer.status_code == 401
    assert answer.json() == {"error": "invalid_token", "error_description": "Unable to get application by token"}


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Basic abc", "Token x", ""])
async def test_a_header_without_a_token_is_no_credential(client: httpx.AsyncClient, header: str) -> None:
    answer = await client.get(LIST, headers={"authorization": header})

    assert answer.json()["error"] == "NO_AUTH_FOUND"


async def test_an_expired_token_says_so_and_a_revoked_one_is_invalid(
    client: httpx.AsyncClient, core: Core, made: Registration, tokens: dict[str, Any], clock: Clock
) -> None:
    clock.advance(3_600)
    expired = await client.get(LIST, params={"auth": tokens["access_token"]})
    await applications.delete(core, made.application.client_id)
    clock.advance(1)
    revoked = await client.get(LIST, params={"auth": tokens["access_token"]})

    assert (expired.status_code, expired.json()) == (
        401,
        {"error": "expired_token", "error_description": "The access token provided has expired"},
    )
    assert (revoked.status_code, revoked.json()["error"]) == (401, "invalid_token")


@pytest.mark.usefixtures("seed", "anna")
async def test_a_missing_scope_is_told_in_the_words_for_tokens(client: httpx.AsyncClient, core: Core) -> None:
    narrow = await make_application(core, scopes=("user",))
    shop_app = App(client, narrow.application.client_id, narrow.secret)
    tokens = await shop_app.exchange((await Person(client).agree(shop_app.address()))["code"])

    answer = await client.get(LIST, params={"auth": tokens["access_token"]})

    assert answer.status_code == 403
    assert answer.json() == {
        "error": "insufficient_scope",
        "error_description": "The request requires higher privileges than provided by the access token",
    }


async def test_a_token_has_the_rights_of_its_user(client: httpx.AsyncClient, core: Core, shop_app: App) -> None:
    await make_user(core, "vera", "viewer")
    tokens = await shop_app.exchange((await Person(client, "vera").agree(shop_app.address()))["code"])
    product = {"auth": tokens["access_token"], "fields": {"iblockId": 1, "name": "Shirt"}}

    answer = await client.post("/rest/catalog.product.add", json=product)

    assert (answer.status_code, answer.json()["error"]) == (400, 200040300040)


@pytest.fixture
async def link(shop_app: App, core: Core, admin: Principal, tokens: dict[str, Any]) -> str:
    """A download link that was given to a token."""
    fields = {"productId": await make_product(core, admin)}
    picture = {"auth": tokens["access_token"], "fields": fields, "fileContent": file_content(pictures.png())}
    added = await shop_app.client.post("/rest/catalog.productImage.add", json=picture)
    return str(added.json()["result"]["productImage"]["downloadUrl"])


async def test_a_download_link_lasts_as_long_as_the_token_it_was_given_with(
    client: httpx.AsyncClient, tokens: dict[str, Any], link: str, clock: Clock, shop_app: App
) -> None:
    assert (await client.get(link)).content == pictures.png()
    clock.advance(600)
    await shop_app.refresh(tokens["refresh_token"])
    clock.advance(2_999)
    assert (await client.get(link)).status_code == 200
    clock.advance(2)

    late = await client.get(link)

    assert (late.status_code, late.json()["error"]) == (401, "expired_token")


@pytest.mark.parametrize("end", ["application", "user", "list", "account", "family"])
async def test_a_download_link_dies_with_what_stands_behind_its_token(
    core: Core, tokens: dict[str, Any], clock: Clock, shop_app: App, link: str, end: str
) -> None:
    match end:
        case "application":
            await applications.delete(core, shop_app.client_id)
        case "user":
            await users.disable(core, "anna")
        case "list":
            await applications.set_users(core, shop_app.client_id, (ADMINISTRATOR,))
        case "account":
            await accounts.set_state(core, "main", "blocked")
        case _:
            await shop_app.refresh(tokens["refresh_token"])
            clock.advance(61)
            await shop_app.refresh(tokens["refresh_token"])

    answer = await shop_app.client.get(link)
    assert (answer.status_code, answer.json()["error"]) == (403, "INVALID_CREDENTIALS")


# States of an account


@pytest.mark.parametrize(
    "refusal",
    [
        ("blocked", 503, "OVERLOAD_LIMIT", "REST API is blocked due to overload"),
        ("no_plan", 403, "ACCESS_DENIED", "REST API is available only on commercial plans"),
        ("closed", 500, "PORTAL_DELETED", "Portal was deleted"),
    ],
    ids=str,
)
async def test_an_account_that_takes_no_calls_says_why(
    core: Core, hook: str, tokens: dict[str, Any], shop_app: App, clock: Clock, refusal: tuple[Any, int, str, str]
) -> None:
    state, status, code, sentence = refusal
    await accounts.set_state(core, "main", state)
    clock.advance(1)

    answers = [
        await shop_app.client.get(f"{hook}catalog.catalog.list"),
        await shop_app.client.get(LIST, params={"auth": tokens["access_token"]}),
        await shop_app.refresh(tokens["refresh_token"]),
    ]

    for answer in answers:
        assert (answer.status_code, answer.json()) == (status, {"error": code, "error_description": sentence})
    page = await shop_app.client.get(shop_app.address())
    assert page.status_code == status
    assert "takes no calls" in page.text


async def test_a_disabled_user_and_one_who_is_not_on_the_list_are_told_apart(
    core: Core, tokens: dict[str, Any], shop_app: App, clock: Clock, hook: str
) -> None:
    client, with_token = shop_app.client, {"auth": tokens["access_token"]}
    await applications.set_users(core, shop_app.client_id, (ADMINISTRATOR,))
    clock.advance(1)
    excluded = await client.get(LIST, params=with_token)
    await applications.set_users(core, shop_app.client_id, ())
    await users.disable(core, "anna")
    await users.disable(core, "admin")
    clock.advance(1)
    disabled = [await client.get(LIST, params=with_token), await client.get(f"{hook}catalog.catalog.list")]

    assert (excluded.status_code, excluded.json()["error"]) == (403, "user_access_error")
    for answer in disabled:
        assert (answer.status_code, answer.json()["error"]) == (403, "INVALID_CREDENTIALS")
