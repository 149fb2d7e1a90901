"""Rows of offline events: per object and event the latest, until an application fetches it."""

from packshot.domain.events import Listener, OfflineEvent, Queue
from packshot.domain.paging import Page, Query
from packshot.storage.database import Reads, Tx
from packshot.storage.query import Column, Listing, page

_SELECT = "id, changed_at, event, data, message_id, process_id, error"
_COLUMNS = {name: Column(name) for name in ("id", "changed_at", "event", "message_id", "process_id", "error")}
_QUEUE = Listing(
    select=_SELECT,
    table="offline_event",
    scope="application_id = ?1 AND account_id = ?2 AND connector = ?3",
    columns=_COLUMNS,
)
_FREE = Listing(
    select=_SELECT,
    table="offline_event",
    scope="application_id = ?1 AND account_id = ?2 AND connector = ?3 AND process_id = ?4 AND error <= ?5",
    columns=_COLUMNS,
)


async def add_event(tx: Tx, account_id: int, listener: Listener, change: tuple[str, str, int]) -> None:
    """Note an event for an offline handler in the place of an earlier one about the same object.

    *change* is (message id, data as JSON, now).
    """
    await tx.run(
        "INSERT INTO offline_event (account_id, application_id, connector, event, message_id, data, changed_at)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
        " ON CONFLICT (application_id, connector, message_id) WHERE process_id = ''"
        " DO UPDATE SET data = excluded.data, changed_at = excluded.changed_at",
        account_id, listener.application_id, listener.connector, listener.event, *change,
    )  # fmt: skip


async def list_events(reads: Reads, queue: Queue, query: Query) -> Page[OfflineEvent]:
    """One page of an application's queue, reserved and erroneous events included."""
    scope = (queue.application_id, queue.account_id, queue.connector)
    return await page(reads, _QUEUE, scope, query, lambda row: OfflineEvent(*row))


async def of_reserved(
    reads: Reads, queue: Queue, process_id: str, query: Query, *, erroneous: bool
) -> list[OfflineEvent]:
    """Events that this process has reserved, or nobody where it is empty; those marked as *erroneous* where wanted."""
    scope = (queue.application_id, queue.account_id, queue.connector, process_id, int(erroneous))
    return (await page(reads, _FREE, scope, query, lambda row: OfflineEvent(*row))).rows


async def reserve(tx: Tx, event_id: int, process_id: str) -> None:
    """Hide an event from everybody but this process."""
    await tx.run("UPDATE offline_event SET process_id = ?2 WHERE id = ?1", event_id, process_id)


async def remove(tx: Tx, event_id: int) -> None:
    """Delete an event."""
    await tx.run("DELETE FROM offline_event WHERE id = ?1", event_id)


async def of_process(reads: Reads, queue: Queue, process_id: str) -> list[tuple[int, str]]:
    """What a process has reserved, as (id, message id)."""
    rows = await reads.all(
        "SELECT id, message_id FROM offline_event"
        " WHERE application_id = ?1 AND account_id = ?2 AND process_id = ?3 AND process_id <> '' ORDER BY id",
        queue.application_id, queue.account_id, process_id,
    )  # fmt: skip
    return [(int(row[0]), str(row[1])) for row in rows]


async def mark_error(tx: Tx, event_id: int) -> None:
    """Mark an event as one that could not be processed."""
    await tx.run("UPDATE offline_event SET error = 1 WHERE id = ?1", event_id)


async def purge(tx: Tx, before: int, limit: int) -> int:
    """Delete up to *limit* events that changed last before that moment; return how many."""
    return await tx.run(
        "DELETE FROM offline_event WHERE id IN"
        " (SELECT id FROM offline_event WHERE changed_at < ?1 ORDER BY changed_at LIMIT ?2)",
        before, limit,
    )  # fmt: skip
