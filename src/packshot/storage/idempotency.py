"""Rows of calls that came with a key: who is at work on them, and what they came to."""

import msgspec

from packshot.storage import locks
from packshot.storage.database import Reads, Tx


class Place(msgspec.Struct, frozen=True):
    """Where a key counts: for one account and one method."""

    account_id: int
    method: str
    key: str


class Kept(msgspec.Struct, frozen=True):
    """What is known of a key. `result` is JSON, None until the call is done; moments are Unix microseconds."""

    digest: bytes
    lease_ends_at: int
    expires_at: int
    result: str | None = None


class Claim(msgspec.Struct, frozen=True):
    """The right to do a call, until somebody else claims the key after the lease."""

    id: int
    lease_ends_at: int


async def find(reads: Reads, place: Place) -> Kept | None:
    """What is known of the key, also when its time is over."""
    row = await reads.one(_KEPT, place.account_id, place.method, place.key)
    return None if row is None else Kept(*row)


async def hold(tx: Tx, place: Place) -> Kept | None:
    """The same for a work that is to claim it, and is alone with it until its end."""
    row = await tx.one(_KEPT + locks.held(tx), place.account_id, place.method, place.key)
    return None if row is None else Kept(*row)


_KEPT = (
    "SELECT digest, lease_ends_at, expires_at, result FROM idempotency"
    " WHERE account_id = ?1 AND method = ?2 AND key = ?3"
)
_OVER = (
    " ON CONFLICT (account_id, method, key) DO UPDATE SET digest = excluded.digest,"
    " lease_ends_at = excluded.lease_ends_at, expires_at = excluded.expires_at, result = NULL"
)


async def claim(tx: Tx, place: Place, new: Kept, *, over: bool) -> Claim:
    """Claim the key for a call that is to be done, *over* what the work holds that was known of it.

    Raises a database error where the key is there and was not looked for: whoever put it there was quicker.
    """
    claim_id = await tx.insert(
        "INSERT INTO idempotency (account_id, method, key, digest, lease_ends_at, expires_at)"
        f" VALUES (?1, ?2, ?3, ?4, ?5, ?6){_OVER if over else ''} RETURNING id",
        place.account_id, place.method, place.key, new.digest, new.lease_ends_at, new.expires_at,
    )  # fmt: skip
    return Claim(claim_id, new.lease_ends_at)


async def keep(tx: Tx, claim: Claim, result: str) -> bool:
    """Write down what the call came to; False where the claim is somebody else's by now."""
    kept = await tx.run(
        "UPDATE idempotency SET result = ?3 WHERE id = ?1 AND lease_ends_at = ?2 AND result IS NULL",
        claim.id, claim.lease_ends_at, result,
    )  # fmt: skip
    return kept == 1


async def release(tx: Tx, claim: Claim) -> None:
    """Forget a claim of which nothing came."""
    await tx.run(
        "DELETE FROM idempotency WHERE id = ?1 AND lease_ends_at = ?2 AND result IS NULL",
        claim.id, claim.lease_ends_at,
    )  # fmt: skip


async def purge(tx: Tx, now: int, limit: int) -> int:
    """Forget up to *limit* keys whose time is over, and return how many."""
    return await tx.run(  # asked for twice: one that was waited for may have been claimed anew
        "DELETE FROM idempotency WHERE +expires_at <= ?1 AND id IN"
        " (SELECT id FROM idempotency WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)",
        now, limit,
    )  # fmt: skip
