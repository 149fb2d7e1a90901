"""The one thread that writes to SQLite: it commits in groups, out of which a work that fails is taken alone.

A *work* is a coroutine function over a transaction (see `database.Work`). The thread drives it to its end
with `send(None)`; a work that awaits anything else is closed and refused. Nobody is answered before COMMIT
has returned.
"""

import asyncio
import contextlib
import contextvars
import queue
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec

from packshot.domain.errors import Unavailable

Result = TypeVar("Result")
AnyWork = Callable[[Any], Awaitable[Any]]

GROUP_ITEMS = 64
GROUP_S = 0.005
QUEUE_ITEMS = 1024
IDLE_S = 2.0

_PASSING = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_READONLY}


class _Item(msgspec.Struct):
    """One queued work, the context it was asked in, and who waits for it."""

    work: AnyWork
    context: contextvars.Context
    waiter: "asyncio.Future[Any]"
    makes_room: bool = False
    value: Any = None
    error: BaseException | None = None


class _GroupLost(Exception):
    """The whole transaction was rolled back, the neighbours' works included."""

    def __init__(self, item: _Item) -> None:
        super().__init__()
        self.item = item


class Writer:
    """Queues works for the thread and hands their results back to the event loop.

    *died* is called on the loop's thread when the writer's thread ends by an error. *release* is called on that thread
    when the disk is full, and says whether works that make room may be tried again; *check* is called before each group
    and raises what every work of it fails with.
    """

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        transaction: Callable[[sqlite3.Connection], Any],
        died: Callable[[BaseException], None],
        release: Callable[[], bool] = lambda: False,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._connect = connect
        self._transaction = transaction
        self._died = died
        self._release = release
        self._check = check
        self._group: list[_Item] = []
        self._closing = False
        self._written = False
        self._queue: queue.Queue[_Item | None] = queue.Queue(QUEUE_ITEMS)
        self._loop = asyncio.get_running_loop()
        self._broken: BaseException | None = None
        self._thread = threading.Thread(target=self._main, name="sqlite-writer", daemon=True)
        self._thread.start()

    async def write(self, work: Callable[[Any], Awaitable[Result]], *, makes_room: bool = False) -> Result:
        """Run *work* in the next group; see `Database.write`.

        Cancelled before its turn, the work is never run; once begun it is committed and its answer dropped.
        """
        # Refused before it is queued: queued, it would run after the outer work was refused.
        if threading.current_thread() is self._thread:
            raise RuntimeError("a work may not write through the database again")
        waiter: asyncio.Future[Result] = self._loop.create_future()
        self._require_alive()
        try:
            self._queue.put_nowait(_Item(work, contextvars.copy_context(), waiter, makes_room))
        except queue.Full:
            raise Unavailable("database") from None
        self._require_alive()  # it may have died between the first look and the put
        return await waiter

    def queued(self) -> int:
        """How many works wait."""
        return self._queue.qsize()

    def _require_alive(self) -> None:
        if self._broken is not None:
            raise Unavailable("database") from self._broken

    async def close(self) -> None:
        """Let the queue run dry, then end the thread."""
        if self._broken is None:
            await self._loop.run_in_executor(None, self._queue.put, None)
        await self._loop.run_in_executor(None, self._thread.join)

    # What follows runs on the writer's thread.

    def _main(self) -> None:
        try:
            connection = self._connect()
            while not self._closing:
                self._take_turn(connection)
            connection.close()
        except BaseException as error:
            self._broken = error
            self._call(self._died, error)
            raise
        finally:
            self._settle_everybody()

    def _take_turn(self, connection: sqlite3.Connection) -> None:
        try:
            item = self._queue.get(timeout=IDLE_S if self._written else None)
        except queue.Empty:
            self._written = False
            _empty_log(connection)
            return
        if item is None:
            self._closing = True
            return
        self._written = True
        self._commit_group(connection, item)

    def _commit_group(self, connection: sqlite3.Connection, first: _Item) -> None:
        self._group = [first]
        try:
            self._check()
            self._begin(connection)
            end = time.monotonic() + GROUP_S
            item: _Item | None = first
            while item is not None:
                self._run(connection, item)
                item = self._next(end)
            connection.execute("COMMIT")
        except _GroupLost as lost:
            self._run_alone(connection, [item for item in self._group if item is not lost.item])
        except Exception as error:  # noqa: BLE001 - whatever BEGIN or COMMIT raises belongs to every waiter
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            for item in self._group:
                item.error = _again(error)
        self._make_room(connection)
        self._call(_give, self._group)
        self._group = []

    def _make_room(self, connection: sqlite3.Connection) -> None:
        """Where the disk was full: try again, with what was kept for them, those that make room on it."""
        refused = [item for item in self._group if item.makes_room and is_full(item.error)]
        if refused and self._release():
            self._run_alone(connection, refused)

    def _begin(self, connection: sqlite3.Connection) -> None:
        """Open the group's transaction; where somebody else holds the lock, all who wait by then have waited enough."""
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            while self._take() is not None:
                pass
            raise

    def _next(self, end: float) -> _Item | None:
        """The next work of this group, already counted among it, or None when the group is complete."""
        return None if len(self._group) >= GROUP_ITEMS or time.monotonic() >= end else self._take()

    def _take(self) -> _Item | None:
        """The next work that waits, counted among this group; None where nobody does, or all are to end."""
        try:
            item = self._queue.get_nowait()
        except queue.Empty:
            return None
        if item is None:
            self._closing = True
        else:
            self._group.append(item)
        return item

    def _run(self, connection: sqlite3.Connection, item: _Item) -> None:
        """Run one work; its failure is its own. Raises: _GroupLost."""
        if item.waiter.cancelled():
            return
        # The first one has the transaction to itself. A savepoint would keep a copy of every page that it changes.
        first = item is self._group[0]
        if not first:
            connection.execute("SAVEPOINT work")
        try:
            item.value = item.context.run(_drive, item.work, self._transaction(connection))
            item.error = None
        except BaseException as error:  # also CancelledError or RecursionError is that work's failure only
            # A future takes no StopIteration.
            item.error = RuntimeError("a work ran out of an iterator") if isinstance(error, StopIteration) else error
            if first and connection.in_transaction:
                connection.execute("ROLLBACK")
            # FULL, IOERR and NOMEM may have rolled back everything: then nothing of the group happened.
            if not connection.in_transaction:
                raise _GroupLost(item) from error
            connection.execute("ROLLBACK TO work")
        if not first:
            connection.execute("RELEASE work")

    def _run_alone(self, connection: sqlite3.Connection, items: list[_Item]) -> None:
        """Run these works, which the group was rolled back with, each in a transaction of its own."""
        locked: Exception | None = None
        for item in items:
            item.error = locked and _again(locked)
            if locked:  # they have waited long enough
                continue
            try:
                connection.execute("BEGIN IMMEDIATE")
                self._run(connection, item)
                connection.execute("COMMIT")
            except _GroupLost:
                continue  # its error is kept in the item
            except Exception as error:  # noqa: BLE001 - as in a group
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                item.error = _again(error)
                locked = error if _code(error) == sqlite3.SQLITE_BUSY else None

    def _settle_everybody(self) -> None:
        """Whatever ended the thread: nobody waits for ever."""
        self._broken = self._broken or RuntimeError("the writer is closed")
        items = self._group
        while not self._queue.empty():
            left = self._queue.get_nowait()
            items += [] if left is None else [left]
        for item in items:
            item.error = Unavailable("database")
        self._call(_give, items)

    def _call(self, function: Callable[[Any], None], value: Any) -> None:
        # A closed loop means that the process is going down and nobody is left to tell.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function, value)


def is_full(error: BaseException | None) -> bool:
    """Whether SQLite found no room on the disk, for the log or for the index of it in shared memory, which is a file.

    Of the index nothing has to last: that it cannot grow says nothing about what is on the disk.
    """
    return (
        getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_IOERR_SHMSIZE or _code(error) == sqlite3.SQLITE_FULL
    )


def _code(error: BaseException | None) -> int:
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF


def _empty_log(connection: sqlite3.Connection) -> None:
    """Use an idle moment to empty the write-ahead log, unless a reader or a disk without room for it is in the way."""
    (patience,) = connection.execute("PRAGMA busy_timeout").fetchone()
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except sqlite3.OperationalError as error:
        if not is_full(error) and _code(error) not in _PASSING:
            raise
    finally:
        connection.execute(f"PRAGMA busy_timeout = {patience}")


def _drive(work: AnyWork, tx: Any) -> Any:
    coroutine: Any = work(tx)
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    with contextlib.suppress(RuntimeError):  # it may swallow GeneratorExit; it is refused all the same
        coroutine.close()
    raise RuntimeError(f"{work!r} awaited something that is not its transaction")


def _again(error: Exception) -> Exception:
    """A fresh exception of the same kind: one object must not be raised in many tasks at once."""
    copy = type(error)(*error.args)
    for name in ("sqlite_errorcode", "sqlite_errorname"):
        if hasattr(error, name):
            setattr(copy, name, getattr(error, name))
    return copy


def _give(items: list[_Item]) -> None:
    for item in items:
        if item.waiter.done():
            continue
        if item.error is not None:
            item.waiter.set_exception(item.error)
        else:
            item.waiter.set_result(item.value)
