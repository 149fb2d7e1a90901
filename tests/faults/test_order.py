"""The order of system calls of one upload: the one thing that kill -9 cannot show is a flush that is missing."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent
WATCHED = "openat,write,pwrite64,fsync,fdatasync,rename,renameat,renameat2,link,linkat"
LINE = re.compile(r"(?P<thread>\d+) +(?:(?P<name>\w+)\((?P<given>.*)|<\.\.\. (?P<resumed>\w+) resumed>(?P<rest>.*))")


@dataclass
class Call:
    """One system call: what it was given, and the lines in which it began and ended."""

    name: str
    given: str
    began: int
    ended: int

    def is_flush_of(self, place: str) -> bool:
        """Whether it flushes a path that matches *place*."""
        return self.name in {"fsync", "fdatasync"} and re.search(rf"<[^>]*{place}>", self.given) is not None


def read_calls(trace: str) -> list[Call]:
    """The calls in the order in which they began; those interrupted by other threads are put together again."""
    calls: list[Call] = []
    open_in: dict[str, Call] = {}
    for number, line in enumerate(trace.splitlines()):
        found = LINE.match(line)
        if found is None:
            continue
        if found["resumed"]:
            open_in.pop(found["thread"]).ended = number
            continue
        call = Call(found["name"], found["given"], number, number)
        calls.append(call)
        if line.endswith("<unfinished ...>"):
            open_in[found["thread"]] = call
    return calls


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> list[Call]:
    """What one upload asks of the kernel, between the lines "go" and "answer" of the program."""
    folder = tmp_path_factory.mktemp("order")
    path = os.pathsep.join(filter(None, [str(TESTS), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        ["strace", "-f", "-y", "-s", "64", "-e", f"trace={WATCHED}", "-o", folder / "trace",
         sys.executable, TESTS / "faults" / "adding.py", folder / "data"],
        capture_output=True, text=True, timeout=120, check=False, env=os.environ | {"PYTHONPATH": path},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == "go\nanswer\n"
    found = read_calls((folder / "trace").read_text("utf-8", "replace"))
    start = the_only(found, lambda call: call.name == "write" and '"go\\n"' in call.given)
    return [call for call in found if call.began > start.ended]


def the_only(calls: list[Call], fits: Callable[[Call], bool]) -> Call:
    (call,) = [call for call in calls if fits(call)]
    return call


def in_order(*steps: Call) -> bool:
    """Whether each call had returned before the next one was made."""
    return all(before.ended < after.began for before, after in pairwise(steps))


pytestmark = pytest.mark.needs("strace")


def test_bytes_name_folder_and_log_are_flushed_in_this_order_before_the_answer(calls: list[Call]) -> None:
    answer = the_only(calls, lambda call: call.name == "write" and '"answer\\n"' in call.given)
    before = [call for call in calls if call.ended < answer.began]

    written = the_only(before, lambda call: call.name == "write" and "/staging/" in call.given)
    flushed = the_only(before, lambda call: call.is_flush_of(r"/staging/\w+"))
    renamed = the_only(before, lambda call: call.name.startswith("rename"))
    named = the_only(before, lambda call: call.is_flush_of(r"/blobs/[0-9a-f]{2}"))
    logged = [call for call in before if call.name == "pwrite64" and "-wal>" in call.given]
    committed = [call for call in before if call.is_flush_of("-wal")]

    assert re.search(r"/staging/\w+.*/blobs/[0-9a-f]{2}/[0-9a-f]{64}\.", renamed.given)
    assert logged
    assert in_order(written, flushed, renamed, named, logged[0])
    assert in_order(logged[-1], committed[-1], answer)


def test_the_staging_file_is_new_and_no_link_is_followed(calls: list[Call]) -> None:
    opened = the_only(calls, lambda call: call.name == "openat" and "/staging/" in call.given)

    assert {"O_CREAT", "O_EXCL", "O_NOFOLLOW", "O_CLOEXEC"} <= set(re.findall(r"O_[A-Z]+", opened.given))
    assert "0600" in opened.given


def test_one_upload_costs_three_flushes(calls: list[Call]) -> None:
    answer = the_only(calls, lambda call: call.name == "write" and '"answer\\n"' in call.given)

    flushes = [call for call in calls if call.name in {"fsync", "fdatasync"} and call.began < answer.began]

    assert len(flushes) == 3
