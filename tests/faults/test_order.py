"""The order of system calls: the one thing that kill -9 cannot show is a flush that is missing."""

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
WATCHED = "openat,write,pwrite64,fsync,fdatasync,rename,renameat,renameat2,link,linkat,unlink,unlinkat"
ACTS = ["upload", "upload in pieces", "product", "delete", "give up", "doom", "reap"]
"""What the program does, see adding.py; what comes before is the first start."""

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
def acts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Call]]:
    """What each act asks of the kernel, after the program named it and up to the answer, which comes last."""
    folder = tmp_path_factory.mktemp("order")
    path = os.pathsep.join(filter(None, [str(TESTS), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        ["strace", "-f", "-y", "-s", "64", "-e", f"trace={WATCHED}", "-o", folder / "trace",
         sys.executable, TESTS / "faults" / "adding.py", folder / "new" / "data"],
        capture_output=True, text=True, timeout=120, check=False, env=os.environ | {"PYTHONPATH": path},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [line for name in ACTS for line in (name, "answer")]
    found = read_calls((folder / "trace").read_text("utf-8", "replace"))
    said = [call for call in found if call.name == "write" and call.given.startswith("1<")]
    begun, ended = [Call("", "", -1, -1), *said[::2]], [said[0], *said[1::2]]
    return {
        name: [call for call in found if begin.ended < call.began <= end.began]
        for name, begin, end in zip(["start", *ACTS], begun, ended, strict=True)
    }


@pytest.fixture
def calls(acts: dict[str, list[Call]]) -> list[Call]:
    """Those of one upload."""
    return acts["upload"]


def the_only(calls: list[Call], fits: Callable[[Call], bool]) -> Call:
    (call,) = [call for call in calls if fits(call)]
    return call


def in_order(*steps: Call) -> bool:
    """Whether each call had returned before the next one was made."""
    return all(before.ended < after.began for before, after in pairwise(steps))


pytestmark = pytest.mark.needs("strace")


def test_bytes_name_folder_and_log_are_flushed_in_this_order_before_the_answer(calls: list[Call]) -> None:
    *before, answer = calls

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
    flushes = [call for call in calls if call.name in {"fsync", "fdatasync"}]

    assert len(flushes) == 3


def test_the_names_of_a_new_store_and_its_key_are_flushed_before_there_is_a_database(
    acts: dict[str, list[Call]],
) -> None:
    start = acts["start"]
    linked = the_only(start, lambda call: call.name.startswith("link"))
    database = next(call for call in start if call.name == "openat" and '/packshot.sqlite3"' in call.given)

    for place in ("/order\\d*", "/order\\d*/new"):
        assert [call for call in start if call.is_flush_of(place) and call.ended < database.began], place
    assert [call for call in start if call.is_flush_of("/new/data") and in_order(linked, call, database)]


@pytest.mark.parametrize(("act", "files"), [("upload in pieces", 1), ("product", 2)])
def test_however_bytes_come_each_file_is_flushed_and_named_before_the_one_commit(
    acts: dict[str, list[Call]], act: str, files: int
) -> None:
    *before, answer = acts[act]

    renamed = [call for call in before if call.name.startswith("rename")]
    logged = [call for call in before if call.name == "pwrite64" and "-wal>" in call.given]
    committed = the_only(before, lambda call: call.is_flush_of("-wal"))

    assert len(renamed) == files
    assert in_order(renamed[-1], logged[0], logged[-1], committed, answer)
    for one in renamed:
        staged, name = re.findall(r"/(staging/\w+|blobs/[0-9a-f]{2})", one.given)
        written = [call for call in before if call.name == "write" and f"/{staged}>" in call.given]
        flushed = the_only(before, lambda call, staged=staged: call.is_flush_of(f"/{staged}"))  # type: ignore[misc]
        named = [call for call in before if call.is_flush_of(f"/{name}") and in_order(one, call, logged[0])]
        assert in_order(written[-1], flushed, one)
        assert named


@pytest.mark.parametrize("act", ["delete", "give up", "doom"])
def test_no_file_goes_before_its_end_is_on_the_disk(acts: dict[str, list[Call]], act: str) -> None:
    *before, answer = acts[act]

    logged = [call for call in before if call.name == "pwrite64" and "-wal>" in call.given]
    committed = [call for call in before if call.is_flush_of("-wal")]

    assert logged
    assert in_order(logged[-1], committed[-1], answer)
    assert not [call for call in before if call.name.startswith("unlink")]


def test_a_row_goes_after_its_file(acts: dict[str, list[Call]]) -> None:
    *before, answer = acts["reap"]

    unlinked = the_only(before, lambda call: call.name == "unlink")
    logged = [call for call in before if call.name == "pwrite64" and "-wal>" in call.given]
    committed = the_only(before, lambda call: call.is_flush_of("-wal"))

    assert "/blobs/" in unlinked.given
    assert in_order(unlinked, logged[0], logged[-1], committed, answer)
