"""An original: the bytes of a picture exactly as they were uploaded, and what their header says."""

from typing import Literal

import msgspec

from packshot.domain.errors import ImageTooLarge

MediaType = Literal["image/jpeg", "image/png", "image/gif", "image/webp", "image/avif", "image/tiff", "image/bmp"]
"""The formats that are kept. HEIC, PSD, PDF, JPEG XL and SVG are refused."""

EXTENSIONS: dict[str, str] = {
    "image/jpeg": "jpeg",
    "image/png": "png",
    "image/gif": "gif",
    "image/webp": "webp",
    "image/avif": "avif",
    "image/tiff": "tiff",
    "image/bmp": "bmp",
}
"""The file name ending we use for a media type when we have to make one up."""


class Header(msgspec.Struct, frozen=True):
    """What the header of a picture says before any pixel is decoded.

    Sizes are those of the whole canvas. `frames` counts the pictures in the file (animation frames or TIFF
    pages, at least 1), `total_px` sums the pixels of all of them, `bytes_per_px` is what one decoded pixel
    takes (1 for 8-bit grey, 3 for RGB, 4 for RGBA, twice that for 16 bits a channel).
    """

    media_type: MediaType
    width_px: int
    height_px: int
    frames: int = 1
    total_px: int = 0
    bytes_per_px: int = 4


class ImageLimits(msgspec.Struct, frozen=True):
    """What a picture may be at most; every number is inclusive."""

    upload_bytes: int = 25 * 1024 * 1024
    side_px: int = 32_767
    frame_px: int = 50_000_000
    frames: int = 1_000
    total_px: int = 200_000_000
    decoded_bytes: int = 256 * 1024 * 1024


class PrintLimits(ImageLimits, frozen=True):
    """The same for files to be printed, which are much larger; `at_once`: how many may be on their way in together."""

    upload_bytes: int = 300 * 1024 * 1024
    frame_px: int = 250_000_000
    total_px: int = 500_000_000
    decoded_bytes: int = 2_000_000_000
    at_once: int = 4


def check_size(size_bytes: int, limits: ImageLimits) -> None:
    """Refuse more bytes than an upload may have. Raises: ImageTooLarge."""
    if size_bytes > limits.upload_bytes:
        raise ImageTooLarge(limits.upload_bytes, size_bytes, "bytes")


def check_header(header: Header, limits: ImageLimits) -> None:
    """Refuse a picture whose header promises more than decoding may cost. Raises: ImageTooLarge."""
    frame_px = header.width_px * header.height_px
    for limit, actual, unit in (
        (limits.side_px, max(header.width_px, header.height_px), "pixels a side"),
        (limits.frames, header.frames, "frames"),
        (limits.frame_px, frame_px, "pixels"),
        (limits.total_px, max(header.total_px, frame_px), "pixels in all frames"),
        (limits.decoded_bytes, frame_px * header.bytes_per_px, "bytes when decoded"),
    ):
        if actual > limit:
            raise ImageTooLarge(limit, actual, unit)


Privacy = Literal["strip_location", "strip_all", "keep"]
"""What the public copy of an original loses: where it was taken and by which device, all but the pixels, or nothing."""


class Looks(msgspec.Struct, frozen=True):
    """What decoding a picture found out.

    `orientation` is how it is stored, 1 to 8 as Exif counts. `has_alpha`: something in it is transparent. `profile` is
    the name of its colour profile, `colour` its dominant colour as RGB. `thumbhash` are the bytes of its placeholder,
    `phash` the perceptual hash of 64 bits; both are those of the picture upright.
    """

    orientation: int
    has_alpha: bool
    profile: str | None
    colour: tuple[int, int, int]
    thumbhash: bytes
    phash: int


class Original(msgspec.Struct, frozen=True):
    """The stored bytes behind an image: under which key, what they are, and the name they were given.

    `intact` is False once the stored bytes were found missing or changed; then they are not served.
    """

    name: str
    key: str
    digest: str
    size_bytes: int
    media_type: MediaType
    intact: bool


class NewBlob(msgspec.Struct, frozen=True):
    """Bytes on their way into the store: their digest (SHA-256, 64 hex digits), size and header.

    `looks` is None where nobody decoded them.
    """

    digest: str
    size_bytes: int
    header: Header
    looks: Looks | None = None


class Picture(msgspec.Struct, frozen=True):
    """A hosted image as its public addresses show it; `address` is its part of them that nobody can guess.

    Sides are those of the stored pixels, before they are turned upright. `looks` is None until the original was
    decoded, `focus` the point of the upright picture to keep in view, from (0, 0) at the top left to (1, 1), and
    `privacy` None where the settings decide.
    """

    address: str
    original: Original
    blob_id: int
    width_px: int
    height_px: int
    frames: int
    looks: Looks | None
    version: int
    focus: tuple[float, float]
    privacy: Privacy | None

    @property
    def upright_px(self) -> tuple[int, int]:
        """Width and height as people see them."""
        lies = self.looks is not None and self.looks.orientation in {5, 6, 7, 8}
        return (self.height_px, self.width_px) if lies else (self.width_px, self.height_px)
