"""What comes out at the address of a rendition looks like what went in, in every format and however it was stored."""

import asyncio
import json
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import pyvips  # type: ignore[import-untyped]
from PIL import Image

import pictures
import scenes
from build import Shop, make_image, make_product
from packshot.config import Settings
from packshot.domain.renditions import MEDIA_TYPES, PRESETS
from packshot.imaging.examine import phash
from packshot.imaging.hashes import distance
from packshot.imaging.pool import WorkerSettings
from rendered import apart, pixel, png

pytestmark = pytest.mark.asyncio(loop_scope="module")

SETTINGS = Settings(workers=WorkerSettings(count=2))
ALLOWED_DISTANCE = 4
PATIENCE_S = 20
EXPECTED = json.loads((Path(__file__).parent.parent / "imaging" / "expected" / "renditions.json").read_text())
UPRIGHT, PRINTED = (int(EXPECTED[f"{name} 400x400.jpeg"], 16) for name in ("photo.jpeg", "cmyk.jpeg"))
"""The stored hashes of the still life, and of what becomes of it in inks that nothing is said about."""


async def shown(shop: Shop, data: bytes, *renditions: str) -> dict[str, Image.Image]:
    """What there is at these addresses of a new image, read by Pillow; where it is AVIF, as soon as that is ready."""
    product_id = await make_product(shop.core, shop.admin)
    image = await make_image(shop.core, shop.admin, product_id, data)
    return {name: await _shown(shop, f"/i/{image.address[4:]}/{name}/x") for name in renditions}


async def _shown(shop: Shop, address: str) -> Image.Image:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            response = await shop.client.get(address)
            assert response.status_code == 200, response.text
            if response.headers["cache-control"] != "public, max-age=60":
                return scenes.decoded(response.content)
            await asyncio.sleep(0.02)


def look(image: Image.Image) -> int:
    """Its perceptual hash."""
    return phash(pyvips.Image.new_from_buffer(png(image), ""))


async def test_every_preset_in_every_format_looks_like_the_original(shop: Shop) -> None:
    names = {f"{preset}.{form}": (preset, form) for preset in PRESETS for form in MEDIA_TYPES}
    longest = {"thumbnail": 200, "card": 400, "preview": 960, "zoom": 960}

    found = await shown(shop, pictures.encoded(scenes.still_life(), "JPEG", quality=90), *names)

    for name, (preset, form) in names.items():
        image = found[name]
        assert Image.MIME[str(image.format)] == MEDIA_TYPES[form]
        assert image.size == (longest[preset], round(longest[preset] * 2 / 3)), name
        assert distance(look(image), UPRIGHT) <= ALLOWED_DISTANCE, name


@pytest.mark.parametrize("orientation", range(1, 9))
async def test_every_orientation_is_shown_upright(shop: Shop, orientation: int) -> None:
    names = [f"card.{form}" for form in MEDIA_TYPES]

    found = await shown(shop, scenes.lying(scenes.still_life(), orientation, quality=90), *names)

    for name, image in found.items():
        assert image.size == (400, 267), name
        assert distance(look(image), UPRIGHT) <= ALLOWED_DISTANCE, name


def in_sixteen_bits() -> bytes:
    image = pyvips.Image.new_from_buffer(png(scenes.still_life()), "")
    return bytes((image.cast("ushort") * 257).cast("ushort").copy(interpretation="rgb16").pngsave_buffer())


def with_broken_profile() -> bytes:
    return pictures.encoded(scenes.still_life(), "JPEG", quality=90, icc_profile=b"no profile" * 50)


def with_profile_that_is_cut() -> bytes:
    whole = png(scenes.still_life(), icc_profile=scenes.profile("p3"))
    start = whole.index(b"iCCP") - 4
    end = start + 12 + int.from_bytes(whole[start : start + 4])
    cut = pictures.png_chunk(b"iCCP", b"cut\0\0" + zlib.compress(scenes.profile("p3")[:200]))
    return whole[:start] + cut + whole[end:]


def in_cmyk_with_profile() -> bytes:
    image = pyvips.Image.new_from_buffer(png(scenes.still_life()), "").icc_export(output_profile="cmyk")
    return bytes(image.jpegsave_buffer(Q=95))


STORED: dict[str, Callable[[], bytes]] = {
    "cmyk": lambda: pictures.encoded(scenes.still_life().convert("CMYK"), "JPEG", quality=90),
    "cmyk with its profile": in_cmyk_with_profile,
    "16 bits": in_sixteen_bits,
    "broken profile": with_broken_profile,
    "profile that is cut": with_profile_that_is_cut,
    "gif": lambda: pictures.encoded(scenes.still_life(), "GIF"),
    "webp": lambda: pictures.encoded(scenes.still_life(), "WEBP", quality=95),
    "avif": lambda: pictures.encoded(scenes.still_life(), "AVIF", speed=10),
    "tiff": lambda: pictures.encoded(scenes.still_life(), "TIFF"),
    "bmp": lambda: pictures.encoded(scenes.still_life(), "BMP"),
}


@pytest.mark.parametrize("kind", STORED)
async def test_however_it_is_stored_it_has_the_same_look_and_colours(shop: Shop, kind: str) -> None:
    bottle, wall = (81, 104), (25, 12)
    drawn = scenes.still_life(400, 267)

    found = await shown(shop, STORED[kind](), *(f"card.{form}" for form in MEDIA_TYPES))

    for name, image in found.items():
        assert (image.size, image.mode) == ((400, 267), "RGB"), name
        assert distance(look(image), PRINTED if kind == "cmyk" else UPRIGHT) <= ALLOWED_DISTANCE, name
        for place in (bottle, wall):
            # Inks cannot show every colour, and 256 of them not all.
            assert apart(pixel(image, *place), pixel(drawn, *place)) <= (48 if kind == "cmyk" else 24), (name, place)


async def test_what_is_transparent_stays_so_where_the_format_can_and_is_white_elsewhere(shop: Shop) -> None:
    found = await shown(shop, png(scenes.cut_out()), *(f"card.{form}" for form in MEDIA_TYPES))

    for name, image in found.items():
        corner, ball = pixel(image.convert("RGBA"), 3, 3), pixel(image.convert("RGBA"), 200, 130)
        assert apart(ball, (200, 40, 60, 255)) < 16, name
        assert corner[3] == 0 if name != "card.jpeg" else apart(corner, (255, 255, 255, 255)) < 4, name
    on_white = {name: look(flattened(image)) for name, image in found.items()}
    assert max(distance(one, on_white["card.png"]) for one in on_white.values()) <= ALLOWED_DISTANCE


async def test_who_names_no_format_gets_png_of_what_is_transparent(shop: Shop) -> None:
    found = await shown(shop, png(scenes.cut_out(500, 400)), "card")

    assert found["card"].format == "PNG"


def flattened(image: Image.Image) -> Image.Image:
    white = Image.new("RGBA", image.size, (255, 255, 255, 255))
    white.alpha_composite(image.convert("RGBA"))
    return white.convert("RGB")


async def test_another_part_of_the_picture_would_not_pass_for_it() -> None:
    part = scenes.still_life().crop((0, 0, 480, 640)).resize((960, 640))

    assert distance(look(part), UPRIGHT) > 3 * ALLOWED_DISTANCE
    assert distance(look(scenes.still_life().transpose(Image.Transpose.ROTATE_180)), UPRIGHT) > 3 * ALLOWED_DISTANCE
