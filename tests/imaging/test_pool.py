"""The pool, with real processes that fail in every way a worker can."""

import asyncio
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog

from build import Clock
from odd_worker import COMMAND, HEADER, do, odd_workers, processes
from packshot.domain.errors import (
    ImageTooLarge,
    LimitReached,
    PackshotError,
    UnacceptableImage,
    Unavailable,
    UndecodableImage,
)
from packshot.domain.originals import Header
from packshot.domain.renditions import RenditionSpec
from packshot.imaging.jobs import MAX_WHY_CHARACTERS, Examine, Render, Strip, most_picture_bytes
from packshot.imaging.pool import STRIKES, STRUCK_S, Workers, WorkerSettings
from packshot.imaging.process import in_memory, sealed

PATIENCE_S = 20


async def until(holds: Callable[[], bool]) -> float:
    """Wait for it; how many seconds that took."""
    begun = time.monotonic()
    while not holds():
        assert time.monotonic() - begun < PATIENCE_S
        await asyncio.sleep(0.005)
    return time.monotonic() - begun


async def whole(workers: Workers) -> float:
    """Wait until there is a warm worker for each turn and one more."""
    return await until(lambda: workers.free == workers.size + 1)


@pytest.mark.parametrize(
    ("deed", "error", "count"),
    [
        ("segfault", UndecodableImage, "crashed"),
        ("abort", UndecodableImage, "crashed"),
        ("exit", UndecodableImage, "crashed"),
        ("loop", UndecodableImage, "hung"),
        ("sleep", UndecodableImage, "hung"),
        ("stall", UndecodableImage, "hung"),
        ("half", UndecodableImage, "crashed"),
        ("garbage", UndecodableImage, "garbled"),
        ("nonsense", UndecodableImage, "garbled"),
        ("other answer", UndecodableImage, "garbled"),
        ("large answer", UndecodableImage, "garbled"),
        ("large words", UndecodableImage, "garbled"),
        ("bug", Unavailable, "broken"),
    ],
)
async def test_whatever_becomes_of_a_worker_costs_one_answer(deed: str, error: type[PackshotError], count: str) -> None:
    # Short only where it has to pass: on a busy machine the naps might not be over.
    async with odd_workers(count=2, job_s=1 if count == "hung" else 10) as workers:
        before = processes()

        bad, *good = await asyncio.gather(
            do(workers, deed), *(do(workers, f"nap{number}") for number in range(3)), return_exceptions=True
        )
        await whole(workers)
        after = processes()

    # Where others keep all cores busy, a loop cannot be told from honest work that is not done in time.
    starved = deed == "loop" and type(bad) is LimitReached
    assert type(bad) is error or starved
    assert good == ["None"] * 3
    assert workers.counts == {"starved" if starved else count: 1}
    assert len(before) == len(after) == 3
    assert len(before & after) == 2


async def test_whoever_comes_after_a_lost_worker_does_not_wait_for_a_new_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with odd_workers() as workers:
        warm = processes()
        with pytest.raises(UndecodableImage):
            await do(workers, "segfault")

        stepped_in = int(await do(workers, "pid"))
        replaced_s = await whole(workers)

        assert stepped_in in warm
        assert len(processes() - warm) == 1
    with capsys.disabled():
        sys.stdout.write(f"\nreplaced within {1000 * replaced_s:.0f} ms ")


async def test_taking_too_much_memory_costs_one_answer_and_no_worker() -> None:
    async with odd_workers() as workers:
        pid = await do(workers, "pid")

        with pytest.raises(UnacceptableImage, match="memory"):
            await do(workers, "hog")

        assert await do(workers, "pid") == pid
        assert workers.counts.total() == 0


async def test_a_picture_that_cost_three_workers_is_refused_and_costs_no_fourth() -> None:
    async with odd_workers() as workers:
        for _ in range(STRIKES):
            with pytest.raises(UndecodableImage):
                await do(workers, "segfault")
        await whole(workers)
        before = processes()

        with pytest.raises(UndecodableImage, match="several times"):
            await do(workers, "segfault")

        assert await do(workers, "another one") == "another one"
        assert processes() == before
        assert workers.counts == {"crashed": STRIKES, "struck_out": 1}


async def test_such_a_picture_may_try_again_after_an_hour() -> None:
    clock = Clock()
    async with odd_workers(clock=clock) as workers:
        for _ in range(STRIKES):
            clock.advance(STRUCK_S - 1)
            with pytest.raises(UndecodableImage):
                await do(workers, "segfault")
        with pytest.raises(UndecodableImage, match="several times"):
            await do(workers, "segfault")

        clock.advance(STRUCK_S)
        for _ in range(STRIKES):
            with pytest.raises(UndecodableImage, match=r"decoded$"):
                await do(workers, "segfault")

        with pytest.raises(UndecodableImage, match="several times"):
            await do(workers, "segfault")


async def test_those_who_wait_with_such_a_picture_are_refused_too() -> None:
    async with odd_workers() as workers:
        answers = await asyncio.gather(*(do(workers, "segfault") for _ in range(8)), return_exceptions=True)

        assert {type(answer) for answer in answers} == {UndecodableImage}
        assert workers.counts == {"crashed": STRIKES, "struck_out": 8 - STRIKES}


async def test_a_worker_killed_from_outside_is_not_the_pictures_fault() -> None:
    async with odd_workers() as workers:
        pid = int(await do(workers, "pid"))
        job = asyncio.create_task(do(workers, "sleep"))
        await asyncio.sleep(0.05)

        os.kill(pid, signal.SIGKILL)

        with pytest.raises(Unavailable):
            await job
        assert workers.counts == {"killed": 1}


async def test_a_worker_lost_between_two_jobs_costs_no_answer() -> None:
    async with odd_workers() as workers:
        pid = int(await do(workers, "pid"))

        os.kill(pid, signal.SIGKILL)
        # Dead, and its last thread too: only then is the channel closed.
        dead = Path(f"/proc/{pid}")
        await until(lambda: len(list(dead.glob("task/*"))) == 1 and " Z " in (dead / "stat").read_text("ascii"))

        assert int(await do(workers, "pid")) != pid
        assert workers.counts == {"lost": 1}


async def test_who_speaks_without_being_asked_gets_no_more_jobs() -> None:
    async with odd_workers() as workers:
        await do(workers, "one more answer")
        await asyncio.sleep(0.3)

        assert await do(workers, "next") == "next"
        assert workers.counts == {"lost": 1}


async def test_a_gentle_end_of_all_processes_leaves_the_workers_at_work() -> None:
    async with odd_workers() as workers:
        pid = await do(workers, "pid")
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.kill(int(pid), number)

        assert await do(workers, "pid") == pid


async def test_workers_are_replaced_after_so_many_jobs() -> None:
    async with odd_workers(jobs=3) as workers:
        pids = []
        for _ in range(12):
            pids.append(await do(workers, "pid"))  # noqa: PERF401 - one after the other
        await whole(workers)

    assert max(pids.count(pid) for pid in pids) == 3
    assert workers.counts == {"recycled": 4}


async def test_as_many_jobs_wait_as_are_allowed_and_the_next_is_asked_to_come_again() -> None:
    async with odd_workers(count=2, queue=3) as workers:
        jobs = [asyncio.create_task(do(workers, f"nap{number}")) for number in range(5)]
        await until(lambda: workers.waiting == 3)

        with pytest.raises(LimitReached) as refusal:
            await do(workers, "one too many")

        assert refusal.value.retry_after_s >= 1
        assert await asyncio.gather(*jobs) == ["None"] * 5
        assert workers.counts == {"refused": 1}
        assert workers.waiting == 0


async def test_nobody_waits_longer_than_is_allowed() -> None:
    async with odd_workers(wait_s=0.1) as workers:
        running = asyncio.create_task(do(workers, "nap"))
        await asyncio.sleep(0)

        with pytest.raises(LimitReached):
            await do(workers, "waits")

        assert await running == "None"
        assert await do(workers, "comes again") == "comes again"


async def test_a_job_that_is_cancelled_while_it_waits_is_never_begun() -> None:
    async with odd_workers() as workers:
        running = asyncio.create_task(do(workers, "nap"))
        waiting = asyncio.create_task(do(workers, "segfault"))
        await until(lambda: workers.waiting == 1)

        waiting.cancel()

        assert await running == "None"
        assert await do(workers, "next") == "next"
        assert waiting.cancelled()
        assert workers.waiting == 0
        assert workers.counts.total() == 0


async def test_a_job_that_is_cancelled_while_it_runs_is_ended_and_is_no_strike() -> None:
    async with odd_workers() as workers:
        before = processes()
        for _ in range(STRIKES + 1):
            running = asyncio.create_task(do(workers, "sleep"))
            await asyncio.sleep(0.05)

            running.cancel()

            with pytest.raises(asyncio.CancelledError):
                await running
            await whole(workers)
        assert await do(workers, "next") == "next"
        assert len(processes()) == 2
        assert len(before & processes()) == 1
        assert workers.counts == {"cancelled": STRIKES + 1}


async def test_closing_ends_what_runs_and_waits_and_leaves_nothing() -> None:
    await asyncio.to_thread(os.getpid)
    descriptors = os.listdir("/proc/self/fd")  # noqa: PTH208 - blocks for no time
    with in_memory(b"sleep") as sleep, in_memory(b"waits") as waits:
        async with odd_workers(count=2) as workers:
            jobs = [
                asyncio.create_task(workers.strip(Strip(HEADER, "nothing"), file, digest))
                for file, digest in [(sleep, "a"), (sleep, "b"), (waits, "c"), (waits, "d")]
            ]
            await until(lambda: workers.waiting == 2)

            await workers.close()

            answers = await asyncio.gather(*jobs, return_exceptions=True)
            with pytest.raises(Unavailable):
                await do(workers, "too late")

    assert [type(answer) for answer in answers] == [Unavailable] * 4
    assert not processes()
    assert os.listdir("/proc/self/fd") == descriptors  # noqa: PTH208 - blocks for no time


async def test_closing_leaves_nothing_of_workers_that_are_just_being_replaced() -> None:
    descriptors = os.listdir("/proc/self/fd")  # noqa: PTH208 - blocks for no time
    async with odd_workers(count=2) as workers:
        await asyncio.gather(do(workers, "segfault"), do(workers, "bug"), return_exceptions=True)

    assert not processes()
    assert os.listdir("/proc/self/fd") == descriptors  # noqa: PTH208 - blocks for no time


async def test_a_pool_whose_workers_cannot_start_says_so_and_leaves_nothing() -> None:
    workers = Workers(WorkerSettings(count=2), (*COMMAND, "unless=/"))

    with pytest.raises(Unavailable):
        await workers.start()

    assert not processes()


async def test_a_start_that_failed_is_tried_again_by_the_next_job(tmp_path: Path) -> None:
    obstacle = tmp_path / "obstacle"
    obstacle.touch()
    workers = Workers(WorkerSettings(count=1), (*COMMAND, f"unless={obstacle}"))
    try:
        failed = await asyncio.gather(*(do(workers, f"job {number}") for number in range(3)), return_exceptions=True)
        obstacle.unlink()
        answers = await asyncio.gather(*(do(workers, f"job {number}") for number in range(3)))

        assert [type(failure) for failure in failed] == [Unavailable] * 3
        assert answers == ["job 0", "job 1", "job 2"]
        assert len(processes()) == workers.free == 2
    finally:
        await workers.close()


@pytest.mark.parametrize("rounds", [1, 3, 30])
async def test_closing_during_the_start_leaves_nothing_and_tells_those_who_wait(rounds: int) -> None:
    await asyncio.to_thread(os.getpid)
    descriptors = os.listdir("/proc/self/fd")  # noqa: PTH208 - blocks for no time
    workers = Workers(WorkerSettings(count=2), COMMAND)
    jobs = [asyncio.create_task(do(workers, f"job {number}")) for number in range(3)]
    for _ in range(rounds):
        await asyncio.sleep(0)

    with structlog.testing.capture_logs() as lines:
        await workers.close()

    assert [type(answer) for answer in await asyncio.gather(*jobs, return_exceptions=True)] == [Unavailable] * 3
    assert not processes()
    assert os.listdir("/proc/self/fd") == descriptors  # noqa: PTH208 - blocks for no time
    assert lines == []


async def test_a_pool_that_cannot_replace_its_workers_recovers_when_it_can(tmp_path: Path) -> None:
    obstacle = tmp_path / "obstacle"
    async with odd_workers(f"unless={obstacle}", wait_s=0.3) as workers:
        obstacle.touch()
        for deed in ("segfault", "abort"):
            with pytest.raises(UndecodableImage):
                await do(workers, deed)

        with pytest.raises(Unavailable):
            await do(workers, "nobody there")
        obstacle.unlink()
        await whole(workers)

        assert await do(workers, "here again") == "here again"


async def test_a_bug_in_a_worker_is_logged_with_its_traceback() -> None:
    async with odd_workers() as workers:
        with structlog.testing.capture_logs() as lines, pytest.raises(Unavailable):
            await do(workers, "bug")

    (line,) = lines
    assert (line["log_level"], line["loss"]) == ("warning", "broken")
    assert "KeyError: 'a bug'" in line["why"]


async def test_of_a_long_traceback_the_end_is_logged() -> None:
    async with odd_workers() as workers:
        with structlog.testing.capture_logs() as lines, pytest.raises(Unavailable):
            await do(workers, "large bug")

    (line,) = lines
    assert len(line["why"]) == MAX_WHY_CHARACTERS
    assert "in the end" in line["why"]


async def test_the_last_words_of_a_lost_worker_are_logged() -> None:
    async with odd_workers() as workers:
        with structlog.testing.capture_logs() as lines, pytest.raises(UndecodableImage):
            await do(workers, "die complaining")

    (line,) = lines
    assert (line["loss"], line["why"][-30:]) == ("crashed", "x" * 7 + "free(): invalid pointer")
    assert len(line["why"]) == 4096


async def test_what_was_complained_of_in_earlier_jobs_is_not_among_them() -> None:
    async with odd_workers() as workers:
        await do(workers, "complain")
        with structlog.testing.capture_logs() as lines, pytest.raises(UndecodableImage):
            await do(workers, "segfault")

    assert [line["why"] for line in lines] == [""]


async def test_no_worker_waits_until_somebody_reads_its_complaints() -> None:
    async with odd_workers(job_s=5) as workers:
        assert await do(workers, "complain much") == "said"
        assert await do(workers, "complain much again") == "complain much again"
        assert workers.counts.total() == 0


async def test_what_the_worker_refuses_is_raised_here_and_costs_nothing() -> None:
    async with odd_workers() as workers:
        with pytest.raises(ImageTooLarge) as refusal:
            await do(workers, "too large")
        with pytest.raises(UndecodableImage):
            await do(workers, "")

        assert (refusal.value.limit, refusal.value.actual, refusal.value.unit) == (1, 2, "pixels")
        assert workers.counts.total() == 0


async def test_large_pictures_and_large_answers_pass() -> None:
    async with odd_workers() as workers:
        assert await do(workers, "e" * (8 << 20)) == "e" * (8 << 20)


def test_the_picture_in_an_answer_is_no_longer_than_it_can_be() -> None:
    tiff, spec = Header("image/tiff", 3, 2), RenditionSpec(100)

    most = [
        most_picture_bytes(job, 1_000)
        for job in (
            Examine(HEADER, decode=True),
            Render(HEADER, spec),
            Strip(HEADER, "nothing"),
            Strip(tiff, "nothing"),
        )
    ]

    assert most[0] == 0
    assert most[1] == most[3] == 96 << 20
    assert 1_000 < most[2] <= 1_000 + (64 << 10)
    assert most_picture_bytes(Strip(tiff, "nothing"), 200 << 20) == 200 << 20


async def test_a_round_trip_is_short(capsys: pytest.CaptureFixture[str]) -> None:
    times_s = []
    async with odd_workers() as workers:
        with in_memory(b"echo") as file:
            for _ in range(400):
                begun = time.perf_counter()
                await workers.strip(Strip(HEADER, "nothing"), file, "digest")
                times_s.append(time.perf_counter() - begun)

    times_s.sort()
    with capsys.disabled():
        sys.stdout.write(f"\nround trip: p50 {1e6 * times_s[200]:.0f} us, p99 {1e6 * times_s[396]:.0f} us ")
    assert workers.counts.total() == 0


def test_the_process_that_has_the_pool_never_loads_a_decoder() -> None:
    code = "import sys, packshot.imaging.pool; print({'pyvips', 'PIL'} & set(sys.modules))"

    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert loaded == "set()\n"


def test_without_a_descriptor_for_it_no_picture_is_handed_over() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(Unavailable):
            sealed(b"12345")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_picture_in_memory_can_be_read_and_never_changes() -> None:
    with in_memory(memoryview(b"12345")[1:]) as file:
        assert os.pread(file, 10, 0) == b"2345"
        for change in (lambda: os.pwrite(file, b"x", 0), lambda: os.ftruncate(file, 0)):
            with pytest.raises(PermissionError):
                change()

    with pytest.raises(OSError, match="descriptor"):
        os.fstat(file)


@contextmanager
def busy_core() -> Iterator[None]:
    """One core, on which this thread and what it starts now have to stay, has two other things to do all the time."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    others = [subprocess.Popen([sys.executable, "-I", "-S", "-c", "while True: pass"]) for _ in range(2)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()
        os.sched_setaffinity(0, cores)


async def test_what_the_machine_had_no_time_for_is_to_come_again_and_is_no_strike() -> None:
    with busy_core():
        async with odd_workers(job_s=0.5) as workers:
            for _ in range(STRIKES + 1):
                with pytest.raises(LimitReached):
                    await do(workers, "loop")
                await whole(workers)

            assert workers.counts == {"starved": STRIKES + 1}


async def test_who_sleeps_on_a_busy_machine_hangs_all_the_same() -> None:
    with busy_core():
        async with odd_workers(job_s=0.5) as workers:
            with pytest.raises(UndecodableImage, match="too long"):
                await do(workers, "sleep")

    assert workers.counts["hung"] == 1
