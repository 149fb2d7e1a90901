"""Receivers share what there is: places to send from, the event loop, and the disk."""

import asyncio
import time
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest

from build import make_product
from packshot.config import Settings
from packshot.domain.access import Principal
from packshot.services import deliveries, handlers
from packshot.services.core import Core
from packshot.services.deliveries import Deliveries
from packshot.services.handlers import Binding
from packshot.storage import outbox
from receiver import BASE_URL, PRIVATE, Receiver, deliver, make_application, receiving, told


@pytest.fixture
def settings() -> Settings:
    return PRIVATE


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as made:
        yield made


async def test_where_places_are_few_receivers_take_turns_however_much_waits_for_one(
    core: Core, admin: Principal, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "AT_ONCE", 1)
    for name in ("first", "second"):
        await handlers.add_webhook(core, "main", f"{receiver.url}/{name}", ["CATALOG.PRODUCT.ON.ADD"])
    for number in range(4):
        await make_product(core, admin, f"Product {number}")
    await handlers.add_webhook(core, "main", f"{receiver.url}/late", ["CATALOG.PRODUCT.ON.ADD"])
    await make_product(core, admin, "The last one")

    await deliver(core)

    names = [letter.target.rpartition("/")[2] for letter in receiver.letters]
    assert sorted(names[:3]) == ["first", "late", "second"]
    assert sorted(names) == ["first"] * 5 + ["late"] + ["second"] * 5


async def test_what_cannot_be_noted_as_sent_is_not_sent_again_at_once(
    core: Core, admin: Principal, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(outbox, "mark_delivered", fail)
    await handlers.add_webhook(core, "main", receiver.url, ["CATALOG.PRODUCT.ON.ADD"])
    await make_product(core, admin)
    sending = asyncio.get_running_loop().create_task(deliveries.deliver_for_ever(core, BASE_URL))

    await told(receiver)
    await asyncio.sleep(deliveries.IDLE_S / 2)
    sending.cancel()
    await asyncio.wait([sending])

    assert len(receiver.letters) == 1


async def test_looks_at_very_many_receivers_take_a_tenth_of_the_time(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []

    async def look(_: Deliveries) -> float:
        looks.append(time.monotonic())
        time.sleep(0.02)  # noqa: ASYNC251 - as a thousand reads would take it
        core.db.written.set()
        return 0.0

    monkeypatch.setattr(Deliveries, "start_due", look)
    sending = asyncio.get_running_loop().create_task(deliveries.deliver_for_ever(core, BASE_URL))
    await asyncio.sleep(0.7)
    sending.cancel()
    await asyncio.wait([sending])

    assert len(looks) >= 2
    assert all(later - one > 0.2 for one, later in pairwise(looks))


async def test_a_receiver_that_too_much_waits_for_gets_no_test_either(core: Core, admin: Principal) -> None:
    acting, _ = await make_application(core, admin)
    await handlers.bind(core, acting, Binding("ONAPPTEST", "http://127.0.0.1:9/told"))
    await handlers.test(core, acting, {"one": 1})
    await core.db.write(lambda tx: tx.run("UPDATE event_receiver SET paused_at = 1"))

    await handlers.test(core, acting, {"two": 2})

    assert [row[0] for row in await core.db.all("SELECT data FROM outbox")] == [
        '{"QUERY":{"one":1},"LANGUAGE_ID":"en"}'
    ]


async def test_a_test_goes_to_the_caller_s_own_application_only(core: Core, admin: Principal) -> None:
    one, _ = await make_application(core, admin)
    other, _ = await make_application(core, admin)
    for acting in (one, other):
        await handlers.bind(core, acting, Binding("ONAPPTEST", "http://127.0.0.1:9/told"))

    await handlers.test(core, one, {})

    assert await core.db.all("SELECT r.application_id FROM outbox o JOIN event_receiver r ON r.id = o.receiver_id") == [
        (one.application_id,)
    ]
