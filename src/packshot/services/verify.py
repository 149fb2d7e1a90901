"""Does the store hold together? Rows against each other, and against the bytes; nothing is changed."""

from collections.abc import AsyncIterator, Callable

import msgspec

from packshot.services import scrub
from packshot.services.core import Core
from packshot.storage import accounts, blob_rows
from packshot.storage.blob_rows import BlobRow
from packshot.storage.health import foreign_key_errors, integrity_errors

BATCH = 500


class Finding(msgspec.Struct, frozen=True):
    """One thing looked at: `ok`, and what was found in a sentence."""

    ok: bool
    what: str


async def verify(
    core: Core, progress: Callable[[int], None], *, full: bool, after_id: int = 0
) -> AsyncIterator[Finding]:
    """Look at the database, then at every blob by id. *progress* hears the id of each blob that was looked at.

    *full* reads all of the database and every byte of every live blob; without it, a blob is a file of the right size.
    With an *after_id* it goes on with the blobs behind that one, where another one was interrupted.

    Raises:
        Unavailable.
    """
    if not after_id:
        async for finding in _database(core, full=full):
            yield finding
    async for finding in _blobs(core, progress, after_id, full=full):
        yield finding


async def _database(core: Core, *, full: bool) -> AsyncIterator[Finding]:
    errors = [
        *await integrity_errors(core.db, full=full),
        *await foreign_key_errors(core.db),
        *await blob_rows.doubled(core.db),
        *await accounts.drifted(core.db),
    ]
    for error in errors:
        yield Finding(ok=False, what=f"database: {error}")
    if not errors:
        yield Finding(ok=True, what="database: consistent")


async def _blobs(core: Core, progress: Callable[[int], None], after_id: int, *, full: bool) -> AsyncIterator[Finding]:
    seen = findings = 0
    while batch := await blob_rows.walk(core.db, after_id, BATCH):
        for blob in batch:
            if wrong := await _wrong(core, blob, full=full):
                findings += 1
                yield Finding(ok=False, what=wrong)
            seen += 1
            progress(blob.id)
        after_id = batch[-1].id
    if not findings:
        bytes_ = "the bytes that were stored" if full else "its bytes"
        yield Finding(ok=True, what=f"blobs: {seen} rows, every live one has {bytes_}")


async def _wrong(core: Core, blob: BlobRow, *, full: bool) -> str | None:
    """What is wrong with a blob in a sentence: live bytes have to be there, and nothing points at others."""
    lost = await _lost(core, blob, full=full) if blob.state == "live" else f"is {blob.state}"
    if lost is None:
        return None
    # A batch may be hours old: what is doomed by now may be gone, and what was uploaded again is well.
    current = await blob_rows.find(core.db, blob.key)
    shown = await scrub.shown_by(core, blob.id)
    if current is None or (current.state != "live" and not shown):
        return None
    return f"blob {blob.key} {lost} ({shown or 'no image'}): upload the picture again, or restore it"


async def _lost(core: Core, blob: BlobRow, *, full: bool) -> str | None:
    size_bytes = await core.blobs.find_size(blob.key)
    if size_bytes is None:
        return "is missing"
    if size_bytes != blob.size_bytes:
        return f"has {size_bytes} bytes instead of {blob.size_bytes}"
    if full and await scrub.digest_of(core.blobs.scan(blob.key), scrub.Pace(0)) != blob.digest:
        return "is damaged"
    return None
