"""Databases of PostgreSQL's as ends of a copy; whoever owns their tables has all the rights it takes."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from packshot.storage.copying.ends import LEDGER, STAYING, CannotCopy, Table, listed, literals
from packshot.storage.database import Row
from packshot.storage.nodes import OF_SERVERS
from packshot.storage.postgresql import PostgresqlTx

CONNECT_S = 10.0
LOCK_S = 10.0
"""How long it waits for others that use the target's tables."""

NAME = "packshot move"

_TABLES = f"""
SELECT c.relname, array_agg(a.attname ORDER BY a.attnum),
    (SELECT array_agg(k.attname ORDER BY array_position(i.indkey::int2[], k.attnum)) FROM pg_index i
        JOIN pg_attribute k ON k.attrelid = i.indrelid AND k.attnum = ANY (i.indkey::int2[])
        WHERE i.indrelid = c.oid AND i.indisprimary),
    array_agg(a.attname) FILTER (WHERE a.atttypid = 'double precision'::regtype)
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'
    AND c.relname NOT IN ({literals(STAYING)}) AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
GROUP BY c.oid, c.relname ORDER BY c.oid
"""
_SEQUENCES = """
SELECT c.relname, a.attname, pg_get_serial_sequence(quote_ident(c.relname), a.attname)
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND a.attidentity <> ''
"""
_SESSION = """
SELECT set_config('statement_timeout', '0', false), set_config('idle_in_transaction_session_timeout', '0', false),
    set_config('lock_timeout', $1, false), set_config('synchronous_commit', 'on', false),
    set_config('jit', 'off', false)
"""
_SERVERS = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'packshot'
"""
_FOREIGN_KEYS = """
SELECT conrelid::regclass::text, quote_ident(conname), pg_get_constraintdef(oid) FROM pg_constraint
WHERE connamespace = current_schema()::regnamespace AND contype = 'f' ORDER BY oid
"""


class PostgresqlEnd:
    """See `End`."""

    def __init__(self, connection: Any) -> None:
        self.tx = PostgresqlTx(connection)
        self._connection = connection
        self._floats: dict[str, list[str]] = {}
        self._resting: list[tuple[str, str, str]] = []
        self._cleared: list[str] = []

    async def step(self) -> int:
        """See `End.step`."""
        return int(await self._connection.fetchval(f"SELECT coalesce(max(number), 0) FROM {LEDGER}"))

    async def tables(self) -> dict[str, Table]:
        """See `End.tables`."""
        found = {}
        for name, columns, key, floats in await self._connection.fetch(_TABLES):
            found[name] = Table(name, tuple(columns), tuple(key))
            self._floats[name] = floats or []
        return found

    async def pieces(self, table: Table, size: int) -> AsyncIterator[list[Row]]:
        """See `End.pieces`."""
        if not self._floats:
            await self.tables()
        # There is a negative zero here, which SQLite does not keep: plus nothing, it is zero.
        floats = self._floats[table.name]
        columns = ", ".join(f'"{name}" + 0' if name in floats else f'"{name}"' for name in table.columns)
        sql = f"SELECT {columns} FROM {table.name} ORDER BY {listed(table.key)}"
        cursor = f'"pieces of {table.name}"'  # the driver would leave its own one open, and the table in use
        await self._connection.execute(f"DECLARE {cursor} NO SCROLL CURSOR FOR {sql}")
        while rows := await self._connection.fetch(f"FETCH {size} FROM {cursor}"):
            yield [tuple(row) for row in rows]
        await self._connection.execute(f"CLOSE {cursor}")

    async def ids(self) -> dict[str, int]:
        """See `End.ids`."""
        found = {}
        for name, column, sequence in await self._connection.fetch(_SEQUENCES):
            found[name] = await self._connection.fetchval(
                f"SELECT greatest(CASE WHEN is_called THEN last_value ELSE last_value - 1 END,"
                f" (SELECT max({column}) FROM {name})) FROM {sequence}"
            )
        return found

    async def clear(self, tables: Mapping[str, Table]) -> None:
        """See `End.clear`."""
        self._cleared = list(tables)
        self._resting = [tuple(row) for row in await self._connection.fetch(_FOREIGN_KEYS)]
        for name in tables:
            await self._connection.execute(f"ALTER TABLE {name} DISABLE TRIGGER USER")
        # Looked up row by row they would take most of the time, and tables that point at themselves an order of rows.
        for table, constraint, _ in self._resting:
            await self._connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {constraint}")
        await self._connection.execute(f"TRUNCATE {', '.join((*tables, *OF_SERVERS))}")

    async def add(self, table: Table, rows: list[Row]) -> None:
        """See `End.add`."""
        try:
            await self._connection.copy_records_to_table(table.name, records=rows, columns=table.columns)
        except asyncpg.CharacterNotInRepertoireError:
            raise CannotCopy(_odd(table, rows)) from None

    async def settle(self, ids: Mapping[str, int]) -> None:
        """See `End.settle`."""
        for name, _, sequence in await self._connection.fetch(_SEQUENCES):
            # Unlike setval, it is undone with the transaction.
            await self._connection.execute(f"ALTER SEQUENCE {sequence} RESTART WITH {ids.get(name, 0) + 1}")
        for table, constraint, meaning in self._resting:
            await self._connection.execute(f"ALTER TABLE {table} ADD CONSTRAINT {constraint} {meaning}")
        for name in self._cleared:
            await self._connection.execute(f"ALTER TABLE {name} ENABLE TRIGGER USER")
        await self._connection.execute(f"ANALYZE {', '.join(self._cleared)}")


def _odd(table: Table, rows: list[Row]) -> str:
    for row in rows:
        values = dict(zip(table.columns, row, strict=True))
        for column, value in values.items():
            if isinstance(value, str) and "\0" in value:
                key = ", ".join(f"{name} {values[name]}" for name in table.key)
                return (
                    f"{column} of the row of {table.name} with {key} holds the character U+0000, which PostgreSQL"
                    " cannot keep: change it first"
                )
    return f"a row of {table.name} holds a character that PostgreSQL cannot keep"


@asynccontextmanager
async def reading(url: str) -> AsyncIterator[PostgresqlEnd]:
    """See `copying.reading`."""
    async with _connected(url) as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        await connection.execute("SELECT 1")  # the moment is that of the first statement
        yield PostgresqlEnd(connection)


@asynccontextmanager
async def writing(url: str) -> AsyncIterator[PostgresqlEnd]:
    """See `copying.writing`."""
    async with _connected(url) as connection, connection.transaction(isolation="read_committed"):
        end = PostgresqlEnd(connection)
        if tables := await end.tables():
            await connection.execute(f"LOCK TABLE {', '.join(tables)}")
        yield end


async def count_servers(url: str) -> int:
    """How many connections servers and commands have to the database. Raises: CannotCopy."""
    async with _connected(url) as connection:
        return int(await connection.fetchval(_SERVERS))


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[Any]:
    try:
        connection = await asyncpg.connect(url, timeout=CONNECT_S, server_settings={"application_name": NAME})
        await connection.execute(_SESSION, f"{LOCK_S * 1000:.0f}")
        try:
            yield connection
        finally:
            await connection.close()
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        raise CannotCopy(_explained(error)) from error


def _explained(error: BaseException) -> str:
    if isinstance(error, asyncpg.LockNotAvailableError):
        return "somebody uses the tables of the target: stop all servers that work with it"
    if isinstance(error, asyncpg.IntegrityConstraintViolationError):
        return f"the rows do not fit together ({error}): `packshot verify` names what is wrong"
    if isinstance(error, asyncpg.PostgresError):
        return f"PostgreSQL refuses: {error}"
    return f"PostgreSQL does not answer: {str(error) or type(error).__name__}"
