"""The probe: what a picture is and how large it will be, read from its first structures and never from its name.

No pixel is decoded and no foreign library is asked. Decoding the whole picture is somebody else's step.
"""

import re
from collections.abc import Callable

from packshot.domain.errors import UnacceptableImage
from packshot.domain.originals import Header
from packshot.imaging.probe import avif, bmp, gif, jpeg, png, tiff, webp
from packshot.imaging.probe.reader import Reader, refusal

__all__ = ["probe"]

_HEAD_BYTES = 18
"""As many bytes as the longest signature below needs."""

_KEPT: tuple[tuple[re.Pattern[bytes], Callable[[Reader], Header]], ...] = (
    (re.compile(rb"\xff\xd8\xff"), jpeg.read),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), png.read),
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), webp.read),
    (re.compile(rb"GIF8[79]a"), gif.read),
    (re.compile(rb".{4}ftyp", re.DOTALL), avif.read),
    (re.compile(rb"II[*+]\0|MM\0[*+]"), tiff.read),
    # "BM" alone begins many a text, so the length of the second header has to be one of those in use as well.
    (re.compile(rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0", re.DOTALL), bmp.read),
)

_REFUSED: tuple[tuple[bytes, str], ...] = (
    (b"%PDF-", "a PDF document"),
    (b"8BPS", "a Photoshop document"),
    (b"\xff\x0a", "a JPEG XL image"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL image"),
    (b"<svg", "an SVG drawing"),
)


def probe(data: bytes | bytearray | memoryview) -> Header:
    """The header of the picture in *data*, whose media type is found from the bytes alone.

    Width and height are those of the largest canvas a decoder could make of the file: of a TIFF the page and of
    an AVIF the item that costs most, of a GIF and a WebP all frames laid over the screen. Bytes behind the end of
    a picture do not matter. Nothing is promised about the pixels; a cut or damaged body is found by decoding, and
    whoever decodes refuses a picture that turns out larger than its header said: a file may be made to mislead.
    Never takes more than about 10 ms of the calling thread's processor time, whatever the bytes are, and
    copies none of them but a few. The caller holds the result against its limits with `check_header`.

    Raises:
        UnacceptableImage: not a format that is kept, or the header is too complicated to be read in time.
        UndecodableImage: a kept format whose header is cut off, contradicts itself or has no width or height.
        ImageTooLarge: more frames or pages than the default limits allow; they are not counted any further.
    """
    view = _flat(data)
    head = bytes(view[:_HEAD_BYTES])
    for signature, read in _KEPT:
        if signature.match(head):
            return read(Reader(view))
    raise _refused(head)


def _flat(data: bytes | bytearray | memoryview) -> memoryview:
    """The same bytes as a view of single octets; copied only where the caller's view has gaps."""
    view = memoryview(data)
    return view.cast("B") if view.nbytes and view.c_contiguous else memoryview(view.tobytes())


def _refused(head: bytes) -> UnacceptableImage:
    if not head:
        return refusal("The file is empty")
    for signature, name in _REFUSED:
        if head.startswith(signature):
            return refusal(f"This is {name}")
    return refusal("This is not a picture of a kind we know")
