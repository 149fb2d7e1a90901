"""What servers that share a store in PostgreSQL do for each other, as several cores over one database."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import msgspec
import pytest

import postgres
from build import believing, fail_loudly
from packshot import app
from packshot.config import Settings
from packshot.domain.access import Principal
from packshot.domain.errors import LimitReached
from packshot.domain.events import Listener, Waiting, after_failure
from packshot.protocols.bitrix import limits
from packshot.protocols.bitrix.errors import SystemRefusal
from packshot.protocols.bitrix.limits import Limiter, LimitSettings
from packshot.services import handlers, nodes, setup, upkeep
from packshot.services.core import Core
from packshot.services.deliveries import Deliveries, deliver_for_ever
from packshot.services.nodes import Disagreement
from packshot.storage import idempotency, jobs, outbox, tokens
from packshot.storage import nodes as rows
from packshot.storage.database import Tx
from packshot.storage.folder import KeySettings
from receiver import BASE_URL, PRIVATE, receiving, told

CALLER = Principal(1, 1, "administrator", frozenset({"catalog"}), 7)
THIS = "datname = current_database()"
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


async def until(core: Core, sql: str) -> None:
    """Wait until there is such a row."""
    for _ in range(500):
        if await core.db.one(sql):
            return
        await asyncio.sleep(0.02)
    pytest.fail(sql)


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


async def test_a_lease_that_is_prolonged_too_late_has_nothing_done_too_early(cores: list[Core]) -> None:
    await once(cores[0])

    kept = await cores[0].db.write(partial(jobs.keep, name="chore", node=cores[0].node, for_us=5))

    assert kept
    assert await once(cores[1]) is None


# Agreement


async def test_the_first_node_says_what_all_have_to_have_alike(cores: list[Core]) -> None:
    one, two = cores
    await nodes.join(one, AGREED)

    await nodes.join(two, AGREED | {"trash.keep_s": "5"})  # of a newer version, which knows of one more

    assert [core.node_counts["seen"] for core in cores] == [1, 2]
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


async def test_a_node_that_was_forgotten_joins_again_and_one_that_has_left_is_not_brought_back(
    cores: list[Core], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes, "BEAT_S", 0.05)
    one, two = cores
    await nodes.join(one, AGREED)
    await nodes.leave(one)
    late = await one.db.write(partial(rows.say_again, node_id=one.node))
    seen = await nodes.of_seen(two)

    staying = asyncio.create_task(nodes.stay(one, AGREED, lambda: None))
    await until(two, "SELECT 1 FROM node")
    staying.cancel()

    assert (late, seen) == (False, [])


# Events


async def test_no_more_events_go_to_a_receiver_at_once_than_one_node_would_send(cores: list[Core]) -> None:
    async with receiving() as receiver, Deliveries(cores[0], BASE_URL) as one, Deliveries(cores[1], BASE_URL) as two:
        receiver.answer = lambda _: None
        await note(cores[0], receiver.url, 8)

        await asyncio.gather(one.start_due(), two.start_due())
        await told(receiver, 4)
        await two.start_due()
        await one.start_due()
        await asyncio.sleep(0.2)

    assert len({letter.event_id for letter in receiver.letters}) == len(receiver.letters) == 4


async def test_a_node_asks_less_and_less_often_while_another_one_sends_all_that_may_go_to_a_receiver(
    cores: list[Core],
) -> None:
    one, two = cores
    async with receiving() as receiver, Deliveries(one, BASE_URL) as sending:
        receiver.answer = lambda _: None
        await note(one, receiver.url, 8)
        await sending.start_due()
        await told(receiver, 4)
        before = two.db.writes

        looking = asyncio.create_task(deliver_for_ever(two, BASE_URL))
        await asyncio.sleep(1.5)
        looking.cancel()
        await asyncio.wait([looking])

    assert len(receiver.letters) == 4
    assert 1 < two.db.writes - before < 14


async def test_a_failure_of_a_node_that_stood_still_does_not_undo_what_another_one_sent_meanwhile(
    cores: list[Core],
) -> None:
    one, two = cores
    await note(one, "https://receiver.example", 2)
    late, other = await claimed(one)
    await change(one, "UPDATE outbox SET claimed_until = 5")
    again, failing = await claimed(two)
    failed = after_failure(1, None, 5, 0.0)
    await two.db.write(partial(outbox.mark_delivered, event=again, now=5))
    await two.db.write(partial(outbox.mark_failed, event=failing, error="first", verdict=failed, now=5))

    for event in (late, other):
        await one.db.write(partial(outbox.mark_failed, event=event, error="late", verdict=failed, now=5))

    rows = await one.db.all("SELECT state, attempts, error FROM outbox ORDER BY id")
    assert rows == [("delivered", 1, None), ("waiting", 1, "first")]


async def test_what_somebody_notes_another_event_behind_is_left_out_and_not_waited_for(cores: list[Core]) -> None:
    one, two = cores
    await note(one, "https://receiver.example", 2)
    noting, go = asyncio.Event(), asyncio.Event()

    async def note_another(tx: Tx) -> None:
        await outbox.add_event(tx, 1, Listener(1, None, 1, "CATALOG.PRODUCT.ON.ADD", 1, ""), (0, "{}", 1, 5))
        noting.set()
        await go.wait()

    task = asyncio.create_task(one.db.write(note_another))
    await noting.wait()
    try:
        meanwhile = await asyncio.wait_for(claimed(two), 3)
    finally:
        go.set()
        await task

    assert [event.product_id for event in meanwhile] == [1]
    assert [event.product_id for event in await claimed(two)] == [0]


async def note(core: Core, url: str, count: int) -> None:
    """Have events of so many products be due for one receiver, whose handler has the id 1."""
    await handlers.add_webhook(core, "main", url, ["CATALOG.PRODUCT.ON.ADD"])
    for product_id in range(count):
        await change(
            core,
            "INSERT INTO outbox"
            " (account_id, receiver_id, handler_id, event, product_id, data, user_id, created_at, next_at)"
            f" SELECT account_id, receiver_id, id, event, {product_id}, '{{}}', 1, 5, 5 FROM event_handler",
        )


async def claimed(core: Core) -> list[Waiting]:
    return await core.db.write(
        partial(outbox.claim, receiver_id=1, now=core.now(), places=4, lease=(core.node, 30_000_000))
    )


# Purging


@pytest.mark.parametrize(
    ("made", "renewed", "purge"),
    [
        (
            (
                "INSERT INTO idempotency (account_id, method, key, digest, lease_ends_at, expires_at)"
                " VALUES (1, 'm', 'k', 'd', 5, 5)"
            ),
            "UPDATE idempotency SET expires_at = 900",
            partial(idempotency.purge, now=500, limit=9),
        ),
        (
            "INSERT INTO login_session (member_id, session_hash, expires_at) SELECT min(id), 'h', 5 FROM member",
            "UPDATE login_session SET expires_at = 900",
            partial(tokens.purge, now=500, before=500, limit=9),
        ),
        (
            (
                "INSERT INTO outbox (account_id, receiver_id, handler_id, event, product_id, data, user_id, created_at,"
                " state) SELECT account_id, receiver_id, id, event, 1, '{}', 1, 5, 'failed' FROM event_handler"
            ),
            "UPDATE outbox SET state = 'waiting'",
            partial(outbox.purge, before=500, limit=9),
        ),
    ],
    ids=["key of a call", "login", "event"],
)
async def test_what_is_needed_again_at_that_moment_is_not_purged(
    cores: list[Core], made: str, renewed: str, purge: Callable[[Tx], Awaitable[int]]
) -> None:
    one, two = cores
    await handlers.add_webhook(one, "main", "https://receiver.example", ["CATALOG.PRODUCT.ON.ADD"])
    await change(one, made)
    renewing, go = asyncio.Event(), asyncio.Event()

    async def renew(tx: Tx) -> int:
        count = await tx.run(renewed)
        renewing.set()
        await go.wait()
        return count

    task = asyncio.create_task(one.db.write(renew))
    await renewing.wait()
    purging = asyncio.create_task(two.db.write(purge))
    try:
        await until(
            one, "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
    finally:
        go.set()

    assert await task == 1
    assert await purging == 0


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
