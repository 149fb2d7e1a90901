"""Bounded reading for the format modules: no read past the end, no endless walk, one place for the refusals."""

import struct
import time
from typing import Any

from packshot.domain.errors import ImageTooLarge, UnacceptableImage, UndecodableImage
from packshot.domain.originals import Header, ImageLimits, MediaType

MAX_FRAMES = ImageLimits().frames
MAX_SIDE_PX = ImageLimits().side_px
MAX_PARTS = 50_000
"""Segments, chunks, boxes, blocks and tags looked at in one file; the busiest honest ones have a tenth of it."""
MAX_CPU_S = 0.010

_PARTS_BETWEEN_CLOCKS = 64


class Reader:
    """The bytes of one file and what may still be spent on them."""

    __slots__ = ("_clock_due_at", "_ends_at_s", "_parts", "data", "size")

    def __init__(self, data: memoryview) -> None:
        self.data = data
        self.size = len(data)
        self._parts = 0
        self._clock_due_at = _PARTS_BETWEEN_CLOCKS
        self._ends_at_s = time.thread_time() + MAX_CPU_S

    def unpack(self, layout: struct.Struct, at: int) -> tuple[Any, ...]:
        """The fields of *layout* at offset *at*, which is not negative. Raises: UndecodableImage."""
        if at + layout.size > self.size:
            raise cut_off()
        return layout.unpack_from(self.data, at)

    def spend(self, parts: int = 1) -> None:
        """Account for so many parts of the file. Raises: UndecodableImage, UnacceptableImage."""
        self._parts += parts
        if self._parts > MAX_PARTS:
            raise damaged("its header has too many parts")
        if self._parts >= self._clock_due_at:
            self.check_clock()

    def check_clock(self) -> None:
        """Stop when the time is over; for walks which do much work a part. Raises: UnacceptableImage."""
        self._clock_due_at = self._parts + _PARTS_BETWEEN_CLOCKS
        if time.thread_time() > self._ends_at_s:
            raise UnacceptableImage("The header of the image is too complicated")


def header(
    media_type: MediaType, size_px: tuple[int, int], bytes_per_px: int, frames: int = 1, total_px: int | None = None
) -> Header:
    """A header whose frames all fill the canvas, unless *total_px* says otherwise. Raises: UndecodableImage."""
    width_px, height_px = size_px
    if not width_px or not height_px:
        raise damaged("it has no width or no height")
    total_px = frames * width_px * height_px if total_px is None else total_px
    return Header(media_type, width_px, height_px, frames, total_px, bytes_per_px)


def sample_bytes(bits: int) -> int:
    """What a decoder takes for one sample of so many bits, at least 1."""
    return max(1, -(-bits // 8))


def costliest(sizes_px: list[tuple[int, int]]) -> tuple[int, int]:
    """The size to judge a file of many sizes by: one with a side past the limit first, else the most pixels.

    Pixels alone would let a line of forty million pixels hide behind a large but harmless page.
    """
    return max(sizes_px, key=lambda size_px: (max(size_px) > MAX_SIDE_PX, size_px[0] * size_px[1]))


def check_frames(frames: int) -> None:
    """Stop counting where no limit can be kept any more. Raises: ImageTooLarge."""
    if frames > MAX_FRAMES:
        raise ImageTooLarge(MAX_FRAMES, frames, "frames")


def cut_off() -> UndecodableImage:
    """The error for a file that ends before its header does."""
    return UndecodableImage("The image is cut off")


def damaged(why: str) -> UndecodableImage:
    """The error for a header that cannot be right."""
    return UndecodableImage(f"The image is damaged: {why}")


def refusal(finding: str) -> UnacceptableImage:
    """The error for a file of a kind that is not kept; *finding* is a sentence without its full stop."""
    return UnacceptableImage(f"{finding}. JPEG, PNG, GIF, WebP, AVIF, TIFF and BMP are accepted")
