"""What one who reads a few metadata notices of bombs that others upload: p99 beside bombs against p99 without."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator

from benchmarks.gallery import Gallery
from benchmarks.load import Call, Candidate, Catalogue, LoadError, Round, reads
from benchmarks.report import Verdict, alternate, ratio, table
from benchmarks.servers import ROOT

CONNECTIONS, PAUSE_MS = 4, 10


def measured(photos: Gallery, rounds: int, seconds: int) -> list[Verdict]:
    """Rounds of a few paced calls of catalog.productImage.get, in turn quiet and beside bombs."""
    body = f'{{"productId":{photos.product_id},"id":{photos.image_id}}}'
    call = Call("POST", f"{photos.rest}catalog.productImage.get", body, pause_ms=PAUSE_MS)
    get = Candidate("get", photos.server.pid, photos.server.port, call, Catalogue(1))

    def beside(_: int) -> Round:
        with _bombs(photos):
            return reads(get, CONNECTIONS, seconds)

    reads(get, CONNECTIONS, 1)
    results = alternate({"quiet": lambda _: reads(get, CONNECTIONS, seconds), "beside bombs": beside}, rounds)
    table(f"catalog.productImage.get, {CONNECTIONS} connections, a call every {PAUSE_MS} ms", results)
    waits = ratio(results["beside bombs"], results["quiet"], lambda one: one.p99_ms)
    return [Verdict("get beside bombs: p99 of the quiet one's", waits, "<", 2)]


@contextlib.contextmanager
def _bombs(photos: Gallery) -> Iterator[None]:
    """Bombs all along, from the moment on when each kind of them was refused once."""
    words = [str(photos.server.port), f"{photos.rest}catalog.productImage.add", str(photos.product_id)]
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.bombers", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    ) as process:
        try:
            if process.stdout is None or not process.stdout.readline():
                raise LoadError("the bombs are not refused")
            yield
        finally:
            process.kill()
