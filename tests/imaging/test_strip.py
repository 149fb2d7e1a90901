"""A stripped copy shows the same picture and tells nothing about where, by whom and with whose camera it was made."""

import io
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageSequence

import bombs
import located
import pictures
import tags
from packshot.domain.errors import PackshotError, UndecodableImage
from packshot.domain.originals import MediaType
from packshot.imaging import strip as package
from packshot.imaging.probe import probe
from packshot.imaging.strip import Keep, strip

BARE = located.bare_pictures()
LOCATED = located.located_pictures()
KEEPS: tuple[Keep, ...] = get_args(Keep)


def copied(data: bytes, keep: Keep) -> bytes:
    copy = strip(data, probe(data).media_type, keep)
    assert copy is not None
    return copy


def frames_of(data: bytes) -> list[tuple[Any, ...]]:
    """Every frame as a decoder makes it, with its size, mode and time."""
    with Image.open(io.BytesIO(data)) as image:
        # Of a file with a second picture in it only the first is the picture.
        frames = [image] if image.format in {"JPEG", "MPO"} else ImageSequence.Iterator(image)
        return [(frame.size, frame.mode, frame.info.get("duration"), frame.tobytes()) for frame in frames]


def colours_of(data: bytes) -> bytes | None:
    with Image.open(io.BytesIO(data)) as image:
        return image.info.get("icc_profile")


def orientation_of(data: bytes) -> int | None:
    with Image.open(io.BytesIO(data)) as image:
        # A PNG may tell behind its pixels.
        image.load()
        return image.getexif().get(ExifTags.Base.Orientation)


def of_two_orientations(media_type: MediaType, first: int, second: int) -> bytes:
    both = [tags.minimal_exif(orientation) for orientation in (first, second)]
    if media_type == "image/jpeg":
        data = pictures.jpeg(30, 20)
        return data[:2] + b"".join(pictures.jpeg_segment(0xE1, b"Exif\0\0" + exif) for exif in both) + data[2:]
    if media_type == "image/png":
        return pictures.png(before=b"".join(pictures.png_chunk(b"eXIf", exif) for exif in both))
    chunks = (pictures.riff_chunk(b"EXIF", exif) for exif in both)
    return pictures.webp_around(pictures.webp_canvas_chunk(30, 20, 8), bombs.webp_of_one_colour(30, 20), *chunks)


@pytest.mark.parametrize("keep", KEEPS)
@pytest.mark.parametrize("media_type", ["image/jpeg", "image/png", "image/webp"])
@pytest.mark.parametrize(("first", "second", "shown"), [(1, 6, None), (99, 6, None), (6, 1, 6), (6, 3, 6)])
def test_the_first_of_two_orientations_stays_in_force(
    media_type: MediaType, first: int, second: int, shown: int | None, keep: Keep
) -> None:
    copy = copied(of_two_orientations(media_type, first, second), keep)

    assert orientation_of(copy) == shown


def test_the_package_offers_the_stripper_and_what_it_may_keep() -> None:
    assert package.__all__ == ["Keep", "strip"]
    assert KEEPS == ("nothing", "no location")


# What stays


@pytest.mark.parametrize("keep", KEEPS)
@pytest.mark.parametrize("name", BARE)
def test_a_picture_without_metadata_stays_as_it_is(name: str, keep: Keep) -> None:
    assert copied(BARE[name], keep) == BARE[name]


@pytest.mark.parametrize("keep", KEEPS)
@pytest.mark.parametrize("name", LOCATED)
def test_the_copy_is_that_of_the_picture_before_anything_private_was_put_into_it(name: str, keep: Keep) -> None:
    picture = LOCATED[name]

    copy = copied(picture.data, keep)

    assert copy == copied(picture.clean, keep)
    assert tags.MARKER not in copy
    assert tags.SERIAL not in copy


@pytest.mark.parametrize("keep", KEEPS)
@pytest.mark.parametrize("name", LOCATED)
def test_pixels_frames_and_colours_stay(name: str, keep: Keep) -> None:
    data = LOCATED[name].data

    copy = copied(data, keep)

    assert frames_of(copy) == frames_of(data)
    assert colours_of(copy) == colours_of(data)
    assert probe(copy) == probe(data)


@pytest.mark.parametrize("keep", KEEPS)
@pytest.mark.parametrize("name", LOCATED)
def test_stripping_a_copy_changes_nothing(name: str, keep: Keep) -> None:
    copy = copied(LOCATED[name].data, keep)

    assert copied(copy, keep) == copy


@pytest.mark.parametrize("keep", KEEPS)
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(2, 9))
def test_the_orientation_stays(file_format: str, order: str, orientation: int, keep: Keep) -> None:
    data = pictures.encoded(located.noise(), file_format, exif=b"Exif\0\0" + tags.exif(order, orientation))

    assert orientation_of(copied(data, keep)) == orientation_of(data) == orientation


@pytest.mark.parametrize("orientation", [0, 1, 9, 99])
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
def test_an_orientation_that_turns_nothing_goes(file_format: str, orientation: int) -> None:
    data = pictures.encoded(located.noise(), file_format, exif=b"Exif\0\0" + tags.exif("<", orientation))

    copy = copied(data, "nothing")

    assert orientation_of(copy) is None
    assert b"II*\0" not in copy


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
def test_who_made_and_owns_the_picture_stays_beside_no_location_only(file_format: str) -> None:
    words = (tags.AUTHOR, tags.OWNED, tags.CAMERA)
    data = pictures.encoded(located.noise(), file_format, exif=b"Exif\0\0" + tags.exif())

    with_author, without = copied(data, "no location"), copied(data, "nothing")

    assert [word in with_author for word in words] == [True] * 3
    assert [word in without for word in words] == [False] * 3


def test_the_words_of_a_png_about_its_author_stay_beside_no_location_only() -> None:
    words = pictures.png_chunk(b"tEXt", b"Author\0Ada Ahrens")
    data = pictures.png(before=words + pictures.png_chunk(b"tEXt", b"Author\0" + bytes(2_000)))

    assert copied(data, "no location") == pictures.png(before=words)
    assert copied(data, "nothing") == pictures.png()


@pytest.mark.parametrize("name", ["avif", "avif sequence", "tiff", "bigtiff", "bmp"])
def test_what_cannot_be_done_without_writing_pixels_is_left_to_others(name: str) -> None:
    data = pictures.small_files()[name]

    assert strip(data, probe(data).media_type, "no location") is None


def test_a_double_png_becomes_one() -> None:
    assert copied(pictures.double_png(), "nothing") == copied(pictures.vendor_png(), "nothing")


@pytest.mark.parametrize("name", ["jpeg", "jpeg progressive", "gif animation"])
def test_a_picture_without_its_end_gets_one(name: str) -> None:
    data = BARE[name]
    cut = data[:-2] if name.startswith("jpeg") else data[:-1]

    assert copied(cut, "nothing") == data


def test_any_kind_of_buffer_is_read_alike() -> None:
    data = BARE["jpeg"]

    assert strip(memoryview(data), "image/jpeg", "nothing") == data
    assert strip(memoryview(bytearray(data)), "image/jpeg", "nothing") == data


# What an independent reader finds


@pytest.mark.needs("exiftool")
def test_exiftool_finds_what_was_put_into_the_pictures(tmp_path: Path) -> None:
    found = located.told({name: picture.data for name, picture in LOCATED.items()}, tmp_path)

    assert {name: bool(located.tells(found[name])) for name in LOCATED} == {
        name: LOCATED[name].known for name in LOCATED
    }


@pytest.mark.needs("exiftool")
@pytest.mark.parametrize("keep", KEEPS)
def test_exiftool_finds_nothing_private_in_a_copy_and_nothing_wrong(keep: Keep, tmp_path: Path) -> None:
    found = located.told({name: copied(picture.data, keep) for name, picture in LOCATED.items()}, tmp_path)

    assert len(found) == len(LOCATED)
    for name in LOCATED:
        assert not located.tells(found[name]), name
        late = "found after" in found[name].get("ExifTool:Warning", "")
        assert late or not {"ExifTool:Warning", "ExifTool:Error"} & found[name].keys(), name
        assert ("EXIF" not in name) or found[name].get("IFD0:Orientation") or "Photoshop" in name or "raw" in name, name


# Whatever comes


@pytest.mark.parametrize("name", [*BARE, "jpeg IPTC", "jpeg place and thumbnail", "png EXIF", "webp EXIF", "gif XMP"])
def test_a_file_cut_anywhere_gives_a_copy_or_a_refusal(name: str) -> None:
    data = BARE[name] if name in BARE else LOCATED[name].data
    media_type: MediaType = probe(data).media_type

    for length in range(len(data)):
        try:
            copy = strip(data[:length], media_type, "no location")
        except PackshotError:
            continue
        assert copy is not None
        assert tags.MARKER not in copy


@pytest.mark.parametrize("name", ["png", "png animation", "webp", "webp animation"])
def test_a_cut_picture_of_a_format_with_lengths_is_refused(name: str) -> None:
    with pytest.raises(UndecodableImage):
        copied(BARE[name][:-1], "nothing")


@settings(max_examples=400)
@given(name=st.sampled_from(sorted(LOCATED)), keep=st.sampled_from(KEEPS), data=st.data())
def test_a_changed_picture_gives_a_copy_that_tells_no_place_or_a_refusal(
    name: str, keep: Keep, data: st.DataObject
) -> None:
    changed = bytearray(LOCATED[name].data)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(changed) - 1))
        taken = data.draw(st.integers(0, 3))
        changed[at : at + taken] = data.draw(st.binary(max_size=3))

    try:
        copy = strip(bytes(changed), LOCATED[name].media_type, keep)
    except PackshotError:
        return

    assert copy is not None
    assert b"GPSLatitude" not in copy
    assert strip(copy, LOCATED[name].media_type, keep) == copy


@settings(max_examples=200)
@given(media_type=st.sampled_from(["image/jpeg", "image/png", "image/webp", "image/gif"]), data=st.binary(max_size=300))
def test_any_bytes_behave(media_type: MediaType, data: bytes) -> None:
    try:
        strip(data, media_type, "no location")
    except PackshotError:
        return
