"""PNG and APNG: the chunks of pixels, colours and animation stay, and EXIF written anew."""

import struct
import zlib
from collections.abc import Iterator

from packshot.imaging.probe.reader import cut_off
from packshot.imaging.strip import exif, profiles
from packshot.imaging.strip.parts import GONE, Keep, Part

_CHUNK = struct.Struct(">I4s")
_NUMBER = struct.Struct(">I")
_SIGNATURE_BYTES = 8
_CRC_BYTES = 4

_PIXELS = frozenset({b"IHDR", b"PLTE", b"IDAT", b"fdAT"})
_COLOURS = frozenset(
    {b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"bKGD", b"hIST", b"cICP", b"mDCV", b"cLLI", b"mDCv"}
)
_SMALL = _COLOURS | {b"pHYs", b"acTL", b"fcTL"}
_SMALL_BYTES = 1_024
"""More than the longest of them may be: whatever is longer carries something else."""
_ONCE = frozenset({b"eXIf", b"iCCP"})
_WORDS = (b"Author\0", b"Copyright\0")
_MAX_WORDS_BYTES = 1_024


def walk(view: memoryview, keep: Keep) -> Iterator[Part]:
    """The parts of the copy, up to the end chunk."""
    yield view[:_SIGNATURE_BYTES]
    at, kind, seen = _SIGNATURE_BYTES, b"", set[bytes]()
    while kind != b"IEND":
        length, kind = _CHUNK.unpack_from(view, at)
        body_at = at + _CHUNK.size
        end = body_at + length + _CRC_BYTES
        if end > len(view):
            raise cut_off()
        body = view[body_at : body_at + length]
        if kind in seen:
            # A second one is against the rules, and libpng takes the first.
            yield GONE
        elif kind == b"eXIf":
            yield _exif(body, keep)
        elif kind != b"IEND":
            yield view[at:end] if _stays(kind, body, keep) else GONE
        seen |= {kind} & _ONCE
        at = end
    yield _chunk(b"IEND", b"")


def _stays(kind: bytes, body: memoryview, keep: Keep) -> bool:
    if kind == b"tEXt":
        short = len(body) <= _MAX_WORDS_BYTES
        return keep == "no location" and short and bytes(body[:10]).startswith(_WORDS)
    if kind == b"iCCP":
        return profiles.stays(profiles.of_png(body))
    return kind in _PIXELS or (kind in _SMALL and len(body) <= _SMALL_BYTES)


def _exif(body: memoryview, keep: Keep) -> Part:
    small = exif.rebuilt(body, keep)
    return _chunk(b"eXIf", small) if small else GONE


def _chunk(kind: bytes, body: bytes) -> bytes:
    return _CHUNK.pack(len(body), kind) + body + _NUMBER.pack(zlib.crc32(kind + body))
