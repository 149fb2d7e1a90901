"""Rows of the servers that share a store in PostgreSQL, and of the settings that all of them have alike.

All times are those of the database's own clock.
"""

from collections.abc import Mapping

import msgspec

from packshot.storage.database import CLOCK, Reads, Tx

OF_SERVERS = ("node", "agreed", "job", "calls_counted", "time_operated")
"""Tables of what servers that work with a store know of each other: none does with one that was just filled."""

_LOCK = 0x7061636B6E6F6465  # "packnode"


class Node(msgspec.Struct, frozen=True):
    """A server, and its version of Packshot."""

    id: str
    version: str


async def hold(tx: Tx) -> None:
    """Have nobody else join until the end of this work. Only PostgreSQL has such a lock."""
    await tx.one("SELECT pg_advisory_xact_lock(?1)", _LOCK)


async def say(tx: Tx, node_id: str, version: str) -> None:
    """Write down that a server has come, and serves at this moment."""
    await tx.run(
        f"INSERT INTO node (id, seen_at, version) VALUES (?1, {CLOCK[tx.dialect]}, ?2)"
        " ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at",
        node_id, version,
    )  # fmt: skip


async def say_again(tx: Tx, node_id: str) -> bool:
    """Write down that a server still serves; False where it was forgotten, since it has stopped or was away long."""
    return await tx.run(f"UPDATE node SET seen_at = {CLOCK[tx.dialect]} WHERE id = ?1", node_id) > 0


async def forget(tx: Tx, node_id: str) -> None:
    """A server has stopped."""
    await tx.run("DELETE FROM node WHERE id = ?1", node_id)


async def forget_unseen(tx: Tx, for_us: int) -> None:
    """Delete the rows of servers that were not seen for so long."""
    await tx.run(f"DELETE FROM node WHERE seen_at < {CLOCK[tx.dialect]} - ?1", for_us)


async def of_seen(reads: Reads, within_us: int) -> list[Node]:
    """The servers that were seen within that time, by id."""
    rows = await reads.all(
        f"SELECT id, version FROM node WHERE seen_at >= {CLOCK[reads.dialect]} - ?1 ORDER BY id",
        within_us,
    )
    return [Node(*row) for row in rows]


async def agreed(reads: Reads) -> dict[str, str]:
    """The settings that are the same for all, by name; none before the first server."""
    return {str(row[0]): str(row[1]) for row in await reads.all("SELECT name, value FROM agreed")}


async def agree(tx: Tx, values: Mapping[str, str]) -> None:
    """Let these be the settings that are the same for all."""
    await tx.run("DELETE FROM agreed")
    for name, value in values.items():
        await tx.run("INSERT INTO agreed (name, value) VALUES (?1, ?2)", name, value)
