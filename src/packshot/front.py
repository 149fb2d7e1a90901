"""The way in: by path to a door or a page of ours, for the host that we answer for."""

import ipaddress
import re
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any
from urllib.parse import urlsplit

import msgspec
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from packshot import __version__
from packshot.config import Settings
from packshot.delivery import originals, renditions
from packshot.delivery.sending import Scope, Send, refuse
from packshot.domain.images import PUBLIC_PREFIX, RENDITIONS_PREFIX
from packshot.observability import Asgi, RequestLog
from packshot.services.answering import Answering
from packshot.services.core import Core

_HEALTH = frozenset({"/healthz", "/readyz"})
_OWN_NAME = re.compile(rb"(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$", re.IGNORECASE)
_MAX_HOST = 300  # more than any can have, and no more than is worth remembering
_HOST = re.compile(r"[A-Za-z0-9.\-_]{1,253}(:\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:\d{1,5})?", re.ASCII)


def routes(
    core: Core, doors: Mapping[str, Asgi], log: RequestLog, settings: Settings, ready: Callable[[], bool]
) -> Asgi:
    """The whole route table: doors by the first part of the path, single pages by path."""

    async def show_metrics(scope: Scope, send: Send) -> None:
        if _may_read_metrics(settings.server.metrics, scope):
            await _text(send, log.page(), CONTENT_TYPE_LATEST)
        else:
            await _nothing(scope, send)

    database = Answering(core)
    show_rendition = renditions.showing(partial(base_url, settings.server.public_url))
    pages = {
        "/": lambda _, send: _answer(send, 200, {"service": "packshot", "version": __version__, "rest": "/rest/"}),
        "/healthz": lambda _, send: _answer(send, 200, {"status": "ok"}),
        "/readyz": lambda _, send: _readiness(database, send, ready=ready()),
        "/metrics": show_metrics,
    }

    async def route(scope: Scope, receive: Any, send: Send) -> None:
        path = scope["path"]
        if path.startswith("//"):
            path = scope["path"] = "/" + path.lstrip("/")
        if door := doors.get(path[: path.find("/", 1) + 1]):
            await door(scope, receive, send)
        elif path.startswith(PUBLIC_PREFIX):
            await originals.show(core, scope, send)
        elif path.startswith(RENDITIONS_PREFIX):
            await show_rendition(core, scope, send)
        else:
            await pages.get(path, _nothing)(scope, send)

    return route


async def _nothing(_: Scope, send: Send) -> None:
    await refuse(send, 404, "NOT_FOUND", "Nothing is served at this address")


def guarded(app: Asgi, public_url: str, pictures_url: str) -> Asgi:
    """*app* for the one host of the public address, where one is set; for any host otherwise.

    The host of pictures, where it is another one, has nothing but pictures.
    """
    if not (public_url or pictures_url):
        return app
    own, pictures = _host(public_url), _host(pictures_url)

    async def guard(scope: Scope, receive: Any, send: Send) -> None:
        host, path = _header(scope, b"host").lower(), scope["path"]
        if host == pictures != own:
            if path in _HEALTH or path.startswith((PUBLIC_PREFIX, RENDITIONS_PREFIX)):
                await app(scope, receive, send)
            else:
                await refuse(send, 421, "UNKNOWN_HOST", f"There are only pictures at {pictures_url}")
        elif own in {None, host} or path in _HEALTH or path == "/metrics":
            await app(scope, receive, send)
        else:
            await refuse(send, 421, "UNKNOWN_HOST", f"This server answers for {public_url} only")

    return guard


def _host(url: str) -> bytes | None:
    return urlsplit(url).netloc.lower().encode() or None


def base_url(public_url: str, scope: Scope, headers: dict[bytes, bytes]) -> str:
    """The address that absolute links start with: the configured one, or the one this request was sent to."""
    return public_url or _sent_to(scope["scheme"], headers.get(b"host", b"")[:_MAX_HOST], scope["server"])


@lru_cache(maxsize=256)
def _sent_to(scheme: str, host: bytes, server: tuple[str, int]) -> str:
    # A Host that is none would end up in the links of an answer.
    shown = host.decode("latin-1")
    return f"{scheme}://{shown if _HOST.fullmatch(shown) else f'{server[0]}:{server[1]}'}"


def _may_read_metrics(who: str, scope: Scope) -> bool:
    if who != "local":
        return who == "on"
    # Behind a proxy on this machine everybody comes from here: who asks by another name is not local.
    by_proxy = _header(scope, b"x-forwarded-for") or not _OWN_NAME.match(_header(scope, b"host"))
    client = scope["client"]
    return not by_proxy and client is not None and ipaddress.ip_address(client[0]).is_loopback


async def _readiness(database: Answering, send: Send, *, ready: bool) -> None:
    told = "ready" if ready else "stopping"
    status = told if await database.does() else "the database does not answer"
    await _answer(send, 200 if status == "ready" else 503, {"status": status})


def _header(scope: Scope, name: bytes) -> bytes:
    return next((value for key, value in scope["headers"] if key == name), b"")


async def _answer(send: Send, status: int, content: dict[str, str]) -> None:
    await _text(send, msgspec.json.encode(content), "application/json; charset=utf-8", status)


async def _text(send: Send, content: bytes, content_type: str, status: int = 200) -> None:
    headers = [
        (b"content-type", content_type.encode()),
        (b"content-length", b"%d" % len(content)),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
