"""Writes down the last calls as they went over the wire, secrets masked, in files that outlive the server."""

import asyncio
import os
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
import structlog

from packshot.emulator import bodies, calls
from packshot.emulator.calls import Message, RecordedCall
from packshot.emulator.masking import masked_headers, masked_path, text_masker

Scope = dict[str, Any]
Asgi = Callable[[Scope, Any, Any], Awaitable[None]]

FLUSH_S = 0.1
"""How long a call waits for company before it is written."""

_FILE_BYTES = 16 * 1024 * 1024
_KEPT_BYTES = 36 * 1024 * 1024
_NOT_CALLS = frozenset({"/healthz", "/readyz", "/metrics"})

_log = structlog.get_logger("packshot.emulator")


class EmulatorSettings(msgspec.Struct, frozen=True):
    """What the emulator keeps to be looked at: `record` is how many calls at least; 0 keeps none."""

    record: int = 0


class Recorder:
    """Keeps the last calls in files of a data folder: `count` of them at least, three times as many at most.

    Of calls so large that a file passes 16 MiB there may be fewer. A call is there `FLUSH_S` after its answer, or
    as soon as somebody asks for /readyz. A disk that takes nothing more costs calls their record and nobody
    their answer.
    """

    def __init__(self, folder: Path, count: int) -> None:
        """Begin; what earlier servers have kept stays. Raises: OSError."""
        self._older, self._path = calls.files(folder)
        self._count = count
        self._waiting: deque[_Exchange] = deque(maxlen=count)
        self._append(b"")
        self._written = len(calls.lines(self._path))

    def add(self, exchange: "_Exchange") -> None:
        """A call ended just now."""
        if not self._waiting:
            asyncio.get_running_loop().call_later(FLUSH_S, self.flush)
        self._waiting.append(exchange)

    def flush(self) -> None:
        """Write what is waiting."""
        waiting = list(self._waiting)
        self._waiting.clear()
        if not waiting:
            return
        try:
            self._make_room(len(waiting))
            self._append(b"".join(msgspec.json.encode(exchange.recorded()) + b"\n" for exchange in waiting))
        except OSError as error:
            _log.warning("calls could not be recorded", why=str(error), count=len(waiting))

    def _make_room(self, more: int) -> None:
        if self._path.exists() and (self._written >= self._count or self._path.stat().st_size > _FILE_BYTES):
            self._path.replace(self._older)
            self._written = 0
        self._written += more

    def _append(self, content: bytes) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            file.write(content)


def recorded(app: Asgi, recorder: Recorder) -> Asgi:
    """*app* with every call written down as its client sees it: this goes around everything else."""

    async def record(scope: Scope, receive: Any, send: Any) -> None:
        if scope["path"] in _NOT_CALLS:
            recorder.flush()
            await app(scope, receive, send)
            return
        exchange = _Exchange(scope)
        try:
            await app(scope, exchange.receiving(receive), exchange.sending(send))
        finally:
            exchange.end()
            recorder.add(exchange)

    return record


class _Body:
    """What passes of a body: the bytes where they are worth keeping, otherwise only how many."""

    def __init__(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self.content_type = next((value.decode("latin-1") for name, value in headers if name == b"content-type"), "")
        self._kept: list[bytes] | None = [] if bodies.is_kept(self.content_type) else None
        self._size_bytes = 0

    def add(self, chunk: bytes) -> None:
        self._size_bytes += len(chunk)
        if self._size_bytes > _KEPT_BYTES:  # a print file: only those who stream it never hold it
            self._kept = None
        if self._kept is not None:
            self._kept.append(chunk)

    def readable(self) -> tuple[str, int]:
        return bodies.readable(self.content_type, b"".join(self._kept or ()), self._size_bytes), self._size_bytes


class _Exchange:
    """One call while it passes: what came in and what went out."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._path = scope["path"]  # the doors may tidy it
        self._request = _Body(scope["headers"])
        self._status: int | None = None
        self._answer_headers: list[tuple[bytes, bytes]] = []
        self._answer = _Body(())
        self._at = time.time()
        self._started = time.monotonic()
        self._texts = ("", 0), ("", 0)
        self._seconds = 0.0

    def receiving(self, receive: Any) -> Any:
        async def received() -> Any:
            message = await receive()
            if message["type"] == "http.request":
                self._request.add(message.get("body", b""))
            return message

        return received

    def sending(self, send: Any) -> Any:
        async def sent(message: Any) -> None:
            await send(message)
            if message["type"] == "http.response.start":
                self._status = message["status"]
                self._answer_headers = list(message["headers"])
                self._answer = _Body(self._answer_headers)
            elif message["type"] == "http.response.body":
                self._answer.add(message.get("body", b""))

        return sent

    def end(self) -> None:
        """Let go of the bytes: what waits to be written is text with its pictures shortened."""
        self._seconds = time.monotonic() - self._started
        self._texts = self._request.readable(), self._answer.readable()
        self._request = self._answer = _Body(())

    def recorded(self) -> RecordedCall:
        scope, mask = self._scope, text_masker(self._path)
        path = masked_path((scope.get("raw_path") or self._path.encode()).decode("latin-1"))
        query = mask(scope["query_string"].decode("latin-1"))
        answered = dict(self._answer_headers)
        (request, request_bytes), (answer, answer_bytes) = self._texts
        return RecordedCall(
            at=self._at,
            line=f"{scope['method']} {path}{query and '?' + query} HTTP/{scope['http_version']}",
            name=scope.get("packshot.route", ""),
            request=Message(masked_headers(scope["headers"], mask), mask(request), request_bytes),
            status=self._status,
            answer=Message(masked_headers(self._answer_headers, mask), mask(answer), answer_bytes),
            seconds=self._seconds,
            error=str(scope.get("packshot.error", "")),
            request_id=answered.get(b"x-request-id", b"").decode("latin-1"),
        )
