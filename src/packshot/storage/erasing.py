"""Rows that have to go for good, what other rows say of them, and files that were written when they were there.

An erasure is one transaction, which leaves rows of its own for what is to be done to files afterwards.
"""

import sqlite3
from collections.abc import Collection, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import msgspec

from packshot.domain.trash import Rows
from packshot.storage import blob_rows, library, locks, trash
from packshot.storage.backup import BackupUnusable, open_copy
from packshot.storage.database import Reads, Tx
from packshot.storage.query import placeholders

ERASED: Final = '"erased"'
"""What stands in the place of a keyed call's result that told of an erased image."""

_decode = msgspec.json.Decoder(Rows).decode

# How an image is called in the tables of a snapshot: by its id or by its guid.
_MENTIONED: Final = {
    "image": "account_id = ?1 AND (id = ?2 OR guid = ?3)",
    "trash": "account_id = ?1 AND kind IN ('image', 'place') AND (item_id = ?2 OR name = ?3)",
    "audit": "account_id = ?1 AND guid <> '' AND (image_id = ?2 OR guid = ?3)",
}


class Erasable(msgspec.Struct, frozen=True):
    """An image that can be erased, `deletion_id` where it lies in the trash.

    `is_told` of by events are images of libraries, and files of property values are not. `hires_uri` is where it lies
    with somebody else. Of one that was `given_up` only the audit log tells.
    """

    id: int
    guid: str
    name: str
    product_id: int | None
    is_told: bool
    blob_id: int | None
    created_at: int
    hires_uri: str | None
    deletion_id: int | None = None
    given_up: bool = False


class Sought(msgspec.Struct, frozen=True):
    """What copies are searched for: an account, or an image of one by id, guid or both."""

    account_id: int
    account: str
    image_id: int | None = None
    guid: str | None = None

    @property
    def is_account(self) -> bool:
        """Whether it is all of the account."""
        return self.image_id is None and self.guid is None


async def find_images(reads: Reads, account_id: int, name: int | str) -> list[Erasable]:
    """The images with that id or guid: there may be several of a guid, all but one of them in the trash."""
    column, named = ("id", "item_id") if isinstance(name, int) else ("guid", "name")
    live = await reads.all(
        "SELECT id, guid, name, product_id, library IS NOT NULL, blob_id, created_at, hires_uri FROM image"
        f" WHERE account_id = ?1 AND {column} = ?2",
        account_id, name,
    )  # fmt: skip
    thrown = await reads.all(
        "SELECT rows, blob_id, deletion_id FROM trash"
        f" WHERE account_id = ?1 AND kind = 'image' AND {named} = ?2 ORDER BY id",
        account_id, name,
    )  # fmt: skip
    return [Erasable(*row) for row in live] + [_thrown(*row) for row in thrown]


def _thrown(rows: str, blob_id: int | None, deletion_id: int) -> Erasable:
    (row,) = _decode(rows)["image"]
    told = row["library"] is not None
    return Erasable(
        row["id"], row["guid"], row["name"], row["product_id"], told, blob_id, row["created_at"], row["hires_uri"],
        deletion_id,
    )  # fmt: skip


async def remove_image(tx: Tx, account_id: int, image: Erasable) -> dict[str, int]:
    """Delete the image with all that hangs on it, also out of the trash; return how many of what, in words."""
    sold = {row[0] for row in await tx.all("SELECT id FROM inventory_product WHERE image_id = ?1", image.id)}
    ((selected,),) = await tx.all("SELECT count(*) FROM selection WHERE image_id = ?1", image.id)
    await library.remove_images(tx, account_id, [image.id])
    return {
        "images": int(not image.given_up),
        "inventory products": len(sold),
        "places in selections": selected,
        "things in the trash": await _remove_from_trash(tx, account_id, image.id, sold),
        "events and answers blanked": await _blank(tx, account_id, image.guid),
    }


async def _remove_from_trash(tx: Tx, account_id: int, image_id: int, sold: set[int]) -> int:
    """Delete or cut what the trash has of an image, of which *sold* were sold; return how many things that were."""
    own = await tx.all(
        "SELECT id, deletion_id, kind, rows FROM trash"
        " WHERE account_id = ?1 AND kind IN ('image', 'place') AND item_id = ?2",
        account_id, image_id,
    )  # fmt: skip
    others = await tx.all(
        "SELECT id, deletion_id, kind, rows FROM trash"
        " WHERE account_id = ?1 AND (kind = 'links' OR kind IN ('inventory_product', 'selection')"
        " AND (rows LIKE ?2 OR rows LIKE ?3))",
        account_id, f'%"image_id":{image_id},%', f'%"image_id":{image_id}}}%',
    )  # fmt: skip
    for row in (*own, *others):
        sold |= {one["id"] for one in _decode(row[3]).get("inventory_product", []) if one["image_id"] == image_id}
    count = 0
    for number, deletion_id, kind, text in (*own, *others):
        rows = {} if kind in {"image", "place"} else _decode(text)
        left = {table: [row for row in found if not _is_of(row, image_id, sold)] for table, found in rows.items()}
        if rows and left == rows:
            continue
        count += 1
        if some := max(map(len, left.values()), default=0):
            title = f"{some} images" if kind == "selection" else f"{some} links"
            values = number, account_id, title, msgspec.json.encode(left).decode()
            await tx.run("UPDATE trash SET title = ?3, rows = ?4 WHERE id = ?1 AND account_id = ?2", *values)
        else:
            await trash.take_out(tx, account_id, deletion_id, [number])
    return count


def _is_of(row: dict[str, Any], image_id: int, sold: Collection[int]) -> bool:
    """Whether a row of something sold, a link or a place in a selection belongs to that image."""
    return row.get("image_id") == image_id or row.get("product_id") in sold


async def _blank(tx: Tx, account_id: int, guid: str) -> int:
    """Let events and what keyed calls came to no longer tell of the image; return how many did."""
    count, like = 0, f"%{guid}%"
    for table in ("outbox", "offline_event"):
        sql = f"UPDATE {table} SET data = replace(data, ?3, '') WHERE account_id = ?1 AND data LIKE ?2"
        count += await tx.run(sql, account_id, like, guid)
    # A key that names the image cannot stay, the call behind any other must not be done again.
    count += await tx.run("DELETE FROM idempotency WHERE account_id = ?1 AND lower(key) LIKE ?2", account_id, like)
    sql = "UPDATE idempotency SET result = ?3 WHERE account_id = ?1 AND result LIKE ?2"
    return count + await tx.run(sql, account_id, like, ERASED)


async def digest_of(reads: Reads, blob_id: int) -> str:
    """The digest of a blob that is known to exist."""
    ((digest,),) = await reads.all("SELECT digest FROM blob WHERE id = ?1", blob_id)
    return str(digest)


async def give_up(tx: Tx, account_id: int, digest: str, now: int) -> list[tuple[str, int]]:
    """Let go of the account's blobs with that digest, but for those that something points at.

    Their bytes, whose (key, size) are returned, are left to be deleted.
    """
    gone = []
    for blob_id, key, size_bytes in await tx.all(
        "SELECT id, key, size_bytes FROM blob WHERE key >= ?2 AND key < ?3 AND account_id = ?1"
        + locks.held(tx, "UPDATE"),
        account_id,
        *_of(digest),
    ):
        if not await blob_rows.is_needed(tx, blob_id):
            # Doomed first, since only then it counts for the quota no longer.
            await tx.run("UPDATE blob SET state = 'doomed', doomed_at = ?2 WHERE id = ?1", blob_id, now)
            await blob_rows.forget(tx, blob_id)
            await tx.run("INSERT INTO erasure (key, begun_at) VALUES (?1, ?2)", key, now)
            gone.append((key, size_bytes))
    return gone


def _of(digest: str) -> tuple[str, str]:
    """What the keys with that digest lie between: a dot follows on it, and on the dot, in ASCII, a slash."""
    return f"{digest}.", f"{digest}/"


async def of_digest(reads: Reads, digest: str, limit: int) -> list[str]:
    """Images of any account that have these bytes, in the trash perhaps, in words."""
    scope = "JOIN account a ON a.id = t.account_id WHERE blob_id IN (SELECT id FROM blob WHERE key >= ?1 AND key < ?2)"
    live = await reads.all(f"SELECT t.guid, t.name, a.name FROM image t {scope} LIMIT ?3", *_of(digest), limit)
    thrown = await reads.all(
        f"SELECT t.name, t.title, a.name, t.deletion_id FROM trash t {scope} LIMIT ?3", *_of(digest), limit
    )
    return [
        *(f"image {guid}, {name}, of account {account}" for guid, name, account in live),
        *(
            f"image {guid}, {name}, in the trash of account {account} by deletion {by}"
            for guid, name, account, by in thrown
        ),
    ][:limit]


async def clear_some(tx: Tx, table: str, account_id: int, limit: int) -> int:
    """Delete up to *limit* rows that the account has in that table, with what hangs on them; return how many."""
    return await tx.run(
        f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE account_id = ?1 LIMIT ?2)", account_id, limit
    )


async def count_held(reads: Reads, account_id: int) -> dict[str, int]:
    """How many there are of what the account has, in words."""
    tables = {"images": "image", "products": "product", "inventory products": "inventory_product", "users": "member",
              "things in the trash": "trash", "originals": "blob"}  # fmt: skip
    counts = {}
    for words, table in tables.items():
        ((counts[words],),) = await reads.all(f"SELECT count(*) FROM {table} WHERE account_id = ?1", account_id)
    return counts


async def remove_account(tx: Tx, account_id: int, now: int) -> None:
    """Delete the account with all that it has; the bytes of its blobs are left to be deleted."""
    await locks.hold(tx, "account", [account_id], "UPDATE")  # whoever adds to it has done so, or finds it gone
    for table in ("trash", "deletion", "image"):
        await tx.run(f"DELETE FROM {table} WHERE account_id = ?1", account_id)
    await tx.run("INSERT INTO erasure (key, begun_at) SELECT key, ?2 FROM blob WHERE account_id = ?1", account_id, now)
    await tx.run("DELETE FROM blob WHERE account_id = ?1", account_id)
    await tx.run("DELETE FROM account WHERE id = ?1", account_id)


async def begin(tx: Tx, now: int) -> None:
    """Note that the file of the database is to be written anew."""
    await tx.run("INSERT INTO erasure (begun_at) VALUES (?1)", now)


async def newest(reads: Reads) -> int | None:
    """The number of the newest thing that is left to do; None where nothing is."""
    ((number,),) = await reads.all("SELECT max(id) FROM erasure")
    return None if number is None else int(number)


async def of_keys(reads: Reads, after: str, limit: int) -> list[str]:
    """The next keys whose bytes are to be deleted."""
    rows = await reads.all("SELECT key FROM erasure WHERE key > ?1 ORDER BY key LIMIT ?2", after, limit)
    return [row[0] for row in rows]


async def forget_keys(tx: Tx, keys: Sequence[str]) -> None:
    """Forget bytes that are deleted."""
    await tx.run(f"DELETE FROM erasure WHERE key IN ({placeholders(1, keys)})", *keys)


async def end(tx: Tx, number: int) -> None:
    """Forget what was to be done once it is, up to that number; bytes that others gave up meanwhile stay noted."""
    await tx.run("DELETE FROM erasure WHERE key IS NULL AND id <= ?1", number)


async def note_backup(tx: Tx, target: str, name: str, at: int) -> None:
    """Write down that there is a snapshot of the store at the place *target*, taken at that moment."""
    await tx.run(
        "INSERT INTO backup (target, snapshot, taken_at) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        target, name, at,
    )  # fmt: skip


async def forget_backup(tx: Tx, target: str, name: str) -> None:
    """Forget a snapshot that was removed."""
    await tx.run("DELETE FROM backup WHERE target = ?1 AND snapshot = ?2", target, name)


async def of_backups(reads: Reads) -> dict[str, dict[str, int]]:
    """When the snapshots that we know of were taken, by the place they lie at and their name."""
    found: dict[str, dict[str, int]] = {}
    for target, name, taken_at in await reads.all("SELECT target, snapshot, taken_at FROM backup ORDER BY 1, 2"):
        found.setdefault(target, {})[name] = taken_at
    return found


async def is_held(reads: Reads, now: int) -> bool:
    """Whether a backup is being made."""
    return await reads.one("SELECT 1 FROM hold WHERE expires_at > ?1", now) is not None


def tells_of(path: Path, sought: Sought) -> bool:
    """Whether the database of a snapshot, which nobody writes to, tells of what is sought. Raises: BackupUnusable."""
    try:
        with closing(open_copy(path)) as db:
            if sought.is_account:
                sql = "SELECT 1 FROM account WHERE id = ?1 OR name = ?2"
                return bool(db.execute(sql, (sought.account_id, sought.account)).fetchall())
            there = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            values = sought.account_id, sought.image_id, sought.guid
            return any(
                db.execute(f"SELECT 1 FROM {table} WHERE {test} LIMIT 1", values).fetchall()
                for table, test in _MENTIONED.items()
                if table in there
            )
    except sqlite3.DatabaseError as error:
        raise BackupUnusable(f"{path}: {error}") from None


def has_bytes(folder: Path, digests: Collection[str]) -> bool:
    """Whether a folder laid out like `blobs/` has bytes with any of these digests; also where it cannot be read."""
    shards = [folder / shard for shard in {digest[:2] for digest in digests}]
    try:
        names = [entry.name for shard in shards if shard.is_dir() for entry in shard.iterdir()]
    except OSError:
        return True
    return any(name.partition(".")[0] in digests for name in names)


def delete_older(path: Path) -> int:
    """Delete the copies that migrations left of the database at *path*; return how many. Raises: OSError."""
    copies = list(path.parent.glob(f"{path.name}.before-*"))
    for copy in copies:
        copy.unlink(missing_ok=True)
    return len(copies)
