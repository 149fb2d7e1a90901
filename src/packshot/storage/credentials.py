"""Rows of inbound webhooks and signing keys. No secret is stored in the clear."""

from packshot.domain.access import Principal
from packshot.storage.database import Reads, Tx


async def find_webhook(reads: Reads, user_id: int, code_hash: str, now: int) -> Principal | None:
    """Whom the inbound webhook of that user speaks for, unless it has expired by *now*."""
    row = await reads.one(
        "SELECT w.account_id, m.role, w.scopes, w.id FROM webhook w JOIN member m ON m.id = w.member_id"
        " WHERE w.code_hash = ?1 AND w.member_id = ?2 AND (w.expires_at IS NULL OR w.expires_at > ?3)",
        code_hash, user_id, now,
    )  # fmt: skip
    if row is None:
        return None
    account_id, role, scopes, webhook_id = row
    return Principal(account_id, user_id, role, frozenset(scopes.split()), webhook_id)


async def webhook_is_valid(reads: Reads, account_id: int, webhook_id: int, now: int) -> bool:
    """Whether that inbound webhook still exists and has not expired by *now*."""
    row = await reads.one(
        "SELECT 1 FROM webhook WHERE id = ?1 AND account_id = ?2 AND (expires_at IS NULL OR expires_at > ?3)",
        webhook_id, account_id, now,
    )  # fmt: skip
    return row is not None


async def add_webhook(
    tx: Tx, caller: tuple[int, int], code_hash: str, scopes: frozenset[str], now: int, expires_at: int | None = None
) -> int:
    """Insert an inbound webhook of (account, user) and return its id."""
    return await tx.insert(
        "INSERT INTO webhook (account_id, member_id, code_hash, scopes, created_at, expires_at)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6) RETURNING id",
        *caller, code_hash, " ".join(sorted(scopes)), now, expires_at,
    )  # fmt: skip


async def add_signing_key(tx: Tx, sealed: bytes, now: int) -> int:
    """Insert an encrypted signing key and return its id."""
    return await tx.insert("INSERT INTO signing_key (sealed, created_at) VALUES (?1, ?2) RETURNING id", sealed, now)


async def of_signing_keys(reads: Reads) -> list[tuple[int, bytes]]:
    """All signing keys as (id, encrypted bytes), oldest first."""
    return [(row[0], row[1]) for row in await reads.all("SELECT id, sealed FROM signing_key ORDER BY id")]
