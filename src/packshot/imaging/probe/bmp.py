"""BMP: the second header, in the short form of OS/2 1.x or the long one of Windows and OS/2 2.x."""

import struct

from packshot.domain.originals import Header
from packshot.imaging.probe.reader import Reader, damaged, header

_LENGTH = struct.Struct("<I")
_SHORT = struct.Struct("<HHHH")
_LONG = struct.Struct("<iiHH")
_LENGTH_AT = 14
_SHORT_LENGTH = 12
_BITS = (1, 2, 4, 8, 16, 24, 32)


def read(reader: Reader) -> Header:
    """The size in the second header; a negative height only says that the rows run from top to bottom."""
    short = reader.unpack(_LENGTH, _LENGTH_AT)[0] == _SHORT_LENGTH
    width_px, height_px, _, bits = reader.unpack(_SHORT if short else _LONG, _LENGTH_AT + _LENGTH.size)
    if width_px < 0 or bits not in _BITS:
        raise damaged("its header is wrong")
    return header("image/bmp", (width_px, abs(height_px)), max(3, bits // 8))
