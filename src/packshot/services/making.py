"""Work that is done once however many ask for it at a time, and work that nobody waits for."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context
from typing import Any, TypeVar, cast

import structlog

from packshot.domain.errors import LimitReached, PackshotError, UnacceptableImage

Key = tuple[str, str]
"""Of what: the key of an original's blob, and what is made of it."""

Result = TypeVar("Result")
Memory = TypeVar("Memory")
Value = TypeVar("Value")

FAILED_S = 60.0
"""How long it is remembered that something cannot be made."""

MAX_LATER = 1_000
MAX_FAILED = 10_000

_log = structlog.get_logger("packshot.renditions")


class Making:
    """To be used in one event loop. `later` is what nobody waits for yet, in the order it was asked for."""

    def __init__(self) -> None:
        self._tasks: dict[Key, asyncio.Task[Any]] = {}
        self._later: dict[Key, Callable[[], Awaitable[object]]] = {}
        self._refused: dict[Key, tuple[float, UnacceptableImage]] = {}
        self._failed: dict[str, None] = {}
        self._chore: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """How much there is to do that nobody waits for."""
        return len(self._later)

    async def once(self, key: Key, make: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        """What *make* gives; who asks for the same meanwhile gets the same, errors too.

        It goes on when nobody waits for it any more. That something cannot be made is remembered for a minute.
        """
        until, error = self._refused.get(key, (0.0, None))
        if error and asyncio.get_running_loop().time() < until:
            raise _anew(error)
        task = self._tasks.get(key)
        if task is None:
            task = self._tasks[key] = asyncio.get_running_loop().create_task(make())
            task.add_done_callback(lambda done: self._ended(key, done))
        return cast("Result", await asyncio.shield(task))

    def _ended(self, key: Key, done: asyncio.Task[Any]) -> None:
        del self._tasks[key]
        error = None if done.cancelled() else done.exception()  # seen here, since nobody may be waiting any more
        if isinstance(error, UnacceptableImage):
            _remember(self._refused, key, (asyncio.get_running_loop().time() + FAILED_S, _anew(error)))

    def soon(self, key: Key, make: Callable[[], Awaitable[object]]) -> None:
        """Have *make* called when there is time, one such thing after the other; what is too much is forgotten."""
        if key not in self._later and len(self._later) < MAX_LATER:
            self._later[key] = make
        if self._chore is None or self._chore.done():
            # Not in the context of who asked first: its request is not to blame for what others ask for.
            self._chore = asyncio.get_running_loop().create_task(self._work_off(), context=Context())

    def failed(self, blob_key: str) -> bool:
        """Whether a thing that nobody waited for could not be made of that original; the next may cost a worker."""
        return blob_key in self._failed

    async def _work_off(self) -> None:
        while self._later:
            key, make = next(iter(self._later.items()))
            try:
                await make()
            except LimitReached as error:
                _log.info("not made", rendition=key[1], why=str(error))
            except Exception as error:  # noqa: BLE001 - a bug in one must not keep the others from being made
                _remember(self._failed, key[0], None)
                foreseen = isinstance(error, PackshotError)
                _log.warning("given up", rendition=key[1], why=str(error), exc_info=not foreseen)
            finally:
                self._later.pop(key, None)

    async def close(self) -> None:
        """Break off what is being made, and forget what was to be."""
        self._later.clear()
        tasks = [*self._tasks.values(), *([self._chore] if self._chore else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _anew(error: UnacceptableImage) -> UnacceptableImage:
    """The same error without its history, which holds on to whatever was at work, and grows with every raise."""
    new = type(error).__new__(type(error), *error.args)
    vars(new).update(vars(error))
    return new


def _remember(memory: dict[Memory, Value], key: Memory, value: Value) -> None:
    """Write it down as the youngest; the oldest is forgotten for it where there are too many."""
    memory.pop(key, None)
    memory[key] = value
    if len(memory) > MAX_FAILED:
        del memory[next(iter(memory))]
