"""A real `packshot serve` in a process of its own, for tests that need the whole thing."""

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import bucket
import postgres
from build import is_shared
from forking import run
from packshot.storage.folder import DATABASE, KEY_FILE

PACKSHOT = [sys.executable, "-m", "packshot"]
_HANDED_OVER = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.environ.update(one.split("=", 1) for one in sys.argv[2].split())
os.execv(sys.executable, [sys.executable, *sys.argv[3:]])
"""
START_S = 30
_WITH_FAULTS = """
import sys
from pathlib import Path
from packshot import config, server
from packshot.observability import configure_logging

async def prepare(core):
    exec(faults, {})
    print(f"faulty on http://127.0.0.1:{listener.getsockname()[1]}, data in {folder}", flush=True)

folder, faults = Path(sys.argv[1]), sys.argv[2]
settings, listener = config.load(), server.listen("127.0.0.1", 0)
exec(sys.argv[3], {})
configure_logging(settings.log)
sys.exit(server.run(folder, settings, server.Listening(listener), prepare))
"""


def handed_over(descriptor: int, variables: str = "") -> list[str]:
    """What begins a command of Python's as systemd does it: descriptor 3 listens, and two variables say so.

    The rest of the command follows, without its first word.
    """
    return [sys.executable, "-I", "-S", "-c", _HANDED_OVER, str(descriptor), variables]


@dataclass
class Server:
    """A running server: its addresses, its process, and what it has printed."""

    base_url: str
    webhook_url: str
    process: "subprocess.Popen[str]"
    output: Path
    facts: dict[str, Any]
    environment: Mapping[str, str]
    """What it was started with: commands for the same store may need it, too."""

    def printed(self) -> str:
        return self.output.read_text("utf-8")


def init(folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Make a store and return what `init --json` prints."""
    done = run("init", "--data", folder, "--json", *arguments, environment=environment)
    assert done.returncode == 0, done.stderr
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


@cache
def _new_store() -> tuple[dict[str, Any], dict[str, bytes]]:
    with tempfile.TemporaryDirectory() as place:
        facts = init(Path(place))
        return facts, {name: (Path(place) / name).read_bytes() for name in (DATABASE, KEY_FILE)}


def new_store(folder: Path) -> dict[str, Any]:
    """The same without arguments, out of files that were made once: all these stores have one webhook in common."""
    facts, files = _new_store()
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return dict(facts)


@contextmanager
def _placed(folder: Path, facts: dict[str, Any] | None = None) -> Iterator[tuple[dict[str, Any], dict[str, str]]]:
    """A new store where this run of the tests keeps them: what its making printed, and what leads there.

    Where *facts* of one are given, it is that one.
    """
    if facts or not is_shared():
        yield facts or new_store(folder), {}
        return
    with postgres.lent() as url:
        place = {"PACKSHOT_DATABASE_URL": url, "PACKSHOT_BLOBS_URL": bucket.new()}
        yield init(folder, environment=place), place


@contextmanager
def serving(
    folder: Path,
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    facts: dict[str, Any] | None = None,
    program: Sequence[str] = PACKSHOT,
    listener: socket.socket | None = None,
) -> Iterator[Server]:
    """`packshot serve` on a free port over the store in *folder*, made here unless *facts* of its making are given.

    With a *listener* it serves on that, which outlives it.
    """
    command = [*program, "serve", "--data", str(folder), "--port", "0", *arguments]
    if listener:
        command = [*handed_over(listener.fileno()), *command[1:]]
    with (
        _placed(folder, facts) as (made, place),
        _running(command, {**place, **(environment or {})}, [listener.fileno()] if listener else []) as server,
    ):
        yield _at(server, made)


@contextmanager
def first_start(folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> Iterator[Server]:
    """`packshot serve` on a free port over a folder where nothing is yet; its webhook is the one it prints."""
    with _running([*PACKSHOT, "serve", "--data", str(folder), "--port", "0", *arguments], environment) as server:
        found = re.search(r"Webhook address \(.*\): (\S+)", server.printed())
        assert found, server.printed()
        server.webhook_url = found[1]
        yield server


@contextmanager
def serving_with(
    folder: Path, faults: str, environment: Mapping[str, str] | None = None, before: str = ""
) -> Iterator[Server]:
    """A server over a new store in *folder* in whose process the lines of *faults* run once the store is open.

    The lines of *before* run before anything else.
    """
    command = [sys.executable, "-c", _WITH_FAULTS, str(folder), faults, before]
    with _placed(folder) as (made, place), _running(command, {**place, **(environment or {})}) as server:
        yield _at(server, made)


def _at(server: Server, facts: dict[str, Any]) -> Server:
    server.webhook_url = f"{server.base_url}/rest/{facts['user_id']}/{facts['webhook_code']}/"
    server.facts = facts
    return server


@contextmanager
def _running(
    command: list[str], environment: Mapping[str, str] | None = None, descriptors: Sequence[int] = ()
) -> Iterator[Server]:
    with tempfile.TemporaryDirectory() as place:
        output = Path(place) / "output"
        with output.open("w") as file:
            process = subprocess.Popen(
                command, stdout=file, stderr=subprocess.STDOUT, text=True, env={**os.environ, **(environment or {})},
                pass_fds=descriptors,
            )  # fmt: skip
        try:
            yield Server(_wait(process, output), "", process, output, {}, environment or {})
        finally:
            stop(process)


def dial(server: Server) -> socket.socket:
    """A bare connection to the server, for what no HTTP library would send."""
    address = urlsplit(server.base_url)
    return socket.create_connection((address.hostname or "", address.port or 0), timeout=20)


def stop(process: "subprocess.Popen[str]") -> int:
    """End the server politely, and make sure."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        return process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        raise


def _wait(process: "subprocess.Popen[str]", output: Path) -> str:
    """The base URL, once the server answers on it."""
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        found = re.search(r" on (https?://\S+), data in ", output.read_text("utf-8"))
        if found and _answers(found[1]):
            return found[1]
        time.sleep(0.02)
    raise AssertionError(f"the server did not start:\n{output.read_text('utf-8')}")


def _answers(base_url: str) -> bool:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with urllib.request.urlopen(f"{base_url}/readyz", timeout=2, context=context) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def run_lines(lines: str, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    """Run some lines of Python, with arguments, to their end."""
    command = [sys.executable, "-c", lines, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
