"""Images of libraries added, deleted, selected and expired: what is noted, who may, and all of it or nothing."""

import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import msgspec
import pytest

import pictures
from build import (
    Clock,
    make_account,
    make_image,
    make_inventory_product,
    make_library_image,
    make_library_images,
    make_product,
)
from packshot.domain.access import Principal
from packshot.domain.errors import Conflict, Forbidden, InvalidValue
from packshot.domain.libraries import Files, NewLibraryImage, Place
from packshot.services import calls, handlers, libraries, selections
from packshot.services.core import Core, EventSettings
from packshot.storage.database import Row
from receiver import noted

URL = "https://9.9.9.9/told"
SESSION = Place("temporary", "0123456789abcdef")
ADDED, DELETED, CHANGED = "PACKSHOT.IMAGE.ON.ADD", "PACKSHOT.IMAGE.ON.DELETE", "CATALOG.PRODUCT.ON.UPDATE"
SELECTION = str(uuid4())
NEW = NewLibraryImage(
    guid=str(uuid4()),
    place=Place(),
    name="dunes.jpg",
    title="Dunes",
    description=None,
    created_at=0,
    files=Files("https://img.example/dunes.jpg"),
)


async def listen(core: Core) -> None:
    await handlers.add_webhook(core, "main", URL, [ADDED, DELETED, CHANGED])


async def rows(core: Core) -> list[list[Row]]:
    """All there is of images and what hangs on them."""
    return [await core.db.all(f"SELECT * FROM {table}") for table in ("image", "inventory_product", "selection")]


async def ids_of(core: Core) -> dict[str, int]:
    return {row[0]: row[1] for row in await core.db.all("SELECT guid, id FROM image")}


# Events


async def test_images_that_come_and_go_are_noted_each(core: Core, admin: Principal) -> None:
    await listen(core)

    first, second = await make_library_images(core, admin, 2)
    ids = await ids_of(core)
    await libraries.remove_images(core, admin, [second, first, "no guid"], None)

    def fields(guid: str) -> dict[str, object]:
        return {"ID": ids[guid], "GUID": guid, "PRODUCT_ID": None, "ROLE": None}

    assert await noted(core) == [
        (ADDED, fields(first)), (ADDED, fields(second)), (DELETED, fields(second)), (DELETED, fields(first)),
    ]  # fmt: skip


async def test_a_call_that_deletes_several_images_of_a_product_changes_it_once(core: Core, admin: Principal) -> None:
    shirt, mug = await make_product(core, admin), await make_product(core, admin)
    guids = [(await make_image(core, admin, product, pictures.png())).guid for product in (shirt, mug, shirt)]
    await listen(core)

    await libraries.remove_images(core, admin, guids, None)

    assert [(event, fields.get("PRODUCT_ID") or fields["ID"]) for event, fields in await noted(core)] == [
        (DELETED, shirt), (DELETED, mug), (DELETED, shirt), (CHANGED, shirt), (CHANGED, mug),
    ]  # fmt: skip


@pytest.mark.parametrize("event", [DELETED, CHANGED])
async def test_whoever_listens_to_one_event_hears_that_one(core: Core, admin: Principal, event: str) -> None:
    image = await make_image(core, admin, await make_product(core, admin), pictures.png())
    await handlers.add_webhook(core, "main", URL, [event])

    await libraries.remove_images(core, admin, [image.guid], None)

    assert [name for name, _ in await noted(core)] == [event]


async def test_a_deletion_changes_no_product_where_the_setting_says_so(core: Core, admin: Principal) -> None:
    image = await make_image(core, admin, await make_product(core, admin), pictures.png())
    await listen(core)
    calls.begin(dataclasses.replace(core, events=EventSettings(image_changes_product=False)), "")

    await libraries.remove_images(core, admin, [image.guid], None)

    assert [event for event, _ in await noted(core)] == [DELETED]


# All or nothing


@asynccontextmanager
async def fail_noting(core: Core, event: str, after: int) -> AsyncIterator[None]:
    """Have the database refuse the next event of that name but for the first few, for the block."""
    await listen(core)
    sql = {
        "sqlite": f"CREATE TRIGGER refusing BEFORE INSERT ON outbox WHEN NEW.event = '{event}'"
        f" AND (SELECT count(*) FROM outbox WHERE event = '{event}') >= {after}"
        " BEGIN SELECT RAISE(ABORT, 'refused'); END",
        "postgresql": "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" IF (SELECT count(*) FROM outbox WHERE event = '{event}') >= {after} THEN"
        " RAISE EXCEPTION 'refused' USING ERRCODE = 'check_violation'; END IF; RETURN NEW; END $$",
    }
    await core.db.write(lambda tx: tx.run(sql[core.db.dialect]))
    if core.db.dialect == "sqlite":
        yield
        return
    trigger = f"CREATE TRIGGER refusing BEFORE INSERT ON outbox FOR EACH ROW WHEN (NEW.event = '{event}')"
    await core.db.write(lambda tx: tx.run(f"{trigger} EXECUTE FUNCTION refuse()"))
    yield
    await core.db.write(lambda tx: tx.run("DROP FUNCTION refuse CASCADE"))  # the next test gets the same tables


async def test_a_deletion_that_fails_half_way_leaves_everything(core: Core, admin: Principal) -> None:
    guids = await make_library_images(core, admin, 3)
    await make_inventory_product(core, admin, guids[0])
    await selections.replace(core, admin, SELECTION, guids)
    before = await rows(core)

    async with fail_noting(core, DELETED, 2):
        with pytest.raises(Conflict):
            await libraries.remove_images(core, admin, guids, None)

    assert await rows(core) == before
    assert await noted(core) == []


async def test_an_addition_that_fails_half_way_leaves_nothing(core: Core, admin: Principal) -> None:
    async with fail_noting(core, ADDED, 2):
        with pytest.raises(Conflict):
            await make_library_images(core, admin, 3)

    assert await rows(core) == [[], [], []]
    assert await noted(core) == []


# Rights


async def test_who_may_only_look_changes_nothing(core: Core, admin: Principal) -> None:
    image = await make_library_image(core, admin)
    viewer = Principal(admin.account_id, admin.user_id, "viewer", admin.scopes, 0)
    before = await rows(core)

    with pytest.raises(Forbidden):
        await make_library_image(core, viewer)
    with pytest.raises(Forbidden):
        await libraries.remove_images(core, viewer, [image.guid], None)
    with pytest.raises(Forbidden):
        await selections.replace(core, viewer, SELECTION, [image.guid])

    assert await rows(core) == before
    assert await libraries.preview_removal(core, viewer, [image.guid], None) == [image]
    assert await selections.of_selection(core, viewer, SELECTION) == []


async def test_who_may_not_look_sees_nothing(core: Core, admin: Principal) -> None:
    nobody = Principal(admin.account_id, admin.user_id, "none", admin.scopes, 0)

    with pytest.raises(Forbidden):
        await libraries.preview_removal(core, nobody, [], None)
    with pytest.raises(Forbidden):
        await selections.of_selection(core, nobody, SELECTION)


# Expiry


async def test_expired_images_go_with_their_places_in_selections_in_every_account(
    core: Core, admin: Principal, clock: Clock
) -> None:
    other, _ = await make_account(core, "other")
    first = await make_library_image(core, admin, place=SESSION)
    await make_library_image(core, other, place=SESSION)
    kept = await make_library_image(core, admin)
    await selections.replace(core, admin, SELECTION, [first.guid, kept.guid])
    await listen(core)
    clock.advance(core.libraries.temporary_s - 1)
    younger = await make_library_image(core, admin, place=SESSION)
    assert await libraries.expire(core) == 0
    clock.advance(1)

    assert await libraries.expire(core) == 2

    assert set(await ids_of(core)) == {kept.guid, younger.guid}
    assert await core.db.all("SELECT image_id FROM selection") == [(kept.id,)]
    assert [(event, fields["GUID"]) for event, fields in await noted(core)] == [
        (ADDED, younger.guid), (DELETED, first.guid),
    ]  # fmt: skip
    assert await libraries.expire(core) == 0


async def test_more_images_than_a_batch_expire_in_several(core: Core, admin: Principal, clock: Clock) -> None:
    await make_library_images(core, admin, 2 * libraries.BATCH + 1, SESSION)
    clock.advance(core.libraries.temporary_s)

    assert await libraries.expire(core) == 2 * libraries.BATCH + 1
    assert await ids_of(core) == {}


async def test_the_guid_of_an_expired_image_is_taken_until_that_is_swept(
    core: Core, admin: Principal, clock: Clock
) -> None:
    old = await make_library_image(core, admin, place=SESSION)
    new = msgspec.structs.replace(NEW, guid=old.guid)
    clock.advance(core.libraries.temporary_s)
    with pytest.raises(InvalidValue):
        await libraries.add_images(core, admin, [new])

    await libraries.expire(core)

    (image,) = await libraries.add_images(core, admin, [new])
    assert image.guid == old.guid
