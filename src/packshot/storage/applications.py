"""Rows of applications and of the users who may use them."""

from packshot.domain.accounts import Application
from packshot.storage.database import Reads, Row, Tx

_APPLICATION = "SELECT id, account_id, client_id, name, redirect_uri, scopes, handler FROM application"


async def add_application(tx: Tx, new: Application, secret_hash: str, token_sealed: bytes, now: int) -> int:
    """Insert an application, whatever `id` and `members` say, and return its id."""
    return await tx.insert(
        "INSERT INTO application"
        " (account_id, client_id, secret_hash, name, redirect_uri, scopes, handler, token_sealed, created_at)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) RETURNING id",
        new.account_id, new.client_id, secret_hash, new.name, new.redirect_uri, " ".join(new.scopes), new.handler,
        token_sealed, now,
    )  # fmt: skip


async def find_application(reads: Reads, client_id: str) -> Application | None:
    """The application of that client id, of whatever account, with its users."""
    row = await reads.one(f"{_APPLICATION} WHERE client_id = ?1", client_id)
    return None if row is None else await _with_members(reads, row)


async def find_by_id(reads: Reads, application_id: int) -> Application | None:
    """The application of that id, of whatever account, with its users."""
    row = await reads.one(f"{_APPLICATION} WHERE id = ?1", application_id)
    return None if row is None else await _with_members(reads, row)


async def find_secret_hash(reads: Reads, application_id: int) -> str:
    """The hash of the secret of an application that is known to exist, or the empty text."""
    row = await reads.one("SELECT secret_hash FROM application WHERE id = ?1", application_id)
    return "" if row is None else str(row[0])


async def find_sealed_token(reads: Reads, application_id: int) -> bytes | None:
    """The encrypted application_token."""
    row = await reads.one("SELECT token_sealed FROM application WHERE id = ?1", application_id)
    return None if row is None else bytes(row[0])


async def of_applications(reads: Reads, account_id: int) -> list[Application]:
    """All applications of an account with their users, by id."""
    rows = await reads.all(f"{_APPLICATION} WHERE account_id = ?1 ORDER BY id", account_id)
    return [await _with_members(reads, row) for row in rows]


async def set_members(tx: Tx, application_id: int, members: tuple[int, ...]) -> None:
    """Let only these users use the application; everybody, if there are none."""
    await tx.run("DELETE FROM application_member WHERE application_id = ?1", application_id)
    for user_id in members:
        await tx.run("INSERT INTO application_member VALUES (?1, ?2)", application_id, user_id)


async def remove_application(tx: Tx, account_id: int, client_id: str) -> bool:
    """Delete an application with all its tokens; False if the account has no such one."""
    removed = await tx.run("DELETE FROM application WHERE client_id = ?1 AND account_id = ?2", client_id, account_id)
    return removed > 0


async def _with_members(reads: Reads, row: Row) -> Application:
    application_id, account_id, client_id, name, redirect_uri, scopes, handler = row
    members = await reads.all(
        "SELECT member_id FROM application_member WHERE application_id = ?1 ORDER BY member_id", application_id
    )
    users = tuple(member[0] for member in members)
    return Application(application_id, account_id, client_id, name, redirect_uri, tuple(scopes.split()), handler, users)
