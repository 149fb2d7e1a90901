"""What is erased is gone from all rows, also from those that only tell of it, and who else has it is known."""

import asyncio
import hashlib
import shutil
import time
from pathlib import Path

import pytest

import pictures
from build import (
    Clock,
    columns_of,
    home_of,
    make_account,
    make_image,
    make_inventory_product,
    make_library_image,
    make_product,
    tables_of,
)
from moments import blob_states, keys_of, original_of, path_of, with_moments
from packshot.domain.access import Principal
from packshot.domain.audit import Sought as Lines
from packshot.domain.catalogs import Property
from packshot.domain.errors import Conflict
from packshot.domain.images import ProductImage
from packshot.domain.inventory import InventoryChange
from packshot.domain.products import Kind
from packshot.services import (
    accounts,
    audit,
    backup,
    erasing,
    handlers,
    images,
    inventory,
    libraries,
    products,
    restoring,
    selections,
    setup,
    upkeep,
)
from packshot.services.core import Core
from packshot.services.erasing import Erased, Finished
from packshot.services.idempotency import Key, once
from packshot.services.originals import Upload
from packshot.services.product_parts import File, NewValues, Parts
from packshot.storage import catalogs, health
from packshot.storage.database import Tx
from packshot.storage.erasing import Sought
from packshot.storage.folder import DATABASE
from packshot.storage.sqlite import connect

NAME, TITLE = "anna-on-the-beach.png", "Anna on the beach"
SHIRT, MUG = pictures.png(7, 5), pictures.png(4, 4)
SELECTION = "0d4b7a1e-6a55-4c0b-9df0-3f1c2a9be001"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


async def erase(core: Core, caller: Principal, name: int | str, folder: Path) -> tuple[Erased, Finished]:
    """What the command does with an image that is there."""
    found = await erasing.find(core, caller.account_id, name)
    assert found
    erased = await erasing.erase_images(core, caller, found)
    return erased, await erasing.finish(core, folder, lambda: 0)


async def telling(core: Core, *words: str) -> dict[str, int]:
    """By table, how many rows have any of these words in them."""
    found = {}
    for table in await tables_of(core):
        rows = await core.db.all(f"SELECT * FROM {table}")
        if count := sum(any(word in repr(row) for word in words) for row in rows):
            found[table] = count
    return found


async def count(core: Core, table: str) -> int:
    ((rows,),) = await core.db.all(f"SELECT count(*) FROM {table}")
    return int(rows)


async def add(core: Core, caller: Principal, product_id: int) -> ProductImage:
    """The call with a key that made the image, once more perhaps."""
    upload = Upload(NAME, len(SHIRT), lambda: SHIRT)
    return await once(core, caller, Key("k", "add"), "", images.add_to_product, product_id, "more", upload)


async def furnished(core: Core, caller: Principal, product_id: int) -> ProductImage:
    """An image of which all tables tell that can: it is sold, linked, selected, and was, and somebody listens."""
    listened = ["PACKSHOT.IMAGE.ON.ADD", "PACKSHOT.IMAGE.ON.DELETE", "CATALOG.PRODUCT.ON.UPDATE"]
    await handlers.add_webhook(core, setup.ACCOUNT, "https://9.9.9.9/", listened)
    image, other = await add(core, caller, product_id), await make_library_image(core, caller, MUG)
    sold = [await make_inventory_product(core, caller, guid, TITLE) for guid in [image.guid] * 2 + [other.guid]]
    links = [InventoryChange(sku=one.sku, links={"shopify_product_id": one.name}) for one in sold]
    await inventory.update(core, caller, links)
    await inventory.disconnect(core, caller, "shopify")
    await inventory.remove(core, caller, [sold[1].sku])
    for guids in ([image.guid, other.guid], [image.guid], [other.guid, image.guid]):
        await selections.replace(core, caller, SELECTION, guids)
    return image


async def test_nothing_tells_of_an_image_any_more_and_all_else_stays(
    core: Core, admin: Principal, shirt: int, folder: Path
) -> None:
    image = await furnished(core, admin, shirt)
    told = await telling(core, image.guid, NAME, image.address)

    erased, done = await erase(core, admin, image.guid, folder)

    assert set(told) >= {"image", "audit", "outbox", "idempotency"}
    assert await telling(core, image.guid, NAME, image.address, hashlib.sha256(SHIRT).hexdigest()) == {}
    assert erased.counts["images"] == 1
    assert erased.counts["inventory products"] == 1
    assert erased.counts["places in selections"] == 1
    assert (done.originals, done.rewritten, erased.kept) == (1, True, [])
    assert len(await keys_of(core)) == await count(core, "image") == await count(core, "inventory_product") == 1
    left = [item for one in await restoring.of_deletions(core, admin) for item in
            (await restoring.show(core, admin, one.id))[1]]  # fmt: skip
    assert [(item.kind, item.title) for item in left] == [("selection", "1 images"), ("links", "1 links")]
    assert await health.foreign_key_errors(core.db) == []
    assert await health.integrity_errors(core.db, full=True) == []


async def test_who_listens_hears_the_id_of_what_is_erased_and_no_more(
    core: Core, admin: Principal, shirt: int, folder: Path
) -> None:
    image = await furnished(core, admin, shirt)

    await erase(core, admin, image.id, folder)

    events = await core.db.all("SELECT event, data, product_id FROM outbox ORDER BY id")
    assert ("PACKSHOT.IMAGE.ON.DELETE", f'{{"FIELDS":{{"ID":{image.id}}}}}', shirt) in events
    assert events[-1][0] == "CATALOG.PRODUCT.ON.UPDATE"
    added = next(data for event, data, _ in events if event == "PACKSHOT.IMAGE.ON.ADD")
    assert added.startswith(f'{{"FIELDS":{{"ID":{image.id},"GUID":""')


async def test_the_log_says_that_an_image_was_erased_by_whom_and_not_which(
    core: Core, admin: Principal, shirt: int, folder: Path
) -> None:
    image = await add(core, admin, shirt)

    await erase(core, admin, image.guid, folder)

    entries = await audit.of_entries(core, admin, Lines(image_id=image.id), 10)
    assert [(one.action, one.guid, one.name, one.details) for one in entries] == [
        ("erased", "", "", ""), ("added", "", "", "")
    ]  # fmt: skip


async def test_a_repeated_call_does_not_bring_back_what_was_erased(
    core: Core, admin: Principal, shirt: int, folder: Path
) -> None:
    image = await add(core, admin, shirt)
    await erase(core, admin, image.guid, folder)

    with pytest.raises(Conflict, match="has been erased"):
        await add(core, admin, shirt)


async def test_what_only_the_trash_has_is_erased_by_guid_and_by_id(
    core: Core, admin: Principal, shirt: int, folder: Path
) -> None:
    made = [await make_image(core, admin, shirt, data, name=NAME) for data in (SHIRT, MUG)]
    await make_inventory_product(core, admin, made[0].guid, TITLE)
    await libraries.remove_images(core, admin, [image.guid for image in made], None)

    by_guid, _ = await erase(core, admin, made[0].guid, folder)
    by_id, _ = await erase(core, admin, made[1].id, folder)

    assert await telling(core, NAME, TITLE, *(image.guid for image in made)) == {}
    assert by_guid.counts["things in the trash"] == by_id.counts["things in the trash"] == 1
    assert await restoring.of_deletions(core, admin) == []
    assert await keys_of(core) == set()


async def test_what_was_given_up_is_erased_from_what_still_tells_of_it(
    core: Core, admin: Principal, shirt: int, folder: Path
) -> None:
    image = await furnished(core, admin, shirt)
    await images.remove_from_product(core, admin, shirt, image.id)
    await restoring.purge(core, admin, (await restoring.of_deletions(core, admin))[0].id)
    events = await count(core, "outbox")

    (found,) = await erasing.find(core, admin.account_id, image.guid)
    erased, _ = await erase(core, admin, image.id, folder)

    assert (found.id, found.name, found.given_up) == (image.id, NAME, True)
    assert await telling(core, NAME, image.guid) == {}
    assert (erased.counts["images"], erased.given_up) == (0, True)
    assert await count(core, "outbox") == events  # nothing is told a second time
    assert await erasing.find(core, admin.account_id, image.id) == []


async def test_a_guid_that_was_given_up_once_and_used_again_goes_out_of_the_log_for_both(
    core: Core, admin: Principal, folder: Path
) -> None:
    first, second = await make_library_image(core, admin, SHIRT, name=NAME), await make_library_image(core, admin, MUG)
    await libraries.remove_images(core, admin, [first.guid], None)
    await restoring.purge(core, admin, (await restoring.of_deletions(core, admin))[0].id)

    async def use_again(tx: Tx) -> None:
        await tx.run("UPDATE image SET guid = ?2 WHERE id = ?1", second.id, first.guid)

    await core.db.write(use_again)
    stranger, _ = await make_account(core, "second")
    theirs = await make_library_image(core, stranger, SHIRT)
    await core.db.write(lambda tx: tx.run("UPDATE image SET guid = ?2 WHERE id = ?1", theirs.id, first.guid))

    await erase(core, admin, first.guid, folder)

    assert set(await telling(core, NAME, first.guid)) == {"image"}
    assert await core.db.all("SELECT id FROM image") == [(theirs.id,)]


async def test_two_who_erase_the_same_leave_one_line_and_one_event(core: Core, admin: Principal, folder: Path) -> None:
    await handlers.add_webhook(core, setup.ACCOUNT, "https://9.9.9.9/", ["PACKSHOT.IMAGE.ON.DELETE"])
    image = await make_library_image(core, admin, SHIRT)
    found = await erasing.find(core, admin.account_id, image.id)

    both = [await erasing.erase_images(core, admin, found) for _ in range(2)]

    assert [erased.counts["images"] for erased in both] == [1, 0]
    assert [one.action for one in await audit.of_entries(core, admin, Lines(), 9)] == ["erased", "added"]
    assert await count(core, "outbox") == 1
    assert (await erasing.finish(core, folder, lambda: 0)).originals == 1


async def test_an_upload_of_the_same_bytes_that_is_under_way_brings_its_own(
    core: Core, admin: Principal, shirt: int, folder: Path
) -> None:
    image = await make_image(core, admin, shirt, SHIRT)

    async def erased() -> None:
        await erase(core, admin, image.id, folder)

    again = await make_image(with_moments(core, after_look_up=erased), admin, shirt, SHIRT)

    assert await keys_of(core) == {(await original_of(core, admin.account_id, again.id)).key}
    assert await blob_states(core) == ["live"]


async def test_where_an_image_stood_before_it_left_its_product_is_erased_too(
    core: Core, admin: Principal, shirt: int, folder: Path
) -> None:
    image = await make_image(core, admin, shirt, SHIRT, "detail", NAME)
    await make_inventory_product(core, admin, image.guid, TITLE)
    await make_image(core, admin, shirt, MUG, "detail")

    await erase(core, admin, image.guid, folder)

    assert await telling(core, image.guid, NAME, TITLE) == {}


async def test_bytes_that_other_images_need_stay_and_these_are_named(
    core: Core, admin: Principal, shirt: int, folder: Path
) -> None:
    image, other, thrown = [await make_image(core, admin, shirt, SHIRT, name=f"{n}.png") for n in range(3)]
    await images.remove_from_product(core, admin, shirt, thrown.id)
    stranger, catalog_id = await make_account(core, "second")
    theirs = await make_image(core, stranger, await make_product(core, stranger, catalog_id=catalog_id), SHIRT)

    erased, done = await erase(core, admin, image.guid, folder)

    assert done.originals == 0
    assert len(await keys_of(core)) == 2
    (first, second, third) = erased.kept
    assert first == f"image {other.guid}, 1.png, of account main"
    assert second == f"image {theirs.guid}, shirt.png, of account second"
    assert third.startswith(f"image {thrown.guid}, 2.png, in the trash of account main by deletion ")


async def test_older_generations_of_the_bytes_go_too_whatever_holds_them(
    core: Core, admin: Principal, shirt: int, folder: Path
) -> None:
    first = await make_image(core, admin, shirt, SHIRT)
    path_of(core, (await original_of(core, admin.account_id, first.id)).key).write_bytes(b"rot")
    again = await make_image(core, admin, shirt, SHIRT)  # another generation, on which both images are
    await images.remove_from_product(core, admin, shirt, first.id)
    assert len(await keys_of(core)) == 2
    await erase(core, admin, first.id, folder)
    renewed: list[object] = []

    async def erased() -> None:
        renewed.append(await erase(core, admin, again.id, folder))

    held = with_moments(core, before_scan=erased)
    await backup.back_up(held, home_of(core, folder), folder.parent / "backups", None, lambda *_: None)

    assert renewed
    assert await keys_of(core) == set()
    assert await blob_states(core) == []


async def test_the_quota_counts_erased_bytes_no_longer(core: Core, admin: Principal, shirt: int, folder: Path) -> None:
    await accounts.set_quota(core, setup.ACCOUNT, 10_000)
    image = await make_image(core, admin, shirt, SHIRT)

    await erase(core, admin, image.guid, folder)

    assert await core.db.one("SELECT live_bytes FROM account WHERE name = ?1", setup.ACCOUNT) == (0,)


async def test_what_was_made_of_the_picture_goes_with_it(
    core: Core, admin: Principal, shirt: int, folder: Path
) -> None:
    kept, gone = await make_image(core, admin, shirt, MUG), await make_image(core, admin, shirt, SHIRT)
    for image in (kept, gone):
        key = (await original_of(core, admin.account_id, image.id)).key
        await core.renditions.keep(key, "1-card.webp", "image/webp", b"smaller")

    _, done = await erase(core, admin, gone.guid, folder)

    assert done.renditions == 1
    assert len(await core.renditions.of_keys()) == 1


@pytest.mark.on_files("PostgreSQL is migrated without a copy")
async def test_copies_that_migrations_left_of_the_database_go(
    core: Core, admin: Principal, shirt: int, folder: Path
) -> None:
    image = await make_image(core, admin, shirt, SHIRT)
    copy = folder / f"{DATABASE}.before-0016"
    shutil.copyfile(folder / DATABASE, copy)

    _, done = await erase(core, admin, image.guid, folder)

    assert done.databases == 1
    assert await asyncio.to_thread(lambda: not copy.exists())


@pytest.mark.on_files("it is about the file of SQLite")
async def test_what_free_pages_and_the_log_have_kept_of_older_rows_goes_too(
    core: Core, admin: Principal, shirt: int, folder: Path
) -> None:
    image, word = await make_image(core, admin, shirt, SHIRT), b"what was said of it once"
    connection = connect(folder / DATABASE)
    connection.execute("PRAGMA secure_delete = OFF").fetchall()
    for text in (word.decode() * 1_000, None):
        connection.execute("UPDATE image SET description = ?1", (text,))
    connection.execute("PRAGMA wal_checkpoint(FULL)").fetchall()
    connection.close()
    files = [folder / DATABASE, folder / f"{DATABASE}-wal"]
    before = [word in path.read_bytes() for path in files]

    await erase(core, admin, image.guid, folder)

    assert before == [True, True]
    assert not any(word in path.read_bytes() for path in files)


async def test_an_account_goes_with_all_it_has_and_its_name_is_free(
    core: Core, admin: Principal, shirt: int, folder: Path
) -> None:
    await furnished(core, admin, shirt)
    stranger, catalog_id = await make_account(core, "second")
    product_id = await make_product(core, stranger, catalog_id=catalog_id)
    theirs = await make_image(core, stranger, product_id, SHIRT)
    await images.remove_from_product(core, admin, shirt, (await make_image(core, admin, shirt, MUG)).id)

    erased = await erasing.erase_account(core, admin, setup.ACCOUNT)
    done = await erasing.finish(core, folder, lambda: 0)

    assert (erased.counts["images"], erased.counts["products"], done.originals) == (2, 1, 2)
    assert await telling(core, NAME, TITLE, "'main'") == {}
    for table in await tables_of(core):
        if "account_id" in await columns_of(core, table) and table != "audit":
            assert await core.db.all(f"SELECT * FROM {table} WHERE account_id = ?1", admin.account_id) == [], table
    assert (await images.get(core, stranger, product_id, theirs.id)).guid == theirs.guid
    assert len(await keys_of(core)) == 1
    assert await health.foreign_key_errors(core.db) == []
    again = await setup.create_account(core)
    assert again is not None
    assert again.account_id > stranger.account_id


async def test_a_store_gets_its_first_account_again_only_when_it_has_none(core: Core, admin: Principal) -> None:
    stranger, _ = await make_account(core, "second")
    await erasing.erase_account(core, admin, setup.ACCOUNT)

    with_others = await setup.begin(core)
    await erasing.erase_account(core, stranger, "second")
    alone = await setup.begin(core)

    assert with_others is None
    assert alone is not None


async def test_upkeep_deletes_bytes_that_a_stopped_erasure_left(
    core: Core, admin: Principal, shirt: int, folder: Path
) -> None:
    image = await make_image(core, admin, shirt, SHIRT)
    await erasing.erase_images(core, admin, await erasing.find(core, admin.account_id, image.guid))

    done = await upkeep.run_once(core)

    assert done.reaped == 1
    assert await keys_of(core) == set()
    assert not await erasing.is_finished(core)
    assert (await erasing.finish(core, folder, lambda: 0)).rewritten
    assert await erasing.is_finished(core)


@pytest.mark.on_files("PostgreSQL rewrites nothing as a whole")
async def test_a_reader_that_does_not_let_go_is_told_of_and_leaves_the_rest_to_be_done(
    core: Core, admin: Principal, shirt: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = await make_image(core, admin, shirt, SHIRT)
    monkeypatch.setattr(erasing, "PATIENCE_S", 0.0)
    reader = connect(folder / DATABASE, read_only=True)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM image").fetchall()

    _, done = await erase(core, admin, image.guid, folder)
    left = await erasing.is_finished(core)
    reader.close()
    again = await erasing.finish(core, folder, lambda: 0)

    assert (done.rewritten, left, again.rewritten) == (False, False, True)
    assert await erasing.is_finished(core)


@pytest.mark.on_files("PostgreSQL rewrites nothing as a whole")
async def test_whoever_writes_goes_on_while_a_long_read_keeps_the_file_from_being_emptied(
    core: Core, admin: Principal, shirt: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = await make_image(core, admin, shirt, SHIRT)
    monkeypatch.setattr(erasing, "PATIENCE_S", 1.0)
    reader = connect(folder / DATABASE, read_only=True)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM image").fetchall()

    erased = asyncio.create_task(erase(core, admin, image.id, folder))
    while not erased.done():
        before = time.monotonic()
        await make_product(core, admin)
        assert time.monotonic() - before < 3  # the patience with a lock is five seconds
        await asyncio.sleep(0.01)
    reader.close()

    assert not (await erased)[1].rewritten


async def test_backups_that_hold_it_are_named_and_those_that_nobody_can_ask(
    core: Core, admin: Principal, shirt: int, folder: Path, clock: Clock
) -> None:
    targets = [folder.parent / name for name in ("one", "two", "lost")]

    async def back_up(target: Path) -> str:
        clock.advance(3_600)
        return (await backup.back_up(core, home_of(core, folder), target, None, lambda *_: None)).snapshot

    before = await back_up(targets[0])
    await back_up(targets[2])
    image = await make_image(core, admin, shirt, SHIRT)
    within = [await back_up(target) for target in targets]
    await back_up(targets[1])
    shutil.rmtree(targets[2])
    sought = Sought(admin.account_id, setup.ACCOUNT, image_id=image.id, guid=image.guid)

    erased, _ = await erase(core, admin, image.guid, folder)
    after = await back_up(targets[0])
    copies = await erasing.find_copies(core, sought, erased.keys, erased.made_at, mirror=targets[0] / "blobs")
    by_name = await erasing.find_copies(core, Sought(admin.account_id, setup.ACCOUNT, guid=image.guid), [])
    account = await erasing.find_copies(core, Sought(admin.account_id, setup.ACCOUNT), [])

    assert before not in " ".join(copies.told)
    assert after not in " ".join(copies.told)
    assert f"Snapshot {within[0]} in {targets[0]} holds it" in copies.told
    assert sum("holds it" in one for one in copies.told) == 3
    assert f"Snapshot {within[2]} in {targets[2]} may hold it, and is not to be found there now" in copies.told
    assert f"The mirror {targets[0]}/blobs has its bytes: delete them there" in copies.told
    assert copies.targets == sorted(map(str, targets))
    assert sum("holds it" in one for one in by_name.told) == 3
    assert sum("holds it" in one for one in account.told) == 5


@pytest.mark.usefixtures("seed")
async def test_snapshots_that_are_removed_are_forgotten(core: Core, folder: Path, clock: Clock) -> None:
    target = folder.parent / "backups"

    made = []
    for _ in range(3):
        clock.advance(60)
        made.append(await backup.back_up(core, home_of(core, folder), target, 1, lambda *_: None))

    assert await core.db.all("SELECT target, snapshot FROM backup") == [(str(target), made[-1].snapshot)]


async def test_a_backup_that_is_being_made_is_told_of(core: Core, admin: Principal, shirt: int, folder: Path) -> None:
    image = await make_image(core, admin, shirt, SHIRT)
    told: list[str] = []

    async def look() -> None:
        told.extend((await erasing.find_copies(core, Sought(admin.account_id, setup.ACCOUNT, image.id), [])).told)

    held = with_moments(core, before_scan=look)
    await backup.back_up(held, home_of(core, folder), folder.parent / "backups", None, lambda *_: None)

    assert len(told) == 1
    assert told[0].startswith("A backup is being made")


async def test_the_file_of_a_property_is_erased_with_its_value(
    core: Core, admin: Principal, shirt: int, folder: Path
) -> None:
    async def declare(tx: Tx) -> int:
        files = Property("FILES", "Files", "F", multiple=False)
        return await catalogs.add_property(tx, admin.account_id, 1, files, core.now())

    file = File(Upload(NAME, len(SHIRT), lambda: SHIRT))
    parts = Parts(properties={await core.db.write(declare): NewValues([file], multiple=False)})
    await handlers.add_webhook(core, setup.ACCOUNT, "https://9.9.9.9/", ["PACKSHOT.IMAGE.ON.DELETE"])
    await products.update(core, admin, shirt, (Kind.SIMPLE,), {}, parts)

    _, done = await erase(core, admin, 1, folder)

    assert done.originals == 1
    assert await telling(core, NAME) == {}
    assert await count(core, "property_value") == await count(core, "outbox") == 0


async def test_an_image_that_lies_elsewhere_is_erased_and_it_is_said_where(
    core: Core, admin: Principal, folder: Path
) -> None:
    elsewhere = await make_library_image(core, admin, name=NAME)

    erased, done = await erase(core, admin, elsewhere.guid, folder)

    assert erased.elsewhere == [f"https://img.example/{NAME}"]
    assert done.originals == 0
    assert await telling(core, NAME, elsewhere.guid) == {}
