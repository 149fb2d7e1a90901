"""Copies of a serving database, the hold that keeps bytes while they are copied, and the epoch a restored store begins.

Counts of what a copy holds stand in its manifest, see `snapshots`.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from packshot.storage import health
from packshot.storage.database import Reads, Tx
from packshot.storage.folder import StoreUnusable
from packshot.storage.nodes import OF_SERVERS
from packshot.storage.sqlite import connect

PAGES = 1_000
"""How many pages, 4 KB each, a copy takes at once."""

PAUSE_S = 0.002
"""Between them: the disk is the server's, too."""

LEAP: Final = 1_000_000
"""How far ids go ahead in a restored store: more than a shop hands out between a backup and the loss of its disk."""

_COUNTED = ("account", "product", "image", "inventory_product", "deletion")
# Nobody outside ever hears of ids of blobs, and upkeep walks through all there may be.
_UNTOLD = ("blob", "hold")
# What servers knew of each other, and the backup that made the snapshot: they have nothing to do with what is restored.
_PASSING = ("hold", *OF_SERVERS)


class BackupUnusable(StoreUnusable):
    """A backup cannot be made or restored; the message says why."""


async def take_hold(tx: Tx, expires_at: int, now: int) -> int:
    """Have no blob's bytes deleted until then, and return the id of the hold."""
    await tx.run("DELETE FROM hold WHERE expires_at <= ?1", now)
    return await tx.insert("INSERT INTO hold (expires_at) VALUES (?1) RETURNING id", expires_at)


async def renew_hold(tx: Tx, hold_id: int, expires_at: int) -> None:
    """Have it expire later, also where it had expired and was purged."""
    await tx.run(
        "INSERT INTO hold (id, expires_at) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET expires_at = ?2",
        hold_id, expires_at,
    )  # fmt: skip


async def drop_hold(tx: Tx, hold_id: int) -> None:
    """Let bytes be deleted again, unless another backup holds them."""
    await tx.run("DELETE FROM hold WHERE id = ?1", hold_id)


async def begin_epoch(tx: Tx, taken_at: int, now: int) -> int:
    """Begin the next epoch of a store restored from a snapshot of that moment, and return its number.

    Ids leap ahead, so that none is used that was handed out after the snapshot was taken.
    """
    for table in _PASSING:
        await tx.run(f"DELETE FROM {table}")
    untold = ", ".join(repr(table) for table in _UNTOLD)
    # Elsewhere than on SQLite the sequences are set. A table that never had a row has none here yet.
    await tx.run(
        "INSERT INTO sqlite_sequence (name, seq) SELECT name, 0 FROM sqlite_master WHERE type = 'table'"
        " AND sql LIKE '%AUTOINCREMENT%' AND name NOT IN (SELECT name FROM sqlite_sequence)"
    )
    await tx.run(f"UPDATE sqlite_sequence SET seq = seq + ?1 WHERE name NOT IN ({untold})", LEAP)
    await tx.run("INSERT INTO restore (taken_at, restored_at) VALUES (?1, ?2)", taken_at, now)
    return await find_epoch(tx)


async def find_epoch(reads: Reads) -> int:
    """How often the store was brought back from a backup."""
    row = await reads.one("SELECT coalesce(max(epoch), 0) FROM restore")
    return int(row[0]) if row else 0


async def count_rows(reads: Reads) -> dict[str, int]:
    """How many rows there are of what people know of, by table."""
    counts = {}
    for table in _COUNTED:
        ((counts[table],),) = await reads.all(f"SELECT count(*) FROM {table}")
    return counts


async def count_wanted(reads: Reads) -> int:
    """How many blobs are not doomed."""
    ((count,),) = await reads.all("SELECT count(*) FROM blob WHERE state <> 'doomed'")
    return int(count)


def copy_database(source: Path, target: Path, told: Callable[[int, int], None]) -> None:
    """Copy a database as it is at this moment, whatever is written to it meanwhile; writers are never held up.

    *told* hears how many of how many pages are done. Raises: BackupUnusable.
    """

    def next_pages(_: int, left: int, total: int) -> None:
        told(total - left, total)
        time.sleep(PAUSE_S)

    with (
        explaining(f"{source} cannot be copied to {target}"),
        closing(connect(source, read_only=True)) as one,
        closing(sqlite3.connect(target)) as other,
    ):
        # A read transaction over all steps: without it every commit in between would begin the copy anew.
        one.execute("BEGIN")
        one.execute("SELECT count(*) FROM migration").fetchall()
        other.execute("PRAGMA synchronous = OFF").fetchall()  # it is flushed in the end
        one.backup(other, pages=PAGES, progress=next_pages)


def seal(path: Path) -> None:
    """Make one whole file of a copy that nobody has open, with no log beside it. Raises: BackupUnusable."""
    with explaining(f"{path} cannot be checked"):
        errors = health.quick_check(path)
    if errors:
        raise BackupUnusable(f"the database is damaged, and no copy of it is kept: {'; '.join(errors[:5])}")
    with explaining(f"{path} cannot be written"), closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE").fetchall()


def open_copy(path: Path) -> sqlite3.Connection:
    """The database of a snapshot, to be read only. Raises: sqlite3.DatabaseError."""
    # Immutable, so that nothing is ever made beside it or changed in it.
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)


@contextmanager
def explaining(what: str) -> Iterator[None]:
    """Say what cannot be done where the database fails in the block. Raises: BackupUnusable."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise BackupUnusable(f"{what}: {error}") from None
