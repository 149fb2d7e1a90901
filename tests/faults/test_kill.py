"""`kill -9` of loaded storage processes: nothing acknowledged is lost, nothing deleted comes back."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).with_name("killing.py")
SHORT_KILLS = 60
LONG_KILLS = 10_000


def run(folder: Path, kills: int, seed: int, *fault: str, timeout_s: float = 120) -> dict[str, Any]:
    """The figures of one run, after what its workers printed."""
    tests = str(SCRIPT.parent.parent)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [tests, os.environ.get("PYTHONPATH")]))}
    done = subprocess.run(
        [sys.executable, SCRIPT, folder, str(kills), str(seed), *fault],
        capture_output=True, text=True, timeout=timeout_s, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    sys.stderr.write(done.stderr)
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def must_be_whole(figures: dict[str, Any], kills: int) -> None:
    """Nothing is lost or undone, and there was enough that could have been."""
    assert figures["broken"] == []
    assert figures["lost"] == figures["undone"] == 0
    assert figures["kills"] >= kills
    # On a machine that has much else to do a life of milliseconds comes to little.
    assert figures["acked_adds"] > kills / 4
    assert figures["acked_deletes"] > kills / 4
    assert figures["unanswered"] > kills / 20
    assert figures["events"] >= figures["acked_products"] > kills / 8
    assert figures["keyed"] > kills / 40


def test_a_few_kills_lose_nothing_and_bring_nothing_back(tmp_path: Path) -> None:
    must_be_whole(run(tmp_path, SHORT_KILLS, seed=1), SHORT_KILLS)


@pytest.mark.parametrize(
    ("fault", "shows"),
    [
        ("late-bytes", "has no file"),
        ("early-answer", "lost"),
        ("forgotten-delete", "undone"),
        ("two-steps", "half"),
        ("one-by-one", "half"),
        ("half-restore", "half"),
        ("late-key", "the key"),
    ],
)
def test_a_service_that_breaks_its_promise_is_caught(tmp_path: Path, fault: str, shows: str) -> None:
    found: list[str] = []
    for seed in (2, 3, 4, 5):  # a run ends with the first thing that is wrong, and chance decides which that is
        (tmp_path / str(seed)).mkdir()
        found += run(tmp_path / str(seed), SHORT_KILLS, seed, fault)["broken"]
        if any(shows in what for what in found):
            break

    assert any(shows in what for what in found), found


@pytest.mark.long
@pytest.mark.timeout(3_600)
def test_ten_thousand_kills_lose_nothing_and_bring_nothing_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = run(tmp_path, LONG_KILLS, seed=3, timeout_s=3_500)

    with capsys.disabled():
        shown = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in figures.items())
        sys.stdout.write(f"\nkill -9: {shown}\n")
    must_be_whole(figures, LONG_KILLS)
