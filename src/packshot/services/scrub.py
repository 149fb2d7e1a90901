"""Reading originals again: whatever is not what was stored is taken out of use, and repaired where that can be.

Bytes that are right again, since a disk came back, are used again; else a second copy takes their place under a key of
its own, as does the same picture uploaded once more (see `originals`). Every step may be repeated, stopped or killed at
any point, and taken by several processes at once.
"""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Literal, get_args

import msgspec
import structlog

from packshot.domain.access import server_for
from packshot.domain.audit import Action
from packshot.domain.errors import PackshotError, StoreFull, Unavailable
from packshot.domain.libraries import Library, LibraryImage
from packshot.domain.originals import Original
from packshot.services import audit, events, nodes
from packshot.services.core import Core
from packshot.storage import blob_rows, images, library, locks, scrubs, trash
from packshot.storage.blob_rows import BlobRow
from packshot.storage.blobs import new_key
from packshot.storage.database import Tx

CHECKED_BYTES = 1024 * 1024
"""Up to this size originals are compared with their digest whenever they are read: measured, 40 KB take 22 us."""

LARGE_AGAIN_S = 3_600
BATCH = 500
PORTION_BYTES = 64 * 1024 * 1024
"""After so many bytes, or `BATCH` blobs, it is written down how far a scrub has come."""

SHOWN = 5
_SECOND = 1_000_000

_LIBRARIES = get_args(Library)

Outcome = Literal["intact", "corrupt", "repaired", "gone"]

_log = structlog.get_logger("packshot.scrub")


class Scrubbed(msgspec.Struct, frozen=True):
    """What a scrub did: blobs read, those that are missing or damaged still, and those that were and are whole."""

    blobs: int = 0
    corrupt: int = 0
    repaired: int = 0


class Pace:
    """Keeps work to so many bytes a second, or to none if that is 0. *clock* gives seconds, *sleep* waits for some."""

    def __init__(
        self,
        bytes_s: int,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._bytes_s = bytes_s
        self._clock = clock
        self._sleep = sleep
        self._free_at = 0.0

    async def spend(self, count: int) -> None:
        """Wait as long as so many bytes may take. Time in which nothing was done is not made up for."""
        if self._bytes_s:
            now = self._clock()
            self._free_at = max(self._free_at, now) + count / self._bytes_s
            await self._sleep(self._free_at - now)


async def run_for_ever(core: Core) -> None:
    """Scrub at the pace of the settings, as often as they say; what fails is logged and tried again.

    One of the servers that share a store does it for all of them.
    """

    async def slowly(_: int) -> Scrubbed:
        now = core.now()
        before = now - core.upkeep.scrub_every_s * _SECOND
        await core.db.write(partial(scrubs.begin_due, before=before, now=now), makes_room=True)
        return await go_on(core, Pace(core.upkeep.scrub_bytes_s), lambda _: None)

    while core.upkeep.scrub_bytes_s and core.upkeep.scrub_every_s:
        await asyncio.sleep(core.upkeep.every_s)
        try:
            done = await nodes.once(core, "scrub", core.upkeep.every_s, slowly)
        except PackshotError as error:
            _log.warning("scrub failed", why=str(error))
            continue
        except Exception:  # noqa: BLE001 - a bug here must not end the server
            _log.error("scrub failed", exc_info=True)
            continue
        if done and done.blobs:
            _log.info("scrub", **msgspec.structs.asdict(done))


async def run_once(core: Core, progress: Callable[[int], None]) -> Scrubbed:
    """Scrub everything from the beginning, as fast as it goes. *progress* hears how many blobs were read.

    A server beside it goes on from where this one is, and after it.

    Raises:
        Unavailable, StoreFull.
    """
    await core.db.write(partial(scrubs.begin, now=core.now()), makes_room=True)
    return await go_on(core, Pace(0), progress)


async def go_on(core: Core, pace: Pace, progress: Callable[[int], None]) -> Scrubbed:
    """Scrub from where the last one stopped to the end, if one is under way. Raises: Unavailable, StoreFull."""
    found: dict[Outcome, int] = {"intact": 0, "corrupt": 0, "repaired": 0, "gone": 0}
    while cursor := await scrubs.find_cursor(core.db):
        portion = _portion(await blob_rows.walk(core.db, cursor.after_blob_id, BATCH), cursor.last_blob_id)
        for blob in portion:
            found[await check(core, blob, pace)] += 1
            progress(sum(found.values()))
        if portion:
            await core.db.write(partial(scrubs.move, cursor=cursor, after_blob_id=portion[-1].id), makes_room=True)
        else:
            await core.db.write(partial(scrubs.end, cursor=cursor, now=core.now()), makes_room=True)
    await count_corrupt(core)
    return Scrubbed(sum(found.values()) - found["gone"], found["corrupt"], found["repaired"])


def _portion(blobs: list[BlobRow], last_id: int) -> list[BlobRow]:
    # Not what came since, copies of lost ones included: on a disk that keeps nothing there would be no end of them.
    portion, size_bytes = [], 0
    for blob in blobs:
        if blob.id > last_id or size_bytes >= PORTION_BYTES:
            break
        portion.append(blob)
        size_bytes += blob.size_bytes
    return portion


async def check(core: Core, blob: BlobRow, pace: Pace) -> Outcome:
    """Read a blob again, take it out of use if it is not what it was, and repair it where that can be.

    `gone`: it is doomed, or nothing needs it. Raises: Unavailable, StoreFull.
    """
    current = await blob_rows.find(core.db, blob.key)  # a batch may be hours old
    if current is None or current.state == "doomed":
        return "gone"
    core.blob_counts["scrubbed"] += 1
    whole = await digest_of(core.blobs.scan(blob.key), pace) == blob.digest
    if whole and current.state == "live":
        return "intact"
    place = (blob.account_id, blob.id)
    if not whole and await core.db.write(partial(mark_corrupt, place=place, now=core.now()), makes_room=True):
        _log.error("original is missing or damaged", key=blob.key, shown_by=await shown_by(core, blob.id))
    if not await blob_rows.is_needed(core.db, blob.id):
        return "gone"
    revived = whole and await core.db.write(partial(_revive, blob=blob, now=core.now()), makes_room=True)
    if not (revived or await _copy_back(core, blob, pace)):
        return "corrupt"
    core.blob_counts["repaired"] += 1
    _log.info("original is repaired", key=blob.key, by="itself" if revived else "the second copy")
    return "repaired"


async def mark_corrupt(tx: Tx, place: tuple[int, int], now: int) -> bool:
    """Take the live blob of *place*, its account and id, out of use inside a work, and note that for its images.

    False if it is not live any more.
    """
    found = await blob_rows.mark_corrupt(tx, place[1])
    if found:
        shown = await _write_down(tx, place, "corrupt", now)
        told = [image for image in shown if image.place.library in _LIBRARIES]  # not files of property values
        await events.note_images(tx, server_for(place[0]), "PACKSHOT.IMAGE.ON.CORRUPT", told, now)
    return found


async def note_repaired(tx: Tx, place: tuple[int, int], now: int) -> None:
    """Write down inside a work that the images of the blob of *place*, its account and id, have their bytes again."""
    await _write_down(tx, place, "repaired", now)


async def _write_down(tx: Tx, place: tuple[int, int], action: Action, now: int) -> list[LibraryImage]:
    """Note it for the images of a blob, in the trash too; return those that are not there."""
    shown = await library.of_blob(tx, *place)
    # Events come in the order of products, or of images without one.
    await locks.hold(tx, "product", {image.product_id for image in shown if image.product_id is not None})
    await locks.hold(tx, "image", [image.id for image in shown])
    images = [*map(audit.of_image, shown), *await trash.images_of_blob(tx, *place)]
    await audit.note(tx, server_for(place[0]), action, images, now)
    return shown


async def _revive(tx: Tx, blob: BlobRow, now: int) -> bool:
    revived = await blob_rows.revive(tx, blob)
    if revived:
        await note_repaired(tx, (blob.account_id, blob.id), now)
    return revived


async def _replace(tx: Tx, blob: BlobRow, key: str, now: int) -> bool:
    replaced = await blob_rows.replace(tx, blob, key, now)
    if replaced and (live := await blob_rows.find_live(tx, blob.account_id, blob.digest)):
        await note_repaired(tx, (blob.account_id, live.id), now)
    return replaced


async def shown_by(core: Core, blob_id: int) -> str:
    """Some images of a blob, in the trash too, in words that people can act on; empty if nothing needs it."""
    shown = [*await images.of_blob(core.db, blob_id, SHOWN), *await trash.of_blob(core.db, blob_id, SHOWN)]
    return ", ".join(shown[:SHOWN])


async def digest_of(pieces: AsyncIterator[bytes], pace: Pace) -> str:
    """SHA-256 of all pieces, 64 hex digits."""
    found = hashlib.sha256()
    async for piece in pieces:
        found.update(piece)
        await pace.spend(len(piece))
    return found.hexdigest()


async def _copy_back(core: Core, blob: BlobRow, pace: Pace) -> bool:
    """Store the second copy as a new generation, and point at that, if it is what the first one was."""
    staged, key = core.blobs.stage(), new_key(blob.digest)
    try:
        async for piece in core.blobs.scan_copy(blob.key):
            await core.blobs.append(staged, piece)
            await pace.spend(len(piece))
        if staged.digest.hexdigest() != blob.digest:
            return False
        await core.blobs.put(key, staged)
    except StoreFull as error:
        _log.warning("original cannot be repaired yet", key=blob.key, why=str(error))
        return False
    finally:
        await core.blobs.discard(staged)
    if await core.db.write(partial(_replace, blob=blob, key=key, now=core.now()), makes_room=True):
        return True
    await core.blobs.delete(key)  # the same was uploaded again meanwhile
    return False


async def repair(core: Core, pace: Pace) -> int:
    """Try again to repair what is corrupt; return how many blobs are whole again. Raises: Unavailable.

    Each time all of it is read, so originals of more than `CHECKED_BYTES` are tried once in `LARGE_AGAIN_S`.
    """
    after_id = repaired = 0
    while batch := await blob_rows.of_corrupt(core.db, after_id, BATCH):
        outcomes = [await check(core, blob, pace) for blob in batch if _is_due(core, blob)]
        repaired, after_id = repaired + outcomes.count("repaired"), batch[-1].id
    return repaired


def _is_due(core: Core, blob: BlobRow) -> bool:
    now = core.now()
    if blob.size_bytes > CHECKED_BYTES and core.tried.get(blob.id, 0) > now:
        return False
    core.tried[blob.id] = now + LARGE_AGAIN_S * _SECOND
    return True


async def count_corrupt(core: Core) -> int:
    """How many originals are missing or damaged, as far as is known; metrics show that from now on."""
    core.blob_counts["corrupt"] = await blob_rows.count_corrupt(core.db)
    return core.blob_counts["corrupt"]


async def read_checked(core: Core, original: Original, start: int, end: int) -> bytes:
    """Bytes start (inclusive) to end (exclusive) of an original of `CHECKED_BYTES` at most, if all of it is intact.

    Otherwise it is looked at again soon, and repaired where that can be. Raises: Unavailable.
    """
    data = await _whole(core, original.key, original.digest, original.size_bytes)
    if data is None:
        core.making.soon((original.key, "check"), partial(_look_again, core, original.key))
        raise Unavailable("original")
    return data[start:end]


async def is_intact(core: Core, key: str, digest: str, size_bytes: int) -> bool:
    """Whether the stored bytes are what they were; of those of more than `CHECKED_BYTES` that is believed.

    Raises:
        Unavailable: the store does not say; that is no reason to take them for lost.
    """
    return size_bytes > CHECKED_BYTES or await _whole(core, key, digest, size_bytes) is not None


async def _whole(core: Core, key: str, digest: str, size_bytes: int) -> bytes | None:
    try:
        data = await core.blobs.read(key, 0, size_bytes)
    except Unavailable as error:
        if error.unclear:
            raise
        return None
    return data if hashlib.sha256(data).hexdigest() == digest else None


async def _look_again(core: Core, key: str) -> None:
    try:
        if blob := await blob_rows.find(core.db, key):
            await check(core, blob, Pace(0))
            await count_corrupt(core)
    except PackshotError as error:
        _log.warning("scrub failed", why=str(error))
