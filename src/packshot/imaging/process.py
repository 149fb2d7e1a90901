"""A worker as its parent sees it: a process to start and end, a channel for jobs and answers, a picture as a file."""

import asyncio
import fcntl
import io
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from packshot.domain.errors import Unavailable
from packshot.imaging.jobs import LENGTHS, MAX_JOB_BYTES, Job

# Not -I: Packshot may be installed for its user only. No folder of theirs is looked in, and no variable is theirs.
COMMAND = (sys.executable, "-P", "-B", "-m", "packshot.imaging.worker")
# Nothing of our own environment, in which there may be secrets.
_ENVIRONMENT = {
    "LC_ALL": "C.UTF-8",
    # Address space is limited, and an arena for each thread would take a quarter of it before the first picture.
    "MALLOC_ARENA_MAX": "2",
    "VIPS_BLOCK_UNTRUSTED": "1",
    "VIPS_CONCURRENCY": "1",
    "VIPS_WARNING": "0",
}
_PRIVATE = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
_CPU_CLOCK = 2
_LAST_WORDS_BYTES = 4096
_PIPE_BYTES = 65_536
_SEALS = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL


Picture = bytes | io.FileIO
"""A picture that a worker made; a large one is a file, which is closed by whoever gets it."""


class Made(NamedTuple):
    """The same with what it is."""

    media_type: str
    data: Picture


HELD_BYTES = 1024 * 1024
"""Up to this size a picture that a worker made is held by this process; there may be many of them at a time."""


@contextmanager
def in_memory(data: bytes | bytearray | memoryview) -> Iterator[int]:
    """The descriptor of what `sealed` gives, closed after the block."""
    with sealed(data) as file:
        yield file.fileno()


def sealed(data: bytes | bytearray | memoryview) -> io.FileIO:
    """A file that has no name and never changes, with these bytes, for a worker to read. It goes with its last user.

    Raises:
        Unavailable: there is no descriptor or no memory for it.
    """
    try:
        with ExitStack() as undo:
            file = undo.enter_context(io.FileIO(os.memfd_create("picture", _PRIVATE), "r+"))
            left = memoryview(data).cast("B")
            while left:
                left = left[file.write(left) :]
            fcntl.fcntl(file, fcntl.F_ADD_SEALS, _SEALS)
            undo.pop_all()
            return file
    except OSError as error:
        raise Unavailable("image worker") from error


class WorkerProcess:
    """One process, as its parent sees it: a channel with jobs out and answers in."""

    def __init__(self, command: Sequence[str], memory_bytes: int, cpu_s: int) -> None:
        """Start it; it is warm when its first answer, a `Ready`, has come. Raises: OSError."""
        self.jobs = 0
        self._complaint = b""
        words = [os.getpid(), memory_bytes, cpu_s]
        with ExitStack() as given, ExitStack() as undo:
            # What nobody reads fills a pipe, and no worker shall wait for that: what it complains of then is lost.
            read_end, write_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
            self._complaints = undo.enter_context(io.FileIO(read_end))
            complaints = given.enter_context(io.FileIO(write_end, "w"))
            ours, theirs = socket.socketpair()
            self._channel = undo.enter_context(ours)
            self._process = subprocess.Popen(  # noqa: S603 - our own module, by the interpreter we run in
                [*command, *map(str, words)],
                stdin=given.enter_context(theirs).fileno(),
                stdout=subprocess.DEVNULL,
                stderr=complaints.fileno(),
                cwd="/",
                env=_ENVIRONMENT,
            )
            undo.pop_all()
        self._channel.settimeout(0)
        self._asked_at_s = self._computed_s = 0.0

    def is_quiet(self) -> bool:
        """Whether it lives and says nothing, as it should between two jobs."""
        try:
            self._channel.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def ask(self, job: Job, source: int) -> None:
        """Send a job with the picture. Raises: OSError."""
        self._complaints.read(_PIPE_BYTES)  # of earlier jobs
        self._asked_at_s, self._computed_s = time.monotonic(), self._cpu_s()
        socket.send_fds(self._channel, [msgspec.msgpack.encode(job)], [source])

    def is_starved(self) -> bool:
        """Whether it got less than half of the time since it was asked for computing, and would have more to compute.

        One that waits for something else than a core or a disk is not, nor one that is gone.
        """
        half_s = (time.monotonic() - self._asked_at_s) / 2
        with suppress(OSError):
            return self._cpu_s() - self._computed_s < half_s and any(state in "RD" for state in self._states())
        return False

    def _cpu_s(self) -> float:
        """What its threads have computed so far, by the kernel's clock of that process (clock_getcpuclockid)."""
        return time.clock_gettime(~self._process.pid << 3 | _CPU_CLOCK)

    def _states(self) -> Iterator[str]:
        """What its threads do at the moment, by the letters of the kernel (proc_pid_stat)."""
        for task in Path(f"/proc/{self._process.pid}/task").glob("*/stat"):
            with suppress(OSError):
                yield task.read_text("ascii", "replace").rpartition(") ")[2][:1]

    async def answer(self, max_picture_bytes: int) -> tuple[bytearray, Picture]:
        """The next thing it says: its words, and a picture, as a file in memory where that is more than `HELD_BYTES`.

        Raises:
            OSError: the channel is broken.
            EOFError: it ended.
            ValueError: it says too much.
        """
        words, picture = LENGTHS.unpack(await self._receive(LENGTHS.size))
        if words > MAX_JOB_BYTES or picture > max_picture_bytes:
            raise ValueError("The answer is too long")
        said = await self._receive(words)
        return said, await self._receive_file(picture) if picture > HELD_BYTES else bytes(await self._receive(picture))

    async def _receive_file(self, length: int) -> io.FileIO:
        """Many bytes, a piece at a time: few of them are memory of this process."""
        with ExitStack() as undo:
            file = undo.enter_context(io.FileIO(os.memfd_create("answer", os.MFD_CLOEXEC), "r+"))
            for first in range(0, length, HELD_BYTES):
                left = memoryview(await self._receive(min(HELD_BYTES, length - first)))
                while left:
                    left = left[file.write(left) :]
            file.seek(0)
            undo.pop_all()
        return file

    async def _receive(self, length: int) -> bytearray:
        loop = asyncio.get_running_loop()
        data = bytearray(length)
        left = memoryview(data)
        while left:
            count = await loop.sock_recv_into(self._channel, left)
            if not count:
                raise EOFError
            left = left[count:]
        return data

    def kill(self) -> None:
        """End the process, and with it every wait for its answer."""
        self._process.kill()

    async def ended(self) -> int:
        """Kill it if it still lives; nothing of it is left. Its exit code, or minus the signal that ended it."""
        self._process.kill()
        code: int = await asyncio.to_thread(self._process.wait)
        self.last_words()
        self._complaints.close()
        self._channel.close()
        return code

    def last_words(self) -> str:
        """The end of what it, or a library in it, complained of since its last job began: for a log."""
        if not self._complaints.closed:
            self._complaint += self._complaints.read(_PIPE_BYTES) or b""
        return self._complaint[-_LAST_WORDS_BYTES:].decode(errors="replace")
