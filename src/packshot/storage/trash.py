"""Rows of the trash, and the whole rows of other tables that go there and come back as they were."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from packshot.domain.audit import Touched
from packshot.domain.trash import Deletion, Item, Kind, NewItem, Rows
from packshot.storage import locks
from packshot.storage.database import Reads, Row, Tx
from packshot.storage.query import placeholders

COLUMNS: Final[dict[str, str]] = {
    "product": "id account_id catalog_id kind parent_id name name_folded active available bundle code xml_id sort"
    " created_by modified_by created_at changed_at active_from active_to preview_text preview_text_type detail_text"
    " detail_text_type measure weight width height length vat_id vat_included can_buy_zero quantity quantity_reserved"
    " quantity_trace subscribe purchasing_price purchasing_currency barcode_multi recur_scheme_length"
    " recur_scheme_type trial_price_id without_order section_id",
    "product_section": "product_id section_id",
    "image": "id account_id guid library session_id site_id product_id role property_id name name_folded title"
    " description searched address blob_id size_bytes width_px height_px thumbnail_name preview_name hires_name"
    " thumbnail_uri preview_uri hires_uri active created_at updated_at expires_at version focus_x focus_y privacy",
    "property_value": "id account_id product_id property_id multiple text image_id",
    "inventory_product": "id account_id image_id guid sku product_code name description searched quantity_in_stock"
    " track_inventory asking_price created_at updated_at",
    "inventory_link": "product_id account_id field value",
    "selection": "account_id guid position image_id",
}
"""The tables whose rows come into the trash, with all their columns, those that others point at first."""

_AT_ONCE = 500
# The plus elsewhere keeps SQLite from walking the account where the ids are many.
_OF_ACCOUNT: Final = {
    ("product_section", "product_id"): " AND product_id IN (SELECT id FROM product WHERE account_id = ?1)",
}

_NAMES: Final = {table: columns.split() for table, columns in COLUMNS.items()}
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Rows).decode


async def whole(tx: Tx, account_id: int, table: str, column: str, wanted: Sequence[Any]) -> list[dict[str, Any]]:
    """The account's whole rows of *table* whose *column* is one of those wanted, in no order.

    They are the work's own until its end, and nothing comes to point at them.
    """
    found = []
    for first in range(0, len(wanted), _AT_ONCE):
        some = wanted[first : first + _AT_ONCE]
        scope = f"{column} IN ({placeholders(2, some)}){_OF_ACCOUNT.get((table, column), ' AND +account_id = ?1')}"
        names = _NAMES[table]
        rows = await tx.all(
            f"SELECT {', '.join(names)} FROM {table} WHERE {scope}{locks.held(tx, 'UPDATE')}", account_id, *some
        )
        found += [dict(zip(names, row, strict=True)) for row in rows]
    return found


async def put_back(tx: Tx, table: str, rows: Iterable[dict[str, Any]]) -> None:
    """Insert rows as they were. Columns that are newer than a row get their default."""
    for row in rows:
        known = {name: row[name] for name in _NAMES[table] if name in row}
        await tx.run(f"INSERT INTO {table} ({', '.join(known)}) VALUES ({placeholders(1, known)})", *known.values())


async def add_deletion(tx: Tx, account_id: int, deletion: Deletion) -> int:
    """Insert a deletion, whose id and number of items do not matter, and return its id."""
    return await tx.insert(
        "INSERT INTO deletion (account_id, method, who, request_id, deleted_at) VALUES (?1, ?2, ?3, ?4, ?5)"
        " RETURNING id",
        account_id, deletion.method, deletion.who, deletion.request_id, deletion.deleted_at,
    )  # fmt: skip


async def find_latest(tx: Tx, account_id: int) -> Deletion | None:
    """The account's latest deletion; its items are not counted, since there may be very many."""
    row = await tx.one(
        "SELECT id, method, who, request_id, deleted_at, 0 FROM deletion"
        " WHERE account_id = ?1 ORDER BY id DESC LIMIT 1",
        account_id,
    )  # fmt: skip
    return None if row is None else Deletion(*row)


async def add_items(tx: Tx, account_id: int, deletion_id: int, items: Sequence[NewItem]) -> None:
    """Put things into the trash; their own rows are somebody else's to delete."""
    for first in range(0, len(items), _AT_ONCE):
        values = [
            value
            for item in items[first : first + _AT_ONCE]
            for value in (item.kind, item.id, item.name, item.title, item.blob_id, _encode(item.rows).decode())
        ]
        rows = ", ".join(f"(?1, ?2, {placeholders(at, range(6))})" for at in range(3, 3 + len(values), 6))
        await tx.run(
            f"INSERT INTO trash (account_id, deletion_id, kind, item_id, name, title, blob_id, rows) VALUES {rows}",
            account_id, deletion_id, *values,
        )  # fmt: skip


_DELETION = (
    "SELECT d.id, d.method, d.who, d.request_id, d.deleted_at,"
    " (SELECT count(*) FROM trash t WHERE t.deletion_id = d.id) FROM deletion d"
)


async def of_deletions(reads: Reads, account_id: int, before_id: int, limit: int) -> list[Deletion]:
    """The latest deletions before that id, newest first."""
    rows = await reads.all(
        f"{_DELETION} WHERE d.account_id = ?1 AND d.id < ?2 ORDER BY d.id DESC LIMIT ?3", account_id, before_id, limit
    )
    return [Deletion(*row) for row in rows]


async def find_deletion(reads: Reads, account_id: int, deletion_id: int) -> Deletion | None:
    """The account's deletion with that id."""
    row = await reads.one(f"{_DELETION} WHERE d.id = ?1 AND d.account_id = ?2", deletion_id, account_id)
    return None if row is None else Deletion(*row)


async def of_items(reads: Reads, account_id: int, deletion_id: int) -> list[Item]:
    """What a deletion took, in the order it was taken."""
    return [_item(row) for row in await reads.all(_ITEMS, deletion_id, account_id)]


async def hold_items(tx: Tx, account_id: int, deletion_id: int) -> list[Item]:
    """The same for a work that takes them out, and holds the deletion: nobody points them at other blobs meanwhile."""
    return [_item(row) for row in await tx.all(_ITEMS + locks.held(tx, "UPDATE"), deletion_id, account_id)]


_ITEMS = (
    "SELECT id, kind, item_id, name, title, blob_id, rows FROM trash"
    " WHERE deletion_id = ?1 AND account_id = ?2 ORDER BY id"
)


def _item(row: Row) -> Item:
    number, kind, item_id, name, title, blob_id, rows = row
    return Item(number, kind, item_id, name, title, blob_id, _decode(rows))


async def find_item(reads: Reads, account_id: int, kind: Kind, item_id: int) -> int | None:
    """The latest deletion that took what had this id, if that lies in the trash."""
    row = await reads.one(
        "SELECT deletion_id FROM trash WHERE account_id = ?1 AND kind = ?2 AND item_id = ?3 ORDER BY id DESC LIMIT 1",
        account_id, kind, item_id,
    )  # fmt: skip
    return None if row is None else int(row[0])


async def of_blob(reads: Reads, blob_id: int, limit: int) -> list[str]:
    """Some images in the trash that are of a blob, in words that people can act on."""
    rows = await reads.all(
        "SELECT item_id, title, deletion_id FROM trash WHERE blob_id = ?1 ORDER BY id LIMIT ?2", blob_id, limit
    )
    return [f"image {row[0]}, {row[1]}, in the trash by deletion {row[2]}" for row in rows]


async def take_out(tx: Tx, account_id: int, deletion_id: int, numbers: Sequence[int]) -> None:
    """Forget things that a deletion took, and the deletion with the last of them."""
    for number in numbers:
        await tx.run("DELETE FROM trash WHERE id = ?1 AND account_id = ?2", number, account_id)
    await tx.run(
        "DELETE FROM deletion WHERE id = ?1 AND account_id = ?2"
        " AND NOT EXISTS (SELECT 1 FROM trash t WHERE t.deletion_id = deletion.id)",
        deletion_id, account_id,
    )  # fmt: skip


async def images_of_blob(reads: Reads, account_id: int, blob_id: int) -> list[Touched]:
    """The account's images in the trash whose bytes are those of that blob."""
    rows = await reads.all(
        "SELECT item_id, name, title FROM trash WHERE blob_id = ?1 AND +account_id = ?2 ORDER BY id",
        blob_id, account_id,
    )  # fmt: skip
    return [Touched(*row) for row in rows]


async def of_ended(tx: Tx, before: int, limit: int) -> list[int]:
    """The ids of deletions made by then, the oldest first, for `purge`; not those that somebody is at work on."""
    rows = await tx.all(
        "SELECT id FROM deletion WHERE deleted_at <= ?1 ORDER BY deleted_at, id LIMIT ?2"
        + locks.held(tx, "UPDATE SKIP LOCKED"),
        before, limit,
    )  # fmt: skip
    return [row[0] for row in rows]


async def images_of(reads: Reads, deletion_ids: Sequence[int]) -> dict[int, list[Touched]]:
    """By account, the images that some hundreds of deletions took."""
    found: dict[int, list[Touched]] = {}
    for account_id, *image in await reads.all(
        "SELECT account_id, item_id, name, title FROM trash"
        f" WHERE deletion_id IN ({placeholders(1, deletion_ids)}) AND kind = 'image'",
        *deletion_ids,
    ):
        found.setdefault(account_id, []).append(Touched(*image))
    return found


async def purge(tx: Tx, deletion_ids: Sequence[int]) -> int:
    """Give up some hundreds of deletions; return how many."""
    return await tx.run(f"DELETE FROM deletion WHERE id IN ({placeholders(1, deletion_ids)})", *deletion_ids)
