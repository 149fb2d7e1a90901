"""Examining a picture tells what it is, and finds the damage a header does not show."""

import io
import random
from typing import Any

import pytest
import pyvips  # type: ignore[import-untyped]
from PIL import Image, ImageCms

import pictures
import scenes
from packshot.domain.errors import ImageTooLarge, UndecodableImage
from packshot.domain.originals import Header
from packshot.domain.renditions import MEDIA_TYPES, parse_key
from packshot.imaging.examine import examine
from packshot.imaging.hashes import distance
from packshot.imaging.jobs import Found
from packshot.imaging.probe import probe
from packshot.imaging.render import render

FORMATS: list[tuple[str, dict[str, Any]]] = [
    ("JPEG", {}),
    ("JPEG", {"progressive": True}),
    ("PNG", {}),
    ("GIF", {}),
    ("WEBP", {}),
    ("TIFF", {}),
    ("TIFF", {"compression": "tiff_lzw"}),
    ("AVIF", {"speed": 10}),
    ("BMP", {}),
]


def found_in(data: bytes) -> Found:
    return examine(memoryview(data), probe(data), decode=True)


def grainy() -> Image.Image:
    """A picture with so much in it that nothing can be missing unnoticed."""
    image = scenes.still_life(480, 320)
    return Image.blend(image, Image.frombytes("RGB", image.size, random.Random(3).randbytes(480 * 320 * 3)), 0.1)


# What it tells


@pytest.mark.parametrize(("file_format", "options"), FORMATS)
def test_it_tells_what_a_picture_is(file_format: str, options: dict[str, Any]) -> None:
    found = found_in(pictures.encoded(scenes.still_life(), file_format, **options))

    plain = (found.width_px, found.height_px, found.orientation, found.frames, found.alpha, found.profile)
    assert plain == (960, 640, 1, 1, False, None)
    assert found.colour is not None
    assert max(abs(one - other) for one, other in zip(found.colour, (211, 207, 237), strict=True)) < 12
    assert found.thumbhash is not None
    assert len(found.thumbhash) > 15


@pytest.mark.parametrize(("file_format", "options"), FORMATS)
def test_the_fingerprint_is_that_of_the_picture_whatever_the_format_and_size(
    file_format: str, options: dict[str, Any]
) -> None:
    same = found_in(pictures.encoded(scenes.still_life(), "PNG")).phash
    other = found_in(pictures.encoded(scenes.still_life().rotate(180), "PNG")).phash

    found = found_in(pictures.encoded(scenes.still_life(700, 467), file_format, **options)).phash

    assert same is not None
    assert other is not None
    assert found is not None
    assert distance(found, same) <= 4
    assert distance(found, other) > 16


@pytest.mark.parametrize("orientation", range(1, 9))
def test_sides_are_the_stored_ones_and_the_hashes_those_of_the_upright_picture(orientation: int) -> None:
    data = scenes.lying(scenes.still_life(), orientation, quality=95)
    upright = found_in(pictures.encoded(scenes.still_life(), "PNG"))

    found = found_in(data)

    header = probe(data)
    assert (found.width_px, found.height_px, found.orientation) == (header.width_px, header.height_px, orientation)
    assert found.phash is not None
    assert upright.phash is not None
    assert distance(found.phash, upright.phash) <= 2


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_is_none_is_upright(orientation: int) -> None:
    assert found_in(scenes.lying(scenes.corners(), orientation)).orientation == 1


def test_the_profile_is_told_by_its_name() -> None:
    named = pictures.encoded(scenes.corners(), "JPEG", icc_profile=scenes.profile("p3"))
    broken = pictures.encoded(scenes.corners(), "JPEG", icc_profile=b"no profile")
    long_name = ImageCms.ImageCmsProfile(io.BytesIO(scenes.profile("p3"))).profile.profile_description

    assert found_in(named).profile == long_name
    assert found_in(broken).profile is None


def test_alpha_means_that_something_is_transparent() -> None:
    opaque = pictures.encoded(scenes.still_life().convert("RGBA"), "PNG")
    cut_out = pictures.encoded(scenes.cut_out(), "PNG")

    assert not found_in(opaque).alpha
    assert found_in(cut_out).alpha
    assert examine(memoryview(opaque), probe(opaque), decode=False).alpha


def test_the_colour_is_one_that_is_seen() -> None:
    found = found_in(pictures.encoded(scenes.cut_out(), "PNG"))

    assert found.colour is not None
    assert max(abs(one - other) for one, other in zip(found.colour, (200, 40, 60), strict=True)) < 12


@pytest.mark.parametrize("file_format", ["GIF", "PNG", "WEBP", "TIFF", "AVIF"])
def test_frames_are_counted_and_the_first_is_looked_at(file_format: str) -> None:
    frames = [Image.new("RGB", (60, 40), colour) for colour in (scenes.RED, scenes.BLUE, scenes.GREEN)]

    found = found_in(pictures.encoded(frames[0], file_format, save_all=True, append_images=frames[1:]))

    assert (found.frames, found.width_px, found.height_px) == (3, 60, 40)
    assert found.colour is not None
    assert max(abs(one - other) for one, other in zip(found.colour, scenes.RED, strict=True)) < 16


@pytest.mark.parametrize("name", pictures.small_files())
def test_every_small_file_can_be_examined(name: str) -> None:
    data = pictures.small_files()[name]
    header = probe(data)

    found = found_in(data)

    assert (found.width_px, found.height_px, found.frames) == (header.width_px, header.height_px, header.frames)


@pytest.mark.parametrize("size_px", [(1, 1), (1, 3000), (3000, 1)], ids=str)
def test_the_smallest_and_longest_pictures_can_be_examined(size_px: tuple[int, int]) -> None:
    found = found_in(pictures.picture("PNG", "RGB", *size_px))

    assert (found.width_px, found.height_px, found.colour) == (*size_px, (0, 0, 0))


def test_without_decoding_nothing_is_said_about_pixels() -> None:
    data = pictures.encoded(scenes.still_life(), "JPEG")

    found = examine(memoryview(data)[: len(data) // 2], probe(data), decode=False)

    assert (found.width_px, found.colour, found.thumbhash, found.phash) == (960, None, None, None)


# What it refuses


@pytest.mark.parametrize("part", [0.3, 0.6, 0.9, 0.99])
@pytest.mark.parametrize(("file_format", "options"), FORMATS)
def test_a_picture_that_is_cut_off_is_refused(file_format: str, options: dict[str, Any], part: float) -> None:
    data = pictures.encoded(grainy(), file_format, **options)

    with pytest.raises(UndecodableImage):
        examine(memoryview(data)[: int(len(data) * part)], probe(data), decode=True)


@pytest.mark.parametrize(
    ("file_format", "options"),
    [("PNG", {}), ("AVIF", {"speed": 10}), ("JPEG", {"progressive": True}), ("JPEG", {"restart_marker_blocks": 4})],
)
def test_a_picture_with_a_hole_is_refused(file_format: str, options: dict[str, Any]) -> None:
    data = pictures.encoded(grainy(), file_format, **options)
    middle = len(data) // 2
    holed = data[:middle] + b"\1\2\3\4" * (middle // 16) + data[middle + middle // 16 * 4 :]

    with pytest.raises(UndecodableImage):
        found_in(holed)


@pytest.mark.parametrize("compression", ["deflate", "lzw", "jpeg"])
def test_a_tile_that_cannot_be_made_is_not_painted_over(compression: str) -> None:
    image = pyvips.Image.new_from_buffer(pictures.encoded(grainy(), "PNG"), "")
    data = image.tiffsave_buffer(compression=compression, tile=True, tile_width=64, tile_height=64)
    middle = len(data) // 2
    holed = data[:middle] + b"\xff" * 3000 + data[middle + 3000 :]
    assert found_in(data).width_px == 480

    with pytest.raises(UndecodableImage):
        found_in(holed)
    for file_format in MEDIA_TYPES:
        with pytest.raises(UndecodableImage):
            render(memoryview(holed), probe(holed), parse_key(f"100x100.{file_format}"))


def test_what_a_jpeg_decoder_only_wonders_at_is_no_damage() -> None:
    data = pictures.encoded(grainy(), "JPEG")

    padded = data[:-2] + b"padding" + data[-2:]

    assert found_in(padded).phash == found_in(data).phash


def test_what_follows_the_picture_is_no_damage() -> None:
    assert found_in(pictures.double_png()) == found_in(pictures.vendor_png())
    assert found_in(pictures.jpeg(9, 9) + b"<html>" * 99) == found_in(pictures.jpeg(9, 9))


@pytest.mark.parametrize("decode", [True, False])
@pytest.mark.parametrize("name", ["jpeg", "png", "gif", "webp", "avif", "tiff", "bmp"])
def test_a_picture_larger_than_its_header_said_is_refused(name: str, *, decode: bool) -> None:
    data = pictures.small_files()[name]

    with pytest.raises(ImageTooLarge):
        examine(memoryview(data), Header(probe(data).media_type, 3, 1), decode=decode)
