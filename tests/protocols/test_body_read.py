"""Reading a body: what stops it, what it costs, and what is counted while it is held."""

import asyncio
import gc
import time
import warnings
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packshot.domain.errors import (
    InvalidRequest,
    LimitReached,
    RequestTooLarge,
    RequestTooSlow,
    UnsupportedEncoding,
)
from packshot.protocols.body import BodyLimits, InFlight, reading

KIB = 1024
SMALL = BodyLimits(request_bytes=4096, in_flight_bytes=6000, uncounted_bytes=64)
QUICK = BodyLimits(first_s=0.05, min_rate_bytes_s=1000, longest_s=0.2)


class Client:
    """Sends prepared messages, each but the first `at_once` after a pause, and then is silent for ever."""

    def __init__(self, *chunks: bytes, more: bool | None = None, pause_s: float = 0.0, at_once: int = 0) -> None:
        last = len(chunks) - 1
        self.messages = [part(chunk, more=index < last if more is None else more) for index, chunk in enumerate(chunks)]
        self.pause_s = pause_s
        self.at_once = at_once
        self.asked = 0
        self.closed = False

    async def receive(self) -> dict[str, Any]:
        self.asked += 1
        try:
            await asyncio.sleep(0 if self.asked <= self.at_once else self.pause_s)
            if not self.messages:
                await asyncio.Event().wait()
            return self.messages.pop(0)
        finally:
            self.closed = True


class Ready(Client):
    """The same without any wait while there are messages."""

    async def receive(self) -> dict[str, Any]:
        if self.messages:
            self.asked += 1
            return self.messages.pop(0)
        return await super().receive()


def part(body: bytes, *, more: bool) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


def announced(size: int | bytes) -> list[tuple[bytes, bytes]]:
    value = size if isinstance(size, bytes) else str(size).encode()
    return [(b"host", b"shop.example"), (b"content-length", value), (b"accept", b"*/*")]


async def read(
    client: Client, headers: Iterable[tuple[bytes, bytes]] = (), limits: BodyLimits = SMALL
) -> bytes | bytearray:
    async with reading(client.receive, headers, limits, InFlight(limits.in_flight_bytes)) as body:
        return body


async def test_a_body_of_one_message_is_the_very_object_the_server_gave() -> None:
    sent = b'{"id": 1}'

    body = await read(Ready(sent), announced(9))

    assert body is sent


@pytest.mark.parametrize(("more", "headers"), [(False, announced(3)), (True, announced(3)), (False, [])])
def test_no_timer_and_no_loop_are_needed_when_the_first_message_brings_everything(
    headers: list[tuple[bytes, bytes]], *, more: bool
) -> None:
    entering = reading(Ready(b"all", more=more).receive, headers, SMALL, InFlight(100)).__aenter__()

    with pytest.raises(StopIteration) as done:
        entering.send(None)

    assert done.value.value == b"all"


async def test_a_body_which_comes_late_in_one_message_is_not_copied() -> None:
    sent = b"x" * 100

    body = await read(Client(sent, pause_s=0.01), announced(100))

    assert body is sent


async def test_no_further_message_is_awaited_once_content_length_bytes_are_there() -> None:
    client = Ready(b"12345", more=True)

    body = await read(client, announced(5))

    assert (body, client.asked) == (b"12345", 1)


async def test_no_further_message_is_awaited_after_several_either() -> None:
    client = Ready(b"x" * 60, b"y" * 60, b"z" * 60, more=True)

    body = await read(client, announced(180))

    assert (body, client.asked) == (b"x" * 60 + b"y" * 60 + b"z" * 60, 3)


async def test_a_body_of_no_bytes_needs_no_message_at_all() -> None:
    client = Client()

    body = await read(client, announced(0))

    assert (body, client.asked) == (b"", 0)


async def test_a_request_without_body_has_an_empty_one() -> None:
    assert await read(Ready(b"")) == b""


async def test_a_message_may_leave_out_body_and_more_body() -> None:
    client = Ready()
    client.messages = [{"type": "http.request"}]

    assert await read(client) == b""


async def test_a_body_without_length_ends_with_its_last_message() -> None:
    client = Ready(b"x" * 50, b"", b"y" * 50, b"")

    assert await read(client) == b"x" * 50 + b"y" * 50


@settings(deadline=None)
@given(chunks=st.lists(st.binary(max_size=150), min_size=1, max_size=12), known=st.booleans(), waits=st.booleans())
def test_the_chunks_come_back_in_one_piece(chunks: list[bytes], *, known: bool, waits: bool) -> None:
    whole = b"".join(chunks)
    client = (Client if waits else Ready)(*chunks)
    in_flight = InFlight(SMALL.in_flight_bytes)

    async def arrive() -> bytes:
        async with reading(client.receive, announced(len(whole)) if known else (), SMALL, in_flight) as body:
            assert in_flight.held_bytes == (len(whole) if len(whole) > SMALL.uncounted_bytes else 0)
            return bytes(body)

    assert asyncio.run(arrive()) == whole
    assert in_flight.held_bytes == 0


@pytest.mark.parametrize("encoding", [b"gzip", b"br", b"GZIP", b"identity, gzip", b"\xff"])
async def test_a_compressed_body_is_refused_before_it_is_read(encoding: bytes) -> None:
    client = Client(b"...")

    with pytest.raises(UnsupportedEncoding):
        await read(client, [(b"content-encoding", encoding)])

    assert client.asked == 0


@pytest.mark.parametrize("encoding", [b"identity", b" Identity ", b""])
async def test_an_encoding_which_changes_nothing_is_fine(encoding: bytes) -> None:
    assert await read(Ready(b"{}"), [(b"content-encoding", encoding), (b"content-length", b"2")]) == b"{}"


@pytest.mark.parametrize("length", [b"4097", b"9" * 18, b"9" * 19, b"9" * 5000])
async def test_a_length_over_the_limit_is_refused_before_anything_is_read(length: bytes) -> None:
    client = Client(b"x")

    with pytest.raises(RequestTooLarge) as refusal:
        await read(client, announced(length))

    assert (client.asked, refusal.value.limit_bytes) == (0, 4096)


async def test_a_body_of_exactly_the_limit_is_read() -> None:
    assert len(await read(Ready(b"x" * 4096), announced(4096))) == 4096
    assert len(await read(Ready(b"x" * 4096))) == 4096


@pytest.mark.parametrize("length", [b"-1", b"+1", b"", b"1.0", b"1e3", b"0x10", b"5, 5", b" 5", b"\xd9\xa5", b"five"])
async def test_a_length_of_anything_but_ascii_digits_is_refused(length: bytes) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        await read(Client(b"12345"), announced(length))

    assert refusal.value.field == "Content-Length"


async def test_two_lengths_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="twice"):
        await read(Client(b"12345"), announced(5) + announced(5))


@pytest.mark.parametrize("waits", [True, False])
async def test_a_body_without_length_is_counted_while_it_is_read(*, waits: bool) -> None:
    client = (Client if waits else Ready)(*[b"x" * 1000] * 10)

    with pytest.raises(RequestTooLarge):
        await read(client)

    assert client.asked == 5


async def test_a_single_message_over_the_limit_is_refused_even_below_the_counted_size() -> None:
    with pytest.raises(RequestTooLarge):
        await read(Ready(b"x" * 20), limits=BodyLimits(request_bytes=10))


@pytest.mark.parametrize("chunks", [(b"123456",), (b"123", b"456")])
async def test_more_bytes_than_announced_are_refused(chunks: tuple[bytes, ...]) -> None:
    with pytest.raises(InvalidRequest, match="5 bytes"):
        await read(Ready(*chunks), announced(5))


@pytest.mark.parametrize("chunks", [(b"1234",), (b"12", b"34"), (b"",)])
async def test_fewer_bytes_than_announced_are_refused(chunks: tuple[bytes, ...]) -> None:
    with pytest.raises(InvalidRequest, match="5 bytes"):
        await read(Ready(*chunks), announced(5))


@pytest.mark.parametrize("before", [(), (b"123",)])
async def test_a_client_which_goes_away_ends_the_reading(before: tuple[bytes, ...]) -> None:
    client = Ready(*before, more=True)
    client.messages.append({"type": "http.disconnect"})

    with pytest.raises(InvalidRequest, match="ended"):
        await read(client, announced(5))


@pytest.mark.parametrize("sent", [(), (b"x",)])
async def test_a_silent_client_is_ended_after_the_first_seconds(sent: tuple[bytes, ...]) -> None:
    client = Client(*sent, more=True, pause_s=5, at_once=len(sent))
    began = time.monotonic()

    with pytest.raises(RequestTooSlow) as refusal:
        await read(client, announced(50), QUICK)

    assert 0.04 < time.monotonic() - began < 4
    assert client.closed, f"still waiting after {refusal}"


async def test_a_client_below_the_rate_is_ended_though_it_never_stops() -> None:
    began = time.monotonic()

    with pytest.raises(RequestTooSlow):  # 100 bytes a second where 1000 are due
        await read(Client(*[b"x"] * 1000, pause_s=0.01), announced(1000), QUICK)

    assert time.monotonic() - began < 8


@pytest.mark.parametrize("known", [True, False])
async def test_a_client_above_the_rate_may_take_as_long_as_it_needs(*, known: bool) -> None:
    limits = BodyLimits(first_s=0.3, min_rate_bytes_s=1000, longest_s=0.3)
    client = Client(*[b"x" * 100] * 40, pause_s=0.01)
    began = time.monotonic()

    body = await read(client, announced(4000) if known else (), limits)

    assert len(body) == 4000
    assert time.monotonic() - began > limits.longest_s


async def test_bytes_which_came_early_pay_for_a_pause() -> None:
    limits = BodyLimits(first_s=0.05, min_rate_bytes_s=1000)
    client = Client(b"x" * 900, b"y" * 100, pause_s=0.15, at_once=1)

    assert len(await read(client, announced(1000), limits)) == 1000


async def test_bytes_which_came_early_pay_for_the_longest_silence_at_most() -> None:
    client = Ready(b"x" * 100_000, more=True)  # worth a hundred seconds
    began = time.monotonic()

    with pytest.raises(RequestTooSlow):
        await read(client, announced(100_001), QUICK)

    assert 0.15 < time.monotonic() - began < 10


async def test_a_trickle_does_not_lengthen_the_longest_silence() -> None:
    client = Client(b"x" * 100_000, *[b"x"] * 1000, pause_s=0.02, at_once=1)
    began = time.monotonic()

    with pytest.raises(RequestTooSlow):
        await read(client, announced(101_000), QUICK)

    assert time.monotonic() - began < 10


@pytest.mark.parametrize("sent", [(), (b"x" * 100,)])
async def test_a_cancelled_reading_is_cancelled_not_slow(sent: tuple[bytes, ...]) -> None:
    client = Client(*sent, more=True)
    in_flight = InFlight(6000)

    async def arrive() -> None:
        async with reading(client.receive, announced(200), SMALL, in_flight):
            pytest.fail("there is no whole body")

    task = asyncio.create_task(arrive())
    await asyncio.sleep(0.02)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert client.closed
    assert in_flight.held_bytes == 0


async def test_an_ended_reading_leaves_no_coroutine_behind() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")

        with pytest.raises(RequestTooSlow):
            await read(Client(), announced(5), QUICK)
        gc.collect()


async def test_a_receive_which_fails_at_once_fails_the_reading() -> None:
    async def receive() -> dict[str, Any]:
        raise OSError(5, "broken")

    with pytest.raises(OSError, match="broken"):
        async with reading(receive, announced(5), SMALL, InFlight(100)):
            pass


async def test_receive_may_be_a_future_instead_of_a_coroutine() -> None:
    future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(0.01, future.set_result, part(b"12345", more=False))

    async with reading(lambda: future, announced(5), SMALL, InFlight(100)) as body:
        assert body == b"12345"


async def test_a_small_body_is_not_counted() -> None:
    in_flight = InFlight(6000)

    async with reading(Ready(b"x" * 32, b"y" * 32).receive, announced(64), SMALL, in_flight):
        assert in_flight.held_bytes == 0


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("chunks", [(b"x" * 2000,), (b"x" * 60, b"y" * 1940), (b"x" * 500,) * 4])
async def test_a_large_body_is_counted_until_the_block_ends(*, known: bool, chunks: tuple[bytes, ...]) -> None:
    in_flight = InFlight(6000)

    async with reading(Ready(*chunks).receive, announced(2000) if known else (), SMALL, in_flight) as body:
        assert len(body) == 2000
        assert in_flight.held_bytes == 2000

    assert in_flight.held_bytes == 0


async def test_the_whole_length_is_counted_once_the_body_turns_out_large() -> None:
    in_flight = InFlight(6000)
    client = Client(b"x" * 64, b"y", more=True, at_once=2)

    async def arrive() -> None:
        async with reading(client.receive, announced(4096), SMALL, in_flight):
            pytest.fail("there is no whole body")

    task = asyncio.create_task(arrive())
    await asyncio.sleep(0.02)

    assert in_flight.held_bytes == 4096
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert in_flight.held_bytes == 0


async def test_the_count_ends_with_the_block_also_when_it_fails() -> None:
    in_flight = InFlight(6000)

    with pytest.raises(KeyError):
        async with reading(Ready(b"x" * 2000).receive, announced(2000), SMALL, in_flight):
            raise KeyError

    assert in_flight.held_bytes == 0


@pytest.mark.parametrize(
    ("client", "headers"),
    [
        (Ready(b"x" * 1000, b"x"), announced(2000)),
        (Ready(b"x" * 1000, b"x" * 3097), []),
        (Ready(b"x" * 1000, b"x" * 1001), announced(2000)),
        (Client(b"x" * 200, more=True), announced(2000)),
    ],
    ids=["short", "too large", "longer than announced", "too slow"],
)
async def test_a_failed_reading_counts_nothing(client: Client, headers: list[tuple[bytes, bytes]]) -> None:
    in_flight = InFlight(6000)
    limits = BodyLimits(request_bytes=4096, uncounted_bytes=64, first_s=0.02, min_rate_bytes_s=10_000)

    with pytest.raises((InvalidRequest, RequestTooLarge, RequestTooSlow)):
        async with reading(client.receive, headers, limits, in_flight):
            pass

    assert in_flight.held_bytes == 0


async def test_a_body_which_does_not_fit_beside_the_others_is_refused() -> None:
    in_flight = InFlight(6000)

    async with reading(Ready(b"x" * 4000).receive, announced(4000), SMALL, in_flight):
        with pytest.raises(LimitReached) as refusal:
            await read_beside(in_flight, 2001)
        assert (refusal.value.what, refusal.value.retry_after_s) == ("uploads at once", 1)
        assert in_flight.held_bytes == 4000
        assert await read_beside(in_flight, 2000) == 2000


async def test_a_small_body_passes_however_many_are_in_flight() -> None:
    in_flight = InFlight(6000)

    async with reading(Ready(b"x" * 4096).receive, announced(4096), SMALL, in_flight):
        in_flight.reserve(1904)

        assert await read_beside(in_flight, 64) == 64


@pytest.mark.parametrize("known", [True, False])
async def test_a_body_alone_passes_whatever_the_bytes_in_flight_may_be(*, known: bool) -> None:
    in_flight = InFlight(100)

    async with reading(Ready(*[b"x" * 1000] * 4).receive, announced(4000) if known else (), SMALL, in_flight) as body:
        assert len(body) == in_flight.held_bytes == 4000


async def test_announcing_a_large_body_reserves_nothing_before_its_bytes_arrive() -> None:
    in_flight = InFlight(6000)
    idle = [Client(b"x", more=True) for _ in range(20)]

    async def wait(client: Client) -> None:
        async with reading(client.receive, announced(4096), SMALL, in_flight):
            pass

    tasks = [asyncio.create_task(wait(client)) for client in idle]
    await asyncio.sleep(0.02)

    assert in_flight.held_bytes == 0
    assert await read_beside(in_flight, 4096) == 4096
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def read_beside(in_flight: InFlight, size: int) -> int:
    async with reading(Ready(b"y" * size).receive, announced(size), SMALL, in_flight) as body:
        return len(body)
