"""Blobs as objects of a bucket, in any store that speaks S3; uploads are staged on this machine's disk.

An object is there whole or not at all. Since no key is ever used again, a request that timed out may be carried out
late: a late write repeats the same bytes, a late deletion hits what nobody points at.
"""

import asyncio
import io
import re
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

import obstore
import structlog
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import S3Store

from packshot.domain.errors import PackshotError, StoreFull, Unavailable
from packshot.storage.blobs import KEY, Bytes, Staged
from packshot.storage.blobs.disk import scan_mirror
from packshot.storage.blobs.presigned import Signer
from packshot.storage.blobs.staging import Staging

PIECE_BYTES = 256 * 1024
PART_BYTES = 8 * 1024 * 1024
"""What is larger goes to the bucket in parts of this size."""

PATIENCE_S = 15.0
"""For how long a request of one piece is tried, with a second more for each `BYTES_S` that it carries."""

BYTES_S = 1_000_000
TIMEOUT = timedelta(seconds=30)
"""For how long any request may take, the parts of a large upload too."""

_CONNECT_TIMEOUT = timedelta(seconds=5)
_RETRIES = 2

_WORDS = {
    "InvalidAccessKeyId": "it does not know the access key: see AWS_ACCESS_KEY_ID",
    "SignatureDoesNotMatch": "the secret does not go with the access key: see AWS_SECRET_ACCESS_KEY",
    "ExpiredToken|InvalidToken": "the session token is not good, or no longer: see AWS_SESSION_TOKEN",
    "RequestTimeTooSkewed": "the clock of this machine is wrong",
    "NoSuchBucket": "there is no bucket of that name: see blobs.url",
    "PermanentRedirect|AuthorizationHeaderMalformed|configured region": "it lies elsewhere: see AWS_REGION",
    "AccessDenied|status code: 40[13]": "the credentials do not allow that, or are wrong",
    "BadDigest|XAmzContentSHA256Mismatch|InvalidDigest": "what arrived there is not what was sent",
    "status code: 507|QuotaExceeded|StorageFull": "there is no room left",
    "SlowDown|TooManyRequests|status code: (429|503)": "it has more to do than it can take",
    "status code: 5": "it has failed",
}
"""What a store means, by what it says."""

_SILENT = "it does not answer, or not in time: see AWS_ENDPOINT_URL"
_UNHEARD = re.compile("HTTP error|error sending request|timed out")
_FULL = re.compile("status code: 507|QuotaExceeded|StorageFull")
_REFUSED = re.compile("status code: [34]")

_log = structlog.get_logger("packshot.bucket")


def open_bucket(url: str, endpoint: str = "") -> S3Store:
    """The bucket and prefix of an address like `s3://bucket/prefix`.

    Credentials, region and endpoint are those of the usual `AWS_*` variables, or of the machine's own role; *endpoint*
    is another way to the same store.
    Raises: BaseError (the store's own), ValueError, where it is no such address.
    """
    return S3Store.from_url(
        url,
        config={"checksum_algorithm": "SHA256", **({"endpoint": endpoint} if endpoint else {})},
        client_options={"allow_http": True, "timeout": TIMEOUT, "connect_timeout": _CONNECT_TIMEOUT},
        retry_config={"max_retries": _RETRIES, "retry_timeout": TIMEOUT},
    )


class S3Blobs:
    """Blobs as `blobs/<first two digits>/<key>` below the prefix of a bucket.

    *mirror* is as in `DiskBlobs`; *signer* makes addresses of the same bucket, if clients may be sent there.
    """

    def __init__(
        self, bucket: S3Store, staging: Staging, mirror: Path | None = None, signer: Signer | None = None
    ) -> None:
        self._bucket = bucket
        self._mirror = mirror
        self._signer = signer
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
            size_bytes = data.size_bytes
        else:
            size_bytes = len(data)
            async with _answering(size_bytes=size_bytes):
                with _once():
                    await obstore.put_async(self._bucket, _name(key), data, mode="create", use_multipart=False)
                    return  # as it was sent, or the store would have said so
        # Put together from parts, or by a try whose answer was lost: there is no word yet on how much there is.
        if await self.find_size(key) != size_bytes:
            raise Unavailable("blob store", unclear=True)

    def _put_file(self, key: str, staged: Staged) -> None:
        with self._staging.whole(staged) as path:
            with path.open("rb") as file, _translating(), _once():
                if staged.size_bytes > PART_BYTES:
                    # In parts nothing can be said against overwriting; but nobody else has this key. obstore gives the
                    # parts back where one of them fails.
                    obstore.put(self._bucket, _name(key), file, chunk_size=PART_BYTES)
                else:
                    obstore.put(self._bucket, _name(key), file, mode="create", use_multipart=False)
            self._staging.files.unlink(path)

    async def find_size(self, key: str) -> int | None:
        """See `BlobStore.find_size`."""
        try:
            async with _answering(FileNotFoundError):
                return (await obstore.head_async(self._bucket, _name(key)))["size"]
        except FileNotFoundError:
            pass
        try:
            # A HEAD cannot say what is missing. Were it the whole bucket, every original would be taken for lost.
            async with _answering(FileNotFoundError):
                return (await obstore.get_async(self._bucket, _name(key))).meta["size"]
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
        async with _answering(size_bytes=end - start):
            data = bytes(await obstore.get_range_async(self._bucket, _name(key), start=start, end=end))
        if len(data) != end - start:
            raise Unavailable("blob store")
        return data

    def location(self, key: str) -> None:
        """See `BlobStore.location`."""

    def presigned(self, key: str, answer: Mapping[str, str]) -> str | None:
        """See `BlobStore.presigned`."""
        return self._signer.sign(_name(key), answer) if self._signer else None

    async def stream(self, key: str, start: int, end: int) -> AsyncIterator[bytes]:
        """See `BlobStore.stream`."""
        at, before = start, -1
        while at < end:
            if at == before:
                raise Unavailable("blob store")
            before = at
            # Whoever reads slowly holds the answer up until its time is over: then the rest is asked for.
            async for piece in self._pieces(key, at, end):
                yield piece
                at += len(piece)

    async def _pieces(self, key: str, start: int, end: int) -> AsyncIterator[bytes]:
        """What one answer gives of them, which may break off. Raises: Unavailable (before the first one)."""
        async with _answering():
            answer = await obstore.get_async(self._bucket, _name(key), options={"range": (start, end)})
        if answer.meta["size"] < end:  # nobody is promised what is not there
            raise Unavailable("blob store")
        pieces = answer.stream(min_chunk_size=PIECE_BYTES)
        chunk = None
        while True:
            try:
                async with asyncio.timeout(PATIENCE_S):
                    chunk = memoryview(await anext(pieces))
            except StopAsyncIteration:
                return
            except (BaseError, TimeoutError) as error:
                if chunk is None:
                    raise _translation(error) from error
                return
            for first in range(0, len(chunk), PIECE_BYTES):
                yield bytes(chunk[first : first + PIECE_BYTES])

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
        async with _answering():
            await obstore.delete_async(self._bucket, _name(key))

    async def of_keys(self, older_than_s: float, after: str = "", limit: int | None = None) -> list[str]:
        """See `BlobStore.of_keys`."""
        newest = await self._bucket_time() - timedelta(seconds=older_than_s)
        keys: list[str] = []
        with _translating():
            async for batch in obstore.list(self._bucket, prefix="blobs", offset=_name(after) if after else None):
                found = (one["path"].rpartition("/")[2] for one in batch if one["last_modified"] <= newest)
                keys += [key for key in found if KEY.fullmatch(key)]  # whatever else lies there is not ours
                if limit is not None and len(keys) >= limit:
                    break
        return sorted(keys)[:limit]  # they come sorted, as paths

    async def _bucket_time(self) -> datetime:
        """The time by the bucket's own clock."""
        probe = f"clock/{uuid4().hex}"
        async with _answering():
            await obstore.put_async(self._bucket, probe, b"")
            try:
                return (await obstore.head_async(self._bucket, probe))["last_modified"]
            finally:
                await obstore.delete_async(self._bucket, probe)


def _name(key: str) -> str:
    return f"blobs/{key[:2]}/{key}"


@contextmanager
def _once() -> Iterator[None]:
    """A put that finds its key taken: our own first try came through, although its answer did not."""
    with suppress(AlreadyExistsError):
        yield


@asynccontextmanager
async def _answering(*passed: type[Exception], size_bytes: int = 0) -> AsyncIterator[None]:
    """As `_translating`, for no longer than so many bytes may take."""
    with _translating(*passed):
        async with asyncio.timeout(PATIENCE_S + size_bytes / BYTES_S):
            yield


def reason(error: BaseException) -> str:
    """In one line, what is behind the error of a place for bytes: the words of a disk, or what a bucket's mean."""
    said = _said(cause := error.__cause__ or error)
    if isinstance(cause, PackshotError) or getattr(cause, "errno", None):
        return said
    if words := next((words for code, words in _WORDS.items() if re.search(code, said)), None):
        return words
    return _SILENT if not said or _UNHEARD.search(said) else said.partition("\n")[0]


def _said(error: BaseException) -> str:
    return str(error).partition("Debug source")[0].strip()


@contextmanager
def _translating(*passed: type[Exception]) -> Iterator[None]:
    """Say in the log why a bucket does not do what it is asked for. Raises: StoreFull, Unavailable, and those *passed*.

    What is missing is a FileNotFoundError, unless it is the bucket.
    """
    try:
        yield
    except (BaseError, FileNotFoundError, TimeoutError) as error:
        if isinstance(error, passed) and "NoSuchBucket" not in str(error):
            raise
        raise _translation(error) from error


def _translation(error: Exception) -> PackshotError:
    said = _said(error)
    _log.warning("the bucket does not do what it is asked for", why=reason(error), said=said)
    return StoreFull() if _FULL.search(said) else Unavailable("blob store", unclear=not _REFUSED.search(said))
