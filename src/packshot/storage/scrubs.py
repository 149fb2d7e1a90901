"""The one row that says how far the scrub has come."""

import msgspec

from packshot.storage.database import Reads, Tx

_BEGIN = (
    "UPDATE scrub SET begun_at = ?1, after_blob_id = 0, ended_at = NULL,"
    " last_blob_id = (SELECT coalesce(max(id), 0) FROM blob)"
)
_HERE = "WHERE id = 1 AND begun_at = ?1 AND after_blob_id = ?2 AND ended_at IS NULL"


class Cursor(msgspec.Struct, frozen=True):
    """A scrub under way: when it began, the last blob that it is done with, and the last one there was by then."""

    begun_at: int
    after_blob_id: int
    last_blob_id: int


async def find_cursor(reads: Reads) -> Cursor | None:
    """How far the scrub has come, if one is under way."""
    row = await reads.one("SELECT begun_at, after_blob_id, last_blob_id FROM scrub WHERE id = 1 AND ended_at IS NULL")
    return None if row is None else Cursor(*row)


async def begin(tx: Tx, now: int) -> None:
    """Begin with the first blob, whether or not another scrub is under way."""
    await tx.run(f"{_BEGIN} WHERE id = 1", now)


async def begin_due(tx: Tx, before: int, now: int) -> None:
    """The same, if none is under way and the last one began by then."""
    await tx.run(f"{_BEGIN} WHERE id = 1 AND ended_at IS NOT NULL AND begun_at <= ?2", now, before)


async def move(tx: Tx, cursor: Cursor, after_blob_id: int) -> None:
    """Go on to behind that blob, unless another process has moved the cursor meanwhile."""
    await tx.run(f"UPDATE scrub SET after_blob_id = ?3 {_HERE}", cursor.begun_at, cursor.after_blob_id, after_blob_id)


async def end(tx: Tx, cursor: Cursor, now: int) -> None:
    """The scrub is through, unless another process has begun anew meanwhile."""
    await tx.run(f"UPDATE scrub SET ended_at = ?3 {_HERE}", cursor.begun_at, cursor.after_blob_id, now)
