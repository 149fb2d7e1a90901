"""Everything that can go wrong on purpose, as one tree.

    PackshotError
      InvalidRequest(field, why)       the caller's words make no sense
        MissingField(field)
        InvalidValue(field, why)
        UnsupportedEncoding(encoding)  the body is compressed; we take plain bodies only
      RequestTooLarge(limit_bytes)     the body is larger than any request may be
      RequestTooSlow()                 the body arrives slower than anybody should send it
      Unauthenticated(why)             we do not know who is calling
      AccountStopped(state)            we know, and nobody may call this account
      Forbidden(scope)                 we know, and they may not
      NotFound(kind, key)              it is not there, or not theirs
      Conflict(why)                    it cannot be done beside what is there
      UnacceptableImage(why)           the bytes are not a picture we keep
        UndecodableImage(why)
        ImageTooLarge(limit, actual, unit)
      KeyReused()                      its key belongs to another call
      StillRunning()                   the same call is being done
      LimitReached(what, retry_after_s)
      Unavailable(what)                a part we need does not answer
      StoreFull()                      there is no room left

Services raise these and nothing else on purpose. Each door turns them into its own words in one
function, `to_wire`; anything outside this tree is a bug.
"""

from typing import Literal

CredentialFault = Literal[
    "absent", "wrong", "unknown_token", "expired", "forged", "disabled", "excluded", "client", "grant"
]


class PackshotError(Exception):
    """The root: a failure we foresaw, with a sentence that may be shown to the caller."""


class InvalidRequest(PackshotError):
    """The request cannot be understood. `why` is a sentence, or what is wrong with `field` in lower case."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"The {field} {why}" if why[:1].islower() else why)
        self.field = field
        self.why = why


class MissingField(InvalidRequest):
    """A value that has to be there is absent or empty."""

    def __init__(self, field: str) -> None:
        super().__init__(field, "is required")


class InvalidValue(InvalidRequest):
    """A value is there but cannot be used."""


class UnsupportedEncoding(InvalidRequest):
    """The request has a `Content-Encoding`; bodies are taken uncompressed only."""

    def __init__(self, encoding: str) -> None:
        super().__init__("Content-Encoding", f"{encoding} is not supported, send the body uncompressed")


class RequestTooLarge(PackshotError):
    """The request's body is longer than `limit_bytes`."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"The request is larger than {limit_bytes} bytes")
        self.limit_bytes = limit_bytes


class RequestTooSlow(PackshotError):
    """The body arrives slower than the lowest rate we wait for."""

    def __init__(self) -> None:
        super().__init__("The request arrives too slowly")


class Unauthenticated(PackshotError):
    """No credential, or one that is not valid.

    `why`: `absent` (none was sent), `wrong` (an inbound webhook that does not exist, was revoked or has
    expired), `unknown_token` (a token nobody issued), `expired` (a token or link whose time is over),
    `forged` (a link whose signature does not match), `disabled` (that of a user who was shut out), `excluded`
    (that of a user who may not use its application), `client` (an application's id and secret that do not
    match) or `grant` (a code or refresh token that is not good, or no longer).
    """

    def __init__(self, why: CredentialFault) -> None:
        super().__init__(f"The credential is {why}".replace("_", " "))
        self.why = why


class AccountStopped(PackshotError):
    """The account takes no calls: it is `blocked`, has no plan (`no_plan`) or was `closed`."""

    def __init__(self, state: str) -> None:
        super().__init__(f"The account is {state}".replace("is no_plan", "has no plan"))
        self.state = state


class Forbidden(PackshotError):
    """The caller is known but lacks `scope`: that of a credential (`catalog`), or a right (`image:write`).

    `application` means that only an application's access token may do this; `by_token` that the caller has one.
    """

    def __init__(self, scope: str, *, by_token: bool = False) -> None:
        super().__init__(f"This needs {scope}")
        self.scope = scope
        self.by_token = by_token


class NotFound(PackshotError):
    """There is no `kind` called `key`, or it belongs to somebody else: the two are never told apart."""

    def __init__(self, kind: str, key: object) -> None:
        super().__init__(f"{kind.capitalize()} not found")
        self.kind = kind
        self.key = key


class Conflict(PackshotError):
    """The change does not go together with what is stored already."""


class KeyReused(PackshotError):
    """The call has the Idempotency-Key of another one: the same method, which was told something else."""

    def __init__(self) -> None:
        super().__init__("The Idempotency-Key belongs to another request")


class StillRunning(PackshotError):
    """The same call, with the same Idempotency-Key, is being done; its answer may be there after `retry_after_s`."""

    retry_after_s = 1

    def __init__(self) -> None:
        super().__init__("The request with this Idempotency-Key is still running")


class UnacceptableImage(PackshotError):
    """The bytes were read and are not a picture we keep."""


class UndecodableImage(UnacceptableImage):
    """The bytes claim to be a picture of an accepted format but are cut off or damaged."""


class ImageTooLarge(UnacceptableImage):
    """The picture passes a limit. `unit` says of what, in words ("bytes", "pixels", "frames")."""

    def __init__(self, limit: int, actual: int, unit: str) -> None:
        super().__init__(f"The image has {actual} {unit}, the limit is {limit}")
        self.limit = limit
        self.actual = actual
        self.unit = unit


class LimitReached(PackshotError):
    """Too much at once; the caller may try again after `retry_after_s` seconds."""

    def __init__(self, what: str, retry_after_s: int) -> None:
        super().__init__(f"Too many {what}")
        self.what = what
        self.retry_after_s = retry_after_s


class Unavailable(PackshotError):
    """A part we depend on, `what`, does not answer; nothing was changed, or it is not known whether it was.

    `unclear`: what it was asked for may have been done all the same, or may be done yet.
    """

    def __init__(self, what: str, *, unclear: bool = False) -> None:
        super().__init__(f"The {what} is not available")
        self.what = what
        self.unclear = unclear


class StoreFull(PackshotError):
    """There is no room for more bytes or rows; reads and deletes go on."""

    def __init__(self) -> None:
        super().__init__("The disk space limit is exceeded")
