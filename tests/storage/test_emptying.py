"""What goes and what stays when a store is emptied."""

from build import make_image, make_inventory_product, make_library_image, make_product
from packshot.domain.access import Principal
from packshot.domain.inventory import InventoryChange
from packshot.services import inventory, selections
from packshot.services.core import Core
from packshot.storage.emptying import HELD, WAITING, empty
from pictures import png

KEPT = {
    "account", "member", "webhook", "signing_key", "blob", "migration", "sqlite_sequence",
    "application", "application_member", "consent", "refresh_token", "access_token", "authorization_code",
    "hold", "restore", "scrub", "login_session", "event_receiver", "event_handler", "key_pair", "sqlite_stat1",
    "backup", "erasure",
}  # fmt: skip


async def tables(core: Core) -> set[str]:
    return {row[0] for row in await core.db.all("SELECT name FROM sqlite_master WHERE type = 'table'")}


async def test_of_every_table_it_is_known_whether_it_is_emptied(core: Core) -> None:
    assert await tables(core) - set(HELD) - set(WAITING) == KEPT


async def test_everything_that_catalogs_hold_goes_and_all_else_stays(core: Core, admin: Principal) -> None:
    product_id = await make_product(core, admin)
    await make_image(core, admin, product_id, png())
    image = await make_library_image(core, admin, png())
    sold = await make_inventory_product(core, admin, image.guid)
    await inventory.update(core, admin, [InventoryChange(sku=sold.sku, links={"etsy_product_id": "7"})])
    await selections.replace(core, admin, image.guid, [image.guid])
    before = {table: await core.db.all(f"SELECT * FROM {table}") for table in KEPT - {"sqlite_sequence"}}

    await core.db.write(empty)

    assert [table for table in (*HELD, *WAITING) if await core.db.all(f"SELECT * FROM {table}")] == []
    assert {table: await core.db.all(f"SELECT * FROM {table}") for table in before} == before


async def test_ids_of_what_went_begin_with_1_again_and_others_go_on(core: Core, admin: Principal) -> None:
    await make_product(core, admin)
    sequences = "SELECT name, seq FROM sqlite_sequence"
    before: dict[str, int] = dict(await core.db.all(sequences))

    await core.db.write(empty)

    after: dict[str, int] = dict(await core.db.all(sequences))
    assert after == {table: last for table, last in before.items() if table not in HELD}
    assert {"catalog", "property", "product"} <= before.keys() - after.keys()
    assert "webhook" in after
