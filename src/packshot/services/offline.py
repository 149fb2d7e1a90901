"""Offline events: an application fetches what happened, at its own pace and in several processes at once."""

from collections.abc import Callable, Collection

from packshot.domain.access import Principal
from packshot.domain.events import OfflineEvent, Queue
from packshot.domain.paging import Page, Query
from packshot.services.access import random_text
from packshot.services.core import Core
from packshot.services.handlers import require_administrator
from packshot.storage import locks, offline
from packshot.storage.database import Tx

PROCESS_CHARACTERS = 32


async def list_events(core: Core, caller: Principal, connector: str, query: Query) -> Page[OfflineEvent]:
    """One page of the application's queue, just to look at. Raises: Forbidden."""
    return await offline.list_events(core.db, _queue(caller, connector), query)


async def take(
    core: Core, caller: Principal, connector: str, query: Query, process: tuple[str, bool] = ("", False)
) -> list[OfflineEvent]:
    """The first events that nobody has reserved, or those of a process, as `of_process`; they are deleted.

    Raises: Forbidden.
    """
    queue, (process_id, erroneous) = _queue(caller, connector), process

    async def work(tx: Tx) -> list[OfflineEvent]:
        await locks.hold(tx, "application", [queue.application_id])
        found = await offline.of_reserved(tx, queue, process_id, query, erroneous=erroneous)
        for event in found:
            await offline.remove(tx, event.id)
        return found

    return await core.db.write(work, makes_room=True)


async def reserve(core: Core, caller: Principal, connector: str, query: Query) -> tuple[str, list[OfflineEvent]]:
    """The first events that nobody has reserved, and the new process that they are hidden for. Raises: Forbidden."""
    queue, process_id = _queue(caller, connector), random_text(PROCESS_CHARACTERS)

    async def work(tx: Tx) -> tuple[str, list[OfflineEvent]]:
        await locks.hold(tx, "application", [queue.application_id])
        found = await offline.of_reserved(tx, queue, "", query, erroneous=False)
        for event in found:
            await offline.reserve(tx, event.id, process_id)
        return process_id, found

    return await core.db.write(work, makes_room=True)


async def of_process(
    core: Core, caller: Principal, connector: str, process: tuple[str, bool], query: Query
) -> list[OfflineEvent]:
    """What a process has reserved; *process* is its id and whether erroneous events are wanted, too.

    Raises: Forbidden.
    """
    process_id, erroneous = process
    return await offline.of_reserved(core.db, _queue(caller, connector), process_id, query, erroneous=erroneous)


async def clear(core: Core, caller: Principal, process_id: str, chosen: Callable[[int, str], bool]) -> None:
    """Delete those events of a process that *chosen* picks by id and message id. Raises: Forbidden."""
    queue = _queue(caller, "")

    async def work(tx: Tx) -> None:
        for event_id, message_id in await offline.of_process(tx, queue, process_id):
            if chosen(event_id, message_id):
                await offline.remove(tx, event_id)

    await core.db.write(work, makes_room=True)


async def mark_errors(core: Core, caller: Principal, process_id: str, message_ids: Collection[str]) -> None:
    """Mark events of a process as ones that could not be processed. Raises: Forbidden."""
    queue = _queue(caller, "")

    async def work(tx: Tx) -> None:
        for event_id, message_id in await offline.of_process(tx, queue, process_id):
            if message_id in message_ids:
                await offline.mark_error(tx, event_id)

    await core.db.write(work, makes_room=True)


def _queue(caller: Principal, connector: str) -> Queue:
    require_administrator(caller)
    return Queue(caller.account_id, caller.application_id or 0, connector)
