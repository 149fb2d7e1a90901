"""Rows of events on their way out: one for each event and handler, sent in order for each product and receiver."""

from packshot.domain.events import Listener, Verdict, Waiting
from packshot.storage import locks
from packshot.storage.database import CLOCK, Dialect, Reads, Row, Tx

_UNCLAIMED: dict[Dialect, str] = {
    "sqlite": "",  # its one server knows by itself what it is sending
    "postgresql": f" AND (claimed_until IS NULL OR claimed_until <= {CLOCK['postgresql']})",
}


async def add_event(tx: Tx, account_id: int, listener: Listener, change: tuple[int, str, int, int]) -> None:
    """Note an event for an online handler; *change* is (product, data as JSON, user, now).

    Nobody else may be noting events for that product. The event that this one waits for cannot come to its end
    before everybody sees this one.
    """
    product_id, data, user_id, now = change
    await tx.run(
        "INSERT INTO outbox"
        " (account_id, receiver_id, handler_id, event, product_id, data, user_id, created_at, next_at)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, CASE WHEN EXISTS (SELECT 1 FROM outbox WHERE receiver_id = ?2"
        f" AND product_id = ?5 AND state = 'waiting' AND overtaken = 0{locks.held(tx, 'SHARE')})"
        " THEN NULL ELSE CAST(?8 AS BIGINT) END)",
        account_id, listener.receiver_id, listener.handler_id, listener.event, product_id, data, user_id, now,
    )  # fmt: skip


async def next_receiver(reads: Reads, after: int) -> tuple[int, int] | None:
    """The first receiver with an id above *after* for which anything waits, and when the earliest of it is due.

    What a server has claimed does not count.
    """
    row = await reads.one(
        "SELECT receiver_id, next_at FROM outbox WHERE state = 'waiting' AND next_at IS NOT NULL AND receiver_id > ?1"
        f"{_UNCLAIMED[reads.dialect]} ORDER BY receiver_id, next_at, id LIMIT 1",
        after,
    )
    return None if row is None else (int(row[0]), int(row[1]))


async def of_due(reads: Reads, receiver_id: int, now: int, limit: int) -> list[Waiting]:
    """Events for a receiver that are due and that nobody has claimed, those that wait longest first."""
    return [Waiting(*row) for row in await reads.all(_due(reads), receiver_id, now, limit)]


def _due(reads: Reads) -> str:
    return (
        "SELECT o.id, o.receiver_id, o.handler_id, o.product_id, o.event, o.data, o.user_id, o.created_at, o.attempts,"
        " o.failing_since, r.url, r.application_id, coalesce(r.token_sealed, p.token_sealed), r.secret_sealed,"
        " p.secret_hash, a.member_id"
        " FROM outbox o JOIN event_receiver r ON r.id = o.receiver_id JOIN account a ON a.id = o.account_id"
        " LEFT JOIN application p ON p.id = r.application_id"
        " WHERE o.receiver_id = ?1 AND o.state = 'waiting' AND o.next_at IS NOT NULL AND o.next_at <= ?2"
        f"{_UNCLAIMED[reads.dialect]} ORDER BY o.next_at, o.id LIMIT ?3"
    )


async def claim(tx: Tx, receiver_id: int, now: int, places: int, lease: tuple[str, int]) -> list[Waiting]:
    """The same on PostgreSQL, for one of several servers: nobody else sends them for a while.

    *lease* is (server, microseconds). *places* is how many more this server might send to the receiver at once if no
    other one did; none are found while another one claims. Nor are those for whose products a work is noting events:
    it would be waited for, and it may wait for us.
    """
    node, for_us = lease
    held = "SELECT id FROM event_receiver WHERE id = ?1 FOR NO KEY UPDATE SKIP LOCKED"
    if await tx.one(held, receiver_id) is None:
        return []
    clock = CLOCK[tx.dialect]
    (elsewhere,) = await tx.one(
        "SELECT count(*) FROM outbox WHERE receiver_id = ?1 AND state = 'waiting' AND claimed_until IS NOT NULL"
        f" AND claimed_until > {clock} AND claimed_by <> ?2",
        receiver_id, node,
    ) or (0,)  # fmt: skip
    if places <= elsewhere:
        return []
    due = _due(tx) + " FOR NO KEY UPDATE OF o SKIP LOCKED"
    found = [Waiting(*row) for row in await tx.all(due, receiver_id, now, places - elsewhere)]
    if found:
        claimed = f"UPDATE outbox SET claimed_by = ?2, claimed_until = {clock} + ?3 WHERE id = ANY(?1)"
        await tx.run(claimed, [event.id for event in found], node, for_us)
    return found


async def give_back(tx: Tx, node: str) -> None:
    """Let others send at once what a server had claimed that stops."""
    await tx.run(
        "UPDATE outbox SET claimed_by = NULL, claimed_until = NULL WHERE claimed_until IS NOT NULL AND claimed_by = ?1",
        node,
    )


async def mark_delivered(tx: Tx, event: Waiting, now: int) -> None:
    """The receiver took the event; the product's next one may go."""
    await tx.run(
        "UPDATE outbox SET state = 'delivered', next_at = NULL, error = NULL, attempts = attempts + 1,"
        " claimed_by = NULL, claimed_until = NULL WHERE id = ?1",
        event.id,
    )
    await _release(tx, event, now)


async def mark_failed(tx: Tx, event: Waiting, error: str, verdict: Verdict, now: int) -> None:
    """The receiver did not take it. Once it is overtaken or given up, the product's next one may go.

    Nothing is changed where another server has sent it meanwhile, since this one was stopped for a while.
    """
    changed = await tx.run(
        "UPDATE outbox SET state = ?2, next_at = ?3, overtaken = ?4, failing_since = ?5, error = ?6,"
        " attempts = attempts + 1, claimed_by = NULL, claimed_until = NULL"
        " WHERE id = ?1 AND state = 'waiting' AND attempts = ?7",
        event.id, "failed" if verdict.next_at is None else "waiting", verdict.next_at, int(verdict.overtaken),
        verdict.failing_since, error, event.attempts,
    )  # fmt: skip
    if changed and (verdict.overtaken or verdict.next_at is None):
        await _release(tx, event, now)


async def _release(tx: Tx, event: Waiting, now: int) -> None:
    """Make the product's first event that is left due, unless it is already."""
    await tx.run(
        "UPDATE outbox SET next_at = ?3 WHERE next_at IS NULL AND id = (SELECT id FROM outbox"
        " WHERE receiver_id = ?1 AND product_id = ?2 AND state = 'waiting' AND overtaken = 0"
        f" ORDER BY id LIMIT 1{locks.held(tx)})",
        event.receiver_id, event.product_id, now,
    )  # fmt: skip


async def release_all(tx: Tx, receiver_id: int, now: int) -> None:
    """The same for every product of a receiver, after some of what waited was removed."""
    await tx.run(
        "UPDATE outbox SET next_at = ?2 WHERE next_at IS NULL AND id IN (SELECT min(id) FROM outbox"
        " WHERE receiver_id = ?1 AND state = 'waiting' AND overtaken = 0 GROUP BY product_id)",
        receiver_id, now,
    )  # fmt: skip


async def retry(tx: Tx, event_id: int, now: int) -> bool:
    """Make an event due now; False where there is none of that id, or it waits for an earlier one of its product.

    One that was delivered or given up goes out beside the order of its product.
    """
    changed = await tx.run(
        "UPDATE outbox SET state = 'waiting', next_at = ?2, failing_since = NULL,"
        " overtaken = CASE WHEN state = 'waiting' THEN overtaken ELSE 1 END"
        " WHERE id = ?1 AND (state <> 'waiting' OR next_at IS NOT NULL)",
        event_id, now,
    )  # fmt: skip
    return changed > 0


async def of_undelivered(reads: Reads, after: int, limit: int) -> list[Row]:
    """Events that wait or were given up, by id from above *after* on.

    Rows are (id, event, product, state, overtaken, attempts, created, next attempt, last error, address).
    """
    return await reads.all(
        "SELECT o.id, o.event, o.product_id, o.state, o.overtaken, o.attempts, o.created_at, o.next_at, o.error, r.url"
        " FROM outbox o JOIN event_receiver r ON r.id = o.receiver_id"
        " WHERE o.state <> 'delivered' AND o.id > ?1 ORDER BY o.id LIMIT ?2",
        after, limit,
    )  # fmt: skip


async def purge(tx: Tx, before: int, limit: int) -> int:
    """Delete up to *limit* events made before that moment which wait for nothing; return how many."""
    return await tx.run(  # asked for twice: one that was waited for may have been made to wait again
        "DELETE FROM outbox WHERE state <> 'waiting' AND id IN (SELECT id FROM outbox WHERE state <> 'waiting'"
        " AND created_at < ?1 ORDER BY created_at LIMIT ?2)",
        before, limit,
    )  # fmt: skip
