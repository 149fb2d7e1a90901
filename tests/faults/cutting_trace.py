"""The system calls of a program that may change what a disk holds, as strace sees them."""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

LONGEST_S = 120
CALLS: Final = (
    "open,openat,creat,close,lseek,write,pwrite64,writev,pwritev,pwritev2,truncate,ftruncate,fallocate,fsync,fdatasync,"
    "sync,syncfs,msync,sync_file_range,rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,mkdir,"
    "mkdirat,rmdir,dup,dup2,dup3,sendfile,copy_file_range,mmap"
)
"""The system calls that change what a disk holds, or say which file is meant. Those unknown to `Disk` end the run."""

_CALL: Final = re.compile(r"(\w+)\((.*)", re.DOTALL)


@dataclass
class Call:
    """One system call that succeeded; `made` and `flushes` are for whoever replays it."""

    name: str
    given: list[str]
    result: str = ""
    made: list[Any] = field(default_factory=list)
    flushes: list[Any] = field(default_factory=list)
    _texts: dict[int, bytes] = field(default_factory=dict)

    def text(self, place: int) -> bytes:
        """An argument that is a string."""
        if place not in self._texts:
            quoted = self.given[place]
            if quoted[0] != '"' or quoted[-1] != '"':
                raise AssertionError(f"{self.name} was given {quoted[:80]}: the trace is cut short")
            self._texts[place] = bytes.fromhex(quoted[1:-1].replace("\\x", ""))
        return self._texts[place]

    def number(self, place: int) -> int:
        """An argument that is a number."""
        return int(self.given[place], 0)

    def has(self, place: int, flag: str) -> bool:
        """Whether an argument, if there is one, has that flag."""
        return place < len(self.given) and flag in self.given[place].split("|")


@dataclass
class Step:
    """The beginning of a call, its end, or both where nothing came in between."""

    call: Call
    begins: bool
    ends: bool


def record(program: list[str], folder: Path, trace: Path) -> list[Step]:
    """What a program of the tests asks of the kernel when it works in *folder*, which is empty before and after."""
    folder.mkdir()
    subprocess.run(
        ["strace", "-f", "--seccomp-bpf", "-xx", "-s", "99999999", "-e", "signal=none", "-e", f"trace={CALLS}",
         "-o", trace, sys.executable, *program],
        stdout=subprocess.DEVNULL, timeout=LONGEST_S, check=True,
    )  # fmt: skip
    steps = read(trace)
    shutil.rmtree(folder)
    trace.unlink()
    return steps


def read(trace: Path) -> list[Step]:
    """The steps of all calls that succeeded, in order."""
    steps: list[Step] = []
    under_way: dict[str, Call] = {}
    with trace.open(encoding="ascii") as lines:
        for line in lines:
            thread, _, text = line.rstrip("\n").partition(" ")
            text, resumed = text.lstrip(), "resumed>" in text[:40]
            if text.startswith(("+++", "---")):
                continue
            ends = not text.endswith("<unfinished ...>")
            given, _, result = text.rpartition(" = ") if ends else (text.removesuffix(" <unfinished ...>"), "", "")
            call = under_way.pop(thread) if resumed else _parsed(given.rstrip().removesuffix(")"))
            call.result = result.partition(" ")[0]
            if not ends:
                under_way[thread] = call
            steps.append(Step(call, not resumed, ends))
    return [step for step in steps if not step.call.result.startswith(("-", "?"))]


def _parsed(text: str) -> Call:
    found = _CALL.fullmatch(text)
    if found is None:
        raise AssertionError(f"this is no system call: {text[:80]}")
    return Call(found[1], found[2].split(", "))
