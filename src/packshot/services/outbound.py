"""The one HTTP client for addresses from outside: it reaches what everybody can reach, and nothing behind our door.

An address is read once, its name resolved once, every answer checked, and the connection made to what was checked.
All refusals are one sentence, and all failures another: neither tells what stands in the network around us. Where
somebody waits for a file, they take the same time, too.
"""

import asyncio
import re
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import cached_property
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING
from urllib.parse import quote, urljoin, urlsplit

import msgspec

from packshot.domain.errors import ImageTooLarge, InvalidValue, LimitReached, Unavailable

if TYPE_CHECKING:
    import httpcore

Resolve = Callable[[str, int], Awaitable[list[str]]]

REFUSED = "The address is not one that everybody can reach: it takes http or https on the usual port of a public host"
TOTAL_S = 10.0
ANSWER_BYTES = 16 * 1024
MAX_URL_CHARACTERS = 2_000
REDIRECTS = 3
FETCHES = 2
"""How many files are fetched at once, for whomever."""

WAIT_S = 30.0
"""How long somebody waits for their turn to fetch a file; after that they are told to come back."""

RETRY_S = 10

_PORTS = {"http": 80, "https": 443}
# No blanks, control characters or backslashes: what one reader of addresses skips, another one does not.
_SHAPE = re.compile(r"https?://[!-\[\]-~]+", re.IGNORECASE)
_HOST = re.compile(r"[A-Za-z0-9_.-]{1,253}|[0-9A-Fa-f:.]{2,45}")
_NOT_PUBLIC = [
    ip_network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24",
        "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        # IPv6 outside of 2000::/3 is refused as a whole, with all of mapped, compatible, local and multicast.
        "::/3", "4000::/2", "8000::/1", "2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20",
    )
]  # fmt: skip
_NAT64 = ip_network("64:ff9b::/96")
_ISATAP = {0x00005EFE, 0x02005EFE}

_ASKED = (
    ("User-Agent", "Packshot"), ("Accept", "*/*"), ("Accept-Encoding", "identity"), ("Connection", "close"),
)  # fmt: skip
_OK = 200
_MOVED = frozenset({301, 302, 303, 307, 308})
# What browsers write out for people, and nothing that could end a host or a line.
_UNWRITTEN = re.compile("[ \u00a1-\ud7ff\ue000-\U0010ffff]+")


class OutboundSettings(msgspec.Struct, frozen=True):
    """Where events may be sent and files fetched.

    `allow_private`: also to and from addresses of this machine and its network, on any port.
    """

    allow_private: bool = False


class Target(msgspec.Struct, frozen=True):
    """An address, taken apart once."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def netloc(self) -> str:
        """Host and port as they stand in a Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


class Outbound:
    """Posts to addresses from outside, and fetches files from there.

    *resolve* gives the addresses of a name, *tls* whom to trust. *pad_s* is how long it takes to hear that a file
    cannot be had.
    """

    def __init__(
        self,
        settings: OutboundSettings,
        resolve: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
        pad_s: float = TOTAL_S,
    ) -> None:
        self._private = settings.allow_private
        self._resolve = resolve or _resolve
        self._tls = tls
        self._pad_s = pad_s
        self._turns = asyncio.Semaphore(FETCHES)

    async def check(self, url: str) -> None:
        """Refuse an address that nothing would be sent to. Raises: InvalidValue."""
        target = self._target(url)
        if not self._private:  # whoever allows everything needs no name server
            await self._addresses(target.host, target.port)

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        """Post *body* and return the status of the answer, within ten seconds; redirects are not followed.

        Raises:
            InvalidValue: the address, or what its name stands for now, is refused.
            Unavailable: there is no answer.
        """
        from packshot.services.pinned import Failed

        target = self._target(url)
        try:
            async with asyncio.timeout(TOTAL_S):
                return await self._post(target, headers, body)
        except (TimeoutError, OSError, *Failed) as error:
            raise Unavailable("address") from error

    async def fetch(self, url: str, limit_bytes: int) -> bytearray:
        """The file at *url*, within ten seconds, along at most three redirects. Nothing of ours is sent along.

        Once the address could be read, every refusal and failure takes those ten seconds: nobody learns from their
        time whether a port is closed, or a name known. Blanks and letters beyond ASCII are escaped first.

        Raises:
            InvalidValue: the address, what its name stands for now, or where it redirects to, is refused.
            ImageTooLarge: the file is longer than *limit_bytes*.
            LimitReached: the files of others take too long.
            Unavailable: there is no answer, or none with a whole, plain file.
        """
        from packshot.services.pinned import Failed

        target = self._target(_written_out(url))
        async with self._turn():
            began = time.monotonic()
            try:
                async with asyncio.timeout(TOTAL_S):
                    return await self._follow(target, limit_bytes)
            except InvalidValue as error:
                failure: Exception = error
            except (Unavailable, TimeoutError, OSError, *Failed) as error:
                failure = Unavailable("address")
                failure.__cause__ = error
        await asyncio.sleep(began + self._pad_s - time.monotonic())
        raise failure

    async def close(self) -> None:
        """Close the connections that are kept."""
        if "_pool" in self.__dict__:
            await self._pool.aclose()

    async def _post(self, target: Target, headers: Mapping[str, str], body: bytes) -> int:
        import httpcore

        url = httpcore.URL(scheme=target.scheme, host=target.host, port=target.port, target=target.path)
        sent = [("Host", target.netloc), *headers.items()]
        async with self._pool.stream("POST", url, headers=sent, content=body) as response:
            size = 0
            async for chunk in response.aiter_stream():  # a connection whose answer is read can be used again
                size += len(chunk)
                if size > ANSWER_BYTES:
                    break
            return response.status

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(WAIT_S):
                await self._turns.acquire()
        except TimeoutError:
            raise LimitReached("files are being fetched", RETRY_S) from None
        try:
            yield
        finally:
            self._turns.release()

    async def _follow(self, target: Target, limit_bytes: int) -> bytearray:
        for _ in range(REDIRECTS + 1):
            found = await self._get(target, limit_bytes)
            if isinstance(found, bytearray):
                return found
            target = self._redirected(target, found)
        raise Unavailable("address")

    async def _get(self, target: Target, limit_bytes: int) -> bytearray | str:
        """The file, or where it is said to be. The connection is new and checked, and closed behind the answer."""
        import httpcore

        from packshot.services.pinned import content, pool

        url = httpcore.URL(scheme=target.scheme, host=target.host, port=target.port, target=target.path)
        sent = [("Host", target.netloc), *_ASKED]
        async with (
            pool(self._addresses, self._check_address, self._tls) as connections,
            connections.stream("GET", url, headers=sent) as response,
        ):
            told = {name.lower(): value for name, value in response.headers}
            if response.status in _MOVED:
                return told.get(b"location", b"").decode("utf-8", "replace")
            if response.status != _OK or told.get(b"content-encoding", b"identity").lower() != b"identity":
                raise Unavailable("address")
            if (size := int(told.get(b"content-length", 0))) > limit_bytes:
                raise ImageTooLarge(limit_bytes, size, "bytes")
            return await content(response, limit_bytes)

    def _redirected(self, origin: Target, location: str) -> Target:
        """Where a redirect leads, all checks made anew. Raises: InvalidValue, Unavailable."""
        try:
            url = urljoin(f"{origin.scheme}://{origin.netloc}{origin.path}", _written_out(location))
        except ValueError:
            url = ""
        target = self._target(url)
        if (origin.scheme, target.scheme) == ("https", "http"):
            raise Unavailable("address")
        return target

    @cached_property
    def _pool(self) -> "httpcore.AsyncConnectionPool":
        from packshot.services.pinned import pool  # whoever sends no event does not pay for the client

        return pool(self._addresses, self._check_address, self._tls)

    def _target(self, url: str) -> Target:
        target = parse(url)
        if target is None or not (self._private or target.port == _PORTS[target.scheme]):
            raise InvalidValue("address", REFUSED)
        return target

    async def _addresses(self, host: str, port: int) -> list[str]:
        """What the name stands for, all of it allowed. Raises: InvalidValue."""
        try:
            async with asyncio.timeout(TOTAL_S):  # a name server may be slow for longer than whoever binds waits
                found = await self._resolve(host, port)
        except (OSError, UnicodeError):
            found = []
        if not found:
            raise InvalidValue("address", REFUSED)
        for address in found:
            self._check_address(address)
        return found

    def _check_address(self, address: str) -> None:
        if not self._private and not is_public(address):
            raise InvalidValue("address", REFUSED)


def parse(url: str) -> Target | None:
    """The address taken apart; None unless it is plain http or https without a name and password in it."""
    if len(url) > MAX_URL_CHARACTERS or not _SHAPE.fullmatch(url):
        return None
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return None
    if "@" in parts.netloc or not _HOST.fullmatch(host) or port == 0:
        return None
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, port or _PORTS[parts.scheme], path)


def _written_out(url: str) -> str:
    """The address with blanks and letters beyond ASCII escaped; in a host or scheme they make it no address."""
    return _UNWRITTEN.sub(lambda found: quote(found[0]), url)


def is_public(address: str) -> bool:
    """Whether an IP address is one that everybody can reach; an IPv4 address inside an IPv6 one counts."""
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, IPv6Address):
        if ip.scope_id is not None:
            return False
        inner = _embedded(ip)
        if inner is not None and not is_public(str(inner)):
            return False
        if ip in _NAT64:
            return True
    return not any(ip in network for network in _NOT_PUBLIC)


def _embedded(ip: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that NAT64 or ISATAP would send to; all other forms are refused by their network."""
    low = int(ip) & (1 << 64) - 1
    return IPv4Address(low & 0xFFFFFFFF) if ip in _NAT64 or low >> 32 in _ISATAP else None


async def _resolve(host: str, port: int) -> list[str]:
    """Every address of a name, the best one first. Raises: OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
