"""A process that may compute and answer, and nothing else: no files, no network, no other program or process.

Walls of the kernel, each entered for good. A wall the kernel does not offer is left out, and the answer says so.
"""

import ctypes
import math
import os
import platform
import resource
import signal
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal

_PR_SET_PDEATHSIG, _PR_SET_NAME, _PR_SET_NO_NEW_PRIVS = 1, 15, 38
_CAPABILITIES_VERSION = 0x2008_0522
_CLONE_THREAD, _CLONE_NEWUSER, _CLONE_NEWNET = 0x0001_0000, 0x1000_0000, 0x4000_0000
_AT_EMPTY_PATH = 0x1000
_PLAIN_FCNTL = (0, 1, 2, 3, 4, 1030)  # duplicate, flags and modes, but not whom the kernel signals about a file

_MACHINES: dict[str, tuple[Literal[0, 1], int, int]] = {
    "x86_64": (0, 0xC000_003E, 317),
    "aarch64": (1, 0xC000_00B7, 277),
}
"""By machine: the column in the tables below, the kernel's name of it in a filter, and the number of `seccomp`."""

_CALLS: dict[str, tuple[int | None, int | None]] = {
    "read": (0, 63),
    "pread64": (17, 67),
    "lseek": (8, 62),
    "write": (1, 64),
    "recvmsg": (47, 212),
    "close": (3, 57),
    "dup": (32, 23),
    "fstat": (5, 80),
    "fadvise64": (221, 223),
    "poll": (7, None),
    "ppoll": (271, 73),
    "mmap": (9, 222),
    "munmap": (11, 215),
    "mremap": (25, 216),
    "mprotect": (10, 226),
    "madvise": (28, 233),
    "brk": (12, 214),
    "futex": (202, 98),
    "set_robust_list": (273, 99),
    "rseq": (334, 293),
    "membarrier": (324, 283),
    "restart_syscall": (219, 128),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115),
    "nanosleep": (35, 101),
    "gettimeofday": (96, 169),
    "sched_yield": (24, 124),
    "sched_getaffinity": (204, 123),
    "getpid": (39, 172),
    "gettid": (186, 178),
    "getrandom": (318, 278),
    "getrusage": (98, 165),
    "sysinfo": (99, 179),
    "exit": (60, 93),
    "exit_group": (231, 94),
}
"""What a process that computes and answers needs of the kernel, by its numbers there."""

# These as well, but only with one of some values in one argument, or (clone) a bit set in it. A pid is our own.
_GUARDED: dict[str, tuple[tuple[int, int], int, tuple[int, ...]]] = {
    "clone": ((56, 220), 0, (_CLONE_THREAD,)),
    "fcntl": ((72, 25), 1, _PLAIN_FCNTL),
    "newfstatat": ((262, 79), 3, (_AT_EMPTY_PATH,)),
    "prctl": ((157, 167), 0, (_PR_SET_NAME,)),
    "prlimit64": ((302, 261), 0, (0,)),
    "tgkill": ((234, 131), 0, ()),
}

_LOAD, _EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
_NUMBER_AT, _MACHINE_AT, _ARGUMENTS_AT = 0, 4, 16
_ALLOW, _KILL = 0x7FFF_0000, 0x8000_0000
# "No such call" rather than "not permitted": libraries then take the older call, as with clone3, whose flags no
# filter can see.
_REFUSE = 0x0005_0000 | 38
_SET_FILTER, _ALL_THREADS = 1, 1

_CREATE_RULESET, _RESTRICT_SELF = 444, 446
_ASK_VERSION = 1
_FILE_RIGHTS = (13, 14, 15, 15, 16)
"""How many rights of files the versions of Landlock know, from the first on; later ones know those of the last."""
_NETWORK_SINCE, _NETWORK_RIGHTS = 4, 2
_SCOPES_SINCE, _SCOPES = 6, 2

_libc = ctypes.CDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long


class _Filter(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("program", ctypes.c_char_p))


def leave_network() -> bool:
    """Go where there is no network but an own, empty one. To be called before there is a second thread."""
    return any(_libc.unshare(flags) == 0 for flags in (_CLONE_NEWNET, _CLONE_NEWUSER | _CLONE_NEWNET))


def limit(memory_bytes: int) -> None:
    """Bound the address space; no byte is written to any file, and a crash leaves no picture of the memory.

    When the machine runs out of memory, this process is to go before the one that started it.
    """
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500", "ascii")
    for what, most in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 64),
    ):
        allowed = _allowed(what, most)
        resource.setrlimit(what, (allowed, allowed))


def limit_cpu(seconds: int) -> None:
    """Let this process compute for so many seconds from now on, rounded up; then the kernel ends it (SIGXCPU)."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = math.ceil(used.ru_utime + used.ru_stime) + seconds
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (_allowed(resource.RLIMIT_CPU, soft), hard))


def _allowed(what: int, most: int) -> int:
    """No more than whoever runs the server allows it: limits are not raised here."""
    hard = resource.getrlimit(what)[1]
    return most if hard == resource.RLIM_INFINITY else min(most, hard)


def die_with(parent: int) -> None:
    """End this process when the thread that started it ends; at once if that was too quick for us."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        raise SystemExit(0)


def drop_privileges() -> None:
    """Give up what the superuser may beyond others, as raising the limits above; everybody else has nothing to lose.

    To be called before there is a second thread: it holds this one and those it starts.
    """
    _libc.capset(struct.pack("=Ii", _CAPABILITIES_VERSION, 0), bytes(24))


def close_files() -> bool:
    """Give up every path, by Landlock: from now on this thread and those it starts open nothing.

    False where the kernel has no Landlock. What is open already stays open, and threads that run already are not
    held by this wall: `close_calls` holds them too.
    """
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    version = _syscall(_CREATE_RULESET, None, 0, _ASK_VERSION)
    if version < 1:
        return False
    words = [_FILE_RIGHTS[min(version, len(_FILE_RIGHTS)) - 1]]
    words += [_NETWORK_RIGHTS] * (version >= _NETWORK_SINCE) + [_SCOPES] * (version >= _SCOPES_SINCE)
    rights = b"".join(struct.pack("=Q", (1 << bits) - 1) for bits in words)
    ruleset = _syscall(_CREATE_RULESET, rights, ctypes.c_size_t(len(rights)), 0)
    if ruleset < 0:
        return False
    try:
        return bool(_syscall(_RESTRICT_SELF, ruleset, 0) == 0)
    finally:
        os.close(ruleset)


def close_calls() -> bool:
    """Give up all system calls but those above, by seccomp, for every thread there is. False where it is not offered.

    A call that was given up fails with ENOSYS.
    """
    known = _MACHINES.get(platform.machine())
    if known is None:
        return False
    column, machine, seccomp = known
    steps = [
        (_LOAD, 0, 0, _MACHINE_AT),
        (_EQUAL, 1, 0, machine),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER_AT),
        *(step for numbers in _CALLS.values() if numbers[column] is not None for step in _allow_if(numbers[column])),
        *(step for name in _GUARDED for step in _guarded(name, column)),
        (_RETURN, 0, 0, _REFUSE),
    ]
    program = b"".join(struct.pack("=HBBI", *step) for step in steps)
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    entered = _syscall(seccomp, _SET_FILTER, _ALL_THREADS, ctypes.byref(_Filter(len(steps), program)))
    return bool(entered == 0)


def _allow_if(value: int | None, test: int = _EQUAL) -> Iterator[tuple[int, int, int, int]]:
    yield (test, 0, 1, value or 0)
    yield (_RETURN, 0, 0, _ALLOW)


def _guarded(name: str, column: Literal[0, 1]) -> Iterator[tuple[int, int, int, int]]:
    numbers, argument, values = _GUARDED[name]
    values = values or (os.getpid(),)
    yield (_EQUAL, 0, 2 * len(values) + 2, numbers[column])
    yield (_LOAD, 0, 0, _ARGUMENTS_AT + 8 * argument)
    for value in values:
        yield from _allow_if(value, _ANY_BIT if name == "clone" else _EQUAL)
    yield (_RETURN, 0, 0, _REFUSE)
