"""JPEG: the segments up to the first scan (ITU-T T.81, annex B)."""

import re
import struct

from packshot.domain.originals import Header
from packshot.imaging.probe.reader import Reader, cut_off, damaged, header, sample_bytes

_LENGTH = struct.Struct(">H")
_FRAME = struct.Struct(">HBHHB")
# Decoders step over fill bytes and stray ones before a marker, so we do too, but not for long.
_MARKER = re.compile(rb"\xff[^\0\xff]")
_STRAY_BYTES = 4_096

_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BARE_MARKERS = frozenset(range(0xD0, 0xD9)) | {0x01}
# Tables, intervals, application data and comments. Decoders disagree about the length of all others.
_KNOWN_MARKERS = frozenset(range(0xE0, 0xF0)) | {0xC4, 0xCC, 0xDB, 0xDC, 0xDD, 0xFE} | _BARE_MARKERS
_SCAN = 0xDA
_MAX_COMPONENTS = 4


def read(reader: Reader) -> Header:
    """The size in the frame header; a thumbnail inside an application segment is stepped over with it.

    There may be one frame header only: of two, one decoder would believe the first and the next one the last.
    """
    found: Header | None = None
    marker, at = _next_marker(reader, 2)
    while marker != _SCAN:
        reader.spend()
        if marker in _FRAME_MARKERS and found is None:
            found = _frame(reader, at)
        elif marker not in _KNOWN_MARKERS:
            raise damaged("a segment is out of place")
        marker, at = _next_marker(reader, at if marker in _BARE_MARKERS else at + _length(reader, at))
    if found is None:
        raise damaged("its size is missing")
    return found


def _next_marker(reader: Reader, at: int) -> tuple[int, int]:
    """The next marker and the offset behind it."""
    found = _MARKER.search(reader.data, at, at + _STRAY_BYTES)
    if found:
        return reader.data[found.end() - 1], found.end()
    if at + _STRAY_BYTES >= reader.size:
        raise cut_off()
    raise damaged("a segment is missing")


def _length(reader: Reader, at: int) -> int:
    length: int = reader.unpack(_LENGTH, at)[0]
    if length < _LENGTH.size:
        raise damaged("a segment is shorter than its own length")
    return length


def _frame(reader: Reader, at: int) -> Header:
    length, precision, height_px, width_px, components = reader.unpack(_FRAME, at)
    if length != _FRAME.size + 3 * components or not 1 <= components <= _MAX_COMPONENTS:
        raise damaged("its frame header is wrong")
    return header("image/jpeg", (width_px, height_px), components * sample_bytes(precision))
