"""Originals as bytes, exactly as they were uploaded: behind a download link, or at their public address."""

from collections.abc import Awaitable, Callable
from typing import Any, Literal

import msgspec
import structlog

from packshot.delivery.disposition import content_disposition
from packshot.delivery.ranges import Unsatisfiable, is_refused, is_unchanged, wanted_range
from packshot.domain.errors import NotFound, PackshotError, Unavailable
from packshot.domain.images import PUBLIC_PREFIX
from packshot.domain.originals import Original
from packshot.services import downloads
from packshot.services.core import Core

Scope = dict[str, Any]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

_log = structlog.get_logger("packshot.delivery")

INLINE_BYTES = 1024 * 1024
"""Up to this size the bytes are read on the event loop: measured, a thread costs more than the read."""

_HARMLESS: Headers = [
    # A picture can be a web page too; whoever opens it directly gets no script, no frame and no sniffing.
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"sandbox; default-src 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"accept-ranges", b"bytes"),
]
_PUBLIC: Headers = [
    (b"cache-control", b"public, max-age=86400"),
    (b"cross-origin-resource-policy", b"cross-origin"),
    (b"access-control-allow-origin", b"*"),
]
_PRIVATE: Headers = [
    (b"cache-control", b"private, no-store"),
    (b"cross-origin-resource-policy", b"same-origin"),
]


async def send_attachment(core: Core, scope: Scope, send: Send, original: Original) -> None:
    """Answer a download link: as an attachment, for nobody's cache. Raises: Unavailable."""
    await _send(core, scope, send, original, "attachment", _PRIVATE)


async def public(core: Core, scope: Scope, send: Send) -> None:
    """Answer `/upload/iblock/<address>/<file name>`: inline and cacheable, for everybody who knows the address."""
    scope["packshot.route"] = "detailUrl"
    try:
        if scope["method"] not in {"GET", "HEAD"}:
            await refuse(send, 405, "INVALID_REQUEST", "Pictures are read with GET or HEAD", [(b"allow", b"GET, HEAD")])
            return
        original = await downloads.open_address(core, _address(scope["path"]))
        await _send(core, scope, send, original, "inline", _PUBLIC)
    except NotFound as error:
        await refuse(send, 404, "NOT_FOUND", str(error))
    except PackshotError as error:
        _log.warning("unavailable", why=str(error), cause=repr(error.__cause__))
        await refuse(send, 503, "INTERNAL_SERVER_ERROR", str(error), [(b"retry-after", b"1")])


def _address(path: str) -> str:
    return "/".join(path.removeprefix(PUBLIC_PREFIX).split("/")[:2])


async def _send(
    core: Core, scope: Scope, send: Send, original: Original, kind: Literal["attachment", "inline"], extra: Headers
) -> None:
    if not original.intact:
        raise Unavailable("original")
    given = dict(scope["headers"])
    etag = f'"{original.digest}"'.encode()
    headers: Headers = [*_HARMLESS, *extra, (b"etag", etag)]
    if is_refused(given, etag):
        await _start(send, 412, [*headers, (b"content-length", b"0")], b"")
        return
    if is_unchanged(given, etag):
        await _start(send, 304, headers, b"")
        return
    headers += [
        (b"content-type", original.media_type.encode()),
        (b"content-disposition", content_disposition(kind, original.name)),
    ]
    try:
        # Ranges are a matter of GET alone.
        wanted = wanted_range(given, etag, original.size_bytes) if scope["method"] == "GET" else None
    except Unsatisfiable:
        size = f"bytes */{original.size_bytes}".encode()
        await _start(send, 416, [*headers, (b"content-range", size), (b"content-length", b"0")], b"")
        return
    await _send_bytes(core, scope, send, original, wanted, headers)


async def _send_bytes(
    core: Core, scope: Scope, send: Send, original: Original, wanted: tuple[int, int] | None, headers: Headers
) -> None:
    start, end = wanted or (0, original.size_bytes)
    headers.append((b"content-length", b"%d" % (end - start)))
    if wanted:
        headers.append((b"content-range", f"bytes {start}-{end - 1}/{original.size_bytes}".encode()))
    status = 206 if wanted else 200
    if scope["method"] == "HEAD":
        await _start(send, status, headers, b"")
    elif end - start <= INLINE_BYTES:
        await _start(send, status, headers, core.blobs.read_now(original.key, start, end))
    else:
        await _stream(core, send, original, (start, end), (status, headers))


async def _stream(core: Core, send: Send, original: Original, part: tuple[int, int], head: tuple[int, Headers]) -> None:
    """Send piece by piece. The first one is read before the status goes out, while there is still an error to send."""
    pieces = core.blobs.stream(original.key, *part)
    first = await anext(pieces)
    await send({"type": "http.response.start", "status": head[0], "headers": head[1]})
    await send({"type": "http.response.body", "body": first, "more_body": True})
    async for piece in pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _start(send: Send, status: int, headers: Headers, content: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


async def refuse(send: Send, status: int, code: str, why: str, extra: Headers | None = None) -> None:
    """Say no in JSON, in the shape of the protocol's errors: who asks by mistake is most likely one of its clients."""
    content = msgspec.json.encode({"error": code, "error_description": why})
    fixed: Headers = [
        (b"content-type", b"application/json; charset=utf-8"),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    ]
    await _start(send, status, [*fixed, (b"content-length", b"%d" % len(content)), *(extra or [])], content)
