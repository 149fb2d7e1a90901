"""A small disk of its own, where mounting is permitted; elsewhere a test is left out and the run says so."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def tiny_disk(folder: Path, size_mb: int) -> Iterator[Path]:
    """*folder*, made here, with so many megabytes of memory mounted on it."""
    folder.mkdir()
    done = _mount("-t", "tmpfs", "-o", f"size={size_mb}m,mode=0700", "packshot", folder)
    if done.returncode:
        pytest.skip(f"nothing may be mounted here, so no real disk was filled: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def remount(folder: Path, option: str) -> None:
    """Mount it again with that option, `ro` or `rw`."""
    done = _mount("-o", f"remount,{option}", folder)
    assert done.returncode == 0, done.stderr


def _mount(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
