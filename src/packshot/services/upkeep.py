"""What happens to bytes that nothing points at: doomed, later deleted; and files nobody knows: swept.

Renditions go once their original is doomed, since nobody can ask for them any more, and where there are too many.
Rows of codes, tokens, logins and keys of calls that have ended are purged along with them, and images whose time is
over are deleted.

The database alone says what exists. Every step may be repeated, stopped or killed at any point.
"""

import asyncio
from functools import partial

import msgspec
import structlog

from packshot.domain.access import server_for
from packshot.domain.errors import PackshotError
from packshot.services import audit, deliveries, erasing, libraries, scrub
from packshot.services.core import DAY_S, Core
from packshot.storage import blob_rows, idempotency, tokens, trash
from packshot.storage.database import Tx

BATCH = 500
_SECOND = 1_000_000

_log = structlog.get_logger("packshot.upkeep")


class Round(msgspec.Struct, frozen=True):
    """What one round did: orphans doomed, doomed blobs deleted, unknown files and unfinished uploads swept.

    `ended`: rows of codes, tokens, logins and keys of calls that were purged. `expired`: images deleted from temporary
    libraries. `renditions`: files deleted from their cache, along with their originals or for want of room. `given_up`:
    deletions whose things are in the trash no longer. `repaired`: damaged originals that are whole again. `forgotten`:
    lines of the audit log that had been kept for as long as is wanted.
    """

    doomed: int = 0
    reaped: int = 0
    swept: int = 0
    staging: int = 0
    ended: int = 0
    expired: int = 0
    renditions: int = 0
    given_up: int = 0
    repaired: int = 0
    forgotten: int = 0


async def run_for_ever(core: Core) -> None:
    """A round every `upkeep.every_s` seconds; a round that fails is logged and the next one tries again."""
    await core.renditions.trim()  # nobody knows how much there is before
    while True:
        await asyncio.sleep(core.upkeep.every_s)
        try:
            done = await run_once(core)
        except PackshotError as error:
            _log.warning("upkeep failed", why=str(error))
            continue
        except Exception:  # noqa: BLE001 - a bug here must not end the server
            _log.error("upkeep failed", exc_info=True)
            continue
        if done != Round():
            _log.info("upkeep", **msgspec.structs.asdict(done))


async def run_once(core: Core) -> Round:
    """Expire, doom, reap and sweep once. Raises: Unavailable."""
    erased, _ = await erasing.delete_bytes(core)
    await asyncio.to_thread(core.reserve.take_back)
    staging = await core.blobs.sweep_staging(core.upkeep.grace_s)
    await deliveries.purge(core)
    expired = await libraries.expire(core)
    given_up = await empty_trash(core)
    return Round(
        doomed=await doom(core),
        reaped=await reap(core) + erased,
        swept=await sweep(core),
        staging=staging,
        ended=await purge(core),
        expired=expired,
        renditions=await sweep_renditions(core) + await core.renditions.trim(),
        given_up=given_up,
        forgotten=await audit.purge(core),
        repaired=await scrub.repair(core, scrub.Pace(core.upkeep.scrub_bytes_s)),
    )


async def doom(core: Core) -> int:
    """Doom the blobs that nothing points at, and return how many.

    Young ones are left alone: an upload may be about to share them.
    """
    now = core.now()
    before, count = now - core.upkeep.young_s * _SECOND, 0
    # In small ranges, so that other writers get their turn between them.
    for first in range(1, await blob_rows.last_id(core.db) + 1, BATCH):
        ids = range(first, first + BATCH)
        count += await core.db.write(partial(blob_rows.doom, ids=ids, created_before=before, now=now), makes_room=True)
    return count


async def reap(core: Core) -> int:
    """Delete the bytes of blobs doomed longer than the retention, then their rows; return how many.

    None while a backup holds them.
    """
    before, count = core.now() - core.upkeep.retention_s * _SECOND, 0
    while batch := await blob_rows.of_doomed(core.db, before, BATCH, core.now()):
        for blob_id, key in batch:
            await core.blobs.delete(key)
            await core.db.write(partial(blob_rows.forget, blob_id=blob_id), makes_room=True)
        count += len(batch)
    return count


async def purge(core: Core) -> int:
    """Delete codes, tokens, logins and keys of calls that have ended, and return how many."""
    now, count = core.now(), 0
    before = now - DAY_S * _SECOND
    while purged := await core.db.write(partial(tokens.purge, now=now, before=before, limit=BATCH), makes_room=True):
        count += purged
    while purged := await core.db.write(partial(idempotency.purge, now=now, limit=BATCH), makes_room=True):
        count += purged
    return count


async def empty_trash(core: Core) -> int:
    """Give up what has been in the trash for as long as it stays there; return how many deletions that were."""
    now = core.now()
    before, count = now - core.trash.keep_s * _SECOND, 0

    async def work(tx: Tx) -> int:
        for account_id, given_up in (await trash.of_ended(tx, before, BATCH)).items():
            await audit.note(tx, server_for(account_id), "given up", given_up, now)
        return await trash.purge(tx, before, BATCH)

    while gone := await core.db.write(work, makes_room=True):
        count += gone
    return count


async def sweep(core: Core) -> int:
    """Delete stored bytes older than the grace that no row names; return how many."""
    count = 0
    for number, key in enumerate(await core.blobs.of_keys(core.upkeep.grace_s)):
        if number % BATCH == 0:
            await asyncio.sleep(0)  # reads hardly ever suspend: let requests in between
        if not await blob_rows.has_key(core.db, key):
            await core.blobs.delete(key)
            count += 1
    return count


async def sweep_renditions(core: Core) -> int:
    """Delete what was made of originals that are doomed or gone; return how many files."""
    count = 0
    for number, key in enumerate(await core.renditions.of_keys()):
        if number % BATCH == 0:
            await asyncio.sleep(0)
        if not await blob_rows.is_wanted(core.db, key):
            count += await core.renditions.forget(key)
    return count
