"""Copies of originals without what is private in them, for everybody to see, in a worker."""

from collections.abc import Callable
from typing import Final, cast

import pyvips  # type: ignore[import-untyped]

from packshot.domain.errors import ImageTooLarge
from packshot.domain.originals import Header, MediaType
from packshot.domain.renditions import MEDIA_TYPES, Format
from packshot.imaging.jobs import Stripped, most_copy_bytes
from packshot.imaging.opening import complete, decoding, opened
from packshot.imaging.steps import to_plain_numbers, to_srgb
from packshot.imaging.strip import Keep, strip

_MOST_WEBP_SIDE_PX = 16_383

# High enough that nobody sees a difference, where no bytes can tell everything anyway; all colours in every pixel.
_ENCODERS: Final[dict[Format, Callable[[pyvips.Image], bytes]]] = {
    "jpeg": lambda image: bytes(image.jpegsave_buffer(Q=92, keep="exif|icc")),
    "png": lambda image: bytes(image.pngsave_buffer(compression=6, filter="sub", keep="exif|icc")),
    "webp": lambda image: bytes(image.webpsave_buffer(Q=92, effort=2, smart_subsample=True, keep="exif|icc")),
}


def copied(source: memoryview, header: Header, keep: Keep) -> Stripped:
    """The picture as it is, without its metadata: the same bytes of pixels where its format allows, else encoded anew.

    `source` is the original's file, `header` what our probe said of it. Where there is nothing private in it, the copy
    is the original, byte for byte.

    Raises:
        UndecodableImage: the original is cut off or damaged.
        UnacceptableImage: something private cannot be taken out, or it takes too much memory.
        ImageTooLarge: it has more pixels than its header said or its decoder can hold, or the copy too many bytes.
    """
    copy = strip(source, header.media_type, keep)
    if copy is None:
        return _encoded(source, header, keep)
    return Stripped(copy, header.media_type)


def _encoded(source: memoryview, header: Header, keep: Keep) -> Stripped:
    """The first page in its own size, colours and orientation. Nothing of the original's Exif goes along."""
    with decoding():
        image = opened(source, header)
        form = _format(image, header)
        data = complete(_ENCODERS[form](_without_exif(_eight_bits(image, form))))
    if len(data) > (most := most_copy_bytes(header.media_type, len(source))):
        raise ImageTooLarge(most, len(data), "bytes as a copy")
    # It should tell nothing any more. Nobody has to believe that of an encoder, or of a colour profile.
    media_type = cast("MediaType", MEDIA_TYPES[form])
    return Stripped(cast("bytes", strip(data, media_type, keep)), media_type)


def _format(image: pyvips.Image, header: Header) -> Format:
    """JPEG, unless it is transparent or a bitmap, which are drawings more often than photographs."""
    if header.media_type == "image/bmp":
        return "png"
    if not image.hasalpha():
        return "jpeg"
    # An AVIF lost something already, and would grow twentyfold as PNG; who reads AVIF reads WebP.
    small = max(image.width, image.height) <= _MOST_WEBP_SIDE_PX
    return "webp" if header.media_type == "image/avif" and small else "png"


def _eight_bits(image: pyvips.Image, form: Format) -> pyvips.Image:
    """The same colours in 8 bits a channel, CMYK too: what is to be printed shall not lose any."""
    image = to_plain_numbers(image)
    if image.format == "ushort":
        colours = image.interpretation
        image = image.msb()
        if colours == "cmyk":
            image = image.copy(interpretation="cmyk")
    return image if form == "jpeg" else to_srgb(image) if image.interpretation == "cmyk" else image


def _without_exif(image: pyvips.Image) -> pyvips.Image:
    """Only orientation, resolution and profile are left to write."""
    image = image.copy()
    for name in image.get_fields():
        if name.startswith("exif-"):
            image.remove(name)
    return image
