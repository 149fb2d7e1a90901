"""Paint: a pen that fills outlines with light on them, soft shadows, colours, and the studio's backdrop."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packshot.imaging.sketch.outlines import Point, oval

if TYPE_CHECKING:
    from PIL import Image

Colour = tuple[int, int, int]

WHITE: Colour = (255, 255, 255)
NIGHT: Colour = (28, 26, 44)
"""What things in the dark turn to: bluer and softer than black."""

# How light falls on a surface, as steps from its left edge to its right: above 0 towards white, below towards night.
EVEN = (0.0, 0.0)
SOFT = (0.10, 0.03, 0.0, -0.05, -0.12)
ROUND = (-0.14, 0.12, 0.20, 0.04, -0.08, -0.22, -0.34)
HOLLOW = (-0.12, -0.05, 0.0, 0.03, 0.10)

FLOOR = 0.87
"""How far down things stand."""

_COARSE = 8
"""A shadow has no detail, so it is made on a grid this much coarser."""

_BLOCK_BYTES = 1 << 20


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """The first colour with a share (0 to 1) of the other in it."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def lit(colour: Colour, amount: float) -> Colour:
    """The colour in more light (above 0, white at 1) or in less (below 0, night at -1)."""
    return mix(colour, WHITE if amount > 0 else NIGHT, abs(amount))


def backdrop(side_px: int, colour: Colour) -> "Image.Image":
    """A studio wall that runs into its floor, brightest in the middle, with a little of the product's colour."""
    from PIL import Image, _imaging

    # Blocks of this size, unlike Pillow's own of 16 MB, go back to the system when a picture is done.
    _imaging.set_block_size(_BLOCK_BYTES)
    size = (256, 256)
    wall, edge, floor = (
        Image.new("RGB", size, mix(grey, colour, share))
        for grey, share in ((WHITE, 0.03), ((226, 223, 219), 0.07), ((206, 202, 197), 0.09))
    )
    room = Image.composite(edge, wall, Image.radial_gradient("L"))
    depth = Image.linear_gradient("L").point([max(0, level - 168) for level in range(256)])
    return Image.composite(floor, room, depth).resize((side_px, side_px), Image.Resampling.BICUBIC)


@dataclass(frozen=True, slots=True)
class Pen:
    """Draws on a square part of an image whose upper left corner and side are given in pixels."""

    image: "Image.Image"
    left_px: float
    top_px: float
    side_px: float

    def place(self, outline: Sequence[Point]) -> list[Point]:
        """The points in pixels of the image."""
        return [(self.left_px + x * self.side_px, self.top_px + y * self.side_px) for x, y in outline]

    def fill(self, outline: Sequence[Point], colour: Colour, light: Sequence[float] = SOFT) -> None:
        """Paint the area within the outline, lit from left to right as *light* says."""
        from PIL import Image, ImageDraw

        points = self.place(outline)
        left, top, right, bottom = _bounds(points, 1)
        mask = Image.new("L", (right - left, bottom - top))
        ImageDraw.Draw(mask).polygon([(x - left, y - top) for x, y in points], fill=255)
        if len(set(light)) == 1:
            self.image.paste(lit(colour, light[0]), (left, top, right, bottom), mask)
            return
        strip = Image.new("RGB", (len(light), 1))
        strip.putdata([lit(colour, amount) for amount in light])
        self.image.paste(strip.resize(mask.size, Image.Resampling.BICUBIC), (left, top), mask)

    def stroke(self, path: Sequence[Point], colour: Colour, width: float) -> None:
        """Draw along the path with a round tip."""
        from PIL import ImageDraw

        points, thick = self.place(path), max(1, round(width * self.side_px))
        radius = (thick - 1) / 2
        pencil = ImageDraw.Draw(self.image)
        pencil.line(points, fill=colour, width=thick)
        for x, y in points:  # at joints too: two pieces that meet at an angle leave a notch on the outer side
            pencil.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)

    def haze(self, outline: Sequence[Point], colour: Colour, strength: float, blur: float) -> None:
        """Lay a share (*strength*, 0 to 1) of the colour over the area, with edges that fade over about *blur*."""
        from PIL import Image, ImageDraw, ImageFilter

        points = [(x / _COARSE, y / _COARSE) for x, y in self.place(outline)]
        radius = blur * self.side_px / _COARSE
        left, top, right, bottom = _bounds(points, math.ceil(3 * radius) + 1)
        mask = Image.new("L", (right - left, bottom - top))
        ImageDraw.Draw(mask).polygon([(x - left, y - top) for x, y in points], fill=round(255 * strength))
        mask = mask.filter(ImageFilter.GaussianBlur(radius))
        mask = mask.resize((mask.width * _COARSE, mask.height * _COARSE), Image.Resampling.BICUBIC)
        box = (left * _COARSE, top * _COARSE, right * _COARSE, bottom * _COARSE)
        self.image.paste(colour, box, mask)

    def ground(self, left: float, right: float, y: float = FLOOR) -> None:
        """The shadow on the floor of something that stands between *left* and *right*."""
        middle, half = (left + right) / 2, (right - left) / 2
        self.haze(oval((middle + 0.025, y + 0.008), half * 1.08, 0.03), NIGHT, 0.32, 0.024)
        self.haze(oval((middle, y), half * 0.98, 0.012), NIGHT, 0.36, 0.008)


def _bounds(points: Sequence[Point], margin: int) -> tuple[int, int, int, int]:
    left, top = (math.floor(min(axis)) - margin for axis in zip(*points, strict=True))
    right, bottom = (math.ceil(max(axis)) + margin for axis in zip(*points, strict=True))
    return left, top, right, bottom
