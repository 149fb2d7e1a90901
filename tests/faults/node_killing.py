"""Breaks nodes, their database and their bucket under load, and compares what is there with what was answered.

Run by test_nodes.py. Guests (node_load.py) call through nginx, while one thread kills and stops nodes, another one
breaks what they need, and a third lets time pass. At the end all nodes serve what was answered and nothing else, the
store is whole, and receivers of events have heard of each change, in order, and of none under two ids.
"""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from threading import Event
from typing import Any

import cluster
from cluster import Cluster, Node
from faults import leftovers
from faults.disasters import TICK_S, Happening
from faults.node_load import Guest, UnclearLine, visit
from faults.server_killing import TOLD, differences, heard_of, untold
from faults.server_load import PICTURES, Broken, Visitor, held, look_at
from packshot.domain.errors import PackshotError
from packshot.storage.folder import StoreUnusable
from receiver import Letter, Receiver, receiving
from serving import PACKSHOT

GUESTS = 6
FEW = (*range(20), len(PICTURES) - 2)
"""So few pictures that they are deleted and added again all the time; one of them is large."""
EVENTS_S = 60
"""How long none is told before those that wait count as forgotten."""


@dataclass
class Plan:
    """What happens to nodes that run *program*, in that environment; they are `patient` as in cluster.py.

    Guests have at most so much as `kept`, and pictures with these `numbers`.
    """

    happen: Happening
    program: Sequence[str] = tuple(PACKSHOT)
    kept: int = 6
    numbers: Sequence[int] = FEW
    patient: bool = False
    environment: dict[str, str] = field(default_factory=dict)


@dataclass
class Figures:
    """What happened."""

    disasters: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    said: Counter[str] = field(default_factory=Counter)
    acked_adds: int = 0
    acked_deletes: int = 0
    restored: int = 0
    reads: int = 0
    unanswered: int = 0
    in_doubt: int = 0
    happened: int = 0
    repeated: int = 0
    late: int = 0
    events: int = 0
    doubled: int = 0
    broken: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def shown(self) -> str:
        facts = {name.replace("_", " "): value for name, value in vars(self).items()}
        facts |= {name: dict(sorted(value.items())) for name, value in facts.items() if isinstance(value, Counter)}
        return f"{self.disasters.total()} disasters, " + ", ".join(f"{name} {value}" for name, value in facts.items())


@dataclass
class Storm:
    """Where it rages, and who is there."""

    cluster: Cluster
    chance: Random
    guests: list[Guest]
    over: Event = field(default_factory=Event)
    still: Event = field(default_factory=Event)
    figures: Figures = field(default_factory=Figures)


def _let_time_pass(storm: Storm) -> None:
    while not storm.still.wait(TICK_S):
        storm.cluster.grow_old()
        storm.cluster.look()


def rage(storm: Storm, plan: Plan) -> None:
    """Let all guests in, and let happen what is planned while they are at it; all is well again at the end."""
    there, look_up = storm.cluster, partial(held, storm.cluster.ask)
    with ThreadPoolExecutor(len(storm.guests) + 1) as threads:
        visits = [
            threads.submit(visit, guest, there.url, storm.over, look_up, None if number else _restoring(there))
            for number, guest in enumerate(storm.guests)
        ]
        passing = threads.submit(_let_time_pass, storm)
        try:
            storm.figures.disasters += plan.happen(there, storm.chance)
        finally:
            there.store.have()
            there.line.slow()
            there.bury()
            storm.over.set()
            wait(visits)  # they need time to pass
            storm.still.set()
        for one in (*visits, passing):
            one.result()
    there.store.settle()


def _restoring(there: Cluster) -> Callable[[str, int | str], bool | None]:
    def restore(kind: str, id_: int | str) -> bool | None:
        column = "item_id" if kind == "image" else "name"
        with suppress(OSError):
            rows = there.ask(f"SELECT deletion_id, name FROM trash WHERE kind = 'image' AND {column} = '{id_}'")
            if not rows:
                return False
            done = there.run("trash", "restore", str(rows[0][0]), "--only", rows[0][1])
            return None if done.returncode else True
        return False

    return restore


# The end


def check(storm: Storm, receiver: Receiver) -> None:
    """With all nodes stopped and started once more: nothing is under way any longer. Raises: Broken."""
    there, figures = storm.cluster, storm.figures
    cluster.at_once(there.nodes, Node.stop)
    cluster.at_once(there.nodes, Node.start)
    found, ids, broken = held(there.ask)
    visitors = [guest.visitor for guest in storm.guests]
    for guest in storm.guests:
        broken += guest.wrong + guest.settle((found, ids, [])) + differences(guest.visitor, found, ids)
    known = {label for visitor in visitors for label in visitor.there}
    broken += [f"undone: {label} is there as {found[label]}" for label in found.keys() - known]
    broken += [f"its story: {_story(there, label)}" for label in known ^ found.keys()]
    if not broken:
        broken += [wrong for node in there.nodes for one in visitors for wrong in _shown_wrong(one, node.address)]
    figures.broken += broken
    _wait_for_events(there, receiver)
    broken = []
    heard = heard_of(receiver.letters)
    figures.events, figures.doubled = sum(map(len, heard.values())), len(receiver.letters)
    figures.doubled -= figures.events
    broken += untold(visitors, heard) + out_of_order(receiver.letters)
    cluster.at_once(there.nodes, Node.stop)
    broken += there.wrong + [wrong for node in there.nodes for wrong in node.wrong]
    verified = there.run_as_nodes_do("verify", "--full")
    broken += [verified.stdout + verified.stderr] if verified.returncode else []
    figures.broken += broken


def _story(there: Cluster, label: str) -> list[Any]:
    """What the audit log says of images of that name."""
    return there.ask(f"SELECT id, at, action, image_id, request_id FROM audit WHERE name = '{label}' ORDER BY id")


def _shown_wrong(visitor: Visitor, address: str) -> list[str]:
    """What a node shows otherwise, with all bytes."""
    line = UnclearLine(f"http://{address}")
    wrong = []
    for kind in ("product", "image", "library"):
        for label in visitor.of(kind):
            try:
                look_at(visitor, line, kind, label)
            except (Broken, OSError) as error:
                wrong.append(f"{address}: {error!r}")
    line.close()
    return wrong


def out_of_order(letters: Iterable[Letter]) -> list[str]:
    """Events of one product that were told before an earlier one of it."""
    latest: dict[str, int] = {}
    seen, wrong = set(), []
    for letter in letters:
        form = letter.form
        is_of_product = form["event"].startswith("CATALOG.")
        product = form["data[FIELDS][ID]"] if is_of_product else form.get("data[FIELDS][PRODUCT_ID]")
        if product and letter.event_id not in seen:
            seen.add(letter.event_id)
            if letter.event_id < latest.get(product, 0):
                wrong.append(f"event {letter.event_id} of product {product} came after {latest[product]}")
            latest[product] = letter.event_id
    return wrong


def _wait_for_events(there: Cluster, receiver: Receiver) -> None:
    """Until all are told. Raises: Broken (none is for a while)."""
    there.bury()
    letters, since = len(receiver.letters), time.monotonic()
    while waiting := there.ask("SELECT count(*) FROM outbox WHERE state <> 'delivered'")[0][0]:
        if letters < len(receiver.letters):
            letters, since = len(receiver.letters), time.monotonic()
        if time.monotonic() - since > EVENTS_S:
            first = there.ask("SELECT * FROM outbox WHERE state <> 'delivered' ORDER BY id LIMIT 2")
            raise Broken(f"{waiting} events wait for ever, the first of them {first}")
        time.sleep(0.1)


async def _tidied(there: Cluster) -> list[str]:
    with in_environment(there.environment):
        _, stay = await leftovers.tidy(there.place / "by hand", there.settings)
    return stay


@contextmanager
def in_environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Those of the variables that lead to the bucket, for what is opened in this process."""
    before = dict(os.environ)
    os.environ.update({name: value for name, value in variables.items() if name.startswith("AWS_")})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def run_all(there: Cluster, plan: Plan, seed: int, receiver: Receiver) -> Figures:
    """The whole storm; ends early when something is broken."""
    chance, start = Random(seed), time.monotonic()
    facts = there.facts
    webhook = f"{there.url}/rest/{facts['user_id']}/{facts['webhook_code']}/"
    keys = {name: str(facts[name]) for name in ("web_api_key", "app_key")}
    guests = [
        Guest(Visitor(slot, Random(chance.random()), webhook, keys, plan.kept, plan.numbers)) for slot in range(GUESTS)
    ]
    storm = Storm(there, chance, guests)
    listened = [word for event in sorted(set(TOLD.values())) for word in ("--event", event)]
    hooked = there.run("event", "hook", "add", receiver.url, *listened)
    assert hooked.returncode == 0, hooked.stderr
    figures = storm.figures
    try:
        rage(storm, plan)
        check(storm, receiver)
        if not figures.broken:
            figures.broken += asyncio.run(_tidied(there))
    except (Broken, PackshotError, StoreUnusable) as error:
        figures.broken.append(repr(error))
    for guest in guests:
        figures.acked_adds += guest.visitor.acked_adds
        figures.acked_deletes += guest.visitor.acked_deletes
        figures.reads += guest.visitor.reads
        for name in ("statuses", "unanswered", "in_doubt", "happened", "repeated", "restored"):
            setattr(figures, name, getattr(figures, name) + getattr(guest, name))
    figures.late = sum(seen.fault.reach == "late" for seen in there.store.seen)
    for node in there.nodes:
        figures.said += node.said
    figures.seconds = round(time.monotonic() - start, 1)
    return figures


async def run(place: Path, plan: Plan, seed: int) -> Figures:
    """A storm over a new cluster; the receiver of events lives in this loop."""

    def all_of_it(receiver: Receiver) -> Figures:
        with cluster.running(place, seed, plan.program, patient=plan.patient, **plan.environment) as there:
            return run_all(there, plan, seed, receiver)

    async with receiving() as receiver:
        return await asyncio.to_thread(all_of_it, receiver)
