"""Errors of disks and databases, and the points at which one of them can be met: see failing.py.

A point is one operation on a file, one read of one, or one statement of the writer or of a reader.
"""

import errno
import os
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import pytest

from hooked import Hooked, sqlite_error
from packshot.storage import reserve, sqlite
from packshot.storage.blobs import disk, staging

Kind = Literal["file", "read", "statement", "query"]
Point = tuple[Kind, str]
"""What is done there, and to what kind of thing: `("file", "fsync")`, `("statement", "COMMIT")`."""

FULL = {"ENOSPC", "EDQUOT", "SQLITE_FULL"}
_OF_WRITERS = {*FULL, "EROFS", "SQLITE_READONLY"}
FATAL = {"EIO", "SQLITE_IOERR"}


@dataclass(frozen=True)
class Fault:
    """One error. `how` says what happens before it is raised, or instead.

    `nothing`: nothing at all. `half`: half of the bytes are written. `bit by bit`: all of them are, a few at a time,
    and there is no error. `undone`: SQLite has rolled back everything. `done`: it is done, and nobody hears of it.
    """

    name: str
    how: Literal["nothing", "half", "bit by bit", "undone", "done"] = "nothing"

    def fits(self, point: Point) -> bool:
        """Whether this can happen there."""
        kind, name = point
        if self.name.startswith("SQLITE_") != (kind in {"statement", "query"}):
            return False
        if kind in {"read", "query"} and self.name in _OF_WRITERS:
            return False
        return {
            "nothing": True,
            "half": name == "write",
            "bit by bit": name == "write",
            "undone": kind == "statement" and name != "BEGIN",
            "done": name == "COMMIT",
        }[self.how]

    def error(self) -> Exception:
        if self.name.startswith("SQLITE_"):
            return sqlite_error(self.name)
        return OSError(getattr(errno, self.name), self.name)


FAULTS = (
    *map(Fault, ("EIO", "ENOSPC", "EDQUOT", "EROFS", "EACCES", "EMFILE")),
    *map(Fault, ("SQLITE_BUSY", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY")),
    Fault("EIO", "half"),
    Fault("ENOSPC", "half"),
    Fault("EINTR", "bit by bit"),
    Fault("SQLITE_FULL", "undone"),
    Fault("SQLITE_IOERR", "undone"),
    Fault("SQLITE_IOERR", "done"),
)


class Plan:
    """Which point meets which fault; without one, the points are written down."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed = False
        self._at, self._fault = 0, cast("Fault | None", None)
        self.points: list[Point] = []
        self.met = False
        self.giving_up = False

    @contextmanager
    def armed(self, at: int = -1, fault: Fault | None = None) -> Iterator[None]:
        """Within the block, the point of that number, counted from 0, meets *fault*."""
        self._at, self._fault, self.points, self.met, self._armed = at, fault, [], False, True
        try:
            yield
        finally:
            self._armed = False

    def at(self, kind: Kind, name: str) -> Fault | None:
        """The fault that this point meets, if any."""
        with self._lock:
            if not self._armed:
                return None
            self.points.append((kind, name))
            if len(self.points) - 1 != self._at or self._fault is None:
                return None
            self.met, self.giving_up = True, _is_giving_up()
            return self._fault


def _is_giving_up() -> bool:
    """Whether an upload is being discarded: then nobody needs its bytes, whatever happens to them."""
    frame = sys._getframe()  # noqa: SLF001 - there is no other way to see who asks
    while frame.f_back:
        frame = frame.f_back
        if frame.f_code.co_name == "_discard":
            return True
    return False


class FailingFiles(staging.Files):
    """The operations on files, each a point of *plan*."""

    plan: Plan

    def open_new(self, path: Path) -> int:
        self._meet("open_new")
        return super().open_new(path)

    def write(self, descriptor: int, data: Any) -> None:
        fault = self.plan.at("file", "write")
        if fault is None:
            super().write(descriptor, data)
        elif fault.how == "bit by bit":
            with _few_at_once():
                super().write(descriptor, data)
        else:
            if fault.how == "half":
                super().write(descriptor, bytes(data)[: len(data) // 2])
            raise fault.error()

    def fsync(self, descriptor: int) -> None:
        self._meet("fsync")
        super().fsync(descriptor)

    def close(self, descriptor: int) -> None:
        super().close(descriptor)  # it is closed whatever it says
        self._meet("close")

    def rename(self, source: Path, target: Path) -> None:
        self._meet("rename")
        super().rename(source, target)

    def unlink(self, path: Path) -> None:
        self._meet("unlink")
        super().unlink(path)

    def _meet(self, name: str) -> None:
        if fault := self.plan.at("file", name):
            raise fault.error()


class FailingReads:
    """The module os for those who read: what they open, list or take from a file is a point of *plan*, too."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def open(self, path: Path, flags: int, mode: int = 0o777) -> int:
        return os.open(path, flags, mode) if flags & os.O_CREAT else self._met("open", os.open, path, flags)

    def pread(self, descriptor: int, size: int, start: int) -> bytes:
        return cast("bytes", self._met("pread", os.pread, descriptor, size, start))

    def scandir(self, path: Path) -> Any:
        # Nothing is asked of one of the 256 folders that is not asked of all.
        return self._met("scandir", os.scandir, path) if path.name in {"00", "staging"} else os.scandir(path)

    def _met(self, name: str, do: Callable[..., Any], *arguments: Any) -> Any:
        if fault := self._plan.at("read", name):
            raise fault.error()
        return do(*arguments)


@contextmanager
def _few_at_once() -> Iterator[None]:
    """Have os.write take 7 bytes at most."""
    write = os.write
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "write", lambda descriptor, data: write(descriptor, bytes(data[:7])))
        yield


def _asked(plan: Plan, kind: Kind) -> Callable[[str, sqlite3.Connection], None]:
    def before(sql: str, connection: sqlite3.Connection) -> None:
        fault = plan.at(kind, sql.split(maxsplit=1)[0])
        if fault is None:
            return
        if fault.how == "undone" and connection.in_transaction:
            connection.execute("ROLLBACK")
        if fault.how == "done":
            connection.execute(sql)
        raise fault.error()

    return before


@contextmanager
def watched(plan: Plan) -> Iterator[None]:
    """Stores opened within the block have their points in *plan*."""
    connect = sqlite.connect

    def opened(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
        kind: Kind = "query" if read_only else "statement"
        return cast("sqlite3.Connection", Hooked(connect(path, read_only=read_only), _asked(plan, kind)))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sqlite, "connect", opened)
        for module in (disk, staging):
            patched.setattr(module, "os", FailingReads(plan))
        patched.setattr(reserve, "LOOK_EVERY_S", 0.0)
        patched.setattr(staging, "Files", type("FailingFiles", (FailingFiles,), {"plan": plan}))
        yield
