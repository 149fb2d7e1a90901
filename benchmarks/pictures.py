"""The picture that uploads send: a JPEG of exactly 200 KB, and the JSON around it, in which 16 characters change."""

import base64
import random
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
    """The picture as text."""
    return base64.b64encode(jpeg()).decode()


def jpeg() -> bytes:
    """The same picture each time: soft noise, with a comment that fills it up to `SIZE_BYTES`."""
    whole = next(data for quality in range(95, 5, -1) if len(data := _draw(quality)) < SIZE_BYTES - _MARK_BYTES - 4)
    comment_bytes = SIZE_BYTES - len(whole) - 4
    if whole[2:4] != b"\xff\xe0" or comment_bytes > _LONGEST_COMMENT:
        raise ValueError("the encoder wrote another kind of file than expected")
    comment = b"\xff\xfe" + (comment_bytes + 2).to_bytes(2, "big") + b"." * comment_bytes
    return whole[:_HEAD_BYTES] + comment + whole[_HEAD_BYTES:]


def _draw(quality: int) -> bytes:
    noise = Image.frombytes("RGB", (300, 200), random.Random(1).randbytes(300 * 200 * 3))
    file = BytesIO()
    noise.resize((1200, 800), Image.Resampling.BICUBIC).save(file, "JPEG", quality=quality)
    return file.getvalue()
