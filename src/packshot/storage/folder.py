"""The data folder: its lock, its key file, and where the database lies in it."""

import contextlib
import fcntl
import os
import secrets
from pathlib import Path

import msgspec
from cryptography.fernet import Fernet, InvalidToken

from packshot.storage.reserve import give_way

DATABASE = "packshot.sqlite3"
KEY_FILE = "secret.key"
LOCK_FILE = "lock"
RENDITIONS = "renditions"
UNFINISHED = "restoring"
"""It is there while a backup is being restored, and after that was killed."""
RESERVE = "reserve"


class KeySettings(msgspec.Struct, frozen=True):
    """What the secrets in the database are sealed with.

    `file`: the path of the key file, where it is not `secret.key` in the data folder. All servers of a store have the
    same key.
    """

    file: str = ""


class StoreUnusable(Exception):
    """The data folder cannot be opened as it is; the message says why, and what to do."""


class FolderInUse(StoreUnusable):
    """Another server has the data folder open."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"Another packshot server is using {folder}: stop it first, or give this one its own --data")


class KeyLost(StoreUnusable):
    """The key file is not the one that the database's secrets were sealed with."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} is missing, damaged or of another store: restore it from the database's own backup, or bring it"
            " here from another server of this store"
        )


def key_path(folder: Path, key_file: str = "") -> Path:
    """Where the key lies of the store with that data folder: *key_file*, if the settings name one."""
    return Path(key_file) if key_file else folder / KEY_FILE


def prepare(folder: Path, key_file: str = "", *, is_new: bool | None = None) -> Path | None:
    """Create the folder and the key file; both stay as they are where they exist. Returns a new key's path.

    *is_new* says whether nothing is sealed yet in a database elsewhere.

    Raises:
        KeyLost: there is a database but no key: a new one would not open what is sealed in it.
        StoreUnusable: a backup was being restored.
        OSError: the folder cannot be made or written to.
    """
    make(folder)
    give_way(folder / RESERVE)
    path = key_path(folder, key_file)
    if is_unfinished(folder):  # also where the key of the settings, which is not in the folder, is there already
        raise StoreUnusable(f"{folder} is only half restored: run `packshot restore` again, it goes on from there")
    if path.exists():
        return None
    if not (is_new if is_new is not None else not (folder / DATABASE).exists()):
        raise KeyLost(path)
    return path if _make_key(path) else None


def _make_key(path: Path) -> bool:
    """False where another process was quicker."""
    make(path.parent)
    # Written aside and linked, so that a second process starting at the same moment sees one whole key.
    aside = path.with_name(f"{path.name}.{secrets.token_hex(8)}")  # containers may have equal process ids
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, Fernet.generate_key())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    try:
        os.link(aside, path)
    except FileExistsError:
        return False
    finally:
        aside.unlink()
    flush(path.parent)  # the name of the key, before there is a database that needs it
    return True


def make(folder: Path) -> None:
    """Make a folder, and those above it, where they are missing; their names survive a power cut. Raises: OSError."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for one in missing:
        flush(one.parent)


def flush(path: Path) -> None:
    """Flush a file or a folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_unfinished(folder: Path) -> bool:
    """Whether a restore into the folder is under way or was killed; the key, which comes last, is not there then."""
    return (folder / UNFINISHED).exists() and not (folder / KEY_FILE).exists()


class Sealer:
    """What encrypts the secrets we keep in the database; its key lies beside the database, not in it."""

    def __init__(self, folder: Path, key_file: str = "") -> None:
        """Read the key. Raises: KeyLost."""
        self._path = key_path(folder, key_file)
        try:
            self._fernet = Fernet(self._path.read_bytes())
        except ValueError:
            raise KeyLost(self._path) from None

    def encrypt(self, data: bytes) -> bytes:
        """The sealed bytes."""
        return self._fernet.encrypt(data)

    def decrypt(self, token: bytes) -> bytes:
        """The bytes that were sealed. Raises: KeyLost."""
        try:
            return self._fernet.decrypt(token)
        except InvalidToken:
            raise KeyLost(self._path) from None


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
        with contextlib.suppress(OSError):  # a full disk has no room for it, and the store is to be served all the same
            os.write(self._descriptor, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Let go after a clean stop: the next start finds an empty lock and knows that all is well."""
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)
