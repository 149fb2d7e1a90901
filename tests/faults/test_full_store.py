"""What goes on while the disk is full, beside the calls of test_promises.py: it deletes, or deleting needs it."""

from pathlib import Path

import pytest

from build import make_inventory_product, make_library_images, make_product
from faults.weather import Store, Weather, is_good, opened
from moments import with_ages
from oauth_client import PASSWORD, make_application, make_user
from packshot.domain.errors import StoreFull
from packshot.domain.products import Kind
from packshot.emulator import faults
from packshot.services import applications, handlers, oauth, products, restoring, upkeep, users
from packshot.services.oauth import Challenge
from packshot.storage import reserve
from receiver import EVERY, deliver, receiving


@pytest.fixture
def weather(monkeypatch: pytest.MonkeyPatch) -> Weather:
    made = Weather()
    made.begin(monkeypatch)
    monkeypatch.setattr(reserve, "LOOK_EVERY_S", 0)
    return made


async def outbox(store: Store) -> list[str]:
    return [row[0] for row in await store.core.db.all("SELECT state FROM outbox ORDER BY id")]


async def test_500_images_are_deleted_by_one_call_with_all_that_is_sold_of_them(
    tmp_path: Path, weather: Weather
) -> None:
    async with opened(tmp_path / "data", weather) as store:
        guids = await make_library_images(store.core, store.owner, 500)
        for guid in guids[:50]:
            await make_inventory_product(store.core, store.owner, guid)
        weather.fault = "full"

        answer = await store.clients.v3("DELETE", "delete_images", guids=guids, library=None)

        assert is_good(answer), answer.text
        assert await store.core.db.one("SELECT count(*) FROM image") == (0,)
        assert store.core.reserve.is_out()


async def test_events_of_deletions_are_told_once(tmp_path: Path, weather: Weather) -> None:
    async with opened(tmp_path / "data", weather) as store, receiving() as receiver:
        await handlers.add_webhook(store.core, "main", receiver.url, list(EVERY))
        product_id = await make_product(store.core, store.owner)
        await deliver(store.core)
        receiver.letters.clear()
        weather.fault = "full"

        await products.remove(store.core, store.owner, product_id, (Kind.SIMPLE,))
        await deliver(store.core)
        await deliver(store.core)

        assert [letter.form["event"] for letter in receiver.letters] == ["CATALOG.PRODUCT.ON.DELETE"]
        assert await outbox(store) == ["delivered"] * 2


async def test_an_application_gets_new_tokens(tmp_path: Path, weather: Weather) -> None:
    async with opened(tmp_path / "data", weather) as store:
        await make_user(store.core)
        made = await make_application(store.core)
        client = made.application.client_id, made.secret
        anna = await users.get(store.core, "anna")
        tokens = await oauth.exchange(
            store.core, client, await oauth.authorize(store.core, made.application, anna, Challenge())
        )
        weather.fault = "full"

        again = await oauth.refresh(store.core, client, tokens.refresh_token)

        assert again.access_token != tokens.access_token


async def test_users_log_in_to_agree_to_that_and_are_shut_out(tmp_path: Path, weather: Weather) -> None:
    async with opened(tmp_path / "data", weather) as store:
        user_id = await make_user(store.core)
        made = await make_application(store.core)
        await faults.add(store.core, "503 on catalog.product.get")
        weather.fault = "full"

        session = await users.log_in(store.core, "anna", PASSWORD)
        anna = await users.of_session(store.core, session)
        await users.set_password(store.core, "anna", PASSWORD[::-1])
        await applications.set_users(store.core, made.application.client_id, (user_id,))
        await faults.clear(store.core)

        assert anna
        assert anna.id == user_id
        assert await users.of_session(store.core, session) is None
        assert (await applications.get(store.core, made.application.client_id)).members == (user_id,)
        assert await faults.listed(store.core) == []


async def test_upkeep_deletes_what_is_in_the_trash_and_then_the_reserve_comes_back(
    tmp_path: Path, weather: Weather
) -> None:
    async with opened(tmp_path / "data", weather) as store:
        await store.clients.stock_up()
        weather.fault = "full"
        await store.clients.remove_image()
        core = with_ages(store.core, young_s=-1, retention_s=-1, grace_s=0, keep_s=-1)

        done = await upkeep.run_once(core)

        assert (done.given_up, done.doomed, done.reaped) == (1, 1, 1)
        assert core.reserve.is_out()
        weather.fault = ""
        await upkeep.run_once(core)
        assert core.reserve.is_held()


async def test_what_is_in_the_trash_can_be_given_up_but_not_taken_back(tmp_path: Path, weather: Weather) -> None:
    async with opened(tmp_path / "data", weather) as store:
        await store.clients.stock_up()
        await store.clients.remove_image()
        (deletion,) = await restoring.of_deletions(store.core, store.owner)
        weather.fault = "full"

        with pytest.raises(StoreFull):
            await restoring.restore(store.core, store.owner, deletion.id)
        await restoring.purge(store.core, store.owner, deletion.id)

        assert await restoring.of_deletions(store.core, store.owner) == []
