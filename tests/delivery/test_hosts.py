"""Who answers at which host: the API and its pictures at one, and nothing but pictures at their own."""

import re

import httpx
import pytest

from build import make_image, make_product
from packshot import config
from packshot.config import BadSetting, ServerSettings, Settings
from packshot.domain.access import Principal
from packshot.services.core import Core, DeliverySettings
from packshot.services.setup import Seed
from pictures import png

API, PICTURES, OTHER = "pictures.example", "img.example:8443", "evil.example"
APART = Settings(server=ServerSettings(f"https://{API}"), delivery=DeliverySettings(f"https://{PICTURES}"))
ANY = Settings(delivery=DeliverySettings(f"https://{PICTURES}"))
SAME = Settings(server=ServerSettings(f"https://{API}"), delivery=DeliverySettings(f"https://{API}"))
PICTURE = png(30, 20)

apart = pytest.mark.parametrize("settings", [APART], ids=["apart"])
any_host = pytest.mark.parametrize("settings", [ANY], ids=["any host"])
same = pytest.mark.parametrize("settings", [SAME], ids=["same host"])


@pytest.fixture
async def address(core: Core, admin: Principal) -> str:
    image = await make_image(core, admin, await make_product(core, admin), PICTURE)
    return f"/upload/iblock/{image.address}/shirt.png"


async def status(client: httpx.AsyncClient, path: str, host: str) -> int:
    return (await client.get(path, headers={"host": host})).status_code


def called(seed: Seed) -> str:
    return f"/rest/{seed.user_id}/{seed.webhook_code}/catalog.catalog.list"


@apart
async def test_links_to_pictures_name_their_host_and_downloads_that_of_the_api(
    client: httpx.AsyncClient, core: Core, admin: Principal, seed: Seed
) -> None:
    image = await make_image(core, admin, await make_product(core, admin), PICTURE)
    path = called(seed).replace("catalog.catalog.list", "catalog.productImage.get")

    answer = await client.post(path, json={"productId": image.product_id, "id": image.id}, headers={"host": API})
    shown = answer.json()["result"]["productImage"]

    assert shown["detailUrl"].startswith(f"https://{PICTURES}/upload/iblock/")
    assert shown["downloadUrl"].startswith(f"https://{API}/rest/download.json?")


@apart
@pytest.mark.parametrize(("host", "expected"), [(API, 200), (PICTURES, 200), (PICTURES.upper(), 200), (OTHER, 421)])
async def test_pictures_are_shown_at_both_hosts_and_at_no_other(
    client: httpx.AsyncClient, address: str, host: str, expected: int
) -> None:
    assert await status(client, address, host) == expected
    assert await status(client, "/i/0123/card/x.png", host) == (404 if expected == 200 else 421)


@pytest.mark.parametrize("settings", [APART, ANY], ids=["apart", "any host"])
@pytest.mark.parametrize(
    "path",
    ["/", "/metrics", "/rest/download.json", "/v3/test_my_credentials", "/V3/", "/packshot/v3/upload", "/oauth/token/",
     "//rest/download.json", "/upload/", "/i", "/upload/iblock"],
)  # fmt: skip
async def test_at_the_host_of_pictures_there_is_nothing_else(client: httpx.AsyncClient, path: str) -> None:
    assert await status(client, path, PICTURES) == 421


@pytest.mark.parametrize("settings", [APART, ANY], ids=["apart", "any host"])
async def test_at_the_host_of_pictures_a_good_webhook_is_refused_in_the_protocols_words(
    client: httpx.AsyncClient, seed: Seed
) -> None:
    answer = await client.post(called(seed), headers={"host": PICTURES})

    assert answer.status_code == 421
    assert answer.json() == {
        "error": "UNKNOWN_HOST",
        "error_description": f"There are only pictures at https://{PICTURES}",
    }


@apart
@pytest.mark.parametrize("host", [API, PICTURES, OTHER])
@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_health_is_told_at_any_host(client: httpx.AsyncClient, path: str, host: str) -> None:
    assert await status(client, path, host) == 200


@any_host
@pytest.mark.parametrize("host", [API, OTHER, "shop.test"])
async def test_without_a_public_address_any_other_host_has_all(
    client: httpx.AsyncClient, seed: Seed, address: str, host: str
) -> None:
    assert await status(client, called(seed), host) == 200
    assert await status(client, address, host) == 200


@same
async def test_one_host_for_both_has_all(client: httpx.AsyncClient, seed: Seed, address: str) -> None:
    assert await status(client, called(seed), API) == 200
    assert await status(client, address, API) == 200
    assert await status(client, address, PICTURES) == 421


# Settings


def loaded(name: str, text: str) -> DeliverySettings:
    return config.load(environment={f"PACKSHOT_DELIVERY_{name}": text}).delivery


@pytest.mark.parametrize("text", ["https://img.example", "https://img.example:8443/", "http://127.0.0.1:8080"])
def test_a_host_of_pictures_is_taken_without_the_slash_at_its_end(text: str) -> None:
    assert loaded("BASE_URL", text).base_url == text.rstrip("/")


@pytest.mark.parametrize("text", ["img.example", "https://", "ftp://img.example", "https://img.example/pictures", "/"])
def test_a_host_of_pictures_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadSetting, match=r"delivery\.base_url .* https://pictures\.example"):
        loaded("BASE_URL", text)


@pytest.mark.parametrize("text", ["", "/_packshot/", "/internal/files/"])
def test_an_internal_address_is_a_path(text: str) -> None:
    assert loaded("ACCEL_REDIRECT", text).accel_redirect == text


@pytest.mark.parametrize("text", ["/", "/_packshot", "_packshot/", "//", "/a b/", "/a\r\nb/", "/../", "@packshot"])
def test_an_internal_address_that_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(BadSetting, match=re.escape("it has to look like /_packshot/")):
        loaded("ACCEL_REDIRECT", text)
