"""Rows of products, as fields by name: the columns bear the names of the domain's fields."""

import re
from collections.abc import Collection, Iterator

from packshot.domain.paging import Page, Query
from packshot.domain.products import FIELDS, IMMUTABLE, NEVER_EMPTY, PARENTS, READ_ONLY, UNAVAILABLE, Fields, Kind
from packshot.storage import locks
from packshot.storage.database import Reads, Row, Tx
from packshot.storage.query import Column, Listing, page, placeholders

_ALWAYS = READ_ONLY | NEVER_EMPTY | IMMUTABLE | {"name", "active", "sort"}
# As a text 10.0 is 10 in either dialect, once it has been a decimal number.
_FOLDED = {"name": "name_folded"} | {
    name: f"CAST(CAST(CAST({name} AS TEXT) AS NUMERIC) AS TEXT)" for name, kind in FIELDS.items() if kind == "number"
}
_COLUMNS = {name: Column(name, _FOLDED.get(name, ""), lacked=name not in _ALWAYS) for name in FIELDS}
_PROPERTY = re.compile(r"property(\d{1,18})", re.ASCII)


async def list_products(
    reads: Reads, account_id: int, kinds: Collection[Kind], fields: Collection[str], query: Query
) -> Page[Fields]:
    """One page of an account's products of these kinds, each with just these fields.

    Beside its fields a product is filtered by the texts of its properties, as `property1` and so on.
    """
    chosen = [name for name in FIELDS if name in fields]
    listing = Listing(
        select=", ".join(chosen),
        table="product",
        scope=f"account_id = ?1 AND kind IN ({_numbers(kinds)})",
        columns=_COLUMNS | dict(_property_columns(query)),
    )

    def make(row: Row) -> Fields:
        return dict(zip(chosen, row, strict=True))

    return await page(reads, listing, (account_id,), query, make)


def _property_columns(query: Query) -> Iterator[tuple[str, Column]]:
    for condition in query.conditions:
        if match := _PROPERTY.fullmatch(condition.field):
            within = (
                "id IN (SELECT product_id FROM property_value"
                f" WHERE account_id = ?1 AND property_id = {int(match[1])} AND {{}})"
            )
            yield condition.field, Column("text", within=within, indexed="substr({}, 1, 200)")


async def find_product(reads: Reads, account_id: int, product_id: int, kinds: Collection[Kind]) -> Fields | None:
    """All fields of that product, if the account has it and it is of one of these kinds."""
    row = await reads.one(
        f"SELECT {', '.join(FIELDS)} FROM product WHERE id = ?1 AND account_id = ?2 AND kind IN ({_numbers(kinds)})",
        product_id, account_id,
    )  # fmt: skip
    return None if row is None else dict(zip(FIELDS, row, strict=True))


async def find_catalog_of(reads: Reads, account_id: int, product_id: int) -> int | None:
    """The id of the catalog that holds the product, whatever its kind."""
    row = await reads.one("SELECT catalog_id FROM product WHERE id = ?1 AND account_id = ?2", product_id, account_id)
    return None if row is None else int(row[0])


async def find_by_code(reads: Reads, account_id: int, catalog_id: int, code: str) -> int | None:
    """The id of the product with that code in the account's catalog."""
    row = await reads.one(
        "SELECT id FROM product WHERE catalog_id = ?1 AND code = ?2 AND account_id = ?3", catalog_id, code, account_id
    )
    return None if row is None else int(row[0])


async def add_product(tx: Tx, account_id: int, fields: Fields) -> int:
    """Insert a product and return its id; its outer id (`xml_id`) becomes that id where none is given."""
    columns = {"account_id": account_id, "name_folded": str(fields["name"]).casefold(), **_known(fields)}
    marks = placeholders(1, columns)
    product_id = await tx.insert(
        f"INSERT INTO product ({', '.join(columns)}) VALUES ({marks}) RETURNING id", *columns.values()
    )
    await tx.run("UPDATE product SET xml_id = CAST(id AS TEXT) WHERE id = ?1 AND xml_id IS NULL", product_id)
    return product_id


async def update_product(tx: Tx, account_id: int, product_id: int, fields: Fields) -> None:
    """Set these fields of the account's product."""
    columns = _known(fields)
    if "name" in columns:
        columns["name_folded"] = str(columns["name"]).casefold()
    changes = ", ".join(f"{name} = ?{number}" for number, name in enumerate(columns, start=3))
    await tx.run(
        f"UPDATE product SET {changes} WHERE id = ?1 AND account_id = ?2", product_id, account_id, *columns.values()
    )


async def of_parent(reads: Reads, account_id: int, parent_id: int) -> list[tuple[int, int]]:
    """(id, kind) of the parent's variations."""
    rows = await reads.all(
        "SELECT id, kind FROM product WHERE parent_id = ?1 AND account_id = ?2", parent_id, account_id
    )
    return [(row[0], row[1]) for row in rows]


async def hold(tx: Tx, account_id: int, product_id: int, *parent_ids: int) -> None:
    """Let nobody else change the product, the parent it has, these other ones or its variations, or add to them.

    Until the end of the work. Parents are always held before their variations.
    """
    if tx.dialect == "postgresql":
        scope = "WHERE id = ?1 AND account_id = ?2 AND parent_id IS NOT NULL"
        above = await tx.all(f"SELECT parent_id FROM product {scope}", product_id, account_id)
        await locks.hold(tx, "product", [*parent_ids, *(row[0] for row in above)], of=account_id)
        await locks.hold(tx, "product", [product_id], of=account_id)
        await locks.hold(tx, "product", [one for one, _ in await of_parent(tx, account_id, product_id)])


async def settle_parent(tx: Tx, account_id: int, parent_id: int) -> None:
    """Make a parent empty or not, as its variations say, and available or not with that."""
    await locks.hold(tx, "product", [parent_id], of=account_id)
    has_some = bool(await tx.one("SELECT 1 FROM product WHERE parent_id = ?1 LIMIT 1", parent_id))
    kind = Kind.PARENT if has_some else Kind.EMPTY_PARENT
    await tx.run(
        "UPDATE product SET kind = ?3, available = ?4"
        f" WHERE id = ?1 AND account_id = ?2 AND kind IN ({_numbers(PARENTS)})",
        parent_id, account_id, int(kind), int(kind not in UNAVAILABLE),
    )  # fmt: skip


async def set_kind(tx: Tx, account_id: int, product_id: int, kind: Kind) -> None:
    """Make the account's product one of another kind."""
    await tx.run("UPDATE product SET kind = ?3 WHERE id = ?1 AND account_id = ?2", product_id, account_id, int(kind))


async def remove_product(tx: Tx, account_id: int, product_id: int) -> bool:
    """Delete the product with its variations and all their images; their blobs become orphans."""
    removed = await tx.run("DELETE FROM product WHERE id = ?1 AND account_id = ?2", product_id, account_id)
    return removed > 0


async def of_sections(reads: Reads, account_id: int, catalog_id: int, section_ids: Collection[int]) -> set[int]:
    """Those of the sections that the account's catalog has."""
    marks = placeholders(3, section_ids)
    rows = await reads.all(
        f"SELECT id FROM section WHERE account_id = ?1 AND catalog_id = ?2 AND id IN ({marks})",
        account_id, catalog_id, *section_ids,
    )  # fmt: skip
    return {row[0] for row in rows}


async def set_sections(tx: Tx, product_id: int, section_ids: Collection[int]) -> None:
    """Put a product of the account into exactly these sections of it."""
    await tx.run("DELETE FROM product_section WHERE product_id = ?1", product_id)
    for section_id in section_ids:
        await tx.run("INSERT INTO product_section (product_id, section_id) VALUES (?1, ?2)", product_id, section_id)


def _known(fields: Fields) -> Fields:
    """Only names from the closed table ever become part of a statement."""
    return {name: value for name, value in fields.items() if name in FIELDS}


def _numbers(kinds: Collection[Kind]) -> str:
    return ", ".join(str(int(kind)) for kind in sorted(kinds))
