"""One client's connection: HTTP/1.1 as uvicorn speaks it, with an end to clients that dawdle and a last answer."""

import sys
from asyncio import TimerHandle
from typing import Any

from httptools import HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from packshot.delivery.sending import GONE
from packshot.emulator.faults import ABORT

QUIET_S = 1.0
"""A client that was silent for so long will hardly write in the very moment a stopping server closes its connection."""

HEADERS_S = 10.0
HEADERS_BYTES = 256 * 1024
UNREAD_S = 120.0
"""How long a client may take nothing of an answer: a mebibyte at the 8 KiB/s that a body needs, too."""


class State(ServerState):
    """What connections share, and whether the server is about to leave."""

    leaving = False


class PatientOnlyOnce(HttpToolsProtocol):
    """uvicorn's protocol, with an end to clients that send slowly, or without end, what is no body.

    uvicorn has no such limits of its own. A client has `HEADERS_S` for whatever it has begun while no request
    is being answered: headers, or the rest of a request that was answered early. It may send `HEADERS_BYTES`
    in a row that are no body: headers, chunk extensions, trailers. A request that arrives whole costs nothing.
    """

    _timer: TimerHandle | None = None
    _unread: TimerHandle | None = None
    _leaving: TimerHandle | None = None
    _heard_at = 0.0
    _unfinished = True
    _bytes_beside_bodies = 0
    _anew = b""
    _rest = b""

    def connection_made(self, transport: Any) -> None:
        """Give the first headers their time, and whoever answers word of the connection and a way to close it."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, ABORT: transport.abort, GONE: self._is_gone}
        self._watch()
        self._hear()

    def data_received(self, data: bytes) -> None:
        """Count what is no body, and start the clock where a request is not whole yet."""
        self._unfinished = True
        self._bytes_beside_bodies += len(data)
        self._rest = data
        self._heard_at = self.loop.time()
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
        self._hear()

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
        self._stop_leaving()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """The server stops: whoever asks gets one more answer, which says that it is the last; the silent are let go.

        An answer that has begun cannot say so any more: what is asked after it gets one, too.
        """
        self._stop_leaving()
        left_s = self._heard_at + QUIET_S - self.loop.time()
        if self._is_answering():
            self.cycle.keep_alive &= self.cycle.response_started
        elif left_s > 0:
            self._leaving = self.loop.call_later(left_s, self.shutdown)
        elif self.transport.get_write_buffer_size():
            self.transport.close()
        else:
            self.transport.abort()  # over TLS, close() would wait for a client that reads nothing

    def on_headers_complete(self) -> None:
        """All headers came; a request that offers another protocol begins once it is read anew, without the offer."""
        if not self._is_offer():
            super().on_headers_complete()
            self.cycle.keep_alive &= not self._is_stopping()

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

    def _hear(self) -> None:
        """Begin to wait for what comes next, though not for long where the server stops."""
        self._heard_at = self.loop.time()
        if self._is_stopping():
            self.shutdown()

    def _is_stopping(self) -> bool:
        return isinstance(self.server_state, State) and self.server_state.leaving

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

    def _stop_leaving(self) -> None:
        if self._leaving is not None:
            self._leaving.cancel()
            self._leaving = None

    def _give_up(self) -> None:
        self.transport.close()


def _is_unframed_delete(scope: Any) -> bool:
    framed = any(name in {b"content-length", b"transfer-encoding"} for name, _ in scope["headers"])
    return scope["method"] == "DELETE" and not framed
