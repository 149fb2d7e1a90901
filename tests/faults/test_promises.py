"""Faults of the disk and of the database under both protocols, again and again: everybody is answered as promised."""

import asyncio
import contextlib
import random
import sqlite3
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from faults.weather import Clients, Fault, Store, Weather, is_full, is_good, is_unavailable, opened
from hooked import until
from packshot.domain.errors import Unavailable
from packshot.services import handlers, libraries, scrub, upkeep
from packshot.services.deliveries import Deliveries
from packshot.storage import reserve
from packshot.storage.folder import DATABASE
from receiver import BASE_URL, receiving, told

SHORT, LONG = 4, 100
HEALED_S = 2.0
DISK_FAULTS: list[Fault] = ["full", "read-only", "broken"]


@pytest.fixture
def weather(monkeypatch: pytest.MonkeyPatch) -> Weather:
    made = Weather()
    made.begin(monkeypatch)
    return made


async def must_be(right: Callable[[httpx.Response], bool], *calls: Callable[[], Awaitable[httpx.Response]]) -> int:
    """Each of these calls, all made at once, gets the right answer; how many that were."""
    answers = await asyncio.gather(*(call() for call in calls))
    for answer in answers:
        assert right(answer), answer.text
    return len(answers)


async def healed(clients: Clients) -> float:
    """After how many seconds both protocols take pictures and rows again."""
    begun = time.monotonic()
    for add in clients.adding:
        while not is_good(await add()):
            assert time.monotonic() - begun < HEALED_S, "not healed"
            await asyncio.sleep(0.01)
    return time.monotonic() - begun


async def strike(store: Store, fault: Fault, chance: random.Random) -> int:
    """The disk has that fault while calls of all kinds come in; how many were answered, each as promised."""
    clients = store.clients
    store.weather.choose(chance)
    store.weather.fault = fault
    adding, removing = chance.sample(clients.adding, 3), list(clients.removing)
    if fault == "full":
        count = await must_be(is_full, *adding)
        count += await must_be(is_good, *removing)
        count += await must_be(is_full, *adding)
    else:
        count = await must_be(is_unavailable, *adding, *removing)
    await clients.must_have_everything()
    store.weather.fault = ""
    assert bool(store.failures) == (fault == "broken")
    store.failures.clear()
    return count


async def run(folder: Path, weather: Weather, fault: Fault, times: int) -> str:
    """That fault so many times; the figures in a line."""
    chance, answers, slowest_s = random.Random(fault), 0, 0.0
    async with opened(folder, weather, seed=times) as store:
        for _ in range(times):
            await store.clients.stock_up()
            answers += await strike(store, fault, chance)
            slowest_s = max(slowest_s, await healed(store.clients))
            await store.clients.must_have_everything()
            assert store.core.reserve.is_held()
    return f"{fault}: {times} times, {answers} answers as promised, nothing lost, healed within {slowest_s:.2f} s"


@pytest.mark.parametrize("fault", DISK_FAULTS)
async def test_a_few_faults_of_the_disk_are_answered_as_promised(
    tmp_path: Path, weather: Weather, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reserve, "LOOK_EVERY_S", 0.1)

    await run(tmp_path / "data", weather, fault, SHORT)


@pytest.mark.long
@pytest.mark.parametrize("fault", DISK_FAULTS)
async def test_faults_of_the_disk_are_answered_as_promised(
    tmp_path: Path, weather: Weather, fault: Fault, capsys: pytest.CaptureFixture[str]
) -> None:
    told = await run(tmp_path / "data", weather, fault, LONG)

    with capsys.disabled():
        sys.stdout.write(f"\n{told}\n")


async def told_of_deletions(store: Store) -> None:
    """Send the event of a deletion, which is noted before the disk breaks."""
    async with receiving() as receiver:
        await handlers.add_webhook(store.core, "main", receiver.url, ["PACKSHOT.IMAGE.ON.DELETE"])
        await store.clients.remove_image()
        store.weather.fault = "broken"
        async with Deliveries(store.core, BASE_URL) as deliveries:
            await deliveries.start_due()
            await told(receiver)


BACKGROUND: dict[str, Callable[[Store], Awaitable[object]]] = {
    "upkeep": lambda store: upkeep.run_once(store.core),
    "scrub": lambda store: scrub.run_once(store.core, lambda _: None),
    "expiry": lambda store: libraries.expire(store.core),
    "deliveries": told_of_deletions,
}


@pytest.mark.parametrize("work", BACKGROUND)
async def test_what_nobody_waits_for_is_told_of_a_broken_disk_too(tmp_path: Path, weather: Weather, work: str) -> None:
    async with opened(tmp_path / "data", weather) as store:
        await store.clients.stock_up()
        store.weather.fault = "" if work == "deliveries" else "broken"

        with contextlib.suppress(Unavailable):
            await BACKGROUND[work](store)
        await until(lambda: bool(store.failures))


async def run_locked(folder: Path, weather: Weather, times: int) -> str:
    """Somebody else holds the database so many times, half of them for too long; the figures in a line."""
    chance, refused, slowest_s, longest_s = random.Random("locked"), 0, 0.0, 0.0
    async with opened(folder, weather, seed=times) as store:
        clients = store.clients
        for number in range(times):
            await clients.stock_up()
            calls = [*(10 * [clients.add_product, clients.add_address]), *clients.removing]
            begun = time.monotonic()
            with closing(sqlite3.connect(folder / DATABASE, isolation_level=None)) as other:
                other.execute(chance.choice(["BEGIN EXCLUSIVE", "BEGIN IMMEDIATE"]))
                calling = asyncio.create_task(must_be(is_unavailable if number % 2 else is_good, *calls))
                await clients.must_be_readable()
                if number % 2:
                    refused += await calling
                    longest_s = max(longest_s, time.monotonic() - begun)
            await calling
            slowest_s = max(slowest_s, await healed(clients))
            await clients.must_have_everything()
    assert longest_s < 4 * weather.patience_s  # one after another they would have waited twenty times as long
    return f"locked: {times} times, {refused} refused as promised after {longest_s:.2f} s, healed in {slowest_s:.2f} s"


async def test_a_database_that_is_locked_a_few_times_is_waited_for_but_not_too_long(
    tmp_path: Path, weather: Weather
) -> None:
    weather.patience_s = 1

    await run_locked(tmp_path / "data", weather, SHORT)


@pytest.mark.long
async def test_a_database_that_is_locked_is_waited_for_but_not_too_long(
    tmp_path: Path, weather: Weather, capsys: pytest.CaptureFixture[str]
) -> None:
    weather.patience_s = 1

    told = await run_locked(tmp_path / "data", weather, LONG)

    with capsys.disabled():
        sys.stdout.write(f"\n{told}\n")
