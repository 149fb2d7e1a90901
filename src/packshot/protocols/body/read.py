"""Reads one request body: bounded in size, in time, and in the bytes that all of them hold together."""

import asyncio
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping
from types import TracebackType, coroutine
from typing import Any

import msgspec

from packshot.domain.errors import InvalidRequest, LimitReached, RequestTooLarge, RequestTooSlow, UnsupportedEncoding

Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

_LONGEST_NUMBER = 18
"""Digits of a Content-Length that are worth turning into a number; more of them are too large anyway."""


class BodyLimits(msgspec.Struct, frozen=True):
    """What a request body may cost; sizes are inclusive.

    `request_bytes` bounds one body, `in_flight_bytes` all bodies above `uncounted_bytes` together. After the
    first `first_s` seconds the average since the start must be at least `min_rate_bytes_s` (above 0), and
    bytes that came early pay for `longest_s` of silence at most. A body that keeps up the rate has no deadline.
    """

    request_bytes: int = 36 * 1024 * 1024
    in_flight_bytes: int = 64 * 1024 * 1024
    uncounted_bytes: int = 64 * 1024
    first_s: float = 10.0
    min_rate_bytes_s: int = 8192
    longest_s: float = 900.0


class InFlight:
    """The bytes of request bodies which a process holds at this moment, and how many they may be."""

    __slots__ = ("held_bytes", "limit_bytes")

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.held_bytes = 0

    def reserve(self, size_bytes: int, own_bytes: int = 0) -> None:
        """Count `size_bytes` more for a body that holds `own_bytes` already, until `release`.

        A body which is alone always passes: its own size has another limit.

        Raises:
            LimitReached: together with the other bodies it is more than `limit_bytes`.
        """
        alone = self.held_bytes == own_bytes
        if not alone and self.held_bytes + size_bytes > self.limit_bytes:
            raise LimitReached("uploads at once", retry_after_s=1)
        self.held_bytes += size_bytes

    def release(self, size_bytes: int) -> None:
        """Give back what `reserve` counted."""
        self.held_bytes -= size_bytes


class reading:  # noqa: N801 - used like a function, as contextlib.suppress is
    """`async with reading(receive, headers, limits, in_flight) as body`: the whole body, counted until the block ends.

    `receive` and `headers` are those of ASGI (header names in lower case). The body is the server's own bytes
    object when one message brought all of it, otherwise one bytearray. With a Content-Length, reading stops as
    soon as that many bytes are there: some servers announce more in every message. The caller drops the body,
    and whatever points into it, before the block ends.

    Raises:
        UnsupportedEncoding: the body is compressed.
        RequestTooLarge: more than `limits.request_bytes`; nothing is read when Content-Length says so already.
        RequestTooSlow: the body falls behind the rate of `limits`.
        LimitReached: there are too many bytes in flight.
        InvalidRequest: the Content-Length is no number or not true, or the client went away.
    """

    __slots__ = ("_headers", "_held_bytes", "_in_flight", "_limits", "_receive")

    def __init__(
        self, receive: Receive, headers: Iterable[tuple[bytes, bytes]], limits: BodyLimits, in_flight: InFlight
    ) -> None:
        self._receive = receive
        self._headers = headers
        self._limits = limits
        self._in_flight = in_flight
        self._held_bytes = 0

    async def __aenter__(self) -> bytes | bytearray:
        limits = self._limits
        length = announced_length(self._headers, limits.request_bytes)
        if length == 0:
            return b""
        # The first step is made by hand: mostly the body is there already, and then no timer is ever created.
        steps = self._receive().__await__()
        try:
            suspension = next(steps)
        except StopIteration as arrived:
            message = arrived.value
        else:
            return await self._gather(length, _begun(suspension, steps))
        chunk, more = opened(message)
        size = len(chunk)
        whole = size == length or (length is None and not more and size <= limits.request_bytes)
        if whole and size <= limits.uncounted_bytes:
            return chunk
        return await self._gather(length, _arrived(message))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._held_bytes:
            self._in_flight.release(self._held_bytes)

    async def _gather(self, length: int | None, first: Awaitable[Message]) -> bytes | bytearray:
        arriving = _Arriving(length, self._limits, self._in_flight)
        try:
            await _fill(arriving, first, self._receive, self._limits)
        except BaseException:
            self._in_flight.release(arriving.held_bytes)
            raise
        self._held_bytes = arriving.held_bytes
        return arriving.content


class _Arriving:
    """A body while its messages come in: `content[:size]` is what is there, `held_bytes` what is counted for it."""

    __slots__ = ("_in_flight", "_length", "_limits", "content", "held_bytes", "size")

    def __init__(self, length: int | None, limits: BodyLimits, in_flight: InFlight) -> None:
        self._length = length
        self._limits = limits
        self._in_flight = in_flight
        self.content: bytes | bytearray = b""
        self.held_bytes = 0
        self.size = 0

    def add(self, chunk: bytes, *, more: bool) -> bool:
        """Take the next bytes; true when the body is complete."""
        end = self.size + len(chunk)
        check_size(end, self._length, self._limits, more=more)
        self._count(end)
        if not self.size:
            self.content = chunk
        elif chunk:
            self._room_for(end)[self.size : end] = chunk
        self.size = end
        return not more if self._length is None else end == self._length

    def _count(self, end: int) -> None:
        # Counted from the moment the memory is really taken: a thousand clients that announce a large body and
        # send a few bytes of it keep nobody else out.
        if end <= self._limits.uncounted_bytes:
            return
        wanted = self._length or end
        if wanted > self.held_bytes:
            self._in_flight.reserve(wanted - self.held_bytes, self.held_bytes)
            self.held_bytes = wanted

    def _room_for(self, end: int) -> bytearray:
        content = self.content
        if self._length is not None and len(content) < self._length and end > self._limits.uncounted_bytes:
            room = bytearray(self._length)
            room[: self.size] = content
        else:
            room = content if isinstance(content, bytearray) else bytearray(content)
        self.content = room
        return room


async def _fill(arriving: _Arriving, first: Awaitable[Message], receive: Receive, limits: BodyLimits) -> None:
    clock = asyncio.get_running_loop().time
    deadline = clock() + limits.first_s
    message = first
    try:
        async with asyncio.timeout_at(deadline) as timer:
            while True:
                chunk, more = opened(await message)
                if arriving.add(chunk, more=more):
                    return
                # Every byte buys its share of a second, so this is the average since the start. Without the cap
                # a body sent at once but for its last byte could hold its memory for more than an hour.
                deadline = min(deadline + len(chunk) / limits.min_rate_bytes_s, clock() + limits.longest_s)
                timer.reschedule(deadline)
                message = receive()
    except TimeoutError:
        raise RequestTooSlow from None


@coroutine
def _begun(suspension: object, steps: Generator[Any, None, Message]) -> Generator[Any, None, Message]:
    """Go on awaiting something whose first step was made by hand and ended in `suspension`."""
    try:
        yield suspension
        return (yield from steps)
    finally:
        steps.close()


async def _arrived(message: Message) -> Message:
    return message


def check_size(size_bytes: int, length: int | None, limits: BodyLimits, *, more: bool) -> None:
    """Refuse a body of which so many bytes came, and *more* do or do not, where *length* were announced or none.

    Raises:
        RequestTooLarge, InvalidRequest: it is larger than it may be, or not as large as announced.
    """
    if length is None:
        if size_bytes > limits.request_bytes:
            raise RequestTooLarge(limits.request_bytes)
    elif size_bytes > length or (size_bytes < length and not more):
        raise InvalidRequest("body", f"has not the {length} bytes that its Content-Length announces")


def opened(message: Message) -> tuple[bytes, bool]:
    """The bytes of a message, and whether more of them follow. Raises: InvalidRequest when the client is gone."""
    if message["type"] != "http.request":
        raise InvalidRequest("body", "ended before it was complete")
    return message.get("body", b""), message.get("more_body", False)


def announced_length(headers: Iterable[tuple[bytes, bytes]], limit_bytes: int) -> int | None:
    """Bytes the headers promise, None when they do not say; refuses what we could never read.

    Raises:
        InvalidRequest, UnsupportedEncoding, RequestTooLarge: as `reading`.
    """
    length = None
    for name, value in headers:
        if name == b"content-length":
            if length is not None:
                raise InvalidRequest("Content-Length", "is given twice")
            length = _number(value, limit_bytes)
        elif name == b"content-encoding" and value.strip().lower() not in (b"", b"identity"):
            raise UnsupportedEncoding(value.decode("ascii", "replace")[:40])
    if length is not None and length > limit_bytes:
        raise RequestTooLarge(limit_bytes)
    return length


def _number(digits: bytes, limit_bytes: int) -> int:
    if not digits.isdigit():
        raise InvalidRequest("Content-Length", "is not a number")
    return int(digits) if len(digits) <= _LONGEST_NUMBER else limit_bytes + 1
