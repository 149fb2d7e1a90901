"""The doctor sees what is wrong, says it in a sentence, and is not carried away by it."""

import sqlite3
from pathlib import Path

import pytest

import pictures
from build import Clock, believing, carelessly, fail_loudly, make_image, make_library_image, make_product
from moments import dooming, original_of, path_of
from packshot import app
from packshot.config import Settings
from packshot.domain.access import Principal
from packshot.domain.products import Kind
from packshot.services import doctor, images, products, setup, verify
from packshot.services.core import Core
from packshot.services.originals import Upload
from packshot.services.product_parts import File, NewValues, Parts
from packshot.services.verify import Finding

SHIRT = pictures.png(3, 2)
MUG = pictures.png(4, 4)


async def examined(core: Core) -> list[Finding]:
    return [finding async for finding in doctor.examine(core, lambda _: None)]


async def wrong(core: Core) -> list[str]:
    return [finding.what for finding in await examined(core) if not finding.ok]


@pytest.fixture
async def keys(core: Core, admin: Principal) -> list[str]:
    """The keys of two pictures on one product."""
    product_id = await make_product(core, admin)
    added = [await make_image(core, admin, product_id, data) for data in (SHIRT, MUG)]
    return [(await original_of(core, admin.account_id, image.id)).key for image in added]


@pytest.mark.usefixtures("keys")
async def test_a_healthy_store_has_nothing_wrong(core: Core) -> None:
    found = [finding for finding in await examined(core) if not finding.what.startswith("servers seen")]

    assert all(finding.ok for finding in found)
    assert found[0].what == "database: consistent"
    assert found[1].what.startswith("blobs: 2 rows")
    assert found[2].what == "reserve: nothing is set aside for deleting"
    assert found[3].what.startswith("image workers: shut in by ")
    assert found[4].what.startswith("files without a row: 0")
    assert found[5].what == "formats: 2 png"
    assert found[6].what == "renditions: 0 files, 0.0 of 2048 MB at most"


@pytest.mark.usefixtures("seed")
async def test_an_empty_store_has_nothing_wrong(core: Core) -> None:
    assert await wrong(core) == []


@pytest.mark.usefixtures("seed")
async def test_image_workers_that_do_not_start_are_found(core: Core) -> None:
    await core.workers.close()

    assert await wrong(core) == ["image workers: none can be started, so no picture can be decoded"]


async def test_a_missing_file_is_found(core: Core, keys: list[str]) -> None:
    path_of(core, keys[0]).unlink()

    (what,) = await wrong(core)

    assert keys[0] in what
    assert "is missing" in what


async def test_a_cut_file_is_found(core: Core, keys: list[str]) -> None:
    path_of(core, keys[1]).write_bytes(MUG[:-3])

    (what,) = await wrong(core)

    assert keys[1] in what
    assert f"{len(MUG) - 3} bytes instead of {len(MUG)}" in what


async def test_a_damaged_file_of_a_property_is_found_with_its_place(core: Core, admin: Principal) -> None:
    upload = Upload("manual.png", len(SHIRT), lambda: SHIRT)
    parts = Parts(properties={77: NewValues([File(upload)], multiple=False)})
    product = await products.add(core, admin, Kind.SIMPLE, {"catalog_id": 1, "name": "Shirt"}, parts)
    (image,) = [value.image for value in product.values if value.image]
    path_of(core, (await original_of(core, admin.account_id, image.id)).key).unlink()

    (what,) = await wrong(core)

    assert f"is missing (file {image.id} in property 77, manual.png, of product {product.fields['id']})" in what


async def test_a_damaged_image_of_the_library_is_found_with_its_place(core: Core, admin: Principal) -> None:
    image = await make_library_image(core, admin, SHIRT)
    path_of(core, (await original_of(core, admin.account_id, image.id)).key).unlink()

    (what,) = await wrong(core)

    assert f"is missing (image {image.id}, dunes.jpg, of the library)" in what


async def test_every_broken_blob_is_named(core: Core, keys: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "BATCH", 1)
    for key in keys:
        path_of(core, key).unlink()

    found = await wrong(core)

    assert len(found) == 2
    assert all(key in what for key, what in zip(keys, found, strict=True))


@pytest.mark.usefixtures("keys")
async def test_progress_counts_the_blobs_looked_at(core: Core) -> None:
    heard: list[int] = []

    async for _ in doctor.examine(core, heard.append):
        pass

    assert heard == [1, 2]


async def test_files_without_a_row_are_counted_and_no_reason_to_worry(core: Core, keys: list[str]) -> None:
    await core.blobs.put(f"{'ab' * 32}.0123456789abcdef", SHIRT)

    found = await examined(core)

    assert found[-3] == Finding(ok=True, what="files without a row: 1 (swept once they are 24 hours old)")
    assert len(keys) == 2


async def test_the_room_that_renditions_take_is_told_in_megabytes(core: Core, keys: list[str]) -> None:
    for key in keys:
        await core.renditions.keep(key, "1-400x400.png", "image/png", bytes(3 * 1024 * 1024 // 2))

    found = await examined(core)

    assert found[-1] == Finding(ok=True, what="renditions: 2 files, 3.0 of 2048 MB at most")


async def test_a_doomed_blob_whose_file_is_gone_is_a_reap_under_way(core: Core, admin: Principal, clock: Clock) -> None:
    product_id = await make_product(core, admin)
    image = await make_image(core, admin, product_id, SHIRT)
    key = (await original_of(core, admin.account_id, image.id)).key
    await images.remove_from_product(core, admin, product_id, image.id)
    clock.advance(2 * 3_600)
    await dooming(core, clock)
    path_of(core, key).unlink()

    assert await wrong(core) == []


@pytest.mark.parametrize("state", ["doomed", "corrupt"])
async def test_an_image_whose_blob_is_out_of_use_is_found(core: Core, keys: list[str], state: str) -> None:
    await core.db.write(lambda tx: tx.run("UPDATE blob SET state = ?1 WHERE key = ?2", state, keys[0]))

    (what,) = await wrong(core)

    assert f"blob {keys[0]} is {state} (image 1, " in what


@pytest.mark.usefixtures("keys")
async def test_rows_that_point_at_nothing_are_found(core: Core, tmp_path: Path) -> None:
    await carelessly(core, tmp_path / "data", "UPDATE image SET blob_id = 4711 WHERE id = 1")

    (what,) = await wrong(core)

    assert " of image points at no row of blob" in what


PAGE_BYTES = 4096


def damage(path: Path, index: str) -> None:
    """Overwrite the first page of an index."""
    database = sqlite3.connect(path)
    ((page,),) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = ?1", (index,)).fetchall()
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    database.close()
    content = bytearray(path.read_bytes())
    content[(page - 1) * PAGE_BYTES : page * PAGE_BYTES] = b"\x5a" * PAGE_BYTES
    path.write_bytes(content)


@pytest.mark.on_files("PostgreSQL checks its own files")
async def test_a_damaged_database_is_found_and_the_examination_goes_on(tmp_path: Path) -> None:
    async with app.open_core(tmp_path / "data", believing(Settings()), fail_loudly) as core:
        await setup.create_account(core)
    damage(tmp_path / "data" / "packshot.sqlite3", "image_of_blob")

    async with app.open_core(tmp_path / "data", believing(Settings()), fail_loudly) as core:
        found = await examined(core)

    assert not found[0].ok
    assert found[0].what.startswith("database: ")
    assert found[-3].what.startswith("files without a row: 0")
