"""Colour profiles (ICC.1): which of them a copy keeps. All others go: a picture without one is still a picture."""

import struct
import zlib

from packshot.imaging.strip.leaks import refuse_leaks
from packshot.imaging.strip.parts import Part

MAX_PROFILE_BYTES = 4 * 1024 * 1024
"""As readers see it, put together and unpacked: those of printing presses have up to three million."""

_HEAD = struct.Struct(">I32x4s92x")
_SIGNATURE = b"acsp"

# Name, a zero, and how it is packed, of which there is one way.
_PNG_NAME_BYTES = 79
_PNG_PACKED = b"\0\0"

# What is in front in a JPEG: marker, length and name; then which it is, and of how many.
_JPEG_HEAD = struct.Struct("16xBB")


def stays(profile: Part | None) -> bool:
    """Whether a copy keeps this profile: it is one, whole, and not too long.

    Raises: UnacceptableImage where it tells something private: without it the picture would have other colours.
    """
    if profile is None or not _HEAD.size <= len(profile) <= MAX_PROFILE_BYTES:
        return False
    size_bytes, signature = _HEAD.unpack_from(profile)
    if signature != _SIGNATURE or size_bytes > len(profile):
        return False
    refuse_leaks(bytes(profile))
    return True


def of_png(body: memoryview) -> bytes | None:
    """The profile in an iCCP chunk, or its beginning where it is too long; None if it cannot be unpacked."""
    name, mark, _ = bytes(body[: _PNG_NAME_BYTES + len(_PNG_PACKED)]).partition(_PNG_PACKED)
    if not mark or len(body) > 2 * MAX_PROFILE_BYTES:
        return None
    unpacking = zlib.decompressobj()
    try:
        profile = unpacking.decompress(body[len(name) + len(mark) :], MAX_PROFILE_BYTES + 1)
    except zlib.error:
        return None
    whole = len(profile) > MAX_PROFILE_BYTES or (unpacking.eof and not unpacking.unused_data)
    return profile if whole else None


def of_jpeg(segments: list[bytes]) -> bytes | None:
    """The profile in these segments of a JPEG, in whatever order; None if they are not all of one profile's."""
    heads = [_JPEG_HEAD.unpack_from(segment) for segment in segments if len(segment) >= _JPEG_HEAD.size]
    if sorted(heads) != [(number, len(segments)) for number in range(1, len(segments) + 1)]:
        return None
    ordered = sorted(zip(heads, segments, strict=True))
    return b"".join(segment[_JPEG_HEAD.size :] for _, segment in ordered)


def of_gif(blocks: Part) -> bytes | None:
    """The profile in a chain of blocks; None if it is too long."""
    if len(blocks) > 2 * MAX_PROFILE_BYTES:
        return None
    parts, at = list[Part](), 0
    while at < len(blocks) and (length := blocks[at]):
        parts.append(blocks[at + 1 : at + 1 + length])
        at += length + 1
    return b"".join(parts)
