"""A call with a key is done once, whatever comes between its claim and its answer."""

import asyncio
import dataclasses
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import pictures
from build import Clock, make_account, make_product
from moments import with_ages
from packshot.domain.access import Principal
from packshot.domain.errors import Conflict, InvalidValue, KeyReused, NotFound, PackshotError, StillRunning, Unavailable
from packshot.domain.images import ProductImage
from packshot.domain.products import Kind
from packshot.services import idempotency, images, products, upkeep
from packshot.services.core import Core, IdempotencySettings
from packshot.services.idempotency import LEASE_S, Key, key_of, once
from packshot.services.originals import Upload
from packshot.services.products import Product
from packshot.storage.database import Tx

SHIRT = pictures.png()
KEY = Key("k", "catalog.productImage.add")
DAY_S = 86_400

Add = Callable[..., Coroutine[Any, Any, ProductImage]]


@pytest.fixture
async def shirt(core: Core, admin: Principal) -> int:
    return await make_product(core, admin)


@pytest.fixture
def add(core: Core, admin: Principal, shirt: int) -> Add:
    """`await add(KEY, "said")` adds the one picture to the one product, once for that key."""

    async def call(key: Key = KEY, said: object = "", on: Core = core, by: Principal = admin) -> ProductImage:
        upload = Upload("shirt.png", len(SHIRT), lambda: SHIRT)
        return await once(on, by, key, said, images.add_to_product, shirt, "more", upload)

    return call


async def count(core: Core, table: str = "image") -> int:
    row = await core.db.one(f"SELECT count(*) FROM {table}")
    assert row is not None
    return int(row[0])


class Dead(BaseException):
    """What a process dies of here: nothing of ours catches it."""


class Dying:
    """A database whose writes work so often, and kill the process before, or after, the next one."""

    def __init__(self, core: Core, writes: int, *, after: bool = False) -> None:
        self._db, self._left, self._after = core.db, writes, after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)

    async def write(self, work: Any, **how: Any) -> Any:
        self._left -= 1
        if self._left < 0 and not self._after:
            raise Dead
        result = await self._db.write(work, **how)
        if self._left < 0:
            raise Dead
        return result


def dying(core: Core, writes: int, *, after: bool = False) -> Core:
    db: Any = Dying(core, writes, after=after)
    return dataclasses.replace(core, db=db)


# What is kept


async def test_a_repetition_gets_what_the_first_call_came_to_and_adds_nothing(core: Core, add: Add) -> None:
    first = await add()
    second = await add()

    assert first == second
    assert await count(core) == 1


async def test_the_same_key_with_another_call_behind_it_is_refused(core: Core, add: Add) -> None:
    await add(said={"productId": 1})

    for said in ({"productId": 2}, {"productid": 1}, {}, [{"productId": 1}]):
        with pytest.raises(KeyReused):
            await add(said=said)
    assert await count(core) == 1


async def test_the_order_of_names_does_not_make_another_call(core: Core, add: Add) -> None:
    await add(said={"a": 1, "b": {"c": 2, "d": 3}})
    await add(said={"b": {"d": 3, "c": 2}, "a": 1})

    assert await count(core) == 1


async def test_keys_of_other_methods_places_and_accounts_are_other_keys(core: Core, add: Add, shirt: int) -> None:
    stranger, _ = await make_account(core, "second")
    await add()

    await add(Key("k", "another"))
    await add(Key("k", "batch").of_command(0, KEY.method))
    await add(Key("k", "batch").of_command(1, KEY.method))
    with pytest.raises(NotFound):  # its own call, which finds no such product
        await add(by=stranger)

    assert await count(core) == 4
    assert shirt


async def test_after_a_day_the_key_stands_for_nothing_and_upkeep_forgets_it(core: Core, add: Add, clock: Clock) -> None:
    await add()
    clock.advance(DAY_S - 1)
    await add()
    assert await upkeep.purge(core) == 0
    assert await count(core) == 1

    clock.advance(1)
    await add(said="something else")
    assert await count(core) == 2
    clock.advance(DAY_S)

    assert await upkeep.purge(core) == 1
    assert await count(core, "idempotency") == 0


async def test_the_setting_says_how_long_a_key_is_kept(core: Core, add: Add, clock: Clock) -> None:
    short = dataclasses.replace(core, idempotency=IdempotencySettings(keep_s=LEASE_S + 10))
    await add(on=short)
    clock.advance(LEASE_S + 10)

    await add(on=short)

    assert await count(core) == 2


async def test_upkeep_leaves_a_call_under_way_alone(core: Core, add: Add, clock: Clock) -> None:
    nothing_kept = dataclasses.replace(core, idempotency=IdempotencySettings(keep_s=0))
    with pytest.raises(Dead):
        await add(on=dying(nothing_kept, 1))
    clock.advance(LEASE_S - 1)

    await upkeep.run_once(with_ages(core, young_s=-1, retention_s=-1, grace_s=0))

    assert await count(core, "idempotency") == 1


async def test_a_service_that_writes_nothing_is_not_asked_again(core: Core, admin: Principal) -> None:
    asked = []

    async def look(_: Core, __: Principal, number: int) -> list[int]:
        asked.append(number)
        return [number]

    answers = [await once(core, admin, KEY, "", look, 7) for _ in range(2)]

    assert answers == [[7], [7]]
    assert asked == [7]


async def test_what_another_version_kept_is_not_done_again(core: Core, add: Add) -> None:
    await add()

    async def work(tx: Tx) -> None:
        await tx.run("""UPDATE idempotency SET result = '{"id": "of another kind"}'""")

    await core.db.write(work)

    with pytest.raises(Conflict, match="another version"):
        await add()
    assert await count(core) == 1


# Failures


async def test_a_call_that_fails_frees_its_key_at_once(core: Core, admin: Principal, add: Add, shirt: int) -> None:
    broken = Upload("shirt.png", 3, lambda: b"no!")

    for _ in range(2):
        with pytest.raises(PackshotError):
            await once(core, admin, KEY, "broken", images.add_to_product, shirt, "more", broken)
    await add(said="whole")

    assert await count(core) == 1


async def test_what_fails_after_its_work_was_committed_counts_as_done(core: Core, admin: Principal) -> None:
    async def add_product(core: Core, caller: Principal) -> Product:
        await products.add(core, caller, Kind.SIMPLE, {"catalog_id": 1, "name": "Shirt"})
        raise Unavailable("answer")

    with pytest.raises(Unavailable):
        await once(core, admin, KEY, "", add_product)

    made = await once(core, admin, KEY, "", add_product)
    assert made == await products.get(core, admin, 1, tuple(Kind))
    assert await count(core, "product") == 1


# Crashes and races


async def test_while_a_call_runs_its_repetition_is_told_to_come_back(core: Core, admin: Principal) -> None:
    begun, end = asyncio.Event(), asyncio.Event()

    async def wait(_: Core, __: Principal) -> int:
        begun.set()
        await end.wait()
        return 1

    running = asyncio.create_task(once(core, admin, KEY, "", wait))
    await begun.wait()

    with pytest.raises(StillRunning) as told:
        await once(core, admin, KEY, "", wait)
    end.set()

    assert told.value.retry_after_s == 1
    assert await running == await once(core, admin, KEY, "", wait) == 1


async def test_many_equal_calls_at_once_add_one_image(core: Core, add: Add) -> None:
    answers = await asyncio.gather(*(add() for _ in range(50)), return_exceptions=True)

    (image,) = {answer for answer in answers if not isinstance(answer, StillRunning)}
    assert image == await add()
    assert await count(core) == 1


async def test_a_claim_that_a_crash_left_is_free_after_its_lease(core: Core, add: Add, clock: Clock) -> None:
    with pytest.raises(Dead):
        await add(on=dying(core, 1))
    assert await count(core, "idempotency") == 1

    clock.advance(LEASE_S - 1)
    with pytest.raises(StillRunning):
        await add()
    clock.advance(1)
    first = await add()

    assert await add() == first
    assert await count(core) == 1


async def test_a_clock_that_is_a_little_behind_the_one_that_claimed_leaves_the_call_in_peace(
    core: Core, add: Add, clock: Clock
) -> None:
    with pytest.raises(Dead):
        await add(on=dying(core, 1))

    clock.advance(-1)

    with pytest.raises(StillRunning):
        await add()


async def test_a_clock_that_was_put_back_makes_no_lease_longer(core: Core, add: Add, clock: Clock) -> None:
    with pytest.raises(Dead):
        await add(on=dying(core, 1))

    clock.advance(-3_600)
    image = await add()

    assert await add() == image
    assert await count(core) == 1


async def test_a_key_that_a_crash_left_is_free_for_another_call_after_its_lease(
    core: Core, add: Add, clock: Clock
) -> None:
    with pytest.raises(Dead):
        await add(on=dying(core, 1))

    with pytest.raises(KeyReused):
        await add(said={"other": 1})
    clock.advance(LEASE_S)
    image = await add(said={"other": 1})

    assert await add(said={"other": 1}) == image
    with pytest.raises(KeyReused):
        await add()


async def test_a_crash_after_the_work_loses_the_answer_and_not_what_it_was(core: Core, add: Add) -> None:
    with pytest.raises(Dead):
        await add(on=dying(core, 1, after=True))

    image = await add()

    assert await core.db.all("SELECT id, address FROM image") == [(image.id, image.address)]


async def test_a_call_that_outlives_its_lease_is_undone_where_its_repetition_was_faster(
    core: Core, add: Add, clock: Clock
) -> None:
    class Slow:
        """A database that keeps the second write waiting: that of the work."""

        def __init__(self) -> None:
            self.writes, self.begun, self.end = 0, asyncio.Event(), asyncio.Event()

        def __getattr__(self, name: str) -> Any:
            return getattr(core.db, name)

        async def write(self, work: Any, **how: Any) -> Any:
            self.writes += 1
            if self.writes == 2:
                self.begun.set()
                await self.end.wait()
            return await core.db.write(work, **how)

    slow: Any = Slow()
    late = asyncio.create_task(add(on=dataclasses.replace(core, db=slow)))
    await slow.begun.wait()
    clock.advance(LEASE_S)

    image = await add()
    slow.end.set()

    with pytest.raises(StillRunning):
        await late
    assert await core.db.all("SELECT id FROM image") == [(image.id,)]
    assert await add() == image


async def test_a_cancelled_call_keeps_its_claim_until_the_lease_ends(
    core: Core, admin: Principal, clock: Clock
) -> None:
    begun = asyncio.Event()

    async def wait(_: Core, __: Principal) -> int:
        if begun.is_set():
            return 2
        begun.set()
        await asyncio.Event().wait()
        return 1

    running = asyncio.create_task(once(core, admin, KEY, "", wait))
    await begun.wait()
    running.cancel()
    await asyncio.wait([running])

    with pytest.raises(StillRunning):
        await once(core, admin, KEY, "", wait)
    clock.advance(LEASE_S)
    assert await once(core, admin, KEY, "", wait) == 2


# Keys


@pytest.mark.parametrize("header", [b"k", b"!" * 255, b"8e03978e-40d5-43e8-bc93-6894a57f9324", b'"quoted"'])
def test_a_key_is_any_visible_ascii(header: bytes) -> None:
    assert key_of(header, "m") == Key(header.decode(), "m")


@pytest.mark.parametrize("header", [b"", b"k" * 256, b"two words", b"\xc3\xa9", b"tab\t", b"\x00"])
def test_what_is_no_key_is_refused(header: bytes) -> None:
    with pytest.raises(InvalidValue, match="1 to 255 visible ASCII"):
        key_of(header, "m")


def test_no_header_is_no_key() -> None:
    assert key_of(None, "m") is None
    assert idempotency.HEADER == b"idempotency-key"
