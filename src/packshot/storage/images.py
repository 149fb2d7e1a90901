"""Rows of product images. Every query carries the account, so a foreign id is just not there.

Images that are values of a property lie in the same table, marked with its id, and are no product images.
"""

from collections.abc import Collection, Sequence
from typing import Any

from packshot.domain.images import NewImage, ProductImage
from packshot.domain.originals import Original, Picture
from packshot.domain.paging import Page, Query
from packshot.storage import blob_rows
from packshot.storage.database import Reads, Row, Tx
from packshot.storage.query import Column, Listing, page, placeholders

_COLUMNS = "id, product_id, role, name, address, created_at, guid, version"
_FIND = f"SELECT {_COLUMNS} FROM image WHERE id = ?1 AND product_id = ?2 AND account_id = ?3 AND property_id IS NULL"

_IMAGES = Listing(
    select=_COLUMNS,
    table="image",
    scope="product_id = ?1 AND account_id = ?2 AND property_id IS NULL",
    columns={
        "id": Column("id"),
        "product_id": Column("product_id"),
        "role": Column("role"),
        "name": Column("name", "name_folded"),
        "created_at": Column("created_at"),
    },
)

_ORIGINAL = (
    "SELECT i.name, b.key, b.digest, b.size_bytes, b.media_type, b.state"
    " FROM image i JOIN blob b ON b.id = i.blob_id WHERE "
)


_PICTURE = (
    "SELECT i.name, b.key, b.digest, b.size_bytes, b.media_type, b.state, b.id, b.width_px, b.height_px, b.frames,"
    f" i.version, i.focus_x, i.focus_y, i.privacy, {blob_rows.LOOKS} FROM image i JOIN blob b ON b.id = i.blob_id"
    " WHERE i.address = ?1 AND (i.expires_at IS NULL OR i.expires_at > ?2)"
)
_PUBLIC = f"{_PICTURE} AND EXISTS (SELECT 1 FROM account a WHERE a.id = i.account_id AND a.state = 'normal')"


async def find_image(reads: Reads, account_id: int, product_id: int, image_id: int) -> ProductImage | None:
    """That image, if it is on that product of the account."""
    row = await reads.one(_FIND, image_id, product_id, account_id)
    return None if row is None else ProductImage(*row)


async def find_in_role(reads: Reads, account_id: int, product_id: int, role: str) -> ProductImage | None:
    """Whatever image has that single role on the product."""
    # Both conditions on the role: the index of single roles is used only where its own one is in the statement.
    row = await reads.one(
        f"SELECT {_COLUMNS} FROM image"
        " WHERE product_id = ?1 AND role = ?3 AND role IN ('detail', 'preview') AND account_id = ?2",
        product_id, account_id, role,
    )  # fmt: skip
    return None if row is None else ProductImage(*row)


async def list_images(reads: Reads, account_id: int, product_id: int, query: Query) -> Page[ProductImage]:
    """One page of a product's images."""
    return await page(reads, _IMAGES, (product_id, account_id), query, lambda row: ProductImage(*row))


async def of_products(reads: Reads, account_id: int, product_ids: Collection[int]) -> list[ProductImage]:
    """All images of these products, those of one product by id."""
    marks = placeholders(2, product_ids)
    rows = await reads.all(
        f"SELECT {_COLUMNS} FROM image"
        f" WHERE product_id IN ({marks}) AND account_id = ?1 AND property_id IS NULL ORDER BY product_id, id",
        account_id, *product_ids,
    )  # fmt: skip
    return [ProductImage(*row) for row in rows]


async def of_family(reads: Reads, account_id: int, product_id: int) -> list[ProductImage]:
    """All images of a product and its variations, by product."""
    rows = await reads.all(
        f"SELECT {_COLUMNS} FROM image WHERE product_id IN (SELECT id FROM product WHERE id = ?1 OR parent_id = ?1)"
        " AND account_id = ?2 AND property_id IS NULL ORDER BY product_id, id",
        product_id, account_id,
    )  # fmt: skip
    return [ProductImage(*row) for row in rows]


async def of_blob(reads: Reads, blob_id: int, limit: int) -> list[str]:
    """Some images that show a blob, in words that people can act on."""
    rows = await reads.all(
        "SELECT id, name, product_id, property_id FROM image WHERE blob_id = ?1 ORDER BY id LIMIT ?2", blob_id, limit
    )
    return [_shown(*row) for row in rows]


def _shown(image_id: int, name: str, product_id: int | None, property_id: int | None) -> str:
    if product_id is None:
        return f"image {image_id}, {name}, of the library"
    what = f"image {image_id}" if property_id is None else f"file {image_id} in property {property_id}"
    return f"{what}, {name}, of product {product_id}"


async def add_image(tx: Tx, account_id: int, image: NewImage, blob_id: int) -> ProductImage:
    """Insert an image of a product that points at a blob; it stands in the inventory, unless it is a value."""
    image_id = await tx.insert(
        "INSERT INTO image (account_id, guid, library, product_id, role, property_id, name, name_folded, title,"
        " searched, address, created_at, blob_id, size_bytes, width_px, height_px)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?7, ?9, ?10, ?11, ?12, (SELECT size_bytes FROM blob WHERE id = ?12),"
        " (SELECT width_px FROM blob WHERE id = ?12), (SELECT height_px FROM blob WHERE id = ?12)) RETURNING id",
        account_id, image.guid, None if image.property_id else "inventory", image.product_id, image.role,
        image.property_id, image.name, image.name.casefold(), searched(image.name, "", image.name), image.address,
        image.created_at, blob_id,
    )  # fmt: skip
    return ProductImage(image_id, image.product_id, image.role, image.name, image.address, image.created_at, image.guid)


def searched(title: str, description: str, name: str) -> str:
    """The text that a search in a library looks through, case-folded, each part on one line of its own."""
    return "\n".join(part.replace("\n", " ") for part in (title, description, name)).casefold()


async def of_sold(reads: Reads, account_id: int, ids: Sequence[int]) -> set[int]:
    """Those of the images that something is sold of."""
    if not ids:
        return set()
    rows = await reads.all(
        f"SELECT image_id FROM inventory_product WHERE image_id IN ({placeholders(2, ids)}) AND account_id = ?1",
        account_id, *ids,
    )  # fmt: skip
    return {row[0] for row in rows}


async def detach(tx: Tx, account_id: int, ids: Sequence[int]) -> None:
    """Take images off their products; they stay in the library."""
    if ids:
        # The plus keeps SQLite from walking the account where the ids are many.
        await tx.run(
            "UPDATE image SET product_id = NULL, role = NULL"
            f" WHERE +account_id = ?1 AND id IN ({placeholders(2, ids)})",
            account_id, *ids,
        )  # fmt: skip


def _original(row: Sequence[Any]) -> Original:
    name, key, digest, size_bytes, media_type, state = row
    return Original(name, key, digest, size_bytes, media_type, intact=state == "live")


async def find_file(
    reads: Reads, account_id: int, product_id: int, image_id: int
) -> tuple[str, int | None, Original] | None:
    """An image of the product, or of one of its properties: the role, the property, and the original behind it."""
    row = await reads.one(
        f"{_ORIGINAL.replace('SELECT', 'SELECT i.role, i.property_id,', 1)}"
        " i.id = ?1 AND i.product_id = ?2 AND i.account_id = ?3",
        image_id, product_id, account_id,
    )  # fmt: skip
    return None if row is None else (row[0], row[1], _original(row[2:]))


async def find_original(reads: Reads, account_id: int, image_id: int) -> Original | None:
    """The original behind an image of the account."""
    row = await reads.one(f"{_ORIGINAL} i.id = ?1 AND i.account_id = ?2", image_id, account_id)
    return None if row is None else _original(row)


async def find_public(reads: Reads, address: str, now: int) -> Picture | None:
    """The same as `find_picture` where the account is open."""
    row = await reads.one(_PUBLIC, address, now)
    return None if row is None else _picture(address, row)


async def find_picture(reads: Reads, address: str, now: int) -> Picture | None:
    """What stands at a public address, unless its image has expired."""
    row = await reads.one(_PICTURE, address, now)
    return None if row is None else _picture(address, row)


def _picture(address: str, row: Row) -> Picture:
    *original, blob_id, width_px, height_px, frames, version, focus_x, focus_y, privacy = row[:14]
    return Picture(
        address=address,
        original=_original(original),
        blob_id=blob_id,
        width_px=width_px,
        height_px=height_px,
        frames=frames,
        looks=blob_rows.looks(row[14:]),
        version=version,
        focus=(focus_x / 100, focus_y / 100),
        privacy=privacy,
    )
