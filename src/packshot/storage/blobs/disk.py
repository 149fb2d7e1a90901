"""Blobs as plain files: staged, flushed, renamed, and the folder flushed, before anybody hears of them."""

import errno
import io
import os
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from packshot.domain.errors import Unavailable
from packshot.storage.blobs import KEY, Bytes, Staged
from packshot.storage.blobs.staging import Files, Staging, open_file
from packshot.storage.folder import StoreUnusable
from packshot.storage.reserve import NONE, Reserve

STREAM_PIECE_BYTES = 256 * 1024
_TOO_MUCH = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}


def shared_folder(url: str) -> Path:
    """The folder of an address like `file:///mnt/shop`, which has a folder `blobs`.

    Raises:
        StoreUnusable: it has none. Were it made here, a share that is not mounted would be taken for an empty one, and
            originals would go to a disk that no other node sees.
    """
    folder = Path(url.removeprefix("file://"))
    if not (folder / "blobs").is_dir():
        raise StoreUnusable(f"{folder} has no folder blobs: is it mounted? If it is new, make that folder once")
    return folder


class DiskBlobs:
    """Blobs below one folder: `blobs/<first two digits>/<key>`, uploads in `staging/` beside them.

    *failed* is called, from any thread, when a write, flush or close fails for another reason than a full
    disk: nobody knows then what the disk holds, and the process has to stop. *mirror* has a second copy, laid out
    like `blobs/`. While *reserve* is out, nothing new is taken.
    """

    def __init__(
        self,
        root: Path,
        threads: ThreadPoolExecutor,
        failed: Callable[[BaseException], None],
        files: Files | None = None,
        mirror: Path | None = None,
        reserve: Reserve = NONE,
    ) -> None:
        staging = Staging(root / "staging", threads, failed, files, reserve)
        self._blobs = root / "blobs"
        self._staging = staging
        self._files = staging.files
        self._mirror = mirror
        self.stage, self.append, self.view = staging.stage, staging.append, staging.view
        self.opened, self.discard, self.sweep_staging = staging.opened, staging.discard, staging.sweep

    def prepare(self) -> None:
        """Create the folders, all 256 of them, so that no upload ever has to flush a new one."""
        self._staging.folder.mkdir(parents=True, exist_ok=True)
        for number in range(256):
            (self._blobs / f"{number:02x}").mkdir(parents=True, exist_ok=True)
        for folder in (self._blobs, self._blobs.parent):
            self._flush_folder(folder)

    def path(self, key: str) -> Path:
        """Where a key's bytes lie."""
        return self._blobs / key[:2] / key

    async def put(self, key: str, data: Bytes | Staged) -> None:
        """See `BlobStore.put`."""
        await self._staging.in_thread(lambda: self._put(key, data))

    def _put(self, key: str, data: Bytes | Staged) -> None:
        target = self.path(key)
        # Rename last: a reader sees the whole blob or none, also after a power cut (the file was flushed, its name is
        # flushed below).
        with self._staging.whole(data) as path:
            self._files.rename(path, target)
            self._flush_folder(target.parent)

    async def file(self, key: str) -> io.FileIO:
        """See `BlobStore.file`."""
        return open_file(self.path(key))

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

    async def read(self, key: str, start: int, end: int) -> bytes:
        """See `BlobStore.read`."""
        return self._read(key, start, end)

    def _read(self, key: str, start: int, end: int) -> bytes:
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
        return f"{self._blobs.name}/{key[:2]}/{key}" if KEY.fullmatch(key) else None

    def presigned(self, key: str, answer: Mapping[str, str]) -> None:
        """See `BlobStore.presigned`."""

    async def stream(self, key: str, start: int, end: int) -> AsyncIterator[bytes]:
        """See `BlobStore.stream`."""
        for first in range(start, end, STREAM_PIECE_BYTES):
            last = min(first + STREAM_PIECE_BYTES, end)
            yield await self._staging.in_thread(partial(self._read, key, first, last))

    def scan(self, key: str) -> AsyncIterator[bytes]:
        """See `BlobStore.scan`."""
        path = self.path(key)
        if not path.parent.is_dir():  # a disk is not mounted, which is no file's fault
            raise Unavailable("blob store")
        return _scan(self._staging, path)

    def scan_copy(self, key: str) -> AsyncIterator[bytes]:
        """See `BlobStore.scan_copy`."""
        return scan_mirror(self._staging, self._mirror, key)

    async def delete(self, key: str) -> None:
        """See `BlobStore.delete`."""
        await self._staging.in_thread(lambda: self._files.unlink(self.path(key)))

    async def of_keys(self, older_than_s: float, after: str = "", limit: int | None = None) -> list[str]:
        """See `BlobStore.of_keys`."""

        def found() -> list[str]:
            keys: list[str] = []
            for number in range(int(after[:2] or "0", 16), 256):
                names = self._staging.old_names(self._blobs / f"{number:02x}", older_than_s, after)
                keys += sorted(name for name in names if KEY.fullmatch(name))  # whatever else lies there is not ours
                if limit is not None and len(keys) >= limit:
                    break
            return keys[:limit]

        return await self._staging.in_thread(found)


def scan_mirror(staging: Staging, mirror: Path | None, key: str) -> AsyncIterator[bytes]:
    """All bytes of the key's copy in a folder laid out like `blobs/`; see `BlobStore.scan_copy`."""
    return _scan(staging, mirror and _copy_of(mirror / key[:2] / key))


async def _scan(staging: Staging, path: Path | None) -> AsyncIterator[bytes]:
    start = 0
    while path and (piece := await staging.in_thread(partial(_read_anew, path, start))):
        yield piece
        start += len(piece)


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


def read_exactly(descriptor: int, start: int, end: int) -> bytes:
    """Bytes start (inclusive) to end (exclusive) of an open file. Raises: OSError (also when it ends before)."""
    data = os.pread(descriptor, end - start, start)
    while len(data) < end - start:
        more = os.pread(descriptor, end - start - len(data), start + len(data))
        if not more:
            raise OSError(errno.EIO, "the file is shorter than it should be")
        data += more
    return data
