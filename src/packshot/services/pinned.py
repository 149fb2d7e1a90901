"""Connections to checked addresses only: a name is resolved once, and what was checked is what is connected to."""

import ssl
from collections.abc import Awaitable, Callable, Iterable
from functools import cache
from typing import Any

import httpcore
from httpcore import AnyIOBackend, AsyncNetworkBackend, AsyncNetworkStream

from packshot.domain.errors import ImageTooLarge

Failed = (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol)
"""What httpcore raises when a request fails."""

KEPT_CONNECTIONS = 32
KEPT_S = 5.0
MOST_READ_BYTES = 128 * 1024
"""How much is read of one answer, whatever it is: a flood of interim answers would keep the event loop busy.

Of a file this is how much may stand around it: heads, and the frames of its chunks beyond a sixteenth of it.
"""
_FRAMED = 16


class Metered(AsyncNetworkStream):
    """A connection that fails once more than `MOST_READ_BYTES` were read of it since something was written.

    What its reader says to be of a file does not count.
    """

    def __init__(self, inside: AsyncNetworkStream) -> None:
        self._inside = inside
        self._read_bytes = 0

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - httpcore's
        """Some bytes. Raises: httpcore.ReadError."""
        data = await self._inside.read(max_bytes, timeout)
        self._read_bytes += len(data)
        if self._read_bytes > MOST_READ_BYTES:
            raise httpcore.ReadError("the answer is too long")
        return data

    def uncount(self, of_file_bytes: int) -> None:
        """Let that much be read again."""
        self._read_bytes -= of_file_bytes

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - httpcore's
        """Send bytes; what is read from now on is counted anew."""
        self._read_bytes = 0
        await self._inside.write(buffer, timeout)

    async def aclose(self) -> None:
        """Close it."""
        await self._inside.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's
    ) -> AsyncNetworkStream:
        """The same over TLS, metered, too."""
        return Metered(await self._inside.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        """What httpcore asks for: addresses, the socket, whether something can be read."""
        return self._inside.get_extra_info(info)


class Pinned(AsyncNetworkBackend):
    """Connects to one of the addresses that *addresses* gives for a host, and to none that *check* refuses."""

    def __init__(self, addresses: Callable[[str, int], Awaitable[list[str]]], check: Callable[[str], None]) -> None:
        self._addresses = addresses
        self._check = check
        self._inside = AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore's
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> AsyncNetworkStream:
        """A connection to the first address that takes one, its other end checked once more."""
        failure: Exception = httpcore.ConnectError("no address")
        for address in await self._addresses(host, port):
            try:
                stream = await self._inside.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.TimeoutException, httpcore.NetworkError) as error:
                failure = error
                continue
            try:
                self._check(stream.get_extra_info("server_addr")[0])
            except Exception:
                await stream.aclose()
                raise
            return Metered(stream)
        raise failure


def pool(
    addresses: Callable[[str, int], Awaitable[list[str]]], check: Callable[[str], None], tls: ssl.SSLContext | None
) -> httpcore.AsyncConnectionPool:
    """A pool that reads no proxy from the environment, follows no redirect, and keeps idle connections briefly."""
    return httpcore.AsyncConnectionPool(
        ssl_context=tls or _trusting(),
        max_connections=None,
        max_keepalive_connections=KEPT_CONNECTIONS,
        keepalive_expiry=KEPT_S,
        network_backend=Pinned(addresses, check),
    )


async def content(response: httpcore.Response, limit_bytes: int) -> bytearray:
    """The file in a response that came over a connection of ours, whatever its head says of the length.

    Raises:
        ImageTooLarge: there is more.
        httpcore.ReadError, httpcore.ProtocolError: it ends early, or too much stands around it.
    """
    connection: Metered = response.extensions["network_stream"]
    file = bytearray()
    async for chunk in response.aiter_stream():
        file += chunk
        if len(file) > limit_bytes:
            raise ImageTooLarge(limit_bytes, len(file), "bytes")
        connection.uncount(len(chunk) + len(chunk) // _FRAMED)
    return file


@cache
def _trusting() -> ssl.SSLContext:
    """Whom everybody trusts: slow to read, so once."""
    return httpcore.default_ssl_context()
