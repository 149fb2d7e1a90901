"""Rows of what counts against limits, where several servers count together in PostgreSQL.

Each call costs one statement by itself, or two where it is refused: nothing of it has to outlive the database.
"""

from packshot.storage.database import CLOCK, Reads, Row, Tx
from packshot.storage.postgresql import PostgresqlDatabase

_CLOCK = CLOCK["postgresql"]
_FILL = f"""INSERT INTO calls_counted AS c (account_id, source, empty_at) VALUES (?1, ?2, {_CLOCK} + ?3)
ON CONFLICT (account_id, source) DO UPDATE SET empty_at = greatest(c.empty_at, {_CLOCK}) + ?3
WHERE greatest(c.empty_at, {_CLOCK}) + ?3 - {_CLOCK} <= ?4 RETURNING 0"""
_WAIT = f"SELECT empty_at + ?3 - {_CLOCK} - ?4 FROM calls_counted WHERE account_id = ?1 AND source = ?2"
_SPEND = """WITH added AS (
    INSERT INTO time_operated AS t (caller, minute, began_at, took_us) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (caller, minute) DO UPDATE
    SET began_at = least(t.began_at, excluded.began_at), took_us = t.took_us + excluded.took_us
    RETURNING began_at, took_us
) SELECT began_at, took_us FROM added UNION ALL
SELECT began_at, took_us FROM time_operated WHERE caller = ?1 AND minute <> ?2 AND began_at > ?5 ORDER BY 1"""
_MINUTE_US = 60_000_000


async def fill(db: PostgresqlDatabase, account_id: int, source: str, cost_us: int, room_us: int) -> int:
    """Pour a call into the bucket of that account and address, where it takes *cost_us* to leak, if there is room.

    Returns 0, or after how many microseconds there is room.
    """
    if await db.count(_FILL, account_id, source, cost_us, room_us):
        return 0
    row = await db.one(_WAIT, account_id, source, cost_us, room_us)
    return 1 if row is None else max(int(row[0]), 1)


async def of_time(reads: Reads, caller: str, after: int) -> list[Row]:
    """The minutes that began after that moment, as (first call began, microseconds that its calls took)."""
    return await reads.all(
        "SELECT began_at, took_us FROM time_operated WHERE caller = ?1 AND began_at > ?2 ORDER BY began_at",
        caller, after,
    )  # fmt: skip


async def spend(db: PostgresqlDatabase, caller: str, began_at: int, took_us: int, after: int) -> list[Row]:
    """The same, with a call that has ended added to its minute."""
    return await db.count(_SPEND, caller, began_at // _MINUTE_US, began_at, took_us, after)


async def purge(tx: Tx, before: int, limit: int) -> int:
    """Forget up to *limit* buckets that are empty and minutes that ended before that moment; return how many."""
    return sum(
        [
            await tx.run(
                f"DELETE FROM {table} WHERE {over} < {moment}"
                f" AND ctid = ANY(ARRAY(SELECT ctid FROM {table} WHERE {over} < {moment} LIMIT ?1))",
                limit, *values,
            )
            for table, over, moment, values in (
                ("calls_counted", "empty_at", _CLOCK, ()),
                ("time_operated", "began_at", "?2", (before,)),
            )
        ]
    )  # fmt: skip
