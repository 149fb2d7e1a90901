"""A small model checker: every order in which services can take their steps on the bytes of one digest.

Actors are calls of real services. Each operation on the storage port is a step: a work of the database as a whole, a
read outside works, and whatever is done with bytes. Before each step its actor waits for its turn; one turn is taken at
a time. All orders are walked through depth first, and the beginning of each is run again from the same store, since a
coroutine cannot be copied. What was met before is not gone into again: the rows, the bytes, and what every actor has
seen so far decide all that can come after.

Rows are those of a real SQLite file with the real schema: a step's work is a savepoint, and going back rolls back.
Bytes are in memory, and a file is old as soon as whoever put it there is through with its call: that is what the grace
of the sweep is for.
"""

import dataclasses
import hashlib
import re
import sqlite3
import types
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from structlog.testing import ReturnLogger

from moments import with_ages
from packshot.domain.errors import Conflict, PackshotError, Unavailable
from packshot.services import images, originals, scrub
from packshot.services.core import Core
from packshot.storage.blobs import Bytes, Staged
from packshot.storage.database import Database, Dialect, Work
from packshot.storage.sqlite import SqliteTx

_SHARED = re.compile(r"\b(?:blob|image|trash|deletion|hold)\b")
"""Tables that actors change. What is read of others is the same at any time, so when that happens does not matter."""

_TABLES = (
    "SELECT id, key, digest, size_bytes, state, doomed_at FROM blob",
    "SELECT id, guid, blob_id FROM image",
    "SELECT id, item_id, blob_id FROM trash WHERE kind = 'image'",
    "SELECT id FROM deletion",
    "SELECT id FROM hold",
    "SELECT after_blob_id, ended_at FROM scrub",
    "SELECT event, count(*) FROM outbox GROUP BY event ORDER BY event",
)
_STEPS = 400
"""An actor that takes more of them does not come to an end."""


class Wrong(Exception):
    """Something that must hold does not; the message says after which turns."""


class Folder:
    """The bytes of a store: of each key with the actor that put them there, and second copies by digest."""

    def __init__(self) -> None:
        self.files: dict[str, tuple[bytes, str]] = {}
        self.copies: dict[str, bytes] = {}
        self.staged: dict[str, bytes] = {}


@types.coroutine
def turn() -> Generator[None, None, None]:
    """Wait until it is this actor's turn."""
    yield


class Steps:
    """What one actor does: its database and its store of bytes, where it waits for its turns, and what it saw there."""

    def __init__(self, name: str, store: "Store", act: Callable[[Core], Awaitable[Any]]) -> None:
        self.name, self.store, self.seen, self.made = name, store, 0, 0
        self.result: Any = None
        self.error: BaseException | None = None
        self.ended = False
        self.core = dataclasses.replace(
            store.core, db=cast("Database", Rows(self)), blobs=cast("Any", Files(self)), clock=lambda: store.now
        )
        self.coroutine = cast("Coroutine[Any, Any, Any]", act(self.core))

    def go_on(self) -> None:
        """Take the step that was waited for, and all that follows up to the next one."""
        self.store.acting = self
        self.see("a turn")
        try:
            self.coroutine.send(None)
        except StopIteration as end:
            self.ended, self.result = True, end.value
        except BaseException as error:  # noqa: BLE001 - whatever ends an actor is looked at by those who know it
            self.ended, self.error = True, error
            self.see(type(error).__name__)

    def see(self, what: object) -> None:
        """Remember what a step gave."""
        self.seen = hash((self.seen, what))


class Rows:
    """The database as one actor has it."""

    dialect: Dialect = "sqlite"

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    async def one(self, sql: str, *values: Any) -> tuple[Any, ...] | None:
        rows = await self.all(sql, *values)
        return rows[0] if rows else None

    async def all(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        if _SHARED.search(sql):
            await turn()
        rows = self._steps.store.connection.execute(sql, values).fetchall()
        self._steps.see(tuple(rows))
        return rows

    async def write(self, work: Work[Any], **_: Any) -> Any:
        await turn()
        connection = self._steps.store.connection
        connection.execute("SAVEPOINT work")
        try:
            result = run(work(SqliteTx(connection)))
        except BaseException as error:
            connection.execute("ROLLBACK TO work")
            connection.execute("RELEASE work")
            self._steps.see(repr(error))
            if isinstance(error, sqlite3.IntegrityError):
                raise Conflict(str(error)) from error
            raise
        connection.execute("RELEASE work")
        self._steps.see(repr(result))
        return result


class Files:
    """The store of bytes as one actor has it."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._folder = steps.store.folder

    async def put(self, key: str, data: Bytes | Staged) -> None:
        await turn()
        content = self._folder.staged.pop(data.path.name) if isinstance(data, Staged) else bytes(data)
        self._folder.files[key] = content, self._steps.name

    def stage(self) -> Staged:
        self._steps.made += 1
        return Staged(Path(f"{self._steps.name} {self._steps.made}"))

    async def append(self, staged: Staged, piece: Bytes) -> None:
        staged.digest.update(piece)
        staged.size_bytes += len(piece)
        self._folder.staged[staged.path.name] = self._folder.staged.get(staged.path.name, b"") + bytes(piece)

    async def discard(self, staged: Staged) -> None:
        self._folder.staged.pop(staged.path.name, None)

    async def find_size(self, key: str) -> int | None:
        await turn()
        size = len(self._folder.files[key][0]) if key in self._folder.files else None
        self._steps.see(size)
        await turn()  # what is read next at once may be gone by then, by another process
        return size

    async def read(self, key: str, start: int, end: int) -> bytes:
        data = self._folder.files[key][0] if key in self._folder.files else None
        self._steps.see(data)
        if data is None or len(data) < end:
            raise Unavailable("blob store")
        return data[start:end]

    async def scan(self, key: str) -> AsyncIterator[bytes]:
        await turn()
        data = self._folder.files.get(key, (b"",))[0]
        self._steps.see(data)
        if data:
            yield data

    async def scan_copy(self, key: str) -> AsyncIterator[bytes]:
        if data := self._folder.copies.get(key.partition(".")[0]):
            yield data

    async def delete(self, key: str) -> None:
        await turn()
        self._folder.files.pop(key, None)

    async def of_keys(self, older_than_s: float, after: str = "", limit: int | None = None) -> list[str]:
        await turn()
        busy = {actor.name for actor in self._steps.store.actors if not actor.ended} if older_than_s else set()
        kept = sorted(key for key, (_, maker) in self._folder.files.items() if maker not in busy)
        keys = [key for key in kept if key > after][:limit]
        self._steps.see(tuple(keys))
        return keys


Act = Callable[[Core], Awaitable[Any]]
Look = Callable[["Store"], None]


class Store:
    """One store that actors share, which can be taken back to how it was."""

    def __init__(self, core: Core, connection: sqlite3.Connection, now: float) -> None:
        self.core, self.connection, self.now = core, connection, now
        self.folder = Folder()
        self.actors: list[Steps] = []
        self.acting: Steps | None = None
        self.acted = 0

    def begin(self, acts: Mapping[str, Act], files: Mapping[str, tuple[bytes, str]]) -> None:
        """Go back to the savepoint `scene` and to these files, and let every actor come to its first step."""
        self._stop()
        self.connection.execute("ROLLBACK TO scene")
        self.folder.files, self.folder.staged = dict(files), {}
        for name, act in acts.items():
            self.actors.append(Steps(name, self, act))
            self.actors[-1].go_on()

    def empty(self, savepoint: str) -> None:
        """Go back to that savepoint, without any bytes."""
        self._stop()
        self.connection.execute(f"ROLLBACK TO {savepoint}")
        self.connection.execute(f"RELEASE {savepoint}")
        self.folder.files, self.folder.copies, self.folder.staged = {}, {}, {}

    def _stop(self) -> None:
        for actor in self.actors:
            actor.coroutine.close()
        self.actors = []

    def alone(self, act: Act) -> Any:
        """What an act comes to that nobody disturbs."""
        self.acted += 1
        steps = Steps(f"alone {self.acted}", self, act)
        while not steps.ended:
            steps.go_on()
        if steps.error:
            raise steps.error
        return steps.result

    def new_key(self, digest: str) -> str:
        """In place of chance: the same actor makes the same keys, in whatever order they all act."""
        assert self.acting
        self.acting.made += 1
        return f"{digest}.{hashlib.sha256(self.acting.name.encode()).hexdigest()[:14]}{self.acting.made:02x}"

    def new_name(self) -> str:
        """The same for guids and public addresses."""
        assert self.acting
        self.acting.made += 1
        return f"{self.acting.name} {self.acting.made}"

    def state(self) -> tuple[Any, ...]:
        """All that can matter from now on."""
        rows = tuple(tuple(self.connection.execute(sql).fetchall()) for sql in _TABLES)
        return (rows, tuple(sorted(self.folder.files.items())), tuple((one.ended, one.seen) for one in self.actors))


def run(coroutine: Any) -> Any:
    """What a coroutine returns that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    coroutine.close()
    raise AssertionError("a work awaited something that is not its transaction")


@contextmanager
def opened(core: Core, connection: sqlite3.Connection) -> Iterator[Store]:
    """A store over the rows that *connection* has, which are as before when the block ends; time stands still."""
    store = Store(with_ages(core, young_s=-1, retention_s=-1), connection, core.clock())
    connection.execute("BEGIN IMMEDIATE")
    with pytest.MonkeyPatch.context() as patched:
        for module in (originals, scrub):
            patched.setattr(module, "new_key", store.new_key)
            patched.setattr(module, "_log", ReturnLogger())
        patched.setattr(images, "new_guid", store.new_name)
        patched.setattr(images, "new_address", store.new_name)
        yield store
    connection.execute("ROLLBACK")


@dataclasses.dataclass(frozen=True)
class Figures:
    """What was walked through: sets of actors, the orders this stands for, different states, steps between them."""

    models: int = 0
    orders: int = 0
    states: int = 0
    steps: int = 0

    def __add__(self, other: "Figures") -> "Figures":
        return Figures(*map(sum, zip(dataclasses.astuple(self), dataclasses.astuple(other), strict=True)))

    def __str__(self) -> str:
        return f"{self.models} models, {self.orders} orders, {self.states} states, {self.steps} steps"


def explore(store: Store, acts: Mapping[str, Act], look: Look, judge: Look) -> Figures:
    """Walk through all orders of some acts, from the savepoint `scene` and the bytes that are there.

    *look* is asked in every state, *judge* at every end. Raises: Wrong, as they do, or where an act has no end.
    """
    walk = _Walk(store, acts, look, judge)
    orders = walk.visit(walk.again([]))
    return Figures(1, orders, len(walk.orders), walk.steps)


class _Walk:
    def __init__(self, store: Store, acts: Mapping[str, Act], look: Look, judge: Look) -> None:
        self._store, self._acts, self._look, self._judge = store, acts, look, judge
        self._files = dict(store.folder.files)
        self.orders: dict[tuple[Any, ...], int] = {}
        self.steps = 0

    def again(self, order: list[int]) -> list[int]:
        """Run the beginning of an order from where everything begins."""
        self._store.begin(self._acts, self._files)
        for number in order:
            self._store.actors[number].go_on()
        return order

    def visit(self, order: list[int]) -> int:
        """How many orders there are from here on; afterwards the store is somewhere else."""
        state = self._store.state()
        if state in self.orders:
            return self.orders[state]
        waiting = [number for number, actor in enumerate(self._store.actors) if not actor.ended]
        self._ask(order, self._look)
        if not waiting:
            self._ask(order, self._judge)
        count = 0 if waiting else 1
        for number in waiting:
            if number != waiting[0]:
                self.again(order)
            self._store.actors[number].go_on()
            self.steps += 1
            count += self.visit([*order, number])
        self.orders[state] = count
        return count

    def _ask(self, order: list[int], question: Look) -> None:
        if len(order) > _STEPS:
            raise Wrong(f"there is no end after {_STEPS} steps")
        try:
            question(self._store)
        except (Wrong, PackshotError, sqlite3.Error) as error:
            names = " / ".join(list(self._acts)[number] for number in order)
            raise Wrong(f"{error} after: {names}") from error
