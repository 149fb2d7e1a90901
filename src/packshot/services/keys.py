"""Pairs of keys: made, recognised, and turned to another account where they may."""

from uuid import UUID, uuid4

import msgspec

from packshot.domain.access import Mode, Principal, admit
from packshot.domain.accounts import Account, KeyPair, User
from packshot.domain.errors import InvalidValue, NotFound
from packshot.services.access import account_called, hash_code, looked_up, remembered
from packshot.services.core import Core
from packshot.storage import accounts
from packshot.storage import keys as pairs
from packshot.storage.database import Tx

_NO_PATH = -2
"""Stands for the user id where a pair is remembered: neither a webhook nor a token is remembered there."""


class Keys(msgspec.Struct, frozen=True):
    """A pair as its owner is shown it, this once, with the account_key, which is no secret."""

    web_api_key: str
    app_key: str
    account_key: str


async def by_pair(core: Core, web_api_key: str, app_key: str) -> Principal:
    """Whom these two keys speak for; an answer is remembered for one second at most.

    Raises:
        Unauthenticated: nobody made such a pair, or it was revoked.
        AccountStopped: nobody may call its account.
    """
    key = (_NO_PATH, f"{web_api_key} {app_key}")
    if caller := remembered(core, key):
        return caller
    return await looked_up(core, key, pairs.find_pair(core.db, hash_code(web_api_key), hash_code(app_key)), "wrong")


async def acting_for(core: Core, caller: Principal, account_key: str) -> Principal:
    """*caller* for the account of that account_key: itself, unless it is privileged.

    Raises:
        InvalidValue: a privileged caller names an account that does not exist.
        AccountStopped: nobody may call that account.
    """
    if not caller.privileged:
        return caller
    try:
        credential = await pairs.find_account(core.db, UUID(account_key).hex, caller)
    except ValueError:  # no UUID
        credential = None
    if credential is None:
        raise InvalidValue("account_key", "There is no account with this account_key")
    return admit(credential)


async def create(core: Core, account: str, mode: Mode = "live", *, privileged: bool = False) -> Keys:
    """Make a pair for the account of that name; it is shown this once and never stored. Raises: NotFound."""
    account_id = await account_called(core, account)
    web_api_key, app_key = str(uuid4()), str(uuid4())  # 122 random bits each
    hashes = hash_code(web_api_key), hash_code(app_key)
    pair = KeyPair(0, mode, privileged, core.now())

    async def work(tx: Tx) -> None:
        await pairs.add_pair(tx, account_id, hashes, pair)

    await core.db.write(work)
    return Keys(web_api_key, app_key, (await accounts.get_account(core.db, account_id)).account_key)


async def of_account(core: Core, account: str) -> tuple[str, list[KeyPair]]:
    """The account_key of the account of that name, and its pairs by id. Raises: NotFound."""
    account_id = await account_called(core, account)
    found = await accounts.get_account(core.db, account_id)
    return found.account_key, await pairs.of_pairs(core.db, account_id)


async def revoke(core: Core, account: str, pair_id: int) -> None:
    """Delete a pair; within a second nobody calls with it any more. Raises: NotFound."""
    account_id = await account_called(core, account)
    if not await core.db.write(lambda tx: pairs.remove_pair(tx, account_id, pair_id), makes_room=True):
        raise NotFound("pair of keys", pair_id)


async def profile(core: Core, caller: Principal) -> tuple[Account, User | None]:
    """The account that *caller* acts for, and the first of its administrators."""
    account = await accounts.get_account(core.db, caller.account_id)
    return account, await accounts.find_administrator(core.db, account.id)
