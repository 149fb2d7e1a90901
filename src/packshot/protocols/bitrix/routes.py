"""The door: everything under `/rest/`, as one plain ASGI application.

A call is read, merged, authenticated, run and answered here, as JSON or where its address says so as XML, and
never with a page or a redirect: clients take either for a moved portal.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import tzinfo
from functools import lru_cache, partial
from typing import Any
from urllib.parse import parse_qs

import msgspec

from packshot.domain.errors import NotFound
from packshot.domain.originals import Original
from packshot.protocols.bitrix import as_xml, auth
from packshot.protocols.bitrix.call import Answer, Call, File
from packshot.protocols.bitrix.errors import BitrixSettings, SystemRefusal, WireError, WrongVerb, body, headers, trouble
from packshot.protocols.bitrix.limits import Limiter, count
from packshot.protocols.bitrix.methods import METHODS
from packshot.protocols.bitrix.perform import failure, perform, taken
from packshot.protocols.body import BodyLimits, InFlight, merge, parse, parse_form, reading
from packshot.services import downloads, idempotency
from packshot.services.core import Core

Scope = dict[str, Any]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Headers = dict[bytes, bytes]
Content = bytes | bytearray
SendOriginal = Callable[[Scope, Send, Original], Awaitable[None]]

INLINE_BYTES = 256 * 1024
"""Larger bodies are decoded on a thread, so that they do not hold up everybody else."""

_DOWNLOAD = re.compile(r"/rest/+download(\.json)?/*")
_V3 = re.compile(r"/rest/+api/")
_V3_UNKNOWN = {
    "error": {"code": "BITRIX_REST_V3_EXCEPTION_METHODNOTFOUNDEXCEPTION", "message": "The method was not found"}
}
"""The catalog is not part of REST 3.0; its clients understand errors of their own form only."""

_FIXED = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]
_JSON = [(b"content-type", b"application/json; charset=utf-8"), *_FIXED]
_XML = [(b"content-type", b"text/xml; charset=utf-8"), *_FIXED]

_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Bitrix:
    """What the door needs: the core, its settings, and how originals are sent."""

    core: Core
    settings: BitrixSettings
    zone: tzinfo
    base_url: Callable[[Scope, Headers], str]
    send_original: SendOriginal
    limits: BodyLimits
    in_flight: InFlight
    limiter: Limiter | None

    async def __call__(self, scope: Scope, receive: Any, send: Send) -> None:
        """Answer one request below `/rest/`."""
        try:
            if _DOWNLOAD.fullmatch(scope["path"]):
                await self._download(scope, send)
                return
            if _V3.match(scope["path"]):
                await _send(scope, send, 404, _V3_UNKNOWN)
                return
            answer, started = await self._run(scope, receive)
        except Exception as error:  # noqa: BLE001 - the last line before the client: never a traceback, never HTML
            await _send_error(scope, send, failure(error, self.settings), self.settings)
            return
        if isinstance(answer, File):
            await self.send_original(scope, send, answer.original)
        else:
            await _send(scope, send, 200, _envelope(answer, taken(*started, self.zone, answer.operated)))

    async def _run(self, scope: Scope, receive: Any) -> tuple[Answer | File, tuple[float, float]]:
        started = time.time()
        if scope["method"] not in {"GET", "POST"}:
            raise WrongVerb("GET", "POST")
        called = auth.address(scope["path"])
        scope["packshot.route"] = called.method.name
        if self.settings.require_https and called.user_id is not None and scope["scheme"] != "https":
            raise SystemRefusal("INVALID_REQUEST")  # a token is short-lived, a webhook's code is not
        caller = await auth.by_path(self.core, called)
        headers = dict(scope["headers"])
        async with reading(receive, scope["headers"], self.limits, self.in_flight) as content:
            params = await self._params(scope["query_string"], headers, content, called.method.undecoded)
            caller = caller or await auth.by_token(self.core, params, headers)
            source = scope["client"][0] if scope["client"] else ""
            base_url = self.base_url(scope, headers)
            if self.limiter is not None:
                await count(self.core, self.limiter, caller.account_id, source)
            key = idempotency.key_of(headers.get(idempotency.HEADER), called.method.name)
            call = Call(
                self.core, caller, params, base_url, self.zone, self.settings, source, METHODS, self.limiter, key
            )
            running = time.time()
            del content, params
            return await perform(call, called.method), (started, running)

    async def _params(
        self, query: bytes, headers: Headers, content: Content, undecoded: frozenset[str]
    ) -> dict[str, Any]:
        read = partial(_params, query, headers, content, undecoded)
        if len(content) <= INLINE_BYTES:
            return read()
        return await asyncio.get_running_loop().run_in_executor(self.core.threads, read)

    async def _download(self, scope: Scope, send: Send) -> None:
        """`/rest/download.json?token=...`: the bytes, or 403 forged, 401 expired, 404 deleted."""
        scope["packshot.route"] = "download"
        if scope["method"] not in {"GET", "HEAD"}:
            raise WrongVerb("GET", "HEAD")
        token = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        try:
            original = await downloads.open_link(self.core, token)
        except NotFound as error:
            await _send_error(scope, send, WireError(404, "NOT_FOUND", str(error)), self.settings)
            return
        await self.send_original(scope, send, original)

    async def fail(self, scope: Scope, send: Send, status: int) -> None:
        """Answer as if there were trouble of that status (429, or 500 and above)."""
        await _send_error(scope, send, trouble(status), self.settings)


def _params(query: bytes, headers: Headers, content: Content, undecoded: frozenset[str]) -> dict[str, Any]:
    """Query and body as one, the body standing above the query. Source: page "Data encoding"."""
    if not content:
        return parse_form(query) if query else {}
    params = parse(headers.get(b"content-type", b"").decode("latin-1"), content, undecoded)
    return merge(parse_form(query), params) if query else params


def _envelope(answer: Answer, times: dict[str, Any]) -> dict[str, Any]:
    envelope: dict[str, Any] = {"result": answer.result}
    if answer.next is not None:
        envelope["next"] = answer.next
    if answer.total is not None:
        envelope["total"] = answer.total
    envelope["time"] = times
    return envelope


async def _send_error(scope: Scope, send: Send, error: WireError, settings: BitrixSettings) -> None:
    scope["packshot.error"] = error.code
    await _send(scope, send, error.status, body(error, settings), headers(error))


async def _send(
    scope: Scope, send: Send, status: int, answer: dict[str, Any], extra: Iterable[tuple[bytes, bytes]] = ()
) -> None:
    wants_xml = scope["path"].rstrip("/")[-4:].lower() == ".xml"
    encode, fixed = (as_xml.encode, _XML) if wants_xml else (_encoder.encode, _JSON)
    content = encode(answer)
    headers = [*fixed, (b"content-length", _length(len(content))), *extra]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


@lru_cache(maxsize=8192)
def _length(size: int) -> bytes:
    return b"%d" % size
