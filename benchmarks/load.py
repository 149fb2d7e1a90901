"""Load from wrk, and what the server paid for it."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from benchmarks import measure

SCRIPT = Path(__file__).with_name("requests.lua")
PER_PRODUCT = 10


class LoadError(Exception):
    """The load could not be made, or the server did not answer it as it must."""


class Counts(msgspec.Struct):
    """What wrk counted. `refused` answers had a status of 400 or more, `broken` ones never came."""

    requests: int
    duration_us: int
    p50_us: int
    p99_us: int
    refused: int
    broken: int


@dataclass(frozen=True, slots=True)
class Catalogue:
    """How many images a server holds, `PER_PRODUCT` to a product, and the ids of the first ones."""

    images: int
    first_image: int = 1
    first_product: int = 1

    @property
    def products(self) -> int:
        """How many products there are."""
        return self.images // PER_PRODUCT


@dataclass(frozen=True, slots=True)
class Call:
    """One kind of request. In `path` and `body`, @image@, @product@ and @record@ stand for a random image's ids.

    Each connection waits `pause_ms` before each request; that is no part of how long it takes.
    """

    method: str
    path: str
    body: str = ""
    authorization: str = ""
    pause_ms: int = 0


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something to measure: a name, where it listens, and what it is asked."""

    name: str
    pid: int
    port: int
    call: Call
    catalogue: Catalogue


@dataclass(frozen=True, slots=True)
class Round:
    """One round against one candidate. CPU is microseconds a request, of the server's whole process tree."""

    requests: int
    per_s: float
    cpu_us: float
    client_cpu_us: float
    p50_ms: float
    p99_ms: float
    foreign: float


def reads(candidate: Candidate, connections: int, seconds: int) -> Round:
    """Ask for random images over so many connections that stay open.

    Raises:
        LoadError: wrk failed, or an answer was refused or did not come.
    """
    call, catalogue = candidate.call, candidate.catalogue
    arguments = [call.method, call.path, call.body, call.authorization, catalogue.images, PER_PRODUCT]
    arguments += [catalogue.first_image, catalogue.first_product, call.pause_ms]
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout=30s", "-s", str(SCRIPT)]
    command += [f"http://127.0.0.1:{candidate.port}/", "--", *(str(value) for value in arguments)]
    start = measure.now(candidate.pid)
    ended = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 30, check=False)
    usage = measure.between(start, measure.now(candidate.pid))
    counts = _counts(candidate, ended)
    return Round(
        requests=counts.requests,
        per_s=counts.requests / counts.duration_us * 1e6,
        cpu_us=usage.server_cpu_s / counts.requests * 1e6,
        client_cpu_us=usage.client_cpu_s / counts.requests * 1e6,
        p50_ms=counts.p50_us / 1e3,
        p99_ms=counts.p99_us / 1e3,
        foreign=usage.foreign,
    )


def reading(candidate: Candidate, connections: int, seconds: int) -> Callable[[int], Round]:
    """`reads` as a measure of `report.alternate`."""
    return lambda _: reads(candidate, connections, seconds)


def _counts(candidate: Candidate, ended: subprocess.CompletedProcess[str]) -> Counts:
    line = next((line for line in ended.stdout.splitlines() if line.startswith("RESULT ")), "")
    if not line:
        raise LoadError(f"wrk failed against {candidate.name}: {ended.stderr or ended.stdout}")
    counts = msgspec.json.decode(line.removeprefix("RESULT "), type=Counts)
    if counts.refused or counts.broken or not counts.requests:
        raise LoadError(f"{candidate.name} did not answer every request: {counts}")
    return counts
