"""Rows that a work holds since it looks at them before it acts: on PostgreSQL others work beside it.

SQLite runs works one after another, so nothing is held there. What holds what, and why, is told in DESIGN.md.
"""

from collections.abc import Collection
from typing import Literal

from packshot.storage.database import Tx

How = Literal["UPDATE", "UPDATE SKIP LOCKED", "UPDATE OF i SKIP LOCKED", "NO KEY UPDATE", "NO KEY UPDATE OF c", "SHARE",
    "KEY SHARE"]  # fmt: skip
"""Who points at a row waits for who holds it for `UPDATE`, and he for them; with `NO KEY UPDATE` neither does."""


def held(tx: Tx, how: How = "NO KEY UPDATE") -> str:
    """What a SELECT ends in so that what it finds stays as it is until the end of the work.

    It waits for whoever holds a row already, and then gives that as it is by then, if it is still what is wanted.
    """
    return f" FOR {how}" if tx.dialect == "postgresql" else ""


async def hold(
    tx: Tx, table: str, ids: Collection[int], how: How = "NO KEY UPDATE", *, of: int | None = None
) -> list[int]:
    """Let nobody else change these rows until the end of the work; return the ids of those that are there, in order.

    *of*: only those of that account. What is read from now on is what others have left. On SQLite nobody looks whether
    they are there.
    """
    if tx.dialect == "sqlite" or not ids:
        return sorted(ids)
    scope = "" if of is None else f" AND account_id = {of:d}"
    rows = await tx.all(f"SELECT id FROM {table} WHERE id = ANY(?1){scope} ORDER BY id FOR {how}", list(ids))
    return [row[0] for row in rows]


async def alone(tx: Tx, *tables: str) -> None:
    """Let nobody else write to these tables until the end of the work, and wait for those who do."""
    if tx.dialect == "postgresql":
        await tx.run(f"LOCK TABLE {', '.join(tables)} IN EXCLUSIVE MODE")
