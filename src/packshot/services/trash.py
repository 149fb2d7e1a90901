"""The trash: whole rows go there in the transaction that deletes them, and come back as they were."""

from collections.abc import Collection, Sequence
from typing import Any

from packshot.domain.access import Principal
from packshot.domain.audit import Action
from packshot.domain.trash import Deletion, NewItem, Rows
from packshot.services import audit, calls
from packshot.storage import inventory, locks, selections, trash
from packshot.storage.database import Tx

_REQUEST_S = 60
"""How long after its first deletion a request may still take something away under the same number."""


async def _take(tx: Tx, caller: Principal, items: Sequence[NewItem], now: int) -> None:
    """Put them into the trash, under the one deletion of this request."""
    if not items:
        return
    deletion = Deletion(0, calls.current().method, calls.who(caller), calls.REQUEST_ID.get(), now, 0)
    latest = await trash.find_latest(tx, caller.account_id)
    if latest and _is_of(latest, deletion) and await locks.hold(tx, "deletion", [latest.id]):
        deletion_id = latest.id
    else:
        deletion_id = await trash.add_deletion(tx, caller.account_id, deletion)
    await trash.add_items(tx, caller.account_id, deletion_id, items)


def _is_of(latest: Deletion, deletion: Deletion) -> bool:
    """Whether both are of one request. Clients choose its id, and may choose it once for all: that ends soon."""
    same = (latest.request_id, latest.method, latest.who) == (deletion.request_id, deletion.method, deletion.who)
    return same and bool(latest.request_id) and deletion.deleted_at - latest.deleted_at <= _REQUEST_S * 1_000_000


async def take_images(
    tx: Tx, caller: Principal, image_ids: Sequence[int], now: int, action: Action = "deleted"
) -> None:
    """Copy images into the trash with all that is sold of them, their places in selections and the values they are.

    *action* is what the audit log says of them.
    """
    images = await _by(tx, caller, "image", "id", image_ids)
    sold = await _by(tx, caller, "inventory_product", "image_id", image_ids)
    selected = await _by(tx, caller, "selection", "image_id", image_ids)
    values = await _by(tx, caller, "property_value", "image_id", image_ids)
    products = [product for found in sold.values() for product in found]
    links = await _by(tx, caller, "inventory_link", "product_id", [product["id"] for product in products])
    items = []
    for image_id in image_ids:
        beside: Rows = {
            "inventory_product": sold.get(image_id, []),
            "selection": selected.get(image_id, []),
            "property_value": values.get(image_id, []),
        }
        beside["inventory_link"] = [
            link for product in beside["inventory_product"] for link in links.get(product["id"], [])
        ]
        kept = {table: found for table, found in beside.items() if found}
        items += [_image(image, kept) for image in images.get(image_id, [])]
    await _take(tx, caller, items, now)
    gone = [audit.of_row(row) for image_id in image_ids for row in images.get(image_id, [])]
    await audit.note(tx, caller, action, gone, now)


def _image(image: dict[str, Any], beside: Rows) -> NewItem:
    return NewItem(
        kind="image",
        id=image["id"],
        name=image["guid"],
        title=image["name"],
        rows={"image": [image], **beside},
        blob_id=image["blob_id"],
    )


async def take_places(tx: Tx, caller: Principal, image_ids: Collection[int], now: int) -> None:
    """Write down on which products these images stand, which they are about to leave for the library."""
    images = await trash.whole(tx, caller.account_id, "image", "id", list(image_ids))
    places = [
        NewItem(
            "place", row["id"], row["guid"], row["name"], {"place": [{k: row[k] for k in ("id", "product_id", "role")}]}
        )
        for row in images
    ]
    await _take(tx, caller, places, now)
    await audit.note(tx, caller, "detached", [audit.of_row(row) for row in images], now)


async def take_products(tx: Tx, caller: Principal, product_ids: Sequence[int], now: int) -> None:
    """Copy products into the trash, with their sections and values, and the files of those as images.

    Product images went their own way before. Those that belong to others come first, and come back last.
    """
    products = await _by(tx, caller, "product", "id", product_ids)
    sections = await _by(tx, caller, "product_section", "product_id", product_ids)
    values = await _by(tx, caller, "property_value", "product_id", product_ids)
    items = []
    for product_id in product_ids:
        (product,) = products[product_id]
        rows: Rows = {
            "product": [product],
            "product_section": sections.get(product_id, []),
            "property_value": [value for value in values.get(product_id, []) if value["image_id"] is None],
        }
        items.append(NewItem("product", product_id, str(product_id), product["name"], rows))
    await _take(tx, caller, items, now)
    files = await trash.whole(tx, caller.account_id, "image", "product_id", product_ids)
    await take_images(tx, caller, [row["id"] for row in files], now)


async def take_inventory(tx: Tx, caller: Principal, product_ids: Sequence[int], now: int) -> None:
    """Copy what is sold of images into the trash, with its links to shops."""
    sold = await trash.whole(tx, caller.account_id, "inventory_product", "id", product_ids)
    links = await _by(tx, caller, "inventory_link", "product_id", product_ids)
    items = [
        NewItem(
            kind="inventory_product",
            id=row["id"],
            name=row["sku"],
            title=row["name"],
            rows={"inventory_product": [row], "inventory_link": links.get(row["id"], [])},
        )
        for row in sold
    ]
    await _take(tx, caller, items, now)


async def take_links(tx: Tx, caller: Principal, fields: Collection[str], now: int) -> None:
    """Move the links of these fields on all products of the account into the trash, as one thing."""
    links = await inventory.unlink(tx, caller.account_id, fields)
    if links:
        name = ", ".join(fields)
        await _take(tx, caller, [NewItem("links", 0, name, f"{len(links)} links", {"inventory_link": links})], now)


async def take_selection(tx: Tx, caller: Principal, guid: str, now: int) -> None:
    """Move a selection into the trash."""
    places = await selections.clear(tx, caller.account_id, guid)
    if places:
        await _take(tx, caller, [NewItem("selection", 0, guid, f"{len(places)} images", {"selection": places})], now)


async def _by(
    tx: Tx, caller: Principal, table: str, column: str, ids: Sequence[int]
) -> dict[int, list[dict[str, Any]]]:
    """The whole rows of *table* that have one of these ids in *column*, by that."""
    found: dict[int, list[dict[str, Any]]] = {}
    for row in await trash.whole(tx, caller.account_id, table, column, ids):
        found.setdefault(row[column], []).append(row)
    return found
