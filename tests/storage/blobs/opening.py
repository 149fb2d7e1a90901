"""Opening a store on the disk, with faults or without, and putting bytes into any store."""

import hashlib
import os
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from build import fail_loudly
from packshot.storage.blobs import BlobStore, Bytes, Staged, new_key
from packshot.storage.blobs.disk import DiskBlobs
from packshot.storage.blobs.staging import Files

AN_HOUR_S = 3_600


class Failing(Files):
    """Fails the `at`-th call of one operation, or every one, after having done half of it where that is possible."""

    def __init__(self, operation: str, number: int, at: int | None = 1) -> None:
        self.operation, self.number, self.at = operation, number, at
        self.calls = 0

    def _fail(self, operation: str) -> None:
        if operation == self.operation:
            self.calls += 1
            if self.at in {None, self.calls}:
                raise OSError(self.number, os.strerror(self.number))

    def open_new(self, path: Path) -> int:
        self._fail("open")
        return super().open_new(path)

    def write(self, descriptor: int, data: Bytes) -> None:
        super().write(descriptor, memoryview(data)[: len(data) // 2])
        self._fail("write")
        super().write(descriptor, memoryview(data)[len(data) // 2 :])

    def fsync(self, descriptor: int) -> None:
        self._fail("fsync")
        super().fsync(descriptor)

    def close(self, descriptor: int) -> None:
        super().close(descriptor)
        self._fail("close")

    def rename(self, source: Path, target: Path) -> None:
        self._fail("rename")
        super().rename(source, target)

    def unlink(self, path: Path) -> None:
        self._fail("unlink")
        super().unlink(path)


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


def noise(size_bytes: int) -> bytes:
    return random.Random(size_bytes).randbytes(size_bytes)


def key_for(data: bytes) -> str:
    return new_key(hashlib.sha256(data).hexdigest())


async def stored(store: BlobStore, data: bytes) -> str:
    """The key of the bytes just stored."""
    key = key_for(data)
    await store.put(key, data)
    return key


async def streamed(store: BlobStore, key: str, start: int, end: int) -> bytes:
    return b"".join([piece async for piece in store.stream(key, start, end)])


async def uploaded(store: BlobStore, *pieces: bytes) -> Staged:
    """An upload of these pieces that was not put yet."""
    staged = store.stage()
    for piece in pieces:
        await store.append(staged, piece)
    return staged
