"""What can be drawn: one function for each sort of product."""

from collections.abc import Callable
from typing import Literal

from packshot.imaging.sketch.motifs import CREAM, grain, sprig, sunrise
from packshot.imaging.sketch.outlines import bow, curve, flipped, leaf, mirrored, oval, skyline, slab
from packshot.imaging.sketch.pen import EVEN, HOLLOW, NIGHT, ROUND, SOFT, WHITE, Colour, Pen, lit, mix

Subject = Literal[
    "t-shirt",
    "mug",
    "poster",
    "tote bag",
    "cap",
    "notebook",
    "candle",
    "vase",
    "cushion",
    "lamp",
    "bottle",
    "gift box",
]

_COFFEE: Colour = (84, 54, 40)
_CORK: Colour = (201, 164, 118)
_FLAME: Colour = (250, 178, 72)
_GLOW: Colour = (255, 226, 150)
_STEEL: Colour = (92, 94, 104)
_STRAW: Colour = (216, 182, 132)
_SUN: Colour = (240, 142, 92)
_WALNUT: Colour = (74, 58, 50)


def _t_shirt(pen: Pen, colour: Colour) -> None:
    seam = lit(colour, -0.16)
    side = curve((0.395, 0.155), (0.31, 0.188), (0.235, 0.24), (0.165, 0.33), (0.095, 0.445))
    side += bow((0.095, 0.445), (0.212, 0.512), 0.008) + curve((0.212, 0.512), (0.25, 0.46), (0.285, 0.40))
    side += curve((0.285, 0.40), (0.288, 0.6), (0.275, 0.80)) + curve((0.275, 0.80), (0.38, 0.815), (0.5, 0.818))
    neck = curve((0.5, 0.24), (0.43, 0.215), (0.395, 0.155))
    pen.haze(oval((0.52, 0.90), 0.25, 0.022), NIGHT, 0.30, 0.024)
    pen.fill(mirrored([(0.5, 0.170), *curve((0.45, 0.168), (0.395, 0.155)), *reversed(neck)]), lit(colour, -0.4), EVEN)
    pen.fill(mirrored([*neck, *side]), colour)
    for x, slope in ((0.292, 0.85), (0.708, 2.30)):
        pen.haze(leaf((x, 0.41), slope, 0.17, 0.08), NIGHT, 0.24, 0.012)
    pen.haze(leaf((0.33, 0.80), -1.25, 0.2, 0.06), NIGHT, 0.18, 0.012)
    pen.stroke(mirrored(curve((0.403, 0.165), (0.435, 0.219), (0.5, 0.243))[:-1]), seam, 0.014)
    for line in (curve((0.285, 0.40), (0.275, 0.33), (0.305, 0.235)), bow((0.115, 0.428), (0.225, 0.496), 0.008)):
        pen.stroke(line, seam, 0.004)
        pen.stroke(flipped(line), seam, 0.004)
    pen.stroke(bow((0.278, 0.782), (0.722, 0.782), 0.018), seam, 0.004)
    sunrise(pen, (0.5, 0.43), 0.105)


def _mug(pen: Pen, colour: Colour) -> None:
    pen.ground(0.245, 0.655)
    handle = curve((0.66, 0.42), (0.76, 0.40), (0.835, 0.47), (0.835, 0.60), (0.76, 0.69), (0.64, 0.71))
    pen.stroke(handle, lit(colour, -0.30), 0.062)
    pen.stroke([(x - 0.005, y - 0.007) for x, y in handle], lit(colour, -0.08), 0.042)
    body = [(0.21, 0.31), *curve((0.215, 0.79), (0.235, 0.85), (0.30, 0.872), (0.45, 0.88))]
    pen.fill(mirrored(body, 0.45), colour, ROUND)
    pen.fill(bow((0.212, 0.53), (0.688, 0.53), 0.03) + bow((0.687, 0.62), (0.213, 0.62), 0.03), CREAM, ROUND)
    pen.fill(oval((0.45, 0.31), 0.24, 0.042), lit(colour, 0.30))
    pen.fill(oval((0.45, 0.314), 0.224, 0.035), lit(colour, -0.40), HOLLOW)
    pen.fill([point for point in oval((0.45, 0.332), 0.215, 0.030) if _inside_rim(*point)], _COFFEE)


def _inside_rim(x: float, y: float) -> bool:
    return ((x - 0.45) / 0.222) ** 2 + ((y - 0.314) / 0.034) ** 2 < 1


def _poster(pen: Pen, colour: Colour) -> None:
    pen.haze(slab(0.23, 0.12, 0.82, 0.90), NIGHT, 0.36, 0.026)
    pen.fill(slab(0.20, 0.08, 0.80, 0.87, 0.006), _WALNUT)
    pen.fill(slab(0.215, 0.095, 0.785, 0.855), (252, 250, 246), EVEN)
    box = (0.26, 0.14, 0.74, 0.81)
    pen.fill(slab(*box), lit(colour, 0.74), EVEN)
    pen.fill(oval((0.57, 0.36), 0.105, 0.105), _SUN, EVEN)
    ridges = ((0.40, 0.62, 0.46, 0.54, 0.36), (0.30, 0.34, 0.46, 0.30, 0.42), (0.26, 0.18, 0.22, 0.30, 0.16))
    for heights, amount in zip(ridges, (0.38, 0.02, -0.36), strict=True):
        pen.fill(skyline(box, heights), lit(colour, amount), EVEN)


def _tote_bag(pen: Pen, colour: Colour) -> None:
    pen.ground(0.24, 0.76)
    for inset, amount in ((0.022, -0.32), (0.0, -0.10)):
        half = ((0.368 + inset, 0.40), (0.383 + inset, 0.22), (0.435, 0.125 + inset))
        pen.stroke(curve(*mirrored(half)), lit(colour, amount), 0.03)
    edge = bow((0.245, 0.37), (0.215, 0.84), 0.0) + curve((0.215, 0.84), (0.24, 0.866), (0.5, 0.875))
    pen.fill(mirrored([(0.5, 0.374), *edge]), colour)
    pen.stroke([(0.246, 0.405), (0.754, 0.405)], lit(colour, -0.14), 0.004)
    for x in (0.367, 0.633):
        pen.fill(slab(x - 0.02, 0.365, x + 0.02, 0.445, 0.004), lit(colour, -0.10))
    for x, slope, length in ((0.30, 1.35, 0.30), (0.68, 1.75, 0.24)):
        pen.haze(leaf((x, 0.52), slope, length, 0.05), NIGHT, 0.20, 0.012)
    sprig(pen, (0.5, 0.79), 0.30, lit(colour, -0.62))


def _cap(pen: Pen, colour: Colour) -> None:
    seam = lit(colour, -0.24)
    pen.haze(oval((0.52, 0.735), 0.37, 0.04), NIGHT, 0.34, 0.024)
    pen.haze(oval((0.36, 0.71), 0.20, 0.022), NIGHT, 0.40, 0.012)
    crown = curve((0.15, 0.66), (0.155, 0.50), (0.22, 0.35), (0.35, 0.265), (0.48, 0.258), (0.66, 0.36), (0.715, 0.585))
    hem = curve((0.715, 0.585), (0.55, 0.625), (0.35, 0.70), (0.25, 0.695), (0.15, 0.66))
    pen.fill(crown + hem, colour, ROUND)
    for path in (((0.43, 0.256), (0.345, 0.42), (0.325, 0.69)), ((0.43, 0.256), (0.585, 0.38), (0.63, 0.60))):
        pen.stroke(curve(*path), seam, 0.005)
    for hole in ((0.29, 0.43), (0.665, 0.455)):
        pen.fill(oval(hole, 0.011, 0.014), seam, EVEN)
    pen.fill(oval((0.43, 0.254), 0.03, 0.014), lit(colour, -0.12))
    front = curve((0.925, 0.695), (0.80, 0.672), (0.62, 0.69), (0.46, 0.738), (0.34, 0.668))
    pen.haze([*curve((0.34, 0.665), (0.50, 0.59), (0.715, 0.545)), (0.72, 0.6)], NIGHT, 0.35, 0.012)
    pen.fill(
        curve((0.34, 0.665), (0.50, 0.60), (0.715, 0.555), (0.85, 0.60), (0.925, 0.695)) + front, lit(colour, -0.08)
    )
    pen.stroke(front[:-9], lit(colour, -0.46), 0.011)
    for drop in (0.0, 0.022):
        stitch = curve((0.41, 0.66 + drop), (0.56, 0.61 + drop), (0.71, 0.588 + drop), (0.82, 0.618 + drop))
        pen.stroke(stitch, lit(colour, 0.10), 0.003)
    sunrise(pen, (0.475, 0.46), 0.078)


def _notebook(pen: Pen, colour: Colour) -> None:
    pen.haze(slab(0.27, 0.16, 0.80, 0.90), NIGHT, 0.38, 0.024)
    pen.fill([(0.52, 0.86), (0.545, 0.86), (0.545, 0.935), (0.5325, 0.918), (0.52, 0.935)], (206, 84, 74))
    pen.fill(slab(0.25, 0.125, 0.775, 0.875, 0.018), lit(colour, -0.45), EVEN)
    pen.fill(slab(0.26, 0.125, 0.765, 0.866, 0.012), lit(CREAM, -0.1), EVEN)
    pen.fill(slab(0.24, 0.11, 0.755, 0.855, 0.022), colour)
    pen.fill(slab(0.24, 0.11, 0.30, 0.855, 0.022), lit(colour, -0.18), (0.0, 0.08, -0.1))
    pen.fill(slab(0.375, 0.24, 0.635, 0.40, 0.008), CREAM, EVEN)
    for y, right in ((0.295, 0.60), (0.325, 0.56), (0.355, 0.50)):
        pen.stroke([(0.41, y), (right, y)], lit(colour, 0.15), 0.006)
    pen.fill(slab(0.685, 0.11, 0.703, 0.855), lit(colour, -0.5), ROUND)


def _candle(pen: Pen, colour: Colour) -> None:
    glass = mix(colour, WHITE, 0.66)
    pen.ground(0.31, 0.69)
    pen.haze(oval((0.5, 0.34), 0.15, 0.17), _GLOW, 0.55, 0.06)
    pen.fill(mirrored([(0.285, 0.40), *curve((0.285, 0.80), (0.30, 0.855), (0.36, 0.872), (0.5, 0.878))]), glass, ROUND)
    pen.fill(oval((0.5, 0.40), 0.215, 0.034), lit(glass, 0.55))
    pen.fill(oval((0.5, 0.403), 0.205, 0.029), lit(glass, -0.06), HOLLOW)
    wax = [(0.302, 0.475), *curve((0.302, 0.80), (0.318, 0.84), (0.37, 0.853), (0.5, 0.858))]
    pen.fill(mirrored(wax), colour, ROUND)
    pen.fill(oval((0.5, 0.475), 0.198, 0.03), lit(colour, 0.32))
    pen.fill(oval((0.5, 0.477), 0.08, 0.012), lit(colour, 0.62), EVEN)
    pen.stroke([(0.5, 0.475), (0.5, 0.39)], _WALNUT, 0.008)
    flame = curve((0.5, 0.20), (0.475, 0.285), (0.459, 0.345), (0.474, 0.395), (0.5, 0.41))
    pen.fill(mirrored(flame), _FLAME, (0.1, 0.0))
    pen.fill(mirrored([(0.5 + (x - 0.5) * 0.5, 0.30 + (y - 0.20) * 0.5) for x, y in flame]), (255, 236, 176), EVEN)
    pen.fill(slab(0.375, 0.575, 0.625, 0.765, 0.008), CREAM)
    sprig(pen, (0.5, 0.745), 0.14, lit(colour, -0.5))


def _vase(pen: Pen, colour: Colour) -> None:
    pen.ground(0.37, 0.63)
    for tip, bend in (((0.28, 0.13), 0.43), ((0.455, 0.09), 0.485), ((0.60, 0.12), 0.53), ((0.73, 0.17), 0.57)):
        grain(pen, ((0.5, 0.42), (bend, 0.30), tip), _STRAW)
    side = curve((0.443, 0.41), (0.455, 0.46), (0.40, 0.53), (0.33, 0.63), (0.335, 0.74), (0.39, 0.85))
    pen.fill(mirrored([*side, *curve((0.39, 0.85), (0.42, 0.870), (0.5, 0.876))]), colour, ROUND)
    pen.fill(oval((0.5, 0.41), 0.057, 0.013), lit(colour, 0.22))
    pen.fill(oval((0.5, 0.412), 0.046, 0.009), lit(colour, -0.6), EVEN)
    for stem in (0.47, 0.495, 0.515, 0.53):
        pen.stroke([(stem, 0.418), (stem, 0.406)], _STRAW, 0.006)
    for y, half in ((0.60, 0.147), (0.626, 0.163)):
        pen.stroke(bow((0.5 - half, y), (0.5 + half, y), 0.026), CREAM, 0.007)


def _cushion(pen: Pen, colour: Colour) -> None:
    pen.ground(0.16, 0.84, 0.872)
    outline = []
    corners = ((0.125, 0.185), (0.875, 0.185), (0.885, 0.872), (0.115, 0.872))
    for place, middle in enumerate(((0.5, 0.207), (0.863, 0.53), (0.5, 0.866), (0.137, 0.53))):
        outline += curve(corners[place - 4], middle, corners[place - 3])
    pen.fill(outline, colour, SOFT)
    for left, amount in ((0.275, 0.55), (0.46, 0.72), (0.645, 0.55)):
        stripe = bow((left + 0.006, 0.200), (left, 0.868), 0.0)
        pen.fill([*stripe, *((x + 0.08, y) for x, y in reversed(stripe))], lit(colour, amount))
    for x, y, angle in ((0.15, 0.21, 0.72), (0.85, 0.21, 2.42), (0.86, 0.85, 3.86), (0.14, 0.85, 5.56)):
        pen.haze(leaf((x, y), angle, 0.24, 0.05), NIGHT, 0.22, 0.014)
    pen.haze(slab(0.17, 0.70, 0.84, 0.86, 0.07), NIGHT, 0.16, 0.04)
    pen.haze(oval((0.40, 0.42), 0.17, 0.14), WHITE, 0.22, 0.07)
    pen.stroke([*outline, outline[0]], lit(colour, -0.26), 0.010)


def _lamp(pen: Pen, colour: Colour) -> None:
    pen.ground(0.36, 0.64)
    pen.haze(oval((0.5, 0.42), 0.33, 0.30), _GLOW, 0.5, 0.09)
    pen.fill(slab(0.487, 0.40, 0.513, 0.84), _STEEL, ROUND)
    pen.fill(mirrored(curve((0.5, 0.805), (0.42, 0.82), (0.36, 0.855), (0.40, 0.875), (0.5, 0.882))), _STEEL, ROUND)
    pen.fill(oval((0.5, 0.455), 0.245, 0.03), lit(_GLOW, 0.2), EVEN)
    shade = [*bow((0.385, 0.13), (0.615, 0.13), -0.008), *bow((0.75, 0.455), (0.25, 0.455), 0.03)]
    pen.fill(shade, colour, ROUND)
    pen.haze(mirrored([(0.46, 0.20), (0.36, 0.44), (0.5, 0.455)]), _GLOW, 0.55, 0.05)
    for line in (bow((0.385, 0.135), (0.615, 0.135), -0.008), bow((0.252, 0.450), (0.748, 0.450), 0.03)):
        pen.stroke(line, lit(colour, -0.22), 0.007)


def _bottle(pen: Pen, colour: Colour) -> None:
    pen.ground(0.37, 0.63)
    pen.fill(slab(0.463, 0.075, 0.537, 0.16, 0.008), _CORK, ROUND)
    neck = curve((0.455, 0.15), (0.457, 0.27), (0.44, 0.34)) + curve((0.44, 0.34), (0.375, 0.40), (0.355, 0.47))
    foot = curve((0.355, 0.82), (0.37, 0.86), (0.42, 0.873), (0.5, 0.877))
    pen.fill(mirrored([*neck, *foot]), colour, ROUND)
    pen.haze(mirrored(curve((0.5, 0.80), (0.375, 0.80), (0.38, 0.855), (0.5, 0.86))), NIGHT, 0.3, 0.015)
    pen.fill(slab(0.447, 0.145, 0.553, 0.185, 0.008), lit(colour, -0.15), ROUND)
    pen.stroke(
        curve((0.475, 0.21), (0.473, 0.29), (0.462, 0.35), (0.41, 0.41), (0.393, 0.47)), lit(colour, 0.55), 0.009
    )
    pen.fill(slab(0.355, 0.52, 0.645, 0.77), CREAM, ROUND[1:])
    for y in (0.535, 0.755):
        pen.stroke([(0.36, y), (0.64, y)], lit(colour, -0.1), 0.004)
    sprig(pen, (0.5, 0.735), 0.17, lit(colour, -0.3))


def _gift_box(pen: Pen, colour: Colour) -> None:
    pen.ground(0.21, 0.79)
    pen.fill(slab(0.22, 0.46, 0.78, 0.875, 0.006), colour)
    pen.fill(slab(0.455, 0.46, 0.545, 0.875), CREAM)
    pen.haze(slab(0.22, 0.47, 0.78, 0.49), NIGHT, 0.4, 0.010)
    pen.fill(slab(0.195, 0.36, 0.805, 0.48, 0.008), lit(colour, 0.06))
    pen.fill(slab(0.455, 0.36, 0.545, 0.48), lit(CREAM, -0.04))
    tail = [(0.5, 0.335), *curve((0.59, 0.37), (0.65, 0.45)), (0.615, 0.447), (0.60, 0.48), (0.53, 0.37)]
    loop = curve((0.5, 0.34), (0.57, 0.24), (0.68, 0.175), (0.75, 0.215), (0.73, 0.31), (0.62, 0.355), (0.5, 0.355))
    hole = curve((0.55, 0.325), (0.61, 0.255), (0.685, 0.222), (0.705, 0.26), (0.65, 0.315), (0.55, 0.325))
    for outline, amount, light in ((tail, -0.14, SOFT), (loop, 0.0, SOFT), (hole, -0.32, HOLLOW)):
        pen.fill(flipped(outline), lit(CREAM, amount), light)
        pen.fill(outline, lit(CREAM, amount), light)
    pen.fill(slab(0.455, 0.30, 0.545, 0.375, 0.026), lit(CREAM, -0.06), ROUND[1:])


SUBJECTS: dict[Subject, Callable[[Pen, Colour], None]] = {
    "t-shirt": _t_shirt,
    "mug": _mug,
    "poster": _poster,
    "tote bag": _tote_bag,
    "cap": _cap,
    "notebook": _notebook,
    "candle": _candle,
    "vase": _vase,
    "cushion": _cushion,
    "lamp": _lamp,
    "bottle": _bottle,
    "gift box": _gift_box,
}
"""How each subject is drawn, standing on the floor of the unit square, in a main colour."""
