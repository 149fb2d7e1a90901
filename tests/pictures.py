"""Pictures for tests: small real ones, ones whose headers lie, and files that are no picture we keep.

Everything is the same on every run. Builders that need an encoder use Pillow, the others are written by hand.
"""

import functools
import io
import math
import random
import struct
import zlib
from collections.abc import Iterable
from typing import Any

from PIL import Image

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
VENDOR_PNG_BYTES = 546
"""Length of the PNG which the vendor's upload sample holds twice."""

STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""By orientation: what was done to an upright picture before it was stored like that."""


def encoded(image: Image.Image, file_format: str, **options: Any) -> bytes:
    """The image as a file, written by Pillow."""
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def picture(file_format: str, mode: str = "RGB", width_px: int = 3, height_px: int = 2, **options: Any) -> bytes:
    """A real picture of one colour in any format and mode Pillow writes."""
    return encoded(Image.new(mode, (width_px, height_px)), file_format, **options)


def animation(file_format: str, width_px: int = 3, height_px: int = 2, frames: int = 3, **options: Any) -> bytes:
    """A real file of several frames or pages, each of another colour."""
    first, *others = (
        Image.new("RGB", (width_px, height_px), (7 * number % 256, 99, number % 256)) for number in range(frames)
    )
    return encoded(first, file_format, save_all=True, append_images=others, **options)


# PNG


def png_chunk(kind: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_header(width_px: int, height_px: int, depth: int = 8, colour: int = 2) -> bytes:
    """Signature and IHDR; colours are 0 grey, 2 RGB, 3 palette, 4 grey with alpha, 6 RGBA."""
    return PNG_SIGNATURE + png_chunk(b"IHDR", struct.pack(">IIBBBBB", width_px, height_px, depth, colour, 0, 0, 0))


def png_around(header: bytes, pixels: bytes, before: bytes = b"") -> bytes:
    """A PNG file of a header, raw rows and the chunks to stand *before* them."""
    return header + before + png_chunk(b"IDAT", zlib.compress(pixels, 9)) + png_chunk(b"IEND")


def png(width_px: int = 3, height_px: int = 2, before: bytes = b"") -> bytes:
    """A real RGB PNG, black."""
    return png_around(png_header(width_px, height_px), (b"\0" + bytes(3 * width_px)) * height_px, before)


def png_claiming(width_px: int, height_px: int, depth: int = 8, colour: int = 2) -> bytes:
    """A tiny PNG whose header promises whatever it likes."""
    return png_around(png_header(width_px, height_px, depth, colour), bytes(64))


def apng(frames: int = 2, width_px: int = 3, height_px: int = 2, *, first_is_frame: bool = True) -> bytes:
    """The structure of an animated PNG; only its first picture has pixels."""
    control = png_chunk(b"acTL", struct.pack(">II", frames, 0))
    frame = png_chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, width_px, height_px, 0, 0, 1, 10, 0, 0))
    return png(width_px, height_px, control + (frame if first_is_frame else b""))


def vendor_png() -> bytes:
    """A picture like the one in the vendor's upload sample: 200 x 200 pixels, palette, 546 bytes."""
    palette = png_chunk(b"PLTE", bytes(range(48)))
    rows = b"".join(b"\0" + bytes([17 * (row // 20 % 16)]) * 100 for row in range(200))
    bare = png_around(png_header(200, 200, 4, 3), rows, palette)
    filling = VENDOR_PNG_BYTES - len(bare) - len(png_chunk(b"tEXt", b"Comment\0"))
    return png_around(png_header(200, 200, 4, 3), rows, palette + png_chunk(b"tEXt", b"Comment\0" + b"." * filling))


def double_png() -> bytes:
    """Two equal PNGs back to back, as the vendor's upload sample decodes to."""
    return vendor_png() * 2


# JPEG


def jpeg(width_px: int = 3, height_px: int = 2, **options: Any) -> bytes:
    """A real RGB JPEG, black."""
    return picture("JPEG", "RGB", width_px, height_px, **options)


@functools.cache
def jpeg_of_size(size_bytes: int) -> bytes:
    """A real JPEG of noise of exactly *size_bytes*, from 1 kB upwards; comments make up what the noise leaves."""
    side_px = max(16, math.isqrt(int((size_bytes - 650) / 0.91)) // 16 * 16)
    noise = random.Random(size_bytes).randbytes(3 * side_px * side_px)
    bare = encoded(Image.frombytes("RGB", (side_px, side_px), noise), "JPEG", quality=90)
    return bare[:2] + _jpeg_comments(size_bytes - len(bare)) + bare[2:]


def _jpeg_comments(size_bytes: int) -> bytes:
    """Comment segments of exactly so many bytes together, each from 4 to 65 537 of them."""
    count = -(-size_bytes // 65_537)
    lengths = [size_bytes * (number + 1) // count - size_bytes * number // count for number in range(count)]
    return b"".join(jpeg_segment(0xFE, bytes(length - 4)) for length in lengths)


def jpeg_segment(marker: int, body: bytes = b"") -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


JPEG_SCAN = jpeg_segment(0xDA, b"\1\1\0\0\x3f\0")


def jpeg_frame(width_px: int, height_px: int, components: int = 3, precision: int = 8, marker: int = 0xC0) -> bytes:
    """A frame header segment; markers C0 baseline, C2 progressive, C3 lossless."""
    body = struct.pack(">BHHB", precision, height_px, width_px, components)
    return jpeg_segment(marker, body + b"\x01\x11\0" * components)


def jpeg_claiming(width_px: int, height_px: int, before: bytes = b"", **frame: int) -> bytes:
    """A tiny JPEG, with nothing to decode, whose frame header promises whatever it likes."""
    return b"\xff\xd8" + before + jpeg_frame(width_px, height_px, **frame) + JPEG_SCAN + b"\xff\xd9"


# GIF

GIF_BLOCKS = b"\x02\x02\x44\x01\x00"
"""The pixels of a frame of one pixel: size of the codes, one block, the empty block."""


def gif_screen(width_px: int, height_px: int) -> bytes:
    return b"GIF89a" + struct.pack("<HHBBB", width_px, height_px, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"


def gif_frame(left: int = 0, top: int = 0, width_px: int = 1, height_px: int = 1, blocks: bytes = GIF_BLOCKS) -> bytes:
    return struct.pack("<BHHHHB", 0x2C, left, top, width_px, height_px, 0) + blocks


def gif(width_px: int = 3, height_px: int = 2, frames: int = 1) -> bytes:
    """A real GIF whose frames are one pixel each, on a canvas of the given size."""
    return gif_screen(width_px, height_px) + gif_frame() * frames + b";"


def gif_claiming(width_px: int, height_px: int, frames: int = 1) -> bytes:
    """A tiny GIF with a screen of whatever size."""
    return gif(width_px, height_px, frames)


# WebP


def riff_chunk(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def webp_around(*chunks: bytes) -> bytes:
    return riff_chunk(b"RIFF", b"WEBP" + b"".join(chunks))


def three_bytes(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(3, "little") for number in numbers)


def webp_lossless_chunk(width_px: int, height_px: int, *, alpha: bool = False) -> bytes:
    bits = width_px - 1 | height_px - 1 << 14 | alpha << 28
    return riff_chunk(b"VP8L", b"\x2f" + struct.pack("<I", bits) + bytes(7))


def webp_canvas_chunk(width_px: int, height_px: int, flags: int = 0) -> bytes:
    """VP8X; flags are 0x02 animation, 0x10 alpha."""
    return riff_chunk(b"VP8X", struct.pack("<B3x", flags) + three_bytes(width_px - 1, height_px - 1))


def webp_frame_chunk(left: int = 0, top: int = 0, width_px: int = 1, height_px: int = 1) -> bytes:
    place = three_bytes(left // 2, top // 2, width_px - 1, height_px - 1, 100)
    return riff_chunk(b"ANMF", place + b"\0" + webp_lossless_chunk(width_px, height_px))


def webp(width_px: int = 3, height_px: int = 2, **options: Any) -> bytes:
    """A real WebP, black; lossless=True for the other bitstream."""
    return picture("WEBP", "RGB", width_px, height_px, **options)


def webp_claiming(width_px: int, height_px: int) -> bytes:
    """A WebP of 32 bytes whose bitstream promises sides of up to 16 384 pixels."""
    return webp_around(webp_lossless_chunk(width_px, height_px))


def webp_animation_claiming(width_px: int, height_px: int, frames: int) -> bytes:
    """An animation of one-pixel frames on a canvas of whatever size."""
    return webp_around(webp_canvas_chunk(width_px, height_px, 0x02), webp_frame_chunk() * frames)


# AVIF and its relatives


def box(kind: bytes, *bodies: bytes) -> bytes:
    body = b"".join(bodies)
    return struct.pack(">I", 8 + len(body)) + kind + body


def brands(major: bytes, *compatible: bytes) -> bytes:
    return box(b"ftyp", major, bytes(4), *compatible)


def item_size(width_px: int, height_px: int) -> bytes:
    return box(b"ispe", struct.pack(">4xII", width_px, height_px))


def item_boxes(*properties: bytes) -> bytes:
    return box(b"meta", bytes(4), box(b"iprp", box(b"ipco", *properties)))


def track_boxes(width_px: int, height_px: int, *samples: bytes) -> bytes:
    """A movie of one track with the boxes of its sample table; what ends the track's header is no size."""
    header = box(b"tkhd", bytes(76), struct.pack(">II", width_px << 16, height_px << 16), bytes(8))
    return box(b"moov", box(b"trak", header, box(b"mdia", box(b"minf", box(b"stbl", *samples)))))


def sample_sizes(frames: int, common_size_bytes: int = 0) -> bytes:
    return box(b"stsz", struct.pack(">4xII", common_size_bytes, frames))


def avif(width_px: int = 3, height_px: int = 2, **options: Any) -> bytes:
    """A real AVIF, black."""
    return picture("AVIF", "RGB", width_px, height_px, speed=10, **options)


def avif_claiming(width_px: int, height_px: int, *properties: bytes) -> bytes:
    """The boxes of an AVIF with nothing to decode."""
    return brands(b"avif", b"mif1", b"miaf") + item_boxes(item_size(width_px, height_px), *properties)


def heic_like() -> bytes:
    """What a telephone's HEIC begins with."""
    return brands(b"heic", b"mif1", b"heic") + item_boxes(item_size(4032, 3024)) + box(b"mdat", bytes(64))


# TIFF


def tiff_directory(order: str, at: int, tags: Iterable[tuple[int, int, int]], following: int = 0) -> bytes:
    """A classic directory of (tag, LONG or SHORT kind, value); *following* is the next one's offset."""
    entries = [_tiff_entry(order, *tag) for tag in tags]
    assert at % 2 == 0
    return struct.pack(order + "H", len(entries)) + b"".join(entries) + struct.pack(order + "I", following)


def _tiff_entry(order: str, tag: int, kind: int, value: int) -> bytes:
    return struct.pack(order + "HHI", tag, kind, 1) + struct.pack(order + ("I" if kind == 4 else "H2x"), value)


def tiff(width_px: int = 3, height_px: int = 2, pages: int = 1, order: str = "<") -> bytes:
    """A real grey TIFF whose black pages share one strip, which stands in front of them."""
    strip = bytes(width_px * height_px + width_px * height_px % 2)
    return tiff_of_pages([(width_px, height_px)] * pages, order, strip)


def tiff_of_pages(sizes_px: list[tuple[int, int]], order: str = "<", strip: bytes = b"\0\0") -> bytes:
    """A TIFF with a page for each size; their strip is whatever is given."""
    at = 8 + len(strip)
    parts = [b"II*\0" if order == "<" else b"MM\0*", struct.pack(order + "I", at), strip]
    for left, (width_px, height_px) in enumerate(sizes_px, 1 - len(sizes_px)):
        tags = [(256, 4, width_px), (257, 4, height_px), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 8)]
        tags += [(277, 3, 1), (278, 4, height_px), (279, 4, width_px * height_px % 2**32)]
        end = at + 6 + 12 * len(tags)
        parts.append(tiff_directory(order, at, tags, end if left else 0))
        at = end
    return b"".join(parts)


# BMP


def bmp(width_px: int = 3, height_px: int = 2) -> bytes:
    """A real BMP of 24 bits, black."""
    return picture("BMP", "RGB", width_px, height_px)


def bmp_claiming(width_px: int, height_px: int, bits: int = 24, header_bytes: int = 40) -> bytes:
    """The headers of a BMP; a negative height means rows from top to bottom."""
    second = struct.pack("<IiiHH", header_bytes, width_px, height_px, 1, bits).ljust(header_bytes, b"\0")
    return b"BM" + struct.pack("<IHHI", 14 + header_bytes, 0, 0, 14 + header_bytes) + second


def bmp_os2(width_px: int = 3, height_px: int = 2) -> bytes:
    """A real BMP of OS/2 1.x, 24 bits, black."""
    pixels = bytes((3 * width_px + 3) // 4 * 4 * height_px)
    second = struct.pack("<IHHHH", 12, width_px, height_px, 1, 24)
    return b"BM" + struct.pack("<IHHI", 26 + len(pixels), 0, 0, 26) + second + pixels


# Of every kind one


@functools.cache
def small_files() -> dict[str, bytes]:
    """A real file of every format and flavour, by name; each is what Pillow takes it for."""
    return {
        "jpeg": jpeg(),
        "png": png(),
        "apng": apng(),
        "vendor png": vendor_png(),
        "gif": gif(frames=3),
        "webp": webp(),
        "lossless webp": webp(lossless=True),
        "webp animation": animation("WEBP"),
        "avif": avif(),
        "avif sequence": animation("AVIF", speed=10),
        "tiff": tiff(pages=2),
        "big-endian tiff": tiff(order=">"),
        "bigtiff": picture("TIFF", big_tiff=True),
        "bmp": bmp(),
        "os2 bmp": bmp_os2(),
    }


# What is not kept


def svg() -> bytes:
    return b'<svg xmlns="http://www.w3.org/2000/svg" width="3" height="2"><script>alert(1)</script></svg>'


def html() -> bytes:
    return b"<!DOCTYPE html><html><body><script>alert(1)</script></body></html>"


def pdf_like() -> bytes:
    return b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n"


def psd_like() -> bytes:
    return b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, 2, 3, 8, 3) + bytes(12)


def jxl_like() -> bytes:
    """The bare codestream of a JPEG XL image."""
    return b"\xff\x0a" + bytes(30)


def jxl_in_boxes() -> bytes:
    return box(b"JXL ", b"\r\n\x87\n") + brands(b"jxl ", b"jxl ")
