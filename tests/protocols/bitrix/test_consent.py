"""The pages at /oauth/authorize/: who gets a form, who is sent where, and what keeps strangers out."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from build import Clock
from oauth_client import REDIRECT, App, Person, form_token, make_application, make_user
from packshot import app as wiring
from packshot.config import Settings
from packshot.protocols.bitrix.errors import BitrixSettings
from packshot.services import applications, setup, users
from packshot.services.core import Core
from packshot.services.setup import Seed

pytestmark = pytest.mark.usefixtures("seed")

COOKIE = "packshot_login"


@pytest.fixture
async def shop_app(client: httpx.AsyncClient, core: Core) -> App:
    made = await make_application(core)
    await make_user(core)
    return App(client, made.application.client_id, made.secret)


@pytest.fixture
def anna(client: httpx.AsyncClient) -> Person:
    return Person(client)


@asynccontextmanager
async def reached(core: Core, settings: Settings, base_url: str) -> AsyncIterator[httpx.AsyncClient]:
    asgi: Any
    asgi, _ = wiring.build(core, settings, lambda: True)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(asgi), base_url=base_url) as opened:
        yield opened


@pytest.fixture
async def secure(core: Core, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client that came over HTTPS."""
    async with reached(core, settings, "https://shop.test") as opened:
        yield opened


async def codes(core: Core) -> int:
    return len(await core.db.all("SELECT 1 FROM authorization_code"))


# Pages


async def test_pages_are_never_cached_framed_or_scripted(
    client: httpx.AsyncClient, shop_app: App, anna: Person
) -> None:
    pages = [await client.get(shop_app.address())]
    await anna.log_in(shop_app.address())
    pages += [await client.get(shop_app.address()), await client.get("/oauth/authorize/?client_id=x")]

    for page in pages:
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["referrer-policy"] == "no-referrer"
        assert page.headers["x-content-type-options"] == "nosniff"
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert not re.search(r"<script|\son\w+=|\sstyle=|https?://", page.text)


async def test_the_question_names_application_account_user_and_what_it_could_do(
    client: httpx.AsyncClient, shop_app: App, anna: Person
) -> None:
    await anna.log_in(shop_app.address())

    page = await client.get(shop_app.address())

    for words in ("Price &lt;tags&gt;", "anna", "main", "products and their pictures", "app.example"):
        assert words in page.text


async def test_from_the_question_the_way_leads_anywhere_from_other_pages_only_here(
    client: httpx.AsyncClient, shop_app: App, anna: Person
) -> None:
    login = await client.get(shop_app.address())
    await anna.log_in(shop_app.address())

    question = await client.get(shop_app.address())

    assert "form-action 'self'" in login.headers["content-security-policy"]
    # What comes after the application's own redirect is up to the application, and browsers would hold it against us.
    assert "form-action" not in question.headers["content-security-policy"]


async def test_an_application_without_scopes_is_shown_as_such(
    client: httpx.AsyncClient, core: Core, anna: Person
) -> None:
    made = await make_application(core, scopes=())
    await make_user(core)
    bare = App(client, made.application.client_id, made.secret)
    await anna.log_in(bare.address())

    page = await client.get(bare.address())

    assert re.findall("<li>(.*)</li>", page.text) == ["learn that you have a login here"]


async def test_every_field_has_a_label(client: httpx.AsyncClient, shop_app: App) -> None:
    page = await client.get(shop_app.address())

    labelled = set(re.findall(r'<label for="(\w+)"', page.text))
    assert labelled == set(re.findall(r'<input id="(\w+)"', page.text)) == {"login", "password"}


async def test_the_style_sheet_is_served(client: httpx.AsyncClient) -> None:
    answer = await client.get("/oauth/style.css")

    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert "prefers-color-scheme" in answer.text


async def test_nothing_else_is_there(client: httpx.AsyncClient) -> None:
    for path in ("/oauth/", "/oauth/x", "/oauth/authorize/x", "/oauth/../x"):
        assert (await client.get(path)).status_code == 404


# What an address may ask for


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"client_id": ""}, 400), ({"client_id": "local.0.1"}, 404), ({"response_type": "token"}, 400),
        ({"redirect_uri": REDIRECT + "&"}, 400), ({"redirect_uri": "https://evil.example/"}, 400),
        ({"redirect_uri": REDIRECT.replace("https", "HTTPS")}, 400), ({"redirect_uri": ""}, 400),
        ({"code_challenge_method": "S256"}, 400),
        ({"code_challenge": "short"}, 400), ({"code_challenge": "a" * 43, "code_challenge_method": "MD5"}, 400),
    ],
    ids=str,
)  # fmt: skip
async def test_what_cannot_be_is_shown_and_never_redirected(
    client: httpx.AsyncClient, shop_app: App, anna: Person, asked: dict[str, str], status: int
) -> None:
    await anna.log_in(shop_app.address())

    answer = await client.get(shop_app.address(**asked))

    assert answer.status_code == status
    assert "location" not in answer.headers
    assert "form_token" not in answer.text


async def test_response_type_code_and_the_exact_redirect_uri_are_fine(shop_app: App, anna: Person) -> None:
    told = await anna.agree(shop_app.address(response_type="code", redirect_uri=REDIRECT))

    assert told["state"] == "a b&c"


async def test_whoever_does_not_agree_goes_nowhere(core: Core, shop_app: App, anna: Person) -> None:
    await anna.log_in(shop_app.address())

    answer = await anna.press(shop_app.address(), "deny")

    assert answer.status_code == 200
    assert "was given nothing" in answer.text
    assert await codes(core) == 0


# Logging in


@pytest.mark.parametrize(
    ("login", "password"), [("anna", "wrong password"), ("nobody", "wrong password"), ("admin", "x"), ("anna", "")]
)
async def test_a_wrong_login_is_told_the_same_whatever_is_wrong(
    client: httpx.AsyncClient, shop_app: App, login: str, password: str
) -> None:
    answer = await Person(client, login, password).log_in(shop_app.address())

    assert answer.status_code == 403
    assert "Login and password do not match" in answer.text
    assert "set-cookie" not in answer.headers


async def test_a_login_may_be_typed_in_any_case(client: httpx.AsyncClient, shop_app: App) -> None:
    assert (await Person(client, " Anna ").log_in(shop_app.address())).status_code == 303


async def test_a_login_changes_the_cookie(client: httpx.AsyncClient, shop_app: App, anna: Person) -> None:
    await client.get(shop_app.address())
    before = client.cookies[COOKIE]

    answer = await anna.log_in(shop_app.address())

    assert client.cookies[COOKIE] != before
    assert answer.headers["set-cookie"].endswith("; Path=/; HttpOnly; SameSite=Lax")
    assert answer.headers["location"] == shop_app.address()


async def test_over_https_the_cookie_belongs_to_the_host_alone(secure: httpx.AsyncClient, shop_app: App) -> None:
    answer = await Person(secure).log_in(shop_app.address())

    assert answer.headers["set-cookie"].startswith(f"__Host-{COOKIE}=")
    assert answer.headers["set-cookie"].endswith("; Path=/; HttpOnly; SameSite=Lax; Secure")
    assert "Let Price" in (await secure.get(shop_app.address())).text


async def test_neither_passwords_nor_secrets_are_taken_over_plain_http_where_https_is_required(
    core: Core, shop_app: App
) -> None:
    settings = Settings(bitrix=BitrixSettings(require_https=True))

    async with reached(core, settings, "http://shop.test") as plain:
        page = await plain.get(shop_app.address())
        tokens = await plain.post("/oauth/token/", data={"client_secret": shop_app.secret})
    async with reached(core, settings, "https://shop.test") as secure:
        told = await Person(secure).agree(shop_app.address())

    assert (page.status_code, tokens.status_code) == (400, 400)
    assert "Https required" in page.text
    assert "<form" not in page.text
    assert tokens.json() == {"error": "INVALID_REQUEST", "error_description": "Https required"}
    assert told["code"]


async def test_a_login_lasts_twelve_hours(client: httpx.AsyncClient, shop_app: App, anna: Person, clock: Clock) -> None:
    await anna.log_in(shop_app.address())
    clock.advance(users.SESSION_S - 1)
    assert "Let Price" in (await client.get(shop_app.address())).text
    clock.advance(1)

    assert "Password" in (await client.get(shop_app.address())).text


@pytest.mark.parametrize("end", ["disable", "password", "logout"])
async def test_a_login_ends_with_the_password_the_user_or_a_button(
    client: httpx.AsyncClient, core: Core, shop_app: App, anna: Person, end: str
) -> None:
    await anna.log_in(shop_app.address())

    if end == "logout":
        await anna.press(shop_app.address(), "logout")
    elif end == "password":
        await users.set_password(core, "anna", "another password")
    else:
        await users.disable(core, "anna")

    assert "Password" in (await client.get(shop_app.address())).text


async def test_a_disabled_user_cannot_log_in(core: Core, shop_app: App, anna: Person) -> None:
    await users.disable(core, "anna")

    assert (await anna.log_in(shop_app.address())).status_code == 403


@pytest.mark.parametrize("whose", ["neighbour", "excluded"])
async def test_whoever_may_not_use_the_application_can_log_in_as_somebody_else(
    client: httpx.AsyncClient, core: Core, shop_app: App, seed: Seed, whose: str
) -> None:
    login = "anna"
    if whose == "neighbour":
        await setup.create_account(core, "neighbour")
        await make_user(core, login := "nora", account="neighbour")
    else:
        await applications.set_users(core, shop_app.client_id, (seed.user_id,))
    person = Person(client, login)
    await person.log_in(shop_app.address())

    page = await client.get(shop_app.address())
    forced = await client.post(shop_app.address(), data={**form_token(page), "action": "allow"})

    assert "may not use this application" in page.text
    assert forced.status_code == 403
    assert await codes(core) == 0


# Strangers


@pytest.mark.parametrize("action", ["login", "allow", "logout"])
@pytest.mark.parametrize("forged", ["", "0" * 40, "of another browser"])
async def test_a_form_that_we_did_not_make_for_this_browser_does_nothing(
    client: httpx.AsyncClient, core: Core, shop_app: App, anna: Person, action: str, forged: str
) -> None:
    await anna.log_in(shop_app.address())
    if forged == "of another browser":
        async with httpx.AsyncClient(transport=client._transport, base_url=client.base_url) as other:  # noqa: SLF001
            forged = form_token(await other.get(shop_app.address()))["form_token"]

    answer = await client.post(shop_app.address(), data={"form_token": forged, "action": action})

    assert answer.status_code == 403
    assert await codes(core) == 0
    assert "Let Price" in (await client.get(shop_app.address())).text


@pytest.mark.parametrize(
    ("site", "status"), [("cross-site", 403), ("same-site", 403), ("same-origin", 303), ("none", 303)]
)
async def test_a_form_on_another_site_does_nothing(
    client: httpx.AsyncClient, shop_app: App, anna: Person, site: str, status: int
) -> None:
    await anna.log_in(shop_app.address())
    page = await client.get(shop_app.address())

    answer = await client.post(
        shop_app.address(), data={**form_token(page), "action": "allow"}, headers={"sec-fetch-site": site}
    )

    assert answer.status_code == status


async def test_agreeing_by_get_or_without_a_button_does_nothing(
    client: httpx.AsyncClient, core: Core, shop_app: App, anna: Person
) -> None:
    await anna.log_in(shop_app.address())
    token = form_token(await client.get(shop_app.address()))

    assert (await client.get(shop_app.address(action="allow", **token))).status_code == 200
    assert (await client.post(shop_app.address(), data=token)).status_code == 400
    put = await client.put(shop_app.address(), data=token)
    assert (put.status_code, put.headers["allow"]) == (405, "GET, POST")
    assert await codes(core) == 0


@pytest.mark.parametrize("cookie", ["x", "ä" * 32, "A" * 33, "-" * 32, ""])
async def test_a_cookie_that_is_none_of_ours_is_replaced(client: httpx.AsyncClient, shop_app: App, cookie: str) -> None:
    answer = await client.get(shop_app.address(), headers=[(b"cookie", f"a=b; {COOKIE}={cookie}".encode())])

    assert answer.status_code == 200
    assert answer.headers["set-cookie"].startswith(COOKIE)


async def test_the_eleventh_wrong_login_from_an_address_has_to_wait_also_with_the_right_password(
    client: httpx.AsyncClient, shop_app: App, anna: Person, clock: Clock
) -> None:
    for number in range(10):
        assert (await Person(client, f"user{number}", "wrong").log_in(shop_app.address())).status_code == 403
    clock.advance(60)

    refused = await anna.log_in(shop_app.address())
    clock.advance(15 * 60 - 60)
    later = await anna.log_in(shop_app.address())

    assert refused.status_code == 429
    assert refused.headers["retry-after"] == str(15 * 60 - 60)
    assert "Too many" in refused.text
    assert later.status_code == 303


async def test_a_huge_form_is_refused(client: httpx.AsyncClient, shop_app: App) -> None:
    answer = await client.post(shop_app.address(), data={"login": "x" * 20_000})

    assert answer.status_code == 413
