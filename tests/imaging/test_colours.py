"""Renditions have the colours that were meant, in sRGB, and what is transparent stays so or shows the background."""

import io
import struct
import zlib
from typing import Any

import pytest
import pyvips  # type: ignore[import-untyped]
from PIL import Image, ImageChops, ImageCms

import pictures
import scenes
from packshot.imaging.examine import examine
from packshot.imaging.probe import probe
from rendered import Colour, apart, pixel, png, rendition

SWATCHES = ((200, 60, 40), (70, 150, 60), (40, 80, 190), (128, 128, 128), (245, 240, 230))


def swatches() -> Image.Image:
    image = Image.new("RGB", (100, 20))
    for number, colour in enumerate(SWATCHES):
        image.paste(colour, (20 * number, 0, 20 * number + 20, 20))
    return image


def converted(image: Image.Image, source: str, target: str, mode: str) -> Image.Image:
    """The picture in the numbers of another profile that mean the same colours, without a word about it."""
    first, second = (ImageCms.ImageCmsProfile(io.BytesIO(scenes.profile(name))) for name in (source, target))
    intent, flags = ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.BLACKPOINTCOMPENSATION
    other = ImageCms.profileToProfile(image, first, second, intent, mode, flags=flags)
    assert other is not None
    other.info.clear()
    return other


def worst_swatch(image: Image.Image, meant: Image.Image) -> int:
    return max(
        apart(pixel(image, 20 * number + 10, 10)[:3], pixel(meant, 20 * number + 10, 10))
        for number in range(len(SWATCHES))
    )


@pytest.mark.parametrize(
    ("name", "mode", "file_format", "allowed"),
    [
        ("p3", "RGB", "PNG", 2),
        ("p3", "RGB", "JPEG", 4),
        ("p3", "RGB", "WEBP", 8),
        ("p3", "RGB", "AVIF", 8),
        ("cmyk", "CMYK", "JPEG", 4),
        ("cmyk", "CMYK", "TIFF", 4),
    ],
)
def test_colours_of_a_profile_become_srgb(name: str, mode: str, file_format: str, allowed: int) -> None:
    stored = converted(swatches(), "srgb", name, mode)
    options: dict[str, dict[str, Any]] = {
        "JPEG": {"quality": 100, "subsampling": 0},
        "AVIF": {"quality": 100, "subsampling": "4:4:4"},
    }
    data = pictures.encoded(stored, file_format, icc_profile=scenes.profile(name), **options.get(file_format, {}))

    image = rendition(data, "100x.png")

    meant = swatches() if mode == "RGB" else converted(stored, name, "srgb", "RGB")
    assert worst_swatch(image, meant) <= allowed
    assert "icc_profile" not in image.info


def test_a_picture_that_says_it_is_srgb_keeps_its_numbers() -> None:
    named = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

    for profile in (scenes.profile("srgb"), named):
        assert worst_swatch(rendition(png(swatches(), icc_profile=profile), "100x.png"), swatches()) <= 1


@pytest.mark.parametrize("said", ["Display P3 Gamut with sRGB Transfer", "Linear sRGB", "sRGB wide"])
def test_a_profile_that_only_speaks_of_srgb_is_not_taken_for_it(said: str) -> None:
    data = png(converted(swatches(), "srgb", "p3", "RGB"), icc_profile=renamed(scenes.profile("p3"), said))

    assert found_name(data) == said
    assert worst_swatch(rendition(data, "100x.png"), swatches()) <= 2


def found_name(data: bytes) -> str | None:
    return examine(memoryview(data), probe(data), decode=False).profile


def renamed(profile: bytes, name: str) -> bytes:
    """The profile with another description, which is put behind its end."""
    text = name.encode("utf-16-be")
    body = b"mluc\0\0\0\0" + struct.pack(">II4sII", 1, 12, b"enUS", len(text), 28) + text
    body += bytes(-len(body) % 4)
    entry = profile.index(b"desc", 128)
    place = struct.pack(">4sII", b"desc", len(profile), len(body))
    return struct.pack(">I", len(profile) + len(body)) + profile[4:entry] + place + profile[entry + 12 :] + body


def test_numbers_of_a_wide_profile_would_be_other_colours_without_it() -> None:
    data = png(converted(swatches(), "srgb", "p3", "RGB"))

    assert worst_swatch(rendition(data, "100x.png"), swatches()) > 10


@pytest.mark.parametrize(
    "profile",
    [b"", b"\0", b"no profile at all", scenes.profile("cmyk"), scenes.profile("p3")[:200], bytes(100_000)],
    ids=["empty", "a byte", "text", "of other colours", "cut off", "zeros"],
)
@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP"])
def test_a_broken_profile_is_as_good_as_none(file_format: str, profile: bytes) -> None:
    options: dict[str, Any] = {"lossless": True} if file_format == "WEBP" else {}
    data = pictures.encoded(swatches(), file_format, icc_profile=profile, **options)

    assert worst_swatch(rendition(data, "100x.png"), swatches()) <= 6


@pytest.mark.parametrize(
    "profile", [None, b"no profile at all", scenes.profile("p3")], ids=["none", "broken", "of rgb"]
)
def test_cmyk_without_a_profile_has_the_colours_of_ordinary_inks(profile: bytes | None) -> None:
    inks = Image.new("CMYK", (80, 20))
    for number, ink in enumerate([(255, 0, 0, 0), (0, 255, 0, 0), (0, 0, 255, 0), (0, 0, 0, 255)]):
        inks.paste(ink, (20 * number, 0, 20 * number + 20, 20))

    image = rendition(pictures.encoded(inks, "JPEG", quality=100, icc_profile=profile), "80x.png")

    cyan, magenta, yellow, black = (pixel(image, 20 * number + 10, 10) for number in range(4))
    assert all(low < 60 for low in (cyan[0], magenta[1], yellow[2]))
    assert all(high > 110 for high in (*cyan[1:], magenta[0], magenta[2], *yellow[:2]))
    assert max(black) < 70


@pytest.mark.parametrize("mode", ["1", "L", "LA", "I;16", "P", "RGB", "RGBA"])
def test_every_kind_of_png_keeps_its_picture(mode: str) -> None:
    image = scenes.still_life()
    stored = (
        image.convert("L").convert("I").point(lambda value: value * 257).convert("I;16")
        if mode == "I;16"
        else image.convert(mode)
    )

    made = rendition(png(stored), "90x60.png")

    colours = mode in {"P", "RGB", "RGBA"}
    meant = image.resize((90, 60)) if colours else image.convert("L").convert("RGB").resize((90, 60))
    difference = ImageChops.difference(made.convert("RGB"), meant)
    assert sum(difference.convert("L").histogram()[40:]) < 90 * 60 * 0.03


def deep_png(colour: int, *pixels: tuple[int, ...]) -> bytes:
    """A PNG with 16 bits a channel, one row of pixels."""
    row = b"\0" + b"".join(value.to_bytes(2, "big") for one in pixels for value in one)
    return pictures.png_around(pictures.png_header(len(pixels), 1, 16, colour), row)


def test_sixteen_bits_become_eight_of_the_same_colour() -> None:
    opaque = deep_png(2, (65535, 32768, 0), (257 * 200, 257 * 100, 257 * 50))
    veiled = deep_png(6, (65535, 32768, 0, 65535), (257 * 200, 257 * 100, 257 * 50, 32768))

    assert [pixel(rendition(opaque, "2x.png"), x, 0) for x in (0, 1)] == [(255, 128, 0), (200, 100, 50)]
    seen, half_seen = (pixel(rendition(veiled, "2x.png"), x, 0) for x in (0, 1))
    assert seen == (255, 128, 0, 255)
    assert apart(half_seen, (200, 100, 50, 128)) <= 2


def test_sixteen_bits_with_a_profile_and_alpha_become_eight() -> None:
    row = b"\0" + b"".join(value.to_bytes(2, "big") for value in (65535, 0, 0, 65535, 65535, 0, 0, 32768))
    chunk = pictures.png_chunk(b"iCCP", b"p3\0\0" + zlib.compress(scenes.profile("p3")))
    data = pictures.png_around(pictures.png_header(2, 1, 16, 6), row, chunk)

    image = rendition(data, "2x.png")

    assert apart(pixel(image, 0, 0), (255, 0, 0, 255)) <= 2
    assert abs(pixel(image, 1, 0)[3] - 128) <= 1


# Alpha


@pytest.mark.parametrize("file_format", ["png", "webp", "avif"])
@pytest.mark.parametrize("fit", ["", "-cover"])
def test_what_is_transparent_stays_so_where_the_format_can(file_format: str, fit: str) -> None:
    image = rendition(png(scenes.cut_out()), f"150x100{fit}.{file_format}")

    assert image.mode == "RGBA"
    assert pixel(image, 2, 2)[3] == 0
    assert pixel(image, 75, 50)[3] == 255


@pytest.mark.parametrize("text", ["150x100.jpeg", "150x150-pad.png", "150x150-pad.webp", "150x150-pad.avif"])
def test_what_is_transparent_shows_the_background_elsewhere(text: str) -> None:
    image = rendition(png(scenes.cut_out()), text.replace(".", "-on3060c0."))

    assert image.mode == "RGB"
    assert apart(pixel(image, 2, image.height // 2), (0x30, 0x60, 0xC0)) <= 6


def test_the_hidden_colour_of_transparent_pixels_bleeds_nowhere() -> None:
    image = rendition(png(scenes.cut_out()), "150x100.png")

    seen = [pixel(image, x, y) for x in range(150) for y in range(100) if pixel(image, x, y)[3] > 40]
    assert max(green - red for red, green, _, _ in seen) < 0


@pytest.mark.parametrize("file_format", ["png", "jpeg"])
def test_channels_behind_alpha_are_left_out(file_format: str) -> None:
    layered = pyvips.Image.black(40, 20, bands=5).linear(1, [200, 100, 50, 255, 9])
    data = layered.cast("uchar").copy(interpretation="srgb").tiffsave_buffer()

    image = rendition(data, f"20x10.{file_format}")

    assert apart(pixel(image.convert("RGBA"), 5, 5), (200, 100, 50, 255)) <= 3


@pytest.mark.parametrize("colour", [(200, 30, 120), (255, 255, 255), (90, 91, 92)])
def test_a_soft_edge_becomes_neither_darker_nor_lighter(colour: Colour) -> None:
    edge = Image.new("RGBA", (1000, 8), colour)
    edge.putalpha(Image.linear_gradient("L").transpose(Image.Transpose.ROTATE_90).resize((1000, 8)))

    image = rendition(png(edge), "200x.png")

    row = [pixel(image, x, 0) for x in range(image.width) if pixel(image, x, 0)[3] > 64]
    for channel, meant in enumerate(colour):
        assert abs(sum(found[channel] for found in row) / len(row) - meant) < 0.5


def test_a_palette_with_transparency_keeps_it() -> None:
    image = Image.new("P", (20, 20), 1)
    image.putpalette([0, 255, 0, 200, 30, 30])
    image.paste(0, (0, 0, 10, 20))

    made = rendition(png(image, transparency=0), "20x20.png")

    assert pixel(made, 2, 2)[3] == 0
    assert pixel(made, 15, 15) == (200, 30, 30, 255)
