"""Renditions, read by another library than the one that wrote them, and how to look at them."""

from typing import Any

from PIL import Image

import pictures
import scenes
from packshot.domain.renditions import MEDIA_TYPES, parse_key
from packshot.imaging.probe import probe
from packshot.imaging.render import render

Colour = tuple[int, ...]


def rendition(data: bytes, text: str) -> Image.Image:
    """What the spec with this key makes of a file, read by Pillow."""
    spec = parse_key(text)
    made = render(memoryview(data), probe(data), spec)
    image = scenes.decoded(made.data)
    assert (made.media_type, made.width_px, made.height_px) == (MEDIA_TYPES[spec.format], *image.size)
    assert Image.MIME[str(image.format)] == made.media_type
    return image


def pixel(image: Image.Image, x: int, y: int) -> Colour:
    colour = image.getpixel((x, y))
    assert isinstance(colour, tuple)
    return colour


def apart(one: Colour, other: Colour) -> int:
    """By how much the channel differs that differs most."""
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


def png(image: Image.Image, **options: Any) -> bytes:
    return pictures.encoded(image, "PNG", **options)
