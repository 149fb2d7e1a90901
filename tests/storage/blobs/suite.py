"""What every blob store must do, whatever it keeps the bytes on: each check takes an empty store."""

import asyncio
import hashlib
import random
from collections.abc import Awaitable, Callable

import pytest

from packshot.domain.errors import Unavailable
from packshot.storage.blobs import BlobStore, Staged, new_key

THREE_MB = 3 * 1024 * 1024
PIECE = 256 * 1024
AN_HOUR_S = 3_600


def noise(size_bytes: int) -> bytes:
    return random.Random(size_bytes).randbytes(size_bytes)


def key_for(data: bytes) -> str:
    return new_key(hashlib.sha256(data).hexdigest())


async def stored(store: BlobStore, data: bytes) -> str:
    """The key of the bytes just stored."""
    key = key_for(data)
    await store.put(key, data)
    return key


async def streamed(store: BlobStore, key: str, start: int, end: int) -> bytes:
    return b"".join([piece async for piece in store.stream(key, start, end)])


async def bytes_come_back_as_they_were_put(store: BlobStore) -> None:
    data = noise(1_000)

    key = await stored(store, data)

    assert store.read_now(key, 0, len(data)) == data
    assert await streamed(store, key, 0, len(data)) == data


async def every_kind_of_bytes_is_taken(store: BlobStore) -> None:
    data = noise(1_000)

    for kind in (bytes, bytearray, memoryview):
        key = key_for(data)
        await store.put(key, kind(data))

        assert store.read_now(key, 0, len(data)) == data


async def nothing_is_something_to_store(store: BlobStore) -> None:
    key = await stored(store, b"")

    assert await store.find_size(key) == 0
    assert store.read_now(key, 0, 0) == b""
    assert await streamed(store, key, 0, 0) == b""


async def three_megabytes_come_back(store: BlobStore) -> None:
    data = noise(THREE_MB)

    key = await stored(store, data)

    assert await store.find_size(key) == THREE_MB
    assert store.read_now(key, 0, THREE_MB) == data
    assert await streamed(store, key, 0, THREE_MB) == data


async def any_range_can_be_read(store: BlobStore) -> None:
    data = noise(THREE_MB)
    key = await stored(store, data)
    edges = [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, THREE_MB - 1, THREE_MB]

    for start in edges:
        for end in (edge for edge in edges if edge >= start):
            assert store.read_now(key, start, end) == data[start:end]
            assert await streamed(store, key, start, end) == data[start:end]


async def a_stream_comes_in_pieces_of_bounded_size(store: BlobStore) -> None:
    key = await stored(store, noise(THREE_MB))

    pieces = [len(piece) async for piece in store.stream(key, 0, THREE_MB)]

    assert max(pieces) <= PIECE
    assert sum(pieces) == THREE_MB


async def a_size_is_that_of_the_bytes_or_none(store: BlobStore) -> None:
    key = await stored(store, noise(777))

    assert await store.find_size(key) == 777
    assert await store.find_size(key_for(b"never stored")) is None


async def a_key_that_is_not_there_cannot_be_read(store: BlobStore) -> None:
    key = key_for(b"never stored")

    with pytest.raises(Unavailable):
        store.read_now(key, 0, 1)
    with pytest.raises(Unavailable):
        await streamed(store, key, 0, 1)


async def more_bytes_than_there_are_cannot_be_read(store: BlobStore) -> None:
    key = await stored(store, noise(100))

    with pytest.raises(Unavailable):
        store.read_now(key, 0, 101)
    with pytest.raises(Unavailable):
        await streamed(store, key, 50, 200)


async def deleted_bytes_are_gone(store: BlobStore) -> None:
    key = await stored(store, b"some bytes")

    await store.delete(key)

    assert await store.find_size(key) is None
    assert await store.of_keys(0) == []


async def deleting_twice_is_fine(store: BlobStore) -> None:
    key, other = await stored(store, b"some bytes"), await stored(store, b"others")

    await store.delete(key)
    await store.delete(key)

    assert await store.of_keys(0) == [other]


async def equal_bytes_have_a_life_of_their_own_under_each_key(store: BlobStore) -> None:
    data = b"the same bytes"
    first, second = await stored(store, data), await stored(store, data)

    await store.delete(first)

    assert first != second
    assert store.read_now(second, 0, len(data)) == data


async def keys_are_listed_by_the_age_of_their_bytes(store: BlobStore) -> None:
    keys = {await stored(store, bytes([number])) for number in range(20)}

    assert set(await store.of_keys(0)) == keys
    assert await store.of_keys(AN_HOUR_S) == []


async def an_empty_store_has_no_keys(store: BlobStore) -> None:
    assert await store.of_keys(0) == []
    assert await store.sweep_staging(0) == 0


async def finished_uploads_are_no_staging_to_sweep(store: BlobStore) -> None:
    key = await stored(store, b"some bytes")

    assert await store.sweep_staging(0) == 0
    assert await store.find_size(key) == 10


async def many_puts_at_once_are_all_kept(store: BlobStore) -> None:
    contents = [noise(size) for size in range(1, 60)]

    keys = await asyncio.gather(*(stored(store, data) for data in contents))

    assert [store.read_now(key, 0, len(data)) for key, data in zip(keys, contents, strict=True)] == contents
    assert set(await store.of_keys(0)) == set(keys)


async def uploaded(store: BlobStore, *pieces: bytes) -> Staged:
    """An upload of these pieces that was not put yet."""
    staged = store.stage()
    for piece in pieces:
        await store.append(staged, piece)
    return staged


async def an_upload_in_pieces_is_stored_whole(store: BlobStore) -> None:
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


async def an_upload_of_nothing_is_stored_too(store: BlobStore) -> None:
    staged = store.stage()

    assert bytes(store.view(staged)) == b""
    await store.put(key_for(b""), staged)

    assert [key.partition(".")[0] for key in await store.of_keys(0)] == [hashlib.sha256(b"").hexdigest()]


async def a_discarded_upload_leaves_nothing(store: BlobStore) -> None:
    for staged in (store.stage(), await uploaded(store, noise(1_000))):
        await store.discard(staged)
        await store.discard(staged)

    assert await store.of_keys(0) == []
    assert await store.sweep_staging(0) == 0


async def an_upload_under_way_can_be_swept_once_it_is_old(store: BlobStore) -> None:
    staged = await uploaded(store, noise(1_000))

    assert await store.sweep_staging(AN_HOUR_S) == 0
    assert await store.sweep_staging(0) == 1

    with pytest.raises(Unavailable):
        await store.put(key_for(noise(1_000)), staged)


async def what_comes_after_the_end_of_an_upload_is_not_taken(store: BlobStore) -> None:
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


CHECKS: list[Callable[[BlobStore], Awaitable[None]]] = [
    bytes_come_back_as_they_were_put,
    every_kind_of_bytes_is_taken,
    nothing_is_something_to_store,
    three_megabytes_come_back,
    any_range_can_be_read,
    a_stream_comes_in_pieces_of_bounded_size,
    a_size_is_that_of_the_bytes_or_none,
    a_key_that_is_not_there_cannot_be_read,
    more_bytes_than_there_are_cannot_be_read,
    deleted_bytes_are_gone,
    deleting_twice_is_fine,
    equal_bytes_have_a_life_of_their_own_under_each_key,
    keys_are_listed_by_the_age_of_their_bytes,
    an_empty_store_has_no_keys,
    finished_uploads_are_no_staging_to_sweep,
    many_puts_at_once_are_all_kept,
    an_upload_in_pieces_is_stored_whole,
    an_upload_of_nothing_is_stored_too,
    a_discarded_upload_leaves_nothing,
    an_upload_under_way_can_be_swept_once_it_is_old,
    what_comes_after_the_end_of_an_upload_is_not_taken,
]
