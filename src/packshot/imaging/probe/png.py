"""PNG and APNG: the image header and the chunks before the first pixel data (PNG specification, third edition)."""

import struct
import zlib

from packshot.domain.originals import Header
from packshot.imaging.probe.reader import Reader, damaged, header, sample_bytes

_CHUNK = struct.Struct(">I4s")
_IMAGE_HEADER = struct.Struct(">IIBBBBB")
_NUMBER = struct.Struct(">I")
_IMAGE_HEADER_AT = 8
_CRC_BYTES = 4
_MAX_CHUNK_BYTES = 2**31 - 1

_GREY, _RGB, _PALETTE, _GREY_ALPHA, _RGBA = 0, 2, 3, 4, 6
_DEPTHS = {
    _GREY: (1, 2, 4, 8, 16),
    _RGB: (8, 16),
    _PALETTE: (1, 2, 4, 8),
    _GREY_ALPHA: (8, 16),
    _RGBA: (8, 16),
}
_CHANNELS = {_GREY: 1, _RGB: 3, _PALETTE: 3, _GREY_ALPHA: 2, _RGBA: 4}


def read(reader: Reader) -> Header:
    """Size and depth from IHDR, transparency and frames from what stands before the first IDAT."""
    size_px, depth, colour = _image_header(reader)
    transparent, frames = _before_pixels(reader, _IMAGE_HEADER_AT + _CHUNK.size + _IMAGE_HEADER.size + _CRC_BYTES)
    return header("image/png", size_px, (_CHANNELS[colour] + transparent) * sample_bytes(depth), frames)


def _image_header(reader: Reader) -> tuple[tuple[int, int], int, int]:
    length, kind = reader.unpack(_CHUNK, _IMAGE_HEADER_AT)
    if kind != b"IHDR" or length != _IMAGE_HEADER.size:
        raise damaged("its header is missing")
    body_at = _IMAGE_HEADER_AT + _CHUNK.size
    width_px, height_px, depth, colour, compression, filtering, interlace = reader.unpack(_IMAGE_HEADER, body_at)
    crc_at = body_at + length
    # The checksum covers the chunk's kind as well.
    if reader.unpack(_NUMBER, crc_at)[0] != zlib.crc32(reader.data[body_at - 4 : crc_at]):
        raise damaged("the checksum of its header is wrong")
    if depth not in _DEPTHS.get(colour, ()) or compression or filtering or interlace > 1:
        raise damaged("its header is wrong")
    return (width_px, height_px), depth, colour


def _before_pixels(reader: Reader, at: int) -> tuple[bool, int]:
    """Whether a tRNS chunk adds transparency, and the number of frames, up to the first IDAT chunk."""
    transparent, animation_frames, first_is_frame = False, 0, False
    while True:
        reader.spend()
        length, kind = reader.unpack(_CHUNK, at)
        if kind == b"IDAT":
            # A first picture without frame control is no frame of the animation but one more picture.
            return transparent, animation_frames + (not first_is_frame) if animation_frames else 1
        if kind in (b"IHDR", b"IEND") or length > _MAX_CHUNK_BYTES:
            raise damaged("a chunk is out of place")
        if kind == b"acTL":
            animation_frames = max(animation_frames, reader.unpack(_NUMBER, at + _CHUNK.size)[0])
        transparent |= kind == b"tRNS"
        first_is_frame |= kind == b"fcTL"
        at += _CHUNK.size + length + _CRC_BYTES
