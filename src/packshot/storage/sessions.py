"""Rows of logins in browsers. Only hashes are stored."""

from packshot.storage.database import Reads, Tx


async def add_session(tx: Tx, user_id: int, session_hash: str, expires_at: int) -> None:
    """Insert the login of a user."""
    await tx.run(
        "INSERT INTO login_session (member_id, session_hash, expires_at) VALUES (?1, ?2, ?3)",
        user_id, session_hash, expires_at,
    )  # fmt: skip


async def find_session(reads: Reads, session_hash: str, now: int) -> tuple[int, int] | None:
    """(account, user) of a login that lasts beyond *now*, if the user was not shut out."""
    row = await reads.one(
        "SELECT m.account_id, m.id FROM login_session s JOIN member m ON m.id = s.member_id"
        " WHERE s.session_hash = ?1 AND s.expires_at > ?2 AND m.disabled_at IS NULL",
        session_hash, now,
    )  # fmt: skip
    return None if row is None else (row[0], row[1])


async def remove_session(tx: Tx, session_hash: str) -> None:
    """End a login."""
    await tx.run("DELETE FROM login_session WHERE session_hash = ?1", session_hash)


async def remove_sessions(tx: Tx, user_id: int) -> None:
    """End all logins of a user."""
    await tx.run("DELETE FROM login_session WHERE member_id = ?1", user_id)
