"""catalog.product.*, catalog.product.sku.*, .offer.* and .service.*: the same seven methods for each sort of product.

Sources: the pages catalog.product.add, get, list, update, delete, download and getFieldsByFilter with their
counterparts for parent products, variations and services, which say the same.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Any

from packshot.domain.access import Right
from packshot.domain.errors import InvalidRequest
from packshot.domain.images import ImageRole
from packshot.domain.products import Kind
from packshot.protocols.bitrix import product_fields, wire
from packshot.protocols.bitrix.call import Answer, Call, File
from packshot.protocols.bitrix.errors import MISSING, WrongParameter
from packshot.protocols.bitrix.product_edits import PROPERTY, ROLES, read
from packshot.protocols.bitrix.product_fields import Family
from packshot.protocols.bitrix.wire import Field
from packshot.services import products
from packshot.services.products import Product

_PROPERTY_BY_NAME = re.compile(r"property_?(\w+)", re.ASCII | re.IGNORECASE)
_PROPERTY_IN_FILTER = re.compile(r"\W*(property_?\d{1,18})", re.ASCII | re.IGNORECASE)


async def add(family: Family, call: Call) -> Answer:
    """Add a product, with its pictures; the answer is the whole product."""
    values = wire.fields(call.params)
    wire.required(values, ("iblockId", "name"))
    fields, parts = read(family, values, call.zone)
    product = await call.once(products.add, family.kinds[0], fields, parts)
    return Answer({family.changed_key: product_fields.written(family, product, call.zone)})


async def get(family: Family, call: Call) -> Answer:
    """One product with its pictures and properties."""
    product = await products.get(call.core, call.caller, wire.identifier(call.params, "id"), family.kinds)
    return Answer({family.key: product_fields.written(family, product, call.zone)})


async def list_(family: Family, call: Call) -> Answer:
    """A page of products under one key: the selected fields, pictures and properties.

    Raises:
        WrongParameter: `select` is neither a list nor a map.
        InvalidRequest: `select` lacks `id` or `iblockId`, or `filter` lacks `iblockId`.
    """
    selected = wire.selected(call.params)
    if not {"id", "iblockid"} <= selected:
        raise InvalidRequest("select", "Required select fields: id, iblockId")
    known = product_fields.filters(family, call.zone) | _property_filters(call)
    wanted = wire.query(call.params, known)
    if not any(condition.field == "catalog_id" for condition in wanted.conditions):
        raise InvalidRequest("filter", "Required filter fields: iblockId")
    fields = product_fields.by_key(family)
    chosen = set(fields.values()) if "*" in selected else {fields[key] for key in selected & fields.keys()}
    parts = _parts(selected)
    page = await products.list_all(call.core, call.caller, family.kinds, chosen, wanted, parts)

    def write(product: Product) -> dict[str, Any]:
        row = product_fields.row(product, chosen, call.zone)
        return row | _chosen_parts(product, selected) if parts else row

    return wire.listed(family.list_key, page, wanted, write)


async def update(family: Family, call: Call) -> Answer:
    """Change a product; the answer is the whole product afterwards."""
    product_id = wire.identifier(call.params, "id")
    changes, parts = read(family, wire.fields(call.params), call.zone)
    product = await call.once(products.update, product_id, family.kinds, changes, parts)
    return Answer({family.changed_key: product_fields.written(family, product, call.zone)})


async def delete(family: Family, call: Call) -> Answer:
    """Delete a product with its pictures, a parent with its variations; `result` is true."""
    await call.once(products.remove, wire.identifier(call.params, "id"), family.kinds)
    return Answer(result=True)


async def download(family: Family, call: Call) -> File:
    """A file in a field of a product. The one of catalog.product serves every sort, as all file addresses name it."""
    values = wire.fields(call.params)
    wire.required(values, ("fileId", "productId", "fieldName"))
    place = wire.identifier(values, "productId"), _file_field(wire.param(values, "fieldName"))
    kinds = tuple(Kind) if Kind.SIMPLE in family.kinds else family.kinds
    return File(await products.open_file(call.core, call.caller, kinds, place, wire.identifier(values, "fileId")))


async def get_fields_by_filter(family: Family, call: Call) -> Answer:
    """What each field of a product in that catalog is."""
    wanted = wire.param(call.params, "filter")
    if not isinstance(wanted, dict) or not wanted:
        raise WrongParameter("filter", MISSING % "filter")
    wire.required(wanted, ("iblockId",))
    declared = await products.properties_of(call.core, call.caller, wire.identifier(wanted, "iblockId"))
    return Answer({family.key: product_fields.descriptions(family, declared)})


VERBS: tuple[tuple[str, Callable[[Family, Call], Awaitable[Answer | File]], Right], ...] = (
    ("add", add, "product:write"),
    ("update", update, "product:write"),
    ("get", get, "product:read"),
    ("list", list_, "product:read"),
    ("delete", delete, "product:write"),
    ("download", download, "product:read"),
    ("getFieldsByFilter", get_fields_by_filter, "product:read"),
)
"""The seven methods of every sort of product, with the right each needs."""


def _parts(selected: set[str]) -> set[str]:
    parts = set()
    if selected & (ROLES.keys() | {"*"}):
        parts.add("images")
    if any(key == "property*" or PROPERTY.fullmatch(key) for key in selected):
        parts |= {"images", "properties"}
    return parts


def _chosen_parts(product: Product, selected: set[str]) -> dict[str, Any]:
    fields = product_fields.pictures(product) | product_fields.properties(product)
    wanted = selected | (ROLES.keys() if "*" in selected else set())
    return {
        name: value
        for name, value in fields.items()
        if (key := wire.field_key(name)) in wanted or (key not in ROLES and "property*" in selected)
    }


def _property_filters(call: Call) -> dict[str, Field]:
    """The properties that `filter` names: their values are compared as text."""
    wanted = wire.param(call.params, "filter")
    found = (_PROPERTY_IN_FILTER.fullmatch(name) for name in wanted) if isinstance(wanted, dict) else ()
    keys = (wire.field_key(match[1]) for match in found if match)
    return {key: Field(f"property{int(key.removeprefix('property'))}", wire.read_text) for key in keys}


def _file_field(name: Any) -> ImageRole | int | str:
    """The role of a single picture, or the id or code of a property. Raises: InvalidRequest."""
    key = wire.field_key(str(name))
    if key in ROLES:
        return ROLES[key]
    match = _PROPERTY_BY_NAME.fullmatch(str(name))
    # The service says of everything else that there is no such property.
    code = match[1] if match else ""
    return int(code) if code.isdigit() and len(code) <= len(str(wire.MAX_ID)) - 1 else code.upper()
