"""Rows of the virtual inventory. Every query carries the account, so a foreign SKU is just not there."""

from collections.abc import Collection
from typing import Any

from packshot.domain.inventory import LINK_FIELDS, InventoryProduct, NewInventoryProduct
from packshot.domain.libraries import LibraryImage
from packshot.domain.paging import Page, Query
from packshot.storage import locks
from packshot.storage.database import Reads, Tx
from packshot.storage.query import Column, Listing, page, placeholders

_COLUMNS = (
    "p.id, p.image_id, (SELECT i.guid FROM image i WHERE i.id = p.image_id), p.guid, p.sku, p.product_code, p.name,"
    " p.description, p.quantity_in_stock, p.track_inventory, p.asking_price, p.created_at, p.updated_at"
)

_FIELDS = ", ".join(f"'{field}'" for fields in LINK_FIELDS.values() for field in fields)
_AMONG = "p.id IN (SELECT s.id FROM inventory_product s WHERE s.account_id = ?1 AND {})"

# What few products have is looked up first; else the database would rather walk the account in the wanted order.
_PRODUCTS = Listing(
    select="p.id",
    table="inventory_product p",
    scope="p.account_id = ?1",
    columns={
        "id": Column("p.id"),
        "name": Column("p.name"),
        "created_at": Column("p.created_at"),
        "searched": Column("p.searched", "p.searched"),
        "sku": Column("s.sku", within=_AMONG),
        "product_code": Column("s.product_code", within=_AMONG),
        "image_guid": Column(
            "i.guid",
            within="p.id IN (SELECT s.id FROM image i JOIN inventory_product s ON s.image_id = i.id"
            " WHERE i.account_id = ?1 AND {})",
        ),
        "link": Column(
            "l.word",
            within="p.id IN (SELECT l.product_id FROM (SELECT product_id, account_id, field AS word FROM inventory_link"
            f" UNION ALL SELECT product_id, account_id, value FROM inventory_link WHERE field IN ({_FIELDS})) l"
            " WHERE l.account_id = ?1 AND {})",
        ),
    },
)


async def list_products(reads: Reads, account_id: int, query: Query) -> Page[InventoryProduct]:
    """One page of the account's products.

    `searched` looks through names, SKUs and descriptions; `image_guid` has the guids of images, and `link` the names of
    linked fields or the ids in them.
    """
    found = await page(reads, _PRODUCTS, (account_id,), query, lambda row: int(row[0]))
    products = {product.id: product for product in await _found(reads, account_id, "p.id", found.rows)}
    return Page([products[row_id] for row_id in found.rows if row_id in products], found.total)


async def of_images(reads: Reads, account_id: int, image_ids: Collection[int]) -> list[InventoryProduct]:
    """The products of these images, by id."""
    return await _found(reads, account_id, "p.image_id", image_ids)


async def hold_skus(tx: Tx, account_id: int, skus: Collection[str]) -> None:
    """Let nobody else change the products with these SKUs until the end of the work."""
    if tx.dialect == "postgresql" and skus:
        scope = f"account_id = ?1 AND sku IN ({placeholders(2, skus)})"
        await tx.all(f"SELECT id FROM inventory_product WHERE {scope} ORDER BY id{locks.held(tx)}", account_id, *skus)


async def of_skus(reads: Reads, account_id: int, skus: Collection[str]) -> list[InventoryProduct]:
    """The products with these SKUs, by id."""
    return await _found(reads, account_id, "p.sku", skus)


async def _found(reads: Reads, account_id: int, column: str, wanted: Collection[Any]) -> list[InventoryProduct]:
    if not wanted:
        return []
    marks = placeholders(2, wanted)
    scope = f"FROM inventory_product p WHERE p.account_id = ?1 AND {column} IN ({marks})"
    rows = await reads.all(f"SELECT {_COLUMNS} {scope}", account_id, *wanted)
    links = await _links(reads, f"SELECT p.id {scope}", account_id, *wanted) if rows else {}
    return [_product(row, links) for row in sorted(rows)]


async def _links(reads: Reads, ids: str, *values: Any) -> dict[int, dict[str, str]]:
    """The links of the products that the query *ids* finds, by product."""
    links: dict[int, dict[str, str]] = {}
    for product_id, field, value in await reads.all(
        f"SELECT product_id, field, value FROM inventory_link WHERE product_id IN ({ids})", *values
    ):
        links.setdefault(product_id, {})[field] = value
    return links


def _product(row: tuple[Any, ...], links: dict[int, dict[str, str]]) -> InventoryProduct:
    (row_id, image_id, image_guid, guid, sku, product_code, name, description,
     quantity_in_stock, track_inventory, asking_price, created_at, updated_at) = row  # fmt: skip
    return InventoryProduct(
        id=row_id,
        image_id=image_id,
        image_guid=image_guid,
        guid=guid,
        sku=sku,
        product_code=product_code,
        name=name,
        description=description,
        quantity_in_stock=quantity_in_stock,
        track_inventory=bool(track_inventory),
        asking_price=asking_price,
        created_at=created_at,
        updated_at=updated_at,
        links=links.get(row_id, {}),
    )


async def add_product(tx: Tx, account_id: int, image: LibraryImage, new: NewInventoryProduct, now: int) -> str:
    """Insert a product and return its SKU."""
    name = new.name or image.title
    # The SKU is made from the id, which is known behind the insert only; until then the guid stands for it.
    row_id = await tx.insert(
        "INSERT INTO inventory_product (account_id, image_id, guid, sku, product_code, name, searched, created_at)"
        " VALUES (?1, ?2, ?3, ?3, ?4, ?5, '', ?6) RETURNING id",
        account_id, image.id, new.guid, new.product_code, name, now,
    )  # fmt: skip
    sku = f"AP{account_id}P{row_id}"
    await tx.run(
        "UPDATE inventory_product SET sku = ?3, searched = ?4 WHERE id = ?1 AND account_id = ?2",
        row_id, account_id, sku, _searched(name, sku, None),
    )  # fmt: skip
    return sku


def _searched(name: str, sku: str, description: str | None) -> str:
    return f"{name}\n{sku}\n{description or ''}".casefold()


async def update_products(tx: Tx, account_id: int, products: Collection[InventoryProduct]) -> None:
    """Store these products as they are now, links included; what they are made of and named by stays."""
    if not products:
        return
    for product in products:
        await tx.run(
            "UPDATE inventory_product SET name = ?3, description = ?4, searched = ?5, quantity_in_stock = ?6,"
            " track_inventory = ?7, asking_price = ?8, updated_at = ?9 WHERE id = ?1 AND account_id = ?2",
            product.id, account_id, product.name, product.description,
            _searched(product.name, product.sku, product.description),
            product.quantity_in_stock, int(product.track_inventory), product.asking_price, product.updated_at,
        )  # fmt: skip
    await _relink(tx, account_id, products)


async def _relink(tx: Tx, account_id: int, products: Collection[InventoryProduct]) -> None:
    marks = placeholders(2, products)
    await tx.run(
        "DELETE FROM inventory_link WHERE product_id IN"
        f" (SELECT p.id FROM inventory_product p WHERE p.account_id = ?1 AND p.id IN ({marks}))",
        account_id, *(product.id for product in products),
    )  # fmt: skip
    links = [(product.id, field, value) for product in products for field, value in product.links.items()]
    if links:
        rows = ", ".join(f"(?1, ?{at}, ?{at + 1}, ?{at + 2})" for at in range(2, 3 * len(links) + 2, 3))
        await tx.run(
            f"INSERT INTO inventory_link (account_id, product_id, field, value) VALUES {rows}",
            account_id, *(value for link in links for value in link),
        )  # fmt: skip


async def remove_skus(tx: Tx, account_id: int, skus: Collection[str]) -> set[str]:
    """Delete the products with these SKUs, links included, and return the SKUs of those it were."""
    if not skus:
        return set()
    marks = placeholders(2, skus)
    rows = await tx.all(
        f"DELETE FROM inventory_product WHERE account_id = ?1 AND sku IN ({marks}) RETURNING sku", account_id, *skus
    )
    return {row[0] for row in rows}


async def unlink(tx: Tx, account_id: int, fields: Collection[str]) -> list[dict[str, Any]]:
    """Cut the links of these fields on all products of the account, and return their whole rows."""
    names = "product_id", "account_id", "field", "value"
    rows = await tx.all(
        f"DELETE FROM inventory_link WHERE account_id = ?1 AND field IN ({placeholders(2, fields)})"
        f" RETURNING {', '.join(names)}",
        account_id, *fields,
    )  # fmt: skip
    return [dict(zip(names, row, strict=True)) for row in rows]


async def has_free_link(reads: Reads, account_id: int, product_id: int, field: str) -> bool:
    """Whether the account has that product, and it is not linked by that field."""
    row = await reads.one(
        "SELECT 1 FROM inventory_product p WHERE p.id = ?1 AND p.account_id = ?2"
        " AND NOT EXISTS (SELECT 1 FROM inventory_link l WHERE l.product_id = p.id AND l.field = ?3)",
        product_id, account_id, field,
    )  # fmt: skip
    return row is not None
