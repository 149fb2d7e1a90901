"""Bytes to be sent, wherever they lie: an original in the store, or what was made of one."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial

import msgspec

from packshot.domain.errors import Unavailable
from packshot.domain.originals import EXTENSIONS, Original
from packshot.services import scrub
from packshot.services.core import Core
from packshot.storage.renditions import Kept


class Content(msgspec.Struct, frozen=True):
    """What is to be sent, under which name; `digest` is that of all its bytes (SHA-256, 64 hex digits).

    `stream` gives those from a place (inclusive) to another (exclusive), `read` the same at once, for small pieces.
    Both raise Unavailable. `internal_path` is where nginx in front of us finds just these bytes, if it does.
    `elsewhere` gives, by headers of the answer, an address where clients may fetch them for `PRESIGNED_S`, if any.
    """

    name: str
    media_type: str
    digest: str
    size_bytes: int
    read: Callable[[int, int], Awaitable[bytes]]
    stream: Callable[[int, int], AsyncIterator[bytes]]
    internal_path: str | None = None
    elsewhere: Callable[[Mapping[str, str]], str | None] | None = None


def of_original(core: Core, original: Original) -> Content:
    """The exact bytes of an original; small ones are compared with its digest first. Raises: Unavailable."""
    if not original.intact:
        raise Unavailable("original")
    small = original.size_bytes <= scrub.CHECKED_BYTES
    location = core.blobs.location(original.key) if core.delivery.accel_redirect else None
    return Content(
        original.name,
        original.media_type,
        original.digest,
        original.size_bytes,
        partial(scrub.read_checked, core, original) if small else partial(core.blobs.read, original.key),
        partial(core.blobs.stream, original.key),
        location and f"{core.delivery.accel_redirect}{location}",
        # A bucket compares nothing: what we would check is sent by us.
        None if small else partial(core.blobs.presigned, original.key),
    )


def of_kept(core: Core, original: Original, kept: Kept) -> Content:
    """What was made of an original; it is called by the original's name, with the ending of what it is.

    Where that is the original once more, it is the original that is sent. Raises: Unavailable.
    """
    if kept.is_original:
        return of_original(core, original)
    stem, dot, ending = original.name.rpartition(".")
    return Content(
        f"{stem if dot and stem else ending or 'image'}.{EXTENSIONS[kept.media_type]}",
        kept.media_type,
        kept.digest,
        kept.size_bytes,
        partial(_read_kept, core, kept),
        partial(core.renditions.stream, kept),
    )


async def _read_kept(core: Core, kept: Kept, start: int, end: int) -> bytes:
    return core.renditions.read_now(kept, start, end)
