"""What all public addresses of pictures share: who may ask how, and how they are refused."""

from collections.abc import Awaitable, Callable

import structlog

from packshot.delivery.sending import ANYWHERE, SHORT_S, Headers, Scope, Send, refuse, start
from packshot.domain.errors import (
    InvalidRequest,
    LimitReached,
    NotFound,
    PackshotError,
    UnacceptableImage,
    Unauthenticated,
)
from packshot.services.core import Core

Show = Callable[[Core, Scope, Send], Awaitable[None]]

_METHODS = (b"allow", b"GET, HEAD, OPTIONS")
_PREFLIGHT: Headers = [
    # Browsers ask before a script sends If-None-Match, or a range from the end: nothing that could do harm here.
    _METHODS,
    *ANYWHERE,
    (b"access-control-allow-headers", b"*"),
    (b"access-control-max-age", b"86400"),
]

_UNSIGNED = (
    "This rendition is no preset, so its address needs a signature: packshot image link gives one, and"
    " renditions.presets makes it a preset"
)

_log = structlog.get_logger("packshot.delivery")


def guarded(route: str) -> Callable[[Show], Show]:
    """Make a door of what shows pictures: for GET and HEAD, and with an answer to every error. `route` is for logs."""

    def guard(show: Show) -> Show:
        async def shown(core: Core, scope: Scope, send: Send) -> None:
            scope["packshot.route"] = route
            if scope["method"] == "OPTIONS":
                await start(send, 204, [*_PREFLIGHT], b"")
            elif scope["method"] not in {"GET", "HEAD"}:
                await refuse(send, 405, "INVALID_REQUEST", "Pictures are read with GET or HEAD", [_METHODS, *ANYWHERE])
            else:
                try:
                    await show(core, scope, send)
                except PackshotError as error:
                    await _refuse(send, error)

        return shown

    return guard


def named(scope: Scope, prefix: str) -> tuple[str, str]:
    """The two parts of the path behind *prefix* that count; the file name behind them is for people only."""
    first, second = (*scope["path"].removeprefix(prefix).split("/"), "")[:2]
    return first, second


async def _refuse(send: Send, error: PackshotError) -> None:
    match error:
        case NotFound() | InvalidRequest():
            # Pages go on asking for what was deleted. Not for long: it may be restored.
            await refuse(send, 404, "NOT_FOUND", str(error), ANYWHERE, b"public, max-age=%d" % SHORT_S)
        case Unauthenticated(why="expired"):
            await refuse(send, 403, "expired_token", "This link has expired", ANYWHERE)
        case Unauthenticated(why="absent"):
            await refuse(send, 403, "INVALID_CREDENTIALS", _UNSIGNED, ANYWHERE)
        case Unauthenticated():
            why = "This rendition needs a link with a valid signature"
            await refuse(send, 403, "INVALID_CREDENTIALS", why, ANYWHERE)
        case UnacceptableImage():
            await refuse(send, 422, "UNDECODABLE_IMAGE", str(error), ANYWHERE)
        case _:
            _log.warning("unavailable", why=str(error), cause=repr(error.__cause__))
            wait_s = error.retry_after_s if isinstance(error, LimitReached) else 1
            later = (b"retry-after", b"%d" % wait_s)
            await refuse(send, 503, "INTERNAL_SERVER_ERROR", str(error), [later, *ANYWHERE])
