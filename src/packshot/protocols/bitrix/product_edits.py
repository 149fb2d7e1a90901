"""Reading what catalog.product.add and update are told of a product: fields, pictures, properties, sections.

A value of a property arrives as text or number, as `{value, valueId}`, with `{fileData: [name, base64]}` or
`{remove: "Y"}` in it, or as a list of those. Sources: pages catalog.product.add and update, "How to upload
files", "How to update and delete files".
"""

import re
from collections.abc import Mapping
from datetime import tzinfo
from typing import Any

from packshot.domain.errors import InvalidRequest, InvalidValue
from packshot.domain.images import ImageRole
from packshot.domain.products import Fields
from packshot.protocols.bitrix import uploads, wire
from packshot.protocols.bitrix.product_fields import Family, by_key, reader
from packshot.services.originals import Upload
from packshot.services.product_parts import File, Kept, NewValue, NewValues, Parts, Removed, Text

PROPERTY = re.compile(r"property(\d{1,18})", re.ASCII)
"""The name of a property's field, as `wire.field_key` leaves it."""

ROLES: Mapping[str, ImageRole] = {"detailpicture": "detail", "previewpicture": "preview"}

_OF_A_VALUE = frozenset({"value", "valueid", "filedata", "remove", "id"})


def read(family: Family, values: Mapping[str, Any], zone: tzinfo) -> tuple[Fields, Parts]:
    """The fields and parts that this sort of product has; unknown names are ignored. Raises: InvalidRequest."""
    fields: Fields = {}
    pictures: dict[ImageRole, Upload | None] = {}
    properties: dict[int, NewValues] = {}
    sections: tuple[int, ...] | None = None
    for name, value in values.items():
        key = wire.field_key(name)
        if match := PROPERTY.fullmatch(key):
            properties[int(match[1])] = _values(name, value)
        elif key in ROLES:
            pictures |= _picture(ROLES[key], name, value)
        elif key == "iblocksection":
            sections = _sections(name, value)
        elif ours := by_key(family).get(key):
            fields[ours] = _field(ours, name, value, zone)
    return fields, Parts(pictures, properties, sections)


def _field(ours: str, name: str, value: Any, zone: tzinfo) -> Any:
    if ours == "parent_id" and isinstance(value, Mapping):  # as it is read
        value = wire.param(value, "value")
    try:
        return reader(ours, zone)(value)
    except (ValueError, OverflowError):
        raise _wrong(name) from None


def _picture(role: ImageRole, name: str, value: Any) -> dict[ImageRole, Upload | None]:
    """A new picture, its removal, or nothing where the picture is sent back as it was read."""
    new = _one(name, value)
    match new:
        case File(upload):
            return {role: upload}
        case Removed():
            return {role: None}
        case Text(text) if text:
            raise _wrong(name)
        case _:
            return {}


def _sections(name: str, value: Any) -> tuple[int, ...]:
    try:
        wanted = [wire.read_integer(item) for item in wire.items(value)]
    except ValueError:
        raise _wrong(name) from None
    return tuple(section for section in wanted if section)


def _values(name: str, value: Any) -> NewValues:
    # PHP sends lists as maps, and new values under keys like n0.
    if isinstance(value, Mapping) and not any(wire.field_key(key) in _OF_A_VALUE for key in value):
        value = list(value.values())
    if isinstance(value, list):
        return NewValues(tuple(_one(name, item) for item in value), multiple=True)
    return NewValues((_one(name, value),), multiple=False)


def _one(name: str, value: Any) -> NewValue:
    value_id = None
    if isinstance(value, Mapping) and any(wire.field_key(key) in {"value", "valueid"} for key in value):
        value_id = _value_id(name, wire.param(value, "valueId"))
        value = wire.param(value, "value")
    if isinstance(value, Mapping):
        return _file(name, value, value_id)
    try:
        text = wire.write_flag(value) if isinstance(value, bool) else wire.read_text(value)
    except ValueError:
        raise _wrong(name) from None
    return Text(text, value_id)


def _file(name: str, value: Mapping[str, Any], value_id: int | None) -> NewValue:
    if wire.param(value, "fileData") is not None:
        return File(uploads.picture(wire.param(value, "fileData"), name), value_id)
    try:
        removed = wire.read_flag(wire.param(value, "remove"))
    except ValueError:
        raise _wrong(name) from None
    if removed:
        return Removed(value_id)
    if removed is None and wire.param(value, "id") is None:
        raise _wrong(name)
    return Kept()


def _value_id(name: str, value: Any) -> int | None:
    try:
        return wire.read_integer(value)
    except ValueError:
        raise _wrong(name) from None


def _wrong(name: str) -> InvalidRequest:
    return InvalidValue(name, f"Wrong format of field `{name}`")
