"""Rows of selections: images that a client remembers, in an order, under a guid of its own."""

from collections.abc import Sequence
from typing import Any

from packshot.storage.database import Reads, Tx


async def of_selection(reads: Reads, account_id: int, guid: str, now: int, *, shared: bool) -> list[str]:
    """The guids of its images in their order; `shared`: those of products, too. None of them has expired at *now*."""
    rows = await reads.all(
        "SELECT i.guid FROM selection s JOIN image i ON i.id = s.image_id"
        " WHERE s.account_id = ?1 AND s.guid = ?2 AND (i.expires_at IS NULL OR i.expires_at > ?3)"
        " AND (i.product_id IS NULL OR ?4 = 1) ORDER BY s.position",
        account_id, guid, now, int(shared),
    )  # fmt: skip
    return [row[0] for row in rows]


async def clear(tx: Tx, account_id: int, guid: str) -> list[dict[str, Any]]:
    """Delete the selection with that guid, and return its whole rows."""
    names = "account_id", "guid", "position", "image_id"
    sql = f"DELETE FROM selection WHERE account_id = ?1 AND guid = ?2 RETURNING {', '.join(names)}"
    return [dict(zip(names, row, strict=True)) for row in await tx.all(sql, account_id, guid)]


async def add(tx: Tx, account_id: int, guid: str, image_ids: Sequence[int]) -> None:
    """Make these images the selection with that guid, of which there is none."""
    for position, image_id in enumerate(image_ids):
        await tx.run(
            "INSERT INTO selection (account_id, guid, position, image_id) VALUES (?1, ?2, ?3, ?4)",
            account_id, guid, position, image_id,
        )  # fmt: skip


async def is_taken(reads: Reads, account_id: int, guid: str, position: int) -> bool:
    """Whether the selection has an image at that place."""
    sql = "SELECT 1 FROM selection WHERE account_id = ?1 AND guid = ?2 AND position = ?3"
    return await reads.one(sql, account_id, guid, position) is not None
