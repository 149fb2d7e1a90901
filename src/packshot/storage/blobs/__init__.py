"""The port to the bytes of blobs; `disk` is the one store of this version.

A key is `<digest>.<generation>`: written once, never changed, never used again.
"""

import secrets
from collections.abc import AsyncIterator
from typing import Protocol

Bytes = bytes | bytearray | memoryview


def new_key(digest: str) -> str:
    """A key nobody has used before for bytes with this digest."""
    return f"{digest}.{secrets.token_hex(8)}"


class BlobStore(Protocol):
    """Where the bytes of blobs live."""

    async def put(self, key: str, data: Bytes) -> None:
        """Store the bytes under a new key; when this returns they survive a power cut.

        They become visible all at once or not at all. Raises: StoreFull, Unavailable.
        """

    async def find_size(self, key: str) -> int | None:
        """How many bytes are stored under the key. Raises: Unavailable."""

    def read_now(self, key: str, start: int, end: int) -> bytes:
        """Bytes start (inclusive) to end (exclusive), read at once on the calling thread: for small pieces only.

        Raises: Unavailable (also when the key is gone).
        """

    def stream(self, key: str, start: int, end: int) -> AsyncIterator[bytes]:
        """The same bytes piece by piece, without holding up the event loop. Raises: Unavailable."""

    async def delete(self, key: str) -> None:
        """Make the key's bytes go; a key that is gone already is fine. Raises: Unavailable."""

    async def of_keys(self, older_than_s: float) -> list[str]:
        """All keys whose bytes are older than that, by the store's own clock."""

    async def sweep_staging(self, older_than_s: float) -> int:
        """Delete unfinished uploads older than that; return how many."""
