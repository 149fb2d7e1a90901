"""Our errors in Bitrix24's words: status, code and sentence."""

from collections.abc import Callable
from typing import Any, Literal

import msgspec

from packshot.domain.errors import (
    Conflict,
    Forbidden,
    ImageTooLarge,
    InvalidRequest,
    LimitReached,
    MissingField,
    NotFound,
    RequestTooLarge,
    RequestTooSlow,
    StoreFull,
    UnacceptableImage,
    Unauthenticated,
    Unavailable,
    UnsupportedEncoding,
)


class BitrixSettings(msgspec.Struct, frozen=True):
    """How errors look where real portals differ.

    `error_codes`: `documented` writes all-digit codes as JSON numbers, as the method pages print them;
    `string` quotes them. `wrong_webhook`: the documented answer to an unknown webhook code, or the one
    seen on some portals.
    """

    error_codes: Literal["documented", "string"] = "documented"
    wrong_webhook: Literal["no_auth_found", "invalid_credentials"] = "no_auth_found"


class WireError(msgspec.Struct, frozen=True):
    """An error answer. `code` is all digits or a word; `retry_after_s` and `allowed` go into headers."""

    status: int
    code: str
    description: str
    retry_after_s: int | None = None
    allowed: tuple[str, ...] = ()


class WrongParameter(InvalidRequest):
    """A parameter of the method itself, not a field inside it, is absent or of the wrong type: code 100."""


class UnknownMethod(InvalidRequest):
    """There is no method of that name."""

    def __init__(self) -> None:
        super().__init__("", "Method not found!")


class WrongVerb(InvalidRequest):
    """This address takes other verbs only, those in `allowed`."""

    def __init__(self, *allowed: str) -> None:
        super().__init__("", f"This address is called by {' or '.join(allowed)}")
        self.allowed = allowed


MISSING = "Could not find value for parameter {%s}"
WRONG_TYPE = "Invalid value {%s} to match with parameter {%s}. Should be value of type %s."

INTERNAL = WireError(500, "INTERNAL_SERVER_ERROR", "Internal server error")

_CREDENTIALS: dict[str, WireError] = {
    "absent": WireError(401, "NO_AUTH_FOUND", "Wrong authorization data"),
    "wrong": WireError(401, "NO_AUTH_FOUND", "Wrong authorization data"),
    "unknown_token": WireError(401, "invalid_token", "Unable to get application by token"),
    "expired": WireError(401, "expired_token", "The access token provided has expired"),
    "forged": WireError(403, "INVALID_CREDENTIALS", "Invalid request credentials"),
}
_SEEN_ON_PORTALS = WireError(401, "INVALID_CREDENTIALS", "Invalid request credentials")
_RIGHTS: dict[str, str] = {
    "catalog:read": "200040300030",
    "product:read": "200040300010",
    "product:write": "200040300040",
    "image:read": "200040300010",
    "image:write": "200040300020",
}


def to_wire(error: Exception, settings: BitrixSettings) -> WireError:
    """The answer to an error; whatever is not on purpose becomes the protocol's internal error."""
    if isinstance(error, Unauthenticated) and error.why == "wrong" and settings.wrong_webhook != "no_auth_found":
        return _SEEN_ON_PORTALS
    for kind in type(error).__mro__:
        if kind in _TABLE:
            return _TABLE[kind](error)
    return INTERNAL


def body(error: WireError, settings: BitrixSettings) -> dict[str, Any]:
    """The JSON body: both keys always, and no `time`. Source: page "Errors", and decision 1 for the code's type."""
    as_number = error.code.isdigit() and settings.error_codes == "documented"
    return {"error": int(error.code) if as_number else error.code, "error_description": error.description}


def _invalid(error: InvalidRequest) -> WireError:
    return WireError(400, "0", str(error))


def _forbidden(error: Forbidden) -> WireError:
    if error.scope in _RIGHTS:
        return WireError(400, _RIGHTS[error.scope], "Access Denied")
    if error.scope == "application":
        return WireError(
            403,
            "WRONG_AUTH_TYPE",
            "Current authorization type is denied for this method Application context required",
        )
    return WireError(
        403, "insufficient_scope", "The request requires higher privileges than provided by the webhook token"
    )


def _not_found(error: NotFound) -> WireError:
    if error.kind == "catalog":
        return WireError(400, "200040300000", "The trade catalog with the specified identifier does not exist")
    return WireError(400, "0", f"{error.kind.capitalize()} with the specified identifier not found")


def _too_large(error: ImageTooLarge) -> WireError:
    if error.unit == "bytes":
        return WireError(400, "0", f"Maximum upload file size exceeded: {error}")
    return WireError(400, "0", f"Invalid file: {error}")


_TABLE: dict[type, Callable[[Any], WireError]] = {
    Unauthenticated: lambda error: _CREDENTIALS[error.why],
    Forbidden: _forbidden,
    NotFound: _not_found,
    UnknownMethod: lambda error: WireError(404, "ERROR_METHOD_NOT_FOUND", error.why),
    WrongVerb: lambda error: WireError(405, "INVALID_REQUEST", error.why, allowed=error.allowed),
    WrongParameter: lambda error: WireError(400, "100", error.why),
    UnsupportedEncoding: lambda error: WireError(415, "INVALID_REQUEST", str(error)),
    MissingField: lambda error: WireError(400, "0", f"Required fields: {error.field}"),
    InvalidRequest: _invalid,
    RequestTooLarge: lambda error: WireError(413, "0", f"Maximum upload file size exceeded: {error}"),
    RequestTooSlow: lambda error: WireError(408, "INVALID_REQUEST", str(error)),
    Conflict: lambda error: WireError(400, "0", str(error)),
    ImageTooLarge: _too_large,
    UnacceptableImage: lambda error: WireError(400, "0", f"Invalid file type: {error}"),
    StoreFull: lambda _: WireError(400, "0", "Disk space limit exceeded"),
    LimitReached: lambda error: WireError(503, "QUERY_LIMIT_EXCEEDED", "Too many requests", error.retry_after_s),
    Unavailable: lambda _: WireError(503, "INTERNAL_SERVER_ERROR", "Internal server error", 1),
}
