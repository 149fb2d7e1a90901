"""Products: add, get, list, update and remove. Their pictures are product images like any other."""

from collections.abc import Collection

import msgspec

from packshot.domain.access import Principal, require_right
from packshot.domain.errors import Conflict, MissingField, NotFound
from packshot.domain.images import ProductImage
from packshot.domain.paging import Page, Query
from packshot.domain.products import DEFAULTS, IMMUTABLE, NEVER_EMPTY, READ_ONLY, Fields, Kind, check_fields
from packshot.services.core import Core
from packshot.storage import catalogs, images, products
from packshot.storage.database import Reads, Tx

REQUIRED = ("catalog_id", "name")


class Product(msgspec.Struct, frozen=True):
    """A product with its images; `gallery_property` is the id of the property that holds those in `more`."""

    fields: Fields
    images: list[ProductImage]
    gallery_property: int | None


async def add(core: Core, caller: Principal, kind: Kind, fields: Fields, parent_id: int | None = None) -> Product:
    """Store a new product with its defaults filled in.

    Raises:
        Forbidden: the caller may only look.
        MissingField: no name or no catalog.
        InvalidValue: a value that its field cannot have.
        NotFound: no such catalog.
        Conflict: another product of the catalog has that code.
    """
    require_right(caller, "product:write")
    for name in REQUIRED:
        if not fields.get(name):
            raise MissingField(name)
    check_fields(fields)
    now = core.now()
    stored = DEFAULTS | {name: value for name, value in fields.items() if name not in READ_ONLY and value is not None}
    stored |= {"kind": kind, "parent_id": parent_id, "changed_at": now}
    stored = {"created_by": caller.user_id, "modified_by": caller.user_id, "created_at": now} | stored

    async def work(tx: Tx) -> int:
        catalog_id = int(stored["catalog_id"] or 0)
        if await catalogs.find_catalog(tx, caller.account_id, catalog_id) is None:
            raise NotFound("catalog", catalog_id)
        await _require_free_code(tx, caller, stored)
        return await products.add_product(tx, caller.account_id, stored)

    return await get(core, caller, await core.db.write(work), (kind,))


async def get(core: Core, caller: Principal, product_id: int, kinds: Collection[Kind]) -> Product:
    """The product with its images. Raises: Forbidden, NotFound (also when it is of another kind)."""
    require_right(caller, "product:read")
    fields = await _require(core.db, caller, product_id, kinds)
    found = await images.of_product(core.db, caller.account_id, product_id)
    catalog_id = int(fields["catalog_id"] or 0)
    return Product(fields, found, await catalogs.find_gallery_property(core.db, caller.account_id, catalog_id))


async def list_all(
    core: Core, caller: Principal, kinds: Collection[Kind], fields: Collection[str], query: Query
) -> Page[Fields]:
    """One page of the account's products of these kinds, with just these fields each. Raises: Forbidden."""
    require_right(caller, "product:read")
    return await products.list_products(core.db, caller.account_id, kinds, fields, query)


async def update(core: Core, caller: Principal, product_id: int, kinds: Collection[Kind], changes: Fields) -> Product:
    """Set these fields; what only the store sets, and the catalog, stay as they are.

    Raises:
        Forbidden: the caller may only look.
        NotFound: no such product.
        InvalidValue: a value that its field cannot have.
        Conflict: another product of the catalog has that code.
    """
    require_right(caller, "product:write")
    check_fields(changes)
    wanted = {name: value for name, value in changes.items() if name not in READ_ONLY | IMMUTABLE}
    stored: Fields = {"modified_by": caller.user_id, "changed_at": core.now()}
    for name, value in wanted.items():
        if value is not None:
            stored[name] = value
        elif name not in NEVER_EMPTY:
            stored[name] = DEFAULTS.get(name)

    async def work(tx: Tx) -> None:
        fields = await _require(tx, caller, product_id, kinds)
        await _require_free_code(tx, caller, stored | {"id": product_id, "catalog_id": fields["catalog_id"]})
        await products.update_product(tx, caller.account_id, product_id, stored)

    await core.db.write(work)
    return await get(core, caller, product_id, kinds)


async def remove(core: Core, caller: Principal, product_id: int, kinds: Collection[Kind]) -> None:
    """Delete the product with its variations and all their images.

    Raises:
        Forbidden: the caller may only look.
        NotFound: no such product.
    """
    require_right(caller, "product:write")

    async def work(tx: Tx) -> None:
        await _require(tx, caller, product_id, kinds)
        await products.remove_product(tx, caller.account_id, product_id)

    await core.db.write(work)


async def _require(reads: Reads, caller: Principal, product_id: int, kinds: Collection[Kind]) -> Fields:
    fields = await products.find_product(reads, caller.account_id, product_id, kinds)
    if fields is None:
        raise NotFound("product", product_id)
    return fields


async def _require_free_code(tx: Tx, caller: Principal, fields: Fields) -> None:
    code = fields.get("code")
    if not code:
        return
    holder = await products.find_by_code(tx, caller.account_id, int(fields["catalog_id"] or 0), str(code))
    if holder not in {None, fields.get("id")}:
        raise Conflict(f"Another product of the catalog has the code {code}")
