"""Who may call from where: web pages by CORS, plain HTTP, proxies, and the newer REST (sheet 13, rows 25, 30, 31)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from packshot import app
from packshot.config import CorsSettings, ServerSettings, Settings
from packshot.domain.images import ProductImage
from packshot.protocols.bitrix.errors import BitrixSettings
from packshot.services.core import Core

PAGE = "https://page.example"
PREFLIGHT = {"origin": PAGE, "access-control-request-method": "POST", "access-control-request-headers": "content-type"}
HTTPS = {"error": "INVALID_REQUEST", "error_description": "Https required"}


@asynccontextmanager
async def serving(
    core: Core, settings: Settings, *, scheme: str = "http", peer: str = "127.0.0.1"
) -> AsyncIterator[Any]:
    asgi: Any
    asgi, _ = app.build(core, settings, lambda: True)
    transport = httpx.ASGITransport(asgi, client=(peer, 1234))
    async with httpx.AsyncClient(transport=transport, base_url=f"{scheme}://shop.test") as client:
        yield client


# Web pages


async def test_without_the_setting_no_page_may_read_an_answer(client: httpx.AsyncClient, hook: str) -> None:
    answer = await client.get(f"{hook}scope", headers={"origin": PAGE})
    asked = await client.options(f"{hook}scope", headers=PREFLIGHT)

    assert not [name for name in (*answer.headers, *asked.headers) if name.startswith("access-control")]
    assert asked.status_code == 405


async def test_a_page_on_the_list_may_call_and_read_answers_and_errors(core: Core, hook: str) -> None:
    async with serving(core, Settings(cors=CorsSettings((PAGE,)))) as client:
        asked = await client.options(f"{hook}scope", headers=PREFLIGHT)
        answer = await client.post(f"{hook}scope", json={}, headers={"origin": PAGE})
        error = await client.post(f"{hook}no.such", json={}, headers={"origin": PAGE})

    assert asked.status_code == 200
    assert "POST" in asked.headers["access-control-allow-methods"]
    assert asked.headers["access-control-allow-headers"] == "content-type"
    for got in (asked, answer, error):
        assert got.headers["access-control-allow-origin"] == PAGE
        assert "access-control-allow-credentials" not in got.headers
    assert answer.json()["result"]
    assert error.json()["error"] == "ERROR_METHOD_NOT_FOUND"
    assert "Retry-After" in answer.headers["access-control-expose-headers"]


async def test_another_page_may_not(core: Core, hook: str) -> None:
    async with serving(core, Settings(cors=CorsSettings((PAGE,)))) as client:
        answer = await client.post(f"{hook}scope", json={}, headers={"origin": "https://other.example"})

    assert "access-control-allow-origin" not in answer.headers


async def test_every_page_may_where_the_setting_says_so(core: Core, hook: str) -> None:
    async with serving(core, Settings(cors=CorsSettings(("*",)))) as client:
        answer = await client.post(f"{hook}scope", json={}, headers={"origin": "https://other.example"})

    assert answer.headers["access-control-allow-origin"] == "*"


# Plain HTTP


async def test_a_webhook_over_plain_http_is_refused_where_https_is_required(core: Core, hook: str) -> None:
    settings = Settings(bitrix=BitrixSettings(require_https=True))

    async with serving(core, settings) as client:
        plain = await client.get(f"{hook}scope")
    async with serving(core, settings, scheme="https") as client:
        secure = await client.get(f"{hook}scope")

    assert (plain.status_code, plain.json()) == (400, HTTPS)
    assert secure.status_code == 200


async def test_a_token_over_plain_http_is_looked_at(core: Core) -> None:
    async with serving(core, Settings(bitrix=BitrixSettings(require_https=True))) as client:
        answer = await client.get("/rest/scope?auth=unknown")

    assert answer.json()["error"] == "invalid_token"


# Proxies

FORWARDED = {"x-forwarded-proto": "https", "x-forwarded-for": "203.0.113.9"}


@pytest.mark.parametrize(
    ("trusted", "peer", "scheme"),
    [
        ((), "10.0.0.1", "http"),
        (("10.0.0.1",), "10.0.0.1", "https"),
        (("10.0.0.0/8",), "10.9.9.9", "https"),
        (("10.0.0.1",), "10.0.0.2", "http"),
    ],
)
async def test_only_a_trusted_proxy_says_how_it_was_called(
    core: Core, hook: str, image: ProductImage, trusted: tuple[str, ...], peer: str, scheme: str
) -> None:
    settings = Settings(server=ServerSettings(trusted_proxies=trusted))

    async with serving(core, settings, peer=peer) as client:
        answer = await client.get(
            f"{hook}catalog.productImage.get?productId={image.product_id}&id={image.id}", headers=FORWARDED
        )

    assert answer.json()["result"]["productImage"]["downloadUrl"].startswith(f"{scheme}://shop.test/")


# REST 3.0


@pytest.mark.parametrize("path", ["/rest/api/1/code/catalog.product.list", "/rest/api/scope", "/rest//api/x/y/z"])
async def test_the_newer_rest_is_told_in_its_own_words_that_there_is_no_such_method(
    client: httpx.AsyncClient, path: str
) -> None:
    answer = await client.post(f"http://shop.test{path}", json={})

    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "BITRIX_REST_V3_EXCEPTION_METHODNOTFOUNDEXCEPTION"
    assert answer.json()["error"]["message"]
