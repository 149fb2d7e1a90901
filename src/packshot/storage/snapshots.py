"""The folder that backups go to: `snapshots/<time>/` with a database, the key file and a manifest each, and `blobs/`.

A snapshot is there as a whole or not at all: it is made aside, flushed, and renamed. Blobs are shared by all of them.
"""

import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from packshot.storage.backup import BackupUnusable
from packshot.storage.blobs.disk import DiskBlobs
from packshot.storage.erasing import has_bytes
from packshot.storage.folder import LOCK_FILE, UNFINISHED, Lock, flush, is_unfinished, make
from packshot.storage.marks import MARK

MANIFEST: Final = "manifest.json"
FORMAT: Final = 1
SNAPSHOTS: Final = "snapshots"
NAME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d{6}Z")
_ASIDE, _GONE = ".part", ".gone"
_OURS = {SNAPSHOTS, "blobs", "staging", LOCK_FILE, "lost+found"}


class Manifest(msgspec.Struct, frozen=True):
    """What a snapshot is: when it was taken, by which version, and what is in it.

    `format` is that of the backups; `taken_at` is in Unix microseconds; `migration` is the newest step of the schema;
    `digest` is that of the database file; `counts` are rows by table, `lost` blobs that were damaged by then.
    """

    format: int
    taken_at: int
    packshot: str
    migration: int
    epoch: int
    digest: str
    blobs: int
    lost: int
    counts: dict[str, int]


class Target:
    """A folder of backups; `buckets.BucketTarget` does the same in a bucket. `place` is where others find it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.place = str(folder.absolute())
        self._snapshots = folder / SNAPSHOTS

    def __str__(self) -> str:
        return str(self.folder)

    @contextmanager
    def opened(self, threads: ThreadPoolExecutor) -> Iterator[DiskBlobs]:
        """The blobs that all snapshots share, until the block ends."""
        yield DiskBlobs(self.folder, threads, lambda _: None)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Make the folder where it is missing, and keep other backups out of it until the block ends.

        What a backup left that was killed goes. Raises: BackupUnusable, OSError.
        """
        make(self.folder)
        strange = {entry.name for entry in self.folder.iterdir()} - _OURS
        if strange:
            name = min(strange)
            raise BackupUnusable(f"{self.folder} holds other things than backups, like {name}: name an empty folder")
        descriptor = os.open(self.folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._lock(descriptor)
            self._snapshots.mkdir(exist_ok=True)
            flush(self.folder)
            for left in [*self._snapshots.glob(f"*{_ASIDE}"), *self._snapshots.glob(f"*{_GONE}")]:
                shutil.rmtree(left)
            yield
        finally:
            os.close(descriptor)

    def _lock(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupUnusable(f"another backup into {self.folder} is running") from None

    def names(self) -> list[str]:
        """The snapshots there are, oldest first."""
        if not self._snapshots.is_dir():
            return []
        return sorted(entry.name for entry in self._snapshots.iterdir() if NAME.fullmatch(entry.name))

    def path(self, name: str) -> Path:
        """Where a snapshot lies."""
        return self._snapshots / name

    @contextmanager
    def making(self, name: str) -> Iterator[Path]:
        """A new folder for files, each of them flushed, that becomes that snapshot when the block ends well."""
        folder = self.path(f"{name}{_ASIDE}")
        folder.mkdir(mode=0o700)
        try:
            yield folder
        except BaseException:
            shutil.rmtree(folder)
            raise
        flush(folder)
        folder.rename(self.path(name))
        flush(self._snapshots)

    def remove(self, name: str) -> None:
        """Delete a snapshot, all of it or none."""
        gone = self.path(f"{name}{_GONE}")
        self.path(name).rename(gone)
        flush(self._snapshots)
        shutil.rmtree(gone)

    def has_bytes(self, digests: Collection[str]) -> bool:
        """Whether bytes with any of these digests are among the blobs; also where nobody can tell."""
        return has_bytes(self.folder / "blobs", digests)

    def read(self, name: str, file: str) -> bytes:
        """A file of a snapshot. Raises: OSError."""
        return (self.path(name) / file).read_bytes()

    @contextmanager
    def fetched(self, name: str) -> Iterator[Path]:
        """A folder with the database and the key of a snapshot, until the block ends."""
        yield self.path(name)


@contextmanager
def filling(folder: Path) -> Iterator[None]:
    """Have a folder to oneself until the block ends, and leave it empty where that fails.

    It has to be empty, but for what a restore left that was killed: of that only blobs stay.

    Raises: BackupUnusable, FolderInUse, OSError.
    """
    make(folder)
    _require_free(folder)
    lock = Lock(folder)
    _require_free(folder)  # it may have been filled before the lock was ours
    try:
        if not (folder / UNFINISHED).exists():
            write(folder / UNFINISHED, b"")
        flush(folder)
        _clear(folder, {LOCK_FILE, UNFINISHED, MARK, "blobs"})
        yield
        (folder / UNFINISHED).unlink()
        flush(folder)
    except BaseException:
        _clear(folder, {UNFINISHED})
        (folder / UNFINISHED).unlink(missing_ok=True)
        raise
    lock.release()


def _require_free(folder: Path) -> None:
    """Raises: BackupUnusable."""
    if not is_unfinished(folder) and set(_contents(folder)) - {LOCK_FILE}:
        raise BackupUnusable(f"{folder} is not empty: name a folder with nothing in it by --data")


def _clear(folder: Path, kept: Collection[str]) -> None:
    for name in set(_contents(folder)) - set(kept):
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _contents(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name != "lost+found"]


def digest_of(path: Path) -> str:
    """SHA-256 of a file, 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write(path: Path, data: bytes) -> None:
    """Make a file that did not exist, for its owner only, and flush it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
        file.write(data)
        file.flush()
        os.fsync(descriptor)
