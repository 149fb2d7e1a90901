"""Three nodes behind nginx while they, their database and their bucket break: nothing lost, undone or served wrong."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from faultproxy import APPLIED_503, CUT_BEFORE, LATE
from faults import altered_node, node_killing
from faults.disasters import TO_NODES, TO_STORES, disasters, turns, weather
from faults.node_killing import Figures, Plan
from packshot.storage import migrations
from serving import PACKSHOT

pytestmark = [pytest.mark.needs("nginx"), pytest.mark.needs("openssl"), pytest.mark.on_files("it makes its own stores")]


def must_be_whole(figures: Figures) -> None:
    """Nothing is broken, and there was enough that could have been."""
    assert figures.broken == []
    assert figures.disasters.keys() == TO_NODES.keys() | TO_STORES.keys()
    assert 500 not in figures.statuses
    assert figures.acked_adds > 20
    assert figures.acked_deletes > 10
    assert figures.unanswered > 0
    assert figures.late > 0
    assert figures.said["reaped"] > 0
    assert figures.events > 20


async def test_nodes_under_fire_have_lost_nothing_they_answered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = await node_killing.run(tmp_path, Plan(disasters()), seed=1)

    with capsys.disabled():
        sys.stdout.write(f"\nnodes under fire: {figures.shown()}\n")
    must_be_whole(figures)


@pytest.mark.long
@pytest.mark.timeout(1_800)
async def test_nodes_under_fire_for_long_have_lost_nothing_they_answered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = await node_killing.run(tmp_path, Plan(disasters(420)), seed=2)

    with capsys.disabled():
        sys.stdout.write(f"\nnodes under fire for long: {figures.shown()}\n")
    must_be_whole(figures)
    assert figures.disasters.total() > 200
    assert figures.said["reaped"] > 50


# One after the other


@pytest.mark.long
async def test_nodes_that_restart_in_turn_fail_no_request(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = await node_killing.run(tmp_path, Plan(turns(PACKSHOT), patient=True), seed=4)

    with capsys.disabled():
        sys.stdout.write(f"\nnodes in turn: {figures.shown()}\n")
    assert figures.broken == []
    assert figures.unanswered == 0
    assert figures.acked_adds > 20


async def test_nodes_that_are_upgraded_in_turn_fail_no_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    number = migrations.steps("postgresql")[-1][0]
    monkeypatch.setattr(migrations, "steps", altered_node.with_one_more(migrations.steps))

    figures = await node_killing.run(tmp_path, Plan(turns(altered_node.program("newer")), patient=True), seed=5)

    with capsys.disabled():
        sys.stdout.write(f"\nnodes upgraded in turn: {figures.shown()}\n")
    assert figures.broken == []
    assert figures.unanswered == 0
    assert figures.said[f"info: Brought the database from step {number} to {number + 1}"] == 1


# The tests tested


_UNSURE = replace(APPLIED_503, methods="PUT", chance=0.8)
_SOON = replace(LATE, methods="DELETE", chance=0.7, late_s=0.5)
_LOST = replace(CUT_BEFORE, methods="PUT", chance=0.7)

WRONG = {
    "a bare update": Plan(weather(60, slow_s=0.004), kept=2, numbers=range(8)),
    "keys reused": Plan(weather(60, _UNSURE, _SOON), numbers=range(25)),
    "bytes after rows": Plan(weather(60, _LOST), kept=4),
}


_OTHERS = [pytest.param(name, marks=pytest.mark.long) for name in WRONG if name != "a bare update"]


@pytest.mark.parametrize("alteration", ["a bare update", *_OTHERS])
async def test_nodes_that_are_wrong_are_found_out(tmp_path: Path, alteration: str) -> None:
    at_once = {"PACKSHOT_TRASH_KEEP_S": "0", "PACKSHOT_UPKEEP_SCRUB_EVERY_S": "1"}
    plan = replace(WRONG[alteration], program=altered_node.program(alteration), environment=at_once)

    figures = await node_killing.run(tmp_path, plan, seed=3)

    assert figures.broken
