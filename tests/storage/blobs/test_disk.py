"""Blobs on a disk beyond what every store does: what lies where, and in which order it gets there."""

import os
import re
import shutil
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import pytest

from build import fail_loudly
from packshot.domain.errors import Unavailable
from packshot.storage.blobs import Bytes
from packshot.storage.blobs.disk import DiskBlobs
from packshot.storage.blobs.staging import Files
from storage.blobs.opening import AN_HOUR_S, key_for, opened, staged, stored

DATA = b"the bytes of a picture" * 1_000


def age(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))


async def test_only_their_owner_may_read_stored_bytes(store: DiskBlobs, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        key = await stored(store, DATA)
    finally:
        os.umask(before)

    path = store.path(key)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path == tmp_path / "blobs" / key[:2] / key


async def test_a_name_that_is_a_link_is_not_followed(store: DiskBlobs, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(DATA)
    key = key_for(DATA)
    store.path(key).symlink_to(tmp_path / "secret")

    with pytest.raises(Unavailable):
        await store.read(key, 0, 1)


async def test_files_that_were_cut_are_unavailable_not_short(store: DiskBlobs) -> None:
    key = await stored(store, DATA)
    os.truncate(store.path(key), 10)

    with pytest.raises(Unavailable):
        await store.read(key, 0, len(DATA))
    assert await store.find_size(key) == 10


async def test_keys_are_old_by_the_time_of_their_file(store: DiskBlobs) -> None:
    old, _ = await stored(store, b"old"), await stored(store, b"young")
    age(store.path(old), AN_HOUR_S + 5)

    assert await store.of_keys(AN_HOUR_S) == [old]


async def test_uploads_that_were_never_finished_are_swept_once_they_are_old(store: DiskBlobs, tmp_path: Path) -> None:
    for name in ("old", "older", "young"):
        (tmp_path / "staging" / name).write_bytes(b"half")
    age(tmp_path / "staging" / "old", AN_HOUR_S + 5)
    age(tmp_path / "staging" / "older", AN_HOUR_S * 9)

    assert await store.sweep_staging(AN_HOUR_S) == 2

    assert staged(tmp_path) == ["young"]


async def test_looking_at_the_disks_clock_leaves_nothing_behind(store: DiskBlobs, tmp_path: Path) -> None:
    await store.of_keys(0)

    assert staged(tmp_path) == []


class Entries(list["os.DirEntry[str]"]):
    """What a look into a folder found, some of which is gone by now."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left to close."""


@pytest.mark.parametrize("ask", ["of_keys", "sweep_staging"])
async def test_files_that_vanish_while_they_are_looked_at_are_passed_over(
    store: DiskBlobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ask: str
) -> None:
    await stored(store, b"deleted beside the walk")
    (tmp_path / "staging" / "upload").write_bytes(b"renamed beside the sweep")
    look = os.scandir

    def look_then_delete(folder: Any) -> Entries:
        with look(folder) as found:
            entries = Entries(found)
        for entry in entries:
            if entry.is_file():
                Path(entry.path).unlink()
        return entries

    monkeypatch.setattr(os, "scandir", look_then_delete)

    assert not await getattr(store, ask)(0)


@pytest.mark.parametrize("ask", ["of_keys", "sweep_staging"])
async def test_folders_that_cannot_be_read_are_unavailable(store: DiskBlobs, tmp_path: Path, ask: str) -> None:
    shutil.rmtree(tmp_path / "staging")

    with pytest.raises(Unavailable):
        await getattr(store, ask)(0)


# Order


class Watched(Files):
    """Writes down each operation with the path it is done to, and what was visible at the moment of the rename."""

    def __init__(self) -> None:
        self.done: list[tuple[str, str]] = []
        self.seen_early = False
        self.renamed = b""

    def _note(self, what: str, descriptor: int) -> None:
        self.done.append((what, str(Path(f"/proc/self/fd/{descriptor}").readlink())))

    def write(self, descriptor: int, data: Bytes) -> None:
        super().write(descriptor, data)
        self._note("write", descriptor)

    def fsync(self, descriptor: int) -> None:
        super().fsync(descriptor)
        self._note("fsync", descriptor)

    def rename(self, source: Path, target: Path) -> None:
        self.seen_early = target.exists()
        self.renamed = source.read_bytes()
        super().rename(source, target)
        self.done.append(("rename", str(source)))


async def test_bytes_are_flushed_then_renamed_then_their_folder_is_flushed(
    tmp_path: Path, threads: ThreadPoolExecutor
) -> None:
    files = Watched()
    store = opened(tmp_path, threads, files)

    key = await stored(store, DATA)

    source = files.done[0][1]
    assert re.fullmatch(rf"{re.escape(str(tmp_path))}/staging/\w+", source)
    assert files.done == [
        ("write", source), ("fsync", source), ("rename", source), ("fsync", str(store.path(key).parent)),
    ]  # fmt: skip
    assert not files.seen_early
    assert files.renamed == DATA


def test_an_upload_never_has_to_flush_a_folder_of_its_own(tmp_path: Path, threads: ThreadPoolExecutor) -> None:
    files = Watched()

    DiskBlobs(tmp_path, threads, fail_loudly, files).prepare()

    assert sorted(path.name for path in (tmp_path / "blobs").iterdir()) == [f"{number:02x}" for number in range(256)]
    assert {("fsync", str(tmp_path)), ("fsync", str(tmp_path / "blobs"))} <= set(files.done)


class Stopped(BaseException):
    """The process ended here."""


class StoppedAtTheFlush(Files):
    def fsync(self, _: int) -> None:
        raise Stopped


def test_folders_whose_making_was_interrupted_are_flushed_at_the_next_start(
    tmp_path: Path, threads: ThreadPoolExecutor
) -> None:
    with pytest.raises(Stopped):
        DiskBlobs(tmp_path, threads, fail_loudly, StoppedAtTheFlush()).prepare()
    files = Watched()

    DiskBlobs(tmp_path, threads, fail_loudly, files).prepare()

    assert {("fsync", str(tmp_path)), ("fsync", str(tmp_path / "blobs"))} <= set(files.done)
