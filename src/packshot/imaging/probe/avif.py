"""AVIF, still and sequence: the brands and the property boxes (ISO/IEC 14496-12 and 23008-12, AVIF 1.1)."""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from packshot.domain.originals import Header
from packshot.imaging.probe.reader import Reader, costliest, cut_off, damaged, header, refusal, sample_bytes

_BOX = struct.Struct(">I4s")
_LARGE_SIZE = struct.Struct(">Q")
_SIDES = struct.Struct(">4xII")
_VERSION = struct.Struct(">B")
_TRACK_SIDES = struct.Struct(">II")
_TRACK_SIDES_AT, _LONG_TRACK_SIDES_AT = 76, 88
_COUNT = struct.Struct(">4xI")
_SAMPLES = struct.Struct(">4xII")
_RUN = struct.Struct(">III")

_HIGH_BIT_DEPTH = 0x40
_MAX_BRANDS = 64
_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
_BOX_OF_BRAND = {b"avif": b"meta", b"avis": b"moov"}
"""What a file of a brand has to have: a still its items, a sequence its tracks."""

_INSIDE = {
    (b"", b"meta"): 4,
    (b"meta", b"iprp"): 0,
    (b"iprp", b"ipco"): 0,
    (b"", b"moov"): 0,
    (b"moov", b"trak"): 0,
    (b"trak", b"mdia"): 0,
    (b"mdia", b"minf"): 0,
    (b"minf", b"stbl"): 0,
}
"""The boxes that are opened, by parent, and the bytes before the first child. The nesting ends where the table ends."""


@dataclass(slots=True)
class _Found:
    """What the boxes have told so far."""

    sizes_px: list[tuple[int, int]] = field(default_factory=list)
    frames: int = 1
    bits: int = 8
    alpha: bool = False
    equal_samples: bool = False
    chunks: int = 0
    chunk_samples: int = 0


def read(reader: Reader) -> Header:
    """The costliest of all items and tracks: a grid is larger than its tiles, a picture than its thumbnail."""
    brands = _brands(reader)
    wanted = {box for brand, box in _BOX_OF_BRAND.items() if brand in brands}
    found = _Found()
    for kind, body_at, end in _boxes(reader, 0, reader.size):
        _look_into(reader, (b"", kind), (body_at, end), found)
        wanted.discard(kind)
        if not wanted:
            return _header(found)
    raise cut_off()


def _header(found: _Found) -> Header:
    if not found.sizes_px:
        raise damaged("its size is missing")
    if found.equal_samples:
        # The count beside a common sample size binds no decoder; chunks and their samples do.
        found.frames = max(found.frames, found.chunks * found.chunk_samples)
    channels = 4 if found.alpha or found.frames > 1 else 3
    return header("image/avif", costliest(found.sizes_px), channels * sample_bytes(found.bits), found.frames)


def _brands(reader: Reader) -> set[bytes]:
    """The brands of the file type box. Raises: UnacceptableImage when AVIF is not among them."""
    size_bytes = reader.unpack(_BOX, 0)[0]
    names = bytes(reader.data[_BOX.size : min(size_bytes, _BOX.size + 4 * _MAX_BRANDS)])
    # The second word is a version number.
    brands = {names[:4], *(names[at : at + 4] for at in range(8, len(names), 4))}
    if names[:4] in _HEIC_BRANDS or not brands & _BOX_OF_BRAND.keys():
        raise refusal("This is a HEIC image" if brands & _HEIC_BRANDS else "This is a media file, not an AVIF image")
    return brands


def _boxes(reader: Reader, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, offset of the body and end of each box between *at* and *end*."""
    while at < end:
        reader.spend()
        size_bytes, kind = reader.unpack(_BOX, at)
        body_at = at + _BOX.size
        if size_bytes == 1:
            size_bytes = reader.unpack(_LARGE_SIZE, body_at)[0]
            body_at += _LARGE_SIZE.size
        box_end = at + size_bytes if size_bytes else end
        if box_end < body_at:
            raise damaged("a box is shorter than its own header")
        if box_end > end:
            raise cut_off()
        yield kind, body_at, box_end
        at = box_end


def _look_into(reader: Reader, path: tuple[bytes, bytes], span: tuple[int, int], found: _Found) -> None:
    """Learn from the box at *path*, its parent's kind and its own, or from the boxes inside it."""
    body_at, end = span
    if path in _INSIDE:
        for kind, child_at, child_end in _boxes(reader, body_at + _INSIDE[path], end):
            _look_into(reader, (path[1], kind), (child_at, child_end), found)
    elif path in _LEARN:
        _LEARN[path](reader, body_at, end, found)


def _learn_item_size(reader: Reader, at: int, _end: int, found: _Found) -> None:
    width_px, height_px = reader.unpack(_SIDES, at)
    found.sizes_px.append((width_px, height_px))


def _learn_track_size(reader: Reader, at: int, _end: int, found: _Found) -> None:
    """Both sides are numbers with sixteen bits behind the point; tracks without pictures have none."""
    version = reader.unpack(_VERSION, at)[0]
    width, height = reader.unpack(_TRACK_SIDES, at + (_LONG_TRACK_SIDES_AT if version == 1 else _TRACK_SIDES_AT))
    found.sizes_px.append((width >> 16, height >> 16))


def _learn_pixel_bits(reader: Reader, at: int, end: int, found: _Found) -> None:
    found.bits = max(found.bits, *reader.data[at + 5 : min(end, at + 9)], 0)


def _learn_codec_bits(reader: Reader, at: int, end: int, found: _Found) -> None:
    if at + 2 < end and reader.data[at + 2] & _HIGH_BIT_DEPTH:
        found.bits = max(found.bits, 10)


def _learn_alpha(_reader: Reader, _at: int, _end: int, found: _Found) -> None:
    """An auxiliary picture may be a depth map too; counting it as alpha errs on the safe side."""
    found.alpha = True


def _learn_samples(reader: Reader, at: int, _end: int, found: _Found) -> None:
    common_size_bytes, samples = reader.unpack(_SAMPLES, at)
    found.frames = max(found.frames, samples)
    found.equal_samples |= common_size_bytes > 0


def _learn_chunks(reader: Reader, at: int, _end: int, found: _Found) -> None:
    found.chunks = max(found.chunks, reader.unpack(_COUNT, at)[0])


def _learn_chunk_samples(reader: Reader, at: int, end: int, found: _Found) -> None:
    runs = min(reader.unpack(_COUNT, at)[0], max(0, end - at - _COUNT.size) // _RUN.size)
    reader.spend(runs)
    first_at = at + _COUNT.size
    for _, samples, _ in _RUN.iter_unpack(reader.data[first_at : first_at + runs * _RUN.size]):
        found.chunk_samples = max(found.chunk_samples, samples)


_LEARN: dict[tuple[bytes, bytes], Callable[[Reader, int, int, _Found], None]] = {
    (b"ipco", b"ispe"): _learn_item_size,
    (b"ipco", b"pixi"): _learn_pixel_bits,
    (b"ipco", b"av1C"): _learn_codec_bits,
    (b"ipco", b"auxC"): _learn_alpha,
    (b"trak", b"tkhd"): _learn_track_size,
    (b"stbl", b"stsz"): _learn_samples,
    (b"stbl", b"stco"): _learn_chunks,
    (b"stbl", b"co64"): _learn_chunks,
    (b"stbl", b"stsc"): _learn_chunk_samples,
}
