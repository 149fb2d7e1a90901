"""Accounts after their making: which there are, whether they may be called, and how much they may hold."""

from packshot.domain.access import AccountState
from packshot.domain.accounts import Account
from packshot.domain.errors import NotFound
from packshot.services.access import account_called
from packshot.services.core import Core
from packshot.storage import accounts


async def of_accounts(core: Core) -> list[Account]:
    """All accounts, by id."""
    return await accounts.of_accounts(core.db)


async def set_state(core: Core, name: str, state: AccountState) -> None:
    """Let the account of that name be called or not; a running server knows within a second. Raises: NotFound."""
    if not await core.db.write(lambda tx: accounts.set_state(tx, name, state), makes_room=True):
        raise NotFound("account", name)


async def set_quota(core: Core, name: str, quota_bytes: int | None) -> None:
    """Limit the bytes that the live blobs of the account of that name may have together. Raises: NotFound.

    What is more already stays where it is. Bytes of deleted images count until upkeep finds that nothing points
    at them.
    """
    account_id = await account_called(core, name)
    await core.db.write(lambda tx: accounts.set_quota(tx, account_id, quota_bytes))
