"""The first start of a store, in a place where there may be another one."""

from pathlib import Path

import msgspec
import pytest

import postgres
from build import believing, fail_loudly
from moments import age, path_of
from packshot import app
from packshot.config import Settings
from packshot.services import setup, upkeep
from packshot.services.core import Core
from packshot.services.setup import OfAnotherStore
from packshot.storage import accounts, marks
from packshot.storage.blobs import new_key
from packshot.storage.database import DatabaseSettings
from packshot.storage.folder import StoreUnusable

KEY = new_key("ab" * 32)


async def test_a_new_store_is_not_begun_over_the_originals_of_another_one(core: Core) -> None:
    await core.blobs.put(KEY, b"precious")

    with pytest.raises(OfAnotherStore, match="originals in s3://shop/originals already, and the database is new"):
        await setup.begin(core, "s3://shop/originals")

    assert await accounts.of_accounts(core.db) == []


@pytest.mark.usefixtures("admin")
async def test_a_store_that_lost_all_accounts_is_begun_again_beside_what_is_still_to_be_swept(core: Core) -> None:
    await core.blobs.put(KEY, b"not swept yet")
    await core.db.write(lambda tx: tx.run("DELETE FROM account"))

    assert await setup.begin(core) is not None


@pytest.mark.on_files("nobody can make an object of a bucket older")
async def test_a_store_that_never_had_an_account_sweeps_nothing(core: Core) -> None:
    await core.blobs.put(KEY, b"precious")
    age(path_of(core, KEY), 90 * 24 * 3600)

    swept = await upkeep.sweep(core)

    assert swept == 0
    assert await core.blobs.of_keys(0) == [KEY]


def on_postgresql() -> Settings:
    return msgspec.structs.replace(believing(Settings()), database=DatabaseSettings(postgres.new()))


@pytest.mark.on_files("it is about the file of SQLite's in the folder")
@pytest.mark.usefixtures("admin")
async def test_a_folder_with_a_store_of_its_own_is_not_opened_with_another_database(tmp_path: Path) -> None:
    folder, settings = tmp_path / "data", on_postgresql()

    with pytest.raises(StoreUnusable, match=r"has a store in packshot\.sqlite3, and database.url names another one"):
        async with app.open_core(folder, settings, fail_loudly):
            pass


async def test_a_file_without_a_store_is_in_nobodys_way(tmp_path: Path) -> None:
    async with app.open_core(tmp_path, believing(Settings()), fail_loudly):
        pass

    async with app.open_core(tmp_path, on_postgresql(), fail_loudly) as core:
        assert core.db.dialect == "postgresql"


async def test_a_folder_that_a_store_is_being_moved_to_is_not_opened(tmp_path: Path) -> None:
    marks.write_mark(tmp_path, ())

    with pytest.raises(StoreUnusable, match="run `packshot move` again"):
        async with app.open_core(tmp_path, believing(Settings()), fail_loudly):
            pass
