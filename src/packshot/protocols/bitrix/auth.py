"""From a request's address and parameters to the method it names and the caller behind it."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec

from packshot.domain.access import Principal
from packshot.domain.errors import Unauthenticated
from packshot.protocols.bitrix import wire
from packshot.protocols.bitrix.call import Method
from packshot.protocols.bitrix.errors import UnknownMethod
from packshot.protocols.bitrix.methods import METHODS
from packshot.services import access
from packshot.services.core import Core

_MAX_USER_DIGITS = 18
_MAX_PATH_CHARACTERS = 1_000
_TOKEN = re.compile(r"[!-~]{1,200}")
"""What may be a token at all; anything else is not looked up."""


class Address(msgspec.Struct, frozen=True):
    """What the path says: the method, and for an inbound webhook whose code it was called with."""

    method: Method
    user_id: int | None = None
    code: str = ""


@lru_cache(maxsize=1024)
def address(path: str) -> Address:
    """Read `/rest/{user}/{code}/{method}` or `/rest/{method}`.

    Slashes may be doubled or trail, `.json` or `.xml` may follow the method. Source: page "How to call REST".

    Raises:
        UnknownMethod: no such method, or a path of another form.
    """
    if len(path) > _MAX_PATH_CHARACTERS:  # also bounds what is remembered here
        raise UnknownMethod
    parts = [part for part in path.split("/") if part][1:]
    match parts:
        case [user, code, name] if user.isascii() and user.isdigit() and len(user) <= _MAX_USER_DIGITS:
            return Address(_method(name), int(user), code)
        case [name]:
            return Address(_method(name))
        case _:
            raise UnknownMethod


async def by_path(core: Core, called: Address) -> Principal | None:
    """Whom the path's credential speaks for; None where the path has none.

    It is looked at before the body is read: a stranger cannot make us take 36 MiB.

    Raises:
        Unauthenticated: the credential is not valid.
    """
    if called.user_id is None:
        return None
    return await access.by_webhook(core, called.user_id, called.code)


async def by_token(core: Core, params: dict[str, Any], headers: Mapping[bytes, bytes]) -> Principal:
    """Whom the access token in the parameter `auth` speaks for, or else the one in `Authorization: Bearer`.

    The header is ours: the pages know the parameter only. Source: page "Authorization".

    Raises:
        Unauthenticated: there is no token, or nobody is let in with it.
        AccountStopped: nobody may call the account.
    """
    token = wire.param(params, "auth") or _bearer(headers.get(b"authorization", b""))
    if not token:
        raise Unauthenticated("absent")
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise Unauthenticated("unknown_token")
    return await access.by_token(core, token)


def _bearer(header: bytes) -> str:
    scheme, _, token = header.decode("latin-1").strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _method(name: str) -> Method:
    method = METHODS.get(name.lower().removesuffix(".json").removesuffix(".xml"))
    if method is None:
        raise UnknownMethod
    return method
