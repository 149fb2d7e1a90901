"""GIF: the screen, every image descriptor, and the way past the blocks between them (GIF89a specification)."""

import re
import struct

from packshot.domain.originals import Header
from packshot.imaging.probe.reader import Reader, check_frames, cut_off, damaged, header

_SCREEN = struct.Struct("<HHBBB")
_DESCRIPTOR = struct.Struct("<HHHHB")
_SCREEN_AT = 6
_IMAGE, _EXTENSION, _TRAILER = 0x2C, 0x21, 0x3B
_KNOWN = re.compile(rb"[,!;]")
_STRAY_BYTES = 4_096

_BLOCKS_AT_ONCE = 64
_RUNS_BETWEEN_CLOCKS = 256


def read(reader: Reader) -> Header:
    """The canvas is the screen stretched over every frame, since some decoders stretch it; each frame costs all of it.

    Behind the first frame, bytes that begin nothing are stepped over as decoders do: what stands behind them counts.
    """
    width_px, height_px, flags, _, _ = reader.unpack(_SCREEN, _SCREEN_AT)
    at, frames = _SCREEN_AT + _SCREEN.size + _palette_bytes(flags), 0
    while at < reader.size and reader.data[at] != _TRAILER:
        reader.spend()
        kind = reader.data[at]
        if kind == _EXTENSION:
            at = _behind_blocks(reader, at + 2)
        elif kind == _IMAGE:
            left, top, frame_width, frame_height, flags = reader.unpack(_DESCRIPTOR, at + 1)
            width_px, height_px = max(width_px, left + frame_width), max(height_px, top + frame_height)
            frames += 1
            check_frames(frames)
            # One byte, the size of the codes, stands between the descriptor and the blocks.
            at = _behind_blocks(reader, at + 1 + _DESCRIPTOR.size + _palette_bytes(flags) + 1)
        else:
            at = _behind_stray_bytes(reader, at, frames)
    if not frames:
        raise cut_off() if at >= reader.size else damaged("it has no frame")
    return header("image/gif", (width_px, height_px), 4, frames)


def _palette_bytes(flags: int) -> int:
    return 3 << (flags & 0b111) + 1 if flags & 0x80 else 0


def _behind_stray_bytes(reader: Reader, at: int, frames: int) -> int:
    if not frames:
        raise damaged("a block is missing")
    reader.check_clock()
    found = _KNOWN.search(reader.data, at, at + _STRAY_BYTES)
    return found.start() if found else at + _STRAY_BYTES


def _behind_blocks(reader: Reader, at: int) -> int:
    """The offset behind the empty block that ends a chain, or some offset past the end of a file cut inside one."""
    while True:
        reader.check_clock()
        for _ in range(_RUNS_BETWEEN_CLOCKS):
            if at >= reader.size:
                return at
            length = reader.data[at]
            if not length:
                return at + 1
            at += (length + 1) * _equal_blocks(reader, at, length + 1)


def _equal_blocks(reader: Reader, at: int, stride: int) -> int:
    """How many blocks from *at* on are as long as the first, at least 1: encoders fill all blocks but the last.

    Looking at many lengths in one slice makes the walk through a large file some twenty times faster.
    """
    lengths = bytes(reader.data[at : at + stride * _BLOCKS_AT_ONCE : stride])
    return len(lengths) - len(lengths.lstrip(lengths[:1]))
