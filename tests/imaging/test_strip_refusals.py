"""The stripper neither takes long nor much memory, whatever comes, and publishes nothing that still tells a place."""

import struct
import time
import tracemalloc

import pytest

import located
import pictures
import tags
from packshot.domain.errors import UnacceptableImage, UndecodableImage
from packshot.domain.originals import MediaType
from packshot.imaging.strip import strip
from packshot.imaging.strip.leaks import refuse_leaks

MEGABYTE = 1024 * 1024
BARE = located.bare_pictures()


def jpeg_before_its_end(between: bytes) -> bytes:
    return BARE["jpeg"][:-2] + between + BARE["jpeg"][-2:]


def tiff(order: str, at: int, body: bytes) -> bytes:
    return (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", at) + body


def png_of_exif(exif: bytes) -> bytes:
    return pictures.png(before=pictures.png_chunk(b"eXIf", exif))


TOO_MANY: dict[str, tuple[MediaType, bytes]] = {
    "jpeg segments": ("image/jpeg", pictures.jpeg_claiming(3, 2, b"\xff\xe0\0\2" * 2_000_000)),
    "jpeg segments behind a scan": ("image/jpeg", jpeg_before_its_end(b"\xff\xe1\0\2" * 2_000_000)),
    "jpeg bare markers": ("image/jpeg", pictures.jpeg_claiming(3, 2, b"\xff\xd0" * 4_000_000)),
    "jpeg scans": ("image/jpeg", jpeg_before_its_end(pictures.JPEG_SCAN * 800_000)),
    "png chunks": ("image/png", pictures.png(before=pictures.png_chunk(b"teXt") * 600_000)),
    "png chunks of EXIF": ("image/png", pictures.png(before=pictures.png_chunk(b"eXIf") * 600_000)),
    "webp chunks": (
        "image/webp",
        pictures.webp_around(pictures.webp_canvas_chunk(1, 1), pictures.riff_chunk(b"EXIF", b"") * 900_000),
    ),
    "webp chunks in a frame": (
        "image/webp",
        pictures.webp_around(
            pictures.webp_canvas_chunk(1, 1, 2),
            pictures.riff_chunk(b"ANMF", bytes(16) + pictures.riff_chunk(b"VP8L", b"") * 900_000),
        ),
    ),
    "gif extensions": ("image/gif", pictures.gif_screen(1, 1) + b"!\xfe\0" * 2_500_000),
    "gif stray bytes": ("image/gif", pictures.gif_screen(1, 1) + pictures.gif_frame() + b"\1!\xfe\0" * 2_000_000),
}


def cpu_s(media_type: MediaType, data: bytes) -> float:
    started_s = time.thread_time()
    strip(data, media_type, "no location")
    return time.thread_time() - started_s


@pytest.mark.parametrize("name", TOO_MANY)
def test_a_flood_of_parts_is_refused_before_it_has_been_walked(name: str) -> None:
    media_type, data = TOO_MANY[name]

    with pytest.raises(UndecodableImage, match="too many parts"):
        strip(data, media_type, "no location")


LONG: dict[str, tuple[MediaType, bytes, bytes]] = {
    # What is repeated, and what stands before it.
    "jpeg stuffed bytes": ("image/jpeg", BARE["jpeg"][:-2], b"\xff\0"),
    "jpeg restarts": ("image/jpeg", BARE["jpeg"][:-2], b"\xff\xd0"),
    "jpeg fill bytes": ("image/jpeg", BARE["jpeg"][:-2], b"\xff\xff"),
    "jpeg behind the end": ("image/jpeg", BARE["jpeg"], b"\xff\xe1"),
    "gif blocks": ("image/gif", pictures.gif_screen(1, 1) + pictures.gif_frame(blocks=b"\2"), b"\1\0"),
    "gif stray bytes": ("image/gif", pictures.gif(), b"\1\0"),
}


@pytest.mark.parametrize("name", LONG)
def test_time_grows_with_the_length_and_no_faster(name: str) -> None:
    media_type, head, repeated = LONG[name]
    tail = b"\0;" if media_type == "image/gif" else b"\xff\xd9"
    short, long = (head + repeated * (count * 100_000) + tail for count in (2, 16))

    quick_s = min(cpu_s(media_type, short) for _ in range(3))
    slow_s = min(cpu_s(media_type, long) for _ in range(3))

    # Eight times the length; a walk that looked back would take sixty-four times as long.
    assert slow_s < 24 * quick_s + 0.05


EXIF: dict[str, bytes] = {
    "circle": tiff("<", 8, tags.directory("<", 8, {0x0112: (3, 1, b"\6\0")}, following=8)),
    "pointing to itself": tiff(">", 8, tags.directory(">", 8, {0x8769: (4, 1, b"\0\0\0\x08")})),
    "beyond the end": tiff("<", 2**32 - 1, b""),
    "huge count": tiff("<", 8, b"\1\0" + struct.pack("<HHII", 0x013B, 2, 2**32 - 1, 0) + bytes(4)),
    "value beyond the end": tiff("<", 8, b"\1\0" + struct.pack("<HHII", 0x013B, 2, 99, 2**32 - 9) + bytes(4)),
    "entries without values": tiff("<", 8, b"\xff\xff" + bytes(70)),
    "long text": tiff("<", 8, tags.directory("<", 8, {0x8298: (2, 9_000, b"x" * 9_000)})),
    "unknown kind": tiff("<", 8, tags.directory("<", 8, {0x0112: (77, 1, b"\6\0")})),
    "cut": b"II*\0\x08",
    "other signature": b"II+\0" + tags.exif()[4:],
    "nothing": b"Exif\0\0",
}


@pytest.mark.parametrize("name", set(EXIF) - {"circle"})
def test_exif_that_makes_no_sense_goes(name: str) -> None:
    assert strip(png_of_exif(EXIF[name]), "image/png", "no location") == pictures.png()


def test_of_directories_in_a_circle_the_first_is_read() -> None:
    assert strip(png_of_exif(EXIF["circle"]), "image/png", "nothing") == png_of_exif(tags.minimal_exif())


def test_directories_of_very_many_equal_entries_keep_one_of_each() -> None:
    entries = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0) * 65_535
    flood = tiff("<", 8, b"\xff\xff" + entries + bytes(4))

    assert strip(png_of_exif(flood), "image/png", "nothing") == png_of_exif(tags.minimal_exif())


WRONG: dict[str, tuple[MediaType, bytes, str]] = {
    "jpeg without a scan": ("image/jpeg", b"\xff\xd8" + pictures.jpeg_frame(3, 2) + b"\xff\xd9", "cut off"),
    "jpeg segment too short": ("image/jpeg", pictures.jpeg_claiming(3, 2, b"\xff\xe0\0\1"), "shorter"),
    "jpeg in a jpeg": ("image/jpeg", jpeg_before_its_end(b"\xff\xd8\0\2"), "out of place"),
    "jpeg frame behind a scan": ("image/jpeg", jpeg_before_its_end(pictures.jpeg_frame(9, 9)), "out of place"),
    "webp without pixels": ("image/webp", pictures.webp_around(pictures.riff_chunk(b"EXIF", b"")), "unknown chunk"),
    "webp frame without a place": (
        "image/webp",
        pictures.webp_around(pictures.webp_canvas_chunk(1, 1, 2), pictures.riff_chunk(b"ANMF", bytes(15))),
        "cut off",
    ),
    "gif without a frame": ("image/gif", pictures.gif_screen(1, 1) + b";", "cut off"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_file_whose_parts_make_no_picture_is_refused(name: str) -> None:
    media_type, data, why = WRONG[name]

    with pytest.raises(UndecodableImage, match=why):
        strip(data, media_type, "nothing")


@pytest.mark.parametrize(
    "resources",
    [
        tags.resource(0x0404, b"\x1c\2\x50\xff\xff" + tags.AUTHOR),
        b"8BIM\4\4\0\0\xff\xff\xff\xff" + b"\x1c\2\x5a\0\4Here",
        b"8BIM\4\4\xff",
        b"8BIX" + tags.resource(0x0404, b"\x1c\2\x50\0\4Anna")[4:],
        tags.resource(0x03ED, b"") * 5_000,
    ],
    ids=["dataset too long", "resource too long", "cut", "other signature", "flood"],
)
def test_resources_that_make_no_sense_go(resources: bytes) -> None:
    data = BARE["jpeg"][:20] + tags.photoshop(resources) + BARE["jpeg"][20:]

    assert strip(data, "image/jpeg", "no location") == BARE["jpeg"]


# Memory


@pytest.mark.parametrize("name", ["jpeg", "png", "webp", "gif"])
def test_the_copy_is_all_that_is_held(name: str) -> None:
    pixels = b"0123456789abcdef" * 640_000
    files: dict[str, tuple[MediaType, bytes]] = {
        "jpeg": ("image/jpeg", jpeg_before_its_end(pixels)),
        "png": ("image/png", pictures.png_around(pictures.png_header(3, 2), b"", pictures.png_chunk(b"IDAT", pixels))),
        "webp": ("image/webp", pictures.webp_around(pictures.riff_chunk(b"VP8 ", pixels))),
        "gif": (
            "image/gif",
            pictures.gif_screen(1, 1) + pictures.gif_frame(blocks=b"\2" + (b"\xff" + b"\1" * 255) * 40_000 + b"\0"),
        ),
    }
    media_type, data = files[name]

    tracemalloc.start()
    try:
        copy = strip(memoryview(data), media_type, "no location")
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert copy is not None
    assert len(copy) > 9 * MEGABYTE
    assert peak_bytes < len(copy) + MEGABYTE


# The second reader


def place_alone(order: str) -> bytes:
    return tiff(order, 8, tags.directory(order, 8, {0x8825: (4, 1, bytes(4))}))


PLACES = b"\x1c\2\x50\0\4Anna\x1c\2\x5a\0\6Bremen"


@pytest.mark.parametrize("private", [place_alone("<"), place_alone(">"), tags.XMP[:200], tags.resource(0x0404, PLACES)])
@pytest.mark.parametrize("name", ["jpeg table", "png pixels", "webp pixels", "gif pixels"])
def test_a_place_where_only_pixels_should_be_is_found_by_the_second_reader(name: str, private: bytes) -> None:
    blocks = b"\2" + bytes((len(private),)) + private + b"\0"
    data: dict[str, tuple[MediaType, bytes]] = {
        "jpeg table": ("image/jpeg", BARE["jpeg"][:20] + pictures.jpeg_segment(0xDB, private) + BARE["jpeg"][20:]),
        "png pixels": ("image/png", pictures.png(before=pictures.png_chunk(b"IDAT", private))),
        "webp pixels": ("image/webp", pictures.webp_around(pictures.riff_chunk(b"VP8L", private))),
        "gif pixels": ("image/gif", pictures.gif_screen(1, 1) + pictures.gif_frame(blocks=blocks) + b";"),
    }
    media_type, hidden = data[name]

    with pytest.raises(UnacceptableImage, match="location"):
        strip(hidden, media_type, "nothing")


@pytest.mark.parametrize("tag", [0x8825, 0x927C, 0x0201, 0xA431, 0xA435, 0xC62F])
@pytest.mark.parametrize("where", ["first", "second", "photo"])
def test_the_second_reader_finds_private_tags_in_every_directory(where: str, tag: int) -> None:
    private = {tag: (7, 4, b"\0\0\0\0")}
    inner = tags.directory("<", 8, private)
    at = 8 + len(inner)
    data = {
        "first": tiff("<", 8, inner),
        "second": tiff("<", at, inner + tags.directory("<", at, {}, following=8)),
        "photo": tiff("<", at, inner + tags.directory("<", at, {0x8769: (4, 1, b"\x08\0\0\0")})),
    }[where]

    with pytest.raises(UnacceptableImage, match="location"):
        refuse_leaks(bytes(5) + data)


@pytest.mark.parametrize(
    "text",
    [
        b'exif:GPSLatitude="53',
        b"GPSLongitude",
        b"GPSPosition",
        b"<drone-dji:GPSCoordinates",
        b"http://ns.adobe.com/xap/1.0/",
        b"http://ns.adobe.com/xmp/extension/",
        b'xmlns:x="adobe:ns:meta/"',
        b"<?xpacket begin",
        b"Iptc4xmpExt:LocationCreated",
        b"Raw profile type exif",
        b"com.apple.quicktime.location.ISO6709",
    ],
)
def test_the_second_reader_finds_the_words_that_places_are_written_in(text: bytes) -> None:
    with pytest.raises(UnacceptableImage, match="location"):
        refuse_leaks(b"anything" + text + b"anything")


def test_the_second_reader_takes_what_the_first_one_leaves() -> None:
    refuse_leaks(tags.exif(private=False))
    refuse_leaks(tags.minimal_exif())
    refuse_leaks(tags.resource(0x0404, b"\x1c\2\x50\0\4Anna"))


@pytest.mark.parametrize(
    "flood",
    [
        b"II*\0" * 5_000_000,
        b"II*\0\x08\0\0\0\xff\xff" * 2_000_000,
        b"MM\0*\0\0\0\x08\xff\xff" * 2_000_000,
        b"8BIM\4\4" * 3_000_000,
    ],
    ids=["marks", "directories", "directories in the other order", "resources"],
)
def test_a_file_of_beginnings_is_given_up_by_the_second_reader(flood: bytes) -> None:
    started_s = time.thread_time()

    with pytest.raises(UnacceptableImage):
        refuse_leaks(flood)

    assert time.thread_time() - started_s < 2.0
