"""Originals over HTTP: the bytes as uploaded, at the signed and at the public address."""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import httpx
import pytest

from build import Call, Clock, make_image, make_product
from moments import keys_of, path_of
from packshot import app
from packshot.config import Settings
from packshot.domain.access import Principal
from packshot.domain.errors import InvalidRequest
from packshot.services.core import Core
from pictures import gif, jpeg, jpeg_of_size, png

Door = Literal["downloadUrl", "detailUrl"]
Give = Callable[..., Awaitable[str]]

SMALL = png(30, 20)
LARGE = jpeg_of_size(3_000_000)
BOTH: list[Door] = ["downloadUrl", "detailUrl"]


def etag_of(data: bytes) -> str:
    return f'"{hashlib.sha256(data).hexdigest()}"'


# The whole


@pytest.mark.parametrize(("data", "media_type"), [(SMALL, "image/png"), (LARGE, "image/jpeg"), (gif(), "image/gif")])
async def test_the_bytes_come_back_exactly(client: httpx.AsyncClient, give: Give, data: bytes, media_type: str) -> None:
    address = await give(data)

    response = await client.get(address)

    assert response.status_code == 200
    assert response.content == data
    assert response.headers["content-length"] == str(len(data))
    assert response.headers["content-type"] == media_type


async def test_the_media_type_comes_from_the_bytes_and_not_from_the_name(client: httpx.AsyncClient, give: Give) -> None:
    response = await client.get(await give(png(), "page.html"))

    assert response.headers["content-type"] == "image/png"


@pytest.mark.parametrize("data", [SMALL, LARGE])
async def test_head_says_what_get_says_without_the_bytes(client: httpx.AsyncClient, give: Give, data: bytes) -> None:
    address = await give(data)

    head, get = await client.head(address), await client.get(address)

    assert head.status_code == 200
    assert head.content == b""
    del head.headers["x-request-id"], get.headers["x-request-id"]
    assert head.headers == get.headers


async def test_a_small_original_goes_out_in_one_piece(core: Core, admin: Principal, settings: Settings) -> None:
    assert await piece_sizes(core, admin, settings, SMALL) == [len(SMALL)]


async def test_a_large_original_goes_out_in_pieces(core: Core, admin: Principal, settings: Settings) -> None:
    sizes = await piece_sizes(core, admin, settings, LARGE)

    assert sum(sizes) == len(LARGE)
    assert max(sizes) <= 512 * 1024


async def piece_sizes(core: Core, admin: Principal, settings: Settings, data: bytes) -> list[int]:
    """How many bytes each message has that brings the body of an original with these bytes."""
    image = await make_image(core, admin, await make_product(core, admin), data)
    asgi, _ = app.build(core, settings, lambda: True)
    sizes: list[int] = []

    async def send(message: dict[str, Any]) -> None:
        if message.get("body"):
            sizes.append(len(message["body"]))

    path = f"/upload/iblock/{image.address}/x.png"
    scope = {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b""}
    await asgi(scope, None, send)
    return sizes


# Headers


async def test_the_entity_tag_is_the_digest_of_the_bytes_and_strong(client: httpx.AsyncClient, give: Give) -> None:
    response = await client.get(await give())

    assert response.headers["etag"] == etag_of(SMALL)


async def test_whoever_opens_a_picture_gets_no_script_and_no_sniffing(client: httpx.AsyncClient, give: Give) -> None:
    response = await client.get(await give())

    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["accept-ranges"] == "bytes"
    assert "set-cookie" not in response.headers


@pytest.mark.parametrize("door", ["detailUrl"])
async def test_a_public_address_is_cached_for_a_day_and_may_stand_on_any_page(
    client: httpx.AsyncClient, give: Give
) -> None:
    response = await client.get(await give())

    assert response.headers["cache-control"] == "public, max-age=86400"
    assert response.headers["cross-origin-resource-policy"] == "cross-origin"
    assert response.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("door", ["downloadUrl"])
async def test_a_download_is_for_nobodys_cache_and_nobodys_page(client: httpx.AsyncClient, give: Give) -> None:
    response = await client.get(await give())

    assert response.headers["cache-control"] == "private, no-store"
    assert response.headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize(("door", "kind"), [("downloadUrl", "attachment"), ("detailUrl", "inline")])
async def test_a_download_is_saved_and_a_public_picture_is_shown(
    client: httpx.AsyncClient, give: Give, kind: str
) -> None:
    response = await client.get(await give(name="Rock 'n' roll.png"))

    assert response.headers["content-disposition"] == f"{kind}; filename=\"Rock 'n' roll.png\""


async def test_a_name_in_any_script_is_sent_in_both_forms(client: httpx.AsyncClient, give: Give) -> None:
    response = await client.get(await give(name="фото.png"))

    wanted = "filename=\"____.png\"; filename*=UTF-8''%D1%84%D0%BE%D1%82%D0%BE.png"
    assert response.headers["content-disposition"].endswith(f"; {wanted}")


@pytest.mark.parametrize("door", ["detailUrl"])
@pytest.mark.parametrize("name", ["100%.png", "a b+c&d=e#f.png", "фото.png", "%2e%2e", "a;b,c.png"])
async def test_a_public_address_works_whatever_the_name(client: httpx.AsyncClient, give: Give, name: str) -> None:
    address = await give(name=name)

    response = await client.get(address)

    assert response.content == SMALL


@pytest.mark.parametrize("door", ["detailUrl"])
@pytest.mark.parametrize("name", [".", ".."])
async def test_a_name_that_means_a_folder_is_refused_or_has_an_address_all_the_same(
    client: httpx.AsyncClient, give: Give, name: str
) -> None:
    try:
        address = await give(name=name)
    except InvalidRequest:
        return

    assert (await client.get(address)).content == SMALL


# What is not there


@pytest.mark.parametrize(
    "path", ["", "abc", "abc/", "abc/0123/x.png", "../../etc/passwd", "%2e%2e/%2e%2e/data/secret.key", "/", "\0/\0/x"]
)
async def test_an_unknown_public_address_is_not_found(client: httpx.AsyncClient, path: str) -> None:
    response = await client.get(f"/upload/iblock/{path.replace(chr(0), '%00')}")

    assert response.status_code == 404
    assert response.headers["content-type"] == "application/json; charset=utf-8"


async def test_a_deleted_picture_is_gone_from_both_addresses(
    client: httpx.AsyncClient, core: Core, admin: Principal, call: Call
) -> None:
    product_id = await make_product(core, admin)
    image = await make_image(core, admin, product_id, SMALL)
    place = {"productId": product_id, "id": image.id}
    shown = (await call("catalog.productImage.get", place))["result"]["productImage"]
    await call("catalog.productImage.delete", place)

    statuses = [(await client.get(shown[door])).status_code for door in BOTH]

    assert statuses == [404, 404]


@pytest.mark.parametrize("door", ["downloadUrl"])
async def test_a_download_link_ends_with_its_week(client: httpx.AsyncClient, give: Give, clock: Clock) -> None:
    address = await give()
    clock.advance(7 * 86_400 - 1)
    in_time = await client.get(address)
    clock.advance(2)

    late = await client.get(address)

    assert in_time.status_code == 200
    assert late.status_code == 401
    assert late.json()["error"] == "expired_token"


@pytest.mark.parametrize("door", ["downloadUrl"])
async def test_a_download_link_with_one_character_changed_is_forged(client: httpx.AsyncClient, give: Give) -> None:
    address = await give()
    start = address.index("token=") + len("token=")
    for place in range(start, len(address) - 1, 7):
        other = "A" if address[place] != "A" else "B"

        response = await client.get(f"{address[:place]}{other}{address[place + 1 :]}")

        assert response.status_code == 403, place
        assert response.json()["error"] == "INVALID_CREDENTIALS"


@pytest.mark.parametrize("data", [SMALL, LARGE])
@pytest.mark.parametrize("change", ["gone", "cut"])
async def test_missing_bytes_are_unavailable_and_never_half_sent(
    client: httpx.AsyncClient, core: Core, give: Give, data: bytes, change: str
) -> None:
    address = await give(data)
    (key,) = await keys_of(core)
    path_of(core, key).unlink()
    if change == "cut":
        path_of(core, key).write_bytes(data[:10])

    response = await client.get(address)

    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"
    assert response.headers["content-type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_pictures_are_read_with_get_and_head_only(
    client: httpx.AsyncClient, give: Give, door: Door, method: str
) -> None:
    response = await client.request(method, await give(jpeg()))

    assert response.status_code == 405
    # Pages of others have no business with downloads, so nobody may ask for that beforehand.
    assert response.headers["allow"] == ("GET, HEAD" if door == "downloadUrl" else "GET, HEAD, OPTIONS")
