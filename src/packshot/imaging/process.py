"""A worker as its parent sees it: a process to start and end, a channel for jobs and answers, a picture as a file."""

import asyncio
import fcntl
import io
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import msgspec

from packshot.domain.errors import Unavailable
from packshot.imaging.jobs import Job

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
_LENGTH = struct.Struct(">I")
_PRIVATE = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
_SEALS = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL


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
        self._channel, theirs = socket.socketpair()
        words = [os.getpid(), memory_bytes, cpu_s]
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own module, by the interpreter we run in
                [*command, *map(str, words)],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env=_ENVIRONMENT,
            )
        except BaseException:
            self._channel.close()
            raise
        finally:
            theirs.close()
        self._channel.settimeout(0)

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
        socket.send_fds(self._channel, [msgspec.msgpack.encode(job)], [source])

    async def answer(self, max_bytes: int) -> bytearray:
        """The next thing it says. Raises: OSError, EOFError when it ended, ValueError when it says too much."""
        (length,) = _LENGTH.unpack(await self._receive(_LENGTH.size))
        if length > max_bytes:
            raise ValueError("The answer is too long")
        return await self._receive(length)

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
        self._channel.close()
        return code
