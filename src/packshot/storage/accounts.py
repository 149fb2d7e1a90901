"""Rows of accounts and their users."""

from packshot.domain.access import AccountState, Role
from packshot.domain.accounts import Account, User
from packshot.storage import locks
from packshot.storage.database import Reads, Tx

_ACCOUNT = "SELECT id, name, member_id, state, quota_bytes, created_at FROM account"
_USER = "SELECT id, account_id, role, login, name, last_name, email, created_at, disabled_at, last_login_at FROM member"


async def find_account(reads: Reads, name: str) -> int | None:
    """The id of the account called *name*."""
    row = await reads.one("SELECT id FROM account WHERE name = ?1", name)
    return None if row is None else int(row[0])


async def of_accounts(reads: Reads) -> list[Account]:
    """All accounts, by id."""
    return [Account(*row) for row in await reads.all(f"{_ACCOUNT} ORDER BY id")]


async def get_account(reads: Reads, account_id: int) -> Account:
    """The account with that id, which is known to exist."""
    (row,) = await reads.all(f"{_ACCOUNT} WHERE id = ?1", account_id)
    return Account(*row)


async def add_account(tx: Tx, name: str, now: int, member_id: str) -> int:
    """Insert an account and return its id."""
    return await tx.insert(
        "INSERT INTO account (name, member_id, created_at) VALUES (?1, ?2, ?3) RETURNING id", name, member_id, now
    )


async def set_state(tx: Tx, name: str, state: AccountState) -> bool:
    """Put the account called *name* in that state; False if there is none."""
    return await tx.run("UPDATE account SET state = ?2 WHERE name = ?1", name, state) > 0


async def set_quota(tx: Tx, account_id: int, quota_bytes: int | None) -> None:
    """Limit what the live blobs of the account may hold together, counting those that are there."""
    await locks.hold(tx, "account", [account_id], "UPDATE")  # whoever adds one has done so, or counts it
    await tx.run(
        "UPDATE account SET quota_bytes = ?2, live_bytes ="
        " (SELECT coalesce(sum(size_bytes), 0) FROM blob WHERE account_id = ?1 AND state = 'live') WHERE id = ?1",
        account_id, quota_bytes,
    )  # fmt: skip


async def has_room(tx: Tx, account_id: int, more_bytes: int) -> bool:
    """Whether so many more bytes stay within the account's quota; where it has one, nobody else adds until then."""
    row = await tx.one(
        f"SELECT quota_bytes - live_bytes FROM account WHERE id = ?1 AND quota_bytes IS NOT NULL{locks.held(tx)}",
        account_id,
    )
    return row is None or more_bytes <= row[0]


async def drifted(reads: Reads) -> list[str]:
    """Accounts with a quota that count other bytes than they have, as sentences; there must be none."""
    rows = await reads.all(
        "SELECT name, live_bytes,"
        " (SELECT coalesce(sum(size_bytes), 0) FROM blob WHERE account_id = account.id AND state = 'live')"
        " FROM account WHERE quota_bytes IS NOT NULL"
    )
    return [
        f"account {name} has {actual} bytes, and {counted} of them count for its quota: set the quota again"
        for name, counted, actual in rows
        if counted != actual
    ]


async def add_user(tx: Tx, account_id: int, role: Role, now: int, login: str | None = None) -> int:
    """Insert a user of an account and return its id."""
    return await tx.insert(
        "INSERT INTO member (account_id, role, login, created_at) VALUES (?1, ?2, ?3, ?4) RETURNING id",
        account_id, role, login, now,
    )  # fmt: skip


async def set_person(tx: Tx, user_id: int, name: str, last_name: str, email: str) -> None:
    """Write down who a user is."""
    await tx.run(
        "UPDATE member SET name = ?2, last_name = ?3, email = ?4 WHERE id = ?1", user_id, name, last_name, email
    )


async def has_user(reads: Reads, account_id: int, user_id: int) -> bool:
    """Whether the account has that user."""
    row = await reads.one("SELECT 1 FROM member WHERE id = ?1 AND account_id = ?2", user_id, account_id)
    return row is not None


async def find_user(reads: Reads, account_id: int, user_id: int) -> User | None:
    """The user of that id in the account."""
    row = await reads.one(f"{_USER} WHERE id = ?1 AND account_id = ?2", user_id, account_id)
    return None if row is None else User(*row)


async def find_administrator(reads: Reads, account_id: int) -> User | None:
    """The first administrator of the account."""
    row = await reads.one(f"{_USER} WHERE account_id = ?1 AND role = 'administrator' ORDER BY id LIMIT 1", account_id)
    return None if row is None else User(*row)


async def find_login(reads: Reads, login: str) -> tuple[User, str | None] | None:
    """The user with that login, of whatever account, and the hash of their password if they have one."""
    row = await reads.one(f"{_USER.replace(' FROM', ', password_hash FROM')} WHERE login = ?1", login)
    return None if row is None else (User(*row[:-1]), row[-1])


async def of_users(reads: Reads, account_id: int) -> list[User]:
    """All users of an account, by id."""
    return [User(*row) for row in await reads.all(f"{_USER} WHERE account_id = ?1 ORDER BY id", account_id)]


async def set_password(tx: Tx, user_id: int, password_hash: str) -> None:
    """Store the hash of a user's password."""
    await tx.run("UPDATE member SET password_hash = ?2 WHERE id = ?1", user_id, password_hash)


async def set_disabled(tx: Tx, user_id: int, disabled_at: int | None) -> None:
    """Shut a user out from that moment on, or let them in again."""
    await tx.run("UPDATE member SET disabled_at = ?2 WHERE id = ?1", user_id, disabled_at)


async def set_last_login(tx: Tx, user_id: int, now: int) -> None:
    """Write down that a user logged in."""
    await tx.run("UPDATE member SET last_login_at = ?2 WHERE id = ?1", user_id, now)
