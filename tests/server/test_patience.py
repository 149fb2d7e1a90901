"""Slow and endless clients, on real sockets: what they may take their time with, and what ends them."""

import asyncio
import contextlib
import json
import time
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn

from packshot import app, server
from packshot.config import Settings
from packshot.server import connections
from packshot.services.core import Core
from packshot.services.setup import Seed
from serving import dial, serving

HEADERS_S = 0.4
WAIT_S = 10
ASK = b"GET /healthz HTTP/1.1\r\nHost: shop.test\r\n\r\n"
HOST = b"Host: shop.test\r\n"


@dataclass
class Connection:
    """One connection to the server under test."""

    reader: StreamReader
    writer: StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> bytes:
        """The head and body of the next answer."""
        async with asyncio.timeout(WAIT_S):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            return head + await self.reader.readexactly(length)

    async def end(self) -> float:
        """Seconds until the server closes the connection."""
        started = time.monotonic()
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(WAIT_S):
                await self.reader.read()
        return time.monotonic() - started

    async def flood(self, data: bytes) -> int:
        """Bytes that go out before the server closes; gives up at 20 MB."""
        sent = 0
        with contextlib.suppress(ConnectionError):
            while sent < 20_000_000 and not self.writer.is_closing():
                await self.send(data)
                sent += len(data)
                await asyncio.sleep(0)
        return sent


@pytest.fixture
def headers_s() -> float:
    return HEADERS_S


@pytest.fixture
async def connection(
    core: Core, settings: Settings, monkeypatch: pytest.MonkeyPatch, headers_s: float
) -> AsyncIterator[Connection]:
    """A connection to the whole application behind a real uvicorn with our protocol."""
    monkeypatch.setattr(connections, "HEADERS_S", headers_s)
    asgi, _ = app.build(core, settings, lambda: True)
    listener = server.listen("127.0.0.1", 0)
    config = uvicorn.Config(
        asgi, http=connections.PatientOnlyOnce, ws="none", lifespan="off", log_config=None, access_log=False
    )  # fmt: skip
    running = uvicorn.Server(config)
    task = asyncio.create_task(running.serve(sockets=[listener]))
    reader, writer = await asyncio.open_connection(*listener.getsockname())
    yield Connection(reader, writer)
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    running.should_exit = True
    await task


# Slowly


@pytest.mark.parametrize("begun", [b"", b"G", b"GET /healthz HTTP/1.1\r\n", ASK[:-2]])
async def test_headers_that_stop_coming_are_waited_for_only_so_long(connection: Connection, begun: bytes) -> None:
    await connection.send(begun)

    assert HEADERS_S * 0.5 < await connection.end() < HEADERS_S + 3


async def test_headers_that_trickle_in_are_cut_off_all_the_same(connection: Connection) -> None:
    started = time.monotonic()

    with contextlib.suppress(ConnectionError):
        for byte in ASK[:-2] * 20:
            await connection.send(bytes([byte]))
            await asyncio.sleep(0.02)
            if connection.reader.at_eof():
                break

    assert time.monotonic() - started < HEADERS_S + 3
    assert await connection.reader.read() == b""


async def test_headers_in_many_small_pieces_are_fine_as_long_as_they_come(connection: Connection) -> None:
    for byte in ASK:
        await connection.send(bytes([byte]))

    assert (await connection.answer()).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize("begun", [b"G", ASK[:-2], b"\r\n"])
async def test_a_kept_connection_has_no_more_time_for_its_next_headers(connection: Connection, begun: bytes) -> None:
    await connection.send(ASK)
    await connection.answer()

    await connection.send(begun)

    assert await connection.end() < HEADERS_S + 3


async def test_headers_begun_together_with_the_request_before_have_no_more_time(connection: Connection) -> None:
    await connection.send(ASK + ASK[:-2])
    await connection.answer()

    await connection.send(b"X-More: 1\r\n")

    assert await connection.end() < HEADERS_S + 3


async def test_a_kept_connection_may_be_silent_for_longer(connection: Connection) -> None:
    await connection.send(ASK)
    await connection.answer()
    await asyncio.sleep(HEADERS_S * 2)

    await connection.send(ASK)

    assert (await connection.answer()).startswith(b"HTTP/1.1 200 OK")


async def test_a_body_may_take_longer_than_headers(connection: Connection, seed: Seed) -> None:
    await connection.send(head_of(f"/rest/1/{seed.webhook_code}/catalog.catalog.list", b"Content-Length: 2"))
    await asyncio.sleep(HEADERS_S)
    await connection.send(b"{")
    await asyncio.sleep(HEADERS_S)
    await connection.send(b"}")

    assert (await connection.answer()).startswith(b"HTTP/1.1 200 OK")


async def test_the_rest_of_a_request_that_was_refused_is_waited_for_only_so_long(connection: Connection) -> None:
    await connection.send(head_of("/rest/1/stranger/catalog.catalog.list", b"Content-Length: 1000"))
    answer = await connection.answer()

    await connection.send(b"{")

    assert answer.startswith(b"HTTP/1.1 401 Unauthorized")
    assert await connection.end() < HEADERS_S + 3


def test_a_body_slower_than_the_lowest_rate_is_refused(tmp_path: Path) -> None:
    environment = {"PACKSHOT_REQUESTS_FIRST_S": "0.5", "PACKSHOT_REQUESTS_MIN_RATE_BYTES_S": "100000"}
    with serving(tmp_path / "data", environment=environment) as running, dial(running) as connection:
        path = f"/rest/1/{running.facts['webhook_code']}/catalog.catalog.list"
        connection.sendall(head_of(path, b"Content-Length: 90000") + b" " * 10_000)

        answer = b"".join(iter(lambda: connection.recv(65_536), b""))

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in head
    assert json.loads(body) == {"error": "INVALID_REQUEST", "error_description": "The request arrives too slowly"}


# Without end


@pytest.mark.parametrize("headers_s", [60.0])
@pytest.mark.parametrize("endless", [b"X-Header: value\r\n", b"x"])
async def test_endless_headers_are_cut_off(connection: Connection, endless: bytes) -> None:
    await connection.send(b"GET /healthz HTTP/1.1\r\n" + HOST)

    assert await connection.flood(endless * 1000) < 5_000_000


@pytest.mark.parametrize("headers_s", [60.0])
async def test_an_endless_address_is_cut_off(connection: Connection) -> None:
    await connection.send(b"GET /")

    assert await connection.flood(b"x" * 16_000) < 5_000_000


@pytest.mark.parametrize("headers_s", [60.0])
@pytest.mark.parametrize("code", ["", "stranger"])
@pytest.mark.parametrize("opening", [b"1\r\n{\r\n0\r\n", b"1;"])
async def test_endless_trailers_and_chunk_extensions_are_cut_off(
    connection: Connection, seed: Seed, code: str, opening: bytes
) -> None:
    path = f"/rest/1/{code or seed.webhook_code}/catalog.catalog.list"
    await connection.send(head_of(path, b"Transfer-Encoding: chunked") + opening)

    assert await connection.flood(b"x=" + b"y" * 8000 if opening == b"1;" else b"X-A: " + b"y" * 8000 + b"\r\n") < 5e6


async def test_a_long_query_is_taken(connection: Connection) -> None:
    await connection.send(b"GET /healthz?" + b"a=b&" * 8_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n")

    assert (await connection.answer()).startswith(b"HTTP/1.1 200 OK")


async def test_a_large_body_is_no_endless_header(connection: Connection, seed: Seed) -> None:
    body = b'{"start": 0}' + b" " * 3_000_000
    length = b"Content-Length: %d" % len(body)

    await connection.send(head_of(f"/rest/1/{seed.webhook_code}/catalog.catalog.list", length) + body)

    assert (await connection.answer()).startswith(b"HTTP/1.1 200 OK")


# In peace


async def test_requests_sent_in_one_go_are_answered_one_after_the_other(connection: Connection) -> None:
    await connection.send(ASK * 3)

    answers = [await connection.answer() for _ in range(3)]

    assert all(answer.startswith(b"HTTP/1.1 200 OK") for answer in answers)


async def test_an_offer_of_http2_is_declined_without_a_word(
    connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    await connection.send(
        ASK[:-2] + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"
    )

    assert (await connection.answer()).startswith(b"HTTP/1.1 200 OK")
    assert caplog.messages == []


# Node's fetch and axios report a broken connection instead of the answer if they cannot go on sending.
async def test_whoever_sends_too_much_hears_so_even_while_sending(connection: Connection, seed: Seed) -> None:
    body = b" " * 40_000_000
    length = b"Content-Length: %d" % len(body)
    await connection.send(head_of(f"/rest/1/{seed.webhook_code}/catalog.catalog.list", length))

    await connection.send(body)

    assert (await connection.answer()).startswith(b"HTTP/1.1 413 ")


def head_of(path: str, framing: bytes) -> bytes:
    return b"POST %s HTTP/1.1\r\n%sContent-Type: application/json\r\n%s\r\n\r\n" % (path.encode(), HOST, framing)
