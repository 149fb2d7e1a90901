"""Bytes on their way out, whatever they are: validators, ranges, caching and the headers that keep them harmless."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import lru_cache
from typing import Any, Literal

import msgspec
import pybase64

from packshot.delivery.disposition import content_disposition
from packshot.delivery.ranges import Unsatisfiable, is_refused, is_unchanged, wanted_range
from packshot.services.contents import Content
from packshot.services.core import DeliverySettings

Scope = dict[str, Any]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

INLINE_BYTES = 1024 * 1024
"""Up to this size the bytes are read on the event loop: measured, a thread costs more than the read."""

GONE = "packshot.gone"
"""Under which name a server's state tells whether the client has hung up: what is sent then goes nowhere."""

SHORT_S = 60
"""How long caches keep what will be something better soon, and that there is nothing."""

# A picture can be a web page too; whoever opens it directly gets no script, no frame and no sniffing.
_HARMLESS: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"sandbox; default-src 'none'"),
    (b"referrer-policy", b"no-referrer"),
]
PRIVATE: Headers = [
    (b"cache-control", b"private, no-store"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
# Pages of any origin may show it, and their scripts may read all of it: nobody's cookies come into play.
ANYWHERE: Headers = [
    (b"cross-origin-resource-policy", b"cross-origin"),
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"*"),
]

_CONDITIONS = {b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since"}


def public(settings: DeliverySettings, at_most_s: int | None = None) -> Headers:
    """The headers of what everybody may see on any page, and caches may keep: *at_most_s*, where it ends by then."""
    return [(b"cache-control", _lifetime(settings, at_most_s)), *ANYWHERE]


@lru_cache(maxsize=64)
def _lifetime(settings: DeliverySettings, at_most_s: int | None) -> bytes:
    if at_most_s is not None:
        return b"public, max-age=%d" % min(at_most_s, settings.max_age_s)
    return b"public, max-age=%d%b" % (settings.max_age_s, b", immutable" if settings.immutable else b"")


async def send_bytes(
    scope: Scope, send: Send, content: Content, kind: Literal["attachment", "inline"], extra: Headers
) -> None:
    """Answer GET or HEAD with them, or with as much of them as is asked for. Raises: Unavailable."""
    given = dict(scope["headers"])
    etag = b'"%b"' % content.digest.encode()
    headers: Headers = [*_HARMLESS, *extra, (b"etag", etag)]
    if is_refused(given, etag):
        await _refuse_part(send, 412, headers)
        return
    if is_unchanged(given, etag):
        await start(send, 304, headers, b"")
        return
    try:
        # Ranges are a matter of GET alone.
        wanted = wanted_range(given, etag, content.size_bytes) if scope["method"] == "GET" else None
    except Unsatisfiable:
        size = f"bytes */{content.size_bytes}".encode()
        await _refuse_part(send, 416, [*headers, (b"content-range", size)])
        return
    described = _described(content.digest, content.media_type, kind, content.name)
    if scope["method"] == "GET" and (address := _elsewhere(given, wanted, content, [*extra, *described])):
        await content.read(content.size_bytes - 1, content.size_bytes)  # as below: a bucket would say so in its own way
        shown = [header for header in [*_HARMLESS, *extra] if header[0] != b"cache-control"]
        there = [(b"location", address), (b"cache-control", b"no-store"), (b"content-length", b"0")]
        await start(send, 307, [*shown, *there], b"")
        return
    headers += described
    if content.internal_path and _is_left_to_nginx(given, wanted):
        await content.read(content.size_bytes - 1, content.size_bytes)  # all of them are there, or nginx would say so
        headers += [(b"x-accel-redirect", content.internal_path.encode()), (b"content-length", b"0")]
        await start(send, 200, headers, b"")
    else:
        await _send_part(scope, send, content, wanted, headers)


@lru_cache(maxsize=1024)
def _described(digest: str, media_type: str, kind: Literal["attachment", "inline"], name: str) -> Headers:
    return [
        (b"content-type", media_type.encode()),
        (b"content-disposition", content_disposition(kind, name)),
        (b"repr-digest", b"sha-256=:%b:" % pybase64.b64encode(bytes.fromhex(digest))),
    ]


def _is_left_to_nginx(given: Mapping[bytes, bytes], wanted: tuple[int, int] | None) -> bool:
    """Whether nginx, which sees the same request, will answer it as we would.

    It has our entity tag in time for If-Range, but not for the other conditions.
    """
    return not _CONDITIONS & given.keys() and (wanted is not None or b"range" not in given)


def _elsewhere(
    given: Mapping[bytes, bytes], wanted: tuple[int, int] | None, content: Content, headers: Headers
) -> bytes | None:
    """Where the client finds the bytes, if it may and will go there: a bucket has no idea of our entity tag."""
    if content.elsewhere is None or b"if-range" in given or not _is_left_to_nginx(given, wanted):
        return None
    address = content.elsewhere({name.decode(): value.decode() for name, value in headers})
    return address.encode() if address else None


async def _refuse_part(send: Send, status: int, headers: Headers) -> None:
    """Refuse what was asked for of the bytes. Caches must not keep that: who comes next may ask in another way."""
    shown = [header for header in headers if header[0] != b"cache-control"]
    await start(send, status, [*shown, (b"cache-control", b"no-store"), (b"content-length", b"0")], b"")


async def _send_part(
    scope: Scope, send: Send, content: Content, wanted: tuple[int, int] | None, headers: Headers
) -> None:
    begin, end = wanted or (0, content.size_bytes)
    part = f"bytes {begin}-{end - 1}/{content.size_bytes}".encode()
    headers += [
        (b"content-length", b"%d" % (end - begin)),
        (b"content-range", part) if wanted else (b"accept-ranges", b"bytes"),
    ]
    status = 206 if wanted else 200
    if scope["method"] == "HEAD":
        await start(send, status, headers, b"")
    elif end - begin <= INLINE_BYTES:
        await start(send, status, headers, await content.read(begin, end))
    else:
        await _stream(scope, send, content.stream(begin, end), (status, headers))


async def _stream(scope: Scope, send: Send, pieces: AsyncIterator[bytes], head: tuple[int, Headers]) -> None:
    """Send piece by piece. The first one is read before the status goes out, while there is still an error to send."""
    is_gone = scope.get("state", {}).get(GONE, bool)
    first = await anext(pieces)
    await send({"type": "http.response.start", "status": head[0], "headers": head[1]})
    await send({"type": "http.response.body", "body": first, "more_body": True})
    async for piece in pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        if is_gone():  # hundreds of megabytes may be left to be read
            break
    await send({"type": "http.response.body", "body": b""})


async def start(send: Send, status: int, headers: Headers, body: bytes) -> None:
    """Send an answer as a whole."""
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def refuse(
    send: Send, status: int, code: str, why: str, extra: Headers | None = None, caching: bytes = b"no-store"
) -> None:
    """Say no in JSON, in the shape of the protocol's errors: who asks by mistake is most likely one of its clients."""
    said = {"error": code, "error_description": why}
    await send_json(send, status, said, [(b"cache-control", caching), *(extra or [])])


async def send_json(send: Send, status: int, content: object, extra: Headers) -> None:
    """Answer with an object."""
    body = msgspec.json.encode(content)
    fixed: Headers = [
        (b"content-type", b"application/json; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
        (b"x-content-type-options", b"nosniff"),
    ]
    await start(send, status, [*fixed, *extra], body)
