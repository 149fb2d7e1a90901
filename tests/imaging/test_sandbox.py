"""What a worker cannot do, tried by a worker: as the superuser, and as somebody else."""

import os
from pathlib import Path

import pytest

from odd_worker import NOBODY, do, odd_workers

USERS = ["root", "nobody"] if os.getuid() == 0 else ["root"]


@pytest.mark.parametrize("user", USERS)
async def test_a_worker_reaches_no_file_no_network_and_no_other_process(user: str) -> None:
    async with odd_workers(user) as workers:
        reached = [await do(workers, "harmless"), await do(workers, "risky")]
        whose = await do(workers, "user")

    assert reached == ["", ""]
    assert whose == str(NOBODY if user == "nobody" else os.getuid())
    assert workers.walls.seccomp
    assert workers.counts.total() == 0


@pytest.mark.parametrize("thread", ["old", "new"])
async def test_threads_are_shut_in_too(thread: str) -> None:
    async with odd_workers() as workers:
        reached = await do(workers, f"{thread} thread")

    assert reached == "in a thread: ['']"


def privileges(pid: str) -> list[str]:
    """Those that the threads of a process have in effect, as the kernel prints them."""
    statuses = [path.read_text("ascii") for path in Path("/proc", pid).glob("task/*/status")]
    return [line.split()[1] for status in statuses for line in status.splitlines() if line.startswith("CapEff:")]


async def test_no_thread_keeps_a_privilege_of_the_superuser() -> None:
    async with odd_workers() as workers:
        kept = privileges(await do(workers, "pid"))

    assert kept == ["0" * 16] * 2  # that of the jobs, and one that is older than the walls


async def test_where_the_kernel_offers_no_walls_the_pool_works_and_says_so() -> None:
    async with odd_workers("bare") as workers:
        reached = (await do(workers, "harmless")).splitlines()

    assert not workers.walls.landlock
    assert not workers.walls.seccomp
    assert {"read a file", "list a folder", "run a program", "kill", "tcp"} <= set(reached)


async def test_a_worker_inherits_neither_environment_nor_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACKSHOT_SECRET", "x")
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)  # noqa: FBT003 - the library's own way
    try:
        async with odd_workers() as workers:
            names = (await do(workers, "environment")).split(",")
            descriptors = [len((await do(workers, f"descriptors{number}")).split(",")) for number in range(3)]
    finally:
        os.close(reader)
        os.close(writer)

    assert "PACKSHOT_SECRET" not in names
    # The channel, nowhere twice, and the picture of the job, which its map keeps open.
    assert descriptors == [4, 4, 4]
