"""What everybody sees of an original tells no place, by an independent reader; whoever downloads it gets every byte."""

import asyncio
import dataclasses
import hashlib
import io
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import pytest_asyncio
from PIL import ExifTags, Image

import located
import pictures
import tags
from build import Shop, make_image, make_product, visiting
from packshot.config import Settings
from packshot.delivery.sending import INLINE_BYTES
from packshot.domain.images import ProductImage, public_path
from packshot.domain.originals import Privacy
from packshot.imaging.jobs import Strip
from packshot.imaging.pool import Workers, WorkerSettings
from packshot.imaging.probe import probe
from packshot.imaging.process import Made
from packshot.services import pictures as services
from packshot.services.core import Core, OriginalSettings
from packshot.services.making import Making

pytestmark = pytest.mark.asyncio(loop_scope="module")

SETTINGS = Settings(workers=WorkerSettings(count=2))
LOCATED = {name: picture.data for name, picture in located.located_pictures().items()}
ALL = LOCATED | located.others()
STRICT: list[Privacy] = ["strip_location", "strip_all"]


class Gallery(NamedTuple):
    """A shop that shows originals by a setting, and a client at its door."""

    core: Core
    client: httpx.AsyncClient
    shop: Shop


@pytest_asyncio.fixture(loop_scope="module")
async def by(shop: Shop) -> AsyncIterator[Callable[..., Awaitable[Gallery]]]:
    """`await by(privacy)` is the same shop with another setting."""
    open_ones = []

    async def gallery(privacy: Privacy = "strip_location", workers: Any = None) -> Gallery:
        core = dataclasses.replace(
            shop.core, originals=OriginalSettings(privacy), workers=workers or shop.core.workers, making=Making()
        )
        visit = visiting(core, SETTINGS)
        open_ones.append(visit)
        return Gallery(core, await visit.__aenter__(), shop)

    yield gallery
    for visit in open_ones:
        await visit.__aexit__(None, None, None)


async def hang(shop: Shop, data: bytes, name: str = "shirt.jpg") -> ProductImage:
    """A new image with these bytes."""
    return await make_image(shop.core, shop.admin, await make_product(shop.core, shop.admin), data, name=name)


async def seen(gallery: Gallery, image: ProductImage, **headers: str) -> httpx.Response:
    """What everybody gets."""
    return await gallery.client.get(public_path(image.address, image.name), headers=headers)


async def downloaded(gallery: Gallery, image: ProductImage) -> httpx.Response:
    """What whoever may call the API gets."""
    seed = gallery.shop.seed
    call = f"/rest/{seed.user_id}/{seed.webhook_code}/catalog.productImage.get"
    answer = await gallery.client.post(call, json={"productId": image.product_id, "id": image.id})
    return await gallery.client.get(answer.json()["result"]["productImage"]["downloadUrl"])


def decoded(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        return image


# Nothing private


@pytest.mark.needs("exiftool")
@pytest.mark.parametrize("privacy", STRICT)
async def test_no_place_is_found_at_the_public_address_and_every_byte_behind_the_link(
    by: Callable[..., Awaitable[Gallery]], shop: Shop, tmp_path: Path, privacy: Privacy
) -> None:
    gallery, shown = await by(privacy), {}
    for name, data in ALL.items():
        image = await hang(shop, data)
        response = await seen(gallery, image)
        assert response.status_code == 200, f"{name}: {response.text}"
        shown[name] = response.content
        assert (await downloaded(gallery, image)).content == data, name

    found = await asyncio.to_thread(located.told, shown, tmp_path)

    assert {name: located.tells(found[name]) for name in ALL} == {name: [] for name in ALL}
    assert not any(word in data for data in shown.values() for word in (tags.MARKER, tags.SERIAL))


@pytest.mark.needs("exiftool")
async def test_places_are_found_where_originals_are_shown_as_they_are(
    by: Callable[..., Awaitable[Gallery]], shop: Shop, tmp_path: Path
) -> None:
    names = ["jpeg place and thumbnail", "jpeg second EXIF", "png EXIF", "png raw profile of EXIF", "webp EXIF", "tiff"]
    gallery = await by("keep")

    shown = {name: (await seen(gallery, await hang(shop, ALL[name]))).content for name in names}
    found = await asyncio.to_thread(located.told, shown, tmp_path)

    assert shown == {name: ALL[name] for name in names}
    assert all(located.tells(found[name]) for name in names)


@pytest.mark.parametrize("privacy", STRICT)
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
async def test_profile_and_orientation_stay(
    by: Callable[..., Awaitable[Gallery]], shop: Shop, file_format: str, privacy: Privacy
) -> None:
    said = Image.Exif()
    said.load(b"Exif\0\0" + tags.exif())
    data = pictures.encoded(located.noise(), file_format, exif=said, icc_profile=located.profile())

    copy = decoded((await seen(await by(privacy), await hang(shop, data))).content)

    assert copy.getexif().get(ExifTags.Base.Orientation) == tags.ORIENTATION
    assert copy.info["icc_profile"] == located.profile()


async def test_the_author_stays_unless_all_shall_go(by: Callable[..., Awaitable[Gallery]], shop: Shop) -> None:
    image = await hang(shop, LOCATED["jpeg place and thumbnail"])

    some, nothing = [(await seen(await by(privacy), image)).content for privacy in STRICT]

    assert tags.AUTHOR in some
    assert tags.AUTHOR not in nothing


async def test_what_does_not_change_is_the_original_and_is_not_kept_twice(
    by: Callable[..., Awaitable[Gallery]], shop: Shop
) -> None:
    gallery, data = await by(), located.bare_pictures()["jpeg"]
    image = await hang(shop, data + b"")
    before = gallery.core.renditions.held_bytes

    response = await seen(gallery, image)

    assert response.content == data
    assert gallery.core.renditions.held_bytes - before < len(data)


# As bytes


async def test_name_type_and_digest_are_those_of_the_copy(by: Callable[..., Awaitable[Gallery]], shop: Shop) -> None:
    gallery = await by()
    for name, file_name, media_type in (
        ("jpeg place and thumbnail", "shirt.jpg", "image/jpeg"),
        ("tiff", "shirt.jpeg", "image/jpeg"),
        ("tiff alpha", "shirt.png", "image/png"),
        ("avif alpha", "shirt.webp", "image/webp"),
        ("bmp", "shirt.png", "image/png"),
    ):
        response = await seen(gallery, await hang(shop, ALL[name]))

        assert response.headers["content-disposition"] == f'inline; filename="{file_name}"', name
        assert response.headers["content-type"] == probe(response.content).media_type == media_type
        assert response.headers["etag"] == f'"{hashlib.sha256(response.content).hexdigest()}"'


async def test_ranges_and_validators_are_those_of_the_copy(by: Callable[..., Awaitable[Gallery]], shop: Shop) -> None:
    gallery, image = await by(), await hang(shop, LOCATED["jpeg place and thumbnail"])
    whole = await seen(gallery, image)

    part = await seen(gallery, image, range="bytes=10-99")
    same = await seen(gallery, image, **{"if-none-match": whole.headers["etag"]})
    original = f'"{hashlib.sha256(LOCATED["jpeg place and thumbnail"]).hexdigest()}"'
    other = await seen(gallery, image, **{"if-none-match": original})

    assert (part.status_code, part.content) == (206, whole.content[10:100])
    assert part.headers["content-range"] == f"bytes 10-99/{len(whole.content)}"
    assert (same.status_code, other.status_code) == (304, 200)


async def test_a_large_copy_is_sent_whole_and_in_parts(by: Callable[..., Awaitable[Gallery]], shop: Shop) -> None:
    noise = Image.frombytes("RGB", (1_200, 1_000), random.Random(1).randbytes(3 * 1_200 * 1_000))
    data = pictures.encoded(noise, "JPEG", quality=100)
    assert len(data) > 2 * INLINE_BYTES
    gallery, image = await by(), await hang(shop, data[:20] + pictures.jpeg_segment(0xFE, tags.MARKER) + data[20:])

    assert (await seen(gallery, image)).content == data
    assert (await seen(gallery, image, range="bytes=1000-1999999")).content == data[1_000:2_000_000]


# By which setting


async def test_another_setting_shows_another_copy(by: Callable[..., Awaitable[Gallery]], shop: Shop) -> None:
    image = await hang(shop, LOCATED["jpeg place and thumbnail"])

    tags_of = [(await seen(await by(privacy), image)).headers["etag"] for privacy in (*STRICT, "keep", *STRICT)]

    assert len(set(tags_of)) == 3
    assert tags_of[:2] == tags_of[3:]


async def test_the_privacy_of_the_image_itself_wins(by: Callable[..., Awaitable[Gallery]], shop: Shop) -> None:
    data = LOCATED["jpeg place and thumbnail"]
    image, careful, careless = await hang(shop, data), await by("strip_all"), await by("keep")
    strictest = (await seen(careful, image)).content

    await services.change(shop.core, shop.admin, [services.Change(image.guid, privacy="keep")])
    open_one = (await seen(careful, image)).content
    await services.change(shop.core, shop.admin, [services.Change(image.guid, privacy="strip_all")])
    closed_one = (await seen(careless, image)).content

    assert data == open_one
    assert closed_one == strictest != data


# Made once, or not at all


class Counted:
    """The workers, and how many copies they were asked for."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self.asked = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._workers, name)

    async def strip(self, job: Strip, source: int, digest: str) -> Made:
        self.asked += 1
        return await self._workers.strip(job, source, digest)


async def test_however_many_ask_a_copy_is_made_once(by: Callable[..., Awaitable[Gallery]], shop: Shop) -> None:
    workers = Counted(shop.core.workers)
    gallery, image = await by(workers=workers), await hang(shop, pictures.encoded(located.noise(seed=9), "TIFF"))

    answers = await asyncio.gather(*(seen(gallery, image) for _ in range(50)))
    again = await seen(await by(workers=workers), image)

    assert {answer.content for answer in [*answers, again]} == {again.content}
    assert workers.asked == 1


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (pictures.encoded(located.noise(), "JPEG", icc_profile=located.profile() + tags.XMP), "location"),
        (pictures.encoded(located.noise(), "TIFF")[:-500], "damaged"),
        (pictures.encoded(located.noise(), "JPEG")[:-2] + tags.XMP, "location"),
    ],
    ids=["a place in the profile", "damaged", "a place in the pixels"],
)
async def test_where_no_copy_can_be_made_nothing_is_shown_and_its_owner_told_what_to_do(
    by: Callable[..., Awaitable[Gallery]], shop: Shop, data: bytes, why: str
) -> None:
    gallery, image = await by(), await hang(shop, data)

    refusals = [await seen(gallery, image) for _ in range(2)]
    kept = await downloaded(gallery, image)
    await services.change(shop.core, shop.admin, [services.Change(image.guid, privacy="keep")])
    shown = await seen(gallery, image)

    for refusal in refusals:
        assert refusal.status_code == 422
        assert why in refusal.json()["error_description"]
        assert "keep" in refusal.json()["error_description"]
        assert refusal.headers["cache-control"] == "no-store"
    assert kept.content == shown.content == data
