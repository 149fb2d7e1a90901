"""The first start: everything an empty store needs before somebody can call it."""

import msgspec

from packshot.domain.catalogs import MORE_PHOTO, Property
from packshot.services.access import CODE_CHARACTERS, hash_code, random_text
from packshot.services.core import Core
from packshot.storage import accounts, catalogs, credentials, images, products
from packshot.storage.database import Tx

ACCOUNT = "main"
SCOPES = frozenset({"catalog", "user"})


class Seed(msgspec.Struct, frozen=True):
    """What was made: the administrator, the one inbound webhook with its code, and the two catalogs."""

    account_id: int
    user_id: int
    webhook_code: str
    webhook_id: int
    catalog_id: int
    variations_id: int


async def create_account(core: Core) -> Seed | None:
    """Make the account `main` with an administrator, an inbound webhook and two catalogs.

    None where the account exists already; then nothing is changed.
    """
    code, now = random_text(CODE_CHARACTERS), core.now()

    async def work(tx: Tx) -> Seed | None:
        if await accounts.find_account(tx, ACCOUNT) is not None:
            return None
        account_id = await accounts.add_account(tx, ACCOUNT, now)
        user_id = await accounts.add_user(tx, account_id, "administrator", now)
        webhook_id = await credentials.add_webhook(tx, (account_id, user_id), hash_code(code), SCOPES, now)
        goods = await _add_catalog(tx, account_id, "Products", None)
        variations = await _add_catalog(tx, account_id, "Variations", goods)
        return Seed(account_id, user_id, code, webhook_id, goods, variations)

    return await core.db.write(work)


async def _add_catalog(tx: Tx, account_id: int, name: str, parent: int | None) -> int:
    catalog_id = await catalogs.add_catalog(tx, account_id, name, parent)
    gallery = Property(MORE_PHOTO, "Pictures", "F", multiple=True)
    await catalogs.add_property(tx, account_id, catalog_id, gallery)
    if parent is not None:
        link = Property("CML2_LINK", "Parent product", "E", multiple=False)
        await catalogs.set_link_property(tx, catalog_id, await catalogs.add_property(tx, account_id, catalog_id, link))
    return catalog_id


async def next_ids(core: Core) -> tuple[int, int]:
    """The ids that the next product and the next image will get, in a store that is new."""
    return await products.next_id(core.db), await images.next_id(core.db)
