"""What single steps of a hot request cost inside the process, in microseconds: the ground for choosing between them.

Run as `python -m benchmarks.costs`. `make bench` does not run it.
"""

import base64
import contextlib
import contextvars
import hashlib
import hmac
import os
import random
import secrets
import sqlite3
import tempfile
import time
import timeit
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

import msgspec
import prometheus_client
import structlog

from benchmarks import candidates
from benchmarks.bare import SELECT, Picture, Wanted

IMAGES = 100_000
REPEATS = 5
Step = Callable[[], object]
Steps = dict[str, Step]


class Line(msgspec.Struct):
    """One line of an access log, as a type that msgspec knows beforehand."""

    timestamp: str
    level: str
    event: str
    request_id: str
    method: str
    status: int
    duration_ms: float


LINE = Line("2026-11-21T05:00:00.000000Z", "info", "request", "0" * 32, "catalog.productImage.get", 200, 0.231)


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="packshot-bench-") as name:
        folder = Path(name)
        groups = {"metrics": _metrics(), "dates, ids, secrets": {**_dates(), **_ids()}, "JSON": _json()}
        for title, steps in groups.items():
            _print(title, steps)
        with _sqlite_steps(folder) as steps:
            _print("SQLite", steps)
        with _log_steps(folder) as steps:
            _print("one log line", steps)


def _print(title: str, steps: Steps) -> None:
    print(f"\n{title}")
    for name, step in steps.items():
        print(f"  {name:66}{_microseconds(step):8.2f} us")


def _microseconds(step: Step) -> float:
    timer = timeit.Timer(step)
    number = timer.autorange()[0]
    return min(timer.repeat(REPEATS, number)) / number * 1e6


def _metrics() -> Steps:
    registry = prometheus_client.CollectorRegistry()
    names = ["method", "status"]
    requests = prometheus_client.Counter("requests", "-", names, registry=registry)
    seconds = prometheus_client.Histogram("seconds", "-", names[:1], registry=registry)
    counter, histogram = requests.labels("catalog.productImage.get", "200"), seconds.labels("catalog.productImage.get")
    tally: dict[tuple[str, int], int] = {("catalog.productImage.get", 200): 0}

    def both() -> None:
        requests.labels("catalog.productImage.get", "200").inc()
        seconds.labels("catalog.productImage.get").observe(0.0002)

    def plain() -> None:
        tally["catalog.productImage.get", 200] += 1

    return {
        "Counter child kept: inc()": counter.inc,
        "Counter.labels(...).inc()": lambda: requests.labels("catalog.productImage.get", "200").inc(),
        "Histogram child kept: observe(), 15 buckets": lambda: histogram.observe(0.0002),
        "Counter.labels().inc() + Histogram.labels().observe()": both,
        "a dict of integers, read by a collector at scrape time": plain,
    }


def _dates() -> Steps:
    zone = ZoneInfo("Europe/Berlin")
    now = time.time()
    return {
        "time.time()": time.time,
        "time.perf_counter()": time.perf_counter,
        "datetime.fromtimestamp(t, UTC).isoformat()": lambda: datetime.fromtimestamp(now, UTC).isoformat(),
        "datetime.fromtimestamp(t, UTC).isoformat(timespec='seconds')": lambda: datetime.fromtimestamp(
            now, UTC
        ).isoformat(timespec="seconds"),
        "the same with ZoneInfo": lambda: datetime.fromtimestamp(now, zone).isoformat(timespec="seconds"),
        "time.strftime(..., time.gmtime(t))": lambda: time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(now)),
    }


def _ids() -> Steps:
    key, text = secrets.token_bytes(32), b"main|1|77|8g9l071eismy9q2l|1|1795300000"
    variable = contextvars.ContextVar("request_id", default="")

    def set_and_reset() -> None:
        variable.reset(variable.set("x"))

    def bind_and_unbind() -> None:
        structlog.contextvars.bind_contextvars(request_id="x")
        structlog.contextvars.unbind_contextvars("request_id")

    return {
        "hmac.digest(key, 40 bytes, 'sha256')": lambda: hmac.digest(key, text, "sha256"),
        "hmac.new(key, 40 bytes, sha256).digest()": lambda: hmac.new(key, text, hashlib.sha256).digest(),
        "hmac.compare_digest, 32 bytes": lambda: hmac.compare_digest(key, key),
        "hashlib.sha256(40 bytes).hexdigest()": lambda: hashlib.sha256(text).hexdigest(),
        "base64.urlsafe_b64encode, 40 bytes": lambda: base64.urlsafe_b64encode(text),
        "secrets.token_hex(16)": lambda: secrets.token_hex(16),
        "os.urandom(16).hex()": lambda: os.urandom(16).hex(),
        "uuid4().hex": lambda: uuid.uuid4().hex,
        "f'{random.getrandbits(128):032x}'": lambda: f"{random.getrandbits(128):032x}",
        "ContextVar set + reset": set_and_reset,
        "structlog bind_contextvars + unbind": bind_and_unbind,
    }


def _json() -> Steps:
    decoder, encoder = msgspec.json.Decoder(Wanted), msgspec.json.Encoder()
    picture = Picture(77, 8, "front-76.jpeg", "MORE_PHOTO", 1_700_000_076, "0" * 64)
    plain: dict[str, Any] = {
        "result": {"productImage": msgspec.to_builtins(picture)},
        "time": {"start": 1.5, "finish": 1.6},
    }
    return {
        "decode two ids to a Struct": lambda: decoder.decode(b'{"productId":8,"id":77}'),
        "decode two ids to a dict": lambda: msgspec.json.decode(b'{"productId":8,"id":77}'),
        "encode a row as Struct": lambda: encoder.encode(picture),
        "encode a row in nested dicts": lambda: encoder.encode(plain),
    }


@contextlib.contextmanager
def _sqlite_steps(folder: Path) -> Iterator[Steps]:
    with contextlib.closing(sqlite3.connect(candidates.fill(folder, IMAGES), isolation_level=None)) as connection:
        yield _sqlite(connection)


def _sqlite(connection: sqlite3.Connection) -> Steps:
    cursor = connection.cursor()
    generator = random.Random(1)
    page = (
        "SELECT id, product_id, name, role, created_at, digest FROM image WHERE id BETWEEN ? AND ? ORDER BY id LIMIT 50"
    )

    def some() -> tuple[int]:
        return (generator.randrange(1, IMAGES),)

    def ten() -> tuple[int, int]:
        first = generator.randrange(1, IMAGES - 10)
        return (first, first + 9)

    return {
        "a random id (contained in the next lines)": some,
        "point read by random id, cached statement": lambda: connection.execute(SELECT, some()).fetchone(),
        "the same on one kept cursor": lambda: cursor.execute(SELECT, some()).fetchone(),
        "the same, always the same id": lambda: connection.execute(SELECT, (77,)).fetchone(),
        "ten neighbouring rows": lambda: connection.execute(page, ten()).fetchall(),
    }


@contextlib.contextmanager
def _log_steps(folder: Path) -> Iterator[Steps]:
    steps: Steps = {}
    with contextlib.ExitStack() as stack:
        for name, path in (("/dev/null", Path(os.devnull)), ("a file", folder / "log")):
            target: BinaryIO = stack.enter_context(path.open("wb"))
            steps |= _structlog(f"structlog to {name}", target)
            steps |= _by_hand(f"by hand to {name}", stack.enter_context(path.open("wb")))
        yield steps


def _structlog(name: str, target: BinaryIO) -> Steps:
    def logger(*processors: structlog.typing.Processor) -> Any:
        return structlog.wrap_logger(
            structlog.BytesLogger(target),
            processors=[*processors, structlog.processors.JSONRenderer(serializer=_dumps)],
            wrapper_class=structlog.make_filtering_bound_logger(20),
            cache_logger_on_first_use=True,
        ).bind()

    few, usual = logger(), logger(*_usual())

    def say(log: Any) -> Step:
        return lambda: log.info(
            "request", request_id="0" * 32, method="catalog.productImage.get", status=200, duration_ms=0.231
        )

    return {
        f"{name}: only JSON by msgspec": say(few),
        f"{name}: with context variables, level, ISO time": say(usual),
    }


def _usual() -> list[structlog.typing.Processor]:
    stamp = structlog.processors.TimeStamper(fmt="iso")
    return [structlog.contextvars.merge_contextvars, structlog.processors.add_log_level, stamp]


def _dumps(event: object, **_: object) -> bytes:
    return msgspec.json.encode(event)


def _by_hand(name: str, target: BinaryIO) -> Steps:
    encoder = msgspec.json.Encoder()
    lines: list[bytes] = []

    def each() -> None:
        target.write(encoder.encode(LINE) + b"\n")
        target.flush()

    def gathered() -> None:
        lines.append(encoder.encode(LINE))
        if len(lines) == 64:
            target.write(b"\n".join(lines) + b"\n")
            target.flush()
            lines.clear()

    def with_time() -> None:
        line = Line(datetime.now(UTC).isoformat(), "info", "request", "0" * 32, "catalog.productImage.get", 200, 0.231)
        target.write(encoder.encode(line) + b"\n")

    return {
        f"{name}: msgspec Struct, a flush each line": each,
        f"{name}: msgspec Struct, 64 lines at a time": gathered,
        f"{name}: msgspec Struct with its own time, buffered writer": with_time,
    }


if __name__ == "__main__":
    main()
