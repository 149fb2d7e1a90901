"""Rows of catalogs and their properties."""

from packshot.domain.catalogs import MORE_PHOTO, Catalog, Property
from packshot.domain.paging import Page, Query
from packshot.storage.database import Reads, Tx
from packshot.storage.query import Column, Listing, page

_COLUMNS = "id, name, parent_catalog_id, link_property_id, vat_id"

_CATALOGS = Listing(
    select=_COLUMNS,
    table="catalog",
    scope="account_id = ?1",
    columns={name: Column(name) for name in _COLUMNS.split(", ")},
)


async def list_catalogs(reads: Reads, account_id: int, query: Query) -> Page[Catalog]:
    """One page of an account's catalogs."""
    return await page(reads, _CATALOGS, (account_id,), query, lambda row: Catalog(*row))


async def find_catalog(reads: Reads, account_id: int, catalog_id: int) -> Catalog | None:
    """That catalog, if the account has it."""
    row = await reads.one(
        f"SELECT {_COLUMNS} FROM catalog WHERE id = ?1 AND account_id = ?2", catalog_id, account_id
    )  # fmt: skip
    return None if row is None else Catalog(*row)


async def add_catalog(tx: Tx, account_id: int, name: str, parent_catalog_id: int | None = None) -> int:
    """Insert a catalog and return its id."""
    return await tx.insert(
        "INSERT INTO catalog (account_id, name, parent_catalog_id) VALUES (?1, ?2, ?3) RETURNING id",
        account_id, name, parent_catalog_id,
    )  # fmt: skip


async def set_link_property(tx: Tx, catalog_id: int, property_id: int) -> None:
    """Name the property by which the variations of a catalog point to their parents."""
    await tx.run("UPDATE catalog SET link_property_id = ?2 WHERE id = ?1", catalog_id, property_id)


async def add_property(tx: Tx, account_id: int, catalog_id: int, new: Property) -> int:
    """Insert a property of a catalog and return its id."""
    return await tx.insert(
        "INSERT INTO property (account_id, catalog_id, code, name, property_type, multiple)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6) RETURNING id",
        account_id, catalog_id, new.code, new.name, new.property_type, int(new.multiple),
    )  # fmt: skip


async def find_gallery_property(reads: Reads, account_id: int, catalog_id: int) -> int | None:
    """The id of the property that holds further pictures in that catalog."""
    row = await reads.one(
        "SELECT id FROM property WHERE catalog_id = ?1 AND account_id = ?2 AND code = ?3",
        catalog_id, account_id, MORE_PHOTO,
    )  # fmt: skip
    return None if row is None else int(row[0])
