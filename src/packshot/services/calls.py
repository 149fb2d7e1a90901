"""Under which circumstances a call changes something; works see them, since the context of a call goes along."""

import secrets
from contextvars import ContextVar

import msgspec

from packshot.domain.access import Principal
from packshot.services.core import Core

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
"""The request that is being answered."""


class Circumstances(msgspec.Struct, frozen=True):
    """What is noted beside a change, and what the settings say of it.

    `method` is what was called. `connector` is the key that an application names its changes by: its own offline
    handlers of that key do not hear of them.
    """

    method: str = ""
    connector: str = ""
    image_changes_product: bool = True


_USUAL = Circumstances()
_CURRENT: ContextVar[Circumstances] = ContextVar("circumstances", default=_USUAL)


def begin(core: Core, method: str, connector: str = "") -> None:
    """Say under which circumstances this call changes things from now on; a command gets a request id of its own."""
    if not REQUEST_ID.get():
        REQUEST_ID.set(f"command {secrets.token_hex(8)}")
    _CURRENT.set(Circumstances(method, connector, core.events.image_changes_product))


def current() -> Circumstances:
    """Those of this call."""
    return _CURRENT.get()


def who(caller: Principal) -> str:
    """The caller in words that an administrator can act on."""
    if caller.application_id is not None:
        return f"access token {caller.credential_id} of application {caller.application_id} for user {caller.user_id}"
    if caller.credential_id:
        return f"webhook {caller.credential_id} of user {caller.user_id}"
    if caller.pair_id:
        return f"pair of keys {caller.pair_id}"
    return "the server" if caller.server else "the command line"
