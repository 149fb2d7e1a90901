"""Renditions: upright, of the right size, part and colours, and with nothing of what the original said beside."""

import json
import math
import pathlib
from typing import Any

import pytest
import pyvips  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, PngImagePlugin

import pictures
import scenes
from packshot.domain.errors import ImageTooLarge, UnacceptableImage, UndecodableImage
from packshot.domain.originals import Header
from packshot.domain.renditions import MEDIA_TYPES, RenditionSpec, parse_key
from packshot.imaging.examine import phash
from packshot.imaging.hashes import distance
from packshot.imaging.probe import probe
from packshot.imaging.render import render
from packshot.imaging.steps import planned
from rendered import Colour, apart, pixel, png, rendition

EXPECTED = json.loads((pathlib.Path(__file__).parent / "expected" / "renditions.json").read_text())
ALLOWED_DISTANCE = 4


def corner_colours(image: Image.Image) -> list[Colour]:
    """At the top left, top right, bottom left and bottom right."""
    right, bottom = image.width - 1, image.height - 1
    inset_x, inset_y = image.width // 10, image.height // 10
    return [
        pixel(image, x, y)
        for x, y in (
            (inset_x, inset_y),
            (right - inset_x, inset_y),
            (inset_x, bottom - inset_y),
            (right - inset_x, bottom - inset_y),
        )
    ]


# Size and part


@pytest.mark.parametrize(
    ("text", "size_px"),
    [
        ("400x400.jpeg", (400, 267)),
        ("400x.jpeg", (400, 267)),
        ("x400.jpeg", (600, 400)),
        ("200x400.png", (200, 133)),
        ("2400x2400.webp", (960, 640)),
        ("961x.png", (960, 640)),
        ("300x300-cover.jpeg", (300, 300)),
        ("1000x1000-cover.jpeg", (1000, 1000)),
        ("960x640-cover.png", (960, 640)),
        ("300x300-pad.jpeg", (300, 300)),
        ("2000x1000-pad.webp", (2000, 1000)),
        ("1x1.avif", (1, 1)),
        ("1x4096-cover.png", (1, 4096)),
        ("4096x1-pad.png", (4096, 1)),
    ],
)
def test_a_rendition_has_the_size_its_fit_means(text: str, size_px: tuple[int, int]) -> None:
    assert rendition(png(scenes.still_life()), text).size == size_px


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("size_px", [(1, 1), (1, 2), (3, 2), (3000, 1), (1, 3000), (3000, 7), (5, 999)], ids=str)
def test_the_smallest_and_longest_pictures_have_renditions(file_format: str, size_px: tuple[int, int]) -> None:
    data = pictures.picture(file_format, "RGB", *size_px)
    longest = max(size_px)

    inside = rendition(data, "200x200.png")

    assert inside.size == tuple(max(1, round(side * min(1, 200 / longest))) for side in size_px)
    assert rendition(data, "50x70-cover-at0,100.webp").size == (50, 70)
    assert rendition(data, "50x70-pad-on102030.jpeg").size == (50, 70)


@given(
    width_px=st.integers(1, 40_000),
    height_px=st.integers(1, 40_000),
    orientation=st.integers(1, 8),
    box=st.tuples(st.integers(1, 4096), st.integers(1, 4096)),
    focus=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
@settings(deadline=None)
def test_plans_stay_inside_the_picture_and_the_size(
    width_px: int, height_px: int, orientation: int, box: tuple[int, int], focus: tuple[float, float]
) -> None:
    stored_px = (width_px, height_px)

    cover = planned(RenditionSpec(*box, "cover", focus), stored_px, orientation)
    inside = planned(RenditionSpec(*box), stored_px, orientation)

    left, top, across, down = cover.crop_px
    turned = box[::-1] if orientation in {5, 6, 7, 8} else box
    assert cover.size_px == turned
    assert 0 <= left <= left + across <= width_px + 1e-6
    assert 0 <= top <= top + down <= height_px + 1e-6
    assert math.isclose(across / down, turned[0] / turned[1], rel_tol=1e-9)
    assert all(1 <= side <= most for side, most in zip(inside.size_px, turned, strict=True))
    assert all(side <= most for side, most in zip(inside.size_px, stored_px, strict=True))


@pytest.mark.parametrize(
    ("text", "colours"),
    [
        ("40x40-cover-at0,50.png", [scenes.RED, scenes.RED, scenes.BLUE, scenes.BLUE]),
        ("40x40-cover-at20,90.png", [scenes.RED, scenes.RED, scenes.BLUE, scenes.BLUE]),
        ("40x40-cover-at100,50.png", [scenes.GREEN, scenes.GREEN, scenes.YELLOW, scenes.YELLOW]),
        ("40x40-cover.png", [scenes.RED, scenes.GREEN, scenes.BLUE, scenes.YELLOW]),
        ("80x20-cover-at50,0.png", [scenes.RED, scenes.GREEN, scenes.RED, scenes.GREEN]),
        ("80x20-cover-at50,100.png", [scenes.BLUE, scenes.YELLOW, scenes.BLUE, scenes.YELLOW]),
    ],
)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_cover_keeps_the_focal_point_in_view(text: str, colours: list[Colour], orientation: int) -> None:
    data = scenes.lying(scenes.corners(160, 80), orientation, "PNG")

    image = rendition(data, text)

    assert [nearest(colour) for colour in corner_colours(image)] == colours


def nearest(colour: Colour) -> Colour:
    known = (scenes.RED, scenes.GREEN, scenes.BLUE, scenes.YELLOW)
    return min(known, key=lambda one: apart(one, colour[:3]))


def test_pad_stands_the_picture_in_the_middle_of_the_background() -> None:
    image = rendition(png(Image.new("RGB", (40, 20), (9, 9, 9))), "100x60-pad-onc0ffee.png")

    assert pixel(image, 0, 0) == pixel(image, 99, 59) == pixel(image, 29, 30) == (0xC0, 0xFF, 0xEE)
    assert pixel(image, 30, 20) == pixel(image, 69, 39) == (9, 9, 9)
    assert pixel(image, 50, 19) == pixel(image, 50, 40) == pixel(image, 70, 30) == (0xC0, 0xFF, 0xEE)


# Upright


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("file_format", "options"),
    [
        ("JPEG", {"quality": 95}),
        ("PNG", {}),
        ("WEBP", {"lossless": True}),
        ("TIFF", {}),
        ("AVIF", {"speed": 10}),
    ],
)
def test_every_orientation_is_turned_upright(file_format: str, options: dict[str, Any], orientation: int) -> None:
    data = scenes.lying(scenes.corners(480, 320), orientation, file_format, **options)

    image = rendition(data, "60x60.png")

    assert image.size == (60, 40)
    for found, meant in zip(corner_colours(image), (scenes.RED, scenes.GREEN, scenes.BLUE, scenes.YELLOW), strict=True):
        assert apart(found, meant) < 12
    assert not image.getexif()


@pytest.mark.parametrize("orientation", [0, 9, 99, 65535])
def test_an_orientation_that_is_none_means_upright(orientation: int) -> None:
    data = scenes.lying(scenes.corners(), orientation)

    assert apart(corner_colours(rendition(data, "60x60.png"))[0], scenes.RED) < 12


# Formats and frames


@pytest.mark.parametrize("name", pictures.small_files())
@pytest.mark.parametrize("file_format", MEDIA_TYPES)
def test_every_format_that_is_kept_has_renditions_in_every_format(name: str, file_format: str) -> None:
    data = pictures.small_files()[name]
    whole = probe(data)

    assert rendition(data, f"999x999.{file_format}").size == (whole.width_px, whole.height_px)


@pytest.mark.parametrize("file_format", ["GIF", "PNG", "WEBP", "TIFF", "AVIF"])
def test_a_rendition_shows_the_first_frame(file_format: str) -> None:
    frames = [Image.new("RGB", (60, 40), colour) for colour in (scenes.RED, scenes.BLUE, scenes.GREEN)]
    data = pictures.encoded(frames[0], file_format, save_all=True, append_images=frames[1:])

    image = rendition(data, "30x20.png")

    assert getattr(image, "n_frames", 1) == 1
    assert apart(pixel(image, 15, 10)[:3], scenes.RED) < 12


def test_two_pictures_back_to_back_are_the_first() -> None:
    assert rendition(pictures.double_png(), "200x.png").size == (200, 200)


def test_nothing_that_was_said_beside_the_picture_is_kept() -> None:
    exif = Image.Exif()
    exif[0x010F] = "SECRET camera"
    exif.get_ifd(0x8825)[1] = "N"
    about = PngImagePlugin.PngInfo()
    about.add_text("Comment", "SECRET text")
    originals = [
        pictures.encoded(scenes.corners(), "JPEG", exif=exif, comment=b"SECRET", xmp=b"<x>SECRET</x>"),
        pictures.encoded(scenes.corners(), "WEBP", exif=exif, xmp=b"<x>SECRET</x>"),
        pictures.encoded(scenes.corners(), "PNG", exif=exif, pnginfo=about),
    ]

    made = [
        render(memoryview(data), probe(data), RenditionSpec(50, format=file_format)).data
        for data in originals
        for file_format in MEDIA_TYPES
    ]

    assert all(b"SECRET" in data for data in originals)
    assert not any(word in data for data in made for word in (b"SECRET", b"Exif", b"ICC", b"http://ns.adobe"))


# Refused


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "GIF", "TIFF", "AVIF", "BMP"])
def test_a_picture_that_is_cut_off_has_no_rendition(file_format: str) -> None:
    data = pictures.encoded(scenes.still_life(), file_format)
    header = probe(data)

    with pytest.raises(UndecodableImage):
        render(memoryview(data)[: len(data) // 2], header, RenditionSpec(100))


def test_the_decoder_is_the_one_the_header_names() -> None:
    data = pictures.jpeg()

    with pytest.raises(UndecodableImage):
        render(memoryview(data), Header("image/png", 3, 2), RenditionSpec(100))


@pytest.mark.parametrize("name", ["jpeg", "png", "gif", "webp", "avif", "tiff", "bmp"])
def test_a_picture_larger_than_its_header_said_is_refused(name: str) -> None:
    data = pictures.small_files()[name]

    with pytest.raises(ImageTooLarge) as caught:
        render(memoryview(data), Header(probe(data).media_type, 2, 2), RenditionSpec(100))

    assert (caught.value.limit, caught.value.actual) == (2, 3)


@given(st.binary(max_size=60), st.sampled_from(sorted(pictures.small_files())), st.integers(0, 400))
@settings(deadline=None, max_examples=150)
def test_whatever_the_bytes_there_is_a_rendition_or_a_refusal(junk: bytes, name: str, at: int) -> None:
    data = pictures.small_files()[name]
    mutant = data[:at] + junk + data[at + len(junk) :]

    try:
        made = render(memoryview(mutant), probe(data), RenditionSpec(20, 20))
    except UnacceptableImage:
        return

    assert max(made.width_px, made.height_px) <= 20


# As they looked before

ORIGINALS: dict[str, Any] = {
    "photo.jpeg": lambda: pictures.encoded(scenes.still_life(), "JPEG", quality=90),
    "progressive.jpeg": lambda: pictures.encoded(scenes.still_life(), "JPEG", quality=90, progressive=True),
    "large.jpeg": lambda: pictures.encoded(scenes.still_life(3840, 2560), "JPEG", quality=90),
    "lying.jpeg": lambda: scenes.lying(scenes.still_life(), 6, quality=90),
    "cmyk.jpeg": lambda: pictures.encoded(scenes.still_life().convert("CMYK"), "JPEG", quality=90),
    "large.webp": lambda: pictures.encoded(scenes.still_life(3840, 2560), "WEBP", method=0),
    "cut-out.png": lambda: png(scenes.cut_out()),
}


@pytest.mark.parametrize("case", EXPECTED)
def test_renditions_look_as_they_did(case: str) -> None:
    name, text = case.split(" ")
    data = ORIGINALS[name]()

    made = render(memoryview(data), probe(data), parse_key(text))

    found = phash(pyvips.Image.new_from_buffer(made.data, ""))
    assert distance(found, int(EXPECTED[case], 16)) <= ALLOWED_DISTANCE, f"{found:016x}"


def test_another_part_or_a_turned_picture_would_not_pass_for_the_same() -> None:
    prints = {int(EXPECTED[f"photo.jpeg {text}"], 16) for text in ("400x400.jpeg", "200x200-cover-at0,50.jpeg")}
    prints |= {
        int(EXPECTED[f"photo.jpeg {text}"], 16) for text in ("200x200-cover.jpeg", "200x200-cover-at100,50.jpeg")
    }

    assert min(distance(one, other) for one in prints for other in prints if one != other) > 3 * ALLOWED_DISTANCE


@pytest.mark.parametrize("file_format", ["JPEG", "WEBP"])
def test_decoding_smaller_first_makes_no_visible_difference(file_format: str) -> None:
    large = scenes.still_life(3840, 2560)
    data = pictures.encoded(large, file_format, quality=95)

    quick, slow = rendition(data, "400x400.png"), rendition(png(large), "400x400.png")

    difference = ImageChops.difference(quick, slow).convert("L")
    assert sum(level * count for level, count in enumerate(difference.histogram())) / (400 * 267) < 2.5
