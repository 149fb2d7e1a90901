"""Backups into a bucket of a real S3 server: as those into a folder, see test_backup.py."""

import os
import re
import threading
from pathlib import Path

import obstore
import pytest

import bucket
import pictures
from build import Clock, believing, fail_loudly, home_of, make_image
from forking import run
from moments import bytes_of, original_of
from packshot import app
from packshot.config import Settings
from packshot.domain.access import Principal
from packshot.services import backup, erasing, images
from packshot.services.core import Core
from packshot.storage import buckets
from packshot.storage.backup import BackupUnusable
from packshot.storage.blobs.s3 import open_bucket
from packshot.storage.buckets import BucketTarget
from packshot.storage.erasing import Sought
from packshot.storage.folder import KEY_FILE
from packshot.storage.homes import Home

NOW = 1_800_000_000_000_000
SHIRT, MUG = pictures.png(3, 2), pictures.png(4, 4)


def told(*_: object) -> None:
    """Nobody hears of progress."""


def names(url: str) -> list[str]:
    """All objects there."""
    return sorted(one["path"] for one in obstore.list(open_bucket(url)).collect())


@pytest.fixture
def url() -> str:
    return bucket.new()


async def test_a_store_comes_back_from_a_bucket(
    core: Core, admin: Principal, shirt: int, clock: Clock, tmp_path: Path, url: str
) -> None:
    image = await make_image(core, admin, shirt, SHIRT)
    made = await backup.back_up(core, home_of(core, tmp_path / "data"), url, None, told)

    done = await backup.restore(url, tmp_path / "back", None, NOW, told)

    async with app.open_core(tmp_path / "back", believing(Settings()), fail_loudly, clock) as again:
        assert await images.get(again, admin, shirt, image.id) == image
        assert await bytes_of(again, admin.account_id, image.id) == SHIRT
    assert (made.snapshot, made.blobs.copied, done.blobs.copied) == (done.snapshot, 1, 1)
    assert [name for name in names(url) if not name.startswith("blobs")] == [
        f"snapshots/{made.snapshot}/{file}" for file in ("manifest.json", "packshot.sqlite3", "secret.key")
    ]


async def test_only_what_the_bucket_lacks_is_copied_and_old_snapshots_go(
    core: Core, admin: Principal, shirt: int, tmp_path: Path, url: str
) -> None:
    image = await make_image(core, admin, shirt, SHIRT)
    gone = (await original_of(core, admin.account_id, image.id)).key
    first = await backup.back_up(core, home_of(core, tmp_path / "data"), url, None, told)
    await images.remove_from_product(core, admin, shirt, image.id)
    await core.db.write(lambda tx: tx.run("DELETE FROM trash"))
    await core.db.write(lambda tx: tx.run("UPDATE blob SET state = 'doomed', doomed_at = 1"))
    await make_image(core, admin, shirt, MUG)

    second = await backup.back_up(core, home_of(core, tmp_path / "data"), url, 1, told)

    assert (second.blobs.copied, second.snapshots_removed, second.blobs_removed) == (1, 1, 1)
    assert BucketTarget(url).names() == [second.snapshot] != [first.snapshot]
    assert not [name for name in names(url) if gone in name]


async def test_a_damaged_picture_in_the_bucket_is_never_restored_as_a_good_one(
    core: Core, admin: Principal, shirt: int, tmp_path: Path, url: str
) -> None:
    image = await make_image(core, admin, shirt, SHIRT)
    key = (await original_of(core, admin.account_id, image.id)).key
    await backup.back_up(core, home_of(core, tmp_path / "data"), url, None, told)
    obstore.put(open_bucket(url), f"blobs/{key[:2]}/{key}", bytes(len(SHIRT)))

    with pytest.raises(BackupUnusable, match=r"1 blobs of snapshot .* are damaged, and nothing was restored"):
        await backup.restore(url, tmp_path / "back", None, NOW, told)

    assert list((tmp_path / "back").iterdir()) == []


async def test_a_snapshot_without_its_manifest_is_none(core: Core, tmp_path: Path, url: str) -> None:
    made = await backup.back_up(core, home_of(core, tmp_path / "data"), url, None, told)
    obstore.delete(open_bucket(url), f"snapshots/{made.snapshot}/manifest.json")

    with pytest.raises(BackupUnusable, match=f"there is no backup in {re.escape(url)}"):
        await backup.restore(url, tmp_path / "back", None, NOW, told)


async def test_a_snapshot_without_its_key_is_said_to_be_so_in_one_line(core: Core, tmp_path: Path, url: str) -> None:
    made = await backup.back_up(core, home_of(core, tmp_path / "data"), url, None, told)
    obstore.delete(open_bucket(url), f"snapshots/{made.snapshot}/{KEY_FILE}")

    with pytest.raises(
        BackupUnusable, match=rf"^the key of the snapshot .*{made.snapshot} is lost \(No such object\): "
    ):
        await backup.back_up(core, home_of(core, tmp_path / "data"), url, None, told)


async def test_a_snapshot_without_its_database_is_named(core: Core, tmp_path: Path, url: str) -> None:
    made = await backup.back_up(core, home_of(core, tmp_path / "data"), url, None, told)
    obstore.delete(open_bucket(url), f"snapshots/{made.snapshot}/packshot.sqlite3")

    with pytest.raises(BackupUnusable, match=f"the database of snapshot {made.snapshot} is lost"):
        await backup.restore(url, tmp_path / "back", None, NOW, told)


async def test_the_backups_of_another_store_are_left_alone(core: Core, tmp_path: Path, url: str) -> None:
    await backup.back_up(core, home_of(core, tmp_path / "data"), url, None, told)
    (tmp_path / "data" / KEY_FILE).write_bytes(b"another key")

    with pytest.raises(BackupUnusable, match="holds the backups of another store: name another place"):
        await backup.back_up(core, home_of(core, tmp_path / "data"), url, None, told)


async def test_the_originals_of_the_store_itself_are_no_backup(
    core: Core, admin: Principal, shirt: int, tmp_path: Path, url: str
) -> None:
    await make_image(core, admin, shirt, SHIRT)
    await backup.back_up(core, home_of(core, tmp_path / "data"), url, None, told)

    with pytest.raises(BackupUnusable, match="is in the store itself"):
        await backup.back_up(core, Home(tmp_path / "data", blobs_url=f"{url}/"), url, 1, told)
    with pytest.raises(BackupUnusable, match="is in the store itself"):
        await backup.restore(f"{url}/", Home(tmp_path / "back", blobs_url=url), None, NOW, told)

    assert not (tmp_path / "back").exists()


async def test_a_second_backup_has_to_wait_unless_the_first_was_killed(
    core: Core, tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    obstore.put(open_bucket(url), "lock", b"somebody else's")

    with pytest.raises(BackupUnusable, match=r"another backup into .* is running, or was killed"):
        await backup.back_up(core, home_of(core, tmp_path / "data"), url, None, told)
    monkeypatch.setattr(buckets, "STALE_S", -1.0)
    await backup.back_up(core, home_of(core, tmp_path / "data"), url, None, told)

    assert "lock" not in names(url)


def test_a_lock_is_renewed_while_its_backup_runs(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buckets, "RENEW_S", 0.01)
    renewed = threading.Event()
    really = obstore.put

    def put(*arguments: object, **named: object) -> object:
        if arguments[1:] == ("lock", b"renewed"):
            renewed.set()
        return really(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(obstore, "put", put)

    with BucketTarget(url).held():
        assert renewed.wait(20)

    assert names(url) == []


async def test_erase_names_the_snapshots_in_buckets_that_hold_an_image(
    core: Core, admin: Principal, shirt: int, tmp_path: Path, url: str
) -> None:
    image = await make_image(core, admin, shirt, SHIRT)
    made = await backup.back_up(core, home_of(core, tmp_path / "data"), url, None, told)
    (found,) = await erasing.find(core, admin.account_id, image.guid)

    done = await erasing.erase_images(core, admin, [found])

    copies = await erasing.find_copies(core, Sought(admin.account_id, "main", image.id, image.guid), done.keys)
    assert copies.told == [f"Snapshot {made.snapshot} in {url} holds it"]


@pytest.mark.on_files("the commands are given no address of a database")
async def test_the_commands_take_the_address_of_a_bucket(
    core: Core, admin: Principal, shirt: int, tmp_path: Path, url: str
) -> None:
    await make_image(core, admin, shirt, SHIRT)
    store, back = tmp_path / "data", tmp_path / "back"
    path = next((store / "blobs").rglob("*.*"))

    made = run("backup", url, "--data", store)
    done = run("restore", url, "--data", back)

    assert made.returncode == done.returncode == 0, made.stderr + done.stderr
    assert f" in {url}: " in made.stdout
    assert (back / path.relative_to(store)).read_bytes() == path.read_bytes()


def test_a_bucket_that_does_not_answer_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket.new()
    run("init", "--data", tmp_path / "data")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{bucket.free_port()}")

    done = run("backup", "s3://nowhere/shop", "--data", tmp_path / "data", environment=os.environ)

    assert done.returncode == 2
    assert re.fullmatch(r"packshot: s3://nowhere/shop cannot be used: it does not answer, .*\n", done.stderr)
