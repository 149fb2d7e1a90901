"""Parts of originals, and copies that are still good, over HTTP at both addresses."""

import hashlib
from collections.abc import Awaitable, Callable

import httpx
import pytest

from pictures import jpeg_of_size, png

Give = Callable[..., Awaitable[str]]

SMALL = png(30, 20)
LARGE = jpeg_of_size(3_000_000)


def etag_of(data: bytes) -> str:
    return f'"{hashlib.sha256(data).hexdigest()}"'


# Ranges


@pytest.mark.parametrize("data", [SMALL, LARGE])
@pytest.mark.parametrize(
    ("wanted", "start", "end"),
    [
        ("bytes=0-9", 0, 10),
        ("bytes=5-", 5, None),
        ("bytes=-7", -7, None),
        ("bytes=10-99999999", 10, None),
        ("Bytes=0-9", 0, 10),
    ],
)
async def test_a_range_brings_those_bytes_only(
    client: httpx.AsyncClient, give: Give, data: bytes, wanted: str, start: int, end: int | None
) -> None:
    address = await give(data)

    response = await client.get(address, headers={"range": wanted})

    part = data[start:end]
    first = data.index(part) if start >= 0 else len(data) + start
    assert response.status_code == 206
    assert response.content == part
    assert response.headers["content-length"] == str(len(part))
    assert response.headers["content-range"] == f"bytes {first}-{first + len(part) - 1}/{len(data)}"
    assert response.headers["etag"] == etag_of(data)


async def test_a_range_behind_the_end_is_refused_with_the_size(client: httpx.AsyncClient, give: Give) -> None:
    response = await client.get(await give(), headers={"range": f"bytes={len(SMALL)}-"})

    assert response.status_code == 416
    assert response.headers["content-range"] == f"bytes */{len(SMALL)}"
    assert response.content == b""


@pytest.mark.parametrize("wanted", ["bytes=0-1,4-5", "bytes=9-3", "pixels=0-1", "bytes=x-"])
async def test_several_ranges_or_none_we_know_bring_the_whole(
    client: httpx.AsyncClient, give: Give, wanted: str
) -> None:
    response = await client.get(await give(), headers={"range": wanted})

    assert response.status_code == 200
    assert response.content == SMALL
    assert "content-range" not in response.headers


async def test_a_download_broken_off_is_taken_up_again_piece_by_piece(client: httpx.AsyncClient, give: Give) -> None:
    address, got = await give(LARGE), b""

    while len(got) < len(LARGE):
        wanted = f"bytes={len(got)}-{len(got) + 700_000}"
        response = await client.get(address, headers={"range": wanted, "if-range": etag_of(LARGE)})
        assert response.status_code == 206
        got += response.content

    assert got == LARGE


@pytest.mark.parametrize("validator", ['"another"', f"W/{etag_of(SMALL)}", "Sat, 21 Nov 2026 05:00:00 GMT"])
async def test_a_range_of_another_copy_brings_the_whole(client: httpx.AsyncClient, give: Give, validator: str) -> None:
    response = await client.get(await give(), headers={"range": "bytes=0-1", "if-range": validator})

    assert response.status_code == 200
    assert response.content == SMALL


# RFC 9110, 14.2: a range counts for GET only.
async def test_head_knows_no_ranges(client: httpx.AsyncClient, give: Give) -> None:
    response = await client.head(await give(), headers={"range": "bytes=0-1"})

    assert response.status_code == 200
    assert response.headers["content-length"] == str(len(SMALL))


# Conditions


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("known", [etag_of(SMALL), f"W/{etag_of(SMALL)}", f'"x", {etag_of(SMALL)}', "*"])
async def test_a_copy_that_is_still_good_is_not_sent_again(
    client: httpx.AsyncClient, give: Give, method: str, known: str
) -> None:
    address = await give()
    whole = await client.get(address)

    response = await client.request(method, address, headers={"if-none-match": known})

    assert response.status_code == 304
    assert response.content == b""
    assert response.headers["etag"] == etag_of(SMALL)
    assert response.headers["cache-control"] == whole.headers["cache-control"]


async def test_a_good_copy_stands_above_a_range(client: httpx.AsyncClient, give: Give) -> None:
    response = await client.get(await give(), headers={"if-none-match": etag_of(SMALL), "range": "bytes=0-1"})

    assert response.status_code == 304


async def test_another_copy_is_sent_anew(client: httpx.AsyncClient, give: Give) -> None:
    response = await client.get(await give(), headers={"if-none-match": '"another"'})

    assert response.status_code == 200
    assert response.content == SMALL


@pytest.mark.parametrize(
    ("wanted", "status"), [(etag_of(SMALL), 200), ("*", 200), ('"another"', 412), (f"W/{etag_of(SMALL)}", 412)]
)
async def test_if_match_refuses_any_other_bytes(
    client: httpx.AsyncClient, give: Give, wanted: str, status: int
) -> None:
    response = await client.get(await give(), headers={"if-match": wanted})

    assert response.status_code == status
    assert response.content == (SMALL if status == 200 else b"")
