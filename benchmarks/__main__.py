"""`python -m benchmarks`: everything in one run, and at its end how far we are from each limit.

Nothing here gates a build: a missed limit is printed, it is not an exit code. README.md says how to read the figures.
"""

import argparse
import contextlib
import signal
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks import (
    catalogue,
    library,
    machine,
    measure,
    million,
    nodes,
    pictures,
    pocketbase,
    prices,
    product,
    renditions,
    uploads,
    writeloop,
)
from benchmarks.candidates import fill, on_uvicorn
from benchmarks.load import Candidate, LoadError, reading, reads
from benchmarks.product import Packshot
from benchmarks.report import Rounds, Verdict, alternate, cpu_us, rate, ratio, summary, table
from benchmarks.servers import ServerError

IMAGES = 100_000
MANY, ONE = 16, 1
REQUESTS_BEFORE_MEMORY = 10_000


@dataclass(frozen=True, slots=True)
class Effort:
    """How many rounds, and how many seconds each takes."""

    rounds: int
    read_s: int
    upload_s: int


FULL, QUICK = Effort(rounds=5, read_s=3, upload_s=2), Effort(rounds=3, read_s=1, upload_s=1)


def main() -> int:
    """Measure, print, and return the exit code: 2 when something needed is missing or fails, else 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds: half the time")
    parts = ("reads", "uploads", "catalogue", "library", "renditions", "million", "nodes", "prices")
    parser.add_argument("--only", choices=parts, help="leave the others out")
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp"), help="a folder on the disk to measure")
    options = parser.parse_args()
    if lacking := machine.lacking(options.folder):
        print("\n".join(lacking), file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # leave by the front door: servers end, folders go
    try:
        with tempfile.TemporaryDirectory(dir=options.folder, prefix="packshot-bench-") as folder:
            summary(_run(Path(folder), QUICK if options.quick else FULL, options.only))
    except (LoadError, ServerError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _run(folder: Path, effort: Effort, only: str | None) -> list[Verdict]:
    print(machine.described(folder), flush=True)
    by_themselves = {
        "library": lambda: library.measured(folder, effort.rounds),
        "renditions": lambda: renditions.measured(folder, effort.rounds, effort.read_s),
        "million": lambda: million.measured(folder, effort.rounds, effort.read_s, quick=effort is QUICK),
        "nodes": lambda: nodes.measured(folder, effort.rounds, effort.read_s),
        "prices": lambda: prices.measured(folder, effort.read_s),
    }
    if only in by_themselves:
        return by_themselves[only]()
    verdicts: list[Verdict] = []
    with product.started(folder, IMAGES) as packshot:
        if only in {None, "reads"}:
            verdicts += [*_reads(folder, effort, packshot), _memory(packshot)]
        if only in {None, "catalogue"}:
            verdicts += catalogue.measured(folder, packshot, effort.rounds, effort.read_s)
        if only in {None, "uploads"}:
            verdicts += [_uploads(folder, effort, packshot)]
            print(f"\nmemory after the uploads, all processes: {measure.pss_mb(packshot.server.pid):.0f} MB")
    if only is None:
        verdicts += by_themselves["library"]()
        verdicts += by_themselves["renditions"]()
    return verdicts


def _reads(folder: Path, effort: Effort, packshot: Packshot) -> list[Verdict]:
    get, listing = packshot.get(), packshot.list()
    with contextlib.ExitStack() as stack:
        bare = stack.enter_context(on_uvicorn("bare app", fill(folder, IMAGES), IMAGES))
        pocket = stack.enter_context(pocketbase.started(folder, IMAGES))
        candidates = [bare, get, listing, pocket.with_token(), pocket.public()]
        for candidate in candidates:
            reads(candidate, MANY, 1)  # caches and connections become warm; not counted
        many = _read_rounds(effort, MANY, candidates)
        one = _read_rounds(effort, ONE, candidates)
    theirs = pocket.with_token().name
    return [
        Verdict("get: CPU of the bare app's", ratio(many[get.name], many[bare.name], cpu_us), "<=", 1.6),
        Verdict("list of 10: CPU of the bare app's", ratio(many[listing.name], many[bare.name], cpu_us), "<=", 3),
        Verdict("get, 16 connections: rate of PocketBase's", ratio(many[get.name], many[theirs], rate), ">", 1),
        Verdict("get, 1 connection: rate of PocketBase's", ratio(one[get.name], one[theirs], rate), ">", 1),
    ]


def _read_rounds(effort: Effort, connections: int, candidates: list[Candidate]) -> Rounds:
    measures = {candidate.name: reading(candidate, connections, effort.read_s) for candidate in candidates}
    results = alternate(measures, effort.rounds)
    table(f"reads, {connections} connection(s), {IMAGES} images", results)
    return results


def _memory(packshot: Packshot) -> Verdict:
    """Memory once at least so many requests were answered; the rounds before have sent more."""
    sent = 0
    while sent < REQUESTS_BEFORE_MEMORY:
        sent += reads(packshot.get(), MANY, 1).requests
    used_mb = measure.pss_mb(packshot.server.pid)
    print(f"\nmemory after the reads, all processes: {used_mb:.0f} MB")
    return Verdict(
        f"memory in MB, after {REQUESTS_BEFORE_MEMORY} requests and more", measure.spread([used_mb]), "<", 120
    )


def _uploads(folder: Path, effort: Effort, packshot: Packshot) -> Verdict:
    add, loop = packshot.add(), folder / "loop"
    pictures.write_upload(folder / "upload.json")
    text, data = uploads.read_text(folder / "upload.json"), pictures.jpeg()
    writeloop.prepare(loop)
    uploads.run(add, text, 1, seed=0)
    name, strategy = _faster_strategy(loop, data)
    measures = {
        add.name: lambda number: uploads.run(add, text, effort.upload_s, seed=number + 1),
        name: lambda number: writeloop.run(loop, strategy, data, effort.upload_s, str(number)),
    }
    results = alternate(measures, effort.rounds)
    table("adding a JPEG of 200 KB, 16 connections or threads", results)
    return Verdict("add: rate of the bare write loop's", ratio(results[add.name], results[name], rate), ">=", 0.6)


def _faster_strategy(loop: Path, data: bytes) -> tuple[str, writeloop.Strategy]:
    """The bare loop may commit over one connection or over one a thread: the faster one is the limit."""
    choices: dict[str, writeloop.Strategy] = {
        "bare write loop, one connection": writeloop.shared_connection,
        "bare write loop, 16 connections": writeloop.own_connections,
    }
    per_s = {
        name: writeloop.run(loop, strategy, data, 2, strategy.__name__).per_s for name, strategy in choices.items()
    }
    print("\n" + ", ".join(f"{name}: {value:.0f}/s" for name, value in per_s.items()))
    name = max(per_s, key=per_s.__getitem__)
    return name, choices[name]


if __name__ == "__main__":
    sys.exit(main())
