"""A rendition out of an original, in a worker."""

from collections.abc import Callable
from typing import Final

import pyvips  # type: ignore[import-untyped]

from packshot.domain.originals import Header
from packshot.domain.renditions import MEDIA_TYPES, Format, RenditionSpec, quality
from packshot.imaging.jobs import Rendered
from packshot.imaging.opening import complete, decoding, opened, shrunk
from packshot.imaging.steps import STEPS, orientation, planned

# Nothing of the original's metadata is kept (no place, no camera, no profile: it is sRGB now). Efforts are low, because
# somebody waits: more of it takes twice the time for a twentieth of the bytes.
_ENCODERS: Final[dict[Format, Callable[[pyvips.Image, int], bytes]]] = {
    "jpeg": lambda image, q: bytes(image.jpegsave_buffer(Q=q, optimize_coding=True, keep="none")),
    "png": lambda image, _: bytes(image.pngsave_buffer(compression=6, filter="sub", keep="none")),
    "webp": lambda image, q: bytes(image.webpsave_buffer(Q=q, effort=2, keep="none")),
    "avif": lambda image, q: bytes(image.heifsave_buffer(Q=q, compression="av1", effort=1, keep="none")),
}


def render(source: memoryview, header: Header, spec: RenditionSpec) -> Rendered:
    """What the spec asks for, made of the first frame of the original; metadata stay behind.

    `source` is the original's file, `header` what our probe said of it.

    Raises:
        UndecodableImage: the original is cut off or damaged.
        UnacceptableImage: it takes too much memory. Large JPEGs and WebPs are decoded smaller, and what can be read
            by rows never is in memory as a whole.
        ImageTooLarge: it has more pixels than its header said or its decoder can hold, or is a JPEG of too many scans.
    """
    with decoding():
        image = opened(source, header)
        plan = planned(spec, (image.width, image.height), orientation(image))
        image = shrunk(image, source, header, plan.factor)
        for step in STEPS:
            image = step(image, plan)
        data = complete(_ENCODERS[spec.format](image, quality(spec)))
    return Rendered(data, image.width, image.height, MEDIA_TYPES[spec.format])
