"""Kills a whole server under load and compares what the next one serves with what was answered. Run by
test_server_kill.py.

Visitors (server_load.py) call it through both protocols until it gets SIGKILL. The next server over the same folder is
asked again for what had a key and no answer; then the store holds what was answered and nothing else. Receivers of
events have heard of each change in the end, and of none under two ids.
"""

import asyncio
import os
import random
import signal
import sqlite3
import statistics
import subprocess
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import stock
from faults import binned, leftovers
from faults.binned import Ledger
from faults.server_load import Broken, Line, Visitor, answer_to, done, held, look, visit
from forking import run as command
from packshot.config import Settings
from packshot.storage.folder import DATABASE
from receiver import Letter, Receiver, receiving
from serving import PACKSHOT, Server, new_store, serving

VISITORS = 4
SHORTEST_S, LONGEST_S = 0.05, 0.6
GONE_S = 10
"""How long what belonged to a killed server may need to be gone, on a machine that has much to do."""

ENVIRONMENT = {
    "PACKSHOT_OUTBOUND_ALLOW_PRIVATE": "true",
    "PACKSHOT_LOG_LEVEL": "warning",
    "PACKSHOT_UPKEEP_EVERY_S": "1",
    "PACKSHOT_UPKEEP_RETENTION_S": "1",
    "PACKSHOT_UPKEEP_SCRUB_EVERY_S": "1",
    "PACKSHOT_TRASH_KEEP_S": "2",
}
WORKERS = {"PACKSHOT_INTAKE_VERIFY": "full", "PACKSHOT_WORKERS_COUNT": "1"}
"""With these a server has processes of its own, which must not outlive it."""

TOLD = {
    ("product", "born"): "CATALOG.PRODUCT.ON.ADD",
    ("product", "gone"): "CATALOG.PRODUCT.ON.DELETE",
    ("image", "born"): "PACKSHOT.IMAGE.ON.ADD",
    ("image", "gone"): "PACKSHOT.IMAGE.ON.DELETE",
    ("library", "born"): "PACKSHOT.IMAGE.ON.ADD",
    ("library", "gone"): "PACKSHOT.IMAGE.ON.DELETE",
}


@dataclass
class Figures:
    """What happened, over all rounds."""

    kills: int = 0
    at_start: int = 0
    acked_adds: int = 0
    acked_deletes: int = 0
    reads: int = 0
    unanswered: int = 0
    happened: int = 0
    repeated: int = 0
    waited_for: int = 0
    workers_killed: int = 0
    events: int = 0
    doubled: int = 0
    swept: int = 0
    ready_ms: list[int] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def shown(self) -> str:
        facts = {name.replace("_", " "): value for name, value in vars(self).items() if name != "ready_ms"}
        marks = statistics.quantiles(self.ready_ms, n=20)
        facts["ready again after ms"] = f"p50 {marks[9]:.0f}, p95 {marks[18]:.0f}, most {max(self.ready_ms)}"
        return ", ".join(f"{name} {value}" for name, value in facts.items())


@dataclass
class Shop:
    """The store, those who come, and what happened."""

    folder: Path
    facts: dict[str, Any]
    chance: random.Random
    visitors: list[Visitor]
    figures: Figures = field(default_factory=Figures)
    ledger: Ledger = field(default_factory=Ledger)

    def environment(self) -> dict[str, str]:
        return ENVIRONMENT | (WORKERS if self.chance.random() < 1 / 3 else {})


# Processes


def descendants(pid: int) -> dict[int, str]:
    """When each process below that one started, by its id."""
    found: dict[int, str] = {}
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, children.read_text("ascii").split()):
            found |= {child: started(child)} | descendants(child)
    return found


def started(pid: int) -> str:
    """When a process started, in ticks; nothing where it has ended."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if state == "Z" else fields[18]


def kill(process: "subprocess.Popen[str]", killed: Event | None = None) -> int:
    """Kill a server and wait until all its processes are gone; how many it had beside itself."""
    process.send_signal(signal.SIGSTOP)  # so that it makes no more of them
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
    below = descendants(process.pid)
    if killed:
        killed.set()
    process.kill()
    if (code := process.wait(GONE_S)) != -signal.SIGKILL:
        raise Broken(f"the server ended by itself with {code}")
    end = time.monotonic() + GONE_S
    while left := [pid for pid, since in below.items() if since and started(pid) == since]:
        if time.monotonic() > end:
            raise Broken(f"{len(left)} processes outlive their server")
        time.sleep(0.005)
    return len(below)


def kill_at_start(shop: Shop) -> None:
    """One that does not even come to serve, perhaps."""
    process = subprocess.Popen(
        [*PACKSHOT, "serve", "--data", shop.folder, "--port", "0"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True, env=os.environ | shop.environment(),
    )  # fmt: skip
    time.sleep(shop.chance.uniform(0.2, 1.0))
    shop.figures.workers_killed += kill(process)
    shop.figures.kills += 1
    shop.figures.at_start += 1


# A round


@contextmanager
def served(shop: Shop) -> Iterator[Server]:
    """A server over what the last one left, which must be whole once it is ready; *figures* hear how long it took."""
    if shop.chance.random() < 1 / 8:
        kill_at_start(shop)
    since = time.monotonic()
    with serving(shop.folder, environment=shop.environment(), facts=shop.facts) as server:
        shop.figures.ready_ms.append(round(1_000 * (time.monotonic() - since)))
        check(shop, server)
        yield server
        if any(word in server.printed() for word in ("Traceback", '"level":"error"', '"level":"critical"')):
            raise Broken(server.printed())


def load(shop: Shop, server: Server) -> None:
    """Let all visitors in, and kill the server while they are at it."""
    killed = Event()
    with ThreadPoolExecutor(VISITORS) as threads:
        visits = [threads.submit(visit, visitor, server, killed) for visitor in shop.visitors]
        time.sleep(shop.chance.uniform(SHORTEST_S, LONGEST_S))
        shop.figures.workers_killed += kill(server.process, killed)
        for one in visits:
            one.result()
    shop.figures.kills += 1


def check(shop: Shop, server: Server) -> None:
    """Settle what had no answer; then the store has to hold what visitors know, and to show it."""
    line = Line(server.base_url)
    for visitor in shop.visitors:
        if visitor.pending:
            shop.figures.unanswered += 1
            settle(shop, visitor, line)
    there, ids, broken = held(partial(rows_of, shop.folder))
    for visitor in shop.visitors:
        broken += differences(visitor, there, ids)
    strange = there.keys() - {label for visitor in shop.visitors for label in visitor.there}
    broken += [f"undone: {label} is there" for label in strange]
    broken += stock.faults_of(shop.folder)
    now = int(time.time() * 1_000_000)  # the server may have emptied its trash of all that was deleted before
    broken += binned.check(shop.folder, [("emptying", str(now))], shop.ledger)
    if broken:
        raise Broken("; ".join(broken[:5]))
    for visitor in shop.visitors:
        repeat_latest(visitor, line)
        for _ in range(3):
            look(visitor, line)
    line.close()
    grow_old(shop.folder)


def differences(visitor: Visitor, there: dict[str, Any], ids: dict[str, Any]) -> list[str]:
    """What the visitor knows otherwise."""
    return [
        f"lost: {label} is {there.get(label)} {ids.get(label)} instead of {value} {visitor.ids[label]}"
        for label, value in visitor.there.items()
        if (there.get(label), ids.get(label)) != (value, visitor.ids[label])
    ]


def settle(shop: Shop, visitor: Visitor, line: Line) -> None:
    """A call without an answer has happened or not; with a key it is made again until it is answered."""
    asked = visitor.pending
    assert asked
    there, ids, _ = held(partial(rows_of, shop.folder))
    if not asked.key:
        for effects in asked.effects:
            seen = {label: there.get(label) for label in effects}
            if seen == effects:
                shop.figures.happened += 1
                visitor.take(effects, ids)
            elif seen != {label: visitor.there.get(label) for label in effects}:
                raise Broken(f"half: {seen} instead of {effects}")
        visitor.pending = None
        return
    learnt = answer_to(line, visitor, asked)
    if learnt is None:
        shop.figures.waited_for += 1
        end_leases(shop.folder)
        learnt = answer_to(line, visitor, asked)
    if learnt is None:
        raise Broken(f"{asked.path} is at work for ever")
    shop.figures.repeated += 1
    done(visitor, asked, learnt)


def end_leases(folder: Path) -> None:
    """As if a minute had passed."""
    tell(folder, "UPDATE idempotency SET lease_ends_at = 0 WHERE result IS NULL")


def grow_old(folder: Path) -> None:
    """As if two hours had passed: upkeep leaves no orphan alone for being young."""
    tell(folder, "UPDATE blob SET created_at = created_at - 7200000000")


def rows_of(folder: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(folder / DATABASE)) as database:
        return database.execute(sql).fetchall()


def tell(folder: Path, statement: str) -> None:
    with closing(sqlite3.connect(folder / DATABASE, timeout=30)) as database, database:
        database.execute(statement)


def repeat_latest(visitor: Visitor, line: Line) -> None:
    """What was answered is answered again."""
    if visitor.latest:
        asked, ids = visitor.latest
        if (again := answer_to(line, visitor, asked)) != ids:
            raise Broken(f"{asked.path} is answered with {again} instead of {ids}")


# The end


def finish(shop: Shop, receiver: Receiver) -> None:
    """With the last server: everybody has been told; after it the store is whole, and holds nothing that is no use."""
    with served(shop):
        wait_for_events(shop.folder)
    heard = heard_of(receiver.letters)
    shop.figures.events = sum(map(len, heard.values()))
    shop.figures.doubled = len(receiver.letters) - shop.figures.events
    shop.figures.broken += untold(shop.visitors, heard)
    verified = command("verify", "--full", "--data", shop.folder)
    if verified.returncode:
        shop.figures.broken.append(verified.stdout)
    round_, stay = asyncio.run(leftovers.tidy(shop.folder, Settings()))
    shop.figures.swept = round_.swept + round_.staging
    shop.figures.broken += stay


def wait_for_events(folder: Path) -> None:
    end = time.monotonic() + 120
    with closing(sqlite3.connect(folder / DATABASE, timeout=30)) as database:
        while database.execute("SELECT count(*) FROM outbox WHERE state <> 'delivered'").fetchone()[0]:
            if time.monotonic() > end:
                raise Broken("events wait for ever")
            time.sleep(0.05)


def heard_of(letters: Iterable[Letter]) -> dict[tuple[str, str], set[int]]:
    """The ids of the events by what each change was of what."""
    heard: dict[tuple[str, str], set[int]] = {}
    for letter in letters:
        form = letter.form
        what = form.get("data[FIELDS][GUID]") if not form.get("data[FIELDS][PRODUCT_ID]") else None
        heard.setdefault((form["event"], what or form["data[FIELDS][ID]"]), set()).add(letter.event_id)
    return heard


def untold(visitors: Sequence[Visitor], heard: dict[tuple[str, str], set[int]]) -> list[str]:
    """Which changes nobody heard of, or under more ids than they have, and what was told that never happened."""
    due: Counter[tuple[str, str]] = Counter()
    for visitor in visitors:
        for fate, them in (("born", visitor.born), ("gone", visitor.gone)):
            for (kind, what), count in them.items():
                if kind != "sold":
                    due[TOLD[kind, fate], str(what)] += count
    wrong = [f"not told: {change}" for change in due.keys() - heard.keys()]
    wrong += [f"told and never happened: {change}" for change in heard.keys() - due.keys()]
    both = due.keys() & heard.keys()
    return wrong + [f"told as {heard[one]}: {one}, {due[one]} times" for one in both if len(heard[one]) != due[one]]


def run_rounds(folder: Path, kills: int, seed: int, receiver: Receiver) -> Figures:
    """All rounds; ends early when something is broken."""
    chance, start = random.Random(seed), time.monotonic()
    facts = new_store(folder)
    webhook = f"http://shop.test/rest/{facts['user_id']}/{facts['webhook_code']}/"
    keys = {name: str(facts[name]) for name in ("web_api_key", "app_key")}
    visitors = [Visitor(slot, random.Random(chance.random()), webhook, keys) for slot in range(VISITORS)]
    shop = Shop(folder, facts, chance, visitors)
    listened = [word for event in sorted(set(TOLD.values())) for word in ("--event", event)]
    hooked = command("event", "hook", "add", receiver.url, *listened, "--data", folder, environment=ENVIRONMENT)
    assert hooked.returncode == 0, hooked.stderr
    try:
        while shop.figures.kills < kills:
            with served(shop) as server:
                load(shop, server)
        finish(shop, receiver)
    except Broken as error:
        shop.figures.broken.append(str(error))
    shop.figures.acked_adds = sum(visitor.acked_adds for visitor in visitors)
    shop.figures.acked_deletes = sum(visitor.acked_deletes for visitor in visitors)
    shop.figures.reads = sum(visitor.reads for visitor in visitors)
    shop.figures.seconds = round(time.monotonic() - start, 1)
    return shop.figures


async def run(folder: Path, kills: int, seed: int) -> Figures:
    """So many kills of servers over a new store in *folder*; the receiver of their events lives in this loop."""
    async with receiving() as receiver:
        return await asyncio.to_thread(run_rounds, folder, kills, seed, receiver)
