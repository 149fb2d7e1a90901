"""Our errors in Bitrix24's words: status, code and sentence."""

from collections.abc import Callable
from typing import Any, Literal

import msgspec

from packshot.domain.errors import (
    AccountStopped,
    Conflict,
    Forbidden,
    ImageTooLarge,
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


class BitrixSettings(msgspec.Struct, frozen=True):
    """How errors look where real portals differ.

    `error_codes`: `documented` writes all-digit codes as JSON numbers, as the method pages print them;
    `string` quotes them. `wrong_webhook`: the documented answer to an unknown webhook code, or the one
    seen on some portals. `simulate`: a code of `SYSTEM_ERRORS` that every call is answered with, or calls of one
    method where its name follows (`QUERY_LIMIT_EXCEEDED catalog.product.list`); empty for none. `require_https`:
    whether inbound webhooks are refused over plain HTTP.
    """

    error_codes: Literal["documented", "string"] = "documented"
    wrong_webhook: Literal["no_auth_found", "invalid_credentials"] = "no_auth_found"
    simulate: str = ""
    require_https: bool = False


class WireError(msgspec.Struct, frozen=True):
    """An error answer. `code` is all digits or a word; `retry_after_s` and `allowed` go into headers."""

    status: int
    code: str
    description: str
    retry_after_s: int | None = None
    allowed: tuple[str, ...] = ()


SYSTEM_ERRORS: dict[str, WireError] = {
    code: WireError(status, code, description)
    for status, code, description in (
        (500, "INTERNAL_SERVER_ERROR", "Internal server error"),
        (500, "ERROR_UNEXPECTED_ANSWER", "Server returned an unexpected response"),
        (503, "QUERY_LIMIT_EXCEEDED", "Too many requests"),
        (405, "ERROR_BATCH_METHOD_NOT_ALLOWED", "Method is not allowed for batch usage"),
        (400, "ERROR_BATCH_LENGTH_EXCEEDED", "Max batch length exceeded"),
        (401, "NO_AUTH_FOUND", "Wrong authorization data"),
        (400, "INVALID_REQUEST", "Https required"),
        (503, "OVERLOAD_LIMIT", "REST API is blocked due to overload"),
        (403, "ACCESS_DENIED", "REST API is available only on commercial plans"),
        (403, "INVALID_CREDENTIALS", "Invalid request credentials"),
        (404, "ERROR_MANIFEST_IS_NOT_AVAILABLE", "Manifest is not available"),
        (403, "insufficient_scope", "The request requires higher privileges than provided by the webhook token"),
        (401, "expired_token", "The access token provided has expired"),
        (403, "user_access_error", "The user does not have access to the application"),
        (500, "PORTAL_DELETED", "Portal was deleted"),
        # Up to here the table of the page "Errors"; the others stand on other pages or are known to the SDKs.
        (429, "OPERATION_TIME_LIMIT", "Method is blocked due to operation time limit."),
        (404, "ERROR_METHOD_NOT_FOUND", "Method not found!"),
        (
            403,
            "WRONG_AUTH_TYPE",
            "Current authorization type is denied for this method Application context required",
        ),
        (401, "invalid_token", "Unable to get application by token"),
        (401, "authorization_error", "Unable to authorize user"),
        (401, "ERROR_OAUTH", "Application not installed"),
        (401, "APPLICATION_NOT_FOUND", "Application not found"),
        (401, "NOT_INSTALLED", "Application not installed"),
        (401, "PAYMENT_REQUIRED", "Subscription has been ended"),
        (401, "METHOD_CONFIRM_WAITING", "Waiting for confirmation"),
        (403, "METHOD_CONFIRM_DENIED", "Method call denied"),
    )
}
"""What any method may be answered with, by code."""


class SystemRefusal(PackshotError):
    """The call is answered with a row of `SYSTEM_ERRORS`, whatever its method; perhaps to be repeated later."""

    def __init__(self, code: str, retry_after_s: int | None = None) -> None:
        super().__init__(SYSTEM_ERRORS[code].description)
        self.code = code
        self.retry_after_s = retry_after_s


class WrongParameter(InvalidRequest):
    """A parameter of the method itself, not a field inside it, is absent or of the wrong type: code 100."""


class UnknownMethod(InvalidRequest):
    """There is no method of that name."""

    def __init__(self) -> None:
        super().__init__("", SYSTEM_ERRORS["ERROR_METHOD_NOT_FOUND"].description)


class WrongVerb(InvalidRequest):
    """This address takes other verbs only, those in `allowed`."""

    def __init__(self, *allowed: str) -> None:
        super().__init__("", f"This address is called by {' or '.join(allowed)}")
        self.allowed = allowed


class NotInBatch(InvalidRequest):
    """The method cannot be called in a batch: another batch, or a download."""

    def __init__(self) -> None:
        super().__init__("", SYSTEM_ERRORS["ERROR_BATCH_METHOD_NOT_ALLOWED"].description)


class Refused(InvalidRequest):
    """A refusal that the method's own page describes: its code, sentence and status."""

    def __init__(self, code: str, why: str, status: int = 400) -> None:
        super().__init__("", why)
        self.code = code
        self.status = status


MISSING = "Could not find value for parameter {%s}"
WRONG_TYPE = "Invalid value {%s} to match with parameter {%s}. Should be value of type %s."

INTERNAL = SYSTEM_ERRORS["INTERNAL_SERVER_ERROR"]
TOO_LONG = SYSTEM_ERRORS["ERROR_BATCH_LENGTH_EXCEEDED"]

_CREDENTIALS: dict[str, WireError] = {
    "absent": SYSTEM_ERRORS["NO_AUTH_FOUND"],
    "wrong": SYSTEM_ERRORS["NO_AUTH_FOUND"],
    "unknown_token": SYSTEM_ERRORS["invalid_token"],
    "expired": SYSTEM_ERRORS["expired_token"],
    "forged": SYSTEM_ERRORS["INVALID_CREDENTIALS"],
    "disabled": SYSTEM_ERRORS["INVALID_CREDENTIALS"],
    "excluded": SYSTEM_ERRORS["user_access_error"],
    "client": WireError(401, "invalid_client", "The client id and secret do not belong together"),
    "grant": WireError(400, "invalid_grant", "The code or refresh token is wrong, has expired or was used already"),
}
_STATES: dict[str, WireError] = {
    "blocked": msgspec.structs.replace(SYSTEM_ERRORS["OVERLOAD_LIMIT"], retry_after_s=60),
    "no_plan": SYSTEM_ERRORS["ACCESS_DENIED"],
    "closed": SYSTEM_ERRORS["PORTAL_DELETED"],
}
_SEEN_ON_PORTALS = msgspec.structs.replace(SYSTEM_ERRORS["INVALID_CREDENTIALS"], status=401)
_RIGHTS: dict[str, str] = {
    "catalog:read": "200040300030",
    "section:read": "200040300040",
    "property:read": "0",
    "product:read": "200040300010",
    "product:write": "200040300040",
    "image:read": "200040300010",
    "image:write": "200040300020",
}


_MISSING_THINGS: dict[str, tuple[str, str]] = {
    "event": ("ERROR_EVENT_NOT_FOUND", "Event not found"),
    "catalog": ("200040300000", "The trade catalog with the specified identifier does not exist"),
    "trade catalog": ("0", "The trade catalog with the specified identifier does not exist"),
    "catalog section": ("200700300030", "The catalog section with the specified identifier does not exist"),
    "product property": ("", "productProperty does not exist."),
}


def to_wire(error: Exception, settings: BitrixSettings) -> WireError:
    """The answer to an error; whatever is not on purpose becomes the protocol's internal error."""
    if isinstance(error, Unauthenticated) and error.why == "wrong" and settings.wrong_webhook != "no_auth_found":
        return _SEEN_ON_PORTALS
    for kind in type(error).__mro__:
        if kind in _TABLE:
            return _TABLE[kind](error)
    return INTERNAL


def trouble(status: int) -> WireError:
    """What a portal in trouble says with that status: 429, or 500 and above."""
    code = {429: "OPERATION_TIME_LIMIT", 503: "QUERY_LIMIT_EXCEEDED"}.get(status, INTERNAL.code)
    return msgspec.structs.replace(SYSTEM_ERRORS[code], status=status, retry_after_s=1)


def body(error: WireError, settings: BitrixSettings) -> dict[str, Any]:
    """The JSON body: both keys always, and no `time`. Source: page "Errors", and decision 1 for the code's type."""
    as_number = error.code.isdigit() and settings.error_codes == "documented"
    return {"error": int(error.code) if as_number else error.code, "error_description": error.description}


def headers(error: WireError) -> list[tuple[bytes, bytes]]:
    """What the answer says beside its body: when to come back, by which verbs, or that the connection ends here."""
    said = [] if error.retry_after_s is None else [(b"retry-after", b"%d" % error.retry_after_s)]
    if error.allowed:
        said.append((b"allow", ", ".join(error.allowed).encode()))
    if error.status == 408:  # noqa: PLR2004 - the one whose sender is not worth waiting for
        said.append((b"connection", b"close"))
    return said


def _again(code: str, retry_after_s: int | None) -> WireError:
    return msgspec.structs.replace(SYSTEM_ERRORS[code], retry_after_s=retry_after_s)


def _invalid(error: InvalidRequest) -> WireError:
    return WireError(400, "0", str(error))


def _forbidden(error: Forbidden) -> WireError:
    if error.scope in _RIGHTS:
        return WireError(400, _RIGHTS[error.scope], "Access Denied")
    if error.scope == "application":
        return SYSTEM_ERRORS["WRONG_AUTH_TYPE"]
    if error.scope == "administrator":
        return WireError(403, "ACCESS_DENIED", "Access denied!")
    refusal = SYSTEM_ERRORS["insufficient_scope"]
    if not error.by_token:
        return refusal
    text = refusal.description.replace("webhook token", "access token")
    return msgspec.structs.replace(refusal, description=text)


def _not_found(error: NotFound) -> WireError:
    if error.kind in _MISSING_THINGS:
        return WireError(400, *_MISSING_THINGS[error.kind])
    return WireError(400, "0", f"{error.kind.capitalize()} with the specified identifier not found")


def _too_large(error: ImageTooLarge) -> WireError:
    if error.unit == "bytes":
        return WireError(400, "0", f"Maximum upload file size exceeded: {error}")
    return WireError(400, "0", f"Invalid file: {error}")


_TABLE: dict[type, Callable[[Any], WireError]] = {
    Unauthenticated: lambda error: _CREDENTIALS[error.why],
    AccountStopped: lambda error: _STATES[error.state],
    Forbidden: _forbidden,
    NotFound: _not_found,
    SystemRefusal: lambda error: _again(error.code, error.retry_after_s),
    UnknownMethod: lambda _: SYSTEM_ERRORS["ERROR_METHOD_NOT_FOUND"],
    NotInBatch: lambda _: SYSTEM_ERRORS["ERROR_BATCH_METHOD_NOT_ALLOWED"],
    Refused: lambda error: WireError(error.status, error.code, error.why),
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
    KeyReused: lambda error: WireError(422, "IDEMPOTENCY_KEY_REUSED", str(error)),
    StillRunning: lambda error: WireError(409, "IDEMPOTENCY_KEY_IN_USE", str(error), error.retry_after_s),
    LimitReached: lambda error: _again("QUERY_LIMIT_EXCEEDED", error.retry_after_s),
    Unavailable: lambda _: msgspec.structs.replace(INTERNAL, status=503, retry_after_s=1),
}
