"""One database of PostgreSQL's behind a pool of connections, for any number of servers; the statements are SQLite's.

Works run side by side here: one that looks and then acts holds the row it depends on (see `locks`). Connections that
are lost are made anew, and what was not yet being committed is done again.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, TypeVar

import asyncpg
import structlog

from packshot.domain.errors import Conflict, InvalidValue, PackshotError, StoreFull, Unavailable
from packshot.storage.database import DatabaseSettings, Dialect, Row, Work, checked

Result = TypeVar("Result")

PATIENCE_S = 5.0
"""How long a caller waits for a connection, lost ones included."""

CONNECT_S = 3.0
TRIES = 10
"""How often a work is begun that others got in the way of."""

LOOKS = 3
"""How often a work is begun whose rows do not go together with others: mostly these came since it looked, and then it
has an answer of its own when it looks again."""

QUEUE_ITEMS = 1024
STATEMENTS = 512
"""How many statements a connection keeps prepared."""

VACUUM_S = 3_600.0

_TABLES = "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = current_schema()"
_PAUSE_S = 0.05
_PLACE = re.compile(r"\?(\d+)")
_READS = re.compile(r"\s*(?:SELECT|WITH|EXPLAIN|SHOW)\b", re.IGNORECASE)

# Short statements gain nothing from compiling. A server that answers before its log is flushed would lose what we
# acknowledged: of the weaker promises, only those that its owner made for standbys stay.
_SESSION = """SELECT set_config('lock_timeout', $1, false), set_config('statement_timeout', $2, false),
    set_config('idle_in_transaction_session_timeout', $2, false), set_config('jit', 'off', false),
    CASE current_setting('synchronous_commit') WHEN 'off' THEN set_config('synchronous_commit', 'on', false) END"""

_inside: ContextVar[bool] = ContextVar("inside_a_work", default=False)
_log = structlog.get_logger("packshot.database")


class PostgresqlTx:
    """See `Tx`."""

    dialect: Dialect = "postgresql"

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def one(self, sql: str, *values: Any) -> Row | None:
        """The first row, or None."""
        row = await self._connection.fetchrow(translated(sql), *values)
        return None if row is None else tuple(row)

    async def all(self, sql: str, *values: Any) -> list[Row]:
        """Every row, in the order the statement asks for."""
        return [tuple(row) for row in await self._connection.fetch(translated(sql), *values)]

    async def run(self, sql: str, *values: Any) -> int:
        """Change rows and return how many were changed."""
        if values:
            done = await self._connection.execute(translated(sql), *values)
        else:  # where there are none, that would take several statements at once, COMMIT among them
            statement = await self._connection.prepare(translated(sql))
            await statement.fetch()
            done = statement.get_statusmsg()
        count = done.rpartition(" ")[2]
        return int(count) if count.isdigit() else 0

    async def insert(self, sql: str, *values: Any) -> int:
        """Insert one row with a statement that ends in `RETURNING id`, and return that id."""
        return int(await self._connection.fetchval(translated(sql), *values))


class PostgresqlDatabase:
    """One database of PostgreSQL's; see `Database`. Open it with `open_postgresql`."""

    dialect: Dialect = "postgresql"

    def __init__(self, pool: "asyncpg.Pool[Any]") -> None:
        self._pool = pool
        self._writes: set[asyncio.Task[Any]] = set()
        self.written = asyncio.Event()
        self.writes = 0

    async def one(self, sql: str, *values: Any) -> Row | None:
        """The first row, or None. Raises: Unavailable."""
        row = await self._read("fetchrow", _reading(sql), values)
        return None if row is None else tuple(row)

    async def all(self, sql: str, *values: Any) -> list[Row]:
        """Every row, in the order the statement asks for. Raises: Unavailable."""
        return [tuple(row) for row in await self._read("fetch", _reading(sql), values)]

    async def count(self, sql: str, *values: Any) -> list[Row]:
        """Run one statement by itself that changes a count which need not be exact: it may be done twice.

        Raises: Unavailable.
        """
        return [tuple(row) for row in await self._read("fetch", translated(sql), values)]

    async def _read(self, method: str, asked: str, values: tuple[Any, ...]) -> Any:
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                async with self._borrowed() as connection:
                    return await getattr(connection, method)(asked, *values)
            except _FAILURES as error:
                await self._wait_or_raise(error, end)

    @asynccontextmanager
    async def _borrowed(self) -> AsyncIterator[Any]:
        connection = await self._pool.acquire(timeout=PATIENCE_S)
        try:
            yield connection
        except asyncpg.InternalClientError:
            connection.terminate()  # its end has come, and the driver has not got as far
            raise
        finally:
            with suppress(*_FAILURES):  # it is lost, and what was done before that stands: nobody does it again
                await self._pool.release(connection)

    async def write(self, work: Work[Result], *, makes_room: bool = False) -> Result:  # noqa: ARG002 - the disk is not ours
        """See `Database.write`. Once begun it comes to its end, whoever waits for it; before that nobody need wait."""
        if _inside.get():
            raise RuntimeError("a work may not write through the database again")
        if len(self._writes) >= QUEUE_ITEMS:
            raise Unavailable("database")
        begun = asyncio.Event()
        task = asyncio.ensure_future(self._write(work, begun))
        self._writes.add(task)
        task.add_done_callback(self._written)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if not begun.is_set():
                task.cancel()
            raise

    def _written(self, task: "asyncio.Task[Any]") -> None:
        self._writes.discard(task)
        self.writes += 1  # also where nobody knows whether it was committed
        if not task.cancelled() and task.exception() is None:
            self.written.set()

    async def _write(self, work: Work[Result], begun: asyncio.Event) -> Result:
        _inside.set(True)  # for this task alone
        end, tries = time.monotonic() + PATIENCE_S, 0
        while True:
            tries += 1
            try:
                async with self._borrowed() as connection:
                    begun.set()
                    async with _transaction(connection):
                        return await work(PostgresqlTx(connection))
            except _IN_THE_WAY as error:
                if tries == TRIES:
                    raise Unavailable("database") from error
            except _OVERTAKEN as error:
                if tries >= LOOKS:
                    raise _translation(error) from error
            except _FAILURES as error:
                await self._wait_or_raise(error, end)

    async def _wait_or_raise(self, error: BaseException, end: float) -> None:
        """Wait a moment where a new connection may do better. Raises: PackshotError."""
        is_standby = isinstance(error, asyncpg.ReadOnlySQLTransactionError)
        if not (is_standby or _is_lost(error)) or time.monotonic() > end or self._pool.is_closing():
            raise _translation(error) from error
        if is_standby:  # by now; only those who look anew find the other one
            await self._pool.expire_connections()
        await asyncio.sleep(_PAUSE_S)

    async def vacuum(self) -> None:
        """Have all tables give up the room of rows that are gone, however long that takes. Raises: Unavailable."""
        try:
            async with self._borrowed() as connection:
                names = ", ".join(row[0] for row in await connection.fetch(_TABLES))
                await connection.execute("SET statement_timeout = 0")
                try:
                    await connection.execute(f"VACUUM {names}", timeout=VACUUM_S)
                finally:
                    connection.terminate()  # nobody else is to wait that long
        except _FAILURES as error:
            raise _translation(error) from error

    def queued(self) -> int:
        """How many works are under way or wait for a connection."""
        return len(self._writes)

    async def close(self) -> None:
        """Finish the works under way, and close every connection."""
        if self._writes:
            await asyncio.wait(self._writes)
        with suppress(TimeoutError):  # a server that does not answer is left to find out by itself
            await asyncio.wait_for(self._pool.close(), PATIENCE_S)


class _Unknown(Exception):
    """The connection was lost while the transaction was being committed: nobody knows whether it was."""


@asynccontextmanager
async def _transaction(connection: Any) -> AsyncIterator[None]:
    transaction = connection.transaction()
    await transaction.start()
    try:
        yield
    except BaseException:
        if not connection.is_closed():
            await transaction.rollback()
        raise
    try:
        await transaction.commit()
    except _LOST as error:
        if isinstance(error, asyncpg.InterfaceError) or "cannot switch" in str(error):
            raise  # it was lost before, and nothing was sent
        raise _Unknown(str(error)) from error


# The last one: a step of the schema has changed what a prepared statement gives.
_IN_THE_WAY = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError, asyncpg.InvalidCachedStatementError)
_OVERTAKEN = (asyncpg.UniqueViolationError, asyncpg.ForeignKeyViolationError)
_LOST = (
    asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.CannotConnectNowError, asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError, asyncpg.TooManyConnectionsError, asyncpg.InternalClientError, OSError,
)  # fmt: skip
_FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, _Unknown)
_FULL = {"53100"}
_UNAVAILABLE = re.compile("08|25|28|3D|40|42501|53|55|57|58|XX")
_NO_TEXT = {"22021", "22P05"}
_TOO_LONG = {"54000"}
"""A text that is to be found through an index."""


def _is_lost(error: BaseException) -> bool:
    """Whether another connection may do better. That we have none is said in the way that our mistakes are, too."""
    is_ours = isinstance(error, asyncpg.InterfaceError) and not re.search("closed|closing", str(error))
    return isinstance(error, _LOST) and not is_ours


def _translation(error: BaseException) -> PackshotError:
    code = str(getattr(error, "sqlstate", None) or "")
    if code in _FULL:
        return StoreFull()
    if code.startswith("23"):
        return Conflict("The change does not go together with what is stored")
    if code in _NO_TEXT:
        return InvalidValue("text", "holds a character that cannot be kept")
    if code in _TOO_LONG:
        return InvalidValue("text", "is too long")
    if _UNAVAILABLE.match(code) or _is_lost(error) or isinstance(error, _Unknown):
        _log.warning("the database does not answer", why=str(error) or type(error).__name__)
        return Unavailable("database")
    raise error  # a statement of ours is wrong: a bug, not a failure we foresaw


@lru_cache(maxsize=2048)
def _reading(sql: str) -> str:
    """The same of a statement that is no work's, and may change nothing."""
    if not _READS.match(sql):
        raise RuntimeError("only a work may change anything")
    return translated(sql)


@lru_cache(maxsize=2048)
def translated(sql: str) -> str:
    """The statement with its places as PostgreSQL writes them. Raises: RuntimeError, as `checked` does."""
    return _PLACE.sub(r"$\1", checked(sql))


async def open_postgresql(settings: DatabaseSettings) -> PostgresqlDatabase:
    """Open the migrated database at `settings.url`. Raises: Unavailable."""
    patience, longest = f"{settings.lock_s * 1000:.0f}", f"{settings.statement_s * 1000:.0f}"

    async def begin(connection: Any) -> None:
        await connection.fetch(_SESSION, patience, longest)

    pool = await asyncpg.create_pool(
        settings.url,
        min_size=0,
        max_size=settings.connections,
        init=begin,
        server_settings={"application_name": "packshot"},
        reset=_leave,
        timeout=CONNECT_S,
        command_timeout=settings.statement_s + PATIENCE_S,
        statement_cache_size=STATEMENTS,
        max_cacheable_statement_size=0,
    )
    return PostgresqlDatabase(pool)


async def _leave(_: Any) -> None:
    """Nothing of ours stays in a session: every use would pay a round trip for putting it back."""
