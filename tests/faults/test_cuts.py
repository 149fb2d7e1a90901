"""Power cuts in a model of the disk: what is acknowledged is flushed, and nothing that is not flushed does harm."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

SCRIPT = Path(__file__).with_name("cutting.py")
SHORT_CUTS, SHORT_ROUNDS = 40, 1
LONG_CUTS, LONG_ROUNDS = 2_000, 3

pytestmark = pytest.mark.needs("strace")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, where there is one: the model knows of flushes, the disk need not."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as name:
        yield Path(name)


def run(folder: Path, cuts: int, seed: int, rounds: int, fault: str = "", timeout_s: float = 120) -> dict[str, Any]:
    """The figures of one run."""
    tests = str(SCRIPT.parent.parent)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [tests, os.environ.get("PYTHONPATH")]))}
    done = subprocess.run(
        [sys.executable, SCRIPT, folder, str(cuts), str(seed), str(rounds), fault],
        capture_output=True, text=True, timeout=timeout_s, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def show(figures: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        shown = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in figures.items())
        sys.stdout.write(f"\npower cuts: {shown}\n")


def must_be_whole(figures: dict[str, Any], cuts: int) -> None:
    """Nothing is broken, and there was enough that could have been."""
    assert figures["broken"] == []
    assert figures["cuts"] == cuts
    assert figures["acked_pictures"] > cuts
    assert figures["acked_changes"] > cuts
    assert figures["acked_calls"] > cuts
    assert figures["unanswered"] > cuts / 2
    assert figures["snapshots"] > cuts / 10


def test_a_few_power_cuts_take_nothing_that_was_acknowledged_and_leave_nothing_half(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = run(folder, SHORT_CUTS, seed=1, rounds=SHORT_ROUNDS)

    show(figures, capsys)
    must_be_whole(figures, SHORT_CUTS)


@pytest.mark.parametrize(
    ("fault", "shows"),
    [
        ("file-unflushed", "has other bytes"),
        ("folder-unflushed", "has no file"),
        ("synchronous-normal", "lost: the rows"),
        ("synchronous-off", "lost: the rows"),
        ("early-answer", "lost: picture"),
    ],
)
def test_a_store_without_one_of_its_flushes_or_with_early_answers_is_caught(
    folder: Path, fault: str, shows: str
) -> None:
    found = run(folder, SHORT_CUTS, seed=2, rounds=SHORT_ROUNDS, fault=fault)["broken"]

    assert any(shows in what for what in found), found


@pytest.mark.long
@pytest.mark.timeout(1_800)
def test_two_thousand_power_cuts_take_nothing_that_was_acknowledged_and_leave_nothing_half(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = run(folder, LONG_CUTS, seed=3, rounds=LONG_ROUNDS, timeout_s=1_700)

    show(figures, capsys)
    must_be_whole(figures, LONG_CUTS)
