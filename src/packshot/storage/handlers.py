"""Rows of those who listen to events: receivers with their address, and handlers for one event each."""

from itertools import groupby
from operator import itemgetter

from packshot.domain.events import Listener
from packshot.storage.database import Reads, Row, Tx


async def of_listeners(reads: Reads, account_id: int, event: str) -> list[Listener]:
    """Who listens to this event in the account, by id; paused receivers do not."""
    rows = await reads.all(
        "SELECT h.id, h.application_id, h.receiver_id, h.event, h.user_id, h.connector FROM event_handler h"
        " LEFT JOIN event_receiver r ON r.id = h.receiver_id"
        " WHERE h.account_id = ?1 AND h.event = ?2 AND r.paused_at IS NULL",
        account_id, event,
    )  # fmt: skip
    return [Listener(*row) for row in sorted(rows)]


async def of_application(reads: Reads, application_id: int) -> list[tuple[Listener, str]]:
    """The handlers of an application by id, each with its address, which is empty where it is offline."""
    rows = await reads.all(
        "SELECT h.id, h.application_id, h.receiver_id, h.event, h.user_id, h.connector, coalesce(r.url, '')"
        " FROM event_handler h LEFT JOIN event_receiver r ON r.id = h.receiver_id"
        " WHERE h.application_id = ?1 ORDER BY h.id",
        application_id,
    )
    return [(Listener(*row[:-1]), str(row[-1])) for row in rows]


async def add_receiver(
    tx: Tx, owner: tuple[int, int | None], url: str, sealed: tuple[bytes, bytes] | None, now: int
) -> int:
    """Insert a receiver of (account, application) and return its id; *sealed* are a webhook's token and secret."""
    token, secret = sealed or (None, None)
    return await tx.insert(
        "INSERT INTO event_receiver (account_id, application_id, url, token_sealed, secret_sealed, created_at)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6) RETURNING id",
        *owner, url, token, secret, now,
    )  # fmt: skip


async def find_receiver(reads: Reads, application_id: int, url: str) -> int | None:
    """The id of the application's receiver at that address."""
    row = await reads.one(
        "SELECT id FROM event_receiver WHERE application_id = ?1 AND url = ?2 AND application_id IS NOT NULL",
        application_id, url,
    )  # fmt: skip
    return None if row is None else int(row[0])


async def add_handler(tx: Tx, account_id: int, listener: Listener, options: str, now: int) -> int:
    """Insert a handler, whose `handler_id` is not looked at, and return its id."""
    return await tx.insert(
        "INSERT INTO event_handler"
        " (account_id, application_id, receiver_id, event, user_id, connector, options, created_at)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) RETURNING id",
        account_id, listener.application_id, listener.receiver_id, listener.event, listener.user_id,
        listener.connector, options, now,
    )  # fmt: skip


async def remove_handler(tx: Tx, listener: Listener) -> None:
    """Delete a handler with what waits for it, and its receiver once that has no other handler."""
    await tx.run("DELETE FROM event_handler WHERE id = ?1", listener.handler_id)
    await tx.run(
        "DELETE FROM event_receiver WHERE id = ?1"
        " AND NOT EXISTS (SELECT 1 FROM event_handler WHERE receiver_id = ?1)",
        listener.receiver_id,
    )  # fmt: skip


async def of_webhooks(reads: Reads) -> list[Row]:
    """All outgoing webhooks as (id, account's name, address, events in a row, when paused), by id."""
    rows = await reads.all(
        "SELECT r.id, a.name, r.url, r.paused_at, h.event FROM event_receiver r JOIN account a ON a.id = r.account_id"
        " JOIN event_handler h ON h.receiver_id = r.id WHERE r.application_id IS NULL ORDER BY r.id, h.id"
    )
    return [
        (number, name, url, " ".join(row[4] for row in events), paused_at)
        for (number, name, url, paused_at), events in groupby(rows, itemgetter(0, 1, 2, 3))
    ]


async def remove_webhook(tx: Tx, receiver_id: int) -> bool:
    """Delete an outgoing webhook with what waits for it."""
    removed = await tx.run("DELETE FROM event_receiver WHERE id = ?1 AND application_id IS NULL", receiver_id)
    return removed > 0


async def count_waiting(reads: Reads) -> int:
    """How many events wait in all."""
    ((count,),) = await reads.all("SELECT count(*) FROM outbox WHERE state = 'waiting'")
    return int(count)


async def pause_and_wake(tx: Tx, bound: int, now: int) -> int:
    """Pause receivers for which more than *bound* events wait, wake those below half; return how many wait in all."""
    counts = await tx.all("SELECT receiver_id, count(*) FROM outbox WHERE state = 'waiting' GROUP BY receiver_id")
    waiting = {int(row[0]): int(row[1]) for row in counts}
    for receiver_id, paused_at in await tx.all("SELECT id, paused_at FROM event_receiver ORDER BY id"):
        count = waiting.get(receiver_id, 0)
        if paused_at is None and count > bound:
            await tx.run("UPDATE event_receiver SET paused_at = ?2 WHERE id = ?1", receiver_id, now)
        elif paused_at is not None and count <= bound // 2:
            await tx.run("UPDATE event_receiver SET paused_at = NULL WHERE id = ?1", receiver_id)
    return sum(waiting.values())
