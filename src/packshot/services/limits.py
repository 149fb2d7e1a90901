"""What counts against the limits of calls, for the servers that share a store in PostgreSQL.

A server that has its store alone counts in its own memory, and asks for nothing here.
"""

from functools import partial
from typing import cast

import structlog

from packshot.domain.errors import PackshotError
from packshot.services.core import Core
from packshot.storage import limits as rows
from packshot.storage.postgresql import PostgresqlDatabase

KEPT_S = 3_600
BATCH = 500
_SECOND = 1_000_000

Minute = tuple[float, float]
"""When its first call began, in Unix seconds, and how many seconds its calls took."""

_log = structlog.get_logger("packshot.limits")


def shared(core: Core) -> PostgresqlDatabase | None:
    """Where calls are counted, if other servers may count those of the same callers."""
    return cast("PostgresqlDatabase", core.db) if core.db.dialect == "postgresql" else None


async def fill(db: PostgresqlDatabase, bucket: tuple[int, str], calls_per_s: float, burst: int) -> float:
    """Count a call of (account, source address) in a bucket for *burst* calls that leaks so many a second.

    Returns 0, or after how many seconds there is room for it; then it is not counted. Raises: Unavailable.
    """
    cost_us = round(_SECOND / calls_per_s)
    return await rows.fill(db, *bucket, cost_us, burst * cost_us) / _SECOND


async def time_spent(db: PostgresqlDatabase, caller: str, after: float) -> list[Minute]:
    """The minutes in which *caller* ran something after that moment, oldest first. Raises: Unavailable."""
    return [_minute(row) for row in await rows.of_time(db, caller, int(after * _SECOND))]


async def spend_time(db: PostgresqlDatabase, caller: str, spent: Minute, after: float) -> list[Minute]:
    """The same, with a call added that has ended. Where that cannot be counted, only that call: it was answered."""
    began, seconds = spent
    try:
        took_us = round(seconds * _SECOND)
        found = await rows.spend(db, caller, int(began * _SECOND), took_us, int(after * _SECOND))
    except PackshotError as error:
        _log.warning("a call was not counted", why=str(error))
        return [spent]
    return [_minute(row) for row in found]


def _minute(row: tuple[int, ...]) -> Minute:
    return row[0] / _SECOND, row[1] / _SECOND


async def purge(core: Core) -> None:
    """Forget what counts against nothing any more. Raises: Unavailable."""
    if shared(core):
        before = core.now() - KEPT_S * _SECOND
        while await core.db.write(partial(rows.purge, before=before, limit=BATCH), makes_room=True):
            pass
