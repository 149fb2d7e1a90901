"""The life of a worker: when it ends, what it is told, and what a real one does with real pictures."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest

import pictures
from odd_worker import COMMAND, HEADER, content_of
from packshot.domain.errors import ImageTooLarge, UnacceptableImage, UndecodableImage
from packshot.domain.renditions import MEDIA_TYPES, Format, RenditionSpec
from packshot.imaging.jobs import LENGTHS, Examine, Render, Strip, raised, refused
from packshot.imaging.pool import Workers, WorkerSettings
from packshot.imaging.probe import probe
from packshot.imaging.process import WorkerProcess, in_memory

PATIENCE_S = 20
MEMORY_BYTES = 1 << 30

_PARENT = """
import asyncio, sys
sys.path.insert(0, {tests!r})
from odd_worker import do, odd_workers, processes

async def main():
    async with odd_workers(job_s=60) as workers:
        job = asyncio.create_task(do(workers, {deed!r}))
        await asyncio.sleep(0.2)
        print(*processes(), flush=True)
        await job

asyncio.run(main())
"""


def gone(pid: int) -> bool:
    try:
        return " Z " in Path(f"/proc/{pid}/stat").read_text("ascii")
    except FileNotFoundError:
        return True


@contextlib.contextmanager
def started_by_hand(parent: int) -> Iterator[tuple["subprocess.Popen[bytes]", socket.socket]]:
    ours, theirs = socket.socketpair()
    words = [str(word) for word in (parent, MEMORY_BYTES, 10)]
    with ours, theirs, subprocess.Popen([*COMMAND, *words], stdin=theirs.fileno()) as process:
        theirs.close()
        ours.settimeout(PATIENCE_S)
        try:
            yield process, ours
        finally:
            process.kill()


@pytest.mark.parametrize("deed", ["loop", "sleep"])
def test_workers_at_work_and_idle_ones_die_with_a_parent_that_is_killed(deed: str) -> None:
    script = _PARENT.format(tests=str(Path(__file__).parents[1]), deed=deed)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        pids = [int(word) for word in parent.stdout.readline().split()]

        parent.kill()

        until = time.monotonic() + PATIENCE_S
        while not all(map(gone, pids)) and time.monotonic() < until:
            time.sleep(0.01)
    assert len(pids) == 2
    assert all(map(gone, pids))


def test_a_worker_ends_when_the_pipe_ends() -> None:
    with started_by_hand(os.getpid()) as (process, channel):
        length, _ = LENGTHS.unpack(channel.recv(LENGTHS.size, socket.MSG_WAITALL))
        assert length == len(channel.recv(length, socket.MSG_WAITALL))

        channel.close()

        assert process.wait(PATIENCE_S) == 0


def test_a_worker_whose_parent_is_gone_already_ends_without_a_word() -> None:
    with started_by_hand(parent=1) as (process, channel):
        assert channel.recv(4) == b""
        assert process.wait(PATIENCE_S) == 0


async def test_a_worker_ends_itself_when_a_job_takes_too_much_processor_time() -> None:
    worker = WorkerProcess(COMMAND, MEMORY_BYTES, cpu_s=1)
    try:
        await worker.answer(0)
        with in_memory(b"loop") as file:
            worker.ask(Strip(HEADER, "nothing"), file)

        with pytest.raises(EOFError):
            await worker.answer(0)
    finally:
        code = await worker.ended()

    assert code == -signal.SIGXCPU


async def test_a_picture_longer_than_is_allowed_is_not_read() -> None:
    worker = WorkerProcess(COMMAND, MEMORY_BYTES, cpu_s=1)
    try:
        await worker.answer(0)
        with in_memory(b"x" * 100) as file:
            worker.ask(Strip(HEADER, "nothing"), file)

            with pytest.raises(ValueError, match="too long"):
                await worker.answer(99)
    finally:
        await worker.ended()


@pytest.mark.parametrize("error", [UnacceptableImage("a"), UndecodableImage("b"), ImageTooLarge(1, 2, "pixels")])
def test_a_refusal_comes_back_as_the_error_it_was(error: UnacceptableImage) -> None:
    again = raised(msgspec.msgpack.decode(msgspec.msgpack.encode(refused(error)), type=type(refused(error))))

    assert type(again) is type(error)
    assert (str(again), vars(again)) == (str(error), vars(error))


@pytest.fixture
async def workers() -> AsyncIterator[Workers]:
    pool = Workers(WorkerSettings(count=1))
    await pool.start()
    yield pool
    await pool.close()


async def test_a_real_worker_does_every_job_with_every_format_shut_in(workers: Workers) -> None:
    for name, data in pictures.small_files().items():
        header = probe(data)
        with in_memory(data) as file:
            for decode in (True, False):
                found = await workers.examine(Examine(header, decode=decode), file, name)
                assert (found.width_px, found.height_px) == (header.width_px, header.height_px), name
            for form in MEDIA_TYPES:
                done = await workers.render(Render(header, RenditionSpec(2, 2, format=form)), file, name)
                assert probe(content_of(done)).media_type == done.media_type == MEDIA_TYPES[form], name
            await workers.strip(Strip(header, "nothing"), file, name)

    assert workers.walls.seccomp
    assert workers.counts.total() == 0


@pytest.mark.parametrize("form", MEDIA_TYPES)
async def test_a_photograph_is_rendered_within_the_memory_of_a_worker(workers: Workers, form: Format) -> None:
    photograph = pictures.jpeg(4000, 3000)

    with in_memory(photograph) as file:
        done = await workers.render(Render(probe(photograph), RenditionSpec(400, 400, format=form)), file, "digest")

    header = probe(content_of(done))
    assert (header.width_px, header.height_px) == (400, 300)


async def test_a_damaged_picture_is_refused_and_costs_no_worker(workers: Workers) -> None:
    picture = pictures.jpeg_of_size(20_000)

    with in_memory(picture[:10_000]) as file, pytest.raises(UndecodableImage):
        await workers.examine(Examine(probe(picture), decode=True), file, "digest")

    assert workers.counts.total() == 0
