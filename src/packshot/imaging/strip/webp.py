"""WebP: bitstreams, transparency, animation and profile stay, and EXIF written anew (RFC 9649)."""

import struct
from collections.abc import Iterator

from packshot.imaging.probe.reader import cut_off, damaged
from packshot.imaging.strip import exif, profiles
from packshot.imaging.strip.parts import GONE, Keep, Part, bounded

_CHUNK = struct.Struct("<4sI")
_FIRST_CHUNK_AT = 12
_RIFF_HEADER_BYTES = 8
_FRAME_HEADER_BYTES = 16
_CANVAS_BYTES = 10

_BITSTREAMS = (b"VP8 ", b"VP8L")
_STAY = frozenset({b"ALPH", b"ANIM", *_BITSTREAMS})
_ONCE = frozenset({b"EXIF", b"ICCP"})
_IN_FRAMES = frozenset({b"ALPH", *_BITSTREAMS})
_PROFILE, _TRANSPARENT, _EXIF, _ANIMATED = 0x20, 0x10, 0x08, 0x02


def walk(view: memoryview, keep: Keep) -> Iterator[Part]:
    """The parts of the copy: a plain file is its bitstream, an extended one a canvas and chunks."""
    end = _CHUNK.unpack_from(view, 0)[1] + _RIFF_HEADER_BYTES
    if end > len(view):
        raise cut_off()
    kind, body = next(_chunks(view, _FIRST_CHUNK_AT, end), (b"", GONE))
    if kind in _BITSTREAMS:
        parts = list(_chunk(kind, body))
    elif kind == b"VP8X" and len(body) >= _CANVAS_BYTES:
        parts = list(bounded(_extended(view, body, end, keep)))
    else:
        raise damaged("it begins with an unknown chunk")
    yield _CHUNK.pack(b"RIFF", 4 + sum(map(len, parts))) + b"WEBP"
    yield from parts


def _chunks(view: memoryview, at: int, end: int) -> Iterator[tuple[bytes, memoryview]]:
    while at + _CHUNK.size <= end:
        kind, size_bytes = _CHUNK.unpack_from(view, at)
        body_at = at + _CHUNK.size
        at = body_at + size_bytes
        if at > end:
            raise cut_off()
        yield kind, view[body_at:at]
        at += size_bytes % 2


def _extended(view: memoryview, canvas: Part, end: int, keep: Keep) -> Iterator[Part]:
    """The canvas, which says what there is, and the chunks."""
    once = _firsts(_chunks(view, _FIRST_CHUNK_AT, end))
    small = exif.rebuilt(once[b"EXIF"], keep) if b"EXIF" in once else b""
    coloured = profiles.stays(once.get(b"ICCP"))
    stay = _STAY | {b"ICCP"} if coloured else _STAY
    flags = canvas[0] & (_TRANSPARENT | _ANIMATED | _PROFILE * coloured) | (_EXIF if small else 0)
    yield from _chunk(b"VP8X", bytes((flags, 0, 0, 0)) + canvas[4:_CANVAS_BYTES])
    for kind, body in _chunks(view, _FIRST_CHUNK_AT, end):
        if kind == b"ANMF":
            yield from _frame(body)
        else:
            yield from _chunk(kind, body) if kind in stay else (GONE,)
        stay -= {kind} & _ONCE
    if small:
        yield from _chunk(b"EXIF", small)


def _firsts(chunks: Iterator[tuple[bytes, memoryview]]) -> dict[bytes, memoryview]:
    """What there should be once, and the first of it where there is more."""
    found = dict[bytes, memoryview]()
    for kind, body in chunks:
        if kind in _ONCE:
            found.setdefault(kind, body)
    return found


def _frame(body: memoryview) -> Iterator[Part]:
    """A frame of an animation, which is its place and chunks of its own."""
    if len(body) < _FRAME_HEADER_BYTES:
        raise cut_off()
    inside = _chunks(body, _FRAME_HEADER_BYTES, len(body))
    parts = list(
        bounded(part for kind, inner in inside for part in (_chunk(kind, inner) if kind in _IN_FRAMES else (GONE,)))
    )
    yield _CHUNK.pack(b"ANMF", _FRAME_HEADER_BYTES + sum(map(len, parts)))
    yield body[:_FRAME_HEADER_BYTES]
    yield from parts


def _chunk(kind: bytes, body: Part) -> Iterator[Part]:
    yield _CHUNK.pack(kind, len(body))
    yield body
    if len(body) % 2:
        yield b"\0"
