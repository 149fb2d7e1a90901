"""Rows of the audit log: added, read, blanked where an image is erased, and cut off at the oldest end."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import takewhile

from packshot.domain.audit import Deed, Entry, Sought, Touched
from packshot.storage.database import Reads, Tx
from packshot.storage.query import placeholders

_AT_ONCE = 500


async def add(tx: Tx, deed: Deed, images: Sequence[Touched]) -> None:
    """Write down what was done to each of the images."""
    for first in range(0, len(images), _AT_ONCE):
        some = images[first : first + _AT_ONCE]
        values = [
            value
            for image in some
            for value in (image.image_id, image.guid, image.name, image.product_id, image.details)
        ]
        await tx.run(
            _insertion(len(some)),
            deed.account_id, deed.at, deed.action, deed.method, deed.who, deed.request_id, *values,
        )  # fmt: skip


@lru_cache(maxsize=_AT_ONCE)
def _insertion(count: int) -> str:
    rows = (f"(?1, ?2, ?3, ?4, ?5, ?6, {placeholders(7 + 5 * row, range(5))})" for row in range(count))
    return (
        "INSERT INTO audit"
        " (account_id, at, action, method, who, request_id, image_id, guid, name, product_id, details)"
        f" VALUES {', '.join(rows)}"
    )


async def of_called(reads: Reads, account_id: int, name: int | str) -> dict[int, tuple[Touched, int]]:
    """By id, the images that the log calls by that id or guid: as it did last, and when it first told of them."""
    column = "image_id" if isinstance(name, int) else "guid"
    rows = await reads.all(
        "SELECT image_id, guid, name, product_id, at FROM audit"
        f" WHERE account_id = ?1 AND guid <> '' AND {column} = ?2 ORDER BY id",
        account_id, name,
    )  # fmt: skip
    first = {row[0]: row[4] for row in reversed(rows)}
    return {row[0]: (Touched(*row[:4]), first[row[0]]) for row in rows}


async def of_entries(reads: Reads, account_id: int, sought: Sought, limit: int) -> list[Entry]:
    """The account's latest lines of the log that are sought, newest first.

    Those of one image or one request are found by that; any others are looked through from the newest on.
    """
    by = sought.by.casefold().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    tests = {
        "image_id = ?": sought.image_id,
        "guid <> '' AND guid = ?": sought.guid or None,
        "request_id = ?": sought.request_id or None,
        "fold_case(who) LIKE ? ESCAPE '\\'": f"%{by}%" if by else None,
        "at >= ?": sought.since,
        "id < ?": sought.before_id,
    }
    wanted = {test: value for test, value in tests.items() if value is not None}
    where = "".join(f" AND {test.replace('?', f'?{number}')}" for number, test in enumerate(wanted, 3))
    rows = await reads.all(
        "SELECT id, at, action, method, who, request_id, image_id, guid, name, product_id, details FROM audit"
        f" WHERE account_id = ?1{where} ORDER BY id DESC LIMIT ?2",
        account_id, limit, *wanted.values(),
    )  # fmt: skip
    return [Entry(*row) for row in rows]


async def blank_image(tx: Tx, account_id: int, image_id: int) -> int:
    """Let the log no longer say how an image was called; return how many lines did."""
    sql = "UPDATE audit SET guid = '', name = '', details = '' WHERE account_id = ?1 AND image_id = ?2"
    return await tx.run(sql, account_id, image_id)


async def blank_account(tx: Tx, account_id: int) -> int:
    """Let the log no longer say how any image of the account was called; return how many lines there are of it."""
    return await tx.run("UPDATE audit SET guid = '', name = '', details = '' WHERE account_id = ?1", account_id)


async def purge(tx: Tx, before: int, now: int, limit: int) -> int:
    """Forget the oldest lines up to the first one from after then; return how many.

    Where a clock went back, lines wait for those before them; those that are not from before *now* go with the next.
    """
    oldest = await tx.all("SELECT id, at FROM audit WHERE id > 0 ORDER BY id LIMIT ?1", limit)
    old_enough = takewhile(lambda row: row[1] <= before or row[1] > now, oldest)
    ended = [row[0] for row in old_enough if row[1] <= before]
    return await tx.run("DELETE FROM audit WHERE id <= ?1", ended[-1]) if ended else 0
