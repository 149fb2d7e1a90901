"""What backups and moves share: the hold that keeps bytes while they are copied, and copying them."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial

import msgspec
import structlog

from packshot.domain.errors import PackshotError
from packshot.services.core import Core
from packshot.storage import backup as rows
from packshot.storage.blobs import BlobStore

HOLD_S = 600
"""For how long a backup that was killed keeps bytes from being deleted."""

RENEW_S = 60.0
"""How often one that runs has them kept for longer."""

AT_ONCE = 16
"""How many blobs are copied at once: most of the time goes into waiting for the disk."""

SMALL_BYTES = 1024 * 1024
"""Up to this size a blob is copied in one piece, without a file in between."""

_SECOND = 1_000_000

_log = structlog.get_logger("packshot.copies")


class Copied(msgspec.Struct, frozen=True):
    """How many blobs were there to copy, how many were copied and how large those are, and which are lost.

    `lost`: sentences about live blobs whose bytes are missing or are not those that their names say.
    """

    blobs: int = 0
    copied: int = 0
    copied_bytes: int = 0
    lost: tuple[str, ...] = ()


@asynccontextmanager
async def held(core: Core) -> AsyncIterator[None]:
    """Have no blob's bytes deleted until the block ends."""

    def until() -> int:
        return core.now() + HOLD_S * _SECOND

    async def renew() -> None:
        while True:
            await asyncio.sleep(RENEW_S)
            try:
                await core.db.write(partial(rows.renew_hold, hold_id=hold_id, expires_at=until()), makes_room=True)
            except PackshotError as error:
                _log.warning("the hold on deleted pictures was not renewed", why=str(error))

    hold_id = await core.db.write(partial(rows.take_hold, expires_at=until(), now=core.now()), makes_room=True)
    renewing = asyncio.create_task(renew())
    try:
        yield
    finally:
        renewing.cancel()
        with suppress(asyncio.CancelledError):
            await renewing
        with suppress(PackshotError):  # it runs out by itself
            await core.db.write(partial(rows.drop_hold, hold_id=hold_id), makes_room=True)


async def copy_blob(source: BlobStore, target: BlobStore, key: str, size_bytes: int) -> bool:
    """Copy a blob that *target* lacks, comparing it with its digest; False where the source has others, or none.

    Raises: StoreFull, Unavailable (also where *source* cannot say what it has).
    """
    if size_bytes <= SMALL_BYTES:
        return await _copy_small(source, target, key)
    staged = target.stage()
    try:
        async for piece in source.scan(key):
            await target.append(staged, piece)
        if staged.digest.hexdigest() != _digest_of(key):
            return False
        await target.put(key, staged)
        return True
    finally:
        await target.discard(staged)


async def _copy_small(source: BlobStore, target: BlobStore, key: str) -> bool:
    data = bytearray()
    async for piece in source.scan(key):
        data += piece
    if hashlib.sha256(data).hexdigest() != _digest_of(key):
        return False
    await target.put(key, bytes(data))
    return True


def _digest_of(key: str) -> str:
    return key.partition(".")[0]
