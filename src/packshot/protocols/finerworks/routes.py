"""The door: everything under `/v3/`, and our own below `/packshot/v3/`, as one plain ASGI application.

A call is found, authenticated, read, run and answered here, in JSON whatever happens.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any

import msgspec
import structlog
from msgspec import structs

from packshot.domain.errors import Unauthenticated, Unavailable
from packshot.protocols.body import BodyLimits, InFlight, Take, pour, reading
from packshot.protocols.finerworks import auth, wire
from packshot.protocols.finerworks.call import Answer, Body, Call, Method, Upload
from packshot.protocols.finerworks.errors import (
    INTERNAL,
    FinerWorksSettings,
    NoBody,
    UnknownAddress,
    WireError,
    WrongVerb,
    body,
    to_wire,
    trouble,
)
from packshot.protocols.finerworks.methods import METHODS, OWN, UPLOADS
from packshot.services import calls, idempotency
from packshot.services.core import Core

Scope = dict[str, Any]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Headers = dict[bytes, bytes]
Content = bytes | bytearray

OWN_PREFIX = "/packshot/"
"""What the path of everything begins with that FinerWorks does not have."""

INLINE_BYTES = 64 * 1024
"""Larger bodies are decoded on a thread, so that they do not hold up everybody else."""

RECEIVED = b"x-packshot-received-keys"
"""The header of a refusal that names the keys which arrived as headers: the body is FinerWorks' to the letter."""

_FIXED = [
    (b"content-type", b"application/json; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
]
_SHOWN_CHARACTERS = 300

_encoder = msgspec.json.Encoder()
_log = structlog.get_logger("packshot.finerworks")


@dataclass(frozen=True, slots=True)
class FinerWorks:
    """What the door needs. `request_id` gives the id of the running request; `told` holds what was said once."""

    core: Core
    settings: FinerWorksSettings
    zone: tzinfo
    base_url: Callable[[Scope, Headers], str]
    limits: BodyLimits
    in_flight: InFlight
    request_id: Callable[[], str]
    methods: Mapping[str, Method] = field(default_factory=lambda: METHODS)
    told: set[str] = field(default_factory=set)

    async def __call__(self, scope: Scope, receive: Any, send: Send) -> None:
        """Answer one request below `/v3/`."""
        try:
            answer = await self._run(scope, receive)
        except Exception as error:  # noqa: BLE001 - the last line before the client: never a traceback, never HTML
            extra = self._missed(scope) if isinstance(error, Unauthenticated) else []
            await self._send_error(scope, send, _failure(error), extra)
            return
        status = wire.status(self.settings, answer.code, answer.message, self.request_id())
        await _send(send, 200, {"status": status, **answer.fields})

    async def fail(self, scope: Scope, send: Send, status: int) -> None:
        """Answer as if there were trouble of that status (429, or 500 and above)."""
        await self._send_error(scope, send, trouble(status))

    async def _run(self, scope: Scope, receive: Any) -> Answer:
        headers = dict(scope["headers"])
        method = self._method(scope, headers)
        query = wire.query_fields(scope["query_string"])
        caller = await auth.by_keys(self.core, headers, query, self.settings)
        scope["packshot.mode"] = caller.mode
        calls.begin(self.core, method.name)
        key = idempotency.key_of(headers.get(idempotency.HEADER), method.name)
        call = Call(self.core, caller, {}, query, self.zone, self.base_url(scope, headers), self.settings, key)
        if isinstance(method, Upload):
            return await method.run(call, self._body(scope, receive, headers))
        async with reading(receive, scope["headers"], self.limits, self.in_flight) as content:
            if not content and scope["method"] == "DELETE":
                raise NoBody
            params = await self._fields(scope["method"], headers, content)
            del content
            caller = await auth.for_account(self.core, caller, params, query)
            return await method.run(structs.replace(call, caller=caller, params=params))

    def _body(self, scope: Scope, receive: Any, headers: Headers) -> Body:
        async def pour_into(most_bytes: int, take: Take) -> None:
            limits = structs.replace(self.limits, request_bytes=most_bytes)
            await pour(receive, scope["headers"], limits, take)

        content_type = headers.get(b"content-type", b"").decode("latin-1")
        return Body(scope["path"].rstrip("/").rpartition("/")[2], content_type, pour_into)

    def _method(self, scope: Scope, headers: Headers) -> Method | Upload:
        """The method that the path names, in any case and with any slashes. Raises: UnknownAddress, WrongVerb."""
        method = self._named(scope["path"])
        if method is None:
            raise UnknownAddress(f"{self.base_url(scope, headers)}{scope['path'][:_SHOWN_CHARACTERS]}")
        scope["packshot.route"] = method.name
        if scope["method"] not in method.verbs:
            raise WrongVerb(scope["method"], *method.verbs)
        return method

    def _named(self, path: str) -> Method | Upload | None:
        match [part for part in path.lower().split("/") if part]:
            case ["v3", name]:
                return self.methods.get(name)
            case ["packshot", "v3", "upload"]:
                return UPLOADS["upload"]
            case ["packshot", "v3", "images", _]:
                return UPLOADS["images"]
            case ["packshot", "v3", name]:
                return OWN.get(name)
        return None

    async def _fields(self, verb: str, headers: Headers, content: Content) -> dict[str, Any]:
        if verb == "GET":  # the pages show bodies that nobody sends, and nothing in one is needed
            return {}
        content_type = headers.get(b"content-type", b"").decode("latin-1")
        if len(content) <= INLINE_BYTES:
            return wire.body_fields(content_type, content)
        return await asyncio.get_running_loop().run_in_executor(
            self.core.threads, wire.body_fields, content_type, content
        )

    def _missed(self, scope: Scope) -> list[tuple[bytes, bytes]]:
        """Which keys arrived, as a header; and once a word about proxies where that may be why none did."""
        headers = dict(scope["headers"])
        received = auth.received(headers)
        if received == "none" and auth.by_proxy(headers) and "proxy" not in self.told:
            self.told.add("proxy")
            _log.warning(
                "a call came through a proxy without its keys: proxies may drop header names with underscores"
                " (nginx keeps them with `underscores_in_headers on`); `packshot doctor --url ADDRESS` looks"
            )
        return [(RECEIVED, received.encode())]

    async def _send_error(
        self, scope: Scope, send: Send, error: WireError, extra: list[tuple[bytes, bytes]] | None = None
    ) -> None:
        scope["packshot.error"] = str(error.status)
        extra = list(extra or ())
        if error.retry_after_s is not None:
            extra.append((b"retry-after", str(error.retry_after_s).encode()))
        if error.allowed:
            extra.append((b"allow", ", ".join(error.allowed).encode()))
        if error.last:
            extra.append((b"connection", b"close"))
        status = wire.status(self.settings, error.status, error.text, self.request_id())
        await _send(send, error.status, {**body(error), "status": status}, extra)


def _failure(error: Exception) -> WireError:
    """The answer to an error; what nobody foresaw is logged, never shown."""
    answer = to_wire(error)
    if answer is INTERNAL:
        _log.error("request failed", exc_info=error)
    elif isinstance(error, Unavailable):
        _log.warning("unavailable", why=str(error), cause=repr(error.__cause__))
    return answer


async def _send(
    send: Send, status: int, answer: dict[str, Any], extra: list[tuple[bytes, bytes]] | None = None
) -> None:
    content = _encoder.encode(answer)
    headers = [*_FIXED, (b"content-length", b"%d" % len(content)), *(extra or ())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
