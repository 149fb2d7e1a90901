"""Rows as a move looks at them."""

from packshot.storage.blob_rows import BlobRow
from packshot.storage.database import Reads


async def is_empty(reads: Reads) -> bool:
    """Whether there is no store in the database yet."""
    return await reads.one("SELECT 1 FROM account LIMIT 1") is None


async def of_shard(reads: Reads, shard: str, after: str, limit: int) -> list[BlobRow]:
    """The next blobs, but for doomed ones, whose keys begin with these two hex digits."""
    rows = await reads.all(
        "SELECT id, account_id, digest, key, size_bytes, state FROM blob"
        " WHERE key > ?1 AND key < ?2 AND state <> 'doomed' ORDER BY key LIMIT ?3",
        after or shard, f"{shard}g", limit,
    )  # fmt: skip
    return [BlobRow(*row) for row in rows]


async def count_needed(reads: Reads) -> tuple[int, int]:
    """How many blobs are not doomed, and how many bytes they have together."""
    ((count, size_bytes),) = await reads.all(
        "SELECT count(*), coalesce(sum(size_bytes), 0) FROM blob WHERE state <> 'doomed'"
    )
    return int(count), int(size_bytes)
