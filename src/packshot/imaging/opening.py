"""An original becomes a picture of libvips: by the decoder our probe names, upright or not, not one pixel read yet."""

import io
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Literal, TypeVar

import pyvips  # type: ignore[import-untyped]
from PIL.BmpImagePlugin import BmpImageFile

from packshot.domain.errors import ImageTooLarge, UnacceptableImage, UndecodableImage
from packshot.domain.originals import EXTENSIONS, Header, MediaType
from packshot.imaging.probe.reader import MAX_PARTS, cut_off, damaged

T = TypeVar("T")

Fault = Literal["error", "warning"]
"""What makes decoding fail: an error, or already what a decoder only warns of."""

# Named one by one, because libvips left to itself would try every loader it has on the bytes.
_LOADERS: Final[dict[MediaType, str]] = {
    "image/jpeg": "jpegload_source",
    "image/png": "pngload_source",
    "image/gif": "gifload_source",
    "image/webp": "webpload_source",
    "image/avif": "heifload_source",
    "image/tiff": "tiffload_source",
}

# What libvips remembers of former pictures is memory this one may need, and the same one never comes twice in a row.
pyvips.cache_set_max(0)

# These decoders hold a whole picture, some of them several times. So many pixels leave room in a worker of 1 GiB.
_MOST_PX: Final[dict[MediaType, int]] = {"image/avif": 30_000_000, "image/gif": 100_000_000, "image/webp": 50_000_000}
# libwebp holds all pixels at once, libvips twice more; so many at most, unless that many are asked for.
_WEBP_PX = 24_000_000

_MAX_SCANS = 100
# Those with a length behind them, and the end. Decoders step over all others as over the codes of a scan, or give up.
_MARKER = re.compile(rb"\xff[\xc0-\xcf\xd9-\xfe]")
_SCAN, _END = 0xDA, 0xD9

_NO_MEMORY = re.compile(
    "out of memory|cannot allocate memory|insufficient memory|memory alloc|error creating thread", re.IGNORECASE
)


@contextmanager
def decoding() -> Iterator[None]:
    """Around everything that opens or reads pixels.

    Raises:
        UndecodableImage: the picture is cut off or damaged.
        UnacceptableImage: there is not enough memory to decode it.
    """
    _complaints()
    try:
        yield
    except (pyvips.Error, OSError, SyntaxError, ValueError, OverflowError, MemoryError) as error:
        if isinstance(error, MemoryError) or _NO_MEMORY.search(str(error)):
            raise UnacceptableImage("The image needs more memory to decode than one image may take") from error
        raise UndecodableImage("The image is damaged") from error


def complete(computed: T) -> T:
    """What was just computed, if all of it was: libvips paints over tiles it could not make and calls that success."""
    if complaints := _complaints():
        raise ValueError(complaints)
    return computed


def _complaints() -> str:
    """What libvips noted down as going wrong since it was last asked, without the warnings of the JPEG decoder."""
    return "\n".join(line for line in pyvips.Error("").detail.splitlines() if not line.startswith("VipsJpeg:"))


def opened(source: memoryview, header: Header, fail_on: Fault = "error", **smaller: float) -> pyvips.Image:
    """The first frame, to be read once from top to bottom; `shrunk` knows how to ask for a smaller one.

    `source` is the whole file and is not copied: it has to stay as long as the picture does. Errors of the pixels
    come later, when they are read: `decoding` belongs around both.

    Raises:
        ImageTooLarge: the decoder finds more pixels than the header spoke of, or cannot hold so many.
    """
    _check_room(header)
    if header.media_type == "image/bmp":
        return _bitmap(source, header)
    load = getattr(pyvips.Image, _LOADERS[header.media_type])
    image = load(pyvips.Source.new_from_memory(source), access="sequential", fail_on=fail_on, **smaller)
    _check_size((image.width, image.height), header)
    return image


def shrunk(
    image: pyvips.Image, source: memoryview, header: Header, factor: float, fail_on: Fault = "error"
) -> pyvips.Image:
    """What was just opened, decoded smaller if it is to become `factor` times smaller and its format can do that.

    Raises:
        UndecodableImage: a JPEG is cut off, or has more segments than any honest one.
        ImageTooLarge: a JPEG has too many scans.
    """
    if header.media_type == "image/jpeg":
        _check_scans(source)
        # By crude averages of 2, 4 or 8 pixels: a factor of two is left to do well.
        shrink = next((shrink for shrink in (8, 4, 2) if factor >= 2 * shrink), 1)
        return opened(source, header, fail_on, shrink=shrink)
    # Frames of an animation are put together on the whole canvas.
    if header.media_type == "image/webp" and header.frames == 1:
        for_memory = math.sqrt(_WEBP_PX / (header.width_px * header.height_px))
        return opened(source, header, scale=min(1, 2 / factor, max(1 / factor, for_memory)))
    return image


def _bitmap(source: memoryview, header: Header) -> pyvips.Image:
    """A BMP, which libvips does not read; whole, in memory."""
    with io.BytesIO(source) as file:
        bitmap = BmpImageFile(file)
        _check_size(bitmap.size, header)
        bitmap.load()
    # Converting copies, even to what it is already.
    pixels = (bitmap if bitmap.mode in {"RGB", "RGBA"} else bitmap.convert("RGB")).tobytes()
    bands = 4 if bitmap.mode == "RGBA" else 3
    return pyvips.Image.new_from_memory(pixels, *bitmap.size, bands, "uchar").copy(interpretation="srgb")


def _check_scans(source: memoryview) -> None:
    """Every scan of a progressive JPEG goes over all its pixels again: some bytes each are enough to keep us busy."""
    scans = at = 0
    for _ in range(MAX_PARTS):
        if not (found := _MARKER.search(source, at)):
            raise cut_off()
        at = found.end()
        if source[at - 1] == _END:
            return
        scans += source[at - 1] == _SCAN
        if scans > _MAX_SCANS:
            raise ImageTooLarge(_MAX_SCANS, scans, "scans")
        at += int.from_bytes(source[at : at + 2], "big")
    raise damaged("it has too many parts")


def _check_room(header: Header) -> None:
    """Refuse what would run out of memory halfway, where no decoder says so in words that can be told apart."""
    animated = header.media_type == "image/webp" and header.frames > 1
    most_px = _WEBP_PX if animated else _MOST_PX.get(header.media_type, math.inf)
    frame_px = header.width_px * header.height_px
    if frame_px > most_px:
        kind = "animated WebP" if animated else EXTENSIONS[header.media_type].upper()
        raise ImageTooLarge(int(most_px), frame_px, f"pixels as {kind}")


def _check_size(size_px: tuple[int, int], header: Header) -> None:
    """Compare what was opened with what was promised; an AVIF may lie on its side."""
    for actual, promised in zip(sorted(size_px), sorted((header.width_px, header.height_px)), strict=True):
        if actual > promised:
            raise ImageTooLarge(promised, actual, "pixels a side")
