"""The fields of products in Bitrix24's words: what each sort of product has, how they are read, and how written.

Source: page "Data types", catalog_product, catalog_product_sku, catalog_product_offer, catalog_product_service.
"""

from collections.abc import Callable, Collection, Mapping
from datetime import tzinfo
from functools import lru_cache, partial
from typing import Any
from urllib.parse import quote

import msgspec

from packshot.domain.catalogs import MORE_PHOTO
from packshot.domain.images import ProductImage
from packshot.domain.paging import Value
from packshot.domain.products import FIELDS, VARIATIONS, Declared, Kind, PropertyValue
from packshot.protocols.bitrix import wire
from packshot.protocols.bitrix.wire import Field
from packshot.services.products import Product


class Family(msgspec.Struct, frozen=True):
    """A sort of products with methods of its own: its kinds, that of a new one first, and the keys of answers.

    `lacks` are the fields of products that this sort does not have.
    """

    kinds: tuple[Kind, ...]
    changed_key: str
    key: str
    list_key: str
    lacks: frozenset[str]


_FOR_CONTENT = frozenset(
    {"barcode_multi", "recur_scheme_length", "recur_scheme_type", "trial_price_id", "without_order"}
)
"""Fields that lists alone show, where they are selected."""

_NOT_OF_PARENTS = _FOR_CONTENT | {"parent_id", "quantity_reserved", "quantity_trace"}
_NOT_OF_SERVICES = _NOT_OF_PARENTS | {
    "can_buy_zero", "measure", "weight", "width", "height", "length", "quantity", "subscribe",
    "purchasing_price", "purchasing_currency",
}  # fmt: skip

FAMILIES: Mapping[str, Family] = {
    "catalog.product": Family((Kind.SIMPLE,), "element", "product", "products", frozenset({"parent_id"})),
    "catalog.product.sku": Family((Kind.EMPTY_PARENT, Kind.PARENT), "sku", "sku", "units", _NOT_OF_PARENTS),
    "catalog.product.offer": Family(VARIATIONS, "offer", "offer", "offers", frozenset()),
    "catalog.product.service": Family((Kind.SERVICE,), "service", "service", "services", _NOT_OF_SERVICES),
}
"""By the beginning of their methods' names."""

_NAMES = {
    "catalog_id": "iblockId",
    "kind": "type",
    "section_id": "iblockSectionId",
    "created_at": "dateCreate",
    "changed_at": "timestampX",
    "active_from": "dateActiveFrom",
    "active_to": "dateActiveTo",
}
_MODES = ("N", "Y", "D")


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


WIRE_NAMES: dict[str, str] = {name: _NAMES.get(name, _camel(name)) for name in FIELDS}
"""From our name of a field to Bitrix24's."""


@lru_cache(maxsize=8)
def by_key(family: Family) -> dict[str, str]:
    """From `wire.field_key` on to our names of the fields that this sort has."""
    return {wire.field_key(name): ours for ours, name in WIRE_NAMES.items() if ours not in family.lacks}


@lru_cache(maxsize=32)
def filters(family: Family, zone: tzinfo) -> dict[str, Field]:
    """What a list of these products is filtered and ordered by; properties come beside."""
    return {key: Field(name, reader(name, zone)) for key, name in by_key(family).items()}


def reader(name: str, zone: tzinfo) -> Callable[[Any], Value]:
    """What reads a value of that field; it raises ValueError or OverflowError."""
    readers: dict[str, Callable[[Any], Value]] = {
        "integer": wire.read_integer,
        "number": wire.read_number,
        "text": wire.read_text,
        "flag": wire.read_flag,
        "mode": _read_mode,
        "moment": partial(wire.read_moment, zone=zone),
    }
    return readers[FIELDS[name]]


def _read_mode(value: Any) -> int | None:
    """Y, N, or D for what the settings of the whole catalog say."""
    return _MODES.index("D") if str(value).upper() == "D" else wire.read_flag(value)


def written(family: Family, product: Product, zone: tzinfo) -> dict[str, Any]:
    """A product as the methods answer it that are about a single one: with pictures and all properties."""
    shown = set(by_key(family).values()) - _FOR_CONTENT
    answer = _scalars(product, shown, zone)
    if "purchasing_price" in shown:
        price = product.fields["purchasing_price"]
        # Here the price is text, in lists a number: so do the method pages.
        answer["purchasingPrice"] = None if price is None else f"{price:.6f}"
    return answer | pictures(product) | properties(product)


def row(product: Product, chosen: Collection[str], zone: tzinfo) -> dict[str, Any]:
    """The chosen fields of a product in a list."""
    return _scalars(product, chosen, zone)


_AS_THEY_ARE = frozenset(name for name, kind in FIELDS.items() if kind in {"integer", "text"})
"""Fields whose values travel as they are stored: most of those that a list of fifty products shows."""


def _scalars(product: Product, chosen: Collection[str], zone: tzinfo) -> dict[str, Any]:
    answer = {
        WIRE_NAMES[name]: value if name in _AS_THEY_ARE else _value(name, value, zone)
        for name, value in product.fields.items()
        if name in chosen and name != "parent_id"
    }
    if "parent_id" in chosen:
        parent_id = product.fields["parent_id"]
        # A variation has one parent, so its own id names that value well enough.
        link = {"value": str(parent_id), "valueId": str(product.fields["id"])}
        answer["parentId"] = None if parent_id is None else link
    return answer


def _value(name: str, value: Value, zone: tzinfo) -> Any:
    match FIELDS[name]:
        case "flag":
            return wire.write_flag(value)
        case "mode":
            return None if value is None else _MODES[int(value)]
        case "moment":
            return wire.write_moment(value, zone)
        case "number" if isinstance(value, float) and value.is_integer():
            return int(value)
        case _:
            return value


def pictures(product: Product) -> dict[str, Any]:
    """The two single pictures as fields."""
    by_role = {image.role: image for image in product.images if image.role != "more"}
    return {
        f"{role}Picture": _file(by_role[role], f"{role}Picture") if role in by_role else None
        for role in ("preview", "detail")
    }


def properties(product: Product) -> dict[str, Any]:
    """The properties as fields: those that the catalog declares, and whatever else was stored.

    The product's further pictures are the values of the gallery, and the id of a value there is its image's.
    """
    by_property: dict[int, list[PropertyValue]] = {}
    for value in product.values:
        by_property.setdefault(value.property_id, []).append(value)
    fields: dict[str, Any] = {}
    for one in product.declared:
        name, values = f"property{one.id}", by_property.pop(one.id, [])
        if one.code == MORE_PHOTO:
            fields[name] = [
                {"value": _file(image, name), "valueId": str(image.id)}
                for image in product.images
                if image.role == "more"
            ]
        elif not one.links:
            fields[name] = _shown(values, name, multiple=one.multiple)
    for property_id, values in by_property.items():
        name, multiple = f"property{property_id}", len(values) > 1 or values[0].multiple
        fields[name] = _shown(values, name, multiple=multiple)
    return fields


def _shown(values: list[PropertyValue], name: str, *, multiple: bool) -> Any:
    shown = [
        {"value": _file(value.image, name) if value.image else value.text, "valueId": str(value.id)} for value in values
    ]
    return shown if multiple else next(iter(shown), None)


def _file(image: ProductImage, field: str) -> dict[str, str]:
    """A file as product fields show it; the id is text here, and the address one for all sorts of products."""
    values = {"fieldName": field, "fileId": image.id, "productId": image.product_id}
    query = "&".join(f"{quote(f'fields[{name}]')}={value}" for name, value in values.items())
    url = f"/rest/catalog.product.download?{query}"
    return {"id": str(image.id), "url": url, "urlMachine": url}


_CAPTIONS = {
    "active": "Active",
    "active_from": "Active from",
    "active_to": "Active until",
    "available": "Available",
    "bundle": "Is a set",
    "can_buy_zero": "May be bought out of stock",
    "catalog_id": "Trade catalog",
    "changed_at": "Changed on",
    "code": "Symbolic code",
    "created_at": "Created on",
    "created_by": "Created by",
    "detail_text": "Description",
    "detail_text_type": "Type of the description",
    "id": "Id",
    "kind": "Kind of product",
    "modified_by": "Changed by",
    "preview_text": "Summary",
    "preview_text_type": "Type of the summary",
    "purchasing_currency": "Currency of the purchasing price",
    "purchasing_price": "Purchasing price",
    "quantity_reserved": "Reserved quantity",
    "quantity_trace": "Quantity accounting",
    "section_id": "Main section",
    "subscribe": "May be subscribed to",
    "vat_id": "VAT rate",
    "vat_included": "Price includes VAT",
    "xml_id": "Outer code",
}
_TYPES = {"number": "double", "text": "string", "flag": "char", "mode": "char", "moment": "datetime"}
_READ_ONLY = frozenset({"id", "kind", "available", "bundle"})


def descriptions(family: Family, declared: Collection[Declared]) -> dict[str, Any]:
    """What getFieldsByFilter says of each field, the catalog's properties included."""
    names = set(by_key(family).values()) - _FOR_CONTENT - {"parent_id"}
    fields = {WIRE_NAMES[name]: _described(name) for name in names}
    for role, caption in (("detail", "Detailed picture"), ("preview", "Preview picture")):
        fields[f"{role}Picture"] = _description(caption, "file")
    for one in declared:
        fields["parentId" if one.links else f"property{one.id}"] = _description(one.name, "productproperty") | {
            "isDynamic": True,
            "isMultiple": one.multiple,
            "propertyType": one.property_type,
            "userType": one.user_type,
        }
    return fields


def _described(name: str) -> dict[str, Any]:
    kind = "string" if name == "purchasing_price" else _TYPES.get(FIELDS[name], FIELDS[name])
    described = _description(_CAPTIONS.get(name, name.capitalize()), kind)
    return described | {
        "isImmutable": name == "catalog_id",
        "isReadOnly": name in _READ_ONLY,
        "isRequired": name in {"catalog_id", "name"},
    }


def _description(caption: str, kind: str) -> dict[str, Any]:
    return {"isImmutable": False, "isReadOnly": False, "isRequired": False, "name": caption, "type": kind}
