"""Calls as they are kept: one line of JSON each, in two files of which the older one goes when both are full."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from packshot.emulator.masking import Headers

CALLS = "calls.jsonl"
_OLDER = "calls.1.jsonl"


class Message(msgspec.Struct, frozen=True):
    """A request or an answer: its headers in their order, its body as somebody can read it, and the real size."""

    headers: Headers
    body: str
    size_bytes: int


class RecordedCall(msgspec.Struct, frozen=True):
    """One call, secrets masked.

    `at` is in Unix seconds. `line` is the request's first line, `name` that of the method or door it came to.
    `status` is None where the client got no answer. `error` is the error's code.
    """

    at: float
    line: str
    name: str
    request: Message
    status: int | None
    answer: Message
    seconds: float
    error: str
    request_id: str

    @property
    def failed(self) -> bool:
        """Whether it, or a command of the batch it is, got no answer or an error."""
        return self.status is None or self.status >= 400 or '"result_error":{"' in self.answer.body  # noqa: PLR2004 - errors


def files(folder: Path) -> tuple[Path, Path]:
    """The files in a data folder that calls are kept in, older one first."""
    return folder / _OLDER, folder / CALLS


def read(folder: Path) -> list[RecordedCall]:
    """Every call that is kept, oldest first; lines that were cut off or damaged are left out."""
    return [call for path in files(folder) for call in parsed(lines(path))]


def forget(folder: Path) -> int:
    """Delete every call that is kept, and return how many; a server keeps those that come. Raises: OSError."""
    count = sum(len(lines(path)) for path in files(folder))
    for path in files(folder):
        path.unlink(missing_ok=True)
    return count


def tail(folder: Path) -> Iterator[list[RecordedCall]]:
    """Each time it is asked the calls that came since the time before; the first time all that are kept."""
    older, path = files(folder)
    waiting = lines(older)
    while True:
        try:
            file = path.open("rb")
        except FileNotFoundError:  # it was renamed just now, the next call makes it again
            yield parsed(waiting)
            waiting = []
            continue
        with file:
            rest = b""
            while True:
                is_current = _is_same(path, file.fileno())
                *whole, rest = (rest + file.read()).split(b"\n")
                waiting += whole
                if not is_current:
                    break
                yield parsed(waiting)
                waiting = []


def _is_same(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def lines(path: Path) -> list[bytes]:
    """The lines of a file, if there is one; without what is behind the last line's end."""
    try:
        return path.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []


def parsed(found: Iterable[bytes]) -> list[RecordedCall]:
    """The calls in these lines; where there is none in a line, it is left out."""
    return [call for line in found if (call := _parsed(line))]


def _parsed(line: bytes) -> RecordedCall | None:
    try:
        return msgspec.json.decode(line, type=RecordedCall)
    except msgspec.DecodeError:  # a ValidationError, too
        return None
