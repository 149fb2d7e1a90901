"""What every blob store does, whatever it keeps the bytes on: each test begins with an empty one."""

import asyncio
import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import bucket
from build import fail_loudly
from packshot.domain.errors import Unavailable
from packshot.storage.blobs import BlobStore
from packshot.storage.blobs.s3 import S3Blobs, open_bucket
from packshot.storage.blobs.staging import Staging
from storage.blobs.opening import AN_HOUR_S, key_for, noise, opened, stored, streamed, uploaded


def in_a_bucket(root: Path, threads: ThreadPoolExecutor) -> BlobStore:
    staging = Staging(root / "staging", threads, fail_loudly)
    staging.folder.mkdir()
    return S3Blobs(open_bucket(bucket.new()), staging)


STORES: dict[str, Callable[[Path, ThreadPoolExecutor], BlobStore]] = {"disk": opened, "S3": in_a_bucket}

THREE_MB = 3 * 1024 * 1024
PIECE = 256 * 1024


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path, threads: ThreadPoolExecutor) -> BlobStore:
    return STORES[request.param](tmp_path, threads)


async def test_bytes_come_back_as_they_were_put(store: BlobStore) -> None:
    data = noise(1_000)

    key = await stored(store, data)

    assert await store.read(key, 0, len(data)) == data
    assert await streamed(store, key, 0, len(data)) == data


async def test_every_kind_of_bytes_is_taken(store: BlobStore) -> None:
    data = noise(1_000)

    for kind in (bytes, bytearray, memoryview):
        key = key_for(data)
        await store.put(key, kind(data))

        assert await store.read(key, 0, len(data)) == data


async def test_nothing_is_something_to_store(store: BlobStore) -> None:
    key = await stored(store, b"")

    assert await store.find_size(key) == 0
    assert await store.read(key, 0, 0) == b""
    assert await streamed(store, key, 0, 0) == b""


async def test_three_megabytes_come_back(store: BlobStore) -> None:
    data = noise(THREE_MB)

    key = await stored(store, data)

    assert await store.find_size(key) == THREE_MB
    assert await store.read(key, 0, THREE_MB) == data
    assert await streamed(store, key, 0, THREE_MB) == data


async def test_any_range_can_be_read(store: BlobStore) -> None:
    data = noise(THREE_MB)
    key = await stored(store, data)
    edges = [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, THREE_MB - 1, THREE_MB]

    for start in edges:
        for end in (edge for edge in edges if edge >= start):
            assert await store.read(key, start, end) == data[start:end]
            assert await streamed(store, key, start, end) == data[start:end]


async def test_a_stream_comes_in_pieces_of_bounded_size(store: BlobStore) -> None:
    key = await stored(store, noise(THREE_MB))

    pieces = [len(piece) async for piece in store.stream(key, 0, THREE_MB)]

    assert max(pieces) <= PIECE
    assert sum(pieces) == THREE_MB


async def test_a_size_is_that_of_the_bytes_or_none(store: BlobStore) -> None:
    key = await stored(store, noise(777))

    assert await store.find_size(key) == 777
    assert await store.find_size(key_for(b"never stored")) is None


async def test_a_key_that_is_not_there_cannot_be_read(store: BlobStore) -> None:
    key = key_for(b"never stored")

    with pytest.raises(Unavailable):
        await store.read(key, 0, 1)
    with pytest.raises(Unavailable):
        await streamed(store, key, 0, 1)


async def test_more_bytes_than_there_are_cannot_be_read(store: BlobStore) -> None:
    key = await stored(store, noise(100))

    with pytest.raises(Unavailable):
        await store.read(key, 0, 101)
    with pytest.raises(Unavailable):
        await streamed(store, key, 50, 200)


async def test_deleted_bytes_are_gone(store: BlobStore) -> None:
    key = await stored(store, b"some bytes")

    await store.delete(key)

    assert await store.find_size(key) is None
    assert await store.of_keys(0) == []


async def test_deleting_twice_is_fine(store: BlobStore) -> None:
    key, other = await stored(store, b"some bytes"), await stored(store, b"others")

    await store.delete(key)
    await store.delete(key)

    assert await store.of_keys(0) == [other]


async def test_equal_bytes_have_a_life_of_their_own_under_each_key(store: BlobStore) -> None:
    data = b"the same bytes"
    first, second = await stored(store, data), await stored(store, data)

    await store.delete(first)

    assert first != second
    assert await store.read(second, 0, len(data)) == data


async def test_keys_are_listed_by_the_age_of_their_bytes(store: BlobStore) -> None:
    keys = {await stored(store, bytes([number])) for number in range(20)}

    assert set(await store.of_keys(0)) == keys
    assert await store.of_keys(AN_HOUR_S) == []


async def test_keys_are_listed_in_pages_in_their_order(store: BlobStore) -> None:
    keys = sorted([await stored(store, bytes([number])) for number in range(20)])

    pages = [await store.of_keys(0, "", 7)]
    while pages[-1]:
        pages.append(await store.of_keys(0, pages[-1][-1], 7))

    assert [key for page in pages for key in page] == keys
    assert [len(page) for page in pages] == [7, 7, 6, 0]
    assert await store.of_keys(0, keys[3][:4]) == keys[3:]
    assert await store.of_keys(0, "ffff") == []


async def test_an_empty_store_has_no_keys(store: BlobStore) -> None:
    assert await store.of_keys(0) == []
    assert await store.sweep_staging(0) == 0


async def test_finished_uploads_are_no_staging_to_sweep(store: BlobStore) -> None:
    key = await stored(store, b"some bytes")

    assert await store.sweep_staging(0) == 0
    assert await store.find_size(key) == 10


async def test_many_puts_at_once_are_all_kept(store: BlobStore) -> None:
    contents = [noise(size) for size in range(1, 60)]

    keys = await asyncio.gather(*(stored(store, data) for data in contents))

    assert [await store.read(key, 0, len(data)) for key, data in zip(keys, contents, strict=True)] == contents
    assert set(await store.of_keys(0)) == set(keys)


async def test_an_upload_in_pieces_is_stored_whole(store: BlobStore) -> None:
    data = noise(THREE_MB)
    staged = await uploaded(store, data[:1], data[1:PIECE], data[PIECE:])
    key = key_for(data)

    assert (staged.size_bytes, staged.digest.hexdigest()) == (THREE_MB, hashlib.sha256(data).hexdigest())
    assert bytes(store.view(staged)) == data
    assert await store.of_keys(0) == []
    await store.put(key, staged)
    await store.discard(staged)

    assert await streamed(store, key, 0, THREE_MB) == data
    assert await store.sweep_staging(0) == 0


async def test_an_upload_of_nothing_is_stored_too(store: BlobStore) -> None:
    staged = store.stage()

    assert bytes(store.view(staged)) == b""
    await store.put(key_for(b""), staged)

    assert [key.partition(".")[0] for key in await store.of_keys(0)] == [hashlib.sha256(b"").hexdigest()]


async def test_a_discarded_upload_leaves_nothing(store: BlobStore) -> None:
    for staged in (store.stage(), await uploaded(store, noise(1_000))):
        await store.discard(staged)
        await store.discard(staged)

    assert await store.of_keys(0) == []
    assert await store.sweep_staging(0) == 0


async def test_an_upload_under_way_can_be_swept_once_it_is_old(store: BlobStore) -> None:
    staged = await uploaded(store, noise(1_000))

    assert await store.sweep_staging(AN_HOUR_S) == 0
    assert await store.sweep_staging(0) == 1

    with pytest.raises(Unavailable):
        await store.put(key_for(noise(1_000)), staged)


async def test_what_comes_after_the_end_of_an_upload_is_not_taken(store: BlobStore) -> None:
    discarded, kept = await uploaded(store, noise(10)), await uploaded(store, noise(10))
    await store.discard(discarded)
    await store.put(key_for(noise(10)), kept)

    for staged in (discarded, kept):
        with pytest.raises(Unavailable):
            await store.append(staged, noise(10))
        with pytest.raises(Unavailable):
            await store.put(key_for(noise(10)), staged)

    assert len(await store.of_keys(0)) == 1
    assert await store.sweep_staging(0) == 0


async def test_an_upload_under_way_can_be_looked_at_as_a_file(store: BlobStore) -> None:
    staged = await uploaded(store, b"the first ", b"pieces")

    with store.opened(staged) as file:
        assert file.read() == b"the first pieces"

    await store.discard(staged)
    with pytest.raises(Unavailable):
        store.opened(staged)


async def test_stored_bytes_are_there_as_a_file_that_others_can_be_lent(store: BlobStore) -> None:
    data = noise(PIECE + 1)
    key = await stored(store, data)

    with await store.file(key) as file:
        assert (file.tell(), file.read()) == (0, data)
        assert os.pread(file.fileno(), len(data), 0) == data
        with pytest.raises(OSError, match="not open for writing"):
            file.write(b"x")


async def test_a_file_that_was_opened_is_read_to_its_end_although_its_key_goes(store: BlobStore) -> None:
    data = noise(PIECE + 1)
    key = await stored(store, data)

    with await store.file(key) as file:
        await store.delete(key)

        assert file.read() == data


async def test_there_is_no_file_of_a_key_that_is_not_there(store: BlobStore) -> None:
    key = await stored(store, b"some bytes")
    await store.delete(key)

    for gone in (key, key_for(b"never stored")):
        with pytest.raises(Unavailable):
            await store.file(gone)


async def test_a_location_is_below_the_data_folder_and_has_just_the_bytes(store: BlobStore, tmp_path: Path) -> None:
    key = await stored(store, b"some bytes")

    location = store.location(key)

    assert location is None or (tmp_path / location).read_bytes() == b"some bytes"


async def test_bytes_become_visible_all_at_once(store: BlobStore) -> None:
    data = noise(THREE_MB)
    key = key_for(data)
    staged = await uploaded(store, *(data[at : at + PIECE] for at in range(0, THREE_MB, PIECE)))
    sizes = [await store.find_size(key)]

    putting = asyncio.create_task(store.put(key, staged))
    while not putting.done():
        sizes.append(await store.find_size(key))
        assert set(await store.of_keys(0)) <= {key}
        if sizes[-1] is not None:
            assert await store.read(key, 0, THREE_MB) == data
    await putting

    assert set(sizes) <= {None, THREE_MB}
    assert sizes[0] is None
    assert await store.find_size(key) == THREE_MB


async def test_a_put_whose_caller_goes_away_is_there_whole_or_not_at_all(store: BlobStore) -> None:
    data = noise(THREE_MB)
    key = key_for(data)
    putting = asyncio.create_task(store.put(key, data))
    await asyncio.sleep(0)

    putting.cancel()
    await asyncio.wait([putting])

    assert await store.find_size(key) in {None, THREE_MB}
    await store.sweep_staging(0)
    assert await store.find_size(key) in {None, THREE_MB}


async def test_one_upload_that_is_given_up_leaves_the_others_alone(store: BlobStore) -> None:
    data = noise(1_000)
    given_up, kept = await uploaded(store, data), await uploaded(store, data)

    await store.discard(given_up)
    key = key_for(data)
    await store.put(key, kept)

    assert await store.read(key, 0, 1_000) == data
