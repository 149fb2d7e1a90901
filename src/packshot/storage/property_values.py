"""Rows of the values that properties have on products, and the properties that a catalog declares."""

from collections.abc import Collection

from packshot.domain.images import ProductImage
from packshot.domain.products import Declared, PropertyValue
from packshot.storage.database import Reads, Row, Tx
from packshot.storage.query import placeholders


async def of_products(reads: Reads, account_id: int, product_ids: Collection[int]) -> list[PropertyValue]:
    """All values of these products, those of one product by id."""
    marks = placeholders(2, product_ids)
    rows = await reads.all(
        "SELECT v.id, v.product_id, v.property_id, v.multiple, v.text,"
        " i.id, i.product_id, i.role, i.name, i.address, i.created_at, i.guid, i.version"
        " FROM property_value v LEFT JOIN image i ON i.id = v.image_id"
        f" WHERE v.product_id IN ({marks}) AND v.account_id = ?1 ORDER BY v.product_id, v.id",
        account_id, *product_ids,
    )  # fmt: skip
    return [_value(row) for row in rows]


async def count_of_product(reads: Reads, account_id: int, product_id: int) -> int:
    """How many values the properties of the product have, all together."""
    row = await reads.one(
        "SELECT count(*) FROM property_value WHERE product_id = ?1 AND account_id = ?2", product_id, account_id
    )
    return int(row[0]) if row else 0


def _value(row: Row) -> PropertyValue:
    value_id, product_id, property_id, multiple, text, *image = row
    shown = None if image[0] is None else ProductImage(*image)
    return PropertyValue(value_id, product_id, property_id, bool(multiple), text, shown)


async def of_catalog(reads: Reads, account_id: int, catalog_id: int) -> list[Declared]:
    """The properties that the account's catalog declares, by id."""
    rows = await reads.all(
        "SELECT p.id, p.code, p.name, p.property_type, p.user_type, p.multiple, p.id = coalesce(c.link_property_id, 0)"
        " FROM property p JOIN catalog c ON c.id = p.catalog_id"
        " WHERE p.catalog_id = ?1 AND p.account_id = ?2 ORDER BY p.id",
        catalog_id, account_id,
    )  # fmt: skip
    return [_declared(row) for row in rows]


def _declared(row: Row) -> Declared:
    property_id, code, name, property_type, user_type, multiple, links = row
    return Declared(property_id, code, name, property_type, user_type, bool(multiple), bool(links))


async def add_value(
    tx: Tx, account_id: int, product_id: int, property_id: int, *, multiple: bool, held: str | ProductImage
) -> None:
    """Insert a value: a text, or an image that is there already."""
    text, image_id = (held, None) if isinstance(held, str) else (None, held.id)
    await tx.run(
        "INSERT INTO property_value (account_id, product_id, property_id, multiple, text, image_id)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        account_id, product_id, property_id, int(multiple), text, image_id,
    )  # fmt: skip


async def set_text(tx: Tx, account_id: int, value_id: int, text: str) -> None:
    """Change the text of a value, which keeps its id."""
    await tx.run("UPDATE property_value SET text = ?3 WHERE id = ?1 AND account_id = ?2", value_id, account_id, text)


async def set_multiple(tx: Tx, account_id: int, product_id: int, property_id: int, *, multiple: bool) -> None:
    """Say of all values of a property whether they came as a list."""
    await tx.run(
        "UPDATE property_value SET multiple = ?4 WHERE product_id = ?1 AND account_id = ?2 AND property_id = ?3",
        product_id, account_id, property_id, int(multiple),
    )  # fmt: skip


async def remove_value(tx: Tx, account_id: int, value_id: int) -> None:
    """Delete a value that is a text."""
    await tx.run("DELETE FROM property_value WHERE id = ?1 AND account_id = ?2", value_id, account_id)
