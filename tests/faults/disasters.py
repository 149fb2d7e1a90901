"""What happens to nodes, their database and their bucket (cluster.py) while guests call: see node_killing.py."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from random import Random

import faultproxy
from cluster import Cluster
from faultproxy import LATE, LATE_CUT, Fault

TICK_S = 0.5

Disaster = Callable[[Cluster, Random], None]
Happening = Callable[[Cluster, Random], Counter[str]]
"""Something that takes its time; what it was, and how often."""

DELETIONS = [
    replace(LATE, methods="DELETE", chance=0.3, late_s=2.0),
    replace(LATE_CUT, methods="DELETE", chance=0.2, late_s=4.0),
]
"""What happens to deletions all the time: they are carried out after whoever asked for them has given up, or has done
it again."""


def _pause(chance: Random, least_s: float, most_s: float) -> None:
    time.sleep(chance.uniform(least_s, most_s))


def _kill(there: Cluster, chance: Random) -> None:
    node = chance.choice(there.nodes)
    node.kill()
    _pause(chance, 0, 0.5)
    there.bury()
    node.start()


def _stop(there: Cluster, chance: Random) -> None:
    node = chance.choice(there.nodes)
    node.stop()
    node.start()


def _restart_the_database(there: Cluster, _: Random) -> None:
    there.database.restart("immediate")


def _cut_the_database_off(there: Cluster, chance: Random) -> None:
    for _ in range(3):
        there.line.cut()
        _pause(chance, 0, 0.2)


def _refuse_connections_to_the_database(there: Cluster, chance: Random) -> None:
    there.line.refuse()
    _pause(chance, 0.1, 1)
    there.line.accept()


def _slow_the_database_down(there: Cluster, chance: Random) -> None:
    there.line.slow(wait_s=0.02)
    _pause(chance, 0.3, 1)
    there.line.slow()


def _freeze_the_database(there: Cluster, chance: Random) -> None:
    there.line.freeze()
    _pause(chance, 0.2, 1)
    there.line.slow()


def _refuse_connections_to_the_bucket(there: Cluster, chance: Random) -> None:
    there.store.refuse()
    _pause(chance, 0.1, 0.5)
    there.store.accept()


def _bucket_with(fault: Fault) -> Disaster:
    def happen(there: Cluster, chance: Random) -> None:
        there.store.have(replace(fault, chance=0.5), *DELETIONS)
        _pause(chance, 0.3, 0.8)
        there.store.have(*DELETIONS)

    return happen


_ENDLESS = {"SILENT", "APPLIED_SILENT"}
"""They last until whoever asks gives up, which takes longer than all the others together."""

TO_NODES: Mapping[str, Disaster] = {"kill": _kill, "stop": _stop}
TO_STORES: Mapping[str, Disaster] = {
    "database restarted": _restart_the_database,
    "database cut": _cut_the_database_off,
    "database refused": _refuse_connections_to_the_database,
    "database slow": _slow_the_database_down,
    "database frozen": _freeze_the_database,
    "bucket refused": _refuse_connections_to_the_bucket,
    "bucket SLOW": _bucket_with(Fault(wait_s=0.5)),
    **{f"bucket {name}": _bucket_with(fault) for name, fault in faultproxy.FAULTS.items() if name not in _ENDLESS},
}


def disasters(seconds: float = 0) -> Happening:
    """Each of them once in a random order, those to nodes beside those to stores, and again until the time is up."""

    def happen(there: Cluster, chance: Random) -> Counter[str]:
        there.store.have(*DELETIONS)
        with ThreadPoolExecutor(1) as thread:
            beside = thread.submit(_rage, there, Random(chance.random()), TO_NODES, seconds)
            return _rage(there, Random(chance.random()), TO_STORES, seconds) + beside.result()

    return happen


def _rage(there: Cluster, chance: Random, them: Mapping[str, Disaster], seconds: float) -> Counter[str]:
    happened: Counter[str] = Counter()
    end = time.monotonic() + seconds
    while True:
        for name in chance.sample(sorted(them), len(them)):
            them[name](there, chance)
            happened[name] += 1
            _pause(chance, 0.05, 0.4)
        if time.monotonic() > end:
            return happened


def weather(seconds: float, *faults: Fault, slow_s: float = 0.0) -> Happening:
    """That much is wrong with the bucket all the time, and whatever passes to or from the database takes so long.

    It ends as soon as the nodes are seen to do wrong, or after so many seconds.
    """

    def happen(there: Cluster, _: Random) -> Counter[str]:
        there.store.have(*faults)
        there.line.slow(wait_s=slow_s)
        end = time.monotonic() + seconds
        while time.monotonic() < end and not there.is_wrong:
            time.sleep(TICK_S)
        return Counter()

    return happen


def turns(program: Sequence[str]) -> Happening:
    """One node after the other stops, and another one begins in its place that runs the program."""

    def happen(there: Cluster, _: Random) -> Counter[str]:
        for node in there.nodes:
            time.sleep(TICK_S)
            node.program = program
            node.stop()
            node.start()
        time.sleep(TICK_S)
        return Counter(turn=len(there.nodes))

    return happen
