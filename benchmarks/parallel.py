"""Threads of this process that do the same thing again and again until the time is over."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

from benchmarks import measure
from benchmarks.load import Round

THREADS = 16

Turn = Callable[[int], object]
"""Does it once; the number tells the turns of a thread apart."""


def run(
    opened: Callable[[int], AbstractContextManager[Turn]],
    seconds: float,
    server_pid: int | None = None,
    threads: int = THREADS,
) -> Round:
    """One round. Each thread opens its own `Turn`, by its number, and closes it at the end.

    Without a server the work is done in this process, and its CPU is the round's `cpu_us`; with one this
    process is the client.
    """
    start, start_cpu_s = measure.now(server_pid), time.process_time()
    stop_at = start.at_s + seconds
    with ThreadPoolExecutor(threads) as pool:
        running = [pool.submit(_repeat, opened, number, stop_at) for number in range(threads)]
        times_s = sorted(one for thread in running for one in thread.result())
    usage, own_us = measure.between(start, measure.now(server_pid)), (time.process_time() - start_cpu_s) * 1e6
    done = len(times_s)
    return Round(
        requests=done,
        per_s=done / usage.elapsed_s,
        cpu_us=usage.server_cpu_s * 1e6 / done if server_pid else own_us / done,
        client_cpu_us=own_us / done if server_pid else 0.0,
        p50_ms=times_s[done // 2] * 1e3,
        p99_ms=times_s[done * 99 // 100] * 1e3,
        foreign=usage.foreign,
    )


def _repeat(opened: Callable[[int], AbstractContextManager[Turn]], number: int, stop_at: float) -> list[float]:
    times_s: list[float] = []
    with opened(number) as turn:
        while (began := time.perf_counter()) < stop_at:
            turn(len(times_s))
            times_s.append(time.perf_counter() - began)
    return times_s
