"""Large originals that clients fetch from the bucket themselves: the same bytes and headers, for a minute at most."""

import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import msgspec
import pytest
import pytest_asyncio

import bucket
from build import Shop, believing, make_image, make_product, open_shop
from faultproxy import BROKEN, HttpProxy, only
from packshot.config import Settings
from packshot.domain.originals import Privacy
from packshot.services import pictures
from packshot.services.core import DeliverySettings
from packshot.storage.blobs import BlobSettings, presigned
from packshot.storage.blobs.presigned import Signer
from packshot.storage.blobs.s3 import open_bucket
from pictures import jpeg_of_size, png

SMALL, LARGE = png(30, 20), jpeg_of_size(3_000_000)
NAME = "Schöne Schuhe + 50%.jpg"


@pytest.fixture(scope="module")
def proxy() -> Iterator[HttpProxy]:
    """Where clients find the bucket; the server goes there without it."""
    with HttpProxy(bucket.environment()["AWS_ENDPOINT_URL"]) as proxy:
        yield proxy


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(tmp_path_factory: pytest.TempPathFactory, proxy: HttpProxy) -> AsyncIterator[Shop]:
    settings = msgspec.structs.replace(
        believing(Settings()),
        blobs=BlobSettings(bucket.new()),
        delivery=DeliverySettings(presign=True, presign_endpoint=proxy.url),
    )
    async with open_shop(tmp_path_factory.mktemp("shop") / "data", settings) as shop:
        yield shop


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def addresses(shop: Shop, data: bytes, name: str = NAME) -> dict[str, str]:
    image = await make_image(shop.core, shop.admin, await make_product(shop.core, shop.admin), data, name=name)
    return await shown(shop, image.product_id, image.id)


async def shown(shop: Shop, product_id: int, image_id: int) -> dict[str, str]:
    door = f"/rest/{shop.seed.user_id}/{shop.seed.webhook_code}"
    asked = {"productId": product_id, "id": image_id}
    answer = await shop.client.post(f"{door}/catalog.productImage.get", json=asked)
    found: dict[str, str] = answer.json()["result"]["productImage"]
    return found


@pytest.mark.parametrize("door", ["downloadUrl", "detailUrl"])
async def test_a_large_original_arrives_from_the_bucket_as_we_would_send_it(
    shop: Shop, proxy: HttpProxy, door: str
) -> None:
    address = (await addresses(shop, LARGE))[door]

    sent = await shop.client.get(address)
    head = await shop.client.head(address)
    async with httpx.AsyncClient() as outside:
        got = await outside.get(sent.headers["location"])

    assert sent.status_code == 307
    assert sent.headers["location"].startswith(proxy.url)
    assert (sent.headers["cache-control"], sent.content) == ("no-store", b"")
    assert (got.status_code, got.content) == (200, LARGE)
    assert head.status_code == 200
    for name in ("content-type", "content-disposition", "cache-control", "content-length", "accept-ranges"):
        assert got.headers[name] == head.headers[name]


@pytest.mark.parametrize("door", ["downloadUrl", "detailUrl"])
async def test_the_address_lives_for_a_minute_and_for_that_object_alone(shop: Shop, door: str) -> None:
    location = (await shop.client.get((await addresses(shop, LARGE))[door])).headers["location"]
    asked = parse_qs(urlsplit(location).query)

    async with httpx.AsyncClient() as outside:
        forged = [
            await outside.get(location.replace("X-Amz-Expires=60", "X-Amz-Expires=6000")),
            await outside.get(location.replace("/blobs/", "/other/")),
            await outside.get(location.replace("image%2Fjpeg", "text%2Fhtml")),
            await outside.request("DELETE", location),
        ]

    assert asked["X-Amz-Expires"] == ["60"]
    assert [answer.status_code for answer in forged] == [403] * 4


async def test_an_address_is_dead_after_its_minute(proxy: HttpProxy) -> None:
    own = presigned.credentials(bucket.environment())
    assert own
    place = open_bucket(bucket.new(), proxy.url)
    now = time.time()

    async with httpx.AsyncClient() as outside:
        fresh = await outside.get(Signer(place, own, lambda: now - 30).sign("no", {}))
        stale = await outside.get(Signer(place, own, lambda: now - 61).sign("no", {}))

    assert (fresh.status_code, stale.status_code) == (404, 403)


async def test_a_part_comes_from_the_bucket_too(shop: Shop) -> None:
    address = (await addresses(shop, LARGE))["detailUrl"]
    part = {"Range": "bytes=100-199"}

    sent = await shop.client.get(address, headers=part)
    async with httpx.AsyncClient() as outside:
        got = await outside.get(sent.headers["location"], headers=part)

    assert (got.status_code, got.content) == (206, LARGE[100:200])
    assert got.headers["content-range"] == f"bytes 100-199/{len(LARGE)}"


async def test_whatever_the_bucket_would_not_understand_is_answered_here(shop: Shop) -> None:
    address = (await addresses(shop, LARGE))["detailUrl"]
    etag = (await shop.client.head(address)).headers["etag"]
    asked = {
        304: {"If-None-Match": etag},
        412: {"If-Match": '"another"'},
        416: {"Range": "bytes=4000000-"},
        206: {"Range": "bytes=100-199", "If-Range": etag},
        200: {"If-Match": etag},
    }

    for status, headers in asked.items():
        assert (await shop.client.get(address, headers=headers)).status_code == status


async def test_small_originals_are_compared_and_so_sent_by_us(shop: Shop) -> None:
    sent = await shop.client.get((await addresses(shop, SMALL))["detailUrl"])

    assert (sent.status_code, sent.content) == (200, SMALL)


@pytest.mark.parametrize("privacy", ["strip_location", "strip_all"])
async def test_a_copy_without_secrets_is_sent_by_us_and_nobody_is_led_to_the_original(
    shop: Shop, privacy: Privacy
) -> None:
    image = await make_image(shop.core, shop.admin, await make_product(shop.core, shop.admin), LARGE)
    guid = await pictures.guid_of(shop.core, shop.admin, image.id)
    await pictures.change(shop.core, shop.admin, [pictures.Change(guid, privacy=privacy)])

    public = await shop.client.get((await shown(shop, image.product_id, image.id))["detailUrl"])
    own = await shop.client.get((await shown(shop, image.product_id, image.id))["downloadUrl"])

    assert (public.status_code, "location" in public.headers) == (200, False)
    assert own.status_code == 307


async def test_nobody_is_sent_to_a_bucket_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = bucket.new()
    with HttpProxy(bucket.environment()["AWS_ENDPOINT_URL"]) as between:
        monkeypatch.setenv("AWS_ENDPOINT_URL", between.url)
        settings = msgspec.structs.replace(
            believing(Settings()), blobs=BlobSettings(url), delivery=DeliverySettings(presign=True)
        )
        async with open_shop(tmp_path / "data", settings) as shop:
            address = (await addresses(shop, LARGE))["detailUrl"]
            between.have(only(BROKEN, "GET"))
            refused = await shop.client.get(address)
            between.have()
            sent = await shop.client.get(address)

    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert sent.status_code == 307
