"""WebP: the canvas, the frames and the first bytes of the bitstreams (RFC 9649)."""

import struct

from packshot.domain.originals import Header
from packshot.imaging.probe.reader import Reader, check_frames, cut_off, damaged, header

_CHUNK = struct.Struct("<4sI")
_LOSSY = struct.Struct("<3s3sHH")
_LOSSLESS = struct.Struct("<BI")
_CANVAS = struct.Struct("<B3x3s3s")
_FRAME = struct.Struct("<3s3s3s3s")
_FIRST_CHUNK_AT = 12
_RIFF_HEADER_BYTES = 8

_LOSSY_START = b"\x9d\x01\x2a"
_LOSSLESS_START = 0x2F
_ANIMATED, _TRANSPARENT = 0x02, 0x10
_SIDE_BITS = 14
_SIDE_MASK = (1 << _SIDE_BITS) - 1


def read(reader: Reader) -> Header:
    """A plain file is judged by its bitstream, an extended one by canvas, frames and bitstream together."""
    end = reader.unpack(_CHUNK, 0)[1] + _RIFF_HEADER_BYTES
    if end > reader.size:
        raise cut_off()
    kind, body_at, after = _chunk(reader, _FIRST_CHUNK_AT, end)
    if kind == b"VP8X":
        return _extended(reader, body_at, after, end)
    size_px, channels = _bitstream(reader, kind, body_at)
    return header("image/webp", size_px, channels)


def _chunk(reader: Reader, at: int, end: int) -> tuple[bytes, int, int]:
    """Kind, offset of the body and offset of the next chunk, which may be the padding byte past *end*."""
    reader.spend()
    kind, size_bytes = reader.unpack(_CHUNK, at)
    body_at = at + _CHUNK.size
    if body_at + size_bytes > end:
        raise cut_off()
    return kind, body_at, body_at + size_bytes + size_bytes % 2


def _extended(reader: Reader, body_at: int, at: int, end: int) -> Header:
    flags, *sides = reader.unpack(_CANVAS, body_at)
    width_px, height_px = (1 + _number(side) for side in sides)
    frames = stills = 0
    while at + _CHUNK.size <= end:
        kind, body_at, at = _chunk(reader, at, end)
        if kind == b"ANMF":
            frames += 1
            check_frames(frames)
            extent_px = _frame_extent(reader, body_at)
        elif kind in (b"VP8 ", b"VP8L"):
            stills += 1
            extent_px, _ = _bitstream(reader, kind, body_at)
        else:
            continue
        width_px, height_px = max(width_px, extent_px[0]), max(height_px, extent_px[1])
    if not frames and not stills:
        raise damaged("it has no pixels")
    channels = 4 if frames or flags & (_ANIMATED | _TRANSPARENT) else 3
    return header("image/webp", (width_px, height_px), channels, max(frames, 1))


def _frame_extent(reader: Reader, body_at: int) -> tuple[int, int]:
    """Where an animation frame ends; its corner is stored in steps of two pixels, its sides less one."""
    left, top, width, height = (_number(field) for field in reader.unpack(_FRAME, body_at))
    return 2 * left + width + 1, 2 * top + height + 1


def _bitstream(reader: Reader, kind: bytes, body_at: int) -> tuple[tuple[int, int], int]:
    """Size and channels in the first bytes of a lossy or lossless bitstream."""
    if kind == b"VP8 ":
        return _lossy(reader, body_at)
    if kind == b"VP8L":
        return _lossless(reader, body_at)
    raise damaged("it begins with an unknown chunk")


def _lossy(reader: Reader, body_at: int) -> tuple[tuple[int, int], int]:
    tag, start, width, height = reader.unpack(_LOSSY, body_at)
    if tag[0] & 1 or start != _LOSSY_START:
        raise damaged("it does not begin with a key frame")
    # The two bits above each side ask for scaling, which no decoder of still pictures does.
    return (width & _SIDE_MASK, height & _SIDE_MASK), 3


def _lossless(reader: Reader, body_at: int) -> tuple[tuple[int, int], int]:
    start, bits = reader.unpack(_LOSSLESS, body_at)
    if start != _LOSSLESS_START:
        raise damaged("its lossless header is wrong")
    width_px, height_px = 1 + (bits & _SIDE_MASK), 1 + (bits >> _SIDE_BITS & _SIDE_MASK)
    return (width_px, height_px), 3 + (bits >> 2 * _SIDE_BITS & 1)


def _number(field: bytes) -> int:
    return int.from_bytes(field, "little")
