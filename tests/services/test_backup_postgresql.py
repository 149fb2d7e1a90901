"""Backups of a store in PostgreSQL: snapshots like all others, which become stores on SQLite or PostgreSQL."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import msgspec
import pytest

import bucket
import pictures
import postgres
from build import Clock, believing, fail_loudly, make_image, make_product
from moments import bytes_of
from packshot import app
from packshot.config import Settings
from packshot.domain.access import Principal
from packshot.services import backup, images, setup
from packshot.services.core import Core
from packshot.storage.backup import LEAP
from packshot.storage.blobs import BlobSettings
from packshot.storage.database import DatabaseSettings
from packshot.storage.folder import DATABASE, StoreUnusable
from packshot.storage.homes import Home
from packshot.storage.snapshots import Target
from serving import run_lines

pytestmark = pytest.mark.on_files("these tests make both kinds of stores themselves")

NOW = 1_800_000_000_000_000
SHIRT, MUG = pictures.png(3, 2), pictures.png(4, 4)
DYING = """
import asyncio, os, sys
from packshot.services import backup
from packshot.storage import marks

marks.drop_mark = lambda _folder: os._exit(9)
told = lambda *_: None
asyncio.run(backup.restore(sys.argv[1], backup.Home(backup.Path(sys.argv[2]), sys.argv[3]), None, 1, told))
"""
"""A restore that dies with its rows committed, before the key is there."""

Opened = Callable[..., AbstractAsyncContextManager[Core]]


def told(*_: object) -> None:
    """Nobody hears of progress."""


@pytest.fixture
def opened(clock: Clock) -> Opened:
    """Opens stores whose rows are in PostgreSQL, and whose originals may be in a bucket."""

    @asynccontextmanager
    async def opened(folder: Path, url: str = "", blobs_url: str = "") -> AsyncIterator[Core]:
        settings = msgspec.structs.replace(
            believing(Settings()), database=DatabaseSettings(url), blobs=BlobSettings(blobs_url)
        )
        async with app.open_core(folder, settings, fail_loudly, clock) as core:
            yield core

    return opened


class Shop:
    """A store with one image, and a backup of it."""

    def __init__(self, target: Path, admin: Principal, product_id: int, image_id: int) -> None:
        self.target, self.admin, self.product_id, self.image_id = target, admin, product_id, image_id

    async def require_same(self, core: Core) -> None:
        """It is there as it was, and new ids begin far above the old ones."""
        image = await images.get(core, self.admin, self.product_id, self.image_id)
        assert image.name == "shirt.png"
        assert await bytes_of(core, self.admin.account_id, self.image_id) == SHIRT
        assert await make_product(core, self.admin) > LEAP


@pytest.fixture
async def shop(opened: Opened, tmp_path: Path) -> Shop:
    url, folder = postgres.new(), tmp_path / "data"
    async with opened(folder, url) as core:
        seed = await setup.create_account(core)
        assert seed is not None
        admin = Principal(seed.account_id, seed.user_id, "administrator", setup.SCOPES, seed.webhook_id)
        product_id = await make_product(core, admin)
        image = await make_image(core, admin, product_id, SHIRT)
        await backup.back_up(core, Home(folder, url), tmp_path / "backups", None, told)
        await make_image(core, admin, product_id, MUG)  # it comes too late
    return Shop(tmp_path / "backups", admin, product_id, image.id)


async def test_a_snapshot_becomes_a_store_on_sqlite(shop: Shop, opened: Opened, tmp_path: Path) -> None:
    done = await backup.restore(shop.target, tmp_path / "back", None, NOW, told)

    async with opened(tmp_path / "back") as core:
        await shop.require_same(core)
        assert await core.db.all("SELECT count(*) FROM image") == [(1,)]
    assert (done.epoch, done.blobs.copied, done.blobs.lost) == (1, 1, ())


async def test_a_snapshot_becomes_a_store_in_postgresql_and_a_bucket(
    shop: Shop, opened: Opened, tmp_path: Path
) -> None:  # fmt: skip
    url, blobs_url = postgres.new(), bucket.new()

    await backup.restore(shop.target, Home(tmp_path / "back", url, blobs_url), None, NOW, told)

    async with opened(tmp_path / "back", url, blobs_url) as core:
        await shop.require_same(core)
        assert await core.db.all("SELECT count(*) FROM image") == [(1,)]
    assert not (tmp_path / "back" / DATABASE).exists()


async def test_its_manifest_counts_what_is_in_it(shop: Shop) -> None:
    target = Target(shop.target)
    (name,) = target.names()

    manifest = msgspec.json.decode(target.read(name, "manifest.json"))

    assert manifest["counts"]["image"] == manifest["blobs"] == 1
    assert manifest["lost"] == 0


async def test_a_database_that_holds_a_store_is_never_overwritten(shop: Shop, opened: Opened, tmp_path: Path) -> None:
    url = postgres.new()
    async with opened(tmp_path / "other", url) as core:
        await setup.create_account(core)

    with pytest.raises(StoreUnusable, match="holds another store"):
        await backup.restore(shop.target, Home(tmp_path / "back", url), None, NOW, told)

    assert list((tmp_path / "back").iterdir()) == []


async def test_a_restore_that_was_killed_with_its_rows_committed_goes_on(
    shop: Shop, opened: Opened, tmp_path: Path
) -> None:  # fmt: skip
    url = postgres.new()
    died = run_lines(DYING, shop.target, tmp_path / "back", url)

    await backup.restore(shop.target, Home(tmp_path / "back", url), None, NOW, told)

    assert died.returncode == 9, died.stderr
    async with opened(tmp_path / "back", url) as core:
        await shop.require_same(core)
