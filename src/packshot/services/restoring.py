"""Taking things out of the trash: all that one call deleted, or some of it, comes back as it was, or nothing does."""

from collections.abc import Awaitable, Callable, Collection
from typing import Any

import msgspec

from packshot.domain.access import Principal, require_right
from packshot.domain.errors import Conflict, NotFound
from packshot.domain.images import SINGLE_ROLES
from packshot.domain.trash import Deletion, Item
from packshot.domain.trash import Kind as What
from packshot.services import audit, events, images
from packshot.services.core import Core
from packshot.services.trash import take_selection
from packshot.storage import catalogs, inventory, library, locks, products, property_values, selections, trash
from packshot.storage.database import Reads, Tx

PAGE = 50
NEWEST = 2**62
"""More than the id of any deletion."""


class Restored(msgspec.Struct, frozen=True):
    """What came back, and what could not because something else stands there by now, in words."""

    items: list[Item]
    left_out: list[str]


class _Hand(msgspec.Struct, frozen=True):
    """Who takes what out of the trash when; `left_out` grows, and so does what changed of which product.

    `alone`: images come without their products where these are not there.
    """

    caller: Principal
    now: int
    deletion: Deletion
    alone: bool
    left_out: list[str]
    looks: dict[int, None]


async def of_deletions(core: Core, caller: Principal, before_id: int = NEWEST) -> list[Deletion]:
    """The latest deletions before that id, newest first, `PAGE` at most. Raises: Forbidden, Unavailable."""
    require_right(caller, "image:read")
    return await trash.of_deletions(core.db, caller.account_id, before_id, PAGE)


async def show(core: Core, caller: Principal, deletion_id: int) -> tuple[Deletion, list[Item]]:
    """A deletion with all that it took. Raises: Forbidden, NotFound, Unavailable."""
    require_right(caller, "image:read")
    return await _deletion(core.db, caller, deletion_id), await trash.of_items(core.db, caller.account_id, deletion_id)


async def restore(
    core: Core, caller: Principal, deletion_id: int, names: Collection[str] = (), *, alone: bool = False
) -> Restored:
    """Take all that a deletion took out of the trash, or only what is called by one of these *names*.

    Everything has the ids, guids, SKUs and links it had. An image that stood alone in its role comes into its place
    again, and what is there by now goes the way of any that is replaced. With *alone* images whose product is not there
    come into the library without it; otherwise they are refused.

    Raises:
        Forbidden: the caller may only look.
        NotFound: there is no such deletion, or it took nothing of such a name.
        Conflict: what it belongs to is not there, or its guid or code has been taken by something new.
        StoreFull, Unavailable: the store cannot be written to.
    """
    require_right(caller, "image:write")
    now = core.now()

    async def work(tx: Tx) -> Restored:
        deletion = await _held(tx, caller, deletion_id)
        items = await trash.hold_items(tx, caller.account_id, deletion_id)
        wanted = [item for item in items if not names or item.name in names]
        for name in names:
            if all(item.name != name for item in wanted):
                raise NotFound("item", name)
        hand = _Hand(caller, now, deletion, alone, [], {})
        # As it went, backwards: what stood somewhere first stands there in the end. Others belong to products.
        for item in sorted(wanted, key=lambda item: (item.kind != "product", -item.number)):
            await _STEPS[item.kind](tx, hand, item)
        await trash.take_out(tx, caller.account_id, deletion_id, [item.number for item in wanted])
        await events.note_new_looks(tx, caller, hand.looks, now)
        return Restored(wanted, hand.left_out)

    return await core.db.write(work)


async def _deletion(reads: Reads, caller: Principal, deletion_id: int) -> Deletion:
    deletion = await trash.find_deletion(reads, caller.account_id, deletion_id)
    if deletion is None:
        raise NotFound("deletion", deletion_id)
    return deletion


async def _held(tx: Tx, caller: Principal, deletion_id: int) -> Deletion:
    """The deletion, to which nobody else does anything until the end of the work. Raises: NotFound."""
    if not await locks.hold(tx, "deletion", [deletion_id], "UPDATE", of=caller.account_id):
        raise NotFound("deletion", deletion_id)
    return await _deletion(tx, caller, deletion_id)


async def purge(core: Core, caller: Principal, deletion_id: int) -> None:
    """Give up what a deletion took, now; upkeep deletes the bytes. Raises: Forbidden, NotFound, Unavailable."""
    require_right(caller, "image:write")
    now = core.now()

    async def work(tx: Tx) -> None:
        await _held(tx, caller, deletion_id)
        items = await trash.hold_items(tx, caller.account_id, deletion_id)
        await trash.take_out(tx, caller.account_id, deletion_id, [item.number for item in items])
        gone = [audit.of_row(item.rows["image"][0]) for item in items if item.kind == "image"]
        await audit.note(tx, caller, "given up", gone, now)

    await core.db.write(work, makes_room=True)


async def _product(tx: Tx, hand: _Hand, item: Item) -> None:
    account_id, row = hand.caller.account_id, item.rows["product"][0]
    if await catalogs.find_catalog(tx, account_id, row["catalog_id"]) is None:
        raise Conflict(f"The catalog {row['catalog_id']} of product {item.id} is gone")
    if row["code"] and await products.find_by_code(tx, account_id, row["catalog_id"], row["code"]) is not None:
        raise Conflict(f"Another product has the code {row['code']} of product {item.id} by now")
    if row["parent_id"] is not None:
        await _require_product(tx, hand, row["parent_id"], f"product {item.id}")
    places = await _sections(tx, hand, item)
    main = row["section_id"] if row["section_id"] in {place["section_id"] for place in places} else None
    await trash.put_back(tx, "product", [row | {"section_id": main}])
    await trash.put_back(tx, "product_section", places)
    await trash.put_back(tx, "property_value", item.rows["property_value"])
    await products.settle_parent(tx, account_id, row["parent_id"] or item.id)
    await events.note_product(tx, hand.caller, "CATALOG.PRODUCT.ON.ADD", item.id, row["kind"], hand.now)


async def _sections(tx: Tx, hand: _Hand, item: Item) -> list[dict[str, Any]]:
    """The places of the product in sections that are still there."""
    places, catalog_id = item.rows["product_section"], item.rows["product"][0]["catalog_id"]
    wanted = [place["section_id"] for place in places]
    there = await products.of_sections(tx, hand.caller.account_id, catalog_id, wanted) if wanted else set()
    for section_id in set(wanted) - there:
        hand.left_out.append(f"product {item.id} in section {section_id}, which is gone")
    return [place for place in places if place["section_id"] in there]


async def _require_product(tx: Tx, hand: _Hand, product_id: int, what: str) -> None:
    if await _is_there(tx, hand, product_id):
        return
    where = await _where(tx, hand, "product", product_id)
    raise Conflict(f"The product {product_id}, to which {what} belongs, {where}")


async def _is_there(tx: Tx, hand: _Hand, product_id: int) -> bool:
    """Whether the product is there; it stays, and is changed by nobody else, until the end of the work."""
    await locks.hold(tx, "product", [product_id], of=hand.caller.account_id)
    return await products.find_catalog_of(tx, hand.caller.account_id, product_id) is not None


async def _where(tx: Tx, hand: _Hand, kind: What, item_id: int) -> str:
    """Where something is that is not there, and what to do about it."""
    lies = await trash.find_item(tx, hand.caller.account_id, kind, item_id)
    return f"lies in the trash: restore deletion {lies} first" if lies else "is gone for good"


async def _stays_alone(tx: Tx, hand: _Hand, product_id: int, what: str) -> bool:
    """Whether an image has to do without its product. Raises: Conflict, where it does not want to."""
    if not hand.alone:
        await _require_product(tx, hand, product_id, what)
        return False
    if await _is_there(tx, hand, product_id):
        return False
    hand.left_out.append(f"the place of {what} on product {product_id}, which is not there")
    return True


async def _image(tx: Tx, hand: _Hand, item: Item) -> None:
    account_id, row = hand.caller.account_id, item.rows["image"][0] | {"blob_id": item.blob_id}
    if await library.of_taken(tx, account_id, [row["guid"]]):
        raise Conflict(f"Another image has the guid {row['guid']} by now")
    beside = item.rows
    if row["product_id"] is not None and await _stays_alone(tx, hand, row["product_id"], f"image {row['guid']}"):
        row |= {"product_id": None, "role": None, "property_id": None, "library": "inventory"}
        beside = {table: rows for table, rows in beside.items() if table != "property_value"}
    elif row["product_id"] is not None:
        await _make_place(tx, hand, row, beside.get("property_value", []))
        hand.looks[row["product_id"]] = None
    if row["expires_at"] is not None:  # as much time as it had left
        row["expires_at"] += hand.now - hand.deletion.deleted_at
    await trash.put_back(tx, "image", [row])
    await audit.note(tx, hand.caller, "restored", [audit.of_row(row)], hand.now)
    for table in ("property_value", "inventory_product", "inventory_link"):
        await trash.put_back(tx, table, beside.get(table, []))
    await _select(tx, hand, item)
    if row["property_id"] is None:
        shown = await library.of_ids(tx, account_id, [item.id])
        await events.note_images(tx, hand.caller, "PACKSHOT.IMAGE.ON.RESTORE", shown, hand.now)


async def _make_place(tx: Tx, hand: _Hand, row: dict[str, Any], values: list[dict[str, Any]]) -> None:
    """What stands where the image stood goes: one in the same single role, or the file of a property of one."""
    if row["role"] in SINGLE_ROLES:
        await images.clear(tx, hand.caller, row["product_id"], row["role"], hand.now)
    for value in values:
        if not value["multiple"]:
            there = await property_values.of_products(tx, hand.caller.account_id, [row["product_id"]])
            files = [one.image.id for one in there if one.property_id == value["property_id"] and one.image]
            await images.remove_files(tx, hand.caller, files, hand.now)


async def _select(tx: Tx, hand: _Hand, item: Item) -> None:
    for place in item.rows.get("selection", ()):
        if await selections.is_taken(tx, hand.caller.account_id, place["guid"], place["position"]):
            hand.left_out.append(f"image {item.name} in the selection {place['guid']}, which has another one there")
        else:
            await trash.put_back(tx, "selection", [place])


async def _place(tx: Tx, hand: _Hand, item: Item) -> None:
    place, account_id = item.rows["place"][0], hand.caller.account_id
    await locks.hold(tx, "product", [place["product_id"]], of=account_id)
    await locks.hold(tx, "image", [item.id], of=account_id)
    (image,) = await library.of_ids(tx, account_id, [item.id]) or (None,)
    if image is None or image.product_id is not None:
        hand.left_out.append(f"image {item.name} on product {place['product_id']}: it is gone or elsewhere by now")
        return
    if await _stays_alone(tx, hand, place["product_id"], f"image {item.name}"):
        return
    if place["role"] in SINGLE_ROLES:
        await images.clear(tx, hand.caller, place["product_id"], place["role"], hand.now)
    await library.attach(tx, account_id, item.id, place["product_id"], place["role"], hand.now)
    shown = await library.of_ids(tx, account_id, [item.id])
    attached = [audit.of_image(one, role=place["role"]) for one in shown]
    await audit.note(tx, hand.caller, "attached", attached, hand.now)
    await events.note_images(tx, hand.caller, "PACKSHOT.IMAGE.ON.UPDATE", shown, hand.now)
    hand.looks[place["product_id"]] = None


async def _inventory_product(tx: Tx, hand: _Hand, item: Item) -> None:
    (row,) = item.rows["inventory_product"]
    if not await library.of_ids(tx, hand.caller.account_id, [row["image_id"]]):
        where = await _where(tx, hand, "image", row["image_id"])
        raise Conflict(f"The image {row['image_id']}, of which {item.name} is sold, {where}")
    for table in ("inventory_product", "inventory_link"):
        await trash.put_back(tx, table, item.rows[table])


async def _links(tx: Tx, hand: _Hand, item: Item) -> None:
    for link in item.rows["inventory_link"]:
        free = await inventory.has_free_link(tx, hand.caller.account_id, link["product_id"], link["field"])
        if free:
            await trash.put_back(tx, "inventory_link", [link])
        else:
            hand.left_out.append(f"{link['field']} {link['value']}: its product is gone or linked anew")


async def _selection(tx: Tx, hand: _Hand, item: Item) -> None:
    account_id, places = hand.caller.account_id, item.rows["selection"]
    there = {image.id for image in await library.of_ids(tx, account_id, [place["image_id"] for place in places])}
    await take_selection(tx, hand.caller, item.name, hand.now)
    await trash.put_back(tx, "selection", [place for place in places if place["image_id"] in there])
    gone = sum(place["image_id"] not in there for place in places)
    if gone:
        hand.left_out.append(f"{gone} of the images of selection {item.name}: gone by now")


_STEPS: dict[What, Callable[[Tx, _Hand, Item], Awaitable[None]]] = {
    "product": _product,
    "image": _image,
    "place": _place,
    "inventory_product": _inventory_product,
    "links": _links,
    "selection": _selection,
}
"""How each kind is put back."""
