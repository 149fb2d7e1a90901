"""Pictures that tell where they were taken, in every place that cameras, telephones and programs are known to use.

Each is a harmless picture with something put into it. Wherever a text fits, `MARKER` stands in it.
"""

import functools
import json
import random
import struct
import subprocess
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image, ImageCms

import pictures
import tags
from packshot.domain.originals import MediaType
from packshot.imaging.probe import probe


class Located(NamedTuple):
    """A picture before and after something private was put into it, and whether other readers know to find it."""

    media_type: MediaType
    clean: bytes
    data: bytes
    known: bool = True


# Pictures to begin with


def noise(mode: str = "RGB", seed: int = 1) -> Image.Image:
    """A small picture no two pixels of which need be alike."""
    return Image.frombytes(mode, (40, 24), random.Random(seed).randbytes(40 * 24 * len(mode)))


@functools.cache
def profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@functools.cache
def bare_pictures() -> dict[str, bytes]:
    """Pictures of every kind without any metadata, by name; the word before the first blank says the format."""
    grey, rgb, rgba, cmyk = (noise(mode) for mode in ("L", "RGB", "RGBA", "CMYK"))
    frames = {"save_all": True, "append_images": [noise(seed=2), noise(seed=3)], "duration": 70, "loop": 4}
    return {
        "jpeg": pictures.encoded(rgb, "JPEG"),
        "jpeg progressive": pictures.encoded(rgb, "JPEG", progressive=True),
        "jpeg restarts": pictures.encoded(rgb, "JPEG", restart_marker_blocks=1),
        "jpeg cmyk": pictures.encoded(cmyk, "JPEG"),
        "jpeg grey": pictures.encoded(grey, "JPEG"),
        "png": pictures.encoded(rgb, "PNG"),
        "png palette": pictures.encoded(rgb.quantize(8), "PNG", transparency=3),
        "png alpha": pictures.encoded(rgba, "PNG", dpi=(300, 300)),
        "png animation": pictures.encoded(rgb, "PNG", **frames),
        "webp": pictures.encoded(rgb, "WEBP"),
        "webp lossless": pictures.encoded(rgb, "WEBP", lossless=True),
        "webp alpha": pictures.encoded(rgba, "WEBP"),
        "webp animation": pictures.encoded(rgb, "WEBP", **frames),
        "gif": pictures.encoded(grey, "GIF"),
        "gif animation": pictures.encoded(rgb, "GIF", **frames),
    }


# JPEG


def _movie() -> bytes:
    """What a telephone writes behind a moving picture: a film of its own with the place in it."""
    place = pictures.box(b"\xa9xyz", struct.pack(">HH", len(tags.MARKER), 0), tags.MARKER)
    return pictures.brands(b"mp42", b"isom") + pictures.box(b"moov", pictures.box(b"udta", place))


def _app1(exif_bytes: bytes) -> bytes:
    return pictures.jpeg_segment(0xE1, b"Exif\0\0" + exif_bytes)


def _extended_xmp() -> bytes:
    head = b"http://ns.adobe.com/xmp/extension/\0" + b"0123456789ABCDEF" * 2 + struct.pack(">II", len(tags.XMP), 0)
    return pictures.jpeg_segment(0xE1, head + tags.XMP)


def _jpegs() -> Iterable[tuple[str, Located]]:
    clean = pictures.encoded(noise(), "JPEG", icc_profile=profile())
    progressive = pictures.encoded(noise(), "JPEG", progressive=True)
    upright = _app1(tags.exif(private=False))
    xmp = pictures.jpeg_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + tags.XMP)
    second = pictures.encoded(noise(), "JPEG", exif=b"Exif\0\0" + tags.exif())
    segments = {
        "place and thumbnail": (_app1(tags.exif()), upright),
        "place in the other byte order": (_app1(tags.exif(">")), _app1(tags.exif(">", private=False))),
        "second EXIF": (upright + _app1(tags.exif(orientation=3)), upright),
        "XMP": (xmp, b""),
        "extended XMP": (xmp + _extended_xmp(), b""),
        "extended XMP alone": (_extended_xmp(), b""),
        "IPTC": (
            tags.photoshop(tags.resource(0x0404, tags.IPTC)),
            tags.photoshop(tags.resource(0x0404, tags.dataset(2, 80, tags.AUTHOR) + tags.dataset(2, 116, tags.OWNED))),
        ),
        "Photoshop XMP": (tags.photoshop(tags.resource(0x03ED, bytes(16)), tags.resource(0x0424, tags.XMP)), b""),
        "Photoshop EXIF": (tags.photoshop(tags.resource(0x0422, tags.exif())), b""),
        "Photoshop thumbnail": (
            tags.photoshop(tags.resource(0x040C, struct.pack(">IIIIIIHH", 1, 8, 6, 24, 144, 9, 24, 1) + second)),
            b"",
        ),
        "comment": (pictures.jpeg_segment(0xFE, tags.MARKER), b""),
        "thumbnail of JFIF": (pictures.jpeg_segment(0xE0, b"JFXX\0\x10" + pictures.jpeg(comment=tags.MARKER)), b""),
        "maker's segment": (pictures.jpeg_segment(0xE5, b"RMETA\0" + tags.MARKER), b""),
        "provenance": (pictures.jpeg_segment(0xEB, b"JP\0\1" + pictures.box(b"jumb", tags.MARKER)), b""),
    }
    for name, (private, harmless) in segments.items():
        known = name not in {"maker's segment", "provenance", "extended XMP alone"}
        # Behind JFIF, which has to be first.
        yield f"jpeg {name}", _with(clean, 20, private, harmless, known=known)
    between = progressive.index(b"\xff\xc4", progressive.index(b"\xff\xda"))
    yield "jpeg between scans", _with(progressive, between, _app1(tags.exif()), upright)
    end = len(clean)
    yield "jpeg film behind the end", _with(clean, end, _movie(), known=False)
    pictures_index = pictures.jpeg_segment(0xE2, b"MPF\0" + _index_of_pictures(end, second))
    indexed = clean[:20] + pictures_index + clean[20:] + second
    yield "jpeg second picture", Located("image/jpeg", clean, indexed)
    yield "jpeg second picture alone", _with(clean, end, second, known=False)


def _index_of_pictures(first_bytes: int, second: bytes) -> bytes:
    """The directory of several pictures in one file; offsets count from itself, which stands 28 bytes in."""
    entry_bytes, head_bytes = 16, 4 + 28
    values = {0xB000: (7, 4, b"0100"), 0xB001: tags.long("<", 2), 0xB002: (7, 2 * entry_bytes, bytes(2 * entry_bytes))}
    size_bytes = 8 + len(tags.directory("<", 8, values)) + 8
    first = struct.pack("<IIIHH", 0x20030000, first_bytes + size_bytes, 0, 0, 0)
    other = struct.pack("<IIIHH", 0, len(second), first_bytes + size_bytes - head_bytes + 4, 0, 0)
    values[0xB002] = (7, 2 * entry_bytes, first + other)
    return b"II*\0\x08\0\0\0" + tags.directory("<", 8, values)


def _with(clean: bytes, at: int, private: bytes, harmless: bytes = b"", *, known: bool = True) -> Located:
    """The JPEG with a private segment, and with the harmless part of it."""
    return Located("image/jpeg", clean[:at] + harmless + clean[at:], clean[:at] + private + clean[at:], known)


# PNG


def raw_profile(kind: bytes, body: bytes, *, packed: bool = True) -> bytes:
    """What ImageMagick puts into text chunks: hexadecimal digits under a line with their number."""
    text = b"\n" + kind + b"\n%8d\n" % len(body) + body.hex().encode() + b"\n"
    keyword = b"Raw profile type " + kind + b"\0"
    if packed:
        return pictures.png_chunk(b"zTXt", keyword + b"\0" + zlib.compress(text))
    return pictures.png_chunk(b"tEXt", keyword + text)


def _xmp_text(*, packed: bool) -> bytes:
    head = b"XML:com.adobe.xmp\0" + bytes((packed, 0)) + b"\0\0"
    return pictures.png_chunk(b"iTXt", head + (zlib.compress(tags.XMP) if packed else tags.XMP))


def _pngs() -> Iterable[tuple[str, Located]]:
    clean = pictures.encoded(noise(), "PNG", icc_profile=profile())
    moving = bare_pictures()["png animation"]
    pixels, end = clean.index(b"IDAT") - 4, len(clean) - 12
    harmless = pictures.png_chunk(b"eXIf", tags.exif(private=False))
    chunks = {
        "EXIF": (pictures.png_chunk(b"eXIf", tags.exif()), harmless),
        "EXIF in the other byte order": (
            pictures.png_chunk(b"eXIf", tags.exif(">")),
            pictures.png_chunk(b"eXIf", tags.exif(">", private=False)),
        ),
        "XMP": (_xmp_text(packed=False), b""),
        "packed XMP": (_xmp_text(packed=True), b""),
        "raw profile of EXIF": (raw_profile(b"exif", b"Exif\0\0" + tags.exif()), b""),
        "raw profile of APP1": (raw_profile(b"APP1", b"Exif\0\0" + tags.exif(), packed=False), b""),
        "raw profile of XMP": (raw_profile(b"xmp", tags.XMP), b""),
        "raw profile of IPTC": (raw_profile(b"iptc", tags.resource(0x0404, tags.IPTC)), b""),
        "comment": (pictures.png_chunk(b"tEXt", b"Comment\0" + tags.MARKER), b""),
        "packed comment": (pictures.png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(tags.MARKER)), b""),
        "private chunk": (pictures.png_chunk(b"caBX", pictures.box(b"jumb", tags.MARKER)), b""),
        "chunk too long": (pictures.png_chunk(b"pHYs", struct.pack(">IIB", 9, 9, 1) + tags.MARKER * 50), b""),
    }
    for name, (private, left) in chunks.items():
        known = name not in {"private chunk", "chunk too long"}
        data = clean[:pixels] + private + clean[pixels:]
        yield f"png {name}", Located("image/png", clean[:pixels] + left + clean[pixels:], data, known)
    late = [clean[:end] + chunk + clean[end:] for chunk in (harmless, pictures.png_chunk(b"eXIf", tags.exif()))]
    yield "png EXIF behind the pixels", Located("image/png", late[0], late[1])
    yield "png behind the end", Located("image/png", clean, clean + tags.exif() + tags.XMP, known=False)
    private = (
        moving[:33] + _xmp_text(packed=False) + moving[33:-12] + pictures.png_chunk(b"eXIf", tags.exif()) + moving[-12:]
    )
    yield "png animation", Located("image/png", moving[:-12] + harmless + moving[-12:], private)


# WebP


def _extended(*chunks: bytes, flags: int = 0) -> bytes:
    return pictures.webp_around(pictures.webp_canvas_chunk(40, 24, flags), *chunks)


def _webps() -> Iterable[tuple[str, Located]]:
    colours = pictures.riff_chunk(b"ICCP", profile())
    place, xmp = pictures.riff_chunk(b"EXIF", tags.exif()), pictures.riff_chunk(b"XMP ", tags.XMP)
    headed = pictures.riff_chunk(b"EXIF", b"Exif\0\0" + tags.exif())
    harmless = pictures.riff_chunk(b"EXIF", tags.exif(private=False))
    unknown = pictures.riff_chunk(b"Note", tags.MARKER)
    for name in ("webp", "webp lossless"):
        plain = bare_pictures()[name]
        pixels = plain[12:]
        yield f"{name} XMP", Located("image/webp", _extended(pixels), _extended(pixels, xmp, flags=0x04))
        yield (
            f"{name} EXIF",
            Located(
                "image/webp",
                _extended(colours, pixels, harmless, flags=0x28),
                _extended(colours, pixels, place, flags=0x28),
            ),
        )
        yield (
            f"{name} EXIF as in JPEG",
            Located("image/webp", _extended(pixels, harmless, flags=0x08), _extended(pixels, headed, xmp, flags=0x0C)),
        )
        yield (
            f"{name} unknown chunk",
            Located("image/webp", _extended(pixels), _extended(unknown, pixels, unknown), known=False),
        )
        yield f"{name} behind the end", Located("image/webp", plain, plain + tags.exif() + tags.XMP, known=False)
    moving = bare_pictures()["webp animation"]
    yield "webp animation", Located("image/webp", moving, _moving(moving, behind=xmp + unknown))
    yield "webp animation frame", Located("image/webp", moving, _moving(moving, in_frames=unknown), known=False)


def _moving(data: bytes, in_frames: bytes = b"", behind: bytes = b"") -> bytes:
    """The animation with further chunks, in each of its frames or behind them all."""
    at, parts = 12, list[bytes]()
    while at < len(data):
        kind, size_bytes = struct.unpack_from("<4sI", data, at)
        body = data[at + 8 : at + 8 + size_bytes]
        parts.append(pictures.riff_chunk(kind, body + in_frames if kind == b"ANMF" else body))
        at += 8 + size_bytes + size_bytes % 2
    return pictures.webp_around(*parts, behind)


# GIF


def gif_extension(label: int, *blocks: bytes) -> bytes:
    return bytes((0x21, label)) + b"".join(bytes((len(block),)) + block for block in blocks) + b"\0"


def gif_xmp() -> bytes:
    """XMP as it stands in GIF: not cut into blocks but followed by a slide that leads every reader out of it."""
    slide = b"\1" + bytes(range(255, -1, -1)) + b"\0"
    return b"\x21\xff\x0bXMP DataXMP" + tags.XMP + slide


def _gifs() -> Iterable[tuple[str, Located]]:
    for name in ("gif", "gif animation"):
        clean = bare_pictures()[name]
        first = 13 + (3 << (clean[10] & 7) + 1 if clean[10] & 0x80 else 0)
        extensions = {
            "comment": gif_extension(0xFE, tags.MARKER),
            "XMP": gif_xmp(),
            "plain text": gif_extension(0x01, bytes(12), tags.MARKER),
            "application": gif_extension(0xFF, b"BOXWORKS1.0", tags.MARKER),
            "loop too long": gif_extension(0xFF, b"NETSCAPE2.0", b"\1\0\0", tags.MARKER * 4),
        }
        for kind, extension in extensions.items():
            data = clean[:first] + extension + clean[first:]
            yield f"{name} {kind}", Located("image/gif", clean, data, kind in {"comment", "XMP", "plain text"})
        stray = clean[:-1] + b"\0\0" + tags.exif() + clean[-1:]
        yield f"{name} between blocks", Located("image/gif", clean, stray, known=False)
        yield f"{name} behind the end", Located("image/gif", clean, clean + tags.exif() + tags.XMP, known=False)


@functools.cache
def located_pictures() -> dict[str, Located]:
    """Everything above, by name."""
    return dict([*_jpegs(), *_pngs(), *_webps(), *_gifs()])


# What has to be encoded anew


@functools.cache
def others() -> dict[str, bytes]:
    """Pictures of the formats that are not copied part by part, by name; all but the bitmap have a colour profile.

    They lie as `tags.ORIENTATION` says, with 300 pixels an inch, where their format can tell.
    """
    told = Image.Exif()
    told.load(b"Exif\0\0" + tags.exif())
    told[700], told[33723] = tags.XMP, tags.IPTC
    said = {"icc_profile": profile(), "exif": told, "dpi": (300, 300)}
    with_exif = {"icc_profile": profile(), "exif": tags.exif(), "xmp": tags.XMP, "speed": 10}
    return {
        "tiff": pictures.encoded(noise(), "TIFF", **said),
        "tiff alpha": pictures.encoded(noise("RGBA"), "TIFF", **said),
        "tiff cmyk": pictures.encoded(noise("CMYK"), "TIFF", **(said | {"icc_profile": None})),
        "tiff pages": pictures.encoded(noise(), "TIFF", save_all=True, append_images=[noise(seed=2)], **said),
        "avif": pictures.encoded(noise(), "AVIF", **with_exif),
        "avif alpha": pictures.encoded(noise("RGBA"), "AVIF", **with_exif),
        "bmp": pictures.encoded(noise(), "BMP") + tags.exif() + tags.XMP,
    }


# What an independent reader finds


TELLING = ("GPS", "XMP", "City", "Location", "Serial", "Thumbnail", "MakerNote", "OwnerName", "MPImage")


def told(data: dict[str, bytes], folder: Path) -> dict[str, dict[str, Any]]:
    """All that exiftool finds in pictures, by the same names."""
    names = {f"{number}.{probe(content).media_type[6:]}": name for number, (name, content) in enumerate(data.items())}
    for file, name in names.items():
        (folder / file).write_bytes(data[name])
    command = ["exiftool", "-json", "-a", "-u", "-U", "-G1", "-ee3", "-api", "RequestAll=3", "-r", str(folder)]
    answer = subprocess.run(command, capture_output=True, check=False).stdout
    return {names[Path(found["SourceFile"]).name]: found for found in json.loads(answer)}


def tells(found: dict[str, Any]) -> list[str]:
    """What of it is private."""
    marks = (tags.MARKER.decode(), tags.SERIAL.decode())
    return [
        key
        for key, value in found.items()
        if any(word in key for word in TELLING) or any(mark in str(value) for mark in marks)
    ]
