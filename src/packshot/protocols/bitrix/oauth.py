"""The door at `/oauth/`: pages where people let applications act for them, and the address where those get tokens."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgspec

from packshot.domain.accounts import Tokens
from packshot.domain.errors import InvalidRequest, NotFound, Unauthenticated
from packshot.protocols.bitrix import consent, pages
from packshot.protocols.bitrix.errors import BitrixSettings, SystemRefusal, WireError, WrongVerb, body, headers
from packshot.protocols.bitrix.pages import Send
from packshot.protocols.bitrix.perform import failure
from packshot.protocols.body import BodyLimits, InFlight, merge, parse, parse_form, reading
from packshot.services import oauth
from packshot.services.attempts import Attempts
from packshot.services.core import Core

Scope = dict[str, Any]
Headers = dict[bytes, bytes]

PREFIX = "/oauth/"
REQUEST_BYTES = 16 * 1024
"""A login or a request for tokens is small, and comes from strangers."""

_FROM_HERE = {b"", b"same-origin", b"none"}
_JSON = (b"content-type", b"application/json; charset=utf-8")


@dataclass(frozen=True, slots=True)
class OAuth:
    """What the door needs: the core, settings of errors, our own address, and how many logins have failed."""

    core: Core
    settings: BitrixSettings
    base_url: Callable[[Scope, Headers], str]
    limits: BodyLimits
    in_flight: InFlight
    attempts: Attempts

    async def __call__(self, scope: Scope, receive: Any, send: Send) -> None:
        """Answer one request below `/oauth/`."""
        name = scope["path"].removeprefix(PREFIX).strip("/")
        if name == "token":
            scope["packshot.route"] = "oauth.token"
            await self._token(scope, receive, send)
            return
        try:
            await self._page(name, scope, receive, send)
        except Exception as error:  # noqa: BLE001 - the last line before a person: never a traceback
            answer = failure(error, self.settings)
            scope["packshot.error"] = answer.code
            await pages.show_problem(send, error, answer.status, headers(answer))

    async def _page(self, name: str, scope: Scope, receive: Any, send: Send) -> None:
        if name not in {"authorize", "style.css"}:
            raise NotFound("page", name)
        scope["packshot.route"] = f"oauth.{name}"
        if name == "style.css":
            await pages.send_style(send)
            return
        self._require_https(scope)
        sent, form = dict(scope["headers"]), await self._form(scope, receive)
        base_url = self.base_url(scope, sent)
        seen = await consent.visit(self.core, scope, sent, parse_form(scope["query_string"]), base_url)
        if scope["method"] == "GET":
            await consent.look(self.core, send, seen)
            return
        if sent.get(b"sec-fetch-site", b"") not in _FROM_HERE:
            raise Unauthenticated("forged")
        await consent.act(self.core, send, self.attempts, seen, form)

    async def _token(self, scope: Scope, receive: Any, send: Send) -> None:
        """`/oauth/token/` by GET or POST: a code or refresh token in, tokens out. Source: page "OAuth 2.0", step 3."""
        more: list[pages.Header] = [_JSON]
        try:
            self._require_https(scope)
            params = merge(parse_form(scope["query_string"]), await self._form(scope, receive))
            made = await _made(self.core, {name: text for name, text in params.items() if isinstance(text, str)})
            status, answer = 200, written(self.core, made, self.base_url(scope, dict(scope["headers"])))
        except Exception as error:  # noqa: BLE001 - the last line before the client: never a traceback, never HTML
            refusal = _refusal(error, failure(error, self.settings))
            scope["packshot.error"] = refusal.code
            status, answer = refusal.status, body(refusal, self.settings)
            more += headers(refusal)
        await pages.respond(send, status, msgspec.json.encode(answer), more)

    def _require_https(self, scope: Scope) -> None:
        """Take no password and no secret over plain HTTP, where the settings say so. Raises: SystemRefusal."""
        if self.settings.require_https and scope["scheme"] != "https":
            raise SystemRefusal("INVALID_REQUEST")

    async def _form(self, scope: Scope, receive: Any) -> dict[str, Any]:
        """The parameters in the body of a request. Raises: WrongVerb, and whatever is wrong with the body."""
        if scope["method"] == "GET":
            return {}
        if scope["method"] != "POST":
            raise WrongVerb("GET", "POST")
        limits = msgspec.structs.replace(self.limits, request_bytes=REQUEST_BYTES)
        async with reading(receive, scope["headers"], limits, self.in_flight) as content:
            kind = dict(scope["headers"]).get(b"content-type", b"").decode("latin-1")
            return parse(kind, content, frozenset())


async def _made(core: Core, params: dict[str, str]) -> Tokens:
    client = _required(params, "client_id"), _required(params, "client_secret")
    match _required(params, "grant_type"):
        case "authorization_code":
            return await oauth.exchange(core, client, _required(params, "code"), params.get("code_verifier", ""))
        case "refresh_token":
            return await oauth.refresh(core, client, _required(params, "refresh_token"))
        case _:
            raise InvalidRequest("", 'The "grant_type" parameter is neither authorization_code nor refresh_token')


def _required(params: dict[str, str], name: str) -> str:
    if not params.get(name):
        raise InvalidRequest("", f'No "{name}" parameter found')
    return params[name]


def _refusal(error: Exception, found: WireError) -> WireError:
    """Of what else than tokens can be wrong, this address knows one code. Source: page "OAuth 2.0 error codes"."""
    if isinstance(error, InvalidRequest):
        return WireError(found.status, "invalid_request", found.description, allowed=found.allowed)
    return found


def written(core: Core, made: Tokens, base_url: str) -> dict[str, Any]:
    """The same keys for a code and for a refresh token: SDKs read `expires` and `user_id` in both answers."""
    return {
        "access_token": made.access_token,
        "expires": made.expires_at // 1_000_000,
        "expires_in": (made.expires_at - core.now()) // 1_000_000,
        "scope": ",".join(made.scopes),
        "domain": urlsplit(base_url).netloc,
        "server_endpoint": f"{base_url}/rest/",
        "status": made.status,
        "client_endpoint": f"{base_url}/rest/",
        "member_id": made.member_id,
        "user_id": made.user_id,
        "refresh_token": made.refresh_token,
    }
