"""What caches and the scripts of other pages are told at the public addresses: of pictures, and of their absence."""

import dataclasses
from base64 import b64encode
from hashlib import sha256

import pytest
import pytest_asyncio

from build import Shop, make_image, make_product, visiting
from packshot.config import Settings
from packshot.domain.errors import Unavailable
from packshot.imaging.pool import WorkerSettings
from packshot.services import links
from packshot.services.core import DAY_S, DeliverySettings
from pictures import png

pytestmark = pytest.mark.asyncio(loop_scope="module")

SETTINGS = Settings(workers=WorkerSettings(count=1))
YEAR_S = 365 * DAY_S
PICTURE = png(30, 20)
PLACES = ("original", "rendition", "negotiated", "signed")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def paths(shop: Shop) -> dict[str, str]:
    """Each kind of public address of one picture."""
    image = await make_image(shop.core, shop.admin, await make_product(shop.core, shop.admin), PICTURE)
    key = image.address[4:]
    return {
        "original": f"/upload/iblock/{image.address}/shirt.png",
        "rendition": f"/i/{key}/card.webp/shirt.png",
        "negotiated": f"/i/{key}/card/shirt.png",
        "signed": f"/i/{key}/20x10.png/shirt.png?signature={links.sign(shop.core, key, '20x10.png')}",
    }


# How long


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("delivery", "expected"),
    [
        (DeliverySettings(), "public, max-age=86400"),
        (DeliverySettings(max_age_s=YEAR_S, immutable=True), "public, max-age=31536000, immutable"),
        (DeliverySettings(max_age_s=0), "public, max-age=0"),
    ],
)
async def test_the_settings_say_how_long_pictures_are_kept(
    shop: Shop, paths: dict[str, str], place: str, delivery: DeliverySettings, expected: str
) -> None:
    async with visiting(dataclasses.replace(shop.core, delivery=delivery), SETTINGS) as client:
        response = await client.get(paths[place])

    assert response.status_code == 200
    assert response.headers["cache-control"] == expected


# RFC 9110, 15.4.5: what a 200 would say of caching, validator and choice.
@pytest.mark.parametrize("place", PLACES)
async def test_a_copy_that_is_still_good_is_kept_on_as_a_new_one_would_be(
    shop: Shop, paths: dict[str, str], place: str
) -> None:
    whole = await shop.client.get(paths[place])

    response = await shop.client.get(paths[place], headers={"if-none-match": whole.headers["etag"]})

    assert response.status_code == 304
    for name in ("cache-control", "etag", "vary", "access-control-allow-origin"):
        assert response.headers.get(name) == whole.headers.get(name), name
    assert not {"content-type", "content-length", "repr-digest"} & response.headers.keys()


@pytest.mark.parametrize(
    "path",
    ["/upload/iblock/abc/0123/x.png", f"/i/{'0' * 32}/card/x.png", "/i/KEY/poster/x.png", "/i/KEY-2/card/x.png"],
)
async def test_that_there_is_nothing_is_kept_for_a_minute(shop: Shop, paths: dict[str, str], path: str) -> None:
    response = await shop.client.get(path.replace("KEY", paths["rendition"].split("/")[2]))

    assert response.status_code == 404
    assert response.headers["cache-control"] == "public, max-age=60"


REFUSALS = [
    ("GET", "original", {"if-match": '"another"'}, 412),
    ("GET", "rendition", {"range": "bytes=999999-"}, 416),
    ("POST", "original", {}, 405),
    ("GET", "forged", {}, 403),
]


@pytest.mark.parametrize(("method", "place", "headers", "status"), REFUSALS)
async def test_no_other_refusal_is_kept(
    shop: Shop, paths: dict[str, str], method: str, place: str, headers: dict[str, str], status: int
) -> None:
    forged = {"forged": paths["signed"].replace("20x10", "30x10")}

    response = await shop.client.request(method, (paths | forged)[place], headers=headers)

    assert response.status_code == status
    assert response.headers["cache-control"] == "no-store"


async def test_that_a_picture_cannot_be_had_just_now_is_not_kept(
    shop: Shop, paths: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def read(*_: object) -> bytes:
        raise Unavailable("blob store")

    monkeypatch.setattr(shop.core.blobs, "read", read)

    response = await shop.client.get(paths["original"])

    assert response.status_code == 503
    assert response.headers["cache-control"] == "no-store"


# What scripts of other pages may do


@pytest.mark.parametrize(
    ("method", "place", "headers", "status"),
    [
        *REFUSALS,
        ("GET", "original", {}, 200),
        ("GET", "rendition", {}, 200),
        ("GET", "original", {"range": "bytes=0-1"}, 206),
        ("GET", "negotiated", {"if-none-match": "*"}, 304),
        ("GET", "unknown", {}, 404),
    ],
)
async def test_scripts_of_any_page_may_read_every_answer_with_all_its_headers(
    shop: Shop, paths: dict[str, str], method: str, place: str, headers: dict[str, str], status: int
) -> None:
    more = {"forged": paths["signed"].replace("20x10", "30x10"), "unknown": "/i/x/card/x.png"}
    origin = {"origin": "https://shop.example"}

    response = await shop.client.request(method, (paths | more)[place], headers=headers | origin)

    assert response.status_code == status
    assert response.headers["access-control-allow-origin"] == "*"
    assert response.headers["access-control-expose-headers"] == "*"
    assert response.headers["cross-origin-resource-policy"] == "cross-origin"
    assert response.headers["x-content-type-options"] == "nosniff"


# Fetch, "CORS-safelisted request-header": neither If-None-Match nor a range from the end is one.
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("wanted", ["if-none-match", "range"])
async def test_scripts_may_ask_for_parts_and_for_news(
    shop: Shop, paths: dict[str, str], place: str, wanted: str
) -> None:
    asked = {
        "origin": "https://shop.example",
        "access-control-request-method": "GET",
        "access-control-request-headers": wanted,
    }

    response = await shop.client.options(paths[place], headers=asked)

    assert response.status_code == 204
    assert response.content == b""
    assert response.headers["access-control-allow-origin"] == "*"
    assert response.headers["access-control-allow-headers"] == "*"
    assert "set-cookie" not in response.headers


@pytest.mark.parametrize("place", PLACES)
async def test_cookies_are_neither_read_nor_set(shop: Shop, paths: dict[str, str], place: str) -> None:
    plain = await shop.client.get(paths[place])

    response = await shop.client.get(paths[place], headers={"cookie": "packshot_session=0123456789abcdef"})

    assert "set-cookie" not in response.headers
    del plain.headers["x-request-id"], response.headers["x-request-id"]
    assert response.headers == plain.headers
    assert response.content == plain.content


# RFC 9530, 3.1: the digest is that of all bytes, whatever part of them is sent.
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("method", "headers"), [("GET", {}), ("HEAD", {}), ("GET", {"range": "bytes=3-9"})])
async def test_the_digest_is_that_of_the_whole(
    shop: Shop, paths: dict[str, str], place: str, method: str, headers: dict[str, str]
) -> None:
    whole = (await shop.client.get(paths[place])).content

    response = await shop.client.request(method, paths[place], headers=headers)

    assert response.headers["repr-digest"] == f"sha-256=:{b64encode(sha256(whole).digest()).decode()}:"
    assert response.headers["etag"] == f'"{sha256(whole).hexdigest()}"'
