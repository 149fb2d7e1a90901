"""Rows of images as libraries show them. Every query carries the account, so a foreign guid is just not there."""

from collections.abc import Sequence

from packshot.domain.libraries import Files, LibraryImage, NewLibraryImage, Place
from packshot.domain.originals import Picture
from packshot.storage import locks
from packshot.storage.database import Reads, Row, Tx
from packshot.storage.images import searched
from packshot.storage.query import placeholders

COLUMNS = (
    "i.id, i.guid, i.library, i.session_id, i.product_id, i.role, i.name, i.title, i.description, i.size_bytes,"
    " i.width_px, i.height_px, i.address, i.hires_uri, i.thumbnail_name, i.preview_name, i.hires_name,"
    " i.thumbnail_uri, i.preview_uri, i.site_id, i.active, i.created_at, i.updated_at, i.expires_at,"
    " (SELECT b.media_type FROM blob b WHERE b.id = i.blob_id), i.version"
)


async def of_guids(reads: Reads, account_id: int, guids: Sequence[str], now: int) -> list[LibraryImage]:
    """The images with these guids that are in a library of the account and have not expired, in no order."""
    if not guids:
        return []
    marks = placeholders(3, guids)
    rows = await reads.all(
        f"SELECT {COLUMNS} FROM image i WHERE i.account_id = ?1 AND i.guid IN ({marks})"
        " AND i.library IS NOT NULL AND (i.expires_at IS NULL OR i.expires_at > ?2)",
        account_id, now, *guids,
    )  # fmt: skip
    return [image(row) for row in rows]


async def hold(tx: Tx, account_id: int, guids: Sequence[str]) -> None:
    """Let nobody else change the images with these guids, or the products they are on, until the end of the work."""
    if tx.dialect == "sqlite" or not guids:
        return
    scope = f"FROM image WHERE account_id = ?1 AND guid IN ({placeholders(2, guids)})"
    rows = await tx.all(f"SELECT DISTINCT product_id {scope} AND product_id IS NOT NULL", account_id, *guids)
    there = {row[0] for row in rows}
    await locks.hold(tx, "product", there, of=account_id)
    rows = await tx.all(f"SELECT product_id {scope} ORDER BY id{locks.held(tx)}", account_id, *guids)
    # Put on a product meanwhile. Whoever does that, too, and in another order may make us wait for each other: rarely.
    await locks.hold(tx, "product", {row[0] for row in rows} - there - {None}, of=account_id)


async def of_ids(reads: Reads, account_id: int, ids: Sequence[int]) -> list[LibraryImage]:
    """The account's images with these ids, whatever library they are in, in no order."""
    if not ids:
        return []
    rows = await reads.all(
        f"SELECT {COLUMNS} FROM image i WHERE +i.account_id = ?1 AND i.id IN ({placeholders(2, ids)})", account_id, *ids
    )
    return [image(row) for row in rows]


async def of_blob(reads: Reads, account_id: int, blob_id: int) -> list[LibraryImage]:
    """The account's images whose bytes are those of that blob, whatever library they are in, by id."""
    rows = await reads.all(
        f"SELECT {COLUMNS} FROM image i WHERE i.blob_id = ?1 AND +i.account_id = ?2 ORDER BY i.id", blob_id, account_id
    )
    return [image(row) for row in rows]


async def add_image(tx: Tx, account_id: int, new: NewLibraryImage, blob_id: int | None) -> int:
    """Insert an image and return its id. Raises a database error where the account has the guid already."""
    files = new.files
    return await tx.insert(
        "INSERT INTO image (account_id, guid, library, session_id, site_id, product_id, role, name, name_folded, title,"
        " description, searched, address, blob_id, size_bytes, width_px, height_px, thumbnail_name, preview_name,"
        " hires_name, thumbnail_uri, preview_uri, hires_uri, created_at, expires_at)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14,"
        " coalesce((SELECT size_bytes FROM blob WHERE id = ?14), ?15),"
        " coalesce((SELECT width_px FROM blob WHERE id = ?14), ?16),"
        " coalesce((SELECT height_px FROM blob WHERE id = ?14), ?17),"
        " ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25) RETURNING id",
        account_id, new.guid, new.place.library, new.place.session_id, new.site_id, new.product_id, new.role, new.name,
        new.name.casefold(), new.title, new.description, searched(new.title, new.description or "", new.name),
        new.address, blob_id, new.size_bytes, new.width_px, new.height_px,
        *((files.thumbnail_name, files.preview_name, files.hires_name, files.thumbnail_uri, files.preview_uri,
           files.hires_uri) if files else (None,) * 6),
        new.created_at, new.expires_at,
    )  # fmt: skip


async def of_taken(reads: Reads, account_id: int, guids: Sequence[str]) -> set[str]:
    """Those of the guids that images of the account have already, whether a library shows them or not."""
    marks = placeholders(2, guids)
    rows = await reads.all(f"SELECT guid FROM image WHERE account_id = ?1 AND guid IN ({marks})", account_id, *guids)
    return {row[0] for row in rows}


async def shows(reads: Reads, account_id: int, image_id: int, blob_id: int) -> bool:
    """Whether the bytes of the image are those of that blob."""
    sql = "SELECT 1 FROM image WHERE id = ?1 AND account_id = ?2 AND blob_id = ?3"
    return await reads.one(sql, image_id, account_id, blob_id) is not None


async def of_expired(tx: Tx, now: int, limit: int) -> list[tuple[int, LibraryImage]]:
    """Some images whose time in a temporary library is over, longest first, each behind its account.

    They are the work's own until its end; those that somebody else is at work on are left out.
    """
    rows = await tx.all(
        f"SELECT {COLUMNS}, i.account_id FROM image i WHERE i.library = 'temporary' AND i.expires_at <= ?1"
        f" ORDER BY i.expires_at LIMIT ?2{locks.held(tx, 'UPDATE OF i SKIP LOCKED')}",
        now, limit,
    )  # fmt: skip
    return [(row[-1], image(row[:-1])) for row in rows]


async def update_image(tx: Tx, account_id: int, image: LibraryImage) -> None:
    """Write what may change of an image: title, description, whether it is active, and when it changed."""
    await tx.run(
        "UPDATE image SET title = ?3, description = ?4, active = ?5, updated_at = ?6, searched = ?7"
        " WHERE account_id = ?1 AND id = ?2",
        account_id, image.id, image.title, image.description, int(image.active), image.updated_at,
        searched(image.title, image.description or "", image.name),
    )  # fmt: skip


async def update_picture(tx: Tx, account_id: int, image_id: int, picture: Picture, now: int) -> None:
    """Write how the image is to be shown, which makes it the next version of itself."""
    focus_x, focus_y = (round(100 * share) for share in picture.focus)
    await tx.run(
        "UPDATE image SET focus_x = ?3, focus_y = ?4, privacy = ?5, version = version + 1, updated_at = ?6"
        " WHERE id = ?1 AND account_id = ?2",
        image_id, account_id, focus_x, focus_y, picture.privacy, now,
    )  # fmt: skip


async def find_guid(reads: Reads, account_id: int, image_id: int) -> str | None:
    """The guid of the image with that id, if it is in a library of the account."""
    row = await reads.one(
        "SELECT guid FROM image WHERE id = ?1 AND account_id = ?2 AND library IS NOT NULL", image_id, account_id
    )
    return None if row is None else str(row[0])


async def attach(tx: Tx, account_id: int, image_id: int, product_id: int, role: str, now: int) -> None:
    """Put the image on a product, and into the inventory for good."""
    await tx.run(
        "UPDATE image SET product_id = ?3, role = ?4, library = 'inventory', session_id = NULL, expires_at = NULL,"
        " updated_at = ?5 WHERE id = ?1 AND account_id = ?2",
        image_id, account_id, product_id, role, now,
    )  # fmt: skip


async def remove_images(tx: Tx, account_id: int, ids: Sequence[int]) -> None:
    """Delete these images' rows, never their bytes; inventory products and places in selections go along."""
    if not ids:
        return
    marks = placeholders(2, ids)
    among = f"WHERE account_id = ?1 AND image_id IN ({marks})"
    # Left to the foreign keys, image by image, many would cost a tenth more: pages leave the cache half done.
    await tx.run(
        f"DELETE FROM inventory_link WHERE product_id IN (SELECT id FROM inventory_product {among})", account_id, *ids
    )
    await tx.run(f"DELETE FROM inventory_product {among}", account_id, *ids)
    await tx.run(f"DELETE FROM selection {among}", account_id, *ids)
    # The plus keeps SQLite from walking the account where the ids are many.
    await tx.run(f"DELETE FROM image WHERE +account_id = ?1 AND id IN ({marks})", account_id, *ids)


def image(row: Row) -> LibraryImage:
    """The image in a row of `COLUMNS`."""
    (row_id, guid, library, session_id, product_id, role, name, title, description, size_bytes, width_px, height_px,
     address, hires_uri, thumbnail_name, preview_name, hires_name, thumbnail_uri, preview_uri, site_id, active,
     created_at, updated_at, expires_at, media_type, version) = row  # fmt: skip
    files = None
    if hires_uri is not None:
        files = Files(hires_uri, thumbnail_name, preview_name, hires_name, thumbnail_uri, preview_uri)
    return LibraryImage(
        id=row_id,
        guid=guid,
        place=Place(library, session_id),
        product_id=product_id,
        role=role,
        name=name,
        title=title,
        description=description,
        size_bytes=size_bytes,
        width_px=width_px,
        height_px=height_px,
        address=address,
        media_type=media_type,
        files=files,
        site_id=site_id,
        active=bool(active),
        created_at=created_at,
        updated_at=updated_at,
        expires_at=expires_at,
        version=version,
    )
