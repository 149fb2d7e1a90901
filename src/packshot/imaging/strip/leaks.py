"""The second reader: searches finished copies for private data, and knows nothing about the parts of a file.

What the first reader took for pixels or a profile is searched like everything else.
"""

import re
import struct
from collections.abc import Iterator

from packshot.domain.errors import UnacceptableImage

# Long enough that no pixels hold them by chance.
_TELLING = (
    b"GPSLatitude",
    b"GPSLongitude",
    b"GPSPosition",
    b"GPSCoordinates",
    b"http://ns.adobe.com/x",
    b"adobe:ns:meta/",
    b"<?xpacket",
    b"Iptc4xmp",
    b"Raw profile type ",
    b"quicktime.location",
)

_DIRECTORY_MARKS = ((b"II*\0", "<"), (b"MM\0*", ">"))
# Thumbnails (start, length), further directories, XMP, IPTC, Photoshop, place, maker note, and the serial numbers of
# camera, body and lens.
_PRIVATE_TAGS = frozenset({0x0201, 0x0202, 0x014A, 0x02BC, 0x83BB, 0x8649, 0x8825, 0x927C, 0xA431, 0xA435, 0xC62F})
_PHOTO_POINTER = 0x8769
_KINDS = range(1, 14)

_RESOURCE = b"8BIM\x04\x04"
_PLACES = re.compile(rb"\x1c\x02[\x1a\x1b\x5a\x5c\x5f\x64\x65]")
_RESOURCE_BYTES = 65_536

_MAX_FINDS = 1_000
_MAX_ENTRIES = 100_000
"""Of all directories together, so that a file made of beginnings of directories is given up."""


def refuse_leaks(data: bytes) -> None:
    """Refuse *data* if something private can be seen in it. Raises: UnacceptableImage."""
    if any(text in data for text in _TELLING) or _has_private_tags(data) or _has_places(data):
        raise UnacceptableImage("The image holds a location that cannot be taken out")


def _has_places(data: bytes) -> bool:
    return any(_PLACES.search(data, at, at + _RESOURCE_BYTES) for at in _finds(data, _RESOURCE))


def _has_private_tags(data: bytes) -> bool:
    entries = 0
    for mark, order in _DIRECTORY_MARKS:
        for at in _finds(data, mark):
            for tag, kind in _tags(memoryview(data)[at:], order):
                entries += 1
                if (tag in _PRIVATE_TAGS and kind in _KINDS) or entries > _MAX_ENTRIES:
                    return True
    return False


def _finds(data: bytes, text: bytes) -> Iterator[int]:
    """Where *text* stands. Raises: UnacceptableImage when that is at more places than chance and we put it."""
    at, finds = data.find(text), 0
    while at >= 0:
        finds += 1
        if finds > _MAX_FINDS:
            raise UnacceptableImage("The image holds too many things that look like a location")
        yield at
        at = data.find(text, at + 1)


def _tags(tiff: memoryview, order: str) -> Iterator[tuple[int, int]]:
    """Tag and kind of every entry in all directories that can be reached."""
    due, seen = [4], set[int]()
    while due:
        link_at = due.pop()
        at = struct.unpack_from(order + "I", tiff, link_at)[0] if link_at + 4 <= len(tiff) else 0
        if at in seen or not at or at + 2 > len(tiff):
            continue
        seen.add(at)
        entries = min(struct.unpack_from(order + "H", tiff, at)[0], (len(tiff) - at - 2) // 12)
        for number in range(entries):
            entry_at = at + 2 + 12 * number
            tag, kind = struct.unpack_from(order + "HH", tiff, entry_at)
            yield tag, kind
            if tag == _PHOTO_POINTER:
                due.append(entry_at + 8)
        due.append(at + 2 + 12 * entries)
