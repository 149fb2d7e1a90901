"""All rows of a store in another database, SQLite or PostgreSQL: out of one snapshot, and into one transaction.

An end is a database that is open for it: `reading` opens the one that is copied, `writing` the one it is copied to.
"""

import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec

from packshot.storage.copying import on_postgresql, on_sqlite
from packshot.storage.copying.ends import CannotCopy, Table, shown
from packshot.storage.database import Row, Tx

PIECE_ROWS = 500
"""How many rows are held at once."""

Address = Path | str
"""A file of SQLite's, or an address like `postgresql://host/name`."""

Told = Callable[[int, int], None]
"""Hears how many of how many rows are copied."""

__all__ = ["Address", "CannotCopy", "Digest", "End", "copy", "count_servers", "digests", "reading", "writing"]

count_servers = on_postgresql.count_servers


class Digest(NamedTuple):
    """How many rows a table has, and the SHA-256 of all of them in the order of their key."""

    rows: int
    sha256: str


class End(Protocol):
    """A database with one transaction open, in which all of this happens."""

    @property
    def tx(self) -> Tx:
        """It."""

    async def step(self) -> int:
        """The newest step of its schema."""

    async def tables(self) -> dict[str, Table]:
        """Those that hold what a store is, by name; see `ends.STAYING` for the others."""

    def pieces(self, table: Table, size: int) -> AsyncIterator[list[Row]]:
        """All rows in the order of their key, so many at once."""

    async def ids(self) -> dict[str, int]:
        """The highest id that a table ever gave out, by its name, also where that row is gone."""

    async def clear(self, tables: Mapping[str, Table]) -> None:
        """Delete all rows, also what servers knew of each other; triggers and foreign keys rest until `settle`."""

    async def add(self, table: Table, rows: list[Row]) -> None:
        """Raises: CannotCopy, where they do not fit."""

    async def settle(self, ids: Mapping[str, int]) -> None:
        """Have no id up to these given out again, and triggers and foreign keys at work. Raises: CannotCopy."""


def reading(address: Address) -> AbstractAsyncContextManager[End]:
    """The database as it is at this moment, until the block ends. Raises: CannotCopy."""
    return on_sqlite.reading(address) if isinstance(address, Path) else on_postgresql.reading(address)


def writing(address: Address) -> AbstractAsyncContextManager[End]:
    """A database of the newest step to copy to: it is as it was before, until the block ends well.

    A file is made anew and takes the place of the one that is there, which nobody may have open. In PostgreSQL the rows
    that are there can be read before they go, and nobody else reads or writes any until the block ends.
    Raises: CannotCopy.
    """
    return on_sqlite.writing(address) if isinstance(address, Path) else on_postgresql.writing(address)


async def copy(source: End, target: End, told: Told) -> dict[str, Digest]:
    """Have the target hold the rows of the source and no others, and look whether it does.

    Returns the digests by table. Raises: CannotCopy.
    """
    tables = await _tables(source, target)
    total = 0
    for name in tables:
        ((count,),) = await source.tx.all(f"SELECT count(*) FROM {name}")
        total += count
    await target.clear(tables)
    made, done = {}, 0
    for name, table in tables.items():
        digest, rows = hashlib.sha256(), 0
        async for piece in source.pieces(table, PIECE_ROWS):
            await target.add(table, piece)
            digest.update(_encoded(piece))
            rows += len(piece)
            told(done + rows, total)
        done += rows
        made[name] = Digest(rows, digest.hexdigest())
    await target.settle(await source.ids())
    found = await digests(target, tables)
    if wrong := [name for name in tables if made[name] != found[name]]:
        raise CannotCopy(f"the rows of {', '.join(wrong)} are not the same after they were copied: nothing was kept")
    return made


async def _tables(source: End, target: End) -> dict[str, Table]:
    """Raises: CannotCopy."""
    one, other = await source.step(), await target.step()
    if one != other:
        raise CannotCopy(
            f"one database is at step {one} of the schema and the other one at {other}: bring both up to date with the"
            " same version of Packshot"
        )
    tables, found = await source.tables(), await target.tables()
    if strange := [name for name in {*tables, *found} if shown(tables.get(name)) != shown(found.get(name))]:
        raise CannotCopy(f"{', '.join(sorted(strange))} is not the same table in both databases")
    return tables


async def digests(end: End, tables: Mapping[str, Table] | None = None) -> dict[str, Digest]:
    """What each table holds."""
    found = {}
    for name, table in (tables or await end.tables()).items():
        digest, rows = hashlib.sha256(), 0
        async for piece in end.pieces(table, PIECE_ROWS):
            digest.update(_encoded(piece))
            rows += len(piece)
        found[name] = Digest(rows, digest.hexdigest())
    return found


_encode = msgspec.msgpack.Encoder().encode


def _encoded(rows: list[Row]) -> bytes:
    return b"".join(map(_encode, rows))
