"""From a request's headers and query to the caller behind its two keys."""

import re
from collections.abc import Mapping
from typing import Any

from packshot.domain.access import Principal
from packshot.domain.errors import InvalidValue, Unauthenticated
from packshot.protocols.finerworks.call import KEYS
from packshot.protocols.finerworks.errors import FinerWorksSettings
from packshot.services import keys
from packshot.services.core import Core

Headers = Mapping[bytes, bytes]

_KEY = re.compile(r"[!-~]{1,100}")
"""What may be a key at all; anything else is not looked up."""
_FORWARDED = (b"x-forwarded-", b"forwarded", b"via")


async def by_keys(core: Core, headers: Headers, query: Mapping[str, Any], settings: FinerWorksSettings) -> Principal:
    """Whom `web_api_key` and `app_key` speak for: those of the headers, or else those of the query.

    They are looked at before the body is read: a stranger cannot make us take one. Source: page "Documentation".

    Raises:
        Unauthenticated: one is missing, or they are no pair.
        AccountStopped: nobody may call the account.
    """
    asked = query if settings.query_keys else {}
    found = [headers.get(name.encode(), b"").decode("latin-1").strip() or asked.get(name) for name in KEYS]
    if not all(isinstance(key, str) and _KEY.fullmatch(key) for key in found):
        raise Unauthenticated("wrong" if any(found) else "absent")
    return await keys.by_pair(core, *map(str, found))


async def for_account(core: Core, caller: Principal, params: Mapping[str, Any], query: Mapping[str, Any]) -> Principal:
    """*caller* for the account that an `account_key` names: in the body, in its `library`, or in the query.

    Only a privileged caller's is looked at.

    Raises:
        InvalidValue: it names no account, or two of them.
        AccountStopped: nobody may call that account.
    """
    if not caller.privileged:
        return caller
    library = params.get("library")
    places = (params, library if isinstance(library, dict) else {}, query)
    named = {str(place["account_key"]).strip() for place in places if place.get("account_key") not in (None, "")}
    if len(named) > 1:
        raise InvalidValue("account_key", "The request names two accounts")
    return await keys.acting_for(core, caller, *named) if named else caller


def received(headers: Headers) -> str:
    """The names of the keys that arrived as headers, for those who look for a proxy that drops them."""
    return ", ".join(name for name in KEYS if name.encode() in headers) or "none"


def by_proxy(headers: Headers) -> bool:
    """Whether the request came through a proxy that says so."""
    return any(name.startswith(_FORWARDED) for name in headers)
