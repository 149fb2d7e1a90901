"""What was made of originals, kept on this machine's disk up to a size: a cache, which may be deleted at any time.

A file is a head and the bytes. Several processes may share the folder, and none of them trusts what it finds there.
"""

import asyncio
import contextlib
import hashlib
import os
import re
import struct
import threading
import time
import uuid
from collections.abc import AsyncIterator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import FileIO
from pathlib import Path
from zlib import crc32

import msgspec
import structlog

from packshot.domain.errors import Unavailable
from packshot.storage.blobs.disk import read_exactly
from packshot.storage.blobs.staging import Files

INLINE_BYTES = 1024 * 1024
"""Up to this size all of a file is read at once, and its checksum is compared."""

PIECE_BYTES = 256 * 1024

FRESH_S = 3_600
"""A file that was used within this time counts as just used: else every hit would write to the disk."""

ABANDONED_S = 3_600
"""A file that is still being written after this time has nobody who writes it."""

TRIMMED_TO = 0.9
"""So full a cache is left that had grown beyond its limit; then there is nothing to look for for a while."""

COMPLAINT_EVERY_S = 600

_HEAD = struct.Struct("<32s16sQI")
_SUM = struct.Struct("<I")
_HEAD_BYTES = _HEAD.size + _SUM.size
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_NAME = re.compile(r"([0-9a-f]{64}\.[0-9a-f]{16})-.+")
_ASIDE = ".aside"

_log = structlog.get_logger("packshot.renditions")


class OpenFile:
    """A descriptor that is closed once nobody holds this any more: an answer ends in more ways than can be listed.

    What is to be sent begins at `offset`.
    """

    __slots__ = ("descriptor", "offset")

    def __init__(self, descriptor: int, offset: int) -> None:
        self.descriptor = descriptor
        self.offset = offset

    def __del__(self) -> None:
        os.close(self.descriptor)


class Kept(msgspec.Struct, frozen=True):
    """What was made of an original: its digest (SHA-256, 64 hex digits), media type and size.

    `content` holds all of it. Where that is more than `INLINE_BYTES` it is an open file, which can be read to its end
    even when its name is deleted meanwhile; None where it came out just like its original, and is not kept twice.
    """

    digest: str
    media_type: str
    size_bytes: int
    content: bytes | OpenFile | None

    @property
    def is_original(self) -> bool:
        """Whether it came out just like its original, which is to be sent instead."""
        return self.content is None


class Renditions:
    """Files below one folder, by the key of their original's blob and a name of their own.

    When there are more than `limit_bytes`, those that were used least recently are deleted.
    """

    def __init__(self, folder: Path, limit_bytes: int, threads: ThreadPoolExecutor, files: Files | None = None) -> None:
        self._folder = folder
        self._limit_bytes = limit_bytes
        self._threads = threads
        self._files = files or Files()
        self._held_bytes = 0
        self._look_at_bytes = limit_bytes
        self._counting = threading.Lock()
        self._trimming = threading.Lock()
        self._complained_at = -float("inf")
        self._keeps = limit_bytes > 0

    @property
    def keeps(self) -> bool:
        """Whether it is worth making what nobody waits for: the last that was to be kept could be."""
        return self._keeps

    @property
    def held_bytes(self) -> int:
        """How much is kept: what the last `trim` found, and what this process has added since."""
        return self._held_bytes

    def _path(self, blob_key: str, name: str) -> str:
        return f"{self._folder}/{blob_key[:2]}/{blob_key}-{name}"

    def find(self, blob_key: str, name: str) -> Kept | None:
        """What is kept under that name; None if there is nothing. Read at once, on this thread.

        A file that is not as it was written is deleted. Of one above `INLINE_BYTES` only head and length are looked
        at: such files are flushed before they get their name, so that no power cut leaves others.
        """
        path = self._path(blob_key, name)
        try:
            file = OpenFile(os.open(path, _OPEN), _HEAD_BYTES)
            status = os.fstat(file.descriptor)
            kept = _read(file, status.st_size, blob_key)
            if kept is None:
                self._files.unlink(Path(path))
            elif not 0 <= time.time() - status.st_mtime <= FRESH_S:
                with contextlib.suppress(OSError):  # on a disk that takes no writes
                    os.utime(file.descriptor)
        except OSError:
            return None
        return kept

    async def keep(self, blob_key: str, name: str, media_type: str, data: bytes | FileIO) -> Kept:
        """Keep it, as far as that can be: what cannot be written is only made again next time. A file is closed."""
        loop = asyncio.get_running_loop()
        kept = await loop.run_in_executor(self._threads, self._keep, blob_key, name, media_type, data)
        if self._held_bytes > self._look_at_bytes and not self._trimming.locked():
            loop.run_in_executor(self._threads, self._trim)  # whoever asked for a picture does not wait for this
        # A large one is read from its file at once: answers to slow clients would hold all of it in memory.
        return (kept.size_bytes > INLINE_BYTES and self.find(blob_key, name)) or kept

    def _keep(self, blob_key: str, name: str, media_type: str, data: bytes | FileIO) -> Kept:
        with contextlib.nullcontext() if isinstance(data, bytes) else data:
            digest, checksum, size_bytes = _summed(data)
            is_original = _is_of(blob_key, digest)
            head = _HEAD.pack(digest, media_type.encode(), size_bytes, 0 if is_original else checksum)
            body_bytes = 0 if is_original else size_bytes
            keeps = False
            if _HEAD_BYTES + body_bytes <= self._limit_bytes:
                try:
                    pieces = () if is_original else _pieces(data)
                    self._write(Path(self._path(blob_key, name)), head + _SUM.pack(crc32(head)), pieces)
                except OSError as error:
                    self._complain(error)
                else:
                    keeps = True
                    with self._counting:
                        self._held_bytes += _HEAD_BYTES + body_bytes
            self._keeps = keeps
            content = data if isinstance(data, bytes) else OpenFile(os.dup(data.fileno()), 0)
            return Kept(digest.hex(), media_type, size_bytes, None if is_original else content)

    def _write(self, path: Path, head: bytes, pieces: Iterable[bytes]) -> None:
        """Write aside, then rename. Small files are not flushed: junk that a power cut leaves is found by its sum."""
        aside = path.with_name(f"{uuid.uuid4().hex}{_ASIDE}")
        descriptor = self._created(aside)
        try:
            try:
                self._files.write(descriptor, head)
                for piece in pieces:
                    self._files.write(descriptor, piece)
                if os.fstat(descriptor).st_size > INLINE_BYTES:
                    self._files.fsync(descriptor)
            finally:
                self._files.close(descriptor)
            self._files.rename(aside, path)
        except OSError:
            with contextlib.suppress(OSError):  # else it is taken for abandoned later on
                self._files.unlink(aside)
            raise

    def _created(self, path: Path) -> int:
        try:
            return self._files.open_new(path)
        except FileNotFoundError:  # its folder is made with the first file in it, or was deleted
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return self._files.open_new(path)

    def _complain(self, error: OSError) -> None:
        if time.monotonic() - self._complained_at > COMPLAINT_EVERY_S:
            self._complained_at = time.monotonic()
            _log.warning("renditions cannot be kept or deleted", why=str(error))

    async def trim(self) -> int:
        """Count what is kept, and delete what is too much, least recently used first; return how many files went.

        Files whose writing was abandoned go, too. Nothing is raised: what cannot be deleted stays.
        """
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._trim)

    def _trim(self) -> int:
        if not self._trimming.acquire(blocking=False):
            return 0
        try:
            before, now, held_bytes, count = self._held_bytes, time.time(), 0, 0
            for used_at, size_bytes, path in self._walk():
                if path.endswith(_ASIDE) and used_at < now - ABANDONED_S and self._delete(path):
                    count += 1
                else:
                    held_bytes += size_bytes
            for _, size_bytes, path in sorted(self._walk()) if held_bytes > self._limit_bytes else ():
                if held_bytes <= TRIMMED_TO * self._limit_bytes:
                    break
                if self._delete(path):
                    held_bytes, count = held_bytes - size_bytes, count + 1
            with self._counting:  # what was added meanwhile may count twice, until next time
                self._held_bytes += held_bytes - before
            # Where nothing can be deleted, not every file that is added is a reason to look again.
            patience = self._limit_bytes // 10 if held_bytes > self._limit_bytes else 0
            self._look_at_bytes = max(self._limit_bytes, held_bytes) + patience
            return count
        finally:
            self._trimming.release()

    async def measure(self) -> tuple[int, int]:
        """How many files there are in the folder, and how many bytes in them."""

        def measured() -> tuple[int, int]:
            sizes = [size_bytes for _, size_bytes, _ in self._walk()]
            return len(sizes), sum(sizes)

        return await asyncio.get_running_loop().run_in_executor(self._threads, measured)

    def _walk(self) -> Iterator[tuple[float, int, str]]:
        """When each file was used, its size and its path. What is deleted meanwhile is passed over."""
        for folder, _, names in os.walk(self._folder):
            for name in names:
                path = f"{folder}/{name}"
                try:
                    status = os.lstat(path)
                except OSError:
                    continue
                yield status.st_mtime, status.st_size, path

    def _delete(self, path: str) -> bool:
        """Whether that file is gone."""
        try:
            self._files.unlink(Path(path))
        except OSError as error:
            self._complain(error)
            return False
        return True

    async def of_keys(self) -> set[str]:
        """The keys of all blobs of which something is kept."""

        def found() -> set[str]:
            names = (_NAME.fullmatch(path.rpartition("/")[2]) for _, _, path in self._walk())
            return {name[1] for name in names if name}

        return await asyncio.get_running_loop().run_in_executor(self._threads, found)

    async def forget(self, blob_key: str) -> int:
        """Delete all that was made of one original; return how many files went."""

        def forgotten() -> int:
            paths = list((self._folder / blob_key[:2]).glob(f"{blob_key}-*"))
            return sum(self._delete(str(path)) for path in paths)

        return await asyncio.get_running_loop().run_in_executor(self._threads, forgotten)

    def read_now(self, kept: Kept, start: int, end: int) -> bytes:
        """Bytes start (inclusive) to end (exclusive), at once.

        Raises: Unavailable (the file was cut meanwhile, or there is only the original to be read).
        """
        if isinstance(kept.content, bytes):
            return kept.content[start:end]
        if kept.content is None:
            raise Unavailable("rendition")
        try:
            first = kept.content.offset
            return read_exactly(kept.content.descriptor, first + start, first + end)
        except OSError as error:
            raise Unavailable("rendition") from error

    async def stream(self, kept: Kept, start: int, end: int) -> AsyncIterator[bytes]:
        """The same piece by piece, without holding up the event loop. Raises: Unavailable."""
        for first in range(start, end, PIECE_BYTES):
            last = min(first + PIECE_BYTES, end)
            yield await asyncio.get_running_loop().run_in_executor(self._threads, self.read_now, kept, first, last)


def _read(file: OpenFile, size_bytes: int, blob_key: str) -> Kept | None:
    """What a file of that size holds; None if it is not as it was written. Raises: OSError."""
    head = os.pread(file.descriptor, _HEAD_BYTES, 0)
    if len(head) < _HEAD_BYTES or _SUM.unpack_from(head, _HEAD.size) != (crc32(head[: _HEAD.size]),):
        return None
    digest, media_type, whole_bytes, checksum = _HEAD.unpack_from(head)
    content: bytes | OpenFile | None
    if _is_of(blob_key, digest):
        content, body_bytes = None, 0
    elif whole_bytes > INLINE_BYTES:
        content, body_bytes = file, whole_bytes
    else:
        content, body_bytes = os.pread(file.descriptor, whole_bytes, _HEAD_BYTES), whole_bytes
        if crc32(content) != checksum:
            return None
    if size_bytes != _HEAD_BYTES + body_bytes:
        return None
    return Kept(digest.hex(), media_type.rstrip(b"\0").decode(), whole_bytes, content)


def _pieces(data: bytes | FileIO) -> Iterator[bytes]:
    if isinstance(data, bytes):
        yield data
        return
    data.seek(0)
    while piece := data.read(PIECE_BYTES):
        yield piece


def _summed(data: bytes | FileIO) -> tuple[bytes, int, int]:
    """Digest, checksum and size of all of it."""
    digest, checksum, size_bytes = hashlib.sha256(), 0, 0
    for piece in _pieces(data):
        digest.update(piece)
        checksum = crc32(piece, checksum)
        size_bytes += len(piece)
    return digest.digest(), checksum, size_bytes


def _is_of(blob_key: str, digest: bytes) -> bool:
    """Whether these are the bytes of the original themselves."""
    return blob_key.startswith(digest.hex())
