"""The folder that backups go to: `snapshots/<time>/` with a database, the key file and a manifest each, and `blobs/`.

A snapshot is there as a whole or not at all: it is made aside, flushed, and renamed. Blobs are shared by all of them.
"""

import fcntl
import hashlib
import os
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Final

import msgspec

from packshot.storage.backup import BackupUnusable
from packshot.storage.folder import DATABASE, KEY_FILE, LOCK_FILE

MANIFEST: Final = "manifest.json"
FORMAT: Final = 1
_SNAPSHOTS = "snapshots"
_NAME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d{6}Z")
_ASIDE, _GONE = ".part", ".gone"
_OURS = {_SNAPSHOTS, "blobs", "staging", LOCK_FILE, "lost+found"}


class Manifest(msgspec.Struct, frozen=True):
    """What a snapshot is: when it was taken, by which version, and what is in it.

    `format` is that of the folder; `taken_at` is in Unix microseconds; `migration` is the newest step of the schema;
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
    """A folder of backups."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._snapshots = folder / _SNAPSHOTS

    @contextmanager
    def held(self) -> Iterator[None]:
        """Make the folder where it is missing, and keep other backups out of it until the block ends.

        What a backup left that was killed goes. Raises: BackupUnusable, OSError.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
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
        return sorted(entry.name for entry in self._snapshots.iterdir() if _NAME.fullmatch(entry.name))

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

    def manifest(self, name: str) -> Manifest:
        """What a snapshot says of itself. Raises: BackupUnusable."""
        path = self.path(name) / MANIFEST
        try:
            manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
        except (OSError, msgspec.DecodeError) as error:
            raise BackupUnusable(f"{path} is missing or damaged ({error}): restore another snapshot") from None
        if manifest.format > FORMAT:
            raise BackupUnusable(
                f"{self.folder} was written by Packshot {manifest.packshot}, a newer version: use that"
            )
        return manifest

    def key(self, name: str) -> bytes:
        """The key file that a snapshot's secrets are sealed with. Raises: BackupUnusable."""
        try:
            return (self.path(name) / KEY_FILE).read_bytes()
        except OSError as error:
            raise BackupUnusable(f"the key of snapshot {name} is lost: {error.strerror}") from None

    @contextmanager
    def naming(self) -> Iterator[Callable[[str], bool]]:
        """Whether any snapshot names the key of a blob. Raises: BackupUnusable, where one cannot be asked."""
        with ExitStack() as stack:
            try:
                opened = [stack.enter_context(closing(_read_only(self.path(name) / DATABASE))) for name in self.names()]
                yield lambda key: any(_names(connection, key) for connection in opened)
            except sqlite3.DatabaseError as error:
                raise BackupUnusable(f"a database in {self._snapshots} is damaged: {error}") from None


def _read_only(path: Path) -> sqlite3.Connection:
    # Immutable, so that nothing is ever made beside it or changed in it.
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)


def _names(connection: sqlite3.Connection, key: str) -> bool:
    return bool(
        connection.execute("SELECT 1 FROM blob WHERE key = ?1 AND state IN ('live', 'corrupt')", (key,)).fetchall()
    )


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


def flush(path: Path) -> None:
    """Flush a file or a folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
