"""Writing the database's file anew, so that it holds nothing but what its rows say."""

import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from packshot.domain.errors import StoreFull, Unavailable
from packshot.storage.sqlite import connect
from packshot.storage.writer import is_full

_PAUSE_S = 0.05
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def rewrite(path: Path, patience_s: float) -> bool:
    """Write the file of the database anew, with nothing in it but what its rows say, and empty its log.

    Others may read and write meanwhile; writers wait as long as it takes. False where they did not let go of it within
    *patience_s*. It takes its size once more beside it, and once among temporary files. Raises: StoreFull, Unavailable.
    """
    end = time.monotonic() + patience_s
    try:
        with closing(connect(path)) as connection:
            _require_room(connection, path)
            connection.execute("PRAGMA temp_store = FILE").fetchall()  # it makes a second database, of any size

            def empty_log() -> bool:
                connection.execute("PRAGMA busy_timeout = 0").fetchall()  # nobody can write while it waits for readers
                ((busy, _, _),) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                return not busy

            try:
                written = _until(end, lambda: not connection.execute("VACUUM").fetchall())
            finally:  # also where it failed: the room that it took in vain would be missed while anybody is served
                emptied = _until(end, empty_log)
            return written and emptied
    except sqlite3.Error as error:
        raise (StoreFull() if is_full(error) else Unavailable("database")) from error


def _require_room(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse what would fill the disk for everybody. Raises: StoreFull."""
    pages, unused, size_bytes = (
        connection.execute(f"PRAGMA {name}").fetchall()[0][0] for name in ("page_count", "freelist_count", "page_size")
    )
    if shutil.disk_usage(path.parent).free < (pages - unused) * size_bytes:
        raise StoreFull


def _until(end: float, step: Callable[[], bool]) -> bool:
    """Try a step until it is done, or until that moment."""
    while True:
        try:
            if step():
                return True
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in _BUSY:
                raise
        if time.monotonic() > end:
            return False
        time.sleep(_PAUSE_S)
