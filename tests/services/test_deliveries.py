"""Events reach their receivers at least once, in order for each product; a bad receiver is nobody else's matter."""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator

import pytest

from build import Clock, make_account, make_product
from packshot.config import Settings
from packshot.domain.access import Principal
from packshot.domain.events import OVERTAKEN_AFTER_S
from packshot.domain.products import Kind
from packshot.services import access, deliveries, handlers, products
from packshot.services.core import Core
from packshot.services.handlers import Binding
from receiver import BASE_URL, EVERY, PRIVATE, Letter, Receiver, deliver, eventually, make_application, receiving, told

SIMPLE = (Kind.SIMPLE,)


@pytest.fixture
def settings() -> Settings:
    return PRIVATE


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as made:
        yield made


async def listen(core: Core, receiver: Receiver, *names: str) -> handlers.OutgoingWebhook:
    return await handlers.add_webhook(core, "main", receiver.url, list(names or EVERY))


async def rename(core: Core, caller: Principal, product_id: int, name: str = "Renamed") -> None:
    await products.update(core, caller, product_id, SIMPLE, {"name": name})


async def states(core: Core) -> list[str]:
    return [row[0] for row in await core.db.all("SELECT state FROM outbox ORDER BY id")]


async def test_an_outgoing_webhook_is_told_with_the_five_facts_that_it_may_know(
    core: Core, admin: Principal, receiver: Receiver
) -> None:
    hook = await listen(core, receiver)
    product_id = await make_product(core, admin)

    await deliver(core)

    (letter,) = receiver.letters
    assert letter.target == "/told"
    assert letter.headers["content-type"] == "application/x-www-form-urlencoded"
    (member_id,) = await core.db.one("SELECT member_id FROM account") or ("",)
    assert letter.form == {
        "event": "CATALOG.PRODUCT.ON.ADD",
        "event_handler_id": "1",
        "data[FIELDS][ID]": str(product_id),
        "data[FIELDS][TYPE]": "1",
        "ts": str(int(core.clock())),
        "auth[domain]": "pictures.example",
        "auth[client_endpoint]": f"{BASE_URL}/rest/",
        "auth[server_endpoint]": f"{BASE_URL}/rest/",
        "auth[member_id]": member_id,
        "auth[application_token]": hook.application_token,
    }
    assert await states(core) == ["delivered"]


async def test_an_application_gets_a_token_that_works_as_the_user_who_caused_the_event(
    core: Core, admin: Principal, receiver: Receiver
) -> None:
    acting, made = await make_application(core, admin)
    await handlers.bind(core, acting, Binding("catalog.product.on.add", receiver.url))
    await make_product(core, admin)

    await deliver(core)

    form = receiver.letters[0].form
    caller = await access.by_token(core, form["auth[access_token]"])
    assert (caller.user_id, caller.application_id) == (admin.user_id, acting.application_id)
    assert form["auth[application_token]"] == made.application_token
    assert {name: form[f"auth[{name}]"] for name in ("expires_in", "scope", "status")} == {
        "expires_in": "3600", "scope": "catalog", "status": "L",
    }  # fmt: skip
    assert "auth[refresh_token]" not in form
    assert made.secret not in receiver.letters[0].body.decode()


async def test_each_attempt_brings_a_token_of_its_own_and_the_same_id(
    core: Core, admin: Principal, receiver: Receiver, clock: Clock
) -> None:
    acting, _ = await make_application(core, admin)
    await handlers.bind(core, acting, Binding("CATALOG.PRODUCT.ON.ADD", receiver.url))
    await make_product(core, admin)
    receiver.answer = lambda _: 500

    await deliver(core)
    clock.advance(10)
    await deliver(core)

    first, second = receiver.letters
    assert first.event_id == second.event_id
    assert first.form["auth[access_token]"] != second.form["auth[access_token]"]


async def test_a_receiver_that_fails_a_third_of_the_time_gets_everything_in_order(
    core: Core, admin: Principal, receiver: Receiver, clock: Clock
) -> None:
    await listen(core, receiver)
    dice = random.Random(7)
    taken: list[Letter] = []
    refused: Counter[int] = Counter()

    def answer(letter: Letter) -> int:
        # Four in a row at most: what fails for longer than an hour is gone past.
        if dice.random() < 0.3 and refused[letter.event_id] < 4:
            refused[letter.event_id] += 1
            return 503
        taken.append(letter)
        return 200

    receiver.answer = answer
    ids = [await make_product(core, admin, f"Product {number}") for number in range(10)]
    for _ in range(5):
        for product_id in ids:
            await rename(core, admin, product_id)
    for product_id in ids:
        await products.remove(core, admin, product_id, SIMPLE)

    rounds = 0
    while set(await states(core)) != {"delivered"} and rounds < 600:
        await deliver(core)
        clock.advance(20)
        rounds += 1

    assert rounds < 600
    heard: dict[str, list[str]] = defaultdict(list)
    for letter in taken:
        heard[letter.form["data[FIELDS][ID]"]].append(letter.form["event"].rpartition(".")[2])
    assert heard == {str(product_id): ["ADD", *["UPDATE"] * 5, "DELETE"] for product_id in ids}
    assert len(receiver.letters) > len(taken) == 70
    assert len({letter.event_id for letter in taken}) == 70


async def test_later_events_of_a_product_wait_an_hour_for_one_that_fails_and_then_go_past(
    core: Core, admin: Principal, receiver: Receiver, clock: Clock
) -> None:
    await listen(core, receiver)
    receiver.answer = lambda letter: 500 if letter.form["event"].endswith("ADD") else 200
    stuck, free = await make_product(core, admin), await make_product(core, admin)
    await rename(core, admin, stuck)

    def updates() -> list[str]:
        return [letter.form["data[FIELDS][ID]"] for letter in receiver.letters if "UPDATE" in letter.form["event"]]

    for _ in range(20):
        await deliver(core)
        clock.advance((OVERTAKEN_AFTER_S - 10) / 20)
    before = updates()
    await rename(core, admin, free)
    clock.advance(20)
    await deliver(core)

    assert before == []
    assert sorted(updates()) == sorted([str(stuck), str(free)])
    rows = await core.db.all("SELECT state, overtaken FROM outbox WHERE event LIKE '%ADD'")
    assert rows == [("waiting", 1), ("waiting", 1)]


async def test_after_three_days_an_event_is_given_up_and_can_be_sent_again_by_hand(
    core: Core, admin: Principal, receiver: Receiver, clock: Clock
) -> None:
    await listen(core, receiver)
    receiver.answer = lambda _: 500
    await make_product(core, admin)
    for _ in range(40):
        await deliver(core)
        clock.advance(3 * 3_600)
    given_up, tries = await states(core), len(receiver.letters)
    receiver.answer = lambda _: 204

    await handlers.retry(core, receiver.letters[0].event_id)
    await deliver(core)

    assert given_up == ["failed"]
    assert 20 < tries < 40
    assert await states(core) == ["delivered"]


@pytest.mark.parametrize("status", [301, 302, 307, 404, 500])
async def test_only_an_answer_of_success_counts_and_redirects_are_not_followed(
    core: Core, admin: Principal, receiver: Receiver, status: int
) -> None:
    await listen(core, receiver)
    receiver.answer = lambda _: status
    receiver.more = f"Location: {receiver.url}/elsewhere\r\n"
    await make_product(core, admin)

    await deliver(core)

    assert [letter.target for letter in receiver.letters] == ["/told"]
    assert await core.db.all("SELECT state, error FROM outbox") == [("waiting", f"The receiver answered {status}")]


async def test_a_receiver_that_does_not_answer_holds_up_nobody_else(
    core: Core, admin: Principal, receiver: Receiver
) -> None:
    async with receiving() as silent:
        silent.answer = lambda _: None
        await listen(core, silent)
        await listen(core, receiver)
        for number in range(12):
            await make_product(core, admin, f"Product {number}")

        async with deliveries.Deliveries(core, BASE_URL) as sending:
            while (await states(core)).count("delivered") < 12:
                await sending.start_due()
                await asyncio.sleep(0.01)
            stuck = len(silent.letters)

        assert stuck <= deliveries.PER_RECEIVER
        assert len(receiver.letters) == 12


async def test_a_failing_receiver_is_tried_with_one_event_at_a_time(
    core: Core, admin: Principal, receiver: Receiver
) -> None:
    await listen(core, receiver)
    receiver.answer = lambda _: 500
    for number in range(9):
        await make_product(core, admin, f"Product {number}")

    async with deliveries.Deliveries(core, BASE_URL) as sending:
        await sending.start_due()
        first = await sending.settled()
        await sending.start_due()
        second = await sending.settled()

    assert (first, second) == (deliveries.PER_RECEIVER, 1)


async def test_what_is_due_is_sent_as_soon_as_it_is_committed(core: Core, admin: Principal, receiver: Receiver) -> None:
    await listen(core, receiver)
    sending = asyncio.get_running_loop().create_task(deliveries.deliver_for_ever(core, BASE_URL))
    await asyncio.sleep(0)

    await make_product(core, admin)

    async def is_delivered() -> bool:
        return await states(core) == ["delivered"]

    await eventually(is_delivered)

    sending.cancel()
    await asyncio.wait([sending])
    assert len(receiver.letters) == 1
    assert (core.event_counts["delivered"], core.event_counts["failed"]) == (1, 0)


async def test_what_is_cut_off_by_a_stop_is_sent_again(core: Core, admin: Principal, receiver: Receiver) -> None:
    await listen(core, receiver)
    receiver.answer = lambda _: None
    await make_product(core, admin)
    sending = asyncio.get_running_loop().create_task(deliveries.deliver_for_ever(core, BASE_URL))
    await told(receiver)
    sending.cancel()
    await asyncio.wait([sending])
    receiver.answer = lambda _: 200

    await deliver(core)

    first, second = receiver.letters
    assert first.event_id == second.event_id
    assert await states(core) == ["delivered"]


async def test_a_stop_in_the_middle_of_much_work_is_a_stop(core: Core, admin: Principal, receiver: Receiver) -> None:
    await listen(core, receiver)
    for number in range(20):
        await make_product(core, admin, f"Product {number}")

    for count in range(1, 16):
        sending = asyncio.get_running_loop().create_task(deliveries.deliver_for_ever(core, BASE_URL))
        await told(receiver, count)
        sending.cancel()
        async with asyncio.timeout(20):
            await asyncio.wait([sending])

        assert sending.cancelled()


async def test_nothing_more_is_noted_for_a_receiver_that_too_much_waits_for_until_it_has_caught_up(
    core: Core, admin: Principal, receiver: Receiver, clock: Clock
) -> None:
    object.__setattr__(core, "events", type(core.events)(max_waiting=4))
    await listen(core, receiver)

    async def change_ten_products() -> None:
        async with deliveries.Deliveries(core, BASE_URL) as sending:
            await sending.keep_bounds()
        for _ in range(5):
            await make_product(core, admin)
        async with deliveries.Deliveries(core, BASE_URL) as sending:
            await sending.keep_bounds()
        for _ in range(5):
            await make_product(core, admin)

    await change_ten_products()
    ((paused, waiting),) = await core.db.all("SELECT paused_at, (SELECT count(*) FROM outbox) FROM event_receiver")
    await deliver(core)
    clock.advance(deliveries.BOUND_EVERY_S)
    await change_ten_products()

    assert (paused is not None, waiting) == (True, 5)
    assert len(receiver.letters) == 5
    assert len(await states(core)) == 10


async def test_unbinding_forgets_what_waits_and_lets_the_rest_go_on(
    core: Core, admin: Principal, receiver: Receiver
) -> None:
    acting, _ = await make_application(core, admin)
    for name in EVERY:
        await handlers.bind(core, acting, Binding(name, receiver.url))
    product_id = await make_product(core, admin)
    await rename(core, admin, product_id)
    await products.remove(core, admin, product_id, SIMPLE)

    gone = await handlers.unbind(core, acting, Binding("CATALOG.PRODUCT.ON.ADD", receiver.url))
    await deliver(core)

    assert gone == 1
    assert [letter.form["event"] for letter in receiver.letters] == list(EVERY[1:])


async def test_a_user_who_was_shut_out_gets_no_token_and_the_event_stays(
    core: Core, admin: Principal, receiver: Receiver
) -> None:
    acting, _ = await make_application(core, admin)
    await handlers.bind(core, acting, Binding("CATALOG.PRODUCT.ON.ADD", receiver.url))
    await make_product(core, admin)
    await core.db.write(lambda tx: tx.run("UPDATE member SET disabled_at = 1 WHERE id = ?1", admin.user_id))

    await deliver(core)

    assert receiver.letters == []
    assert await states(core) == ["waiting"]


async def test_another_account_hears_nothing(core: Core, admin: Principal, receiver: Receiver) -> None:
    del admin
    await listen(core, receiver)
    them, catalog_id = await make_account(core, "neighbour")

    await make_product(core, them, "Theirs", catalog_id)
    await deliver(core)

    assert receiver.letters == []


async def test_what_is_settled_is_kept_for_thirty_days(
    core: Core, admin: Principal, receiver: Receiver, clock: Clock
) -> None:
    await listen(core, receiver)
    await make_product(core, admin)
    await deliver(core)
    clock.advance(30 * 86_400)
    kept = await deliveries.purge(core)

    clock.advance(1)
    purged = await deliveries.purge(core)

    assert (kept, purged) == (0, 1)
    assert await states(core) == []
