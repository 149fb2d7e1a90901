"""A million images: what must not grow with the store, beside the same store with ten thousand."""

import contextlib
import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import measure, stock
from benchmarks.load import Call, Candidate, LoadError, Round, reading, reads
from benchmarks.measure import spread
from benchmarks.postgresql import postgresql
from benchmarks.report import Rounds, Verdict, alternate, cpu_us, ratio, table
from benchmarks.servers import Server, ServerError, ask, free_port, program, running
from benchmarks.stock import Stock

FEW, MANY, MANY_QUICKLY = 10_000, 1_000_000, 100_000
CONNECTIONS = 4
STARTS = 3
GROWTH, START_S, MEMORY_MB, REST = 1.2, 3, 300, 0.6
ROUND_WITHIN_S = 300


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that ended by itself: how long it took, its most memory in MB (10^6 bytes), and what it printed."""

    took_s: float
    peak_mb: float
    printed: str


def measured(folder: Path, rounds: int, seconds: int, *, quick: bool) -> list[Verdict]:
    """Measure all of it on each database, and print the tables."""
    many = MANY_QUICKLY if quick else MANY
    verdicts = _dialect("SQLite", folder / "sqlite", ("", ""), many, rounds, seconds)
    with postgresql(folder / "server") as database:
        urls = database.make("few"), database.make("many")
        verdicts += _dialect("PostgreSQL", folder / "postgresql", urls, many, rounds, seconds)
    return verdicts


def _dialect(name: str, folder: Path, urls: tuple[str, str], many: int, rounds: int, seconds: int) -> list[Verdict]:
    folder.mkdir()
    few, full = (stock.made(folder / str(images), images, url) for images, url in zip((FEW, many), urls, strict=True))
    each_bytes = (full.size_bytes - few.size_bytes) / (many - FEW)
    print(f"\n{name}: {many:,} images filled in {full.took_s:.0f} s, {many / full.took_s:,.0f} a second;")
    print(f"  {full.size_bytes / 1e6:,.0f} MB in the database, {each_bytes:,.0f} bytes an image", flush=True)
    started_s = time.perf_counter()
    links = stock.link_files(full)
    print(f"  {links:,} names of files made in {time.perf_counter() - started_s:.0f} s", flush=True)
    verdicts = [_starts(name, full)]
    with served(few) as small, served(full) as large:
        verdicts += _reads(name, (few, small), (full, large), rounds, seconds)
        verdicts += [_memory(f"{name}: after the reads", large.pid)]
    verdicts += _upkeep(name, full)
    verdicts += _verify(name, full)
    verdicts += _backup(name, full)
    shutil.rmtree(folder)
    return verdicts


@contextlib.contextmanager
def served(store: Stock, **settings: str) -> Iterator[Server]:
    """Packshot serving it, with these settings in its environment."""
    port = free_port()
    env = {"PACKSHOT_INTAKE_VERIFY": "header", **store.env, **settings}
    with running("Packshot", store.serve(port), port, store.data.with_suffix(".log"), env) as server:
        yield server


def _starts(name: str, store: Stock) -> Verdict:
    """From the command to the first request that is answered."""
    taken_s = []
    for _ in range(STARTS):
        started_s = time.perf_counter()
        with served(store) as server:
            status, text = ask(server.port, "POST", f"{store.rest}catalog.productImage.get", _first(store))
            taken_s.append(time.perf_counter() - started_s)
        if status != 200:
            raise ServerError(f"Packshot answered {status}: {text.decode()}")
    return Verdict(f"{name}: start to the first answer: s", spread(taken_s), "<", START_S)


def _first(store: Stock) -> bytes:
    return b'{"productId":%d,"id":%d}' % (store.catalogue.first_product, store.catalogue.first_image)


CALLS = {
    "get": ("catalog.productImage.get", '{"productId":@product@,"id":@image@}'),
    "list": ("catalog.productImage.list", '{"productId":@product@}'),
}


def _reads(
    name: str, few: tuple[Stock, Server], many: tuple[Stock, Server], rounds: int, seconds: int
) -> list[Verdict]:
    verdicts = []
    for what, (method, body) in CALLS.items():
        candidates = [
            Candidate(
                f"{what}, {store.catalogue.images:,} images",
                server.pid,
                server.port,
                Call("POST", f"{store.rest}{method}", body),
                store.catalogue,
            )
            for store, server in (few, many)
        ]
        results = _alternated(candidates, rounds, seconds)
        table(f"{name}: {method}, {CONNECTIONS} connections", results)
        small, large = (results[one.name] for one in candidates)
        verdicts += [
            Verdict(f"{name}: {what}: median of that among {FEW:,}", ratio(large, small, _p50_ms), "<=", GROWTH),
            Verdict(f"{name}: {what}: CPU of that among {FEW:,}", ratio(large, small, cpu_us), "<=", GROWTH),
        ]
    return verdicts


def _p50_ms(one: Round) -> float:
    return one.p50_ms


def _alternated(candidates: Sequence[Candidate], rounds: int, seconds: int) -> Rounds:
    for candidate in candidates:
        reads(candidate, CONNECTIONS, seconds)
    return alternate({each.name: reading(each, CONNECTIONS, seconds) for each in candidates}, rounds)


def _memory(what: str, pid: int) -> Verdict:
    return Verdict(f"{what}: MB of all processes", spread([measure.pss_mb(pid)]), "<", MEMORY_MB)


def _upkeep(name: str, store: Stock) -> list[Verdict]:
    """The server's own round, which dooms the one blob that nothing points at, and the command's."""
    log = store.data.with_suffix(".log")
    with served(store, PACKSHOT_UPKEEP_EVERY_S="1", PACKSHOT_UPKEEP_SCRUB_BYTES_S="0") as server:
        cpu_s = measure.cpu_s([server.pid])
        give_up_at, waits_ms = time.monotonic() + ROUND_WITHIN_S, []
        while "doomed" not in log.read_text():
            if time.monotonic() > give_up_at:
                raise LoadError(f"no round of upkeep came to an end: {log.read_text()[-2000:]}")
            asked_s = time.perf_counter()
            ask(server.port, "POST", f"{store.rest}catalog.productImage.get", _first(store))
            waits_ms.append((time.perf_counter() - asked_s) * 1e3)
            time.sleep(0.01)
        print(f"\n{name}: a round of upkeep, by the server: {measure.cpu_s([server.pid]) - cpu_s:.1f} s of CPU;")
        print(f"  a get beside it: median {statistics.median(waits_ms):.1f} ms, longest {max(waits_ms):.1f} ms")
        verdicts = [_memory(f"{name}: after upkeep", server.pid)]
        verdicts += [Verdict(f"{name}: the same, at most", spread([measure.peak_mb(server.pid)]), "<", MEMORY_MB)]
    ended = _run(store, "upkeep")
    print(f"{name}: packshot upkeep: {ended.took_s:.1f} s, {ended.peak_mb:.0f} MB")
    return [*verdicts, Verdict(f"{name}: packshot upkeep: MB", spread([ended.peak_mb]), "<", MEMORY_MB)]


def _verify(name: str, store: Stock) -> list[Verdict]:
    """`packshot verify`, whole, and gone on with as after a kill in the middle."""
    whole = _run(store, "verify")
    rest = _run(store, "verify", "--after", str(stock.blobs(store.catalogue.images) // 2))
    print(f"{name}: packshot verify: {whole.took_s:.1f} s, {whole.peak_mb:.0f} MB; its second half {rest.took_s:.1f} s")
    return [
        Verdict(f"{name}: packshot verify: MB", spread([whole.peak_mb]), "<", MEMORY_MB),
        Verdict(f"{name}: verify gone on with: of a whole one", spread([rest.took_s / whole.took_s]), "<", REST),
    ]


def _backup(name: str, store: Stock) -> list[Verdict]:
    """`packshot backup` into a folder that has the blobs already, as every one but the first finds it."""
    target = store.data.with_suffix(".copies")
    for folder in (store.data / "blobs").iterdir():
        there = target / "blobs" / folder.name
        there.mkdir(parents=True)
        for path in folder.iterdir():
            os.link(path, there / path.name)
    ended = _run(store, "backup", str(target))
    print(f"{name}: packshot backup: {ended.took_s:.1f} s, {ended.peak_mb:.0f} MB")
    return [Verdict(f"{name}: packshot backup: MB", spread([ended.peak_mb]), "<", MEMORY_MB)]


def _run(store: Stock, command: str, *more: str) -> Ended:
    """Run a command of Packshot's on the store. Raises: ServerError."""
    started_s, log = time.perf_counter(), store.data.with_suffix(f".{command}")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [program("packshot"), command, "--data", str(store.data), *more],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **store.env},
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise ServerError(f"packshot {command} failed: {log.read_text()[-2000:]}")
    return Ended(time.perf_counter() - started_s, used.ru_maxrss * 1024 / 1e6, log.read_text())
