"""Logs and metrics: one request id from door to log line to answer, and no secret in any of them."""

import asyncio
import itertools
import logging
import re
import secrets
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal, NamedTuple, TextIO

import msgspec
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from packshot.services.calls import REQUEST_ID

Scope = dict[str, Any]
Asgi = Callable[[Scope, Any, Any], Awaitable[None]]

FLUSH_S = 0.1
"""How long a request's log line waits for company."""

# Unique is enough for a request's id; random for each would cost a system call.
_PROCESS = secrets.token_hex(4)
_numbers = itertools.count(1)

_GIVEN_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_MASK = "***"
_SHOWN_CHARACTERS = 300
_SECRETS = re.compile(
    r"/rest/+(?:[^\s?\"']*/)?(?P<method>[A-Za-z]+(?:\.[A-Za-z]+)+)?[^\s?\"']*"
    r"|(?P<segment>/)[a-z0-9]{16,}(?=[/?\s\"']|$)"
    r"|(?P<name>\b(?:auth|token|access_token|refresh_token|application_token|client_secret|code|code_verifier|password"
    r"|app_key|web_api_key|sessid)"
    r"[\"']?\s*[=:]\s*[\"']?)[^&\s\"',}]+",
    re.IGNORECASE,
)


class LogSettings(msgspec.Struct, frozen=True):
    """What is logged to standard error, and how.

    `format`: `auto` is readable on a terminal and JSON elsewhere. `requests`: one line per request.
    """

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"
    requests: bool = True


def mask(text: str) -> str:
    """*text* without the secrets that addresses and parameters carry: webhook codes, tokens, keys."""
    return _SECRETS.sub(_masked, text)


def _masked(match: re.Match[str]) -> str:
    """Of an address below /rest/ only the method's name is left: a code may stand in any other place by mistake."""
    if match["segment"]:
        return f"/{_MASK}"
    return match["name"] + _MASK if match["name"] else f"/rest/{_MASK}/{match['method'] or ''}"


def configure_logging(settings: LogSettings, stream: TextIO = sys.stderr) -> None:
    """Send our log lines, and those of the libraries, to *stream*, masked and with the request's id."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _add_request_id,
            structlog.processors.format_exc_info,
            _mask_values,
            _renderer(settings, stream),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(settings.level),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_ToStructlog()], level=logging.WARNING, force=True)


def _renderer(settings: LogSettings, stream: TextIO) -> Callable[..., str]:
    if settings.format == "console" or (settings.format == "auto" and stream.isatty()):
        return structlog.dev.ConsoleRenderer(colors=stream.isatty(), pad_event_to=0)
    return _as_json


class Metrics:
    """The counters of one server, in a registry of their own."""

    def __init__(self, gauges: Mapping[str, tuple[str, Callable[[], float]]]) -> None:
        """*gauges* are read when asked for: name -> (help text, function)."""
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = Counter("packshot_requests", "Requests answered.", ("route", "status"), registry=self.registry)
        self._seconds = Histogram(
            "packshot_request_seconds",
            "Time from the request's headers to the end of the answer.",
            ("route",),
            registry=self.registry,
            buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
        )
        for name, (text, function) in gauges.items():
            Gauge(name, text, registry=self.registry).set_function(function)
        # A labelled child costs more to find than to count with.
        self._children: dict[tuple[str, int], Callable[[float], None]] = {}

    def count(self, route: str, status: int, seconds: float) -> None:
        """One request of that route ended. Routes are names out of our tables, never what a client sent."""
        child = self._children.get((route, status))
        if child is None:
            child = self._children[route, status] = self._child(route, status)
        child(seconds)

    def _child(self, route: str, status: int) -> Callable[[float], None]:
        increment = self._requests.labels(route, str(status)).inc
        observe = self._seconds.labels(route).observe

        def count(seconds: float) -> None:
            increment()
            observe(seconds)

        return count


class Finished(NamedTuple):
    """One answered request: when, what, how it went and how long it took."""

    at: float
    method: str
    route: str
    path: str
    status: int
    seconds: float
    error: str
    request_id: str
    mode: str


class RequestLog:
    """Counts requests and writes one line for each, in batches: done one by one it would cost a third of a request.

    A line appears, and a request is counted, `FLUSH_S` after its answer at the latest.
    """

    def __init__(self, settings: LogSettings, metrics: Metrics, stream: TextIO = sys.stderr) -> None:
        self._wanted = settings.requests and settings.level in {"debug", "info"}
        self._metrics = metrics
        self._stream = stream
        self._render = _renderer(settings, stream)
        self._waiting: list[Finished] = []

    def add(self, request: Finished) -> None:
        """A request was answered just now."""
        if not self._waiting:
            asyncio.get_running_loop().call_later(FLUSH_S, self.flush)
        self._waiting.append(request)

    def flush(self) -> None:
        """Count and write what is waiting."""
        waiting, self._waiting = self._waiting, []
        for request in waiting:
            self._metrics.count(request.route, request.status, request.seconds)
        if waiting and self._wanted:
            self._stream.write("".join(self._line(request) for request in waiting))
            self._stream.flush()

    def page(self) -> bytes:
        """All metrics as Prometheus reads them, this moment's included."""
        self.flush()
        return generate_latest(self._metrics.registry)

    def _line(self, request: Finished) -> str:
        event = {
            "timestamp": f"{_second(int(request.at))}.{int(request.at % 1 * 1000):03d}Z",
            "level": "info" if request.status < 500 else "warning",  # noqa: PLR2004 - server errors
            "event": "request",
            "method": request.method,
            "route": request.route,
            "status": request.status,
            "ms": round(request.seconds * 1000, 2),
            "request_id": request.request_id,
        }
        if request.path:
            event["path"] = mask(request.path[:_SHOWN_CHARACTERS])
        if request.error:
            event["error"] = request.error
        if request.mode == "test":
            event["mode"] = request.mode
        return self._render(None, "info", event) + "\n"


@lru_cache(maxsize=16)
def _second(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S")


class _ToStructlog(logging.Handler):
    """Hands the libraries' log records to our own pipeline, so that they are masked too."""

    def emit(self, record: logging.LogRecord) -> None:
        logger = structlog.get_logger(record.name)
        logger.log(record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info or None)


def _add_request_id(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if request_id := REQUEST_ID.get():
        event.setdefault("request_id", request_id)
    return event


def _mask_values(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = mask(value)
    return event


def _as_json(_: Any, __: str, event: MutableMapping[str, Any]) -> str:
    return msgspec.json.encode(event, enc_hook=repr).decode()


def observed(app: Asgi, log: RequestLog) -> Asgi:
    """*app* with a request id on every answer, a log line and a count for every request.

    A door tells what it found in the scope: `packshot.route` (a name of ours), `packshot.error` (a code), and
    `packshot.mode` (of the credential).
    """

    async def observe(scope: Scope, receive: Any, send: Any) -> None:
        started = time.time()
        request_id = _request_id(scope["headers"])
        REQUEST_ID.set(request_id)
        status = 0

        async def send_with_id(message: dict[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].append((b"x-request-id", request_id.encode()))
            await send(message)

        try:
            await app(scope, receive, send_with_id)
        finally:
            now = time.time()
            route = scope.get("packshot.route", "")
            path = "" if route else scope["path"]
            error = scope.get("packshot.error", "")
            seconds = max(now - started, 0.0)  # the clock may be set back
            mode = scope.get("packshot.mode", "")
            log.add(Finished(now, scope["method"], route or "other", path, status, seconds, error, request_id, mode))

    return observe


def _request_id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The caller's own X-Request-ID where it is fit to be printed, a fresh one otherwise."""
    for name, value in headers:
        if name == b"x-request-id" and _GIVEN_ID.fullmatch(value):
            return value.decode()
    return f"{_PROCESS}{next(_numbers):08x}"
