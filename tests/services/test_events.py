"""What a change notes, for whom, and that it is noted with the change or not at all."""

import dataclasses
import json

import pytest

import pictures
from build import Clock, make_image, make_product
from packshot.config import Settings
from packshot.domain.access import Principal
from packshot.domain.errors import Conflict, Forbidden, InvalidValue, NotFound
from packshot.domain.events import EVENTS, MAX_HANDLERS, TEST, Listener
from packshot.domain.paging import Ordering, Query
from packshot.domain.products import Kind
from packshot.services import calls, events, handlers, images, offline, products
from packshot.services.core import Core, EventSettings
from packshot.services.handlers import Binding
from packshot.services.originals import Upload
from packshot.services.outbound import REFUSED
from packshot.services.product_parts import Parts
from packshot.storage import handlers as rows
from packshot.storage.database import Tx
from receiver import PRIVATE, make_application, noted

URL = "http://127.0.0.1:9/told"
SIMPLE = (Kind.SIMPLE,)
EVERYTHING = [name for name in EVENTS if name != TEST]


@pytest.fixture
def settings() -> Settings:
    return PRIVATE


async def listen_to_everything(core: Core) -> None:
    await handlers.add_webhook(core, "main", URL, EVERYTHING)


async def test_products_and_images_note_what_became_of_them(core: Core, admin: Principal) -> None:
    await listen_to_everything(core)

    product_id = await make_product(core, admin)
    image = await make_image(core, admin, product_id, pictures.png())
    await products.update(core, admin, product_id, SIMPLE, {"name": "Renamed"})
    await images.remove_from_product(core, admin, product_id, image.id)
    await products.remove(core, admin, product_id, SIMPLE)

    product = {"ID": product_id, "TYPE": 1}
    picture = {"ID": image.id, "GUID": image.guid, "PRODUCT_ID": product_id, "ROLE": "more"}
    assert await noted(core) == [
        ("CATALOG.PRODUCT.ON.ADD", product),
        ("PACKSHOT.IMAGE.ON.ADD", picture),
        ("CATALOG.PRODUCT.ON.UPDATE", product),
        ("CATALOG.PRODUCT.ON.UPDATE", product),
        ("PACKSHOT.IMAGE.ON.DELETE", picture),
        ("CATALOG.PRODUCT.ON.UPDATE", product),
        ("CATALOG.PRODUCT.ON.DELETE", product),
    ]


async def test_one_call_notes_one_change_of_the_product_however_many_pictures_it_brings(
    core: Core, admin: Principal
) -> None:
    await listen_to_everything(core)
    product_id = await make_product(core, admin)
    upload = Upload("a.png", 9, pictures.png)
    await make_image(core, admin, product_id, pictures.png(), role="detail")

    await products.update(core, admin, product_id, SIMPLE, {}, Parts({"detail": upload, "preview": upload}))

    assert [event.removeprefix("CATALOG.").removeprefix("PACKSHOT.") for event, _ in await noted(core)] == [
        "PRODUCT.ON.ADD", "IMAGE.ON.ADD", "PRODUCT.ON.UPDATE",
        "IMAGE.ON.DELETE", "IMAGE.ON.ADD", "IMAGE.ON.ADD", "PRODUCT.ON.UPDATE",
    ]  # fmt: skip


async def test_an_image_changes_no_product_where_the_setting_says_so(core: Core, admin: Principal) -> None:
    await listen_to_everything(core)
    product_id = await make_product(core, admin)
    calls.begin(dataclasses.replace(core, events=EventSettings(image_changes_product=False)), "")

    await make_image(core, admin, product_id, pictures.png())

    assert [event for event, _ in await noted(core)] == ["CATALOG.PRODUCT.ON.ADD", "PACKSHOT.IMAGE.ON.ADD"]


async def test_nothing_is_noted_while_nobody_listens(core: Core, admin: Principal) -> None:
    await make_image(core, admin, await make_product(core, admin), pictures.png())

    assert await noted(core) == []


async def test_a_change_that_is_taken_back_takes_its_event_along(core: Core, admin: Principal) -> None:
    await listen_to_everything(core)

    async def work(tx: Tx) -> None:
        await events.note_product(tx, admin, "CATALOG.PRODUCT.ON.UPDATE", 1, 1, core.now())
        raise NotFound("product", 1)

    with pytest.raises(NotFound):
        await core.db.write(work)

    assert await noted(core) == []


async def test_whose_tokens_come_along_is_the_handlers_choice_or_who_caused_it(core: Core, admin: Principal) -> None:
    acting, _ = await make_application(core, admin)
    await handlers.bind(core, acting, Binding("CATALOG.PRODUCT.ON.ADD", URL))
    await handlers.bind(core, acting, Binding("CATALOG.PRODUCT.ON.ADD", URL + "2", admin.user_id))

    await core.db.write(
        lambda tx: events.note_product(
            tx, Principal(admin.account_id, 77, "editor", frozenset(), 0), "CATALOG.PRODUCT.ON.ADD", 1, 1, 0
        )
    )

    assert await core.db.all("SELECT user_id FROM outbox ORDER BY id") == [(77,), (admin.user_id,)]


# Binding


async def test_the_same_handler_cannot_be_bound_twice(core: Core, admin: Principal) -> None:
    acting, _ = await make_application(core, admin)
    for binding in (Binding(TEST, URL), Binding("CATALOG.PRODUCT.ON.ADD", None, connector="shop")):
        await handlers.bind(core, acting, binding)

        with pytest.raises(Conflict, match="Unable to set event handler"):
            await handlers.bind(core, acting, binding)


async def test_an_application_has_a_bounded_number_of_handlers(core: Core, admin: Principal) -> None:
    acting, _ = await make_application(core, admin)

    async def work(tx: Tx) -> None:
        for number in range(MAX_HANDLERS):
            listener = Listener(0, acting.application_id, None, TEST, 0, str(number))
            await rows.add_handler(tx, acting.account_id, listener, "", 0)

    await core.db.write(work)

    with pytest.raises(Conflict, match="Unable to set event handler"):
        await handlers.bind(core, acting, Binding(TEST, URL))


async def test_what_administrators_may_others_may_not(core: Core, admin: Principal) -> None:
    acting, _ = await make_application(core, admin)
    editor = Principal(acting.account_id, 2, "editor", acting.scopes, 0, acting.application_id)

    for binding in (Binding(TEST, None), Binding(TEST, URL, user_id=1), Binding(TEST, URL, user_id=0)):
        with pytest.raises(Forbidden, match="administrator"):
            await handlers.bind(core, editor, binding)
    with pytest.raises(Forbidden, match="administrator"):
        await handlers.unbind(core, editor, Binding(TEST, URL))


async def test_somebody_elses_tokens_are_never_sent_to_the_handler_of_who_is_no_administrator(
    core: Core, admin: Principal
) -> None:
    acting, _ = await make_application(core, admin)
    viewer = Principal(acting.account_id, acting.user_id, "viewer", acting.scopes, 0, acting.application_id)

    await handlers.bind(core, viewer, Binding("CATALOG.PRODUCT.ON.ADD", URL))

    ((listener, _),) = await handlers.of_application(core, viewer)
    assert listener.user_id == viewer.user_id


async def test_an_event_beyond_the_scopes_of_the_credential_is_not_there(core: Core, admin: Principal) -> None:
    acting, _ = await make_application(core, admin)
    without = Principal(acting.account_id, acting.user_id, acting.role, frozenset(), 0, acting.application_id)

    with pytest.raises(NotFound):
        await handlers.bind(core, without, Binding("CATALOG.PRODUCT.ON.ADD", URL))

    assert handlers.names(without) == [TEST]
    assert handlers.names(acting) == list(EVENTS)
    assert handlers.names(acting, "catalog") == EVERYTHING


async def test_an_application_sees_and_unbinds_its_own_handlers_only(core: Core, admin: Principal) -> None:
    ours, _ = await make_application(core, admin)
    theirs, _ = await make_application(core, admin)
    await handlers.bind(core, theirs, Binding(TEST, URL))

    assert await handlers.of_application(core, ours) == []
    assert await handlers.unbind(core, ours, Binding(TEST, URL)) == 0
    assert len(await handlers.of_application(core, theirs)) == 1


async def test_deleting_an_application_takes_its_handlers_and_events_along(core: Core, admin: Principal) -> None:
    acting, _ = await make_application(core, admin)
    await handlers.bind(core, acting, Binding("CATALOG.PRODUCT.ON.ADD", URL))
    await handlers.bind(core, acting, Binding("CATALOG.PRODUCT.ON.ADD", None))
    await make_product(core, admin)

    await core.db.write(lambda tx: tx.run("DELETE FROM application"))

    for table in ("event_receiver", "event_handler", "outbox", "offline_event"):
        assert await core.db.all(f"SELECT * FROM {table}") == []


@pytest.mark.parametrize("names", [[], ["ONAPPTEST"], ["CATALOG.PRODUCT.ON.SALE"]])
async def test_an_outgoing_webhook_needs_events_that_there_are(core: Core, admin: Principal, names: list[str]) -> None:
    del admin

    with pytest.raises((InvalidValue, NotFound)):
        await handlers.add_webhook(core, "main", URL, names)


class TestStrict:
    """Where private addresses are not allowed, as they are not by default."""

    @pytest.fixture
    def settings(self) -> Settings:
        return Settings()

    async def test_a_private_address_is_refused_when_bound(self, core: Core, admin: Principal) -> None:
        acting, _ = await make_application(core, admin)

        with pytest.raises(InvalidValue, match=REFUSED):
            await handlers.bind(core, acting, Binding(TEST, URL))
        with pytest.raises(InvalidValue, match=REFUSED):
            await handlers.add_webhook(core, "main", URL, EVERYTHING)


# Offline events

FIRST = Query(orderings=[Ordering("changed_at")], counted=False)


@pytest.fixture
async def acting(core: Core, admin: Principal) -> Principal:
    """An application with an offline handler for new and changed products."""
    made, _ = await make_application(core, admin)
    for name in ("CATALOG.PRODUCT.ON.ADD", "CATALOG.PRODUCT.ON.UPDATE"):
        await handlers.bind(core, made, Binding(name, None, connector="shop"))
    return made


async def change(core: Core, caller: Principal, product_id: int) -> None:
    await products.update(core, caller, product_id, SIMPLE, {"name": "Renamed"})


async def listed(core: Core, acting: Principal) -> list[tuple[str, str, int]]:
    page = await offline.list_events(core, acting, "shop", Query())
    return [(event.event.rpartition(".")[2], event.process_id, event.error) for event in page.rows]


async def test_of_many_changes_of_an_object_the_latest_is_kept(
    core: Core, admin: Principal, acting: Principal, clock: Clock
) -> None:
    product_id = await make_product(core, admin)
    for _ in range(3):
        clock.advance(1)
        await change(core, admin, product_id)

    page = await offline.list_events(core, acting, "shop", Query())

    assert [event.event for event in page.rows] == ["CATALOG.PRODUCT.ON.ADD", "CATALOG.PRODUCT.ON.UPDATE"]
    assert page.rows[1].changed_at == core.now()
    assert json.loads(page.rows[1].data) == {"FIELDS": {"ID": product_id, "TYPE": 1}}


async def test_what_is_taken_is_gone(core: Core, admin: Principal, acting: Principal) -> None:
    await make_product(core, admin)

    taken = await offline.take(core, acting, "shop", FIRST)

    assert len(taken) == 1
    assert await offline.take(core, acting, "shop", FIRST) == []


async def test_what_is_reserved_is_hidden_until_it_is_cleared_and_a_new_change_is_a_new_event(
    core: Core, admin: Principal, acting: Principal
) -> None:
    product_id = await make_product(core, admin)
    await change(core, admin, product_id)
    process_id, reserved = await offline.reserve(core, acting, "shop", FIRST)
    other, nothing = await offline.reserve(core, acting, "shop", FIRST)

    await change(core, admin, product_id)
    between = await listed(core, acting)
    await offline.clear(core, acting, process_id, lambda event_id, _: event_id == reserved[0].id)

    assert (len(reserved), nothing, process_id != other) == (2, [], True)
    assert between == [("ADD", process_id, 0), ("UPDATE", process_id, 0), ("UPDATE", "", 0)]
    assert await listed(core, acting) == [("UPDATE", process_id, 0), ("UPDATE", "", 0)]
    left = await offline.of_process(core, acting, "shop", (process_id, False), FIRST)
    assert [event.id for event in left] == [reserved[1].id]


async def test_what_could_not_be_processed_is_shown_to_who_asks_for_it(
    core: Core, admin: Principal, acting: Principal
) -> None:
    await make_product(core, admin)
    process_id, (event,) = await offline.reserve(core, acting, "shop", FIRST)

    await offline.mark_errors(core, acting, process_id, {event.message_id})

    assert await offline.of_process(core, acting, "shop", (process_id, False), FIRST) == []
    (marked,) = await offline.of_process(core, acting, "shop", (process_id, True), FIRST)
    assert (marked.id, marked.error) == (event.id, 1)


async def test_queues_of_other_connectors_and_applications_are_others(
    core: Core, admin: Principal, acting: Principal
) -> None:
    await make_product(core, admin)
    stranger, _ = await make_application(core, admin)

    assert await offline.take(core, acting, "", FIRST) == []
    assert await offline.take(core, stranger, "shop", FIRST) == []
    process_id, _ = await offline.reserve(core, acting, "shop", FIRST)
    await offline.clear(core, stranger, process_id, lambda *_: True)
    assert await listed(core, acting) == [("ADD", process_id, 0)]


async def test_an_application_does_not_hear_of_the_changes_that_it_names_by_its_own_connector(
    core: Core, admin: Principal, acting: Principal
) -> None:
    del admin
    calls.begin(core, "", "shop")
    await make_product(core, acting)
    own = await listed(core, acting)
    calls.begin(core, "", "other")

    await make_product(core, acting)

    assert own == []
    assert await listed(core, acting) == [("ADD", "", 0)]


async def test_only_administrators_have_offline_events(core: Core, acting: Principal) -> None:
    editor = Principal(acting.account_id, 2, "editor", acting.scopes, 0, acting.application_id)

    with pytest.raises(Forbidden, match="administrator"):
        await offline.take(core, editor, "shop", FIRST)
    with pytest.raises(Forbidden, match="administrator"):
        await offline.clear(core, editor, "x", lambda *_: True)
