"""Products of all kinds: the fields they have, what each holds, and which of them a caller may set."""

from enum import IntEnum
from typing import Literal

import msgspec

from packshot.domain.errors import InvalidValue
from packshot.domain.images import ProductImage
from packshot.domain.paging import Value

FieldType = Literal["integer", "number", "text", "flag", "mode", "moment"]
"""What a field holds. A flag is 0 or 1; a mode is a flag or 2, "as everywhere"; a moment is in Unix microseconds."""

Fields = dict[str, Value]
"""Some fields of one product, by name."""


class Kind(IntEnum):
    """What sort of product a row is. All kinds share one id space."""

    SIMPLE = 1
    PARENT = 3
    VARIATION = 4
    LONE_VARIATION = 5
    EMPTY_PARENT = 6
    SERVICE = 7


PARENTS = (Kind.PARENT, Kind.EMPTY_PARENT)
"""A parent is empty until it has its first variation, and again after its last one."""

VARIATIONS = (Kind.VARIATION, Kind.LONE_VARIATION)
"""A variation is alone while it has no parent."""

UNAVAILABLE = frozenset({Kind.EMPTY_PARENT, Kind.SERVICE})
"""Kinds of which nothing can be in stock."""


FIELDS: dict[str, FieldType] = {
    "id": "integer",
    "catalog_id": "integer",
    "kind": "integer",
    "parent_id": "integer",
    "name": "text",
    "active": "flag",
    "available": "flag",
    "bundle": "flag",
    "code": "text",
    "xml_id": "text",
    "sort": "integer",
    "section_id": "integer",
    "created_by": "integer",
    "modified_by": "integer",
    "created_at": "moment",
    "changed_at": "moment",
    "active_from": "moment",
    "active_to": "moment",
    "preview_text": "text",
    "preview_text_type": "text",
    "detail_text": "text",
    "detail_text_type": "text",
    "measure": "integer",
    "weight": "number",
    "width": "number",
    "height": "number",
    "length": "number",
    "vat_id": "integer",
    "vat_included": "flag",
    "can_buy_zero": "flag",
    "quantity": "number",
    "quantity_reserved": "number",
    "quantity_trace": "mode",
    "subscribe": "mode",
    "purchasing_price": "number",
    "purchasing_currency": "text",
    "barcode_multi": "flag",
    "recur_scheme_length": "integer",
    "recur_scheme_type": "text",
    "trial_price_id": "integer",
    "without_order": "flag",
}

READ_ONLY = frozenset({"id", "kind", "available", "bundle", "changed_at"})
"""Fields that the store sets itself; a caller's value for them is ignored."""

_NOT_OF_VARIATIONS = READ_ONLY | {"section_id"}
_OF_VARIATIONS_ALONE = READ_ONLY | {"parent_id"}

NEVER_EMPTY = frozenset({"created_by", "modified_by", "created_at"})
"""Fields the store fills in where the caller says nothing; emptying them is ignored."""

IMMUTABLE = frozenset({"catalog_id"})
"""Fields that are set once, when the product is added."""

DEFAULTS: Fields = {
    "active": 1,
    "available": 1,
    "bundle": 0,
    "sort": 100,
    "preview_text_type": "text",
    "detail_text_type": "text",
    "vat_included": 0,
    "can_buy_zero": 0,
    "quantity": 0,
    "quantity_reserved": 0,
    "quantity_trace": 2,
    "subscribe": 2,
    "barcode_multi": 0,
    "recur_scheme_type": "D",
    "without_order": 0,
}
"""What a new product has where its maker said nothing; every other field is empty."""

MAX_TEXT_CHARACTERS = 65_535
MAX_SHORT_CHARACTERS = 255
MAX_VALUES = 500
"""How many values the properties of one product may have, all together."""

_TEXT_TYPES = frozenset({"text", "html"})
_LONG = frozenset({"preview_text", "detail_text"})


class Declared(msgspec.Struct, frozen=True):
    """A property that a product's catalog declares.

    `property_type` F means files. `links` marks the one by which a variation names its parent.
    """

    id: int
    code: str
    name: str
    property_type: str
    user_type: str | None
    multiple: bool
    links: bool


class PropertyValue(msgspec.Struct, frozen=True):
    """A value of a property, which its catalog need not declare: a text, or an image that is no product image.

    `multiple`: it was given as one of a list.
    """

    id: int
    product_id: int
    property_id: int
    multiple: bool
    text: str | None
    image: ProductImage | None


def settable(kind: Kind, fields: Fields) -> Fields:
    """Those of the fields that a caller sets on a product of that kind; variations stand in no section."""
    ignored = _NOT_OF_VARIATIONS if kind in VARIATIONS else _OF_VARIATIONS_ALONE
    return {name: value for name, value in fields.items() if name not in ignored}


def check_fields(fields: Fields) -> None:
    """Refuse values that fit their field's type but not its meaning. Raises: InvalidValue."""
    for name in ("preview_text_type", "detail_text_type"):
        if fields.get(name, "text") not in _TEXT_TYPES:
            raise InvalidValue(name, f"The field {name} must be text or html")
    if "name" in fields and not str(fields["name"] or "").strip():
        raise InvalidValue("name", "The field name must not be empty")
    for name, value in fields.items():
        most = MAX_TEXT_CHARACTERS if name in _LONG else MAX_SHORT_CHARACTERS
        if isinstance(value, str) and len(value) > most:
            # Fifty of them make one answer, so no text may be of any length.
            raise InvalidValue(name, f"The field {name} has more than {most} characters")
