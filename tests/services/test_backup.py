"""Snapshots of a store that goes on changing, and stores made of them."""

import asyncio
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

import msgspec
import pytest

import pictures
from build import Clock, believing, fail_loudly, home_of, make_image, make_product
from moments import age, bytes_of, dooming, original_of, path_of, reaping, with_moments
from packshot import app
from packshot.config import Settings
from packshot.domain.access import Principal
from packshot.domain.errors import NotFound
from packshot.services import backup, copies, downloads, handlers, images, setup
from packshot.services.backup import Backup, Restored
from packshot.services.core import Core
from packshot.storage import backup as rows
from packshot.storage import blob_rows, health, migrations
from packshot.storage.backup import LEAP, BackupUnusable
from packshot.storage.folder import DATABASE, KEY_FILE, UNFINISHED, FolderInUse, KeyLost, Lock, StoreUnusable, prepare
from packshot.storage.homes import Home
from packshot.storage.snapshots import MANIFEST, Manifest, Target
from packshot.storage.sqlite import connect

SHIRT, MUG = pictures.png(3, 2), pictures.png(4, 4)
NOW = 1_800_000_000_000_000


def told(*_: object) -> None:
    """Nobody hears of progress."""


class Place(NamedTuple):
    """A store in `data`, the folder of its backups, and one to restore them into."""

    core: Core
    clock: Clock
    data: Path
    target: Path
    back: Path

    async def back_up(self, keep: int | None = None, core: Core | None = None) -> Backup:
        core = core or self.core
        return await backup.back_up(core, home_of(core, self.data), self.target, keep, told)

    async def restore(self, snapshot: str | None = None, *, despite_damage: bool = False) -> Restored:
        return await backup.restore(self.target, self.back, snapshot, NOW, told, despite_damage=despite_damage)

    @asynccontextmanager
    async def restored(self, snapshot: str | None = None) -> AsyncIterator[Core]:
        """The core over what was restored."""
        await self.restore(snapshot)
        async with opened(self.back, self.clock) as core:
            yield core

    def blob(self, key: str) -> Path:
        return self.target / "blobs" / key[:2] / key

    def snapshots(self) -> list[str]:
        """All that lies where snapshots do."""
        return names(self.target / "snapshots")


@asynccontextmanager
async def opened(folder: Path, clock: Clock) -> AsyncIterator[Core]:
    async with app.open_core(folder, believing(Settings()), fail_loudly, clock) as core:
        yield core


def names(folder: Path) -> list[str]:
    """What is in a folder; nothing is in none."""
    return sorted(path.name for path in folder.glob("*"))


def make_note(folder: Path) -> None:
    """Put something of somebody else's into a new folder."""
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")


@pytest.fixture
def place(core: Core, clock: Clock, tmp_path: Path) -> Place:
    return Place(core, clock, tmp_path / "data", tmp_path / "backups", tmp_path / "back")


async def key_of(core: Core, caller: Principal, image_id: int) -> str:
    return (await original_of(core, caller.account_id, image_id)).key


async def test_a_store_comes_back_with_its_rows_its_bytes_and_its_secrets(
    place: Place, core: Core, admin: Principal, shirt: int
) -> None:
    image = await make_image(core, admin, shirt, SHIRT)
    link = unquote(downloads.signer(core, admin)(image.id))

    made = await place.back_up()
    done = await place.restore()

    async with opened(place.back, place.clock) as again:
        assert await images.get(again, admin, shirt, image.id) == image
        assert await bytes_of(again, admin.account_id, image.id) == SHIRT
        assert (await downloads.open_link(again, link)).name == image.name
    assert (made.snapshot, made.counts["image"], made.blobs.copied) == (done.snapshot, 1, 1)
    assert (done.epoch, done.blobs.blobs, done.lost_before) == (1, 1, 0)
    assert {
        path.stat().st_mode & 0o777
        for path in (place.back / KEY_FILE, place.target / "snapshots" / done.snapshot / KEY_FILE)
    } == {0o600}


async def test_a_snapshot_is_the_store_as_it_was_whatever_came_later(
    place: Place, core: Core, admin: Principal, shirt: int
) -> None:
    kept = await make_image(core, admin, shirt, SHIRT)
    first = await place.back_up()
    await images.remove_from_product(core, admin, shirt, kept.id)
    later = await make_image(core, admin, shirt, MUG)
    second = await place.back_up()

    await place.restore(first.snapshot)

    assert first.snapshot < second.snapshot
    assert (second.blobs.blobs, second.blobs.copied, second.blobs.copied_bytes) == (2, 1, len(MUG))
    async with opened(place.back, place.clock) as again:
        assert await bytes_of(again, admin.account_id, kept.id) == SHIRT
        with pytest.raises(NotFound):
            await images.get(again, admin, shirt, later.id)


async def test_nothing_that_a_backup_needs_is_deleted_while_it_runs(
    place: Place, at_once: Core, admin: Principal, shirt: int, clock: Clock
) -> None:
    image = await make_image(at_once, admin, shirt, SHIRT)
    reaped: list[int] = []

    async def delete_for_good() -> None:
        await images.remove_from_product(at_once, admin, shirt, image.id)
        assert await dooming(at_once, clock) == 1
        reaped.append(await reaping(at_once, clock))

    made = await place.back_up(core=with_moments(at_once, before_scan=delete_for_good))

    assert reaped == [0]
    assert made.blobs.lost == ()
    assert await reaping(at_once, clock) == 1
    async with place.restored() as again:
        assert await bytes_of(again, admin.account_id, image.id) == SHIRT


async def test_a_hold_is_renewed_while_its_backup_runs_and_dropped_with_it(
    core: Core, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies, "RENEW_S", 0.01)
    now = core.now()

    async with copies.held(core):
        clock.advance(5)
        held = first = await core.db.all("SELECT expires_at FROM hold")
        while held == first:
            await asyncio.sleep(0.01)
            held = await core.db.all("SELECT expires_at FROM hold")

    assert held == [(now + (copies.HOLD_S + 5) * 1_000_000,)]
    assert await core.db.all("SELECT id FROM hold") == []


async def test_a_hold_that_nobody_renews_runs_out(at_once: Core, admin: Principal, shirt: int, clock: Clock) -> None:
    image = await make_image(at_once, admin, shirt, SHIRT)
    await images.remove_from_product(at_once, admin, shirt, image.id)
    await dooming(at_once, clock)
    until = at_once.now() + 3_000_000
    await at_once.db.write(lambda tx: rows.take_hold(tx, until, 0))

    assert await reaping(at_once, clock) == 0
    clock.advance(2)
    assert await reaping(at_once, clock) == 1


@pytest.mark.on_files("it is about how the file of SQLite is copied")
async def test_the_copy_of_a_database_is_never_begun_anew_and_holds_no_writer_up(
    place: Place, core: Core, admin: Principal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_product(core, admin)
    monkeypatch.setattr(rows, "PAGES", 2)
    seen: list[int] = []
    stop, written = threading.Event(), 0

    def write() -> None:
        nonlocal written
        other = sqlite3.connect(place.data / DATABASE, timeout=0)  # it waits for nobody
        while not stop.is_set() and written < 5_000:
            other.execute("UPDATE product SET sort = sort + 1")
            other.commit()
            written += 1
        other.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        await asyncio.to_thread(
            rows.copy_database, place.data / DATABASE, tmp_path / "copy", lambda at, _: seen.append(at)
        )
    finally:
        stop.set()
        writer.join()

    rows.seal(tmp_path / "copy")
    assert seen == sorted(seen)
    assert len(seen) > 20
    assert written > len(seen) / 4
    assert names(tmp_path) == ["copy", "data"]


@pytest.mark.parametrize("harm", ["missing", "other bytes", "shorter"])
async def test_a_lost_picture_is_named_and_marked_and_never_comes_over_a_good_one(
    place: Place, core: Core, admin: Principal, shirt: int, harm: str
) -> None:
    kept, lost = await make_image(core, admin, shirt, SHIRT), await make_image(core, admin, shirt, MUG)
    await place.back_up()
    keys = [await key_of(core, admin, image.id) for image in (kept, lost)]
    place.blob(keys[1]).unlink()
    for path in (path_of(core, key) for key in keys):
        path.unlink()
        if harm != "missing":
            path.write_bytes(b"x" * (7 if harm == "shorter" else len(MUG)))

    made = await place.back_up()

    (said,) = made.blobs.lost
    assert said == f"blob {keys[1]} is missing or damaged (image {lost.id}, shirt.png, of product {shirt})"
    assert place.blob(keys[0]).read_bytes() == SHIRT
    assert not place.blob(keys[1]).exists()
    assert (await place.restore()).lost_before == 1
    async with opened(place.back, place.clock) as again:
        assert await bytes_of(again, admin.account_id, kept.id) == SHIRT
        assert not (await original_of(again, admin.account_id, lost.id)).intact


async def test_old_snapshots_go_and_then_the_blobs_that_none_names(
    place: Place, at_once: Core, admin: Principal, shirt: int, clock: Clock
) -> None:
    kept, gone = await make_image(at_once, admin, shirt, SHIRT), await make_image(at_once, admin, shirt, MUG)
    first = await place.back_up(core=at_once)
    await images.remove_from_product(at_once, admin, shirt, gone.id)
    await dooming(at_once, clock)

    second = await place.back_up(2, core=at_once)
    third = await place.back_up(2, core=at_once)

    assert [(made.snapshots_removed, made.blobs_removed) for made in (first, second, third)] == [(0, 0), (0, 0), (1, 1)]
    assert place.snapshots() == [second.snapshot, third.snapshot]
    async with place.restored(second.snapshot) as again:
        assert await bytes_of(again, admin.account_id, kept.id) == SHIRT


async def test_good_bytes_of_a_picture_that_is_corrupt_here_are_kept_and_restored(
    place: Place, core: Core, admin: Principal, shirt: int
) -> None:
    image = await make_image(core, admin, shirt, SHIRT)
    key = await key_of(core, admin, image.id)
    await place.back_up()
    path_of(core, key).write_bytes(b"x" * len(SHIRT))
    await core.db.write(lambda tx: blob_rows.mark_corrupt(tx, 1))

    made = await place.back_up(1)

    assert (made.blobs.lost, made.blobs_removed) == ((), 0)
    async with place.restored() as again:
        assert path_of(again, key).read_bytes() == SHIRT


async def test_a_clock_that_went_back_makes_no_snapshot_the_oldest(place: Place, clock: Clock) -> None:
    first = await place.back_up()
    clock.advance(-3_600)

    second = await place.back_up(1)

    assert second.snapshot > first.snapshot
    assert place.snapshots() == [second.snapshot]


async def test_ids_that_were_handed_out_after_the_snapshot_are_never_used_again(
    place: Place, core: Core, admin: Principal, shirt: int
) -> None:
    await place.back_up()
    lost = await make_image(core, admin, shirt, SHIRT)
    link = unquote(downloads.signer(core, admin)(lost.id))
    await handlers.add_webhook(core, setup.ACCOUNT, "https://9.9.9.9/", ["PACKSHOT.IMAGE.ON.ADD"])

    async with place.restored() as again:
        with pytest.raises(NotFound):
            await downloads.open_link(again, link)
        added = await make_image(again, admin, shirt, MUG)
        made = await handlers.add_webhook(again, setup.ACCOUNT, "https://9.9.9.9/", ["PACKSHOT.IMAGE.ON.ADD"])
        ids: dict[str, int] = dict(await again.db.all("SELECT name, seq FROM sqlite_sequence"))
        told_of = await again.db.all("SELECT name FROM sqlite_master WHERE sql LIKE '%AUTOINCREMENT%'")
    assert added.id == LEAP + 1
    assert made.id > LEAP
    assert {name for name, last in ids.items() if last < LEAP} == {"blob", "hold"}
    assert {name for (name,) in told_of} == ids.keys()


async def test_events_that_wait_come_back_with_their_ids_and_each_restore_begins_an_epoch(
    place: Place, core: Core, admin: Principal, shirt: int
) -> None:
    await handlers.add_webhook(core, setup.ACCOUNT, "https://9.9.9.9/", ["PACKSHOT.IMAGE.ON.ADD"])
    await make_image(core, admin, shirt, SHIRT)
    waiting = await core.db.all("SELECT id, event, state FROM outbox")
    await place.back_up()

    async with place.restored() as again:
        assert await again.db.all("SELECT id, event, state FROM outbox") == waiting
        assert await again.db.all("SELECT id FROM hold") == []
        further = place._replace(core=again, data=place.back, back=place.back.with_name("further"))
        await further.back_up()
    done = await further.restore()

    assert len(waiting) == 1
    assert done.epoch == 2


_KILLED = """
import asyncio, os, pathlib, signal, sys
from packshot.services import backup

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

def at(name, real):
    def call(path, *more):
        return die() if path.name == name else real(path, *more)
    return call

target, back, moment = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
if moment == "lock":
    backup.snapshots.write = die
elif moment == "database":
    backup.shutil.copyfile = die
elif moment == "key":
    backup.snapshots.write = at("secret.key.part", backup.snapshots.write)
elif moment == "last":
    pathlib.Path.rename = at("secret.key.part", pathlib.Path.rename)
told = die if moment == "blobs" else lambda *_: None
asyncio.run(backup.restore(target, back, None, 1, told))
"""


@pytest.mark.parametrize("moment", ["lock", "database", "blobs", "key", "last"])
async def test_a_restore_that_was_killed_is_no_store_and_the_next_one_goes_on(
    place: Place, core: Core, admin: Principal, shirt: int, moment: str
) -> None:
    kept = [await make_image(core, admin, shirt, data) for data in (SHIRT, MUG)]
    await place.back_up()

    words = [sys.executable, "-c", _KILLED, str(place.target), str(place.back), moment]
    killed = await asyncio.to_thread(lambda: subprocess.run(words, check=False))
    left = names(place.back)
    if moment != "lock":
        with pytest.raises(StoreUnusable, match="half restored"):
            prepare(place.back)
    done = await place.restore()

    assert killed.returncode == -signal.SIGKILL
    assert left
    assert KEY_FILE not in left
    assert names(place.back) == sorted({"blobs", "staging", "lock", DATABASE, KEY_FILE})
    assert (done.blobs.blobs, done.blobs.copied) == (2, 2 if moment in {"lock", "database"} else 0)
    async with opened(place.back, place.clock) as again:
        for image in kept:
            assert await images.get(again, admin, shirt, image.id) == image


async def test_a_folder_that_is_half_restored_is_no_store_either_where_the_key_lies_elsewhere(tmp_path: Path) -> None:
    key = tmp_path / "etc" / KEY_FILE
    prepare(tmp_path / "other", str(key))
    back = tmp_path / "back"
    back.mkdir()
    (back / UNFINISHED).touch()

    with pytest.raises(StoreUnusable, match="half restored"):
        prepare(back, str(key))


async def test_a_snapshot_is_not_restored_beside_another_key(place: Place, tmp_path: Path) -> None:
    await place.back_up()
    key = tmp_path / "elsewhere.key"
    key.write_bytes(b"of another store")

    with pytest.raises(BackupUnusable, match=r"elsewhere\.key is not the key of snapshot"):
        await backup.restore(place.target, Home(place.back, key_file=str(key)), None, NOW, told)

    assert not place.back.exists()


async def test_a_folder_that_became_a_store_after_a_killed_restore_is_left_alone(place: Place) -> None:
    await place.back_up()
    place.back.mkdir()
    for name in (UNFINISHED, KEY_FILE, DATABASE):
        (place.back / name).write_text("mine")

    with pytest.raises(BackupUnusable, match="is not empty"):
        await place.restore()

    assert names(place.back) == sorted({UNFINISHED, KEY_FILE, DATABASE})


async def test_a_restore_keeps_others_out_of_its_folder(place: Place) -> None:
    await place.back_up()
    place.back.mkdir()
    (place.back / UNFINISHED).touch()
    lock = Lock(place.back)

    with pytest.raises(FolderInUse):
        await place.restore()

    lock.release()
    assert UNFINISHED in names(place.back)


async def test_what_servers_knew_of_each_other_is_not_restored(place: Place, core: Core) -> None:
    await core.db.write(lambda tx: tx.run("INSERT INTO agreed (name, value) VALUES ('trash.keep_s', '1')"))
    await place.back_up()

    async with place.restored() as again:
        assert await again.db.all("SELECT name FROM agreed") == []


async def test_a_backup_into_the_store_itself_is_refused(place: Place) -> None:
    inside = place._replace(target=place.data / "backups")

    with pytest.raises(BackupUnusable, match="is in the store itself"):
        await inside.back_up()

    assert not inside.target.exists()


async def test_a_backup_among_the_originals_in_a_shared_folder_is_refused(place: Place) -> None:
    (place.target / "blobs").mkdir(parents=True)
    home = Home(place.data, blobs_url=f"file://{place.target}")

    with pytest.raises(BackupUnusable, match="is in the store itself"):
        await backup.back_up(place.core, home, place.target, 1, told)

    assert names(place.target) == ["blobs"]


async def test_a_folder_with_something_in_it_is_left_alone(place: Place) -> None:
    await place.back_up()
    make_note(place.back)

    with pytest.raises(BackupUnusable, match="is not empty"):
        await place.restore()

    assert names(place.back) == ["notes.txt"]


async def test_a_folder_with_other_things_is_no_target(place: Place) -> None:
    make_note(place.target)

    with pytest.raises(BackupUnusable, match=r"holds other things than backups, like notes\.txt"):
        await place.back_up()

    assert names(place.target) == ["notes.txt"]


async def test_the_backups_of_another_store_are_left_alone(place: Place, clock: Clock) -> None:
    other = place.data.with_name("other")
    async with opened(other, clock) as stranger:
        made = await place._replace(core=stranger, data=other).back_up()

    with pytest.raises(BackupUnusable, match="holds the backups of another store"):
        await place.back_up()

    assert place.snapshots() == [made.snapshot]


async def test_a_second_backup_into_a_target_has_to_wait(place: Place) -> None:
    with Target(place.target).held(), pytest.raises(BackupUnusable, match=r"another backup into .* is running"):
        await place.back_up()


def flip(path: Path, at: int = -1) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


async def test_a_snapshot_without_its_database_is_named(place: Place) -> None:
    made = await place.back_up()
    (Target(place.target).path(made.snapshot) / DATABASE).unlink()

    with pytest.raises(BackupUnusable, match=f"the database of snapshot {made.snapshot} is lost"):
        await place.restore()

    assert names(place.back) == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (DATABASE, "the database of snapshot .* is damaged"),
        (MANIFEST, "is missing or damaged"),
        (KEY_FILE, "is missing, damaged or of another store"),
    ],
)
async def test_a_damaged_snapshot_is_refused_and_nothing_is_left(place: Place, name: str, said: str) -> None:
    made = await place.back_up()
    flip(Target(place.target).path(made.snapshot) / name, 10)

    with pytest.raises(StoreUnusable, match=said) as caught:
        await place.restore()

    assert isinstance(caught.value, KeyLost if name == KEY_FILE else BackupUnusable)
    assert names(place.back) == []


async def test_damaged_pictures_are_refused_unless_what_is_left_will_do(
    place: Place, core: Core, admin: Principal, shirt: int
) -> None:
    good, bad = await make_image(core, admin, shirt, SHIRT), await make_image(core, admin, shirt, MUG)
    await place.back_up()
    flip(place.blob(await key_of(core, admin, bad.id)))

    with pytest.raises(BackupUnusable, match=r"1 blobs of snapshot .* are damaged, and nothing was restored: blob "):
        await place.restore()
    assert names(place.back) == []
    done = await place.restore(despite_damage=True)

    assert len(done.blobs.lost) == 1
    async with opened(place.back, place.clock) as again:
        assert await bytes_of(again, admin.account_id, good.id) == SHIRT
        assert not (await original_of(again, admin.account_id, bad.id)).intact
        healed = await make_image(again, admin, shirt, MUG)
        assert await bytes_of(again, admin.account_id, bad.id) == MUG
        assert healed.id != bad.id


@pytest.mark.parametrize(
    ("field", "said"), [("migration", "a newer version: restore it"), ("format", "a newer version")]
)
async def test_a_snapshot_of_a_newer_version_is_refused(place: Place, field: str, said: str) -> None:
    made = await place.back_up()
    path = Target(place.target).path(made.snapshot) / MANIFEST
    newer = msgspec.structs.replace(msgspec.json.decode(path.read_bytes(), type=Manifest), **{field: 9_999})
    path.write_bytes(msgspec.json.encode(newer))

    with pytest.raises(BackupUnusable, match=said):
        await place.restore()

    assert names(place.back) == []


async def test_a_snapshot_of_an_older_version_is_brought_up_to_date(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await place.back_up()
    newest = migrations.steps()[-1][0] + 1
    more = [*migrations.steps(), (newest, f"{newest:04}_test", "CREATE TABLE more (id INTEGER PRIMARY KEY) STRICT;")]
    monkeypatch.setattr(migrations, "steps", lambda: more)

    await place.restore()

    connection = connect(place.back / DATABASE)
    assert migrations.version(connection) == newest
    connection.close()


async def test_a_damaged_database_makes_no_snapshot_and_costs_none(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await place.back_up()
    monkeypatch.setattr(health, "quick_check", lambda _: ["row 3 missing from index image_of_blob"])

    with pytest.raises(StoreUnusable, match="the database is damaged, and no copy of it is kept: row 3"):
        await place.back_up(1)

    assert place.snapshots() == [made.snapshot]


async def test_a_target_that_cannot_be_written_to_is_named(
    place: Place, core: Core, admin: Principal, shirt: int
) -> None:
    await make_image(core, admin, shirt, SHIRT)
    key = await key_of(core, admin, 1)
    await place.back_up()
    place.blob(key).unlink()
    place.blob(key).mkdir()

    with pytest.raises(BackupUnusable, match=f"{place.target} cannot be written to: .*Is a directory"):
        await place.back_up()


@pytest.mark.parametrize(
    ("name", "keep", "said"),
    [(DATABASE, 2, "and no old blobs were removed: delete it and back up again"), (KEY_FILE, None, "delete that")],
)
async def test_a_snapshot_that_somebody_damaged_is_named(place: Place, name: str, keep: int | None, said: str) -> None:
    made = await place.back_up()
    damaged = place.target / "snapshots" / made.snapshot
    (damaged / name).unlink()
    (place.target / "blobs" / "00" / f"{64 * '0'}.{16 * '0'}").touch()

    with pytest.raises(BackupUnusable, match=f"snapshot {damaged} is .*{said}"):
        await place.back_up(keep)

    shutil.rmtree(damaged)
    assert (await place.back_up(1)).blobs_removed == 1


async def test_what_lies_about_in_a_target_is_swept(place: Place) -> None:
    made = await place.back_up()
    for left in ("snapshots/2020-01-01T000000Z.part", "snapshots/2020-01-02T000000Z.gone"):
        (place.target / left).mkdir()
    (place.target / "staging" / "half").write_bytes(b"x")
    age(place.target / "staging" / "half", 5)

    again = await place.back_up()

    assert place.snapshots() == [made.snapshot, again.snapshot]
    assert names(place.target / "staging") == []
