"""Rows of images as libraries show them. Every query carries the account, so a foreign guid is just not there."""

from collections.abc import Sequence

from packshot.domain.libraries import Files, LibraryImage, NewLibraryImage, Place
from packshot.storage.database import Reads, Row, Tx
from packshot.storage.images import searched

_COLUMNS = (
    "i.id, i.guid, i.library, i.session_id, i.product_id, i.role, i.name, i.title, i.description, i.size_bytes,"
    " i.width_px, i.height_px, i.address, i.hires_uri, i.thumbnail_name, i.preview_name, i.hires_name,"
    " i.thumbnail_uri, i.preview_uri, i.site_id, i.active, i.created_at, i.updated_at, i.expires_at,"
    " (SELECT b.media_type FROM blob b WHERE b.id = i.blob_id)"
)


async def of_guids(reads: Reads, account_id: int, guids: Sequence[str], now: int) -> list[LibraryImage]:
    """The images with these guids that are in a library of the account and have not expired, in no order."""
    if not guids:
        return []
    marks = ", ".join(f"?{number}" for number in range(3, len(guids) + 3))
    rows = await reads.all(
        f"SELECT {_COLUMNS} FROM image i WHERE i.account_id = ?1 AND i.guid IN ({marks})"
        " AND i.library IS NOT NULL AND (i.expires_at IS NULL OR i.expires_at > ?2)",
        account_id, now, *guids,
    )  # fmt: skip
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


async def remove_images(tx: Tx, account_id: int, ids: Sequence[int]) -> None:
    """Delete these images' rows, never their bytes; inventory products and places in selections go along."""
    marks = ", ".join(f"?{number}" for number in range(2, len(ids) + 2))
    await tx.run(f"DELETE FROM image WHERE account_id = ?1 AND id IN ({marks})", account_id, *ids)


def image(row: Row) -> LibraryImage:
    """The image in a row of `_COLUMNS`."""
    (row_id, guid, library, session_id, product_id, role, name, title, description, size_bytes, width_px, height_px,
     address, hires_uri, thumbnail_name, preview_name, hires_name, thumbnail_uri, preview_uri, site_id, active,
     created_at, updated_at, expires_at, media_type) = row  # fmt: skip
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
    )
