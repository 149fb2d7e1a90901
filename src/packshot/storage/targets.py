"""Where backups go, a folder or a place in a bucket, and what the snapshots there say."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import msgspec

from packshot.storage.backup import BackupUnusable, open_copy
from packshot.storage.buckets import BucketTarget
from packshot.storage.folder import DATABASE, KEY_FILE
from packshot.storage.snapshots import FORMAT, MANIFEST, Manifest, Target

Place = Target | BucketTarget


def at(target: str | Path) -> Place:
    """The place that somebody named: an address like `s3://bucket/prefix`, or a folder. Raises: BackupUnusable."""
    text = str(target)
    if text.startswith("s3://"):
        return BucketTarget(text)
    if "://" in text:
        raise BackupUnusable(f"{text} is neither a folder nor a place in a bucket, which s3://BUCKET/PREFIX would be")
    return Target(Path(text))


def find_manifest(there: Place, name: str) -> Manifest:
    """What a snapshot says of itself. Raises: BackupUnusable."""
    try:
        manifest = msgspec.json.decode(there.read(name, MANIFEST), type=Manifest)
    except (OSError, msgspec.DecodeError) as error:
        raise BackupUnusable(
            f"{there}/snapshots/{name}/{MANIFEST} is missing or damaged ({error}): restore another snapshot"
        ) from None
    if manifest.format > FORMAT:
        raise BackupUnusable(f"{there} was written by Packshot {manifest.packshot}, a newer version: use that")
    return manifest


def key_of(there: Place, name: str) -> bytes:
    """The key file that a snapshot's secrets are sealed with. Raises: BackupUnusable."""
    try:
        return there.read(name, KEY_FILE)
    except OSError as error:
        raise BackupUnusable(
            f"the key of the snapshot {there}/snapshots/{name} is lost ({error.strerror}): delete that, or use another"
        ) from None


@contextmanager
def naming(there: Place) -> Iterator[Callable[[str], bool]]:
    """Whether any snapshot names the key of a blob. Raises: BackupUnusable, where one cannot be asked."""
    with ExitStack() as stack:
        opened = {}
        for name in there.names():
            with _blaming(there, name):
                path = stack.enter_context(there.fetched(name)) / DATABASE
                opened[name] = stack.enter_context(closing(open_copy(path)))
        yield lambda key: any(_names(there, name, connection, key) for name, connection in opened.items())


def _names(there: Place, name: str, connection: sqlite3.Connection, key: str) -> bool:
    with _blaming(there, name):
        sql = "SELECT 1 FROM blob WHERE key = ?1 AND state IN ('live', 'corrupt')"
        return bool(connection.execute(sql, (key,)).fetchall())


@contextmanager
def _blaming(there: Place, name: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise BackupUnusable(
            f"the snapshot {there}/snapshots/{name} is damaged ({error}), and no old blobs were removed: delete it and"
            " back up again"
        ) from None
