"""Blobs on a disk that is full, fails, or is slow: every operation in turn."""

import asyncio
import errno
import mmap
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from packshot.domain.errors import PackshotError, StoreFull, Unavailable
from packshot.storage.blobs import Bytes, Staged
from packshot.storage.blobs.disk import DiskBlobs
from packshot.storage.blobs.staging import Files
from storage.blobs.opening import Failing, key_for, opened, stored, uploaded
from storage.blobs.opening import staged as staged_names

DATA = b"the bytes of a picture" * 1_000


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT], ids=lambda number: errno.errorcode[number])
@pytest.mark.parametrize("operation", ["open", "write", "fsync", "close", "rename"])
async def test_a_full_disk_refuses_the_bytes_and_goes_on(
    tmp_path: Path, threads: ThreadPoolExecutor, operation: str, number: int
) -> None:
    store = opened(tmp_path, threads, Failing(operation, number))

    with pytest.raises(StoreFull):
        await store.put(key_for(DATA), DATA)

    assert staged_names(tmp_path) == []
    assert await store.of_keys(0) == []
    key = await stored(store, DATA)
    assert await store.read(key, 0, len(DATA)) == DATA


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


# Uploads in pieces


async def finish(store: DiskBlobs, staged: Staged) -> None:
    """Take two pieces, and store them."""
    for piece in (DATA, DATA):
        await store.append(staged, piece)
    await store.put(key_for(DATA * 2), staged)


@pytest.mark.parametrize(("operation", "at"), [("open", 1), ("write", 1), ("write", 2), ("fsync", 1), ("rename", 1)])
async def test_an_upload_that_finds_the_disk_full_is_refused_and_leaves_nothing(
    tmp_path: Path, threads: ThreadPoolExecutor, operation: str, at: int
) -> None:
    before = open_descriptors()
    store = opened(tmp_path, threads, Failing(operation, errno.ENOSPC, at))
    staged = store.stage()

    with pytest.raises(StoreFull):
        await finish(store, staged)
    await store.discard(staged)

    assert (staged_names(tmp_path), await store.of_keys(0), open_descriptors()) == ([], [], before)
    again = await uploaded(store, DATA)
    key = key_for(DATA)
    await store.put(key, again)
    assert await store.read(key, 0, len(DATA)) == DATA


@pytest.mark.parametrize(("operation", "at"), [("write", 2), ("fsync", 1), ("close", 1), ("rename", 1), ("fsync", 2)])
async def test_an_upload_that_meets_a_failing_disk_stops_the_process(
    tmp_path: Path, threads: ThreadPoolExecutor, operation: str, at: int
) -> None:
    before = open_descriptors()
    failures: list[BaseException] = []
    store = opened(tmp_path, threads, Failing(operation, errno.EIO, at), failures.append)
    staged = store.stage()

    with pytest.raises(Unavailable):
        await finish(store, staged)
    await store.discard(staged)

    assert [failure.errno for failure in failures if isinstance(failure, OSError)] == [errno.EIO]
    assert (staged_names(tmp_path), open_descriptors()) == ([], before)


async def test_an_upload_that_cannot_be_looked_at_is_unavailable_but_no_reason_to_stop(
    tmp_path: Path, threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = open_descriptors()
    store = opened(tmp_path, threads)
    staged = await uploaded(store, DATA)

    def no_memory(*_: object, **__: object) -> None:
        raise OSError(errno.ENOMEM, "no luck")

    monkeypatch.setattr(mmap, "mmap", no_memory)

    with pytest.raises(Unavailable):
        store.view(staged)
    await store.discard(staged)

    assert open_descriptors() == before


async def test_a_discard_that_fails_is_left_to_the_sweep(tmp_path: Path, threads: ThreadPoolExecutor) -> None:
    store = opened(tmp_path, threads, Failing("unlink", errno.EIO))
    staged = await uploaded(store, DATA)

    await store.discard(staged)

    assert await store.sweep_staging(0) == 1


async def test_who_gives_up_waits_for_the_write_under_way(tmp_path: Path, threads: ThreadPoolExecutor) -> None:
    """Else its descriptor would be closed under it, and may be another file's by the time it writes."""
    go_on, begun, before = threading.Event(), threading.Event(), open_descriptors()

    class Slow(Files):
        def write(self, descriptor: int, data: Bytes) -> None:
            begun.set()
            go_on.wait(10)
            super().write(descriptor, data)

    store = opened(tmp_path, threads, Slow())
    staged = store.stage()
    writing = asyncio.create_task(store.append(staged, DATA))
    await asyncio.to_thread(begun.wait, 10)
    writing.cancel()
    leaving = asyncio.create_task(store.discard(staged))
    await asyncio.sleep(0.02)

    assert not leaving.done()
    go_on.set()
    await leaving
    assert (open_descriptors(), staged_names(tmp_path)) == (before, [])


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
