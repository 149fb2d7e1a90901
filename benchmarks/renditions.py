"""Renditions: kept ones beside a raw app, first ones beside pyvips alone, many at once, and what all that takes."""

import contextlib
import http.client
import itertools
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from benchmarks import gallery, measure, neighbour, parallel, uploads
from benchmarks.candidates import UVICORN
from benchmarks.gallery import Gallery
from benchmarks.load import Call, Candidate, Catalogue, LoadError, Round, reading, reads
from benchmarks.measure import spread
from benchmarks.parallel import Turn
from benchmarks.report import Verdict, alternate, cpu_us, rate, ratio, table
from benchmarks.servers import ROOT, free_port, program, running

KEPT = 200
"""How many kept renditions are asked for."""

FORMATS = ("jpeg", "webp")
PEERS_PER_S = {"jpeg": 127, "webp": 82}
"""What the best rendition servers do on two such cores, for orientation."""

BODIES_MB = 3 * 64 * 1024 * 1024 / 1e6
WEB_MB, WORKER_MB = 150 + BODIES_MB, 768


Measure = Callable[[int], Round]
"""A round, by its number."""


class Fresh:
    """Photographs that nobody has asked for in that format."""

    def __init__(self, photos: Gallery) -> None:
        self._photos = photos
        self._numbers = {(size, form): itertools.count(KEPT) for size in gallery.SIZES_PX for form in FORMATS}

    def path(self, size: str, form: str) -> str:
        """The address of the next one's rendition of 400 pixels."""
        number = next(self._numbers[size, form])
        if number >= gallery.COPIES:
            raise LoadError(f"there are not enough photographs: {gallery.COPIES} of each size")
        return self._photos.path(size, number, f"card.{form}")


def measured(folder: Path, rounds: int, seconds: int) -> list[Verdict]:
    """Measure all of it on a store of its own in *folder*, and print the tables."""
    with gallery.started(folder) as photos:
        fresh = Fresh(photos)
        verdicts = [_kept(folder, photos, rounds, seconds)]
        verdicts += _first(photos, fresh, rounds, seconds)
        verdicts += _many(photos, fresh, rounds, seconds)
        verdicts += _memory(photos, "renditions")
        verdicts += neighbour.measured(photos, rounds, seconds)
        verdicts += _memory(photos, "renditions and bombs")
    return verdicts


def _kept(folder: Path, photos: Gallery, rounds: int, seconds: int) -> Verdict:
    """Renditions that are kept, beside an app that sends the same bytes with the same headers."""
    server = photos.server
    answers = [_ask(server.port, photos.path("12 Mpx", number, "forty.jpeg")) for number in range(KEPT)]
    headers, body = answers[0]
    call = Call("GET", photos.any_path("forty.jpeg"))
    kept = Candidate("kept rendition", server.pid, server.port, call, Catalogue(KEPT, photos.first("12 Mpx")))
    with _raw_app(folder, headers, body) as raw:
        for candidate in (kept, raw):
            reads(candidate, 16, 1)
        results = alternate({each.name: reading(each, 16, seconds) for each in (kept, raw)}, rounds)
    table(f"a rendition of {len(body)} bytes that is kept, 16 connections", results)
    return Verdict(
        "kept rendition: CPU of the raw app's", ratio(results[kept.name], results[raw.name], cpu_us), "<=", 1.7
    )


@contextlib.contextmanager
def _raw_app(folder: Path, headers: list[tuple[str, str]], body: bytes) -> Iterator[Candidate]:
    (folder / "raw.body").write_bytes(body)
    (folder / "raw.headers").write_bytes(msgspec.json.encode(headers))
    environment = {"RAW_BODY": str(folder / "raw.body"), "RAW_HEADERS": str(folder / "raw.headers")}
    port = free_port()
    command = [program("uvicorn"), "benchmarks.raw:app", "--host=127.0.0.1", f"--port={port}", *UVICORN]
    with running("raw app", command, port, folder / "raw.log", environment) as server:
        if _ask(port, "/")[1] != body:
            raise LoadError("the raw app sends something else")
        yield Candidate("raw app", server.pid, port, Call("GET", "/"), Catalogue(1))


def _ask(port: int, path: str) -> tuple[list[tuple[str, str]], bytes]:
    """The headers of an answer but those of the server itself, and the body. Raises: LoadError."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with contextlib.closing(connection):
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
    if answer.status != 200:
        raise LoadError(f"{path} answered {answer.status}: {body.decode(errors='replace')}")
    return [each for each in answer.getheaders() if each[0].lower() != "date"], body


def _first(photos: Gallery, fresh: Fresh, rounds: int, seconds: int) -> list[Verdict]:
    """One client that asks for one rendition after the other, beside a process that calls pyvips and does no more."""
    verdicts = []
    for form in FORMATS:
        asking = _asking(photos, fresh, ("12 Mpx", form), seconds, 1)
        with _alone(photos.files["12 Mpx"], form, seconds) as alone:
            results = alternate({"Packshot": asking, "pyvips alone": alone}, rounds)
        table(f"12 Mpx to 400 pixels in {form}, one at a time", results)
        what = f"first rendition of 12 Mpx, {form}: CPU of pyvips'"
        verdicts.append(Verdict(what, ratio(results["Packshot"], results["pyvips alone"], cpu_us), "<=", 1.15))
    return verdicts


def _asking(photos: Gallery, fresh: Fresh, what: tuple[str, str], seconds: float, clients: int) -> Measure:
    """A measure: each client asks for one fresh rendition, of that size and format, after the other."""
    port = photos.server.port

    @contextlib.contextmanager
    def opened(_: int) -> Iterator[Turn]:
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            yield lambda _: _get(connection, port, fresh.path(*what))

    return lambda _: parallel.run(opened, seconds, photos.server.pid, clients)


def _get(connection: socket.socket, port: int, path: str) -> None:
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
    answer = uploads.read_answer(connection)
    if not answer.startswith(b"HTTP/1.1 200 "):
        raise LoadError(f"no rendition came: {answer[:2_000].decode(errors='replace')}")


@contextlib.contextmanager
def _alone(file: Path, form: str, seconds: float) -> Iterator[Measure]:
    """A measure: a process that calls pyvips, with the settings of a worker, makes one rendition after the other."""
    environment = {**os.environ, "VIPS_CONCURRENCY": "1", "MALLOC_ARENA_MAX": "2"}
    command = [sys.executable, "-m", "benchmarks.alone", str(file)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, cwd=ROOT, env=environment
    ) as process:
        asked, answers = process.stdin, process.stdout
        if asked is None or answers is None:
            raise LoadError("pyvips alone cannot be asked")

        def turn(_: int) -> None:
            asked.write(f"{form}\n")
            if not answers.readline():
                raise LoadError("pyvips alone has ended")

        turn(0)
        yield lambda _: parallel.run(lambda _: contextlib.nullcontext(turn), seconds, process.pid, 1)
        asked.close()


def _many(photos: Gallery, fresh: Fresh, rounds: int, seconds: int) -> list[Verdict]:
    """Sixteen clients that ask for different renditions at once."""
    measures = {
        f"{size}, {form}": _asking(photos, fresh, (size, form), seconds, parallel.THREADS)
        for size in gallery.SIZES_PX
        for form in FORMATS
    }
    results = alternate(measures, rounds)
    table(f"first renditions of 400 pixels, {parallel.THREADS} clients", results)
    verdicts = [
        Verdict(f"16 clients, {name}: used of the cores left by others", spread(map(_busy, each)), ">=", 0.9)
        for name, each in results.items()
    ]
    verdicts += [
        Verdict(
            f"16 clients, 1600x1200, {form}: renditions a second",
            spread(map(rate, results[f"1600x1200, {form}"])),
            ">",
            best,
        )
        for form, best in PEERS_PER_S.items()
    ]
    return verdicts


def _busy(one: Round) -> float:
    """How much of the cores the server used, 1 being all that others did not use."""
    return one.cpu_us / 1e6 * one.per_s / (os.cpu_count() or 1) / (1 - one.foreign)


def _memory(photos: Gallery, after: str) -> list[Verdict]:
    """The most memory that the processes which live now have had."""
    web, *workers = map(measure.peak_mb, measure.tree(photos.server.pid))
    return [
        Verdict(f"peak of the web process in MB, {after}", spread([web]), "<", WEB_MB),
        Verdict(f"peak of the largest worker in MB, {after}", spread([max(workers)]), "<", WORKER_MB),
    ]
