"""Trade catalogs, where products live, with the sections and properties those may have.

Callers look; only whoever runs the store adds, which is why adding takes an account and asks for no right.
"""

from typing import TypeVar

import msgspec

from packshot.domain.access import Principal, require_right
from packshot.domain.catalogs import (
    MORE_PHOTO,
    Catalog,
    Property,
    Section,
    StoredProperty,
    StoredSection,
    check_name,
    check_property,
)
from packshot.domain.errors import Conflict, NotFound
from packshot.domain.paging import Page, Query
from packshot.services.core import Core
from packshot.storage import catalogs
from packshot.storage.database import Tx

Found = TypeVar("Found")

_GALLERY = Property(MORE_PHOTO, "Pictures", "F", multiple=True)


async def list_all(core: Core, caller: Principal, query: Query) -> Page[Catalog]:
    """One page of the account's catalogs, by id where the query orders nothing else. Raises: Forbidden."""
    require_right(caller, "catalog:read")
    return await catalogs.list_catalogs(core.db, caller.account_id, query)


async def get(core: Core, caller: Principal, catalog_id: int) -> Catalog:
    """The catalog. Raises: Forbidden, NotFound."""
    require_right(caller, "catalog:read")
    return _there(await catalogs.find_catalog(core.db, caller.account_id, catalog_id), "trade catalog", catalog_id)


async def list_sections(core: Core, caller: Principal, query: Query) -> Page[StoredSection]:
    """One page of the sections in the account's catalogs. Raises: Forbidden."""
    require_right(caller, "catalog:read")
    return await catalogs.list_sections(core.db, caller.account_id, query)


async def get_section(core: Core, caller: Principal, section_id: int) -> StoredSection:
    """The section. Raises: Forbidden, NotFound."""
    require_right(caller, "section:read")
    return _there(await catalogs.find_section(core.db, caller.account_id, section_id), "catalog section", section_id)


async def list_properties(core: Core, caller: Principal, query: Query) -> Page[StoredProperty]:
    """One page of the properties in the account's catalogs. Raises: Forbidden."""
    require_right(caller, "property:read")
    return await catalogs.list_properties(core.db, caller.account_id, query)


async def get_property(core: Core, caller: Principal, property_id: int) -> StoredProperty:
    """The property. Raises: Forbidden, NotFound."""
    require_right(caller, "property:read")
    return _there(
        await catalogs.find_property(core.db, caller.account_id, property_id), "product property", property_id
    )


def _there(found: Found | None, kind: str, key: int) -> Found:
    if found is None:
        raise NotFound(kind, key)
    return found


async def of_account(core: Core, account_id: int) -> list[Catalog]:
    """The account's first thousand catalogs, by id."""
    return (await catalogs.list_catalogs(core.db, account_id, Query(limit=1_000, counted=False))).rows


async def make(tx: Tx, account_id: int, name: str, parent_id: int | None, now: int) -> int:
    """The id of a new catalog with its property for pictures; one of variations gets that for their parent, too."""
    catalog_id = await catalogs.add_catalog(tx, account_id, name, parent_id)
    await catalogs.add_property(tx, account_id, catalog_id, _GALLERY, now)
    if parent_id is not None:
        link = Property("CML2_LINK", "Parent product", "E", multiple=False, user_type="SKU", link_catalog_id=parent_id)
        property_id = await catalogs.add_property(tx, account_id, catalog_id, link, now)
        await catalogs.set_link_property(tx, catalog_id, property_id)
    return catalog_id


async def add(core: Core, account_id: int, name: str, variations_of: int | None = None) -> int:
    """The id of a new catalog, of the variations of another one's products if that is named.

    Raises:
        MissingField, InvalidValue: the name is empty or too long.
        NotFound: no such catalog to have variations of.
        Conflict: that one holds variations itself, or has a catalog of them.
    """
    check_name(name)
    now = core.now()

    async def work(tx: Tx) -> int:
        if variations_of is not None:
            parent = await _require(tx, account_id, variations_of)
            if parent.parent_catalog_id is not None:
                raise Conflict(f"The catalog {variations_of} holds variations itself")
            if await catalogs.find_variations(tx, account_id, variations_of) is not None:
                raise Conflict(f"The catalog {variations_of} has a catalog of variations already")
        return await make(tx, account_id, name, variations_of, now)

    return await core.db.write(work)


async def add_section(core: Core, account_id: int, new: Section) -> int:
    """The id of a new section.

    Raises:
        MissingField, InvalidValue: the name is empty or too long.
        NotFound: no such catalog, or no such parent in it.
        Conflict: another section of the catalog has that code.
    """
    check_name(new.name)
    new = msgspec.structs.replace(new, code=new.code or None)
    now = core.now()

    async def work(tx: Tx) -> int:
        await _require(tx, account_id, new.catalog_id)
        if new.parent_id is not None:
            parent = await catalogs.find_section(tx, account_id, new.parent_id)
            if parent is None or parent.catalog_id != new.catalog_id:
                raise NotFound("catalog section", new.parent_id)
        if new.code and await catalogs.has_code(tx, "section", account_id, new.catalog_id, new.code):
            raise Conflict(f"Another section of the catalog has the code {new.code}")
        return await catalogs.add_section(tx, account_id, new, now)

    return await core.db.write(work)


async def add_property(core: Core, account_id: int, catalog_id: int, new: Property) -> int:
    """The id of a new property of the catalog.

    Raises:
        MissingField, InvalidValue: it has no name, or one, a type or a code that cannot be.
        NotFound: no such catalog.
        Conflict: another property of the catalog has that code.
    """
    check_property(new)
    now = core.now()

    async def work(tx: Tx) -> int:
        await _require(tx, account_id, catalog_id)
        if await catalogs.has_code(tx, "property", account_id, catalog_id, new.code):
            raise Conflict(f"Another property of the catalog has the code {new.code}")
        return await catalogs.add_property(tx, account_id, catalog_id, new, now)

    return await core.db.write(work)


async def _require(tx: Tx, account_id: int, catalog_id: int) -> Catalog:
    found = await catalogs.find_catalog(tx, account_id, catalog_id)
    if found is None:
        raise NotFound("catalog", catalog_id)
    return found
