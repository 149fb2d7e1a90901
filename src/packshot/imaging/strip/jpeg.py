"""JPEG: tables, frames and scans stay; of the application segments only what colours need, and EXIF written anew."""

import re
import struct
from collections.abc import Callable, Iterator

from packshot.imaging.probe.reader import cut_off, damaged
from packshot.imaging.strip import exif, photoshop, profiles
from packshot.imaging.strip.parts import GONE, Keep, Part, bounded

_MARKER = re.compile(rb"\xff[^\0\xff]")
# Inside a scan, restarts and stuffed bytes belong to the pixels.
_END_OF_SCAN = re.compile(rb"\xff[^\0\xff\xd0-\xd7]")
_LENGTH = struct.Struct(">H")
_SEGMENT = struct.Struct(">BBH")

_SCAN, _END, _EXIF = 0xDA, 0xD9, 0xE1
_EXIF_NAME = b"Exif\0"
_BARE = frozenset(range(0xD0, 0xD8)) | {0x01}
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# Huffman and arithmetic tables, quantisation, number of lines, restart interval.
_TABLES = frozenset({0xC4, 0xCC, 0xDB, 0xDC, 0xDD})
_APPLICATIONS = frozenset(range(0xE0, 0xF0)) | {0xFE}

_PROFILE = b"\xff\xe2"
"""How the segments of a colour profile begin, and no other part of a copy."""
_COLOUR_BYTES = 12
"""As much of JFIF as stands before its thumbnail, and all of Adobe's segment."""


def walk(view: memoryview, keep: Keep) -> Iterator[Part]:
    """The parts of the copy, up to the end marker or, where it is missing, to the end of the last scan."""
    parts = list(bounded(_parts(view, keep)))
    # A profile is cut into segments, which may stand anywhere.
    profile = [bytes(part) for part in parts if part[:2] == _PROFILE]
    stays = profiles.stays(profiles.of_jpeg(profile))
    yield from (part for part in parts if stays or part[:2] != _PROFILE)


def _parts(view: memoryview, keep: Keep) -> Iterator[Part]:
    yield view[:2]
    at, scans, exif_seen = 2, 0, False
    while (found := _MARKER.search(view, at)) and view[found.end() - 1] != _END:
        marker, at = view[found.end() - 1], found.end()
        if marker in _BARE:
            yield GONE
            continue
        end = _segment_end(view, at)
        if marker == _SCAN:
            scans, end = scans + 1, _scan_end(view, end)
        if marker in _APPLICATIONS:
            body = view[at + _LENGTH.size : end]
            is_exif = marker == _EXIF and body[: len(_EXIF_NAME)] == _EXIF_NAME
            # Of two EXIF segments readers take the first, so its orientation is the one in force, also if it has none.
            yield GONE if is_exif and exif_seen else _application(marker, body, keep)
            exif_seen |= is_exif
        else:
            _check_place(marker, scans)
            yield view[at - 2 : end]
        at = end
    if not scans:
        raise cut_off()
    yield bytes((0xFF, _END))


def _segment_end(view: memoryview, at: int) -> int:
    length: int = _LENGTH.unpack_from(view, at)[0]
    if length < _LENGTH.size:
        raise damaged("a segment is shorter than its own length")
    if at + length > len(view):
        raise cut_off()
    return at + length


def _scan_end(view: memoryview, at: int) -> int:
    found = _END_OF_SCAN.search(view, at)
    return found.start() if found else len(view)


def _check_place(marker: int, scans: int) -> None:
    """Refuse a second frame, and segments that the probe does not know either. Raises: UndecodableImage."""
    if marker != _SCAN and marker not in _TABLES and (scans or marker not in _FRAMES):
        raise damaged("a segment is out of place")


def _application(marker: int, body: memoryview, keep: Keep) -> Part:
    """The segment written anew, or gone."""
    name, small_body = _SMALL_BODIES.get(marker, (b"", _nothing))
    small = small_body(body, keep) if body[: len(name)] == name else GONE
    return _SEGMENT.pack(0xFF, marker, len(small) + _LENGTH.size) + small if small else GONE


def _nothing(_body: memoryview, _keep: Keep) -> Part:
    return GONE


def _whole(body: memoryview, _keep: Keep) -> Part:
    return body


def _jfif(body: memoryview, _keep: Keep) -> Part:
    return bytes(body[:_COLOUR_BYTES]).ljust(_COLOUR_BYTES + 2, b"\0")


def _adobe(body: memoryview, _keep: Keep) -> Part:
    return body[:_COLOUR_BYTES]


def _exif(body: memoryview, keep: Keep) -> Part:
    small = exif.rebuilt(body, keep)
    return b"Exif\0\0" + small if small else GONE


def _photoshop(body: memoryview, keep: Keep) -> Part:
    small = photoshop.rebuilt(body[len(_PHOTOSHOP) :]) if keep == "no location" else b""
    return _PHOTOSHOP + small if small else GONE


_PHOTOSHOP = b"Photoshop 3.0\0"
_SMALL_BODIES: dict[int, tuple[bytes, Callable[[memoryview, Keep], Part]]] = {
    0xE0: (b"JFIF\0", _jfif),
    _EXIF: (_EXIF_NAME, _exif),
    0xE2: (b"ICC_PROFILE\0", _whole),
    0xED: (_PHOTOSHOP, _photoshop),
    0xEE: (b"Adobe", _adobe),
}
