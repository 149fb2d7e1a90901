"""Renditions over HTTP: which address shows what to whom, and what everybody is told about it."""

import asyncio
import dataclasses
import hashlib
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest
import pytest_asyncio
from msgspec.structs import replace

import pictures
import scenes
from build import Shop, make_image, make_library_image, make_product, open_shop, visiting
from moments import original_of, path_of
from packshot.config import Settings
from packshot.domain.access import AccountState
from packshot.domain.catalogs import Property
from packshot.domain.images import ProductImage, public_path
from packshot.domain.libraries import Place
from packshot.domain.products import Kind
from packshot.domain.renditions import presets
from packshot.imaging.pool import WorkerSettings
from packshot.services import accounts, images, links, products, setup
from packshot.services import pictures as changes
from packshot.services.core import Core, DeliverySettings
from packshot.services.making import Making
from packshot.services.originals import Upload
from packshot.services.pictures import Change
from packshot.services.product_parts import File, NewValues, Parts
from packshot.storage import blob_rows, catalogs
from packshot.storage.database import Database
from rendered import Colour, apart, pixel

pytestmark = pytest.mark.asyncio(loop_scope="module")

SETTINGS = Settings(workers=WorkerSettings(count=2))
CHROME = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
PATIENCE_S = 20
WEBP = "image/webp,*/*;q=0.8"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def still_life(shop: Shop) -> ProductImage:
    return await hang(shop, pictures.encoded(scenes.still_life(), "JPEG", quality=90), "Still life.jpg")


async def hang(shop: Shop, data: bytes, name: str = "shirt.png") -> ProductImage:
    """A new image with that picture."""
    return await make_image(shop.core, shop.admin, await make_product(shop.core, shop.admin), data, name=name)


def fresh(seed: int) -> bytes:
    """A picture that nothing was made of yet."""
    image = scenes.corners(200, 100)
    image.putpixel((0, 0), (seed, 3, 7))
    return pictures.encoded(image, "PNG")


def path(image: ProductImage, rendition: str, version: str = "") -> str:
    return f"/i/{image.address[4:]}{version}/{rendition}/any name.jpg"


def signed(core: Core, image: ProductImage, spec: str, until_s: int = 0) -> str:
    return f"{path(image, spec)}?signature={links.sign(core, image.address[4:], spec, until_s)}"


async def get(
    client: httpx.AsyncClient, address: str, status: int = 200, accept: str = "*/*", **headers: str
) -> httpx.Response:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    response = await client.get(address, headers={"Accept": accept} | sent)
    assert response.status_code == status, response.text
    return response


async def size(client: httpx.AsyncClient, address: str) -> tuple[int, int]:
    return scenes.decoded((await get(client, address)).content).size


def sentence(response: httpx.Response) -> str:
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    said: dict[str, str] = response.json()
    return said["error_description"]


# Presets


@pytest.mark.parametrize(
    ("rendition", "size_px"),
    [
        ("thumbnail", (200, 133)),
        ("thumbnail@2x", (400, 267)),
        ("thumbnail@3x.webp", (600, 400)),
        ("card", (400, 267)),
        ("preview", (960, 640)),
        ("zoom", (960, 640)),
    ],
)
async def test_presets_are_for_everybody(
    shop: Shop, still_life: ProductImage, rendition: str, size_px: tuple[int, int]
) -> None:
    assert await size(shop.client, path(still_life, rendition)) == size_px


@pytest.mark.parametrize(
    ("ending", "media_type"),
    [
        ("", "image/jpeg"),
        (".jpg", "image/jpeg"),
        (".jpeg", "image/jpeg"),
        (".png", "image/png"),
        (".webp", "image/webp"),
    ],
)
async def test_an_ending_decides_the_format(shop: Shop, still_life: ProductImage, ending: str, media_type: str) -> None:
    response = await get(shop.client, path(still_life, f"card{ending}"))

    assert response.headers["content-type"] == media_type
    assert response.headers.get("vary") == ("Accept" if not ending else None)


async def test_the_file_name_is_for_people_only(shop: Shop, still_life: ProductImage) -> None:
    address = f"/i/{still_life.address[4:]}/card.jpeg"

    answers = [await get(shop.client, address + name) for name in ("", "/", "/a.gif", "/a/b/c", "/about.json", "/%00")]

    assert len({answer.content for answer in answers}) == 1


async def test_presets_come_from_the_settings_beside_and_in_the_place_of_ours(
    shop: Shop, still_life: ProductImage
) -> None:
    more = presets(["hero=600x200-cover-at0,50", "card=100x100-pad-on000000"])
    core = dataclasses.replace(shop.core, presets=more)
    async with visiting(core, SETTINGS) as client:
        names = ("hero", "hero@2x", "card", "thumbnail", "preview")
        sizes = [await size(client, path(still_life, name)) for name in names]

    assert sizes == [(600, 200), (1200, 400), (100, 100), (200, 133), (960, 640)]


@pytest.mark.parametrize(
    ("rendition", "why"),
    [
        ("zoom@2x", "The rendition has sides of 1 to 4096 pixels"),
        ("banner", "The rendition is none of the presets card, preview, thumbnail, zoom"),
        ("banner@2x.webp", "The rendition is none of the presets card, preview, thumbnail, zoom"),
        ("card@4x", "The rendition is no size like 400x300-cover, with or without a format"),
        ("card.gif", "The rendition is no size like 400x300-cover, with or without a format"),
        ("", "The rendition is no size like 400x300-cover, with or without a format"),
        ("100x100-cover-at50,50", "The rendition is called 100x100-cover"),
        ("100x100.jpg", "The rendition is called 100x100.jpeg"),
        ("100x100-q80.jpeg", "The rendition is called 100x100.jpeg"),
        ("100x100-q80", "The rendition is called 100x100"),
        ("5000x", "The rendition has sides of 1 to 4096 pixels"),
        ("300x-cover", "The rendition needs a width and a height; inside, one of them is enough"),
    ],
)
async def test_a_rendition_that_is_none_is_not_found_and_says_why(
    shop: Shop, still_life: ProductImage, rendition: str, why: str
) -> None:
    response = await get(shop.client, path(still_life, rendition), 404)

    assert sentence(response) == why


# Signed


@pytest.mark.parametrize("spec", ["300x", "300x.webp", "300x200-cover-at0,0-q40.jpeg", "x300"])
async def test_without_a_signature_it_says_how_to_get_one(shop: Shop, still_life: ProductImage, spec: str) -> None:
    response = await get(shop.client, path(still_life, spec), 403)

    assert "packshot image link" in sentence(response)


async def test_a_signed_spec_is_made_with_and_without_a_format(shop: Shop, still_life: ProductImage) -> None:
    free = await get(shop.client, signed(shop.core, still_life, "300x"), accept=WEBP)
    forced = await get(shop.client, signed(shop.core, still_life, "300x.png"), accept=WEBP)

    assert (free.headers["content-type"], free.headers["vary"]) == ("image/webp", "Accept")
    assert (forced.headers["content-type"], "vary" in forced.headers) == ("image/png", False)
    assert scenes.decoded(free.content).size == scenes.decoded(forced.content).size == (300, 200)


async def test_a_signature_is_checked_before_anything_is_looked_up(shop: Shop, still_life: ProductImage) -> None:
    asked: list[str] = []
    core = dataclasses.replace(shop.core, db=Listened(shop.core.db, asked))
    good = signed(core, still_life, "300x")
    await get(shop.client, good)  # what decoding finds is written down
    async with visiting(core, SETTINGS) as client:
        for bad in (good[:-1], good.replace("300x", "301x"), path(still_life, "300x")):
            await get(client, bad, 403)
        before = len(asked)
        await get(client, good)

    assert before == 0
    assert len(asked) == 1


class Listened:
    """A database, and what it was asked."""

    def __init__(self, inside: Database, asked: list[str]) -> None:
        self._inside, self._asked = inside, asked

    def __getattr__(self, name: str) -> Any:
        self._asked.append(name)
        return getattr(self._inside, name)


async def test_a_link_ends_with_its_time_and_no_cache_keeps_it_longer(shop: Shop, still_life: ProductImage) -> None:
    address = signed(shop.core, still_life, "310x.jpeg", int(shop.clock()) + 100)
    eternal = await get(shop.client, signed(shop.core, still_life, "310x.jpeg"))
    lasting = await get(shop.client, signed(shop.core, still_life, "310x.jpeg", int(shop.clock()) + 10**6))
    first = await get(shop.client, address)
    shop.clock.advance(99)
    last = await get(shop.client, address)
    shop.clock.advance(2)
    late = await get(shop.client, address, 403)

    assert eternal.headers["cache-control"] == lasting.headers["cache-control"] == "public, max-age=86400"
    assert first.headers["cache-control"] == "public, max-age=100"
    assert last.headers["cache-control"] == "public, max-age=1"
    assert late.json()["error"] == "expired_token"
    assert late.headers["cache-control"] == "no-store"


async def test_a_link_dies_with_its_image(shop: Shop) -> None:
    image = await hang(shop, fresh(1))
    address = signed(shop.core, image, "50x.png")
    await get(shop.client, address)

    await images.remove_from_product(shop.core, shop.admin, image.product_id, image.id)

    await get(shop.client, address, 404)


# Focal point and version


async def test_cover_keeps_the_focal_point_of_the_image_in_view_unless_the_spec_has_its_own(shop: Shop) -> None:
    image = await hang(shop, fresh(2))
    core = dataclasses.replace(shop.core, presets=presets(["square=40x40-cover", "left=40x40-cover-at0,50"]))
    async with visiting(core, SETTINGS) as client:
        middle = await get(client, path(image, "square.png"))
        await changes.change(core, shop.admin, [Change(image.guid, focus=(1.0, 0.5))])
        right = await get(client, path(image, "square.png", "-2"))
        left = await get(client, path(image, "left.png", "-2"))

    seen = [[colour_at(answer.content, x) for x in (4, 35)] for answer in (middle, right, left)]
    assert seen == [[scenes.RED, scenes.GREEN], [scenes.GREEN] * 2, [scenes.RED] * 2]


def colour_at(data: bytes, x: int) -> Colour:
    found = pixel(scenes.decoded(data).convert("RGB"), x, 8)
    return min((scenes.RED, scenes.GREEN), key=lambda colour: apart(colour, found))


async def test_an_older_address_shows_the_newest_and_a_newer_one_nothing(shop: Shop) -> None:
    image = await hang(shop, fresh(3))
    core = dataclasses.replace(shop.core, presets=presets(["square=40x40-cover"]))
    link = signed(core, image, "60x30-cover.png")
    async with visiting(core, SETTINGS) as client:
        old_link = await get(client, link)
        await get(client, path(image, "square.png", "-2"), 404)
        await changes.change(core, shop.admin, [Change(image.guid, focus=(0.0, 0.5))])
        newest = await get(client, path(image, "square.png", "-2"))
        older = await get(client, path(image, "square.png"))
        new_link = await get(client, link)
        for version in ("-3", "-1", "-02", "-0", "-", "-x"):
            await get(client, path(image, "square.png", version), 404)

    assert older.content == newest.content
    assert old_link.status_code == new_link.status_code == 200


# Headers


async def test_everybody_is_told_what_it_is(shop: Shop, still_life: ProductImage) -> None:
    response = await get(shop.client, path(still_life, "card.webp"))

    digest = hashlib.sha256(response.content)
    headers = response.headers
    assert headers["etag"] == f'"{digest.hexdigest()}"'
    assert headers["repr-digest"] == f"sha-256=:{b64encode(digest.digest()).decode()}:"
    assert headers["content-disposition"] == 'inline; filename="Still life.webp"'
    assert headers["content-length"] == str(len(response.content))
    assert headers["cache-control"] == "public, max-age=86400"
    assert headers["access-control-allow-origin"] == "*"
    assert headers["cross-origin-resource-policy"] == "cross-origin"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert headers["accept-ranges"] == "bytes"
    assert "set-cookie" not in headers


async def test_head_and_ranges_and_conditions_are_those_of_the_bytes(shop: Shop, still_life: ProductImage) -> None:
    address = path(still_life, "card")
    whole = await get(shop.client, address, accept=WEBP)

    head = await shop.client.head(address, headers={"Accept": WEBP})
    part = await get(shop.client, address, 206, accept=WEBP, Range="bytes=10-19")
    same = await get(shop.client, address, 304, accept=WEBP, If_None_Match=whole.headers["etag"])
    other = await get(shop.client, address, accept="image/jpeg", If_None_Match=whole.headers["etag"])

    assert (head.status_code, head.content) == (200, b"")
    assert {name: value for name, value in head.headers.items() if name != "x-request-id"} == {
        name: value for name, value in whole.headers.items() if name != "x-request-id"
    }
    assert part.content == whole.content[10:20]
    assert part.headers["content-range"] == f"bytes 10-19/{len(whole.content)}"
    assert same.content == b""
    assert {same.headers["vary"], part.headers["vary"], whole.headers["vary"]} == {"Accept"}
    assert other.headers["etag"] != whole.headers["etag"]


async def test_what_will_be_avif_soon_is_kept_for_a_minute(shop: Shop) -> None:
    core = dataclasses.replace(
        shop.core, making=Making(), delivery=DeliverySettings(max_age_s=31_536_000, immutable=True)
    )
    image = await hang(shop, fresh(4))
    async with visiting(core, SETTINGS) as client:
        soon = await gathered(client, [path(image, name) for name in ("card", "card.avif")], accept=CHROME)
        async with asyncio.timeout(PATIENCE_S):
            while core.making.waiting:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
        ready = [await get(client, path(image, name), accept=CHROME) for name in ("card", "card.avif")]

    assert [answer.headers["content-type"] for answer in soon + ready] == ["image/webp"] * 2 + ["image/avif"] * 2
    assert {answer.headers["cache-control"] for answer in soon} == {"public, max-age=60"}
    assert {answer.headers["cache-control"] for answer in ready} == {"public, max-age=31536000, immutable"}
    assert [answer.headers.get("vary") for answer in soon + ready] == ["Accept", "Accept", "Accept", None]
    assert ready[0].headers["content-disposition"] == 'inline; filename="shirt.avif"'


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_renditions_are_only_read(shop: Shop, still_life: ProductImage, method: str) -> None:
    response = await shop.client.request(method, path(still_life, "card"))

    assert response.status_code == 405


# What there is of which image


async def test_a_deleted_image_is_gone_at_once_although_its_renditions_were_kept(shop: Shop) -> None:
    image, other = [await hang(shop, fresh(5)) for _ in range(2)]
    for one in (image, other):
        await get(shop.client, path(one, "card"))

    await images.remove_from_product(shop.core, shop.admin, image.product_id, image.id)

    assert sentence(await get(shop.client, path(image, "card"), 404)) == "Image not found"
    await get(shop.client, path(other, "card"))


async def test_a_temporary_image_is_gone_with_its_time(shop: Shop) -> None:
    image = await make_library_image(shop.core, shop.admin, fresh(6), Place("temporary", "session 1"))
    address = f"/i/{str(image.address)[4:]}/card/x"
    await get(shop.client, address)

    shop.clock.advance(shop.core.libraries.temporary_s)

    await get(shop.client, address, 404)


async def test_pictures_of_an_account_that_is_stopped_are_gone_until_it_is_open_again(shop: Shop) -> None:
    image = await hang(shop, fresh(60))
    original = public_path(image.address, image.name)
    about = f"/i/{image.address[4:]}/about.json"
    addresses = [path(image, "card"), about, signed(shop.core, image, "30x20"), original]

    seen = []
    for state in (*get_args(AccountState), "normal"):
        await accounts.set_state(shop.core, setup.ACCOUNT, state)
        seen.append({(await shop.client.get(address)).status_code for address in addresses})

    assert seen == [{200}, {404}, {404}, {404}, {200}]


async def test_a_file_of_a_property_has_renditions_too(shop: Shop) -> None:
    core, caller, data = shop.core, shop.admin, fresh(7)
    declared = Property("MANUAL", "Manual", "F", multiple=False)
    number = await core.db.write(lambda tx: catalogs.add_property(tx, caller.account_id, 1, declared, core.now()))
    values = NewValues((File(Upload("manual.png", len(data), lambda: data)),), multiple=False)
    product = await products.add(
        core, caller, Kind.SIMPLE, {"catalog_id": 1, "name": "Shirt"}, Parts(properties={number: values})
    )
    (value,) = product.values
    assert value.image

    await get(shop.client, path(value.image, "card"))


@pytest.mark.parametrize("key", ["", "x", "a" * 31, "A" * 32, "a" * 32, "abc/" + "a" * 32, "..", "%2e%2e"])
async def test_an_unknown_key_is_not_found(shop: Shop, key: str) -> None:
    await get(shop.client, f"/i/{key}/card/x.jpg", 404)


# What cannot be made


@pytest.mark.parametrize("change", ["gone", "cut", "empty", "known to be lost"])
async def test_an_original_that_is_lost_is_unavailable(shop: Shop, change: str) -> None:
    image = await hang(shop, fresh(10 + len(change)))
    original = await original_of(shop.core, shop.admin.account_id, image.id)
    file = path_of(shop.core, original.key)
    if change == "gone":
        file.unlink()
    elif change == "known to be lost":
        rows = await shop.core.db.all("SELECT id FROM blob WHERE key = ?1", original.key)
        await shop.core.db.write(lambda tx: blob_rows.mark_corrupt(tx, rows[0][0]))
    else:
        whole = file.read_bytes()
        file.unlink()
        file.write_bytes(b"" if change == "empty" else whole[:60])

    response = await get(shop.client, path(image, "card"), 503)

    assert response.headers["retry-after"] == "1"
    assert sentence(response).endswith(" is not available")


async def test_an_original_that_cannot_be_decoded_says_so(shop: Shop) -> None:
    whole = pictures.encoded(scenes.still_life(), "PNG")
    image = await hang(shop, whole[: len(whole) // 2])

    for name in ("card", "card.webp", "about.json"):
        response = await get(shop.client, path(image, name).replace("about.json/any name.jpg", "about.json"), 422)
        assert response.json()["error"] == "UNDECODABLE_IMAGE"
        assert response.headers["cache-control"] == "no-store"


async def test_when_there_is_too_much_to_do_it_says_when_to_come_again(tmp_path: Path) -> None:
    settings = replace(SETTINGS, workers=WorkerSettings(count=1, queue=0, wait_s=0))
    async with open_shop(tmp_path / "data", settings) as small:
        busy = [await hang(small, pictures.encoded(scenes.still_life(1800, 1200 + side), "PNG")) for side in range(3)]
        await small.core.workers.start()
        answers = await gathered(small.client, [path(image, "preview.webp") for image in busy])

    statuses = sorted(answer.status_code for answer in answers)
    assert statuses[0] == 200
    assert statuses[-1] == 503
    assert {answer.headers["retry-after"] for answer in answers if answer.status_code == 503} == {"2"}


async def gathered(client: httpx.AsyncClient, addresses: list[str], accept: str = "*/*") -> list[httpx.Response]:
    return await asyncio.gather(*(client.get(address, headers={"Accept": accept}) for address in addresses))


async def test_a_lost_worker_is_no_fault_of_the_picture(tmp_path: Path) -> None:
    async with open_shop(tmp_path / "data", SETTINGS) as small:
        image = await hang(small, fresh(30))
        await small.core.workers.close()

        response = await get(small.client, path(image, "card"), 503)

    assert response.headers["retry-after"] == "1"
    assert sentence(response) == "The image worker is not available"


# About a picture


async def test_everybody_who_knows_the_key_is_told_about_the_picture(shop: Shop) -> None:
    image = await hang(shop, scenes.lying(scenes.corners(480, 320), 8, "PNG"), "Ecken, bunt.png")
    key = image.address[4:]

    response = await get(shop.client, f"/i/{key}/about.json")

    said = response.json()
    base = f"http://shop.test/i/{key}"
    assert (said["width"], said["height"], said["media_type"], said["frames"]) == (480, 320, "image/png", 1)
    assert (said["has_alpha"], said["version"], said["focus"]) == (False, 1, {"x": 0.5, "y": 0.5})
    assert said["dominant_colour"].startswith("#")
    assert 5 <= len(b64decode(said["thumbhash"])) <= 25
    assert said["renditions"]["card"] == {"url": f"{base}/card/Ecken%2C%20bunt.png", "width": 400, "height": 267}
    widths = {"thumbnail": 200, "card": 400, "preview": 480}
    assert said["srcset"].split(", ") == [
        f"{base}/{name}/Ecken%2C%20bunt.png {width}w" for name, width in widths.items()
    ]
    assert response.headers["cache-control"] == "public, max-age=60"
    assert response.headers["access-control-allow-origin"] == "*"


async def test_every_address_that_is_told_shows_what_it_says(shop: Shop, still_life: ProductImage) -> None:
    said = (await get(shop.client, f"/i/{still_life.address[4:]}/about.json")).json()

    for shown in said["renditions"].values():
        assert await size(shop.client, shown["url"]) == (shown["width"], shown["height"])
    for candidate in said["srcset"].split(", "):
        address, width = candidate.split(" ")
        assert (await size(shop.client, address))[0] == int(width.removesuffix("w"))


async def test_addresses_name_the_host_of_pictures_where_there_is_one(shop: Shop, still_life: ProductImage) -> None:
    core = dataclasses.replace(shop.core, delivery=DeliverySettings("https://img.example"))
    async with visiting(core, SETTINGS) as client:
        said = (await get(client, f"/i/{still_life.address[4:]}/about.json")).json()

    assert said["renditions"]["card"]["url"].startswith("https://img.example/i/")
    assert said["srcset"].startswith("https://img.example/i/")


@pytest.mark.parametrize("key", ["x", "a" * 32])
async def test_about_an_unknown_key_there_is_nothing_to_say(shop: Shop, key: str) -> None:
    await get(shop.client, f"/i/{key}/about.json", 404)
