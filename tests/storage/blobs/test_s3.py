"""What only a store in a bucket does; all that every store does is in test_suite.py."""

import asyncio
import base64
import hashlib
import re
import resource
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import obstore
import pytest
from obstore.store import S3Store
from structlog.testing import capture_logs

import bucket
from build import fail_loudly
from faultproxy import CUT_ANSWER, GARBLED, Fault, HttpProxy, only
from packshot.domain.errors import StoreFull, Unavailable
from packshot.storage.blobs import s3
from packshot.storage.blobs.s3 import S3Blobs, open_bucket
from packshot.storage.blobs.staging import Staging
from storage.blobs.opening import key_for, noise, stored, streamed, uploaded

Opened = Callable[[S3Store], S3Blobs]

FIVE_MB = 5 * 1024 * 1024


@pytest.fixture
def opened(tmp_path: Path, threads: ThreadPoolExecutor) -> Opened:
    def blobs(place: S3Store) -> S3Blobs:
        store = S3Blobs(place, Staging(tmp_path / "staging", threads, fail_loudly), tmp_path / "mirror")
        store.prepare()
        return store

    return blobs


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpProxy]:
    with HttpProxy(bucket.environment()["AWS_ENDPOINT_URL"]) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        yield proxy


def sha_256(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


async def test_small_bytes_go_there_in_one_request_that_overwrites_nothing_with_their_sha_256(
    opened: Opened, proxied: HttpProxy
) -> None:
    store = opened(open_bucket(bucket.new()))
    data = noise(100)

    for given in (data, await uploaded(store, data)):
        proxied.seen.clear()
        await store.put(key_for(data), given)

        put = proxied.seen[0]
        assert (put.method, put.size_bytes, put.headers["if-none-match"]) == ("PUT", 100, "*")
        assert put.headers["x-amz-checksum-sha256"] == sha_256(data)
        assert put.headers["x-amz-content-sha256"] == hashlib.sha256(data).hexdigest()
        assert "if-none-match" in re.split("[=;,]", put.headers["authorization"])


async def test_every_part_goes_there_with_its_sha_256(
    opened: Opened, proxied: HttpProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "PART_BYTES", FIVE_MB)
    store = opened(open_bucket(bucket.new()))
    data = noise(FIVE_MB + 100)

    await store.put(key_for(data), await uploaded(store, data))

    parts = [one for one in proxied.seen if "partNumber" in one.path]
    sums = {sha_256(data[:FIVE_MB]), sha_256(data[FIVE_MB:])}
    assert {part.headers["x-amz-checksum-sha256"] for part in parts} == sums
    assert proxied.seen[-1].method == "HEAD"  # whether all of it is there


@pytest.mark.parametrize("size_bytes", [100, FIVE_MB + 100])
async def test_what_is_garbled_on_its_way_is_refused_and_not_stored(
    opened: Opened, proxied: HttpProxy, monkeypatch: pytest.MonkeyPatch, size_bytes: int
) -> None:
    monkeypatch.setattr(s3, "PART_BYTES", FIVE_MB)
    store = opened(open_bucket(bucket.new()))
    data = noise(size_bytes)
    key = key_for(data)

    with proxied.having(only(GARBLED, "PUT")), pytest.raises(Unavailable) as refused:
        await store.put(key, await uploaded(store, data))

    assert not refused.value.unclear
    assert await store.find_size(key) is None
    assert await store.of_keys(0) == []


async def test_an_object_put_together_short_is_no_success(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "PART_BYTES", FIVE_MB)
    place = open_bucket(bucket.new())
    store = opened(place)
    data = noise(FIVE_MB + 100)
    really = obstore.put

    def half(bucket: S3Store, name: str, file: Any, **how: Any) -> Any:
        return really(bucket, name, file.read(len(data) // 2), **how)

    monkeypatch.setattr(obstore, "put", half)

    with pytest.raises(Unavailable):
        await store.put(key_for(data), await uploaded(store, data))


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


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (403, "InvalidAccessKeyId", "it does not know the access key"),
        (403, "SignatureDoesNotMatch", "the secret does not go with the access key"),
        (400, "ExpiredToken", "the session token is not good"),
        (403, "RequestTimeTooSkewed", "the clock of this machine is wrong"),
        (404, "NoSuchBucket", "there is no bucket of that name"),
        (403, "AccessDenied", "the credentials do not allow that"),
        (301, "PermanentRedirect", "it lies elsewhere"),
        (503, "SlowDown", "it has more to do than it can take"),
        (500, "InternalError", "it has failed"),
    ],
)
async def test_the_log_says_in_words_what_is_wrong_with_a_bucket_and_callers_hear_that_it_is_unavailable(
    opened: Opened, proxied: HttpProxy, status: int, code: str, words: str
) -> None:
    store = opened(open_bucket(bucket.new()))
    key = await stored(store, b"some bytes")
    proxied.have(Fault("none", status, code=code))

    with capture_logs() as logs:
        for asking in (
            store.put(key_for(b"others"), b"others"),
            store.put(key_for(b"others"), await uploaded(store, b"others")),
            store.find_size(key),
            store.read(key, 0, 1),
            streamed(store, key, 0, 1),
            store.file(key),
            store.delete(key),
            store.of_keys(0),
            anext(store.scan(key)),
        ):
            with pytest.raises(Unavailable):
                await asking

    assert any(words in log["why"] for log in logs)


async def test_a_bucket_without_room_is_full(opened: Opened, proxied: HttpProxy) -> None:
    proxied.have(Fault("none", 507, code="XMinioStorageFull"))

    with pytest.raises(StoreFull):
        await stored(opened(open_bucket(bucket.new())), b"some bytes")


async def test_a_real_bucket_refuses_wrong_credentials_with_words(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = bucket.new()
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")

    with capture_logs() as logs, pytest.raises(Unavailable):
        await stored(opened(open_bucket(url)), b"some bytes")

    assert logs[0]["why"] == "the secret does not go with the access key: see AWS_SECRET_ACCESS_KEY"
    assert "another" not in str(logs)


async def test_a_stream_goes_on_where_an_answer_broke_off(
    opened: Opened, proxied: HttpProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "_RETRIES", 0)
    store = opened(open_bucket(bucket.new()))
    data = noise(2_000_000)
    key = await stored(store, data)

    with proxied.having(only(CUT_ANSWER, "GET", 3)):
        assert await streamed(store, key, 10, len(data)) == data[10:]
    asked = [one.headers["range"] for one in proxied.seen if one.method == "GET"]

    assert asked[0] == "bytes=10-1999999"
    assert len(asked) == 4


async def test_whoever_reads_slowly_gets_it_all(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "TIMEOUT", timedelta(seconds=0.4))
    url = bucket.new()
    store = opened(open_bucket(url))
    data = noise(8_000_000)
    key = await stored(opened(open_bucket(url)), data)

    got = []
    async for piece in store.stream(key, 0, len(data)):
        got.append(piece)
        await asyncio.sleep(0.04)

    assert b"".join(got) == data


async def test_a_download_of_20_mb_asks_once(
    opened: Opened, proxied: HttpProxy, capsys: pytest.CaptureFixture[str]
) -> None:
    store = opened(open_bucket(bucket.new()))
    data = noise(20_000_000)
    key = await stored(store, data)
    proxied.seen.clear()

    before, began = resource.getrusage(resource.RUSAGE_THREAD).ru_utime, time.perf_counter()
    size = len(await streamed(store, key, 0, len(data)))

    with capsys.disabled():
        took, used = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_THREAD).ru_utime - before
        sys.stdout.write(f"\n20 MB from a bucket: {took * 1e3:.0f} ms, {used * 1e3:.0f} ms of them the event loop's\n")
    assert (size, len(proxied.seen)) == (len(data), 1)
