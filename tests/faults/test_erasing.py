"""An erasure killed before each of its steps is finished by the next one."""

from pathlib import Path

from faults.test_dying import run


def test_an_erasure_killed_at_any_step_is_finished_by_the_next_one(tmp_path: Path) -> None:
    steps = run("erasing.py", tmp_path)

    assert isinstance(steps, int)
    assert steps > 30
