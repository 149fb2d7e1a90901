"""The port to the bytes of blobs, which lie on a disk (`disk`) or in a bucket (`s3`).

A key is `<digest>.<generation>`: written once, never changed, never used again.
"""

import hashlib
import re
import secrets
import threading
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import Any, Protocol

import msgspec

Bytes = bytes | bytearray | memoryview

KEY = re.compile(r"[0-9a-f]{64}\.[0-9a-f]{16}")

PRESIGNED_S = 60
"""How long a presigned address lives."""


class BlobSettings(msgspec.Struct, frozen=True):
    """Where the bytes of originals lie.

    `url`: a place in a bucket, such as `s3://bucket/prefix`, or a folder that several nodes share, such as
    `file:///mnt/shop`; without one they are in the data folder. `mirror`: a folder laid out like `blobs/` of the data
    folder, such as a backup's, that lost bytes are taken from.
    """

    url: str = ""
    mirror: str = ""


@dataclass(slots=True)
class Staged:
    """Bytes on their way into a store, in a file nobody else knows: how many, and `digest` of them so far.

    The rest is the store's. Whoever gives up takes the `lock` first, so that no write under way hits what another
    upload has opened meanwhile. After `over`, nothing is taken any more: a write that comes late would begin a file
    that nobody ends.
    """

    path: Path
    size_bytes: int = 0
    digest: Any = field(default_factory=hashlib.sha256)
    descriptor: int | None = None
    over: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)


def new_key(digest: str) -> str:
    """A key nobody has used before for bytes with this digest."""
    return f"{digest}.{secrets.token_hex(8)}"


class BlobStore(Protocol):
    """Where the bytes of blobs live."""

    async def put(self, key: str, data: Bytes | Staged) -> None:
        """Store the bytes under a new key; when this returns they survive a power cut.

        They become visible all at once or not at all. What was staged is used up. Raises: StoreFull, Unavailable.
        """

    def stage(self) -> Staged:
        """Begin an upload that comes piece by piece; whoever does so discards it in the end."""

    async def append(self, staged: Staged, piece: Bytes) -> None:
        """Write the next bytes of an upload, and digest them. Raises: StoreFull, Unavailable."""

    def view(self, staged: Staged) -> memoryview:
        """All bytes of an upload, as a map of its file: what is looked at is read, on the calling thread.

        Raises: Unavailable.
        """

    def opened(self, staged: Staged) -> FileIO:
        """The file of an upload, to be read only. Raises: Unavailable."""

    async def discard(self, staged: Staged) -> None:
        """Give up an upload with its bytes; one that was put is left alone. Nothing is raised: the sweep comes."""

    async def find_size(self, key: str) -> int | None:
        """How many bytes are stored under the key. Raises: Unavailable."""

    async def file(self, key: str) -> FileIO:
        """A file with the bytes of the key, to be read only and closed by the caller. Raises: Unavailable."""

    async def read(self, key: str, start: int, end: int) -> bytes:
        """Bytes start (inclusive) to end (exclusive), for small pieces only: a disk is read without letting go.

        Raises: Unavailable (also when the key is gone).
        """

    def location(self, key: str) -> str | None:
        """Where a file server on this machine finds the key's bytes, relative to the data folder; None if nowhere."""

    def presigned(self, key: str, answer: Mapping[str, str]) -> str | None:
        """An address that gives the key's bytes to whoever GETs it in the next `PRESIGNED_S`; None if there is none.

        `answer` has headers, by lower-case name, that come with them: those of `presigned.HEADERS`.
        """

    def stream(self, key: str, start: int, end: int) -> AsyncIterator[bytes]:
        """The same bytes piece by piece, without holding up the event loop. Raises: Unavailable."""

    def scan(self, key: str) -> AsyncIterator[bytes]:
        """All bytes of the key as the disk or bucket has them, not as memory does, piece by piece.

        Where they are missing or cannot be read, there are none from there on. Raises: Unavailable (for other reasons).
        """

    def scan_copy(self, key: str) -> AsyncIterator[bytes]:
        """The same of the mirror's copy, of another generation perhaps; where there is none, it has no bytes."""

    async def delete(self, key: str) -> None:
        """Make the key's bytes go; a key that is gone already is fine. Raises: Unavailable."""

    async def of_keys(self, older_than_s: float, after: str = "", limit: int | None = None) -> list[str]:
        """The first keys above *after*, *limit* or all, whose bytes are older than that, by the store's own clock.

        They are sorted. Raises: Unavailable.
        """

    async def sweep_staging(self, older_than_s: float) -> int:
        """Delete unfinished uploads older than that; return how many. Raises: Unavailable."""
