"""Small ornaments that appear on more than one product."""

import math

from packshot.imaging.sketch.outlines import Point, curve, leaf, oval
from packshot.imaging.sketch.pen import EVEN, Colour, Pen

CREAM: Colour = (247, 241, 229)
_SUN: Colour = (238, 144, 84)
_WAVES: tuple[tuple[float, Colour], ...] = ((0.12, (72, 122, 140)), (0.45, (44, 84, 106)))


def sunrise(pen: Pen, centre: Point, radius: float) -> None:
    """A print: a low sun over two waves, in a disc."""
    x, y = centre
    disc = oval(centre, radius, radius)
    pen.fill(disc, CREAM, EVEN)
    pen.fill(oval((x, y - radius * 0.05), radius * 0.46, radius * 0.46), _SUN, EVEN)
    for fall, colour in _WAVES:
        steps = (-1.0, -0.5, 0.0, 0.5, 1.0)
        wave = curve(*((x + radius * at, y + radius * (fall + 0.09 * math.cos(at * 7))) for at in steps))
        crest = [point for point in wave if math.dist(point, centre) < radius]
        pen.fill([*crest, *(point for point in disc if point[1] > crest[0][1])], colour, EVEN)


def sprig(pen: Pen, foot: Point, height: float, colour: Colour) -> None:
    """A print: a stem with pairs of leaves."""
    x, y = foot
    pen.stroke([(x, y), (x, y - height * 0.84)], colour, height * 0.022)
    pen.fill(leaf((x, y - height * 0.76), -math.pi / 2, height * 0.24), colour, EVEN)
    for pair in range(4):
        root = (x, y - height * (0.16 + 0.17 * pair))
        for angle in (-0.62, math.pi + 0.62):
            pen.fill(leaf(root, angle, height * (0.36 - 0.04 * pair)), colour, EVEN)


def grain(pen: Pen, path: tuple[Point, Point, Point], colour: Colour) -> None:
    """A dry stalk along the path with grains towards its tip."""
    stalk = curve(*path)
    pen.stroke(stalk, colour, 0.007)
    (_, _), (bend_x, bend_y), (tip_x, tip_y) = path
    slope = math.atan2(tip_y - bend_y, tip_x - bend_x)
    for root in stalk[len(stalk) // 2 :: 2]:
        for side in (-0.55, 0.55):
            pen.fill(leaf(root, slope + side, 0.058), colour)
