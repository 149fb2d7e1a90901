"""Flat objects as tables: what a field is called here and there says all that lists, answers and getFields need."""

from collections.abc import Callable, Mapping
from datetime import tzinfo
from functools import partial
from typing import Any, Literal

import msgspec

from packshot.domain.paging import Value
from packshot.protocols.bitrix import wire
from packshot.protocols.bitrix.wire import Field

Kind = Literal["integer", "string", "text", "char", "flag", "moment", "productpropertysettings"]

_WIRE_TYPES = {"flag": "char", "moment": "datetime"}


class Trait(msgspec.Struct, frozen=True):
    """One field of an object: `name` is that of the domain.

    A field without a name is the same everywhere, `constant`, and no filter or order knows it.
    """

    name: str
    kind: Kind
    required: bool = False
    read_only: bool = False
    immutable: bool = False
    constant: Any = None


Table = Mapping[str, Trait]
"""The fields of an object, by their names on the wire."""


def described(table: Table) -> dict[str, Any]:
    """What getFields says of each field. Source: page "Data types", rest_field_description."""
    return {
        key: {
            "isImmutable": trait.immutable,
            "isReadOnly": trait.read_only,
            "isRequired": trait.required,
            "type": _WIRE_TYPES.get(trait.kind, trait.kind),
        }
        for key, trait in table.items()
    }


def filters(table: Table, zone: tzinfo) -> dict[str, Field]:
    """What a list of these objects is filtered and ordered by, for `wire.query`."""
    return {
        wire.field_key(key): Field(trait.name, _reader(trait.kind, zone)) for key, trait in table.items() if trait.name
    }


def keys(table: Table) -> dict[str, str]:
    """What may be selected, for `wire.selection`."""
    return {wire.field_key(key): key for key in table}


def write(table: Table, item: object, zone: tzinfo, chosen: list[str] | None = None) -> dict[str, Any]:
    """The object with the chosen fields, or all of them."""
    return {key: _written(table[key], item, zone) for key in chosen or table}


def _reader(kind: Kind, zone: tzinfo) -> Callable[[Any], Value]:
    match kind:
        case "integer":
            return wire.read_integer
        case "flag":
            return wire.read_flag
        case "moment":
            return partial(wire.read_moment, zone=zone)
        case _:
            return wire.read_text


def _written(trait: Trait, item: object, zone: tzinfo) -> Any:
    value = getattr(item, trait.name) if trait.name else trait.constant
    match trait.kind:
        case "flag":
            return wire.write_flag(value)
        case "moment":
            return wire.write_moment(value, zone)
        case _:
            return value
