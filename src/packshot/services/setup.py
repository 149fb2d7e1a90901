"""New accounts: everything one needs before somebody can call it. The first start makes the account `main`."""

import secrets

import msgspec

from packshot.domain.accounts import named
from packshot.services import catalogs
from packshot.services.access import CODE_CHARACTERS, account_called, hash_code, random_text
from packshot.services.core import Core
from packshot.storage import accounts, credentials, sequences
from packshot.storage.database import Tx
from packshot.storage.folder import StoreUnusable

ACCOUNT = "main"
ADMINISTRATOR = "admin"
SCOPES = frozenset({"catalog", "user", "user_basic", "user_brief"})


class Seed(msgspec.Struct, frozen=True):
    """What was made: the administrator, the one inbound webhook with its code, and the two catalogs."""

    account_id: int
    user_id: int
    webhook_code: str
    webhook_id: int
    catalog_id: int
    variations_id: int


class OfAnotherStore(StoreUnusable):
    """Originals lie where those of a store would that never had any; the message says what to set."""

    def __init__(self, place: object) -> None:
        super().__init__(
            f"there are originals in {place} already, and the database is new and empty: upkeep would delete them all."
            " Name the database of their store by database.url (PACKSHOT_DATABASE_URL), or leave that out where it is"
            " the file in the data folder; for a new store name another place by blobs.url (PACKSHOT_BLOBS_URL)"
        )


async def begin(core: Core, place: object = "its place for originals") -> Seed | None:
    """Make the account `main` in a store that has none; None where there is any, `main` or others.

    *place* is what to call the place of its originals. Raises: OfAnotherStore.
    """
    if await accounts.of_accounts(core.db):
        return None
    # In this order: what a server beside us was sent since we looked, it took for an account that it made before.
    if await core.blobs.of_keys(0, limit=1) and await sequences.next_id(core.db, "account") == 1:
        raise OfAnotherStore(place)
    return await create_account(core)


async def usual(core: Core) -> tuple[str, int]:
    """The account that a person most likely means in a store that has any, and its first user."""
    names = [account.name for account in await accounts.of_accounts(core.db)]
    name = ACCOUNT if ACCOUNT in names else names[0]
    return name, await first_user(core, name)


async def first_user(core: Core, account: str) -> int:
    """The first user of the account of that name, its administrator. Raises: NotFound."""
    return (await accounts.of_users(core.db, await account_called(core, account)))[0].id


async def create_account(core: Core, name: str = ACCOUNT) -> Seed | None:
    """Make an account with an administrator, an inbound webhook and two catalogs.

    The administrator of `main` has the login `admin`, without a password yet; those of other accounts have none.
    None where the account exists already; then nothing is changed.

    Raises:
        InvalidValue: the name cannot be used.
    """
    name, login = named("account", name), ADMINISTRATOR if name == ACCOUNT else None
    code, member_id, now = random_text(CODE_CHARACTERS), secrets.token_hex(16), core.now()

    async def work(tx: Tx) -> Seed | None:
        if await accounts.find_account(tx, name) is not None:
            return None
        account_id = await accounts.add_account(tx, name, now, member_id)
        user_id = await accounts.add_user(tx, account_id, "administrator", now, login)
        webhook_id = await credentials.add_webhook(tx, (account_id, user_id), hash_code(code), SCOPES, now)
        goods = await catalogs.make(tx, account_id, "Products", None, now)
        variations = await catalogs.make(tx, account_id, "Variations", goods, now)
        return Seed(account_id, user_id, code, webhook_id, goods, variations)

    return await core.db.write(work, makes_room=True)  # with an account there is nothing to be written


async def next_ids(core: Core) -> tuple[int, int]:
    """The ids that the next product and the next image will get, in a store that is new."""
    return await sequences.next_id(core.db, "product"), await sequences.next_id(core.db, "image")
