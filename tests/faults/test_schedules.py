"""Everybody on one digest at once, on PostgreSQL: in orders of single statements, and without any order."""

import asyncio
import random
import sys
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

import stock
from build import make_image, make_product
from faults.interleaving import Wrong
from faults.races import ACTS, BINNED, MAY_MISS, MODEL, SHOWN
from faults.scheduling import Schedule, judge
from moments import with_ages
from packshot.domain.errors import NotFound
from packshot.domain.images import ImageRole
from packshot.domain.paging import Query
from packshot.services import images, libraries, upkeep
from packshot.services.core import Core
from packshot.services.verify import verify
from side_by_side import Shop, open_shop, without_locks
from stock import CALLER

SHORT, LONG = 60, 1_000
ROLES: Sequence[ImageRole] = ("detail", "preview", "more", "more")
SETS: Sequence[Sequence[str]] = (
    MODEL, ("add", "delete", "doom"), ("add", "add too", "doom", "reap"), ("add", "doom", "restore"),
    ("add", "delete", "restore", "purge", "doom", "reap"),
)  # fmt: skip


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(tmp_path) as opened:
        await make_product(opened.core, opened.admin)
        assert (opened.admin.account_id, opened.admin.user_id) == (CALLER.account_id, CALLER.user_id)
        yield opened


async def one_order(shop: Shop, seed: int) -> int:
    """Let some of them act in the order of that seed; return how many steps it has. Raises: Wrong."""
    chance = random.Random(seed)
    await shop.looking.execute("DELETE FROM image; DELETE FROM deletion; DELETE FROM blob; DELETE FROM hold")
    files: dict[str, tuple[bytes, str]] = {}
    names = SETS[seed % len(SETS)]
    for guid, wanted in ((SHOWN, chance.random() < 2 / 3), (BINNED, "restore" in names)):
        if wanted:
            made = (await Schedule(shop, files, chance).run({"scene": ACTS["add"]}))["scene"]
            await shop.looking.execute("UPDATE image SET guid = $1 WHERE guid = $2", guid, made)
    if "restore" in names:
        await libraries.remove_images(shop.core, CALLER, [BINNED], None)
        last = await shop.value("SELECT max(id) FROM deletion")
        await shop.looking.execute("INSERT INTO deletion SELECT 1, account_id, '', '', '', deleted_at"
                                   " FROM deletion WHERE id = $1", last)  # fmt: skip
        await shop.looking.execute("UPDATE trash SET deletion_id = 1")
    schedule = Schedule(shop, files, chance)
    try:
        await judge(shop, files, await schedule.run({name: ACTS[name] for name in names}), MAY_MISS)
        await judge(shop, files, await Schedule(shop, files, chance).run({"last": tidy_up}), ())
    except Wrong as error:
        raise Wrong(f"seed {seed}: {error} after: {' / '.join(schedule.order)}") from None
    rows = {row[0] for row in await shop.core.db.all("SELECT key FROM blob")}
    if rows != files.keys():
        raise Wrong(f"seed {seed}: {rows} are to be there, and there are {files.keys()}")
    return len(schedule.order)


async def tidy_up(core: Core) -> None:
    """Upkeep when nobody else is about."""
    for _ in range(2):
        await ACTS["doom"](core)
        await upkeep.reap(core)
        await upkeep.sweep(core)


async def walk(shop: Shop, count: int, capsys: pytest.CaptureFixture[str]) -> None:
    begun, deadlocks = time.monotonic(), await shop.count_deadlocks()
    steps = [await one_order(shop, seed) for seed in range(count)]
    deadlocks = await shop.count_deadlocks() - deadlocks
    with capsys.disabled():
        sys.stdout.write(
            f"\norders of statements on PostgreSQL: {count}, {sum(steps)} steps, {deadlocks} deadlocks,"
            f" {time.monotonic() - begun:.1f} s, 0 violations\n"
        )


async def test_no_order_of_statements_that_chance_draws_loses_anything(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    await walk(shop, SHORT, capsys)


@pytest.mark.long
@pytest.mark.timeout(1_800)
async def test_no_one_of_many_more_does(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    await walk(shop, LONG, capsys)


async def test_where_nothing_is_held_some_order_does(
    shop: Shop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    without_locks(monkeypatch)

    with pytest.raises(Wrong):
        await walk(shop, SHORT, capsys)


async def crowd(shop: Shop, for_s: float, capsys: pytest.CaptureFixture[str]) -> None:
    """Eight who add and remove pictures of five digests on three products, and two who do the upkeep."""
    core, end = with_ages(shop.core), time.monotonic() + for_s
    product_ids = [1, await make_product(core, shop.admin), await make_product(core, shop.admin)]
    deadlocks, done = await shop.count_deadlocks(), {"adds": 0, "deletions": 0, "missed": 0}

    async def write(chance: random.Random) -> None:
        while time.monotonic() < end:
            product_id = chance.choice(product_ids)
            picture, role = chance.choice(stock.PICTURES[:5]), chance.choice(ROLES)
            added = await make_image(core, shop.admin, product_id, picture, role)
            assert added.role == role
            done["adds"] += 1
            there = (await images.list_of_product(core, shop.admin, product_id, Query())).rows
            for image in chance.sample(there, min(len(there), chance.randrange(4))):
                try:
                    await images.remove_from_product(core, shop.admin, product_id, image.id)
                    done["deletions"] += 1
                except NotFound:
                    done["missed"] += 1  # somebody else took it away

    async def keep_up() -> None:
        while time.monotonic() < end:
            shop.clock.advance(2)
            await upkeep.empty_trash(core)
            await upkeep.doom(core)
            await upkeep.reap(core)
            await asyncio.sleep(0.02)

    await asyncio.gather(*(write(random.Random(seed)) for seed in range(8)), keep_up(), keep_up())

    deadlocks = await shop.count_deadlocks() - deadlocks
    assert [one.what async for one in verify(core, lambda _: None, full=True) if not one.ok] == []
    with capsys.disabled():
        sys.stdout.write(f"\nside by side on PostgreSQL: {done}, {deadlocks} deadlocks in {for_s} s, 0 findings\n")


async def test_a_crowd_leaves_a_store_that_holds_together(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    await crowd(shop, 3, capsys)


@pytest.mark.long
async def test_so_does_one_that_stays(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    await crowd(shop, 60, capsys)
