"""What happens to bytes that nothing points at: doomed, later deleted; and files nobody knows: swept.

Renditions go once their original is doomed, since nobody can ask for them any more, and where there are too many.
Rows of codes, tokens, logins and keys of calls that have ended are purged along with them, and images whose time is
over are deleted.

The database alone says what exists. Every step may be repeated, stopped or killed at any point.
"""

import asyncio
import math
from collections.abc import AsyncIterator
from functools import partial
from operator import add
from typing import Final

import msgspec
import structlog

from packshot.domain.access import server_for
from packshot.domain.errors import PackshotError
from packshot.services import audit, deliveries, erasing, libraries, limits, nodes, scrub
from packshot.services.core import DAY_S, Core
from packshot.storage import blob_rows, idempotency, sequences, tokens, trash
from packshot.storage.database import Tx

BATCH = 500
PAGE = 10_000
"""How many keys are listed at once, and rows looked at."""

_PLACES = 1 << 16
Share = tuple[str, str]
"""The keys above the first text and below the second."""

ALL: Final[Share] = "", "g"
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
    """A round every `upkeep.every_s` seconds; a round that fails is logged and the next one tries again.

    Of servers that share a store one does it for all of them, and each what is to be done in its own data folder.
    """
    await core.renditions.trim()  # nobody knows how much there is before
    every_s = core.upkeep.every_s

    async def for_all(times: int) -> Round:
        core.node_counts["rounds"] += 1
        return await _run_for_all(core, share_of(times, every_s))

    while True:
        await asyncio.sleep(every_s)
        try:
            done = _both(await nodes.once(core, "upkeep", every_s, for_all) or Round(), await _run_here(core))
        except PackshotError as error:
            _log.warning("upkeep failed", why=str(error))
            continue
        except Exception:  # noqa: BLE001 - a bug here must not end the server
            _log.error("upkeep failed", exc_info=True)
            continue
        if done != Round():
            _log.info("upkeep", **msgspec.structs.asdict(done))


async def run_once(core: Core, share: Share = ALL) -> Round:
    """Expire, doom and reap once, and sweep that share of the files. Raises: Unavailable."""
    return _both(await _run_for_all(core, share), await _run_here(core))


async def _run_for_all(core: Core, share: Share) -> Round:
    """What is done to the store. Raises: Unavailable."""
    erased, _ = await erasing.delete_bytes(core)
    await deliveries.purge(core)
    await limits.purge(core)
    expired = await libraries.expire(core)
    given_up = await empty_trash(core)
    return Round(
        doomed=await doom(core),
        reaped=await reap(core) + erased,
        swept=await sweep(core, share),
        ended=await purge(core),
        expired=expired,
        given_up=given_up,
        forgotten=await audit.purge(core),
        repaired=await scrub.repair(core, scrub.Pace(core.upkeep.scrub_bytes_s)),
    )


async def _run_here(core: Core) -> Round:
    """What is done to the data folder of this server, and counted for its metrics. Raises: Unavailable."""
    await asyncio.to_thread(core.reserve.take_back)
    await scrub.count_corrupt(core)
    return Round(
        staging=await core.blobs.sweep_staging(core.upkeep.grace_s),
        renditions=await sweep_renditions(core) + await core.renditions.trim(),
    )


def _both(one: Round, other: Round) -> Round:
    return Round(*map(add, msgspec.structs.astuple(one), msgspec.structs.astuple(other)))


async def doom(core: Core) -> int:
    """Doom the blobs that nothing points at, and return how many.

    Young ones are left alone: an upload may be about to share them.
    """
    now = core.now()
    before, count = now - core.upkeep.young_s * _SECOND, 0
    # Looked for without a lock: hardly any is found among all that there are.
    for first in range(1, await blob_rows.last_id(core.db) + 1, PAGE):
        found = await blob_rows.of_orphans(core.db, range(first, first + PAGE), before)
        for at in range(0, len(found), BATCH):
            work = partial(blob_rows.doom, ids=found[at : at + BATCH], now=now)
            count += await core.db.write(work, makes_room=True)
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
        ended = await trash.of_ended(tx, before, BATCH)
        for account_id, given_up in (await trash.images_of(tx, ended) if ended else {}).items():
            await audit.note(tx, server_for(account_id), "given up", given_up, now)
        return await trash.purge(tx, ended) if ended else 0

    while gone := await core.db.write(work, makes_room=True):
        count += gone
    return count


async def sweep(core: Core, share: Share = ALL) -> int:
    """Delete stored bytes older than the grace that no row names, of that share; return how many."""
    count = 0
    if await sequences.next_id(core.db, "account") == 1:  # a store that never had an account has put nothing there
        return count
    async for key in strangers(core, core.upkeep.grace_s, share):
        await core.blobs.delete(key)
        count += 1
    return count


async def strangers(core: Core, older_than_s: float, share: Share = ALL) -> AsyncIterator[str]:
    """Keys of stored bytes older than that, of a share, which no row names. Raises: Unavailable."""
    after, end = share
    while after < end and (keys := await core.blobs.of_keys(older_than_s, after, PAGE)):
        wanted = [key for key in keys if key < end]
        for first in range(0, len(wanted), BATCH):
            await asyncio.sleep(0)  # reads hardly ever suspend: let requests in between
            for key in await blob_rows.unknown(core.db, wanted[first : first + BATCH]):
                yield key
        after = keys[-1]


def share_of(number: int, every_s: int) -> Share:
    """The share of all keys for the round of that number, one every so many seconds: each key is in one within a day.

    They follow each other, whoever begins the rounds. That of a round which fails or is cut off before it has swept is
    left out, until the same one comes again a day later.
    """
    size = min(1 + _PLACES * every_s // DAY_S, _PLACES)
    first = number % math.ceil(_PLACES / size) * size
    last = first + size
    return f"{first:04x}", f"{last:04x}" if last < _PLACES else ALL[1]


async def sweep_renditions(core: Core) -> int:
    """Delete what was made of originals that are doomed or gone; return how many files."""
    keys, count = list(await core.renditions.of_keys()), 0
    for first in range(0, len(keys), BATCH):
        await asyncio.sleep(0)
        for key in await blob_rows.unwanted(core.db, keys[first : first + BATCH]):
            count += await core.renditions.forget(key)
    return count
