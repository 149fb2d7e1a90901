"""Servers that are started for a run, on a free loopback port, and ended with it."""

import contextlib
import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

READY_WITHIN_S = 30
ROOT = Path(__file__).parent.parent


class ServerError(Exception):
    """A server or a command of its does not do what it must."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    name: str
    pid: int
    port: int


@contextlib.contextmanager
def running(
    name: str, command: Sequence[str], port: int, log: Path, env: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """A server that accepts connections; at the end it is asked to stop, and killed if it does not within 15 s.

    Raises:
        ServerError: it was not ready within 30 s; the end of its output is in the message.
    """
    with log.open("wb") as output:
        environment = {**os.environ, **(env or {})}
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, cwd=ROOT, env=environment)
    try:
        _wait_until_ready(name, process, port, log)
        yield Server(name, process.pid, port)
    finally:
        _stop(process)


def _wait_until_ready(name: str, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    give_up_at = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < give_up_at and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise ServerError(f"{name} did not start:\n{log.read_text(errors='replace')[-2000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def run_once(command: Sequence[str]) -> str:
    """What a command prints that ends by itself within a minute. Raises: ServerError."""
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if ended.returncode:
        raise ServerError(f"{Path(command[0]).name} {command[1]} failed:\n{ended.stderr or ended.stdout}")
    return ended.stdout


def free_port() -> int:
    """A loopback port that nobody used a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def program(name: str) -> str:
    """The path of a program installed beside this interpreter; it may not exist."""
    return str(Path(sys.executable).with_name(name))


def ask(
    port: int, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> tuple[int, bytes]:
    """One request on a connection of its own: status and body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body or None, {"Content-Type": "application/json", **(headers or {})})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
