"""Uploads that mean harm, and what is promised for each: bombs, floods, files of two kinds, cut and lying ones.

Every row says what the header alone has to lead to, and what decoding has to, for those which get that far. The
builders are small, and all files the same on every run; those which are large are made when they are asked for.
"""

import io
import struct
import zipfile
from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

from PIL import Image

import bombs
import located
import pictures
import tags

Promise = Literal["taken", "too large", "not kept", "damaged", "given up"]
"""What becomes of a file. It is "given up" where either its many parts or the time they take are too much."""

SCRIPT = b"<script>document.title='owned'</script>"
PHP = b"<?php system($_GET['c']); __HALT_COMPILER(); ?>"


class Hostile(NamedTuple):
    """How to make a file, what probe and limits promise for it, and what decoding it may lead to after that."""

    make: Callable[[], bytes]
    header: Promise
    picture: tuple[Promise, ...] = ()


def _always(data: bytes) -> Callable[[], bytes]:
    return lambda: data


def taken(make: Callable[[], bytes], *picture: Promise) -> Hostile:
    """A file whose header is in order."""
    return Hostile(make, "taken", picture or ("taken",))


# Bombs: sides, area, frames


BOMBS: dict[str, Hostile] = {
    "png of 2.5 gigapixels": Hostile(lambda: bombs.png_of_zeros(50_000, 50_000), "too large"),
    "png of one column": Hostile(lambda: bombs.png_of_zeros(1, 40_000_000), "too large"),
    "png of one row": Hostile(lambda: bombs.png_of_zeros(40_000_000, 1), "too large"),
    "png of deep pixels": Hostile(lambda: bombs.png_of_zeros(6_000, 6_000, 16, 6), "too large"),
    "png of as many pixels as allowed": taken(lambda: bombs.png_of_zeros(7_000, 7_000, 8, 6)),
    "png of as deep pixels as allowed": taken(lambda: bombs.png_of_zeros(5_700, 5_700, 16, 6)),
    "apng of many frames": Hostile(lambda: pictures.apng(100_000), "too large"),
    "jpeg of 4.3 gigapixels": Hostile(lambda: bombs.jpeg_resized(65_500, 65_500), "too large"),
    "progressive jpeg of 4.3 gigapixels": Hostile(
        lambda: bombs.jpeg_resized(65_500, 65_500, progressive=True), "too large"
    ),
    "jpeg of as many pixels as allowed": taken(lambda: bombs.jpeg_resized(7_000, 7_000), "damaged"),
    "progressive jpeg of as many pixels as allowed": taken(
        lambda: bombs.jpeg_resized(7_000, 7_000, progressive=True, subsampling=0), "damaged"
    ),
    "gif screen": Hostile(lambda: pictures.gif_claiming(65_535, 65_535), "too large"),
    "gif frame larger than its screen": Hostile(
        lambda: pictures.gif_screen(1, 1) + pictures.gif_frame(0, 0, 65_535, 65_535) + b";", "too large"
    ),
    "gif of 100 000 frames": Hostile(lambda: pictures.gif(frames=100_000), "too large"),
    "gif of 400 real megapixels": Hostile(lambda: bombs.gif_of_one_colour(20_000, 20_000), "too large"),
    "gif of 1000 real frames": Hostile(lambda: bombs.gif_of_one_colour(640, 480, 1_000), "too large"),
    "gif of as many pixels as allowed": taken(lambda: bombs.gif_of_one_colour(7_000, 7_000, 4)),
    "gif of as many frames as allowed": taken(lambda: bombs.gif_of_one_colour(440, 440, 1_000)),
    "webp of 268 megapixels": Hostile(
        lambda: pictures.webp_around(bombs.webp_of_one_colour(16_384, 16_384)), "too large"
    ),
    "webp of 30 000 frames": Hostile(lambda: bombs.webp_animation(1, 1, 30_000), "too large"),
    "webp canvas": Hostile(lambda: pictures.webp_animation_claiming(1 << 24, 1 << 24, 1), "too large"),
    "webp of as many pixels as allowed": taken(lambda: pictures.webp_around(bombs.webp_of_one_colour(7_000, 7_000))),
    "webp animation of as many pixels as allowed": taken(lambda: bombs.webp_animation(7_000, 7_000, 4), "too large"),
    "webp animation of as many pixels as can be decoded": taken(lambda: bombs.webp_animation(6_000, 4_000, 4)),
    "webp animation of as many frames as allowed": taken(lambda: bombs.webp_animation(440, 440, 1_000)),
    "avif that claims a gigapixel": Hostile(lambda: bombs.avif_resized(40_000, 30_000), "too large"),
    "avif that claims less than it has": taken(lambda: bombs.avif_resized(8, 8), "damaged"),
    "avif that claims more than it has": taken(lambda: bombs.avif_resized(5_000, 6_000), "damaged"),
    "avif of as many pixels as allowed": taken(lambda: bombs.avif_resized(7_000, 7_000), "too large"),
    "avif of many frames": Hostile(
        lambda: pictures.brands(b"avis") + pictures.track_boxes(9, 9, pictures.sample_sizes(10**6)), "too large"
    ),
    "tiff page": Hostile(lambda: pictures.tiff_of_pages([(3, 2), (60_000, 60_000)]), "too large"),
    "tiff of 5000 pages": Hostile(lambda: pictures.tiff_of_pages([(1, 1)] * 5_000), "too large"),
    "tiff of one huge tile": taken(lambda: bombs.tiled_tiff(32_768), "damaged", "not kept"),
    "tiff of one tile of the largest size": taken(lambda: bombs.tiled_tiff(2**31 - 16), "damaged", "not kept"),
    "tiff of a thousand samples": taken(lambda: bombs.tiff_with((277, 3, 1_000)), "damaged", "not kept"),
    "bmp": Hostile(lambda: pictures.bmp_claiming(40_000, 40_000), "too large"),
}


# Floods: chunks, texts, profiles, segments, scans


FLOODS: dict[str, Hostile] = {
    "png profile of 128 megabytes": taken(
        lambda: pictures.png(before=pictures.png_chunk(b"iCCP", b"p\0\0" + bombs.packed_zeros(128)))
    ),
    "png text of 128 megabytes": taken(
        lambda: pictures.png(before=pictures.png_chunk(b"zTXt", b"t\0\0" + bombs.packed_zeros(128)))
    ),
    "png text of 128 megabytes in another language": taken(
        lambda: pictures.png(before=pictures.png_chunk(b"iTXt", b"t\0\1\0\0\0" + bombs.packed_zeros(128)))
    ),
    "png of 100 packed texts": taken(
        lambda: pictures.png(before=pictures.png_chunk(b"zTXt", b"t\0\0" + bombs.packed_zeros(7)) * 100)
    ),
    "png of plain text": taken(lambda: pictures.png(before=pictures.png_chunk(b"tEXt", b"t\0" + b"x" * 20_000_000))),
    "png of 400 000 chunks": Hostile(lambda: pictures.png(before=pictures.png_chunk(b"teXt") * 400_000), "given up"),
    "png of 400 000 chunks behind its pixels": taken(
        lambda: pictures.png()[:-12] + pictures.png_chunk(b"teXt") * 400_000 + pictures.png_chunk(b"IEND"),
        "taken",
        "damaged",
    ),
    "png of 2000 texts": taken(
        lambda: pictures.png(before=pictures.png_chunk(b"tEXt", b"t\0x") * 2_000), "taken", "damaged"
    ),
    "jpeg of 2000 scans": taken(lambda: bombs.jpeg_of_scans(2_000), "too large"),
    "jpeg of 883 lawful scans": taken(lambda: bombs.jpeg_of_lawful_scans(883, 1_600), "too large"),
    "jpeg of 20 megabytes of segments": taken(
        lambda: (
            pictures.jpeg_claiming(3, 2)[:2] + pictures.jpeg_segment(0xE9, bytes(65_000)) * 300 + pictures.jpeg()[2:]
        )
    ),
    "jpeg of a million segments": Hostile(
        lambda: pictures.jpeg_claiming(3, 2, b"\xff\xe0\0\2" * 1_000_000), "given up"
    ),
    "jpeg of 255 profiles": taken(
        lambda: b"\xff\xd8" + b"".join(_profile_part(number) for number in range(1, 256)) + pictures.jpeg()[2:]
    ),
    "gif of a million extensions": Hostile(
        lambda: pictures.gif_screen(1, 1) + b"!\xfe\0" * 1_000_000 + pictures.gif_frame() + b";", "given up"
    ),
    "webp of 400 000 chunks": Hostile(
        lambda: pictures.webp_around(pictures.webp_canvas_chunk(1, 1), pictures.riff_chunk(b"EXIF", b"") * 400_000),
        "given up",
    ),
    "avif of 400 000 boxes": Hostile(lambda: pictures.brands(b"avif") + pictures.box(b"free") * 400_000, "given up"),
    "avif of 200 000 sizes": Hostile(
        lambda: pictures.brands(b"avif") + pictures.item_boxes(pictures.item_size(1, 1) * 200_000), "given up"
    ),
    "avif of nested boxes": Hostile(
        lambda: (
            pictures.brands(b"avif")
            + b"".join(struct.pack(">I4s4x", 12 * left, b"meta") for left in range(90_000, 0, -1))
        ),
        "given up",
    ),
    "tiff of pages in a circle": Hostile(
        lambda: b"II*\0\x08\0\0\0" + pictures.tiff_directory("<", 8, [(256, 4, 3), (257, 4, 2)], 8), "damaged"
    ),
}


def _profile_part(number: int) -> bytes:
    return pictures.jpeg_segment(0xE2, b"ICC_PROFILE\0" + bytes((number, 255)) + bytes(65_000))


# Files of two kinds, and programs by another name


def _archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(zipfile.ZipInfo("index.html"), SCRIPT)
    return file.getvalue()


def _two_kinds() -> Iterable[tuple[str, Hostile]]:
    behind = {"html": SCRIPT, "php": PHP, "zip": _archive(), "pdf": pictures.pdf_like(), "js": b"*/=1;alert(1)//"}
    for name in ("jpeg", "png", "gif", "lossless webp", "tiff", "bmp"):
        for kind, tail in behind.items():
            yield f"{name} and {kind}", taken(_always(pictures.small_files()[name] + tail))
    inside = {
        "jpeg": lambda: pictures.jpeg(comment=SCRIPT + PHP),
        "png": lambda: pictures.png(before=pictures.png_chunk(b"tEXt", b"Comment\0" + SCRIPT + PHP)),
        "gif": lambda: (
            pictures.gif_screen(3, 2) + located.gif_extension(0xFE, SCRIPT + PHP) + pictures.gif_frame() + b";"
        ),
        "webp": lambda: pictures.webp_around(
            pictures.webp_canvas_chunk(3, 2), bombs.webp_of_one_colour(3, 2), pictures.riff_chunk(b"Note", SCRIPT + PHP)
        ),
    }
    yield from ((f"{name} with html and php inside", taken(make)) for name, make in inside.items())
    # As a script this says: let GIF89a be a comment and then something.
    sides = int.from_bytes(b"/*", "little")
    start = pictures.gif_screen(sides, 300) + pictures.gif_frame(0, 0, 1, 1)
    yield "gif that begins as a script", taken(lambda: start + located.gif_extension(0xFE, b"*/=1;alert(1)//") + b";")
    yield "html before a png", Hostile(lambda: SCRIPT + pictures.png(), "not kept")


POLYGLOTS: dict[str, Hostile] = dict(_two_kinds())

_DELEGATES: dict[str, bytes] = {
    "mvg": b"push graphic-context\nviewbox 0 0 9 9\nfill 'url(https://127.0.0.1/x\"|id\")'\npop graphic-context",
    "msl": b'<?xml version="1.0"?><image><read filename="/etc/passwd"/><write filename="/tmp/x.php"/></image>',
    "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(%pipe%id) (w) file\n",
    "pdf": pictures.pdf_like(),
    "hls": b"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:10.0,\nconcat:file:///etc/passwd\n#EXT-X-ENDLIST\n",
    "svg": pictures.svg(),
    "svg with entities": b'<?xml version="1.0"?><!DOCTYPE s [<!ENTITY a SYSTEM "file:///etc/passwd">]><svg>&a;</svg>',
    "psd": pictures.psd_like(),
    "jpeg xl": pictures.jxl_like(),
    "heic": pictures.heic_like(),
    "jpeg 2000": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(40),
    "ppm": b"P6\n3 2\n255\n" + bytes(18),
    "radiance": b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 2 +X 3\n" + bytes(24),
    "fits": b"SIMPLE  =                    T".ljust(2_880),
    "vips": b"\xb6\xa6\xf2\x08" + bytes(60),
    "ico": b"\0\0\1\0\1\0" + bytes(60),
    "openexr": b"\x76\x2f\x31\x01" + bytes(60),
    "matlab": b"MATLAB 5.0 MAT-file".ljust(128),
    "shell": b"#!/bin/sh\nid\n",
    "nothing": b"",
    "zeros": bytes(4_096),
}

DELEGATES: dict[str, Hostile] = {
    f"{name} named .jpg": Hostile(_always(data), "not kept") for name, data in _DELEGATES.items()
}


# Damaged and lying


def _noise(file_format: str, **options: object) -> bytes:
    return pictures.encoded(located.noise().resize((160, 120)), file_format, **options)


_WHOLE: dict[str, Callable[[], bytes]] = {
    "jpeg": lambda: _noise("JPEG"),
    "progressive jpeg": lambda: _noise("JPEG", progressive=True),
    "png": lambda: _noise("PNG"),
    "gif": lambda: _noise("GIF"),
    "webp": lambda: _noise("WEBP"),
    "lossless webp": lambda: _noise("WEBP", lossless=True),
    "avif": lambda: _noise("AVIF", speed=10),
    "tiff": lambda: _noise("TIFF", compression="tiff_lzw"),
    "bmp": lambda: _noise("BMP"),
}


def _cut(make: Callable[[], bytes]) -> Callable[[], bytes]:
    return lambda: make()[: len(make()) * 2 // 3]


def _damaged() -> Iterable[tuple[str, Hostile]]:
    # Those whose header comes behind the pixels, or counts the bytes of the file, are found out without decoding.
    by_header = {"webp", "lossless webp", "tiff"}
    for name, make in _WHOLE.items():
        cut = _cut(make)
        yield f"{name} cut", Hostile(cut, "damaged") if name in by_header else taken(cut, "damaged")
    yield "jpeg of headers only", taken(lambda: pictures.jpeg_claiming(300, 200), "damaged")
    yield "png of headers only", taken(lambda: pictures.png_claiming(300, 200), "damaged")
    yield (
        "gif of headers only",
        taken(lambda: pictures.gif_screen(3, 2) + pictures.gif_frame(blocks=b"") + b"\2", "damaged"),
    )
    yield "webp of headers only", taken(lambda: pictures.webp_claiming(300, 200), "damaged")
    yield "avif of headers only", taken(lambda: pictures.avif_claiming(300, 200), "damaged")
    yield "tiff with its strip behind the end", taken(lambda: bombs.tiff_with((273, 4, 99_999)), "damaged")
    yield "tiff of an unknown compression", taken(lambda: bombs.tiff_with((259, 3, 4_711)), "damaged")
    yield "bmp of headers only", taken(lambda: pictures.bmp_claiming(300, 200), "damaged")
    yield "jpeg of 12 bits", taken(lambda: pictures.jpeg_claiming(300, 200, precision=12), "damaged")
    yield "png with a broken checksum", taken(lambda: _broken(_noise("PNG"), b"IDAT", 60), "damaged")
    yield "png header with a broken checksum", Hostile(lambda: _broken(pictures.png(), b"IHDR", 10), "damaged")
    yield "png without its end", taken(lambda: pictures.png()[:-12], "damaged", "taken")


def _broken(data: bytes, mark: bytes, behind: int) -> bytes:
    """The file with one octet changed, so many behind *mark*."""
    at = data.index(mark) + behind
    return data[:at] + bytes((data[at] ^ 0x55,)) + data[at + 1 :]


DAMAGED: dict[str, Hostile] = dict(_damaged())


# Odd, but to be taken


ODD: dict[str, Hostile] = {
    "png named jpeg": taken(pictures.png),
    "double png": taken(pictures.double_png),
    "cmyk jpeg": taken(lambda: pictures.encoded(located.noise("CMYK"), "JPEG")),
    "grey png of 16 bits": taken(lambda: pictures.picture("PNG", "I;16")),
    "png of 16 bits": taken(lambda: bombs.png_of_zeros(30, 20, 16, 2)),
    "png of one bit": taken(lambda: pictures.picture("PNG", "1")),
    "interlaced gif": taken(lambda: pictures.picture("GIF", "P", interlace=True)),
    "jpeg with a broken profile": taken(lambda: pictures.jpeg(icc_profile=b"not a profile" * 9)),
    "png with a broken profile": taken(
        lambda: pictures.png(before=pictures.png_chunk(b"iCCP", b"p\0\0" + b"\xff" * 90))
    ),
    "png with a profile of CMYK": taken(lambda: pictures.picture("PNG", icc_profile=_profile_of(b"CMYK"))),
    "jpeg with a profile that is cut": taken(lambda: pictures.jpeg(icc_profile=located.profile()[:200])),
    "tiff of floating point": taken(lambda: pictures.picture("TIFF", "F")),
}


def _profile_of(colours: bytes) -> bytes:
    return located.profile()[:16] + colours + located.profile()[20:]


def hostile_files() -> dict[str, Hostile]:
    """Every row, by name."""
    return {**BOMBS, **FLOODS, **POLYGLOTS, **DELEGATES, **DAMAGED, **ODD}


# Which way is up

ORIENTATIONS = (1, 2, 3, 4, 5, 6, 7, 8, 0, 99)
CORNERS = {
    "top left": (220, 30, 30),
    "top right": (30, 200, 30),
    "bottom left": (30, 30, 220),
    "bottom right": (0, 0, 0),
}
"""The colours in the corners of an upright picture."""


def oriented(file_format: str, orientation: int) -> bytes:
    """A picture of 96 x 64 pixels, upright, stored as *orientation* says; numbers that mean nothing turn nothing."""
    upright = Image.new("RGB", (96, 64), (255, 255, 255))
    for corner, colour in CORNERS.items():
        upright.paste(
            colour,
            (
                64 * ("right" in corner),
                32 * ("bottom" in corner),
                32 + 64 * ("right" in corner),
                32 + 32 * ("bottom" in corner),
            ),
        )
    stored = upright.transpose(pictures.STORED[orientation]) if orientation in pictures.STORED else upright
    options = {"exif": b"Exif\0\0" + tags.minimal_exif(orientation)}
    return pictures.encoded(stored, file_format, **options, **({"quality": 95} if file_format != "PNG" else {}))
