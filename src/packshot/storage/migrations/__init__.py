"""The numbered steps of the database schema, and what brings a database to the newest one.

Steps are `NNNN_name.sql` files; those that a database lacks are applied in order, in one transaction. A step that has
been released is never edited, only followed by another.
"""

import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import cache
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from packshot.storage.backup import BackupUnusable, copy_database, seal
from packshot.storage.database import Dialect
from packshot.storage.folder import StoreUnusable, flush
from packshot.storage.sqlite import connect
from packshot.storage.writer import is_full

KEPT = 2
"""How many copies of older databases stay."""

_MB = 1024 * 1024
_REMEDY = "stop the server of the older version, if one is running, and start this one's or run `packshot migrate`"
_LEDGER = """CREATE TABLE IF NOT EXISTS migration (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at INTEGER NOT NULL
) STRICT"""

Step = tuple[int, str, str]
"""Number, name, SQL."""


class SchemaTooNew(StoreUnusable):
    """The database was written by a newer version of Packshot."""

    def __init__(self, found: int, known: int) -> None:
        super().__init__(
            f"The database is at schema {found}, this version of Packshot knows {known} at most: "
            "run the version that wrote it, or a newer one"
        )


class SchemaTooOld(StoreUnusable):
    """The database was written by an older version of Packshot, which may be serving it."""

    def __init__(self, found: int, known: int, remedy: str = _REMEDY) -> None:
        super().__init__(f"The database is at schema {found}, this version of Packshot works with {known}: {remedy}")


class DatabaseUnusable(StoreUnusable):
    """The file is no database, is damaged, or may not be opened."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"The database {path} cannot be opened: {why}. If it is damaged, restore a backup")


class NotMigrated(StoreUnusable):
    """The database could not be copied, or a step could not be applied; the message says why. Nothing was changed."""

    def __init__(self, why: str) -> None:
        super().__init__(f"The database is as it was, and was not brought up to date: {why}")


class Applied(NamedTuple):
    """A step, and how long it took."""

    name: str
    took_s: float


class Upgrade(NamedTuple):
    """The steps a database was brought from and to, and where the copy of it as it was lies, if one was made."""

    found: int
    reached: int
    copy: Path | None

    def __str__(self) -> str:
        told = f"Brought the database from step {self.found} to {self.reached}"
        return f"{told}; a copy of it as it was: {self.copy}" if self.copy else told


class Rehearsal(NamedTuple):
    """What would be applied, how large the database is and would be, and how much room that takes, all in bytes."""

    found: int
    applied: list[Applied]
    size_bytes: int
    becomes_bytes: int
    room_bytes: int


def prepare(path: Path) -> None:
    """Create the database at *path*, or bring it to the newest step. Raises: SchemaTooNew, DatabaseUnusable."""
    with _opened(path) as connection:
        migrate(connection)


def create(path: Path) -> None:
    """Create the database at *path*, or see that it is at the newest step.

    Raises: SchemaTooOld, SchemaTooNew, DatabaseUnusable.
    """
    with _opened(path) as connection:
        found, newest = version(connection), steps()[-1][0]
        if 0 < found < newest:
            raise SchemaTooOld(found, newest)
        migrate(connection)


def upgrade(path: Path, *, copied: bool = True) -> Upgrade | None:
    """Bring the database of an older version to the newest step; None where there is none, or nothing to be done.

    Before, a whole copy of it is made beside it, but for those who have one of their own. The newest two are kept.
    Killed at any moment it leaves the database at the step it had, or at the newest. No server may have it open.

    Raises:
        SchemaTooNew, DatabaseUnusable.
        NotMigrated: there is no room for the copy, the database is damaged, or a step failed.
    """
    if not path.exists():
        return None
    copies: list[Path] = []

    def keep() -> None:
        if copied:
            copies.append(_keep(path, found + 1))

    with _opened(path) as connection:
        found, newest = version(connection), steps()[-1][0]
        if not found:
            return None
        try:
            applied = migrate(connection, keep)
        except NotMigrated as error:
            if copies:
                error.args = (f"{error}. A copy of it is {copies[0]}",)
            raise
    return Upgrade(found, newest, copies[0] if copies else None) if applied else None


def rehearse(path: Path, folder: Path) -> Rehearsal | None:
    """Apply what is pending to a copy in *folder* that does not stay; None where nothing is to be done.

    Raises:
        SchemaTooNew, DatabaseUnusable.
        NotMigrated: there is no room for the copy, a step failed, or what came out is damaged.
    """
    with _opened(path) as connection:
        found = version(connection)
        if not _pending(connection, steps()):
            return None
        size_bytes = _size(connection)
    with TemporaryDirectory(prefix="packshot-migrate-", dir=folder) as place:
        trial = Path(place) / path.name
        _copy(path, trial)
        with _opened(trial) as connection:
            applied = migrate(connection)
            log_bytes = trial.with_name(f"{trial.name}-wal").stat().st_size
            becomes_bytes = _size(connection)
            if connection.execute("PRAGMA integrity_check(1)").fetchall() != [("ok",)]:
                raise NotMigrated("it is damaged; restore a backup")
    room_bytes = size_bytes + log_bytes + max(becomes_bytes - size_bytes, 0)
    return Rehearsal(found, applied, size_bytes, becomes_bytes, room_bytes)


def steps(dialect: Dialect = "sqlite") -> list[Step]:
    """All steps as (number, name, SQL), in order. Numbers and names are the same in every dialect."""
    return list(_steps(dialect))


@cache
def _steps(dialect: Dialect) -> list[Step]:
    folder = files(__name__).joinpath(dialect)
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return [(int(name[:4]), name.removesuffix(".sql"), folder.joinpath(name).read_text("utf-8")) for name in names]


def migrate(connection: sqlite3.Connection, first: Callable[[], None] = lambda: None) -> list[Applied]:
    """Bring the schema to the newest step and return what was applied; all of it or nothing.

    *first* is called before, when nobody else can write any more. Raises: SchemaTooNew, NotMigrated.
    """
    known = steps()
    if version(connection) == known[-1][0]:
        return []
    # A table that is made anew is dropped in between, and must not take along what points at it.
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute("BEGIN IMMEDIATE")  # two processes may start at once; the second one finds the work done
    try:
        pending = _pending(connection, known)
        if pending:
            first()
        applied = [_apply(connection, step) for step in pending]
        with _naming("the commit"):
            _check_references(connection)
            connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # some failures have rolled back already
            connection.execute("ROLLBACK")
        raise
    finally:
        connection.execute("PRAGMA foreign_keys = ON")
    return applied


def _apply(connection: sqlite3.Connection, step: Step) -> Applied:
    number, name, sql = step
    started = time.monotonic()
    with _naming(f"step {name}"):
        connection.execute(_LEDGER)
        for statement in _statements(sql):
            connection.execute(statement)
        connection.execute("INSERT INTO migration VALUES (?1, ?2, ?3)", (number, name, time.time_ns() // 1000))
    return Applied(name, time.monotonic() - started)


@contextmanager
def _naming(what: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise NotMigrated(f"{what} failed, {error}") from error


def _check_references(connection: sqlite3.Connection) -> None:
    if connection.execute("PRAGMA foreign_key_check").fetchall():
        raise sqlite3.IntegrityError("a step left rows that point nowhere")


def version(connection: sqlite3.Connection) -> int:
    """The number of the newest applied step, 0 for an empty database."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'migration'").fetchall():
        return 0
    (row,) = connection.execute("SELECT coalesce(max(number), 0) FROM migration").fetchall()
    return int(row[0])


def _pending(connection: sqlite3.Connection, known: list[Step]) -> list[Step]:
    return lacking(version(connection), known)


def lacking(found: int, known: list[Step]) -> list[Step]:
    """The steps behind that one. Raises: SchemaTooNew."""
    newest = known[-1][0]
    if found > newest:
        raise SchemaTooNew(found, newest)
    return [step for step in known if step[0] > found]


def _statements(sql: str) -> Iterator[str]:
    pending = ""
    for line in sql.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""
    if pending.strip():
        yield pending


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        with closing(connect(path)) as connection:
            yield connection
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_ERROR:
            raise  # a statement of ours is wrong: a bug, not the file's fault
        raise DatabaseUnusable(path, "the disk is full" if is_full(error) else str(error)) from None


def _keep(path: Path, number: int) -> Path:
    """A whole, flushed copy of the database as it was before that step; the oldest ones go. Raises: NotMigrated."""
    copy = path.with_name(f"{path.name}.before-{number:04}")
    part = copy.with_name(f"{copy.name}.part")
    _clear(part)  # a start may have been killed
    try:
        _copy(path, part)
        seal(part)
        flush(part)
        part.replace(copy)
        flush(copy.parent)
    except (BackupUnusable, OSError) as error:
        raise NotMigrated(str(error)) from error
    finally:
        _clear(part)
    older = [one for one in path.parent.glob(f"{path.name}.before-????") if one != copy]
    for old in sorted(older, key=lambda one: one.stat().st_mtime_ns)[: 1 - KEPT]:
        old.unlink()
    return copy


def _clear(part: Path) -> None:
    for left in part.parent.glob(f"{part.name}*"):  # with its log, which a full disk leaves behind
        left.unlink()


def _copy(path: Path, target: Path) -> None:
    """Raises: NotMigrated."""
    with _opened(path) as connection:
        needed_bytes = _size(connection)
    free_bytes = shutil.disk_usage(target.parent).free
    if free_bytes < needed_bytes:
        raise NotMigrated(
            f"a copy of it takes {needed_bytes / _MB:.1f} MB, and {target.parent} has {free_bytes / _MB:.1f} MB free"
        )
    try:
        copy_database(path, target, lambda _done, _total: None)
    except BackupUnusable as error:
        raise NotMigrated(str(error)) from error


def _size(connection: sqlite3.Connection) -> int:
    ((size_bytes,),) = connection.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
    return int(size_bytes)
