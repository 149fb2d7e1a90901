"""A picture in a few bytes: a blurred placeholder (ThumbHash), a fingerprint, and the colour there is most of."""

import math
from collections import Counter
from functools import cache
from operator import mul
from statistics import median
from typing import NamedTuple

THUMB_SIDE_PX = 32
"""How large the picture for `thumbhash` is at most. More would not show and takes long."""
PRINT_SIDE_PX = 32
"""How large the picture for `fingerprint` is, either way."""

_PRINT_WAVES = 8
_NOTHING = 1e-6
_SEEN = 128


class _Waves(NamedTuple):
    """One channel as cosine waves: their mean, the others between 0 and 1 around a half, and what that stands for."""

    mean: float
    others: list[float]
    scale: float


def thumbhash(width_px: int, height_px: int, rgba: bytes) -> bytes:
    """The ThumbHash of a picture of at most 32 by 32 pixels, four bytes each: 5 to 25 bytes.

    Source: the description and the reference of ThumbHash, evanw.github.io/thumbhash.
    """
    red, green, blue, alpha = ([octet / 255 for octet in rgba[channel::4]] for channel in range(4))
    has_alpha = min(alpha) < 1
    red, green, blue = (_on_its_mean(channel, alpha) for channel in (red, green, blue))
    colours = list(zip(red, green, blue, strict=True))
    # A long picture has fewer waves along its short side, and alpha takes the room of some.
    most, longest = 5 if has_alpha else 7, max(width_px, height_px)
    across, down = (max(1, round(most * side / longest)) for side in (width_px, height_px))
    size = (width_px, height_px)
    light = _waves([(r + g + b) / 3 for r, g, b in colours], size, max(3, across), max(3, down))
    yellow = _waves([(r + g) / 2 - b for r, g, b in colours], size, 3, 3)
    reddish = _waves([r - g for r, g, _ in colours], size, 3, 3)
    landscape = width_px > height_px
    first = round(63 * light.mean) | round(31.5 + 31.5 * yellow.mean) << 6 | round(31.5 + 31.5 * reddish.mean) << 12
    first |= round(31 * light.scale) << 18 | has_alpha << 23
    second = (down if landscape else across) | round(63 * yellow.scale) << 3 | round(63 * reddish.scale) << 9
    head = first.to_bytes(3, "little") + (second | landscape << 15).to_bytes(2, "little")
    if not has_alpha:
        return head + _nibbles([*light.others, *yellow.others, *reddish.others])
    veil = _waves(alpha, size, 5, 5)
    head += bytes([round(15 * veil.mean) | round(15 * veil.scale) << 4])
    return head + _nibbles([*light.others, *yellow.others, *reddish.others, *veil.others])


def _on_its_mean(channel: list[float], alpha: list[float]) -> list[float]:
    """The channel with the mean of what is visible behind what is transparent."""
    mean = sum(map(mul, channel, alpha)) / (sum(alpha) or 1)
    return [mean * (1 - share) + value * share for value, share in zip(channel, alpha, strict=True)]


def _nibbles(values: list[float]) -> bytes:
    numbers = [round(15 * value) for value in values]
    pairs = zip(numbers[::2], [*numbers[1::2], 0], strict=False)
    return bytes(low | high << 4 for low, high in pairs)


def _waves(channel: list[float], size: tuple[int, int], across: int, down: int) -> _Waves:
    """The lowest frequencies of a channel, those of a triangle in the corner."""
    rows = _spectrum(channel, size, across, down)
    mean, *others = (
        value for y, row in enumerate(rows) for x, value in enumerate(row) if x * down < across * (down - y)
    )
    scale = max(map(abs, others))
    # What is left of an even channel is the computer's, not the picture's.
    if scale < _NOTHING:
        return _Waves(mean, [0.0] * len(others), 0.0)
    return _Waves(mean, [0.5 + 0.5 * value / scale for value in others], scale)


def _spectrum(channel: list[float], size: tuple[int, int], across: int, down: int) -> list[list[float]]:
    """How much of each cosine wave there is, by row; the waves run 0..down-1 times down, 0..across-1 times across."""
    width, height = size
    rows = [channel[start : start + width] for start in range(0, width * height, width)]
    columns = [[sum(map(mul, row, wave)) / width for row in rows] for wave in _cosines(width, across)]
    return [[sum(map(mul, column, wave)) / height for column in columns] for wave in _cosines(height, down)]


@cache
def _cosines(length: int, count: int) -> list[list[float]]:
    return [[math.cos(math.pi / length * wave * (at + 0.5)) for at in range(length)] for wave in range(count)]


def fingerprint(grey: bytes) -> int:
    """64 bits that pictures which look alike have nearly in common, of a grey one brought to 32 by 32 pixels.

    Each bit tells whether a picture has more of one of 64 slow waves than of half the others.
    """
    rows = _spectrum([float(octet) for octet in grey], (PRINT_SIDE_PX, PRINT_SIDE_PX), _PRINT_WAVES, _PRINT_WAVES)
    # Rounded, for the sums of an even picture are not exactly 0.
    waves = [round(value, 3) for row in rows for value in row]
    middle = median(waves)
    return sum((value > middle) << bit for bit, value in enumerate(waves))


def distance(one: int, other: int) -> int:
    """How many bits of two fingerprints differ: 0 to 64. Up to about 8, the pictures look alike."""
    return (one ^ other).bit_count()


def dominant_colour(rgba: bytes) -> tuple[int, int, int]:
    """The colour there is most of (red, green, blue), what is transparent left out; white if that is all."""
    pixels = list(zip(rgba[::4], rgba[1::4], rgba[2::4], rgba[3::4], strict=True))
    shades = [(pixel[:3], tuple(value >> 5 for value in pixel[:3])) for pixel in pixels if pixel[3] >= _SEEN]
    if not shades:
        return 255, 255, 255
    [(most, count)] = Counter(shade for _, shade in shades).most_common(1)
    red, green, blue = (
        sum(channel) // count for channel in zip(*(c for c, shade in shades if shade == most), strict=True)
    )
    return red, green, blue
