"""The port to the database, which is one SQLite file (`sqlite`) or in PostgreSQL (`postgresql`).

Statements are written once, for both: with numbered places (`?1`), and in the words that both know.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from typing import Any, Literal, Protocol, TypeVar

import msgspec

Row = tuple[Any, ...]
Result = TypeVar("Result")
Dialect = Literal["sqlite", "postgresql"]

CLOCK: Mapping[Dialect, str] = {
    "sqlite": "CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)",
    "postgresql": "CAST(extract(epoch FROM statement_timestamp()) * 1000000 AS BIGINT)",
}
"""This moment by the database's own clock, in Unix microseconds, as statements ask for it: those of servers differ."""

_TRANSACTION_CONTROL = re.compile(
    r"(?:[\s;\ufeff]|--[^\n]*|/\*.*?\*/)*"
    r"(?:BEGIN|START|COMMIT|END|ROLLBACK|ABORT|SAVEPOINT|RELEASE|PRAGMA|ATTACH|DETACH|VACUUM)\b",
    re.IGNORECASE | re.DOTALL,
)


class DatabaseSettings(msgspec.Struct, frozen=True):
    """Where the rows are.

    `url`: a database of PostgreSQL's, `postgresql://user:password@host:5432/name`, which any number of servers may
    share; without one they are in a file of the data folder. `connections`: how many to PostgreSQL a server keeps at
    most. `lock_s`: how long a statement waits for another one's lock there, `statement_s` how long it may take.
    """

    url: str = ""
    connections: int = 16
    lock_s: float = 5.0
    statement_s: float = 60.0


class Reads(Protocol):
    """Whatever answers queries: the database itself, or the transaction of a work."""

    @property
    def dialect(self) -> Dialect:
        """Whose words the statements have to be in, for the few that cannot be written for both."""

    async def one(self, sql: str, *values: Any) -> Row | None:
        """The first row, or None."""

    async def all(self, sql: str, *values: Any) -> list[Row]:
        """Every row, in the order the statement asks for."""


class Tx(Reads, Protocol):
    """The transaction a work runs in; the only thing a work may await.

    A statement that would end the transaction is refused.
    """

    async def run(self, sql: str, *values: Any) -> int:
        """Change rows and return how many were changed."""

    async def insert(self, sql: str, *values: Any) -> int:
        """Insert one row with a statement that ends in `RETURNING id`, and return that id."""


Work = Callable[[Tx], Awaitable[Result]]
"""A coroutine function that changes rows: it awaits nothing but its Tx, catches no database error,
holds no lock and leaves no trace outside, since it may be run twice."""


class Database(Reads, Protocol):
    """Reads and writes of one database.

    `written` is set after each commit, for whoever waits for changes; `writes` is another number by then. Neither
    knows of other processes.
    """

    written: asyncio.Event
    writes: int

    async def write(self, work: Work[Result], *, makes_room: bool = False) -> Result:
        """Run *work* in a transaction and return its result once that is on the disk.

        One that *makes_room*, since it deletes or since deleting depends on it, is done on a full disk, too, where
        the disk is ours: in room that is kept for such works, and in which nothing else is written until the disk has
        enough again.

        Raises:
            Unavailable: the database is locked, its queue is full, it does not answer, or its disk fails.
            StoreFull: the disk has no room.
            Conflict: the change violates a constraint.
            PackshotError: whatever the work itself raises; then nothing of it is kept.
        """

    def queued(self) -> int:
        """How many works wait."""

    async def close(self) -> None:
        """Finish what is under way, and close every connection."""


@lru_cache(maxsize=1024)
def checked(sql: str) -> str:
    """The statement of a work. Raises: RuntimeError, where it controls the transaction."""
    if _TRANSACTION_CONTROL.match(sql):
        raise RuntimeError("a work may not control its transaction")
    return sql
