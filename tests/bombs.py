"""Builders of pictures that are small as files and large as pictures, most of them whole and lawful."""

import functools
import itertools
import struct
import zlib

import pictures


@functools.cache
def png_of_zeros(width_px: int, height_px: int, depth: int = 1, colour: int = 0, before: bytes = b"") -> bytes:
    """A whole PNG of one colour, however large: its rows are packed as they are made."""
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    left = height_px * (1 + (width_px * depth * channels + 7) // 8)
    packer, parts = zlib.compressobj(6), list[bytes]()
    while left:
        parts.append(packer.compress(bytes(min(left, 1 << 20))))
        left -= min(left, 1 << 20)
    pixels = pictures.png_chunk(b"IDAT", b"".join(parts) + packer.flush())
    return pictures.png_header(width_px, height_px, depth, colour) + before + pixels + pictures.png_chunk(b"IEND")


def jpeg_resized(width_px: int, height_px: int, **options: object) -> bytes:
    """A whole small JPEG whose frame header was changed to promise another size; decoders fill up what is missing."""
    small = pictures.jpeg(16, 16, **options)
    return small.replace(struct.pack(">HH", 16, 16), struct.pack(">HH", height_px, width_px), 1)


class _Bits:
    """Numbers of any width, lowest bit first."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._number = self._length = 0

    def add(self, number: int, width: int) -> None:
        self._number |= number << self._length
        self._length += width
        while self._length >= 8:
            self._bytes.append(self._number & 0xFF)
            self._number, self._length = self._number >> 8, self._length - 8

    def all(self) -> bytes:
        return bytes(self._bytes) + bytes((self._number,))


def lzw_of_one_colour(pixels: int) -> bytes:
    """Codes for so many pixels of colour 0: each stands for one pixel more than the last, until the table is full.

    From then on its longest run is repeated: 4 091 pixels for a code of twelve bits.
    """
    bits, width, table, run, left = _Bits(), 3, 6, 0, pixels
    bits.add(4, width)
    while left:
        length = min(run + 1, 4_091, left)
        bits.add(0 if length == 1 else 4 + length, width)
        # The first code adds nothing to the table; every other one adds a run that is longer by one.
        table += run > 0 and table < 4_096
        width += table == 1 << width and width < 12
        run, left = length, left - length
    bits.add(5, width)
    data = bits.all()
    blocks = (data[at : at + 255] for at in range(0, len(data), 255))
    return b"\2" + b"".join(bytes((len(block),)) + block for block in blocks) + b"\0"


def gif_of_one_colour(width_px: int, height_px: int, frames: int = 1) -> bytes:
    frame = pictures.gif_frame(0, 0, width_px, height_px, lzw_of_one_colour(width_px * height_px))
    return pictures.gif_screen(width_px, height_px) + frame * frames + b";"


def webp_of_one_colour(width_px: int, height_px: int) -> bytes:
    """A whole lossless WebP of some forty bytes: five tables of one symbol each, so that no pixel takes a bit."""
    bits = _Bits()
    for number, width in ((0x2F, 8), (width_px - 1, 14), (height_px - 1, 14), (0, 4), (0, 3)):
        bits.add(number, width)
    for _ in range(5):
        bits.add(1, 4)
    return pictures.riff_chunk(b"VP8L", bits.all() + bytes(8))


def webp_animation(width_px: int, height_px: int, frames: int) -> bytes:
    """An animation of whole frames, each as large as the canvas."""
    place = pictures.three_bytes(0, 0, width_px - 1, height_px - 1, 100)
    frame = pictures.riff_chunk(b"ANMF", place + b"\0" + webp_of_one_colour(width_px, height_px))
    canvas = pictures.webp_canvas_chunk(width_px, height_px, 0x02)
    return pictures.webp_around(canvas, pictures.riff_chunk(b"ANIM", bytes(6)), frame * frames)


def avif_resized(width_px: int, height_px: int) -> bytes:
    """A whole AVIF of 64 x 48 pixels whose boxes speak of another size than its bitstream."""
    real, claimed = (struct.pack(">II", *size_px) for size_px in ((64, 48), (width_px, height_px)))
    return pictures.avif(64, 48).replace(b"ispe\0\0\0\0" + real, b"ispe\0\0\0\0" + claimed)


def tiff_with(*tags: tuple[int, int, int], width_px: int = 64, height_px: int = 48) -> bytes:
    """A grey TIFF of one strip with tags changed or added: (number, 3 for SHORT or 4 for LONG, value)."""
    strip = bytes(64 * 48)
    every = {256: (4, width_px), 257: (4, height_px), 258: (3, 8), 259: (3, 1), 262: (3, 1), 273: (4, 8)}
    every |= {277: (3, 1), 278: (4, height_px), 279: (4, len(strip))}
    every |= {number: (kind, value) for number, kind, value in tags}
    directory = pictures.tiff_directory("<", 8 + len(strip), [(tag, *every[tag]) for tag in sorted(every)])
    return b"II*\0" + struct.pack("<I", 8 + len(strip)) + strip + directory


def tiled_tiff(side_px: int) -> bytes:
    """A small page whose one tile is as large as you like."""
    return tiff_with((322, 4, side_px), (323, 4, side_px), (324, 4, 8), (325, 4, 64 * 48))


@functools.cache
def packed_zeros(megabytes: int) -> bytes:
    return zlib.compress(bytes(megabytes << 20), 9)


def jpeg_of_scans(count: int, side_px: int = 1_600) -> bytes:
    """A progressive picture that says its last coefficients over and over again."""
    data = pictures.jpeg(side_px, side_px, progressive=True)
    last_at, end = data.rindex(b"\xff\xda"), len(data) - 2
    return data[:last_at] + data[last_at:end] * count + data[end:]


def jpeg_of_lawful_scans(count: int, side_px: int) -> bytes:
    """A progressive grey picture in which every coefficient comes alone and bit by bit: up to 883 scans, all lawful.

    Each scan but the first says in a few bytes that all blocks have nothing to add, and a decoder visits them all.
    """
    blocks = (-(-side_px // 8)) ** 2
    tables = pictures.jpeg_segment(0xDB, b"\0" + b"\1" * 64)
    # One code of one bit in each table: a difference of 0, and a run of 16 384 and more blocks without anything.
    tables += pictures.jpeg_segment(0xC4, b"\0\1" + bytes(15) + b"\0" + b"\x10\1" + bytes(15) + b"\xe0")
    runs = _empty_runs(blocks)
    places = ((place, low) for low in range(13, -1, -1) for place in range(1, 64))
    scans = b"".join(
        pictures.jpeg_segment(0xDA, bytes((1, 1, 0, place, place, (low + 1) % 14 << 4 | low))) + runs
        for place, low in itertools.islice(places, count - 1)
    )
    first = pictures.jpeg_segment(0xDA, b"\1\1\0\0\0\0") + bytes(-(-blocks // 8))
    frame = pictures.jpeg_frame(side_px, side_px, 1, marker=0xC2)
    return b"\xff\xd8" + tables + frame + first + scans + b"\xff\xd9"


def _empty_runs(blocks: int) -> bytes:
    """Runs of 16 384 to 32 767 blocks each: the code, which is one bit, and how many more than that in fourteen."""
    runs = -(-blocks // 32_767)
    lengths = (blocks * (run + 1) // runs - blocks * run // runs for run in range(runs))
    bits = "".join(f"0{length - (1 << 14):014b}" for length in lengths)
    bits += "1" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")
