"""catalog.product.add, get, list, update and delete: simple products, enough to hang pictures on."""

from collections.abc import Callable
from datetime import tzinfo
from functools import lru_cache, partial
from typing import Any
from urllib.parse import quote

from packshot.domain.errors import InvalidRequest
from packshot.domain.images import ProductImage
from packshot.domain.paging import Value
from packshot.domain.products import FIELDS, Fields, Kind
from packshot.protocols.bitrix import wire
from packshot.protocols.bitrix.call import Answer, Call
from packshot.protocols.bitrix.wire import Field
from packshot.services import products
from packshot.services.products import Product

KINDS = (Kind.SIMPLE,)

_NAMES = {
    "catalog_id": "iblockId",
    "kind": "type",
    "section_id": "iblockSectionId",
    "created_at": "dateCreate",
    "changed_at": "timestampX",
    "active_from": "dateActiveFrom",
    "active_to": "dateActiveTo",
}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


WIRE_NAMES: dict[str, str] = {name: _NAMES.get(name, _camel(name)) for name in FIELDS if name != "parent_id"}
"""From our name of a field to Bitrix24's. Source: page "Data types", catalog_product."""

_BY_KEY = {wire.field_key(wire_name): name for name, wire_name in WIRE_NAMES.items()}


async def add(call: Call) -> Answer:
    """Add a simple product; `result.element` is the whole product. Source: page catalog.product.add."""
    values = wire.fields(call.params)
    wire.required(values, ("iblockId", "name"))
    product = await products.add(call.core, call.caller, Kind.SIMPLE, _read(values, call.zone))
    return Answer({"element": _write(call, product)})


async def get(call: Call) -> Answer:
    """One product with its pictures. Source: page catalog.product.get."""
    product = await products.get(call.core, call.caller, wire.identifier(call.params, "id"), KINDS)
    return Answer({"product": _write(call, product)})


async def list_(call: Call) -> Answer:
    """A page of products, under the one key `products`. Source: page catalog.product.list.

    Raises:
        InvalidRequest: `select` lacks `id` or `iblockId`, or `filter` lacks `iblockId`.
    """
    known = _filters(call.zone)
    _require_select(call)
    wanted = wire.query(call.params, known)
    if not any(condition.field == "catalog_id" for condition in wanted.conditions):
        raise InvalidRequest("filter", "Required filter fields: iblockId")
    chosen = wire.selection(call.params, _BY_KEY)
    page = await products.list_all(call.core, call.caller, KINDS, chosen, wanted)
    return wire.listed("products", page, wanted, partial(_row, zone=call.zone))


async def update(call: Call) -> Answer:
    """Change a product; `result.element` is the whole product afterwards. Source: page catalog.product.update."""
    product_id = wire.identifier(call.params, "id")
    changes = _read(wire.fields(call.params), call.zone)
    product = await products.update(call.core, call.caller, product_id, KINDS, changes)
    return Answer({"element": _write(call, product)})


async def delete(call: Call) -> Answer:
    """Delete a product with its pictures; `result` is true. Source: page catalog.product.delete."""
    await products.remove(call.core, call.caller, wire.identifier(call.params, "id"), KINDS)
    return Answer(result=True)


def _require_select(call: Call) -> None:
    names = wire.param(call.params, "select")
    given = {wire.field_key(name) for name in names if isinstance(name, str)} if isinstance(names, list) else set()
    if not {"id", "iblockid"} <= given:
        raise InvalidRequest("select", "Required select fields: id, iblockId")


@lru_cache(maxsize=8)
def _filters(zone: tzinfo) -> dict[str, Field]:
    return {key: Field(name, _reader(name, zone)) for key, name in _BY_KEY.items()}


def _reader(name: str, zone: tzinfo) -> Callable[[Any], Value]:
    readers: dict[str, Callable[[Any], Value]] = {
        "integer": wire.read_integer,
        "number": wire.read_number,
        "text": wire.read_text,
        "flag": wire.read_flag,
        "moment": partial(wire.read_moment, zone=zone),
    }
    return readers[FIELDS[name]]


def _read(values: dict[str, Any], zone: tzinfo) -> Fields:
    """The fields we know, with typed values; unknown ones are ignored. Raises: InvalidRequest."""
    fields: Fields = {}
    for key, value in values.items():
        name = _BY_KEY.get(wire.field_key(key))
        if name is None:
            continue
        try:
            fields[name] = _reader(name, zone)(value)
        except (ValueError, OverflowError):
            raise InvalidRequest(key, f"Wrong format of field `{key}`") from None
    return fields


def _row(fields: Fields, zone: tzinfo) -> dict[str, Any]:
    return {WIRE_NAMES[name]: _value(name, value, zone) for name, value in fields.items()}


def _value(name: str, value: Value, zone: tzinfo) -> Any:
    match FIELDS[name]:
        case "flag":
            return wire.write_flag(value)
        case "moment":
            return wire.write_moment(value, zone)
        case "number" if isinstance(value, float) and value.is_integer():
            return int(value)
        case _:
            return value


_ONLY_IN_LISTS = frozenset(
    {"barcode_multi", "recur_scheme_length", "recur_scheme_type", "trial_price_id", "without_order"}
)
"""Fields that only catalog.product.list shows, where they are selected."""


def _write(call: Call, product: Product) -> dict[str, Any]:
    shown = WIRE_NAMES.keys() - _ONLY_IN_LISTS
    fields = {name: value for name, value in product.fields.items() if name in shown}
    written = _row(fields, call.zone)
    price = product.fields["purchasing_price"]
    # The single-product answers print the price as text, lists as a number: so do the method pages.
    written["purchasingPrice"] = None if price is None else f"{price:.6f}"
    return written | _pictures(product)


def _pictures(product: Product) -> dict[str, Any]:
    """The pictures as fields: one object each, the further ones as values of their property."""
    by_role = {image.role: image for image in product.images if image.role != "more"}
    pictures: dict[str, Any] = {
        f"{role}Picture": _file(by_role[role], f"{role}Picture") if role in by_role else None
        for role in ("preview", "detail")
    }
    if product.gallery_property is not None:
        name = f"property{product.gallery_property}"
        pictures[name] = [
            {"value": _file(image, name), "valueId": str(image.id)} for image in product.images if image.role == "more"
        ]
    return pictures


def _file(image: ProductImage, field: str) -> dict[str, str]:
    """A file as product fields show it; the id is text here. Source: page "Data types", catalog_product."""
    values = {"fieldName": field, "fileId": image.id, "productId": image.product_id}
    query = "&".join(f"{quote(f'fields[{name}]')}={value}" for name, value in values.items())
    url = f"/rest/catalog.product.download?{query}"
    return {"id": str(image.id), "url": url, "urlMachine": url}
