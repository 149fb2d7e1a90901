"""Rows of inbound webhooks and signing keys. No secret is stored in the clear."""

from packshot.domain.access import Credential, Principal
from packshot.domain.accounts import Webhook
from packshot.storage.database import Reads, Tx


async def find_webhook(reads: Reads, user_id: int, code_hash: str, now: int) -> Credential | None:
    """Whom the inbound webhook of that user speaks for, unless it has expired by *now*."""
    row = await reads.one(
        "SELECT w.account_id, m.role, w.scopes, w.id, a.state, m.disabled_at FROM webhook w"
        " JOIN member m ON m.id = w.member_id JOIN account a ON a.id = w.account_id"
        " WHERE w.code_hash = ?1 AND w.member_id = ?2 AND (w.expires_at IS NULL OR w.expires_at > ?3)",
        code_hash, user_id, now,
    )  # fmt: skip
    if row is None:
        return None
    account_id, role, scopes, webhook_id, state, disabled_at = row
    caller = Principal(account_id, user_id, role, frozenset(scopes.split()), webhook_id)
    return Credential(caller, state, disabled_at is not None)


async def webhook_is_valid(reads: Reads, account_id: int, webhook_id: int, now: int) -> bool:
    """Whether that inbound webhook would still be let in at *now*."""
    row = await reads.one(
        "SELECT 1 FROM webhook w JOIN member m ON m.id = w.member_id JOIN account a ON a.id = w.account_id"
        " WHERE w.id = ?1 AND w.account_id = ?2 AND (w.expires_at IS NULL OR w.expires_at > ?3)"
        " AND m.disabled_at IS NULL AND a.state = 'normal'",
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


async def set_title(tx: Tx, webhook_id: int, title: str) -> None:
    """Write down what an inbound webhook is for."""
    await tx.run("UPDATE webhook SET title = ?2 WHERE id = ?1", webhook_id, title)


async def of_webhooks(reads: Reads, account_id: int) -> list[Webhook]:
    """All inbound webhooks of an account, by id."""
    rows = await reads.all(
        "SELECT id, member_id, title, scopes, created_at, expires_at FROM webhook WHERE account_id = ?1 ORDER BY id",
        account_id,
    )
    return [Webhook(row[0], row[1], row[2], tuple(row[3].split()), row[4], row[5]) for row in rows]


async def remove_webhook(tx: Tx, account_id: int, webhook_id: int) -> bool:
    """Delete an inbound webhook; False if the account has no such one."""
    return await tx.run("DELETE FROM webhook WHERE id = ?1 AND account_id = ?2", webhook_id, account_id) > 0


async def add_signing_key(tx: Tx, sealed: bytes, now: int) -> int:
    """Insert an encrypted signing key and return its id."""
    return await tx.insert("INSERT INTO signing_key (sealed, created_at) VALUES (?1, ?2) RETURNING id", sealed, now)


async def of_signing_keys(reads: Reads) -> list[tuple[int, bytes]]:
    """All signing keys as (id, encrypted bytes), oldest first."""
    return [(row[0], row[1]) for row in await reads.all("SELECT id, sealed FROM signing_key ORDER BY id")]
