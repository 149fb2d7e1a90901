"""One call of one method: what a method is, and what its function gets."""

from collections.abc import Awaitable, Callable
from datetime import tzinfo
from typing import Any

import msgspec

from packshot.domain.access import Principal
from packshot.protocols.finerworks.errors import FinerWorksSettings
from packshot.services.core import Core


class Call(msgspec.Struct, frozen=True):
    """The fields of the body and of the query, their names in lower case, and the zone that dates are written in.

    `caller` acts for the account whose account_key the call names, where it may.
    """

    core: Core
    caller: Principal
    params: dict[str, Any]
    query: dict[str, Any]
    zone: tzinfo
    settings: FinerWorksSettings


class Method(msgspec.Struct, frozen=True):
    """A method: the last part of its address, the HTTP methods it is called with, and the function behind it.

    The function gives back the answer but for its `status`.
    """

    name: str
    verbs: tuple[str, ...]
    run: Callable[[Call], Awaitable[dict[str, Any]]]
