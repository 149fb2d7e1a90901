"""What goes and what stays when a store is emptied."""

from build import make_image, make_inventory_product, make_library_image, make_product, tables_of
from packshot.domain.access import Principal
from packshot.domain.inventory import InventoryChange
from packshot.services import inventory, selections
from packshot.services.core import Core
from packshot.storage.emptying import HELD, WAITING, empty
from packshot.storage.sequences import next_id
from pictures import png

KEPT = {
    "account", "member", "webhook", "signing_key", "blob", "migration",
    "application", "application_member", "consent", "refresh_token", "access_token", "authorization_code",
    "hold", "restore", "scrub", "login_session", "event_receiver", "event_handler", "key_pair",
    "backup", "erasure", "node", "agreed", "job", "calls_counted", "time_operated",
}  # fmt: skip


NUMBERLESS = {"migration", "restore", "scrub", "node", "agreed", "job", "calls_counted", "time_operated"}


async def test_of_every_table_it_is_known_whether_it_is_emptied(core: Core) -> None:
    assert set(await tables_of(core)) - set(HELD) - set(WAITING) == KEPT


async def test_everything_that_catalogs_hold_goes_and_all_else_stays(core: Core, admin: Principal) -> None:
    product_id = await make_product(core, admin)
    await make_image(core, admin, product_id, png())
    image = await make_library_image(core, admin, png())
    sold = await make_inventory_product(core, admin, image.guid)
    await inventory.update(core, admin, [InventoryChange(sku=sold.sku, links={"etsy_product_id": "7"})])
    await selections.replace(core, admin, image.guid, [image.guid])
    before = {table: await core.db.all(f"SELECT * FROM {table}") for table in KEPT}

    await core.db.write(empty)

    assert [table for table in (*HELD, *WAITING) if await core.db.all(f"SELECT * FROM {table}")] == []
    assert {table: await core.db.all(f"SELECT * FROM {table}") for table in before} == before


async def test_ids_of_what_went_begin_with_1_again_and_others_go_on(core: Core, admin: Principal) -> None:
    await make_product(core, admin)
    tables = [*HELD, *WAITING, *KEPT - NUMBERLESS]
    numbered = set(tables) - {"product_section", "inventory_link", "selection", "application_member"}
    before = {table: await next_id(core.db, table) for table in numbered}

    await core.db.write(empty)

    after = {table: await next_id(core.db, table) for table in numbered}
    assert after == before | dict.fromkeys(set(HELD) & numbered, 1)
    assert {"catalog", "property", "product"} <= {table for table in HELD if before.get(table, 1) > 1}
    assert after["webhook"] == 2


async def test_the_next_ids_of_a_new_store_are_foretold(core: Core, admin: Principal) -> None:
    assert await next_id(core.db, "image") == 1

    image = await make_image(core, admin, await make_product(core, admin), png())

    assert image.id == 1
    assert await next_id(core.db, "image") == 2
