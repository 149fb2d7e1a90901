"""Emptying a store of everything that catalogs hold; who may call it stays."""

from packshot.storage import locks, sequences
from packshot.storage.database import Tx

HELD = (
    "trash", "deletion", "property_value", "product_section", "inventory_link", "inventory_product", "selection",
    "image", "product", "section", "property", "catalog",
)  # fmt: skip
"""The tables that catalogs, libraries and all in them live in, those that point at others first."""

WAITING = ("outbox", "offline_event", "fault_rule", "idempotency", "audit")
"""What waits to be told of them, what was said of them and done to them, and what goes wrong on purpose; their ids go
on, since others know them. The log goes because the ids that it speaks of will soon mean others."""


async def empty(tx: Tx) -> None:
    """Delete every catalog of every account with all that it holds, and begin their ids at 1 again.

    Blobs stay, for upkeep to find or for equal pictures to share.
    """
    await locks.alone(tx, *WAITING, *HELD)
    for table in (*WAITING, *HELD):
        await tx.run(f"DELETE FROM {table}")
    await sequences.restart(tx, HELD)
