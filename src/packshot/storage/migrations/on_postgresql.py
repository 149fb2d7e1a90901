"""Brings a PostgreSQL database to the newest step: all that it lacks in one transaction, by one server at a time.

Servers of the version before may go on meanwhile; DESIGN.md says what that asks of a step. No copy is made.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, NamedTuple

import asyncpg
import structlog

from packshot.storage import migrations
from packshot.storage.folder import StoreUnusable
from packshot.storage.migrations import Applied, NotMigrated, SchemaTooOld, Step, Upgrade

OLDEST = 13
"""The oldest PostgreSQL that Packshot works with."""

PATIENCE_S = 60.0
"""How long it is tried to get past the locks of others."""

LOCK_MS = 500
"""How long a step waits for one of them, since everybody who comes behind waits, too."""

CONNECT_S = 10.0

_PAUSE_S = 0.5
_ADVISORY_LOCK = 0x7061636B73686F74  # "packshot"
_REHEARSAL = "packshot_rehearsal"
_LOOK_THERE = f"SELECT set_config('search_path', '{_REHEARSAL}, ' || current_setting('search_path'), true)"
_REMEDY = "start a server of this version or run `packshot migrate`; servers of the older one may go on meanwhile"

_LEDGER = """CREATE TABLE IF NOT EXISTS migration (
    number BIGINT PRIMARY KEY, name TEXT COLLATE "C" NOT NULL, applied_at BIGINT NOT NULL
)"""

_IN_THE_WAY = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)
_NOT_ALLOWED = (asyncpg.InsufficientPrivilegeError, asyncpg.InvalidSchemaNameError)
_NOT_SERVED = (
    asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError, asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
)  # fmt: skip

_log = structlog.get_logger("packshot.database")


class ServerUnusable(StoreUnusable):
    """The server does not let us in or does not serve us, or is none that Packshot works with."""

    def __init__(self, url: str, why: str) -> None:
        super().__init__(f"The database {place(url)} cannot be used: {why}")


class ServerAway(ServerUnusable):
    """The server cannot be reached, or does not serve us at this moment: later it may."""


class NotAllowed(StoreUnusable):
    """The user may not make or change tables in the database."""

    def __init__(self, url: str, why: str) -> None:
        super().__init__(
            f"The tables of the database {place(url)} cannot be made or changed ({why}): let its user own the database "
            "and what is in it"
        )


class Trial(NamedTuple):
    """The step a database is at, the names of those that it lacks, and how large it is."""

    found: int
    lacking: list[str]
    size_bytes: int


def place(url: str) -> str:
    """Where a database is, to be shown: without the user, the password, and any options."""
    return re.split("[?&]", url.rpartition("@")[2].rpartition("//")[2])[0]


async def create(url: str) -> bool:
    """Make the tables of an empty database, or see that it is at the newest step. Any number may do so at once.

    Returns whether the store is still to be made: nothing is sealed in it.

    Raises: SchemaTooOld, SchemaTooNew, ServerUnusable, NotAllowed, NotMigrated.
    """
    async with _opened(url) as connection:
        found, newest = await version(connection), _steps()[-1][0]
        if 0 < found < newest:
            raise SchemaTooOld(found, newest, _REMEDY)
        await _migrate(connection)
        return not await connection.fetchval("SELECT EXISTS (SELECT 1 FROM signing_key)")


async def exists(url: str) -> bool:
    """Whether there are tables of ours, of whatever version. Raises: ServerUnusable."""
    async with _opened(url) as connection:
        return await version(connection) > 0


async def upgrade(url: str) -> Upgrade | None:
    """Bring the database of an older version to the newest step; None where it is empty, or nothing is to be done.

    Any number may do so at once, and servers of the version before go on. Broken off at any moment it leaves the
    database at the step it had, or at the newest.

    Raises:
        SchemaTooNew, ServerUnusable, NotAllowed.
        NotMigrated: a step failed, or others never let go of what it has to lock.
    """
    async with _opened(url) as connection:
        found = await version(connection)
        applied = await _migrate(connection) if found else []
    return Upgrade(found, _steps()[-1][0], None) if applied else None


async def rehearse(url: str) -> Trial | None:
    """Try all steps on empty tables in a schema that does not stay; None where nothing is to be done.

    It shows that this server takes them from this user, and locks nothing that others use: tried on the tables
    themselves, or on a copy of them within the same server, they would slow down whoever is served meanwhile. What rows
    could break is not seen.

    Raises: SchemaTooNew, ServerUnusable, NotAllowed, NotMigrated.
    """
    async with _opened(url) as connection:
        found = await version(connection)
        lacking = migrations.lacking(found, _steps())
        if not lacking:
            return None
        trial = connection.transaction()
        await trial.start()
        await connection.execute(f"CREATE SCHEMA {_REHEARSAL}")
        await connection.execute(_LOOK_THERE)
        for step in _steps():
            await _apply(connection, step)
        await trial.rollback()
        size_bytes = await connection.fetchval("SELECT pg_database_size(current_database())")
    return Trial(found, [name for _, name, _ in lacking], size_bytes)


async def version(connection: Any) -> int:
    """The number of the newest applied step, 0 for an empty database."""
    if await connection.fetchval("SELECT to_regclass('migration')") is None:
        return 0
    return int(await connection.fetchval("SELECT coalesce(max(number), 0) FROM migration"))


def _steps() -> list[Step]:
    return migrations.steps("postgresql")


async def _migrate(connection: Any) -> list[Applied]:
    """Apply what is lacking, and return that. Raises: SchemaTooNew, NotMigrated."""
    given_up_at = time.monotonic() + PATIENCE_S
    while migrations.lacking(await version(connection), _steps()):
        try:
            async with connection.transaction():
                return await _apply_lacking(connection)
        except _IN_THE_WAY as error:
            if time.monotonic() > given_up_at:
                raise NotMigrated(f"others held on to its tables for {PATIENCE_S:g} s, {_said(error)}") from error
        await asyncio.sleep(_PAUSE_S)
    return []


async def _apply_lacking(connection: Any) -> list[Applied]:
    await connection.execute("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0")
    if not await connection.fetchval(f"SELECT pg_try_advisory_xact_lock({_ADVISORY_LOCK})"):
        _log.warning("waiting for another server, which brings the database up to date: it may take long")
        await connection.execute(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})")
    await connection.execute(f"SET LOCAL lock_timeout = {LOCK_MS}")
    lacking = migrations.lacking(await version(connection), _steps())
    return [await _apply(connection, step) for step in lacking]


async def _apply(connection: Any, step: Step) -> Applied:
    number, name, sql = step
    started = time.monotonic()
    with _naming(f"step {name}"):
        await connection.execute(_LEDGER)
        await connection.execute(sql)
        await connection.execute("INSERT INTO migration VALUES ($1, $2, $3)", number, name, time.time_ns() // 1000)
    return Applied(name, time.monotonic() - started)


@contextmanager
def _naming(what: str) -> Iterator[None]:
    try:
        yield
    except (*_IN_THE_WAY, *_NOT_ALLOWED, *_NOT_SERVED):
        raise
    except asyncpg.PostgresError as error:
        raise NotMigrated(f"{what} failed, {_said(error)}") from error


def _said(error: Exception) -> str:
    return " ".join(str(error).split())  # details and hints are on lines of their own


@asynccontextmanager
async def _opened(url: str) -> AsyncIterator[Any]:
    """A connection to a database that Packshot can work with. Raises: ServerUnusable, NotAllowed."""
    connection = await _connected(url)
    try:
        _check(url, connection)
        yield connection
        await connection.close(timeout=CONNECT_S)
    except _NOT_ALLOWED as error:
        raise NotAllowed(url, _said(error)) from error
    except _NOT_SERVED as error:
        raise ServerAway(url, _said(error)) from error
    except (asyncpg.InterfaceError, OSError) as error:
        raise ServerAway(url, "the connection was lost") from error
    finally:
        connection.terminate()


async def _connected(url: str) -> Any:
    options = {"application_name": "packshot migrate"}
    try:
        return await asyncpg.connect(url, timeout=CONNECT_S, statement_cache_size=0, server_settings=options)
    except ValueError:  # what it says would show a password that is written wrong
        raise ServerUnusable(url, "an address is postgresql://user:password@host/name") from None
    except TimeoutError as error:
        raise ServerAway(url, f"the server does not answer within {CONNECT_S:g} s") from error
    except asyncpg.InvalidCatalogNameError as error:
        raise ServerUnusable(url, f"{_said(error)}. Make it with CREATE DATABASE ... ENCODING 'UTF8'") from error
    except (*_NOT_SERVED, asyncpg.InternalClientError, OSError) as error:  # the second: none is what the address wants
        raise ServerAway(url, _said(error)) from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise ServerUnusable(url, _said(error)) from error


def _check(url: str, connection: Any) -> None:
    found, encoding = connection.get_server_version(), connection.get_settings().server_encoding
    if found.major < OLDEST:
        raise ServerUnusable(url, f"it is PostgreSQL {found.major}, and Packshot works with {OLDEST} or newer")
    if encoding != "UTF8":
        raise ServerUnusable(
            url, f"its encoding is {encoding}. Make another one with ENCODING 'UTF8' TEMPLATE template0"
        )
