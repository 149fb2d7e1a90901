"""Rows of catalogs, their sections and their properties."""

from types import NoneType
from typing import Any, Literal, get_args

import msgspec

from packshot.domain.catalogs import MORE_PHOTO, Catalog, Property, Section, StoredProperty, StoredSection
from packshot.domain.paging import Page, Query
from packshot.storage.database import Reads, Tx
from packshot.storage.query import Column, Listing, page, placeholders


def _listing(table: str, made: type[msgspec.Struct]) -> Listing:
    """All columns bear the names of the domain's fields."""
    fields = {field.name: field.type for field in msgspec.structs.fields(made)}
    return Listing(
        select=", ".join(fields),
        table=table,
        scope="account_id = ?1",
        columns={name: Column(name, lacked=NoneType in get_args(kind)) for name, kind in fields.items()},
    )


_CATALOGS = _listing("catalog", Catalog)
_SECTIONS = _listing("section", StoredSection)
_PROPERTIES = _listing("property", StoredProperty)


def _section(row: tuple[Any, ...]) -> StoredSection:
    return StoredSection(**dict(zip(StoredSection.__struct_fields__, row, strict=True)))


def _property(row: tuple[Any, ...]) -> StoredProperty:
    return StoredProperty(**dict(zip(StoredProperty.__struct_fields__, row, strict=True)))


async def _find(reads: Reads, listing: Listing, account_id: int, row_id: int) -> tuple[Any, ...] | None:
    sql = f"SELECT {listing.select} FROM {listing.table} WHERE id = ?1 AND account_id = ?2"
    return await reads.one(sql, row_id, account_id)


async def _insert(tx: Tx, table: Literal["section", "property"], columns: dict[str, Any]) -> int:
    """The columns are those of a struct, never a caller's words."""
    marks = placeholders(1, columns)
    names = ", ".join(columns)
    return await tx.insert(f"INSERT INTO {table} ({names}) VALUES ({marks}) RETURNING id", *columns.values())


async def list_catalogs(reads: Reads, account_id: int, query: Query) -> Page[Catalog]:
    """One page of an account's catalogs."""
    return await page(reads, _CATALOGS, (account_id,), query, lambda row: Catalog(*row))


async def find_catalog(reads: Reads, account_id: int, catalog_id: int) -> Catalog | None:
    """That catalog, if the account has it."""
    row = await _find(reads, _CATALOGS, account_id, catalog_id)
    return None if row is None else Catalog(*row)


async def find_variations(reads: Reads, account_id: int, catalog_id: int) -> Catalog | None:
    """The catalog that holds the variations of that catalog's products, if the account has one."""
    row = await reads.one(
        f"SELECT {_CATALOGS.select} FROM catalog WHERE parent_catalog_id = ?1 AND account_id = ?2",
        catalog_id, account_id,
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


async def list_sections(reads: Reads, account_id: int, query: Query) -> Page[StoredSection]:
    """One page of the sections in an account's catalogs."""
    return await page(reads, _SECTIONS, (account_id,), query, _section)


async def find_section(reads: Reads, account_id: int, section_id: int) -> StoredSection | None:
    """That section, if the account has it."""
    row = await _find(reads, _SECTIONS, account_id, section_id)
    return None if row is None else _section(row)


async def add_section(tx: Tx, account_id: int, new: Section, now: int) -> int:
    """Insert a section and return its id."""
    moments = {"account_id": account_id, "created_at": now, "changed_at": now}
    return await _insert(tx, "section", moments | msgspec.structs.asdict(new))


async def list_properties(reads: Reads, account_id: int, query: Query) -> Page[StoredProperty]:
    """One page of the properties in an account's catalogs."""
    return await page(reads, _PROPERTIES, (account_id,), query, _property)


async def find_property(reads: Reads, account_id: int, property_id: int) -> StoredProperty | None:
    """That property, if the account has it."""
    row = await _find(reads, _PROPERTIES, account_id, property_id)
    return None if row is None else _property(row)


async def add_property(tx: Tx, account_id: int, catalog_id: int, new: Property, now: int) -> int:
    """Insert a property of a catalog and return its id."""
    more = {"account_id": account_id, "catalog_id": catalog_id, "changed_at": now}
    return await _insert(tx, "property", more | msgspec.structs.asdict(new))


async def has_code(
    reads: Reads, table: Literal["section", "property"], account_id: int, catalog_id: int, code: str
) -> bool:
    """Whether a section or property of that catalog has that code."""
    sql = f"SELECT 1 FROM {table} WHERE catalog_id = ?1 AND code = ?2 AND account_id = ?3"
    return await reads.one(sql, catalog_id, code, account_id) is not None


async def find_gallery_property(reads: Reads, account_id: int, catalog_id: int) -> int | None:
    """The id of the property that holds further pictures in that catalog."""
    row = await reads.one(
        "SELECT id FROM property WHERE catalog_id = ?1 AND account_id = ?2 AND code = ?3",
        catalog_id, account_id, MORE_PHOTO,
    )  # fmt: skip
    return None if row is None else int(row[0])
