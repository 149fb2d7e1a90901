"""The pool of image workers: what of it lives in the web process, which never decodes a pixel itself."""

import asyncio
import math
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Annotated, Literal, TypeVar

import msgspec
import structlog

from packshot.domain.errors import LimitReached, UnacceptableImage, Unavailable, UndecodableImage
from packshot.imaging.jobs import (
    Broken,
    Examine,
    Found,
    Job,
    Ready,
    Refused,
    Render,
    Rendered,
    Strip,
    Stripped,
    most_picture_bytes,
    raised,
)
from packshot.imaging.process import COMMAND, Made, Picture, WorkerProcess

STRIKES = 3
STRUCK_S = 3600.0
"""How long it is remembered what cost workers: the next one may be better, or have more memory."""

_DIGESTS = 1_000
_START_S = 30.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 30.0
_RETRY_AFTER_S = 2
_WORK = "images to work on"

_Loss = Literal["hung", "starved", "crashed", "garbled", "killed", "broken"]
_WORDS: dict[_Loss, str] = {
    "hung": "The image takes too long to decode",
    "crashed": "The image cannot be decoded",
    "garbled": "The image cannot be decoded",
}
"""What is said where the picture is to blame. A worker that was killed from outside or met a bug of ours is not."""

_log = structlog.get_logger("packshot.imaging")

Result = TypeVar("Result", Found, Rendered, Stripped)

_FOUND = msgspec.msgpack.Decoder(Found | Refused | Broken)
_RENDERED = msgspec.msgpack.Decoder(Rendered | Refused | Broken)
_STRIPPED = msgspec.msgpack.Decoder(Stripped | Refused | Broken)
_READY = msgspec.msgpack.Decoder(Ready | Broken)


class WorkerSettings(msgspec.Struct, frozen=True):
    """The image workers.

    `count` is how many jobs run at once (0: one more than this machine has cores, since between two jobs a worker
    waits); there is always one process more, warm, to step in for one that is lost. `queue` is how many jobs may wait,
    and `wait_s` for how long. A job may take `job_s` seconds, and a worker `memory_bytes`. After `jobs` of them a
    worker is replaced.
    """

    count: Annotated[int, msgspec.Meta(ge=0, le=256)] = 0
    queue: int = 64
    wait_s: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 10.0
    job_s: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 10.0
    # What `opening` lets in was measured with as much as this. It is address space, which need not be there as memory.
    memory_bytes: Annotated[int, msgspec.Meta(ge=1 << 30, le=1 << 40)] = 1024 * 1024 * 1024
    jobs: Annotated[int, msgspec.Meta(ge=1)] = 500


class Workers:
    """Processes that do the jobs of `jobs`, a few at a time; whatever becomes of one, the others go on.

    To be started and used in one event loop, whose thread has to outlive it: the workers die with that thread.
    `waiting` is how many jobs wait for a worker. `counts` says how many workers were lost so far: `crashed`, `hung`,
    `starved` (its time was over, and the machine had spent it on something else), `garbled` (said something else than
    an answer), `killed` from outside, `broken` by a bug of ours, `cancelled` with their job, `lost` between two jobs,
    `recycled`; and how many jobs were `refused` for want of room or `struck_out`.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        command: Sequence[str] = COMMAND,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._command = command
        self._clock = clock
        self._size = settings.count or len(os.sched_getaffinity(0)) + 1
        self._turns = asyncio.Semaphore(self._size)
        # The last one that was at work is the first to work again: the others need not be in memory.
        self._free: asyncio.LifoQueue[WorkerProcess | None] = asyncio.LifoQueue()
        self._all: set[WorkerProcess] = set()
        self._chores: set[asyncio.Task[None]] = set()
        self._closed = False
        self._starting: asyncio.Task[None] | None = None
        self._strikes: dict[str, tuple[int, float]] = {}
        self.waiting = 0
        self.counts: Counter[str] = Counter()
        self.walls = Ready(landlock=False, seccomp=False, own_network=False)

    @property
    def size(self) -> int:
        """How many jobs run at once."""
        return self._size

    @property
    def free(self) -> int:
        """How many warm workers have nothing to do."""
        return self._free.qsize()

    @property
    def lost(self) -> int:
        """How many workers did not come to their end in peace."""
        return sum(count for what, count in self.counts.items() if what not in {"recycled", "refused", "struck_out"})

    async def start(self) -> None:
        """All workers are warm; `walls` says what shuts them in. It happens once, before the first job at the latest.

        Raises:
            Unavailable: one of them cannot be started.
        """
        if self._closed:
            raise Unavailable("image worker")
        if self._starting is None:
            self._starting = asyncio.get_running_loop().create_task(self._start())
        await asyncio.shield(self._starting)

    async def _start(self) -> None:
        started = await asyncio.gather(*(self._add() for _ in range(self._size + 1)), return_exceptions=True)
        failures = [failure for failure in started if isinstance(failure, BaseException)]
        if failures:
            while not self._free.empty():
                self._free.get_nowait()
            await asyncio.gather(*(self._bury(worker) for worker in self._all))
            self._starting = None  # the next job tries again
            raise failures[0]

    async def close(self) -> None:
        """No process and no descriptor is left; jobs that wait or run end with Unavailable."""
        self._closed = True
        for worker in self._all:
            worker.kill()
        if self._starting is not None:
            # Not cancelled: who waits for it shall hear Unavailable, and was not cancelled either.
            await asyncio.gather(self._starting, return_exceptions=True)
        for _ in range(self._size):
            self._free.put_nowait(None)
        for _ in range(self._size):
            await self._turns.acquire()
        for _ in range(self._size):
            self._turns.release()
        for chore in self._chores:
            chore.cancel()
        await asyncio.gather(*self._chores, return_exceptions=True)
        await asyncio.gather(*(self._bury(worker) for worker in self._all))

    async def examine(self, job: Examine, source: int, digest: str) -> Found:
        """What the picture is. For arguments and errors see `render`."""
        found: Found
        found, _ = await self._run(job, source, digest, _FOUND)
        return found

    async def render(self, job: Render, source: int, digest: str) -> Made:
        """The rendition, made by a worker.

        `source` is a descriptor that can only be read (see `in_memory`) and that nobody else uses meanwhile; it stays
        open. `digest` is that of its bytes. When the caller is cancelled, so is the job.

        Raises:
            UnacceptableImage: the picture, or its digest after it cost three workers within an hour.
            UndecodableImage: it is damaged, takes too long, or crashed the worker.
            ImageTooLarge: it is larger than its header said.
            LimitReached: too many jobs wait, this one waited too long, or the machine was too busy to get it done.
            Unavailable: the worker was lost for another reason, or the pool is closed.
        """
        rendered, data = await self._run(job, source, digest, _RENDERED)
        return Made(rendered.media_type, data)

    async def strip(self, job: Strip, source: int, digest: str) -> Made:
        """The copy without metadata. For arguments and errors see `render`."""
        stripped, data = await self._run(job, source, digest, _STRIPPED)
        return Made(stripped.media_type, data)

    async def _run(
        self, job: Job, source: int, digest: str, answers: msgspec.msgpack.Decoder[Result | Refused | Broken]
    ) -> tuple[Result, Picture]:
        self._check_strikes(digest)
        await self.start()
        async with self._turn():
            self._check_strikes(digest)
            worker = await self._quiet_worker()
            answer: Result | Refused | Broken | _Loss | None = None
            try:
                answer, picture = await self._asked(worker, job, source, answers)
            except asyncio.CancelledError:
                self.counts["cancelled"] += 1
                raise
            finally:
                self._give_back(worker, healthy=isinstance(answer, Found | Rendered | Stripped | Refused))
        if isinstance(answer, Refused):
            raise raised(answer)
        if isinstance(answer, Broken):
            raise self._struck(digest, "broken", answer.why)
        if isinstance(answer, str):
            raise self._struck(digest, answer, worker.last_words())
        return answer, picture

    async def _asked(
        self,
        worker: WorkerProcess,
        job: Job,
        source: int,
        answers: msgspec.msgpack.Decoder[Result | Refused | Broken],
    ) -> tuple[Result | Refused | Broken | _Loss, Picture]:
        try:
            async with asyncio.timeout(self._settings.job_s):
                worker.ask(job, source)
                words, picture = await worker.answer(most_picture_bytes(job, os.fstat(source).st_size))
        except TimeoutError:
            return "starved" if worker.is_starved() else "hung", b""
        except (OSError, EOFError):
            return "killed" if await worker.ended() == -signal.SIGKILL else "crashed", b""
        except ValueError:
            return "garbled", b""
        try:
            return answers.decode(words), picture
        except msgspec.MsgspecError:
            return "garbled", b""

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Wait until one of the jobs that run at once may be ours. Raises: LimitReached."""
        if self._turns.locked() and self.waiting >= self._settings.queue:
            raise self._full()
        self.waiting += 1
        try:
            async with asyncio.timeout(self._settings.wait_s):
                await self._turns.acquire()
        except TimeoutError:
            raise self._full() from None
        finally:
            self.waiting -= 1
        try:
            yield
        finally:
            self._turns.release()

    def _full(self) -> LimitReached:
        self.counts["refused"] += 1
        return LimitReached(_WORK, _RETRY_AFTER_S)

    async def _quiet_worker(self) -> WorkerProcess:
        """A worker that is free. Raises: Unavailable."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.wait_s):
                while not self._closed and (worker := await self._free.get()):
                    if worker.is_quiet():
                        return worker
                    self.counts["lost"] += 1
                    self._replace(worker)
        raise Unavailable("image worker")

    def _give_back(self, worker: WorkerProcess, *, healthy: bool) -> None:
        worker.jobs += 1
        if healthy and worker.jobs < self._settings.jobs:
            self._free.put_nowait(worker)
            return
        if healthy:
            self.counts["recycled"] += 1
        self._replace(worker)

    def _check_strikes(self, digest: str) -> None:
        if self._strikes_of(digest) >= STRIKES:
            self.counts["struck_out"] += 1
            raise UndecodableImage("The image could not be decoded several times")

    def _strikes_of(self, digest: str) -> int:
        count, since = self._strikes.get(digest, (0, 0.0))
        return count if self._clock() - since < STRUCK_S else 0

    def _struck(self, digest: str, loss: _Loss, why: str) -> UnacceptableImage | LimitReached | Unavailable:
        """Remember whose job cost a worker, unless the machine was to blame; the error to answer with."""
        self.counts[loss] += 1
        if not self._closed:
            _log.warning("image worker lost", loss=loss, digest=digest, why=why)
        if loss == "starved":
            return LimitReached(_WORK, _RETRY_AFTER_S)
        if not self._closed:
            count = self._strikes_of(digest) + 1
            self._strikes.pop(digest, None)  # those of late come last
            self._strikes[digest] = count, self._clock()
            if len(self._strikes) > _DIGESTS:
                del self._strikes[next(iter(self._strikes))]
        if words := _WORDS.get(loss):
            return UndecodableImage(words)
        return Unavailable("image worker")

    def _replace(self, worker: WorkerProcess) -> None:
        worker.kill()
        chore = asyncio.get_running_loop().create_task(self._renew(worker))
        self._chores.add(chore)
        chore.add_done_callback(self._chores.discard)

    async def _renew(self, lost: WorkerProcess) -> None:
        await self._bury(lost)
        pause_s = _FIRST_PAUSE_S
        while not self._closed:
            try:
                return await self._add()
            except Unavailable:
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        return None

    async def _add(self) -> None:
        """One worker more, warm. Raises: Unavailable."""
        if self._closed:
            raise Unavailable("image worker")
        try:
            worker = WorkerProcess(self._command, self._settings.memory_bytes, 2 * math.ceil(self._settings.job_s))
        except OSError as error:
            _log.exception("image worker not started")
            raise Unavailable("image worker") from error
        self._all.add(worker)
        try:
            async with asyncio.timeout(_START_S):
                first = _READY.decode((await worker.answer(0))[0])
        except (OSError, EOFError, ValueError, msgspec.MsgspecError) as error:
            first = Broken(f"{error!r}\n{worker.last_words()}")
        if isinstance(first, Broken):
            await self._bury(worker)
            if not self._closed:
                _log.error("image worker not started", why=first.why)
            raise Unavailable("image worker")
        self.walls = first
        self._free.put_nowait(worker)

    async def _bury(self, worker: WorkerProcess) -> None:
        await worker.ended()
        self._all.discard(worker)
