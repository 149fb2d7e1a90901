"""Originals in a folder that two nodes share, beside one PostgreSQL: what one stores the other shows and deletes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

import postgres
from build import believing, fail_loudly, make_image, make_product
from packshot import app
from packshot.config import BadSetting, Settings, load
from packshot.domain.access import Principal
from packshot.services import contents, scrub, setup, upkeep
from packshot.services.core import Core
from packshot.storage import images as image_rows
from packshot.storage.blobs import BlobSettings
from packshot.storage.database import DatabaseSettings
from packshot.storage.folder import KEY_FILE, StoreUnusable
from pictures import jpeg_of_size

PICTURE = jpeg_of_size(40_000)


@asynccontextmanager
async def node(folder: Path, url: str, shared: Path) -> AsyncIterator[Core]:
    settings = msgspec.structs.replace(
        believing(Settings()), blobs=BlobSettings(f"file://{shared}"), database=DatabaseSettings(url)
    )
    async with app.open_core(folder, settings, fail_loudly) as core:
        yield core


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    (tmp_path / "shared" / "blobs").mkdir(parents=True)
    return tmp_path / "shared"


async def test_what_one_node_stores_the_other_shows_and_sweeps(tmp_path: Path, shared: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    url = postgres.new()
    async with node(first, url, shared) as one:
        (second).mkdir()
        (second / KEY_FILE).write_bytes((first / KEY_FILE).read_bytes())
        async with node(second, url, shared) as other:
            seed = await setup.create_account(one)
            assert seed
            admin = Principal(seed.account_id, seed.user_id, "administrator", setup.SCOPES, seed.webhook_id)
            product_id = await make_product(one, admin)

            image = await make_image(one, admin, product_id, PICTURE)
            again = await make_image(other, admin, product_id, PICTURE)

            originals = [await image_rows.find_original(other.db, admin.account_id, i.id) for i in (image, again)]
            assert originals[0]
            assert originals[1]
            assert originals[0].key == originals[1].key
            assert await contents.of_original(other, originals[0]).read(0, len(PICTURE)) == PICTURE
            assert await one.blobs.of_keys(0) == await other.blobs.of_keys(0) == [originals[0].key]
            staged = one.blobs.stage()
            await one.blobs.append(staged, b"half of it")
            assert await upkeep.sweep(other) == 0
            assert await other.blobs.sweep_staging(upkeep.BATCH) == 0
            assert await other.blobs.sweep_staging(0) == 1
            assert (await scrub.run_once(other, lambda _: None)).corrupt == 0
    assert not (first / "blobs").exists()
    assert not (second / "staging").exists()


async def test_a_share_that_is_not_mounted_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    settings = msgspec.structs.replace(believing(Settings()), blobs=BlobSettings(f"file://{tmp_path}/shared"))

    with pytest.raises(StoreUnusable, match="has no folder blobs: is it mounted"):
        async with app.open_core(tmp_path / "data", settings, fail_loudly):
            pass

    assert not (tmp_path / "shared").exists()


@pytest.mark.parametrize("url", ["file://shared", "/mnt/shared", "file:/mnt/shared", "file:///"])
def test_a_folder_is_named_by_a_whole_address(url: str) -> None:
    with pytest.raises(BadSetting, match=r"blobs\.url is"):
        load(None, {"PACKSHOT_BLOBS_URL": url})
