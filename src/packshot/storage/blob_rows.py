"""Rows of blobs: which bytes exist, and whether anything still points at them."""

from collections.abc import Sequence
from typing import Any

import msgspec

from packshot.domain.originals import Looks, NewBlob
from packshot.storage import locks
from packshot.storage.database import Reads, Tx
from packshot.storage.query import placeholders

_UNREFERENCED = (
    "NOT EXISTS (SELECT 1 FROM image WHERE image.blob_id = blob.id)"
    " AND NOT EXISTS (SELECT 1 FROM trash WHERE trash.blob_id = blob.id)"
)


LOOKS = "b.orientation, b.has_alpha, b.profile, b.colour, b.thumbhash, b.phash"
"""The columns that `looks` reads, of a blob called b."""


_ABOUT = (
    "account_id, digest, size_bytes, media_type, width_px, height_px, frames,"
    " orientation, has_alpha, profile, colour, thumbhash, phash"
)
"""The columns that are the same for all generations of the same bytes."""

_INSERT = f"INSERT INTO blob (key, created_at, state, {_ABOUT})"
_UNLESS_LIVE = "ON CONFLICT (account_id, digest) WHERE state = 'live' DO NOTHING RETURNING id"
_LIVE = "SELECT id, key, size_bytes FROM blob WHERE account_id = ?1 AND digest = ?2 AND state = 'live'"


class StoredBlob(msgspec.Struct, frozen=True):
    """A live blob's row."""

    id: int
    key: str
    size_bytes: int


class BlobRow(msgspec.Struct, frozen=True):
    """Whatever blob, as walks over the whole store see it."""

    id: int
    account_id: int
    digest: str
    key: str
    size_bytes: int
    state: str


_ROW = "SELECT id, account_id, digest, key, size_bytes, state FROM blob"


async def find_live(reads: Reads, account_id: int, digest: str) -> StoredBlob | None:
    """The blob that new images with these bytes share, if there is one."""
    row = await reads.one(_LIVE, account_id, digest)
    return None if row is None else StoredBlob(*row)


async def hold_live(tx: Tx, account_id: int, digest: str) -> StoredBlob | None:
    """The same for a work that is to point at it: until its end nobody dooms that blob."""
    row = await tx.one(_LIVE + locks.held(tx, "KEY SHARE"), account_id, digest)
    return None if row is None else StoredBlob(*row)


async def add_blob(tx: Tx, account_id: int, blob: NewBlob, key: str, now: int) -> int | None:
    """Insert a live blob whose bytes are on the disk already, and return its id; None where another one is live."""
    header = blob.header
    row = await tx.one(
        f"{_INSERT} VALUES (?1, ?2, 'live', {placeholders(3, range(13))}) {_UNLESS_LIVE}",
        key, now, account_id, blob.digest, blob.size_bytes,
        header.media_type, header.width_px, header.height_px, header.frames, *_columns(blob.looks),
    )  # fmt: skip
    return None if row is None else int(row[0])


async def describe(tx: Tx, blob_id: int, looks: Looks) -> None:
    """Write down what decoding found out."""
    await tx.run(
        "UPDATE blob SET orientation = ?2, has_alpha = ?3, profile = ?4, colour = ?5, thumbhash = ?6, phash = ?7"
        " WHERE id = ?1",
        blob_id, *_columns(looks),
    )  # fmt: skip


def _columns(looks: Looks | None) -> tuple[int | str | bytes | None, ...]:
    if looks is None:
        return (None,) * 6
    # 64 bits with a sign, which is what a column holds.
    phash = looks.phash - (looks.phash >> 63 << 64)
    colour = int.from_bytes(bytes(looks.colour))
    return looks.orientation, int(looks.has_alpha), looks.profile, colour, looks.thumbhash, phash


def looks(row: Sequence[Any]) -> Looks | None:
    """What is known of the looks of a blob, from its columns `LOOKS`."""
    orientation, has_alpha, profile, colour, thumbhash, phash = row
    if orientation is None:
        return None
    red, green, blue = colour.to_bytes(3)
    return Looks(orientation, bool(has_alpha), profile, (red, green, blue), thumbhash, phash % (1 << 64))


async def mark_corrupt(tx: Tx, blob_id: int) -> bool:
    """Take a live blob whose bytes are missing or wrong out of use; False if it is not live any more.

    Whoever is about to point at it has done so, or finds it out of use.
    """
    await locks.hold(tx, "blob", [blob_id], "UPDATE")
    return await tx.run("UPDATE blob SET state = 'corrupt' WHERE id = ?1 AND state = 'live'", blob_id) > 0


async def revive(tx: Tx, blob: BlobRow) -> bool:
    """Use a corrupt blob again whose bytes turned out well; False if it is not corrupt, or replaced by now."""
    await locks.hold(tx, "blob", [blob.id], "UPDATE")
    changed = await tx.run(
        "UPDATE blob SET state = 'live' WHERE id = ?1 AND state = 'corrupt'"
        " AND NOT EXISTS (SELECT 1 FROM blob b WHERE b.account_id = ?2 AND b.digest = ?3 AND b.state = 'live')",
        blob.id, blob.account_id, blob.digest,
    )  # fmt: skip
    return changed > 0


async def replace(tx: Tx, blob: BlobRow, key: str, now: int) -> bool:
    """Have the bytes under *key* take the place of a corrupt blob; False if other bytes did, or it is gone."""
    await locks.hold(tx, "blob", [blob.id], "UPDATE")
    row = await tx.one(
        f"{_INSERT} SELECT ?2, ?3, 'live', {_ABOUT} FROM blob WHERE id = ?1 AND state = 'corrupt' {_UNLESS_LIVE}",
        blob.id, key, now,
    )  # fmt: skip
    if row:
        await heal(tx, blob.account_id, blob.digest, row[0])
    return row is not None


async def heal(tx: Tx, account_id: int, digest: str, blob_id: int) -> int:
    """Point images of corrupt blobs with the same digest, in the trash too, at a blob that has those bytes again.

    Returns how many.
    """
    corrupt = await tx.all(
        "SELECT id FROM blob WHERE account_id = ?1 AND digest = ?2 AND state = 'corrupt' ORDER BY id"
        + locks.held(tx, "UPDATE"),  # whoever is about to point at them has done so from now on
        account_id, digest,
    )  # fmt: skip
    count = 0
    for table in ("image", "trash") if corrupt else ():
        for (old_id,) in corrupt:
            count += await tx.run(f"UPDATE {table} SET blob_id = ?2 WHERE blob_id = ?1", old_id, blob_id)
    return count


async def of_orphans(reads: Reads, ids: range, created_before: int) -> list[int]:
    """The ids in that range of blobs made before that moment that nothing points at, and that are not doomed."""
    rows = await reads.all(
        "SELECT id FROM blob WHERE id >= ?1 AND id < ?2 AND state IN ('live', 'corrupt') AND created_at < ?3"
        f" AND {_UNREFERENCED}",
        ids.start, ids.stop, created_before,
    )  # fmt: skip
    return [row[0] for row in rows]


async def doom(tx: Tx, ids: Sequence[int], now: int) -> int:
    """Doom those of the blobs, some hundreds, that nothing points at still; return how many.

    A doomed blob never comes back to life: equal bytes uploaded later get a new generation, so a late
    delete can only hit a key that nothing will point at again.
    """
    # Held before anybody asks what points at them: a work that is about to point at one has done so by then, or finds
    # it doomed. The update alone would hold up neither.
    free = await locks.hold(tx, "blob", ids, "UPDATE SKIP LOCKED")
    if not free:
        return 0
    return await tx.run(
        "UPDATE blob SET state = 'doomed', doomed_at = ?1"
        f" WHERE id IN ({placeholders(2, free)}) AND state IN ('live', 'corrupt') AND {_UNREFERENCED}",
        now, *free,
    )  # fmt: skip


async def last_id(reads: Reads) -> int:
    """The highest id of any blob, 0 if there is none."""
    row = await reads.one("SELECT coalesce(max(id), 0) FROM blob")
    return int(row[0]) if row else 0


async def of_doomed(reads: Reads, doomed_before: int, limit: int, now: int) -> list[tuple[int, str]]:
    """(id, key) of blobs doomed before that moment, longest first; none while somebody holds them at *now*.

    Both are asked at once: what this gives was doomed before any hold that is taken later.
    """
    rows = await reads.all(
        "SELECT id, key FROM blob WHERE state = 'doomed' AND doomed_at < ?1"
        " AND NOT EXISTS (SELECT 1 FROM hold WHERE expires_at > ?3) ORDER BY doomed_at LIMIT ?2",
        doomed_before, limit, now,
    )  # fmt: skip
    return [(row[0], row[1]) for row in rows]


async def forget(tx: Tx, blob_id: int) -> None:
    """Delete the row of a doomed blob whose bytes are gone."""
    await tx.run("DELETE FROM blob WHERE id = ?1 AND state = 'doomed'", blob_id)


async def unknown(reads: Reads, keys: Sequence[str]) -> list[str]:
    """Those of the keys, some hundreds, that no row names, in whatever state."""
    return await _without(reads, keys, "")


async def unwanted(reads: Reads, keys: Sequence[str]) -> list[str]:
    """Those of the keys, some hundreds, that no row names or a doomed one: no image can point at them."""
    return await _without(reads, keys, " AND state <> 'doomed'")


async def _without(reads: Reads, keys: Sequence[str], scope: str) -> list[str]:
    named = await reads.all(f"SELECT key FROM blob WHERE key IN ({placeholders(1, keys)}){scope}", *keys)
    known = {row[0] for row in named}
    return [key for key in keys if key not in known]


async def is_needed(reads: Reads, blob_id: int) -> bool:
    """Whether an image, in the trash perhaps, points at that blob."""
    return await reads.one(f"SELECT 1 FROM blob WHERE id = ?1 AND NOT ({_UNREFERENCED})", blob_id) is not None


async def count_formats(reads: Reads) -> dict[str, int]:
    """How many live blobs there are of each media type."""
    rows = await reads.all("SELECT media_type, count(*) FROM blob WHERE state = 'live' GROUP BY media_type ORDER BY 1")
    return {row[0]: row[1] for row in rows}


async def walk(reads: Reads, after_id: int, limit: int) -> list[BlobRow]:
    """The next blobs by id, for walks over the whole store."""
    return [BlobRow(*row) for row in await reads.all(f"{_ROW} WHERE id > ?1 ORDER BY id LIMIT ?2", after_id, limit)]


async def of_corrupt(reads: Reads, after_id: int, limit: int) -> list[BlobRow]:
    """Corrupt blobs by id that something still points at."""
    rows = await reads.all(
        f"{_ROW} WHERE state = 'corrupt' AND id > ?1 AND NOT ({_UNREFERENCED}) ORDER BY id LIMIT ?2", after_id, limit
    )
    return [BlobRow(*row) for row in rows]


async def count_corrupt(reads: Reads) -> int:
    """How many corrupt blobs something still points at."""
    row = await reads.one(f"SELECT count(*) FROM blob WHERE state = 'corrupt' AND NOT ({_UNREFERENCED})")
    return int(row[0]) if row else 0


async def find(reads: Reads, key: str) -> BlobRow | None:
    """The blob that is stored under that key, in whatever state."""
    row = await reads.one(f"{_ROW} WHERE key = ?1", key)
    return None if row is None else BlobRow(*row)


async def count_after(reads: Reads, after_id: int) -> int:
    """How many blobs have a higher id."""
    row = await reads.one("SELECT count(*) FROM blob WHERE id > ?1", after_id)
    return int(row[0]) if row else 0


async def doubled(reads: Reads) -> list[str]:
    """Digests that two live blobs of an account have, as sentences; there must be none."""
    # Joined with nothing: not by the index that rules them out, which is what may be damaged.
    rows = await reads.all(
        "SELECT account_id, digest FROM blob WHERE state || '' = 'live' GROUP BY account_id, digest HAVING count(*) > 1"
    )
    return [f"account {row[0]} has more than one live blob with the digest {row[1]}" for row in rows]
