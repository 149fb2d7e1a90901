"""The same promises from outside: a real server whose database is locked, whose workers die, or whose disk breaks."""

import os
import random
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from build import file_content
from packshot.storage.folder import DATABASE
from pictures import jpeg, png
from serving import Server, new_store, run_lines, serving, serving_with

HEALED_S = 2.0
LONG = 100
PATIENCE_S = 5.0
BREAKS = """
import sqlite3
from pathlib import Path

class Breaking(sqlite3.Connection):
    def execute(self, sql, *values):
        if Path({flag!r}).exists() and sql == "COMMIT":
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.{name}
            raise error
        return super().execute(sql, *values)

real = sqlite3.connect
sqlite3.connect = lambda *paths, **how: real(*paths, factory=Breaking, **how)
"""
"""Lines after which no transaction can be committed, as soon as there is a file."""


class Door:
    """A client of a server that is about to have it hard."""

    def __init__(self, server: Server) -> None:
        self._rest = f"{server.webhook_url}catalog."
        self.product_id = int(self.add_product().json()["result"]["element"]["id"])

    def call(self, method: str, **params: Any) -> httpx.Response:
        return httpx.post(f"{self._rest}{method}", json=params, timeout=30)

    def add_image(self, data: bytes) -> httpx.Response:
        return self.call("productImage.add", fields={"productId": self.product_id}, fileContent=file_content(data))

    def add_product(self) -> httpx.Response:
        return self.call("product.add", fields={"iblockId": 1, "name": "Mug"})

    def images(self) -> set[int]:
        ids: set[int] = set()
        start: int | None = 0
        while start is not None:
            answer = self.call("productImage.list", productId=self.product_id, start=start)
            assert answer.status_code == 200, answer.text
            ids |= {image["id"] for image in answer.json()["result"]["productImages"]}
            start = answer.json().get("next")
        return ids


def is_unavailable(answer: httpx.Response) -> bool:
    return answer.status_code == 503 and answer.headers["retry-after"] == "1"


def timed(call: Callable[[], httpx.Response]) -> tuple[httpx.Response, float]:
    begun = time.monotonic()
    return call(), time.monotonic() - begun


# The database is locked by another process.


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    with closing(sqlite3.connect(folder / DATABASE, isolation_level=None)) as other:
        other.execute("PRAGMA busy_timeout = 5000")
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


@pytest.mark.parametrize(
    "held_s", [1, pytest.param(4, marks=pytest.mark.long), pytest.param(10, marks=pytest.mark.long)]
)
def test_writes_wait_for_a_locked_database_for_five_seconds_and_reads_do_not(tmp_path: Path, held_s: float) -> None:
    folder = tmp_path / "data"
    with serving(folder) as server, ThreadPoolExecutor(20) as threads:
        door = Door(server)
        before = door.images()
        with locked(folder):
            begun = time.monotonic()
            calls = [threads.submit(timed, lambda: door.add_image(png())), *(
                threads.submit(timed, door.add_product) for _ in range(19)
            )]  # fmt: skip
            while time.monotonic() - begun < held_s:
                answer, took_s = timed(lambda: door.call("productImage.list", productId=door.product_id))
                assert answer.status_code == 200
                assert took_s < PATIENCE_S / 2
                time.sleep(0.05)
        answers = [call.result() for call in calls]

        assert timed(door.add_product)[1] < HEALED_S
        if held_s < PATIENCE_S:
            assert {answer.status_code for answer, _ in answers} == {200}
            assert len(door.images()) == len(before) + 1
        else:
            assert all(is_unavailable(answer) for answer, _ in answers)
            assert all(took_s < 2 * PATIENCE_S for _, took_s in answers)
            assert door.images() == before
        assert "Traceback" not in server.printed()


# Image workers die.

STRICT = {"PACKSHOT_INTAKE_VERIFY": "full", "PACKSHOT_WORKERS_COUNT": "1", "PACKSHOT_WORKERS_JOB_S": "1"}
SIGNALS = {"killed": signal.SIGKILL, "crashed": signal.SIGSEGV, "hung": signal.SIGSTOP}


def workers_of(server: Server) -> set[int]:
    """The image workers that the server has now."""
    found = set()
    for thread in Path(f"/proc/{server.process.pid}/task").iterdir():
        with suppress(FileNotFoundError):
            found |= {int(child) for child in (thread / "children").read_text("ascii").split() if _is_worker(child)}
    return found


def _is_worker(pid: str) -> bool:
    try:
        return b"packshot.imaging" in Path(f"/proc/{pid}/cmdline").read_bytes()  # empty once it is dead
    except FileNotFoundError:
        return False


def has_job(server: Server) -> bool:
    """Whether the server has a picture in memory for a worker."""
    for link in Path(f"/proc/{server.process.pid}/fd").iterdir():
        with suppress(OSError):
            if "memfd:picture" in str(link.readlink()):
                return True
    return False


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def lose_workers(server: Server, door: Door, number: int, deed: str) -> tuple[httpx.Response, float]:
    """The answer to an upload whose worker ends like that, with the other one; and after how long all is well again."""
    before = workers_of(server)
    for pid in before:
        os.kill(pid, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as threads:
        upload = threads.submit(door.add_image, jpeg(8 + number, 8))
        until(lambda: has_job(server))
        time.sleep(0.05)  # now it was handed over
        for pid in before:
            os.kill(pid, SIGNALS[deed])
            if deed == "crashed":  # a signal that can be handled waits for that
                os.kill(pid, signal.SIGCONT)
        answer = upload.result()
    ended = time.monotonic()
    for pid in before & workers_of(server):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    until(lambda: not before & workers_of(server))  # one that is dying may be given a job before anybody can know
    # The next one waits for a new worker. One that was lost between two jobs costs no answer, and is replaced then.
    assert door.add_image(jpeg(8 + number, 9)).status_code == 200
    assert workers_of(server) - before
    return answer, time.monotonic() - ended


def run_workers(folder: Path, times: int) -> tuple[str, float]:
    """So many lost workers; the figures in a line, and the longest time until all was well."""
    chance, slowest_s = random.Random("workers"), 0.0
    with serving(folder, environment=STRICT) as server:
        door = Door(server)
        until(lambda: len(workers_of(server)) == 2)
        assert door.add_image(png()).status_code == 200
        for number in range(times):
            deed = chance.choice(list(SIGNALS)) if number >= len(SIGNALS) else list(SIGNALS)[number]
            answer, healed_s = lose_workers(server, door, number, deed)
            slowest_s = max(slowest_s, healed_s)
            assert answer.status_code in {"killed": {503}, "crashed": {400}, "hung": {400, 503}}[deed], answer.text
            assert answer.status_code == 400 or answer.headers["retry-after"]
        refused = 1 + 2 * times - len(door.images())
        assert refused == times
    return f"workers: {times} lost and as many answers as promised, all well within {slowest_s:.2f} s", slowest_s


def test_a_few_lost_workers_cost_one_answer_each(tmp_path: Path) -> None:
    run_workers(tmp_path / "data", len(SIGNALS))


@pytest.mark.long
def test_lost_workers_cost_one_answer_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told, slowest_s = run_workers(tmp_path / "data", LONG)

    with capsys.disabled():
        sys.stdout.write(f"\n{told}\n")
    assert slowest_s < HEALED_S


# The disk breaks.

CODES = ["SQLITE_IOERR_FSYNC", "SQLITE_IOERR_WRITE"]
CALLS: list[Callable[[Door], httpx.Response]] = [lambda door: door.add_image(jpeg()), Door.add_product]


def break_disk(folder: Path, code: str, call: Callable[[Door], httpx.Response]) -> None:
    """The call is answered with 503, the server stops with 74, and the next one has what was acknowledged."""
    flag = folder.with_suffix(".broken")
    with serving_with(folder, "", before=BREAKS.format(flag=str(flag), name=code)) as server:
        door = Door(server)
        assert door.add_image(png()).status_code == 200
        flag.touch()
        assert is_unavailable(call(door))
        assert server.process.wait(10) == 74
    flag.unlink()
    with serving(folder, facts=server.facts) as server:
        answer = httpx.post(f"{server.webhook_url}catalog.productImage.list", json={"productId": door.product_id})
        assert len(answer.json()["result"]["productImages"]) == 1


def test_a_disk_that_breaks_is_answered_with_503_and_stops_the_server(tmp_path: Path) -> None:
    break_disk(tmp_path / "data", CODES[0], CALLS[0])


@pytest.mark.long
def test_a_hundred_disks_that_break_are_answered_with_503_and_stop_the_server(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(LONG):
        break_disk(tmp_path / str(number), CODES[number % 2], CALLS[number // 2 % 2])

    with capsys.disabled():
        sys.stdout.write(f"\nbroken: {LONG} servers stopped with 74, all answers as promised, nothing lost\n")


def test_upkeep_that_meets_a_broken_disk_stops_the_server(tmp_path: Path) -> None:
    flag = tmp_path / "broken"
    lines = BREAKS.format(flag=str(flag), name=CODES[0])
    with serving_with(tmp_path / "data", "", {"PACKSHOT_UPKEEP_EVERY_S": "1"}, before=lines) as server:
        flag.touch()

        assert server.process.wait(20) == 74


@pytest.mark.parametrize("command", [["upkeep"], ["upkeep", "--scrub"], ["account", "create", "shop"]])
def test_a_command_that_meets_a_broken_disk_ends_with_74(tmp_path: Path, command: list[str]) -> None:
    folder, flag = tmp_path / "data", tmp_path / "broken"
    new_store(folder)
    flag.touch()
    lines = BREAKS.format(flag=str(flag), name=CODES[0])

    done = run_lines(f"{lines}\nimport sys\nfrom packshot.cli import main\nmain()", *command, "--data", folder)

    assert done.returncode == 74, done.stderr
    assert "the disk failed" in done.stderr
    assert "Traceback" not in done.stderr
