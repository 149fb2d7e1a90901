"""A store moved to another home, between SQLite and PostgreSQL, a disk and a bucket, while it is served.

Originals never change, so they come first, as often as wanted. Then all rows come in one transaction out of one
snapshot, with the originals that were added meanwhile: the new home holds a whole store or the one it had before.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager

import msgspec

from packshot.domain.errors import StoreFull, Unavailable
from packshot.services import scrub
from packshot.services.copies import AT_ONCE, Copied, copy_blob, held
from packshot.services.core import Core
from packshot.storage import blob_rows, copying, homes, images, marks, moves, snapshots
from packshot.storage.blob_rows import BlobRow
from packshot.storage.blobs import BlobStore
from packshot.storage.blobs.s3 import reason
from packshot.storage.copying import Digest
from packshot.storage.database import Reads
from packshot.storage.folder import LOCK_FILE, FolderInUse, Lock, StoreUnusable, make
from packshot.storage.homes import SHARDS, Home, Shelf

BATCH = 500
SHOWN = 5
_DAMAGED = (
    "is damaged in the new home: delete it there, unless both homes have the same place for originals, and run the same"
    " command again"
)
_MB = 1024 * 1024

Told = Callable[[str, int, int, int], None]
"""Hears what is being copied, how much of it is done, how much there is, and how many bytes that made."""


class CannotMove(StoreUnusable):
    """The store cannot be moved; the message says why. The new home is as it was, but for originals."""


class Moved(msgspec.Struct, frozen=True):
    """How many rows were moved, and what became of originals. `is_last`: no server was at work on the old home."""

    rows: int
    images: int
    blobs: Copied
    is_last: bool


async def move(core: Core, source: Home, target: Home, told: Told, *, full: bool = False) -> Moved:
    """Bring the store at *source*, which *core* has open, to *target* as it is at one moment from now on.

    A server may go on serving at *source*; what was brought before is not copied again, but for the rows. *target* is
    empty, or holds what was brought there last and nobody has changed since. *full* reads all originals there again.

    Raises:
        CannotMove: *target* holds something else, has no room, or cannot be written to.
        CannotCopy: a database cannot be read or written to, or has what the other one cannot keep.
        StoreUnusable: a database or folder cannot be used.
    """
    with _alone(source) as is_last, ThreadPoolExecutor(AT_ONCE) as threads, _explaining():
        if await moves.is_empty(core.db):
            raise CannotMove(f"there is no store in {source.folder} that could be moved")
        async with _ours(source, target, threads) as shelf:
            await homes.require_free(target)
            await _require_room(core.db, target, shelf)
            async with held(core):
                first, lost = await _bring(core.db, core.blobs, shelf, told, full=full)
                rows, brought = await _bring_all(core.blobs, (source, target), shelf, told, lost)
    blobs = msgspec.structs.replace(
        brought, copied=first.copied + brought.copied, copied_bytes=first.copied_bytes + brought.copied_bytes
    )
    return Moved(sum(one.rows for one in rows.values()), rows["image"].rows, blobs, is_last)


@contextmanager
def _alone(home: Home) -> Iterator[bool]:
    """Whether no server is at work in the folder; then none begins until the block ends."""
    try:
        lock = Lock(home.folder)
    except FolderInUse:
        yield False
        return
    try:
        yield True
    finally:
        if not lock.was_unclean:  # otherwise the next server has still to look at what the last one left
            lock.release()


@asynccontextmanager
async def _ours(source: Home, target: Home, threads: ThreadPoolExecutor) -> AsyncIterator[Shelf]:
    """The originals of the new home, with its folder to ourselves until the block ends. Raises: CannotMove."""
    folder = target.folder
    make(folder)
    if folder.samefile(source.folder):
        raise CannotMove(f"the store is in {folder} already: name another folder, every home has its own")
    if target.database_url and target.database_url == source.database_url:
        raise CannotMove("the rows are in that database already: name another one, every home has its own")
    lock = Lock(folder)
    try:
        shelf = homes.open_shelf(target, threads)
        if marks.find_mark(folder) is None:
            await _require_unused(source, target, shelf)
            marks.write_mark(folder, ())
        key = source.key.read_bytes()
        if not target.key.exists():
            snapshots.write(target.key, key)
        if target.key.read_bytes() != key:
            raise CannotMove(f"{folder} is the home of another store: name an empty folder")
        await asyncio.to_thread(shelf.blobs.prepare)
        if not target.blobs_url.startswith("file:"):  # there nodes may be taking uploads, and their upkeep sweeps
            await shelf.blobs.sweep_staging(0)
        yield shelf
    finally:
        if not lock.was_unclean:
            lock.release()


async def _require_unused(source: Home, target: Home, shelf: Shelf) -> None:
    """Raises: CannotMove."""
    strange = {path.name for path in target.folder.iterdir()} - {LOCK_FILE, f"{marks.MARK}.part", "lost+found"}
    if strange:
        raise CannotMove(f"{target.folder} is not empty, it holds {min(strange)}: name an empty folder")
    if target.blobs_url in {"", source.blobs_url}:
        return
    for shard in SHARDS:
        if await shelf.sizes(shard):
            raise CannotMove(f"{target.blobs_url} holds originals already: name an empty place")


async def _require_room(rows: Reads, target: Home, shelf: Shelf) -> None:
    """Raises: CannotMove."""
    if target.blobs_url:
        return
    _, needed_bytes = await moves.count_needed(rows)
    for shard in SHARDS:
        needed_bytes -= sum((await shelf.sizes(shard)).values())
    free_bytes = shutil.disk_usage(target.folder).free
    if needed_bytes > free_bytes:
        raise CannotMove(
            f"{needed_bytes / _MB:.0f} MB of originals are still to be copied to {target.folder}, where"
            f" {free_bytes / _MB:.0f} MB are free"
        )


async def _bring_all(
    blobs: BlobStore, ends: tuple[Home, Home], shelf: Shelf, told: Told, damaged: list[BlobRow]
) -> tuple[dict[str, Digest], Copied]:
    """Copy all rows, then what originals they name that are not there yet; lost ones are marked as corrupt.

    *damaged*: those whose bytes in the new home were found to be wrong: they are not read again while rows are locked.
    """
    source, target = ends
    async with homes.filling(target) as end:
        async with copying.reading(source.database) as one:
            rows = await copying.copy(one, end, lambda done, total: told("rows", done, total, 0))
        brought, lost = await _bring(end.tx, blobs, shelf, told, damaged={blob.key for blob in damaged})
        for blob in lost:
            await blob_rows.mark_corrupt(end.tx, blob.id)
        now = homes.fingerprint(await copying.digests(end) if lost else rows)
        marks.add_to_mark(target.folder, now)
    marks.write_mark(target.folder, (now,))
    return rows, brought


async def _bring(
    rows: Reads, source: BlobStore, shelf: Shelf, told: Told, *, full: bool = False, damaged: Collection[str] = ()
) -> tuple[Copied, list[BlobRow]]:
    """Copy the originals that rows name and the shelf lacks; returns the lost ones, too.

    *damaged*: keys whose bytes on the shelf are known to be wrong.
    """
    total, _ = await moves.count_needed(rows)
    seen = copied = copied_bytes = 0
    lost: list[BlobRow] = []
    words: list[str] = []
    limit = asyncio.Semaphore(AT_ONCE)

    async def bring(blob: BlobRow, there: int | None) -> str | None:
        nonlocal seen, copied, copied_bytes
        async with limit:
            wrong = None
            if there is not None:
                is_well = blob.key not in damaged and await _is_well(blob, shelf, there, full=full)
                wrong = None if is_well else _DAMAGED
            elif await copy_blob(source, shelf.blobs, blob.key, blob.size_bytes):
                copied, copied_bytes = copied + 1, copied_bytes + blob.size_bytes
            else:
                wrong = "is missing or damaged"
        seen += 1
        told("originals", seen, total, copied_bytes)
        return wrong if blob.state == "live" else None

    for shard in SHARDS:
        there, after = await shelf.sizes(shard), ""
        while batch := await moves.of_shard(rows, shard, after, BATCH):
            after = batch[-1].key
            found = await asyncio.gather(*(bring(blob, there.get(blob.key)) for blob in batch))
            for blob, wrong in zip(batch, found, strict=True):
                if wrong:
                    shown = ", ".join(await images.of_blob(rows, blob.id, SHOWN))
                    lost.append(blob)
                    words.append(f"blob {blob.key} {wrong} ({shown or 'no image'})")
    return Copied(total, copied, copied_bytes, tuple(words)), lost


async def _is_well(blob: BlobRow, shelf: Shelf, there: int, *, full: bool) -> bool:
    """Whether the bytes in the new home, so many, are those of the blob, as far as they are looked at."""
    if there != blob.size_bytes:
        return False
    return not full or await scrub.digest_of(shelf.blobs.scan(blob.key), scrub.Pace(0)) == blob.digest


@contextmanager
def _explaining() -> Iterator[None]:
    """Raises: CannotMove."""
    try:
        yield
    except (StoreFull, Unavailable, OSError) as error:
        raise CannotMove(
            f"the store could not be copied ({reason(error)}): run the same command again, and it goes on"
        ) from error
