"""The stripper: the same pixels, byte for byte, without what tells where, by whom and with whose camera.

Nothing is decoded and no foreign library is asked: parts of the file are kept, written anew or left out.
"""

import struct
from collections.abc import Callable, Iterator

from packshot.domain.originals import MediaType
from packshot.imaging.probe.reader import cut_off
from packshot.imaging.strip import gif, jpeg, png, webp
from packshot.imaging.strip.leaks import refuse_leaks
from packshot.imaging.strip.parts import Keep, Part, bounded

__all__ = ["Keep", "strip"]

_WALKS: dict[str, Callable[[memoryview, Keep], Iterator[Part]]] = {
    "image/jpeg": jpeg.walk,
    "image/png": png.walk,
    "image/webp": webp.walk,
    "image/gif": gif.walk,
}


def strip(data: bytes | memoryview, media_type: MediaType, keep: Keep) -> bytes | None:
    """A copy of the picture in *data* without its private parts, or None where pixels would have to be written anew.

    Compressed pixels, animation, colour profile and orientation stay. With *keep* "no location" so do the settings
    of the camera, its model, the time, and who made and owns the picture; with "nothing" they go too. Places, serial
    numbers, maker notes, free texts, thumbnails, XMP, further pictures and all that follows the picture always go.
    The copy is searched once more by a reader that knows nothing of the parts. Stripping a copy again changes
    nothing. *media_type* is what the probe found. Time is linear, and memory is that of the copy.

    Raises:
        UndecodableImage: the file is cut off, contradicts itself or has more parts than any honest one.
        UnacceptableImage: something private is still to be seen, as in pixels that were made to hold it.
    """
    walk = _WALKS.get(media_type)
    if walk is None:
        return None
    try:
        copy = b"".join(bounded(walk(memoryview(data).cast("B"), keep)))
    except (struct.error, IndexError):
        raise cut_off() from None
    refuse_leaks(copy)
    return copy
