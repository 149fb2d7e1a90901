"""The life of bytes that nothing points at any more: doomed, reaped, swept, each in its time."""

import asyncio
import dataclasses
import shutil
from pathlib import Path
from typing import Any

import pytest

import pictures
from build import Clock, make_image, make_library_image
from moments import (
    age,
    blob_states,
    bytes_of,
    dooming,
    keys_of,
    make_orphan,
    original_of,
    path_of,
    reaping,
    upkeep_of_everything,
)
from packshot.domain.access import Principal
from packshot.domain.errors import Conflict, NotFound, Unavailable
from packshot.domain.libraries import Place
from packshot.services import images, renditions, upkeep
from packshot.services.core import Core, UpkeepSettings
from packshot.services.upkeep import Round
from packshot.storage import blob_rows
from packshot.storage.blobs import BlobStore, new_key
from packshot.storage.renditions import Renditions

SHIRT = pictures.png(3, 2)
MUG = pictures.png(4, 4)
HOUR_S = 3_600
DAY_S = 24 * HOUR_S


async def test_orphans_are_doomed_then_reaped_each_in_its_time(
    core: Core, admin: Principal, shirt: int, clock: Clock
) -> None:
    key = await make_orphan(core, admin, shirt, SHIRT)

    assert await upkeep.run_once(core) == Round()  # young: an upload may be about to share it
    clock.advance(HOUR_S)
    assert await upkeep.run_once(core) == Round()
    clock.advance(1)
    assert await upkeep.run_once(core) == Round(doomed=1)
    assert await blob_states(core) == ["doomed"]
    clock.advance(DAY_S)
    assert await upkeep.run_once(core) == Round()
    assert await keys_of(core) == {key}
    clock.advance(1)
    assert await upkeep.run_once(core) == Round(reaped=1)

    assert await keys_of(core) == set()
    assert await blob_states(core) == []
    assert await upkeep.run_once(core) == Round()


@pytest.mark.on_files("nobody can make an object of a bucket older")
async def test_bytes_an_image_points_at_are_never_touched(
    core: Core, admin: Principal, shirt: int, clock: Clock
) -> None:
    kept, gone = await make_image(core, admin, shirt, SHIRT), await make_image(core, admin, shirt, SHIRT)
    await images.remove_from_product(core, admin, shirt, gone.id)
    key = (await original_of(core, admin.account_id, kept.id)).key
    age(path_of(core, key), 90 * DAY_S)

    clock.advance(90 * DAY_S)
    assert await upkeep.run_once(core) == Round(given_up=1)
    clock.advance(90 * DAY_S)
    assert await upkeep.run_once(core) == Round()

    assert await bytes_of(core, admin.account_id, kept.id) == SHIRT


async def test_replaced_pictures_are_collected_like_deleted_ones(
    core: Core, admin: Principal, shirt: int, clock: Clock
) -> None:
    await make_image(core, admin, shirt, SHIRT, "detail")
    second = await make_image(core, admin, shirt, MUG, "detail")

    clock.advance(2 * HOUR_S)
    assert await dooming(core, clock) == 1
    clock.advance(2 * DAY_S)
    assert await upkeep.reap(core) == 1

    assert await bytes_of(core, admin.account_id, second.id) == MUG
    assert len(await keys_of(core)) == 1


async def test_blobs_found_corrupt_are_collected_once_their_images_are_healed(
    core: Core, admin: Principal, shirt: int, clock: Clock
) -> None:
    first = await make_image(core, admin, shirt, SHIRT)
    path_of(core, (await original_of(core, admin.account_id, first.id)).key).unlink()
    await make_image(core, admin, shirt, SHIRT)

    clock.advance(2 * HOUR_S)
    assert await upkeep.doom(core) == 1
    clock.advance(2 * DAY_S)
    assert await upkeep.reap(core) == 1

    assert await blob_states(core) == ["live"]
    assert await bytes_of(core, admin.account_id, first.id) == SHIRT


async def test_a_doomed_blob_never_comes_back(core: Core, admin: Principal, shirt: int, clock: Clock) -> None:
    old_key = await make_orphan(core, admin, shirt, SHIRT)
    clock.advance(2 * HOUR_S)
    await upkeep.doom(core)

    image = await make_image(core, admin, shirt, SHIRT)

    assert (await original_of(core, admin.account_id, image.id)).key != old_key
    assert await blob_states(core) == ["doomed", "live"]
    clock.advance(2 * DAY_S)
    assert await upkeep.reap(core) == 1
    assert await bytes_of(core, admin.account_id, image.id) == SHIRT


async def test_an_orphan_that_is_shared_again_in_time_lives_on(
    core: Core, admin: Principal, shirt: int, clock: Clock
) -> None:
    key = await make_orphan(core, admin, shirt, SHIRT)
    clock.advance(2 * HOUR_S)

    image = await make_image(core, admin, shirt, SHIRT)
    assert await upkeep.doom(core) == 0

    assert (await original_of(core, admin.account_id, image.id)).key == key


async def test_more_orphans_than_one_batch_are_all_collected(
    core: Core, admin: Principal, shirt: int, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "BATCH", 3)
    for number in range(1, 8):
        await make_orphan(core, admin, shirt, pictures.png(number, 1))

    clock.advance(2 * HOUR_S)
    assert await upkeep.doom(core) == 7
    clock.advance(2 * DAY_S)
    assert await upkeep.reap(core) == 7

    assert await keys_of(core) == set()


@pytest.mark.on_files("nobody can make an object of a bucket older")
async def test_files_nobody_knows_are_swept_once_they_are_old(core: Core, admin: Principal, shirt: int) -> None:
    await make_image(core, admin, shirt, SHIRT)
    (known,) = await keys_of(core)
    old, young = new_key("ab" * 32), new_key("ab" * 32)
    for key in (old, young):
        await core.blobs.put(key, b"left by an upload that was never committed")
    for key in (old, known):
        age(path_of(core, key), DAY_S + 5)

    assert await upkeep.sweep(core) == 1

    assert await keys_of(core) == {known, young}


@pytest.mark.on_files("nobody can make an object of a bucket older")
async def test_doomed_bytes_wait_for_the_reaper_however_old_they_are(
    core: Core, admin: Principal, shirt: int, clock: Clock
) -> None:
    key = await make_orphan(core, admin, shirt, SHIRT)
    clock.advance(2 * HOUR_S)
    await upkeep.doom(core)
    age(path_of(core, key), 9 * DAY_S)

    assert await upkeep.sweep(core) == 0

    assert await keys_of(core) == {key}


async def test_images_of_a_session_go_when_their_time_is_over_and_their_bytes_like_others(
    core: Core, admin: Principal, clock: Clock
) -> None:
    temporary = await make_library_image(core, admin, SHIRT, Place("temporary", "session 1"))
    kept = await make_library_image(core, admin, MUG)
    assert temporary.address is not None
    clock.advance(core.libraries.temporary_s - 1)
    assert await upkeep.run_once(core) == Round()
    assert (await renditions.picture_at(core, temporary.address[4:])).original.intact
    clock.advance(1)

    with pytest.raises(NotFound):
        await renditions.picture_at(core, temporary.address[4:])
    assert await upkeep.run_once(core) == Round(doomed=1, expired=1)

    assert await core.db.all("SELECT guid FROM image") == [(kept.guid,)]
    assert await blob_states(core) == ["doomed", "live"]


@pytest.mark.on_files("nobody can make an object of a bucket older")
@pytest.mark.usefixtures("admin")
async def test_a_sweep_of_a_share_leaves_the_others_alone(core: Core) -> None:
    keys = [new_key(f"{digits}{'0' * 60}") for digits in ("0000", "7fff", "8000", "ffff")]
    for key in keys:
        await core.blobs.put(key, SHIRT)
        age(path_of(core, key), DAY_S + 5)

    assert await upkeep.sweep(core, ("7fff", "8000")) == 1

    assert await keys_of(core) == {keys[0], *keys[2:]}
    assert await upkeep.sweep(core, ("8000", "g")) == 2
    assert await upkeep.sweep(core) == 1


@pytest.mark.parametrize("every_s", [1, 600, HOUR_S, DAY_S - 1, DAY_S, 7 * DAY_S])
def test_the_shares_of_a_day_have_every_key_in_them(every_s: int) -> None:
    # One more, since a day need not be a whole number of rounds.
    shares = [upkeep.share_of(number, every_s) for number in range(7, 8 + -(-DAY_S // every_s))]

    spans = sorted((int(first, 16), 1 << 16 if last == "g" else int(last, 16)) for first, last in shares)

    assert all(first < last for first, last in spans)
    reached = 0
    for first, last in spans:
        assert first <= reached
        reached = max(reached, last)
    assert reached == 1 << 16


async def test_a_round_sweeps_uploads_that_were_never_finished(core: Core, tmp_path: Path) -> None:
    for name, seconds in (("old", DAY_S + 5), ("young", 5)):
        path = tmp_path / "data" / "staging" / name
        path.write_bytes(b"half")
        age(path, seconds)

    assert await upkeep.run_once(core) == Round(staging=1)

    assert [path.name for path in (tmp_path / "data" / "staging").iterdir()] == ["young"]


async def test_a_blob_that_an_image_points_at_cannot_be_forgotten(core: Core, admin: Principal, shirt: int) -> None:
    image = await make_image(core, admin, shirt, SHIRT)
    await core.db.write(lambda tx: tx.run("UPDATE blob SET state = 'doomed', doomed_at = 0"))

    with pytest.raises(Conflict):
        await core.db.write(lambda tx: blob_rows.forget(tx, 1))

    assert await images.get(core, admin, shirt, image.id) == image


async def test_a_live_blob_is_not_forgotten(core: Core, admin: Principal, shirt: int) -> None:
    await make_orphan(core, admin, shirt, SHIRT)

    await core.db.write(lambda tx: blob_rows.forget(tx, 1))

    assert await blob_states(core) == ["live"]


async def test_a_reap_that_was_killed_after_the_unlink_is_repeated(
    at_once: Core, admin: Principal, shirt: int, clock: Clock
) -> None:
    key = await make_orphan(at_once, admin, shirt, SHIRT)
    await dooming(at_once, clock)
    await at_once.blobs.delete(key)

    assert await reaping(at_once, clock) == 1

    assert await blob_states(at_once) == []


class Stubborn:
    """A store that deletes nothing."""

    def __init__(self, inside: BlobStore) -> None:
        self._inside = inside

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inside, name)

    async def delete(self, _: str) -> None:
        raise Unavailable("blob store")


async def test_a_store_that_deletes_nothing_keeps_the_row_for_the_next_round(
    at_once: Core, admin: Principal, shirt: int, clock: Clock
) -> None:
    await make_orphan(at_once, admin, shirt, SHIRT)
    await dooming(at_once, clock)
    store: Any = Stubborn(at_once.blobs)

    with pytest.raises(Unavailable):
        await reaping(dataclasses.replace(at_once, blobs=store), clock)

    assert await blob_states(at_once) == ["doomed"]
    assert await reaping(at_once, clock) == 1


async def rounds(core: Core, seconds: float = 0.5) -> "asyncio.Task[None]":
    """Upkeep for ever, that long."""
    quick = dataclasses.replace(core, upkeep=UpkeepSettings(every_s=0))
    task = asyncio.create_task(upkeep.run_for_ever(quick))
    await asyncio.wait([task], timeout=seconds)
    return task


async def test_upkeep_goes_on_after_a_round_that_failed(
    core: Core, admin: Principal, shirt: int, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    await make_orphan(core, admin, shirt, SHIRT)
    clock.advance(2 * HOUR_S)
    await upkeep.doom(core)
    clock.advance(2 * DAY_S)
    store: Any = Stubborn(core.blobs)

    task = await rounds(dataclasses.replace(core, blobs=store))

    assert not task.done()
    task.cancel()
    assert "upkeep failed" in capsys.readouterr().out


async def test_upkeep_survives_a_staging_folder_that_is_gone(core: Core, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "data" / "staging")

    task = await rounds(core)

    assert not task.done()
    task.cancel()


async def test_upkeep_says_what_it_did(
    core: Core, admin: Principal, shirt: int, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    await make_orphan(core, admin, shirt, SHIRT)
    clock.advance(2 * HOUR_S)

    task = await rounds(core)

    task.cancel()
    assert "doomed=1" in capsys.readouterr().out
    assert await blob_states(core) == ["doomed"]


# Renditions

NAME = "1-400x400.png"


async def test_renditions_go_when_their_original_is_doomed(
    core: Core, admin: Principal, shirt: int, clock: Clock
) -> None:
    kept = await make_image(core, admin, shirt, MUG)
    keys = [await make_orphan(core, admin, shirt, SHIRT), (await original_of(core, admin.account_id, kept.id)).key]
    for key in keys:
        for name in (NAME, "1-200x200.png"):
            await core.renditions.keep(key, name, "image/png", b"a rendition")

    assert await upkeep.run_once(core) == Round()  # the orphan may be shared again
    clock.advance(HOUR_S + 1)

    assert await upkeep.run_once(core) == Round(doomed=1, renditions=2)
    assert await core.renditions.of_keys() == {keys[1]}
    assert await upkeep.run_once(core) == Round()


@pytest.mark.parametrize("state", ["live", "corrupt", "doomed", "gone"])
async def test_renditions_stay_while_an_image_may_point_at_their_original(
    core: Core, admin: Principal, shirt: int, state: str
) -> None:
    image = await make_image(core, admin, shirt, SHIRT)
    key = (await original_of(core, admin.account_id, image.id)).key
    await core.renditions.keep(key if state != "gone" else new_key("ab" * 32), NAME, "image/png", b"a rendition")
    if state in {"corrupt", "doomed"}:
        await core.db.write(lambda tx: tx.run("UPDATE blob SET state = ?1", state))

    assert await upkeep.sweep_renditions(core) == (state in {"doomed", "gone"})


async def test_a_rendition_that_was_under_way_when_its_original_went_is_found_by_the_next_round(
    at_once: Core, admin: Principal, shirt: int, clock: Clock
) -> None:
    key = await make_orphan(at_once, admin, shirt, SHIRT)
    await upkeep_of_everything(at_once, clock)

    await at_once.renditions.keep(key, NAME, "image/png", b"a rendition")

    assert await upkeep.run_once(at_once) == Round(renditions=1)
    assert await at_once.renditions.of_keys() == set()


async def test_a_round_counts_and_trims_what_is_kept(core: Core, admin: Principal, shirt: int, tmp_path: Path) -> None:
    image = await make_image(core, admin, shirt, SHIRT)
    key = (await original_of(core, admin.account_id, image.id)).key
    for number in range(10):
        await core.renditions.keep(key, f"1-{number + 1}x.png", "image/png", bytes(936))
    smaller = Renditions(tmp_path / "data" / "renditions", 5_000, core.threads)

    assert await upkeep.run_once(dataclasses.replace(core, renditions=smaller)) == Round(renditions=6)

    assert smaller.held_bytes == 4_000


async def test_what_is_kept_is_counted_as_soon_as_upkeep_begins(core: Core, tmp_path: Path) -> None:
    await core.renditions.keep(new_key("ab" * 32), NAME, "image/png", bytes(936))
    again = Renditions(tmp_path / "data" / "renditions", 5_000, core.threads)

    task = asyncio.create_task(upkeep.run_for_ever(dataclasses.replace(core, renditions=again)))
    for _ in range(1_000):
        await asyncio.sleep(0.002)
        if again.held_bytes:
            break
    task.cancel()

    assert again.held_bytes == 1_000
