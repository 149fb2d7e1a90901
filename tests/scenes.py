"""Pictures to render: a drawn still life that tells its sides apart, and one with a colour in every corner."""

import functools
import io
from typing import Any

import pyvips  # type: ignore[import-untyped]
from PIL import Image, ImageDraw

import pictures

RED, GREEN, BLUE, YELLOW = (220, 30, 30), (20, 160, 60), (30, 60, 210), (235, 205, 30)


def corners(width_px: int = 120, height_px: int = 80, mode: str = "RGB") -> Image.Image:
    """Red at the top left, green at the top right, blue at the bottom left, yellow at the bottom right."""
    image = Image.new(mode, (width_px, height_px), RED)
    draw = ImageDraw.Draw(image)
    middle_x, middle_y = width_px // 2, height_px // 2
    draw.rectangle((middle_x, 0, width_px, middle_y - 1), GREEN)
    draw.rectangle((0, middle_y, middle_x - 1, height_px), BLUE)
    draw.rectangle((middle_x, middle_y, width_px, height_px), YELLOW)
    return image


def lying(image: Image.Image, orientation: int, file_format: str = "JPEG", **options: Any) -> bytes:
    """A file that holds the upright picture in this orientation and says so."""
    turn = pictures.STORED.get(orientation)
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = image if turn is None else image.transpose(turn)
    return pictures.encoded(stored, file_format, exif=exif.tobytes(), **options)


@functools.cache
def still_life(width_px: int = 960, height_px: int = 640) -> Image.Image:
    """A bottle, a ball and a box on a table, drawn large and brought to size."""
    image = Image.new("RGB", (960, 640), (236, 232, 224))
    draw = ImageDraw.Draw(image)
    for row in range(400):
        shade = row // 8
        draw.line((0, row, 960, row), (236 - shade, 232 - shade, 224 + shade // 2))
    draw.rectangle((0, 430, 960, 640), (150, 104, 66))
    for stripe in range(0, 960, 24):
        draw.line((stripe, 430, stripe * 2 - 480, 640), (120, 80, 50), 2)
    draw.rounded_rectangle((140, 220, 250, 520), 30, (24, 92, 60))
    draw.rectangle((172, 120, 218, 230), (24, 92, 60))
    draw.rectangle((150, 320, 240, 430), (240, 236, 214))
    for line in range(6):
        draw.line((160, 336 + 15 * line, 230 - 7 * line, 336 + 15 * line), (40, 40, 40), 3)
    for ring in range(60):
        draw.ellipse((380 + ring, 340 + ring, 560 - ring // 2, 520 - ring // 2), (190 + ring, 40 + ring * 2, 30 + ring))
    draw.polygon(((660, 300), (840, 260), (900, 480), (700, 540)), (48, 78, 150))
    draw.polygon(((660, 300), (700, 540), (640, 500), (610, 310)), (30, 50, 105))
    draw.line((750, 280, 800, 510), (220, 190, 60), 12)
    return (
        image if (width_px, height_px) == image.size else image.resize((width_px, height_px), Image.Resampling.LANCZOS)
    )


def cut_out(width_px: int = 600, height_px: int = 400) -> Image.Image:
    """A ball with a soft edge and a handle, on nothing; what is transparent has a colour nobody should ever see."""
    image = Image.new("RGBA", (width_px, height_px), (0, 255, 0, 0))
    draw = ImageDraw.Draw(image)
    for ring in range(40):
        box = (width_px // 4 + ring // 4, ring // 4, width_px * 3 // 4 - ring // 4, height_px - 1 - ring // 4)
        draw.ellipse(box, (200, 40, 60, min(255, 8 * ring)))
    draw.rectangle((width_px * 7 // 10, height_px // 8, width_px * 9 // 10, height_px // 3), (120, 50, 20, 255))
    return image


def profile(name: str) -> bytes:
    """A colour profile libvips has: srgb, p3 or cmyk."""
    return bytes(pyvips.Image.profile_load(name))


def decoded(data: bytes) -> Image.Image:
    """A rendition read by another library than the one that wrote it."""
    image = Image.open(io.BytesIO(data))
    image.load()
    return image
