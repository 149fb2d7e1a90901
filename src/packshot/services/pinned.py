"""Connections to checked addresses only: a name is resolved once, and what was checked is what is connected to."""

import ssl
from collections.abc import Awaitable, Callable, Iterable

import httpcore
from httpcore import AnyIOBackend, AsyncNetworkBackend, AsyncNetworkStream

Failed = (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol)
"""What httpcore raises when a request fails."""

KEPT_CONNECTIONS = 32
KEPT_S = 5.0


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
            return stream
        raise failure


def pool(
    addresses: Callable[[str, int], Awaitable[list[str]]], check: Callable[[str], None], tls: ssl.SSLContext | None
) -> httpcore.AsyncConnectionPool:
    """A pool that reads no proxy from the environment, follows no redirect, and keeps idle connections briefly."""
    return httpcore.AsyncConnectionPool(
        ssl_context=tls or httpcore.default_ssl_context(),
        max_connections=None,
        max_keepalive_connections=KEPT_CONNECTIONS,
        keepalive_expiry=KEPT_S,
        network_backend=Pinned(addresses, check),
    )
