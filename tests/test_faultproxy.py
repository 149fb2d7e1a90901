"""The proxy that tests break things with does what it is told, between real clients and servers."""

import time
from urllib.parse import urlsplit

import asyncpg
import obstore
import pytest
from obstore.exceptions import BaseError
from obstore.store import S3Store

import bucket
import postgres
from faultproxy import LATE, SLOW_DOWN, Fault, HttpProxy, TcpProxy, only


async def test_postgresql_is_slowed_cut_refused_and_back_at_the_same_port() -> None:
    url = urlsplit(postgres.new())
    with TcpProxy(url.hostname or "127.0.0.1", url.port or 5432) as proxy:
        way = url._replace(netloc=f"{url.netloc.rpartition('@')[0]}@127.0.0.1:{proxy.port}".lstrip("@")).geturl()
        one = await asyncpg.connect(way)

        proxy.slow(wait_s=0.1)
        began = time.monotonic()
        assert await one.fetchval("SELECT 1") == 1
        assert time.monotonic() - began >= 0.2
        proxy.freeze()
        with pytest.raises(TimeoutError):
            await one.fetchval("SELECT 2", timeout=0.2)
        proxy.slow()
        proxy.cut()
        with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.InterfaceError, OSError)):
            await one.fetchval("SELECT 3")
        proxy.refuse()
        with pytest.raises(OSError):  # noqa: PT011 - refused or reset, as the moment has it
            await asyncpg.connect(way)
        proxy.accept()
        again = await asyncpg.connect(way)

        assert await again.fetchval("SELECT 4") == 4
        one.terminate()
        await again.close()


def opened(proxy: HttpProxy) -> S3Store:
    return S3Store.from_url(
        bucket.new(),
        config={"endpoint": proxy.url},
        client_options={"allow_http": True, "timeout": "1s"},
        retry_config={"max_retries": 0},
    )


def test_a_fault_happens_to_the_requests_it_is_for_and_so_often_as_it_is_told() -> None:
    with HttpProxy(bucket.environment()["AWS_ENDPOINT_URL"]) as proxy:
        store = opened(proxy)

        with proxy.having(only(SLOW_DOWN, "PUT", 2, "/one$")):
            for _ in range(2):
                with pytest.raises(BaseError, match="SlowDown"):
                    obstore.put(store, "one", b"1")
            obstore.put(store, "other", b"2")
            obstore.put(store, "one", b"3")

        assert bytes(obstore.get(store, "one").bytes()) == b"3"
        assert [one.fault.reply for one in proxy.seen] == [503, 503, "true", "true", "true"]


def test_what_comes_late_comes_after_its_answer_and_is_waited_for() -> None:
    with HttpProxy(bucket.environment()["AWS_ENDPOINT_URL"]) as proxy:
        store = opened(proxy)
        obstore.put(store, "one", b"1")

        with proxy.having(only(LATE, "DELETE", 1)), pytest.raises(BaseError):
            obstore.delete(store, "one")
        assert obstore.head(store, "one")["size"] == 1
        proxy.settle()

        with pytest.raises(FileNotFoundError):
            obstore.head(store, "one")


def test_chance_is_the_same_every_time() -> None:
    runs = []
    for _ in range(2):
        with HttpProxy(bucket.environment()["AWS_ENDPOINT_URL"], seed=3) as proxy:
            store = opened(proxy)
            obstore.put(store, "one", b"1")
            proxy.have(Fault("none", 500, chance=0.5))
            runs.append([_fails(store) for _ in range(20)])

    assert runs[0] == runs[1]
    assert {True, False} == set(runs[0])


def _fails(store: S3Store) -> bool:
    try:
        obstore.get(store, "one")
    except BaseError:
        return True
    return False
