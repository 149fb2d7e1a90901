"""Blobs as objects of a bucket, in any store that speaks S3; uploads are staged on this machine's disk.

An object is there whole or not at all. Since no key is ever used again, a request that timed out may be carried out
late: a late write repeats the same bytes, a late deletion hits what nobody points at.
"""

import io
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import S3Store

from packshot.domain.errors import Unavailable
from packshot.storage.blobs import KEY, Bytes, Staged
from packshot.storage.blobs.disk import scan_mirror
from packshot.storage.blobs.staging import Staging

PIECE_BYTES = 256 * 1024
PART_BYTES = 8 * 1024 * 1024
"""What is larger goes to the bucket in parts of this size."""

_RETRIES = 2
_TIMEOUT = timedelta(seconds=30)
_CONNECT_TIMEOUT = timedelta(seconds=5)


def open_bucket(url: str) -> S3Store:
    """The bucket and prefix of an address like `s3://bucket/prefix`.

    Credentials, region and endpoint are those of the usual `AWS_*` variables, or of the machine's own role.
    Raises: BaseError (the store's own), where it is no such address.
    """
    return S3Store.from_url(
        url,
        config={"checksum_algorithm": "SHA256"},
        client_options={"allow_http": True, "timeout": _TIMEOUT, "connect_timeout": _CONNECT_TIMEOUT},
        retry_config={"max_retries": _RETRIES, "retry_timeout": _TIMEOUT},
    )


class S3Blobs:
    """Blobs as `blobs/<first two digits>/<key>` below the prefix of a bucket; *mirror* is as in `DiskBlobs`."""

    def __init__(self, bucket: S3Store, staging: Staging, mirror: Path | None = None) -> None:
        self._bucket = bucket
        self._mirror = mirror
        self._staging = staging
        self.stage, self.append, self.view = staging.stage, staging.append, staging.view
        self.opened, self.discard, self.sweep_staging = staging.opened, staging.discard, staging.sweep

    def prepare(self) -> None:
        """Make the folder that uploads are staged in; a bucket needs none."""
        self._staging.folder.mkdir(parents=True, exist_ok=True)

    async def put(self, key: str, data: Bytes | Staged) -> None:
        """See `BlobStore.put`."""
        if isinstance(data, Staged):
            await self._staging.in_thread(lambda: self._put_file(key, data))
            return
        try:
            with _translating():
                await obstore.put_async(self._bucket, _name(key), data, mode="create", use_multipart=False)
        except AlreadyExistsError:
            pass  # our own first try came through, although its answer did not: nobody else writes this key

    def _put_file(self, key: str, staged: Staged) -> None:
        with self._staging.whole(staged) as path:
            with path.open("rb") as file, _translating():
                obstore.put(self._bucket, _name(key), file, chunk_size=PART_BYTES)
            self._staging.files.unlink(path)

    async def find_size(self, key: str) -> int | None:
        """See `BlobStore.find_size`."""
        try:
            with _translating():
                return (await obstore.head_async(self._bucket, _name(key)))["size"]
        except FileNotFoundError:
            return None

    async def file(self, key: str) -> io.FileIO:
        """See `BlobStore.file`."""
        size_bytes = await self.find_size(key)
        if size_bytes is None:
            raise Unavailable("blob store")
        with tempfile.TemporaryFile(dir=self._staging.folder) as copy:
            async for piece in self.stream(key, 0, size_bytes):
                copy.write(piece)
            copy.flush()
            return io.FileIO(f"/proc/self/fd/{copy.fileno()}")

    async def read(self, key: str, start: int, end: int) -> bytes:
        """See `BlobStore.read`."""
        if start == end:
            return b""
        try:
            with _translating():
                data = bytes(await obstore.get_range_async(self._bucket, _name(key), start=start, end=end))
        except FileNotFoundError as error:
            raise Unavailable("blob store") from error
        if len(data) != end - start:
            raise Unavailable("blob store")
        return data

    def location(self, key: str) -> None:
        """See `BlobStore.location`."""

    async def stream(self, key: str, start: int, end: int) -> AsyncIterator[bytes]:
        """See `BlobStore.stream`."""
        for first in range(start, end, PIECE_BYTES):
            yield await self.read(key, first, min(first + PIECE_BYTES, end))

    async def scan(self, key: str) -> AsyncIterator[bytes]:
        """See `BlobStore.scan`."""
        size_bytes = await self.find_size(key)
        async for piece in self.stream(key, 0, size_bytes or 0):
            yield piece

    def scan_copy(self, key: str) -> AsyncIterator[bytes]:
        """See `BlobStore.scan_copy`."""
        return scan_mirror(self._staging, self._mirror, key)

    async def delete(self, key: str) -> None:
        """See `BlobStore.delete`."""
        with _translating():
            await obstore.delete_async(self._bucket, _name(key))

    async def of_keys(self, older_than_s: float) -> list[str]:
        """See `BlobStore.of_keys`."""
        limit = await self._bucket_time() - timedelta(seconds=older_than_s)
        keys = []
        with _translating():
            async for batch in obstore.list(self._bucket, prefix="blobs"):
                keys += [one["path"].rpartition("/")[2] for one in batch if one["last_modified"] <= limit]
        return [key for key in keys if KEY.fullmatch(key)]  # whatever else lies there is not ours

    async def _bucket_time(self) -> datetime:
        """The time by the bucket's own clock."""
        probe = f"clock/{uuid4().hex}"
        with _translating():
            await obstore.put_async(self._bucket, probe, b"")
            try:
                return (await obstore.head_async(self._bucket, probe))["last_modified"]
            finally:
                await obstore.delete_async(self._bucket, probe)


def _name(key: str) -> str:
    return f"blobs/{key[:2]}/{key}"


@contextmanager
def _translating() -> Iterator[None]:
    """FileNotFoundError and AlreadyExistsError are for those who ask; all else is a store that does not answer."""
    try:
        yield
    except AlreadyExistsError:
        raise
    except BaseError as error:
        raise Unavailable("blob store") from error
