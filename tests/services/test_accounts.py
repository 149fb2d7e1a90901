"""Accounts: what their making makes, and how much they may hold."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from argon2.exceptions import VerifyMismatchError

import pictures
from build import Clock, make_image, make_product
from moments import dooming
from packshot.domain.access import Principal
from packshot.domain.errors import Conflict, InvalidValue, NotFound, Unauthenticated
from packshot.services import access, accounts, images, setup, users
from packshot.services.core import Core
from packshot.services.setup import Seed
from packshot.storage import accounts as rows


async def room(core: Core, account_id: int, more_bytes: int) -> bool:
    """Whether the account has room for so many more bytes."""

    return await core.db.write(lambda tx: rows.has_room(tx, account_id, more_bytes))


async def test_a_second_account_has_everything_that_the_first_one_has(core: Core, seed: Seed) -> None:
    other = await setup.create_account(core, "shop two")

    assert other is not None
    first, second = await accounts.of_accounts(core)
    assert (second.id, second.name, second.state, second.quota_bytes) == (other.account_id, "shop two", "normal", None)
    assert first.member_id != second.member_id
    caller = await access.by_webhook(core, other.user_id, other.webhook_code)
    assert (caller.account_id, caller.role) == (other.account_id, "administrator")
    assert {other.catalog_id, other.variations_id}.isdisjoint({seed.catalog_id, seed.variations_id})
    (administrator,) = await users.of_account(core, "shop two")
    assert (administrator.role, administrator.login) == ("administrator", None)


@pytest.mark.usefixtures("seed")
async def test_an_account_is_made_once(core: Core) -> None:
    assert await setup.create_account(core) is None
    assert len(await accounts.of_accounts(core)) == 1


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "a\nb"])
async def test_a_name_that_cannot_be_shown_is_refused(core: Core, name: str) -> None:
    with pytest.raises(InvalidValue):
        await setup.create_account(core, name)


async def test_what_is_not_there_is_not_changed(core: Core) -> None:
    with pytest.raises(NotFound):
        await accounts.set_state(core, "nobody", "closed")
    with pytest.raises(NotFound):
        await accounts.set_quota(core, "nobody", 5)


# Users


@pytest.mark.usefixtures("seed")
async def test_a_login_is_one_users_whatever_its_case_or_account(core: Core) -> None:
    await setup.create_account(core, "second")
    await users.add(core, "main", "Anna", "editor", ("Anna", "Müller", "anna@shop.example"))

    with pytest.raises(Conflict):
        await users.add(core, "second", "anna", "viewer")

    user = await users.get(core, "ANNA")
    assert (user.login, user.name, user.last_name, user.email) == ("anna", "Anna", "Müller", "anna@shop.example")


@pytest.mark.usefixtures("seed")
@pytest.mark.parametrize("login", ["", "a b", "-a", "ä", "a" * 101, "a/b"])
async def test_a_login_that_cannot_be_typed_is_refused(core: Core, login: str) -> None:
    with pytest.raises(InvalidValue):
        await users.add(core, "main", login, "editor")


@pytest.mark.usefixtures("seed")
@pytest.mark.parametrize("password", ["", "7 chars", "x" * 201])
async def test_a_password_that_is_too_short_or_long_is_refused(core: Core, password: str) -> None:
    with pytest.raises(InvalidValue):
        await users.set_password(core, "admin", password)


@pytest.mark.usefixtures("seed")
async def test_a_login_is_written_down_and_wants_the_present_password(core: Core, clock: Clock) -> None:
    await users.set_password(core, "admin", "the first one")
    await users.set_password(core, "admin", "the second one")

    with pytest.raises(Unauthenticated):
        await users.log_in(core, "admin", "the first one")
    await users.log_in(core, "admin", "the second one")

    assert (await users.get(core, "admin")).last_login_at == int(clock.now) * 1_000_000


@pytest.mark.usefixtures("seed")
@pytest.mark.parametrize("change", ["password", "disable"])
async def test_a_login_that_began_with_what_is_good_no_more_ends_in_nothing(core: Core, change: str) -> None:
    await users.set_password(core, "admin", "correct horse battery")
    user = await users.get(core, "admin")
    async with AsyncExitStack() as held:
        for _ in range(2):
            await held.enter_async_context(core.hashing)
        login = asyncio.create_task(users.log_in(core, "admin", "correct horse battery"))
        await asyncio.sleep(0)  # it has read the hash, and waits to compare it
        if change == "disable":
            await users.disable(core, "admin")
        else:
            await core.db.write(lambda tx: rows.set_password(tx, user.id, "another"))

    with pytest.raises(Unauthenticated):
        await login

    assert await core.db.all("SELECT 1 FROM login_session") == []


@pytest.mark.usefixtures("seed")
async def test_a_crowd_that_logs_in_leaves_the_threads_to_others(core: Core) -> None:
    refused = 0

    async def fail() -> None:
        nonlocal refused
        with pytest.raises(Unauthenticated):
            await users.log_in(core, "nobody", "correct horse battery")
        refused += 1

    crowd = [asyncio.create_task(fail()) for _ in range(30)]
    await asyncio.sleep(0)
    await asyncio.get_running_loop().run_in_executor(core.threads, lambda: None)
    refused_before = refused
    await asyncio.gather(*crowd)

    assert refused_before < 10
    assert refused == 30


def test_a_login_that_nobody_has_costs_as_much_as_a_wrong_password() -> None:
    hasher, nobody = users._HASHER, users._NOBODYS_HASH  # noqa: SLF001

    assert not hasher.check_needs_rehash(nobody)
    with pytest.raises(VerifyMismatchError):
        hasher.verify(nobody, "correct horse battery")


@pytest.mark.usefixtures("seed")
@pytest.mark.parametrize("name", ["x" * 101, "a\nb", "a\x1b[31m", "\udcff"])
async def test_a_person_whose_name_cannot_be_shown_is_refused(core: Core, name: str) -> None:
    for person in ((name, "", ""), ("", name, ""), ("", "", name)):
        with pytest.raises(InvalidValue):
            await users.add(core, "main", "anna", "editor", person)


# Webhooks


async def test_a_revoked_webhook_is_refused_within_a_second(core: Core, seed: Seed, clock: Clock) -> None:
    await access.by_webhook(core, seed.user_id, seed.webhook_code)
    (webhook,) = await access.of_webhooks(core, "main")

    await access.revoke_webhook(core, "main", webhook.id)

    clock.advance(1)
    with pytest.raises(Unauthenticated, match="wrong"):
        await access.by_webhook(core, seed.user_id, seed.webhook_code)
    assert await access.of_webhooks(core, "main") == []


@pytest.mark.usefixtures("seed")
async def test_a_webhook_of_another_account_is_not_revoked(core: Core) -> None:
    await setup.create_account(core, "second")

    with pytest.raises(NotFound):
        await access.revoke_webhook(core, "second", 1)

    assert len(await access.of_webhooks(core, "main")) == 1


# Quotas


async def test_without_a_quota_there_is_always_room(core: Core, seed: Seed) -> None:
    assert await room(core, seed.account_id, 2**60)


async def test_a_quota_counts_what_is_there_already_and_each_blob_once(core: Core, admin: Principal) -> None:
    product_id, shirt, mug = await make_product(core, admin), pictures.png(8, 8), pictures.png(9, 9)
    await make_image(core, admin, product_id, shirt)
    await accounts.set_quota(core, "main", len(shirt) + len(mug))
    await make_image(core, admin, product_id, shirt)

    assert await room(core, admin.account_id, len(mug))
    assert not await room(core, admin.account_id, len(mug) + 1)


async def test_new_blobs_use_up_a_quota_and_doomed_ones_give_it_back(
    core: Core, admin: Principal, clock: Clock
) -> None:
    product_id, shirt, mug = await make_product(core, admin), pictures.png(8, 8), pictures.png(9, 9)
    await accounts.set_quota(core, "main", len(shirt) + len(mug))
    image = await make_image(core, admin, product_id, shirt)
    await make_image(core, admin, product_id, mug)
    assert not await room(core, admin.account_id, 1)

    await images.remove_from_product(core, admin, product_id, image.id)
    clock.advance(4_000)
    await dooming(core, clock)

    assert await room(core, admin.account_id, len(shirt))
    assert not await room(core, admin.account_id, len(shirt) + 1)


async def test_a_quota_may_be_below_what_is_there_and_be_taken_back(core: Core, admin: Principal) -> None:
    product_id = await make_product(core, admin)
    await make_image(core, admin, product_id, pictures.png(8, 8))

    await accounts.set_quota(core, "main", 0)
    assert not await room(core, admin.account_id, 1)
    await accounts.set_quota(core, "main", None)

    assert await room(core, admin.account_id, 2**60)


async def test_the_quota_of_one_account_is_nobody_elses(core: Core, admin: Principal) -> None:
    other = await setup.create_account(core, "second")
    assert other is not None
    await accounts.set_quota(core, "main", 0)

    assert await room(core, other.account_id, 2**60)
    assert not await room(core, admin.account_id, 1)
