"""A real PostgreSQL in a temporary folder, from Debian's package: started once for all tests of a process."""

import asyncio
import atexit
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from uuid import uuid4

import asyncpg

from bucket import free_port
from packshot.storage.migrations import on_postgresql

Result = TypeVar("Result")

USER = "packshot"
_QUICK = "-c fsync=off -c full_page_writes=off -c synchronous_commit=off -c max_connections=300"


class Server(NamedTuple):
    """A server that runs, and where."""

    folder: Path
    port: int

    def url(self, database: str) -> str:
        """The address of one of its databases."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def restart(self, mode: str = "immediate") -> None:
        """Stop it in that mode (smart, fast, immediate) and start it again."""
        self.control("restart", "-m", mode)

    def stop(self, mode: str = "immediate") -> None:
        self.control("stop", "-m", mode)

    def start(self) -> None:
        self.control("start")

    def make(self) -> str:
        """The address of a new, empty database."""
        name = f"t{uuid4().hex}"
        self.run("postgres", f"CREATE DATABASE {name}")
        return self.url(name)

    def run(self, database: str, sql: str) -> str:
        """What psql prints for a statement, without frills."""
        asked = [str(_program("psql")), "--no-psqlrc", "-Atqc", sql, self.url(database)]
        return subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()

    def control(self, *what: str) -> None:
        log = self.folder / "log"
        _run_as_its_owner([_program("pg_ctl"), "-D", self.folder / "data", "-w", "-s", "-l", log, *what])


def start(options: str = _QUICK) -> Server:
    """Start another one with these options of the server's own, which ends with the tests of this process.

    Without options it forgets what a power cut would take, and is quick for it.
    """
    _need("initdb")
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    server = Server(folder, free_port())
    how = ["-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
    _run_as_its_owner([_program("initdb"), "-D", folder / "data", *how])
    with (folder / "data" / "postgresql.conf").open("a", encoding="utf-8") as file:
        file.write(f"port = {server.port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{folder}'\n")
    server.control("start", "-o", options)
    atexit.register(_end, server)
    return server


@cache
def shared() -> Server:
    """The server of all tests of this process, which runs from now on."""
    return start()


def new() -> str:
    """The address of a new, empty database on it."""
    return shared().make()


@cache
def _worker() -> asyncio.AbstractEventLoop:
    """A loop on a thread of its own, for those who have none or are in the middle of theirs."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    return loop


def wait_for(what: Coroutine[Any, Any, Result]) -> Result:
    """What comes of it, from a test that has no event loop or stands still for it."""
    return asyncio.run_coroutine_threadsafe(what, _worker()).result()


_free: list[tuple[str, "asyncpg.Connection[Any]"]] = []
"""Databases that nobody uses, migrated and empty, each with a connection that empties it."""

# With statements of its own, whose plans the connection keeps: emptying comes to less than a millisecond.
_EMPTY = """DELETE FROM {0};"""
_REFILL = """INSERT INTO {0} TABLE empty_{0};"""
_BEGIN_ANEW = """PERFORM setval('{0}', {1}, false) FROM {0} WHERE is_called OR last_value <> {1};"""


@contextmanager
def lent() -> Iterator[str]:
    """The address of an empty database at the newest step, for the block."""
    one = _free.pop() if _free else wait_for(_migrated())
    yield one[0]
    wait_for(one[1].execute("SELECT pg_temp.empty()"))
    _free.append(one)


async def _migrated() -> tuple[str, "asyncpg.Connection[Any]"]:
    url = new()
    await on_postgresql.create(url)
    connection = await asyncpg.connect(url, server_settings={"session_replication_role": "replica"})
    find = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'migration'"
    tables = [row[0] for row in await connection.fetch(find)]
    filled = [name for name in tables if await connection.fetchval(f"SELECT EXISTS (SELECT 1 FROM {name})")]
    for name in filled:
        await connection.execute(f"CREATE TEMP TABLE empty_{name} AS TABLE {name}")
    sequences = await connection.fetch("SELECT sequencename, start_value FROM pg_sequences WHERE schemaname = 'public'")
    steps = [_EMPTY.format(name) for name in tables] + [_REFILL.format(name) for name in filled]
    steps += [_BEGIN_ANEW.format(*sequence) for sequence in sequences]
    body = f"BEGIN {' '.join(steps)} END"
    await connection.execute(f"CREATE FUNCTION pg_temp.empty() RETURNS void LANGUAGE plpgsql AS $${body}$$")
    return url, connection


def _need(program: str) -> None:
    """Leave the test out that is under way where there is no such program, but in CI."""
    import pytest

    if shutil.which(_program(program)) is None:
        end = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        end("PostgreSQL is not installed (see tests/debian-packages.sh)")


def _program(name: str) -> Path:
    """A program of the newest PostgreSQL that is installed; Debian keeps them out of PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    return found[-1] if found else Path(shutil.which(name) or name)


def _run_as_its_owner(command: Sequence[str | Path]) -> None:
    user = "postgres" if os.geteuid() == 0 else None  # it refuses to be run by root
    subprocess.run(command, check=True, user=user, group=user, cwd="/", stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, extra_groups=None if user is None else [])  # fmt: skip


def _end(server: Server) -> None:
    server.stop()
    shutil.rmtree(server.folder)
