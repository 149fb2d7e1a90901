"""Copies of originals without what is private in them, for everybody to see, in a worker."""

import ctypes
import mmap
from collections.abc import Callable
from contextlib import suppress
from typing import Final, cast

import pyvips  # type: ignore[import-untyped]

from packshot.domain.errors import ImageTooLarge
from packshot.domain.originals import Header, MediaType
from packshot.domain.renditions import MEDIA_TYPES, Format
from packshot.imaging.jobs import Stripped, most_copy_bytes
from packshot.imaging.opening import complete, decoding, opened
from packshot.imaging.steps import PROFILE, to_plain_numbers, to_srgb
from packshot.imaging.strip import Keep, profiles, strip

_libc = ctypes.CDLL(None)
_MOST_WEBP_SIDE_PX = 16_383

# High enough that nobody sees a difference, where no bytes can tell everything anyway; all colours in every pixel.
_ENCODERS: Final[dict[Format, Callable[[pyvips.Image, pyvips.Target], None]]] = {
    "jpeg": lambda image, target: image.jpegsave_target(target, Q=92, keep="exif|icc"),
    "png": lambda image, target: image.pngsave_target(target, compression=6, filter="sub", keep="exif|icc"),
    "webp": lambda image, target: image.webpsave_target(target, Q=92, effort=2, smart_subsample=True, keep="exif|icc"),
}


def copied(source: memoryview, header: Header, keep: Keep) -> Stripped:
    """The picture as it is, without its metadata: the same bytes of pixels where its format allows, else encoded anew.

    `source` is the original's file, `header` what our probe said of it. Where there is nothing private in it, the copy
    is the original, byte for byte. A source that is a mapped file may be closed by this.

    Raises:
        UndecodableImage: the original is cut off or damaged.
        UnacceptableImage: something private cannot be taken out, or it takes too much memory.
        ImageTooLarge: it has more pixels than its header said or its decoder can hold, or the copy too many bytes.
    """
    _tidy()
    copy = strip(source, header.media_type, keep)
    if copy is None:
        return _encoded(source, header, keep)
    return Stripped(copy, header.media_type)


def _encoded(source: memoryview, header: Header, keep: Keep) -> Stripped:
    """The first page in its own size, colours and orientation. Nothing of the original's Exif goes along."""
    with decoding():
        image = opened(source, header)
        form = _format(image, header)
        data = _written(_bare(_eight_bits(image, form)), form, most_copy_bytes(header.media_type, len(source)))
    del image
    _let_go(source)
    # It should tell nothing any more. Nobody has to believe that of an encoder, or of a colour profile.
    media_type = cast("MediaType", MEDIA_TYPES[form])
    return Stripped(cast("bytes", strip(data, media_type, keep)), media_type)


def _let_go(source: memoryview) -> None:
    """Unmap an original that was read to its end: there is no room for it beside what was encoded and its copy."""
    mapped = source.obj
    if isinstance(mapped, mmap.mmap):
        with suppress(BufferError):  # a decoder still has it
            source.release()
            mapped.close()


def _tidy() -> None:
    """Give back the memory that was freed; of former jobs it may be a quarter of what is needed now."""
    with suppress(AttributeError):  # glibc keeps it, other libraries have no such call
        _libc.malloc_trim(0)


def _written(image: pyvips.Image, form: Format, most: int) -> memoryview:
    """The encoded picture. Memory is taken as it grows, and never for two of it, as a buffer of libvips would.

    Raises: ImageTooLarge when it has more bytes than *most*.
    """
    room, length = mmap.mmap(-1, most, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS), 0

    def write(piece: bytes) -> int:
        nonlocal length
        length += len(piece)
        return room.write(piece) if length <= most else -1

    target = pyvips.TargetCustom()
    target.on_write(write)
    try:
        complete(_ENCODERS[form](image, target))
    except pyvips.Error:
        if length > most:
            raise ImageTooLarge(most, length, "bytes as a copy") from None
        raise
    return memoryview(room)[:length]


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


def _bare(image: pyvips.Image) -> pyvips.Image:
    """Only orientation, resolution and a profile that stays in copies are left to write."""
    image = image.copy()
    for name in image.get_fields():
        if name.startswith("exif-") or (name == PROFILE and not profiles.stays(image.get(name))):
            image.remove(name)
    return image
