"""A catalog holds products of one sort, in sections; the catalog of variations belongs to the one of their parents."""

import re
from typing import Literal, get_args

import msgspec

from packshot.domain.errors import InvalidValue, MissingField

MORE_PHOTO = "MORE_PHOTO"
"""The code of the file property that holds a product's further pictures."""

PropertyType = Literal["S", "N", "L", "F", "E", "G"]
"""What a property holds: text, a number, a choice from a list, a file, a link to a product or to a section."""

MAX_NAME_CHARACTERS = 255


class Catalog(msgspec.Struct, frozen=True):
    """A trade catalog.

    `parent_catalog_id` is set on a catalog of variations and names the catalog of their parents;
    `link_property_id` is the property by which a variation names its parent.
    """

    id: int
    name: str
    parent_catalog_id: int | None
    link_property_id: int | None
    vat_id: int | None


class Section(msgspec.Struct, frozen=True):
    """A section of a catalog, on the top level unless it has a parent there. No two of a catalog share a code."""

    catalog_id: int
    name: str
    parent_id: int | None = None
    code: str | None = None
    xml_id: str | None = None
    sort: int = 500
    active: bool = True
    description: str | None = None
    description_type: Literal["text", "html"] = "text"


class StoredSection(Section, frozen=True, kw_only=True):
    """A section with its id, which no other section of any catalog has."""

    id: int


class Property(msgspec.Struct, frozen=True):
    """A property that products of a catalog may have. No two of a catalog share a code.

    `user_type` says more of the type (`DateTime`, `SKU`). `row_count`, `col_count`, `list_type` and `multiple_cnt`
    shape the input fields that others draw; a property of the type E links to products of `link_catalog_id`.
    """

    code: str
    name: str
    property_type: PropertyType
    multiple: bool
    user_type: str | None = None
    active: bool = True
    sort: int = 500
    required: bool = False
    default_value: str | None = None
    hint: str | None = None
    xml_id: str | None = None
    row_count: int = 1
    col_count: int = 30
    list_type: Literal["L", "C"] = "L"
    file_type: str | None = None
    multiple_cnt: int | None = None
    link_catalog_id: int | None = None
    with_description: bool | None = None
    searchable: bool = False
    filtrable: bool = False


class StoredProperty(Property, frozen=True, kw_only=True):
    """A property with its id, its catalog and when it was last changed, in Unix microseconds."""

    id: int
    catalog_id: int
    changed_at: int


def check_name(name: str) -> None:
    """Refuse a name of a catalog, section or property that is empty or too long. Raises: MissingField, InvalidValue."""
    if not name.strip():
        raise MissingField("name")
    if len(name) > MAX_NAME_CHARACTERS:
        raise InvalidValue("name", f"has more than {MAX_NAME_CHARACTERS} characters")


def check_property(new: Property) -> None:
    """Refuse a property whose name, type or code cannot be. Raises: MissingField, InvalidValue.

    A code is made of Latin letters, digits and underscores and begins with no digit. Source: page
    catalog.productProperty.add.
    """
    check_name(new.name)
    if new.property_type not in get_args(PropertyType):
        raise InvalidValue("type", f"must be one of {', '.join(get_args(PropertyType))}")
    if not re.fullmatch(r"[A-Za-z_]\w{0,49}", new.code, re.ASCII):
        raise InvalidValue("code", "must be up to 50 Latin letters, digits and underscores, beginning with no digit")


def code_for(name: str) -> str:
    """The code a property gets where nobody gave one: its name in capitals. Raises: InvalidValue."""
    code = re.sub(r"[^A-Z0-9]+", "_", name.upper()).strip("_")
    if not code or code[0].isdigit():
        raise InvalidValue("code", f"No code can be made from the name {name!r}: give one")
    return code[:50]
