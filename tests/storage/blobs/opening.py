"""Opening a store on the disk, with faults or without."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from build import fail_loudly
from packshot.storage.blobs.disk import DiskBlobs, Files


def opened(
    root: Path,
    threads: ThreadPoolExecutor,
    files: Files | None = None,
    failed: Callable[[BaseException], None] = fail_loudly,
) -> DiskBlobs:
    """The store, whose folders were made without any fault."""
    DiskBlobs(root, threads, fail_loudly).prepare()
    return DiskBlobs(root, threads, failed, files)


def staged(root: Path) -> list[str]:
    """The names of unfinished uploads."""
    return sorted(path.name for path in (root / "staging").iterdir())
