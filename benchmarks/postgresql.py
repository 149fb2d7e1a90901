"""PostgreSQL as it comes, in a folder of its own, for as long as a block lasts."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.servers import ServerError, free_port

SETTINGS = "shared_buffers = 512MB\nmax_connections = 200\nmax_wal_size = 4GB\n"
"""What everybody changes who runs one; everything is flushed as it comes."""

USER = "packshot"


@dataclass(frozen=True, slots=True)
class Postgresql:
    """A running server."""

    pid: int
    port: int

    def make(self, name: str) -> str:
        """The address of a new, empty database. Raises: ServerError."""
        _run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", USER, name)
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{name}"

    def log_bytes(self) -> int:
        """How many bytes went into its write-ahead log so far. Raises: ServerError."""
        asked = "SELECT pg_current_wal_lsn() - '0/0'"
        return int(_run("psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", USER, "-Atc", asked, "postgres"))


@contextlib.contextmanager
def postgresql(folder: Path) -> Iterator[Postgresql]:
    """A server with its data in *folder*, for as long as a block lasts.

    Raises:
        ServerError: it is not installed, or does not start.
    """
    folder.mkdir()
    if os.geteuid() == 0:  # which it refuses to be run by
        shutil.chown(folder, "postgres", "postgres")
        for parent in folder.parents:
            if parent.stat().st_mode & 0o001:
                break
            parent.chmod(parent.stat().st_mode | 0o011)
    data, port = folder / "data", free_port()
    _run("initdb", "-D", data, "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
    with (data / "postgresql.conf").open("a", encoding="utf-8") as file:
        file.write(f"port = {port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{folder}'\n{SETTINGS}")
    _run("pg_ctl", "-D", data, "-w", "-s", "-l", folder / "log", "start")
    try:
        yield Postgresql(int((data / "postmaster.pid").read_text().split()[0]), port)
    finally:
        _run("pg_ctl", "-D", data, "-w", "-s", "-m", "immediate", "stop")


def _run(name: str, *arguments: str | Path) -> str:
    """What one of its programs prints, of the newest that is installed: Debian keeps them out of PATH.

    Raises:
        ServerError: it failed.
    """
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    user = "postgres" if os.geteuid() == 0 else None
    ended = subprocess.run(
        [found[-1] if found else name, *arguments],
        user=user, group=user, extra_groups=None if user is None else [], cwd="/",
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if ended.returncode:
        raise ServerError(f"PostgreSQL's {name} failed: {ended.stderr}")
    return ended.stdout
