"""TIFF and BigTIFF in both byte orders: the tags for size and depth in the chain of directories (TIFF 6.0)."""

import struct
from typing import Literal, NamedTuple

from packshot.domain.originals import Header
from packshot.imaging.probe.reader import Reader, check_frames, costliest, cut_off, damaged, header, sample_bytes

_WIDTH, _HEIGHT, _BITS, _SAMPLES = 256, 257, 258, 277
_WANTED = frozenset({_WIDTH, _HEIGHT, _BITS, _SAMPLES})
_NUMBER_BYTES = {1: 1, 3: 2, 4: 4, 16: 8}
"""The kinds of unsigned numbers: BYTE, SHORT, LONG and LONG8."""
_MAX_VALUES = 16
"""Values of one tag looked at: as many samples a pixel as anybody has."""


class _Layout(NamedTuple):
    """How one byte order and offset width lays out its structures."""

    order: Literal["little", "big"]
    sizes: struct.Struct | None
    first_at: int
    entries: struct.Struct
    entry: struct.Struct
    link: struct.Struct


class _Page(NamedTuple):
    size_px: tuple[int, int]
    bytes_per_px: int


def _classic(order: Literal["little", "big"], mark: str) -> _Layout:
    return _Layout(order, None, 4, *(struct.Struct(mark + fields) for fields in ("H", "HHI4s", "I")))


def _big(order: Literal["little", "big"], mark: str) -> _Layout:
    sizes = struct.Struct(mark + "HH")
    return _Layout(order, sizes, 8, *(struct.Struct(mark + fields) for fields in ("Q", "HHQ8s", "Q")))


_LAYOUTS = {
    b"II*\0": _classic("little", "<"),
    b"MM\0*": _classic("big", ">"),
    b"II+\0": _big("little", "<"),
    b"MM\0+": _big("big", ">"),
}


def read(reader: Reader) -> Header:
    """The costliest page's size, the sum of all pages' pixels and the deepest page's bytes a pixel."""
    pages = _pages(reader, _LAYOUTS[bytes(reader.data[:4])])
    total_px = sum(width_px * height_px for (width_px, height_px), _ in pages)
    bytes_per_px = max(page.bytes_per_px for page in pages)
    return header("image/tiff", costliest([page.size_px for page in pages]), bytes_per_px, len(pages), total_px)


def _pages(reader: Reader, layout: _Layout) -> list[_Page]:
    """One page for each directory of the chain; at least one."""
    if layout.sizes and reader.unpack(layout.sizes, 4) != (8, 0):
        raise damaged("its header is wrong")
    at, pages, seen = reader.unpack(layout.link, layout.first_at)[0], list[_Page](), {0}
    while at not in seen:
        seen.add(at)
        page, at = _page(reader, layout, at)
        pages.append(page)
        check_frames(len(pages))
    if at or not pages:
        raise damaged("its pages form a circle" if at else "it has no page")
    return pages


def _page(reader: Reader, layout: _Layout, at: int) -> tuple[_Page, int]:
    """The page of the directory at *at* and the offset of the next directory, 0 behind the last."""
    tags = dict.fromkeys(_WANTED, 0)
    entries = reader.unpack(layout.entries, at)[0]
    first_at = at + layout.entries.size
    end = first_at + entries * layout.entry.size
    if end > reader.size:
        raise cut_off()
    reader.spend(1 + entries)
    for tag, kind, count, field in layout.entry.iter_unpack(reader.data[first_at:end]):
        if tag in _WANTED:
            # Of a tag given twice some decoders take the first and some the last: the larger is the safe one.
            tags[tag] = max(tags[tag], _largest(reader, layout, (kind, count), field))
    if not tags[_WIDTH] or not tags[_HEIGHT]:
        raise damaged("a page has no width or no height")
    bytes_per_px = max(1, tags[_SAMPLES]) * sample_bytes(tags[_BITS])
    return _Page((tags[_WIDTH], tags[_HEIGHT]), bytes_per_px), reader.unpack(layout.link, end)[0]


def _largest(reader: Reader, layout: _Layout, values: tuple[int, int], field: bytes) -> int:
    """The largest of a tag's values, given their kind and count."""
    kind, count = values
    number_bytes = _NUMBER_BYTES.get(kind)
    if not number_bytes:
        raise damaged("a size is no whole number")
    wanted_bytes = number_bytes * min(count, _MAX_VALUES)
    if number_bytes * count > len(field):
        at = layout.link.unpack(field)[0]
        field = bytes(reader.data[at : at + wanted_bytes])
    if len(field) < wanted_bytes:
        raise cut_off()
    if count == 1:
        return int.from_bytes(field[:number_bytes], layout.order)
    starts = range(0, wanted_bytes, number_bytes)
    return max((int.from_bytes(field[at : at + number_bytes], layout.order) for at in starts), default=0)
