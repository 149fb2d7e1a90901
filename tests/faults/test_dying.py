"""A change, an upload or a call with a key, killed before each of its steps: all of it is there, or nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent


def run(script: str, folder: Path) -> object:
    """What the script says of the number of steps it took."""
    path = os.pathsep.join(filter(None, [str(FOLDER.parent), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, FOLDER / script, folder],
        capture_output=True, text=True, timeout=300, check=False, env=os.environ | {"PYTHONPATH": path},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_change_killed_at_any_step_is_whole_or_has_not_happened(tmp_path: Path) -> None:
    steps = run("dying.py", tmp_path)

    assert isinstance(steps, dict)
    assert steps["add"] > 50
    assert steps["update"] > 50
    assert steps["delete"] > 5
    assert steps["add_images"] > 10
    assert steps["images hosted here"] > 50
    assert steps["delete_images"] > 5
    assert steps["restore"] > 10
    assert steps["restore images"] > 10
    assert steps["purge"] > 5
    assert steps["empty_trash"] > 0


def test_an_upload_in_pieces_killed_at_any_step_leaves_the_whole_image_or_none(tmp_path: Path) -> None:
    steps = run("uploading.py", tmp_path)

    assert isinstance(steps, int)
    assert steps > 20


def test_a_call_with_a_key_killed_at_any_step_is_done_once_by_its_repetition(tmp_path: Path) -> None:
    steps = run("repeating.py", tmp_path)

    assert isinstance(steps, int)
    assert steps > 20
