"""Fixtures: threads for a store on the disk, and the store."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from packshot.storage.blobs.disk import DiskBlobs
from storage.blobs.opening import opened


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


@pytest.fixture
def store(tmp_path: Path, threads: ThreadPoolExecutor) -> DiskBlobs:
    return opened(tmp_path, threads)
