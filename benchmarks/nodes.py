"""Packshot on PostgreSQL: one server beside a bare app there, and two servers beside one.

Originals lie in a folder that both servers share. PostgreSQL's own CPU counts where two are compared with one.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from benchmarks import bare_postgresql, measure, pictures, stock, uploads
from benchmarks.candidates import BARE, UVICORN
from benchmarks.load import PER_PRODUCT, Call, Candidate, Catalogue, Round, reading, reads
from benchmarks.measure import spread
from benchmarks.postgresql import postgresql
from benchmarks.report import Verdict, alternate, cpu_us, ratio, table
from benchmarks.servers import Server, free_port, program, running
from benchmarks.stock import Stock

IMAGES = 100_000
CONNECTIONS = 16
LOOK_EVERY_S = 0.01
BESIDE_BARE, BESIDE_ONE, WAITING = 1.8, 1.15, 0.01

_OTHERS = "backend_type = 'client backend' AND pid <> pg_backend_pid()"
_WAITING = f"SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND {_OTHERS}"


@dataclass(frozen=True, slots=True)
class Together:
    """What some servers did together, and the CPU a request of theirs and of PostgreSQL, in microseconds.

    `waiting`: the share of the requests' time in which they waited for one another's locks.
    """

    requests: int
    per_s: float
    cpu_us: float
    waiting: float


Load = Callable[[Candidate, int], Round]
"""Loads one server over so many connections, for as long as a round takes."""


def measured(folder: Path, rounds: int, seconds: int) -> list[Verdict]:
    """Measure all of it, and print the tables."""
    with postgresql(folder / "server") as database, contextlib.ExitStack() as stack:
        url = database.make("packshot")
        (folder / "originals" / "blobs").mkdir(parents=True)
        os.environ["PACKSHOT_BLOBS_URL"] = f"file://{folder / 'originals'}"
        stack.callback(os.environ.pop, "PACKSHOT_BLOBS_URL")
        store = stock.made(folder / "one", IMAGES, url)
        asyncio.run(bare_postgresql.fill(url, IMAGES, PER_PRODUCT))
        servers = [stack.enter_context(_served(store, folder / "one"))]
        verdicts = _beside_bare(folder, store, servers[0], rounds, seconds)
        (folder / "two").mkdir(mode=0o700)
        (folder / "two" / "secret.key").write_bytes((folder / "one" / "secret.key").read_bytes())
        servers.append(stack.enter_context(_served(store, folder / "two")))
        for what, body, load in _loads(folder, seconds):
            candidates = [_candidate(store, server, what, body) for server in servers]
            verdicts += _two_beside_one(candidates, load, url, database.pid, rounds)
        return verdicts


@contextlib.contextmanager
def _served(store: Stock, data: Path) -> Iterator[Server]:
    port = free_port()
    command = [program("packshot"), "serve", "--data", str(data), "--host=127.0.0.1", f"--port={port}"]
    env = {"PACKSHOT_INTAKE_VERIFY": "header", **store.env}
    with running(data.name, command, port, data.with_suffix(".log"), env) as server:
        yield server


def _candidate(store: Stock, server: Server, what: str, body: str) -> Candidate:
    call = Call("POST", f"{store.rest}catalog.productImage.{what}", body)
    return Candidate(f"Packshot {what}", server.pid, server.port, call, store.catalogue)


def _loads(folder: Path, seconds: int) -> list[tuple[str, str, Load]]:
    """The method, its body, and what asks for it."""
    pictures.write_upload(folder / "upload.json")
    text = uploads.read_text(folder / "upload.json")

    def add(candidate: Candidate, _: int) -> Round:
        return uploads.run(candidate, text, seconds, seed=int.from_bytes(os.urandom(2), "big"))

    return [
        ("get", '{"productId":@product@,"id":@image@}', lambda candidate, many: reads(candidate, many, seconds)),
        ("add", "", add),
    ]


def _beside_bare(folder: Path, store: Stock, server: Server, rounds: int, seconds: int) -> list[Verdict]:
    """One server's get beside a bare app's, with the pool as it comes and with one that puts nothing back."""
    get = _candidate(store, server, "get", '{"productId":@product@,"id":@image@}')
    with contextlib.ExitStack() as stack:
        bare = stack.enter_context(_bare(folder, "bare app, asyncpg's pool", store, "1"))
        barer = stack.enter_context(_bare(folder, "bare app, nothing put back", store, "0"))
        for candidate in (get, bare, barer):
            reads(candidate, CONNECTIONS, 1)  # connections are made, statements prepared; not counted
        measures = {one.name: reading(one, CONNECTIONS, seconds) for one in (bare, barer, get)}
        results = alternate(measures, rounds)
    table(f"get on PostgreSQL, {CONNECTIONS} connections, {IMAGES} images", results)
    print(f"  of the barer one: {ratio(results[get.name], results[barer.name], cpu_us).median:.2f} times the CPU")
    measured_ratio = ratio(results[get.name], results[bare.name], cpu_us)
    return [Verdict("PostgreSQL: get: CPU of the bare app's", measured_ratio, "<=", BESIDE_BARE)]


@contextlib.contextmanager
def _bare(folder: Path, name: str, store: Stock, reset: str) -> Iterator[Candidate]:
    port = free_port()
    command = [program("uvicorn"), "benchmarks.bare_postgresql:app", "--host=127.0.0.1", f"--port={port}", *UVICORN]
    env = {"BARE_POSTGRESQL": store.env["PACKSHOT_DATABASE_URL"], "BARE_RESET": reset}
    with running(name, command, port, folder / f"bare-{reset}.log", env) as server:
        yield Candidate(name, server.pid, port, BARE, Catalogue(IMAGES))


def _two_beside_one(
    candidates: Sequence[Candidate], load: Load, url: str, postmaster: int, rounds: int
) -> list[Verdict]:
    """The same load on one server and on each of two, in turn."""
    alone, together = candidates[:1], candidates
    for candidate in candidates:
        load(candidate, CONNECTIONS)
    results = [(_loaded(alone, load, url, postmaster), _loaded(together, load, url, postmaster)) for _ in range(rounds)]
    what = candidates[0].name
    for many, figures in zip(("one server", "two servers"), zip(*results, strict=True), strict=True):
        cpu, per_s, waiting = (spread(getattr(one, name) for one in figures) for name in ("cpu_us", "per_s", "waiting"))
        print(
            f"{what}, {many}: {cpu.median:,.0f} us of CPU a request with PostgreSQL's ({cpu.low:,.0f}-{cpu.high:,.0f}),"
            f" {per_s.median:,.0f}/s, {waiting.median:.2%} of the time in locks"
        )
    return [
        Verdict(
            f"{what}: CPU of two servers beside one", spread(b.cpu_us / a.cpu_us for a, b in results), "<=", BESIDE_ONE
        ),
        Verdict(f"{what}: waiting for locks, of its time", spread(b.waiting for _, b in results), "<", WAITING),
    ]


def _loaded(candidates: Sequence[Candidate], load: Load, url: str, postmaster: int) -> Together:
    roots = [postmaster, *(candidate.pid for candidate in candidates)]
    with ThreadPoolExecutor(len(candidates) + 1) as threads:
        before_s, began_s = _cpu_s(roots), time.perf_counter()
        loads = [threads.submit(load, candidate, CONNECTIONS) for candidate in candidates]
        looking = threads.submit(lambda: asyncio.run(_look(url, lambda: all(one.done() for one in loads))))
        requests = sum(one.result().requests for one in loads)
        took_s, used_s = time.perf_counter() - began_s, _cpu_s(roots) - before_s
        waiting = looking.result() / (CONNECTIONS * len(candidates))
        return Together(requests, requests / took_s, used_s / requests * 1e6, waiting)


def _cpu_s(roots: Sequence[int]) -> float:
    return sum(measure.cpu_s(measure.tree(pid)) + measure.ended_cpu_s(pid) for pid in roots)


async def _look(url: str, is_over: Callable[[], bool]) -> float:
    """How many requests wait for a lock, looked at again and again: the mean."""
    connection = await asyncpg.connect(url)
    try:
        seen = []
        while not is_over():
            seen.append(await connection.fetchval(_WAITING))
            await asyncio.sleep(LOOK_EVERY_S)
        return float(sum(seen)) / max(len(seen), 1)
    finally:
        await connection.close()
