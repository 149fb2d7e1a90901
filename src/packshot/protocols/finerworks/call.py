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
    base_url: str
    settings: FinerWorksSettings


class Answer(msgspec.Struct, frozen=True):
    """What a method answers but for its `status`, and what that says: `message`, and the `code` of a failure in it.

    The HTTP status is 200 whatever the code.
    """

    fields: dict[str, Any]
    message: str = ""
    code: int = 200


class Method(msgspec.Struct, frozen=True):
    """A method: the last part of its address, the HTTP methods it is called with, and the function behind it."""

    name: str
    verbs: tuple[str, ...]
    run: Callable[[Call], Awaitable[Answer]]
