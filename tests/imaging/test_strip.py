"""A stripped copy shows the same picture and tells nothing about where, by whom and with whose camera it was made."""

import io
import random
import zlib
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
from packshot.domain.errors import PackshotError, UnacceptableImage, UndecodableImage
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


MOST_PROFILE_BYTES = 4 * 1024 * 1024


def colours(size_bytes: int, seed: int = 1) -> bytes:
    """A colour profile that is so long, with a table of numbers that do not pack."""
    head = size_bytes.to_bytes(4, "big") + located.profile()[4:132]
    return head + random.Random(seed).randbytes(size_bytes - len(head))


def coloured(file_format: str, *profiles: bytes) -> bytes:
    """A picture with all these profiles, each as its format writes one."""
    whole = b"".join(_profile_parts(file_format, one) for one in profiles)
    if file_format == "jpeg":
        return BARE["jpeg"][:20] + whole + BARE["jpeg"][20:]
    if file_format == "png":
        return pictures.png(before=whole)
    if file_format == "gif":
        return pictures.gif_screen(1, 1) + whole + pictures.gif_frame() + b";"
    canvas = pictures.webp_canvas_chunk(30, 20, 0x20 if profiles else 0)
    return pictures.webp_around(canvas, whole, bombs.webp_of_one_colour(30, 20))


def _profile_parts(file_format: str, profile: bytes) -> bytes:
    if file_format == "png":
        return pictures.png_chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(profile))
    if file_format == "gif":
        blocks = (profile[at : at + 255] for at in range(0, len(profile), 255))
        return located.gif_extension(0xFF, b"ICCRGBG1012", *blocks)
    if file_format == "webp":
        return pictures.riff_chunk(b"ICCP", profile)
    parts = [profile[at : at + 65_519] for at in range(0, len(profile), 65_519)]
    return b"".join(
        pictures.jpeg_segment(0xE2, b"ICC_PROFILE\0" + bytes((number, len(parts))) + part)
        for number, part in enumerate(parts, 1)
    )


FORMATS = ("jpeg", "png", "webp", "gif")


@pytest.mark.parametrize("keep", KEEPS)
@pytest.mark.parametrize("size_bytes", [132, 560, 3_144, 557_168, MOST_PROFILE_BYTES])
@pytest.mark.parametrize("file_format", FORMATS)
def test_a_colour_profile_stays_byte_for_byte(file_format: str, size_bytes: int, keep: Keep) -> None:
    data = coloured(file_format, colours(size_bytes))

    assert copied(data, keep) == data


@pytest.mark.parametrize("keep", KEEPS)
@pytest.mark.parametrize("file_format", FORMATS)
def test_a_colour_profile_of_more_than_four_mebibytes_goes(file_format: str, keep: Keep) -> None:
    assert copied(coloured(file_format, colours(MOST_PROFILE_BYTES + 1)), keep) == coloured(file_format)


@pytest.mark.parametrize(
    "profile", [b"", b"not a profile" * 20, colours(4_000)[:3_999], b"\0" * 36 + b"acsp" + bytes(91), bytes(200)]
)
@pytest.mark.parametrize("file_format", FORMATS)
def test_what_is_no_colour_profile_goes(file_format: str, profile: bytes) -> None:
    assert copied(coloured(file_format, profile), "no location") == coloured(file_format)


@pytest.mark.parametrize(("file_format", "left"), [("jpeg", 0), ("gif", 0), ("png", 1), ("webp", 1)], ids=str)
def test_of_two_colour_profiles_none_stays_or_the_one_that_readers_take(file_format: str, left: int) -> None:
    both = [colours(500), colours(600, seed=2)]

    assert copied(coloured(file_format, *both), "nothing") == coloured(file_format, *both[:left])


@pytest.mark.parametrize(
    "packed",
    [
        zlib.compress(colours(500))[:-9],
        zlib.compress(colours(500)) + b"further",
        bytes(90),
        zlib.compress(bytes(128 << 20), 9),
    ],
    ids=["cut", "something behind it", "damaged", "bomb"],
)
def test_a_packed_profile_that_is_not_whole_goes(packed: bytes) -> None:
    for head in (b"name\0\0", b"name\0\1", b"x" * 80 + b"\0\0"):
        data = pictures.png(before=pictures.png_chunk(b"iCCP", head + packed))

        assert copied(data, "no location") == pictures.png()


@pytest.mark.parametrize("heads", [[(1, 3), (2, 3)], [(0, 2), (1, 2)], [(1, 2), (1, 2)], [(1, 1), (2, 2)], [()]])
def test_segments_that_are_not_all_of_one_profile_go(heads: list[tuple[int, ...]]) -> None:
    profile = colours(600)
    parts = zip(heads, (profile[:300], profile[300:]), strict=False)
    segments = b"".join(
        pictures.jpeg_segment(0xE2, b"ICC_PROFILE\0" + bytes(head) + (part if head else b"")) for head, part in parts
    )

    assert copied(BARE["jpeg"][:20] + segments + BARE["jpeg"][20:], "nothing") == BARE["jpeg"]


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_place_in_a_colour_profile_is_found_also_where_no_bytes_of_the_file_tell_it(file_format: str) -> None:
    profile = bytearray(colours(70_000))
    at = 65_515 if file_format == "jpeg" else 765 * 2 - 5  # over the border of two segments, or blocks
    profile[at : at + 11] = b"GPSLatitude"
    data = coloured(file_format, bytes(profile))
    assert (b"GPSLatitude" in data) == (file_format == "webp")

    with pytest.raises(UnacceptableImage, match="location"):
        copied(data, "nothing")


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
