"""GIF: screen, palettes, frames and their timing, the loop and a colour profile stay (GIF89a specification)."""

import re
import struct
from collections.abc import Iterator

from packshot.imaging.probe.reader import cut_off
from packshot.imaging.strip import profiles
from packshot.imaging.strip.parts import GONE, Keep, Part, bounded

_SCREEN = struct.Struct("<6xHHBBB")
_DESCRIPTOR = struct.Struct("<xHHHHB")
_IMAGE, _EXTENSION, _TRAILER = 0x2C, 0x21, 0x3B
_KNOWN = re.compile(rb"[,!;]")

_CONTROL, _APPLICATION = 0xF9, 0xFF
_SHORT_BYTES = 64
"""More than the timing of a frame or a loop takes: whatever is longer carries something else."""
_LOOPS = (b"\x0bNETSCAPE2.0", b"\x0bANIMEXTS1.0")
_PROFILE = b"\x0bICCRGBG1012"
_PROFILE_EXTENSION = bytes((_EXTENSION, _APPLICATION)) + _PROFILE


def walk(view: memoryview, _keep: Keep) -> Iterator[Part]:
    """The parts of the copy, up to the trailer or, where it is missing, to the end of the file."""
    parts = list(bounded(_parts(view)))
    found = [part[len(_PROFILE_EXTENSION) :] for part in parts if _is_profile(part)]
    stays = len(found) == 1 and profiles.stays(profiles.of_gif(found[0]))
    yield from (part for part in parts if stays or not _is_profile(part))


def _is_profile(part: Part) -> bool:
    return part[: len(_PROFILE_EXTENSION)] == _PROFILE_EXTENSION


def _parts(view: memoryview) -> Iterator[Part]:
    at = _SCREEN.size + _palette_bytes(_SCREEN.unpack_from(view, 0)[2])
    yield view[:at]
    frames = 0
    while at < len(view) and view[at] != _TRAILER:
        start = at
        if view[at] == _EXTENSION:
            at = _behind_blocks(view, at + 2)
            yield view[start:at] if _stays(view[start + 1], view[start + 2 : at]) else GONE
        elif view[at] == _IMAGE:
            palette_bytes = _palette_bytes(_DESCRIPTOR.unpack_from(view, at)[4])
            # One byte, the size of the codes, stands between the descriptor and the blocks.
            at = _behind_blocks(view, at + _DESCRIPTOR.size + palette_bytes + 1)
            frames += 1
            yield view[start:at]
        else:
            found = _KNOWN.search(view, at)
            at = found.start() if found else len(view)
            yield GONE
    if not frames:
        raise cut_off()
    yield b";"


def _palette_bytes(flags: int) -> int:
    return 3 << (flags & 0b111) + 1 if flags & 0x80 else 0


def _behind_blocks(view: memoryview, at: int) -> int:
    """The offset behind the empty block that ends a chain. A plain loop: some twenty million steps a second."""
    while length := view[at]:
        at += length + 1
    return at + 1


def _stays(label: int, blocks: memoryview) -> bool:
    if label == _APPLICATION:
        name = bytes(blocks[:12])
        return name == _PROFILE or (name in _LOOPS and len(blocks) <= _SHORT_BYTES)
    return label == _CONTROL and len(blocks) <= _SHORT_BYTES
