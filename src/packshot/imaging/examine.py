"""What a picture is, found out once by decoding it, in a worker."""

import re
from typing import Final

import msgspec
import pyvips  # type: ignore[import-untyped]

from packshot.domain.originals import Header
from packshot.domain.renditions import RenditionSpec
from packshot.imaging.hashes import PRINT_SIDE_PX, THUMB_SIDE_PX, dominant_colour, fingerprint, thumbhash
from packshot.imaging.jobs import Found
from packshot.imaging.opening import Fault, complete, decoding, opened, shrunk
from packshot.imaging.steps import STEPS, orientation, planned, profile_name

_TINY = RenditionSpec(THUMB_SIDE_PX, THUMB_SIDE_PX, format="png")
_OPAQUE = 255
_DAMAGED: Final = re.compile("bad Huffman code|premature end|before marker 0xd[0-7]")


def examine(source: memoryview, header: Header, *, decode: bool) -> Found:
    """What the original in `source` is; `header` is what our probe said of it.

    With `decode` the whole first frame is decoded, so that damage shows, and `alpha` tells whether anything is
    transparent indeed; otherwise whether there is a channel for it. JPEGs are decoded at an eighth of their size where
    they are large enough: that reads every code in the file and computes fewer pixels.

    Raises:
        UndecodableImage: it is cut off or damaged.
        UnacceptableImage: it takes too much memory.
        ImageTooLarge: it has more pixels than its header said or its decoder can hold, or is a JPEG of too many scans.
    """
    with decoding():
        image = opened(source, header)
        found = Found(
            width_px=image.width,
            height_px=image.height,
            orientation=orientation(image),
            frames=header.frames,
            alpha=bool(image.hasalpha()),
            profile=profile_name(image),
            colour=None,
            thumbhash=None,
            phash=None,
        )
        tiny = _decoded(source, header, image) if decode else None
    return _looked_at(tiny, found) if tiny else found


def _decoded(source: memoryview, header: Header, image: pyvips.Image) -> pyvips.Image:
    """The whole picture, upright, made tiny."""
    plan = planned(_TINY, (image.width, image.height), orientation(image))

    def decoded(fail_on: Fault) -> pyvips.Image:
        tiny = shrunk(image, source, header, plan.factor, fail_on)
        for step in STEPS:
            tiny = step(tiny, plan)
        return complete(tiny.copy_memory())

    try:
        return decoded("warning")
    except pyvips.Error as error:
        # Only the JPEG decoder has warnings that tell of damage, and more that tell of nothing.
        if header.media_type != "image/jpeg" or _DAMAGED.search(str(error)):
            raise
    return decoded("error")


def _looked_at(tiny: pyvips.Image, found: Found) -> Found:
    rgba = bytes((tiny if tiny.hasalpha() else tiny.addalpha()).write_to_memory())
    return msgspec.structs.replace(
        found,
        alpha=min(rgba[3::4]) < _OPAQUE,
        colour=dominant_colour(rgba),
        thumbhash=thumbhash(tiny.width, tiny.height, rgba),
        phash=phash(tiny),
    )


def phash(image: pyvips.Image) -> int:
    """The fingerprint of a picture in sRGB, on white where it is transparent."""
    opaque = image.flatten(background=255) if image.hasalpha() else image
    grey = opaque.colourspace("b-w").resize(PRINT_SIDE_PX / image.width, vscale=PRINT_SIDE_PX / image.height)
    return fingerprint(bytes(grey.write_to_memory()))
