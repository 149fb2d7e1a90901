"""What is asked of a store, use by use, for those who look at what its database does for that."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import cast
from urllib.parse import unquote
from uuid import uuid4

import pictures
from build import Clock, make_image, make_inventory_product, make_library_images
from oauth_client import PASSWORD, make_application, make_user
from packshot.domain.access import Principal
from packshot.domain.audit import Sought
from packshot.domain.catalogs import Property, Section
from packshot.domain.errors import NotFound
from packshot.domain.libraries import Place
from packshot.domain.paging import Condition, Ordering, Query
from packshot.domain.products import FIELDS, PARENTS, Kind
from packshot.services import (
    access,
    accounts,
    applications,
    audit,
    catalogs,
    downloads,
    erasing,
    handlers,
    idempotency,
    images,
    inventory,
    keys,
    libraries,
    oauth,
    products,
    restoring,
    scrub,
    selections,
    setup,
    upkeep,
    users,
)
from packshot.services import pictures as pictures_service
from packshot.services.core import Core
from packshot.services.idempotency import Key
from packshot.services.oauth import Challenge
from packshot.services.originals import Upload
from packshot.services.pictures import Change
from packshot.services.product_parts import File, NewValues, Parts, Text
from packshot.services.scrub import Pace
from packshot.storage import credentials
from packshot.storage import images as image_rows

SHIRT = pictures.png()
SIMPLE = (Kind.SIMPLE,)

Use = Callable[[Core, Principal, int, int], Awaitable[object]]


async def look_up_original(core: Core, caller: Principal, _: int, image_id: int) -> None:
    """What both kinds of addresses ask."""
    assert await credentials.webhook_is_valid(core.db, caller.account_id, caller.credential_id, core.now())
    assert await image_rows.find_original(core.db, caller.account_id, image_id)
    assert await image_rows.find_picture(core.db, "no such address", core.now()) is None
    assert await image_rows.find_public(core.db, "no such address", core.now()) is None


async def agree_and_refresh(core: Core, caller: Principal, _: int, image_id: int) -> None:
    """What a login, a consent, its tokens and a call with them ask."""
    made = await make_application(core, members=(await make_user(core), caller.user_id))
    client = made.application.client_id, made.secret
    user = await users.of_session(core, await users.log_in(core, "anna", PASSWORD))
    assert user is not None
    code = await oauth.authorize(core, await applications.get(core, client[0]), user, Challenge())
    tokens = await oauth.exchange(core, client, code)
    fresh = await oauth.refresh(core, client, tokens.refresh_token)
    token = await access.by_token(core, fresh.access_token)
    await downloads.open_link(core, unquote(downloads.signer(core, token)(image_id)))
    await oauth.issue_tokens(core, made.application.id, user.id)
    await accounts.set_quota(core, setup.ACCOUNT, 10**9)


async def call_with_keys(core: Core, *_: object) -> None:
    """What a pair of keys asks, for its own account and for another one."""
    pair = await keys.create(core, setup.ACCOUNT, privileged=True)
    caller = await keys.by_pair(core, pair.web_api_key, pair.app_key)
    await keys.profile(core, await keys.acting_for(core, caller, pair.account_key))
    (made,) = (await keys.of_account(core, setup.ACCOUNT))[1]
    await keys.revoke(core, setup.ACCOUNT, made.id)


async def call_with_a_key(core: Core, caller: Principal, product_id: int, image_id: int) -> None:
    """What a call asks that is done once: when it fails, is done, and is repeated."""
    for place in ((product_id, 999), (product_id, image_id), (product_id, image_id)):
        with suppress(NotFound):
            await idempotency.once(core, caller, Key("k", "delete"), "", images.remove_from_product, *place)


async def let_go_of_what_is_sold(core: Core, caller: Principal, product_id: int, image_id: int) -> None:
    """What it asks when an image leaves its product for the library, alone and with the product."""
    detail = await make_image(core, caller, product_id, SHIRT, "detail")
    more = await images.get(core, caller, product_id, image_id)
    await make_inventory_product(core, caller, more.guid)
    await make_inventory_product(core, caller, detail.guid)
    await handlers.add_webhook(core, setup.ACCOUNT, "https://9.9.9.9/", ["PACKSHOT.IMAGE.ON.UPDATE"])
    await make_image(core, caller, product_id, SHIRT, "detail")
    await products.remove(core, caller, product_id, SIMPLE)


async def show_pictures_otherwise(core: Core, caller: Principal, product_id: int, image_id: int) -> None:
    """What it asks when a picture gets a focal point, and a link to a rendition."""
    guid = await pictures_service.guid_of(core, caller, image_id)
    assert (await images.get(core, caller, product_id, image_id)).guid == guid
    await pictures_service.change(core, caller, [Change(guid, focus=(0.1, 0.2))])
    await pictures_service.addresses(core, caller, guid, ["card"])


async def change_a_library(core: Core, caller: Principal, *_: object) -> None:
    """What it asks when images of libraries are added, selected, previewed, deleted and expired."""
    guids = await make_library_images(core, caller, 3)
    await make_library_images(core, caller, 1, Place("temporary", "a session"))
    await make_inventory_product(core, caller, guids[0])
    master = str(uuid4())
    await selections.replace(core, caller, master, guids)
    assert len(await selections.of_selection(core, caller, master)) == len(guids)
    gone = await libraries.preview_removal(core, caller, guids, None)
    await inventory.of_images(core, caller, [image.id for image in gone])
    await libraries.remove_images(core, caller, guids, None)
    cast("Clock", core.clock).advance(core.libraries.temporary_s)
    assert await libraries.expire(core) == 1


async def erase(core: Core, caller: Principal, product_id: int, image_id: int) -> None:
    """What it asks when an image goes for good that is sold, selected and told of, and one that was given up."""
    (found,) = await erasing.find(core, caller.account_id, image_id)
    await make_inventory_product(core, caller, found.guid)
    await selections.replace(core, caller, str(uuid4()), [found.guid])
    await handlers.add_webhook(core, setup.ACCOUNT, "https://9.9.9.9/", ["CATALOG.PRODUCT.ON.UPDATE"])
    thrown = await make_image(core, caller, product_id, SHIRT)
    await images.remove_from_product(core, caller, product_id, thrown.id)
    await restoring.purge(core, caller, (await restoring.of_deletions(core, caller))[0].id)
    (again,) = await erasing.find(core, caller.account_id, thrown.guid)
    await erasing.erase_images(core, caller, [found, again])
    await erasing.delete_bytes(core)


async def scrub_and_repair(core: Core) -> None:
    """What it asks when all originals are read again, and when one of them is lost."""
    lost, _ = await core.blobs.of_keys(0)
    await core.blobs.delete(lost)
    assert (await scrub.run_once(core, lambda _: None)).corrupt == 1
    assert await scrub.repair(core, Pace(0)) == 0


BY_CATALOG = Condition("catalog_id", "=", (1,))
PROPERTY = Condition("property77", "=", ("x",))
PARTS = Parts(
    {"detail": Upload("a.png", len(SHIRT), lambda: SHIRT)},
    {77: NewValues((Text("x"), File(Upload("b.png", len(SHIRT), lambda: SHIRT))), multiple=True)},
    (),
)
USES: dict[str, Use] = {
    "image add": lambda core, caller, product_id, _: make_image(core, caller, product_id, pictures.png(9, 9)),
    "image add of known bytes": lambda core, caller, product_id, _: make_image(core, caller, product_id, SHIRT),
    "image replaced": lambda core, caller, product_id, _: make_image(core, caller, product_id, SHIRT, "detail"),
    "image get": images.get,
    "image list": lambda core, caller, product_id, _: images.list_of_product(core, caller, product_id, Query(limit=1)),
    "image delete": images.remove_from_product,
    "images that are sold": let_go_of_what_is_sold,
    "images of a library": change_a_library,
    "pictures shown otherwise": show_pictures_otherwise,
    "download": look_up_original,
    "product get": lambda core, caller, product_id, _: products.get(core, caller, product_id, SIMPLE),
    "product update": lambda core, caller, product_id, _: products.update(
        core, caller, product_id, SIMPLE, {"code": "x"}
    ),
    "product delete": lambda core, caller, product_id, _: products.remove(core, caller, product_id, SIMPLE),
    "product list": lambda core, caller, *_: products.list_all(
        core, caller, SIMPLE, FIELDS, Query([BY_CATALOG], limit=1)
    ),
    "product list by cursor": lambda core, caller, *_: products.list_all(
        core, caller, SIMPLE, FIELDS, Query([BY_CATALOG, Condition("id", ">", (5,))], [Ordering("id")], counted=False)
    ),
    "product list with its parts": lambda core, caller, *_: products.list_all(
        core, caller, SIMPLE, FIELDS, Query([BY_CATALOG, PROPERTY]), ("images", "properties")
    ),
    "parent list": lambda core, caller, *_: products.list_all(
        core, caller, PARENTS, FIELDS, Query([BY_CATALOG], limit=1)
    ),
    "product with parts": lambda core, caller, *_: products.add(
        core, caller, Kind.SIMPLE, {"catalog_id": 1, "name": "x"}, PARTS
    ),
    "product with other parts": lambda core, caller, product_id, _: products.update(
        core, caller, product_id, SIMPLE, {}, PARTS
    ),
    "file of a field": lambda core, caller, product_id, image_id: products.open_file(
        core, caller, SIMPLE, (product_id, "MORE_PHOTO"), image_id
    ),
    "product list by name": lambda core, caller, *_: products.list_all(
        core, caller, SIMPLE, FIELDS, Query([BY_CATALOG, Condition("name", "=", ("Shirt",))], limit=1)
    ),
    "catalog get": lambda core, caller, *_: catalogs.get(core, caller, 1),
    "catalog list": lambda core, caller, *_: catalogs.list_all(core, caller, Query(limit=1)),
    "section list": lambda core, caller, *_: catalogs.list_sections(core, caller, Query([BY_CATALOG], limit=1)),
    "section added": lambda core, caller, *_: catalogs.add_section(core, caller.account_id, Section(1, "x", code="x")),
    "property get": lambda core, caller, *_: catalogs.get_property(core, caller, 1),
    "property list": lambda core, caller, *_: catalogs.list_properties(core, caller, Query([BY_CATALOG], limit=1)),
    "property list of all catalogs": lambda core, caller, *_: catalogs.list_properties(core, caller, Query(limit=1)),
    "property added": lambda core, caller, *_: catalogs.add_property(
        core, caller.account_id, 1, Property("X", "x", "S", multiple=False)
    ),
    "oauth": agree_and_refresh,
    "a new webhook": lambda core, caller, *_: access.create_webhook(core, setup.ACCOUNT, caller.user_id, setup.SCOPES),
    "keys": call_with_keys,
    "a call with a key": call_with_a_key,
    "erase": erase,
    "audit": lambda core, caller, _, image_id: audit.of_entries(core, caller, Sought(image_id, by="webhook"), 9),
    "upkeep": lambda core, *_: upkeep.run_once(core),
    "scrub": lambda core, *_: scrub_and_repair(core),
}  # fmt: skip

LISTS = {
    "by id": Query([BY_CATALOG, Condition("id", "=", tuple(range(500, 550)))]),
    "by name": Query([BY_CATALOG, Condition("name", "=", ("Product 700",))]),
    "by code": Query([BY_CATALOG, Condition("code", "=", ("product-700",))]),
    "by outer id": Query([BY_CATALOG, Condition("xml_id", "=", ("700",))]),
    "by fifty outer ids": Query([BY_CATALOG, Condition("xml_id", "=", tuple(map(str, range(500, 550))))]),
    "by fifty codes": Query([BY_CATALOG, Condition("code", "=", tuple(f"product-{n}" for n in range(500, 550)))]),
    "by fifty names": Query([BY_CATALOG, Condition("name", "=", tuple(f"Product {n}" for n in range(500, 550)))]),
    "by section": Query([BY_CATALOG, Condition("section_id", "=", (1,))]),
    "by property": Query([BY_CATALOG, Condition("property77", "=", ("700",))]),
    "by cursor": Query([BY_CATALOG, Condition("id", ">", (900,))], [Ordering("id")], counted=False),
    "in the order of names": Query([BY_CATALOG], [Ordering("name")], counted=False),
    "uncounted": Query([BY_CATALOG], counted=False),
}
