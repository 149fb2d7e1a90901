"""The server process: one uvicorn over one data folder, from the first line printed to the clean stop."""

import asyncio
import signal
import socket
import sys
import threading
from asyncio import TimerHandle
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import structlog
import uvicorn
import uvloop
from httptools import HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from packshot import app
from packshot.config import Settings
from packshot.delivery.sending import GONE
from packshot.domain.errors import PackshotError
from packshot.emulator.faults import ABORT
from packshot.emulator.recorder import Recorder
from packshot.services import deliveries, scrub, upkeep
from packshot.services.core import Core
from packshot.storage import folder as data_folder
from packshot.storage.health import quick_check

EXIT_DISK_FAILED = 74
DRAIN_S = 10
HEADERS_S = 10.0
HEADERS_BYTES = 256 * 1024
UNREAD_S = 120.0
"""How long a client may take nothing of an answer: a mebibyte at the 8 KiB/s that a body needs, too."""

_log = structlog.get_logger("packshot.server")


class PatientOnlyOnce(HttpToolsProtocol):
    """uvicorn's protocol, with an end to clients that send slowly, or without end, what is no body.

    uvicorn has no such limits of its own. A client has `HEADERS_S` for whatever it has begun while no request
    is being answered: headers, or the rest of a request that was answered early. It may send `HEADERS_BYTES`
    in a row that are no body: headers, chunk extensions, trailers. A request that arrives whole costs nothing.
    """

    _timer: TimerHandle | None = None
    _unread: TimerHandle | None = None
    _unfinished = True
    _bytes_beside_bodies = 0
    _anew = b""
    _rest = b""

    def connection_made(self, transport: Any) -> None:
        """Give the first headers their time, and whoever answers word of the connection and a way to close it."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, ABORT: transport.abort, GONE: self._is_gone}
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Count what is no body, and start the clock where a request is not whole yet."""
        self._unfinished = True
        self._bytes_beside_bodies += len(data)
        self._rest = data
        super().data_received(data)
        while self._anew:  # a loop, since a hostile client would send thousands at once
            anew, self._anew = self._anew, b""
            super().data_received(anew)
            super().data_received(self._rest)
        if self._bytes_beside_bodies > HEADERS_BYTES:
            self._give_up()
        else:
            self._watch()

    def on_body(self, body: bytes) -> None:
        """A piece of the body; how slow it may be is up to those who read it."""
        self._bytes_beside_bodies = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The last byte of a request."""
        if self._is_offer():
            return
        self._unfinished = False
        self._bytes_beside_bodies = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """The answer is sent, perhaps before all of its request came."""
        super().on_response_complete()
        self._watch()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP; behind a DELETE that announced no body it is that body, and the door says so.

        Node's http module sends DELETEs like that.
        """
        if self._is_answering() and _is_unframed_delete(self.cycle.scope):
            self.cycle.keep_alive = False
        else:
            super().send_400_response(msg)

    def pause_writing(self) -> None:
        """The client takes nothing more for now; not for ever."""
        super().pause_writing()
        if self._unread is None:
            self._unread = self.loop.call_later(UNREAD_S, self.transport.abort)

    def resume_writing(self) -> None:
        """It reads again."""
        super().resume_writing()
        self._stop_unread()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._stop_clock()
        self._stop_unread()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """The server stops: whoever waits for an answer gets it, an idle connection goes at once."""
        if self._is_answering() or self.transport.get_write_buffer_size():
            super().shutdown()
        else:
            self.transport.abort()  # over TLS, close() would wait for a client that reads nothing

    def on_headers_complete(self) -> None:
        """All headers came; a request that offers another protocol begins once it is read anew, without the offer."""
        if not self._is_offer():
            super().on_headers_complete()

    def _unsupported_upgrade_warning(self) -> None:
        """Have a request that offers another protocol read as if it did not: to who sent it, HTTP/1.1 is as good.

        Java, PHP and curl offer HTTP/2 this way. To the parser, all behind such headers is the other protocol,
        also where it is the body.
        """
        offer = sys.exception()
        if offer is None or not self._is_offer():
            return
        start = b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        kept = [b"%s: %s" % header for header in self.headers if header[0] != b"upgrade"]
        self._anew = b"\r\n".join([start, *kept, b"", b""])
        self._rest = self._rest[offer.args[0] :]
        self.parser = HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn has it for its own

    def _is_offer(self) -> bool:
        return bool(self.parser.should_upgrade()) and self.parser.get_method() != b"CONNECT"

    def _watch(self) -> None:
        if self._is_answering() or not self._unfinished:
            self._stop_clock()
        elif self._timer is None:
            self._timer = self.loop.call_later(HEADERS_S, self._give_up)

    def _is_answering(self) -> bool:
        return not getattr(self.cycle, "response_complete", True)  # there is no cycle before the first request

    def _is_gone(self) -> bool:
        return bool(self.cycle.disconnected)

    def _stop_clock(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _stop_unread(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _give_up(self) -> None:
        self.transport.close()


def _is_unframed_delete(scope: Any) -> bool:
    framed = any(name in {b"content-length", b"transfer-encoding"} for name, _ in scope["headers"])
    return scope["method"] == "DELETE" and not framed


class _Server(uvicorn.Server):
    """uvicorn without signal handlers of its own: ours outlive the requests, so that the database is closed too."""

    def capture_signals(self) -> Any:
        return nullcontext()


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

    *prepare* is awaited once the store is open and before the first request is taken.

    Raises:
        StoreUnusable, OSError: the store cannot be opened.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = data_folder.Lock(folder)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        code = runner.run(_serve(folder, settings, listening, prepare, check=lock.was_unclean))
    if code == 0:
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
            await prepare(core)
            recorder = Recorder(folder, settings.emulator.record) if settings.emulator.record else None
            server.config.app, log = app.build(core, settings, lambda: not server.should_exit, recorder)
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, server.handle_exit, number, None)
            if check:  # on a daemon: it may take minutes, and a stop does not wait for it
                threading.Thread(target=_check, args=(folder,), daemon=True).start()
            rounds = loop.create_task(upkeep.run_for_ever(core))
            scrubbing = loop.create_task(scrub.run_for_ever(core))
            _warm_up(core)
            sending = loop.create_task(deliveries.deliver_for_ever(core, base_url(settings, listening)))
            await server.serve(sockets=[listening.socket])
            rounds.cancel()
            scrubbing.cancel()
            sending.cancel()
            await asyncio.wait([sending, scrubbing])  # what is on its way is cut off, and sent again by the next start
            log.flush()
            if recorder:
                recorder.flush()
    except PackshotError:
        if not failures:
            raise
    if failures:
        _log.critical("the disk failed; stopping, since nobody knows what it holds", why=str(failures[0]))
        return EXIT_DISK_FAILED
    return 0


def _warm_up(core: Core) -> None:
    """Start the image workers before the first upload does; what goes wrong is logged there, and tried again."""
    if core.intake.verify == "full":
        starting = asyncio.ensure_future(core.workers.start())
        starting.add_done_callback(lambda done: done.cancelled() or done.exception())


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
