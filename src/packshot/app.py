"""Wiring: from a data folder and settings to a core, and from a core to one ASGI application."""

import ipaddress
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import msgspec
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.middleware.cors import CORSMiddleware
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from packshot import __version__
from packshot.config import Settings
from packshot.delivery import originals
from packshot.domain.errors import PackshotError
from packshot.emulator.faults import Faults
from packshot.emulator.recorder import Recorder, recorded
from packshot.observability import REQUEST_ID, Asgi, Metrics, RequestLog, observed
from packshot.protocols.bitrix.limits import limiter
from packshot.protocols.bitrix.oauth import PREFIX, OAuth
from packshot.protocols.bitrix.routes import Bitrix
from packshot.protocols.body import InFlight
from packshot.protocols.finerworks.routes import FinerWorks
from packshot.services import keyring
from packshot.services.attempts import Attempts
from packshot.services.core import Core
from packshot.services.outbound import Outbound
from packshot.storage import folder as data_folder
from packshot.storage import migrations
from packshot.storage.blobs.disk import DiskBlobs
from packshot.storage.database import open_database

Scope = dict[str, Any]
Send = Callable[[dict[str, Any]], Awaitable[None]]

THREADS = 8
_OWN_NAME = re.compile(rb"(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$", re.IGNORECASE)
_HOST = re.compile(r"[A-Za-z0-9.\-_]+(:\d+)?|\[[0-9A-Fa-f:.]+\](:\d+)?")


@asynccontextmanager
async def open_core(
    folder: Path,
    settings: Settings,
    failed: Callable[[BaseException], None],
    clock: Callable[[], float] = time.time,
) -> AsyncIterator[Core]:
    """The core over a data folder, which is made and migrated where needed, until the block ends.

    *failed* is called when the disk fails in a way after which nobody knows what it holds.

    Raises:
        OSError: the folder cannot be made or written to.
        StoreUnusable: its database or key file is damaged, lost, or belongs to a newer version.
    """
    data_folder.prepare(folder)
    path = folder / data_folder.DATABASE
    migrations.prepare(path)
    threads = ThreadPoolExecutor(THREADS, "packshot")
    blobs = DiskBlobs(folder, threads, failed)
    blobs.prepare()
    sealer = data_folder.Sealer(folder)
    db = open_database(path, failed)
    outbound = Outbound(settings.outbound)
    try:
        yield Core(
            db=db,
            blobs=blobs,
            threads=threads,
            clock=clock,
            signing_keys=await keyring.signing_keys(db, sealer, int(clock() * 1_000_000)),
            sealer=sealer,
            limits=settings.images,
            downloads=settings.downloads,
            upkeep=settings.upkeep,
            events=settings.events,
            outbound=outbound,
        )
    finally:
        await outbound.close()
        await db.close()
        threads.shutdown()


def build(
    core: Core, settings: Settings, ready: Callable[[], bool], recorder: Recorder | None = None
) -> tuple[Asgi, RequestLog]:
    """The whole application, and the log to flush when it ends.

    It has both kinds of addresses, health, metrics, and a log line for each request. *recorder* keeps the calls.
    """
    in_flight = InFlight(settings.requests.in_flight_bytes)
    metrics = Metrics(
        {
            "packshot_body_bytes_in_flight": (
                "Bytes of request bodies held at this moment.",
                lambda: float(in_flight.held_bytes),
            ),
            "packshot_writes_queued": ("Works waiting for the database writer.", lambda: float(core.db.queued())),
            "packshot_events_waiting": (
                "Events waiting to be sent, counted once a minute.",
                lambda: float(core.event_counts["waiting"]),
            ),
            "packshot_events_delivered": (
                "Events taken by their receivers since the start.",
                lambda: float(core.event_counts["delivered"]),
            ),
            "packshot_events_failed": (
                "Attempts to send an event that failed since the start.",
                lambda: float(core.event_counts["failed"]),
            ),
        }
    )
    bitrix = Bitrix(
        core=core,
        settings=settings.bitrix,
        zone=ZoneInfo(settings.server.timezone),
        base_url=partial(_base_url, settings.server.public_url),
        send_original=partial(originals.send_attachment, core),
        limits=settings.requests,
        in_flight=in_flight,
        limiter=limiter(settings.limits),
    )
    finerworks = FinerWorks(
        core=core,
        settings=settings.finerworks,
        zone=bitrix.zone,
        base_url=bitrix.base_url,
        limits=settings.requests,
        in_flight=in_flight,
        request_id=REQUEST_ID.get,
    )
    log = RequestLog(settings.log, metrics)
    oauth = OAuth(core, settings.bitrix, bitrix.base_url, settings.requests, in_flight, Attempts(core.clock))
    v3 = _outside(finerworks, core, settings)
    doors: dict[str, Asgi] = {"/rest/": _outside(bitrix, core, settings), PREFIX: oauth, "/v3/": v3, "/V3/": v3}
    routes = _routes(core, doors, log, settings, ready)
    asgi = observed(_guarded(routes, settings.server.public_url), log)
    asgi = _behind(settings.server.trusted_proxies, asgi)
    return recorded(asgi, recorder) if recorder else asgi, log


def _behind(proxies: tuple[str, ...], asgi: Asgi) -> Asgi:
    """*asgi* with client and scheme as these proxies tell them; nobody else is believed."""
    if not proxies:
        return asgi
    believing: Any = ProxyHeadersMiddleware(cast("Any", asgi), list(proxies))
    return cast("Asgi", believing)


def _outside(door: Bitrix | FinerWorks, core: Core, settings: Settings) -> Asgi:
    """*door* in bad weather where that is wanted, and for scripts of the web pages that may call."""
    asgi = Faults(door, door.fail, core, settings.faults.rules)
    origins = settings.cors.origins
    if not origins:
        return asgi
    shown = ["Retry-After", "X-Request-ID", "Content-Disposition"]
    return CORSMiddleware(cast("Any", asgi), origins, ["GET", "POST", "PUT", "DELETE"], ["*"], expose_headers=shown)


def _routes(
    core: Core, doors: Mapping[str, Asgi], log: RequestLog, settings: Settings, ready: Callable[[], bool]
) -> Asgi:
    """The whole route table: doors by the first part of the path, single pages by path."""

    async def show_metrics(scope: Scope, send: Send) -> None:
        if _may_read_metrics(settings.server.metrics, scope):
            await _text(send, log.page(), CONTENT_TYPE_LATEST)
        else:
            await _nothing(scope, send)

    pages = {
        "/": lambda _, send: _answer(send, 200, {"service": "packshot", "version": __version__, "rest": "/rest/"}),
        "/healthz": lambda _, send: _answer(send, 200, {"status": "ok"}),
        "/readyz": lambda _, send: _readiness(core, send, ready=ready()),
        "/metrics": show_metrics,
    }

    async def route(scope: Scope, receive: Any, send: Send) -> None:
        path = scope["path"]
        if path.startswith("//"):
            path = scope["path"] = "/" + path.lstrip("/")
        if door := doors.get(path[: path.find("/", 1) + 1]):
            await door(scope, receive, send)
        elif path.startswith(originals.PUBLIC_PREFIX):
            await originals.public(core, scope, send)
        else:
            await pages.get(path, _nothing)(scope, send)

    return route


async def _nothing(_: Scope, send: Send) -> None:
    await originals.refuse(send, 404, "NOT_FOUND", "Nothing is served at this address")


def _guarded(app: Asgi, public_url: str) -> Asgi:
    """*app* for the one host of the public address, where one is set; for any host otherwise."""
    if not public_url:
        return app
    wanted = urlsplit(public_url).netloc.lower().encode()

    async def guard(scope: Scope, receive: Any, send: Send) -> None:
        host = _header(scope, b"host").lower()
        if host == wanted or scope["path"] in {"/healthz", "/readyz", "/metrics"}:
            await app(scope, receive, send)
        else:
            await originals.refuse(send, 421, "UNKNOWN_HOST", f"This server answers for {public_url} only")

    return guard


def _base_url(public_url: str, scope: Scope, headers: dict[bytes, bytes]) -> str:
    """The address that absolute links start with: the configured one, or the one this request was sent to."""
    return public_url or _sent_to(scope["scheme"], headers.get(b"host", b""), scope["server"])


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


async def _readiness(core: Core, send: Send, *, ready: bool) -> None:
    try:
        await core.db.one("SELECT 1")
    except PackshotError:
        await _answer(send, 503, {"status": "the database does not answer"})
        return
    await _answer(send, 200 if ready else 503, {"status": "ready" if ready else "stopping"})


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
