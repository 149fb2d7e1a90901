"""Uploads on their way into a store: files in a folder of their own, which nobody else knows."""

import asyncio
import contextlib
import errno
import io
import mmap
import os
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from packshot.domain.errors import PackshotError, StoreFull, Unavailable
from packshot.storage.blobs import Bytes, Staged
from packshot.storage.reserve import NONE, Reserve

Result = TypeVar("Result")

_FULL = {errno.ENOSPC, errno.EDQUOT}
_OPEN_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Files:
    """The file operations that durability rests on; tests put faults here.

    While *reserve* is out the disk counts as full, for nothing that is written here makes room.
    """

    _reserve = NONE

    def __init__(self, reserve: Reserve = NONE) -> None:
        self._reserve = reserve

    def open_new(self, path: Path) -> int:
        """Create a file that did not exist, for its owner only."""
        return os.open(path, _OPEN_NEW, 0o600)

    def write(self, descriptor: int, data: Bytes) -> None:
        """Write all of it."""
        if self._reserve.is_out() and not self._reserve.take_back():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        left = memoryview(data)
        while left:
            left = left[os.write(descriptor, left) :]

    def fsync(self, descriptor: int) -> None:
        """Flush a file or folder to the disk."""
        os.fsync(descriptor)

    def close(self, descriptor: int) -> None:
        """Close a descriptor."""
        os.close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        """Give a file its final name."""
        os.rename(source, target)  # noqa: PTH104 - one system call, named as such

    def unlink(self, path: Path) -> None:
        """Remove a name."""
        path.unlink(missing_ok=True)


class Staging:
    """Uploads in one folder, for any store; the methods that are not explained are those of `BlobStore`.

    *failed* is called, from any thread, when a write, flush or close fails for another reason than a full
    disk: nobody knows then what the disk holds, and the process has to stop.
    """

    def __init__(
        self,
        folder: Path,
        threads: ThreadPoolExecutor,
        failed: Callable[[BaseException], None],
        files: Files | None = None,
        reserve: Reserve = NONE,
    ) -> None:
        self.folder = folder
        self.files = files or Files(reserve)
        self._threads = threads
        self._failed = failed

    def stage(self) -> Staged:
        """See `BlobStore.stage`."""
        return Staged(self.folder / uuid.uuid4().hex)

    async def append(self, staged: Staged, piece: Bytes) -> None:
        """See `BlobStore.append`."""
        await self.in_thread(lambda: self._append(staged, piece))

    def _append(self, staged: Staged, piece: Bytes) -> None:
        with staged.lock, self._translating(staged):
            self.files.write(self._opened(staged), piece)
            staged.digest.update(piece)
            staged.size_bytes += len(piece)

    def view(self, staged: Staged) -> memoryview:
        """See `BlobStore.view`."""
        if not staged.size_bytes:
            return memoryview(b"")
        with self.opened(staged) as file:
            try:
                # Never closed by hand: it goes with its last view, which an error on its way may still hold.
                return memoryview(mmap.mmap(file.fileno(), staged.size_bytes, prot=mmap.PROT_READ))
            except OSError as error:
                raise Unavailable("blob store") from error

    def opened(self, staged: Staged) -> io.FileIO:
        """See `BlobStore.opened`."""
        return open_file(staged.path)

    async def discard(self, staged: Staged) -> None:
        """See `BlobStore.discard`."""
        await self.in_thread(lambda: self._discard(staged))

    def _discard(self, staged: Staged) -> None:
        with staged.lock, contextlib.suppress(OSError):
            try:
                self._end(staged)
            finally:
                self.files.unlink(staged.path)

    @contextlib.contextmanager
    def whole(self, data: Bytes | Staged) -> Iterator[Path]:
        """The file of these bytes, flushed and closed, for a block that moves or sends it; the upload is over.

        Raises: StoreFull, Unavailable (also for what goes wrong with files in the block).
        """
        staged = data if isinstance(data, Staged) else self.stage()
        with staged.lock, self._translating(staged):
            descriptor = self._opened(staged)
            try:
                if not isinstance(data, Staged):
                    self.files.write(descriptor, data)
                self.files.fsync(descriptor)
            finally:
                self._end(staged)
            yield staged.path

    def _opened(self, staged: Staged) -> int:
        """The descriptor of an upload's file, which is made with its first bytes."""
        if staged.over:
            raise FileNotFoundError(errno.ENOENT, "The upload is over", staged.path)
        if staged.descriptor is None:
            staged.descriptor = self.files.open_new(staged.path)
        return staged.descriptor

    def _end(self, staged: Staged) -> None:
        descriptor, staged.descriptor, staged.over = staged.descriptor, None, True
        if descriptor is not None:
            self.files.close(descriptor)

    @contextlib.contextmanager
    def _translating(self, staged: Staged) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._translated(error, staged.path) from error

    def _translated(self, error: OSError, staged: Path) -> PackshotError:
        if error.errno in _FULL:
            with contextlib.suppress(OSError):  # else the sweep takes it
                self.files.unlink(staged)
            return StoreFull()
        if error.errno not in {errno.EROFS, errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE, errno.ENOENT}:
            self._failed(error)
        return Unavailable("blob store")

    async def sweep(self, older_than_s: float) -> int:
        """See `BlobStore.sweep_staging`."""

        def sweep() -> int:
            names = self.old_names(self.folder, older_than_s)
            for name in names:
                self.files.unlink(self.folder / name)
            return len(names)

        return await self.in_thread(sweep)

    def old_names(self, folder: Path, older_than_s: float, after: str = "") -> list[str]:
        """The files in a folder older than that, by the disk's own clock, with names above *after*. Raises: OSError."""
        limit = self._disk_time() - older_than_s
        return [entry.name for entry in os.scandir(folder) if entry.name > after and _is_old_file(entry, limit)]

    def _disk_time(self) -> float:
        """On a network file system our own clock may differ."""
        os.utime(self.folder)  # which a full disk has room for, unlike a new file
        return self.folder.stat().st_mtime

    async def in_thread(self, function: Callable[[], Result]) -> Result:
        """What the function gives, on another thread. Raises: Unavailable (for what goes wrong with files)."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, function)
        except OSError as error:
            raise Unavailable("blob store") from error


def open_file(path: Path) -> io.FileIO:
    """The file, to be read. Raises: Unavailable."""
    try:
        return io.FileIO(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC))
    except OSError as error:
        raise Unavailable("blob store") from error


def _is_old_file(entry: "os.DirEntry[str]", limit: float) -> bool:
    try:
        return entry.is_file(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_mtime <= limit
    except FileNotFoundError:
        return False  # finished or deleted by somebody else while we looked
