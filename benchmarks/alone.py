"""pyvips alone: a process that makes renditions of one JPEG of 4:3, with what a worker of Packshot calls and no more.

Its argument names the file. It is asked for one by a line on its standard input, the format, and answers with a line.
"""

import mmap
import sys
from collections.abc import Callable
from pathlib import Path

import pyvips  # type: ignore[import-untyped]

WIDTH_PX, HEIGHT_PX = 400, 300

SAVE: dict[str, Callable[[pyvips.Image], bytes]] = {
    "jpeg": lambda image: bytes(image.jpegsave_buffer(Q=80, optimize_coding=True, keep="none")),
    "webp": lambda image: bytes(image.webpsave_buffer(Q=78, effort=2, keep="none")),
}
_SHARPENING = pyvips.Image.new_from_array([[0, -1, 0], [-1, 28, -1], [0, -1, 0]], scale=24)


def rendition(path: Path, form: str) -> bytes:
    """The picture at 400 pixels, decoded smaller, resized and sharpened."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as data:
        image = _opened(data)
        factor = image.width / WIDTH_PX
        image = _opened(data, shrink=next(shrink for shrink in (8, 4, 2, 1) if factor >= 2 * shrink or shrink == 1))
        image = image.resize(WIDTH_PX / image.width, vscale=HEIGHT_PX / image.height)
        return SAVE[form](image.conv(_SHARPENING, precision="integer"))


def _opened(data: mmap.mmap, **options: int) -> pyvips.Image:
    return pyvips.Image.jpegload_buffer(data, access="sequential", fail_on="error", **options)


def main() -> None:
    """Answer until there is no more to read."""
    pyvips.cache_set_max(0)
    for line in sys.stdin:
        sys.stdout.write(f"{len(rendition(Path(sys.argv[1]), line.strip()))}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
