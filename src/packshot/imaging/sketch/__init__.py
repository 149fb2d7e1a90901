"""Pictures drawn when they are needed, so that a sample catalogue needs no files: products on a light backdrop.

Nothing here depends on chance, time or fonts. Pillow is imported when the first product is drawn and not before.
"""

import io
import struct
import zlib
from typing import Literal

from packshot.imaging.sketch.pen import Colour, Pen, backdrop, lit
from packshot.imaging.sketch.subjects import SUBJECTS, Subject

__all__ = ["Colour", "Subject", "View", "draw", "tiny_png"]

View = Literal["whole", "close", "pair", "row"]
"""How a product is shown: all of it, from near, two of it, or three of it in shades of its colour."""

_DRAWN_PX = 1200
"""Edges are made smooth by drawing larger, at least twice and at most four times, and scaling down."""

_JPEG_QUALITY = 85

_VIEWS: dict[View, tuple[tuple[float, float, float, float], ...]] = {
    "whole": ((0.0, 0.0, 1.0, 0.0),),
    "close": ((-0.36, -0.22, 1.66, 0.0),),
    "pair": ((0.34, 0.14, 0.66, 0.34), (0.02, 0.27, 0.66, 0.0)),
    "row": ((-0.03, 0.24, 0.5, 0.45), (0.53, 0.24, 0.5, -0.25), (0.2, 0.34, 0.6, 0.0)),
}
"""Per view and product in it, back to front: left and top of its square, the square's side, and how much lighter."""

_PIXEL_COLOURS: dict[str, Colour] = {".": (240, 242, 247), "o": (58, 112, 196), "+": (40, 82, 152), "w": (252, 196, 84)}
_PIXELS = (
    "................",
    "....oo....oo....",
    "..oooo++++oooo..",
    ".oooooo++oooooo.",
    ".oooooooooooooo.",
    "oooooooooooooooo",
    "ooo+oooooooo+ooo",
    "+++ooowwwwooo+++",
    "...oowwwwwwoo...",
    "...oowwwwwwoo...",
    "...ooowwwwooo...",
    "...oooooooooo...",
    "...oooooooooo...",
    "...oooooooooo...",
    "...++++++++++...",
    "................",
)


def tiny_png() -> bytes:
    """A blue shirt of 16 by 16 pixels, in so few bytes that a command with it fits on a screen."""
    order = list(_PIXEL_COLOURS)
    rows = (sum(order.index(pixel) << 2 * (15 - x) for x, pixel in enumerate(row)) for row in _PIXELS)
    pixels = b"".join(b"\0" + row.to_bytes(4, "big") for row in rows)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (
            _chunk(b"IHDR", struct.pack(">IIBBBBB", 16, 16, 2, 3, 0, 0, 0)),
            _chunk(b"PLTE", bytes(channel for colour in _PIXEL_COLOURS.values() for channel in colour)),
            _chunk(b"IDAT", zlib.compress(pixels, 9)),
            _chunk(b"IEND", b""),
        )
    )


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def draw(subject: Subject, colour: Colour, side_px: int = 1200, view: View = "whole") -> bytes:
    """A square JPEG of the product in that colour, on a light backdrop; the same bytes on every call.

    Takes about 30 MB per megapixel while it draws, and may be called from any thread.
    """
    times = min(4, max(2, _DRAWN_PX // side_px))
    large_px = side_px * times
    image = backdrop(large_px, colour)
    for left, top, side, lighter in _VIEWS[view]:
        SUBJECTS[subject](Pen(image, left * large_px, top * large_px, side * large_px), lit(colour, lighter))
    file = io.BytesIO()
    image.reduce(times).save(file, "JPEG", quality=_JPEG_QUALITY)
    return file.getvalue()
