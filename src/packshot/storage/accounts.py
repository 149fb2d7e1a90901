"""Rows of accounts and their users."""

from packshot.domain.access import Role
from packshot.storage.database import Reads, Tx


async def find_account(reads: Reads, name: str) -> int | None:
    """The id of the account called *name*."""
    row = await reads.one("SELECT id FROM account WHERE name = ?1", name)
    return None if row is None else int(row[0])


async def add_account(tx: Tx, name: str, now: int) -> int:
    """Insert an account and return its id."""
    return await tx.insert("INSERT INTO account (name, created_at) VALUES (?1, ?2) RETURNING id", name, now)


async def add_user(tx: Tx, account_id: int, role: Role, now: int) -> int:
    """Insert a user of an account and return its id."""
    return await tx.insert(
        "INSERT INTO member (account_id, role, created_at) VALUES (?1, ?2, ?3) RETURNING id", account_id, role, now
    )


async def has_user(reads: Reads, account_id: int, user_id: int) -> bool:
    """Whether the account has that user."""
    row = await reads.one("SELECT 1 FROM member WHERE id = ?1 AND account_id = ?2", user_id, account_id)
    return row is not None
