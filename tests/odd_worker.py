"""Image workers that do as the picture says, for tests: `segfault`, `loop`, `try exec`. Run as a program it is one."""

import contextlib
import ctypes
import hashlib
import os
import platform
import queue
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from packshot.domain.errors import ImageTooLarge
from packshot.domain.originals import Header
from packshot.imaging import sandbox, worker
from packshot.imaging.jobs import LENGTHS, MAX_JOB_BYTES, Answer, Found, Job, Strip, Stripped
from packshot.imaging.pool import Workers, WorkerSettings
from packshot.imaging.process import Made, in_memory

COMMAND = (sys.executable, "-I", "-B", __file__)
HEADER = Header("image/jpeg", 3, 2)
NOBODY = 65_534

_libc = ctypes.CDLL(None, use_errno=True)
_user = [os.getuid()]
_asked: "queue.SimpleQueue[None]" = queue.SimpleQueue()
_told: "queue.SimpleQueue[str]" = queue.SimpleQueue()


@asynccontextmanager
async def odd_workers(
    *how: str, clock: Callable[[], float] = time.monotonic, **settings: float
) -> AsyncIterator[Workers]:
    """A started pool of them, closed after the block.

    *how*: `nobody` (not as root), `bare` (a kernel without walls), `unless=PATH` (none starts while there is a file).
    """
    workers = Workers(msgspec.convert({"count": 1, **settings}, WorkerSettings), (*COMMAND, *how), clock)
    await workers.start()
    try:
        yield workers
    finally:
        await workers.close()


def content_of(made: Made) -> bytes:
    """The picture that a worker made, also where it came as a file."""
    if isinstance(made.data, bytes):
        return made.data
    with made.data as file:
        return file.readall()


async def do(workers: Workers, what: str) -> str:
    """Have it done; what came of it. The digest is that of the words."""
    with in_memory(what.encode()) as file:
        done = await workers.strip(Strip(HEADER, "nothing"), file, hashlib.sha256(what.encode()).hexdigest())
    return content_of(done).decode()


def processes() -> set[int]:
    """The odd workers that this process has now; dead ones count until nothing is left of them."""
    children = Path(f"/proc/{os.getpid()}/task/{threading.main_thread().native_id}/children").read_text("ascii")
    return {int(pid) for pid in children.split() if _is_odd(pid)}


def _is_odd(pid: str) -> bool:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return False
    return not command or __file__.encode() in command


# What follows is run in the worker.


def _parent() -> int:
    """By argument, because the kernel does not tell a worker."""
    return int(sys.argv[1])


def raw(name: str, *arguments: int) -> str:
    """A system call by its name on this machine, past every library."""
    numbers = {
        "x86_64": {"fork": 57, "clone": 56, "io_uring_setup": 425, "sendmsg": 46, "tgkill": 234, "prlimit64": 302,
                   "rt_sigqueueinfo": 129, "prctl": 157, "fcntl": 72, "bpf": 321, "pidfd_open": 434,
                   "x32": 0x4000_0029},
        "aarch64": {"clone": 220, "io_uring_setup": 425, "sendmsg": 211, "tgkill": 130, "prlimit64": 261,
                    "rt_sigqueueinfo": 138, "prctl": 167, "fcntl": 25, "bpf": 280, "pidfd_open": 434},
    }[platform.machine()]  # fmt: skip
    if name not in numbers:
        raise OSError(38, "no such call here")
    if _libc.syscall(numbers[name], *arguments) < 0:
        raise OSError(ctypes.get_errno(), name)
    return name


_HARMLESS: dict[str, Callable[[], object]] = {
    "read a file": lambda: Path("/etc/passwd").read_bytes(),
    "write a file": lambda: Path("/tmp/packshot-odd-worker").write_bytes(b"here"),
    "list a folder": lambda: os.listdir("/"),  # noqa: PTH208 - one call
    "look at a file": lambda: os.stat("/etc/passwd"),  # noqa: PTH116 - one call
    "remove a file": lambda: os.unlink("/tmp/packshot-odd-worker"),  # noqa: PTH108 - one call
    "tcp": lambda: socket.socket(socket.AF_INET).close(),
    "udp": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close(),
    "unix": lambda: socket.socket(socket.AF_UNIX).close(),
    "netlink": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close(),
    "a pair": socket.socketpair,
    "a pipe": os.pipe,
    "run a program": lambda: subprocess.run(["/bin/true"], check=True),
    "kill": lambda: os.kill(_parent(), 0),
    "kill a thread": lambda: raw("tgkill", _parent(), _parent(), 0),
    "open a process": lambda: raw("pidfd_open", _parent(), 0),
    "more memory": lambda: resource.setrlimit(resource.RLIMIT_AS, (1 << 40, 1 << 40)),
    "limit the parent": lambda: resource.prlimit(_parent(), resource.RLIMIT_CORE),
}
_RISKY: dict[str, Callable[[], object]] = {
    "fork": os.fork,
    "fork by hand": lambda: raw("fork"),
    "clone by hand": lambda: raw("clone", 17, 0, 0, 0, 0),
    "exec": lambda: os.execv("/bin/true", ["true"]),
    "x32 socket": lambda: raw("x32", 1, 1, 0),
    "io_uring": lambda: raw("io_uring_setup", 1, 0),
    "bpf": lambda: raw("bpf", 0, 0, 0),
    "ptrace": lambda: _traced(_parent()),
    "queue a signal": lambda: raw("rt_sigqueueinfo", _parent(), 0, 0),
    "own a file's signals": lambda: raw("fcntl", 0, 8, _parent()),
    "live without the parent": lambda: raw("prctl", 1, 0, 0, 0, 0),
    "send on the channel": lambda: raw("sendmsg", 0, 0, 0),
}


def _traced(pid: int) -> None:
    if _libc.ptrace(16, pid, 0, 0) < 0:
        raise OSError(ctypes.get_errno(), "ptrace")


def _tried(attempts: dict[str, Callable[[], object]]) -> str:
    """The attempts that succeeded, one a line."""
    got = []
    for name, attempt in attempts.items():
        with contextlib.suppress(OSError, ValueError, subprocess.SubprocessError):
            attempt()
            got.append(name)
    return "\n".join(got)


def _in_a_new_thread() -> str:
    got: list[str] = []
    thread = threading.Thread(target=lambda: got.append(_tried(_HARMLESS)))
    thread.start()
    thread.join()
    return f"in a thread: {got}"


def _in_an_old_thread() -> str:
    _asked.put(None)
    return f"in a thread: {[_told.get()]}"


def _wait_and_try() -> None:
    _asked.get()
    _told.put(_tried(_HARMLESS))


def _hog() -> str:
    """Take ever more memory and keep it."""
    kept: list[bytes] = []
    while len(kept) < 64:
        kept.append(bytes(32 << 20))
    return "got it all"


def _loop() -> str:
    while True:
        pass


def _say(data: bytes) -> None:
    os.write(0, data)


def _half() -> str:
    _say(LENGTHS.pack(256, 0) + b"half of it")
    os._exit(0)


def _stall() -> str:
    _say(LENGTHS.pack(256, 0) + b"half of it")
    time.sleep(3600)
    return ""


def _complain(words: str) -> str:
    """What a library in trouble does: C's standard error, past Python's."""
    os.write(2, words.encode())
    return "said"


def _complain_much() -> str:
    """More than anybody reads meanwhile; what does not fit is lost."""
    for _ in range(1_000):
        with contextlib.suppress(BlockingIOError):
            os.write(2, b"noise " * 1_000)
    return "said"


def _die_complaining() -> str:
    _complain("x" * 60_000 + "free(): invalid pointer")
    os.abort()


def _large_bug() -> str:
    raise KeyError("much " * 1_000_000 + "in the end")


def _too_large() -> str:
    raise ImageTooLarge(1, 2, "pixels")


def _bug() -> str:
    raise KeyError("a bug")


_FRAME = LENGTHS.pack(1, 0) + b"?"
_DEEDS: dict[str, Callable[[], object]] = {
    "pid": os.getpid,
    "user": lambda: _user[0],
    "new thread": _in_a_new_thread,
    "old thread": _in_an_old_thread,
    "environment": lambda: ",".join(sorted(os.environ)),
    "descriptors": lambda: ",".join(str(number) for number in range(64) if _is_open(number)),
    "harmless": lambda: _tried(_HARMLESS),
    "risky": lambda: _tried(_RISKY),
    "segfault": lambda: ctypes.string_at(0),
    "abort": os.abort,
    "exit": lambda: os._exit(3),
    "loop": _loop,
    "sleep": lambda: time.sleep(3600),
    "nap": lambda: time.sleep(0.15),
    "hog": _hog,
    "garbage": lambda: _say(b"\xff" * 16),
    "nonsense": lambda: _say(_FRAME),
    "half": _half,
    "stall": _stall,
    "too large": _too_large,
    "bug": _bug,
    "large answer": lambda: "x" * (8 << 20),
    "large words": lambda: _say(LENGTHS.pack(MAX_JOB_BYTES + 1, 0)),
    "large bug": _large_bug,
    "complain": lambda: _complain("careful!"),
    "complain much": _complain_much,
    "die complaining": _die_complaining,
}


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _perform(_job: Job, source: memoryview) -> Answer:
    words = bytes(source).decode()
    if words == "other answer":
        return Found(1, 1, 1, 1, alpha=False, profile=None, colour=None, thumbhash=None, phash=None)
    if words == "one more answer":
        threading.Timer(0.05, _say, [_FRAME]).start()
    deed = _DEEDS.get(words.rstrip("0123456789"), lambda: words)
    return Stripped(str(deed()).encode(), "image/png")


def _learn(how: list[str]) -> worker.Perform:
    threading.Thread(target=_wait_and_try, daemon=True).start()
    if "bare" in how:
        sandbox._MACHINES.clear()  # noqa: SLF001 - as on a machine nobody has thought of
        sandbox._CREATE_RULESET = 100_000  # noqa: SLF001 - a call that no kernel has
    return _perform


if __name__ == "__main__":
    how = sys.argv[1:-3]
    del sys.argv[1:-3]
    if any(Path(word[7:]).exists() for word in how if word.startswith("unless=")):
        raise SystemExit(1)
    if "nobody" in how:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        _user[0] = os.getuid()
    worker.serve(lambda: _learn(how))
