"""Rows of key pairs. Neither key is stored, only what they hash to."""

from packshot.domain.access import AccountState, Credential, Mode, Principal
from packshot.domain.accounts import KeyPair
from packshot.storage.database import Reads, Tx

SCOPES = frozenset({"catalog"})


async def find_pair(reads: Reads, web_api_key_hash: str, app_key_hash: str) -> Credential | None:
    """Whom these two keys speak for, if they belong together."""
    row = await reads.one(
        "SELECT k.account_id, a.state, k.privileged, k.mode, k.id FROM key_pair k JOIN account a ON a.id = k.account_id"
        " WHERE k.web_api_key_hash = ?1 AND k.app_key_hash = ?2",
        web_api_key_hash, app_key_hash,
    )  # fmt: skip
    return None if row is None else _credential(*row)


async def find_account(reads: Reads, member_id: str, caller: Principal) -> Credential | None:
    """*caller*, but for the account with that member_id."""
    row = await reads.one("SELECT id, state FROM account WHERE member_id = ?1", member_id)
    return None if row is None else _credential(row[0], row[1], caller.privileged, caller.mode, caller.pair_id)


def _credential(account_id: int, state: AccountState, privileged: int, mode: Mode, pair_id: int) -> Credential:
    caller = Principal(account_id, 0, "editor", SCOPES, 0, privileged=bool(privileged), mode=mode, pair_id=pair_id)
    return Credential(caller, state, disabled=False)


async def add_pair(tx: Tx, account_id: int, hashes: tuple[str, str], pair: KeyPair) -> int:
    """Insert the pair whose web_api_key and app_key have these hashes; its own id counts for nothing."""
    return await tx.insert(
        "INSERT INTO key_pair (account_id, web_api_key_hash, app_key_hash, mode, privileged, created_at)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6) RETURNING id",
        account_id, *hashes, pair.mode, int(pair.privileged), pair.created_at,
    )  # fmt: skip


async def of_pairs(reads: Reads, account_id: int) -> list[KeyPair]:
    """All pairs of an account, by id."""
    rows = await reads.all(
        "SELECT id, mode, privileged, created_at FROM key_pair WHERE account_id = ?1 ORDER BY id", account_id
    )
    return [KeyPair(row[0], row[1], bool(row[2]), row[3]) for row in rows]


async def remove_pair(tx: Tx, account_id: int, pair_id: int) -> bool:
    """Delete a pair; False if the account has no such one."""
    return await tx.run("DELETE FROM key_pair WHERE id = ?1 AND account_id = ?2", pair_id, account_id) > 0
