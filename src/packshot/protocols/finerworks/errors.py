"""Our errors in FinerWorks' words: status, message, and what is wrong with which field."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from packshot.domain.errors import (
    AccountStopped,
    Conflict,
    Forbidden,
    InvalidRequest,
    KeyReused,
    LimitReached,
    MissingField,
    NotFound,
    PackshotError,
    RequestTooLarge,
    RequestTooSlow,
    StillRunning,
    StoreFull,
    UnacceptableImage,
    Unauthenticated,
    Unavailable,
    UnsupportedEncoding,
)
from packshot.services.core import LibrarySettings


class FinerWorksSettings(LibrarySettings, frozen=True):
    """How answers look where FinerWorks' hosts differ, and what libraries do.

    `v2_status`: every `status` has `reference_id` and `domain` too, as on the newer host. `query_keys`: whether the
    two keys are also taken from the query, where proxies may write them down.
    """

    v2_status: bool = False
    query_keys: bool = True


class WireError(msgspec.Struct, frozen=True):
    """An error answer. `fields` are the faulty ones with what is wrong; `text` says the same to people.

    `retry_after_s` and `allowed` go into headers; `last` says that the connection is closed behind the answer.
    """

    status: int
    text: str
    fields: Mapping[str, list[str]] | None = None
    retry_after_s: int | None = None
    allowed: tuple[str, ...] = ()
    last: bool = False


class UnknownAddress(InvalidRequest):
    """There is nothing at that address."""

    def __init__(self, address: str) -> None:
        super().__init__("", f"No HTTP resource was found that matches the request URI '{address}'.")


class WrongVerb(InvalidRequest):
    """This address takes other HTTP methods only, those in `allowed`."""

    def __init__(self, verb: str, *allowed: str) -> None:
        super().__init__("", f"The requested resource does not support http method '{verb}'.")
        self.allowed = allowed


class WrongMediaType(InvalidRequest):
    """The body is said to be something else than JSON."""

    def __init__(self, media_type: str) -> None:
        super().__init__(
            "", f"The request entity's media type '{media_type[:100]}' is not supported for this resource."
        )


class NoBody(InvalidRequest):
    """A DELETE whose body never arrived."""

    def __init__(self) -> None:
        super().__init__(
            "body",
            "No request body arrived. This DELETE takes a JSON body, and Node's http module sends one that the server"
            " cannot see unless Content-Length is set",
        )


INVALID = "The request is invalid."
CREDENTIALS = "Missing or unauthorized api credentials"
INTERNAL = WireError(500, "An error has occurred.")

_WRONG_KEYS = WireError(400, CREDENTIALS, {"ApiC.Models.authorization_credentials": [CREDENTIALS]})


def to_wire(error: Exception) -> WireError:
    """The answer to an error; whatever is not on purpose becomes the protocol's internal error."""
    for kind in type(error).__mro__:
        if kind in _TABLE:
            return _TABLE[kind](error)
    return INTERNAL


def trouble(status: int) -> WireError:
    """What a server in trouble says with that status: 429, or 500 and above."""
    text = "Too many requests" if status == 429 else INTERNAL.text  # noqa: PLR2004 - the one that is no server error
    return WireError(status, text, retry_after_s=1)


def body(error: WireError) -> dict[str, Any]:
    """The JSON body but for its `status`. Source: the answers that clients of FinerWorks read."""
    if error.fields is None:
        return {"Message": error.text}
    return {"Message": INVALID, "ModelState": error.fields}


def _invalid(text: str, field: str = "") -> WireError:
    return WireError(400, text, {f"request.{field}" if field and field != "body" else "request": [text]})


def _refused(error: PackshotError) -> WireError:
    return _invalid(str(error))


_TABLE: dict[type, Callable[[Any], WireError]] = {
    Unauthenticated: lambda _: _WRONG_KEYS,
    AccountStopped: lambda error: WireError(403, str(error)),
    Forbidden: lambda error: WireError(403, str(error)),
    UnknownAddress: lambda error: WireError(404, error.why),
    WrongVerb: lambda error: WireError(405, error.why, allowed=error.allowed),
    WrongMediaType: lambda error: WireError(415, error.why),
    UnsupportedEncoding: lambda error: WireError(415, str(error)),
    NoBody: lambda error: msgspec.structs.replace(_invalid(error.why), last=True),
    MissingField: lambda error: _invalid(f"The {error.field} field is required.", error.field),
    InvalidRequest: lambda error: _invalid(str(error), error.field),
    RequestTooLarge: lambda error: WireError(413, str(error)),
    RequestTooSlow: lambda error: WireError(408, str(error), last=True),
    NotFound: _refused,
    Conflict: _refused,
    UnacceptableImage: _refused,
    StoreFull: _refused,
    KeyReused: lambda error: WireError(422, str(error)),
    StillRunning: lambda error: WireError(409, str(error), retry_after_s=error.retry_after_s),
    LimitReached: lambda error: WireError(503, str(error), retry_after_s=error.retry_after_s),
    Unavailable: lambda error: WireError(503, str(error), retry_after_s=1),
}
