"""Which server and which settings: the bare app under each of them, and PocketBase, in one run.

Run as `python -m benchmarks.compare`: the ground for choosing between them. `make bench` does not run it.
"""

import argparse
import contextlib
import tempfile
from pathlib import Path

from benchmarks import candidates, pocketbase
from benchmarks.load import Candidate, reading, reads
from benchmarks.report import alternate, table

IMAGES = 100_000
PLAIN = ("--loop=uvloop", "--http=httptools")
QUIET = (*PLAIN, "--no-access-log")
UVICORN = {
    "uvicorn as installed": PLAIN,
    "uvicorn access log off": QUIET,
    "uvicorn + proxy headers off": (*QUIET, "--no-proxy-headers"),
    "uvicorn + server, date header off": (*QUIET, "--no-proxy-headers", "--no-server-header", "--no-date-header"),
    "uvicorn + ws none, lifespan off": (
        *QUIET,
        "--no-proxy-headers",
        "--ws=none",
        "--lifespan=off",
        "--interface=asgi3",
    ),
    "uvicorn, candidates.py": candidates.UVICORN,
    "uvicorn h11": ("--loop=uvloop", "--http=h11", "--no-access-log", "--no-proxy-headers"),
    "uvicorn asyncio loop": ("--loop=asyncio", "--http=httptools", "--no-access-log", "--no-proxy-headers"),
}
GRANIAN = {
    "granian asgi": ("--interface=asgi",),
    "granian asginl": ("--interface=asginl",),
    "granian rsgi": ("--interface=rsgi",),
    "granian rsgi st": ("--interface=rsgi", "--runtime-mode=st"),
    "granian asgi st": ("--interface=asgi", "--runtime-mode=st"),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=2)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(dir="/var/tmp", prefix="packshot-bench-") as folder,
        contextlib.ExitStack() as stack,
    ):
        everyone = _start(stack, Path(folder))
        for candidate in everyone:
            reads(candidate, 16, 1)
        for connections in (16, 1):
            measures = {candidate.name: reading(candidate, connections, options.seconds) for candidate in everyone}
            table(f"{connections} connection(s), rounds of {options.seconds} s", alternate(measures, options.rounds))


def _start(stack: contextlib.ExitStack, folder: Path) -> list[Candidate]:
    database = candidates.fill(folder, IMAGES)
    bare = [candidates.on_uvicorn(name, database, IMAGES, options) for name, options in UVICORN.items()]
    bare += [candidates.on_granian(name, database, IMAGES, options) for name, options in GRANIAN.items()]
    everyone = [stack.enter_context(server) for server in bare]
    for logs in (True, False):
        (folder / str(logs)).mkdir()
        them = stack.enter_context(pocketbase.started(folder / str(logs), IMAGES, logs=logs))
        everyone += [them.with_token(), them.public()]
    return everyone


if __name__ == "__main__":
    main()
