"""The pictures that are sent: a JPEG of exactly 200 KB in JSON of which 16 characters change, photographs, bombs."""

import base64
import random
import struct
import zlib
from io import BytesIO
from pathlib import Path

from PIL import Image

SIZE_BYTES = 200 * 1024
_HEAD_BYTES = 20  # start of image and the JFIF segment
_MARK_AT = 24  # behind the comment's marker and length; a multiple of 3, so base64 of the mark stands alone
_MARK_BYTES = 12
_LONGEST_COMMENT = 65_533


def write_upload(path: Path) -> None:
    """Write the body of catalog.productImage.add, with @product@ for the id and @mark@ for 16 base64 characters.

    Any 16 characters of the base64 alphabet make a picture that is whole, and another one than before.
    """
    text = in_base64()
    start, end = _MARK_AT * 4 // 3, (_MARK_AT + _MARK_BYTES) * 4 // 3
    picture = f"{text[:start]}@mark@{text[end:]}"
    path.write_text(
        f'{{"fields":{{"productId":@product@,"type":"MORE_PHOTO"}},"fileContent":["front.jpeg","{picture}"]}}'
    )


def in_base64() -> str:
    """The picture of uploads as text."""
    return base64.b64encode(jpeg()).decode()


def jpeg() -> bytes:
    """The same picture each time: soft noise, with a comment that fills it up to `SIZE_BYTES`."""
    whole = next(data for quality in range(95, 5, -1) if len(data := _draw(quality)) < SIZE_BYTES - _MARK_BYTES - 4)
    comment_bytes = SIZE_BYTES - len(whole) - 4
    if whole[2:4] != b"\xff\xe0" or comment_bytes > _LONGEST_COMMENT:
        raise ValueError("the encoder wrote another kind of file than expected")
    comment = b"\xff\xfe" + (comment_bytes + 2).to_bytes(2, "big") + b"." * comment_bytes
    return whole[:_HEAD_BYTES] + comment + whole[_HEAD_BYTES:]


def photo(width_px: int, height_px: int) -> bytes:
    """The same JPEG each time, with details of every size as a photograph has them: 0.3 bytes a pixel."""
    picture = Image.new("RGB", (width_px, height_px), "grey")
    for cell_px in (256, 128, 64, 32, 16, 8, 4, 2):
        size = width_px // cell_px, height_px // cell_px
        noise = Image.frombytes("RGB", size, random.Random(cell_px).randbytes(size[0] * size[1] * 3))
        picture = Image.blend(picture, noise.resize(picture.size, Image.Resampling.BICUBIC), 0.25)
    file = BytesIO()
    picture.save(file, "JPEG", quality=85)
    return file.getvalue()


def bomb_by_header() -> bytes:
    """A PNG of 300 KB that claims 2.5 gigapixels."""
    return _png(50_000, 50_000, random.Random(2).randbytes(300_000))


def bomb_by_pixels() -> bytes:
    """A PNG of 190 KB and as many pixels as are allowed, whose damage shows once most of them are decoded."""
    side_px = 7_000
    packed = zlib.compress(bytes(side_px * (1 + 4 * side_px)), 6)
    return _png(side_px, side_px, packed[: len(packed) * 9 // 10])


def _png(width_px: int, height_px: int, packed: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width_px, height_px, 8, 6, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", packed), (b"IEND", b""))
    chunks = (
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _draw(quality: int) -> bytes:
    noise = Image.frombytes("RGB", (300, 200), random.Random(1).randbytes(300 * 200 * 3))
    file = BytesIO()
    noise.resize((1200, 800), Image.Resampling.BICUBIC).save(file, "JPEG", quality=quality)
    return file.getvalue()
