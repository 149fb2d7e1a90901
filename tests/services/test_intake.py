"""Uploads are decoded before they are acknowledged: by an image worker, never by us."""

import asyncio
import dataclasses
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import pictures
from build import Clock, fail_loudly, make_image, make_product, vendor_sample
from packshot import app
from packshot.config import Settings
from packshot.domain.access import Principal
from packshot.domain.errors import Unavailable, UndecodableImage
from packshot.imaging.pool import WorkerSettings
from packshot.protocols.bitrix.uploads import decode
from packshot.services import hosting, images, originals, setup
from packshot.services.core import Core, IntakeSettings
from packshot.services.hosting import Described
from packshot.services.images import new_guid
from packshot.services.originals import Upload

SETTINGS = Settings(workers=WorkerSettings(count=1))


@pytest.fixture
async def strict(tmp_path: Path, clock: Clock) -> AsyncIterator[Core]:
    async with app.open_core(tmp_path / "strict", SETTINGS, fail_loudly, clock) as core:
        yield core


@pytest.fixture
async def owner(strict: Core) -> Principal:
    seed = await setup.create_account(strict)
    assert seed is not None
    return Principal(seed.account_id, seed.user_id, "administrator", setup.SCOPES, seed.webhook_id)


def photograph() -> bytes:
    """A JPEG of some 100 KB, the same on every run."""
    return pictures.jpeg_of_size(100_000)


def pictures_open() -> list[str]:
    """The pictures in memory that this process holds for its workers."""
    links = [str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return [link for link in links if "memfd:picture" in link]


async def rows(core: Core) -> list[tuple[int, int]]:
    return [(row[0], row[1]) for row in await core.db.all("SELECT (SELECT count(*) FROM image), count(*) FROM blob")]


async def test_a_cut_picture_is_refused_and_nothing_of_it_is_kept(strict: Core, owner: Principal) -> None:
    shirt, whole = await make_product(strict, owner), photograph()

    with pytest.raises(UndecodableImage):
        await make_image(strict, owner, shirt, whole[: len(whole) // 2], name="cut.jpeg")

    assert await rows(strict) == [(0, 0)]
    assert await strict.blobs.of_keys(0) == []


async def test_sound_pictures_are_taken_from_the_event_loop_and_from_a_thread(strict: Core, owner: Principal) -> None:
    shirt = await make_product(strict, owner)
    small, large = pictures.png(), photograph()
    assert len(small) < originals.INLINE_BYTES < len(large)

    await make_image(strict, owner, shirt, small)
    await make_image(strict, owner, shirt, large)

    assert await rows(strict) == [(2, 2)]


async def test_the_vendors_own_sample_of_two_pictures_in_one_file_is_taken(strict: Core, owner: Principal) -> None:
    shirt = await make_product(strict, owner)

    await make_image(strict, owner, shirt, decode(vendor_sample()))

    assert await rows(strict) == [(1, 1)]


async def test_a_cut_print_file_is_refused_where_it_lies(strict: Core, owner: Principal) -> None:
    whole = photograph()

    async with originals.staging(strict) as staged:
        await originals.append(strict, staged, whole[: len(whole) // 2])
        with pytest.raises(UndecodableImage):
            await hosting.add(strict, owner, Described(guid=new_guid()), staged)

    assert await rows(strict) == [(0, 0)]
    assert not staged.path.exists()


async def test_a_sound_print_file_is_taken(strict: Core, owner: Principal) -> None:
    async with originals.staging(strict) as staged:
        await originals.append(strict, staged, photograph())
        await hosting.add(strict, owner, Described(guid=new_guid()), staged)

    assert await rows(strict) == [(1, 1)]


async def test_who_trusts_pictures_has_their_headers_read_only(strict: Core, owner: Principal) -> None:
    trusting = dataclasses.replace(strict, intake=IntakeSettings("header"))
    shirt, whole = await make_product(trusting, owner), photograph()

    await make_image(trusting, owner, shirt, whole[: len(whole) // 2], name="cut.jpeg")

    assert await rows(trusting) == [(1, 1)]
    assert trusting.workers.free == 0  # none was ever started


async def test_an_upload_whose_caller_goes_away_leaves_no_worker_busy(strict: Core, owner: Principal) -> None:
    shirt, data = await make_product(strict, owner), photograph()
    await strict.workers.start()
    idle = strict.workers.free
    adding = asyncio.create_task(make_image(strict, owner, shirt, data))
    while strict.workers.free == idle:
        assert not adding.done()
        await asyncio.sleep(0)

    adding.cancel()
    await asyncio.gather(adding, return_exceptions=True)

    assert adding.cancelled()
    assert strict.workers.counts == {"cancelled": 1}
    assert await rows(strict) == [(0, 0)]
    await make_image(strict, owner, shirt, data)


async def test_an_upload_whose_caller_goes_away_while_it_is_read_leaves_no_file_open(
    strict: Core, owner: Principal
) -> None:
    shirt, data, begun, go_on = await make_product(strict, owner), photograph(), threading.Event(), threading.Event()

    def read() -> bytes:
        begun.set()
        go_on.wait()
        return data

    upload = Upload("a.jpeg", len(data), read)
    adding = asyncio.create_task(images.add_to_product(strict, owner, shirt, "more", upload))
    await asyncio.to_thread(begun.wait)
    adding.cancel()
    await asyncio.gather(adding, return_exceptions=True)
    go_on.set()
    await asyncio.to_thread(strict.threads.shutdown)
    await asyncio.sleep(0)

    assert adding.cancelled()
    assert not pictures_open()


async def test_without_a_worker_no_picture_is_taken(strict: Core, owner: Principal) -> None:
    shirt = await make_product(strict, owner)
    await strict.workers.close()

    with pytest.raises(Unavailable, match="The image worker is not available"):
        await make_image(strict, owner, shirt, pictures.png())

    assert await rows(strict) == [(0, 0)]
