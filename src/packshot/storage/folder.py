"""The data folder: its lock, its key file, and where the database lies in it."""

import fcntl
import os
from pathlib import Path

from cryptography.fernet import Fernet

DATABASE = "packshot.sqlite3"
KEY_FILE = "secret.key"
LOCK_FILE = "lock"


class FolderInUse(Exception):
    """Another server has the data folder open."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"Another packshot server is using {folder}: stop it first, or give this one its own --data")


def prepare(folder: Path) -> None:
    """Create the folder with its key file; both stay as they are where they exist. Raises: OSError."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / KEY_FILE
    if path.exists():
        return
    # Written aside and linked, so that a second process starting at the same moment sees one whole key.
    aside = folder / f"{KEY_FILE}.{os.getpid()}"
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, Fernet.generate_key())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    try:
        os.link(aside, path)
    except FileExistsError:
        pass
    finally:
        aside.unlink()


def sealer(folder: Path) -> Fernet:
    """What encrypts the secrets we keep in the database; its key lies beside the database, not in it."""
    return Fernet((folder / KEY_FILE).read_bytes())


class Lock:
    """The one server's hold on a data folder; it goes with the process, however that ends."""

    def __init__(self, folder: Path) -> None:
        """Take the lock. Raises: FolderInUse."""
        self._descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._descriptor)
            raise FolderInUse(folder) from None
        self.was_unclean = os.fstat(self._descriptor).st_size > 0
        os.ftruncate(self._descriptor, 0)
        os.write(self._descriptor, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Let go after a clean stop: the next start finds an empty lock and knows that all is well."""
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)
