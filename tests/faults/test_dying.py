"""A change of a product with pictures, killed before each of its steps in turn: all of it is there, or nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("dying.py")


def test_a_change_of_a_product_killed_at_any_step_is_whole_or_has_not_happened(tmp_path: Path) -> None:
    path = os.pathsep.join(filter(None, [str(SCRIPT.parent.parent), os.environ.get("PYTHONPATH")]))

    done = subprocess.run(
        [sys.executable, SCRIPT, tmp_path],
        capture_output=True, text=True, timeout=120, check=False, env=os.environ | {"PYTHONPATH": path},
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    steps = json.loads(done.stdout)
    assert steps["add"] > 50
    assert steps["update"] > 50
    assert steps["delete"] > 5
