"""EXIF: a small directory written anew from the tags that are known to be harmless (TIFF 6.0, Exif 2.32).

Anything else is left out unread: the place, thumbnails, serial numbers, texts, and maker notes, which hold them all.
"""

import struct
from typing import Literal, NamedTuple

from packshot.imaging.strip.parts import Keep

_ORIENTATION = 0x0112
_PHOTO_POINTER = 0x8769
_TURNED = range(2, 9)
"""The orientations that are not upright already; other numbers mean nothing."""

# Make, model, resolution and its unit, software, time of change, artist, copyright.
_IMAGE_TAGS = frozenset({0x010F, 0x0110, _ORIENTATION, 0x011A, 0x011B, 0x0128, 0x0131, 0x0132, 0x013B, 0x8298})
# Exposure, aperture, program, speed; version and times; metering, flash, focal length; colour space; modes; lens.
# The offsets of the times from UTC are not among them, since they tell the part of the world.
_PHOTO_TAGS = frozenset(
    {0x829A, 0x829D, 0x8822, 0x8827, 0x9000, 0x9003, 0x9004, 0x9201, 0x9202, 0x9204, 0x9205, 0x9207, 0x9209, 0x920A}
    | {0xA001, 0xA402, 0xA403, 0xA405, 0xA406, 0xA433, 0xA434}
)

_KIND_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 9: 4, 10: 8}
_WHOLE_KINDS = (1, 3, 4)
_MAX_VALUE_BYTES = 1_024

_PREFIX = b"Exif\0"
_PREFIX_BYTES = 6


class _Layout(NamedTuple):
    order: Literal["little", "big"]
    magic: bytes
    number: struct.Struct
    entries: struct.Struct
    entry: struct.Struct


class _Value(NamedTuple):
    kind: int
    amount: int
    data: bytes


def _layout(order: Literal["little", "big"], magic: bytes, mark: str) -> _Layout:
    return _Layout(order, magic, *(struct.Struct(mark + fields) for fields in ("I", "H", "HHI4s")))


_LAYOUTS = {b"II*\0": _layout("little", b"II*\0", "<"), b"MM\0*": _layout("big", b"MM\0*", ">")}


def rebuilt(exif: memoryview, keep: Keep) -> bytes:
    """A TIFF structure of what is kept of *exif*, in its own byte order; empty when that is nothing or unreadable.

    The six bytes which JPEG puts in front are understood, and not written. Two directories are read at most.
    """
    tiff = exif[_PREFIX_BYTES:] if exif[: len(_PREFIX)] == _PREFIX else exif
    layout = _LAYOUTS.get(bytes(tiff[:4]))
    if layout is None or len(tiff) < len(layout.magic) + layout.number.size:
        return b""
    wanted = {_ORIENTATION} if keep == "nothing" else _IMAGE_TAGS | {_PHOTO_POINTER}
    image = _read(tiff, layout, layout.number.unpack_from(tiff, 4)[0], wanted)
    photo_at = _number(layout, image.pop(_PHOTO_POINTER, None))
    if _number(layout, image.get(_ORIENTATION)) not in _TURNED:
        image.pop(_ORIENTATION, None)
    photo = _read(tiff, layout, photo_at, _PHOTO_TAGS) if photo_at else {}
    return _written(layout, image, photo)


def _number(layout: _Layout, value: _Value | None) -> int:
    """The one whole number in *value*, else 0."""
    if value is None or value.amount != 1 or value.kind not in _WHOLE_KINDS:
        return 0
    return int.from_bytes(value.data, layout.order)


def _read(tiff: memoryview, layout: _Layout, at: int, wanted: frozenset[int] | set[int]) -> dict[int, _Value]:
    """The first readable value of each wanted tag in the directory at *at*."""
    if at + layout.entries.size > len(tiff):
        return {}
    first_at = at + layout.entries.size
    entries = min(layout.entries.unpack_from(tiff, at)[0], (len(tiff) - first_at) // layout.entry.size)
    found = dict[int, _Value]()
    for tag, kind, amount, field in layout.entry.iter_unpack(tiff[first_at : first_at + entries * layout.entry.size]):
        if tag in wanted and tag not in found:
            size_bytes = _KIND_BYTES.get(kind, 0) * amount
            value_at = layout.number.unpack(field)[0]
            data = field if size_bytes <= len(field) else tiff[value_at : value_at + min(size_bytes, _MAX_VALUE_BYTES)]
            if 0 < size_bytes <= len(data):
                found[tag] = _Value(kind, amount, bytes(data[:size_bytes]))
    return found


def _written(layout: _Layout, image: dict[int, _Value], photo: dict[int, _Value]) -> bytes:
    if not image and not photo:
        return b""
    head = layout.magic + layout.number.pack(8)
    if not photo:
        return head + _directory(layout, image, len(head))
    pointed = image | {_PHOTO_POINTER: _Value(4, 1, bytes(4))}
    photo_at = len(head) + len(_directory(layout, pointed, 0))
    pointed[_PHOTO_POINTER] = _Value(4, 1, layout.number.pack(photo_at))
    return head + _directory(layout, pointed, len(head)) + _directory(layout, photo, photo_at)


def _directory(layout: _Layout, values: dict[int, _Value], at: int) -> bytes:
    """The directory that stands at *at*, followed by the values which do not fit into it; none comes after it."""
    value_at = at + layout.entries.size + len(values) * layout.entry.size + layout.number.size
    entries, behind = layout.entries.pack(len(values)), b""
    for tag, (kind, amount, data) in sorted(values.items()):
        field = data
        if len(data) > layout.number.size:
            field = layout.number.pack(value_at + len(behind))
            behind += data + b"\0" * (len(data) % 2)
        entries += layout.entry.pack(tag, kind, amount, field)
    return entries + layout.number.pack(0) + behind
