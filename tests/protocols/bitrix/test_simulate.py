"""`bitrix.simulate`: any system error on demand, in the documented words."""

import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx
import msgspec
import pytest

from packshot import app, config
from packshot.config import BadSetting, Settings
from packshot.protocols.bitrix.errors import SYSTEM_ERRORS, BitrixSettings, trouble
from packshot.services.core import Core
from packshot.services.setup import Seed

DOCUMENTED = """
500 INTERNAL_SERVER_ERROR Internal server error
500 ERROR_UNEXPECTED_ANSWER Server returned an unexpected response
503 QUERY_LIMIT_EXCEEDED Too many requests
405 ERROR_BATCH_METHOD_NOT_ALLOWED Method is not allowed for batch usage
400 ERROR_BATCH_LENGTH_EXCEEDED Max batch length exceeded
401 NO_AUTH_FOUND Wrong authorization data
400 INVALID_REQUEST Https required
503 OVERLOAD_LIMIT REST API is blocked due to overload
403 ACCESS_DENIED REST API is available only on commercial plans
403 INVALID_CREDENTIALS Invalid request credentials
404 ERROR_MANIFEST_IS_NOT_AVAILABLE Manifest is not available
403 insufficient_scope The request requires higher privileges than provided by the webhook token
401 expired_token The access token provided has expired
403 user_access_error The user does not have access to the application
500 PORTAL_DELETED Portal was deleted
429 OPERATION_TIME_LIMIT Method is blocked due to operation time limit.
404 ERROR_METHOD_NOT_FOUND Method not found!
403 WRONG_AUTH_TYPE Current authorization type is denied for this method Application context required
401 invalid_token Unable to get application by token
401 authorization_error Unable to authorize user
401 ERROR_OAUTH Application not installed
401 APPLICATION_NOT_FOUND Application not found
401 NOT_INSTALLED Application not installed
401 PAYMENT_REQUIRED Subscription has been ended
401 METHOD_CONFIRM_WAITING Waiting for confirmation
403 METHOD_CONFIRM_DENIED Method call denied
"""
"""Status, code and sentence, written out once more."""

ROWS = [(int(row[1]), row[2], row[3]) for row in re.finditer(r"^(\d+) (\S+) (.+)$", DOCUMENTED, re.MULTILINE)]

Simulating = Callable[[str], AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture
def simulating(core: Core, seed: Seed) -> Simulating:
    """`simulating(text)`: a client behind the seed's webhook of a door with that setting."""

    @asynccontextmanager
    async def opened(text: str) -> Any:
        settings = msgspec.structs.replace(Settings(), bitrix=BitrixSettings(simulate=text))
        asgi: Any = app.build(core, settings, lambda: True)[0]
        base_url = f"http://shop.test/rest/{seed.user_id}/{seed.webhook_code}/"
        async with httpx.AsyncClient(transport=httpx.ASGITransport(asgi), base_url=base_url) as client:
            yield client

    return opened


def test_every_system_error_has_a_row() -> None:
    assert list(SYSTEM_ERRORS) == [code for _, code, _ in ROWS]


@pytest.mark.parametrize(("status", "code", "sentence"), ROWS, ids=str)
async def test_every_call_is_answered_with_the_wanted_error(
    simulating: Simulating, status: int, code: str, sentence: str
) -> None:
    async with simulating(code) as client:
        answers = [await client.get("catalog.catalog.list"), await client.post("batch", json={"cmd": ["methods"]})]

    for answer in answers:
        assert answer.status_code == status
        assert answer.json() == {"error": code, "error_description": sentence}
        assert ("retry-after" in answer.headers) == (status in {429, 503})


async def test_where_a_method_is_named_only_its_calls_fail(simulating: Simulating) -> None:
    async with simulating("QUERY_LIMIT_EXCEEDED CATALOG.catalog.LIST") as client:
        wanted = await client.get("catalog.catalog.list")
        other = await client.get("catalog.productImage.getFields")
        batch = await client.post("batch", json={"cmd": ["catalog.catalog.list", "catalog.productImage.getFields"]})

    outcome = batch.json()["result"]
    assert (wanted.status_code, other.status_code, batch.status_code) == (503, 200, 200)
    assert outcome["result_error"] == [
        {"error": "QUERY_LIMIT_EXCEEDED", "error_description": "Too many requests"},
    ]
    assert list(outcome["result"]) == ["1"]


async def test_a_simulated_error_is_no_bug_in_the_log(
    simulating: Simulating, capsys: pytest.CaptureFixture[str]
) -> None:
    async with simulating("INTERNAL_SERVER_ERROR") as client:
        await client.get("catalog.catalog.list")

    printed = capsys.readouterr()
    assert "request failed" not in printed.out + printed.err


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("TOO_MUCH", "bitrix.simulate: there is no error 'TOO_MUCH', only INTERNAL_SERVER_ERROR, "),
        ("Expired_Token", "bitrix.simulate: there is no error 'Expired_Token', only "),
        ("expired_token catalog.nothing.list", "bitrix.simulate: there is no method 'catalog.nothing.list'"),
    ],
)
def test_an_unknown_name_is_refused_at_the_start(text: str, sentence: str) -> None:
    with pytest.raises(BadSetting) as refused:
        config.load(None, {"PACKSHOT_BITRIX_SIMULATE": text})

    assert str(refused.value).startswith(sentence)


@pytest.mark.parametrize("text", ["", "expired_token", "expired_token batch", "expired_token Catalog.Catalog.List"])
def test_known_names_are_taken(text: str) -> None:
    assert config.load(None, {"PACKSHOT_BITRIX_SIMULATE": text}).bitrix.simulate == text


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (429, "OPERATION_TIME_LIMIT"),
        (503, "QUERY_LIMIT_EXCEEDED"),
        (500, "INTERNAL_SERVER_ERROR"),
        (502, "INTERNAL_SERVER_ERROR"),
    ],
)
def test_trouble_of_a_status_has_the_code_that_goes_with_it(status: int, code: str) -> None:
    answer = trouble(status)

    assert (answer.status, answer.code, answer.retry_after_s) == (status, code, 1)
    assert answer.description == SYSTEM_ERRORS[code].description
