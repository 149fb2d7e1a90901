"""Copies of what cannot be copied part by part: the same picture, told of nothing but its pixels and their colours."""

import io
from collections.abc import Callable
from typing import get_args

import pytest
import pyvips  # type: ignore[import-untyped]
from PIL import ExifTags, Image, ImageChops, ImageOps

import located
import pictures
import scenes
import tags
from packshot.domain.errors import ImageTooLarge, UnacceptableImage, UndecodableImage
from packshot.domain.originals import Header
from packshot.imaging import copies
from packshot.imaging.copies import copied
from packshot.imaging.jobs import Stripped
from packshot.imaging.probe import probe
from packshot.imaging.strip import Keep
from rendered import apart, pixel

KEEPS: tuple[Keep, ...] = get_args(Keep)
OTHERS = located.others()
TYPES = {
    "tiff": "image/jpeg",
    "tiff alpha": "image/png",
    "tiff cmyk": "image/jpeg",
    "tiff pages": "image/jpeg",
    "avif": "image/jpeg",
    "avif alpha": "image/webp",
    "bmp": "image/png",
}
"""What each becomes."""
INKS = (10, 240, 250, 20)


def copy_of(data: bytes, keep: Keep = "no location") -> Stripped:
    return copied(memoryview(data), probe(data), keep)


def seen(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        return image


def upright(image: Image.Image) -> Image.Image:
    return ImageOps.exif_transpose(image)


def tiff(image: pyvips.Image, space: str) -> bytes:
    return bytes(image.copy(interpretation=space).tiffsave_buffer())


@pytest.mark.parametrize("keep", KEEPS)
@pytest.mark.parametrize("name", OTHERS)
def test_nothing_private_goes_along(name: str, keep: Keep) -> None:
    copy = copy_of(OTHERS[name], keep)

    assert copy.media_type == probe(copy.data).media_type == TYPES[name]
    assert not any(word in copy.data for word in (tags.MARKER, tags.SERIAL, tags.AUTHOR, tags.CAMERA, b"GPS"))
    assert probe(copy.data).frames == 1


@pytest.mark.parametrize("keep", KEEPS)
@pytest.mark.parametrize("name", OTHERS)
def test_size_orientation_and_profile_stay(name: str, keep: Keep) -> None:
    original, copy = seen(OTHERS[name]), seen(copy_of(OTHERS[name], keep).data)

    # Whoever decodes an AVIF turns it; of other formats that is left to who shows them, as it was before.
    turned = tags.ORIENTATION if name.startswith("tiff") else None
    assert copy.getexif().get(ExifTags.Base.Orientation) == turned
    assert upright(copy).size == upright(original).size == ((40, 24) if name == "bmp" else (24, 40))
    assert copy.info.get("icc_profile") == original.info.get("icc_profile")


def test_the_resolution_of_what_is_to_be_printed_stays_beside_no_location() -> None:
    assert [round(side) for side in seen(copy_of(OTHERS["tiff"]).data).info["dpi"]] == [300, 300]


@pytest.mark.parametrize(
    ("file_format", "mode", "most"),
    [
        ("BMP", "RGB", 0),
        ("BMP", "P", 0),
        ("TIFF", "RGBA", 0),
        ("TIFF", "LA", 0),
        ("TIFF", "RGB", 2),
        ("TIFF", "L", 2),
        ("TIFF", "1", 2),
        ("TIFF", "CMYK", 2),
        ("AVIF", "RGB", 2),
        ("AVIF", "RGBA", 2),
    ],
)
def test_the_pixels_are_the_same_or_nearly(file_format: str, mode: str, most: float) -> None:
    scene = scenes.cut_out() if mode.endswith("A") else scenes.still_life(240, 160)
    data = pictures.encoded(scene.convert(mode), file_format)
    original = seen(data)

    copy = seen(copy_of(data).data)

    assert copy.mode == {"P": "RGB", "1": "L"}.get(mode, mode)
    for channel in ImageChops.difference(copy, original.convert(copy.mode)).split():
        assert sum(level * count for level, count in enumerate(channel.histogram())) <= most * copy.width * copy.height


@pytest.mark.parametrize(
    ("space", "factor", "kind"),
    [("rgb16", 257, "ushort"), ("scrgb", 1 / 255, "float")],
)
def test_more_than_eight_bits_become_eight(space: str, factor: float, kind: str) -> None:
    grey = (pyvips.Image.black(16, 16, bands=3) + 255) * factor
    data = tiff(grey.cast(kind), space)

    assert apart(pixel(seen(copy_of(data).data), 8, 8), (255, 255, 255)) <= 1


def test_inks_stay_inks_in_eight_bits() -> None:
    inks = pyvips.Image.black(16, 16, bands=4).linear([257] * 4, [257 * ink for ink in INKS])

    copy = seen(copy_of(tiff(inks.cast("ushort"), "cmyk")).data)

    assert copy.mode == "CMYK"
    assert apart(pixel(copy, 8, 8), INKS) <= 3


def test_inks_that_are_transparent_become_colours() -> None:
    inks = pyvips.Image.black(16, 16, bands=4).bandjoin(100)

    copy = seen(copy_of(tiff(inks.cast("uchar"), "cmyk")).data)

    assert copy.mode == "RGBA"
    assert pixel(copy, 8, 8)[3] == 100
    assert apart(pixel(copy, 8, 8)[:3], (255, 255, 255)) <= 3


def test_a_transparent_avif_that_is_too_wide_for_a_webp_becomes_a_png() -> None:
    data = pictures.picture("AVIF", "RGBA", 16_400, 2, speed=10)

    assert copy_of(data).media_type == "image/png"


def test_what_is_copied_part_by_part_keeps_its_format_and_its_bytes() -> None:
    for name, data in located.bare_pictures().items():
        assert copy_of(data) == Stripped(data, probe(data).media_type), name


@pytest.mark.parametrize("file_format", ["TIFF", "AVIF", "BMP"])
def test_what_is_cut_off_has_no_copy(file_format: str) -> None:
    data = pictures.encoded(scenes.still_life(), file_format)

    with pytest.raises(UndecodableImage):
        copied(memoryview(data)[: len(data) // 2], probe(data), "nothing")


def test_a_place_in_a_colour_profile_is_found_and_nothing_is_published() -> None:
    told = located.profile() + tags.XMP

    with pytest.raises(UnacceptableImage, match="location"):
        copy_of(pictures.encoded(located.noise(), "TIFF", icc_profile=told))


@pytest.mark.parametrize("file_format", ["TIFF", "AVIF"])
@pytest.mark.parametrize(
    ("spoil", "stays"),
    [
        (lambda profile: (4 << 20).to_bytes(4, "big") + profile[4:].ljust((4 << 20) - 4, b"\0"), True),
        (lambda profile: profile.ljust((4 << 20) + 1, b"\0"), False),
        (lambda profile: profile.ljust(20 << 20, b"\0"), False),
        (lambda profile: profile[:-1], False),
    ],
    ids=["4 MiB", "more", "20 MiB", "cut"],
)
def test_a_profile_stays_in_a_copy_if_it_is_whole_and_not_too_long(
    file_format: str, spoil: Callable[[bytes], bytes], *, stays: bool
) -> None:
    profile = spoil(located.profile())
    data = pictures.encoded(located.noise(), file_format, icc_profile=profile)

    assert seen(copy_of(data).data).info.get("icc_profile") == (profile if stays else None)


def test_a_copy_of_more_bytes_than_may_be_answered_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "most_copy_bytes", lambda *_: 100)

    with pytest.raises(ImageTooLarge) as caught:
        copied(memoryview(OTHERS["tiff"]), Header("image/tiff", 40, 24), "nothing")

    assert caught.value.limit == 100
