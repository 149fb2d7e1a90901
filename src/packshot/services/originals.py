"""Storing originals: uploads are examined, then their bytes are written, then all that points at them in one work.

Large ones come in piece by piece: they are staged, and examined where they lie.
"""

import asyncio
import contextlib
import hashlib
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TypeVar

import msgspec
import structlog

from packshot.domain.errors import LimitReached, PackshotError, StoreFull, Unavailable
from packshot.domain.originals import Header, ImageLimits, Looks, NewBlob, check_header, check_size
from packshot.imaging.jobs import Examine
from packshot.imaging.probe import probe
from packshot.imaging.process import sealed
from packshot.services import scrub
from packshot.services.core import Core
from packshot.storage import accounts, blob_rows
from packshot.storage.blob_rows import StoredBlob
from packshot.storage.blobs import Bytes, Staged, new_key
from packshot.storage.database import Tx

Result = TypeVar("Result")

INLINE_BYTES = 32 * 1024
"""Up to this size an upload is decoded and hashed on the event loop; a thread would cost more."""

_TRIES = 3

_log = structlog.get_logger("packshot.originals")


class Upload(msgspec.Struct, frozen=True):
    """A picture on its way in: its name, about how many bytes it has, and how to get at them."""

    name: str
    about_bytes: int
    read: Callable[[], bytes]


class Examined(msgspec.Struct, frozen=True):
    """The bytes of an upload with what they are; nothing of it has been stored yet."""

    data: bytes | Staged
    blob: NewBlob


class _Doomed(Exception):
    """A blob to share is no more."""


class _Brought(msgspec.Struct, frozen=True):
    """`seen`: the live blob with these bytes, if any. `own_key`: where we wrote them, if that cannot be shared."""

    blob: NewBlob
    seen: StoredBlob | None
    own_key: str | None


async def examine(core: Core, upload: Upload) -> Examined:
    """Look at an upload before anything is stored.

    Its header is read here; its pixels are decoded in an image worker, unless `intake.verify` says otherwise.

    Raises:
        InvalidRequest: it has no content.
        UnacceptableImage: it is no picture of an accepted format, passes a limit, or is damaged.
        LimitReached: the workers have more to do than they can take.
        Unavailable: a worker was lost.
    """

    def look() -> _Looked:
        data = upload.read()
        header = _header(data, core.limits)
        blob = NewBlob(hashlib.sha256(data).hexdigest(), len(data), header)
        return Examined(data, blob), sealed(data) if core.intake.verify == "full" else None

    examined, file = look() if upload.about_bytes <= INLINE_BYTES else await _on_thread(core, look)
    if not file:
        return examined
    with file:
        return await _decoded(core, examined, file)


_Looked = tuple[Examined, io.FileIO | None]


async def _on_thread(core: Core, look: Callable[[], _Looked]) -> _Looked:
    """*look* goes on to its end also when nobody waits for it any more: then the file it opened is closed."""
    looking = asyncio.get_running_loop().run_in_executor(core.threads, look)
    try:
        return await asyncio.shield(looking)
    except asyncio.CancelledError:
        looking.add_done_callback(_close)
        raise


def _close(looking: asyncio.Future[_Looked]) -> None:
    if not looking.cancelled() and looking.exception() is None and (file := looking.result()[1]):
        file.close()


@contextlib.asynccontextmanager
async def staging(core: Core) -> AsyncIterator[Staged]:
    """An upload to `append` to, which is gone when the block ends, unless it was stored.

    Raises:
        LimitReached: as many as may be are on their way in.
    """
    _require_slot(core)
    staged = core.blobs.stage()
    try:
        yield staged
    finally:
        core.staging.discard(staged.path)
        await core.blobs.discard(staged)


async def append(core: Core, staged: Staged, piece: Bytes) -> None:
    """Take the next piece of an upload, which counts as on its way in from the first one on: who is silent does not.

    Raises:
        LimitReached: others came before it.
        StoreFull, Unavailable: as `store`.
    """
    if staged.path not in core.staging:
        _require_slot(core)
        core.staging.add(staged.path)
    await core.blobs.append(staged, piece)


def _require_slot(core: Core) -> None:
    if len(core.staging) >= core.prints.at_once:
        raise LimitReached("uploads at once", retry_after_s=1)


async def examine_staged(core: Core, staged: Staged, limits: ImageLimits) -> Examined:
    """Look at an upload that is staged as a whole. Raises: UnacceptableImage, LimitReached, Unavailable."""

    def look() -> Examined:
        header = _header(core.blobs.view(staged), limits)
        return Examined(staged, NewBlob(staged.digest.hexdigest(), staged.size_bytes, header))

    examined = await asyncio.get_running_loop().run_in_executor(core.threads, look)
    if core.intake.verify == "header":
        return examined
    with core.blobs.opened(staged) as file:
        return await _decoded(core, examined, file)


async def _decoded(core: Core, examined: Examined, file: io.FileIO) -> Examined:
    looks = await decode(core, examined.blob.header, file.fileno(), examined.blob.digest)
    return msgspec.structs.replace(examined, blob=msgspec.structs.replace(examined.blob, looks=looks))


async def decode(core: Core, header: Header, source: int, digest: str) -> Looks:
    """Have every pixel of the file `source` decoded once. Raises: UnacceptableImage, LimitReached, Unavailable."""
    found = await core.workers.examine(Examine(header, decode=True), source, digest)
    return Looks(
        found.orientation,
        found.alpha,
        found.profile,
        found.colour or (0, 0, 0),
        found.thumbhash or b"",
        found.phash or 0,
    )


def _header(data: Bytes, limits: ImageLimits) -> Header:
    check_size(len(data), limits)
    header = probe(data)
    check_header(header, limits)
    return header


async def store(
    core: Core, account_id: int, originals: Sequence[Examined], work: Callable[[Tx, list[int]], Awaitable[Result]]
) -> Result:
    """Run *work* in one transaction with the ids of the blobs that hold the originals, in their order.

    Their bytes are on the disk before it begins. If it is refused nothing is kept, neither rows nor bytes.

    Raises:
        StoreFull: there is no room.
        Unavailable: the store cannot be written to.
        PackshotError: whatever the work raises.
    """
    begun = core.now()
    own: list[_Brought] = []
    for _ in range(_TRIES):
        brought = await _bring_all(core, account_id, originals, own)
        if done := await _commit(core, account_id, originals, work, brought, begun):
            return done[0]
        own = [one for one in brought if one.own_key]  # kept for the next try: what was staged is used up
    await _discard(core, _keys(own))
    raise Unavailable("blob store")


async def _commit(
    core: Core,
    account_id: int,
    originals: Sequence[Examined],
    work: Callable[[Tx, list[int]], Awaitable[Result]],
    brought: Sequence[_Brought],
    begun: int,
) -> tuple[Result] | None:
    """Bytes first, pointers second. None when a blob to share was doomed in between: look again."""
    used: set[str] = set()

    async def commit(tx: Tx) -> Result:
        ids = await _point(tx, account_id, brought, begun)
        if ids is None:
            raise _Doomed
        used.clear()  # it may be run twice
        used.update(key for _, key in ids.values() if key)
        return await work(tx, [ids[original.blob.digest][0] for original in originals])

    if core.now() - begun > core.upkeep.grace_s // 2 * 1_000_000:
        raise Unavailable("blob store")  # so slow that the sweep might take the bytes before they have a row
    try:
        done = await core.db.write(commit)
    except _Doomed:
        return None
    except Unavailable:
        raise  # nobody knows whether it was committed: the sweep finds the bytes if they are not needed
    except PackshotError:
        await _discard(core, _keys(brought))
        raise
    await _discard(core, _keys(brought) - used)
    return (done,)


async def _bring_all(
    core: Core, account_id: int, originals: Sequence[Examined], own: Sequence[_Brought]
) -> list[_Brought]:
    """Equal bytes are brought once, and those in *own* are there already."""
    brought = list(own)
    missing = {original.blob.digest: original for original in originals}
    for one in own:
        del missing[one.blob.digest]
    try:
        for original in missing.values():
            brought.append(await _bring(core, account_id, original))  # noqa: PERF401 - the list is needed half-made
    except PackshotError:
        await _discard(core, _keys(brought))
        raise
    return brought


def _keys(brought: Sequence[_Brought]) -> set[str]:
    return {one.own_key for one in brought if one.own_key}


async def _bring(core: Core, account_id: int, original: Examined) -> _Brought:
    blob = original.blob
    seen = await blob_rows.find_live(core.db, account_id, blob.digest)
    there = seen and await core.blobs.find_size(seen.key) == blob.size_bytes
    if seen and there and await scrub.is_intact(core, seen.key, blob.digest, blob.size_bytes):
        return _Brought(blob, seen, None)
    if seen:
        _log.error("original is missing or damaged", key=seen.key, shown_by=await scrub.shown_by(core, seen.id))
    return _Brought(blob, seen, await _put(core, original))


async def _put(core: Core, original: Examined) -> str:
    """Write the bytes, and return their key. Raises: StoreFull, Unavailable."""
    key = new_key(original.blob.digest)
    try:
        await core.blobs.put(key, original.data)
    except Unavailable as error:
        if not error.unclear or isinstance(original.data, Staged):
            raise
        # Nobody knows what that key will come to hold, or when: the sweep looks after it. Another one is certain.
        key = new_key(original.blob.digest)
        await core.blobs.put(key, original.data)
    return key


async def _point(
    tx: Tx, account_id: int, brought: Sequence[_Brought], now: int
) -> dict[str, tuple[int, str | None]] | None:
    """By digest: the id of the blob that is live now, and the key of ours if that one is it."""
    brought = sorted(brought, key=lambda one: one.blob.digest)  # two works that bring the same wait in the same order
    current = {one.blob.digest: await blob_rows.hold_live(tx, account_id, one.blob.digest) for one in brought}
    # Before the first change: a work that gives up leaves nothing.
    if any(one.own_key is None and current[one.blob.digest] is None for one in brought):
        return None
    return {one.blob.digest: await _live(tx, account_id, one, current[one.blob.digest], now) for one in brought}


async def _same_without_room(tx: Tx, account_id: int, blob: NewBlob) -> StoredBlob | None:
    """Where there is no room for it: the same bytes, if it was them that took it meanwhile. Raises: StoreFull."""
    if await accounts.has_room(tx, account_id, blob.size_bytes):
        return None
    if same := await blob_rows.hold_live(tx, account_id, blob.digest):
        return same
    raise StoreFull


async def _live(tx: Tx, account_id: int, one: _Brought, current: StoredBlob | None, now: int) -> tuple[int, str | None]:
    if current and (one.own_key is None or current != one.seen):
        return current.id, None
    if current:  # its bytes were found missing or damaged, and ours are whole
        await scrub.mark_corrupt(tx, (account_id, current.id), now)
    if same := await _same_without_room(tx, account_id, one.blob):
        return same.id, None
    for _ in range(_TRIES):
        if blob_id := await blob_rows.add_blob(tx, account_id, one.blob, str(one.own_key), now):
            if await blob_rows.heal(tx, account_id, one.blob.digest, blob_id):
                await scrub.note_repaired(tx, (account_id, blob_id), now)
            return blob_id, one.own_key
        if other := await blob_rows.hold_live(tx, account_id, one.blob.digest):
            return other.id, None  # somebody was quicker
    raise _Doomed


async def _discard(core: Core, keys: set[str]) -> None:
    """Give surplus bytes back; failing to only makes an orphan."""
    for key in keys:
        with contextlib.suppress(Unavailable):
            await core.blobs.delete(key)
