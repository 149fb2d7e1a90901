"""Wiring: from a data folder and settings to a core, and from a core to one ASGI application."""

import os
import secrets
import socket
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

from starlette.middleware.cors import CORSMiddleware
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from packshot import front
from packshot.config import Settings
from packshot.delivery import originals
from packshot.domain.renditions import presets
from packshot.emulator.faults import Faults
from packshot.emulator.recorder import Recorder, recorded
from packshot.imaging.pool import Workers
from packshot.observability import Asgi, Metrics, RequestLog, observed
from packshot.protocols.bitrix.limits import limiter
from packshot.protocols.bitrix.oauth import PREFIX, OAuth
from packshot.protocols.bitrix.routes import Bitrix
from packshot.protocols.body import InFlight
from packshot.protocols.finerworks.routes import OWN_PREFIX, FinerWorks
from packshot.services import keyring
from packshot.services.attempts import Attempts
from packshot.services.calls import REQUEST_ID
from packshot.services.core import Core, DeliverySettings
from packshot.services.making import Making
from packshot.services.outbound import Outbound
from packshot.storage import copying, marks, migrations, moves
from packshot.storage import folder as data_folder
from packshot.storage.blobs import BlobStore
from packshot.storage.blobs.disk import DiskBlobs, shared_folder
from packshot.storage.blobs.presigned import Signer, credentials
from packshot.storage.blobs.s3 import S3Blobs, open_bucket
from packshot.storage.blobs.staging import Files, Staging
from packshot.storage.database import Database
from packshot.storage.migrations import on_postgresql
from packshot.storage.postgresql import open_postgresql
from packshot.storage.renditions import Renditions
from packshot.storage.reserve import Reserve
from packshot.storage.sqlite import open_sqlite

THREADS = 8

_GAUGES: dict[str, tuple[str, Callable[[Core], float]]] = {
    "packshot_blobs_scrubbed": (
        "Originals that were read again and compared since the start.",
        lambda core: core.blob_counts["scrubbed"],
    ),
    "packshot_blobs_repaired": (
        "Originals that were damaged and are whole again, since the start, but for those uploaded again.",
        lambda core: core.blob_counts["repaired"],
    ),
    "packshot_blobs_corrupt": (
        "Originals that are missing or damaged, counted with every round of upkeep.",
        lambda core: core.blob_counts["corrupt"],
    ),
    "packshot_disk_reserve_held": (
        "1 while the disk's reserve is held, 0 while it is out or there is none.",
        lambda core: core.reserve.is_held(),
    ),
    "packshot_image_jobs_waiting": (
        "Pictures waiting for an image worker.",
        lambda core: core.workers.waiting,
    ),
    "packshot_image_workers_lost": (
        "Image workers lost since the start, to a picture or otherwise.",
        lambda core: core.workers.lost,
    ),
    "packshot_nodes": (
        "Servers of this store that were seen within the last minute.",
        lambda core: core.node_counts["seen"],
    ),
    "packshot_renditions_bytes": (
        "Bytes of renditions that are kept.",
        lambda core: core.renditions.held_bytes,
    ),
    "packshot_renditions_waiting": (
        "Renditions that are made when there is time.",
        lambda core: core.making.waiting,
    ),
    "packshot_upkeep_rounds": (
        "Rounds of upkeep since the start, but for those that other servers of this store have done.",
        lambda core: core.node_counts["rounds"],
    ),
    "packshot_writes_queued": ("Works waiting for the database writer.", lambda core: core.db.queued()),
    "packshot_events_waiting": (
        "Events waiting to be sent, counted once a minute.",
        lambda core: core.event_counts["waiting"],
    ),
    "packshot_events_delivered": (
        "Events taken by their receivers since the start.",
        lambda core: core.event_counts["delivered"],
    ),
    "packshot_events_failed": (
        "Attempts to send an event that failed since the start.",
        lambda core: core.event_counts["failed"],
    ),
}
"""What metrics show of a core: names, what they are, and how much there is."""


@asynccontextmanager
async def open_core(
    folder: Path,
    settings: Settings,
    failed: Callable[[BaseException], None],
    clock: Callable[[], float] = time.time,
) -> AsyncIterator[Core]:
    """The core over a data folder, which is made where needed, until the block ends.

    *failed* is called when the disk fails in a way after which nobody knows what it holds.

    Raises:
        OSError: the folder cannot be made or written to.
        StoreUnusable: its database or key file is damaged, lost, or of another version, or is not the one meant.
    """
    url = settings.database.url
    is_new = await _is_new(folder, url)
    made_key = data_folder.prepare(folder, settings.keys.file, is_new=is_new)
    threads = ThreadPoolExecutor(THREADS, "packshot")
    blobs, renditions, reserve = _files(folder, settings, threads, failed)
    sealer = data_folder.Sealer(folder, settings.keys.file)
    db = await open_postgresql(settings.database) if url else _open_sqlite(folder, failed, reserve)
    outbound = Outbound(settings.outbound)
    workers = Workers(settings.workers)
    making = Making()
    try:
        signing_keys = await _signing_keys(db, sealer, int(clock() * 1_000_000), made_key)
        yield Core(
            db=db,
            blobs=blobs,
            reserve=reserve,
            threads=threads,
            clock=clock,
            signing_keys=signing_keys,
            sealer=sealer,
            limits=settings.images,
            prints=settings.prints,
            downloads=settings.downloads,
            upkeep=settings.upkeep,
            events=settings.events,
            trash=settings.trash,
            audit=settings.audit,
            idempotency=settings.idempotency,
            libraries=settings.finerworks,
            outbound=outbound,
            intake=settings.intake,
            workers=workers,
            originals=settings.originals,
            pictures=settings.renditions,
            presets=presets(settings.renditions.presets),
            delivery=settings.delivery,
            renditions=renditions,
            making=making,
            node=f"{socket.gethostname()}-{secrets.token_hex(4)}" if url else "server",
        )
    finally:
        await making.close()
        await workers.close()
        await outbound.close()
        await db.close()
        threads.shutdown()


async def _is_new(folder: Path, url: str) -> bool | None:
    """Whether nothing is sealed yet in a database elsewhere, which is made; None where it is in the folder.

    Raises: StoreUnusable.
    """
    path = folder / data_folder.DATABASE
    if url and path.exists():
        async with copying.reading(path) as end:  # empty is what a start without database.url left by mistake
            if not await moves.is_empty(end.tx):
                raise data_folder.StoreUnusable(
                    f"{folder} has a store in {path.name}, and database.url names another one: leave database.url"
                    " (PACKSHOT_DATABASE_URL) out to use that store, or name another folder with --data. `packshot"
                    " move` brings a store to PostgreSQL"
                )
    if marks.find_mark(folder) == ():
        raise data_folder.StoreUnusable(
            f"a store is being moved to {folder}, and its rows are not there yet: run `packshot move` again, it goes on"
        )
    return await on_postgresql.create(url) if url else None


def _open_sqlite(folder: Path, failed: Callable[[BaseException], None], reserve: Reserve) -> Database:
    """The database, which is made where there is none. Raises: StoreUnusable."""
    migrations.create(folder / data_folder.DATABASE)
    return open_sqlite(folder / data_folder.DATABASE, failed, reserve)


async def _signing_keys(db: Database, sealer: data_folder.Sealer, now: int, made_key: Path | None) -> dict[int, bytes]:
    try:
        return await keyring.signing_keys(db, sealer, now)
    except data_folder.KeyLost:
        if made_key:  # another server made the store at the same moment: its key is the one that is needed
            made_key.unlink()  # noqa: ASYNC240 - a few microseconds, before anybody is served
        raise


def agreed(folder: Path, settings: Settings) -> dict[str, str]:
    """The settings that all servers of a store have to have alike, as texts by name.

    Elsewhere originals are not found, or taken for rubbish; another age deletes what others keep or are still writing;
    the last two show what others hide.
    """
    here = f"the data folder {folder.resolve()} of {socket.gethostname()}"
    return {
        "blobs.url": settings.blobs.url or here,
        "upkeep.young_s": str(settings.upkeep.young_s),
        "upkeep.retention_s": str(settings.upkeep.retention_s),
        "upkeep.grace_s": str(settings.upkeep.grace_s),
        "trash.keep_s": str(settings.trash.keep_s),
        "audit.keep_s": str(settings.audit.keep_s),
        "originals.privacy": settings.originals.privacy,
        "finerworks.shared_library": str(settings.finerworks.shared_library).lower(),
    }


def _files(
    folder: Path, settings: Settings, threads: ThreadPoolExecutor, failed: Callable[[BaseException], None]
) -> tuple[BlobStore, Renditions, Reserve]:
    """Where originals and renditions lie, made where needed, and what their disk has set aside.

    Raises: OSError, StoreUnusable.
    """
    reserve = Reserve(folder / data_folder.RESERVE, settings.disk.reserve_bytes)
    mirror = Path(settings.blobs.mirror) if settings.blobs.mirror else None
    blobs: DiskBlobs | S3Blobs
    url = settings.blobs.url
    if url.startswith("s3:"):
        staging = Staging(folder / "staging", threads, failed, reserve=reserve)
        blobs = S3Blobs(open_bucket(url), staging, mirror, _signer(url, settings.delivery))
    else:
        root = shared_folder(url) if url else folder
        blobs = DiskBlobs(root, threads, failed, mirror=mirror, reserve=reserve)
    blobs.prepare()
    cache = folder / data_folder.RENDITIONS
    return blobs, Renditions(cache, settings.renditions.cache_bytes, threads, Files(reserve)), reserve


def _signer(url: str, settings: DeliverySettings) -> Signer | None:
    own = credentials(os.environ)
    return Signer(open_bucket(url, settings.presign_endpoint.rstrip("/")), own) if settings.presign and own else None


def build(
    core: Core, settings: Settings, ready: Callable[[], bool], recorder: Recorder | None = None
) -> tuple[Asgi, RequestLog]:
    """The whole application, and the log to flush when it ends.

    It has both kinds of addresses, health, metrics, and a log line for each request. *recorder* keeps the calls.
    """
    in_flight = InFlight(settings.requests.in_flight_bytes)
    bitrix = Bitrix(
        core=core,
        settings=settings.bitrix,
        zone=ZoneInfo(settings.server.timezone),
        base_url=partial(front.base_url, settings.server.public_url),
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
    log = RequestLog(settings.log, _metrics(core, in_flight))
    oauth = OAuth(core, settings.bitrix, bitrix.base_url, settings.requests, in_flight, Attempts(core.clock))
    v3 = _outside(finerworks, core, settings)
    doors: dict[str, Asgi] = {
        "/rest/": _outside(bitrix, core, settings),
        PREFIX: oauth,
        "/v3/": v3,
        "/V3/": v3,
        OWN_PREFIX: v3,
    }
    routes = front.routes(core, doors, log, settings, ready)
    asgi = observed(front.guarded(routes, settings.server.public_url, settings.delivery.base_url), log)
    asgi = _behind(settings.server.trusted_proxies, asgi)
    return recorded(asgi, recorder) if recorder else asgi, log


def _metrics(core: Core, in_flight: InFlight) -> Metrics:
    held = ("Bytes of request bodies held at this moment.", lambda: float(in_flight.held_bytes))
    shown = {name: (what, partial(read, core)) for name, (what, read) in _GAUGES.items()}
    return Metrics({"packshot_body_bytes_in_flight": held, **shown})


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
