"""What the formats share: how much is kept, and a bound on the parts of one file."""

from collections.abc import Iterable, Iterator
from typing import Literal

from packshot.imaging.probe.reader import MAX_PARTS, damaged

Keep = Literal["nothing", "no location"]
"""What stays beside pixels, colour profile and orientation."""

Part = bytes | memoryview
"""A stretch of the copy. What is left out is an empty part, so that it counts as well."""

GONE: Part = b""


def bounded(parts: Iterable[Part]) -> Iterator[Part]:
    """The same parts. Raises: UndecodableImage when they are more than any honest file has."""
    for number, part in enumerate(parts):
        if number >= MAX_PARTS:
            raise damaged("it has too many parts")
        yield part
