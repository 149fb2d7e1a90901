"""The server process: one uvicorn over one data folder, from the first line printed to the clean stop."""

import asyncio
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import structlog
import uvicorn
import uvloop

from packshot import app
from packshot.config import Settings
from packshot.domain.errors import PackshotError
from packshot.emulator.recorder import Recorder
from packshot.server.connections import PatientOnlyOnce, State
from packshot.services import deliveries, nodes, scrub, upkeep
from packshot.services.core import Core
from packshot.storage import folder as data_folder
from packshot.storage import migrations
from packshot.storage.blobs import new_key
from packshot.storage.health import quick_check
from packshot.storage.migrations import on_postgresql

EXIT_DISAGREES = 2
EXIT_DISK_FAILED = 74
DRAIN_S = 10

_log = structlog.get_logger("packshot.server")


class _Server(uvicorn.Server):
    """uvicorn without signal handlers of its own: ours outlive the requests, so that the database is closed too."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.server_state: State = State()
        self.exit_code = 0

    def capture_signals(self) -> Any:
        return nullcontext()

    def disagree(self) -> None:
        """Stop as after a signal, since settings are other ones here than on other servers of the store."""
        self.exit_code = EXIT_DISAGREES
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, and answer what is asked on those there are, until all are gone or time is up."""
        for server in self.servers:
            server.close()
        self.server_state.leaving = True
        await asyncio.sleep(0)  # connections taken a moment ago come up now
        await super().shutdown(sockets)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises: OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1024)
    except OSError:
        listener.close()
        raise
    return listener


class Listening(NamedTuple):
    """Where to serve: a listening socket and, for HTTPS, the files of the certificate chain and its key."""

    socket: socket.socket
    certificate: tuple[Path, Path] | None = None


def base_url(settings: Settings, listening: Listening) -> str:
    """The address that clients use: the configured one, or else the one that is listened on."""
    host, port = listening.socket.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104 - compared, not bound
    return settings.server.public_url or f"{'https' if listening.certificate else 'http'}://{shown}:{port}"


def run(folder: Path, settings: Settings, listening: Listening, prepare: Callable[[Core], Awaitable[None]]) -> int:
    """Serve until SIGINT or SIGTERM and return the exit code: 0, or 74 after the disk failed.

    It is 2 where other servers of the store have agreed on other settings meanwhile, and this one stops.
    *prepare* is awaited once the store is open and before the first request is taken.

    Raises:
        StoreUnusable, OSError: the store cannot be opened.
    """
    url = settings.database.url
    if url:
        data_folder.make(folder)
    else:
        data_folder.prepare(folder, settings.keys.file)
    lock = data_folder.Lock(folder)
    upgraded = asyncio.run(on_postgresql.upgrade(url)) if url else migrations.upgrade(folder / data_folder.DATABASE)
    if upgraded:
        _log.info(str(upgraded))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        code = runner.run(_serve(folder, settings, listening, prepare, check=lock.was_unclean and not url))
    if code != EXIT_DISK_FAILED:
        lock.release()
    return code


async def _serve(
    folder: Path, settings: Settings, listening: Listening, prepare: Callable[[Core], Awaitable[None]], *, check: bool
) -> int:
    failures: list[BaseException] = []
    loop = asyncio.get_running_loop()
    server = _Server(_uvicorn_config(listening.certificate))

    def failed(error: BaseException) -> None:
        failures.append(error)
        server.should_exit = True

    try:
        async with app.open_core(folder, settings, failed) as core:
            core.reserve.make()
            agreed = app.agreed(folder, settings)
            await nodes.join(core, agreed)
            await prepare(core)
            recorder = Recorder(folder, settings.emulator.record) if settings.emulator.record else None
            server.config.app, log = app.build(core, settings, lambda: not server.should_exit, recorder)
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, server.handle_exit, number, None)
            if check:  # on a daemon: it may take minutes, and a stop does not wait for it
                threading.Thread(target=_check, args=(folder,), daemon=True).start()
            _warm_up(core)
            await _beside(
                server.serve(sockets=[listening.socket]),
                upkeep.run_for_ever(core),
                scrub.run_for_ever(core),
                deliveries.deliver_for_ever(core, base_url(settings, listening)),
                nodes.stay(core, agreed, server.disagree),
            )
            await nodes.leave(core)
            log.flush()
            if recorder:
                recorder.flush()
    except PackshotError:
        if not failures:
            raise
    if failures:
        _log.critical("the disk failed; stopping, since nobody knows what it holds", why=str(failures[0]))
        return EXIT_DISK_FAILED
    return server.exit_code


async def _beside(serving: Awaitable[None], *others: Coroutine[Any, Any, None]) -> None:
    """Serve, and do the others meanwhile: what is on its way then is cut off, and begun again by the next start."""
    tasks = [asyncio.ensure_future(other) for other in others]
    await serving
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


def _warm_up(core: Core) -> None:
    """Start the image workers before the first upload does, and see that the blob store answers.

    What goes wrong with workers is logged there, and tried again.
    """
    if core.intake.verify == "full":
        starting = asyncio.ensure_future(core.workers.start())
        starting.add_done_callback(lambda done: done.cancelled() or done.exception())
    asyncio.ensure_future(core.blobs.find_size(new_key("0" * 64))).add_done_callback(_say_if_unavailable)


def _say_if_unavailable(looking: "asyncio.Future[int | None]") -> None:
    error = None if looking.cancelled() else looking.exception()
    if error:
        why = str(error.__cause__ or error).partition("\n")[0]
        _log.error("the blob store does not answer: uploads and pictures wait until it does", why=why)


def _check(folder: Path) -> None:
    """After an unclean stop: look at the database while serving, and say what is wrong with it, if anything."""
    try:
        errors = quick_check(folder / data_folder.DATABASE)
    except Exception:  # noqa: BLE001 - a check that fails must not end the server
        _log.exception("the database could not be checked")
        return
    if errors:
        _log.error("the database is damaged: restore a backup", found=errors)
    else:
        _log.info("the last stop was not clean; the database is consistent")


def _uvicorn_config(certificate: tuple[Path, Path] | None) -> uvicorn.Config:
    """Everything but the application, which is there once the store is open."""
    chain, key = certificate or (None, None)
    return uvicorn.Config(
        "",
        http=PatientOnlyOnce,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=DRAIN_S,
        timeout_keep_alive=75,
        ssl_certfile=chain,
        ssl_keyfile=None if key is None else str(key),
    )
