"""The same of whoever calls: codes, tokens, logins, keys of calls, applications, those who listen, and first starts."""

from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from packshot.domain.accounts import Tokens
from packshot.domain.errors import Conflict, KeyReused, PackshotError, StillRunning, Unauthenticated
from packshot.domain.paging import Query
from packshot.domain.products import Fields, Kind
from packshot.services import applications, handlers, idempotency, keyring, oauth, offline, products, setup, users
from packshot.services.core import Core
from packshot.services.handlers import Binding
from packshot.services.idempotency import Key
from packshot.storage import accounts
from receiver import make_application
from side_by_side import Race, Scene, Shop, harm, open_shop, without_locks

PASSWORD, OTHER = "a long password", "another password"
EVENT = "CATALOG.PRODUCT.ON.UPDATE"


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    """One for all: each scene makes what it is about."""
    async with open_shop(tmp_path_factory.mktemp("shop")) as opened:
        yield opened


def of(came: tuple[Any, ...], kind: type) -> int:
    """How many of both came to that."""
    return sum(isinstance(one, kind) for one in came)


async def _code(shop: Shop) -> tuple[tuple[str, str], str]:
    _, made = await make_application(shop.core, shop.admin)
    user = await accounts.find_user(shop.core.db, shop.admin.account_id, shop.admin.user_id)
    assert user is not None
    code = await oauth.authorize(shop.core, made.application, user, oauth.Challenge())
    return (made.application.client_id, made.secret), code


async def a_code_used_twice(shop: Shop) -> Race:
    """One gets tokens, and the other one ends them."""
    client, code = await _code(shop)
    await shop.value("DELETE FROM consent")

    async def judge(*came: Any) -> None:
        assert (of(came, Tokens), of(came, Unauthenticated)) == (1, 1)
        assert await shop.value("SELECT count(*) FROM consent") == 0

    exchange = partial(oauth.exchange, client=client, code=code)
    return Race(exchange, exchange, judge)


async def a_stolen_token_beside_its_successor(shop: Shop) -> Race:
    """The family ends, also where somebody renews it just then."""
    client, code = await _code(shop)
    first = (await oauth.exchange(shop.core, client, code)).refresh_token
    second = (await oauth.refresh(shop.core, client, first)).refresh_token
    shop.clock.advance(oauth.AGAIN_S + 1)

    async def judge(*came: Any) -> None:
        assert isinstance(came[0], Unauthenticated)
        assert await shop.value("SELECT count(*) FROM refresh_token") == 0

    await shop.value("DELETE FROM consent WHERE id < (SELECT max(id) FROM consent)")
    one, other = (partial(oauth.refresh, client=client, refresh_token=token) for token in (first, second))
    return Race(one, other, judge)


async def a_login_beside_a_new_password(shop: Shop) -> Race:
    """Nobody is in with the old one afterwards."""
    await users.set_password(shop.core, "admin", PASSWORD)

    async def judge(*_: Any) -> None:
        assert await shop.value("SELECT count(*) FROM login_session") == 0

    return Race(
        partial(users.log_in, login="admin", password=PASSWORD),
        partial(users.set_password, login="admin", password=OTHER),
        judge,
    )


async def two_calls_with_one_key(shop: Shop) -> Race:
    """One is done, and the key is its own."""
    key = Key(f"key {await shop.value('SELECT coalesce(max(id), 0) FROM product')}", "catalog.product.add")
    before = await shop.value("SELECT count(*) FROM product")

    async def judge(*came: Any) -> None:
        assert of(came, KeyReused) + of(came, StillRunning) == 1
        assert await shop.value("SELECT count(*) FROM product") == before + 1
        done = next(number for number, one in enumerate(came) if not isinstance(one, PackshotError))
        assert (await call("one" if done == 0 else "other")(shop.core)) == came[done]

    def call(name: str) -> Callable[[Core], Any]:
        fields: Fields = {"catalog_id": 1, "name": name}
        return lambda core: idempotency.once(core, shop.admin, key, fields, products.add, Kind.SIMPLE, fields)

    return Race(call("one"), call("other"), judge)


async def two_calls_with_a_key_whose_lease_has_ended(shop: Shop) -> Race:
    """One takes it over."""
    race = await two_calls_with_one_key(shop)
    await shop.value("DELETE FROM idempotency")
    await race.one(shop.core)
    await shop.value("UPDATE idempotency SET lease_ends_at = 0, result = NULL")
    count = await shop.value("SELECT count(*) FROM product")

    async def judge(*came: Any) -> None:
        assert of(came, KeyReused) + of(came, StillRunning) == 1
        assert await shop.value("SELECT count(*) FROM product") == count + 1
        done = next(number for number, one in enumerate(came) if not isinstance(one, PackshotError))
        assert await (race.one, race.other)[done](shop.core) == came[done]

    return Race(race.one, race.other, judge)


async def one_queue(shop: Shop) -> Race:
    """Each event is fetched once."""
    caller, _ = await make_application(shop.core, shop.admin)
    await handlers.bind(shop.core, caller, Binding(EVENT, None))
    for number in range(3):
        await shop.value(
            "INSERT INTO offline_event (account_id, application_id, connector, event, data, message_id, changed_at)"
            " VALUES ($1, $2, '', $3, '{}', $4, 0)",
            caller.account_id, caller.application_id, EVENT, str(number),
        )  # fmt: skip

    async def judge(taken: Any, reserved: Any) -> None:
        ids = sorted(event.id for event in [*taken, *reserved[1]])
        assert len(ids) == len(set(ids)) == 3

    return Race(
        partial(offline.take, caller=caller, connector="", query=Query(limit=2)),
        partial(offline.reserve, caller=caller, connector="", query=Query(limit=2)),
        judge,
    )


async def one_handler(shop: Shop) -> Race:
    """One binds it, and the other is told that it is bound."""
    caller, _ = await make_application(shop.core, shop.admin)

    async def judge(*came: Any) -> None:
        (refused,) = [str(one) for one in came if isinstance(one, Conflict)]
        assert refused == handlers.TAKEN

    bind = partial(handlers.bind, caller=caller, binding=Binding(EVENT, "https://8.8.8.8/"))
    return Race(bind, bind, judge)


async def an_address_that_is_given_up(shop: Shop) -> Race:
    """What is bound to it just then stays bound."""
    caller, _ = await make_application(shop.core, shop.admin)
    old, new = (Binding(f"CATALOG.PRODUCT.ON.{what}", "https://8.8.8.8/") for what in ("ADD", "DELETE"))
    await handlers.bind(shop.core, caller, old)

    async def judge(*_: Any) -> None:
        assert [one.event for one, _ in await handlers.of_application(shop.core, caller)] == [new.event]

    return Race(
        partial(handlers.bind, caller=caller, binding=new), partial(handlers.unbind, caller=caller, binding=old), judge
    )


async def two_lists_of_users(shop: Shop) -> Race:
    """Only those of one of them may use the application."""
    _, made = await make_application(shop.core, shop.admin)
    number = await shop.value("SELECT max(id) FROM application")
    ids = [await users.add(shop.core, "main", f"u{number}{name}", "editor") for name in "ab"]

    async def judge(*_: Any) -> None:
        assert (await applications.get(shop.core, made.application.client_id)).members in {(ids[0],), (ids[1],)}

    client_id = made.application.client_id
    one, other = (partial(applications.set_users, client_id=client_id, users=(user_id,)) for user_id in ids)
    return Race(one, other, judge)


async def one_login(shop: Shop) -> Race:
    """One gets it, and the other is told that it is taken."""
    login = f"l{await shop.value('SELECT max(id) FROM member')}"

    async def judge(*came: Any) -> None:
        (refused,) = [str(one) for one in came if isinstance(one, Conflict)]
        assert refused == f"The login {login} is taken"

    add = partial(users.add, account="main", login=login, role="editor")
    return Race(add, add, judge)


async def signing_keys(shop: Shop) -> Race:
    """Both have the same, of which there is one."""
    await shop.value("DELETE FROM signing_key")

    async def judge(*came: Any) -> None:
        assert came[0] == came[1]
        assert len(came[0]) == 1

    def begin(core: Core) -> Any:
        return keyring.signing_keys(core.db, core.sealer, core.now())

    return Race(begin, begin, judge)


async def a_first_start(shop: Shop) -> Race:
    """One makes the store, with one webhook, and the other finds it there."""
    await shop.value("DELETE FROM account")

    async def judge(*came: Any) -> None:
        assert of(came, setup.Seed) == 1
        assert came.count(None) == 1
        for table, count in (("account", 1), ("webhook", 1), ("catalog", 2)):
            assert await shop.value(f"SELECT count(*) FROM {table}") == count

    return Race(setup.begin, setup.begin, judge)


HELD: tuple[Scene, ...] = (
    a_code_used_twice, two_calls_with_a_key_whose_lease_has_ended, a_login_beside_a_new_password, one_queue,
    an_address_that_is_given_up, two_lists_of_users, signing_keys,
)  # fmt: skip
DECIDED: tuple[Scene, ...] = (
    a_stolen_token_beside_its_successor, two_calls_with_one_key, one_handler, one_login
)  # fmt: skip


@pytest.mark.parametrize("scene", [*HELD, *DECIDED])
async def test_two_at_once_come_to_what_they_would_one_after_the_other(shop: Shop, scene: Scene) -> None:
    assert await harm(shop, scene) == []


async def test_of_several_nodes_that_start_first_one_makes_the_store(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as shop:
        assert await harm(shop, a_first_start) == []


@pytest.mark.parametrize("scene", HELD)
async def test_where_nothing_is_held_they_do_not(shop: Shop, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    without_locks(monkeypatch)

    assert await harm(shop, scene, enough=1) != []
