"""The line that belongs to every figure: which commit, which machine, which versions, which file system."""

import os
import platform
import shutil
import sqlite3
import subprocess
from importlib.metadata import version
from pathlib import Path

from benchmarks.servers import ROOT, program

FREE_BYTES = 12_000_000_000  # what a quick disk takes in the upload rounds; removed at the end


def described(folder: Path) -> str:
    """Commit, machine, versions and the file system under *folder*, with a warning where that never flushes."""
    filesystem = _filesystem(folder)
    versions = [f"CPython {platform.python_version()}", f"SQLite {sqlite3.sqlite_version}"]
    versions += [f"{name} {version(name)}" for name in ("packshot", "uvicorn", "uvloop", "httptools", "msgspec")]
    versions += [_said([program("pocketbase"), "--version"]).replace(" version", "")]
    lines = [
        f"commit {_said(['git', 'rev-parse', '--short', 'HEAD'])}",
        f"{os.cpu_count()} cores, {_cpu()}, Linux {platform.release()}, {filesystem}",
        ", ".join(versions),
    ]
    if filesystem == "tmpfs":
        lines += ["WARNING: tmpfs never flushes, so the figures of uploads mean nothing; choose another --folder"]
    return "\n".join(lines)


def lacking(folder: Path) -> list[str]:
    """One sentence for each thing that a run needs and that is not here."""
    sentences = [] if shutil.which("wrk") else ["wrk, the load generator, is missing. On Debian: apt-get install wrk"]
    for name in ("packshot", "pocketbase"):
        if not Path(program(name)).exists():
            advice = "install requirements/run.txt, requirements/bench.txt and the project itself, or run `make bench`"
            sentences.append(f"{name} is not installed beside this Python: {advice}")
    if shutil.disk_usage(folder).free < FREE_BYTES:
        sentences.append(f"{folder} has less than {FREE_BYTES / 1e9:.0f} GB free: choose another --folder")
    return sentences


def _said(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def _filesystem(folder: Path) -> str:
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    under = [(point, kind) for point, kind in mounts if folder.resolve().is_relative_to(point)]
    return max(under, key=lambda mount: len(mount[0]))[1]
