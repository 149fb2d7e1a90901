"""The cache of renditions: never wrong bytes, whatever becomes of its files, and never much above its limit."""

import asyncio
import contextlib
import errno
import hashlib
import os
import random
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import FileIO
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from packshot.domain.errors import Unavailable
from packshot.storage import renditions
from packshot.storage.blobs import new_key
from packshot.storage.blobs.staging import Files
from packshot.storage.renditions import INLINE_BYTES, PIECE_BYTES, Kept, Renditions
from storage.blobs.opening import Failing

MB = 1024 * 1024
WEBP = "image/webp"
NAME = "1-400x400.webp"
ORIGINAL = b"the bytes of an original"
KEY = new_key(hashlib.sha256(ORIGINAL).hexdigest())
SMALL = random.Random(1).randbytes(1_000)
LARGE = random.Random(2).randbytes(INLINE_BYTES + 3 * PIECE_BYTES + 7)
HEAD_BYTES = 64


def file_of(data: bytes) -> FileIO:
    """A file in memory, read up to its end, as workers hand over large pictures."""
    file = FileIO(os.memfd_create("answer"), "r+")
    file.write(data)
    return file


@pytest.fixture
def cache(tmp_path: Path, threads: ThreadPoolExecutor) -> Renditions:
    return Renditions(tmp_path / "renditions", 100 * MB, threads)


def files(cache_folder: Path) -> list[Path]:
    return sorted(path for path in cache_folder.rglob("*") if not path.is_dir())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "renditions"


def used(path: Path, seconds_ago: float) -> None:
    then = time.time() - seconds_ago
    os.utime(path, (then, then))


def whole(cache: Renditions, kept: Kept) -> bytes:
    return cache.read_now(kept, 0, kept.size_bytes)


async def streamed(cache: Renditions, kept: Kept, start: int, end: int) -> bytes:
    return b"".join([piece async for piece in cache.stream(kept, start, end)])


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


# What is kept comes back


@pytest.mark.parametrize("data", [b"", b"x", SMALL, LARGE[:INLINE_BYTES], LARGE], ids=len)
async def test_what_was_kept_is_found_with_its_digest_and_media_type(cache: Renditions, data: bytes) -> None:
    kept = await cache.keep(KEY, NAME, WEBP, data)
    found = cache.find(KEY, NAME)

    assert found is not None
    for one in (kept, found):
        assert (one.digest, one.media_type) == (hashlib.sha256(data).hexdigest(), WEBP)
        assert (one.size_bytes, one.is_original) == (len(data), False)
        assert whole(cache, one) == await streamed(cache, one, 0, len(data)) == data


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=len)
async def test_any_range_can_be_read(cache: Renditions, data: bytes) -> None:
    await cache.keep(KEY, NAME, WEBP, data)
    kept = cache.find(KEY, NAME)
    assert kept is not None
    edges = sorted({0, 1, 999, len(data) - 1, len(data)})

    for start in edges:
        for end in (edge for edge in edges if edge >= start):
            assert cache.read_now(kept, start, end) == await streamed(cache, kept, start, end) == data[start:end]


async def test_names_and_originals_are_told_apart(cache: Renditions) -> None:
    twin = new_key(KEY.partition(".")[0])
    await cache.keep(KEY, NAME, WEBP, SMALL)

    assert cache.find(KEY, "1-200x200.webp") is None
    assert cache.find(twin, NAME) is None


async def test_what_is_kept_again_takes_the_place_of_the_first(cache: Renditions, folder: Path) -> None:
    await cache.keep(KEY, NAME, WEBP, b"before")

    await cache.keep(KEY, NAME, WEBP, b"after")

    found = cache.find(KEY, NAME)
    assert found is not None
    assert whole(cache, found) == b"after"
    assert len(files(folder)) == 1


async def test_only_their_owner_may_read_files(cache: Renditions, folder: Path) -> None:
    before = os.umask(0)
    try:
        await cache.keep(KEY, NAME, WEBP, SMALL)
    finally:
        os.umask(before)

    (path,) = files(folder)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_of_a_copy_that_is_like_its_original_only_that_is_kept(cache: Renditions, folder: Path) -> None:
    kept = await cache.keep(KEY, "1-strip_all", "image/png", ORIGINAL)

    assert kept == cache.find(KEY, "1-strip_all")
    assert kept.is_original
    assert (kept.digest, kept.size_bytes) == (hashlib.sha256(ORIGINAL).hexdigest(), len(ORIGINAL))
    assert [path.stat().st_size for path in files(folder)] == [HEAD_BYTES]
    with pytest.raises(Unavailable):
        cache.read_now(kept, 0, 1)


async def test_what_was_made_of_an_original_is_forgotten_with_it(cache: Renditions) -> None:
    other = new_key(KEY.partition(".")[0])
    for key in (KEY, other):
        for name in (NAME, "1-200x200.webp"):
            await cache.keep(key, name, WEBP, SMALL)

    assert await cache.of_keys() == {KEY, other}
    assert await cache.forget(KEY) == 2
    assert await cache.forget(KEY) == 0

    assert await cache.of_keys() == {other}
    assert cache.find(KEY, NAME) is None
    assert cache.find(other, NAME) is not None


# Files that are not as they were written


def stranger(number: int) -> bytes:
    return random.Random(number).randbytes(2_000)


async def test_a_file_that_was_cut_anywhere_is_missing_and_goes(cache: Renditions, folder: Path) -> None:
    data = SMALL[:100]
    await cache.keep(KEY, NAME, WEBP, data)
    (path,) = files(folder)
    content = path.read_bytes()

    for length in range(len(content)):
        path.write_bytes(content[:length])

        assert cache.find(KEY, NAME) is None
        assert not path.exists()
    path.write_bytes(content)
    assert cache.find(KEY, NAME) is not None


async def test_a_file_with_any_wrong_byte_is_missing_and_goes(cache: Renditions, folder: Path) -> None:
    data = SMALL[:100]
    await cache.keep(KEY, NAME, WEBP, data)
    (path,) = files(folder)
    content = path.read_bytes()

    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :])

        assert cache.find(KEY, NAME) is None
        assert not path.exists()


@pytest.mark.parametrize(
    "junk", [bytes(5_000), stranger(1), b"GIF89a", SMALL * 3], ids=["zeros", "noise", "gif", "longer"]
)
async def test_a_file_of_somebody_else_is_missing_and_goes(cache: Renditions, folder: Path, junk: bytes) -> None:
    await cache.keep(KEY, NAME, WEBP, SMALL)
    (path,) = files(folder)
    path.write_bytes(path.read_bytes() + junk if junk == SMALL * 3 else junk)

    assert cache.find(KEY, NAME) is None
    assert files(folder) == []


@pytest.mark.parametrize(
    "length", [0, HEAD_BYTES - 1, HEAD_BYTES, INLINE_BYTES, len(LARGE), len(LARGE) + HEAD_BYTES + 1]
)
async def test_a_large_file_of_another_length_is_missing_and_goes(cache: Renditions, folder: Path, length: int) -> None:
    await cache.keep(KEY, NAME, WEBP, LARGE)
    (path,) = files(folder)
    os.truncate(path, length)

    assert cache.find(KEY, NAME) is None
    assert files(folder) == []


@pytest.mark.parametrize("kind", ["folder", "link", "pipe"])
async def test_what_is_no_file_is_missing(cache: Renditions, folder: Path, tmp_path: Path, kind: str) -> None:
    kept = await cache.keep(KEY, NAME, WEBP, SMALL)
    (path,) = files(folder)
    path.rename(tmp_path / "elsewhere")
    if kind == "folder":
        path.mkdir()
    elif kind == "link":
        path.symlink_to(tmp_path / "elsewhere")
    else:
        os.mkfifo(path)

    assert cache.find(KEY, NAME) is None
    assert await cache.keep(KEY, NAME, WEBP, SMALL) == kept


async def test_a_file_that_cannot_be_deleted_is_missing_all_the_same(
    tmp_path: Path, threads: ThreadPoolExecutor
) -> None:
    class Stubborn(Files):
        def unlink(self, path: Path) -> None:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    cache = Renditions(tmp_path, 100 * MB, threads, Stubborn())
    await cache.keep(KEY, NAME, WEBP, SMALL)
    (path,) = files(tmp_path)
    path.write_bytes(b"junk")

    assert cache.find(KEY, NAME) is None


# Files that are deleted while they are read


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=len)
async def test_what_was_found_is_read_to_its_end_although_its_file_goes(
    cache: Renditions, folder: Path, data: bytes
) -> None:
    await cache.keep(KEY, NAME, WEBP, data)
    kept = cache.find(KEY, NAME)
    assert kept is not None
    pieces = cache.stream(kept, 0, len(data))
    read = await anext(pieces)

    shutil.rmtree(folder)
    read += b"".join([piece async for piece in pieces])

    assert read == whole(cache, kept) == data


async def test_a_large_file_that_is_cut_while_it_is_read_is_no_short_answer(cache: Renditions, folder: Path) -> None:
    await cache.keep(KEY, NAME, WEBP, LARGE)
    kept = cache.find(KEY, NAME)
    assert kept is not None
    (path,) = files(folder)
    os.truncate(path, len(LARGE))

    with pytest.raises(Unavailable):
        whole(cache, kept)
    with pytest.raises(Unavailable):
        await streamed(cache, kept, 0, len(LARGE))


async def test_no_descriptor_is_left_open_whatever_is_done_with_what_was_found(cache: Renditions, folder: Path) -> None:
    before = descriptors()
    await cache.keep(KEY, NAME, WEBP, LARGE)

    async def begin_and_give_up() -> None:
        kept = cache.find(KEY, NAME)
        assert kept is not None
        pieces = cache.stream(kept, 0, len(LARGE))
        await anext(pieces)
        await pieces.aclose()  # type: ignore[attr-defined]  # it is a generator

    for _ in range(5):
        cache.find(KEY, NAME)
        await begin_and_give_up()
        await cache.keep(KEY, NAME, WEBP, LARGE)
    for path in files(folder):
        path.write_bytes(b"junk")
    cache.find(KEY, NAME)

    assert descriptors() == before


async def test_large_renditions_that_were_just_kept_are_not_held_in_memory(cache: Renditions) -> None:
    kept = await cache.keep(KEY, NAME, WEBP, LARGE)

    assert not isinstance(kept.content, bytes)
    assert whole(cache, kept) == LARGE


# The limit


def key_of(number: int) -> str:
    return f"{number:064x}.{number:016x}"


async def fill(cache: Renditions, count: int, size_bytes: int) -> None:
    for number in range(count):
        await cache.keep(key_of(number), NAME, WEBP, random.Random(number).randbytes(size_bytes - HEAD_BYTES))


def path_of(folder: Path, number: int) -> Path:
    return folder / key_of(number)[:2] / f"{key_of(number)}-{NAME}"


def found(cache: Renditions, count: int) -> list[int]:
    return [number for number in range(count) if cache.find(key_of(number), NAME)]


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in files(folder))


async def test_what_was_used_least_recently_goes_until_there_is_some_room(
    folder: Path, threads: ThreadPoolExecutor
) -> None:
    cache = Renditions(folder, 100_000, threads)
    await fill(cache, 10, 10_000)
    assert await cache.trim() == 0
    order = random.Random(3).sample(range(10), 10)
    await fill(Renditions(folder, 10**9, threads), 11, 10_000)  # another process has one more
    for ago, number in enumerate(order):
        used(path_of(folder, number), 100 + ago)

    assert await cache.trim() == 2
    assert found(cache, 11) == sorted({*range(11)} - {*order[-2:]})
    assert cache.held_bytes == size_of(folder) == 90_000


async def test_the_limit_is_kept_while_files_are_added(folder: Path) -> None:
    with ThreadPoolExecutor(1) as thread:
        cache = Renditions(folder, 100_000, thread)

        for number in range(200):
            await cache.keep(key_of(number), NAME, WEBP, stranger(number))
            assert (await cache.measure())[1] <= 100_000  # behind what is done in the background
        await cache.trim()

    assert cache.held_bytes == size_of(folder) <= 100_000
    assert 199 in found(cache, 200)


async def test_a_cache_that_was_nearly_full_when_it_was_counted_keeps_its_limit(folder: Path) -> None:
    with ThreadPoolExecutor(1) as thread:
        cache = Renditions(folder, 100_000, thread)
        await fill(cache, 99, 1_000)
        assert await cache.trim() == 0

        await cache.keep(KEY, NAME, WEBP, SMALL)
        await cache.measure()  # behind what is done in the background

    assert cache.held_bytes == size_of(folder) <= 90_000


async def test_a_hit_makes_a_file_recent_and_writes_at_most_once_an_hour(cache: Renditions, folder: Path) -> None:
    await cache.keep(KEY, NAME, WEBP, SMALL)
    (path,) = files(folder)
    for seconds_ago, refreshed in ((renditions.FRESH_S - 60, False), (renditions.FRESH_S + 60, True), (-9_000, True)):
        used(path, seconds_ago)
        before = path.stat().st_mtime_ns

        assert cache.find(KEY, NAME)

        assert (path.stat().st_mtime_ns != before) is refreshed
        assert not refreshed or abs(path.stat().st_mtime - time.time()) < 60


async def test_what_is_too_large_for_the_cache_is_made_each_time(folder: Path, threads: ThreadPoolExecutor) -> None:
    for limit_bytes in (0, HEAD_BYTES + len(SMALL) - 1):
        cache = Renditions(folder, limit_bytes, threads)

        kept = await cache.keep(KEY, NAME, WEBP, SMALL)

        assert whole(cache, kept) == SMALL
        assert cache.find(KEY, NAME) is None
        assert cache.held_bytes == 0
        assert not cache.keeps


@pytest.mark.parametrize("limit_bytes", [100 * MB, 100], ids=["kept", "too large to be kept"])
@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
async def test_a_file_in_memory_is_kept_like_its_bytes_and_closed(
    folder: Path, threads: ThreadPoolExecutor, data: bytes, limit_bytes: int
) -> None:
    cache, file = Renditions(folder, limit_bytes, threads), file_of(data)

    kept = await cache.keep(KEY, NAME, WEBP, file)

    assert file.closed
    assert (kept.digest, kept.size_bytes) == (hashlib.sha256(data).hexdigest(), len(data))
    assert whole(cache, kept) == await streamed(cache, kept, 0, len(data)) == data
    found = cache.find(KEY, NAME)
    assert (None if found is None else whole(cache, found)) == (data if limit_bytes > len(data) else None)


async def test_what_is_there_is_counted_at_the_first_trim(
    cache: Renditions, folder: Path, threads: ThreadPoolExecutor
) -> None:
    await fill(cache, 3, 10_000)
    (folder / "notes").write_bytes(b"somebody's")
    again = Renditions(folder, 100 * MB, threads)

    assert again.held_bytes == 0
    assert await again.trim() == 0

    assert again.held_bytes == 30_010
    assert await again.measure() == (4, 30_010)
    assert len(await again.of_keys()) == 3


async def test_a_folder_that_is_not_there_is_an_empty_cache(cache: Renditions) -> None:
    assert cache.find(KEY, NAME) is None
    assert await cache.trim() == 0
    assert await cache.of_keys() == set()
    assert await cache.forget(KEY) == 0
    assert await cache.measure() == (0, 0)


async def test_files_that_nobody_writes_any_more_are_swept(cache: Renditions, folder: Path) -> None:
    await cache.keep(KEY, NAME, WEBP, SMALL)
    for name, seconds_ago in (("old.aside", renditions.ABANDONED_S + 60), ("young.aside", 0)):
        (folder / KEY[:2] / name).write_bytes(b"half")
        used(folder / KEY[:2] / name, seconds_ago)

    assert await cache.trim() == 1

    assert sorted(path.name for path in files(folder)) == sorted([f"{KEY}-{NAME}", "young.aside"])
    assert await cache.of_keys() == {KEY}


async def test_what_cannot_be_deleted_is_not_tried_with_every_file(folder: Path) -> None:
    class Stubborn(Files):
        tried = 0

        def unlink(self, path: Path) -> None:
            self.tried += 1
            raise OSError(errno.EPERM, os.strerror(errno.EPERM), str(path))

    stubborn = Stubborn()
    with ThreadPoolExecutor(1) as thread:
        cache = Renditions(folder, 10_000, thread, stubborn)
        await fill(cache, 11, 1_000)
        await cache.measure()  # behind what is done in the background
        tried = stubborn.tried

        await cache.keep(KEY, NAME, WEBP, SMALL[:500])
        await cache.measure()

    assert stubborn.tried == tried == 11
    assert cache.held_bytes == 11_000 + HEAD_BYTES + 500


# Disks that take nothing


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO], ids=lambda number: errno.errorcode[number])
@pytest.mark.parametrize("operation", ["open", "write", "fsync", "close", "rename"])
async def test_a_disk_that_takes_nothing_costs_no_answer(
    folder: Path, threads: ThreadPoolExecutor, operation: str, number: int
) -> None:
    disk = Failing(operation, number, at=None)
    cache, before = Renditions(folder, 100 * MB, threads, disk), descriptors()

    kept = await cache.keep(KEY, NAME, WEBP, LARGE)

    assert whole(cache, kept) == await streamed(cache, kept, 0, len(LARGE)) == LARGE
    assert cache.find(KEY, NAME) is None
    assert (files(folder), cache.held_bytes, descriptors()) == ([], 0, before)
    assert not cache.keeps
    disk.operation = "none"
    await cache.keep(KEY, NAME, WEBP, LARGE)
    assert cache.find(KEY, NAME) is not None
    assert cache.keeps


async def test_a_disk_that_takes_nothing_is_told_of_once_in_a_while(
    folder: Path, threads: ThreadPoolExecutor, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = Renditions(folder, 100 * MB, threads, Failing("write", errno.ENOSPC, at=None))

    for _ in range(20):
        await cache.keep(KEY, NAME, WEBP, SMALL)

    assert capsys.readouterr().out.count("No space left on device") == 1
    monkeypatch.setattr(renditions, "COMPLAINT_EVERY_S", 0)
    await cache.keep(KEY, NAME, WEBP, SMALL)
    assert "No space left on device" in capsys.readouterr().out


@pytest.fixture
def tiny_disk() -> Iterator[Path]:
    """A disk of 256 KB, where we may mount one."""
    with tempfile.TemporaryDirectory() as place:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", place], check=False, capture_output=True
        )
        if mounted.returncode:
            pytest.skip("nobody may mount anything here; faults stand in for it above")
        try:
            yield Path(place)
        finally:
            subprocess.run(["umount", place], check=True)


async def test_a_disk_that_is_really_full_costs_no_answer(tiny_disk: Path, threads: ThreadPoolExecutor) -> None:
    cache = Renditions(tiny_disk, 100 * MB, threads)

    for number in range(20):
        kept = await cache.keep(key_of(number), NAME, WEBP, SMALL * 40)
        assert whole(cache, kept) == SMALL * 40

    there = found(cache, 20)
    assert 0 < len(there) < 20
    assert len(files(tiny_disk)) == len(there)
    await cache.forget(key_of(there[0]))
    await cache.keep(KEY, NAME, WEBP, SMALL)
    assert cache.find(KEY, NAME)


# All at once


CONTENTS = {number: random.Random(number).randbytes(3_000 * (number + 1)) for number in range(8)}
TOGETHER_S = 1.5


async def use(cache: Renditions, seed: int) -> tuple[int, int, int]:
    """Use the cache for a while; how often something was missing, was there, and was wrong."""
    until, dice, counts = time.monotonic() + TOGETHER_S, random.Random(seed), [0, 0, 0]
    while time.monotonic() < until:
        number = dice.randrange(8)
        kept = cache.find(key_of(number), NAME)
        counts[kept is not None] += 1
        kept = kept or await cache.keep(key_of(number), NAME, WEBP, CONTENTS[number])
        counts[2] += whole(cache, kept) != CONTENTS[number]
        if dice.random() < 0.05:
            await cache.forget(key_of(dice.randrange(8)))
        if dice.random() < 0.05:
            await cache.trim()
    return counts[0], counts[1], counts[2]


def spoil(folder: Path) -> None:
    """Delete files and overwrite them where they are, for a while."""
    until, dice = time.monotonic() + TOGETHER_S, random.Random(9)
    while time.monotonic() < until:
        time.sleep(0.002)
        path = path_of(folder, dice.randrange(8))
        with contextlib.suppress(OSError):
            if dice.random() < 0.5:
                path.unlink()
            else:
                path.write_bytes(stranger(1))


async def test_many_who_keep_find_forget_and_trim_at_once_never_read_wrong_bytes(folder: Path) -> None:
    """Processes, as it were, each in a thread with a loop of its own; and somebody who spoils what lies there."""
    with ThreadPoolExecutor(4) as pool, ThreadPoolExecutor(5) as processes:
        spoiling = processes.submit(spoil, folder)
        using = [processes.submit(asyncio.run, use(Renditions(folder, 60_000, pool), seed)) for seed in range(4)]
        spoiling.result()
        missing, there, wrong = (sum(counts) for counts in zip(*(used.result() for used in using), strict=True))

    assert wrong == 0
    assert min(missing, there) > 10


class Model(RuleBasedStateMachine):
    """The cache against a dictionary. A file may be missing at any time; what is found is what was kept last."""

    LIMIT_BYTES = 20_000
    numbers = st.integers(0, 5)
    names = st.sampled_from(["1-200x200.webp", "1-400x400.webp"])

    def __init__(self) -> None:
        super().__init__()
        self.place = tempfile.TemporaryDirectory()
        self.folder = Path(self.place.name) / "renditions"
        self.threads = ThreadPoolExecutor(1)
        self.runner = asyncio.Runner()
        self.cache = Renditions(self.folder, self.LIMIT_BYTES, self.threads)
        self.model: dict[tuple[str, str], bytes] = {}
        self.certain = True

    def teardown(self) -> None:
        self.runner.close()
        self.threads.shutdown()
        self.place.cleanup()

    @rule(number=numbers, name=names, size=st.integers(0, 4_000), seed=st.integers(0, 9))
    def keep(self, number: int, name: str, size: int, seed: int) -> None:
        data = random.Random(seed).randbytes(size)
        self.certain = self.certain and size_of(self.folder) + size + HEAD_BYTES <= self.LIMIT_BYTES
        kept = self.runner.run(self.cache.keep(key_of(number), name, WEBP, data))
        assert whole(self.cache, kept) == data
        self.model[key_of(number), name] = data

    @rule(number=numbers)
    def forget(self, number: int) -> None:
        self.runner.run(self.cache.forget(key_of(number)))
        for name in ("1-200x200.webp", "1-400x400.webp"):
            self.model.pop((key_of(number), name), None)

    @rule()
    def trim(self) -> None:
        before = size_of(self.folder)
        count = self.runner.run(self.cache.trim())
        assert self.cache.held_bytes == size_of(self.folder) <= self.LIMIT_BYTES
        assert (count > 0) == (before > self.LIMIT_BYTES)

    @rule()
    def begin_anew(self) -> None:
        self.threads.submit(int).result()
        self.cache = Renditions(self.folder, self.LIMIT_BYTES, self.threads)

    @precondition(lambda self: bool(files(self.folder)))
    @rule(dice=st.randoms(use_true_random=False))
    def spoil(self, dice: random.Random) -> None:
        path = dice.choice(files(self.folder))
        content = bytearray(path.read_bytes())
        content[dice.randrange(len(content))] ^= dice.randrange(1, 256)
        path.write_bytes(content)
        self.certain = False

    @precondition(lambda self: bool(files(self.folder)))
    @rule(dice=st.randoms(use_true_random=False))
    def delete(self, dice: random.Random) -> None:
        dice.choice(files(self.folder)).unlink()
        self.certain = False

    @invariant()
    def what_is_found_is_what_was_kept(self) -> None:
        for number in range(6):
            for name in ("1-200x200.webp", "1-400x400.webp"):
                kept, data = self.cache.find(key_of(number), name), self.model.get((key_of(number), name))
                assert kept is not None or data is None or not self.certain
                assert kept is None or whole(self.cache, kept) == data

    @invariant()
    def nothing_else_lies_about(self) -> None:
        self.threads.submit(int).result()  # what was trimmed in the background is through
        assert {path.name for path in files(self.folder)} <= {f"{key}-{name}" for key, name in self.model}


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=30, stateful_step_count=20, derandomize=True)
