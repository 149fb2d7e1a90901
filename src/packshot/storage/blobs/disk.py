"""Blobs as plain files: staged, flushed, renamed, and the folder flushed, before anybody hears of them."""

import asyncio
import contextlib
import errno
import io
import mmap
import os
import re
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from packshot.domain.errors import PackshotError, StoreFull, Unavailable
from packshot.storage.blobs import Bytes, Staged

Result = TypeVar("Result")

STREAM_PIECE_BYTES = 256 * 1024
_KEY = re.compile(r"[0-9a-f]{64}\.[0-9a-f]{16}")
_FULL = {errno.ENOSPC, errno.EDQUOT}
_TOO_MUCH = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}
_OPEN_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Files:
    """The file operations that durability rests on; tests put faults here."""

    def open_new(self, path: Path) -> int:
        """Create a file that did not exist, for its owner only."""
        return os.open(path, _OPEN_NEW, 0o600)

    def write(self, descriptor: int, data: Bytes) -> None:
        """Write all of it."""
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


class DiskBlobs:
    """Blobs below one folder: `blobs/<first two digits>/<key>`, uploads in `staging/` beside them.

    *failed* is called, from any thread, when a write, flush or close fails for another reason than a full
    disk: nobody knows then what the disk holds, and the process has to stop. *mirror* has a second copy, laid out
    like `blobs/`.
    """

    def __init__(
        self,
        root: Path,
        threads: ThreadPoolExecutor,
        failed: Callable[[BaseException], None],
        files: Files | None = None,
        mirror: Path | None = None,
    ) -> None:
        self._blobs = root / "blobs"
        self._staging = root / "staging"
        self._threads = threads
        self._failed = failed
        self._files = files or Files()
        self._mirror = mirror

    def prepare(self) -> None:
        """Create the folders, all 256 of them, so that no upload ever has to flush a new one."""
        self._staging.mkdir(parents=True, exist_ok=True)
        for number in range(256):
            (self._blobs / f"{number:02x}").mkdir(parents=True, exist_ok=True)
        for folder in (self._blobs, self._blobs.parent):
            self._flush_folder(folder)

    def path(self, key: str) -> Path:
        """Where a key's bytes lie."""
        return self._blobs / key[:2] / key

    async def put(self, key: str, data: Bytes | Staged) -> None:
        """See `BlobStore.put`."""
        await self._in_thread(lambda: self._put(key, data))

    def _put(self, key: str, data: Bytes | Staged) -> None:
        staged, target = data if isinstance(data, Staged) else self.stage(), self.path(key)
        with staged.lock, self._translating(staged):
            descriptor = self._opened(staged)
            try:
                if not isinstance(data, Staged):
                    self._files.write(descriptor, data)
                self._files.fsync(descriptor)
            finally:
                self._end(staged)
            # Rename last: a reader sees the whole blob or none, also after a power cut (the file was
            # flushed above, its name is flushed below).
            self._files.rename(staged.path, target)
            self._flush_folder(target.parent)

    def stage(self) -> Staged:
        """See `BlobStore.stage`."""
        return Staged(self._staging / uuid.uuid4().hex)

    async def append(self, staged: Staged, piece: Bytes) -> None:
        """See `BlobStore.append`."""
        await self._in_thread(lambda: self._append(staged, piece))

    def _append(self, staged: Staged, piece: Bytes) -> None:
        with staged.lock, self._translating(staged):
            self._files.write(self._opened(staged), piece)
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
        return _open(staged.path)

    async def file(self, key: str) -> io.FileIO:
        """See `BlobStore.file`."""
        return _open(self.path(key))

    async def discard(self, staged: Staged) -> None:
        """See `BlobStore.discard`."""
        await self._in_thread(lambda: self._discard(staged))

    def _discard(self, staged: Staged) -> None:
        with staged.lock, contextlib.suppress(OSError):
            try:
                self._end(staged)
            finally:
                self._files.unlink(staged.path)

    def _opened(self, staged: Staged) -> int:
        """The descriptor of an upload's file, which is made with its first bytes."""
        if staged.over:
            raise FileNotFoundError(errno.ENOENT, "The upload is over", staged.path)
        if staged.descriptor is None:
            staged.descriptor = self._files.open_new(staged.path)
        return staged.descriptor

    def _end(self, staged: Staged) -> None:
        descriptor, staged.descriptor, staged.over = staged.descriptor, None, True
        if descriptor is not None:
            self._files.close(descriptor)

    @contextlib.contextmanager
    def _translating(self, staged: Staged) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._translated(error, staged.path) from error

    def _translated(self, error: OSError, staged: Path) -> PackshotError:
        if error.errno in _FULL:
            with contextlib.suppress(OSError):  # else the sweep takes it
                self._files.unlink(staged)
            return StoreFull()
        if error.errno not in {errno.EROFS, errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE, errno.ENOENT}:
            self._failed(error)
        return Unavailable("blob store")

    def _flush_folder(self, folder: Path) -> None:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._files.fsync(descriptor)
        finally:
            self._files.close(descriptor)

    async def find_size(self, key: str) -> int | None:
        """See `BlobStore.find_size`."""
        try:
            return self.path(key).stat().st_size
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unavailable("blob store") from error

    def read_now(self, key: str, start: int, end: int) -> bytes:
        """See `BlobStore.read_now`."""
        try:
            descriptor = os.open(self.path(key), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                return read_exactly(descriptor, start, end)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise Unavailable("blob store") from error

    def location(self, key: str) -> str | None:
        """See `BlobStore.location`."""
        return f"{self._blobs.name}/{key[:2]}/{key}" if _KEY.fullmatch(key) else None

    async def stream(self, key: str, start: int, end: int) -> AsyncIterator[bytes]:
        """See `BlobStore.stream`."""
        for first in range(start, end, STREAM_PIECE_BYTES):
            yield await self._in_thread(partial(self.read_now, key, first, min(first + STREAM_PIECE_BYTES, end)))

    def scan(self, key: str) -> AsyncIterator[bytes]:
        """See `BlobStore.scan`."""
        path = self.path(key)
        if not path.parent.is_dir():  # a disk is not mounted, which is no file's fault
            raise Unavailable("blob store")
        return self._scan(path)

    def scan_copy(self, key: str) -> AsyncIterator[bytes]:
        """See `BlobStore.scan_copy`."""
        return self._scan(self._mirror and _copy_of(self._mirror / key[:2] / key))

    async def _scan(self, path: Path | None) -> AsyncIterator[bytes]:
        start = 0
        while path and (piece := await self._in_thread(partial(_read_anew, path, start))):
            yield piece
            start += len(piece)

    async def delete(self, key: str) -> None:
        """See `BlobStore.delete`."""
        await self._in_thread(lambda: self._files.unlink(self.path(key)))

    async def of_keys(self, older_than_s: float) -> list[str]:
        """See `BlobStore.of_keys`."""
        folders = [self._blobs / f"{number:02x}" for number in range(256)]
        names = await self._in_thread(lambda: self._old_names(folders, older_than_s))
        return [name for name in names if _KEY.fullmatch(name)]  # whatever else lies there is not ours

    async def sweep_staging(self, older_than_s: float) -> int:
        """See `BlobStore.sweep_staging`."""

        def sweep() -> int:
            names = self._old_names([self._staging], older_than_s)
            for name in names:
                self._files.unlink(self._staging / name)
            return len(names)

        return await self._in_thread(sweep)

    def _old_names(self, folders: list[Path], older_than_s: float) -> list[str]:
        limit = self._disk_time() - older_than_s
        return [entry.name for folder in folders for entry in os.scandir(folder) if _is_old_file(entry, limit)]

    def _disk_time(self) -> float:
        """The time by the disk's own clock: on a network file system ours may differ."""
        probe = self._staging / f"clock-{uuid.uuid4().hex}"
        descriptor = os.open(probe, _OPEN_NEW, 0o600)
        try:
            return os.fstat(descriptor).st_mtime
        finally:
            os.close(descriptor)
            probe.unlink(missing_ok=True)

    async def _in_thread(self, function: Callable[[], Result]) -> Result:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, function)
        except OSError as error:
            raise Unavailable("blob store") from error


def _open(path: Path) -> io.FileIO:
    try:
        return io.FileIO(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC))
    except OSError as error:
        raise Unavailable("blob store") from error


def _copy_of(path: Path) -> Path | None:
    """That file, or where there is none, another generation of the same bytes: copies are older than repairs."""
    return path if path.exists() else next(path.parent.glob(f"{path.stem}.*"), None)


def _read_anew(path: Path, start: int) -> bytes:
    """What the disk itself gives from there on; nothing where it has nothing to give."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            # Memory would answer for a disk that has long forgotten.
            os.posix_fadvise(descriptor, start, STREAM_PIECE_BYTES, os.POSIX_FADV_DONTNEED)
            return os.pread(descriptor, STREAM_PIECE_BYTES, start)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno in _TOO_MUCH:
            raise
        return b""


def _is_old_file(entry: "os.DirEntry[str]", limit: float) -> bool:
    try:
        return entry.is_file(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_mtime <= limit
    except FileNotFoundError:
        return False  # finished or deleted by somebody else while we looked


def read_exactly(descriptor: int, start: int, end: int) -> bytes:
    """Bytes start (inclusive) to end (exclusive) of an open file. Raises: OSError (also when it ends before)."""
    data = os.pread(descriptor, end - start, start)
    while len(data) < end - start:
        more = os.pread(descriptor, end - start - len(data), start + len(data))
        if not more:
            raise OSError(errno.EIO, "the file is shorter than it should be")
        data += more
    return data
