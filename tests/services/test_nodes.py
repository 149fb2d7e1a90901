"""What servers that share a store in PostgreSQL do for each other, as several cores over one database."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
import pytest

import postgres
from build import believing, fail_loudly
from packshot import app
from packshot.config import Settings
from packshot.domain.access import Principal
from packshot.domain.errors import LimitReached
from packshot.protocols.bitrix import limits
from packshot.protocols.bitrix.errors import SystemRefusal
from packshot.protocols.bitrix.limits import Limiter, LimitSettings
from packshot.services import handlers, nodes, setup, upkeep
from packshot.services.core import Core
from packshot.services.deliveries import Deliveries
from packshot.services.nodes import Disagreement
from packshot.storage.folder import KeySettings
from receiver import BASE_URL, PRIVATE, receiving, told

CALLER = Principal(1, 1, "administrator", frozenset({"catalog"}), 7)
METHOD = "catalog.product.list"
AGREED = {"blobs.url": "s3://shop/originals", "originals.privacy": "keep"}


@pytest.fixture
async def cores(tmp_path: Path) -> AsyncIterator[list[Core]]:
    """Two nodes of one store, in which nothing is but the account main."""
    with postgres.lent() as url:
        database = msgspec.structs.replace(PRIVATE.database, url=url)
        blobs = msgspec.structs.replace(PRIVATE.blobs, url=f"file://{tmp_path}/originals")
        (tmp_path / "originals" / "blobs").mkdir(parents=True)
        keys = KeySettings(str(tmp_path / "store.key"))
        settings = believing(msgspec.structs.replace(PRIVATE, database=database, blobs=blobs, keys=keys))
        async with AsyncExitStack() as stack:
            opened = [
                await stack.enter_async_context(app.open_core(tmp_path / name, settings, fail_loudly))
                for name in ("one", "two")
            ]
            await setup.create_account(opened[0])
            yield opened


async def change(core: Core, sql: str) -> None:
    await core.db.write(lambda tx: tx.run(sql))


async def once(core: Core, seconds: float = 0.0, every_s: float = 60) -> int | None:
    async def work(times: int) -> int:
        await asyncio.sleep(seconds)
        return times

    return await nodes.once(core, "chore", every_s, work)


# Jobs


async def test_a_job_is_done_by_one_node_and_is_not_due_again_for_the_others_before_its_time(
    cores: list[Core],
) -> None:
    at_once = await asyncio.gather(*(once(core, 0.05) for core in cores))
    again = [await once(core) for core in cores]
    await change(cores[0], "UPDATE job SET until = until - 60000000")
    later = [await once(core) for core in reversed(cores)]

    assert sorted(at_once, key=repr) == [0, None]
    assert sorted(again, key=repr) == [1, None]  # whoever has it decides for itself
    assert later == [2, None]


async def test_a_long_job_stays_with_its_node(cores: list[Core], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "LEASE_S", 0.6)

    doing = asyncio.create_task(once(cores[0], 1.5))
    await asyncio.sleep(1.2)
    other = await once(cores[1])

    assert other is None
    assert await doing == 0


async def test_a_job_of_a_killed_node_goes_to_another_one_after_a_while(
    cores: list[Core], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes, "LEASE_S", 0.3)
    doing = asyncio.create_task(once(cores[0], 60))
    await asyncio.sleep(0.1)
    doing.cancel()

    at_first = await once(cores[1])
    await asyncio.sleep(0.4)

    assert at_first is None
    assert await once(cores[1]) == 1


async def test_a_node_that_lost_its_job_is_stopped_in_the_middle_of_it(
    cores: list[Core], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes, "LEASE_S", 0.6)

    doing = asyncio.create_task(once(cores[0], 60))
    await asyncio.sleep(0.05)
    await change(cores[0], "UPDATE job SET node = 'another'")

    assert await asyncio.wait_for(doing, 10) is None


async def test_what_fails_in_a_job_is_told_and_leaves_it_to_the_next_try(cores: list[Core]) -> None:
    async def fail(_: int) -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        await nodes.once(cores[0], "chore", 60, fail)

    assert await once(cores[0]) == 1


# Agreement


async def test_the_first_node_says_what_all_have_to_have_alike(cores: list[Core]) -> None:
    one, two = cores
    await nodes.join(one, AGREED)

    await nodes.join(two, AGREED | {"trash.keep_s": "5"})  # of a newer version, which knows of one more

    assert [node.id for node in await nodes.of_seen(two)] == sorted(core.node for core in cores)
    with pytest.raises(Disagreement, match=r"originals\.privacy is 'strip_all' here and 'keep' for the running"):
        await nodes.join(dataclasses.replace(one, node="three"), AGREED | {"originals.privacy": "strip_all"})
    with pytest.raises(Disagreement, match=r"trash\.keep_s is '6' here and '5' for the servers of this store"):
        await nodes.require_agreement(one, {"trash.keep_s": "6"})


async def test_when_all_have_left_the_next_one_says_something_else(cores: list[Core]) -> None:
    one, two = cores
    await nodes.join(one, AGREED)
    await nodes.leave(one)

    await nodes.join(two, {"originals.privacy": "strip_all"})

    await nodes.require_agreement(one, {"originals.privacy": "strip_all", "blobs.url": "anything"})


async def test_a_node_that_slept_while_others_agreed_on_something_else_stops(
    cores: list[Core], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes, "BEAT_S", 0.05)
    one, two = cores
    stopped = asyncio.Event()
    await nodes.join(one, AGREED)
    await change(one, "UPDATE node SET seen_at = seen_at - 61000000")

    await nodes.join(two, {"originals.privacy": "strip_all"})
    staying = asyncio.create_task(nodes.stay(one, AGREED, stopped.set))

    await asyncio.wait_for(stopped.wait(), 10)
    await staying
    assert [node.id for node in await nodes.of_seen(two)] == [two.node]


# Events


async def test_no_more_events_go_to_a_receiver_at_once_than_one_node_would_send(cores: list[Core]) -> None:
    async with receiving() as receiver, Deliveries(cores[0], BASE_URL) as one, Deliveries(cores[1], BASE_URL) as two:
        receiver.answer = lambda _: None
        hook = await handlers.add_webhook(cores[0], "main", receiver.url, ["CATALOG.PRODUCT.ON.ADD"])
        for product_id in range(8):
            await change(
                cores[0],
                "INSERT INTO outbox"
                " (account_id, receiver_id, handler_id, event, product_id, data, user_id, created_at, next_at)"
                f" SELECT account_id, receiver_id, id, event, {product_id}, '{{}}', 1, 5, 5 FROM event_handler",
            )

        await asyncio.gather(one.start_due(), two.start_due())
        await told(receiver, 4)
        await two.start_due()
        await one.start_due()
        await asyncio.sleep(0.2)

    assert hook.id == 1
    assert len({letter.event_id for letter in receiver.letters}) == len(receiver.letters) == 4


# Limits


async def test_decision_9_a_bucket_takes_its_burst_from_all_nodes_together(cores: list[Core]) -> None:
    limiter = Limiter(LimitSettings("standard", calls_per_s=0.1, burst=20))

    async def count(core: Core) -> int:
        try:
            await limits.count(core, limiter, 1, "10.0.0.1")
        except LimitReached as error:
            return error.retry_after_s
        return 0

    waits = await asyncio.gather(*(count(cores[number % 2]) for number in range(60)))
    for account_id in (1, 2):
        await limits.count(cores[0], limiter, account_id, "10.0.0.2")

    assert waits.count(0) == 20
    assert {wait for wait in waits if wait} <= {9, 10}


async def test_a_bucket_leaks(cores: list[Core]) -> None:
    limiter = Limiter(LimitSettings("standard", calls_per_s=1, burst=2))
    for _ in range(2):
        await limits.count(cores[0], limiter, 1, "10.0.0.1")
    with pytest.raises(LimitReached):
        await limits.count(cores[1], limiter, 1, "10.0.0.1")

    await change(cores[0], "UPDATE calls_counted SET empty_at = empty_at - 1000000")

    await limits.count(cores[1], limiter, 1, "10.0.0.1")


async def test_seconds_of_a_method_add_up_over_all_nodes_and_leave_the_window(cores: list[Core]) -> None:
    limiter = Limiter(LimitSettings("standard", operating_s=100))
    await limits.spend(cores[0], limiter, CALLER, METHOD, 60)
    await limits.require(cores[1], limiter, CALLER, METHOD)
    operated = await limits.spend(cores[1], limiter, CALLER, METHOD, 60)

    with pytest.raises(SystemRefusal) as refused:
        await limits.require(cores[0], limiter, CALLER, METHOD)
    await limits.require(cores[0], limiter, CALLER, "another")
    await change(cores[0], "UPDATE time_operated SET began_at = began_at - 600000000")
    await limits.require(cores[0], limiter, CALLER, METHOD)

    assert operated.seconds == 120
    assert 530 <= (refused.value.retry_after_s or 0) <= 541


async def test_upkeep_forgets_what_counts_no_more(cores: list[Core]) -> None:
    limiter = Limiter(LimitSettings("standard"))
    await limits.count(cores[0], limiter, 1, "10.0.0.1")
    await limits.spend(cores[0], limiter, CALLER, METHOD, 1)
    await change(cores[0], "UPDATE calls_counted SET empty_at = 5")
    await change(cores[0], "UPDATE time_operated SET began_at = 5")

    await upkeep.run_once(cores[1])

    for table in ("calls_counted", "time_operated"):
        assert await cores[0].db.all(f"SELECT * FROM {table}") == []


async def test_a_call_that_was_answered_is_not_refused_since_it_cannot_be_counted(
    cores: list[Core], settings: Settings
) -> None:
    limiter = Limiter(LimitSettings("standard"))
    await cores[0].db.close()

    operated = await limits.spend(cores[0], limiter, CALLER, METHOD, 2)

    assert operated.seconds == 2
    assert settings.limits.profile == "off"
