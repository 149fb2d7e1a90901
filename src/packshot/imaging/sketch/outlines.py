"""Shapes as lists of points, on a square of side 1 that is measured from its upper left corner."""

import math
from collections.abc import Sequence

Point = tuple[float, float]

_STEPS = 14


def curve(*points: Point) -> list[Point]:
    """A smooth line through the points (Catmull-Rom); lists put one behind the other meet in a corner."""
    padded = [points[0], *points, points[-1]]
    path = [points[0]]
    for before, start, end, after in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        for step in range(1, _STEPS + 1):
            x, y = (_spline(*axis, step / _STEPS) for axis in zip(before, start, end, after, strict=True))
            path.append((x, y))
    return path


def _spline(before: float, start: float, end: float, after: float, t: float) -> float:
    square = 2 * before - 5 * start + 4 * end - after
    return start + t * (end - before + t * (square + t * (3 * (start - end) + after - before))) / 2


def flipped(outline: Sequence[Point], axis: float = 0.5) -> list[Point]:
    """The outline seen in a mirror that stands at *axis*."""
    return [(2 * axis - x, y) for x, y in outline]


def mirrored(half: Sequence[Point], axis: float = 0.5) -> list[Point]:
    """A symmetric outline from one half of it, which runs from the upper end of the upright axis to the lower."""
    return [*half, *reversed(flipped(half, axis))]


def bow(start: Point, end: Point, sag: float) -> list[Point]:
    """A line from *start* to *end* whose middle hangs down by *sag* (up, where it is below 0)."""
    return curve(start, ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2 + sag), end)


def oval(centre: Point, across: float, down: float) -> list[Point]:
    """An ellipse by its two radii."""
    angles = (math.tau * step / 72 for step in range(72))
    return [(centre[0] + across * math.cos(angle), centre[1] + down * math.sin(angle)) for angle in angles]


def slab(left: float, top: float, right: float, bottom: float, radius: float = 0.0) -> list[Point]:
    """A rectangle with rounded corners."""
    path = []
    for quarter, (x, y) in enumerate(((right, bottom), (left, bottom), (left, top), (right, top))):
        middle_x = x - radius if x == right else x + radius
        middle_y = y - radius if y == bottom else y + radius
        for step in range(9):
            angle = math.tau * (quarter + step / 8) / 4
            path.append((middle_x + radius * math.cos(angle), middle_y + radius * math.sin(angle)))
    return path


def leaf(root: Point, angle: float, length: float, breadth: float = 0.15) -> list[Point]:
    """A pointed leaf that grows from *root* in a direction (radians, clockwise from the right)."""
    along, across = (math.cos(angle), math.sin(angle)), (-math.sin(angle), math.cos(angle))

    def at(forward: float, aside: float) -> Point:
        return (
            root[0] + length * (forward * along[0] + aside * across[0]),
            root[1] + length * (forward * along[1] + aside * across[1]),
        )

    there = curve(at(0, 0), at(0.3, breadth), at(0.65, breadth * 0.92), at(1, 0))
    return there + curve(at(1, 0), at(0.65, -breadth * 0.92), at(0.3, -breadth), at(0, 0))


def skyline(box: tuple[float, float, float, float], heights: Sequence[float]) -> list[Point]:
    """Hills in a box (left, top, right, bottom), through these heights, each from 0 to 1 of the box."""
    left, top, right, bottom = box
    step = (right - left) / (len(heights) - 1)
    ridge = [(left + step * place, bottom - (bottom - top) * height) for place, height in enumerate(heights)]
    return [*curve(*ridge), (right, bottom), (left, bottom)]
