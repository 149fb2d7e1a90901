"""Room on the disk that is kept for deleting: a file beside the database, cut to nothing when the disk is full.

Its size is all there is to know, so that every process over one folder sees the same, whatever its own settings say:
empty, the reserve is out; otherwise it is held; without the file there never was one.
"""

import errno
import os
import threading
import time
from pathlib import Path

import msgspec
import structlog

LOOK_EVERY_S = 1.0
"""How often somebody who was refused may look whether there is room again."""

_LITTLE_BYTES = 1024 * 1024
_OPEN = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_CANNOT_ALLOCATE = {errno.EOPNOTSUPP, errno.EINVAL}

_log = structlog.get_logger("packshot.reserve")


class DiskSettings(msgspec.Struct, frozen=True):
    """What is kept free on the disk of the data folder.

    `reserve_bytes`: so much is set aside for deleting when the disk is full, in a file of the data folder; 0 sets
    nothing aside.
    """

    reserve_bytes: int = 64 * 1024 * 1024


class Reserve:
    """The file at *path*, of *size_bytes* when it is made; with 0 there is none, and nothing is ever out.

    All methods may be called from any thread.
    """

    def __init__(self, path: Path, size_bytes: int) -> None:
        self._path = path
        self.size_bytes = size_bytes
        self._lock = threading.Lock()
        self._next_look = 0.0

    def is_out(self) -> bool:
        """Whether it was given up and is not back: then whatever does not make room has to wait. One look at a file."""
        return self.size_bytes > 0 and self._found_bytes() == 0

    def held_bytes(self) -> int:
        """How much is set aside; another size than that of the settings where it was made with others."""
        return (self._found_bytes() or 0) if self.size_bytes else 0

    def is_held(self) -> bool:
        """Whether any of it is there."""
        return self.held_bytes() > 0

    def _found_bytes(self) -> int | None:
        try:
            return os.stat(self._path).st_size  # noqa: PTH116 - on the way of every write
        except OSError:
            return None

    def release(self) -> bool:
        """Give it up, since the disk is full; whether what makes room may be tried again."""
        with self._lock:
            held = self.held_bytes()
            if held:
                try:
                    os.truncate(self._path, 0)
                except OSError:  # then there is nothing to gain here
                    return False
                self._next_look = time.monotonic() + LOOK_EVERY_S
                _log.warning(
                    "the disk is full: its reserve is given up for deletions, uploads are refused until there is room",
                    reserve_bytes=held,
                )
        return self.is_out()

    def take_back(self) -> bool:
        """Whether nothing is out, perhaps since there is room for it again; looks once in `LOOK_EVERY_S` at most."""
        with self._lock:
            if not self.is_out():
                return True
            if time.monotonic() < self._next_look:
                return False
            self._next_look = time.monotonic() + LOOK_EVERY_S
            taken = self._fill()
        if taken:
            _log.info("there is room on the disk again: its reserve is back", reserve_bytes=self.size_bytes)
        return taken

    def make(self) -> None:
        """Set it aside if it never was, where there is room; as large as it has to be. Raises: OSError."""
        with self._lock:
            found = self._found_bytes()
            if not self.size_bytes:
                self._path.unlink(missing_ok=True)
            elif found is not None and found > self.size_bytes:
                os.truncate(self._path, self.size_bytes)
            elif found != self.size_bytes and not self._fill():
                if found == 0:
                    why = "the disk is still full: uploads are refused until there is room for its reserve"
                else:
                    why = "there is no room to set the disk's reserve aside"
                _log.warning(why, reserve_bytes=self.size_bytes, held_bytes=found or 0)

    def _fill(self) -> bool:
        """Take the room if it is there, and some more: else the next uploads would have it out at once."""
        found = self._found_bytes()
        try:
            if _free_bytes(self._path) < self.size_bytes + self.size_bytes // 4:
                return False
            descriptor = os.open(self._path, _OPEN, 0o600)
        except OSError:
            return False
        try:
            _allocate(descriptor, self.size_bytes)
        except OSError:
            if found is None:  # an empty file would say that it is out
                self._path.unlink(missing_ok=True)
            os.ftruncate(descriptor, found or 0)
            return False
        finally:
            os.close(descriptor)
        return True


def give_way(path: Path) -> None:
    """Give up the reserve at *path* where there is hardly any room left, since opening a store needs some, too."""
    if path.exists() and _free_bytes(path) < _LITTLE_BYTES:
        Reserve(path, path.stat().st_size).release()


def _free_bytes(path: Path) -> int:
    disk = os.statvfs(path.parent)
    return disk.f_bavail * disk.f_frsize


def _allocate(descriptor: int, size_bytes: int) -> None:
    """Make the file so long, with blocks of its own behind it. Raises: OSError."""
    try:
        os.posix_fallocate(descriptor, 0, size_bytes)
    except OSError as error:
        if error.errno not in _CANNOT_ALLOCATE:
            raise
        for start in range(0, size_bytes, _LITTLE_BYTES):
            os.pwrite(descriptor, bytes(min(_LITTLE_BYTES, size_bytes - start)), start)


NONE = Reserve(Path(), 0)
"""For stores that set nothing aside."""
