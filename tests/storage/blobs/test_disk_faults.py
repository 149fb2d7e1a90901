"""Blobs on a disk that is full, fails, or is slow: every operation in turn."""

import asyncio
import errno
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from packshot.domain.errors import PackshotError, StoreFull, Unavailable
from packshot.storage.blobs import Bytes
from packshot.storage.blobs.disk import Files
from storage.blobs.opening import opened, staged
from storage.blobs.suite import key_for, stored

DATA = b"the bytes of a picture" * 1_000


class Failing(Files):
    """Fails the `at`-th call of one operation, after having done half of it where that is possible."""

    def __init__(self, operation: str, number: int, at: int = 1) -> None:
        self.operation, self.number, self.left = operation, number, at

    def _fail(self, operation: str) -> None:
        if operation == self.operation:
            self.left -= 1
            if self.left == 0:
                raise OSError(self.number, os.strerror(self.number))

    def open_new(self, path: Path) -> int:
        self._fail("open")
        return super().open_new(path)

    def write(self, descriptor: int, data: Bytes) -> None:
        super().write(descriptor, memoryview(data)[: len(data) // 2])
        self._fail("write")
        super().write(descriptor, memoryview(data)[len(data) // 2 :])

    def fsync(self, descriptor: int) -> None:
        self._fail("fsync")
        super().fsync(descriptor)

    def close(self, descriptor: int) -> None:
        super().close(descriptor)
        self._fail("close")

    def rename(self, source: Path, target: Path) -> None:
        self._fail("rename")
        super().rename(source, target)

    def unlink(self, path: Path) -> None:
        self._fail("unlink")
        super().unlink(path)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT], ids=lambda number: errno.errorcode[number])
@pytest.mark.parametrize("operation", ["open", "write", "fsync", "close", "rename"])
async def test_a_full_disk_refuses_the_bytes_and_goes_on(
    tmp_path: Path, threads: ThreadPoolExecutor, operation: str, number: int
) -> None:
    store = opened(tmp_path, threads, Failing(operation, number))

    with pytest.raises(StoreFull):
        await store.put(key_for(DATA), DATA)

    assert staged(tmp_path) == []
    assert await store.of_keys(0) == []
    key = await stored(store, DATA)
    assert store.read_now(key, 0, len(DATA)) == DATA


@pytest.mark.parametrize("number", [errno.EIO, errno.ENXIO], ids=lambda number: errno.errorcode[number])
@pytest.mark.parametrize(
    ("operation", "at"), [("write", 1), ("fsync", 1), ("close", 1), ("rename", 1), ("fsync", 2)],
    ids=["write", "fsync", "close", "rename", "folder fsync"],
)  # fmt: skip
async def test_a_failing_disk_is_unavailable_and_stops_the_process(
    tmp_path: Path, threads: ThreadPoolExecutor, operation: str, at: int, number: int
) -> None:
    failures: list[BaseException] = []
    store = opened(tmp_path, threads, Failing(operation, number, at), failures.append)

    with pytest.raises(Unavailable):
        await store.put(key_for(DATA), DATA)

    assert [failure.errno for failure in failures if isinstance(failure, OSError)] == [number]


@pytest.mark.parametrize("operation", ["open", "write", "fsync", "close", "rename"])
async def test_nothing_of_a_failed_put_is_visible(tmp_path: Path, threads: ThreadPoolExecutor, operation: str) -> None:
    store = opened(tmp_path, threads, Failing(operation, errno.EIO), lambda _: None)
    key = key_for(DATA)

    with pytest.raises(Unavailable):
        await store.put(key, DATA)

    assert await store.find_size(key) is None
    assert await store.of_keys(0) == []


@pytest.mark.parametrize(
    "number", [errno.EROFS, errno.EACCES, errno.EMFILE], ids=lambda number: errno.errorcode[number]
)
async def test_a_disk_that_takes_no_files_is_unavailable_but_no_reason_to_stop(
    tmp_path: Path, threads: ThreadPoolExecutor, number: int
) -> None:
    store = opened(tmp_path, threads, Failing("open", number))

    with pytest.raises(Unavailable):
        await store.put(key_for(DATA), DATA)

    assert await store.find_size(await stored(store, DATA)) == len(DATA)


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_no_descriptor_is_left_open_by_a_failure(tmp_path: Path, threads: ThreadPoolExecutor) -> None:
    before = open_descriptors()

    for operation in ("open", "write", "fsync", "rename"):
        for number in (errno.EIO, errno.ENOSPC):
            store = opened(tmp_path, threads, Failing(operation, number), lambda _: None)
            with pytest.raises((Unavailable, StoreFull)):
                await store.put(key_for(DATA), DATA)

    assert open_descriptors() == before


async def test_a_delete_that_fails_is_unavailable(tmp_path: Path, threads: ThreadPoolExecutor) -> None:
    store = opened(tmp_path, threads, Failing("unlink", errno.EIO))
    key = await stored(store, DATA)

    with pytest.raises(Unavailable):
        await store.delete(key)


class FullAndFailing(Failing):
    """A disk that is full, and then cannot even take the rest away."""

    def open_new(self, path: Path) -> int:
        super().open_new(path)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


async def test_a_full_disk_that_cannot_clean_up_still_answers_in_our_words(
    tmp_path: Path, threads: ThreadPoolExecutor
) -> None:
    store = opened(tmp_path, threads, FullAndFailing("unlink", errno.EIO), lambda _: None)

    with pytest.raises(PackshotError):
        await store.put(key_for(DATA), DATA)


async def test_a_sweep_that_fails_is_unavailable(tmp_path: Path, threads: ThreadPoolExecutor) -> None:
    store = opened(tmp_path, threads, Failing("unlink", errno.EIO))
    (tmp_path / "staging" / "upload").write_bytes(b"half")

    with pytest.raises(Unavailable):
        await store.sweep_staging(0)


def test_short_and_interrupted_writes_are_carried_on_to_the_end() -> None:
    """A full pipe takes what fits; a signal then ends the write early or with EINTR, again and again."""
    data = os.urandom(1_000_000)
    source, target = os.pipe()
    received = bytearray()
    interruptions = 0

    def receive() -> None:
        while piece := os.read(source, 1_500):
            received.extend(piece)
            time.sleep(0.0002)

    def interrupted(*_: object) -> None:
        nonlocal interruptions
        interruptions += 1

    reader = threading.Thread(target=receive)
    before = signal.signal(signal.SIGALRM, interrupted)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    reader.start()
    try:
        Files().write(target, data)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        os.close(target)
        reader.join()
        os.close(source)

    assert bytes(received) == data
    assert interruptions > 10


async def test_the_event_loop_goes_on_while_bytes_are_flushed(tmp_path: Path, threads: ThreadPoolExecutor) -> None:
    go_on = threading.Event()

    class Slow(Files):
        def fsync(self, descriptor: int) -> None:
            go_on.wait(10)
            super().fsync(descriptor)

    store = opened(tmp_path, threads, Slow())
    task = asyncio.create_task(stored(store, DATA))
    await asyncio.sleep(0.02)

    assert not task.done()
    go_on.set()
    assert await store.find_size(await task) == len(DATA)
