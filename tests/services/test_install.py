"""An application is told at its own address that it was registered, with tokens that it can renew."""

import msgspec
import pytest

from build import Clock
from packshot.config import Settings
from packshot.domain.access import Principal
from packshot.domain.accounts import Application
from packshot.domain.errors import NotFound
from packshot.services import applications, handlers, oauth, users
from packshot.services.applications import Registration
from packshot.services.core import Core
from packshot.services.handlers import Binding
from packshot.storage import accounts
from receiver import BASE_URL, PRIVATE, Receiver, deliver, receiving

WANTED = Application(0, 0, "", "Shop", "https://app.example/", ("catalog", "user"), None)


@pytest.fixture
def settings() -> Settings:
    return PRIVATE


async def register(core: Core, handler: str | None, members: tuple[int, ...] = ()) -> Registration:
    return await applications.create(core, "main", msgspec.structs.replace(WANTED, handler=handler, members=members))


async def test_its_handler_gets_the_documented_form_and_a_token_that_can_be_renewed(
    core: Core, admin: Principal
) -> None:
    async with receiving() as receiver:
        made = await register(core, receiver.url)

        await deliver(core)

    (letter,) = receiver.letters
    form, account = letter.form, await accounts.get_account(core.db, admin.account_id)
    access_token, refresh_token = form.pop("auth[access_token]"), form.pop("auth[refresh_token]")
    assert form == {
        "event": "ONAPPINSTALL",
        "event_handler_id": "1",
        "data[VERSION]": "1",
        "data[ACTIVE]": "Y",
        "data[INSTALLED]": "Y",
        "data[LANGUAGE_ID]": "en",
        "ts": str(core.now() // 1_000_000),
        "auth[member_id]": account.member_id,
        "auth[application_token]": made.application_token,
        "auth[expires_in]": "3600",
        "auth[scope]": "catalog,user",
        "auth[status]": "L",
        "auth[domain]": BASE_URL.removeprefix("https://"),
        "auth[client_endpoint]": f"{BASE_URL}/rest/",
        "auth[server_endpoint]": f"{BASE_URL}/rest/",
    }
    client = (made.application.client_id, made.secret)
    renewed = await oauth.refresh(core, client, refresh_token)
    assert (renewed.user_id, renewed.access_token != access_token) == (admin.user_id, True)


async def test_it_is_tried_again_until_it_is_taken_and_then_never_more(
    core: Core, admin: Principal, clock: Clock
) -> None:
    del admin
    async with receiving() as receiver:
        receiver.answer = lambda _: 503
        made = await register(core, receiver.url)
        await deliver(core)
        receiver.answer = lambda _: 200
        for _ in range(3):
            clock.advance(60)
            await deliver(core)

    first, second = receiver.letters
    assert first.event_id == second.event_id
    renewed = await oauth.refresh(core, (made.application.client_id, made.secret), second.form["auth[refresh_token]"])
    assert renewed.refresh_token


async def test_without_a_handler_nothing_is_sent(core: Core, admin: Principal) -> None:
    del admin
    await register(core, None)

    assert await core.db.all("SELECT id FROM outbox") == []


async def test_the_tokens_are_those_of_somebody_who_may_use_it(core: Core, admin: Principal) -> None:
    editor = await users.add(core, "main", "anna", "editor")
    other = await users.add(core, "main", "olga", "administrator")
    async with receiving() as receiver:
        for members in ((), (editor,), (editor, other)):
            await register(core, receiver.url, members)

        await deliver(core)

    rows = await core.db.all("SELECT user_id FROM outbox WHERE state = 'delivered' ORDER BY id")
    assert rows == [(admin.user_id,), (editor,), (other,)]


async def test_it_cannot_be_bound_and_is_none_of_what_was_bound(core: Core, admin: Principal) -> None:
    async with receiving() as receiver:
        made = await register(core, receiver.url)
        acting = msgspec.structs.replace(admin, application_id=made.application.id)
        await handlers.bind(core, acting, Binding("ONAPPTEST", receiver.url))

        with pytest.raises(NotFound):
            await handlers.bind(core, acting, Binding("ONAPPINSTALL", receiver.url))
        with pytest.raises(NotFound):
            await handlers.unbind(core, acting, Binding("ONAPPINSTALL", receiver.url))
        bound = await handlers.of_application(core, acting)
        await handlers.unbind(core, acting, Binding("ONAPPTEST", receiver.url))
        await deliver(core)

    assert [listener.event for listener, _ in bound] == ["ONAPPTEST"]
    assert [letter.form["event"] for letter in receiver.letters] == ["ONAPPINSTALL"]


async def test_an_application_that_is_deleted_is_sent_nothing_more(core: Core, admin: Principal) -> None:
    del admin
    receiver = Receiver("http://127.0.0.1:9/told")
    made = await register(core, receiver.url)

    await applications.delete(core, made.application.client_id)

    assert await core.db.all("SELECT id FROM outbox") == []
