"""`kill -9` of a whole server under load: what it answered is there when the next one is ready, and nothing else is.

How long that takes is printed. Nothing asserts it but that `serving` waits half a minute and no longer: a machine that
tests is no quiet one.
"""

import sys
from pathlib import Path

import pytest

from faults import server_killing
from faults.server_killing import Figures


def must_be_whole(figures: Figures, kills: int) -> None:
    """Nothing is broken, and there was enough that could have been."""
    assert figures.broken == []
    assert figures.kills >= kills
    assert figures.acked_adds > 2 * kills
    assert figures.acked_deletes > kills
    assert figures.unanswered > kills / 2
    assert figures.events > kills


async def test_a_server_killed_a_few_times_has_lost_nothing_it_answered(tmp_path: Path) -> None:
    must_be_whole(await server_killing.run(tmp_path / "data", 5, seed=1), 5)


@pytest.mark.long
@pytest.mark.timeout(1_800)
async def test_a_server_killed_two_hundred_times_has_lost_nothing_it_answered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = await server_killing.run(tmp_path / "data", 200, seed=2)

    with capsys.disabled():
        sys.stdout.write(f"\nkill -9 of servers: {figures.shown()}\n")
    must_be_whole(figures, 200)
    assert figures.repeated > 20
    assert figures.workers_killed > 20
