"""The bare app under each server, ready to be measured."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import bare
from benchmarks.load import PER_PRODUCT, Call, Candidate, Catalogue, LoadError
from benchmarks.servers import ask, free_port, program, running

BARE = Call("POST", "/", '{"productId":@product@,"id":@image@}')

# The settings `packshot serve` gives its own uvicorn: nothing that costs CPU and that nobody needs.
UVICORN = (
    "--loop=uvloop", "--http=httptools", "--ws=none", "--lifespan=off", "--interface=asgi3",
    "--no-access-log", "--no-proxy-headers", "--no-server-header",
)  # fmt: skip
GRANIAN = ("--workers=1", "--http=1", "--no-ws", "--loop=uvloop", "--log-level=error")


def fill(folder: Path, images: int) -> Path:
    """The bare app's database, filled."""
    database = folder / "bare.sqlite"
    bare.fill(database, images, PER_PRODUCT)
    return database


def on_uvicorn(
    name: str, database: Path, images: int, options: Sequence[str] = UVICORN
) -> contextlib.AbstractContextManager[Candidate]:
    """The bare app on uvicorn."""
    port = free_port()
    command = [program("uvicorn"), "benchmarks.bare:app", "--host=127.0.0.1", f"--port={port}", *options]
    return _bare(name, command, port, database, images)


def on_granian(
    name: str, database: Path, images: int, options: Sequence[str]
) -> contextlib.AbstractContextManager[Candidate]:
    """The bare app on granian; `options` say which interface."""
    port, target = free_port(), "rsgi" if "--interface=rsgi" in options else "app"
    command = [
        program("granian"),
        "--host=127.0.0.1",
        f"--port={port}",
        *GRANIAN,
        *options,
        f"benchmarks.bare:{target}",
    ]
    return _bare(name, command, port, database, images)


@contextlib.contextmanager
def _bare(name: str, command: Sequence[str], port: int, database: Path, images: int) -> Iterator[Candidate]:
    log = database.with_name(f"{port}.log")
    with running(name, command, port, log, {"BARE_DATABASE": str(database)}) as server:
        status, body = ask(port, "POST", "/", b'{"productId":8,"id":77}')
        if status != 200 or b'"productId":8' not in body:
            raise LoadError(f"{name} answered {status}: {body.decode(errors='replace')}")
        yield Candidate(name, server.pid, port, BARE, Catalogue(images))
