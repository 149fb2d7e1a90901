"""All fifteen system errors of the page "Errors" can be met, by what causes them where there is such a thing here."""

import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import httpx
import pytest

from build import Clock
from oauth_client import make_application
from packshot import app
from packshot.config import Settings
from packshot.domain.access import AccountState
from packshot.protocols.bitrix.errors import BitrixSettings
from packshot.protocols.bitrix.limits import LimitSettings
from packshot.services import access, accounts, applications, oauth, users
from packshot.services.core import Core
from packshot.services.setup import Seed

Row = tuple[int, str, str]

ROWS: tuple[Row, ...] = (
    (500, "INTERNAL_SERVER_ERROR", "Internal server error"),
    (500, "ERROR_UNEXPECTED_ANSWER", "Server returned an unexpected response"),
    (503, "QUERY_LIMIT_EXCEEDED", "Too many requests"),
    (405, "ERROR_BATCH_METHOD_NOT_ALLOWED", "Method is not allowed for batch usage"),
    (400, "ERROR_BATCH_LENGTH_EXCEEDED", "Max batch length exceeded"),
    (401, "NO_AUTH_FOUND", "Wrong authorization data"),
    (400, "INVALID_REQUEST", "Https required"),
    (503, "OVERLOAD_LIMIT", "REST API is blocked due to overload"),
    (403, "ACCESS_DENIED", "REST API is available only on commercial plans"),
    (403, "INVALID_CREDENTIALS", "Invalid request credentials"),
    (404, "ERROR_MANIFEST_IS_NOT_AVAILABLE", "Manifest is not available"),
    (403, "insufficient_scope", "The request requires higher privileges than provided by the webhook token"),
    (401, "expired_token", "The access token provided has expired"),
    (403, "user_access_error", "The user does not have access to the application"),
    (500, "PORTAL_DELETED", "Portal was deleted"),
)
BY_CODE = {code: (status, code, text) for status, code, text in ROWS}
ONLY_SIMULATED = {"ERROR_UNEXPECTED_ANSWER", "ERROR_MANIFEST_IS_NOT_AVAILABLE"}
"""What a portal says when parts of it fail that do not exist here."""

LIST = "catalog.catalog.list"


class Portal(NamedTuple):
    """A store with one account, and a clock to move."""

    core: Core
    seed: Seed
    clock: Clock

    async def call(self, path: str = "", settings: Settings | None = None, **params: Any) -> httpx.Response:
        """The answer to a call at *path*, by default one of the seed's webhook, under these settings."""
        asgi: Any = app.build(self.core, settings or Settings(), lambda: True)[0]
        address = path or f"{self.hook}{LIST}"
        async with httpx.AsyncClient(transport=httpx.ASGITransport(asgi), base_url="http://shop.test") as client:
            return await client.post(address, json=params)

    @property
    def hook(self) -> str:
        return f"/rest/{self.seed.user_id}/{self.seed.webhook_code}/"


@pytest.fixture
def portal(core: Core, seed: Seed, clock: Clock) -> Portal:
    return Portal(core, seed, clock)


async def a_bug(portal: Portal) -> httpx.Response:
    broken: Any = dataclasses.replace(portal.core, db="no database")  # type: ignore[arg-type]
    return await portal._replace(core=broken).call()


async def too_many_calls(portal: Portal) -> httpx.Response:
    settings = Settings(limits=LimitSettings(profile="standard", calls_per_s=0.001, burst=1))
    asgi: Any = app.build(portal.core, settings, lambda: True)[0]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(asgi), base_url="http://shop.test") as client:
        await client.post(f"{portal.hook}server.time")
        return await client.post(f"{portal.hook}server.time")


async def a_wrong_webhook(portal: Portal) -> httpx.Response:
    return await portal.call(f"/rest/{portal.seed.user_id}/wrong/{LIST}")


async def plain_http(portal: Portal) -> httpx.Response:
    return await portal.call(settings=Settings(bitrix=BitrixSettings(require_https=True)))


def an_account_that_is(state: AccountState) -> Callable[[Portal], Awaitable[httpx.Response]]:
    async def call(portal: Portal) -> httpx.Response:
        await accounts.set_state(portal.core, "main", state)
        return await portal.call()

    return call


async def a_disabled_user(portal: Portal) -> httpx.Response:
    user_id = await users.add(portal.core, "main", "ann", "editor")
    code = await access.create_webhook(portal.core, "main", user_id, frozenset({"catalog"}))
    await users.disable(portal.core, "ann")
    return await portal.call(f"/rest/{user_id}/{code}/{LIST}")


async def a_missing_scope(portal: Portal) -> httpx.Response:
    code = await access.create_webhook(portal.core, "main", portal.seed.user_id, frozenset({"user"}))
    return await portal.call(f"/rest/{portal.seed.user_id}/{code}/{LIST}")


async def an_expired_token(portal: Portal) -> httpx.Response:
    token = await _token(portal)
    portal.clock.advance(oauth.ACCESS_S)
    return await portal.call(f"/rest/{LIST}", auth=token)


async def a_user_the_application_is_not_for(portal: Portal) -> httpx.Response:
    token = await _token(portal)
    other = await users.add(portal.core, "main", "ann", "editor")
    (application,) = await applications.of_account(portal.core, "main")
    await applications.set_users(portal.core, application.client_id, (other,))
    return await portal.call(f"/rest/{LIST}", auth=token)


async def _token(portal: Portal) -> str:
    """A token of the administrator for a new application, good for an hour."""
    made = await make_application(portal.core, scopes=("catalog",))
    return (await oauth.issue_tokens(portal.core, made.application.id, portal.seed.user_id)).access_token


CAUSES: dict[str, Callable[[Portal], Awaitable[httpx.Response]]] = {
    "INTERNAL_SERVER_ERROR": a_bug,
    "QUERY_LIMIT_EXCEEDED": too_many_calls,
    "NO_AUTH_FOUND": a_wrong_webhook,
    "INVALID_REQUEST": plain_http,
    "OVERLOAD_LIMIT": an_account_that_is("blocked"),
    "ACCESS_DENIED": an_account_that_is("no_plan"),
    "INVALID_CREDENTIALS": a_disabled_user,
    "insufficient_scope": a_missing_scope,
    "expired_token": an_expired_token,
    "user_access_error": a_user_the_application_is_not_for,
    "PORTAL_DELETED": an_account_that_is("closed"),
}

IN_A_BATCH: dict[str, dict[str, str]] = {
    "ERROR_BATCH_METHOD_NOT_ALLOWED": {"last": "batch?cmd[a]=server.time"},
    "ERROR_BATCH_LENGTH_EXCEEDED": {**{f"c{number}": "server.time" for number in range(50)}, "last": "server.time"},
}


def test_every_row_has_a_cause() -> None:
    assert len(BY_CODE) == len(ROWS) == 15
    assert sorted([*CAUSES, *IN_A_BATCH, *ONLY_SIMULATED]) == sorted(BY_CODE)


@pytest.mark.parametrize("code", CAUSES)
async def test_the_cause_of_a_system_error_brings_it_about(code: str, portal: Portal) -> None:
    answer = await CAUSES[code](portal)

    assert shown(answer) == BY_CODE[code]
    assert answer.headers["content-type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize("code", IN_A_BATCH)
async def test_a_command_fails_with_the_words_of_its_row(code: str, portal: Portal) -> None:
    answer = await portal.call(f"{portal.hook}batch", cmd=IN_A_BATCH[code])

    _, word, text = BY_CODE[code]
    assert answer.status_code == 200
    assert answer.json()["result"]["result_error"] == {"last": {"error": word, "error_description": text}}


@pytest.mark.parametrize("code", sorted([*ONLY_SIMULATED, *IN_A_BATCH]))
async def test_what_has_no_cause_of_that_status_is_simulated(code: str, portal: Portal) -> None:
    answer = await portal.call(settings=Settings(bitrix=BitrixSettings(simulate=code)))

    assert shown(answer) == BY_CODE[code]


@pytest.mark.parametrize("code", ["QUERY_LIMIT_EXCEEDED", "OVERLOAD_LIMIT"])
async def test_an_error_that_passes_says_when_to_come_back(code: str, portal: Portal) -> None:
    answer = await CAUSES[code](portal)

    assert int(answer.headers["retry-after"]) >= 1


@pytest.mark.parametrize("state", ["blocked", "no_plan", "closed"])
async def test_an_account_can_be_called_again_once_it_is_normal(state: AccountState, portal: Portal) -> None:
    refused = await an_account_that_is(state)(portal)
    await accounts.set_state(portal.core, "main", "normal")

    assert refused.status_code >= 400
    assert (await portal.call()).status_code == 200


async def test_a_token_is_told_of_its_own_scope(portal: Portal) -> None:
    token = await _token(portal)

    answer = await portal.call("/rest/user.current", auth=token)

    text = "The request requires higher privileges than provided by the access token"
    assert shown(answer) == (403, "insufficient_scope", text)


def shown(answer: httpx.Response) -> Row:
    status, words = answer.status_code, answer.json()
    assert words.keys() == {"error", "error_description"}
    return status, words["error"], words["error_description"]
