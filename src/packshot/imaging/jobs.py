"""What the web process and an image worker say to each other: one job, one answer.

The picture itself travels beside the job, as the descriptor of an open file, so nothing in a job names a file. The
worker maps it and hands a read-only memoryview of it to whatever does the job. The picture in an answer follows the
words, as it is: there may be no room for it twice. `LENGTHS`, of both, stand in front.
"""

import struct
from typing import Annotated, Literal

import msgspec

from packshot.domain.errors import ImageTooLarge, UnacceptableImage, UndecodableImage
from packshot.domain.originals import Header, MediaType
from packshot.domain.renditions import RenditionSpec
from packshot.imaging.strip.parts import Keep


class Examine(msgspec.Struct, frozen=True, tag=True):
    """Look at a picture whose header is known. With `decode` every pixel is decoded, so that damage shows."""

    header: Header
    decode: bool


class Render(msgspec.Struct, frozen=True, tag=True):
    """Make a rendition."""

    header: Header
    spec: RenditionSpec


class Strip(msgspec.Struct, frozen=True, tag=True):
    """Copy a picture without its metadata and without touching its pixels."""

    header: Header
    keep: Keep


Job = Examine | Render | Strip
MAX_JOB_BYTES = 64 * 1024
"""Of a job, and of the words of an answer."""

LENGTHS = struct.Struct(">II")

MAX_RENDITION_BYTES = 96 * 1024 * 1024
"""4096 pixels a side of four bytes that do not compress, and then some."""

MAX_WHY_CHARACTERS = 4096
_Why = Annotated[str, msgspec.Meta(max_length=MAX_WHY_CHARACTERS)]

# A copy may be a little longer than its original: what stands twice in there, EXIF written anew, an end that lacked.
_SLACK_BYTES = 64 * 1024
_STRIPPED: frozenset[MediaType] = frozenset({"image/jpeg", "image/png", "image/webp", "image/gif"})


class Found(msgspec.Struct, frozen=True, tag=True):
    """What a picture is. Sides are those of the stored pixels, before the `orientation` (1 to 8) is applied.

    `profile` is the name of the colour profile, None without one. `colour` is the dominant one as RGB, each 0 to 255.
    `thumbhash` is the placeholder's bytes, `phash` the perceptual hash of 64 bits; both are those of the picture
    upright. What takes decoding is None where none was wanted.
    """

    width_px: int
    height_px: int
    orientation: int
    frames: int
    alpha: bool
    profile: str | None
    colour: tuple[int, int, int] | None
    thumbhash: bytes | None
    phash: int | None


class Rendered(msgspec.Struct, frozen=True, tag=True):
    """A finished rendition."""

    data: bytes
    width_px: int
    height_px: int
    media_type: str


class Stripped(msgspec.Struct, frozen=True, tag=True):
    """The copy. Where its format allows none without encoding the pixels anew it is in another one."""

    data: bytes
    media_type: str


class Refused(msgspec.Struct, frozen=True, tag=True):
    """The picture is at fault. `limit`, `actual` and `unit` belong to one that is too large."""

    kind: Literal["unacceptable", "undecodable", "too large"]
    why: _Why
    limit: int = 0
    actual: int = 0
    unit: str = ""


class Broken(msgspec.Struct, frozen=True, tag=True):
    """The worker is at fault: it met an exception that nobody foresaw, and ends."""

    why: _Why


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The first thing a worker says: it is warm and shut in. The three tell which walls the kernel gave it."""

    landlock: bool
    seccomp: bool
    own_network: bool


Answer = Found | Rendered | Stripped | Refused | Broken


def most_copy_bytes(media_type: MediaType, source_bytes: int) -> int:
    """How long the copy of an original may be that is so long: not much longer, if its pixels are not encoded anew."""
    if media_type in _STRIPPED:
        return source_bytes + _SLACK_BYTES
    return max(source_bytes, MAX_RENDITION_BYTES)


def most_picture_bytes(job: Job, source_bytes: int) -> int:
    """How long the picture may be that answers a job about one of so many bytes."""
    match job:
        case Examine():
            return 0
        case Render():
            return MAX_RENDITION_BYTES
        case Strip(header):
            return most_copy_bytes(header.media_type, source_bytes)


def refused(error: UnacceptableImage) -> Refused:
    """*error* as an answer; `raised` is its inverse."""
    if isinstance(error, ImageTooLarge):
        return Refused("too large", str(error), error.limit, error.actual, error.unit)
    return Refused("undecodable" if isinstance(error, UndecodableImage) else "unacceptable", str(error))


def raised(answer: Refused) -> UnacceptableImage:
    """The error an answer stands for."""
    if answer.kind == "too large":
        return ImageTooLarge(answer.limit, answer.actual, answer.unit)
    return UndecodableImage(answer.why) if answer.kind == "undecodable" else UnacceptableImage(answer.why)
