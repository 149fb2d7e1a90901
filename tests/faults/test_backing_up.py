"""A backup killed at any moment: every snapshot in its target can be restored, and the next backup goes on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("backing_up.py")


def require_usable(folder: Path, every: int) -> None:
    path = os.pathsep.join(filter(None, [str(SCRIPT.parent.parent), os.environ.get("PYTHONPATH")]))

    done = subprocess.run(
        [sys.executable, SCRIPT, folder, str(every)],
        capture_output=True, text=True, timeout=200, check=False, env=os.environ | {"PYTHONPATH": path},
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 30


def test_a_backup_killed_at_some_steps_leaves_a_target_that_can_be_used(tmp_path: Path) -> None:
    require_usable(tmp_path, 8)


@pytest.mark.long
def test_a_backup_killed_at_every_step_leaves_a_target_that_can_be_used(tmp_path: Path) -> None:
    require_usable(tmp_path, 1)
