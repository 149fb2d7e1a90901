"""Whatever changes an image writes that down, once, with who did it; what changes nothing leaves no line."""

import dataclasses
import json
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

import pictures
from build import Clock, make_account, make_image, make_inventory_product, make_library_image, make_product
from logged import Done, happened, lines, rows, said
from packshot.domain.access import Principal
from packshot.domain.audit import Sought
from packshot.domain.catalogs import Property
from packshot.domain.errors import Conflict, Forbidden, NotFound
from packshot.domain.images import ProductImage
from packshot.domain.libraries import ImageChange, Place
from packshot.domain.paging import Query
from packshot.domain.products import Kind
from packshot.services import (
    audit,
    calls,
    hosting,
    images,
    inventory,
    libraries,
    products,
    restoring,
    selections,
    upkeep,
)
from packshot.services import pictures as shown
from packshot.services.core import AuditSettings, Core
from packshot.services.idempotency import Key, once
from packshot.services.originals import Upload
from packshot.services.pictures import Change
from packshot.services.product_parts import File, NewValues, Parts, Removed
from packshot.storage import audit as log
from packshot.storage import catalogs
from packshot.storage.database import Tx

SHIRT, MUG = pictures.png(), pictures.png(4, 4)
SIMPLE = (Kind.SIMPLE,)
DAY_S = 86_400

Act = Callable[[Core, Principal, "Things"], Awaitable[object]]


class Things(msgspec.Struct, frozen=True):
    """What every act finds: a product with four pictures and a file, of which `sold` is sold, and library images."""

    product_id: int
    detail: ProductImage
    sold: ProductImage
    more: ProductImage
    files_id: int
    sku: str
    hosted: str
    elsewhere: str
    deletion_id: int


async def furnished(core: Core, admin: Principal) -> Things:
    async def declare(tx: Tx) -> int:
        files = Property("FILES", "Files", "F", multiple=False)
        return await catalogs.add_property(tx, admin.account_id, 1, files, core.now())

    files_id, product_id = await core.db.write(declare), await make_product(core, admin)
    detail = await make_image(core, admin, product_id, SHIRT, "detail")
    sold = await make_image(core, admin, product_id, SHIRT, "preview")
    more = await make_image(core, admin, product_id, SHIRT)
    sku = (await make_inventory_product(core, admin, sold.guid)).sku
    await products.update(core, admin, product_id, SIMPLE, {}, of_file(files_id, File(upload())))
    gone = await make_library_image(core, admin, SHIRT)
    hosted, elsewhere = await make_library_image(core, admin, SHIRT), await make_library_image(core, admin)
    await libraries.remove_images(core, admin, [gone.guid], None)
    (deletion,) = await restoring.of_deletions(core, admin)
    return Things(product_id, detail, sold, more, files_id, sku, hosted.guid, elsewhere.guid, deletion.id)


def upload(data: bytes = MUG) -> Upload:
    return Upload("mug.png", len(data), lambda: data)


def of_file(property_id: int, value: File | Removed) -> Parts:
    return Parts(properties={property_id: NewValues([value], multiple=False)})


def changing(parts: Callable[[Things], Parts]) -> Act:
    return lambda core, admin, there: products.update(core, admin, there.product_id, SIMPLE, {}, parts(there))


def gallery(value: Callable[[Things], File | Removed]) -> Act:
    return changing(lambda there: Parts(properties={1: NewValues([value(there)], multiple=True)}))


def attaching(role: Any) -> Act:
    return lambda core, admin, there: hosting.attach(core, admin, there.hosted, there.product_id, role)


ACTS: dict[str, tuple[set[str], Act]] = {
    "a picture is added": ({"added"}, lambda core, admin, there: make_image(core, admin, there.product_id, MUG)),
    "a picture is removed": (
        {"deleted"},
        lambda core, admin, there: images.remove_from_product(core, admin, there.product_id, there.more.id),
    ),
    "a sold picture is removed itself": (
        {"deleted"},
        lambda core, admin, there: images.remove_from_product(core, admin, there.product_id, there.sold.id),
    ),
    "a detail picture is replaced": ({"replaced", "added"}, changing(lambda _: Parts({"detail": upload()}))),
    "a sold picture is replaced": ({"detached", "added"}, changing(lambda _: Parts({"preview": upload()}))),
    "a detail picture is taken away": ({"deleted"}, changing(lambda _: Parts({"detail": None}))),
    "a gallery gets one more": ({"added"}, gallery(lambda _: File(upload()))),
    "one leaves a gallery": ({"deleted"}, gallery(lambda there: Removed(there.more.id))),
    "a file comes in the place of another": (
        {"deleted", "added"},
        changing(lambda there: of_file(there.files_id, File(upload()))),
    ),
    "a file goes": ({"deleted"}, changing(lambda there: of_file(there.files_id, Removed()))),
    "a product goes": (
        {"deleted", "detached"},
        lambda core, admin, there: products.remove(core, admin, there.product_id, SIMPLE),
    ),
    "a library image is attached": ({"attached"}, attaching("more")),
    "one is attached in the place of another": ({"attached", "replaced"}, attaching("detail")),
    "one is attached where a sold one is": ({"attached", "detached"}, attaching("preview")),
    "titles change": (
        {"changed"},
        lambda core, admin, there: libraries.update_images(
            core,
            admin,
            [ImageChange(guid=there.hosted, title="a"), ImageChange(guid=there.more.guid, title="b")],
            None,
        ),
    ),
    "nothing changes": (
        set(),
        lambda core, admin, there: libraries.update_images(
            core, admin, [ImageChange(guid=there.elsewhere, title="dunes.jpg")], None
        ),
    ),
    "focal points change": (
        {"changed"},
        lambda core, admin, there: shown.change(
            core, admin, [Change(there.hosted, focus=(0.1, 0.2)), Change(there.more.guid, focus=(0.5, 0.5))]
        ),
    ),
    "images are deleted by guid": (
        {"deleted"},
        lambda core, admin, there: libraries.remove_images(
            core, admin, [there.sold.guid, there.hosted, there.elsewhere], None
        ),
    ),
    "something is sold": (set(), lambda core, admin, there: make_inventory_product(core, admin, there.hosted)),
    "nothing is sold any more": (
        set(),
        lambda core, admin, there: inventory.remove(core, admin, [there.sku]),
    ),
    "images are selected": (
        set(), lambda core, admin, there: selections.replace(core, admin, there.hosted, [there.hosted])
    ),
    "images are listed": (
        set(), lambda core, admin, there: images.list_of_product(core, admin, there.product_id, Query())
    ),
}  # fmt: skip


@pytest.fixture
async def there(core: Core, admin: Principal) -> Things:
    return await furnished(core, admin)


async def done_by(core: Core, admin: Principal, act: Callable[[], Awaitable[object]]) -> Done:
    """What the log says of the act, which is what happened to the images."""
    before, known = await rows(core), len(await said(core, admin))
    await act()
    done = sorted((await said(core, admin))[known:])
    plain = [(image_id, "deleted" if action == "replaced" else action) for image_id, action in done]
    assert plain == happened(before, await rows(core))
    return done


@pytest.mark.parametrize("name", ACTS)
async def test_what_an_act_does_to_images_is_in_the_log_and_nothing_else(
    core: Core, admin: Principal, there: Things, name: str
) -> None:
    actions, act = ACTS[name]

    done = await done_by(core, admin, lambda: act(core, admin, there))

    assert {action for _, action in done} == actions


async def test_everything_made_so_far_is_in_the_log(core: Core, admin: Principal, there: Things) -> None:
    assert len(await rows(core)) == 6
    assert [action for _, action in await said(core, admin)] == ["added"] * 7 + ["deleted"]
    assert {there.detail.id, there.sold.id, there.more.id} <= {image_id for image_id, _ in await said(core, admin)}


async def test_what_comes_back_and_what_goes_for_good_is_in_the_log(
    core: Core, admin: Principal, there: Things
) -> None:
    calls.begin(core, "catalog.product.delete")
    await products.remove(core, admin, there.product_id, SIMPLE)
    latest = (await restoring.of_deletions(core, admin))[0].id
    known = len(await said(core, admin))

    await restoring.restore(core, admin, latest)
    await restoring.purge(core, admin, there.deletion_id)

    done = (await said(core, admin))[known:]
    assert sorted(action for _, action in done) == ["attached", "given up", "restored", "restored", "restored"]
    assert (there.sold.id, "attached") in done
    entries = await audit.of_entries(core, admin, Sought(image_id=there.detail.id), 9)
    assert [entry.action for entry in entries] == ["restored", "deleted", "added"]
    assert {(entry.product_id, entry.guid, entry.name) for entry in entries} == {
        (there.product_id, there.detail.guid, "shirt.png")
    }


async def test_what_does_not_come_to_pass_leaves_no_line(core: Core, admin: Principal, there: Things) -> None:
    taken = await make_image(core, admin, there.product_id, MUG)
    known = await said(core, admin)

    with pytest.raises(NotFound):
        await images.remove_from_product(core, admin, there.product_id, taken.id + 1)
    with pytest.raises(NotFound):
        await products.update(core, admin, there.product_id, SIMPLE, {"modified_by": 77}, Parts({"detail": upload()}))
    with pytest.raises(Conflict):
        await hosting.attach(core, admin, there.elsewhere, there.product_id, "detail")

    async def fail(tx: Tx) -> None:
        await images.clear(tx, admin, there.product_id, "detail", core.now())
        raise Conflict("on second thoughts")

    with pytest.raises(Conflict):
        await core.db.write(fail)
    assert await said(core, admin) == known


async def test_a_line_says_which_fields_changed_and_where_an_image_came_to(
    core: Core, admin: Principal, there: Things
) -> None:
    change = ImageChange(guid=there.hosted, title="Dunes", description="of sand", active=True)
    await libraries.update_images(core, admin, [change], None)
    await shown.change(core, admin, [Change(there.hosted, focus=(0.1, 0.2), privacy="keep")])
    await hosting.attach(core, admin, there.hosted, there.product_id, "more")

    details = [json.loads(entry.details) for entry in (await lines(core, admin))[-3:]]

    assert details == [{"fields": ["title", "description"]}, {"fields": ["focus", "privacy"]}, {"role": "more"}]


async def test_images_whose_time_is_over_are_deleted_by_the_server(core: Core, admin: Principal, clock: Clock) -> None:
    image = await make_library_image(core, admin, place=Place("temporary", "session 1"))
    clock.advance(15 * DAY_S)

    done = await done_by(core, admin, lambda: libraries.expire(core))

    (entry,) = await audit.of_entries(core, admin, Sought(), 1)
    assert done == [(image.id, "deleted")]
    assert (entry.method, entry.who, entry.guid) == ("", "the server", image.guid)


async def test_what_has_been_in_the_trash_long_enough_is_given_up_by_the_server(
    core: Core, admin: Principal, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "BATCH", 1)
    other, catalog_id = await make_account(core, "second")
    product_id = await make_product(core, other, catalog_id=catalog_id)
    theirs = await make_image(core, other, product_id, SHIRT)
    ours = [(await make_library_image(core, admin)).guid for _ in range(2)]
    await products.remove(core, other, product_id, SIMPLE)
    await libraries.remove_images(core, admin, ours, None)
    clock.advance(DAY_S)
    await libraries.remove_images(core, admin, [(await make_library_image(core, admin)).guid], None)
    clock.advance(core.trash.keep_s - DAY_S)

    assert await upkeep.empty_trash(core) == 3
    assert await upkeep.empty_trash(core) == 0

    given_up = [entry for entry in await lines(core, admin) if entry.action == "given up"]
    assert [(entry.guid, entry.name, entry.who) for entry in given_up] == [
        (guid, "dunes.jpg", "the server") for guid in ours
    ]
    assert [(entry.action, entry.guid) for entry in await lines(core, other)][-1] == ("given up", theirs.guid)


async def test_a_call_that_is_repeated_with_its_key_leaves_one_line(core: Core, admin: Principal) -> None:
    product_id = await make_product(core, admin)

    made = [
        await once(core, admin, Key("k", "add"), "", images.add_to_product, product_id, "more", upload())
        for _ in range(2)
    ]

    assert await said(core, admin) == [(made[0].id, "added")]


async def test_a_line_says_by_which_call_and_by_whom(core: Core, admin: Principal) -> None:
    calls.begin(core, "add_images")
    calls.REQUEST_ID.set("request 7")
    token = msgspec.structs.replace(admin, application_id=3)
    pair = Principal(admin.account_id, 0, "editor", admin.scopes, 0, pair_id=4)
    owner = Principal(admin.account_id, 0, "administrator", frozenset(), 0)

    for caller in (admin, token, pair, owner):
        await make_library_image(core, caller)

    entries = await lines(core, admin)
    assert {(entry.method, entry.request_id) for entry in entries} == {("add_images", "request 7")}
    assert [entry.who for entry in entries] == [
        "webhook 1 of user 1",
        "access token 1 of application 3 for user 1",
        "pair of keys 4",
        "the command line",
    ]


async def test_only_those_who_may_look_see_the_log_of_their_own_account(core: Core, admin: Principal) -> None:
    await make_library_image(core, admin)
    nobody = Principal(admin.account_id, admin.user_id, "none", admin.scopes, 0)

    assert await lines(core, Principal(admin.account_id + 1, 1, "administrator", admin.scopes, 0)) == []
    with pytest.raises(Forbidden):
        await lines(core, nobody)


@pytest.mark.parametrize(("keep_s", "left"), [(10 * DAY_S, 1), (0, 3)])
async def test_lines_go_when_they_were_kept_long_enough(
    core: Core, admin: Principal, clock: Clock, monkeypatch: pytest.MonkeyPatch, keep_s: int, left: int
) -> None:
    monkeypatch.setattr(audit, "BATCH", 1)
    for _ in range(3):
        await make_library_image(core, admin)
        clock.advance(9 * DAY_S)

    done = await upkeep.run_once(dataclasses.replace(core, audit=AuditSettings(keep_s)))

    assert done.forgotten == 3 - left
    assert len(await lines(core, admin)) == left


async def test_images_that_are_many_are_written_down_by_one_statement(
    core: Core, admin: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    guids = [(await make_library_image(core, admin)).guid for _ in range(50)]
    added: list[int] = []
    add = log.add

    async def watched(tx: Tx, deed: Any, touched: Any) -> None:
        added.append(len(touched))
        await add(tx, deed, touched)

    monkeypatch.setattr(log, "add", watched)
    await libraries.remove_images(core, admin, guids, None)

    assert added == [50]
