"""Originals are read again, slowly; what is not what was stored is taken out of use, and repaired where that can be."""

import asyncio
import dataclasses
import errno
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import httpx
import msgspec
import pytest
import structlog

import pictures
from build import Clock, believing, fail_loudly, make_image
from moments import (
    blob_states,
    bytes_of,
    copy_all,
    dooming,
    keys_of,
    make_orphan,
    original_of,
    path_of,
    settled,
    with_moments,
)
from packshot import app
from packshot.config import Settings
from packshot.domain.access import Principal
from packshot.domain.errors import UnacceptableImage, Unavailable
from packshot.domain.images import ProductImage
from packshot.domain.renditions import wished
from packshot.services import accounts, images, renditions, restoring, scrub, setup, upkeep
from packshot.services.core import Core
from packshot.services.scrub import Pace, Scrubbed
from packshot.storage import accounts as account_rows
from packshot.storage import blob_rows, scrubs
from packshot.storage.blobs import BlobSettings
from packshot.storage.blobs.disk import DiskBlobs
from packshot.storage.blobs.staging import Files
from serving import run_lines

SHIRT = pictures.png(3, 2)
MUG = pictures.png(4, 4)
LARGE = pictures.jpeg_of_size(1_200_000)
DAMAGES: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: path.unlink(),
    "cut": lambda path: path.write_bytes(SHIRT[:-1]),
    "longer": lambda path: path.write_bytes(SHIRT + b"\0"),
    "changed": lambda path: path.write_bytes(bytes(len(SHIRT))),
    "a link": lambda path: path.symlink_to(path.rename(path.with_name("elsewhere"))),
}

NO_BUCKET = pytest.mark.on_files("what happens to it happens to files")


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    return tmp_path / "mirror"


@pytest.fixture
def settings(settings: Settings, mirror: Path) -> Settings:
    return msgspec.structs.replace(settings, blobs=BlobSettings(mirror=str(mirror)))


@pytest.fixture
async def image(core: Core, admin: Principal, shirt: int) -> ProductImage:
    return await make_image(core, admin, shirt, SHIRT)


@pytest.fixture
async def path(core: Core, admin: Principal, image: ProductImage) -> Path:
    """Where the bytes of the image lie."""
    return path_of(core, (await original_of(core, admin.account_id, image.id)).key)


def lose(path: Path) -> None:
    path.unlink()


def bring_back(path: Path) -> None:
    path.write_bytes(SHIRT)


def move(source: Path, target: Path) -> None:
    source.rename(target)


async def scrubbed(core: Core) -> Scrubbed:
    return await scrub.run_once(core, lambda _: None)


# What it finds


async def test_what_is_as_it_was_stays_as_it_is(core: Core, path: Path) -> None:
    assert await scrubbed(core) == Scrubbed(blobs=1)

    assert await blob_states(core) == ["live"]
    assert await keys_of(core) == {path.name}


@pytest.mark.parametrize(
    "damage", [name if name != "a link" else pytest.param(name, marks=NO_BUCKET) for name in DAMAGES]
)
async def test_what_is_damaged_is_taken_out_of_use_and_named(core: Core, path: Path, damage: str) -> None:
    DAMAGES[damage](path)

    with structlog.testing.capture_logs() as logged:
        assert await scrubbed(core) == Scrubbed(blobs=1, corrupt=1)

    assert await blob_states(core) == ["corrupt"]
    assert core.blob_counts == {"scrubbed": 1, "corrupt": 1}
    (line,) = logged
    assert (line["log_level"], line["key"]) == ("error", path.name)
    assert line["shown_by"].startswith("image 1, shirt.png, of product ")


async def test_what_lies_in_the_trash_is_read_too(
    core: Core, admin: Principal, image: ProductImage, path: Path
) -> None:
    await images.remove_from_product(core, admin, image.product_id, image.id)
    lose(path)

    with structlog.testing.capture_logs() as logged:
        assert await scrubbed(core) == Scrubbed(blobs=1, corrupt=1)

    assert logged[0]["shown_by"] == f"image {image.id}, shirt.png, in the trash by deletion 1"


async def test_what_is_doomed_is_left_to_its_fate(core: Core, admin: Principal, shirt: int, clock: Clock) -> None:
    path_of(core, await make_orphan(core, admin, shirt, SHIRT)).unlink()
    clock.advance(7_200)
    await dooming(core, clock)

    assert await scrubbed(core) == Scrubbed()

    assert await blob_states(core) == ["doomed"]


async def test_what_is_doomed_and_reaped_while_it_is_read_is_no_loss(
    core: Core, admin: Principal, shirt: int, clock: Clock
) -> None:
    key = await make_orphan(core, admin, shirt, SHIRT)
    blob = await blob_rows.find(core.db, key)
    assert blob

    async def doom_and_reap() -> None:
        clock.advance(7_200)
        await dooming(core, clock)
        await core.blobs.delete(key)

    assert await scrub.check(with_moments(core, before_scan=doom_and_reap), blob, Pace(0)) == "gone"

    assert await blob_states(core) == ["doomed"]


@pytest.mark.usefixtures("image")
@NO_BUCKET
async def test_a_disk_that_is_not_mounted_is_no_loss(core: Core, path: Path) -> None:
    shutil.rmtree(path.parent)

    with pytest.raises(Unavailable):
        await scrubbed(core)

    assert await blob_states(core) == ["live"]
    path.parent.mkdir()


# What is read in between


@pytest.mark.parametrize("damage", ["missing", "cut", "changed"])
async def test_a_small_original_that_is_damaged_is_never_shown_and_taken_out_of_use(
    core: Core, client: httpx.AsyncClient, image: ProductImage, path: Path, damage: str
) -> None:
    DAMAGES[damage](path)
    address = f"/upload/iblock/{image.address}/shirt.png"

    whole = await client.get(address)
    part = await client.get(address, headers={"range": "bytes=0-1"})
    await settled(core)

    assert (whole.status_code, part.status_code) == (503, 503)
    assert await blob_states(core) == ["corrupt"]
    assert (await client.get(address)).status_code == 503


async def test_no_rendition_is_made_of_a_small_original_that_is_damaged(
    core: Core, image: ProductImage, path: Path
) -> None:
    DAMAGES["changed"](path)
    picture = await renditions.picture_at(core, image.address.partition("/")[2])

    with pytest.raises((Unavailable, UnacceptableImage)) as refused:
        await renditions.open_rendition(core, picture, wished("card", core.presets), "")
    await settled(core)

    assert refused.type is Unavailable
    assert await blob_states(core) == ["corrupt"]


async def test_a_small_original_found_damaged_when_it_is_read_is_repaired_at_once(
    core: Core, client: httpx.AsyncClient, image: ProductImage, path: Path, mirror: Path
) -> None:
    copy_all(core, mirror)
    DAMAGES["changed"](path)
    address = f"/upload/iblock/{image.address}/shirt.png"

    first = await client.get(address)
    await settled(core)
    second = await client.get(address)

    assert first.status_code == 503
    assert second.content == SHIRT


# How it is repaired


@pytest.mark.parametrize("data", [SHIRT, LARGE], ids=["small", "large"])
async def test_a_second_copy_takes_the_place_of_what_is_damaged(
    core: Core, admin: Principal, shirt: int, mirror: Path, data: bytes
) -> None:
    image = await make_image(core, admin, shirt, data)
    key = (await original_of(core, admin.account_id, image.id)).key
    copy_all(core, mirror)
    path_of(core, key).write_bytes(bytes(len(data)))

    assert await scrubbed(core) == Scrubbed(blobs=1, repaired=1)

    assert await bytes_of(core, admin.account_id, image.id) == data
    assert (await original_of(core, admin.account_id, image.id)).key != key
    assert await blob_states(core) == ["corrupt", "live"]
    assert core.blob_counts["repaired"] == 1
    assert core.blob_counts["corrupt"] == 0


async def test_a_repaired_original_keeps_what_is_known_of_it_and_comes_back_out_of_the_trash(
    core: Core, admin: Principal, image: ProductImage, path: Path, mirror: Path
) -> None:
    columns = "digest, size_bytes, media_type, width_px, height_px, frames, orientation, thumbhash, phash, colour"
    copy_all(core, mirror)
    await images.remove_from_product(core, admin, image.product_id, image.id)
    lose(path)

    await scrubbed(core)
    await restoring.restore(core, admin, 1, ())

    assert await bytes_of(core, admin.account_id, image.id) == SHIRT
    old, new = await core.db.all(f"SELECT {columns} FROM blob ORDER BY id")
    assert old == new


async def test_a_second_copy_that_is_damaged_itself_is_not_taken(core: Core, path: Path, mirror: Path) -> None:
    copy_all(core, mirror)
    for place in (path, mirror / path.name[:2] / path.name):
        place.write_bytes(bytes(len(SHIRT)))

    assert await scrubbed(core) == Scrubbed(blobs=1, corrupt=1)

    assert await keys_of(core) == {path.name}


async def test_a_round_of_upkeep_tries_again_once_there_is_a_second_copy(
    core: Core, admin: Principal, image: ProductImage, path: Path, mirror: Path
) -> None:
    copy_all(core, mirror)
    move(mirror, mirror.with_name("elsewhere"))
    lose(path)
    await scrubbed(core)
    assert (await upkeep.run_once(core)).repaired == 0
    move(mirror.with_name("elsewhere"), mirror)

    assert (await upkeep.run_once(core)).repaired == 1

    assert await bytes_of(core, admin.account_id, image.id) == SHIRT


async def test_a_large_original_that_cannot_be_repaired_is_read_again_once_an_hour(
    core: Core, admin: Principal, shirt: int, clock: Clock
) -> None:
    image = await make_image(core, admin, shirt, LARGE)
    path_of(core, (await original_of(core, admin.account_id, image.id)).key).write_bytes(bytes(len(LARGE)))
    await scrubbed(core)

    read = []
    for pause_s in (0, 60, scrub.LARGE_AGAIN_S):
        clock.advance(pause_s)
        before = core.blob_counts["scrubbed"]
        await scrub.repair(core, scrub.Pace(0))
        read.append(core.blob_counts["scrubbed"] - before)

    assert read == [1, 0, 1]


async def test_bytes_that_are_back_are_used_again_and_count_again(
    core: Core, admin: Principal, image: ProductImage, path: Path
) -> None:
    await accounts.set_quota(core, setup.ACCOUNT, 10_000)
    lose(path)
    await scrubbed(core)
    bring_back(path)

    assert (await upkeep.run_once(core)).repaired == 1

    assert await bytes_of(core, admin.account_id, image.id) == SHIRT
    assert await blob_states(core) == ["live"]
    assert await account_rows.drifted(core.db) == []


@pytest.mark.parametrize("damage", ["missing", "cut", "changed"])
async def test_the_same_picture_uploaded_again_heals_what_nobody_has_found_yet(
    core: Core, admin: Principal, image: ProductImage, path: Path, damage: str
) -> None:
    DAMAGES[damage](path)

    await make_image(core, admin, image.product_id, SHIRT)

    assert await bytes_of(core, admin.account_id, image.id) == SHIRT
    assert await blob_states(core) == ["corrupt", "live"]
    assert await scrubbed(core) == Scrubbed(blobs=1)


async def test_the_same_picture_uploaded_while_it_is_repaired_is_used(
    core: Core, admin: Principal, image: ProductImage, path: Path, mirror: Path
) -> None:
    copy_all(core, mirror)
    lose(path)

    async def upload() -> None:
        await make_image(core, admin, image.product_id, SHIRT)

    await scrubbed(with_moments(core, after_put=upload))

    assert await bytes_of(core, admin.account_id, image.id) == SHIRT
    assert (await blob_states(core)).count("live") == 1
    assert len(await keys_of(core)) == 1


@NO_BUCKET
async def test_without_room_the_rest_is_scrubbed_all_the_same(
    core: Core, admin: Principal, shirt: int, path: Path, tmp_path: Path, mirror: Path
) -> None:
    await make_image(core, admin, shirt, MUG)
    copy_all(core, mirror)
    lose(path)

    class Full(Files):
        def open_new(self, path: Path) -> int:
            raise OSError(errno.ENOSPC, "full", path)

    full = DiskBlobs(tmp_path / "data", core.threads, fail_loudly, Full(), mirror)

    assert await scrubbed(dataclasses.replace(core, blobs=full)) == Scrubbed(blobs=2, corrupt=1)

    assert await blob_states(core) == ["corrupt", "live"]


# How it goes on


async def test_it_keeps_to_its_pace() -> None:
    clock, slept = Clock(), list[float]()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock.advance(seconds)

    pace = Pace(1_000, clock, sleep)
    for size_bytes in (500, 1_000, 2_500):
        await pace.spend(size_bytes)
    clock.advance(60)  # what was not read meanwhile is not made up for
    await pace.spend(4_000)

    assert slept == pytest.approx([0.5, 1, 2.5, 4])


async def test_every_byte_it_reads_or_copies_is_paced(core: Core, path: Path, mirror: Path) -> None:
    copy_all(core, mirror)
    DAMAGES["changed"](path)
    clock, slept = Clock(), list[float]()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock.advance(seconds)

    await core.db.write(lambda tx: scrubs.begin(tx, core.now()))
    await scrub.go_on(core, Pace(10, clock, sleep), lambda _: None)

    assert sum(slept) == pytest.approx(2 * len(SHIRT) / 10)


_KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from packshot import app
from packshot.config import Settings
from packshot.services import scrub

scrub.BATCH = 2
async def main():
    async with app.open_core(Path(sys.argv[1]), Settings(), print) as core:
        await scrub.run_once(core, lambda read: read == 5 and os.kill(os.getpid(), signal.SIGKILL))
asyncio.run(main())
"""


@NO_BUCKET
async def test_after_a_kill_it_goes_on_where_it_was(core: Core, admin: Principal, shirt: int, tmp_path: Path) -> None:
    for number in range(8):
        await make_image(core, admin, shirt, pictures.png(2 + number, 2))

    done = await asyncio.to_thread(run_lines, _KILLED, tmp_path / "data")

    assert done.returncode == -signal.SIGKILL, done.stderr
    assert await scrub.go_on(core, Pace(0), lambda _: None) == Scrubbed(blobs=4)  # the fifth one again
    assert await scrub.go_on(core, Pace(0), lambda _: None) == Scrubbed()


@NO_BUCKET
async def test_on_a_disk_that_keeps_nothing_it_comes_to_an_end(
    core: Core, path: Path, mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_all(core, mirror)
    lose(path)

    def lose_too(source: Path, _: Path) -> None:
        source.unlink()

    monkeypatch.setattr(Files, "rename", staticmethod(lose_too))

    assert await scrubbed(core) == Scrubbed(blobs=1, repaired=1)
    assert await scrubbed(core) == Scrubbed(blobs=1, repaired=1)


async def test_two_at_once_leave_nothing_unread(
    core: Core, admin: Principal, shirt: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrub, "BATCH", 2)
    for number in range(9):
        image = await make_image(core, admin, shirt, pictures.png(2 + number, 2))
        path_of(core, (await original_of(core, admin.account_id, image.id)).key).unlink()

    await asyncio.gather(scrubbed(core), scrub.go_on(core, Pace(0), lambda _: None), scrubbed(core))

    assert await blob_states(core) == ["corrupt"] * 9
    assert await scrubs.find_cursor(core.db) is None


async def test_who_is_late_neither_moves_nor_ends_what_another_process_has_moved(core: Core) -> None:
    await core.db.write(lambda tx: scrubs.begin(tx, 1))
    late = await scrubs.find_cursor(core.db)
    assert late
    await core.db.write(lambda tx: scrubs.move(tx, late, 5))

    await core.db.write(lambda tx: scrubs.move(tx, late, 3))
    await core.db.write(lambda tx: scrubs.end(tx, late, 2))

    assert await scrubs.find_cursor(core.db) == scrubs.Cursor(1, 5, 0)


async def test_a_new_one_begins_when_it_is_due_and_not_while_one_is_under_way(core: Core, clock: Clock) -> None:
    async def begin() -> None:
        before = core.now() - core.upkeep.scrub_every_s * 1_000_000
        await core.db.write(lambda tx: scrubs.begin_due(tx, before, core.now()))

    await begin()
    first = await scrubs.find_cursor(core.db)
    clock.advance(core.upkeep.scrub_every_s - 1)
    await begin()
    assert await scrubs.find_cursor(core.db) == first
    await scrub.go_on(core, Pace(0), lambda _: None)
    await begin()
    assert await scrubs.find_cursor(core.db) is None
    clock.advance(1)
    await begin()

    assert await scrubs.find_cursor(core.db) == scrubs.Cursor(core.now(), 0, 0)


@NO_BUCKET
async def test_the_server_scrubs_by_itself_and_is_not_ended_by_what_fails(core: Core, path: Path) -> None:
    hidden = path.parent.with_name("hidden")
    move(path.parent, hidden)
    busy = dataclasses.replace(core, upkeep=msgspec.structs.replace(core.upkeep, every_s=0, scrub_bytes_s=10**9))
    with structlog.testing.capture_logs() as logged:
        running = asyncio.create_task(scrub.run_for_ever(busy))
        while not logged:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.001)
        move(hidden, path.parent)
        lose(path)
        while await blob_states(core) == ["live"]:  # noqa: ASYNC110 - nor here
            await asyncio.sleep(0.001)
        running.cancel()

    assert logged[0]["event"] == "scrub failed"


async def test_a_server_that_is_told_not_to_does_not_scrub(core: Core) -> None:
    quiet = dataclasses.replace(core, upkeep=msgspec.structs.replace(core.upkeep, scrub_bytes_s=0))

    await asyncio.wait_for(scrub.run_for_ever(quiet), 10)


@NO_BUCKET
async def test_what_is_damaged_is_known_to_the_next_start(
    core: Core, path: Path, tmp_path: Path, settings: Settings
) -> None:
    lose(path)
    await scrubbed(core)

    async with app.open_core(tmp_path / "data", believing(settings), fail_loudly) as again:
        await upkeep.run_once(again)

        assert again.blob_counts["corrupt"] == 1
