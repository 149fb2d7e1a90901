"""The steps from an opened original to the pixels of a rendition, each a function of a picture and the plan.

The steps only put libvips' stages one behind another: pixels flow when the encoder asks, or once, to be turned.
"""

import io
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import msgspec
import pyvips  # type: ignore[import-untyped]
from PIL import ImageCms

from packshot.domain.renditions import MAX_SIDE_PX, RenditionSpec, is_opaque
from packshot.imaging.opening import complete

PROFILE = "icc-profile-data"
# Of whole names: "Linear sRGB", and wide gamuts "with sRGB Transfer", are something else.
_SRGB_NAMES = frozenset({"sRGB", "sRGB built-in", "sRGB IEC61966-2.1", "sRGB IEC61966-2-1", "sRGB2014"})
_MAX_PROFILE_NAME_CHARACTERS = 100

_SHARPENING = pyvips.Image.new_from_array([[0, -1, 0], [-1, 28, -1], [0, -1, 0]], scale=24)
"""A little: what the resampling lost and no more. With the diagonals it would cost five times as much."""


class Plan(msgspec.Struct, frozen=True):
    """What to cut out of a picture and how large to make it, as it is stored: before it is turned upright.

    `stored_px` is its whole size (width, height), `crop_px` (left, top, width, height) is in pixels of that, `size_px`
    is the size of the result; what `pad` puts around it comes after that and is no part of it.
    """

    spec: RenditionSpec
    stored_px: tuple[int, int]
    crop_px: tuple[float, float, float, float]
    size_px: tuple[int, int]

    @property
    def factor(self) -> float:
        """How many times smaller the result is; below 1 it is larger."""
        return min(self.crop_px[2] / self.size_px[0], self.crop_px[3] / self.size_px[1])


Step = Callable[[pyvips.Image, Plan], pyvips.Image]


def planned(spec: RenditionSpec, stored_px: tuple[int, int], orientation: int) -> Plan:
    """The plan for a picture of this size, stored in this orientation (1 to 8, as Exif counts)."""
    box, (x, y) = (spec.width_px or MAX_SIDE_PX, spec.height_px or MAX_SIDE_PX), spec.focus
    # The wish is turned to where the picture lies, so that only the small result has to be turned upright.
    if orientation in {5, 6, 7, 8}:
        box, (x, y) = box[::-1], (y, x)
    if orientation in {2, 3, 7, 8}:
        x = 1 - x
    if orientation in {3, 4, 6, 7}:
        y = 1 - y
    if spec.fit == "cover":
        return Plan(spec, stored_px, _covering(stored_px, box, (x, y)), box)
    scale = min(box[0] / stored_px[0], box[1] / stored_px[1], 1)
    size_px = max(1, round(stored_px[0] * scale)), max(1, round(stored_px[1] * scale))
    return Plan(spec, stored_px, (0, 0, *stored_px), size_px)


def _covering(
    stored_px: tuple[int, int], box: tuple[int, int], focus: tuple[float, float]
) -> tuple[float, float, float, float]:
    """The largest part in the shape of the box, with the focal point as near to its middle as the edges allow."""
    width, height = stored_px
    across, down = min(width, height * box[0] / box[1]), min(height, width * box[1] / box[0])
    left = min(max(focus[0] * width - across / 2, 0), width - across)
    top = min(max(focus[1] * height - down / 2, 0), height - down)
    return left, top, across, down


def to_plain_numbers(image: pyvips.Image, _: Plan | None = None) -> pyvips.Image:
    """8 or 16 bits a channel, the colours and one for alpha; floats and spot colours come from a few TIFFs only."""
    channels = 5 if image.interpretation == "cmyk" else 4
    if image.bands > channels:
        image = image.extract_band(0, n=channels)
    return image if image.format in {"uchar", "ushort"} else image.colourspace("srgb").cast("uchar")


def crop_to_focus(image: pyvips.Image, plan: Plan) -> pyvips.Image:
    """Cut out what the plan says; the picture may have been decoded smaller than it is."""
    across, down = image.width / plan.stored_px[0], image.height / plan.stored_px[1]
    left, top, width, height = plan.crop_px
    width_px, height_px = max(1, round(width * across)), max(1, round(height * down))
    if (width_px, height_px) == (image.width, image.height):
        return image
    return image.crop(
        min(round(left * across), image.width - width_px),
        min(round(top * down), image.height - height_px),
        width_px,
        height_px,
    )


def weigh_by_alpha(image: pyvips.Image, _: Plan) -> pyvips.Image:
    """Let the colour of transparent pixels not bleed into their neighbours."""
    # Rounded both times: a cast cuts, which would darken a soft edge by one level to four, and more where it fades.
    return image.premultiply().rint().cast(image.format) if image.hasalpha() else image


def resize(image: pyvips.Image, plan: Plan) -> pyvips.Image:
    """Bring it to size, by Lanczos."""
    width_px, height_px = plan.size_px
    if (width_px, height_px) == (image.width, image.height):
        return image
    return image.resize(width_px / image.width, vscale=height_px / image.height)


def sharpen(image: pyvips.Image, plan: Plan) -> pyvips.Image:
    """Sharpen a little what became smaller."""
    return image.conv(_SHARPENING, precision="integer") if plan.factor > 1 else image


def unweigh(image: pyvips.Image, _: Plan) -> pyvips.Image:
    """Take back what `weigh_by_alpha` did."""
    return image.unpremultiply().rint().cast(image.format) if image.hasalpha() else image


def orient(image: pyvips.Image, _: Plan) -> pyvips.Image:
    """Turn it upright, once. That needs all its rows, therefore it comes after the resizing."""
    return image if orientation(image) == 1 else complete(image.copy_memory()).autorot()


def to_srgb(image: pyvips.Image, _: Plan | None = None) -> pyvips.Image:
    """8 bits of sRGB out of any colours; a profile that is broken or of something else is as good as none."""
    # Most cameras say that sRGB is what they mean. Converting it into itself would cost a tenth of the rendition.
    if image.get_typeof(PROFILE) and profile_name(image) not in _SRGB_NAMES:
        with suppress(pyvips.Error):
            image = image.icc_transform("srgb", embedded=True, black_point_compensation=True)
    return image.colourspace("srgb")


def flatten_if_opaque(image: pyvips.Image, plan: Plan) -> pyvips.Image:
    """Put it on the background where the result cannot or shall not be transparent."""
    if not image.hasalpha() or not is_opaque(plan.spec):
        return image
    return image.flatten(background=plan.spec.background)


def pad(image: pyvips.Image, plan: Plan) -> pyvips.Image:
    """Stand it in the middle of a background of the whole size."""
    spec = plan.spec
    if spec.fit != "pad":
        return image
    return image.gravity("centre", spec.width_px, spec.height_px, extend="background", background=spec.background)


def profile_name(image: pyvips.Image) -> str | None:
    """What the colour profile calls itself; None without one, or with one that is broken."""
    if not image.get_typeof(PROFILE):
        return None
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(image.get(PROFILE))).profile
    except (OSError, ValueError):
        return None
    name = "".join(filter(str.isprintable, profile.profile_description or ""))
    return name[:_MAX_PROFILE_NAME_CHARACTERS] or None


def orientation(image: pyvips.Image) -> int:
    """How the picture is stored, 1 to 8 as Exif counts; anything else means upright."""
    tag = image.get("orientation") if image.get_typeof("orientation") else 1
    return tag if tag in range(1, 9) else 1


STEPS: Final[tuple[Step, ...]] = (
    to_plain_numbers,
    crop_to_focus,
    weigh_by_alpha,
    resize,
    sharpen,
    unweigh,
    orient,
    to_srgb,
    flatten_if_opaque,
    pad,
)
