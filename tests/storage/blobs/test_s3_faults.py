"""A bucket whose requests are cut, slowed, refused, left unanswered or done late: nothing is lost or mixed up."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import obstore
import pytest
from obstore.store import S3Store

import bucket
from build import fail_loudly
from faultproxy import APPLIED_503, APPLIED_SILENT, CUT_AFTER, FAULTS, LATE, LATE_CUT, Fault, HttpProxy, only
from packshot.domain.errors import Unavailable
from packshot.storage.blobs import s3
from packshot.storage.blobs.s3 import S3Blobs, open_bucket
from packshot.storage.blobs.staging import Staging
from storage.blobs.opening import key_for, noise, stored, streamed, uploaded

DATA = noise(50_000)
LARGE = noise(5 * 1024 * 1024 + 100)
ONCE, ALWAYS = 1, None
LATE_S = 0.4
SLOW = Fault(wait_s=0.1, bytes_s=500_000)
EVERY = {**FAULTS, "SLOW": SLOW}


@pytest.fixture(scope="module")
def proxy() -> Iterator[HttpProxy]:
    with HttpProxy(bucket.environment()["AWS_ENDPOINT_URL"]) as proxy:
        yield proxy


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch, proxy: HttpProxy) -> Iterator[None]:
    """Nobody waits long here, and every test begins and ends in fair weather."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
    monkeypatch.setattr(s3, "PATIENCE_S", 0.3)
    monkeypatch.setattr(s3, "TIMEOUT", timedelta(seconds=0.4))
    monkeypatch.setattr(s3, "PART_BYTES", 5 * 1024 * 1024)
    proxy.have()
    proxy.seen.clear()
    yield
    proxy.have()


@pytest.fixture
def place() -> S3Store:
    return open_bucket(bucket.new())


@pytest.fixture
def store(place: S3Store, tmp_path: Path, threads: ThreadPoolExecutor) -> S3Blobs:
    store = S3Blobs(place, Staging(tmp_path / "staging", threads, fail_loudly))
    store.prepare()
    return store


def faults(methods: str, times: int | None) -> pytest.MarkDecorator:
    """Each of them, to requests of these methods."""
    short = {name: only(replace(fault, late_s=0.2), methods, times) for name, fault in EVERY.items()}
    return pytest.mark.parametrize("fault", short.values(), ids=short)


async def is_done(asking: Awaitable[object]) -> bool:
    """Whether it was done; the other thing that may happen is that the store is said to be unavailable."""
    try:
        await asking
    except Unavailable:
        return False
    return True


@faults("PUT|POST", ONCE)
async def test_what_a_put_says_is_stored_is_there_whole_and_anything_else_is_whole_or_not_at_all(
    store: S3Blobs, proxy: HttpProxy, fault: Fault
) -> None:
    for data, put in ((DATA, store.put), (LARGE, lambda key, data: put_staged(store, key, data))):
        key = key_for(data)
        with proxy.having(fault):
            done = await is_done(put(key, data))
        proxy.settle()

        size_bytes = await store.find_size(key)

        assert size_bytes in ({len(data)} if done else {None, len(data)})
        if size_bytes:
            assert await streamed(store, key, 0, len(data)) == data
        assert set(await store.of_keys(0)) >= ({key} if size_bytes else set())  # what is left over is for the sweep
        assert await store.sweep_staging(0) == 0


async def put_staged(store: S3Blobs, key: str, data: bytes) -> None:
    staged = await uploaded(store, data)
    try:
        await store.put(key, staged)
    finally:
        await store.discard(staged)


@pytest.mark.parametrize(
    "fault", [CUT_AFTER, APPLIED_503, APPLIED_SILENT, LATE_CUT], ids=["cut", "503", "silent", "late"]
)
async def test_an_upload_in_parts_that_breaks_off_for_good_is_no_object(
    store: S3Blobs, proxy: HttpProxy, fault: Fault
) -> None:
    key = key_for(LARGE)

    with proxy.having(only(replace(fault, late_s=LATE_S), "PUT|POST|DELETE")):
        done = await is_done(put_staged(store, key, LARGE))
    proxy.settle()

    assert await store.find_size(key) in ({len(LARGE)} if done else {None, len(LARGE)})


@pytest.mark.parametrize("fault", [only(Fault("none", 500), "PUT", path="partNumber=2")], ids=["a part"])
async def test_parts_of_an_upload_that_broke_off_are_given_back(store: S3Blobs, proxy: HttpProxy, fault: Fault) -> None:
    with proxy.having(fault):
        assert not await is_done(put_staged(store, key_for(LARGE), LARGE))

    begun = [one for one in proxy.seen if one.path.endswith("?uploads=")]
    ended = [one for one in proxy.seen if one.method == "DELETE" and "uploadId=" in one.path]
    assert len(begun) == len(ended) == 1


@faults("GET|HEAD", ONCE)
async def test_what_is_read_is_right_or_not_there(store: S3Blobs, proxy: HttpProxy, fault: Fault) -> None:
    key = await stored(store, DATA)

    for asking, expected in reads(store, key):
        with proxy.having(fault):
            try:
                found = await asking()
            except Unavailable:
                continue
        assert found == expected


@faults("GET|HEAD", ALWAYS)
async def test_a_bucket_that_stays_away_is_unavailable_in_time_and_never_an_empty_one(
    store: S3Blobs, proxy: HttpProxy, fault: Fault
) -> None:
    key = await stored(store, DATA)

    asked, expected = zip(*reads(store, key), strict=True)
    with proxy.having(fault):
        found = await asyncio.wait_for(asyncio.gather(*(asking() for asking in asked), return_exceptions=True), 20)

    for one, right in zip(found, expected, strict=True):
        assert one == right or isinstance(one, Unavailable)


def reads(store: S3Blobs, key: str) -> list[tuple[Callable[[], Awaitable[object]], object]]:
    async def scanned() -> bytes:
        return b"".join([piece async for piece in store.scan(key)])

    return [
        (lambda: store.find_size(key), len(DATA)),
        (lambda: store.read(key, 10, 1_000), DATA[10:1_000]),
        (lambda: streamed(store, key, 10, len(DATA)), DATA[10:]),
        (scanned, DATA),
        (lambda: store.of_keys(0), [key]),
    ]


@faults("DELETE", ONCE)
async def test_a_deletion_can_be_repeated_until_it_is_done(store: S3Blobs, proxy: HttpProxy, fault: Fault) -> None:
    key, other = await stored(store, DATA), await stored(store, b"others")

    with proxy.having(fault):
        done = await is_done(store.delete(key))
    if done:
        assert await store.find_size(key) is None
    await store.delete(key)
    await store.delete(key)
    proxy.settle()

    assert await store.of_keys(0) == [other]


@pytest.mark.parametrize("fault", [LATE, LATE_CUT], ids=["503", "cut"])
async def test_a_deletion_that_comes_late_hits_nothing_that_was_stored_since(
    store: S3Blobs, proxy: HttpProxy, fault: Fault
) -> None:
    old = await stored(store, DATA)

    with proxy.having(only(replace(fault, late_s=LATE_S), "DELETE")):
        assert not await is_done(store.delete(old))
    new = await stored(store, DATA)
    assert await store.find_size(old) == len(DATA)
    proxy.settle()

    assert await store.find_size(old) is None
    assert await streamed(store, new, 0, len(DATA)) == DATA


@pytest.mark.parametrize("fault", [LATE, LATE_CUT], ids=["503", "cut"])
async def test_bytes_that_come_late_take_no_place_of_others(store: S3Blobs, proxy: HttpProxy, fault: Fault) -> None:
    first = key_for(DATA)

    with proxy.having(only(replace(fault, late_s=LATE_S), "PUT")):
        assert not await is_done(store.put(first, DATA))
    second = await stored(store, DATA)
    await store.delete(second)
    proxy.settle()

    assert await store.of_keys(0) == [first]  # an orphan, for the sweep: no row ever names it
    assert await streamed(store, first, 0, len(DATA)) == DATA


@pytest.mark.parametrize("fault", [CUT_AFTER, APPLIED_503, APPLIED_SILENT], ids=["cut", "503", "silent"])
async def test_what_was_stored_without_an_answer_is_found_by_the_next_try_or_called_unclear(
    store: S3Blobs, proxy: HttpProxy, fault: Fault
) -> None:
    key = key_for(DATA)

    with proxy.having(only(fault, "PUT", ONCE)):
        done = (await asyncio.gather(store.put(key, DATA), return_exceptions=True))[0]

    assert done is None or (isinstance(done, Unavailable) and done.unclear)
    assert await streamed(store, key, 0, len(DATA)) == DATA


async def test_no_try_overwrites_what_is_there(place: S3Store, store: S3Blobs) -> None:
    key = key_for(DATA)
    obstore.put(place, f"blobs/{key[:2]}/{key}", b"somebody else's")

    for data in (DATA, await uploaded(store, DATA)):
        with pytest.raises(Unavailable):
            await store.put(key, data)

    assert await store.find_size(key) == len(b"somebody else's")
