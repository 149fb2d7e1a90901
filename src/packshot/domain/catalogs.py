"""A catalog holds products of one sort; the catalog of variations belongs to the one of their parents."""

import msgspec


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


class Property(msgspec.Struct, frozen=True):
    """A property that products of a catalog may have. `property_type`: F file, E link to a product."""

    code: str
    name: str
    property_type: str
    multiple: bool


MORE_PHOTO = "MORE_PHOTO"
"""The code of the file property that holds a product's further pictures."""
