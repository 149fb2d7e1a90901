"""What a process tree costs: CPU seconds, memory, and how much of the machine others used meanwhile."""

import os
import resource
import statistics
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_CLOCK_OF_WHOLE_PROCESS = 2  # CPUCLOCK_SCHED of the kernel's clock ids: nanoseconds of all threads, ended ones too
_BUSY_FIELDS = (0, 1, 2, 5, 6)  # user, nice, system, irq, softirq in /proc/stat
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """What happened between two moments. `foreign` is the share of all cores (0 to 1) used by processes not ours."""

    elapsed_s: float
    server_cpu_s: float
    client_cpu_s: float
    foreign: float


@dataclass(frozen=True, slots=True)
class Moment:
    """All clocks, read together; two of them make a `Usage`."""

    at_s: float
    server_cpu_s: float
    ours_cpu_s: float
    others_cpu_s: dict[int, float]
    reaped_cpu_s: float
    busy_s: float


def tree(pid: int) -> list[int]:
    """The process and all its living descendants; empty once it is gone."""
    try:
        tasks = [task / "children" for task in Path(f"/proc/{pid}/task").iterdir()]
        children = [int(child) for task in tasks for child in task.read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [pid, *(found for child in children for found in tree(child))]


def cpu_s(pids: Iterable[int]) -> float:
    """CPU seconds of these processes since they started, threads that have ended included."""
    return sum(_process_cpu_s(pid) for pid in pids)


def _process_cpu_s(pid: int) -> float:
    try:
        return time.clock_gettime(~pid << 3 | _CLOCK_OF_WHOLE_PROCESS)
    except OSError:  # it ended meanwhile
        return 0.0


def ended_cpu_s(pid: int) -> float:
    """CPU seconds of the children that this process has buried, such as image workers after their last job."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return (int(fields[13]) + int(fields[14])) / _TICKS_PER_S


def peak_mb(pid: int) -> float:
    """The most memory that a process has had, in MB (10^6 bytes), with all that it shares with others."""
    return int(Path(f"/proc/{pid}/status").read_text().partition("VmHWM:")[2].split()[0]) * 1024 / 1e6


def pss_mb(pid: int) -> float:
    """Memory of the process and its descendants in MB (10^6 bytes): pages shared by n processes count 1/n in each."""
    return sum(_process_pss_bytes(member) for member in tree(pid)) / 1e6


def _process_pss_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def now(server_pid: int | None) -> Moment:
    """Read every clock: the server's tree (none: 0), all that this process started, and the machine."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    ours = tree(os.getpid())
    return Moment(
        at_s=time.perf_counter(),
        server_cpu_s=cpu_s(tree(server_pid)) + ended_cpu_s(server_pid) if server_pid else 0.0,
        ours_cpu_s=cpu_s(ours) + (ended_cpu_s(server_pid) if server_pid else 0.0),
        others_cpu_s={pid: cpu_s([pid]) for pid in _processes() if pid not in ours},
        reaped_cpu_s=used.ru_utime + used.ru_stime,
        busy_s=_machine_busy_s(),
    )


def between(start: Moment, end: Moment) -> Usage:
    """What was used from `start` to `end`. The client is what ran and ended meanwhile (wrk)."""
    elapsed_s = end.at_s - start.at_s
    client_cpu_s = end.reaped_cpu_s - start.reaped_cpu_s
    ours_s = end.ours_cpu_s - start.ours_cpu_s + client_cpu_s
    # Two views, the larger counts: the machine's ticks miss short bursts, the others' clocks miss whoever has ended.
    unexplained_s = end.busy_s - start.busy_s - ours_s
    others_s = sum(used_s - start.others_cpu_s.get(pid, 0.0) for pid, used_s in end.others_cpu_s.items())
    return Usage(
        elapsed_s=elapsed_s,
        server_cpu_s=end.server_cpu_s - start.server_cpu_s,
        client_cpu_s=client_cpu_s,
        foreign=max(0.0, unexplained_s, others_s) / elapsed_s / (os.cpu_count() or 1),
    )


def _processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]


def _machine_busy_s() -> float:
    with Path("/proc/stat").open() as lines:
        fields = [int(value) for value in next(lines).split()[1:]]
    return sum(fields[index] for index in _BUSY_FIELDS) / _TICKS_PER_S


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of a few rounds, with the lowest and the highest beside it."""

    median: float
    low: float
    high: float


def spread(values: Iterable[float]) -> Spread:
    """Median, lowest and highest of at least one value."""
    ordered = sorted(values)
    return Spread(statistics.median(ordered), ordered[0], ordered[-1])
