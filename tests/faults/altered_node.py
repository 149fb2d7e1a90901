"""`packshot` of another version: wrong in one way on purpose, or newer. Run by test_nodes.py as a process of its own.

python altered_node.py ALTERATION serve ...
"""

import contextlib
import sys
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextvars import ContextVar
from types import ModuleType
from typing import Any

from packshot.cli import main
from packshot.domain.errors import Unavailable
from packshot.services import originals
from packshot.services.core import Core
from packshot.services.originals import Examined
from packshot.storage import locks, migrations
from packshot.storage.blobs import new_key
from packshot.storage.database import Dialect, Tx
from packshot.storage.migrations import Step


def _alter(module: ModuleType, **parts: object) -> None:
    for name, part in parts.items():
        setattr(module, name, part)


def doom_by_a_bare_update() -> None:
    """Nobody holds the row of a blob while it is asked what points at it."""
    hold = locks.hold

    async def held(
        tx: Tx, table: str, ids: Collection[int], how: locks.How = "NO KEY UPDATE", *, of: int | None = None
    ) -> list[int]:
        return (
            sorted(ids) if how == "UPDATE SKIP LOCKED" and table == "blob" else await hold(tx, table, ids, how, of=of)
        )

    _alter(locks, hold=held)


def use_keys_again() -> None:
    """A put of which nobody knows what became of it is taken back, and done again under the same key."""

    async def put(core: Core, original: Examined) -> str:
        key = new_key(original.blob.digest)
        try:
            await core.blobs.put(key, original.data)
        except Unavailable:
            with contextlib.suppress(Unavailable):
                await core.blobs.delete(key)
            await core.blobs.put(key, original.data)
        return key

    _alter(originals, _put=put)


def write_bytes_after_rows() -> None:
    """Pointers first, bytes second."""
    later: ContextVar[list[tuple[str, Any]]] = ContextVar("later")
    store = originals.store

    async def put(_: Core, original: Examined) -> str:
        key = new_key(original.blob.digest)
        later.get().append((key, original.data))
        return key

    async def stored(
        core: Core, account_id: int, them: Sequence[Examined], work: Callable[[Tx, list[int]], Awaitable[Any]]
    ) -> Any:
        later.set([])
        done = await store(core, account_id, them, work)
        for key, data in later.get():
            await core.blobs.put(key, data)
        return done

    _alter(originals, _put=put, store=stored)


def with_one_more(steps: Callable[[Dialect], list[Step]]) -> Callable[[Dialect], list[Step]]:
    """The steps of the schema, and one that adds to it."""

    def more(dialect: Dialect = "sqlite") -> list[Step]:
        number = (known := steps(dialect))[-1][0] + 1
        return [*known, (number, f"{number:04}_newer", "ALTER TABLE image ADD COLUMN moved BIGINT NOT NULL DEFAULT 0")]

    return more


def know_one_more_step() -> None:
    """A version that is newer."""
    _alter(migrations, steps=with_one_more(migrations.steps))


ALTERATIONS = {
    "a bare update": doom_by_a_bare_update,
    "keys reused": use_keys_again,
    "bytes after rows": write_bytes_after_rows,
    "newer": know_one_more_step,
}


def program(alteration: str) -> list[str]:
    """The command that runs it."""
    return [sys.executable, __file__, alteration]


if __name__ == "__main__":
    ALTERATIONS[sys.argv.pop(1)]()
    main()
