"""What only a store in a bucket does; all that every store does is in test_suite.py."""

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import obstore
import pytest
from obstore.store import S3Store

import bucket
from build import fail_loudly
from packshot.domain.errors import Unavailable
from packshot.storage.blobs import s3
from packshot.storage.blobs.s3 import S3Blobs, open_bucket
from packshot.storage.blobs.staging import Staging
from storage.blobs.opening import key_for, noise, stored, uploaded

Opened = Callable[[S3Store], S3Blobs]


@pytest.fixture
def opened(tmp_path: Path, threads: ThreadPoolExecutor) -> Opened:
    def blobs(place: S3Store) -> S3Blobs:
        store = S3Blobs(place, Staging(tmp_path / "staging", threads, fail_loudly), tmp_path / "mirror")
        store.prepare()
        return store

    return blobs


async def test_what_goes_there_goes_with_its_sha_256(opened: Opened) -> None:
    place = open_bucket(bucket.new())
    data = noise(100)

    key = await stored(opened(place), data)

    (found,) = obstore.list(place).collect()
    assert found["path"] == f"blobs/{key[:2]}/{key}"
    assert place.config["checksum_algorithm"].lower() == "sha256"
    assert key.startswith(hashlib.sha256(data).hexdigest())


async def test_a_try_that_came_through_without_its_answer_is_no_error_the_second_time(opened: Opened) -> None:
    store = opened(open_bucket(bucket.new()))
    data = noise(100)
    key = key_for(data)

    await store.put(key, data)
    await store.put(key, data)

    assert await store.read(key, 0, 100) == data


async def test_a_large_upload_goes_there_in_parts_and_leaves_no_staging(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(s3, "PART_BYTES", 5 * 1024 * 1024)
    place = open_bucket(bucket.new())
    store = opened(place)
    data = noise(11 * 1024 * 1024)

    key = key_for(data)
    await store.put(key, await uploaded(store, data[:1_000_000], data[1_000_000:]))

    assert str(obstore.head(place, f"blobs/{key[:2]}/{key}")["e_tag"]).endswith('-3"')
    assert b"".join([piece async for piece in store.stream(key, 0, len(data))]) == data
    assert list((tmp_path / "staging").iterdir()) == []


async def test_other_objects_in_the_bucket_are_no_blobs(opened: Opened) -> None:
    place = open_bucket(bucket.new())
    obstore.put(place, "blobs/ab/notes.txt", b"mine")
    store = opened(place)

    key = await stored(store, b"some bytes")

    assert await store.of_keys(0) == [key]


async def test_a_lost_object_comes_from_the_mirror(opened: Opened, tmp_path: Path) -> None:
    store = opened(open_bucket(bucket.new()))
    data = noise(300_000)
    key = key_for(data)
    copy = tmp_path / "mirror" / key[:2] / key
    copy.parent.mkdir(parents=True)
    copy.write_bytes(data)

    assert [piece async for piece in store.scan(key)] == []
    assert b"".join([piece async for piece in store.scan_copy(key)]) == data


async def test_a_bucket_that_does_not_answer_is_unavailable(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket.new()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{bucket.free_port()}")
    store = opened(open_bucket("s3://nowhere/shop"))
    key = key_for(b"some bytes")

    with pytest.raises(Unavailable):
        await store.put(key, b"some bytes")
    with pytest.raises(Unavailable):
        await store.put(key, await uploaded(store, b"some bytes"))
    for asking in (store.find_size(key), store.read(key, 0, 1), store.file(key), store.delete(key), store.of_keys(0)):
        with pytest.raises(Unavailable):
            await asking


async def test_a_wrong_secret_is_unavailable(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    url = bucket.new()
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")

    with pytest.raises(Unavailable):
        await stored(opened(open_bucket(url)), b"some bytes")
