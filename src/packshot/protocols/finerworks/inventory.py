"""The virtual inventory in FinerWorks' shapes: what is sold of images, and what shops call it."""

import re
from collections.abc import Collection, Iterable
from typing import Any

from packshot.domain.errors import InvalidValue, MissingField
from packshot.domain.inventory import LINK_FIELDS, InventoryChange, InventoryProduct, NewInventoryProduct
from packshot.domain.libraries import NO_GUID, LibraryImage
from packshot.domain.paging import Condition, Ordering, Query
from packshot.protocols.finerworks import wire
from packshot.protocols.finerworks.call import Answer, Call
from packshot.protocols.finerworks.guids import MAX_GUIDS
from packshot.protocols.finerworks.library import files_of, guid_of
from packshot.services import inventory
from packshot.services.images import new_guid

MAX_UPDATED = 50
MAX_SKUS = 500
MAX_FILTER = 50
"""A filter by SKU or product code with more entries than this counts as none, as documented."""

MAX_NAME_CHARACTERS = 300
"""Of names, as long as the titles of images that they are taken from, product codes, and ids in shops."""

MAX_DESCRIPTION_CHARACTERS = 16_000
MAX_PRICE = 1_000_000_000

_SHOWN_CHARACTERS = 60
_SORTS = {"id": "id", "name": "name", "title": "name", "created_at": "created_at", "date_added": "created_at"}
_TEXTS = frozenset(("shopify_graphql_product_id", "shopify_graphql_variant_id", "square_variant_id", "wix_variant_id"))
"""Fields of third_party_integrations that are text; the others are numbers, or whatever else was sent."""

_INTEGER = re.compile(r"-?[1-9][0-9]{0,18}")


async def list_virtual_inventory(call: Call) -> Answer:
    """list_virtual_inventory: one page of the products, newest first unless another order is asked for.

    `count` is the number of all products that match. Source: page POST-v3-list_virtual_inventory; what it leaves open
    is in README.md.
    """
    number, rows, offset = wire.paging(call.params)
    sort, descending = wire.ordering(call.params, _SORTS)
    orderings = [Ordering(field, descending) for field in dict.fromkeys((sort, "id"))]
    query = Query(_conditions(call), orderings, offset, rows)
    page = await inventory.list_products(call.core, call.caller, query)
    products = await _write(call, page.rows)
    return Answer({"products": products, "page_number": number, "per_page": rows, "count": page.total})


async def update_virtual_inventory(call: Call) -> Answer:
    """update_virtual_inventory: names, descriptions, stock, prices and links of up to 50 products, found by SKU.

    What is absent or null stays as it is, but for links: those that are null, 0 or empty are cut. SKUs that are not
    there are left out of `skus_updated`; where none is, the answer is a failure with the code 404.
    Source: page PUT-v3-update_virtual_inventory.
    """
    sent = wire.objects(call.params, "virtual_inventory", MAX_UPDATED)
    changes = [_change(fields, f"virtual_inventory[{index}].") for index, fields in enumerate(sent)]
    updated = await call.once(inventory.update, changes)
    skus = [product.sku for product in updated]
    message = _misses((change.sku for change in changes), set(skus))
    fields = {"skus_updated": skus, "products": await _write(call, updated)}
    return Answer(fields, message, code=404 if changes and not updated else 200)


async def delete_virtual_inventory(call: Call) -> Answer:
    """delete_virtual_inventory: up to 500 products go, found by SKU, and their links with them. Their images stay.

    SKUs that are not there are passed over and named in the message. Source: page DELETE-v3-delete_virtual_inventory.
    """
    skus = _texts(call.params, "skus", MAX_SKUS)
    if skus is None:
        raise MissingField("skus")
    return Answer({}, _misses(skus, await call.once(inventory.remove, skus)))


async def disconnect_virtual_inventory(call: Call) -> Answer:
    """disconnect_virtual_inventory: all products lose their links to one platform.

    Source: page PUT-v3-disconnect_virtual_inventory.
    """
    platform = (wire.text(call.params, "platform") or "").strip().lower()
    if not platform:
        raise MissingField("platform")
    if platform not in LINK_FIELDS:
        raise InvalidValue("platform", f"has to be one of {', '.join(LINK_FIELDS)}")
    await call.once(inventory.disconnect, platform)
    return Answer({})


async def submit_product(call: Call) -> Answer:
    """submit_product in mode store: a product of an image in the inventory library. Nothing is ordered.

    The image is that of `library_file`, or else the one that `product_guid` names. Source: page POST-v3-submit_product;
    the answer is ours.
    """
    if (wire.text(call.params, "mode") or "").strip().lower() != "store":
        raise InvalidValue("mode", "has to be store: products go into the virtual inventory, there is no cart here")
    fields = call.params.get("product")
    if fields is None:
        raise MissingField("product")
    if not isinstance(fields, dict):
        raise InvalidValue("product", "has to be an object")
    code = (wire.text(fields, "product_sku", "product.", most=MAX_NAME_CHARACTERS) or "").strip()
    if not code:
        raise MissingField("product.product_sku")
    title = wire.text(fields, "product_title", "product.", most=MAX_NAME_CHARACTERS)
    new = NewInventoryProduct(guid=new_guid(), product_code=code, name=title)
    product = await call.once(inventory.add, _image_of(fields), new)
    return Answer({"products": await _write(call, [product])})


def write_product(call: Call, product: InventoryProduct, image: LibraryImage | None) -> dict[str, Any]:
    """A product with every documented field, null where there is nothing.

    *image* is the one it is sold of, None if that may not be seen. Source: resource model product_details.
    """
    files = image and files_of(call, image)
    return {
        "id": product.id,
        "sku": product.sku,
        "product_code": product.product_code,
        "product_guid": product.guid,
        "image_guid": image.guid if image else NO_GUID,
        "name": product.name,
        "description_short": None,
        "description_long": product.description,
        "artist": None,
        "monetary_format": "USD",
        "quantity": 1,
        "quantity_in_stock": product.quantity_in_stock,
        "track_inventory": product.track_inventory,
        "per_item_price": None,
        "total_price": None,
        "asking_price": product.asking_price,
        "geo_price": None,
        "price_details": None,
        "image_url_1": files and files.thumbnail_uri,
        "image_url_2": files and files.preview_uri,
        "image_url_3": None,
        "image_url_4": None,
        "image_url_5": None,
        "product_size": None,
        "framing_options": None,
        "third_party_integrations": {
            field: _write_link(field, product.links.get(field)) for fields in LINK_FIELDS.values() for field in fields
        },
        "updated": product.updated_at and wire.write_date(product.updated_at, call.zone),
        "valid": True,
    }


def _write_link(field: str, value: str | None) -> int | str | None:
    if field in _TEXTS:
        return value
    if value is None:
        return 0
    number = int(value) if _INTEGER.fullmatch(value) else None
    return value if number is None or abs(number) > wire.MAX_INTEGER else number


async def _write(call: Call, products: list[InventoryProduct]) -> list[dict[str, Any]]:
    images = await inventory.images_of(call.core, call.caller, products)
    return [write_product(call, product, images.get(product.image_guid)) for product in products]


def _misses(sent: Iterable[str], found: set[str]) -> str:
    """A sentence that names what of *sent* is not among the SKUs *found*; empty if nothing is."""
    missing = dict.fromkeys(sku[:_SHOWN_CHARACTERS] for sku in sent if sku not in found)
    return f"No product was found for {', '.join(missing)}" if missing else ""


def _conditions(call: Call) -> list[Condition]:
    params = call.params
    search = wire.text(params, "search_filter", most=wire.MAX_SEARCH_CHARACTERS)
    guids = _texts(params, "guid_filter", MAX_GUIDS)
    connections = _texts(params, "third_party_connections_filter", MAX_FILTER)
    since, until = (wire.span(params, f"created_date_{end}", call.zone) for end in ("from", "to"))
    return [
        *([Condition("searched", "contains", (search,))] if search else []),
        *_one_of("sku", _ignored_if_long(_texts(params, "sku_filter"))),
        *_one_of("product_code", _ignored_if_long(_texts(params, "product_code_filter"))),
        *_one_of("image_guid", [guid_of(guid) or guid for guid in guids or ()]),
        *_one_of("link", [known for word in connections or () for known in _linked_by(word)]),
        *([Condition("created_at", ">=", (since[0],))] if since else []),
        *([Condition("created_at", "<", (until[1],))] if until else []),
    ]


def _one_of(field: str, texts: Collection[str]) -> list[Condition]:
    return [Condition(field, "=", tuple(texts))] if texts else []


def _ignored_if_long(texts: list[str] | None) -> list[str]:
    return texts if texts and len(texts) <= MAX_FILTER else []


def _linked_by(word: str) -> tuple[str, ...]:
    """What a word of the filter by connections stands for: all fields of a platform, or itself, an id in any field."""
    return LINK_FIELDS.get(word.lower(), (word,))


def _texts(params: wire.Fields, name: str, most: int | None = None) -> list[str] | None:
    """The field as a list of texts, none of them empty; None where it is null, missing or an empty text."""
    elements = wire.items(params, name)
    if elements is None:
        return None
    if most is not None and len(elements) > most:
        raise InvalidValue(name, f"has more than {most} elements")
    texts = [(wire.text({name: element}, name) or "").strip() for element in elements]
    return [text for text in texts if text]


def _image_of(fields: wire.Fields) -> str:
    within = "product.product_image.library_file."
    image = fields.get("product_image")
    file = image.get("library_file") if isinstance(image, dict) else None
    sent = wire.text(file, "guid", within) if isinstance(file, dict) else None
    for guid in (sent, wire.text(fields, "product_guid", "product.")):
        if guid and guid != NO_GUID:
            return guid_of(guid) or guid
    raise MissingField(f"{within}guid")


def _change(fields: wire.Fields, within: str) -> InventoryChange:
    sku = (wire.text(fields, "sku", within) or "").strip()
    if not sku:
        raise MissingField(f"{within}sku")
    stock = wire.integer(fields, "quantity_in_stock", within)
    if stock is not None and stock < 0:
        raise InvalidValue(f"{within}quantity_in_stock", "has to be 0 or more")
    return InventoryChange(
        sku=sku,
        name=wire.text(fields, "name", within, most=MAX_NAME_CHARACTERS),
        description=wire.text(fields, "description", within, most=MAX_DESCRIPTION_CHARACTERS),
        quantity_in_stock=stock,
        track_inventory=wire.flag(fields, "track_inventory", within),
        asking_price=wire.number(fields, "asking_price", within, most=MAX_PRICE),
        links=_links(fields, within),
    )


def _links(fields: wire.Fields, within: str) -> dict[str, str | None]:
    name = "third_party_integrations"
    sent = fields.get(name) or {}
    if not isinstance(sent, dict):
        raise InvalidValue(within + name, "has to be an object")
    known = [field for fields_of_platform in LINK_FIELDS.values() for field in fields_of_platform if field in sent]
    return {field: _link(sent, field, f"{within}{name}.") for field in known}


def _link(fields: wire.Fields, field: str, within: str) -> str | None:
    """The id as text; None where there is none."""
    value = fields[field]
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = (wire.text({field: value}, field, within, most=MAX_NAME_CHARACTERS) or "").strip()
    return None if text in {"", "0"} else text
