"""Backups in a bucket, laid out as in a folder: `snapshots/<time>/` with its files, `blobs/`, and a lock beside them.

A snapshot is there once its manifest is, which is written last and deleted first.
"""

import errno
import os
import tempfile
import threading
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError

from packshot.storage.backup import BackupUnusable
from packshot.storage.blobs.s3 import PART_BYTES, S3Blobs, open_bucket, reason
from packshot.storage.blobs.staging import Staging
from packshot.storage.folder import DATABASE, KEY_FILE, LOCK_FILE
from packshot.storage.snapshots import MANIFEST, NAME, SNAPSHOTS

RENEW_S = 60.0
STALE_S = 600.0
"""A lock that was not renewed for so long is that of a backup that was killed."""


class BucketTarget:
    """A place in a bucket for backups, named by an address like `s3://bucket/prefix`."""

    def __init__(self, url: str) -> None:
        self.place = url.rstrip("/")
        with _explaining(self.place):
            self._bucket = open_bucket(self.place)

    def __str__(self) -> str:
        return self.place

    @contextmanager
    def held(self) -> Iterator[None]:
        """See `snapshots.Target.held`. Whatever else lies in the bucket is left alone."""
        with _explaining(self.place):
            self._lock()
        over = threading.Event()
        renewing = threading.Thread(target=self._renew, args=(over,), daemon=True)
        renewing.start()
        try:
            yield
        finally:
            over.set()
            renewing.join()
            with suppress(BaseError):  # it goes stale by itself
                obstore.delete(self._bucket, LOCK_FILE)

    def _lock(self) -> None:
        own = os.urandom(8).hex().encode()
        try:
            obstore.put(self._bucket, LOCK_FILE, own, mode="create")
        except AlreadyExistsError:
            there = obstore.head(self._bucket, LOCK_FILE)
            probe = f"{LOCK_FILE}-{own.decode()}"
            obstore.put(self._bucket, probe, own)
            now = obstore.head(self._bucket, probe)["last_modified"]  # by the bucket's own clock
            obstore.delete(self._bucket, probe)
            if now - there["last_modified"] < timedelta(seconds=STALE_S):
                raise BackupUnusable(
                    f"another backup into {self.place} is running, or was killed in the last {STALE_S / 60:.0f} minutes"
                ) from None
            obstore.put(self._bucket, LOCK_FILE, own)

    def _renew(self, over: threading.Event) -> None:
        while not over.wait(RENEW_S):
            with suppress(BaseError):
                obstore.put(self._bucket, LOCK_FILE, b"renewed")

    @contextmanager
    def opened(self, threads: ThreadPoolExecutor) -> Iterator[S3Blobs]:
        """See `snapshots.Target.opened`."""
        with tempfile.TemporaryDirectory(prefix="packshot-") as place:
            yield S3Blobs(self._bucket, Staging(Path(place), threads, lambda _: None))

    def names(self) -> list[str]:
        """See `snapshots.Target.names`."""
        with _explaining(self.place):
            paths = [one["path"] for one in obstore.list(self._bucket, prefix=SNAPSHOTS).collect()]
        names = (path.split("/")[1] for path in paths if path.endswith(f"/{MANIFEST}"))
        return sorted(name for name in names if NAME.fullmatch(name))

    @contextmanager
    def making(self, name: str) -> Iterator[Path]:
        """See `snapshots.Target.making`."""
        with tempfile.TemporaryDirectory(prefix="packshot-") as place:
            yield Path(place)
            with _explaining(self.place):
                for file in (DATABASE, KEY_FILE, MANIFEST):
                    obstore.put(self._bucket, _path(name, file), Path(place) / file)

    def remove(self, name: str) -> None:
        """See `snapshots.Target.remove`."""
        with _explaining(self.place):
            for file in (MANIFEST, KEY_FILE, DATABASE):
                obstore.delete(self._bucket, _path(name, file))

    def has_bytes(self, digests: Collection[str]) -> bool:
        """See `snapshots.Target.has_bytes`."""
        try:
            shards = [obstore.list(self._bucket, prefix=f"blobs/{shard}") for shard in {one[:2] for one in digests}]
            paths = [one["path"] for shard in shards for one in shard.collect()]
        except BaseError:
            return True
        return any(path.rpartition("/")[2].partition(".")[0] in digests for path in paths)

    def read(self, name: str, file: str) -> bytes:
        """See `snapshots.Target.read`."""
        with _explaining(self.place):
            return bytes(obstore.get(self._bucket, _path(name, file)).bytes())

    @contextmanager
    def fetched(self, name: str) -> Iterator[Path]:
        """See `snapshots.Target.fetched`."""
        with tempfile.TemporaryDirectory(prefix="packshot-") as place:
            for file in (DATABASE, KEY_FILE):
                with suppress(FileNotFoundError):  # then it is not in the folder either
                    self._fetch(_path(name, file), Path(place) / file)
            yield Path(place)

    def _fetch(self, path: str, target: Path) -> None:
        with _explaining(self.place):
            size_bytes = obstore.head(self._bucket, path)["size"]
            with target.open("wb") as copy:
                for start in range(0, size_bytes, PART_BYTES):  # each part has its own time to arrive in
                    end = min(start + PART_BYTES, size_bytes)
                    copy.write(obstore.get_range(self._bucket, path, start=start, end=end))


def _path(name: str, file: str) -> str:
    return f"{SNAPSHOTS}/{name}/{file}"


@contextmanager
def _explaining(url: str) -> Iterator[None]:
    """A bucket that does not answer, in words; a missing object is a FileNotFoundError."""
    try:
        yield
    except FileNotFoundError:
        raise FileNotFoundError(errno.ENOENT, "No such object", url) from None
    except (BaseError, ValueError) as error:
        raise BackupUnusable(f"{url} cannot be used: {reason(error)}") from error
