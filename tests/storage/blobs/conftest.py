"""Fixtures: a store on the disk."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from packshot.storage.blobs.disk import DiskBlobs
from storage.blobs.opening import opened


@pytest.fixture
def store(tmp_path: Path, threads: ThreadPoolExecutor) -> DiskBlobs:
    return opened(tmp_path, threads)
