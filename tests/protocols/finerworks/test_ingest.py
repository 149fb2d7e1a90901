"""With `finerworks.ingest` add_images fetches the files itself: all images of a call are hosted here, or none is."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

import pictures
from build import visiting
from listener import Listener, having, listening
from packshot.config import Settings
from packshot.domain.access import Principal
from packshot.domain.errors import Forbidden, Unavailable
from packshot.domain.libraries import Files, NewLibraryImage, Place
from packshot.domain.originals import ImageLimits
from packshot.protocols.finerworks.errors import FinerWorksSettings
from packshot.services import accounts, ingest, outbound, setup
from packshot.services.core import Core
from packshot.services.ingest import FAILED
from packshot.services.outbound import REFUSED, Outbound, OutboundSettings
from packshot.storage import blob_rows

V3 = Callable[..., Awaitable[httpx.Response]]
Look = Callable[[], Awaitable[list[str]]]

GUID = "5b1d0f5e-0f0e-4f5b-9d0e-2f6a3f0c7a11"
LIMIT_BYTES = 4_000
FILES = {
    "/shirt.png": pictures.png(3, 2),
    "/mug.jpg": pictures.jpeg(5, 4),
    "/cap.gif": pictures.gif(7, 6),
    "/bag.webp": pictures.webp(9, 8),
    "/large.jpg": pictures.jpeg_of_size(LIMIT_BYTES + 1),
    "/just.jpg": pictures.jpeg_of_size(LIMIT_BYTES),
    "/page.jpg": b"<!DOCTYPE html><html></html>",
    "/drawing.png": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
    "/empty.png": b"",
    "/half.png": pictures.png(3, 2)[:20],
    "/bomb.png": pictures.png_claiming(60_000, 60_000),
}


@pytest.fixture
def settings() -> Settings:
    return Settings(
        finerworks=FinerWorksSettings(ingest=True),
        outbound=OutboundSettings(allow_private=True),
        images=ImageLimits(upload_bytes=LIMIT_BYTES),
    )


@pytest.fixture
async def core(core: Core, settings: Settings) -> Core:
    return replace(core, outbound=Outbound(settings.outbound, pad_s=0))


@pytest.fixture
async def shop() -> AsyncIterator[Listener]:
    async with listening(having(FILES)) as listener:
        yield listener


def asked(shop: Listener, *paths: str, **more: Any) -> dict[str, Any]:
    origin = f"http://127.0.0.1:{shop.port}"
    return {"images": [{"file_name": path[1:], "private_hires_uri": origin + path} | more for path in paths]}


async def test_the_file_is_fetched_and_hosted_here(shop: Listener, v3: V3, client: httpx.AsyncClient) -> None:
    told = {
        "guid": GUID,
        "title": "Dunes",
        "description": "At dawn",
        "file_size": 9,
        "pix_w": 1_600,
        "pix_h": 2_400,
        "hires_file_name": "theirs.png",
        "public_thumbnail_uri": "https://theirs.example/t.png",
        "public_preview_uri": "https://theirs.example/p.png",
    }

    response = await v3("POST", "add_images", json=asked(shop, "/shirt.png", **told))

    assert response.status_code == 200
    (image,) = response.json()["images"]
    listed = (await v3("POST", "list_images", json={})).json()["images"]
    assert listed == [image]
    assert (image["guid"], image["title"], image["description"]) == (GUID, "Dunes", "At dawn")
    assert (image["file_name"], image["file_size"]) == ("shirt.png", len(FILES["/shirt.png"]))
    assert (image["pix_w"], image["pix_h"]) == (3, 2)
    addresses = {image[f"{name}_uri"] for name in ("public_thumbnail", "public_preview", "private_hires")}
    assert {urlsplit(address).hostname for address in addresses} == {"shop.test"}
    assert (await client.get(urlsplit(image["private_hires_uri"]).path)).content == FILES["/shirt.png"]
    assert len(shop.requests) == 1


async def test_five_come_back_in_their_order_and_equal_files_are_kept_once(shop: Listener, v3: V3, core: Core) -> None:
    paths = ("/bag.webp", "/shirt.png", "/just.jpg", "/shirt.png", "/cap.gif")

    images = (await v3("POST", "add_images", json=asked(shop, *paths))).json()["images"]

    assert [f"/{image['file_name']}" for image in images] == list(paths)
    assert [image["file_size"] for image in images] == [len(FILES[path]) for path in paths]
    assert len({image["private_hires_uri"] for image in images}) == 5
    assert len(await blob_rows.walk(core.db, 0, 10)) == 4


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/none.png", FAILED),
        ("/large.jpg", "The image has 4001 bytes, the limit is 4000"),
        ("/page.jpg", None),
        ("/drawing.png", None),
        ("/empty.png", None),
        ("/half.png", None),
        ("/bomb.png", None),
    ],
)
@pytest.mark.parametrize("at", [0, 3])
async def test_one_that_cannot_be_had_keeps_all_out_and_is_named(
    path: str, why: str | None, at: int, shop: Listener, v3: V3, left: Look
) -> None:
    paths = ["/shirt.png", "/mug.jpg", "/cap.gif", "/bag.webp"]
    paths[at] = path

    response = await v3("POST", "add_images", json=asked(shop, *paths))

    body = response.json()
    assert (response.status_code, body["status"]["success"]) == (400, False)
    assert list(body["ModelState"]) == [f"request.images[{at}].private_hires_uri"]
    assert body["status"]["message"] == (why or body["status"]["message"])
    assert (await v3("POST", "list_images", json={})).json()["count"] == 0
    assert await left() == []


@pytest.mark.parametrize("uri", ["http://127.0.0.1/a.png", "http://169.254.169.254/", "http://user@1.1.1.1/a.png"])
async def test_an_address_that_not_everybody_can_reach_is_refused(
    uri: str, shop: Listener, core: Core, settings: Settings, headers: dict[str, str], left: Look
) -> None:
    strict = replace(core, outbound=Outbound(OutboundSettings(), pad_s=0))
    images = [{"file_name": "a.png", "private_hires_uri": uri}]

    async with visiting(strict, settings) as client:
        response = await client.post("/v3/add_images", json={"images": images}, headers=headers)

    assert response.status_code == 400
    assert response.json()["ModelState"] == {"request.images[0].private_hires_uri": [REFUSED]}
    assert (shop.callers, await left()) == (0, [])


async def test_a_guid_that_is_taken_keeps_all_out(shop: Listener, v3: V3, left: Look) -> None:
    await v3("POST", "add_images", json=asked(shop, "/shirt.png", guid=GUID))
    before = await left()

    response = await v3("POST", "add_images", json=asked(shop, "/mug.jpg", guid=GUID))

    assert response.status_code == 400
    assert list(response.json()["ModelState"]) == ["request.images[0].guid"]
    assert await left() == before


async def test_a_full_store_keeps_all_out(shop: Listener, v3: V3, core: Core, left: Look) -> None:
    await accounts.set_quota(core, setup.ACCOUNT, len(FILES["/shirt.png"]) + 1)

    response = await v3("POST", "add_images", json=asked(shop, "/shirt.png", "/mug.jpg"))

    assert response.status_code == 400
    assert response.json()["status"]["message"] == "The disk space limit is exceeded"
    assert await left() == []


async def test_a_temporary_image_is_hosted_until_it_expires(shop: Listener, v3: V3) -> None:
    library = {"name": "temporary", "session_id": "0123456789"}

    (image,) = (await v3("POST", "add_images", json=asked(shop, "/mug.jpg") | {"library": library})).json()["images"]

    assert image["date_expires"] is not None
    assert image["private_hires_uri"].startswith("http://shop.test/")


async def test_nothing_is_fetched_unless_it_is_wanted(shop: Listener, core: Core, headers: dict[str, str]) -> None:
    plain = replace(core, libraries=FinerWorksSettings())

    async with visiting(plain, Settings()) as client:
        response = await client.post("/v3/add_images", json=asked(shop, "/shirt.png"), headers=headers)

    assert response.status_code == 200
    assert response.json()["images"][0]["private_hires_uri"].endswith(f":{shop.port}/shirt.png")
    assert shop.callers == 0


def new(shop: Listener) -> NewLibraryImage:
    files = Files(f"http://127.0.0.1:{shop.port}/shirt.png")
    return NewLibraryImage(
        guid=GUID, place=Place(), name="a.png", title="", description=None, created_at=1, files=files
    )


async def test_nothing_is_fetched_for_whoever_may_only_look(shop: Listener, core: Core, admin: Principal) -> None:
    viewer = Principal(admin.account_id, admin.user_id, "viewer", admin.scopes, 0)

    with pytest.raises(Forbidden):
        await ingest.add_images(core, viewer, [new(shop)])

    assert shop.callers == 0


async def test_too_many_at_once_are_told_to_come_back(
    shop: Listener, core: Core, settings: Settings, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbound, "FETCHES", 0)
    monkeypatch.setattr(outbound, "WAIT_S", 0.01)
    busy = replace(core, outbound=Outbound(settings.outbound))

    async with visiting(busy, settings) as client:
        response = await client.post("/v3/add_images", json=asked(shop, "/shirt.png"), headers=headers)

    assert (response.status_code, response.headers["retry-after"]) == (503, str(outbound.RETRY_S))


async def test_trouble_of_our_own_is_not_blamed_on_the_address(
    shop: Listener, core: Core, admin: Principal, tmp_path: Path
) -> None:
    (tmp_path / "data" / "staging").rename(tmp_path / "away")

    with pytest.raises(Unavailable, match="blob store"):
        await ingest.add_images(core, admin, [new(shop)])

    (tmp_path / "away").rename(tmp_path / "data" / "staging")
